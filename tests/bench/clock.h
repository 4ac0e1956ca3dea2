/* SPDX-License-Identifier: MIT */
/*
 * The processor's own counter, where reading it is not a call: what rte_meter is told
 * the time by, and as nanoseconds a limit beside it. Elsewhere it is the clock that
 * everything else here goes by.
 */
#ifndef VIO_TESTS_BENCH_CLOCK_H
#define VIO_TESTS_BENCH_CLOCK_H

#include "bench/bench.h"

#define BENCH_TICK_SHIFT 24 /* of a counter of 1 GHz or more: to 0.1 in a million */

static inline uint64_t bench_read_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return bench_now_ns();
#endif
}

/* Measured against the clock of bench_now_ns() in the first call. */
uint64_t bench_ticks_per_sec(void);

/* What ticks are multiplied by before they are shifted to be nanoseconds. */
uint64_t bench_ticks_multiplier(void);

__extension__ typedef unsigned __int128 bench_wide;

static inline uint64_t bench_scale_ticks(uint64_t ticks, uint64_t multiplier)
{
	return (uint64_t)(((bench_wide)ticks * multiplier) >> BENCH_TICK_SHIFT);
}

#endif /* VIO_TESTS_BENCH_CLOCK_H */
