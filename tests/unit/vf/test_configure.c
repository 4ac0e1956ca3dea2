/* SPDX-License-Identifier: MIT */
/*
 * Settings of a claimed VF on their way: which go to the kernel together, and whom
 * to believe when its answer does not arrive.
 */
#include "scene.h"

static int configure(struct solo *s, const struct vio_vf_config *config,
		     struct vio_vf_report *report)
{
	return process_wait(&s->p, vio_vf_configure(s->vf[0], config, report,
						    process_done, &s->p, &s->err));
}

/* A minimum over the maximum there is would be refused if it came first. */
static void both_rates_go_to_the_kernel_as_one(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct solo *s = *state;
	const struct vio_vf_config *now = &s->scene.vf[0]->config;

	config.fields = VIO_VF_MIN_RATE | VIO_VF_MAX_RATE;
	config.min_tx_mbps = 100;
	config.max_tx_mbps = 500;
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(configure(s, &config, &report), 0);
	assert_int_equal(scene_settings.n_sets, 1);
	assert_int_equal(report.applied, config.fields);
	assert_int_equal(now->min_tx_mbps, 100);
	assert_int_equal(now->max_tx_mbps, 500);
	solo_release(s, 1);
}

static void a_setting_whose_answer_was_lost_is_read_back(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct solo *s = *state;

	config.fields = VIO_VF_TRUST;
	config.trust = 1;
	scene_settings.loses = VIO_VF_TRUST;
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(configure(s, &config, &report), 0);
	assert_int_equal(report.applied, VIO_VF_TRUST);
	assert_int_equal(s->scene.vf[0]->config.trust, 1);
	solo_release(s, 1);
}

static void a_setting_that_was_lost_on_its_way_has_failed(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct solo *s = *state;

	config.fields = VIO_VF_TRUST;
	config.trust = 1;
	scene_settings.loses = VIO_VF_TRUST;
	scene_settings.ignores = VIO_VF_TRUST;
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(configure(s, &config, &report), -EIO);
	assert_int_equal(report.applied, 0);
	solo_release(s, 1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(both_rates_go_to_the_kernel_as_one),
		TEST(a_setting_whose_answer_was_lost_is_read_back),
		TEST(a_setting_that_was_lost_on_its_way_has_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
