/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of a curve. A time of 64 bits by a rate of 40 bits needs 104,
 * hence the 128-bit products: nothing here can overflow or lose a bit, and the
 * only division is the last step.
 */
#include "core/bits.h"
#include "limit/curve.h"

__extension__ typedef unsigned __int128 u128;

#define STEP_UNITS (UINT64_C(1) << 62)

struct vio_head
vio_curve_get_head(const struct vio_curve_config *config, uint64_t span_ns)
{
	struct vio_head head = { config->base, config->fraction };
	u128 earned;

	if (!config->rate)
		return head;

	earned = (u128)span_ns * config->rate + config->fraction;
	head.units += (uint64_t)(earned / VIO_CURVE_NS_PER_SEC);
	head.fraction = (uint64_t)(earned % VIO_CURVE_NS_PER_SEC);
	return head;
}

uint64_t vio_curve_get_step_ns(uint64_t rate)
{
	u128 step;

	if (!rate)
		return UINT64_MAX;
	step = (u128)STEP_UNITS * VIO_CURVE_NS_PER_SEC / rate;
	return step > UINT64_MAX ? UINT64_MAX : (uint64_t)step;
}

uint64_t vio_curve_get_credit(const struct vio_curve_config *config,
			      const struct vio_head *head, uint64_t used)
{
	int64_t credit = (int64_t)(head->units - used);

	return credit < 0 ? 0 : vio_min_u64((uint64_t)credit, config->burst);
}

uint64_t vio_curve_get_ready_ns(const struct vio_curve_config *config,
				const struct vio_head *head, uint64_t used,
				uint64_t need, uint64_t now_ns)
{
	int64_t missing = (int64_t)(used + need - head->units);
	u128 earned;
	u128 wait_ns;
	uint64_t ready_ns;

	if (missing <= 0)
		return now_ns;

	/* Rounded up: a nanosecond earlier the last unit is not yet whole. */
	earned = (u128)(uint64_t)missing * VIO_CURVE_NS_PER_SEC - head->fraction;
	wait_ns = (earned + config->rate - 1) / config->rate;
	if (wait_ns > UINT64_MAX || !vio_add_u64(now_ns, (uint64_t)wait_ns, &ready_ns))
		return UINT64_MAX;
	return ready_ns;
}
