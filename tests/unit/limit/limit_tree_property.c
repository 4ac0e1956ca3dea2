/* SPDX-License-Identifier: MIT */
/*
 * What holds at every limit of every tree: over any time T what was taken under it is
 * at most rate * T + burst + what leases held. Random trees in virtual time; the judge
 * of each limit is a leaky bucket that forgets nothing. The only argument is the
 * number of cases.
 */
#include <errno.h>
#include <stdlib.h>

#include "unit/limit/support.h"

__extension__ typedef unsigned __int128 u128;

#define N_LIMITS   12
#define N_STEPS    64
#define SOAK_CASES 1000000u

static uint64_t n_cases = 10000;

struct judge {
	uint64_t rate; /* 0: none */
	uint64_t burst;
	u128 level; /* in 10^-9 units */
};

struct trial {
	uint64_t seed;
	uint64_t now_ns;
	int n;
	struct vio_limit *limits[N_LIMITS];
	int parents[N_LIMITS];
	int is_inner[N_LIMITS];
	struct vio_lease leases[N_LIMITS];
	struct judge bytes[N_LIMITS];
	struct judge ops[N_LIMITS];
};

static uint64_t draw(struct trial *t)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 7;
	t->seed ^= t->seed << 17;
	return t->seed;
}

/* Every order of magnitude up to @most is as likely. */
static uint64_t draw_scaled(struct trial *t, uint64_t most)
{
	uint64_t n = draw(t) >> (draw(t) % 64);

	return most ? n % most + 1 : 0;
}

/* Some are without a ceiling of their own, some are assured of something. */
static struct vio_limit_params draw_params(struct trial *t)
{
	struct vio_limit_params p = VIO_LIMIT_PARAMS_INIT;

	if (draw(t) % 4)
		p.bytes_per_sec = draw_scaled(t, VIO_LIMIT_RATE_MAX);
	if (draw(t) % 4)
		p.ops_per_sec = draw_scaled(t, VIO_LIMIT_RATE_MAX);
	if (draw(t) % 2)
		p.burst_bytes = draw_scaled(t, UINT64_C(1) << 40);
	if (draw(t) % 2)
		p.burst_ops = draw_scaled(t, UINT64_C(1) << 40);
	if (draw(t) % 2)
		p.assured_bytes_per_sec = draw_scaled(t, p.bytes_per_sec / 2);
	if (draw(t) % 2)
		p.assured_ops_per_sec = draw_scaled(t, p.ops_per_sec / 2);
	p.weight = (uint32_t)draw_scaled(t, VIO_LIMIT_WEIGHT_MAX - 1);
	return p;
}

/* Most drawn children fit nowhere; those that do make the tree. */
static void grow(struct trial *t)
{
	for (int tries = 0; tries < 60 && t->n < N_LIMITS; tries++) {
		int parent = (int)(draw(t) % (uint64_t)t->n);
		struct vio_limit_params p = draw_params(t);

		if (tries % 2) /* by default more fits */
			p.burst_bytes = p.burst_ops = p.assured_ops_per_sec = 0;
		if (vio_limit_add(t->limits[parent], &p, t->now_ns, &t->limits[t->n],
				  NULL) < 0)
			continue;
		t->is_inner[parent] = 1;
		t->parents[t->n++] = parent;
	}
}

static void trial_begin(struct trial *t)
{
	struct vio_limit_params p = draw_params(t);

	p.assured_bytes_per_sec = p.assured_ops_per_sec = 0;
	t->now_ns = draw(t) >> (1 + draw(t) % 62);
	t->limits[0] = limit_create(&p, t->now_ns);
	t->parents[0] = -1;
	t->n = 1;
	grow(t);
	for (int i = 0; i < t->n; i++) {
		struct vio_limit_params in_force = VIO_LIMIT_PARAMS_INIT;

		assert_int_equal(vio_limit_read_params(t->limits[i], &in_force), 0);
		t->bytes[i] = (struct judge){ in_force.bytes_per_sec,
					      in_force.burst_bytes, 0 };
		t->ops[i] =
			(struct judge){ in_force.ops_per_sec, in_force.burst_ops, 0 };
		if (!t->is_inner[i])
			lease_attach(&t->leases[i], t->limits[i]);
	}
}

static void trial_end(struct trial *t)
{
	for (int i = t->n; i-- > 0;) {
		vio_lease_detach(&t->leases[i]);
		limit_destroy(t->limits[i]);
	}
}

static void leak(struct judge *judge, uint64_t span_ns)
{
	u128 n = (u128)span_ns * judge->rate;

	judge->level = judge->level > n ? judge->level - n : 0;
}

static void pour(struct judge *judge, uint64_t units)
{
	if (!judge->rate)
		return;
	judge->level += (u128)units * SEC;
	if (judge->level >= ((u128)judge->burst + 1) * SEC)
		fail_msg("more than rate * T + burst: rate %llu, burst %llu",
			 (unsigned long long)judge->rate,
			 (unsigned long long)judge->burst);
}

/* Mostly within a few epochs, sometimes far. */
static void pass_time(struct trial *t)
{
	uint64_t span_ns = draw(t) % 4 ? draw_scaled(t, 4 * VIO_LIMIT_EPOCH_NS)
				       : draw(t) >> (8 + draw(t) % 56);

	if (draw(t) % 4 == 0 || t->now_ns > UINT64_MAX / 2)
		return;
	t->now_ns += span_ns;
	for (int i = 0; i < t->n; i++) {
		leak(&t->bytes[i], span_ns);
		leak(&t->ops[i], span_ns);
	}
}

static void spend(struct trial *t, int i)
{
	struct vio_lease *lease = &t->leases[i];
	uint64_t bytes = draw_scaled(t, t->bytes[i].burst);
	uint64_t ops = draw_scaled(t, t->ops[i].burst);
	const struct vio_lease before = *lease;
	uint64_t retry_at_ns;
	int ret;

	ret = vio_lease_refill(lease, t->now_ns, bytes, ops, &retry_at_ns);
	for (int at = i; at >= 0; at = t->parents[at]) {
		pour(&t->bytes[at], lease->bytes - before.bytes);
		pour(&t->ops[at], lease->ops - before.ops);
	}
	if (ret == -EAGAIN) {
		assert_true(retry_at_ns > t->now_ns);
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(vio_lease_take(lease, bytes, ops), 0);
}

static void no_limit_of_any_tree_lets_more_pass(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < n_cases; i++) {
		struct trial t = { .seed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) };

		trial_begin(&t);
		for (int step = 0; step < N_STEPS; step++) {
			int at = (int)(draw(&t) % (uint64_t)t.n);

			pass_time(&t);
			if (!t.is_inner[at])
				spend(&t, at);
		}
		trial_end(&t);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_limit_of_any_tree_lets_more_pass),
	};

	if (argc > 1)
		n_cases = strtoull(argv[1], NULL, 10);
	else if (getenv("VIO_TEST_SOAK"))
		n_cases = SOAK_CASES;
	print_message("%llu cases\n", (unsigned long long)n_cases);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
