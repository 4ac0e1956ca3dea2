/* SPDX-License-Identifier: MIT */
/*
 * One lease and one limit at one time: what a take, a refill, a refund and a
 * detach do, and what is refused.
 */
#include <errno.h>
#include <string.h>

#include "unit/limit/support.h"

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
static void
expect_later_of_both(uint64_t bytes_per_sec, uint64_t ops_per_sec, uint64_t retry_at_ns)
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
		cmocka_unit_test(a_refund_goes_to_the_lease),
		cmocka_unit_test(a_refund_never_overflows),
		cmocka_unit_test(detaching_gives_back_what_the_lease_holds),
		cmocka_unit_test(detaching_gives_back_one_burst_at_most),
		cmocka_unit_test(only_what_is_limited_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
