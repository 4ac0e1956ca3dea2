/* SPDX-License-Identifier: MIT */
/**
 * @file vio/unstable/limit.h
 * @defgroup limit Rate limits
 * So many bytes and operations a second, and not more.
 *
 * A limit is shared; each queue or thread holds a lease on it and spends from
 * the lease without a clock or an atomic. When a lease runs short it is
 * refilled from the limit, which is refused until enough time has passed; the
 * answer then says when.
 * @code
 *	while (vio_lease_take(&lease, bytes, 1) < 0) {
 *		if (vio_lease_refill(&lease, now_ns, bytes, 1, &retry_at_ns) < 0)
 *			return wait_until(retry_at_ns);
 *	}
 * @endcode
 * Over any time T never more is taken than rate * T, rounded up, + burst + what
 * the leases held. Credit is computed from an epoch, not from one call to the next, so
 * that roundings do not add up. Time is an argument: any monotonic clock of
 * nanoseconds, the same for all calls on a limit.
 *
 * Unstable: define VIO_ENABLE_UNSTABLE before the include, and expect changes in
 * any release.
 * @{
 */
#ifndef VIO_UNSTABLE_LIMIT_H
#define VIO_UNSTABLE_LIMIT_H

#ifndef VIO_ENABLE_UNSTABLE
#error "define VIO_ENABLE_UNSTABLE to use interfaces that may change in any release"
#endif

#include <errno.h>

#include <vio/common.h>
#include <vio/error.h>

VIO_BEGIN_DECLS

struct vio_limit;

/** Highest rate of bytes or operations a second: 1 TB/s. */
#define VIO_LIMIT_RATE_MAX UINT64_C(1000000000000)

/** Parameters of a limit. Start from VIO_LIMIT_PARAMS_INIT. */
struct vio_limit_params {
	uint32_t size;          /**< sizeof(struct vio_limit_params) */
	uint32_t flags;         /**< 0 */
	uint64_t bytes_per_sec; /**< 1 to VIO_LIMIT_RATE_MAX; 0: unlimited */
	uint64_t ops_per_sec;   /**< 1 to VIO_LIMIT_RATE_MAX; 0: unlimited */
	/**
	 * Bytes that an idle limit saves up, and the largest single request; at
	 * most 2^40. Credit over it is lost, so for the whole rate it covers the
	 * largest request and what is earned while the caller is late to ask
	 * again. 0: what bytes_per_sec gives in 100 ms, at least 1 MiB.
	 */
	uint64_t burst_bytes;
	/** Likewise in operations. 0: what ops_per_sec gives in 100 ms, at least 4. */
	uint64_t burst_ops;
	/**
	 * Bytes that a refill takes beyond what is asked, if they are there: more
	 * means fewer refills and a coarser limit. At most burst_bytes; 0: a
	 * sixteenth of it, at most 256 KiB.
	 */
	uint64_t quantum_bytes;
	/** Likewise in operations. 0: a sixteenth of burst_ops, at most 64. */
	uint64_t quantum_ops;
};
/** No limit at all. */
#define VIO_LIMIT_PARAMS_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_params), 0, 0, 0, 0, 0, 0, 0         \
	}

/** What a limit has let through. Start from VIO_LIMIT_STATS_INIT. */
struct vio_limit_stats {
	uint32_t size;     /**< in: sizeof; out: bytes filled */
	uint32_t flags;    /**< 0 */
	uint64_t bytes;    /**< handed to leases and not refunded */
	uint64_t ops;      /**< handed to leases and not refunded */
	uint64_t refused;  /**< refills refused */
	uint64_t n_leases; /**< attached */
};
/** Empty statistics. */
#define VIO_LIMIT_STATS_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_stats), 0, 0, 0, 0, 0                \
	}

/** Layout of struct vio_lease that vio_lease_take() knows. */
#define VIO_LEASE_LAYOUT UINT64_C(1)

/**
 * Credit in hand of one thread or queue. The caller's memory; its fields are
 * the library's. All zero before vio_lease_attach().
 */
struct vio_lease {
	uint64_t layout;         /**< VIO_LEASE_LAYOUT; 0: not attached */
	uint64_t bytes;          /**< left */
	uint64_t ops;            /**< left */
	struct vio_limit *limit; /**< where more comes from */
};

/**
 * Create a limit; it begins with a full burst.
 * @param ctx       gives memory; NULL: malloc()
 * @param params    copied
 * @param now_ns    the time
 * @param[out] out  the caller's, to vio_limit_destroy()
 * @param err       optional, names the field on -EINVAL
 * @return 0; -EINVAL: a field out of its range, or an unknown flag; -E2BIG: see
 * @ref abi; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_limit_create(struct vio_ctx *ctx, const struct vio_limit_params *params,
		 uint64_t now_ns, struct vio_limit **out, struct vio_error *err);

/**
 * Change a limit in use. Credit and debt are kept, credit up to the new burst:
 * nothing is given for free. Leases keep what they hold.
 * @param limit   a limit
 * @param params  copied; what is 0 takes its default anew
 * @param now_ns  the time
 * @param err     optional, names the field on -EINVAL
 * @return 0; -EINVAL, -E2BIG: as for vio_limit_create(), nothing was changed.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_limit_configure(struct vio_limit *limit,
					       const struct vio_limit_params *params,
					       uint64_t now_ns, struct vio_error *err);

/**
 * Copy out what a limit has let through.
 * @param limit          a limit
 * @param[in,out] stats  size set by the caller; filled up to that size
 * @return 0; -EINVAL: stats is NULL or too short.
 * @par Threads  Any.
 */
VIO_API int
vio_limit_read_stats(const struct vio_limit *limit, struct vio_limit_stats *stats);

/**
 * Destroy a limit.
 * @param limit  a limit, or NULL
 * @return 0; -EBUSY: leases are attached, nothing was done.
 * @par Threads  One per object.
 */
VIO_API int vio_limit_destroy(struct vio_limit *limit);

/**
 * Attach a lease; it begins empty.
 * @param lease  zeroed; in use until vio_lease_detach()
 * @param limit  a limit
 * @return 0; -EBUSY: the lease is attached.
 * @par Threads  One per object (the lease).
 */
VIO_API VIO_MUST_CHECK int
vio_lease_attach(struct vio_lease *lease, struct vio_limit *limit);

/**
 * Detach a lease and give back what it holds.
 * @param lease  attached, or zeroed
 * @par Threads  One per object (the lease).
 */
VIO_API void vio_lease_detach(struct vio_lease *lease);

/**
 * vio_lease_take() for languages that cannot inline C, and for a program whose
 * header knows another layout than the library.
 * @param lease  attached
 * @param bytes  to spend
 * @param ops    to spend
 * @return as vio_lease_take().
 * @par Threads  One per object (the lease).
 */
VIO_API VIO_MUST_CHECK int
vio_lease_take_call(struct vio_lease *lease, uint64_t bytes, uint64_t ops);

/**
 * Top a lease up until it covers a request, so that the next take of it
 * succeeds.
 * @param lease    attached
 * @param now_ns   the time; an earlier time than seen before is taken as that
 * @param bytes    of the request
 * @param ops      of the request
 * @param[out] out_retry_at_ns  filled on -EAGAIN: the earliest time at which
 *                 asking again succeeds if nobody else takes the credit first
 * @return 0; -EAGAIN: not yet; -EMSGSIZE: the request is larger than the burst
 * and would never pass; -EINVAL: the lease is not attached.
 * @par Threads  One per object (the lease).
 */
VIO_API VIO_MUST_CHECK int vio_lease_refill(struct vio_lease *lease, uint64_t now_ns,
					    uint64_t bytes, uint64_t ops,
					    uint64_t *out_retry_at_ns);

/**
 * Give back credit that was taken and not used, to the lease.
 * @param lease  attached
 * @param bytes  at most what was taken
 * @param ops    at most what was taken
 * @par Threads  One per object (the lease).
 */
VIO_API void vio_lease_refund(struct vio_lease *lease, uint64_t bytes, uint64_t ops);

/**
 * Spend from a lease: no clock, no atomic, no call.
 * @param lease  attached
 * @param bytes  to spend
 * @param ops    to spend
 * @return 0; -EAGAIN: the lease does not cover it and is unchanged, see
 * vio_lease_refill().
 * @par Threads  One per object (the lease).
 */
static inline VIO_MUST_CHECK int
vio_lease_take(struct vio_lease *lease, uint64_t bytes, uint64_t ops)
{
	uint64_t left_bytes;
	uint64_t left_ops;

	if (__builtin_expect(lease->layout != VIO_LEASE_LAYOUT, 0))
		return vio_lease_take_call(lease, bytes, ops);
	/* One subtraction each both compares and spends; a miss is rare. */
	if (__builtin_expect(__builtin_sub_overflow(lease->bytes, bytes, &left_bytes) ||
				     __builtin_sub_overflow(lease->ops, ops, &left_ops),
			     0))
		return -EAGAIN;
	lease->bytes = left_bytes;
	lease->ops = left_ops;
	return 0;
}

VIO_END_DECLS
/** @} */
#endif /* VIO_UNSTABLE_LIMIT_H */
