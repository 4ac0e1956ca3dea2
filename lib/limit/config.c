/* SPDX-License-Identifier: MIT */
/*
 * What parameters come to. A limit without a ceiling of its own has its parent's, and
 * bursts and assured rates must fit into the parent's, so the whole tree is resolved
 * from the root on into values that nobody uses yet, and only if all of them are good
 * they are put in force. Bytes and operations obey the same rules with other numbers,
 * so the rules are written once and the numbers are a table.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "limit/node.h"

#define BURST_MAX        (UINT64_C(1) << 40)
#define BURSTS_PER_SEC   10  /* by default; a timer fires well within 100 ms */
#define QUANTA_PER_BURST 16  /* by default; so many leases share a burst fairly */
#define WEIGHT           100 /* by default */
/* Of a burst: what may be lost of it, see sweep.c. */
#define SLACKS_PER_BURST 64

/* The names are arrays because pointers would need relocation. */
struct dimension {
	char rate_name[16];
	char burst_name[16];
	char quantum_name[16];
	char assured_name[24];
	uint64_t burst_least; /* of what a rate gives by default */
	uint64_t quantum_most;
	uint64_t quantum_open;
};

static const struct dimension dimensions[VIO_NODE_N_CURVES] = {
	[VIO_NODE_BYTES] = { "bytes_per_sec", "burst_bytes", "quantum_bytes",
			     "assured_bytes_per_sec", UINT64_C(1) << 20,
			     UINT64_C(256) << 10, UINT64_C(1) << 20 },
	[VIO_NODE_OPS] = { "ops_per_sec", "burst_ops", "quantum_ops",
			   "assured_ops_per_sec", 4, 64, 256 },
};

/* One dimension of the parameters. */
struct given {
	uint64_t rate;
	uint64_t burst;
	uint64_t quantum;
	uint64_t assured;
};

static struct given get_given(const struct vio_limit_params *p, uint32_t offload, int i)
{
	struct given given =
		i == VIO_NODE_BYTES
			? (struct given){ p->bytes_per_sec, p->burst_bytes,
					  p->quantum_bytes, p->assured_bytes_per_sec }
			: (struct given){ p->ops_per_sec, p->burst_ops, p->quantum_ops,
					  p->assured_ops_per_sec };

	if (offload & (1u << i))
		given = (struct given){ 0 };
	return given;
}

static int check_most(const char *who, const char *name, uint64_t value, uint64_t most,
		      const char *what, struct vio_error *err)
{
	if (value <= most)
		return 0;
	return vio_fail(err, -EINVAL, "%s: %s: %llu is more than %s%llu", who, name,
			(unsigned long long)value, what, (unsigned long long)most);
}

/* Characters that a name may have: what metrics and errors can show, but no '/'. */
static bool is_name(const char *name)
{
	size_t n = strnlen(name, VIO_LIMIT_NAME_MAX + 1);

	for (size_t i = 0; i < n; i++)
		if (name[i] < ' ' || name[i] > '~' || name[i] == '/')
			return false;
	return n && n <= VIO_LIMIT_NAME_MAX;
}

int vio_config_parse(const struct vio_limit_params *params,
		     struct vio_limit_params *out, struct vio_error *err)
{
	int ret = vio_params_copy(out, sizeof(*out), VIO_PARAMS_END(*out, dom), params);

	if (ret)
		return vio_fail(err, ret, "size: not one this library knows");
	if (out->flags)
		return vio_fail(err, -EINVAL, "flags: 0x%x is unknown", out->flags);
	if (out->reserved)
		return vio_fail(err, -EINVAL, "reserved: not 0");
	if (out->name && !is_name(out->name))
		return vio_fail(err, -EINVAL,
				"name: write 1 to %u printable characters, no '/'",
				VIO_LIMIT_NAME_MAX);
	if (out->weight > VIO_LIMIT_WEIGHT_MAX)
		return vio_fail(err, -EINVAL, "weight: %u is more than %u", out->weight,
				VIO_LIMIT_WEIGHT_MAX);
	out->weight = out->weight ? out->weight : WEIGHT;
	return 0;
}

/* The parent's ceiling; 0: it has none. */
static uint64_t get_parent_rate(const struct vio_limit *limit, int i)
{
	return limit->parent ? limit->parent->next[i].rate : 0;
}

static uint64_t find_rate(uint64_t own, uint64_t above)
{
	if (!own || !above)
		return own + above;
	return vio_min_u64(own, above);
}

static uint64_t find_burst_most(const struct vio_limit *limit, int i)
{
	uint64_t half;

	if (!get_parent_rate(limit, i))
		return BURST_MAX;
	half = limit->parent->next[i].burst / 2;
	return half ? half : 1;
}

static int resolve_burst(struct vio_limit *limit, int i, const struct given *given,
			 struct vio_error *err)
{
	const struct dimension *dimension = &dimensions[i];
	struct vio_share_config *next = &limit->next[i];
	uint64_t most = find_burst_most(limit, i);

	next->burst =
		given->burst
			? given->burst
			: vio_min_u64(most, vio_max_u64(next->rate / BURSTS_PER_SEC,
							dimension->burst_least));
	return check_most(limit->name, dimension->burst_name, given->burst, most,
			  get_parent_rate(limit, i) ? "half of the parent's, " : "",
			  err);
}

/* A default burst is no bound for the quantum of what has no ceiling. */
static int resolve_quantum(struct vio_limit *limit, int i, const struct given *given,
			   struct vio_error *err)
{
	const struct dimension *dimension = &dimensions[i];
	struct vio_share_config *next = &limit->next[i];
	uint64_t most = next->rate || given->burst ? next->burst : BURST_MAX;
	uint64_t by_default =
		vio_min_u64(next->burst / QUANTA_PER_BURST, dimension->quantum_most);

	next->quantum = given->quantum ? given->quantum : by_default;
	/* A refill without a ceiling is bounded all the same: see take_open(). */
	if (!next->rate)
		next->quantum = vio_min_u64(given->quantum ? given->quantum
							   : dimension->quantum_open,
					    dimension->quantum_open);
	return check_most(limit->name, dimension->quantum_name, given->quantum, most,
			  "", err);
}

static int resolve_assured(struct vio_limit *limit, int i, const struct given *given,
			   struct vio_error *err)
{
	struct vio_share_config *next = &limit->next[i];
	uint64_t above = get_parent_rate(limit, i);

	next->assured = given->assured;
	next->kept = next->burst;
	if (above && given->assured <= above)
		next->kept = vio_min_u64(
			next->burst, vio_curve_scale(limit->parent->next[i].burst / 2,
						     given->assured, above));
	return check_most(limit->name, dimensions[i].assured_name, given->assured,
			  next->rate ? next->rate : VIO_LIMIT_RATE_MAX,
			  next->rate ? "the ceiling, " : "", err);
}

static int resolve_one(struct vio_limit *limit, int i, struct vio_error *err)
{
	const struct given given = get_given(&limit->params, limit->offload, i);
	int ret;

	ret = check_most(limit->name, dimensions[i].rate_name, given.rate,
			 VIO_LIMIT_RATE_MAX, "", err);
	if (!ret)
		ret = check_most(limit->name, dimensions[i].burst_name, given.burst,
				 BURST_MAX, "", err);
	if (ret)
		return ret;
	limit->next[i].rate = find_rate(given.rate, get_parent_rate(limit, i));
	ret = resolve_burst(limit, i, &given, err);
	if (!ret)
		ret = resolve_quantum(limit, i, &given, err);
	if (!ret)
		ret = resolve_assured(limit, i, &given, err);
	return ret;
}

/* What a limit can promise its children: all it has if nobody promised it any. */
static uint64_t find_promise(const struct vio_limit *limit, int i)
{
	const struct vio_share_config *next = &limit->next[i];

	if (!next->rate)
		return UINT64_MAX;
	return get_parent_rate(limit, i) ? next->assured : next->rate;
}

/* Each is at most 10^12, and so many children that the sum wraps do not fit. */
static int check_promises(const struct vio_limit *limit, int i, struct vio_error *err)
{
	uint64_t has = find_promise(limit, i);
	struct vio_limit *child;
	uint64_t sum = 0;

	VIO_LIMIT_FOREACH_CHILD(child, limit)
	sum += child->next[i].assured;
	if (sum <= has)
		return 0;
	return vio_fail(err, -EINVAL,
			"%s: its children's %s come to %llu, and it has %llu",
			limit->name, dimensions[i].assured_name,
			(unsigned long long)sum, (unsigned long long)has);
}

int vio_config_resolve(struct vio_tree *tree, struct vio_error *err)
{
	struct vio_list *at;
	int ret = 0;

	for (at = tree->nodes.next; !ret && at != &tree->nodes; at = at->next)
		for (int i = 0; !ret && i < VIO_NODE_N_CURVES; i++)
			ret = resolve_one(VIO_CONTAINER_OF(at, struct vio_limit, node),
					  i, err);
	for (at = tree->nodes.next; !ret && at != &tree->nodes; at = at->next)
		for (int i = 0; !ret && i < VIO_NODE_N_CURVES; i++)
			ret = check_promises(
				VIO_CONTAINER_OF(at, struct vio_limit, node), i, err);
	return ret;
}

/* Relaxed: each word is right by itself, and none guards another. */
static void store(uint64_t *word, uint64_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static void apply_one(struct vio_limit *limit, int i)
{
	const struct vio_share_config *next = &limit->next[i];
	struct vio_share *share = &limit->share[i];

	/* Nothing is given for a time without a ceiling. */
	if (!share->config.rate && next->rate) {
		share->is_fresh = true;
		share->allowed = 0;
	}
	share->config = *next;
	share->ceiling.rate = next->rate;
	share->assured.rate = next->assured;
	share->allowed = vio_min_u64(share->allowed, next->burst);
	share->owed = vio_min_u64(share->owed, next->burst);
	share->is_source = next->rate && !get_parent_rate(limit, i);
	store(&limit->burst[i], next->rate ? next->burst : UINT64_MAX);
	store(&limit->quantum[i], next->quantum);
}

static uint64_t find_slack_ns(const struct vio_share_config *config)
{
	const struct vio_curve curve = { config->rate, 0 };
	uint64_t slack_ns;

	if (!config->rate)
		return VIO_LIMIT_EPOCH_NS;
	slack_ns = vio_curve_get_wait_ns(&curve, config->burst) / SLACKS_PER_BURST;
	return vio_min_u64(slack_ns, VIO_LIMIT_EPOCH_NS);
}

/* Not spent: the funds above are less by it as well. */
static void cut_fund(struct vio_limit *limit, int i, uint64_t units)
{
	units = vio_node_cut_credit(limit, i, units);
	for (; limit && !vio_share_is_open(&limit->share[i]); limit = limit->parent)
		limit->share[i].fund -= units;
}

/* What does not fit into a smaller burst is lost, of all below in proportion. */
static void fit_fund(struct vio_limit *top, int i)
{
	const uint64_t fund = top->share[i].fund;
	const uint64_t burst = top->share[i].config.burst;
	struct vio_list *at = top->tree->nodes.next;

	if (vio_share_is_open(&top->share[i]) || fund <= burst)
		return;
	for (; at != &top->tree->nodes; at = at->next) {
		struct vio_limit *limit = VIO_CONTAINER_OF(at, struct vio_limit, node);
		uint64_t credit = __atomic_load_n(&limit->credit[i], __ATOMIC_RELAXED);

		if (vio_limit_is_under(limit, top))
			cut_fund(limit, i,
				 credit - vio_curve_scale(credit, burst, fund));
	}
}

/* After a sweep, from the root on. */
static void fit_funds(struct vio_tree *tree)
{
	struct vio_list *at;

	for (at = tree->nodes.next; at != &tree->nodes; at = at->next)
		for (int i = 0; i < VIO_NODE_N_CURVES; i++)
			fit_fund(VIO_CONTAINER_OF(at, struct vio_limit, node), i);
}

void vio_config_apply(struct vio_tree *tree)
{
	struct vio_list *at;

	tree->slack_ns = VIO_LIMIT_EPOCH_NS;
	for (at = tree->nodes.next; at != &tree->nodes; at = at->next) {
		struct vio_limit *limit = VIO_CONTAINER_OF(at, struct vio_limit, node);

		limit->weight = limit->params.weight;
		for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
			apply_one(limit, i);
			tree->slack_ns = vio_min_u64(
				tree->slack_ns, find_slack_ns(&limit->share[i].config));
		}
		vio_limit_reset_turns(limit);
	}
	if (tree->n_nodes > 1)
		tree->slack_ns = vio_max_u64(tree->slack_ns, VIO_NODE_STEP_NS);
	/* Cuts what is over a smaller burst, and begins with the new times. */
	vio_sweep(tree, tree->last_ns);
	fit_funds(tree);
}
