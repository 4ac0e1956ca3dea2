/* SPDX-License-Identifier: MIT */
/*
 * What holds for every limit, tried on random ones in virtual time. The judge is
 * a leaky bucket in 10^-9 units that forgets nothing: its level is the largest
 * excess over rate * T of any window that ends now, so that one comparison after
 * each refill checks all windows. The only argument is the number of cases.
 */
#include <errno.h>
#include <stdlib.h>

#include "unit/limit/support.h"

__extension__ typedef unsigned __int128 u128;

#define N_LEASES   3
#define N_STEPS    48
#define SOAK_CASES 1000000u

static uint64_t n_cases = 50000;

static uint64_t draw(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

/* Every order of magnitude up to @most is as likely. */
static uint64_t draw_scaled(uint64_t *seed, uint64_t most)
{
	uint64_t n = draw(seed) >> (draw(seed) % 64);

	return n % most + 1;
}

/* The judge of one dimension. */
struct bucket {
	uint64_t rate;
	uint64_t burst;
	u128 level; /* in 10^-9 units */
};

static void bucket_leak(struct bucket *bucket, uint64_t span_ns)
{
	u128 leak = (u128)span_ns * bucket->rate;

	bucket->level = bucket->level > leak ? bucket->level - leak : 0;
}

/* Units are whole, so that rate * T counts as the next whole number. */
static void bucket_pour(struct bucket *bucket, uint64_t units)
{
	bucket->level += (u128)units * SEC;
	if (bucket->rate && bucket->level >= ((u128)bucket->burst + 1) * SEC)
		fail_msg("more than rate * T + burst: rate %llu, burst %llu",
			 (unsigned long long)bucket->rate,
			 (unsigned long long)bucket->burst);
}

/* As a limit is changed: what was left of the burst stays, up to the new one. */
static void bucket_change(struct bucket *bucket, uint64_t rate, uint64_t burst)
{
	u128 full = (u128)bucket->burst * SEC;
	u128 left = bucket->level < full ? full - bucket->level : 0;
	u128 new_full = (u128)burst * SEC;

	bucket->level = left < new_full ? new_full - left : 0;
	bucket->rate = rate;
	bucket->burst = burst;
}

struct trial {
	uint64_t seed;
	uint64_t now_ns;
	struct vio_limit_params params;
	struct vio_limit *limit;
	struct vio_lease leases[N_LEASES];
	struct bucket bytes;
	struct bucket ops;
};

static void draw_params(struct trial *t)
{
	struct vio_limit_params *p = &t->params;

	*p = (struct vio_limit_params)VIO_LIMIT_PARAMS_INIT;
	p->bytes_per_sec = draw_scaled(&t->seed, VIO_LIMIT_RATE_MAX);
	p->ops_per_sec = draw_scaled(&t->seed, VIO_LIMIT_RATE_MAX);
	p->burst_bytes = draw_scaled(&t->seed, UINT64_C(1) << 40);
	p->burst_ops = draw_scaled(&t->seed, UINT64_C(1) << 40);
	p->quantum_bytes = draw_scaled(&t->seed, p->burst_bytes);
	p->quantum_ops = draw_scaled(&t->seed, p->burst_ops);
}

static void trial_begin(struct trial *t)
{
	draw_params(t);
	t->now_ns = draw(&t->seed) >> (1 + draw(&t->seed) % 62);
	t->limit = limit_create(&t->params, t->now_ns);
	t->bytes = (struct bucket){ t->params.bytes_per_sec, t->params.burst_bytes, 0 };
	t->ops = (struct bucket){ t->params.ops_per_sec, t->params.burst_ops, 0 };
	for (int i = 0; i < N_LEASES; i++)
		lease_attach(&t->leases[i], t->limit);
}

static void trial_end(struct trial *t)
{
	for (int i = 0; i < N_LEASES; i++)
		vio_lease_detach(&t->leases[i]);
	limit_destroy(t->limit);
}

/* Half of the steps are as long as some of the burst takes, some are leaps. */
static void pass_time(struct trial *t)
{
	uint64_t burst_ns = (uint64_t)((u128)t->params.burst_bytes * SEC /
				       t->params.bytes_per_sec % UINT64_MAX);
	uint64_t span_ns = draw(&t->seed) % 2 ? draw(&t->seed) % (burst_ns / 4 + 2)
					      : draw(&t->seed) >> (draw(&t->seed) % 64);

	if (draw(&t->seed) % 4 == 0 || span_ns > UINT64_MAX / 2 - t->now_ns % SEC)
		return;
	if (!vio_add_u64(t->now_ns, span_ns, &t->now_ns))
		t->now_ns = UINT64_MAX;
}

static void trial_leak(struct trial *t, uint64_t before_ns)
{
	bucket_leak(&t->bytes, t->now_ns - before_ns);
	bucket_leak(&t->ops, t->now_ns - before_ns);
}

/* A refill that succeeds is spent; no lease then holds more than a quantum. */
static void
spend(struct trial *t, struct vio_lease *lease, uint64_t bytes, uint64_t ops)
{
	const struct vio_lease before = *lease;
	uint64_t retry_at_ns = 0;
	int ret;

	ret = vio_lease_refill(lease, t->now_ns, bytes, ops, &retry_at_ns);
	bucket_pour(&t->bytes, lease->bytes - before.bytes);
	bucket_pour(&t->ops, lease->ops - before.ops);
	if (ret == -EAGAIN) {
		assert_true(retry_at_ns > t->now_ns || t->now_ns == UINT64_MAX);
		assert_memory_equal(lease, &before, sizeof(before));
		return;
	}
	assert_int_equal(ret, 0);
	assert_int_equal(vio_lease_take(lease, bytes, ops), 0);
	assert_true(lease->bytes <= vio_max_u64(before.bytes, t->params.quantum_bytes));
	assert_true(lease->ops <= vio_max_u64(before.ops, t->params.quantum_ops));
}

/* A lease refused alone at one time is served at the time it is told, not before. */
static void wait_exactly(struct trial *t, struct vio_lease *lease)
{
	const struct vio_lease before = *lease;
	uint64_t bytes = draw_scaled(&t->seed, t->params.burst_bytes);
	uint64_t ops = draw_scaled(&t->seed, t->params.burst_ops);
	uint64_t start_ns = t->now_ns;
	uint64_t retry_at_ns, again_at_ns;

	if (vio_lease_refill(lease, t->now_ns, bytes, ops, &retry_at_ns) == 0 ||
	    retry_at_ns == UINT64_MAX)
		goto pour;
	t->now_ns = retry_at_ns;
	assert_int_equal(
		vio_lease_refill(lease, retry_at_ns - 1, bytes, ops, &again_at_ns),
		-EAGAIN);
	assert_true(again_at_ns == retry_at_ns);
	assert_int_equal(vio_lease_refill(lease, retry_at_ns, bytes, ops, &again_at_ns),
			 0);
pour:
	trial_leak(t, start_ns);
	bucket_pour(&t->bytes, lease->bytes - before.bytes);
	bucket_pour(&t->ops, lease->ops - before.ops);
}

static void change(struct trial *t)
{
	draw_params(t);
	limit_configure(t->limit, t->params, t->now_ns);
	bucket_change(&t->bytes, t->params.bytes_per_sec, t->params.burst_bytes);
	bucket_change(&t->ops, t->params.ops_per_sec, t->params.burst_ops);
}

static void trial_step(struct trial *t)
{
	struct vio_lease *lease = &t->leases[draw(&t->seed) % N_LEASES];
	uint64_t before_ns = t->now_ns;

	pass_time(t);
	trial_leak(t, before_ns);
	if (draw(&t->seed) % 32 == 0)
		change(t);
	else if (draw(&t->seed) % 8 == 0)
		wait_exactly(t, lease);
	else
		spend(t, lease, draw_scaled(&t->seed, t->params.burst_bytes),
		      draw_scaled(&t->seed, t->params.burst_ops));
}

static void no_window_ever_exceeds_rate_and_burst(void **state)
{
	(void)state;
	for (uint64_t i = 0; i < n_cases; i++) {
		struct trial t = { .seed = (i + 1) * UINT64_C(0x9e3779b97f4a7c15) };

		trial_begin(&t);
		for (int step = 0; step < N_STEPS; step++)
			trial_step(&t);
		trial_end(&t);
	}
}

/* Taken beyond the burst by one who always waits as long as told, in 10^-9. */
static uint64_t
find_error(const struct vio_limit_params *params, uint64_t bytes, uint64_t ops)
{
	struct vio_limit *limit = limit_create(params, 0);
	uint64_t rate = bytes ? params->bytes_per_sec : params->ops_per_sec;
	uint64_t burst = bytes ? params->burst_bytes : params->burst_ops;
	uint64_t now_ns = 0;
	uint64_t n_taken = 0;
	struct vio_lease lease;
	u128 right;

	lease_attach(&lease, limit);
	for (int i = 0; i < 100000; i++) {
		while (lease_spend(&lease, now_ns, bytes, ops, &now_ns))
			continue;
		n_taken += bytes ? bytes : ops;
	}
	vio_lease_detach(&lease);
	limit_destroy(limit);

	right = (u128)now_ns * rate / SEC;
	n_taken -= burst;
	return (uint64_t)((n_taken > right ? n_taken - right : right - n_taken) * SEC /
			  right);
}

#define MOST_ERROR (SEC / 10000) /* 0.01 % */

static void the_long_run_of_bytes_is_exact(void **state)
{
	static const uint64_t rates[] = { 1000,       4321,        1000000,
					  10000000,   123460000,   270000001,
					  1000000000, 12500000000, 40000000000 };

	(void)state;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(rates); i++) {
		struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

		params.bytes_per_sec = rates[i];
		params.burst_bytes = 65536;
		assert_in_range(find_error(&params, 4096, 0), 0, MOST_ERROR);
	}
}

static void the_long_run_of_operations_is_exact(void **state)
{
	static const uint64_t rates[] = { 1,     7,      1000,   5000,
					  10007, 100000, 999983, 10000000 };

	(void)state;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(rates); i++) {
		struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

		params.ops_per_sec = rates[i];
		params.burst_ops = 32;
		assert_in_range(find_error(&params, 0, 1), 0, MOST_ERROR);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_window_ever_exceeds_rate_and_burst),
		cmocka_unit_test(the_long_run_of_bytes_is_exact),
		cmocka_unit_test(the_long_run_of_operations_is_exact),
	};

	if (argc > 1)
		n_cases = strtoull(argv[1], NULL, 10);
	else if (getenv("VIO_TEST_SOAK"))
		n_cases = SOAK_CASES;
	print_message("%llu cases\n", (unsigned long long)n_cases);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
