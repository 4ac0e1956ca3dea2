/* SPDX-License-Identifier: MIT */
/* Rates of VFs: how a driver's abilities are found out, and what is sent to it. */
#include "unit/limit_hw/rates_scene.h"

static int opens(struct vio_limit_hw_params params)
{
	struct vio_limit_hw *hw;

	return open_hw(&params, &hw);
}

static void a_vf_tells_step_and_highest_rate(void **state)
{
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	assert_int_equal(scene.caps.size, sizeof(scene.caps));
	assert_int_equal(scene.caps.fields, CEILING | ASSURED);
	assert_int_equal(scene.caps.untried, 0);
	assert_int_equal(scene.caps.bytes_least, MBPS);
	assert_int_equal(scene.caps.bytes_step, MBPS);
	assert_int_equal(scene.caps.bytes_most, 1000 * MBPS);
	assert_int_equal(scene.caps.ops_most, 0);
	assert_int_equal(close_hw(hw), 0);
}

static void a_link_of_unknown_speed_bounds_nothing(void **state)
{
	struct vio_limit_hw *hw;

	(void)state;
	vio_fake_remove(scene.fake,
			VIO_FAKE_PCI_ROOT "/bus/pci/devices/" PF "/net/eth0/speed");
	hw = create_hw(vf_params());
	assert_int_equal(scene.caps.bytes_most, VIO_LIMIT_RATE_MAX);
	assert_int_equal(close_hw(hw), 0);
}

static void a_trial_of_a_minimum_is_taken_back(void **state)
{
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.vfs[1].max = 300;
	hw = create_hw(vf_params());
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_int_equal(fake_rates.vfs[1].max, 300);
	/* The maximum, the minimum, and back. */
	assert_int_equal(fake_rates.n_sets, 3);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.n_sets, 3);
}

static void a_minimum_that_is_there_is_tried_as_it_is(void **state)
{
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.vfs[1].min = 20;
	hw = create_hw(vf_params());
	assert_int_equal(scene.caps.fields, CEILING | ASSURED);
	assert_int_equal(fake_rates.vfs[1].min, 20);
	assert_int_equal(fake_rates.n_sets, 2);
	assert_int_equal(close_hw(hw), 0);
}

static void a_driver_without_a_minimum_is_found_out(void **state)
{
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.can &= ~FAKE_RATES_VF_MIN;
	hw = create_hw(vf_params());
	assert_int_equal(scene.caps.fields, CEILING);
	assert_int_equal(close_hw(hw), 0);
}

/* mlx4's fourth, and the kernel's own ENOTSUPP, which no header outside it has. */
static void each_refusal_of_a_minimum_leaves_the_ceiling(void **state)
{
	static const int refusals[] = { -EOPNOTSUPP, -EINVAL, -ERANGE, -EPROTONOSUPPORT,
					-524 };

	(void)state;
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		struct vio_limit_hw *hw;

		fake_rates.n_sets = 0;
		fake_rates.fail_at = 2;
		fake_rates.fail_code = refusals[i];
		hw = create_hw(vf_params());
		assert_int_equal(scene.caps.fields, CEILING);
		assert_int_equal(fake_rates.n_sets, 2);
		assert_int_equal(close_hw(hw), 0);
	}
}

static void a_driver_without_rates_can_hold_nothing(void **state)
{
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.can &= ~(FAKE_RATES_VF_MIN | FAKE_RATES_VF_MAX);
	hw = create_hw(vf_params());
	assert_int_equal(scene.caps.fields, 0);
	assert_int_equal(close_hw(hw), 0);
}

static void without_trials_nothing_is_set(void **state)
{
	struct vio_limit_hw_params params = vf_params();
	struct vio_limit_hw *hw;

	(void)state;
	params.flags = VIO_LIMIT_HW_NO_TRIALS;
	fake_rates.vfs[1].max = 300;
	hw = create_hw(params);
	/* A value that is there shows that there can be one. */
	assert_int_equal(scene.caps.fields, CEILING);
	assert_int_equal(scene.caps.untried, ASSURED);
	assert_int_equal(fake_rates.n_sets, 0);
	assert_int_equal(close_hw(hw), 0);
}

static void a_lack_of_rights_is_no_lack_of_ability(void **state)
{
	(void)state;
	fake_rates.fail_at = 1;
	fake_rates.fail_code = -EPERM;
	assert_int_equal(opens(vf_params()), -EPERM);
	assert_non_null(strstr(scene.err.text, "VF 1 of 0000:01:00.0: trying"));
}

static void a_trial_that_cannot_be_taken_back_fails(void **state)
{
	(void)state;
	fake_rates.fail_at = 3;
	fake_rates.fail_code = -EINVAL;
	assert_int_equal(opens(vf_params()), -EINVAL);
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_null(strstr(scene.err.text, "min_tx_rate"));
}

/* The maximum, the minimum, and back; a minimum that was set is put back after all. */
static void a_trial_whose_answer_is_lost_leaves_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 3; i++) {
		fake_rates.n_sets = 0;
		fake_rates.lose_at = i;
		fake_rates.vfs[1].max = 300;
		assert_int_equal(opens(vf_params()), -EBADMSG);
		assert_int_equal(fake_rates.vfs[1].min, 0);
		assert_int_equal(fake_rates.vfs[1].max, 300);
		assert_null(strstr(scene.err.text, "min_tx_rate"));
	}
}

/* The reading and the three of a trial. */
static void a_trial_that_cannot_be_gone_on_with_leaves_nothing(void **state)
{
	(void)state;
	for (uint32_t i = 1; i <= 4; i++) {
		fake_rates.n_sockets = 0;
		fake_rates.fail_socket_at = i;
		assert_int_equal(opens(vf_params()), -EMFILE);
		assert_int_equal(fake_rates.vfs[1].min, 0);
		assert_null(strstr(scene.err.text, "min_tx_rate"));
	}
}

static void what_a_trial_changed_is_put_back_even_if_it_cannot_be_seen(void **state)
{
	(void)state;
	fake_rates.lose_at = 2;
	fake_rates.fail_read_at = 2;
	fake_rates.fail_read_code = -EAGAIN;
	assert_int_equal(opens(vf_params()), -EBADMSG);
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_null(strstr(scene.err.text, "min_tx_rate"));
}

/* A refusal that is none of ability: nothing was set, so nothing needs undoing. */
static void a_trial_that_was_forbidden_is_not_undone(void **state)
{
	(void)state;
	fake_rates.fail_at = 2;
	fake_rates.fail_code = -EPERM;
	assert_int_equal(opens(vf_params()), -EPERM);
	assert_int_equal(fake_rates.n_sets, 2);
	assert_null(strstr(scene.err.text, "then"));
}

/* The last bytes of the line are what a person needs, so they are not cut off. */
static void a_trial_that_stays_is_told_with_its_remedy(void **state)
{
	static const char remedy[] = "ip link set dev eth0 vf 1 min_tx_rate 0";

	(void)state;
	for (int is_blind = 0; is_blind <= 1; is_blind++) {
		fake_rates.n_sets = fake_rates.n_reads = 0;
		fake_rates.vfs[1].min = 0;
		fake_rates.lose_at = 2;
		fake_rates.fail_at = 3;
		fake_rates.fail_code = -EPROTONOSUPPORT;
		fake_rates.fail_read_at = is_blind ? 2 : 0;
		fake_rates.fail_read_code = -EPROTONOSUPPORT;
		assert_int_equal(opens(vf_params()), -EBADMSG);
		assert_int_equal(fake_rates.vfs[1].min, 1);
		assert_non_null(strstr(scene.err.text, "trying: Bad message"));
		assert_non_null(strstr(scene.err.text, remedy));
	}
}

static void a_vf_that_is_not_there_is_told(void **state)
{
	struct vio_limit_hw_params params = vf_params();

	(void)state;
	params.vf_index = FAKE_RATES_N_VFS;
	assert_int_equal(opens(params), -ENODEV);
}

static void an_answer_that_is_nonsense_is_told(void **state)
{
	(void)state;
	fake_rates.fail_read_at = 1;
	assert_int_equal(opens(vf_params()), -EBADMSG);
}

static void rates_are_rounded_down_and_up(void **state)
{
	struct vio_limit *limit = create_limit(100 * MBPS + 1, 0, 10 * MBPS + 1);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING | ASSURED), 0);
	assert_int_equal(fake_rates.vfs[1].max, 100);
	assert_int_equal(fake_rates.vfs[1].min, 11);
	assert_int_equal(fake_rates.vfs[0].max + fake_rates.vfs[2].max, 0);
	assert_int_equal(scene.report.size, sizeof(scene.report));
	assert_int_equal(scene.report.set, CEILING | ASSURED);
	assert_int_equal(scene.report.held, CEILING | ASSURED);
	assert_int_equal(scene.report.left, 0);
	assert_int_equal(scene.report.bytes_per_sec, 100 * MBPS);
	assert_int_equal(scene.report.assured_bytes_per_sec, 11 * MBPS);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.vfs[1].max + fake_rates.vfs[1].min, 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* The old message: a driver without a minimum is not told of one. */
static void a_ceiling_alone_leaves_the_minimum(void **state)
{
	struct vio_limit *limit = create_limit(100 * MBPS, 0, 0);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	fake_rates.vfs[1].min = 5;
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(fake_rates.vfs[1].max, 100);
	assert_int_equal(fake_rates.vfs[1].min, 5);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.vfs[1].min, 5);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_minimum_alone_leaves_the_ceiling(void **state)
{
	struct vio_limit *limit = create_limit(0, 0, 10 * MBPS);
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.vfs[1].max = 40;
	hw = create_hw(vf_params());
	assert_int_equal(attach_hw(hw, limit, ASSURED), 0);
	assert_int_equal(fake_rates.vfs[1].max, 40);
	assert_int_equal(fake_rates.vfs[1].min, 10);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.vfs[1].max, 40);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* An administrator's, by hand; a minimum is sent together with a maximum. */
static void a_ceiling_set_meanwhile_survives_a_minimum(void **state)
{
	struct vio_limit *limit = create_limit(0, 0, 10 * MBPS);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	assert_int_equal(attach_hw(hw, limit, ASSURED), 0);
	fake_rates.vfs[1].max = 500;
	assert_int_equal(detach_hw(hw), 0);
	assert_int_equal(fake_rates.vfs[1].max, 500);
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_int_equal(attach_hw(hw, limit, ASSURED), 0);
	fake_rates.vfs[1].max = 600;
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.vfs[1].max, 600);
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* Rather a minimum that stays and is told than a maximum that is lost. */
static void a_minimum_stays_where_the_ceiling_cannot_be_read(void **state)
{
	struct vio_limit *limit = create_limit(0, 0, 10 * MBPS);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	assert_int_equal(attach_hw(hw, limit, ASSURED), 0);
	fake_rates.vfs[1].max = 500;
	fake_rates.fail_read_at = fake_rates.n_reads + 1;
	fake_rates.fail_read_code = -EPERM;
	assert_int_equal(detach_hw(hw), -EPERM);
	assert_non_null(strstr(scene.err.text, "then restoring"));
	assert_int_equal(fake_rates.vfs[1].max, 500);
	assert_int_equal(fake_rates.vfs[1].min, 10);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_ceiling_is_restored_though_nothing_could_be_read(void **state)
{
	struct vio_limit *limit = create_limit(100 * MBPS, 0, 10 * MBPS);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	assert_int_equal(attach_hw(hw, limit, CEILING | ASSURED), 0);
	fake_rates.fail_read_at = fake_rates.n_reads + 1;
	fake_rates.fail_read_code = -EPERM;
	assert_int_equal(close_hw(hw), -EPERM);
	assert_null(strstr(scene.err.text, "then"));
	assert_int_equal(fake_rates.vfs[1].max + fake_rates.vfs[1].min, 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* The put back minimum goes with the maximum of the reading that went well. */
static void a_minimum_that_cannot_be_read_back_is_put_back(void **state)
{
	struct vio_limit *limit = create_limit(0, 0, 10 * MBPS);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	fake_rates.vfs[1].max = 500;
	fake_rates.fail_read_at = fake_rates.n_reads + 2;
	fake_rates.fail_read_code = -EPERM;
	assert_int_equal(attach_hw(hw, limit, ASSURED), -EPERM);
	assert_int_equal(fake_rates.vfs[1].max, 500);
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* What is before it is what is there when it is set first, not the first limit. */
static void a_ceiling_of_before_is_that_of_when_it_was_attached(void **state)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = create_limit(0, 0, 10 * MBPS);
	struct vio_limit_hw *hw = create_hw(vf_params());

	(void)state;
	assert_int_equal(attach_hw(hw, limit, ASSURED), 0);
	fake_rates.vfs[1].max = 500;
	params.bytes_per_sec = 100 * MBPS;
	params.assured_bytes_per_sec = 10 * MBPS;
	assert_int_equal(vio_limit_configure(limit, &params, 0, NULL), 0);
	assert_int_equal(attach_hw(hw, limit, CEILING | ASSURED), 0);
	assert_int_equal(fake_rates.vfs[1].max, 100);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(fake_rates.vfs[1].max, 500);
	assert_int_equal(fake_rates.vfs[1].min, 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* What is assured is found from what is charged: software must go on charging. */
static void a_minimum_left_to_software_keeps_the_ceiling_there(void **state)
{
	struct vio_limit *limit = create_limit(100 * MBPS, 0, 10 * MBPS);
	struct vio_limit_hw *hw;

	(void)state;
	fake_rates.can &= ~FAKE_RATES_VF_MIN;
	hw = create_hw(vf_params());
	assert_int_equal(attach_hw(hw, limit, ASSURED), -EOPNOTSUPP);
	assert_int_equal(attach_hw(hw, limit, CEILING), 0);
	assert_int_equal(scene.report.set, CEILING);
	assert_int_equal(scene.report.left, ASSURED);
	assert_int_equal(scene.report.held, 0);
	assert_int_equal(fake_rates.vfs[1].max, 100);
	assert_int_equal(close_hw(hw), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scene_begin, scene_end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_vf_tells_step_and_highest_rate),
		TEST(a_link_of_unknown_speed_bounds_nothing),
		TEST(a_trial_of_a_minimum_is_taken_back),
		TEST(a_minimum_that_is_there_is_tried_as_it_is),
		TEST(a_driver_without_a_minimum_is_found_out),
		TEST(each_refusal_of_a_minimum_leaves_the_ceiling),
		TEST(a_driver_without_rates_can_hold_nothing),
		TEST(without_trials_nothing_is_set),
		TEST(a_lack_of_rights_is_no_lack_of_ability),
		TEST(a_trial_that_cannot_be_taken_back_fails),
		TEST(a_trial_whose_answer_is_lost_leaves_nothing),
		TEST(a_trial_that_cannot_be_gone_on_with_leaves_nothing),
		TEST(what_a_trial_changed_is_put_back_even_if_it_cannot_be_seen),
		TEST(a_trial_that_was_forbidden_is_not_undone),
		TEST(a_trial_that_stays_is_told_with_its_remedy),
		TEST(a_vf_that_is_not_there_is_told),
		TEST(an_answer_that_is_nonsense_is_told),
		TEST(rates_are_rounded_down_and_up),
		TEST(a_ceiling_alone_leaves_the_minimum),
		TEST(a_minimum_alone_leaves_the_ceiling),
		TEST(a_ceiling_set_meanwhile_survives_a_minimum),
		TEST(a_minimum_stays_where_the_ceiling_cannot_be_read),
		TEST(a_ceiling_is_restored_though_nothing_could_be_read),
		TEST(a_minimum_that_cannot_be_read_back_is_put_back),
		TEST(a_ceiling_of_before_is_that_of_when_it_was_attached),
		TEST(a_minimum_left_to_software_keeps_the_ceiling_there),
	};

	return cmocka_run_group_tests_name("hw_vf", tests, NULL, NULL);
}
