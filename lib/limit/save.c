/* SPDX-License-Identifier: MIT */
/*
 * The credit of a tree as bytes. Only credit is saved, and the parts of units that go
 * with it: no times, which mean nothing on another machine, and no rates, which are
 * the program's to set. A state that is loaded is believed in nothing: it is parsed
 * and checked whole, for this tree, before the first of its numbers is used.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/wire.h"
#include "limit/node.h"

#define MAGIC       UINT32_C(0x6d696c76) /* "vlim" */
#define VERSION     1u
#define HEAD_BYTES  16u /* magic, version, number of limits, sum of all else */
#define NAME_BYTES  (VIO_LIMIT_NAME_MAX + 1u)
#define N_NUMBERS   5u /* of a dimension: see struct saved_share */
#define LIMIT_BYTES (NAME_BYTES + 8u + VIO_NODE_N_CURVES * N_NUMBERS * 8u)
/* No limit saves up more than the largest burst. */
#define CREDIT_MOST (UINT64_C(1) << 40)
#define NO_PARENT   UINT32_MAX

struct saved_share {
	uint64_t credit;
	uint64_t allowed;
	uint64_t owed;
	uint64_t ceiling_fraction;
	uint64_t assured_fraction;
	/* Not saved. */
	uint64_t fund; /* the sum of credit here and below */
	uint64_t most; /* of it that fits */
};

/* One limit of a state, and where it belongs. */
struct saved_limit {
	char name[NAME_BYTES];
	uint32_t parent; /* its number in the state; NO_PARENT: none */
	uint32_t reserved;
	struct vio_limit *limit;
	struct saved_share share[VIO_NODE_N_CURVES];
};

static struct vio_limit *limit_at(const struct vio_list *node)
{
	return VIO_CONTAINER_OF((struct vio_list *)node, struct vio_limit, node);
}

/* Under the lock; parents come before their children. */
static uint32_t find_number(const struct vio_tree *tree, const struct vio_limit *limit)
{
	const struct vio_list *at = tree->nodes.next;
	uint32_t n = 0;

	if (!limit)
		return NO_PARENT;
	for (; limit_at(at) != limit; at = at->next)
		n++;
	return n;
}

/* Of the sweep just made: a leaf's may have been taken since, a pool's not. */
static uint64_t get_credit(const struct vio_limit *limit, int i)
{
	if (vio_limit_is_leaf(limit))
		return limit->share[i].fund;
	return __atomic_load_n(&limit->credit[i], __ATOMIC_RELAXED);
}

static uint64_t sum_credit(const struct vio_limit *top, int i)
{
	const struct vio_list *at = top->tree->nodes.next;
	uint64_t sum = 0;

	for (; at != &top->tree->nodes; at = at->next)
		if (vio_limit_is_under(limit_at(at), top))
			sum += get_credit(limit_at(at), i);
	return vio_min_u64(sum, CREDIT_MOST);
}

/*
 * What a ceiling allows. Where there is none it is what is there, for whoever loads it
 * may have one. Refunds may have brought a limit more than is allowed.
 */
static uint64_t find_allowed(const struct vio_limit *limit, int i)
{
	const struct vio_share *share = &limit->share[i];

	if (vio_share_is_open(share))
		return sum_credit(limit, i);
	return vio_max_u64(share->allowed, share->fund);
}

static uint8_t *print_share(const struct vio_limit *limit, int i, uint8_t *buf)
{
	const struct vio_share *share = &limit->share[i];
	const uint64_t numbers[N_NUMBERS] = {
		get_credit(limit, i),    find_allowed(limit, i),  share->owed,
		share->ceiling.fraction, share->assured.fraction,
	};

	for (unsigned int n = 0; n < N_NUMBERS; n++)
		vio_put_number(buf + 8 * n, numbers[n], 8);
	return buf + 8 * N_NUMBERS;
}

static void
print_limit(const struct vio_tree *tree, const struct vio_limit *limit, uint8_t *buf)
{
	memcpy(buf, limit->name, NAME_BYTES);
	vio_put_number(buf + NAME_BYTES, find_number(tree, limit->parent), 4);
	vio_put_number(buf + NAME_BYTES + 4, 0, 4);
	buf += NAME_BYTES + 8;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		buf = print_share(limit, i, buf);
}

static void print_tree(const struct vio_tree *tree, uint8_t *buf, size_t n_bytes)
{
	const struct vio_list *at;
	uint8_t *next = buf + HEAD_BYTES;

	for (at = tree->nodes.next; at != &tree->nodes; at = at->next) {
		print_limit(tree, limit_at(at), next);
		next += LIMIT_BYTES;
	}
	vio_put_number(buf, MAGIC, 4);
	vio_put_number(buf + 4, VERSION, 4);
	vio_put_number(buf + 8, tree->n_nodes, 4);
	vio_put_number(buf + 12, vio_crc32c(buf + HEAD_BYTES, n_bytes - HEAD_BYTES), 4);
}

/* Under the lock. */
static int check_root(const struct vio_limit *root, struct vio_error *err)
{
	if (vio_limit_is_gone(root))
		return vio_fail(err, -ESTALE, "%s: it is destroyed", root->name);
	if (root->parent)
		return vio_fail(err, -EINVAL, "%s: it has a parent, take the root",
				root->name);
	return 0;
}

static int save(struct vio_limit *root, uint64_t now_ns, uint8_t *buf, size_t n,
		size_t *out_bytes, struct vio_error *err)
{
	struct vio_tree *tree = root->tree;
	size_t n_bytes = HEAD_BYTES + (size_t)tree->n_nodes * LIMIT_BYTES;
	int ret = check_root(root, err);

	if (ret)
		return ret;
	*out_bytes = n_bytes;
	if (n < n_bytes)
		return vio_fail(err, -ENOSPC, "%s: the state has %zu bytes", root->name,
				n_bytes);
	vio_sweep(tree, now_ns);
	print_tree(tree, buf, n_bytes);
	return 0;
}

int vio_limit_save(struct vio_limit *root, uint64_t now_ns, void *buf, size_t n,
		   size_t *out_bytes, struct vio_error *err)
{
	int ret;

	pthread_mutex_lock(&root->tree->lock);
	ret = save(root, now_ns, buf, n, out_bytes, err);
	pthread_mutex_unlock(&root->tree->lock);
	return ret;
}

static int corrupt(struct vio_error *err, const char *what)
{
	return vio_fail(err, -EBADMSG, "state of limits: %s", what);
}

static int parse_head(const uint8_t *buf, size_t n, const struct vio_tree *tree,
		      struct vio_error *err)
{
	uint64_t n_limits;

	if (n < HEAD_BYTES || vio_get_number(buf, 4) != MAGIC)
		return corrupt(err, "this is none");
	if (vio_get_number(buf + 4, 4) != VERSION)
		return vio_fail(err, -EPROTONOSUPPORT,
				"state of limits: version %llu, this library knows %u",
				(unsigned long long)vio_get_number(buf + 4, 4),
				VERSION);
	n_limits = vio_get_number(buf + 8, 4);
	if (n != HEAD_BYTES + n_limits * LIMIT_BYTES)
		return corrupt(err, "cut off, or with something behind");
	if (vio_get_number(buf + 12, 4) != vio_crc32c(buf + HEAD_BYTES, n - HEAD_BYTES))
		return corrupt(err, "its sum is wrong");
	/* From here on no more is read than the tree has limits. */
	if (n_limits != tree->n_nodes)
		return vio_fail(err, -ENOENT,
				"state of limits: it has %llu, and the tree %u",
				(unsigned long long)n_limits, tree->n_nodes);
	return 0;
}

static int parse_share(const uint8_t *buf, struct saved_share *out)
{
	out->credit = vio_get_number(buf, 8);
	out->allowed = vio_get_number(buf + 8, 8);
	out->owed = vio_get_number(buf + 16, 8);
	out->ceiling_fraction = vio_get_number(buf + 24, 8);
	out->assured_fraction = vio_get_number(buf + 32, 8);
	out->fund = out->credit;
	return out->credit > CREDIT_MOST || out->allowed > CREDIT_MOST ||
	       out->owed > CREDIT_MOST ||
	       out->ceiling_fraction >= VIO_CURVE_NS_PER_SEC ||
	       out->assured_fraction >= VIO_CURVE_NS_PER_SEC;
}

/* Limit @number of the state; its parent must be one before it. */
static int parse_limit(const uint8_t *buf, uint32_t number, struct saved_limit *out,
		       struct vio_error *err)
{
	int is_bad = 0;

	memcpy(out->name, buf, NAME_BYTES);
	out->parent = (uint32_t)vio_get_number(buf + NAME_BYTES, 4);
	out->reserved = (uint32_t)vio_get_number(buf + NAME_BYTES + 4, 4);
	if (out->name[NAME_BYTES - 1] || out->reserved ||
	    (number ? out->parent >= number : out->parent != NO_PARENT))
		return corrupt(err, "a limit without a name or a place");
	buf += NAME_BYTES + 8;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++, buf += 8 * N_NUMBERS)
		is_bad |= parse_share(buf, &out->share[i]);
	return is_bad ? corrupt(err, "credit that no limit can have") : 0;
}

/* Each limit of the tree is found once: their number is the same. */
static int find_limit(struct vio_tree *tree, struct saved_limit *all, uint32_t number,
		      struct vio_error *err)
{
	struct saved_limit *saved = &all[number];
	struct vio_limit *parent = number ? all[saved->parent].limit : NULL;
	struct vio_list *at;

	for (at = tree->nodes.next; at != &tree->nodes; at = at->next) {
		struct vio_limit *limit = limit_at(at);

		if (limit->parent == parent && !strcmp(limit->name, saved->name))
			saved->limit = limit;
	}
	if (!saved->limit)
		return vio_fail(err, -ENOENT, "state of limits: the tree has no %s",
				saved->name);
	for (uint32_t i = 0; i < number; i++)
		if (all[i].limit == saved->limit)
			return corrupt(err, "a limit twice");
	return 0;
}

/* What limits below hold is part of what is allowed above. */
static int sum_funds(struct saved_limit *all, uint32_t n, struct vio_error *err)
{
	for (uint32_t number = n; number-- > 0;)
		for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
			struct saved_share *share = &all[number].share[i];

			if (vio_share_is_open(&all[number].limit->share[i]))
				continue;
			if (vio_min_u64(share->fund, CREDIT_MOST) > share->allowed)
				return corrupt(err, "more credit than is allowed");
			if (number)
				all[all[number].parent].share[i].fund += share->fund;
		}
	return 0;
}

static int parse_all(struct vio_tree *tree, const uint8_t *buf, struct saved_limit *all,
		     struct vio_error *err)
{
	int ret = 0;

	for (uint32_t i = 0; !ret && i < tree->n_nodes; i++) {
		ret = parse_limit(buf + HEAD_BYTES + (size_t)i * LIMIT_BYTES, i,
				  &all[i], err);
		if (!ret)
			ret = find_limit(tree, all, i, err);
	}
	return ret ? ret : sum_funds(all, tree->n_nodes, err);
}

/*
 * Bursts may be smaller here than where the state comes from. What does not fit at a
 * limit is lost, of all below in proportion.
 */
static void fit_share(struct saved_limit *all, uint32_t number, int i)
{
	struct saved_share *saved = &all[number].share[i];
	const struct vio_share *share = &all[number].limit->share[i];
	const struct saved_share *above;

	saved->allowed = vio_min_u64(saved->allowed, share->config.burst);
	saved->most = vio_min_u64(saved->fund, saved->allowed);
	if (!share->is_source) {
		above = &all[all[number].parent].share[i];
		if (above->most < above->fund)
			saved->most = vio_min_u64(
				saved->most,
				vio_curve_scale(saved->fund, above->most, above->fund));
	}
	if (saved->most < saved->fund)
		saved->credit =
			vio_curve_scale(saved->credit, saved->most, saved->fund);
}

static void apply_share(struct vio_limit *limit, int i, const struct saved_share *saved)
{
	struct vio_share *share = &limit->share[i];

	vio_node_cut_credit(limit, i, UINT64_MAX);
	vio_node_add_credit(limit, i, saved->credit);
	share->allowed = saved->allowed;
	share->owed = vio_min_u64(saved->owed, share->config.burst);
	share->ceiling.fraction = saved->ceiling_fraction;
	share->assured.fraction = saved->assured_fraction;
	share->is_fresh = true; /* what it has now is its fund */
	share->noted = 0;
	share->ask = 0;
	share->behind = 0;
}

static int load(struct vio_limit *root, uint64_t now_ns, const uint8_t *buf,
		struct saved_limit *all, struct vio_error *err)
{
	struct vio_tree *tree = root->tree;
	int ret = parse_all(tree, buf, all, err);

	if (ret)
		return ret;
	vio_sweep(tree, now_ns);
	for (uint32_t number = 0; number < tree->n_nodes; number++)
		for (int i = 0; i < VIO_NODE_N_CURVES; i++)
			if (!vio_share_is_open(&all[number].limit->share[i])) {
				fit_share(all, number, i);
				apply_share(all[number].limit, i,
					    &all[number].share[i]);
			}
	vio_sweep(tree, tree->last_ns);
	vio_tree_notify(tree);
	return 0;
}

static int load_locked(struct vio_limit *root, uint64_t now_ns, const uint8_t *buf,
		       size_t n, struct vio_error *err)
{
	const struct vio_tree *tree = root->tree;
	struct saved_limit *all;
	int ret = check_root(root, err);

	if (!ret)
		ret = parse_head(buf, n, tree, err);
	if (ret)
		return ret;
	all = vio_alloc_array(tree->env, tree->n_nodes, sizeof(*all),
			      _Alignof(struct saved_limit));
	if (!all)
		return vio_fail(err, -ENOMEM, "no memory to load %u limits",
				tree->n_nodes);
	ret = load(root, now_ns, buf, all, err);
	vio_free(tree->env, all, tree->n_nodes * sizeof(*all),
		 _Alignof(struct saved_limit));
	return ret;
}

int vio_limit_load(struct vio_limit *root, uint64_t now_ns, const void *buf, size_t n,
		   struct vio_error *err)
{
	int ret;

	pthread_mutex_lock(&root->tree->lock);
	ret = load_locked(root, now_ns, buf, n, err);
	pthread_mutex_unlock(&root->tree->lock);
	return ret;
}
