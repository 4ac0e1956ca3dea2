/* SPDX-License-Identifier: MIT */
/*
 * Taking and giving back. Credit that is there is taken by comparing and swapping one
 * counter, without a lock: whoever is preempted in it holds nobody up. Only who finds
 * too little, or comes first after the time for a sweep, takes the tree's lock.
 */
#include <errno.h>

#include "core/bits.h"
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

/* All of @need and what there is of the quantum, or nothing and false. */
static bool take_credit(struct vio_limit *limit, int i, uint64_t need, uint64_t *out)
{
	uint64_t most = need + load(&limit->quantum[i]); /* both at most the burst */
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
static bool take_open(struct vio_limit *limit, int i, uint64_t need, uint64_t *out)
{
	uint64_t quantum = load(&limit->quantum[i]);

	*out = need + vio_min_u64(quantum, UINT64_MAX - need);
	__atomic_fetch_add(&limit->taken[i], *out, __ATOMIC_RELAXED);
	return true;
}

static bool is_open(const struct vio_limit *limit, int i)
{
	return load(&limit->burst[i]) == UINT64_MAX;
}

static bool take_one(struct vio_limit *limit, int i, uint64_t need, uint64_t *out)
{
	*out = 0;
	if (!need)
		return true;
	return is_open(limit, i) ? take_open(limit, i, need, out)
				 : take_credit(limit, i, need, out);
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

/* All or nothing. */
static bool
take_both(struct vio_limit *limit, const struct vio_units *need, struct vio_units *out)
{
	if (!take_one(limit, VIO_NODE_BYTES, need->n[VIO_NODE_BYTES],
		      &out->n[VIO_NODE_BYTES]))
		return false;
	if (take_one(limit, VIO_NODE_OPS, need->n[VIO_NODE_OPS], &out->n[VIO_NODE_OPS]))
		return true;
	put_back(limit, VIO_NODE_BYTES, out->n[VIO_NODE_BYTES]);
	return false;
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

static int
refuse(struct vio_limit *limit, const struct vio_units *need, uint64_t *out_retry_at_ns)
{
	uint64_t ready_ns = find_ready_ns(limit, need);

	note_ask(limit, need, ready_ns);
	limit->n_refused++;
	vio_meter_set(&limit->meter.refused, limit->n_refused);
	*out_retry_at_ns = ready_ns;
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
 * it is theirs to be counted in time.
 */
static void note_spent(struct vio_limit *limit, const struct vio_units *taken)
{
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		vio_sweep_note_spent(limit, i, taken->n[i]);
}

/* Under the lock. */
static int take_or_wait(struct vio_limit *limit, uint64_t now_ns,
			const struct vio_units *need, struct vio_units *out,
			uint64_t *out_retry_at_ns)
{
	struct vio_tree *tree = limit->tree;

	/* Relaxed: set under the lock. */
	if (__atomic_load_n(&limit->is_gone, __ATOMIC_RELAXED))
		return -ESTALE;
	if (may_sweep(tree, now_ns)) {
		note_ask(limit, need, now_ns);
		vio_sweep(tree, now_ns);
	}
	if (!take_both(limit, need, out))
		return refuse(limit, need, out_retry_at_ns);
	note_spent(limit, out);
	note_ask(limit, &(struct vio_units){ { 0, 0 } }, 0);
	return 0;
}

static int take_locked(struct vio_limit *limit, uint64_t now_ns,
		       const struct vio_units *need, struct vio_units *out,
		       uint64_t *out_retry_at_ns)
{
	int ret;

	pthread_mutex_lock(&limit->tree->lock);
	ret = take_or_wait(limit, now_ns, need, out, out_retry_at_ns);
	pthread_mutex_unlock(&limit->tree->lock);
	return ret;
}

int vio_node_take(struct vio_limit *limit, uint64_t now_ns,
		  const struct vio_units *want, const struct vio_units *need,
		  struct vio_units *out, uint64_t *out_retry_at_ns)
{
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (need->n[i] && want->n[i] > load(&limit->burst[i]))
			return -EMSGSIZE;
	if (__builtin_expect(load(&limit->is_gone) != 0, 0))
		return -ESTALE;
	if (__builtin_expect(now_ns < load(&limit->tree->sweep_at_ns), 1) &&
	    __builtin_expect(take_both(limit, need, out), 1))
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
