/* SPDX-License-Identifier: MIT */
/*
 * Requests that together need more than a parent's burst could wait for each other for
 * ever: each has a part of the credit, nobody enough, and the parent is full and earns
 * no more. Then whoever lacks least is given what the others hold beyond what is
 * theirs to keep. It counts as lent to it by them, and they get it back first.
 */
#include "core/bits.h"
#include "limit/node.h"

static struct vio_limit *limit_at(struct vio_list *node)
{
	return VIO_CONTAINER_OF(node, struct vio_limit, node);
}

static bool is_full(const struct vio_limit *limit, int i)
{
	const struct vio_share *share = &limit->share[i];

	return !vio_share_is_open(share) && share->fund >= share->config.burst;
}

/* The nearest above that can earn nothing more; NULL: none. */
static struct vio_limit *find_full(const struct vio_limit *leaf, int i)
{
	struct vio_limit *above = leaf->parent;

	while (above && !is_full(above, i))
		above = above->parent;
	return above;
}

static uint64_t find_lack(const struct vio_limit *leaf, int i)
{
	const struct vio_share *share = &leaf->share[i];
	uint64_t need = vio_min_u64(share->ask, share->allowed);

	return leaf->is_active && need > share->now ? need - share->now : 0;
}

/* NULL: nobody is stuck. */
static struct vio_limit *find_nearest(struct vio_tree *tree, int i)
{
	struct vio_limit *nearest = NULL;
	struct vio_list *at;

	for (at = tree->nodes.next; at != &tree->nodes; at = at->next) {
		struct vio_limit *leaf = limit_at(at);

		if (!vio_limit_is_leaf(leaf) || vio_share_is_open(&leaf->share[i]) ||
		    !find_lack(leaf, i) || !find_full(leaf, i))
			continue;
		if (!nearest || find_lack(leaf, i) < find_lack(nearest, i))
			nearest = leaf;
	}
	return nearest;
}

static bool is_under(const struct vio_limit *limit, const struct vio_limit *above)
{
	while (limit && limit != above)
		limit = limit->parent;
	return limit != NULL;
}

/* Somebody has what it asked for and is about to spend it: nobody is stuck. */
static bool has_served(struct vio_tree *tree, const struct vio_limit *above, int i)
{
	struct vio_list *at;

	for (at = tree->nodes.next; at != &tree->nodes; at = at->next) {
		const struct vio_limit *leaf = limit_at(at);

		if (vio_limit_is_leaf(leaf) && leaf->is_active && leaf->share[i].ask &&
		    !find_lack(leaf, i) && is_under(leaf, above))
			return true;
	}
	return false;
}

/* Of all limits between a leaf and @above. */
static void change_funds(struct vio_limit *leaf, const struct vio_limit *above, int i,
			 uint64_t plus, uint64_t minus)
{
	for (struct vio_limit *at = leaf; at != above; at = at->parent)
		at->share[i].fund += plus - minus;
	leaf->share[i].now += plus - minus;
}

/* Of two leaves, the limits above them that have the same parent. */
static struct vio_limit *
find_branch(struct vio_limit *leaf, const struct vio_limit *other)
{
	while (!is_under(other, leaf->parent))
		leaf = leaf->parent;
	return leaf;
}

static void
count_help(struct vio_limit *from, struct vio_limit *to, int i, uint64_t units)
{
	int64_t parts = (int64_t)(units << VIO_SHARE_BEHIND_SHIFT);

	find_branch(from, to)->share[i].behind += parts;
	find_branch(to, from)->share[i].behind -= parts;
}

static uint64_t
take_from(struct vio_limit *leaf, const struct vio_limit *above, int i, uint64_t most)
{
	const struct vio_share *share = &leaf->share[i];
	uint64_t kept = share->config.kept;
	uint64_t over = share->now > kept ? share->now - kept : 0;
	uint64_t cut = vio_node_cut_credit(leaf, i, vio_min_u64(over, most));

	change_funds(leaf, above, i, 0, cut);
	return cut;
}

void vio_rescue(struct vio_tree *tree, int i)
{
	struct vio_limit *needy = find_nearest(tree, i);
	struct vio_limit *above;
	struct vio_list *at;
	uint64_t lack;

	if (!needy)
		return;
	above = find_full(needy, i);
	if (has_served(tree, above, i))
		return;
	lack = find_lack(needy, i);
	for (at = tree->nodes.next; lack && at != &tree->nodes; at = at->next) {
		struct vio_limit *leaf = limit_at(at);
		uint64_t got;

		if (leaf == needy || !vio_limit_is_leaf(leaf) || !is_under(leaf, above))
			continue;
		got = take_from(leaf, above, i, lack);
		vio_node_add_credit(needy, i, got);
		change_funds(needy, above, i, got, 0);
		count_help(leaf, needy, i, got);
		lack -= got;
	}
}
