/* SPDX-License-Identifier: MIT */
/*
 * Taking from the curves without a lock. A taker reads what was used, then the
 * time, and swaps what was used: if the swap succeeds nothing came between. The
 * order matters. Time goes on in steps of at most 2^62 units, and before it does
 * whatever lags far behind is pulled up, so that of the two values read in this
 * order neither is so far ahead of the other that their difference wraps, even
 * after a year without a refill.
 */
#include <errno.h>
#include <stdbool.h>

#include "core/bits.h"
#include "limit/node.h"

/* With a step of 2^62 units still below 2^63; more than any burst. */
#define FAR_UNITS (INT64_C(1) << 61)

/* Copied word by word. */
#define CONFIG_WORDS (sizeof(struct vio_node_config) / sizeof(uint64_t))

/* A time and what the curves have earned by then. */
struct moment {
	uint64_t now_ns;
	struct vio_head head[VIO_NODE_N_CURVES];
};

/* Acquire: pairs with the release of swap_used(), see load_last(). */
static uint64_t load_used(const struct vio_curve *curve)
{
	return __atomic_load_n(&curve->used, __ATOMIC_ACQUIRE);
}

/*
 * Release: whoever loads this value sees a time at least as late as the one it
 * was computed for. Relaxed on failure: every caller loads again.
 */
static bool swap_used(struct vio_curve *curve, uint64_t used, uint64_t desired)
{
	return __atomic_compare_exchange_n(&curve->used, &used, desired, false,
					   __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/*
 * Called after load_used(). Acquire: pairs with the release in advance(); whoever
 * sees the new time and swaps a value from before the cut fails.
 */
static uint64_t load_last(const struct vio_limit *limit)
{
	return __atomic_load_n(&limit->last_ns, __ATOMIC_ACQUIRE);
}

/*
 * Acquire on every word: pairs with the releases of publish(). A word of the
 * generation after next was stored after the next generation was announced, so
 * that the second look at the generation differs. Each turn of the loop is
 * another call of vio_limit_configure(), which is not a guest's to make.
 */
static void read_config(const struct vio_limit *limit, struct vio_node_config *out)
{
	uint64_t *dst = (uint64_t *)out;
	uint64_t generation;

	do {
		const uint64_t *src;

		generation = __atomic_load_n(&limit->generation, __ATOMIC_ACQUIRE);
		src = (const uint64_t *)&limit->slots[generation & 1];
		for (size_t i = 0; i < CONFIG_WORDS; i++)
			dst[i] = __atomic_load_n(&src[i], __ATOMIC_ACQUIRE);
	} while (__atomic_load_n(&limit->generation, __ATOMIC_RELAXED) != generation);
}

/* Under the lock. Pairs with read_config(). */
static void publish(struct vio_limit *limit, const struct vio_node_config *config)
{
	/* Relaxed: only the holder of the lock stores it. */
	uint64_t next = __atomic_load_n(&limit->generation, __ATOMIC_RELAXED) + 1;
	const uint64_t *src = (const uint64_t *)config;
	uint64_t *dst = (uint64_t *)&limit->slots[next & 1];

	for (size_t i = 0; i < CONFIG_WORDS; i++)
		__atomic_store_n(&dst[i], src[i], __ATOMIC_RELEASE);
	__atomic_store_n(&limit->generation, next, __ATOMIC_RELEASE);
}

/*
 * @now_ns is not before the epoch: it comes from last_ns, which the configuring
 * thread moved to the epoch before it announced it.
 */
static void
find_moment(const struct vio_node_config *config, uint64_t now_ns, struct moment *out)
{
	out->now_ns = now_ns;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		out->head[i] = vio_curve_get_head(&config->curve[i],
						  now_ns - config->epoch_ns);
}

/* False: another thread came between. */
static bool
cut_credit(struct vio_curve *curve, uint64_t used, uint64_t head, uint64_t burst)
{
	uint64_t least = head - burst;

	return (int64_t)(least - used) <= 0 || swap_used(curve, used, least);
}

/*
 * Credit over the burst is cut when it is taken from. That alone would do, but
 * for a head that leaves what was used so far behind that it seems to be ahead.
 */
static bool keep_near(struct vio_curve *curve, const struct vio_curve_config *config,
		      uint64_t used, uint64_t head)
{
	if (!config->rate || (int64_t)(head - used) < FAR_UNITS)
		return true;
	return cut_credit(curve, used, head, config->burst);
}

/* One step towards @now_ns; false: another thread came between. */
static bool step(struct vio_limit *limit, const struct vio_node_config *config,
		 uint64_t now_ns, struct moment *out)
{
	uint64_t used[VIO_NODE_N_CURVES];
	uint64_t last_ns;

	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		used[i] = load_used(&limit->curve[i]);
	last_ns = load_last(limit);

	if (now_ns <= last_ns) {
		find_moment(config, last_ns, out);
		return true;
	}
	find_moment(config, last_ns + vio_min_u64(now_ns - last_ns, config->step_ns),
		    out);
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (!keep_near(&limit->curve[i], &config->curve[i], used[i],
			       out->head[i].units))
			return false;
	/* Release: pairs with load_last(). Relaxed on failure: tried anew. */
	return __atomic_compare_exchange_n(&limit->last_ns, &last_ns, out->now_ns,
					   false, __ATOMIC_RELEASE, __ATOMIC_RELAXED);
}

/*
 * Lets time go on to @now_ns, or to the latest seen by anyone. More than one
 * step only after 50 days without a refill at the highest rate, and never more
 * than 4000: 2^64 ns earn 2^74 units at the most.
 */
static void advance(struct vio_limit *limit, const struct vio_node_config *config,
		    uint64_t now_ns, struct moment *out)
{
	while (!step(limit, config, now_ns, out) || out->now_ns < now_ns)
		continue;
}

void vio_node_prepare(struct vio_limit *limit, const struct vio_node_config *config,
		      uint64_t now_ns)
{
	struct vio_node_config *slot = &limit->slots[0];

	*slot = *config;
	slot->epoch_ns = now_ns;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		slot->curve[i].base = slot->curve[i].burst;
	limit->last_ns = now_ns;
}

void vio_node_configure(struct vio_limit *limit, struct vio_node_config *config,
			uint64_t now_ns)
{
	struct vio_node_config old;
	struct moment moment;

	pthread_mutex_lock(&limit->lock);
	read_config(limit, &old);
	advance(limit, &old, now_ns, &moment);

	config->epoch_ns = moment.now_ns;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		config->curve[i].base = moment.head[i].units;
		config->curve[i].fraction = moment.head[i].fraction;
	}
	publish(limit, config);

	/* At once, or a larger burst set next would bring back what is over. */
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		while (!cut_credit(
			&limit->curve[i], load_used(&limit->curve[i]),
			moment.head[i].units,
			vio_min_u64(old.curve[i].burst, config->curve[i].burst)))
			continue;
	pthread_mutex_unlock(&limit->lock);
}

/*
 * Takes from one limited curve; the moment moves on if others saw a later time.
 * Returns 0 with @out_taken, or the time at which @need is there.
 */
static uint64_t take_limited(struct vio_limit *limit,
			     const struct vio_node_config *config, int i, uint64_t need,
			     struct moment *moment, uint64_t *out_taken)
{
	const struct vio_curve_config *curve = &config->curve[i];
	uint64_t most = need + curve->quantum; /* both at most the burst */
	uint64_t credit, taken, used;

	do {
		uint64_t last_ns;

		used = load_used(&limit->curve[i]);
		last_ns = load_last(limit);
		if (last_ns != moment->now_ns)
			find_moment(config, last_ns, moment);
		credit = vio_curve_get_credit(curve, &moment->head[i], used);
		if (credit < need)
			return vio_curve_get_ready_ns(curve, &moment->head[i], used,
						      need, moment->now_ns);
		taken = vio_min_u64(credit, most);
	} while (!swap_used(&limit->curve[i], used,
			    moment->head[i].units - credit + taken));
	*out_taken = taken;
	return 0;
}

/* Lets a limit that is set later bite soon: no more than a quantum is lent. */
static uint64_t take_unlimited(const struct vio_curve_config *curve, uint64_t need)
{
	return need + vio_min_u64(curve->quantum, UINT64_MAX - need);
}

/* Returns 0 with @out_taken, or the time at which @need is there. */
static uint64_t take_one(struct vio_limit *limit, const struct vio_node_config *config,
			 int i, uint64_t need, struct moment *moment,
			 uint64_t *out_taken)
{
	*out_taken = 0;
	if (!need)
		return 0;
	if (config->curve[i].rate)
		return take_limited(limit, config, i, need, moment, out_taken);
	*out_taken = take_unlimited(&config->curve[i], need);
	return 0;
}

/* Release: as swap_used(), of which this is the reverse. */
static void put_back(struct vio_limit *limit, const struct vio_node_config *config,
		     int i, uint64_t units)
{
	if (config->curve[i].rate)
		__atomic_fetch_sub(&limit->curve[i].used, units, __ATOMIC_RELEASE);
}

/* The time at which @need is there, if nobody takes it first. */
static uint64_t find_ready_ns(const struct vio_limit *limit,
			      const struct vio_node_config *config, int i,
			      uint64_t need, const struct moment *moment)
{
	if (!need || !config->curve[i].rate)
		return 0;
	return vio_curve_get_ready_ns(&config->curve[i], &moment->head[i],
				      load_used(&limit->curve[i]), need,
				      moment->now_ns);
}

/* All or nothing. Returns 0, or the time at which all of @need is there. */
static uint64_t take_all(struct vio_limit *limit, const struct vio_node_config *config,
			 const struct vio_units *need, struct moment *moment,
			 struct vio_units *out)
{
	uint64_t bytes = need->n[VIO_NODE_BYTES];
	uint64_t ops = need->n[VIO_NODE_OPS];
	uint64_t ready_ns;

	ready_ns = take_one(limit, config, VIO_NODE_BYTES, bytes, moment,
			    &out->n[VIO_NODE_BYTES]);
	if (ready_ns)
		return vio_max_u64(ready_ns, find_ready_ns(limit, config, VIO_NODE_OPS,
							   ops, moment));

	ready_ns = take_one(limit, config, VIO_NODE_OPS, ops, moment,
			    &out->n[VIO_NODE_OPS]);
	if (ready_ns)
		put_back(limit, config, VIO_NODE_BYTES, out->n[VIO_NODE_BYTES]);
	return ready_ns;
}

static void count_taken(struct vio_curve *curve, uint64_t units)
{
	__atomic_fetch_add(&curve->taken, units, __ATOMIC_RELAXED);
}

/* Never below 0, whatever a caller refunds to its lease. */
static void count_refunded(struct vio_curve *curve, uint64_t units)
{
	uint64_t taken = __atomic_load_n(&curve->taken, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(&curve->taken, &taken,
					    taken - vio_min_u64(units, taken), true,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
}

int vio_node_take(struct vio_limit *limit, uint64_t now_ns,
		  const struct vio_units *want, const struct vio_units *need,
		  struct vio_units *out, uint64_t *out_retry_at_ns)
{
	struct vio_node_config config;
	struct moment moment;
	bool needs_time = false;
	uint64_t ready_ns;

	read_config(limit, &config);
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		if (!need->n[i] || !config.curve[i].rate)
			continue;
		if (want->n[i] > config.curve[i].burst)
			return -EMSGSIZE;
		needs_time = true;
	}
	if (needs_time)
		advance(limit, &config, now_ns, &moment);

	ready_ns = take_all(limit, &config, need, &moment, out);
	if (ready_ns) {
		__atomic_fetch_add(&limit->n_refused, 1, __ATOMIC_RELAXED);
		*out_retry_at_ns = ready_ns;
		return -EAGAIN;
	}
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (out->n[i])
			count_taken(&limit->curve[i], out->n[i]);
	return 0;
}

/*
 * No time is given: the latest seen does. Cut to the burst here and now, so that
 * refunding what was never taken brings no more than that.
 */
static void refund_limited(struct vio_limit *limit,
			   const struct vio_node_config *config, int i, uint64_t units)
{
	const struct vio_curve_config *curve = &config->curve[i];
	struct vio_head head;
	uint64_t credit, used;

	do {
		used = load_used(&limit->curve[i]);
		head = vio_curve_get_head(curve, load_last(limit) - config->epoch_ns);
		credit = vio_curve_get_credit(curve, &head, used);
		units = vio_min_u64(units, curve->burst - credit);
	} while (units && !swap_used(&limit->curve[i], used, used - units));
}

void vio_node_refund(struct vio_limit *limit, const struct vio_units *units)
{
	struct vio_node_config config;

	read_config(limit, &config);
	for (int i = 0; i < VIO_NODE_N_CURVES; i++) {
		count_refunded(&limit->curve[i], units->n[i]);
		if (config.curve[i].rate)
			refund_limited(limit, &config, i, units->n[i]);
	}
}
