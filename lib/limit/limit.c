/* SPDX-License-Identifier: MIT */
/*
 * Limits as their owner sees them: made, changed, looked at and destroyed. Bytes
 * and operations obey the same rules with other numbers, so the rules are
 * written once and the numbers are a table.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "limit/node.h"

#define BURST_MAX        (UINT64_C(1) << 40)
#define BURSTS_PER_SEC   10 /* by default; a timer fires well within 100 ms */
#define QUANTA_PER_BURST 16 /* by default; so many leases share a burst fairly */

/* The names are arrays because pointers would need relocation. */
struct dimension {
	char rate_name[16];
	char burst_name[16];
	char quantum_name[16];
	uint64_t burst_least; /* of what a rate gives by default */
	uint64_t quantum_most;
	uint64_t quantum_unlimited;
};

static const struct dimension dimensions[VIO_NODE_N_CURVES] = {
	[VIO_NODE_BYTES] = { "bytes_per_sec", "burst_bytes", "quantum_bytes",
			     UINT64_C(1) << 20, UINT64_C(256) << 10,
			     UINT64_C(1) << 20 },
	[VIO_NODE_OPS] = { "ops_per_sec", "burst_ops", "quantum_ops", 4, 64, 256 },
};

static int
check_most(const char *name, uint64_t value, uint64_t most, struct vio_error *err)
{
	if (value <= most)
		return 0;
	return vio_fail(err, -EINVAL, "%s: %llu is more than %llu", name,
			(unsigned long long)value, (unsigned long long)most);
}

/* A default burst is no bound for the quantum of what is unlimited. */
static uint64_t find_quantum_most(const struct vio_curve_config *curve, uint64_t burst)
{
	return curve->rate || burst ? curve->burst : BURST_MAX;
}

/* An unlimited refill is bounded, whatever the quantum: see take_unlimited(). */
static uint64_t find_quantum(const struct dimension *dimension,
			     const struct vio_curve_config *curve, uint64_t quantum)
{
	if (!curve->rate)
		return quantum ? vio_min_u64(quantum, dimension->quantum_unlimited)
			       : dimension->quantum_unlimited;
	return quantum ? quantum
		       : vio_min_u64(curve->burst / QUANTA_PER_BURST,
				     dimension->quantum_most);
}

static int parse_curve(const struct dimension *dimension, uint64_t rate, uint64_t burst,
		       uint64_t quantum, struct vio_curve_config *out,
		       struct vio_error *err)
{
	int ret;

	ret = check_most(dimension->rate_name, rate, VIO_LIMIT_RATE_MAX, err);
	if (!ret)
		ret = check_most(dimension->burst_name, burst, BURST_MAX, err);
	if (ret)
		return ret;

	out->rate = rate;
	out->burst = burst ? burst
			   : vio_max_u64(rate / BURSTS_PER_SEC, dimension->burst_least);
	ret = check_most(dimension->quantum_name, quantum,
			 find_quantum_most(out, burst), err);
	if (ret)
		return ret;
	out->quantum = find_quantum(dimension, out, quantum);
	out->base = 0;
	out->fraction = 0;
	return 0;
}

/* The furthest step that neither curve outruns. */
static void find_step(struct vio_node_config *config)
{
	config->step_ns = UINT64_MAX;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		config->step_ns = vio_min_u64(
			config->step_ns, vio_curve_get_step_ns(config->curve[i].rate));
}

static int parse_params(const struct vio_limit_params *params,
			struct vio_node_config *out, struct vio_error *err)
{
	struct vio_limit_params p;
	int ret;

	ret = vio_params_copy(&p, sizeof(p), VIO_PARAMS_END(p, quantum_ops), params);
	if (ret)
		return vio_fail(err, ret, "size: not one this library knows");
	if (p.flags)
		return vio_fail(err, -EINVAL, "flags: 0x%x is unknown", p.flags);

	ret = parse_curve(&dimensions[VIO_NODE_BYTES], p.bytes_per_sec, p.burst_bytes,
			  p.quantum_bytes, &out->curve[VIO_NODE_BYTES], err);
	if (!ret)
		ret = parse_curve(&dimensions[VIO_NODE_OPS], p.ops_per_sec, p.burst_ops,
				  p.quantum_ops, &out->curve[VIO_NODE_OPS], err);
	if (!ret)
		find_step(out);
	return ret;
}

int vio_limit_create(struct vio_ctx *ctx, const struct vio_limit_params *params,
		     uint64_t now_ns, struct vio_limit **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_node_config config;
	struct vio_limit *limit;
	int ret;

	ret = parse_params(params, &config, err);
	if (ret)
		return ret;
	limit = VIO_NEW(env, struct vio_limit);
	if (!limit)
		return vio_fail(err, -ENOMEM, "no memory for a limit");

	if (pthread_mutex_init(&limit->lock, NULL)) {
		VIO_DELETE(env, limit);
		return vio_fail(err, -ENOMEM, "no lock for a limit");
	}
	limit->env = env;
	vio_node_prepare(limit, &config, now_ns);
	vio_env_hold(env);
	*out = limit;
	return 0;
}

int vio_limit_configure(struct vio_limit *limit, const struct vio_limit_params *params,
			uint64_t now_ns, struct vio_error *err)
{
	struct vio_node_config config;
	int ret;

	ret = parse_params(params, &config, err);
	if (ret)
		return ret;
	vio_node_configure(limit, &config, now_ns);
	return 0;
}

int vio_limit_read_stats(const struct vio_limit *limit, struct vio_limit_stats *stats)
{
	/* Relaxed: each number is right by itself, not all for one moment. */
	struct vio_limit_stats now = {
		.bytes = __atomic_load_n(&limit->curve[VIO_NODE_BYTES].taken,
					 __ATOMIC_RELAXED),
		.ops = __atomic_load_n(&limit->curve[VIO_NODE_OPS].taken,
				       __ATOMIC_RELAXED),
		.refused = __atomic_load_n(&limit->n_refused, __ATOMIC_RELAXED),
		.n_leases = __atomic_load_n(&limit->n_leases, __ATOMIC_RELAXED),
	};

	return vio_params_fill(stats, VIO_PARAMS_END(now, n_leases), &now, sizeof(now));
}

int vio_limit_destroy(struct vio_limit *limit)
{
	const struct vio_env *env;

	if (!limit)
		return 0;
	/* Acquire: pairs with vio_lease_detach(), the last touch of a lease. */
	if (__atomic_load_n(&limit->n_leases, __ATOMIC_ACQUIRE))
		return -EBUSY;

	env = limit->env;
	pthread_mutex_destroy(&limit->lock);
	VIO_DELETE(env, limit);
	vio_env_drop(env);
	return 0;
}
