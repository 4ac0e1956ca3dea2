/* SPDX-License-Identifier: MIT */
/**
 * @file vio/unstable/limit.h
 * @defgroup limit Rate limits
 * So many bytes and operations a second, shared by a tree of tenants.
 *
 * A limit has a ceiling: over any time T its leases take no more than rate * T,
 * rounded up, + burst + what they hold. It can have children, which share it: each
 * is assured of a rate, which it always has at once; what a child does not use of
 * that is lent to those that ask for more, by weight, up to their own ceilings, and
 * comes back within VIO_LIMIT_EPOCH_NS of the child asking again.
 * @code
 *	host      10 GB/s
 *	|- red    assured 6 GB/s
 *	`- blue   assured 1 GB/s, ceiling 8 GB/s
 * @endcode
 * Each queue or thread holds a lease on a limit without children and spends from it
 * without a clock or an atomic. When a lease runs short it is refilled from the limit,
 * which is refused until enough time has passed; the answer then says when.
 * @code
 *	while (vio_lease_take(&lease, bytes, 1) < 0) {
 *		if (vio_lease_refill(&lease, now_ns, bytes, 1, &retry_at_ns) < 0)
 *			return wait_until(retry_at_ns);
 *	}
 * @endcode
 * A refill that the limit covers takes no lock, but for the first in an epoch. Credit
 * is earned by the time since the beginning, fractions kept, so that roundings do not
 * add up. Time is an argument: any monotonic clock of nanoseconds, the same for all
 * calls on a tree; a time before the latest seen is taken as that. Between threads the
 * bound is as exact as their times: one that is late by some microseconds can bring the
 * others what is earned in these, for VIO_LIMIT_EPOCH_NS and a 64th of the burst at the
 * most.
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
struct vio_dom;

/** Highest rate of bytes or operations a second: 1 TB/s. */
#define VIO_LIMIT_RATE_MAX UINT64_C(1000000000000)

/** Time between two rounds of lending: what is lent comes back within one. */
#define VIO_LIMIT_EPOCH_NS UINT64_C(1000000)
/** Largest weight. */
#define VIO_LIMIT_WEIGHT_MAX 10000u
/** Longest name, without its end. */
#define VIO_LIMIT_NAME_MAX 31u

/** Parameters of a limit. Start from VIO_LIMIT_PARAMS_INIT. */
struct vio_limit_params {
	uint32_t size;  /**< sizeof(struct vio_limit_params) */
	uint32_t flags; /**< 0 */
	/** Ceiling, 1 to VIO_LIMIT_RATE_MAX. 0: the parent's, or none. */
	uint64_t bytes_per_sec;
	uint64_t ops_per_sec; /**< likewise in operations */
	/**
	 * Bytes that an idle limit saves up, and the largest single request; at
	 * most 2^40, and at most half of the parent's. Credit over it is lost, so for
	 * the whole rate it covers the largest request and what is earned while the
	 * caller is late to ask again. When spending from a full burst begins, what is
	 * earned in up to VIO_LIMIT_EPOCH_NS is lost as well, a 64th of the burst at
	 * the most. 0: what the ceiling gives in 100 ms, at least 1 MiB, at most half
	 * of the parent's.
	 */
	uint64_t burst_bytes;
	/** Likewise in operations. 0: likewise, at least 4. */
	uint64_t burst_ops;
	/**
	 * Bytes that a refill takes beyond what is asked, if they are there: more
	 * means fewer refills and a coarser limit. At most burst_bytes; 0: a
	 * sixteenth of it, at most 256 KiB.
	 */
	uint64_t quantum_bytes;
	/** Likewise in operations. 0: a sixteenth of burst_ops, at most 64. */
	uint64_t quantum_ops;
	/**
	 * Bytes a second that no sibling can take away, up to the ceiling. Those of
	 * all children add up to no more than what their parent is assured of, or
	 * than its ceiling if the parent is nobody's child or its own parent has no
	 * ceiling. 0: none.
	 */
	uint64_t assured_bytes_per_sec;
	uint64_t assured_ops_per_sec; /**< likewise in operations */
	/** Part of what is lent, 1 to VIO_LIMIT_WEIGHT_MAX. 0: 100. */
	uint32_t weight;
	uint32_t reserved; /**< 0 */
	/**
	 * Shown in errors and metrics, and how a saved state finds its limit: 1 to
	 * VIO_LIMIT_NAME_MAX characters of printable ASCII but '/', unlike those of
	 * its siblings; copied. NULL: "limit", with a number behind if need be.
	 */
	const char *name;
	/** Tenant to charge, which outlives the limit. NULL: none. */
	struct vio_dom *dom;
};
/** No limit at all. */
#define VIO_LIMIT_PARAMS_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_params), 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
			0, 0, NULL, NULL                                               \
	}

/** What a limit and those under it let through. Start from VIO_LIMIT_STATS_INIT. */
struct vio_limit_stats {
	uint32_t size;           /**< in: sizeof; out: bytes filled */
	uint32_t flags;          /**< 0 */
	uint64_t bytes;          /**< handed to leases and not refunded */
	uint64_t ops;            /**< handed to leases and not refunded */
	uint64_t refused;        /**< refills refused */
	uint64_t n_leases;       /**< attached to the limit itself */
	uint64_t lent_bytes;     /**< assured to it and not used */
	uint64_t lent_ops;       /**< likewise */
	uint64_t borrowed_bytes; /**< had beyond what it is assured of */
	uint64_t borrowed_ops;   /**< likewise */
	uint64_t credit_bytes;   /**< in hand, of the limit and those under it */
	uint64_t credit_ops;     /**< likewise */
};
/** Empty statistics. */
#define VIO_LIMIT_STATS_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_stats), 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
			0, 0                                                           \
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
 * Create a limit that is nobody's child; it begins with a full burst.
 * @param ctx       gives memory; NULL: malloc()
 * @param params    copied
 * @param now_ns    the time
 * @param[out] out  the caller's, to vio_limit_destroy()
 * @param err       optional, names the field on -EINVAL
 * @return 0; -EINVAL: a field out of its range, an unknown flag, or assured of more
 * than the ceiling; -E2BIG: see @ref abi; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_limit_create(struct vio_ctx *ctx, const struct vio_limit_params *params,
		 uint64_t now_ns, struct vio_limit **out, struct vio_error *err);

/**
 * Create a child of a limit. It begins without credit, or with a full burst where its
 * parent has no ceiling.
 * @param parent    a limit without leases
 * @param params    copied
 * @param now_ns    the time
 * @param[out] out  the caller's, to vio_limit_destroy()
 * @param err       optional, names the limit and the field on -EINVAL
 * @return 0; -EINVAL: as for vio_limit_create(), or a burst over half of the
 * parent's, or the children are assured of more than their parent has; -EEXIST: the
 * name is a sibling's; -EBUSY: the parent has leases; -ESTALE: the parent is
 * destroyed; -E2BIG: see @ref abi; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_limit_add(struct vio_limit *parent, const struct vio_limit_params *params,
	      uint64_t now_ns, struct vio_limit **out, struct vio_error *err);

/**
 * Change a limit in use. Credit is kept, up to the new burst: nothing is given for
 * free. Leases keep what they hold. What children have from their parent by default
 * follows. A waiter that asks for more than the new burst is told so, see
 * vio_waiter_take().
 * @param limit   a limit
 * @param params  copied; what is 0 takes its default anew, but for name and dom, which
 *                stay as they are: both NULL, or as they were
 * @param now_ns  the time
 * @param err     optional, names the limit and the field on -EINVAL
 * @return 0; -EINVAL, -E2BIG: as for vio_limit_add(), of the limit or of one under
 * it, or another name or dom; -ESTALE: it is destroyed. Nothing was changed.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_limit_configure(struct vio_limit *limit,
					       const struct vio_limit_params *params,
					       uint64_t now_ns, struct vio_error *err);

/**
 * Copy out the parameters in force: what was 0 in those given is what stands for it,
 * where there is such a number.
 * @param limit           a limit
 * @param[in,out] params  size set by the caller; filled up to that size. The name is
 *                        the limit's, for as long as it lives.
 * @return 0; -EINVAL: params is NULL or too short.
 * @par Threads  Any.
 */
VIO_API int
vio_limit_read_params(const struct vio_limit *limit, struct vio_limit_params *params);

/**
 * Copy out what a limit has let through, its children's included.
 * @param limit          a limit
 * @param[in,out] stats  size set by the caller; filled up to that size
 * @return 0; -EINVAL: stats is NULL or too short.
 * @par Threads  Any.
 */
VIO_API int
vio_limit_read_stats(const struct vio_limit *limit, struct vio_limit_stats *stats);

/**
 * Save what a tree has in credit: numbers of units, no times, so that another process
 * on another machine can go on. What leases hold is not the tree's: detach them first.
 * @param root      nobody's child
 * @param now_ns    the time
 * @param[out] buf  the state; NULL with @p n 0 to learn its size
 * @param n         bytes of room in @p buf
 * @param[out] out_bytes  of the state; on -ENOSPC as well
 * @param err       optional, filled on failure
 * @return 0; -ENOSPC: @p n is too small; -EINVAL: it is somebody's child; -ESTALE: it
 * is destroyed.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_limit_save(struct vio_limit *root, uint64_t now_ns,
					  void *buf, size_t n, size_t *out_bytes,
					  struct vio_error *err);

/**
 * Give a tree the credit of a saved one. Limits are found by their names; rates and
 * bursts are the tree's own, and credit over its bursts is lost.
 * @param root    nobody's child, of the same shape and names as the one saved
 * @param now_ns  the time
 * @param buf     what vio_limit_save() wrote; nothing in it is trusted
 * @param n       its bytes
 * @param err     optional, names what is wrong with the state
 * @return 0; -EBADMSG: not a state, cut off, corrupt, or with credit that no limit
 * can have; -EPROTONOSUPPORT: of a newer version; -ENOENT: the tree has no limit of
 * that name, or the state none for one of the tree; -EINVAL: root is somebody's
 * child; -ESTALE: it is destroyed; -ENOMEM. Nothing was changed.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_limit_load(struct vio_limit *root, uint64_t now_ns,
					  const void *buf, size_t n,
					  struct vio_error *err);

/**
 * Destroy a limit. Its credit goes back to its parent. A lease still attached to it
 * keeps what it holds and is refused more.
 * @param limit  a limit, or NULL
 * @return 0; -EBUSY: it has children, waiters or a timer, nothing was done.
 * @par Threads  Any.
 */
VIO_API int vio_limit_destroy(struct vio_limit *limit);

/**
 * Attach a lease; it begins empty.
 * @param lease  zeroed; in use until vio_lease_detach()
 * @param limit  a limit without children
 * @return 0; -EBUSY: the lease is attached; -ENOTEMPTY: the limit has children, who
 * hold its leases; -ESTALE: the limit is destroyed.
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
 *                 asking again succeeds if nobody else takes the credit first; of a
 *                 limit that may borrow, an epoch ahead at the most, as lending changes
 *                 with each
 * @return 0; -EAGAIN: not yet; -EMSGSIZE: the request is larger than the burst
 * and would never pass; -EINVAL: the lease is not attached; -ESTALE: its limit is
 * destroyed.
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

/**
 * A request that waits in line instead of asking again. The caller's memory; all zero
 * before its first use, and for its fields, not used otherwise while attached.
 */
struct vio_limit_waiter {
	/**
	 * Called in vio_limit_dispatch() once the credit is there, or never will be,
	 * with no lock held; what it is for is up to vio_waiter_take(). May attach,
	 * take, detach and dispatch. Once it told another thread to take, the waiter
	 * is that thread's.
	 */
	void (*ready)(struct vio_limit_waiter *waiter);
	uint64_t bytes;    /**< asked for, at most the burst */
	uint64_t ops;      /**< asked for, at most the burst */
	uint64_t words[8]; /**< the library's */
};

/**
 * Wait in line for credit. The waiters of a limit are served by deficit round robin:
 * each gets as many bytes as the others, or operations where bytes have no ceiling,
 * whatever the size of its requests. While some wait, refills of the limit's leases
 * are refused, so that nobody overtakes them.
 * @param waiter  its ready, bytes and ops set; in use until taken or detached
 * @param lease   attached; gets the credit
 * @param now_ns  the time
 * @return 0; -EBUSY: the waiter is attached; -EINVAL: the lease is not, or ready is
 * NULL; -EMSGSIZE: larger than the burst; -ESTALE: the limit is destroyed.
 * @par Threads  One per object (the waiter).
 */
VIO_API VIO_MUST_CHECK int vio_waiter_attach(struct vio_limit_waiter *waiter,
					     struct vio_lease *lease, uint64_t now_ns);

/**
 * Put the credit that a waiter got into its lease; the waiter is detached. For within
 * its ready, or for whom its ready told: to try it on another thread before that may
 * end the waiter just when its ready is about to be called with it.
 * @param waiter  attached
 * @return 0; -EMSGSIZE: the burst has become smaller than the request, which got
 * nothing; the waiter is detached all the same. -EAGAIN: it waits; -EINVAL: it is not
 * attached.
 * @par Threads  One per object (the waiter and its lease).
 */
VIO_API VIO_MUST_CHECK int vio_waiter_take(struct vio_limit_waiter *waiter);

/**
 * Stop to wait; credit that it got goes back to the limit. Nothing is called for it
 * afterwards.
 * @param waiter  attached, or zeroed
 * @return 0; -EBUSY: its ready is being called on another thread, try again.
 * @par Threads  One per object (the waiter).
 */
VIO_API VIO_MUST_CHECK int vio_waiter_detach(struct vio_limit_waiter *waiter);

/**
 * Serve the waiters of a tree: one timer is enough for all of them.
 * @param root    nobody's child
 * @param now_ns  the time
 * @param max     callbacks to make at the most, at least 1
 * @param[out] out_next_ns  when to call again; UINT64_MAX: not before somebody waits.
 *                 Somebody may be due sooner after another attach, and while some wait
 *                 after a detach of a waiter or lease, a configure, a load or a
 *                 destroy, so call then, or have a timer do all of it:
 *                 vio_limit_timer_open()
 * @return how many were called; as many as @p max means there may be more; -EINVAL:
 * it is somebody's child, or max is 0.
 * @par Threads  One per object (the tree).
 */
VIO_API int vio_limit_dispatch(struct vio_limit *root, uint64_t now_ns, uint32_t max,
			       uint64_t *out_next_ns);

/** A timer that serves the waiters of one tree. */
struct vio_limit_timer;

/**
 * Have a context serve the waiters of a tree: their callbacks come in its dispatch.
 * The context's clock is the tree's then; the calls that are given a time get that of
 * the same clock.
 * @param ctx       a context
 * @param root      nobody's child; outlives the timer
 * @param[out] out  the caller's, to vio_limit_timer_close()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: no ctx, or root is somebody's child; -EBUSY: it has a timer;
 * -ENOMEM; -EMFILE or what else timerfd_create(2), timerfd_settime(2) and epoll_ctl(2)
 * answer; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_limit_timer_open(struct vio_ctx *ctx, struct vio_limit *root,
		     struct vio_limit_timer **out, struct vio_error *err);

/**
 * Close a timer; who waits goes on waiting for somebody to dispatch the tree.
 * @param timer  a timer, or NULL; not from within a ready that it calls
 * @par Threads  One per context.
 */
VIO_API void vio_limit_timer_close(struct vio_limit_timer *timer);

VIO_END_DECLS
/** @} */
#endif /* VIO_UNSTABLE_LIMIT_H */
