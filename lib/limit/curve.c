/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of a curve. A time of 64 bits by a rate of 40 bits needs 104,
 * hence the 128-bit products: nothing here can overflow or lose a bit, and the
 * only division is the last step.
 */
#include "core/bits.h"
#include "limit/curve.h"

__extension__ typedef unsigned __int128 u128;

uint64_t vio_curve_earn(struct vio_curve *curve, uint64_t span_ns)
{
	u128 earned = (u128)span_ns * curve->rate + curve->fraction;
	u128 units = earned / VIO_CURVE_NS_PER_SEC;

	curve->fraction = (uint64_t)(earned - units * VIO_CURVE_NS_PER_SEC);
	return units > VIO_CURVE_MOST ? VIO_CURVE_MOST : (uint64_t)units;
}

uint64_t vio_curve_get_wait_ns(const struct vio_curve *curve, uint64_t units)
{
	u128 missing = (u128)units * VIO_CURVE_NS_PER_SEC;
	u128 wait_ns;

	if (!units)
		return 0;
	if (!curve->rate)
		return UINT64_MAX;
	/* Rounded up: a nanosecond earlier the last unit is not yet whole. */
	wait_ns = (missing - curve->fraction + curve->rate - 1) / curve->rate;
	return wait_ns > UINT64_MAX ? UINT64_MAX : (uint64_t)wait_ns;
}

uint64_t vio_curve_scale(uint64_t n, uint64_t part, uint64_t whole)
{
	return (uint64_t)((u128)n * part / whole);
}
