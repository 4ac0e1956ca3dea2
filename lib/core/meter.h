/* SPDX-License-Identifier: MIT */
/*
 * Counters of one queue, or of one limit. They have one writer at a time, a queue's
 * owner or whoever holds the limits' lock, so an addition is a plain load and store;
 * they are atomic only so that another thread may read them at any time. Relaxed
 * throughout: a meter orders nothing.
 */
#ifndef VIO_CORE_METER_H
#define VIO_CORE_METER_H

#include <stdint.h>

struct vio_meter {
	uint64_t bytes;
	uint64_t ops;
	uint64_t kicks;
	uint64_t descs;
	uint64_t faults;
	uint64_t service_ns; /* charged by the owner */
	uint64_t refused;    /* requests that a limit told to wait */
	uint64_t lent_bytes; /* assured, unused, and spent by other limits */
	uint64_t lent_ops;
	uint64_t borrowed_bytes; /* spent beyond what is assured */
	uint64_t borrowed_ops;
};

static inline uint64_t vio_meter_get(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

static inline void vio_meter_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, vio_meter_get(counter) + n, __ATOMIC_RELAXED);
}

/* For a count that is kept elsewhere. */
static inline void vio_meter_set(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, n, __ATOMIC_RELAXED);
}

#endif /* VIO_CORE_METER_H */
