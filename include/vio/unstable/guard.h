/* SPDX-License-Identifier: MIT */
/**
 * @file vio/unstable/guard.h
 * @defgroup guard Guard
 * Several tenants on one service thread, and none at the cost of another.
 *
 * A thread that serves the queues of several tenants lets a guard choose whose turn
 * it is. Turns are fair in service time by weight, whatever a turn costs: of those
 * that wait, the one that has had the least for its weight is next, and a tenant
 * alone gets everything. This is always on, and is what holds against a flood of
 * work. Beside it the guard watches each tenant and acts on those that do harm:
 *
 * - kicks that bring no work, more than a learned ratio to what was done, or that
 *   come though they were to be spared;
 * - waiting that others, which have less than their share, have because of a
 *   tenant that takes more than its own.
 *
 * Both are sums over time of what is beyond the bound, which fall when it is less
 * (CUSUM), so that a burst passes and a flood does not. With each step from ok over
 * suspect to attack an action is added, and they are taken back in reverse order
 * once it has been calm for long enough.
 * @code
 *	vio_guard_mark(member, now_ns);                // a kick came, or there is more
 *	...
 *	if (vio_guard_begin(guard, now_ns, &slot) < 0)
 *		return wait_until(slot.retry_at_ns);
 *	sample.ops = serve(slot.opaque, slot.descs, slot.bytes, slot.service_ns);
 *	vio_guard_record(slot.member, now_ns, &sample);
 * @endcode
 *
 * What it cannot see: accesses to a BAR that is mapped into a guest cause no exit and
 * are counted by nobody here, and neither is contention on a PCIe link. For a
 * passthrough function kicks are those that a monitor in the device or the host has
 * counted, or none. Revoking the mapping makes them visible: the accesses trap, and
 * can be reported. Nor can it see intent: who takes all that is to be had while
 * others wait is held to a share, be it an attack or a backup.
 *
 * A guard and its members belong to one thread. Time is an argument: any monotonic
 * clock of nanoseconds; an earlier time than seen before is taken as that.
 *
 * Unstable: define VIO_ENABLE_UNSTABLE before the include, and expect changes in
 * any release.
 * @{
 */
#ifndef VIO_UNSTABLE_GUARD_H
#define VIO_UNSTABLE_GUARD_H

#ifndef VIO_ENABLE_UNSTABLE
#error "define VIO_ENABLE_UNSTABLE to use interfaces that may change in any release"
#endif

#include <vio/common.h>
#include <vio/error.h>

VIO_BEGIN_DECLS

struct vio_guard;
struct vio_guard_member;

/** Most members of a guard: each turn looks at all that wait. */
#define VIO_GUARD_MEMBERS_MAX 1024u
/** Highest weight: a share of less than a thousandth is none. */
#define VIO_GUARD_WEIGHT_MAX 1000u
/** Room for a member's name, with its terminator. */
#define VIO_GUARD_NAME_BYTES 64

#define VIO_GUARD_OK         0u /**< nothing to say against it */
#define VIO_GUARD_SUSPECT    1u /**< over a bound; delayed */
#define VIO_GUARD_ATTACK     2u /**< still over it, though delayed */

/* Actions, in the order in which they are added. */

/**
 * After each turn a pause, as long as the tenant's weight asks for: it gets its
 * share at the most, also while nobody else wants the rest.
 */
#define VIO_GUARD_DELAY (1u << 0)
/**
 * Kicks are to be ignored: @c act takes the kick descriptor out of the loop. The
 * member gets turns at intervals of mask_ns, kicked or not.
 */
#define VIO_GUARD_MASK (1u << 1)
/** A turn has a quarter of the usual budget. */
#define VIO_GUARD_BUDGET (1u << 2)
/** @c act unmaps the function's BARs, so that accesses trap. */
#define VIO_GUARD_REVOKE (1u << 3)
/** @c act pauses the function; the member gets no turn. */
#define VIO_GUARD_PAUSE   (1u << 4)

#define VIO_GUARD_KICKS   (1u << 0) /**< kicks without work */
#define VIO_GUARD_WAITING (1u << 1) /**< others wait, more than its share is used */

/**
 * Parameters of a guard. Start from VIO_GUARD_PARAMS_INIT. Of each, 0 is the default;
 * times are at most 10 s where no other bound is said.
 */
struct vio_guard_params {
	uint32_t size;  /**< sizeof(struct vio_guard_params) */
	uint32_t flags; /**< 0 */
	/** Actions that may be taken; 0: DELAY, MASK and BUDGET, which need no host. */
	uint32_t actions;
	/**
	 * Waiting that a tenant over its share may cause, in thousandths of the time;
	 * 1 to 1000; 0: 100.
	 */
	uint32_t waiting_permille;
	/** Service time of a turn, 1 us at least; 0: 100 us. Others wait that long. */
	uint64_t slot_ns;
	uint64_t slot_descs; /**< descriptors, or chains, of a turn; 0: 64 */
	uint64_t slot_bytes; /**< of a turn; 0: 1 MiB */
	/** Between two looks at what was counted, 10 us at least; 0: 1 ms. */
	uint64_t window_ns;
	/**
	 * Kicks beyond the bound until they tell against a tenant. At least what can
	 * have come for work that was not begun yet: the descriptors of its rings.
	 * 0: 1024.
	 */
	uint64_t kicks_max;
	/** Kicks without work that anybody may make, at most 10^9; 0: 1000. */
	uint64_t idle_kicks_per_sec;
	/** Waiting beyond the bound until it tells against a tenant; 0: 4 ms. */
	uint64_t waiting_max_ns;
	/** How long a bound stays exceeded until another action is added; 0: 20 ms. */
	uint64_t escalate_ns;
	/**
	 * How long nothing is exceeded until an action is taken back, at most an hour;
	 * 0: 1 s. Doubled for each relapse, up to 64 times that, so that pausing for as
	 * long pays less each time.
	 */
	uint64_t calm_ns;
	uint64_t delay_ns; /**< shortest pause of DELAY; 0: 100 us */
	uint64_t mask_ns;  /**< interval of turns under MASK; 0: 2 ms */
};
/** The defaults. */
#define VIO_GUARD_PARAMS_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_guard_params), 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
			0, 0, 0, 0, 0                                                  \
	}

/** Where a member stands, and why. Start from VIO_GUARD_VERDICT_INIT. */
struct vio_guard_verdict {
	uint32_t size;     /**< in: sizeof; out: bytes filled */
	uint32_t flags;    /**< 0 */
	uint32_t verdict;  /**< VIO_GUARD_OK, SUSPECT or ATTACK */
	uint32_t actions;  /**< in force */
	uint32_t evidence; /**< what is beyond its bound now */
	/** Of the service time of all members, lately (some 8 windows). */
	uint32_t share_permille;
	uint64_t n_alarms;   /**< times that the verdict has left OK */
	uint64_t since_ns;   /**< when the actions last changed; 0: never */
	uint64_t kicks;      /**< all that were recorded */
	uint64_t ops;        /**< likewise */
	uint64_t bytes;      /**< likewise */
	uint64_t service_ns; /**< likewise */
	/** Kicks beyond the bound, as summed up; see kicks_max. */
	uint64_t excess_kicks;
	/** Waiting beyond the bound, as summed up; see waiting_max_ns. */
	uint64_t excess_waiting_ns;
	/** Learned kicks for 1000 operations, while the verdict was OK. */
	uint64_t base_kicks_permille;
	/** Learned service time in thousandths of the time, likewise. */
	uint64_t base_share_permille;
	char name[VIO_GUARD_NAME_BYTES]; /**< the member's */
};
/** An empty verdict. */
#define VIO_GUARD_VERDICT_INIT                                                         \
	{                                                                              \
		(uint32_t)sizeof(struct vio_guard_verdict), 0, 0, 0, 0, 0, 0, 0, 0, 0, \
			0, 0, 0, 0, 0, 0,                                              \
		{                                                                      \
			0                                                              \
		}                                                                      \
	}

/**
 * The actions in force on a member have changed, in either direction. Called from
 * vio_guard_begin(), vio_guard_mark() or vio_guard_record() on their thread; it must
 * not call functions of the guard.
 */
typedef void (*vio_guard_act_fn)(void *opaque, const struct vio_guard_verdict *verdict);

/** Parameters of a member. Start from VIO_GUARD_MEMBER_PARAMS_INIT. */
struct vio_guard_member_params {
	uint32_t size;        /**< sizeof(struct vio_guard_member_params) */
	uint32_t flags;       /**< 0 */
	const char *name;     /**< for verdicts; 1 to 63 bytes, copied */
	uint64_t weight;      /**< 1 to VIO_GUARD_WEIGHT_MAX; 0: 100 */
	vio_guard_act_fn act; /**< or NULL; required for REVOKE and PAUSE */
	void *opaque;         /**< first argument of act; in each slot of the member */
};
/** A member without a name. */
#define VIO_GUARD_MEMBER_PARAMS_INIT                                                   \
	{                                                                              \
		(uint32_t)sizeof(struct vio_guard_member_params), 0, NULL, 0, NULL,    \
			NULL                                                           \
	}

/** A turn. Start from VIO_GUARD_SLOT_INIT. */
struct vio_guard_slot {
	uint32_t size;                   /**< in: sizeof; out: bytes filled */
	uint32_t flags;                  /**< 0 */
	struct vio_guard_member *member; /**< whose turn it is */
	void *opaque;                    /**< the member's */
	/** Stop when one of these is used up; what is begun may be finished. */
	uint64_t service_ns;
	uint64_t descs; /**< descriptors, or chains; likewise */
	uint64_t bytes; /**< likewise */
	/** When nobody may be served: when to ask again; UINT64_MAX: after a mark. */
	uint64_t retry_at_ns;
};
/** No turn. */
#define VIO_GUARD_SLOT_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_guard_slot), 0, NULL, NULL, 0, 0, 0, 0     \
	}

/** More work is left than the budget allowed: the member stays marked. */
#define VIO_GUARD_MORE (1u << 0)

/** What a turn brought. Start from VIO_GUARD_SAMPLE_INIT. */
struct vio_guard_sample {
	uint32_t size;  /**< sizeof(struct vio_guard_sample) */
	uint32_t flags; /**< VIO_GUARD_MORE or 0 */
	/** Since the last sample, as vio_queue_read_kicks() counts them. */
	uint64_t kicks;
	uint64_t ops;   /**< useful: chains taken, packets moved */
	uint64_t bytes; /**< moved */
	/** Time spent; 0: all from vio_guard_begin() to now but lost_ns. */
	uint64_t service_ns;
	/**
	 * Of the kicks: those that came though the driver was told to spare them, see
	 * vio_queue_set_kicks(). Each time it is told, as many may be under way as it
	 * has processors: without those.
	 */
	uint64_t unwanted_kicks;
	/**
	 * Of the time since vio_guard_begin(): what the thread could have run and did
	 * not, because the kernel ran something else, as /proc/thread-self/schedstat
	 * counts it. Nobody's doing: others' waiting is taken for that much shorter.
	 * service_ns is without it. Where it is left at 0 and processors are short,
	 * tenants are accused of what the machine did.
	 */
	uint64_t lost_ns;
};
/** Nothing. */
#define VIO_GUARD_SAMPLE_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_guard_sample), 0, 0, 0, 0, 0, 0, 0         \
	}

/**
 * Create a guard without members.
 * @param ctx       gives memory; NULL: malloc()
 * @param params    copied
 * @param now_ns    the time
 * @param[out] out  the caller's, to vio_guard_destroy()
 * @param err       optional, names the field on -EINVAL
 * @return 0; -EINVAL: a field out of its range, or an unknown flag or action; -E2BIG:
 * see @ref abi; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_guard_create(struct vio_ctx *ctx, const struct vio_guard_params *params,
		 uint64_t now_ns, struct vio_guard **out, struct vio_error *err);

/**
 * Add a tenant, or a queue of one. Between turns only.
 * @param guard     a guard
 * @param params    copied
 * @param[out] out  the guard's, until vio_guard_remove()
 * @param err       optional, names the field on -EINVAL
 * @return 0; -EINVAL: no name or one too long, a weight out of range, an unknown
 * flag, or no act where REVOKE or PAUSE may be taken; -E2BIG: see @ref abi; -ENOSPC:
 * VIO_GUARD_MEMBERS_MAX are there; -EBUSY: in a turn; -ENOMEM.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int
vio_guard_add(struct vio_guard *guard, const struct vio_guard_member_params *params,
	      struct vio_guard_member **out, struct vio_error *err);

/**
 * A member has work: it was kicked, or something else tells so. Nothing if it is
 * marked already.
 * @param member  a member
 * @param now_ns  the time
 * @par Threads  One per object (the guard).
 */
VIO_API void vio_guard_mark(struct vio_guard_member *member, uint64_t now_ns);

/**
 * Whose turn is it? The turn lasts until vio_guard_record() of that member.
 * @param guard        a guard
 * @param now_ns       the time
 * @param[in,out] slot size set by the caller; filled on 0, and on -EAGAIN too, where
 *                     only retry_at_ns counts
 * @return 0; -EAGAIN: no member is marked, or those that are have to wait; -EBUSY: a
 * turn is under way; -EINVAL: slot is NULL or too short.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int
vio_guard_begin(struct vio_guard *guard, uint64_t now_ns, struct vio_guard_slot *slot);

/**
 * Tell what a member did. Ends its turn if it has one; without one, it is told what
 * was seen elsewhere, as by the counters of a network card.
 * @param member  a member
 * @param now_ns  the time
 * @param sample  copied; service_ns over 2^40 counts as that
 * @return 0; -EINVAL: sample is NULL, too short or has an unknown flag; -E2BIG: see
 * @ref abi. The turn goes on then.
 * @par Threads  One per object (the guard).
 */
VIO_API int vio_guard_record(struct vio_guard_member *member, uint64_t now_ns,
			     const struct vio_guard_sample *sample);

/**
 * Copy out where a member stands, as of the last call that was given the time.
 * @param member            a member
 * @param[in,out] verdict   size set by the caller; filled up to that size
 * @return 0; -EINVAL: verdict is NULL or too short.
 * @par Threads  One per object (the guard).
 */
VIO_API int vio_guard_read_verdict(const struct vio_guard_member *member,
				   struct vio_guard_verdict *verdict);

/**
 * Remove a member; actions in force are not taken back.
 * @param member  a member, or NULL
 * @return 0; -EBUSY: in a turn, nothing was done.
 * @par Threads  One per object (the guard).
 */
VIO_API int vio_guard_remove(struct vio_guard_member *member);

/**
 * Destroy a guard.
 * @param guard  a guard, or NULL
 * @return 0; -EBUSY: it has members, nothing was done.
 * @par Threads  One per object.
 */
VIO_API int vio_guard_destroy(struct vio_guard *guard);

VIO_END_DECLS
/** @} */
#endif /* VIO_UNSTABLE_GUARD_H */
