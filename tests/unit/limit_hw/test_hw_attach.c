/* SPDX-License-Identifier: MIT */
/*
 * What a back end is given of a limit, and what becomes of both when it says no, says
 * yes and does nothing, or when the limit changes.
 */
#include "limit/node.h"
#include "unit/limit_hw/rates_scene.h"

static struct vio_limit_hw *create_port(void)
{
	struct vio_limit_hw *hw = create_hw(port_params());

	fake_rates.n_sets = 0;
	return hw;
}

static void end(struct vio_limit_hw *hw, struct vio_limit *limit)
{
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static struct vio_limit *create_weighted(uint64_t bytes, uint32_t weight)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;

	params.bytes_per_sec = bytes;
	params.weight = weight;
	assert_int_equal(vio_limit_create(NULL, &params, 0, &limit, NULL), 0);
	return limit;
}

static void change(struct vio_limit *limit, uint64_t bytes)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = bytes;
	assert_int_equal(vio_limit_configure(limit, &params, 0, NULL), 0);
}

/* Every limit has a weight: it goes to the back end on request. */
static void a_port_function_holds_rates_and_weight(void **state)
{
	struct vio_limit *limit = create_weighted(8 * MBPS, 70);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(scene.report.set, CEILING);
	assert_int_equal(attach_hw(hw, limit, WEIGHT), 0);
	assert_int_equal(scene.report.set, CEILING | WEIGHT);
	assert_int_equal(scene.report.weight, 70);
	assert_int_equal(fake_rates.rates[0].max, 8 * MBPS);
	assert_int_equal(fake_rates.rates[0].weight, 70);
	end(hw, limit);
	assert_int_equal(fake_rates.rates[0].max + fake_rates.rates[0].weight, 0);
}

static void a_port_is_put_below_its_node_and_back(void **state)
{
	struct vio_limit_hw_params params = port_params();
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.rates[1] = (struct fake_rate){ .is_there = 1, .node = "old" };
	fake_rates.rates[2] = (struct fake_rate){ .is_there = 1, .node = "gold" };
	strcpy(fake_rates.rates[0].parent, "old");
	params.parent = "gold";
	hw = create_hw(params);
	assert_string_equal(fake_rates.rates[0].parent, "old");
	assert_int_equal(attach_hw(hw, limit, PARENT), 0);
	assert_string_equal(fake_rates.rates[0].parent, "gold");
	assert_int_equal(detach_hw(hw), 0);
	assert_string_equal(fake_rates.rates[0].parent, "old");
	end(hw, limit);
}

static void what_it_lacks_is_told_before_anything_is_set(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 100, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, OPS), -EOPNOTSUPP);
	assert_non_null(strstr(scene.err.text, "ops_per_sec"));
	assert_int_equal(fake_rates.n_sets, 0);
	assert_int_equal(scene.report.set, 0);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.left, OPS);
	end(hw, limit);
}

static void a_rate_below_the_least_is_not_rounded_to_none(void **state)
{
	struct vio_limit *limit = create_limit(MBPS - 1, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING), -ERANGE);
	assert_non_null(strstr(scene.err.text, "bytes_per_sec"));
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(scene.report.set, 0);
	assert_int_equal(scene.report.left, CEILING);
	assert_int_equal(fake_rates.n_sets, 0);
	end(hw, limit);
}

static void rates_that_cross_once_rounded_are_refused(void **state)
{
	struct vio_limit *limit = create_limit(2 * MBPS - 1, 0, 2 * MBPS - 1);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, ASSURED), -ERANGE);
	assert_non_null(strstr(scene.err.text, "over the ceiling"));
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.set, CEILING);
	assert_int_equal(scene.report.left, ASSURED);
	assert_int_equal(scene.report.held, 0);
	end(hw, limit);
}

static void what_the_limit_does_not_limit_is_left_as_it_is(void **state)
{
	struct vio_limit *limit = create_limit(0, 0, MBPS);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	fake_rates.rates[0].max = 77 * MBPS;
	assert_int_equal(attach_hw(hw, limit, CEILING), -EINVAL);
	assert_non_null(strstr(scene.err.text, "bytes_per_sec"));
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(fake_rates.rates[0].max, 77 * MBPS);
	end(hw, limit);
}

static void a_refusal_leaves_all_as_it_was(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	fake_rates.rates[0].max = 3 * MBPS;
	fake_rates.fail_at = 1;
	fake_rates.fail_code = -EINVAL;
	assert_int_equal(attach_hw(hw, limit, CEILING), -EINVAL);
	assert_non_null(strstr(scene.err.text, "setting"));
	assert_int_equal(fake_rates.rates[0].max, 3 * MBPS);
	assert_int_equal(detach_hw(hw), -EINVAL);
	end(hw, limit);
}

static void a_refusal_that_has_no_name_is_told_in_words(void **state)
{
	static const struct {
		int code;
		char words[24];
	} refusals[] = { { -524, "not supported" }, { -4095, "without a name" } };
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		fake_rates.fail_at = fake_rates.n_sets + 1;
		fake_rates.fail_code = refusals[i].code;
		assert_int_equal(attach_hw(hw, limit, CEILING), refusals[i].code);
		assert_non_null(strstr(scene.err.text, refusals[i].words));
	}
	end(hw, limit);
}

/* The kernel sets one after the other, and stops where it fails. */
static void a_refusal_half_way_is_put_back(void **state)
{
	struct vio_limit_hw_params params = port_params();
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw;

	(void)state;
	params.parent = "nobody";
	hw = create_hw(params);
	assert_int_equal(attach_hw(hw, limit, CEILING), -ENODEV);
	assert_int_equal(fake_rates.rates[0].max, 0);
	end(hw, limit);
}

static void a_yes_that_does_nothing_is_found_out(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	fake_rates.idle_at = 1;
	assert_int_equal(attach_hw(hw, limit, CEILING), -EIO);
	assert_non_null(strstr(scene.err.text, "reading back"));
	assert_int_equal(scene.report.set, 0);
	end(hw, limit);
}

static void a_yes_of_the_kernel_that_does_nothing_is_found_out(void **state)
{
	struct vio_limit *limit = create_limit(0, 50, 0);
	struct vio_limit_hw *hw = create_hw(cgroup_params());

	(void)state;
	fake_rates.idle_at = fake_rates.n_sets + 1;
	assert_int_equal(attach_hw(hw, limit, OPS), -EIO);
	end(hw, limit);
}

static void what_could_not_be_put_back_is_told(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	fake_rates.rates[0].max = 3 * MBPS;
	fake_rates.fail_read_at = fake_rates.n_reads + 2;
	fake_rates.fail_read_code = -EPERM;
	fake_rates.fail_at = 2;
	fake_rates.fail_code = -EBUSY;
	assert_int_equal(attach_hw(hw, limit, CEILING), -EPERM);
	assert_non_null(strstr(scene.err.text, "then putting back"));
	assert_int_equal(fake_rates.rates[0].max, 8 * MBPS);
	end(hw, limit);
}

static void a_first_read_that_fails_sets_nothing(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	fake_rates.fail_read_at = fake_rates.n_reads + 1;
	fake_rates.fail_read_code = -EPERM;
	assert_int_equal(attach_hw(hw, limit, CEILING), -EPERM);
	assert_int_equal(fake_rates.n_sets, 0);
	end(hw, limit);
}

/* The bits of lib/limit/node.h. */
static void a_change_is_brought_to_the_back_end_by_attaching_again(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 2 * MBPS);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	fake_rates.rates[0].share = MBPS;
	assert_int_equal(attach_hw(hw, limit, CEILING | ASSURED), 0);
	assert_int_equal(fake_rates.rates[0].share, 2 * MBPS);
	change(limit, 5 * MBPS);
	assert_int_equal(limit->offload, 0);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(limit->offload, 1u << VIO_NODE_BYTES);
	assert_int_equal(fake_rates.rates[0].max, 5 * MBPS);
	/* The limit has no assured rate any more: what was before is. */
	assert_int_equal(fake_rates.rates[0].share, MBPS);
	end(hw, limit);
	assert_int_equal(fake_rates.rates[0].max, 0);
	assert_int_equal(fake_rates.rates[0].share, MBPS);
}

static void a_change_that_is_refused_leaves_the_one_before(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	change(limit, 5 * MBPS);
	fake_rates.fail_at = fake_rates.n_sets + 1;
	fake_rates.fail_code = -EBUSY;
	assert_int_equal(attach_hw(hw, limit, CEILING), -EBUSY);
	assert_int_equal(fake_rates.rates[0].max, 8 * MBPS);
	assert_int_equal(limit->offload, 0);
	/* It is attached all the same. */
	assert_int_equal(detach_hw(hw), 0);
	assert_int_equal(fake_rates.rates[0].max, 0);
	end(hw, limit);
}

static void a_restore_that_fails_detaches_all_the_same(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	fake_rates.fail_at = fake_rates.n_sets + 1;
	fake_rates.fail_code = -EBUSY;
	assert_int_equal(detach_hw(hw), -EBUSY);
	assert_non_null(strstr(scene.err.text, "restoring"));
	assert_int_equal(limit->offload, 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
	assert_int_equal(detach_hw(hw), -EINVAL);
	assert_int_equal(close_hw(hw), 0);
}

static void a_node_goes_even_if_its_rates_cannot_be_restored(void **state)
{
	struct vio_limit_hw_params params = port_params();
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw;

	(void)state;
	params.node = "gold";
	params.flags = VIO_LIMIT_HW_CREATE;
	hw = create_hw(params);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	fake_rates.fail_at = fake_rates.n_sets + 1;
	fake_rates.fail_code = -EBUSY;
	assert_int_equal(close_hw(hw), -EBUSY);
	assert_false(fake_rates.rates[1].is_there);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void without_a_way_to_wait_nothing_is_asked_for(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *port = create_port();
	struct vio_limit_hw *disk = create_hw(cgroup_params());

	(void)state;
	scene_stop_lending();
	assert_int_equal(attach_hw(port, limit, 0), -EOPNOTSUPP);
	assert_int_equal(attach_hw(disk, limit, 0), -EOPNOTSUPP);
	assert_int_equal(close_hw(disk), 0);
	end(port, limit);
}

/* A limit without operations any more, and a weight that is not asked for. */
static void what_is_not_attached_again_is_as_before(void **state)
{
	struct vio_limit *limit = create_limit(1000, 50, 0);
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.io[2] = 9;
	hw = create_hw(cgroup_params());
	assert_int_equal(attach_hw(hw, limit, OPS), 0);
	assert_int_equal(fake_rates.io[2], 50);
	change(limit, 2000);
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(fake_rates.io[0], 2000);
	assert_int_equal(fake_rates.io[2], 9);
	change(limit, 0);
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(fake_rates.io[0], 0);
	assert_int_equal(close_hw(hw), 0);
	fake_rates.rates[0].weight = 7;
	hw = create_port();
	change(limit, 3 * MBPS);
	assert_int_equal(attach_hw(hw, limit, WEIGHT), 0);
	assert_int_equal(fake_rates.rates[0].weight, 100);
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(fake_rates.rates[0].weight, 7);
	end(hw, limit);
}

static void a_second_limit_is_refused(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit *second = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(attach_hw(hw, limit, 0), 0);
	assert_int_equal(attach_hw(hw, second, 0), -EBUSY);
	assert_int_equal(vio_limit_destroy(second), 0);
	end(hw, limit);
}

static void one_operation_at_a_time(void **state)
{
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();

	(void)state;
	assert_int_equal(
		vio_limit_hw_attach(hw, limit, 0, NULL, scene_told, &scene, NULL), 0);
	assert_int_equal(attach_hw(hw, limit, 0), -EBUSY);
	assert_int_equal(detach_hw(hw), -EBUSY);
	assert_int_equal(close_hw(hw), -EBUSY);
	assert_int_equal(vio_ctx_destroy(scene.ctx, NULL), -EBUSY);
	assert_int_equal(scene_wait(0), 0);
	end(hw, limit);
}

static void arguments_are_checked(void **state)
{
	struct vio_limit_hw_caps caps = VIO_LIMIT_HW_CAPS_INIT;
	struct vio_limit *limit = create_limit(8 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_port();
	struct vio_limit_hw_report report = VIO_LIMIT_HW_REPORT_INIT;

	(void)state;
	assert_int_equal(attach_hw(hw, limit, 1u << 31), -EINVAL);
	report.size = 8;
	assert_int_equal(vio_limit_hw_attach(hw, limit, 0, &report, scene_told, &scene,
					     &scene.err),
			 -EINVAL);
	caps.size = 8;
	assert_int_equal(vio_limit_hw_read_caps(hw, &caps), -EINVAL);
	assert_int_equal(vio_limit_hw_read_caps(hw, NULL), -EINVAL);
	end(hw, limit);
}

static void a_disk_is_limited_in_one_way_or_each(void **state)
{
	struct vio_limit_hw_params params = cgroup_params();
	struct vio_limit *limit = create_limit(1000, 50, 0);
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.io[1] = 9;
	hw = create_hw(params);
	assert_int_equal(attach_hw(hw, limit, CEILING | OPS), 0);
	assert_int_equal(scene.report.held, CEILING | OPS);
	assert_int_equal(scene.report.ops_per_sec, 50);
	assert_int_equal(limit->offload, 3);
	assert_int_equal(fake_rates.io[0], 1000);
	assert_int_equal(fake_rates.io[1], 9);
	assert_int_equal(fake_rates.io[2], 50);
	assert_int_equal(close_hw(hw), 0);
	params.flags = VIO_LIMIT_HW_READS | VIO_LIMIT_HW_WRITES;
	hw = create_hw(params);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.set, CEILING | OPS);
	assert_int_equal(scene.report.held, 0);
	assert_int_equal(limit->offload, 0);
	assert_int_equal(fake_rates.io[1], 1000);
	assert_int_equal(fake_rates.io[3], 50);
	end(hw, limit);
	assert_int_equal(fake_rates.io[0] + fake_rates.io[2] + fake_rates.io[3], 0);
	assert_int_equal(fake_rates.io[1], 9);
}

static void only_writes_are_limited_where_only_they_are_meant(void **state)
{
	struct vio_limit_hw_params params = cgroup_params();
	struct vio_limit *limit = create_limit(1000, 0, 0);
	struct vio_limit_hw *hw;

	(void)state;
	params.flags = VIO_LIMIT_HW_WRITES;
	hw = create_hw(params);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.bytes_per_sec, 1000);
	assert_int_equal(fake_rates.io[0], 0);
	assert_int_equal(fake_rates.io[1], 1000);
	end(hw, limit);
}

static int use_in_child(void *opaque)
{
	const struct vio_limit_hw_params params = cgroup_params();
	struct vio_limit_hw *hw = opaque, *other;

	if (vio_limit_hw_close(hw, scene_told, &scene, NULL) != -ECHILD)
		return 1;
	if (vio_limit_hw_attach(hw, NULL, 0, NULL, scene_told, &scene, NULL) != -ECHILD)
		return 2;
	if (vio_limit_hw_detach(hw, scene_told, &scene, NULL) != -ECHILD)
		return 3;
	if (vio_limit_hw_open(scene.ctx, &params, &other, scene_told, &scene, NULL) !=
	    -ECHILD)
		return 4;
	return 0;
}

static void a_forked_child_touches_nothing(void **state)
{
	struct vio_limit_hw *hw = create_hw(cgroup_params());

	(void)state;
	assert_int_equal(vio_test_fork(use_in_child, hw), 0);
	assert_int_equal(close_hw(hw), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_port_function_holds_rates_and_weight),
		TEST(a_port_is_put_below_its_node_and_back),
		TEST(what_it_lacks_is_told_before_anything_is_set),
		TEST(a_rate_below_the_least_is_not_rounded_to_none),
		TEST(rates_that_cross_once_rounded_are_refused),
		TEST(what_the_limit_does_not_limit_is_left_as_it_is),
		TEST(a_refusal_leaves_all_as_it_was),
		TEST(a_refusal_that_has_no_name_is_told_in_words),
		TEST(a_refusal_half_way_is_put_back),
		TEST(a_yes_that_does_nothing_is_found_out),
		TEST(a_yes_of_the_kernel_that_does_nothing_is_found_out),
		TEST(what_could_not_be_put_back_is_told),
		TEST(a_first_read_that_fails_sets_nothing),
		TEST(a_change_is_brought_to_the_back_end_by_attaching_again),
		TEST(a_change_that_is_refused_leaves_the_one_before),
		TEST(a_restore_that_fails_detaches_all_the_same),
		TEST(a_node_goes_even_if_its_rates_cannot_be_restored),
		TEST(without_a_way_to_wait_nothing_is_asked_for),
		TEST(what_is_not_attached_again_is_as_before),
		TEST(a_second_limit_is_refused),
		TEST(one_operation_at_a_time),
		TEST(arguments_are_checked),
		TEST(a_disk_is_limited_in_one_way_or_each),
		TEST(only_writes_are_limited_where_only_they_are_meant),
		TEST(a_forked_child_touches_nothing),
	};

	return cmocka_run_group_tests_name("hw_attach", tests, NULL, NULL);
}
