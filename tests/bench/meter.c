/* SPDX-License-Identifier: MIT */
/*
 * DPDK's single rate three colour marker, colour blind, as its documentation has it
 * used: the caller reads the processor's counter and checks; a meter is one thread's,
 * so threads that share one take a lock. It counts bytes alone: operations are the
 * bytes of a second meter. Both of a request go by one reading of the counter.
 */
#include <rte_meter.h>
#include <rte_spinlock.h>

#include "bench/meter.h"

#define RATE  UINT64_C(1000000000000)
#define BURST (UINT64_C(1) << 40)

struct meters {
	_Alignas(64) rte_spinlock_t lock;
	struct rte_meter_srtcm meter[2];
	_Alignas(64) struct rte_meter_srtcm_profile profile[2];
};

static uint64_t hz;

/* Asked by DPDK when it works out a profile; its own needs DPDK to be started. */
uint64_t rte_get_tsc_hz(void);

uint64_t rte_get_tsc_hz(void)
{
	return hz;
}

int meter_create(void *opaque, uint64_t ticks_per_sec)
{
	struct rte_meter_srtcm_params params = { RATE, BURST, BURST };
	struct meters *meters = opaque;
	int ret = sizeof(*meters) > METER_BYTES;

	hz = ticks_per_sec;
	rte_spinlock_init(&meters->lock);
	for (int i = 0; !ret && i < 2; i++) {
		ret = rte_meter_srtcm_profile_config(&meters->profile[i], &params);
		if (!ret)
			ret = rte_meter_srtcm_config(&meters->meter[i],
						     &meters->profile[i]);
	}
	return ret;
}

static inline __attribute__((always_inline)) int
ask(struct meters *meters, int i, uint64_t ticks, uint32_t units)
{
	return rte_meter_srtcm_color_blind_check(&meters->meter[i], &meters->profile[i],
						 ticks, units) != RTE_COLOR_GREEN;
}

/* Inlined with what is constant in a row. */
static inline __attribute__((always_inline)) uint64_t
spend(struct meters *meters, const struct meter_call *call, uint32_t n_meters,
      uint32_t is_locked)
{
	const uint32_t n_bytes = call->n_bytes;
	uint64_t n_refused = 0;

	for (uint64_t i = 0; i < call->n_ops; i++) {
		uint64_t ticks;

		__asm__ volatile("" : : "r"(meters) : "memory");
		if (is_locked)
			rte_spinlock_lock(&meters->lock);
		ticks = rte_rdtsc();
		n_refused += (uint64_t)ask(meters, 0, ticks, n_bytes);
		if (n_meters == 2)
			n_refused += (uint64_t)ask(meters, 1, ticks, 1);
		if (is_locked)
			rte_spinlock_unlock(&meters->lock);
	}
	return n_refused;
}

uint64_t meter_spend(void *opaque, const struct meter_call *call)
{
	if (call->is_locked)
		return call->n_meters == 2 ? spend(opaque, call, 2, 1)
					   : spend(opaque, call, 1, 1);
	return call->n_meters == 2 ? spend(opaque, call, 2, 0)
				   : spend(opaque, call, 1, 0);
}
