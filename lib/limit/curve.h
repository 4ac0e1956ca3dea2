/* SPDX-License-Identifier: MIT */
/*
 * One dimension of a limit as two counters that only grow: the head, what has
 * been earned since the beginning, and what was used of it. The head is a
 * function of the time since an epoch, computed whole each time, so that
 * roundings do not add up; a new rate begins a new epoch where the old one ends,
 * fraction included. Both counters are modulo 2^64 and compared by their signed
 * difference, which node.c keeps far below 2^63.
 */
#ifndef VIO_LIMIT_CURVE_H
#define VIO_LIMIT_CURVE_H

#include <stdint.h>

#define VIO_CURVE_NS_PER_SEC UINT64_C(1000000000)

/* Words only: node.c copies it word by word. */
struct vio_curve_config {
	uint64_t rate;     /* units a second; 0: unlimited, the head stands still */
	uint64_t burst;    /* most that the head may be ahead of what was used */
	uint64_t quantum;  /* taken beyond what is asked */
	uint64_t base;     /* the head at the epoch */
	uint64_t fraction; /* of a unit, in 10^-9, earned at the epoch besides */
};

struct vio_curve {
	uint64_t used;  /* atomic, ordered as node.c says */
	uint64_t taken; /* atomic, relaxed: a statistic, orders nothing */
};

struct vio_head {
	uint64_t units;
	uint64_t fraction; /* in 10^-9 */
};

struct vio_head
vio_curve_get_head(const struct vio_curve_config *config, uint64_t span_ns);

/* Nanoseconds in which at most 2^62 units are earned. */
uint64_t vio_curve_get_step_ns(uint64_t rate);

/* Units that may be taken: at most the burst, 0 in debt. */
uint64_t vio_curve_get_credit(const struct vio_curve_config *config,
			      const struct vio_head *head, uint64_t used);

/*
 * The time at which a credit of @need units is there, @now_ns being that of
 * @head: @now_ns itself if it is there already, UINT64_MAX if not before the end
 * of time. @need is at most the burst; the rate is not 0.
 */
uint64_t vio_curve_get_ready_ns(const struct vio_curve_config *config,
				const struct vio_head *head, uint64_t used,
				uint64_t need, uint64_t now_ns);

#endif /* VIO_LIMIT_CURVE_H */
