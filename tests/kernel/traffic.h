/* SPDX-License-Identifier: MIT */
/*
 * Traffic over one ring: a driver that asks, a device that answers, each of them
 * by anybody's code. Either sleeps when it has nothing to do and has asked to be
 * notified; whoever runs them decides what sleeping is.
 */
#ifndef TESTS_KERNEL_TRAFFIC_H
#define TESTS_KERNEL_TRAFFIC_H

#include "random.h"
#include "side.h"

#define DESCS_MAX 256u

enum actor { DRIVER, DEVICE };

enum step {
	STEP_BUSY,
	STEP_IDLE,  /* sleeps until it is notified */
	STEP_DONE,  /* has nothing to do any more */
	STEP_ERROR, /* traffic.error says what */
};

struct traffic {
	const struct driver_ops *driver_ops;
	const struct device_ops *device_ops;
	struct ring ring;
	uint64_t seed;
	uint64_t n_total; /* requests to be answered */
	int is_fifo;      /* the device answers in order */
	int is_exact;     /* nothing runs beside a step: check each notification */
	void (*notify)(struct traffic *traffic, enum actor whom);
	int fds[2];         /* threads.c: eventfds by actor */
	int is_notified[2]; /* simulate.c: by actor */
	const char *error;  /* by whoever fails first */
	uint64_t n_kicks;
	uint64_t n_calls;

	/* The driver's own. */
	struct {
		void *side;
		struct chance chance;
		struct request requests[DESCS_MAX]; /* by slot */
		uint32_t free[DESCS_MAX];
		uint32_t n_free;
		uint32_t sent[DESCS_MAX]; /* slots in the order they went */
		uint64_t n_added;
		uint64_t n_kicked; /* of those added, when it kicked last */
		uint64_t n_taken;
	} driver;

	/* The device's own. */
	struct {
		void *side;
		struct chance chance;
		struct work open[DESCS_MAX];
		uint32_t n_open;
		uint64_t n_completed;
		uint16_t shown; /* used index when it published last */
	} device;
};

int traffic_open(struct traffic *traffic);
void traffic_close(struct traffic *traffic);

/* A bit of work of one of the two, then what it is up to. */
enum step traffic_step(struct traffic *traffic, enum actor actor);
/* To be called before the next step of one that was idle. */
void traffic_wake(struct traffic *traffic, enum actor actor);

enum step traffic_fail(struct traffic *traffic, const char *error);

/* Both run the traffic to its end: 0, or -1 with traffic.error. */
int simulate(struct traffic *traffic);
int run_threads(struct traffic *traffic);

#endif /* TESTS_KERNEL_TRAFFIC_H */
