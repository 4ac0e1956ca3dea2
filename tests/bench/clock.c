/* SPDX-License-Identifier: MIT */
/*
 * How fast the processor's counter counts. The kernel knows and has no call that tells,
 * so some milliseconds of both clocks are compared; the error of that is far below what
 * the clocks of two machines differ by.
 */
#include "bench/clock.h"

#define CALIBRATION_NS UINT64_C(20000000)
#define NS_PER_SEC     UINT64_C(1000000000)

static uint64_t measure(void)
{
	uint64_t start_ns = bench_now_ns();
	uint64_t start = bench_read_ticks();
	uint64_t now_ns, ticks;

	do {
		now_ns = bench_now_ns();
		ticks = bench_read_ticks();
	} while (now_ns - start_ns < CALIBRATION_NS);
	return (uint64_t)((bench_wide)(ticks - start) * NS_PER_SEC /
			  (now_ns - start_ns));
}

uint64_t bench_ticks_per_sec(void)
{
	static uint64_t per_sec;

	if (!per_sec)
		per_sec = measure();
	return per_sec;
}

uint64_t bench_ticks_multiplier(void)
{
	return (NS_PER_SEC << BENCH_TICK_SHIFT) / bench_ticks_per_sec();
}
