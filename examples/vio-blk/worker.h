/* SPDX-License-Identifier: MIT */
/*
 * A worker: what owns one queue of the device, and all that it needs to serve it. It
 * has a thread of its own, or takes turns with others on one that they share. Other
 * threads reach it through its mail and an eventfd only.
 */
#ifndef VIO_BLK_WORKER_H
#define VIO_BLK_WORKER_H

#include <pthread.h>
#include <stdint.h>

#include <liburing.h>

#include <vio/vio.h>

#include "disk.h"
#include "request.h"
#include "throttle.h"

/* Largest ring of a queue, and so the most requests that one can have open. */
#define QUEUE_SIZE_MAX 1024u

/* What the main thread wants; under the lock. */
struct mail {
	pthread_mutex_t lock;
	struct vio_queue *queue; /* to start; NULL: none */
	struct vio_stop *stop;   /* to answer; NULL: none */
	uint32_t stop_flags;
	int is_quitting;
};

/* What a worker may do in a turn, and has done; without bounds if it has a thread. */
struct turn {
	uint64_t until_ns; /* 0: there is no bound, here and below */
	uint64_t chains_max;
	uint64_t bytes_max;
	uint64_t kicks;
	uint64_t unwanted; /* of them: while the driver was to spare them */
	uint64_t chains;
	uint64_t bytes;
};

struct worker {
	const struct disk *disk;
	struct throttle *throttle;
	struct mail mail;
	pthread_t thread;
	int has_thread;
	int epoll_fd;
	int wake_fd;  /* eventfd: mail, or another limit */
	int timer_fd; /* when the limit is to be asked again */
	struct io_uring ring;
	struct vio_heap *requests; /* a pool */

	/* The thread's own. */
	struct vio_lease lease;
	struct bill debt;        /* of requests that could not wait: see serve.c */
	struct vio_queue *queue; /* NULL: none runs */
	struct vio_stop *stop;   /* NULL: it is to go on */
	uint32_t stop_flags;
	uint32_t n_in_kernel; /* requests that io_uring has */
	int is_latched;       /* the ring is broken: no more is popped */
	int is_masked;        /* its kicks are not listened to */
	struct turn turn;
	uint32_t n_under_way; /* unwanted kicks that the driver cannot help */
	int has_more;         /* chains are left that no kick will tell of */
	struct request *line; /* waiting for the limit, first come first served */
	struct request **line_end;
};

/* Creates the descriptors; -1 and a complaint if it cannot. */
int worker_create(struct worker *worker, struct vio_ctx *ctx, const struct disk *disk,
		  struct throttle *throttle);

/* Gives it a thread, likewise. */
int worker_start(struct worker *worker);

/* No queue runs: ends the thread and gives everything back. */
void worker_destroy(struct worker *worker);

/* Any thread, these three. */
void worker_start_queue(struct worker *worker, struct vio_queue *queue);
void worker_stop_queue(struct worker *worker, struct vio_stop *stop,
		       uint32_t stop_flags);
void worker_wake(struct worker *worker);

/* The serving thread, these three. Waits for events, if for none with 0, and serves;
 * returns 1 if the worker is to end. */
int worker_take_turn(struct worker *worker, int wait_ms);

/* How long to wait for events: 0: there is more to do; -1: for ever. */
int worker_wait_ms(const struct worker *worker);

/* Whether kicks are listened to. */
void worker_mask(struct worker *worker, int is_masked);

/* Takes the kicks that have come. */
void worker_read_kicks(struct worker *worker, int is_unwanted);

/* Tells the driver to spare kicks; those that came before it were wanted. */
void worker_spare_kicks(struct worker *worker);

/* serve.c: carries on with everything that can go on now. */
void worker_serve(struct worker *worker);

#endif /* VIO_BLK_WORKER_H */
