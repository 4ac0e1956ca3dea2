/* SPDX-License-Identifier: MIT */
/*
 * Limits as their owner sees them: made, changed, looked at and destroyed. All of it
 * is under the tree's lock, and a change is tried on the whole tree before any of it
 * is in force.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "limit/node.h"

static void describe(const struct vio_member *member, char *buf, size_t n)
{
	const struct vio_limit *limit =
		VIO_CONTAINER_OF(member, const struct vio_limit, member);

	snprintf(buf, n, "limit %s", limit->name);
}

static const struct vio_member_ops member_ops = {
	.describe = describe,
};

static struct vio_tree *lock_tree(const struct vio_limit *limit)
{
	pthread_mutex_lock(&limit->tree->lock);
	return limit->tree;
}

static void unlock_tree(struct vio_tree *tree)
{
	pthread_mutex_unlock(&tree->lock);
}

static bool has_child(const struct vio_limit *parent, const char *name)
{
	const struct vio_limit *child;

	VIO_LIMIT_FOREACH_CHILD(child, parent)
	if (!strcmp(child->name, name))
		return true;
	return false;
}

/* Without one: "limit", of a child with the first number that no sibling has. */
static void set_name(struct vio_limit *limit, const char *name)
{
	const struct vio_limit *parent = limit->parent;

	if (name) {
		snprintf(limit->name, sizeof(limit->name), "%s", name);
		return;
	}
	snprintf(limit->name, sizeof(limit->name), "limit");
	while (parent && has_child(parent, limit->name))
		snprintf(limit->name, sizeof(limit->name), "limit%u",
			 ++limit->tree->n_names);
}

static struct vio_limit *
create_node(struct vio_tree *tree, const struct vio_limit_params *p)
{
	struct vio_limit *limit = VIO_NEW(tree->env, struct vio_limit);

	if (!limit)
		return NULL;
	limit->tree = tree;
	limit->params = *p;
	limit->member.ops = &member_ops;
	limit->member.meter = &limit->meter;
	vio_list_init(&limit->children);
	vio_list_init(&limit->waiters);
	vio_list_init(&limit->sibling);
	return limit;
}

static void link_node(struct vio_limit *limit, struct vio_limit *parent)
{
	limit->parent = parent;
	set_name(limit, limit->params.name);
	vio_list_append(&limit->tree->nodes, &limit->node);
	limit->tree->n_nodes++;
	if (parent)
		vio_list_append(&parent->children, &limit->sibling);
}

static void unlink_node(struct vio_limit *limit)
{
	vio_list_remove(&limit->node);
	vio_list_remove(&limit->sibling);
	limit->tree->n_nodes--;
}

/* It is let into the tree on trial; what the parameters come to decides. */
static int
try_node(struct vio_limit *limit, struct vio_limit *parent, struct vio_error *err)
{
	struct vio_tree *tree = limit->tree;
	int ret;

	link_node(limit, parent);
	ret = vio_config_resolve(tree, err);
	if (ret) {
		unlink_node(limit);
		return ret;
	}
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		limit->share[i].config.rate = limit->next[i].rate;
		limit->share[i].allowed =
			limit->next[i].rate ? limit->next[i].burst : 0;
	}
	vio_config_apply(tree);
	limit->params.name = limit->name;
	vio_tree_hold(tree);
	vio_member_join(&limit->member, limit->params.dom);
	return 0;
}

/* The tree is held by the caller until it knows. */
static int create_in(struct vio_tree *tree, const struct vio_limit_params *p,
		     struct vio_limit **out, struct vio_error *err)
{
	struct vio_limit *limit = create_node(tree, p);
	int ret;

	if (!limit)
		return vio_fail(err, -ENOMEM, "no memory for a limit");
	ret = try_node(limit, NULL, err);
	if (ret)
		VIO_DELETE(tree->env, limit);
	else
		*out = limit;
	return ret;
}

int vio_limit_create(struct vio_ctx *ctx, const struct vio_limit_params *params,
		     uint64_t now_ns, struct vio_limit **out, struct vio_error *err)
{
	struct vio_limit_params p;
	struct vio_tree *tree;
	int ret;

	ret = vio_config_parse(params, &p, err);
	if (ret)
		return ret;
	ret = vio_tree_create(vio_env_of(ctx), now_ns, &tree);
	if (ret)
		return vio_fail(err, ret, "no memory for a limit");
	ret = create_in(tree, &p, out, err);
	vio_tree_drop(tree);
	return ret;
}

/* Under the lock. */
static int
check_parent(const struct vio_limit *parent, const char *name, struct vio_error *err)
{
	if (vio_limit_is_gone(parent))
		return vio_fail(err, -ESTALE, "%s: it is destroyed", parent->name);
	if (parent->n_leases)
		return vio_fail(err, -EBUSY, "%s: it has leases, detach them first",
				parent->name);
	if (name && has_child(parent, name))
		return vio_fail(err, -EEXIST, "%s: it has a child named %s",
				parent->name, name);
	return 0;
}

int vio_limit_add(struct vio_limit *parent, const struct vio_limit_params *params,
		  uint64_t now_ns, struct vio_limit **out, struct vio_error *err)
{
	struct vio_limit_params p;
	struct vio_limit *limit;
	struct vio_tree *tree;
	int ret;

	ret = vio_config_parse(params, &p, err);
	if (ret)
		return ret;
	limit = create_node(parent->tree, &p);
	if (!limit)
		return vio_fail(err, -ENOMEM, "no memory for a limit");

	tree = lock_tree(parent);
	ret = check_parent(parent, p.name, err);
	if (!ret) {
		vio_sweep(tree, now_ns);
		ret = try_node(limit, parent, err);
	}
	unlock_tree(tree);
	if (ret)
		VIO_DELETE(tree->env, limit);
	else
		*out = limit;
	return ret;
}

static int check_identity(const struct vio_limit *limit,
			  const struct vio_limit_params *p, struct vio_error *err)
{
	if (vio_limit_is_gone(limit))
		return vio_fail(err, -ESTALE, "%s: it is destroyed", limit->name);
	if (p->name && strcmp(p->name, limit->name))
		return vio_fail(err, -EINVAL, "%s: name: it stays as it is",
				limit->name);
	if (p->dom && p->dom != limit->params.dom)
		return vio_fail(err, -EINVAL, "%s: dom: it stays as it is",
				limit->name);
	return 0;
}

/* Under the lock, after a sweep: the new values hold from then on. */
static int change(struct vio_limit *limit, const struct vio_limit_params *p,
		  uint32_t offload, struct vio_error *err)
{
	const struct vio_limit_params old = limit->params;
	const uint32_t old_offload = limit->offload;
	int ret;

	limit->params = *p;
	limit->params.name = old.name;
	limit->params.dom = old.dom;
	limit->offload = offload;
	ret = vio_config_resolve(limit->tree, err);
	if (!ret) {
		vio_config_apply(limit->tree);
		vio_tree_notify(limit->tree);
		return 0;
	}
	limit->params = old;
	limit->offload = old_offload;
	return ret;
}

int vio_limit_configure(struct vio_limit *limit, const struct vio_limit_params *params,
			uint64_t now_ns, struct vio_error *err)
{
	struct vio_limit_params p;
	struct vio_tree *tree;
	int ret;

	ret = vio_config_parse(params, &p, err);
	if (ret)
		return ret;
	tree = lock_tree(limit);
	ret = check_identity(limit, &p, err);
	if (!ret) {
		vio_sweep(tree, now_ns);
		ret = change(limit, &p, 0, err);
	}
	if (!ret)
		limit->generation++;
	unlock_tree(tree);
	return ret;
}

uint64_t vio_limit_get_generation(const struct vio_limit *limit)
{
	struct vio_tree *tree = lock_tree(limit);
	const uint64_t generation = limit->generation;

	unlock_tree(tree);
	return generation;
}

int vio_limit_set_offload(struct vio_limit *limit, uint32_t dimensions,
			  uint64_t generation, struct vio_error *err)
{
	struct vio_tree *tree = lock_tree(limit);
	int ret = check_identity(limit, &limit->params, err);

	if (!ret && limit->generation != generation)
		ret = -ESTALE;
	if (!ret)
		ret = change(limit, &limit->params, dimensions, err);
	unlock_tree(tree);
	return ret;
}

/* An own ceiling that hardware enforces is still the limit's. */
static uint64_t get_rate(const struct vio_limit *limit, int i, uint64_t given)
{
	return given && limit->offload & (1u << i) ? given
						   : limit->share[i].config.rate;
}

int vio_limit_read_params(const struct vio_limit *limit,
			  struct vio_limit_params *params)
{
	struct vio_tree *tree = lock_tree(limit);
	const struct vio_share_config *bytes = &limit->share[VIO_NODE_BYTES].config;
	const struct vio_share_config *ops = &limit->share[VIO_NODE_OPS].config;
	struct vio_limit_params p = limit->params;

	p.bytes_per_sec = get_rate(limit, VIO_NODE_BYTES, p.bytes_per_sec);
	p.ops_per_sec = get_rate(limit, VIO_NODE_OPS, p.ops_per_sec);
	p.burst_bytes = bytes->burst;
	p.burst_ops = ops->burst;
	p.quantum_bytes = bytes->quantum;
	p.quantum_ops = ops->quantum;
	unlock_tree(tree);
	return vio_params_fill(params, VIO_PARAMS_END(p, dom), &p, sizeof(p));
}

/* What refills of a leaf took since the last sweep is not in spent yet. */
static uint64_t count_own(const struct vio_limit *limit, int i)
{
	const struct vio_share *share = &limit->share[i];
	uint64_t credit = __atomic_load_n(&limit->credit[i], __ATOMIC_RELAXED);
	uint64_t taken = __atomic_load_n(&limit->taken[i], __ATOMIC_RELAXED);
	int64_t spent = share->spent;

	if (vio_limit_is_leaf(limit) && !vio_share_is_open(share))
		spent += (int64_t)(share->fund - credit);
	return taken + (spent > 0 ? (uint64_t)spent : 0);
}

/* What passed, here and by those that were and are below. */
static void count(const struct vio_limit *limit, struct vio_limit_stats *sum)
{
	const struct vio_share *bytes = &limit->share[VIO_NODE_BYTES];
	const struct vio_share *ops = &limit->share[VIO_NODE_OPS];

	sum->bytes += bytes->past + count_own(limit, VIO_NODE_BYTES);
	sum->ops += ops->past + count_own(limit, VIO_NODE_OPS);
	sum->refused += limit->n_refused;
	/* Relaxed: a number to look at. */
	sum->credit_bytes +=
		__atomic_load_n(&limit->credit[VIO_NODE_BYTES], __ATOMIC_RELAXED);
	sum->credit_ops +=
		__atomic_load_n(&limit->credit[VIO_NODE_OPS], __ATOMIC_RELAXED);
}

/* Under the lock. */
static struct vio_limit_stats count_all(const struct vio_limit *top)
{
	struct vio_limit_stats sum = VIO_LIMIT_STATS_INIT;
	struct vio_list *at = top->tree->nodes.next;

	if (vio_limit_is_gone(top))
		count(top, &sum);
	for (; at != &top->tree->nodes; at = at->next) {
		const struct vio_limit *limit =
			VIO_CONTAINER_OF(at, struct vio_limit, node);

		if (vio_limit_is_under(limit, top))
			count(limit, &sum);
	}
	return sum;
}

int vio_limit_read_stats(const struct vio_limit *limit, struct vio_limit_stats *stats)
{
	struct vio_tree *tree = lock_tree(limit);
	struct vio_limit_stats now = count_all(limit);

	now.n_leases = limit->n_leases;
	now.lent_bytes = limit->share[VIO_NODE_BYTES].lent;
	now.lent_ops = limit->share[VIO_NODE_OPS].lent;
	now.borrowed_bytes = limit->share[VIO_NODE_BYTES].borrowed;
	now.borrowed_ops = limit->share[VIO_NODE_OPS].borrowed;
	unlock_tree(tree);
	return vio_params_fill(stats, VIO_PARAMS_END(now, credit_ops), &now,
			       sizeof(now));
}

/* What children have spent since the last sweep is not spent by itself as well. */
static void become_leaf(struct vio_limit *limit)
{
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		struct vio_share *share = &limit->share[i];
		/* Relaxed: nobody has a lease on it yet. */
		uint64_t credit = __atomic_load_n(&limit->credit[i], __ATOMIC_RELAXED);

		if (!vio_share_is_open(share))
			share->spent -= (int64_t)(share->fund - credit);
	}
}

/* To the parent: what is left, and what was counted. */
static void leave_parent(struct vio_limit *limit)
{
	struct vio_limit *parent = limit->parent;

	for (int i = 0; parent && i < VIO_NODE_N_CURVES; i++) {
		struct vio_share *share = &parent->share[i];

		share->past += limit->share[i].past + count_own(limit, i);
		if (!vio_share_is_open(share))
			vio_node_add_credit(parent, i,
					    vio_node_cut_credit(limit, i, UINT64_MAX));
	}
	if (parent)
		parent->n_refused += limit->n_refused;
}

void vio_limit_unlock(struct vio_limit *limit)
{
	struct vio_tree *tree = limit->tree;
	bool is_last = vio_limit_is_gone(limit) && !limit->n_leases;

	unlock_tree(tree);
	if (!is_last)
		return;
	VIO_DELETE(tree->env, limit);
	vio_tree_drop(tree);
}

int vio_limit_destroy(struct vio_limit *limit)
{
	struct vio_tree *tree;

	if (!limit)
		return 0;
	tree = lock_tree(limit);
	if (!vio_limit_is_leaf(limit) || vio_limit_has_waiters(limit) ||
	    (!limit->parent && tree->wake)) {
		unlock_tree(tree);
		return -EBUSY;
	}
	leave_parent(limit);
	unlink_node(limit);
	if (limit->parent && vio_limit_is_leaf(limit->parent))
		become_leaf(limit->parent);
	vio_tree_notify(tree);
	/* Relaxed: a refill that misses it finds it under the lock. */
	__atomic_store_n(&limit->is_closed, VIO_LIMIT_GONE, __ATOMIC_RELAXED);
	vio_member_leave(&limit->member);
	vio_limit_unlock(limit);
	return 0;
}

int vio_lease_attach(struct vio_lease *lease, struct vio_limit *limit)
{
	struct vio_tree *tree;
	int ret = 0;

	if (lease->layout)
		return -EBUSY;
	tree = lock_tree(limit);
	if (vio_limit_is_gone(limit))
		ret = -ESTALE;
	else if (!vio_limit_is_leaf(limit))
		ret = -ENOTEMPTY;
	else
		limit->n_leases++;
	unlock_tree(tree);
	if (!ret)
		*lease = (struct vio_lease){ VIO_LEASE_LAYOUT, 0, 0, limit };
	return ret;
}

void vio_lease_detach(struct vio_lease *lease)
{
	struct vio_limit *limit = lease->limit;

	if (lease->layout != VIO_LEASE_LAYOUT)
		return;
	vio_node_refund(limit, &(struct vio_units){ { lease->bytes, lease->ops } });
	memset(lease, 0, sizeof(*lease));
	vio_tree_notify(lock_tree(limit));
	limit->n_leases--;
	vio_limit_unlock(limit);
}
