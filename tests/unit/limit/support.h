/* SPDX-License-Identifier: MIT */
/*
 * Limits and leases for the suites of this folder, made in one line each. The
 * numbers are small and round, so that an expected value can be read off the
 * test.
 */
#ifndef VIO_TESTS_UNIT_LIMIT_SUPPORT_H
#define VIO_TESTS_UNIT_LIMIT_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "core/bits.h"
#include "limit/node.h"

#define SEC UINT64_C(1000000000)

static inline struct vio_limit *
limit_create(const struct vio_limit_params *params, uint64_t now_ns)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit = NULL;

	if (vio_limit_create(NULL, params, now_ns, &limit, &err) < 0)
		fail_msg("%s", err.text);
	return limit;
}

/* Bytes only; no quantum to speak of, so that a refill takes what is asked. */
static inline struct vio_limit_params bytes_params(uint64_t rate, uint64_t burst)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = rate;
	params.burst_bytes = burst;
	params.quantum_bytes = 1;
	return params;
}

static inline struct vio_limit *limit_of_bytes(uint64_t rate, uint64_t burst)
{
	struct vio_limit_params params = bytes_params(rate, burst);

	return limit_create(&params, 0);
}

static inline struct vio_limit *limit_of_ops(uint64_t rate, uint64_t burst)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.ops_per_sec = rate;
	params.burst_ops = burst;
	params.quantum_ops = 1;
	return limit_create(&params, 0);
}

static inline struct vio_limit *limit_unlimited(void)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	return limit_create(&params, 0);
}

static inline void limit_configure(struct vio_limit *limit,
				   struct vio_limit_params params, uint64_t now_ns)
{
	struct vio_error err = VIO_ERROR_INIT;

	if (vio_limit_configure(limit, &params, now_ns, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void limit_destroy(struct vio_limit *limit)
{
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static inline struct vio_limit_stats limit_read(const struct vio_limit *limit)
{
	struct vio_limit_stats stats = VIO_LIMIT_STATS_INIT;

	assert_int_equal(vio_limit_read_stats(limit, &stats), 0);
	return stats;
}

static inline void lease_attach(struct vio_lease *lease, struct vio_limit *limit)
{
	*lease = (struct vio_lease){ 0 };
	assert_int_equal(vio_lease_attach(lease, limit), 0);
}

/* Refills for a request and spends it. */
static inline int lease_spend(struct vio_lease *lease, uint64_t now_ns, uint64_t bytes,
			      uint64_t ops, uint64_t *out_retry_at_ns)
{
	int ret = vio_lease_refill(lease, now_ns, bytes, ops, out_retry_at_ns);

	if (!ret)
		assert_int_equal(vio_lease_take(lease, bytes, ops), 0);
	return ret;
}

/* Bytes that can be had at @now_ns, one at a time: all that there are. */
static inline uint64_t limit_drain(struct vio_limit *limit, uint64_t now_ns)
{
	struct vio_lease lease;
	uint64_t n_bytes = 0;
	uint64_t retry_at_ns;

	lease_attach(&lease, limit);
	while (!lease_spend(&lease, now_ns, 1, 0, &retry_at_ns))
		n_bytes++;
	vio_lease_detach(&lease);
	return n_bytes;
}

#endif /* VIO_TESTS_UNIT_LIMIT_SUPPORT_H */
