/* SPDX-License-Identifier: MIT */
/*
 * Making, changing, counting and destroying limits: what is refused, by which
 * name, and that a refusal changes nothing.
 */
#include <errno.h>
#include <string.h>

#include <vio/ctx.h>

#include "fake/fault.h"
#include "unit/limit/support.h"

static void
expect_refused(const struct vio_limit_params *params, int code, const char *field)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit = (struct vio_limit *)&err;

	assert_int_equal(vio_limit_create(NULL, params, 0, &limit, &err), code);
	assert_ptr_equal(limit, &err);
	assert_int_equal(err.code, code);
	if (!strstr(err.text, field))
		fail_msg("\"%s\" does not name %s", err.text, field);
}

static void a_rate_over_the_maximum_is_refused_by_name(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.bytes_per_sec = VIO_LIMIT_RATE_MAX + 1;
	expect_refused(&params, -EINVAL, "bytes_per_sec:");
	params.bytes_per_sec = 0;
	params.ops_per_sec = UINT64_MAX;
	expect_refused(&params, -EINVAL, "ops_per_sec:");
}

static void the_highest_rate_is_accepted(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.bytes_per_sec = VIO_LIMIT_RATE_MAX;
	params.ops_per_sec = VIO_LIMIT_RATE_MAX;
	limit_destroy(limit_create(&params, 0));
}

static void a_burst_over_its_maximum_is_refused_by_name(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.burst_bytes = (UINT64_C(1) << 40) + 1;
	expect_refused(&params, -EINVAL, "burst_bytes:");
	params.burst_bytes = UINT64_C(1) << 40;
	params.burst_ops = UINT64_MAX;
	expect_refused(&params, -EINVAL, "burst_ops:");
}

static void a_quantum_over_the_burst_is_refused_by_name(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.bytes_per_sec = 1000;
	params.burst_bytes = 4096;
	params.quantum_bytes = 4097;
	expect_refused(&params, -EINVAL, "quantum_bytes:");
	params.quantum_bytes = 4096;
	params.ops_per_sec = 1000;
	params.burst_ops = 10;
	params.quantum_ops = 11;
	expect_refused(&params, -EINVAL, "quantum_ops:");
}

static void a_quantum_over_the_default_burst_is_refused_by_name(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.ops_per_sec = 1000;
	params.quantum_ops = 101;
	expect_refused(&params, -EINVAL, "quantum_ops:");
}

static void a_quantum_of_what_is_unlimited_needs_no_burst(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.quantum_ops = 64;
	limit_destroy(limit_create(&params, 0));
}

static void an_unknown_flag_is_refused_by_name(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	params.flags = 1u << 31;
	expect_refused(&params, -EINVAL, "flags:");
}

static void params_that_are_missing_or_short_are_refused(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	(void)state;
	expect_refused(NULL, -EINVAL, "size:");
	params.size--;
	expect_refused(&params, -EINVAL, "size:");
}

struct newer_params {
	struct vio_limit_params known;
	uint64_t unknown;
};

static void a_field_of_a_newer_program_is_accepted_if_zero(void **state)
{
	struct newer_params newer = { VIO_LIMIT_PARAMS_INIT, 0 };

	(void)state;
	newer.known.size = sizeof(newer);
	limit_destroy(limit_create(&newer.known, 0));
}

static void a_field_of_a_newer_program_is_refused_if_set(void **state)
{
	struct newer_params newer = { VIO_LIMIT_PARAMS_INIT, 1 };

	(void)state;
	newer.known.size = sizeof(newer);
	expect_refused(&newer.known, -E2BIG, "size:");
}

static void errors_need_no_place_to_go(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = NULL;

	(void)state;
	params.flags = 1;
	assert_int_equal(vio_limit_create(NULL, &params, 0, &limit, NULL), -EINVAL);
}

static void *alloc_nothing(void *opaque, size_t size_bytes, size_t align)
{
	(void)size_bytes;
	(void)align;
	++*(int *)opaque;
	return NULL;
}

static void a_limit_without_memory_is_refused(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_limit *limit = NULL;
	uint32_t n_users = 0;
	int n_asked = 0;
	struct vio_env env = {
		.alloc = { .alloc = alloc_nothing, .opaque = &n_asked },
		.n_users = &n_users,
	};

	(void)state;
	assert_int_equal(
		vio_limit_create((struct vio_ctx *)&env, &params, 0, &limit, &err),
		-ENOMEM);
	assert_null(limit);
	assert_int_equal(n_asked, 1);
	assert_int_equal(n_users, 0);
}

static int create_on_a_context(struct vio_fault *fault, void *opaque)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = VIO_FAULT_UNTOUCHED;
	struct vio_ctx *ctx;
	int ret;

	ret = vio_fault_create_ctx(fault, 0, &ctx);
	if (ret < 0)
		return ret;
	ret = vio_limit_create(ctx, &params, 0, &limit, NULL);
	if (ret < 0) {
		assert_ptr_equal(limit, VIO_FAULT_UNTOUCHED);
		++*(int *)opaque;
	} else {
		assert_int_equal(vio_ctx_destroy(ctx, NULL), -EBUSY);
		limit_destroy(limit);
	}
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static void each_failing_allocation_leaves_nothing_behind(void **state)
{
	int n_refused = 0;

	(void)state;
	vio_fault_run_allocs(create_on_a_context, &n_refused);
	assert_int_equal(n_refused, 2); /* the tree and the limit */
}

static void a_limit_keeps_its_context_in_use(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_env env = vio_env_default;
	struct vio_limit *limit;
	uint32_t n_users = 0;

	(void)state;
	env.n_users = &n_users;
	assert_int_equal(
		vio_limit_create((struct vio_ctx *)&env, &params, 0, &limit, NULL), 0);
	assert_int_equal(n_users, 1);
	limit_destroy(limit);
	assert_int_equal(n_users, 0);
}

static void a_default_burst_is_100_ms(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.bytes_per_sec = 100 << 20;
	params.ops_per_sec = 1000;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, (10 << 20) + 1, 0, &retry),
			 -EMSGSIZE);
	assert_int_equal(vio_lease_refill(&lease, 0, 0, 101, &retry), -EMSGSIZE);
	assert_int_equal(vio_lease_refill(&lease, 0, 10 << 20, 100, &retry), 0);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_default_burst_of_a_low_rate_has_a_floor(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.bytes_per_sec = 1;
	params.ops_per_sec = 1;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 1 << 20, 1, &retry), 0);
	assert_int_equal(lease.bytes, 1 << 20);
	assert_int_equal(lease.ops, 1);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_default_quantum_is_a_sixteenth_of_the_burst(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.bytes_per_sec = 1000;
	params.burst_bytes = 160000;
	params.ops_per_sec = 1000;
	params.burst_ops = 320;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 5, 5, &retry), 0);
	assert_int_equal(lease.bytes, 5 + 10000);
	assert_int_equal(lease.ops, 5 + 20);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void a_default_quantum_has_a_ceiling(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;
	struct vio_lease lease;
	uint64_t retry;

	(void)state;
	params.bytes_per_sec = VIO_LIMIT_RATE_MAX;
	params.ops_per_sec = VIO_LIMIT_RATE_MAX;
	limit = limit_create(&params, 0);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 1, 1, &retry), 0);
	assert_int_equal(lease.bytes, 1 + (256 << 10));
	assert_int_equal(lease.ops, 1 + 64);
	vio_lease_detach(&lease);
	limit_destroy(limit);
}

static void statistics_count_what_was_handed_out(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_lease lease;
	struct vio_limit_stats stats;
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 999, 7, &retry), 0);
	assert_int_equal(vio_lease_take(&lease, 999, 7), 0);
	assert_int_equal(vio_lease_refill(&lease, 0, 5, 0, &retry), -EAGAIN);
	stats = limit_read(limit);
	assert_int_equal(stats.size, sizeof(stats));
	assert_int_equal(stats.bytes, 1000);
	assert_int_equal(stats.ops, 7 + 256);
	assert_int_equal(stats.refused, 1);
	assert_int_equal(stats.n_leases, 1);
	vio_lease_detach(&lease);

	stats = limit_read(limit);
	assert_int_equal(stats.bytes, 999);
	assert_int_equal(stats.ops, 7);
	assert_int_equal(stats.n_leases, 0);
	limit_destroy(limit);
}

static void statistics_need_a_struct_of_full_size(void **state)
{
	struct vio_limit_stats stats = VIO_LIMIT_STATS_INIT;
	struct vio_limit *limit = limit_unlimited();

	(void)state;
	stats.size--;
	assert_int_equal(vio_limit_read_stats(limit, &stats), -EINVAL);
	assert_int_equal(vio_limit_read_stats(limit, NULL), -EINVAL);
	limit_destroy(limit);
}

static void a_lease_whose_limit_is_destroyed_is_refused_more(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_lease lease, other = { 0 };
	uint64_t retry;

	(void)state;
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&lease, 0, 100, 0, &retry), 0);
	limit_destroy(limit);
	assert_int_equal(vio_lease_take(&lease, 100, 0), 0);
	assert_int_equal(vio_lease_refill(&lease, SEC, 100, 0, &retry), -ESTALE);
	assert_int_equal(vio_lease_attach(&other, lease.limit), -ESTALE);
	vio_lease_detach(&lease);
}

static void destroying_nothing_succeeds(void **state)
{
	(void)state;
	assert_int_equal(vio_limit_destroy(NULL), 0);
}

static void a_refused_configuration_changes_nothing(void **state)
{
	struct vio_limit_params params = bytes_params(5, 500);
	struct vio_limit *limit = limit_of_bytes(10, 1000);
	struct vio_error err = VIO_ERROR_INIT;

	(void)state;
	params.ops_per_sec = VIO_LIMIT_RATE_MAX + 1;
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), -EINVAL);
	assert_memory_equal(err.text, "limit: ops_per_sec:", 12);
	params.size = 4;
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), -EINVAL);
	params.size = 100000;
	assert_int_equal(vio_limit_configure(limit, &params, 0, &err), -E2BIG);
	assert_int_equal(limit_drain(limit, 0), 1000);
	assert_int_equal(limit_drain(limit, 10 * SEC), 100);
	limit_destroy(limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_over_the_maximum_is_refused_by_name),
		cmocka_unit_test(the_highest_rate_is_accepted),
		cmocka_unit_test(a_burst_over_its_maximum_is_refused_by_name),
		cmocka_unit_test(a_quantum_over_the_burst_is_refused_by_name),
		cmocka_unit_test(a_quantum_over_the_default_burst_is_refused_by_name),
		cmocka_unit_test(a_quantum_of_what_is_unlimited_needs_no_burst),
		cmocka_unit_test(an_unknown_flag_is_refused_by_name),
		cmocka_unit_test(params_that_are_missing_or_short_are_refused),
		cmocka_unit_test(a_field_of_a_newer_program_is_accepted_if_zero),
		cmocka_unit_test(a_field_of_a_newer_program_is_refused_if_set),
		cmocka_unit_test(errors_need_no_place_to_go),
		cmocka_unit_test(a_limit_without_memory_is_refused),
		cmocka_unit_test(each_failing_allocation_leaves_nothing_behind),
		cmocka_unit_test(a_limit_keeps_its_context_in_use),
		cmocka_unit_test(a_default_burst_is_100_ms),
		cmocka_unit_test(a_default_burst_of_a_low_rate_has_a_floor),
		cmocka_unit_test(a_default_quantum_is_a_sixteenth_of_the_burst),
		cmocka_unit_test(a_default_quantum_has_a_ceiling),
		cmocka_unit_test(statistics_count_what_was_handed_out),
		cmocka_unit_test(statistics_need_a_struct_of_full_size),
		cmocka_unit_test(a_lease_whose_limit_is_destroyed_is_refused_more),
		cmocka_unit_test(destroying_nothing_succeeds),
		cmocka_unit_test(a_refused_configuration_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
