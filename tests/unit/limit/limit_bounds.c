/* SPDX-License-Identifier: MIT */
/*
 * Where credit could be had twice, or counted twice: between sweeps, when bursts shrink
 * and when limits go.
 */
#include "unit/limit/support.h"

#define MS     UINT64_C(1000000)
#define US     UINT64_C(1000)
#define GB     UINT64_C(1000000000)
#define N_KIDS 10

static void be_ready(struct vio_limit_waiter *waiter)
{
	assert_int_equal(vio_waiter_take(waiter), 0);
}

/* Bytes that a waiter has got by @now_ns. */
static uint64_t wait_for(struct vio_limit *root, struct vio_limit *limit,
			 uint64_t bytes, uint64_t now_ns)
{
	struct vio_limit_waiter waiter = { .ready = be_ready, .bytes = bytes };
	struct vio_lease lease;
	uint64_t next_ns, got;

	lease_attach(&lease, limit);
	assert_int_equal(vio_waiter_attach(&waiter, &lease, now_ns), 0);
	vio_limit_dispatch(root, now_ns, 1, &next_ns);
	assert_int_equal(vio_waiter_detach(&waiter), 0);
	got = lease.bytes;
	lease.bytes = 0;
	vio_lease_detach(&lease);
	return got;
}

static struct vio_limit *
child_of(struct vio_limit *parent, const struct vio_limit_params *params)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *child = NULL;

	if (vio_limit_add(parent, params, 0, &child, &err) < 0)
		fail_msg("%s", err.text);
	return child;
}

/* The tree is swept each 50 us at the most: one burst before it, and one after. */
static void what_is_spent_between_sweeps_is_spent_then(void **state)
{
	const struct vio_limit_params params = bytes_params(GB, 10000);
	struct vio_limit *root = limit_unlimited();
	struct vio_limit *limit = child_of(root, &params);

	(void)state;
	assert_int_equal(wait_for(root, limit, 10000, 49 * US), 10000);
	assert_int_equal(wait_for(root, limit, 10000, 50 * US), 0);
	assert_int_equal(wait_for(root, limit, 10000, 59 * US), 0);
	assert_int_equal(wait_for(root, limit, 10000, 200 * US), 10000);
	limit_destroy(limit);
	limit_destroy(root);
}

struct kid {
	struct vio_limit *limit;
	struct vio_lease lease;
};

/* Each asks for an operation that it may have once a second, so that bytes add up. */
static void open_kids(struct kid *kids, struct vio_limit *root)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.ops_per_sec = 1;
	params.burst_ops = 1;
	params.quantum_bytes = 1;
	params.assured_bytes_per_sec = GB / N_KIDS;
	for (int i = 0; i < N_KIDS; i++) {
		kids[i].limit = child_of(root, &params);
		lease_attach(&kids[i].lease, kids[i].limit);
	}
}

static uint64_t keep_asking(struct kid *kids, uint64_t now_ns, uint64_t end_ns)
{
	uint64_t retry_at_ns;

	for (; now_ns < end_ns; now_ns += 5 * MS)
		for (int i = 0; i < N_KIDS; i++)
			(void)!lease_spend(&kids[i].lease, now_ns, 1, 1, &retry_at_ns);
	return now_ns;
}

static uint64_t drain_kids(struct kid *kids, uint64_t now_ns)
{
	uint64_t sum = 0, retry_at_ns;

	for (int i = 0; i < N_KIDS; i++)
		for (uint64_t n = 64 << 20; n; n /= 2)
			while (!lease_spend(&kids[i].lease, now_ns, n, 0, &retry_at_ns))
				sum += n;
	return sum;
}

static void close_kids(struct kid *kids)
{
	for (int i = 0; i < N_KIDS; i++) {
		vio_lease_detach(&kids[i].lease);
		limit_destroy(kids[i].limit);
	}
}

static void a_smaller_burst_is_also_that_of_those_below(void **state)
{
	struct vio_limit *root = limit_of_bytes(GB, GB);
	struct kid kids[N_KIDS];
	uint64_t now_ns;

	(void)state;
	open_kids(kids, root);
	now_ns = keep_asking(kids, 0, 3 * SEC);
	assert_true(limit_read(root).credit_bytes > 9 * GB / 10);
	limit_configure(root, bytes_params(GB, GB / 5), now_ns);
	assert_true(limit_read(root).credit_bytes <= GB / 5);
	/* A byte more for each lease, which held it. */
	assert_in_range(drain_kids(kids, now_ns), GB / 10, GB / 5 + N_KIDS);
	assert_int_equal(drain_kids(kids, now_ns), 0);
	close_kids(kids);
	limit_destroy(root);
}

/* What was cut is not counted as spent. */
static void a_smaller_burst_passes_nothing(void **state)
{
	struct vio_limit *root = limit_of_bytes(GB, GB);
	struct kid kids[N_KIDS];
	uint64_t now_ns, before;

	(void)state;
	open_kids(kids, root);
	now_ns = keep_asking(kids, 0, 3 * SEC);
	before = limit_read(root).bytes;
	limit_configure(root, bytes_params(GB, GB / 5), now_ns);
	limit_configure(root, bytes_params(GB, GB / 5), now_ns + SEC);
	assert_int_equal(limit_read(root).bytes, before);
	close_kids(kids);
	limit_destroy(root);
}

/* Those of an open tree hold more than the ceiling that comes allows. */
static void a_ceiling_that_comes_cuts_what_is_held_below(void **state)
{
	const struct vio_limit_params params = bytes_params(GB, GB / 10);
	struct vio_limit *root = limit_unlimited();
	struct kid kids[N_KIDS];

	(void)state;
	for (int i = 0; i < N_KIDS; i++) {
		kids[i].limit = child_of(root, &params);
		lease_attach(&kids[i].lease, kids[i].limit);
	}
	limit_configure(root, bytes_params(GB, GB / 5), 1);
	assert_true(drain_kids(kids, 1) <= GB / 5);
	close_kids(kids);
	limit_destroy(root);
}

static void what_a_child_spent_is_counted_once_when_it_goes(void **state)
{
	struct vio_limit *root = limit_of_bytes(GB, GB);
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *child;
	struct vio_lease lease;
	uint64_t retry_at_ns;

	(void)state;
	params.assured_bytes_per_sec = GB;
	params.quantum_bytes = 1;
	child = child_of(root, &params);
	lease_attach(&lease, child);
	assert_int_equal(lease_spend(&lease, 50 * MS, 1000, 0, &retry_at_ns), 0);
	/* Without a sweep. */
	assert_int_equal(lease_spend(&lease, 50 * MS + 100, 9000, 0, &retry_at_ns), 0);
	vio_lease_detach(&lease);
	limit_destroy(child);
	assert_int_equal(limit_read(root).bytes, 10000);
	limit_configure(root, bytes_params(GB, GB), 60 * MS);
	assert_int_equal(limit_read(root).bytes, 10000);
	limit_destroy(root);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_spent_between_sweeps_is_spent_then),
		cmocka_unit_test(a_smaller_burst_is_also_that_of_those_below),
		cmocka_unit_test(a_smaller_burst_passes_nothing),
		cmocka_unit_test(a_ceiling_that_comes_cuts_what_is_held_below),
		cmocka_unit_test(what_a_child_spent_is_counted_once_when_it_goes),
	};

	return cmocka_run_group_tests_name("limit bounds", tests, NULL, NULL);
}
