/* SPDX-License-Identifier: MIT */
/*
 * Waiting in line: who is served when, what those get who ask for little and those who
 * ask for much, and what may be done from within the call.
 */
#include <errno.h>
#include <string.h>

#include "fake/fault.h"
#include "unit/limit/support.h"

#define MS UINT64_C(1000000)

/* A lease and the request it waits with, again and again. */
struct user {
	struct vio_limit_waiter waiter; /* first */
	struct vio_lease lease;
	uint64_t now_ns;
	uint64_t n_calls;
	uint64_t n_bytes;
	int goes_on;
	int answer; /* to a take */
};

static void take_and_go_on(struct vio_limit_waiter *waiter)
{
	struct user *user = (struct user *)waiter;

	user->n_calls++;
	assert_int_equal(vio_waiter_take(waiter), 0);
	assert_int_equal(vio_lease_take(&user->lease, waiter->bytes, waiter->ops), 0);
	user->n_bytes += waiter->bytes;
	if (user->goes_on)
		assert_int_equal(vio_waiter_attach(waiter, &user->lease, user->now_ns),
				 0);
}

static void count_only(struct vio_limit_waiter *waiter)
{
	((struct user *)waiter)->n_calls++;
}

static void user_open(struct user *user, struct vio_limit *limit, uint64_t bytes)
{
	*user = (struct user){ .waiter = { .ready = take_and_go_on, .bytes = bytes } };
	lease_attach(&user->lease, limit);
	assert_int_equal(vio_waiter_attach(&user->waiter, &user->lease, 0), 0);
}

static void user_close(struct user *user)
{
	assert_int_equal(vio_waiter_detach(&user->waiter), 0);
	vio_lease_detach(&user->lease);
}

static uint64_t dispatch(struct vio_limit *limit, uint64_t now_ns)
{
	uint64_t next_ns = 0;

	assert_true(vio_limit_dispatch(limit, now_ns, 1000, &next_ns) >= 0);
	return next_ns;
}

static void a_waiter_is_called_when_its_credit_is_there(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user user;

	(void)state;
	limit_drain(limit, 0);
	limit_configure(limit, bytes_params(1000, 1000), 0);
	user_open(&user, limit, 10);
	assert_int_equal(dispatch(limit, 0), 10 * MS);
	assert_int_equal(dispatch(limit, 10 * MS - 1), 10 * MS);
	assert_int_equal(user.n_calls, 0);
	assert_int_equal(vio_waiter_take(&user.waiter), -EAGAIN);
	assert_true(dispatch(limit, 10 * MS) == UINT64_MAX);
	assert_int_equal(user.n_calls, 1);
	assert_int_equal(vio_waiter_take(&user.waiter), -EINVAL);
	user_close(&user);
	limit_destroy(limit);
}

static void large_and_small_requests_get_as_many_bytes(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000000, 10000);
	struct user users[3];
	uint64_t next_ns = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		user_open(&users[i], limit, i ? 100 : 8000);
		users[i].goes_on = 1;
	}
	while (next_ns < 30 * SEC) {
		for (int i = 0; i < 3; i++)
			users[i].now_ns = next_ns;
		next_ns = dispatch(limit, next_ns);
	}
	for (int i = 0; i < 3; i++) {
		assert_in_range(users[i].n_bytes, 9900000, 10100000);
		user_close(&users[i]);
	}
	limit_destroy(limit);
}

static void nobody_overtakes_who_waits(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_lease other;
	struct user user;
	uint64_t retry;

	(void)state;
	limit_drain(limit, 0);
	user_open(&user, limit, 500);
	lease_attach(&other, limit);
	for (uint64_t now_ns = 0; now_ns < 490 * MS; now_ns += 10 * MS) {
		assert_int_equal(vio_lease_refill(&other, now_ns, 1, 0, &retry),
				 -EAGAIN);
		assert_true(retry > now_ns);
	}
	assert_int_equal(vio_lease_refill(&other, UINT64_MAX, 1, 0, &retry), -EAGAIN);
	assert_true(retry == UINT64_MAX);
	dispatch(limit, 502 * MS);
	assert_int_equal(user.n_calls, 1);
	assert_int_equal(vio_lease_refill(&other, 600 * MS, 1, 0, &retry), 0);
	vio_lease_detach(&other);
	user_close(&user);
	limit_destroy(limit);
}

static void what_was_granted_and_not_taken_goes_back(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user user;

	(void)state;
	user_open(&user, limit, 600);
	user.waiter.ready = count_only;
	dispatch(limit, 0);
	assert_int_equal(user.n_calls, 1);
	assert_int_equal(limit_drain(limit, 0), 400);
	user_close(&user);
	assert_int_equal(limit_drain(limit, 0), 600);
	limit_destroy(limit);
}

static void a_waiter_that_leaves_is_not_called(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user users[2];
	uint64_t next_ns;

	(void)state;
	user_open(&users[0], limit, 10);
	user_open(&users[1], limit, 10);
	/* Both are granted, one is called. */
	assert_int_equal(vio_limit_dispatch(limit, 0, 1, &next_ns), 1);
	assert_int_equal(next_ns, 0);
	assert_int_equal(vio_waiter_detach(&users[1].waiter), 0);
	dispatch(limit, 0);
	assert_int_equal(users[0].n_calls, 1);
	assert_int_equal(users[1].n_calls, 0);
	user_close(&users[0]);
	user_close(&users[1]);
	limit_destroy(limit);
}

static void a_limit_with_waiters_is_not_destroyed(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user user;

	(void)state;
	user_open(&user, limit, 10);
	assert_int_equal(vio_limit_destroy(limit), -EBUSY);
	user_close(&user);
	limit_destroy(limit);
}

static void a_limit_whose_waiter_is_yet_to_be_called_is_not_destroyed(void **state)
{
	struct vio_limit *root = limit_unlimited();
	struct vio_limit *limit, *other;
	struct vio_limit_params params = bytes_params(1000, 1000);
	struct user users[2];
	uint64_t next_ns;

	(void)state;
	assert_int_equal(vio_limit_add(root, &params, 0, &limit, NULL), 0);
	assert_int_equal(vio_limit_add(root, &params, 0, &other, NULL), 0);
	user_open(&users[0], limit, 10);
	user_open(&users[1], limit, 10);
	/* Both are granted, one is called. */
	assert_int_equal(vio_limit_dispatch(root, 0, 1, &next_ns), 1);
	assert_int_equal(vio_limit_destroy(limit), -EBUSY);
	/* They are not those of another. */
	limit_destroy(other);
	dispatch(root, 0);
	assert_int_equal(users[0].n_calls, 1);
	assert_int_equal(users[1].n_calls, 1);
	limit_destroy(limit);
	user_close(&users[0]);
	user_close(&users[1]);
	limit_destroy(root);
}

static void leave_and_destroy(struct vio_limit_waiter *waiter)
{
	struct user *user = (struct user *)waiter;
	struct vio_limit *limit = user->lease.limit;

	user_close(user);
	limit_destroy(limit);
}

static void the_last_one_called_may_destroy_the_tree(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user user;

	(void)state;
	user_open(&user, limit, 10);
	user.waiter.ready = leave_and_destroy;
	assert_true(dispatch(limit, 0) == UINT64_MAX);
}

static void what_cannot_wait_is_told_so(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_limit *child;
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit_waiter waiter = { .ready = count_only, .bytes = 1001 };
	struct vio_lease lease = { 0 };
	uint64_t next_ns;

	(void)state;
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), -EINVAL);
	lease_attach(&lease, limit);
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), -EMSGSIZE);
	waiter.bytes = 1;
	waiter.ready = NULL;
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), -EINVAL);
	waiter.ready = count_only;
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), 0);
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), -EBUSY);
	assert_int_equal(vio_waiter_detach(&waiter), 0);
	assert_int_equal(vio_waiter_detach(&waiter), 0);
	assert_int_equal(vio_limit_dispatch(limit, 0, 0, &next_ns), -EINVAL);
	vio_lease_detach(&lease);
	assert_int_equal(vio_limit_add(limit, &params, 0, &child, NULL), 0);
	assert_int_equal(vio_limit_dispatch(child, 0, 1, &next_ns), -EINVAL);
	lease_attach(&lease, child);
	limit_destroy(child);
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), -ESTALE);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void keep_the_answer(struct vio_limit_waiter *waiter)
{
	struct user *user = (struct user *)waiter;

	user->n_calls++;
	user->answer = vio_waiter_take(waiter);
}

static void who_asks_for_more_than_a_smaller_burst_is_told_so(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user users[3];
	uint64_t retry;

	(void)state;
	assert_int_equal(limit_drain(limit, 0), 1000);
	for (int i = 0; i < 3; i++) {
		/* The last one is as large as the burst will be. */
		user_open(&users[i], limit, i ? 250 * (uint64_t)i : 501);
		users[i].waiter.ready = keep_the_answer;
	}
	limit_configure(limit, bytes_params(1000, 500), 0);
	/* The first one takes nothing, and the next gets what is there. */
	dispatch(limit, 270 * MS);
	assert_int_equal(users[0].n_calls, 1);
	assert_int_equal(users[0].answer, -EMSGSIZE);
	assert_int_equal(users[0].lease.bytes, 0);
	assert_int_equal(users[1].n_calls, 1);
	assert_int_equal(users[1].answer, 0);
	assert_int_equal(users[1].lease.bytes, 250);
	assert_int_equal(users[2].n_calls, 0);
	dispatch(limit, 2 * SEC);
	assert_int_equal(users[2].answer, 0);
	assert_int_equal(users[2].lease.bytes, 500);
	/* Nobody is in line any more, and the waiter is free. */
	assert_int_equal(vio_waiter_take(&users[0].waiter), -EINVAL);
	assert_int_equal(vio_waiter_attach(&users[0].waiter, &users[0].lease, 2 * SEC),
			 -EMSGSIZE);
	assert_int_equal(vio_lease_refill(&users[0].lease, 3 * SEC, 500, 0, &retry), 0);
	for (int i = 0; i < 3; i++)
		user_close(&users[i]);
	limit_destroy(limit);
}

static void a_smaller_burst_of_the_parent_is_told_to_those_below(void **state)
{
	struct vio_limit *root = limit_of_bytes(1000, 2000);
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;
	struct user user;

	(void)state;
	assert_int_equal(vio_limit_add(root, &params, 0, &limit, NULL), 0);
	user_open(&user, limit, 1000);
	user.waiter.ready = keep_the_answer;
	limit_configure(root, bytes_params(1000, 1998), 0);
	assert_true(dispatch(root, 0) == UINT64_MAX);
	assert_int_equal(user.answer, -EMSGSIZE);
	user_close(&user);
	limit_destroy(limit);
	limit_destroy(root);
}

static void who_leaves_instead_of_being_told_gives_nothing_back(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user users[2];
	uint64_t next_ns;

	(void)state;
	limit_drain(limit, 0);
	for (int i = 0; i < 2; i++) {
		user_open(&users[i], limit, 600);
		users[i].waiter.ready = count_only;
	}
	limit_configure(limit, bytes_params(1000, 500), 0);
	/* One was called and the other not. */
	assert_int_equal(vio_limit_dispatch(limit, 0, 1, &next_ns), 1);
	assert_int_equal(users[0].n_calls, 1);
	user_close(&users[0]);
	user_close(&users[1]);
	assert_int_equal(limit_drain(limit, 0), 0);
	limit_destroy(limit);
}

static void who_was_served_before_the_burst_shrank_keeps_it(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct user user;

	(void)state;
	user_open(&user, limit, 1000);
	user.waiter.ready = count_only;
	dispatch(limit, 0);
	limit_configure(limit, bytes_params(1000, 500), 0);
	assert_int_equal(vio_waiter_take(&user.waiter), 0);
	assert_int_equal(user.lease.bytes, 1000);
	user_close(&user);
	limit_destroy(limit);
}

static void operations_without_a_ceiling_on_bytes_take_turns(void **state)
{
	struct vio_limit *limit = limit_of_ops(1000, 10);
	struct user users[2];
	uint64_t next_ns = 0;

	(void)state;
	for (int i = 0; i < 2; i++) {
		user_open(&users[i], limit, i ? 100 : 8000);
		users[i].waiter.ops = 1;
		users[i].goes_on = 1;
	}
	while (next_ns < 10 * SEC) {
		for (int i = 0; i < 2; i++)
			users[i].now_ns = next_ns;
		next_ns = dispatch(limit, next_ns);
	}
	assert_in_range(users[0].n_calls, users[1].n_calls - 2, users[1].n_calls + 2);
	assert_true(users[0].n_calls > 4990);
	user_close(&users[0]);
	user_close(&users[1]);
	limit_destroy(limit);
}

/* Through the context, on the real clock. */
static void a_timer_serves_the_tree(void **state)
{
	struct vio_limit_params params = bytes_params(1000000, 1000);
	struct vio_limit_timer *timer, *other;
	struct vio_limit *limit, *child;
	struct vio_ctx *ctx;
	struct user user;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_limit_create(ctx, &params, 0, &limit, NULL), 0);
	assert_int_equal(vio_limit_timer_open(NULL, limit, &timer, NULL), -EINVAL);
	assert_int_equal(vio_limit_timer_open(ctx, limit, &timer, NULL), 0);
	assert_int_equal(vio_limit_timer_open(ctx, limit, &other, NULL), -EBUSY);
	assert_int_equal(vio_limit_destroy(limit), -EBUSY);
	user_open(&user, limit, 1000);
	user.goes_on = 1;
	while (user.n_calls < 20)
		assert_true(vio_ctx_dispatch(ctx, 8) >= 0);
	user_close(&user);
	vio_limit_timer_close(timer);
	vio_limit_timer_close(NULL);
	assert_int_equal(vio_limit_add(limit,
				       &(struct vio_limit_params)VIO_LIMIT_PARAMS_INIT,
				       0, &child, NULL),
			 0);
	assert_int_equal(vio_limit_timer_open(ctx, child, &timer, NULL), -EINVAL);
	limit_destroy(child);
	limit_destroy(limit);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_waiter_is_called_when_its_credit_is_there),
		cmocka_unit_test(large_and_small_requests_get_as_many_bytes),
		cmocka_unit_test(nobody_overtakes_who_waits),
		cmocka_unit_test(what_was_granted_and_not_taken_goes_back),
		cmocka_unit_test(a_waiter_that_leaves_is_not_called),
		cmocka_unit_test(a_limit_with_waiters_is_not_destroyed),
		cmocka_unit_test(
			a_limit_whose_waiter_is_yet_to_be_called_is_not_destroyed),
		cmocka_unit_test(the_last_one_called_may_destroy_the_tree),
		cmocka_unit_test(what_cannot_wait_is_told_so),
		cmocka_unit_test(who_asks_for_more_than_a_smaller_burst_is_told_so),
		cmocka_unit_test(a_smaller_burst_of_the_parent_is_told_to_those_below),
		cmocka_unit_test(who_leaves_instead_of_being_told_gives_nothing_back),
		cmocka_unit_test(who_was_served_before_the_burst_shrank_keeps_it),
		cmocka_unit_test(operations_without_a_ceiling_on_bytes_take_turns),
		cmocka_unit_test(a_timer_serves_the_tree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
