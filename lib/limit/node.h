/* SPDX-License-Identifier: MIT */
/*
 * The inside of a tree of limits. What a refill takes is one counter for each
 * dimension of a limit without children, its credit: it is compared and swapped, and
 * nothing else is touched. All the rest is plain arithmetic under the tree's lock,
 * in a sweep, which whoever comes first after the time for it carries out.
 *
 * A unit of credit is in one place: the credit of a leaf, or the pool of an inner
 * limit. All that is under a limit is its fund; what its ceiling allows beyond that
 * may be added to it. So spending at a leaf is spending everywhere above.
 */
#ifndef VIO_LIMIT_NODE_H
#define VIO_LIMIT_NODE_H

#ifndef VIO_ENABLE_UNSTABLE
#define VIO_ENABLE_UNSTABLE 1
#endif

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include <vio/unstable/limit.h>

#include "core/env.h"
#include "core/list.h"
#include "core/member.h"
#include "limit/curve.h"

enum {
	VIO_NODE_BYTES,
	VIO_NODE_OPS,
	VIO_NODE_N_CURVES,
};

/*
 * A tree of several limits is swept at most so often because one of them is short:
 * waiting ends at the next sweep, and a sweep costs time for every limit.
 */
#define VIO_NODE_STEP_NS UINT64_C(50000)

/* Bytes and operations, by the names above. */
struct vio_units {
	uint64_t n[VIO_NODE_N_CURVES];
};

/* Parts of what is lent are counted in so small a fraction of a unit. */
#define VIO_SHARE_BEHIND_SHIFT 16

/* What parameters come to, one dimension. Rate 0: no ceiling here or above. */
struct vio_share_config {
	uint64_t rate;
	uint64_t burst;
	uint64_t quantum;
	uint64_t assured;
	uint64_t kept; /* what an idle limit keeps of its credit */
};

/* One dimension of a limit, under the lock. */
struct vio_share {
	struct vio_share_config config;
	struct vio_curve ceiling;
	struct vio_curve assured;
	uint64_t fund;    /* credit here and below after the last sweep */
	uint64_t allowed; /* what the ceiling lets the fund be: at most the burst */
	uint64_t owed;    /* assured and not yet given, as the parent had none */
	uint64_t pace;    /* units a second that it can count on at present */
	uint64_t ask;     /* credit that a refused request needs */
	uint64_t noted;   /* spent since the last sweep, and accounted for */
	int64_t behind;   /* of its part of what is lent, see below */
	bool is_source;   /* has a ceiling, and its parent none */
	bool is_fresh;    /* what it has at the next sweep is its fund */

	/* Of one sweep. */
	uint64_t now;   /* credit found here and below */
	uint64_t want;  /* credit that would serve its demand */
	uint64_t due;   /* of its assured rate */
	uint64_t given; /* by its parent */

	/* Statistics. Of a leaf; below 0 if more is refunded than was taken. */
	int64_t spent;
	uint64_t past; /* by children that are destroyed */
	uint64_t lent;
	uint64_t borrowed;
};

struct vio_tree {
	const struct vio_env *env;
	pthread_mutex_t lock;
	struct vio_list nodes; /* parents before their children */
	uint32_t n_nodes;
	uint32_t n_refs;  /* atomic: limits and leases */
	uint32_t n_names; /* given to limits without one */
	uint64_t last_ns; /* of the last sweep */
	uint32_t n_waiters;
	struct vio_list granted;    /* waiters that are to be called */
	struct vio_list calls;      /* waiters that are being called, see wait.c */
	void (*wake)(void *opaque); /* somebody may be due; under the lock; or NULL */
	void *wake_opaque;
	uint64_t slack_ns; /* spending is known to have happened no later after it */

	/* Read by every refill, written by a sweep. */
	_Alignas(64) uint64_t sweep_at_ns; /* atomic: a refill then sweeps first */
	bool has_pairs; /* the processor swaps both counters at once; never changes */
};

struct vio_limit {
	/*
	 * What refills change, and apart from it what they only read: that line stays
	 * with every processor, and this one comes for the swap at once and not for
	 * reading first.
	 */
	_Alignas(64) uint64_t credit[VIO_NODE_N_CURVES]; /* atomic */
	_Alignas(64) uint64_t burst[VIO_NODE_N_CURVES];  /* atomic; UINT64_MAX: none */
	uint64_t quantum[VIO_NODE_N_CURVES];             /* atomic */
	struct vio_tree *tree;
	uint64_t is_closed; /* atomic: refills are refused, VIO_LIMIT_ bits tell why */

	_Alignas(64) uint64_t taken[VIO_NODE_N_CURVES]; /* atomic, without a ceiling */

	/* Under the lock. */
	struct vio_share share[VIO_NODE_N_CURVES];
	struct vio_limit_params params;                  /* as given, the name apart */
	struct vio_share_config next[VIO_NODE_N_CURVES]; /* while configuring */
	struct vio_list node;                            /* of the tree */
	struct vio_list sibling;
	struct vio_list children;
	struct vio_list waiters; /* first come first, but for their deficits */
	uint64_t turn;      /* of a waiter: the largest request of the last round */
	uint64_t next_turn; /* likewise of the round under way */
	uint64_t n_turns;   /* that are to be given in it yet */
	struct vio_limit *parent;
	uint64_t ask_until_ns;
	uint64_t n_refused;
	uint64_t n_leases;
	uint32_t weight;
	uint64_t generation; /* how often it was configured */
	uint32_t offload;    /* dimensions that hardware enforces, a bit each */
	bool is_active;      /* asked or spent since the last sweep */
	struct vio_member member;
	struct vio_meter meter;
	char name[VIO_LIMIT_NAME_MAX + 1];
};

/* Why refills are refused. */
#define VIO_LIMIT_GONE    (UINT64_C(1) << 0) /* destroyed, leases remain */
#define VIO_LIMIT_WAITING (UINT64_C(1) << 1) /* others wait in line */

/* Under the lock. Relaxed: set under it. */
static inline bool vio_limit_is_gone(const struct vio_limit *limit)
{
	return __atomic_load_n(&limit->is_closed, __ATOMIC_RELAXED) & VIO_LIMIT_GONE;
}

static inline bool vio_limit_is_leaf(const struct vio_limit *limit)
{
	return vio_list_is_empty(&limit->children);
}

/* Itself included. */
static inline bool
vio_limit_is_under(const struct vio_limit *limit, const struct vio_limit *top)
{
	while (limit && limit != top)
		limit = limit->parent;
	return limit != NULL;
}

/* No ceiling: the fund is endless. */
static inline bool vio_share_is_open(const struct vio_share *share)
{
	return !share->config.rate;
}

#define VIO_LIMIT_FOREACH_CHILD(child, parent)                                         \
	for (struct vio_list *vio_at = (parent)->children.next;                        \
	     vio_at != &(parent)->children &&                                          \
	     ((child) = VIO_CONTAINER_OF(vio_at, struct vio_limit, sibling));          \
	     vio_at = vio_at->next)

/* tree.c; the time until which refills need no sweep follows from the last one. */
int vio_tree_create(const struct vio_env *env, uint64_t now_ns, struct vio_tree **out);
void vio_tree_hold(struct vio_tree *tree);
void vio_tree_drop(struct vio_tree *tree);
void vio_tree_set_next_sweep(struct vio_tree *tree);

/* config.c: what the parameters of the whole tree come to, checked before applied. */
int vio_config_parse(const struct vio_limit_params *params,
		     struct vio_limit_params *out, struct vio_error *err);
int vio_config_resolve(struct vio_tree *tree, struct vio_error *err);
void vio_config_apply(struct vio_tree *tree);

/*
 * sweep.c: everything earned until @now_ns is given out. Under the lock. A time before
 * the last is taken as that.
 */
void vio_sweep(struct vio_tree *tree, uint64_t now_ns);

/* Takes @units out of a leaf's credit for good, as spent just now. Under the lock. */
void vio_sweep_note_spent(struct vio_limit *leaf, int i, uint64_t units);

/* share.c: divides the pool of @parent among its children. Of a sweep. */
void vio_share_divide(struct vio_limit *parent, int i);

/* rescue.c: ends waiting in a circle, if there is any. Of a sweep. */
void vio_rescue(struct vio_tree *tree, int i);

/* The time by which @need is there, from the last sweep on. Under the lock. */
uint64_t vio_share_get_ready_ns(const struct vio_limit *leaf, int i, uint64_t need);

/*
 * node.c: takes @need of what a request for @want lacks, and as much of the quantum as
 * is there. Returns 0, -EMSGSIZE, -ESTALE, or -EAGAIN with @out_retry_at_ns.
 */
int vio_node_take(struct vio_limit *limit, uint64_t now_ns,
		  const struct vio_units *want, const struct vio_units *need,
		  struct vio_units *out, uint64_t *out_retry_at_ns);

/* limit.c: lets go of the lock, and of a destroyed limit that nobody has any more. */
void vio_limit_unlock(struct vio_limit *limit);

/* wait.c: what turns are counted in may have changed. Under the lock. */
void vio_limit_reset_turns(struct vio_limit *limit);

/* wait.c: who waits may be due sooner than was said. Under the lock. */
void vio_tree_notify(struct vio_tree *tree);

/* wait.c: somebody waits in its line, or is yet to be called. Under the lock. */
bool vio_limit_has_waiters(const struct vio_limit *limit);

/* Gives back what was taken and not used; more than the burst is lost. */
void vio_node_refund(struct vio_limit *limit, const struct vio_units *units);

/* For waiters, under the lock: all of @need and no more, or false. */
bool vio_node_take_exactly(struct vio_limit *limit, uint64_t now_ns,
			   const struct vio_units *need);

/* Sweeps unless there was one just now. Under the lock. */
void vio_node_sweep(struct vio_tree *tree, uint64_t now_ns);

/* Notes what the leaf needs and returns when it is there. Under the lock. */
uint64_t vio_node_ask(struct vio_limit *limit, const struct vio_units *need);

/* Adds to the credit of a leaf or to a pool. */
void vio_node_add_credit(struct vio_limit *limit, int i, uint64_t units);

/* Takes up to @most out of it and returns how much it was. */
uint64_t vio_node_cut_credit(struct vio_limit *limit, int i, uint64_t most);

/*
 * Leaves dimensions, bit 1 << VIO_NODE_BYTES or VIO_NODE_OPS, to hardware: the limit's
 * own ceiling is not enforced here any more. Configuring takes them back, so that
 * nothing is left to hardware that has the ceiling of an earlier @generation. 0;
 * -ESTALE: configured since, which no line in err tells, or destroyed; -EINVAL: its
 * children are assured of what nobody above has.
 */
int vio_limit_set_offload(struct vio_limit *limit, uint32_t dimensions,
			  uint64_t generation, struct vio_error *err);

/* Read before the parameters that are given to hardware. */
uint64_t vio_limit_get_generation(const struct vio_limit *limit);

#endif /* VIO_LIMIT_NODE_H */
