/* SPDX-License-Identifier: MIT */
/*
 * One lease at a time, on a clock that is an argument: what a take, a refill, a
 * refund and a detach do, when the next refill succeeds, and what a change of
 * the limit keeps.
 */
#include <errno.h>
#include <string.h>

#include "tests/unit/limit/support.h"

static void a_lease_begins_empty(void **state)
{
	struct vio_limit *limit = limit_unlimited();
	struct vio_lease lease;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_take(&lease, 1, 0), -EAGAIN);
	assert_int_equal(vio_lease_take(&lease, 0, 1), -EAGAIN);
	assert_int_equal(vio_lease_take(&lease, 0, 0), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void an_attached_lease_is_not_attached_again(void **state)
{
	struct vio_limit *limit = limit_unlimited();
	struct vio_lease lease;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_attach(&lease, limit), -EBUSY);
	assert_int_equal(limit_read(limit).n_leases, 1);
	vio_lease_detach(&lease);
	assert_int_equal(vio_lease_attach(&lease, limit), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void detaching_a_zeroed_lease_does_nothing(void **state)
{
	struct vio_lease lease = { 0 };
	const struct vio_lease zero = { 0 };

	(void)state;
	vio_lease_detach(&lease);
	assert_memory_equal(&lease, &zero, sizeof(lease));
}

static void a_take_that_is_not_covered_changes_nothing(void **state)
{
	struct vio_lease lease = { VIO_LEASE_LAYOUT, 10, 2, NULL };

	(void)state;
	assert_int_equal(vio_lease_take(&lease, 11, 1), -EAGAIN);
	assert_int_equal(vio_lease_take(&lease, 1, 3), -EAGAIN);
	assert_int_equal(lease.bytes, 10);
	assert_int_equal(lease.ops, 2);
}

static void the_call_takes_as_the_inline_does(void **state)
{
	struct vio_lease lease = { VIO_LEASE_LAYOUT, 10, 2, NULL };

	(void)state;
	assert_int_equal(vio_lease_take_call(&lease, 11, 1), -EAGAIN);
	assert_int_equal(vio_lease_take_call(&lease, 1, 3), -EAGAIN);
	assert_int_equal(vio_lease_take_call(&lease, 10, 1), 0);
	assert_int_equal(lease.bytes, 0);
	assert_int_equal(lease.ops, 1);
}

static void a_lease_of_an_unknown_layout_is_not_touched(void **state)
{
	struct vio_lease lease = { VIO_LEASE_LAYOUT + 1, 10, 2, NULL };
	const struct vio_lease before = lease;
	uint64_t retry = 77;

	(void)state;
	assert_int_equal(vio_lease_take(&lease, 1, 1), -EAGAIN);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 1, &retry), -EINVAL);
	vio_lease_refund(&lease, 1, 1);
	vio_lease_detach(&lease);
	assert_memory_equal(&lease, &before, sizeof(lease));
	assert_int_equal(retry, 77);
}

static void a_lease_that_is_not_attached_has_nothing(void **state)
{
	struct vio_lease lease = { 0 };
	uint64_t retry = 77;

	(void)state;
	assert_int_equal(vio_lease_take(&lease, 0, 0), -EAGAIN);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 1, &retry), -EINVAL);
	vio_lease_refund(&lease, 1, 1);
	assert_int_equal(lease.bytes, 0);
	assert_int_equal(retry, 77);
}

static void a_refill_that_is_covered_takes_nothing(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1, 100);
	struct vio_lease lease;
	uint64_t retry = 77;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 50, 1, &retry), 0);
	assert_int_equal(vio_lease_refill(&lease, 0, 50, 1, &retry), 0);
	assert_int_equal(limit_read(limit).bytes, 51);
	assert_int_equal(retry, 77);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_request_over_the_burst_never_passes(void **state)
{
	struct vio_limit_params params = bytes_params(1000, 100);
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry = 77;

	(void)state;
	params.ops_per_sec = 1000;
	params.burst_ops = 10;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 101, 1, &retry), -EMSGSIZE);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 11, &retry), -EMSGSIZE);
	assert_int_equal(retry, 77);
	assert_int_equal(lease.bytes, 0);
	assert_int_equal(limit_read(limit).bytes, 0);
	assert_int_equal(vio_lease_refill(&lease, 0, 100, 10, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_quantum_is_taken_only_if_it_is_there(void **state)
{
	struct vio_limit_params params = bytes_params(1, 100);
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.quantum_bytes = 60;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 10, 0, &retry), 0);
	assert_int_equal(lease.bytes, 70);
	assert_int_equal(vio_lease_take(&lease, 70, 0), 0);
	assert_int_equal(vio_lease_refill(&lease, 0, 10, 0, &retry), 0);
	assert_int_equal(lease.bytes, 30);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void what_is_unlimited_hands_out_a_bounded_quantum(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.burst_bytes = params.quantum_bytes = UINT64_C(1) << 40;
	params.burst_ops = params.quantum_ops = UINT64_C(1) << 40;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 1, &retry), 0);
	assert_int_equal(lease.bytes, 1 + (1 << 20));
	assert_int_equal(lease.ops, 1 + 256);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void what_is_unlimited_lets_any_request_pass(void **state)
{
	struct vio_limit *limit = limit_unlimited();
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, UINT64_MAX, UINT64_MAX, &retry), 0);
	assert_int_equal(lease_spend(&lease, 0, UINT64_MAX - 1, 1, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_refused_op_gives_its_bytes_back(void **state)
{
	struct vio_limit_params params = bytes_params(1, 1000);
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.ops_per_sec = 1;
	params.burst_ops = 1;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 100, 1, &retry), 0);
	lease.bytes = 0;
	assert_int_equal(vio_lease_refill(&lease, 0, 100, 1, &retry), -EAGAIN);
	assert_int_equal(retry, SEC);
	assert_int_equal(lease.bytes, 0);
	assert_int_equal(limit_drain(limit, 0), 1000 - 101);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void refused_bytes_take_no_op(void **state)
{
	struct vio_limit_params params = bytes_params(1, 10);
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.ops_per_sec = 1;
	params.burst_ops = 1;
	limit = limit_create(&params, 0);
	assert_int_equal(limit_drain(limit, 0), 10);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 1, &retry), -EAGAIN);
	assert_int_equal(lease_spend(&lease, 0, 0, 1, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

/* Spends all of both, asks for both, and expects to be told @retry_at_ns. */
static void expect_later_of_both(uint64_t bytes_per_sec, uint64_t ops_per_sec,
				 uint64_t retry_at_ns)
{
	struct vio_limit_params params = bytes_params(bytes_per_sec, 10);
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	params.ops_per_sec = ops_per_sec;
	params.burst_ops = 10;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 10, 10, &retry), 0);
	assert_int_equal(vio_lease_refill(&lease, 0, 10, 10, &retry), -EAGAIN);
	assert_int_equal(retry, retry_at_ns);
	assert_int_equal(vio_lease_refill(&lease, retry - 1, 10, 10, &retry), -EAGAIN);
	assert_int_equal(vio_lease_refill(&lease, retry, 10, 10, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void the_retry_time_is_the_later_of_bytes_and_ops(void **state)
{
	(void)state;
	expect_later_of_both(1, 2, 10 * SEC);
	expect_later_of_both(2, 1, 10 * SEC);
	expect_later_of_both(5, 5, 2 * SEC);
}

static void a_retry_time_is_rounded_up(void **state)
{
	struct vio_limit *limit = limit_of_bytes(3, 10);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	assert_int_equal(limit_drain(limit, 0), 10);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 0, &retry), -EAGAIN);
	assert_int_equal(retry, 333333334);
	assert_int_equal(vio_lease_refill(&lease, 333333333, 1, 0, &retry), -EAGAIN);
	assert_int_equal(retry, 333333334);
	assert_int_equal(vio_lease_refill(&lease, 333333334, 1, 0, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void roundings_do_not_add_up(void **state)
{
	struct vio_limit *limit = limit_of_bytes(3, 10);
	uint64_t n_bytes = 0;

	(void)state;
	limit_drain(limit, 0);
	for (uint64_t ms = 1; ms <= 100000; ms++)
		n_bytes += limit_drain(limit, ms * 1000000);
	assert_int_equal(n_bytes, 300);
	limit_destroy(limit);
}

static void changes_do_not_round_either(void **state)
{
	struct vio_limit *limit = limit_of_bytes(3, 10);
	uint64_t n_bytes = 0;

	(void)state;
	limit_drain(limit, 0);
	for (uint64_t ms = 1; ms <= 100000; ms++) {
		limit_configure(limit, bytes_params(3, 10), ms * 1000000);
		n_bytes += limit_drain(limit, ms * 1000000);
	}
	assert_int_equal(n_bytes, 300);
	limit_destroy(limit);
}

static void an_idle_limit_saves_up_one_burst(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 500);

	(void)state;
	assert_int_equal(limit_drain(limit, 3600 * SEC), 500);
	assert_int_equal(limit_drain(limit, 7200 * SEC), 500);
	assert_int_equal(limit_drain(limit, 7200 * SEC + SEC / 10), 100);
	limit_destroy(limit);
}

static void an_earlier_time_is_taken_as_the_latest_seen(void **state)
{
	struct vio_limit *limit = limit_of_bytes(100, 1000);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	limit_drain(limit, 0);
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 10 * SEC, 500, 0, &retry), 0);
	assert_int_equal(lease_spend(&lease, 0, 400, 0, &retry), 0);
	lease.bytes = 0;
	assert_int_equal(vio_lease_refill(&lease, 5 * SEC, 1000, 0, &retry), -EAGAIN);
	assert_in_range(retry, 19 * SEC, 19 * SEC + SEC / 50);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_leap_to_the_end_of_time_earns_one_burst(void **state)
{
	const uint64_t burst = UINT64_C(1) << 40;
	struct vio_limit_params params = bytes_params(VIO_LIMIT_RATE_MAX, burst);
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.ops_per_sec = 1;
	params.burst_ops = 5;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, burst, 5, &retry), 0);
	assert_int_equal(lease_spend(&lease, UINT64_MAX, burst, 5, &retry), 0);
	assert_int_equal(vio_lease_refill(&lease, UINT64_MAX, 1, 0, &retry), -EAGAIN);
	assert_true(retry == UINT64_MAX);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

/* Leaps over the point where the head has gone round once: 2^64 units. */
static void a_long_idle_time_earns_one_burst(void **state)
{
	const uint64_t year_ns = 365 * 86400 * SEC;
	struct vio_limit *limit = limit_of_bytes(VIO_LIMIT_RATE_MAX, 1000);
	uint64_t now_ns = 0;

	(void)state;
	for (uint64_t leap_ns = 1; leap_ns < year_ns; leap_ns = leap_ns * 3 / 2 + 1) {
		now_ns += leap_ns;
		assert_int_equal(limit_drain(limit, now_ns), 1000);
	}
	limit_destroy(limit);
}

static void a_limit_may_begin_at_any_time(void **state)
{
	struct vio_limit_params params = bytes_params(1, 10);
	struct vio_limit *limit = limit_create(&params, UINT64_MAX - 3 * SEC);

	(void)state;
	assert_int_equal(limit_drain(limit, 0), 10);
	assert_int_equal(limit_drain(limit, UINT64_MAX - SEC), 2);
	assert_int_equal(limit_drain(limit, UINT64_MAX), 1);
	limit_destroy(limit);
}

static void a_retry_time_after_the_end_of_time_is_its_end(void **state)
{
	struct vio_limit_params params = bytes_params(1, UINT64_C(1) << 40);
	struct vio_limit *limit = limit_create(&params, 0);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, UINT64_C(1) << 40, 0, &retry), 0);
	assert_int_equal(vio_lease_refill(&lease, 0, UINT64_C(1) << 40, 0, &retry),
			 -EAGAIN);
	assert_true(retry == UINT64_MAX);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_refund_goes_to_the_lease(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1, 100);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 100, 1, &retry), 0);
	vio_lease_refund(&lease, 60, 1);
	assert_int_equal(vio_lease_take(&lease, 60, 1), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_refund_never_overflows(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1, 100);
	struct vio_lease lease;

	(void)state;
	lease_attach(&lease, limit);
	vio_lease_refund(&lease, UINT64_MAX, UINT64_MAX);
	vio_lease_refund(&lease, 1, UINT64_MAX);
	assert_true(lease.bytes == UINT64_MAX);
	assert_true(lease.ops == UINT64_MAX);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void detaching_gives_back_what_the_lease_holds(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1, 100);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 80, 0, &retry), 0);
	assert_int_equal(vio_lease_take(&lease, 30, 0), 0);
	vio_lease_detach(&lease);
	assert_int_equal(limit_drain(limit, 0), 70);
	limit_destroy(limit);
}

static void detaching_gives_back_one_burst_at_most(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1, 100);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 90, 0, &retry), 0);
	vio_lease_refund(&lease, UINT64_MAX, 0);
	vio_lease_detach(&lease);
	assert_int_equal(limit_drain(limit, 0), 100);
	assert_int_equal(limit_drain(limit, SEC), 1);
	assert_int_equal(limit_read(limit).bytes, 101);
	limit_destroy(limit);
}

static void a_change_keeps_credit(void **state)
{
	struct vio_limit *limit = limit_of_bytes(10, 1000);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 999, 0, &retry), 0);
	vio_lease_detach(&lease);
	limit_configure(limit, bytes_params(1000, 500000), 2 * SEC);
	assert_int_equal(limit_drain(limit, 2 * SEC), 1 + 20);
	assert_int_equal(limit_drain(limit, 3 * SEC), 1000);
	limit_configure(limit, bytes_params(1, 10), 4 * SEC);
	assert_int_equal(limit_drain(limit, 4 * SEC), 10);
	assert_int_equal(limit_drain(limit, 6 * SEC), 2);
	limit_destroy(limit);
}

static void a_smaller_burst_cuts_credit_for_good(void **state)
{
	struct vio_limit *limit = limit_of_bytes(10, 1000);

	(void)state;
	limit_configure(limit, bytes_params(10, 50), 0);
	limit_configure(limit, bytes_params(10, 1000), 0);
	assert_int_equal(limit_drain(limit, 0), 50);
	limit_destroy(limit);
}

static void a_change_at_an_earlier_time_happens_at_the_latest_seen(void **state)
{
	struct vio_limit *limit = limit_of_bytes(10, 100);

	(void)state;
	assert_int_equal(limit_drain(limit, 100 * SEC), 100);
	limit_configure(limit, bytes_params(20, 100), 50 * SEC);
	assert_int_equal(limit_drain(limit, 100 * SEC), 0);
	assert_int_equal(limit_drain(limit, 101 * SEC), 20);
	limit_destroy(limit);
}

static void leases_keep_what_they_hold_through_a_change(void **state)
{
	struct vio_limit *limit = limit_of_bytes(10, 1000);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 600, 0, &retry), 0);
	limit_configure(limit, bytes_params(1, 5), 0);
	assert_int_equal(vio_lease_take(&lease, 600, 0), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_limit_set_later_bites(void **state)
{
	struct vio_limit *limit = limit_unlimited();
	struct vio_lease lease;
	uint64_t n_bytes = 0;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, 1 << 30, 1, &retry), 0);
	limit_configure(limit, bytes_params(100, 1000), SEC);
	while (!lease_spend(&lease, 2 * SEC, 1, 0, &retry))
		n_bytes++;
	assert_in_range(n_bytes, 1000, (1 << 20) + 1000 + 100);
	assert_int_equal(retry, 2 * SEC + SEC / 100);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void an_unlimited_time_earns_no_credit(void **state)
{
	struct vio_limit_params unlimited = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = limit_of_bytes(100, 1000);

	(void)state;
	assert_int_equal(limit_drain(limit, 0), 1000);
	limit_configure(limit, unlimited, SEC);
	limit_configure(limit, bytes_params(100, 1000), 50 * SEC);
	assert_int_equal(limit_drain(limit, 50 * SEC), 100);
	limit_destroy(limit);
}

static void an_unlimited_lease_brings_back_no_credit(void **state)
{
	struct vio_limit *limit = limit_of_bytes(100, 1000);
	struct vio_limit_params unlimited = VIO_LIMIT_PARAMS_INIT;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	limit_drain(limit, 0);
	limit_configure(limit, unlimited, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 5000, 1, &retry), 0);
	vio_lease_detach(&lease);
	limit_configure(limit, bytes_params(100, 1000), 0);
	assert_int_equal(limit_drain(limit, 0), 0);
	limit_destroy(limit);
}

static void only_what_is_limited_is_refused(void **state)
{
	struct vio_limit *limit = limit_of_ops(1, 2);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(lease_spend(&lease, 0, UINT64_C(1) << 50, 2, &retry), 0);
	assert_int_equal(lease_spend(&lease, 0, UINT64_C(1) << 50, 0, &retry), 0);
	assert_int_equal(vio_lease_refill(&lease, 0, 0, 1, &retry), -EAGAIN);
	assert_int_equal(retry, SEC);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void the_slowest_rate_is_one_a_second(void **state)
{
	struct vio_limit *limit = limit_of_ops(1, 1);
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	for (uint64_t second = 0; second < 1000; second++) {
		assert_int_equal(lease_spend(&lease, second * SEC, 0, 1, &retry), 0);
		assert_int_equal(vio_lease_refill(&lease, second * SEC, 0, 1, &retry),
				 -EAGAIN);
		assert_int_equal(retry, (second + 1) * SEC);
	}
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_lease_begins_empty),
		cmocka_unit_test(an_attached_lease_is_not_attached_again),
		cmocka_unit_test(detaching_a_zeroed_lease_does_nothing),
		cmocka_unit_test(a_take_that_is_not_covered_changes_nothing),
		cmocka_unit_test(the_call_takes_as_the_inline_does),
		cmocka_unit_test(a_lease_of_an_unknown_layout_is_not_touched),
		cmocka_unit_test(a_lease_that_is_not_attached_has_nothing),
		cmocka_unit_test(a_refill_that_is_covered_takes_nothing),
		cmocka_unit_test(a_request_over_the_burst_never_passes),
		cmocka_unit_test(a_quantum_is_taken_only_if_it_is_there),
		cmocka_unit_test(what_is_unlimited_hands_out_a_bounded_quantum),
		cmocka_unit_test(what_is_unlimited_lets_any_request_pass),
		cmocka_unit_test(a_refused_op_gives_its_bytes_back),
		cmocka_unit_test(refused_bytes_take_no_op),
		cmocka_unit_test(the_retry_time_is_the_later_of_bytes_and_ops),
		cmocka_unit_test(a_retry_time_is_rounded_up),
		cmocka_unit_test(roundings_do_not_add_up),
		cmocka_unit_test(changes_do_not_round_either),
		cmocka_unit_test(an_idle_limit_saves_up_one_burst),
		cmocka_unit_test(an_earlier_time_is_taken_as_the_latest_seen),
		cmocka_unit_test(a_leap_to_the_end_of_time_earns_one_burst),
		cmocka_unit_test(a_long_idle_time_earns_one_burst),
		cmocka_unit_test(a_limit_may_begin_at_any_time),
		cmocka_unit_test(a_retry_time_after_the_end_of_time_is_its_end),
		cmocka_unit_test(a_refund_goes_to_the_lease),
		cmocka_unit_test(a_refund_never_overflows),
		cmocka_unit_test(detaching_gives_back_what_the_lease_holds),
		cmocka_unit_test(detaching_gives_back_one_burst_at_most),
		cmocka_unit_test(a_change_keeps_credit),
		cmocka_unit_test(a_smaller_burst_cuts_credit_for_good),
		cmocka_unit_test(a_change_at_an_earlier_time_happens_at_the_latest_seen),
		cmocka_unit_test(leases_keep_what_they_hold_through_a_change),
		cmocka_unit_test(a_limit_set_later_bites),
		cmocka_unit_test(an_unlimited_time_earns_no_credit),
		cmocka_unit_test(an_unlimited_lease_brings_back_no_credit),
		cmocka_unit_test(only_what_is_limited_is_refused),
		cmocka_unit_test(the_slowest_rate_is_one_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
