/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is in a line when what turns are counted in, or how large they are,
 * changes: a turn is as large as the requests that wait, and not as one that was.
 */
#include "unit/limit/support.h"

#define MS UINT64_C(1000000)
#define MB UINT64_C(1000000)

/* A lease and the request it waits with, again and again. */
struct user {
	struct vio_limit_waiter waiter; /* first */
	struct vio_lease lease;
	uint64_t n_calls;
	int is_done;
};

static uint64_t now_ns;

static void user_wait(struct user *user)
{
	assert_int_equal(vio_waiter_attach(&user->waiter, &user->lease, now_ns), 0);
}

static void take_and_go_on(struct vio_limit_waiter *waiter)
{
	struct user *user = (struct user *)waiter;

	user->n_calls++;
	assert_int_equal(vio_waiter_take(waiter), 0);
	assert_int_equal(vio_lease_take(&user->lease, waiter->bytes, waiter->ops), 0);
	if (!user->is_done)
		user_wait(user);
}

static void
user_open(struct user *user, struct vio_limit *limit, uint64_t bytes, uint64_t ops)
{
	*user = (struct user){
		.waiter = { .ready = take_and_go_on, .bytes = bytes, .ops = ops },
	};
	lease_attach(&user->lease, limit);
	user_wait(user);
}

static void user_close(struct user *user)
{
	assert_int_equal(vio_waiter_detach(&user->waiter), 0);
	vio_lease_detach(&user->lease);
}

/* Whenever somebody is due, or every @step_ns where that is later. */
static void run_for(struct vio_limit *root, uint64_t time_ns, uint64_t step_ns)
{
	const uint64_t end_ns = now_ns + time_ns;

	while (now_ns < end_ns) {
		uint64_t next_ns;

		assert_true(vio_limit_dispatch(root, now_ns, 1000, &next_ns) >= 0);
		now_ns = vio_min_u64(vio_max_u64(next_ns, now_ns + step_ns), end_ns);
	}
}

/* Spends the burst: from then on they are short of it. */
static void start(struct vio_limit *limit)
{
	now_ns = 0;
	limit_drain(limit, 0);
}

static void expect_alike(const struct user *a, const struct user *b, uint64_t least)
{
	assert_true(a->n_calls >= least);
	assert_in_range(b->n_calls, a->n_calls * 9 / 10, a->n_calls * 11 / 10 + 1);
}

static struct vio_limit_params both_params(uint64_t bytes_per_sec)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = bytes_per_sec;
	params.burst_bytes = bytes_per_sec;
	params.ops_per_sec = 1000;
	params.burst_ops = 10;
	params.quantum_ops = 1;
	return params;
}

static void a_turn_in_bytes_is_none_in_operations(void **state)
{
	const struct vio_limit_params params = both_params(100 * MB);
	struct vio_limit *limit = limit_create(&params, 0);
	struct user x, y;

	(void)state;
	now_ns = 0;
	user_open(&x, limit, 64 * MB, 1);
	user_open(&y, limit, 1, 1);
	/* Now y has most of a turn of 64 MB to go. */
	run_for(limit, 3 * SEC, 1);
	limit_configure(limit, both_params(0), now_ns);
	x.n_calls = y.n_calls = 0;
	run_for(limit, 10 * SEC, 1);
	expect_alike(&x, &y, 4900);
	user_close(&x);
	user_close(&y);
	limit_destroy(limit);
}

static void a_turn_of_who_is_served_at_the_change_ends_with_it(void **state)
{
	const struct vio_limit_params params = both_params(100 * MB);
	struct vio_limit *limit = limit_create(&params, 0);
	struct user x, y;

	(void)state;
	now_ns = 0;
	user_open(&x, limit, 64 * MB, 1);
	user_open(&y, limit, 1, 1);
	x.is_done = y.is_done = 1;
	run_for(limit, MS / 2, MS);
	assert_int_equal(x.n_calls + y.n_calls, 2);
	limit_configure(limit, both_params(0), now_ns);
	/* Nobody was in line meanwhile. */
	x.is_done = y.is_done = 0;
	user_wait(&y);
	user_wait(&x);
	run_for(limit, 10 * SEC, 1);
	expect_alike(&x, &y, 4900);
	user_close(&x);
	user_close(&y);
	limit_destroy(limit);
}

static void a_huge_request_without_a_ceiling_is_no_turn_under_one(void **state)
{
	struct vio_limit *limit = limit_unlimited();
	struct user x, y, huge;

	(void)state;
	now_ns = 0;
	user_open(&huge, limit, 1, UINT64_C(1) << 40);
	huge.is_done = 1;
	user_open(&x, limit, 1000, 1);
	x.is_done = 1;
	user_open(&y, limit, 1000, 1);
	y.is_done = 1;
	run_for(limit, 1, 1);
	limit_configure(limit, bytes_params(MB, MB), now_ns);
	x.is_done = y.is_done = 0;
	user_wait(&x);
	user_wait(&y);
	run_for(limit, 2 * SEC, 1);
	expect_alike(&x, &y, 900);
	user_close(&x);
	user_close(&y);
	user_close(&huge);
	limit_destroy(limit);
}

static void a_turn_is_not_taken_to_another_limit(void **state)
{
	struct vio_limit *limit = limit_of_bytes(MB, MB);
	struct vio_limit *other = limit_of_bytes(1000, 1000);
	struct user x, y, huge;

	(void)state;
	start(other);
	user_open(&huge, limit, MB / 2, 0);
	user_open(&x, limit, 1, 0);
	x.is_done = huge.is_done = 1;
	run_for(limit, 1, 1);
	assert_int_equal(x.n_calls, 1);
	user_close(&huge);
	vio_lease_detach(&x.lease);
	lease_attach(&x.lease, other);
	x.is_done = 0;
	user_wait(&x);
	user_open(&y, other, 1, 0);
	run_for(other, 10 * SEC, 1);
	expect_alike(&x, &y, 4900);
	user_close(&x);
	user_close(&y);
	limit_destroy(limit);
	limit_destroy(other);
}

static void a_large_request_that_was_served_is_forgotten(void **state)
{
	struct vio_limit *limit = limit_of_bytes(MB, MB);
	struct user x, y, large;

	(void)state;
	start(limit);
	user_open(&large, limit, MB, 0);
	large.is_done = 1;
	user_open(&x, limit, 1000, 0);
	user_open(&y, limit, 1000, 0);
	/* The line is never empty. Each of them has as much as the large one had... */
	run_for(limit, 6 * SEC, 1);
	assert_int_equal(large.n_calls, 1);
	x.n_calls = y.n_calls = 0;
	/* ... and then they take turns of their own size. */
	for (int i = 0; i < 10; i++) {
		run_for(limit, 100 * MS, 1);
		expect_alike(&x, &y, 45 + 45 * (uint64_t)i);
	}
	user_close(&x);
	user_close(&y);
	user_close(&large);
	limit_destroy(limit);
}

static void a_line_that_was_empty_begins_anew(void **state)
{
	struct vio_limit *limit = limit_of_bytes(MB, MB);
	struct user x, y, large;

	(void)state;
	now_ns = 0;
	user_open(&large, limit, MB, 0);
	large.is_done = 1;
	run_for(limit, SEC, SEC);
	assert_int_equal(large.n_calls, 1);
	limit_drain(limit, now_ns);
	user_open(&x, limit, 1000, 0);
	user_open(&y, limit, 1000, 0);
	run_for(limit, 100 * MS, 1);
	expect_alike(&x, &y, 45);
	user_close(&x);
	user_close(&y);
	user_close(&large);
	limit_destroy(limit);
}

/* With credit for both the large one would go first, time and again. */
static void a_late_dispatch_gives_nobody_more(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000 * 1000, 100 * 1000);
	struct user small, large;

	(void)state;
	start(limit);
	user_open(&small, limit, 100, 0);
	user_open(&large, limit, 8000, 0);
	run_for(limit, 10 * SEC, 10 * MS);
	assert_in_range(small.n_calls * 100, 4800 * 1000, 5200 * 1000);
	assert_in_range(large.n_calls * 8000, 4800 * 1000, 5200 * 1000);
	user_close(&small);
	user_close(&large);
	limit_destroy(limit);
}

#define N_GONE 64

/* A round is of those who are there. */
static void a_round_ends_with_those_who_left(void **state)
{
	struct vio_limit *limit = limit_of_bytes(MB, MB);
	struct user gone[N_GONE], large, x, y;

	(void)state;
	start(limit);
	for (int i = 0; i < N_GONE; i++)
		user_open(&gone[i], limit, 1000, 0);
	run_for(limit, MS + MS / 2, 1);
	for (int i = 0; i < N_GONE; i++)
		user_close(&gone[i]);
	now_ns += SEC / 2;
	limit_drain(limit, now_ns);
	user_open(&large, limit, MB, 0);
	user_open(&x, limit, 1000, 0);
	user_open(&y, limit, 1000, 0);
	large.is_done = 1;
	while (!large.n_calls)
		run_for(limit, MS, 1);
	/* After two rounds of theirs its turns are nobody's any more. */
	run_for(limit, 5 * SEC, 1);
	x.n_calls = y.n_calls = 0;
	run_for(limit, SEC / 10, 1);
	expect_alike(&x, &y, 40);
	user_close(&x);
	user_close(&y);
	vio_lease_detach(&large.lease);
	limit_destroy(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_in_bytes_is_none_in_operations),
		cmocka_unit_test(a_turn_of_who_is_served_at_the_change_ends_with_it),
		cmocka_unit_test(a_huge_request_without_a_ceiling_is_no_turn_under_one),
		cmocka_unit_test(a_turn_is_not_taken_to_another_limit),
		cmocka_unit_test(a_large_request_that_was_served_is_forgotten),
		cmocka_unit_test(a_late_dispatch_gives_nobody_more),
		cmocka_unit_test(a_round_ends_with_those_who_left),
		cmocka_unit_test(a_line_that_was_empty_begins_anew),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
