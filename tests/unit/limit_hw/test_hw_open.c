/* SPDX-License-Identifier: MIT */
/* What opening finds out and refuses; it leaves nothing behind. */
#include "unit/limit_hw/rates_scene.h"

static int opens(struct vio_limit_hw_params params)
{
	struct vio_limit_hw *hw;

	return open_hw(&params, &hw);
}

/* Refused at once: nothing was asked of the kernel. */
static void refuses(struct vio_limit_hw_params params, int code, const char *word)
{
	struct vio_limit_hw *hw = VIO_FAULT_UNTOUCHED;

	scene.err = (struct vio_error)VIO_ERROR_INIT;
	assert_int_equal(vio_limit_hw_open(scene.ctx, &params, &hw, scene_told, &scene,
					   &scene.err),
			 code);
	assert_ptr_equal(hw, VIO_FAULT_UNTOUCHED);
	assert_non_null(strstr(scene.err.text, word));
	assert_int_equal(fake_rates.n_sets + fake_rates.n_reads, 0);
}

static void a_pf_without_an_interface_is_told(void **state)
{
	(void)state;
	vio_fake_remove(scene.fake, VIO_FAKE_PCI_ROOT "/bus/pci/devices/" PF "/net");
	refuses(vf_params(), -EOPNOTSUPP, "network interface");
	vio_fake_remove(scene.fake, VIO_FAKE_PCI_ROOT "/bus/pci/devices/" PF);
	refuses(vf_params(), -ENODEV, "network interface");
}

static void a_port_function_tells_what_its_driver_can(void **state)
{
	struct vio_limit_hw *hw = create_hw(port_params());

	(void)state;
	assert_int_equal(scene.caps.fields, CEILING | ASSURED | WEIGHT | PARENT);
	assert_int_equal(scene.caps.bytes_most, VIO_LIMIT_RATE_MAX);
	assert_int_equal(close_hw(hw), 0);
	fake_rates.can &= ~(FAKE_RATES_TX_WEIGHT | FAKE_RATES_TX_SHARE);
	hw = create_hw(port_params());
	assert_int_equal(scene.caps.fields, CEILING | PARENT);
	assert_int_equal(close_hw(hw), 0);
}

static void values_that_are_there_need_no_trial(void **state)
{
	struct vio_limit_hw_params params = port_params();

	(void)state;
	fake_rates.rates[1] = (struct fake_rate){ .is_there = 1, .node = "old" };
	fake_rates.rates[0] = (struct fake_rate){
		.is_there = 1, .share = MBPS, .weight = 7, .parent = "old"
	};
	params.flags = VIO_LIMIT_HW_NO_TRIALS;
	assert_int_equal(close_hw(create_hw(params)), 0);
	assert_int_equal(scene.caps.fields, ASSURED | WEIGHT | PARENT);
	assert_int_equal(scene.caps.untried, CEILING);
	assert_int_equal(fake_rates.n_sets, 0);
}

static void a_kernel_without_devlink_is_told(void **state)
{
	(void)state;
	fake_rates.can &= ~FAKE_RATES_DEVLINK;
	assert_int_equal(opens(port_params()), -EOPNOTSUPP);
}

static void a_port_that_is_not_there_is_told(void **state)
{
	struct vio_limit_hw_params params = port_params();

	(void)state;
	params.port++;
	assert_int_equal(opens(params), -ENODEV);
}

static void a_node_is_made_and_goes(void **state)
{
	struct vio_limit_hw_params params = port_params();
	struct vio_limit_hw *hw;

	(void)state;
	params.node = "gold";
	assert_int_equal(opens(params), -ENODEV);
	params.flags = VIO_LIMIT_HW_CREATE;
	hw = create_hw(params);
	assert_true(fake_rates.rates[1].is_there);
	assert_string_equal(fake_rates.rates[1].node, "gold");
	assert_int_equal(opens(params), -EEXIST);
	assert_true(fake_rates.rates[1].is_there);
	assert_int_equal(close_hw(hw), 0);
	assert_false(fake_rates.rates[1].is_there);
}

static void a_node_that_was_there_stays(void **state)
{
	struct vio_limit_hw_params params = port_params();

	(void)state;
	fake_rates.rates[2] = (struct fake_rate){ .is_there = 1, .node = "old" };
	params.node = "old";
	assert_int_equal(close_hw(create_hw(params)), 0);
	assert_true(fake_rates.rates[2].is_there);
}

static void a_node_goes_if_its_opening_fails(void **state)
{
	struct vio_limit_hw_params params = port_params();

	(void)state;
	params.node = "gold";
	params.flags = VIO_LIMIT_HW_CREATE;
	fake_rates.fail_at = 2;
	fake_rates.fail_code = -EIO;
	assert_int_equal(opens(params), -EIO);
	assert_false(fake_rates.rates[1].is_there);
}

static void an_answer_that_is_nonsense_is_told(void **state)
{
	(void)state;
	fake_rates.fail_read_at = 1;
	assert_int_equal(opens(port_params()), -EBADMSG);
}

static void a_cgroup_tells_both_ceilings(void **state)
{
	struct vio_limit_hw *hw = create_hw(cgroup_params());

	(void)state;
	assert_int_equal(scene.caps.fields, CEILING | OPS);
	assert_int_equal(scene.caps.is_each_way, 0);
	assert_int_equal(scene.caps.bytes_least, 2);
	assert_int_equal(scene.caps.bytes_step, 1);
	assert_int_equal(scene.caps.ops_least, 2);
	assert_int_equal(scene.caps.ops_most, UINT32_MAX - 1u);
	assert_int_equal(close_hw(hw), 0);
}

/* The kernel writes lines for those alone that have a limit: is there such a disk? */
static void a_disk_without_a_line_is_untried(void **state)
{
	static const char *const texts[] = { "", "8:160 rbps=5\n8:1 rbps=7\n" };
	struct vio_limit_hw_params params = cgroup_params();

	(void)state;
	params.flags |= VIO_LIMIT_HW_NO_TRIALS;
	for (size_t i = 0; i < 2; i++) {
		fake_rates.io_text = texts[i];
		assert_int_equal(close_hw(create_hw(params)), 0);
		assert_int_equal(scene.caps.fields, 0);
		assert_int_equal(scene.caps.untried, CEILING | OPS);
	}
	assert_int_equal(fake_rates.n_sets, 0);
	/* A trial tells. */
	assert_int_equal(close_hw(create_hw(cgroup_params())), 0);
	assert_int_equal(scene.caps.fields, CEILING | OPS);
	assert_int_equal(scene.caps.untried, 0);
}

static void a_disk_with_a_line_is_certain_without_trials(void **state)
{
	struct vio_limit_hw_params params = cgroup_params();
	struct vio_limit_hw *hw;

	(void)state;
	params.flags |= VIO_LIMIT_HW_NO_TRIALS | VIO_LIMIT_HW_WRITES;
	hw = create_hw(params);
	assert_int_equal(scene.caps.fields, CEILING | OPS);
	assert_int_equal(scene.caps.untried, 0);
	assert_int_equal(scene.caps.is_each_way, 1);
	assert_int_equal(fake_rates.n_sets, 0);
	assert_int_equal(close_hw(hw), 0);
}

static void a_cgroup_without_the_file_is_told(void **state)
{
	struct vio_limit_hw_params params = cgroup_params();

	(void)state;
	params.cgroup = "/cgroup/other";
	assert_int_equal(opens(params), -EOPNOTSUPP);
	params = cgroup_params();
	params.minor++;
	assert_int_equal(opens(params), -ENODEV);
}

static void a_cgroup_file_that_is_broken_is_told(void **state)
{
	(void)state;
	fake_rates.io_text = "8:16 rbps=x\n";
	assert_int_equal(opens(cgroup_params()), -EBADMSG);
	fake_rates.fail_read_at = fake_rates.n_reads + 1;
	fake_rates.fail_read_code = -EIO;
	assert_int_equal(opens(cgroup_params()), -EIO);
}

static void fields_out_of_range_are_named(void **state)
{
	static char long_name[8192];
	struct vio_limit_hw_params params = cgroup_params();

	(void)state;
	memset(long_name, 'x', sizeof(long_name) - 1);
	params.flags = 0;
	refuses(params, -EINVAL, "flags");
	params.flags = VIO_LIMIT_HW_READS | VIO_LIMIT_HW_CREATE;
	refuses(params, -EINVAL, "flags");
	params = cgroup_params();
	params.cgroup = NULL;
	refuses(params, -EINVAL, "cgroup");
	params.cgroup = long_name;
	refuses(params, -EINVAL, "cgroup");
	params = cgroup_params();
	params.minor = 1048576;
	refuses(params, -EINVAL, "8:1048576");
	params = cgroup_params();
	params.reserved = 1;
	refuses(params, -EINVAL, "reserved");
	params = cgroup_params();
	params.kind = 4;
	refuses(params, -EINVAL, "kind");
	params.size = 8;
	refuses(params, -EINVAL, "size");
}

static void names_of_devlink_are_checked(void **state)
{
	static const char *const handles[] = { NULL, "pci", "/x", "pci/",
					       "a-bus-whose-name-is-far-too-long/x" };
	static const char *const nodes[] = { "", "123" };
	char long_name[80];
	struct vio_limit_hw_params params = port_params();

	(void)state;
	for (size_t i = 0; i < sizeof(handles) / sizeof(handles[0]); i++) {
		params.handle = handles[i];
		refuses(params, -EINVAL, "handle");
	}
	params = port_params();
	params.flags = VIO_LIMIT_HW_CREATE;
	refuses(params, -EINVAL, "port");
	memset(long_name, 'x', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	for (size_t i = 0; i < 3; i++) {
		params = port_params();
		params.node = i < 2 ? nodes[i] : long_name;
		refuses(params, -EINVAL, "node");
		params = port_params();
		params.parent = i < 2 ? nodes[i] : long_name;
		refuses(params, -EINVAL, "parent");
	}
}

static void what_a_vf_needs_is_checked(void **state)
{
	struct vio_limit_hw_params params = vf_params();

	(void)state;
	params.host = NULL;
	refuses(params, -EINVAL, "host");
	params = vf_params();
	params.flags = VIO_LIMIT_HW_READS;
	refuses(params, -EINVAL, "flags");
	params = vf_params();
	params.pf.device = 32;
	refuses(params, -EINVAL, "pf");
}

static void a_context_that_cannot_wait_is_refused(void **state)
{
	const struct vio_limit_hw_params params = cgroup_params();
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	struct vio_limit_hw *hw;
	struct vio_ctx *ctx;

	(void)state;
	ctx_params.flags = VIO_CTX_NO_URING;
	assert_int_equal(vio_ctx_create(&ctx_params, &ctx, NULL), 0);
	assert_int_equal(
		vio_limit_hw_open(ctx, &params, &hw, scene_told, &scene, &scene.err),
		-EOPNOTSUPP);
	assert_int_equal(
		vio_limit_hw_open(NULL, &params, &hw, scene_told, &scene, &scene.err),
		-EINVAL);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(an_answer_that_is_nonsense_is_told),
		TEST(a_pf_without_an_interface_is_told),
		TEST(a_port_function_tells_what_its_driver_can),
		TEST(values_that_are_there_need_no_trial),
		TEST(a_kernel_without_devlink_is_told),
		TEST(a_port_that_is_not_there_is_told),
		TEST(a_node_is_made_and_goes),
		TEST(a_node_that_was_there_stays),
		TEST(a_node_goes_if_its_opening_fails),
		TEST(a_cgroup_tells_both_ceilings),
		TEST(a_disk_without_a_line_is_untried),
		TEST(a_disk_with_a_line_is_certain_without_trials),
		TEST(a_cgroup_without_the_file_is_told),
		TEST(a_cgroup_file_that_is_broken_is_told),
		TEST(fields_out_of_range_are_named),
		TEST(names_of_devlink_are_checked),
		TEST(what_a_vf_needs_is_checked),
		TEST(a_context_that_cannot_wait_is_refused),
	};

	return cmocka_run_group_tests_name("hw_open", tests, NULL, NULL);
}
