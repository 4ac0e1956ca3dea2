/* SPDX-License-Identifier: MIT */
/*
 * How a limit divides what it has among its children: first what they are assured of,
 * which their parent has by the rule that it is not promised twice; then the rest, by
 * weight, to those that want more, as water fills vessels of different heights. What
 * comes to less than a unit for each is given to whoever is furthest behind its part,
 * so that weights hold in the long run for the slowest of rates as well.
 */
#include "core/bits.h"
#include "limit/node.h"

/* Of the largest burst, and far from overflowing. */
#define BEHIND_MOST (INT64_C(1) << 60)

static uint64_t find_room(const struct vio_limit *child, const struct vio_share *share)
{
	uint64_t most = child->is_active
				? share->allowed
				: vio_min_u64(share->config.kept, share->allowed);

	return most > share->now ? most - share->now : 0;
}

/* What has no room is lent, and not owed any more. */
static uint64_t sum_due(struct vio_limit *parent, int i)
{
	struct vio_limit *child;
	uint64_t sum = 0;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		struct vio_share *share = &child->share[i];
		uint64_t room = find_room(child, share);

		if (share->due > room) {
			share->lent += share->due - room;
			share->due = room;
		}
		sum += share->due;
	}
	return sum;
}

/* Returns what is left of the pool. What it cannot pay now is owed. */
static uint64_t pay_assured(struct vio_limit *parent, int i, uint64_t pool)
{
	uint64_t sum = sum_due(parent, i);
	uint64_t left = pool;
	struct vio_limit *child;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		struct vio_share *share = &child->share[i];

		share->given = sum <= pool ? share->due
					   : vio_curve_scale(pool, share->due, sum);
		share->owed = share->due - share->given;
		left -= share->given;
	}
	return left;
}

/* How much more a child would use. */
static uint64_t find_wish(const struct vio_limit *child, int i)
{
	const struct vio_share *share = &child->share[i];
	uint64_t want = vio_min_u64(share->want, share->allowed);
	uint64_t has = share->now + share->given;

	return child->is_active && want > has ? want - has : 0;
}

static uint64_t sum_weights(struct vio_limit *parent, int i)
{
	struct vio_limit *child;
	uint64_t sum = 0;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	if (find_wish(child, i))
		sum += child->weight;
	return sum;
}

static uint64_t lend_to(struct vio_share *share, uint64_t units)
{
	share->given += units;
	share->borrowed += units;
	return units;
}

/* Returns how much was lent. Each round either fills a child or comes to the end. */
static uint64_t lend_round(struct vio_limit *parent, int i, uint64_t pool)
{
	uint64_t weights = sum_weights(parent, i);
	uint64_t lent = 0;
	struct vio_limit *child;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		uint64_t wish = find_wish(child, i);

		if (wish)
			lent += lend_to(
				&child->share[i],
				vio_min_u64(wish, vio_curve_scale(pool, child->weight,
								  weights)));
	}
	return lent;
}

/* Counts each one's part of @units and returns who is furthest behind. */
static struct vio_limit *find_behind(struct vio_limit *parent, int i, uint64_t units)
{
	uint64_t weights = sum_weights(parent, i);
	struct vio_limit *child, *last = NULL;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		struct vio_share *share = &child->share[i];
		uint64_t part;

		if (!find_wish(child, i)) {
			share->behind = 0;
			continue;
		}
		part = vio_curve_scale(units << VIO_SHARE_BEHIND_SHIFT, child->weight,
				       weights);
		if (share->behind < BEHIND_MOST)
			share->behind += (int64_t)part;
		if (!last || share->behind > last->share[i].behind)
			last = child;
	}
	return last;
}

/* Fewer units than there are weights: whole ones go to who is furthest behind. */
static void lend_rest(struct vio_limit *parent, int i, uint64_t pool)
{
	struct vio_limit *child = find_behind(parent, i, pool);
	uint64_t units;

	if (!child)
		return;
	units = vio_min_u64(pool, find_wish(child, i));
	lend_to(&child->share[i], units);
	if (child->share[i].behind > -BEHIND_MOST)
		child->share[i].behind -= (int64_t)(units << VIO_SHARE_BEHIND_SHIFT);
}

/* What was taken from a child to help another comes back first. Returns the rest. */
static uint64_t lend_back(struct vio_limit *parent, int i, uint64_t pool)
{
	struct vio_limit *child;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		struct vio_share *share = &child->share[i];
		uint64_t behind, units;

		if (share->behind < INT64_C(1) << VIO_SHARE_BEHIND_SHIFT)
			continue;
		behind = (uint64_t)share->behind >> VIO_SHARE_BEHIND_SHIFT;
		units = vio_min_u64(vio_min_u64(pool, behind), find_wish(child, i));
		share->behind -= (int64_t)(units << VIO_SHARE_BEHIND_SHIFT);
		pool -= lend_to(share, units);
	}
	return pool;
}

static void lend(struct vio_limit *parent, int i, uint64_t pool)
{
	uint64_t lent;

	pool = lend_back(parent, i, pool);
	do {
		lent = pool ? lend_round(parent, i, pool) : 0;
		pool -= lent;
	} while (lent);
	if (pool)
		lend_rest(parent, i, pool);
}

/* Of a child that asks: its assured rate and its part of what is not promised. */
static void set_paces(struct vio_limit *parent, int i)
{
	uint64_t pace = parent->share[i].pace;
	uint64_t promised = 0, weights = 0;
	struct vio_limit *child;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		if (child->is_active) {
			promised += child->share[i].config.assured;
			weights += child->weight;
		}
	}
	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		struct vio_share *share = &child->share[i];
		uint64_t own = share->config.assured;
		uint64_t all = promised + (child->is_active ? 0 : own);
		uint64_t sum = weights + (child->is_active ? 0 : child->weight);
		uint64_t rest = pace > all ? pace - all : 0;

		share->pace =
			vio_min_u64(share->config.rate,
				    own + vio_curve_scale(rest, child->weight, sum));
	}
}

void vio_share_divide(struct vio_limit *parent, int i)
{
	/* Relaxed: only a sweep changes the pool of a limit with children. */
	uint64_t pool = __atomic_load_n(&parent->credit[i], __ATOMIC_RELAXED);
	struct vio_limit *child;

	lend(parent, i, pay_assured(parent, i, pool));
	set_paces(parent, i);
	VIO_LIMIT_FOREACH_CHILD(child, parent)
	{
		struct vio_share *share = &child->share[i];

		vio_node_cut_credit(parent, i, share->given);
		vio_node_add_credit(child, i, share->given);
		share->now += share->given;
	}
}

/* A full burst earns nothing in the slack, even if some was spent: see sweep.c. */
static uint64_t
find_source_wait_ns(const struct vio_share *share, uint64_t missing, uint64_t slack_ns)
{
	struct vio_curve later = share->ceiling;
	uint64_t early = vio_curve_earn(&later, slack_ns);
	uint64_t gain = vio_min_u64(early, share->config.burst - share->allowed);
	uint64_t wait_ns;

	if (missing <= gain)
		return vio_curve_get_wait_ns(&share->ceiling, missing);
	wait_ns = vio_curve_get_wait_ns(&later, missing - gain);
	return vio_add_u64(wait_ns, slack_ns, &wait_ns) ? wait_ns : UINT64_MAX;
}

/* From the last sweep on, of a limit that has its credit from its parent. */
static uint64_t
find_wait_ns(const struct vio_share *share, uint64_t need, uint64_t missing)
{
	const struct vio_curve pace = { share->pace, 0 };
	uint64_t wait_ns, ceiling_ns = 0;

	wait_ns = vio_curve_get_wait_ns(&share->assured,
					missing - vio_min_u64(missing, share->owed));
	if (share->config.rate > share->config.assured) {
		wait_ns = vio_min_u64(wait_ns, vio_curve_get_wait_ns(&pace, missing));
		wait_ns = vio_min_u64(wait_ns, VIO_LIMIT_EPOCH_NS);
	}
	if (need > share->allowed)
		ceiling_ns =
			vio_curve_get_wait_ns(&share->ceiling, need - share->allowed);
	return vio_max_u64(wait_ns, ceiling_ns);
}

uint64_t vio_share_get_ready_ns(const struct vio_limit *leaf, int i, uint64_t need)
{
	const struct vio_tree *tree = leaf->tree;
	/* Relaxed: if it grows meanwhile, the answer is late, not wrong. */
	uint64_t credit = __atomic_load_n(&leaf->credit[i], __ATOMIC_RELAXED);
	uint64_t wait_ns, ready_ns;

	if (!need || vio_share_is_open(&leaf->share[i]) || credit >= need)
		return 0;
	if (leaf->share[i].is_source)
		wait_ns = find_source_wait_ns(&leaf->share[i], need - credit,
					      tree->slack_ns);
	else
		wait_ns = find_wait_ns(&leaf->share[i], need, need - credit);
	if (tree->n_nodes > 1)
		wait_ns = vio_max_u64(wait_ns, VIO_NODE_STEP_NS);
	return vio_add_u64(tree->last_ns, wait_ns, &ready_ns) ? ready_ns : UINT64_MAX;
}
