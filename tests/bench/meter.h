/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks call in the object that is built with DPDK's headers, see
 * meter.sh. It is loaded when the program runs, so that nothing of DPDK is needed to
 * build this tree.
 */
#ifndef VIO_TESTS_BENCH_METER_H
#define VIO_TESTS_BENCH_METER_H

#include <stdint.h>

/* Enough for two meters and a lock; aligned to a line. */
#define METER_BYTES 4096

/* Asks @n_ops times for @n_bytes, and one operation if there are two meters. */
struct meter_call {
	uint32_t n_meters;
	uint32_t is_locked;
	uint32_t n_bytes;
	uint64_t n_ops;
};

/* Rates that are never reached. Returns 0, or what DPDK said. */
typedef int (*meter_create_fn)(void *meter, uint64_t ticks_per_sec);

/* Returns how many requests were not green. */
typedef uint64_t (*meter_spend_fn)(void *meter, const struct meter_call *call);

int meter_create(void *meter, uint64_t ticks_per_sec);
uint64_t meter_spend(void *meter, const struct meter_call *call);

#endif /* VIO_TESTS_BENCH_METER_H */
