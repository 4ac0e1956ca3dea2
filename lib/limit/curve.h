/* SPDX-License-Identifier: MIT */
/*
 * What a rate earns. The part of a unit that is not whole yet is kept from one step to
 * the next, exactly: the sum of all steps is what the rate earns from the beginning,
 * however many steps there were, so that roundings do not add up.
 */
#ifndef VIO_LIMIT_CURVE_H
#define VIO_LIMIT_CURVE_H

#include <stdint.h>

#define VIO_CURVE_NS_PER_SEC UINT64_C(1000000000)

/* More than any burst; what a step earns beyond it is lost in any case. */
#define VIO_CURVE_MOST (UINT64_C(1) << 61)

struct vio_curve {
	uint64_t rate;     /* units a second */
	uint64_t fraction; /* of a unit, in 10^-9, earned besides */
};

/* Whole units that @span_ns more earn, VIO_CURVE_MOST at the most. */
uint64_t vio_curve_earn(struct vio_curve *curve, uint64_t span_ns);

/* The time until @units more are earned; UINT64_MAX: never. */
uint64_t vio_curve_get_wait_ns(const struct vio_curve *curve, uint64_t units);

/* @n * @part / @whole; @part is at most @whole, which is not 0. */
uint64_t vio_curve_scale(uint64_t n, uint64_t part, uint64_t whole);

#endif /* VIO_LIMIT_CURVE_H */
