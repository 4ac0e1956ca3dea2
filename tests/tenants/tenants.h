/* SPDX-License-Identifier: MIT */
/*
 * Two guests on one vio-blk that serves both with one thread: a victim, which asks for
 * so much a second whatever happens, and somebody beside it. Both are processes on
 * one processor and the device is on another; the other guest is in a control group
 * with a quota of processor time. What the victim loses to a flood is compared with
 * what it loses to a neighbour that burns the same quota and kicks nobody.
 */
#ifndef VIO_TESTS_TENANTS_H
#define VIO_TESTS_TENANTS_H

#include <stdint.h>

#include "../examples/front.h"

#define SEC UINT64_C(1000000000)
#define MS  UINT64_C(1000000)

/* A request has three descriptors. */
#define SLOTS       (QUEUE_SIZE / 3)
#define IMAGE_BYTES (UINT64_C(64) << 20)
#define SECTORS     (IMAGE_BYTES / 512)

enum mode {
	MODE_SPIN,
	MODE_DOORBELL,
	MODE_TINY,
	MODE_WORK,
	MODE_BENIGN,
	N_MODES,
};

/* Longest latency that is told apart, in units of 4 us. */
#define BUCKETS   65536u
#define BUCKET_NS 4000u

/* Shared by the processes. Times are those of CLOCK_MONOTONIC. */
struct board {
	uint64_t ready;     /* atomic: how many are */
	uint64_t go;        /* atomic: the neighbour may begin */
	uint64_t attack_ns; /* atomic: when it was running, 0: not yet */
	uint64_t end_ns;    /* atomic: when everything ends; 0: not known yet */
	uint64_t n_done;    /* the victim's, within the measured time */
	uint64_t n_offered; /* likewise */
	uint64_t seed;
	uint32_t buckets[BUCKETS]; /* of its latencies, likewise */
};

uint64_t now_ns(void);
void pin(int processor);
uint64_t random_next(uint64_t *state);

/* victim.c: requests a second that the victim can have at the most, measured. */
double victim_solo(struct front *front, uint64_t span_ns);

/* Asks for @per_sec from now to board->end_ns; counts from board->attack_ns on. */
void victim_run(struct front *front, struct board *board, double per_sec);

/* neighbour.c: does as @mode says from now to board->end_ns. */
void neighbour_run(struct front *front, struct board *board, enum mode mode);

/* Small requests with a kick each, as of a network, until board->end_ns. */
void small_run(struct front *front, struct board *board);

#endif /* VIO_TESTS_TENANTS_H */
