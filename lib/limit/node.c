/* SPDX-License-Identifier: MIT */
/*
 * Taking and giving back. Credit that is there is taken by comparing and swapping one
 * counter, without a lock: whoever is preempted in it holds nobody up. Only who finds
 * too little, or comes first after the time for a sweep, takes the tree's lock.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/pair.h"
#include "limit/node.h"

/* Loads of what is only configured: relaxed, each word is right by itself. */
static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

/*
 * Relaxed: credit is a number and guards no other memory; the order of the swaps of
 * this one counter is all that matters.
 */
static bool swap_credit(uint64_t *credit, uint64_t *seen, uint64_t desired)
{
	return __atomic_compare_exchange_n(credit, seen, desired, true,
					   __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void vio_node_add_credit(struct vio_limit *limit, int i, uint64_t units)
{
	if (units)
		__atomic_fetch_add(&limit->credit[i], units, __ATOMIC_RELAXED);
}

uint64_t vio_node_cut_credit(struct vio_limit *limit, int i, uint64_t most)
{
	uint64_t credit = load(&limit->credit[i]);

	while (!swap_credit(&limit->credit[i], &credit,
			    credit - vio_min_u64(credit, most)))
		continue;
	return vio_min_u64(credit, most);
}

/* All of @need and what there is of @more, or nothing and false. */
static bool
take_credit(struct vio_limit *limit, int i, uint64_t need, uint64_t more, uint64_t *out)
{
	uint64_t most = need + more; /* both at most the burst */
	uint64_t credit = load(&limit->credit[i]);
	uint64_t taken;

	do {
		if (credit < need)
			return false;
		taken = vio_min_u64(credit, most);
	} while (!swap_credit(&limit->credit[i], &credit, credit - taken));
	*out = taken;
	return true;
}

/* Lets a limit that is set later bite soon: no more than a quantum is lent. */
static bool
take_open(struct vio_limit *limit, int i, uint64_t need, uint64_t more, uint64_t *out)
{
	*out = need + vio_min_u64(more, UINT64_MAX - need);
	__atomic_fetch_add(&limit->taken[i], *out, __ATOMIC_RELAXED);
	return true;
}

static bool is_open(const struct vio_limit *limit, int i)
{
	return load(&limit->burst[i]) == UINT64_MAX;
}

static bool
take_one(struct vio_limit *limit, int i, uint64_t need, uint64_t more, uint64_t *out)
{
	*out = 0;
	if (!need)
		return true;
	return is_open(limit, i) ? take_open(limit, i, need, more, out)
				 : take_credit(limit, i, need, more, out);
}

/* Never below 0, whatever a caller refunds to its lease. */
static void untake_open(struct vio_limit *limit, int i, uint64_t units)
{
	uint64_t taken = load(&limit->taken[i]);

	while (!swap_credit(&limit->taken[i], &taken,
			    taken - vio_min_u64(units, taken)))
		continue;
}

static void put_back(struct vio_limit *limit, int i, uint64_t units)
{
	if (is_open(limit, i))
		untake_open(limit, i, units);
	else
		vio_node_add_credit(limit, i, units);
}

/* Relaxed, as swap_credit(). Inlined, since a call costs as much as its swap. */
static inline __attribute__((always_inline)) bool
take_pair(struct vio_limit *limit, const struct vio_units *need, const uint64_t *more,
	  struct vio_units *out)
{
	struct vio_units seen, taken, left;

	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		seen.n[i] = load(&limit->credit[i]);
	do {
		for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
			if (seen.n[i] < need->n[i])
				return false;
			/* Both at most the burst. */
			taken.n[i] =
				vio_min_u64(seen.n[i], need->n[i] + load(&more[i]));
			left.n[i] = seen.n[i] - taken.n[i];
		}
	} while (!vio_pair_swap(limit->credit, seen.n, left.n));
	*out = taken;
	return true;
}

static bool is_pair(const struct vio_limit *limit, const struct vio_units *need)
{
	return need->n[VIO_NODE_BYTES] && need->n[VIO_NODE_OPS] &&
	       limit->tree->has_pairs && !is_open(limit, VIO_NODE_BYTES) &&
	       !is_open(limit, VIO_NODE_OPS);
}

static bool take_each(struct vio_limit *limit, const struct vio_units *need,
		      const uint64_t *more, struct vio_units *out)
{
	if (!take_one(limit, VIO_NODE_BYTES, need->n[VIO_NODE_BYTES],
		      load(&more[VIO_NODE_BYTES]), &out->n[VIO_NODE_BYTES]))
		return false;
	if (take_one(limit, VIO_NODE_OPS, need->n[VIO_NODE_OPS],
		     load(&more[VIO_NODE_OPS]), &out->n[VIO_NODE_OPS]))
		return true;
	put_back(limit, VIO_NODE_BYTES, out->n[VIO_NODE_BYTES]);
	return false;
}

/* All or nothing. */
static bool take_both(struct vio_limit *limit, const struct vio_units *need,
		      const uint64_t *more, struct vio_units *out)
{
	return is_pair(limit, need) ? take_pair(limit, need, more, out)
				    : take_each(limit, need, more, out);
}

static uint64_t
find_ready_ns(const struct vio_limit *limit, const struct vio_units *need)
{
	uint64_t ready_ns = 0;

	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		ready_ns = vio_max_u64(ready_ns,
				       vio_share_get_ready_ns(limit, i, need->n[i]));
	return ready_ns;
}

/* It is asked again by @ready_ns, or somewhat later: until then credit is kept. */
static void
note_ask(struct vio_limit *limit, const struct vio_units *need, uint64_t ready_ns)
{
	const uint64_t grace_ns = 16 * VIO_LIMIT_EPOCH_NS;

	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		limit->share[i].ask = need->n[i];
	if (!vio_add_u64(ready_ns, grace_ns, &limit->ask_until_ns))
		limit->ask_until_ns = UINT64_MAX;
}

uint64_t vio_node_ask(struct vio_limit *limit, const struct vio_units *need)
{
	uint64_t ready_ns = find_ready_ns(limit, need);

	note_ask(limit, need, ready_ns);
	return ready_ns;
}

static int
refuse(struct vio_limit *limit, const struct vio_units *need, uint64_t *out_retry_at_ns)
{
	*out_retry_at_ns = vio_node_ask(limit, need);
	limit->n_refused++;
	vio_meter_set(&limit->meter.refused, limit->n_refused);
	return -EAGAIN;
}

/* Those who wait in line asked for themselves; when they are done is not known. */
static int
refuse_to_overtake(struct vio_limit *limit, uint64_t now_ns, uint64_t *out_retry_at_ns)
{
	if (!vio_add_u64(now_ns, VIO_LIMIT_EPOCH_NS, out_retry_at_ns))
		*out_retry_at_ns = UINT64_MAX;
	limit->n_refused++;
	vio_meter_set(&limit->meter.refused, limit->n_refused);
	return -EAGAIN;
}

/* A sweep of several limits is worth its time only so often. */
static bool may_sweep(const struct vio_tree *tree, uint64_t now_ns)
{
	uint64_t since_ns = now_ns > tree->last_ns ? now_ns - tree->last_ns : 0;

	return since_ns >= (tree->n_nodes > 1 ? VIO_NODE_STEP_NS : 1);
}

/*
 * Spent now and not some time before the next sweep, unless others took as well: then
 * it is theirs to be counted in time. Not so where the last sweep was earlier: then it
 * would count as spent before what has been earned since, and that could be had again.
 */
static void
note_spent(struct vio_limit *limit, uint64_t now_ns, const struct vio_units *taken)
{
	if (limit->tree->last_ns < now_ns)
		return;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		vio_sweep_note_spent(limit, i, taken->n[i]);
}

void vio_node_sweep(struct vio_tree *tree, uint64_t now_ns)
{
	if (may_sweep(tree, now_ns))
		vio_sweep(tree, now_ns);
}

bool vio_node_take_exactly(struct vio_limit *limit, uint64_t now_ns,
			   const struct vio_units *need)
{
	static const uint64_t none[VIO_NODE_N_CURVES];
	struct vio_units out;

	if (!take_both(limit, need, none, &out))
		return false;
	note_spent(limit, now_ns, &out);
	return true;
}

/* Under the lock. */
static int take_or_wait(struct vio_limit *limit, uint64_t now_ns,
			const struct vio_units *need, struct vio_units *out,
			uint64_t *out_retry_at_ns)
{
	if (vio_limit_is_gone(limit))
		return -ESTALE;
	if (!vio_list_is_empty(&limit->waiters))
		return refuse_to_overtake(limit, now_ns, out_retry_at_ns);
	if (may_sweep(limit->tree, now_ns)) {
		note_ask(limit, need, now_ns);
		vio_sweep(limit->tree, now_ns);
	}
	if (!take_both(limit, need, limit->quantum, out))
		return refuse(limit, need, out_retry_at_ns);
	note_spent(limit, now_ns, out);
	note_ask(limit, &(struct vio_units){ { 0, 0 } }, 0);
	return 0;
}

static __attribute__((noinline)) int
take_locked(struct vio_limit *limit, uint64_t now_ns, const struct vio_units *need,
	    struct vio_units *out, uint64_t *out_retry_at_ns)
{
	int ret;

	pthread_mutex_lock(&limit->tree->lock);
	ret = take_or_wait(limit, now_ns, need, out, out_retry_at_ns);
	pthread_mutex_unlock(&limit->tree->lock);
	return ret;
}

/* By itself, so that a pair is taken without saving registers for what is rare. */
static __attribute__((noinline)) int
take_each_or_lock(struct vio_limit *limit, uint64_t now_ns,
		  const struct vio_units *need, struct vio_units *out,
		  uint64_t *out_retry_at_ns)
{
	if (take_each(limit, need, limit->quantum, out))
		return 0;
	return take_locked(limit, now_ns, need, out, out_retry_at_ns);
}

int vio_node_take(struct vio_limit *limit, uint64_t now_ns,
		  const struct vio_units *want, const struct vio_units *need,
		  struct vio_units *out, uint64_t *out_retry_at_ns)
{
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (need->n[i] && want->n[i] > load(&limit->burst[i]))
			return -EMSGSIZE;
	if (__builtin_expect(now_ns >= load(&limit->tree->sweep_at_ns), 0) ||
	    __builtin_expect(load(&limit->is_closed) != 0, 0))
		return take_locked(limit, now_ns, need, out, out_retry_at_ns);
	if (!is_pair(limit, need))
		return take_each_or_lock(limit, now_ns, need, out, out_retry_at_ns);
	if (__builtin_expect(take_pair(limit, need, limit->quantum, out), 1))
		return 0;
	return take_locked(limit, now_ns, need, out, out_retry_at_ns);
}

/* Up to the burst here and now: a refund of what was never taken brings no more. */
static void refund_limited(struct vio_limit *limit, int i, uint64_t units)
{
	uint64_t burst = load(&limit->burst[i]);
	uint64_t credit = load(&limit->credit[i]);
	uint64_t room;

	do
		room = burst > credit ? burst - credit : 0;
	while (!swap_credit(&limit->credit[i], &credit,
			    credit + vio_min_u64(units, room)));
}

void vio_node_refund(struct vio_limit *limit, const struct vio_units *units)
{
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		if (is_open(limit, i))
			untake_open(limit, i, units->n[i]);
		else
			refund_limited(limit, i, units->n[i]);
	}
}
