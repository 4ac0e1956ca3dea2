/* SPDX-License-Identifier: MIT */
/*
 * What time does to a limit: when the next refill succeeds, that nothing is lost
 * to roundings, and clocks that go backwards, leap, or reach their end.
 */
#include <errno.h>

#include "unit/limit/support.h"

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
		cmocka_unit_test(a_retry_time_is_rounded_up),
		cmocka_unit_test(roundings_do_not_add_up),
		cmocka_unit_test(an_idle_limit_saves_up_one_burst),
		cmocka_unit_test(an_earlier_time_is_taken_as_the_latest_seen),
		cmocka_unit_test(a_leap_to_the_end_of_time_earns_one_burst),
		cmocka_unit_test(a_long_idle_time_earns_one_burst),
		cmocka_unit_test(a_limit_may_begin_at_any_time),
		cmocka_unit_test(a_retry_time_after_the_end_of_time_is_its_end),
		cmocka_unit_test(the_slowest_rate_is_one_a_second),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
