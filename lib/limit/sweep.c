/* SPDX-License-Identifier: MIT */
/*
 * A sweep: first upwards, what was spent, what idle limits give back and who wants
 * more; then downwards, what was earned. It is known how much was spent since the last
 * sweep, but not when, except that it was within the tree's slack: a refill that comes
 * later sweeps first. So a full burst is taken to have been full until then, and what
 * was earned beyond it meanwhile is lost. Otherwise a burst that was spent at the end
 * of the slack could be followed at once by another.
 */
#include "core/bits.h"
#include "limit/node.h"

struct spans {
	uint64_t slack_ns; /* in which the spending happened */
	uint64_t rest_ns;
};

static struct vio_limit *limit_at(struct vio_list *node)
{
	return VIO_CONTAINER_OF(node, struct vio_limit, node);
}

static void
raise_allowed(struct vio_share *share, int64_t spent, const struct spans *spans)
{
	uint64_t burst = share->config.burst;
	uint64_t early = vio_curve_earn(&share->ceiling, spans->slack_ns);
	uint64_t late = vio_curve_earn(&share->ceiling, spans->rest_ns);
	int64_t allowed = (int64_t)vio_min_u64(burst, share->allowed + early) - spent;

	/* Below 0 if a smaller burst came meanwhile: it is not owed. */
	allowed = allowed < 0 ? 0 : allowed;
	share->allowed = vio_min_u64(burst, (uint64_t)allowed + late);
}

/* What stays with the limit; an idle one gives back what was lent to it. */
static uint64_t find_kept(const struct vio_limit *limit, const struct vio_share *share)
{
	return limit->is_active ? share->allowed
				: vio_min_u64(share->config.kept, share->allowed);
}

/* To the parent; from one that is nobody's or open it is lost. */
static void give_back(struct vio_limit *limit, int i)
{
	struct vio_share *share = &limit->share[i];
	uint64_t kept = find_kept(limit, share);
	uint64_t cut;

	if (share->now <= kept)
		return;
	cut = vio_node_cut_credit(limit, i, share->now - kept);
	share->now -= cut;
	if (!share->is_source)
		vio_node_add_credit(limit->parent, i, cut);
}

static void begin_fund(struct vio_share *share)
{
	share->fund = share->now;
	share->allowed = vio_min_u64(vio_max_u64(share->now, share->allowed),
				     share->config.burst);
	share->is_fresh = false;
}

/* Who was served will want as much again, and somewhat more; who is behind asks on. */
static void foresee(struct vio_limit *limit, struct vio_share *share, uint64_t spent)
{
	if (spent && vio_list_is_empty(&limit->waiters))
		share->ask = 0;
	spent += share->noted;
	if (spent)
		limit->is_active = true;
	share->want = 2 * spent;
}

/* What the children lack and the pool does not have; want is the sum of it so far. */
static uint64_t find_lack(const struct vio_limit *limit, int i)
{
	uint64_t pool = __atomic_load_n(&limit->credit[i], __ATOMIC_RELAXED);
	uint64_t lack = limit->share[i].want;

	return lack > pool ? lack - pool : 0;
}

static void collect_spent(struct vio_limit *limit, int i, const struct spans *spans)
{
	struct vio_share *share = &limit->share[i];
	int64_t spent;

	/* Relaxed: what is spent after this look belongs to the next sweep. */
	share->now += __atomic_load_n(&limit->credit[i], __ATOMIC_RELAXED);
	if (share->is_fresh)
		begin_fund(share);
	spent = (int64_t)(share->fund - share->now);
	raise_allowed(share, spent, spans);
	share->due = share->owed;
	share->due += vio_curve_earn(&share->assured, spans->slack_ns);
	share->due += vio_curve_earn(&share->assured, spans->rest_ns);
	if (vio_limit_is_leaf(limit)) {
		share->spent += spent;
		foresee(limit, share, spent > 0 ? (uint64_t)spent : 0);
	} else {
		share->want = share->now + find_lack(limit, i);
	}
	share->noted = 0;
}

static uint64_t find_rise(const struct vio_share *share)
{
	uint64_t want = vio_min_u64(share->want, share->allowed);

	return want > share->now ? want - share->now : 0;
}

static void report_up(struct vio_limit *limit)
{
	struct vio_limit *parent = limit->parent;

	if (!parent)
		return;
	parent->is_active |= limit->is_active;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		const struct vio_share *share = &limit->share[i];

		if (vio_share_is_open(&parent->share[i]))
			continue;
		parent->share[i].now += share->now;
		parent->share[i].want += find_rise(share);
	}
}

static void collect(struct vio_limit *limit, uint64_t now_ns, const struct spans *spans)
{
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (!vio_share_is_open(&limit->share[i]))
			collect_spent(limit, i, spans);
	if (now_ns < limit->ask_until_ns) {
		limit->is_active = true;
		for (int i = 0; i < VIO_NODE_N_CURVES; i++)
			limit->share[i].want += limit->share[i].ask;
	}
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (!vio_share_is_open(&limit->share[i]))
			give_back(limit, i);
	report_up(limit);
}

static void forget(struct vio_limit *limit)
{
	limit->is_active = false;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		limit->share[i].now = 0;
		limit->share[i].want = 0;
	}
}

static void give_out(struct vio_limit *limit, int i)
{
	struct vio_share *share = &limit->share[i];

	if (vio_share_is_open(share))
		return;
	if (share->is_source) {
		share->pace = share->config.rate;
		if (share->now < share->allowed) {
			vio_node_add_credit(limit, i, share->allowed - share->now);
			share->now = share->allowed;
		}
	}
	share->fund = share->now;
	if (!vio_limit_is_leaf(limit))
		vio_share_divide(limit, i);
}

static void count_loans(struct vio_limit *limit)
{
	struct vio_meter *meter = &limit->meter;
	const struct vio_share *share = limit->share;

	vio_meter_set(&meter->lent_bytes, share[VIO_NODE_BYTES].lent);
	vio_meter_set(&meter->lent_ops, share[VIO_NODE_OPS].lent);
	vio_meter_set(&meter->borrowed_bytes, share[VIO_NODE_BYTES].borrowed);
	vio_meter_set(&meter->borrowed_ops, share[VIO_NODE_OPS].borrowed);
}

static struct spans find_spans(const struct vio_tree *tree, uint64_t now_ns)
{
	uint64_t all_ns = now_ns > tree->last_ns ? now_ns - tree->last_ns : 0;
	uint64_t slack_ns = vio_min_u64(all_ns, tree->slack_ns);

	return (struct spans){ slack_ns, all_ns - slack_ns };
}

void vio_sweep(struct vio_tree *tree, uint64_t now_ns)
{
	struct spans spans = find_spans(tree, now_ns);
	struct vio_list *at;

	tree->last_ns = vio_max_u64(tree->last_ns, now_ns);
	for (at = tree->nodes.next; at != &tree->nodes; at = at->next)
		forget(limit_at(at));
	for (at = tree->nodes.prev; at != &tree->nodes; at = at->prev)
		collect(limit_at(at), tree->last_ns, &spans);
	for (at = tree->nodes.next; at != &tree->nodes; at = at->next) {
		for (int i = 0; i < VIO_NODE_N_CURVES; i++)
			give_out(limit_at(at), i);
		count_loans(limit_at(at));
	}
	for (int i = 0; tree->n_nodes > 1 && i < VIO_NODE_N_CURVES; i++)
		vio_rescue(tree, i);
	vio_tree_set_next_sweep(tree);
}

void vio_sweep_note_spent(struct vio_limit *leaf, int i, uint64_t units)
{
	struct vio_limit *limit = leaf;

	for (; limit && !vio_share_is_open(&limit->share[i]); limit = limit->parent) {
		struct vio_share *share = &limit->share[i];
		/* What a refund brought beyond it is settled in the next sweep. */
		uint64_t part = vio_min_u64(units, share->allowed);

		share->fund -= part;
		share->allowed -= part;
		share->spent += limit == leaf ? (int64_t)part : 0;
		share->noted += part;
	}
}
