/* SPDX-License-Identifier: MIT */
/*
 * What a change of a limit in use keeps and what it cuts: credit, debt and what
 * leases hold, from a limit to another, to none and back.
 */
#include "unit/limit/support.h"

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_change_keeps_credit),
		cmocka_unit_test(a_smaller_burst_cuts_credit_for_good),
		cmocka_unit_test(
			a_change_at_an_earlier_time_happens_at_the_latest_seen),
		cmocka_unit_test(leases_keep_what_they_hold_through_a_change),
		cmocka_unit_test(a_limit_set_later_bites),
		cmocka_unit_test(an_unlimited_time_earns_no_credit),
		cmocka_unit_test(an_unlimited_lease_brings_back_no_credit),
		cmocka_unit_test(changes_do_not_round_either),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
