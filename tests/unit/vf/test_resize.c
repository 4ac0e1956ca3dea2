/* SPDX-License-Identifier: MIT */
/*
 * The number of VFs, with nobody, with users who let go, and with those who do not;
 * what the kernel refuses; and what is refused before the kernel is asked.
 */
#include "resize_stage.h"

#define SECOND_NS UINT64_C(1000000000)

static int setup_none(void **state)
{
	*state = stage_create(0);
	return 0;
}

static int setup_one(void **state)
{
	*state = stage_create(1);
	return 0;
}

static int setup_two(void **state)
{
	*state = stage_create(2);
	return 0;
}

static int teardown(void **state)
{
	stage_destroy(*state);
	return 0;
}

static void any_number_becomes_any_other_where_nobody_holds_one(void **state)
{
	struct stage *s = *state;

	for (uint32_t from = 0; from <= 7; from++)
		for (uint32_t to = 0; to <= 7; to++) {
			assert_int_equal(stage_resize(s, from), 0);
			assert_int_equal(stage_resize(s, to), 0);
			assert_int_equal(stage_count(s), to);
			stage_verify_free(s);
		}
}

static void users_are_paused_and_resumed_with_what_they_had(void **state)
{
	struct stage *s = *state;
	uint32_t n_times = 0;

	for (uint32_t n = 7; n > 2; n--, n_times++) {
		s->times = (struct vio_resize_times)VIO_RESIZE_TIMES_INIT;
		assert_int_equal(stage_resize(s, n), 0);
		assert_int_equal(stage_count(s), n);
		stage_verify_users(s);
		stage_verify_free(s);
		assert_int_equal(s->times.n_paused, 2);
		assert_int_equal(s->users[0].n_paused, n_times + 1);
		assert_int_equal(s->users[1].n_resumed, n_times + 1);
		assert_int_equal(s->users[0].is_state_lost, 1);
	}
}

static void one_of_many_is_enough_to_be_kept(void **state)
{
	struct stage *s = *state;

	assert_int_equal(stage_resize(s, 7), 0);
	assert_int_equal(stage_resize(s, 1), 0);
	assert_int_equal(stage_count(s), 1);
	stage_verify_users(s);
}

static void what_the_lease_has_configured_is_configured_again(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct stage *s = *state;

	config.fields = VIO_VF_VLAN | VIO_VF_TRUST;
	config.vlan = 100;
	config.qos = 3;
	config.trust = 1;
	assert_int_equal(
		process_wait(&s->p, vio_vf_configure(s->users[0].vf, &config, NULL,
						     process_done, &s->p, &s->err)),
		0);
	assert_int_equal(stage_resize(s, 4), 0);
	assert_int_equal(s->scene.vf[0]->config.vlan, 100);
	assert_int_equal(s->scene.vf[0]->config.qos, 3);
	assert_int_equal(s->scene.vf[0]->config.trust, 1);
	stage_verify_users(s);
}

static void a_release_after_a_resize_puts_back_what_was_before_the_claim(void **state)
{
	struct stage *s = *state;

	assert_int_equal(stage_resize(s, 5), 0);
	assert_int_equal(user_release(&s->users[1], &s->p), 0);
	s->n_users = 1;
	assert_string_equal(s->scene.vf[1]->driver, "igbvf");
	assert_string_equal(s->scene.vf[1]->override, "vfio-pci");
	assert_int_equal(s->scene.vf[1]->config.mac[5], 1);
}

static void the_number_that_is_there_disturbs_nobody(void **state)
{
	struct stage *s = *state;

	assert_int_equal(stage_resize(s, 2), 0);
	assert_int_equal(s->users[0].n_paused, 0);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
	stage_verify_users(s);
}

static void leases_follow_their_indexes_to_other_addresses(void **state)
{
	/* Each at a new place, and each at the place of the one after it. */
	static const uint32_t offsets[] = { 144, 146, 144, 128 };
	struct stage *s = *state;

	for (uint32_t i = 0; i < 4; i++) {
		s->scene.pf[0]->vf_offset = offsets[i];
		assert_int_equal(stage_resize(s, 3 + i % 2), 0);
		stage_verify_users(s);
	}
	stage_release(s);
	assert_int_equal(stage_resize(s, 0), 0);
}

static void a_vf_that_its_owner_paused_is_left_to_its_owner(void **state)
{
	struct stage *s = *state;
	struct vio_vf *vf = s->users[0].vf;

	assert_int_equal(
		process_wait(&s->p, vio_vf_pause(vf, 0, process_done, &s->p, &s->err)),
		0);
	assert_int_equal(stage_resize(s, 3), 0);
	assert_int_equal(s->users[0].n_resumed, 0);
	assert_int_equal(vf->info.state, VIO_VF_PAUSED);
	assert_int_equal(process_wait(&s->p, vio_vf_resume(vf, NULL, process_done,
							   &s->p, &s->err)),
			 0);
	stage_verify_users(s);
}

static void a_number_that_the_driver_refuses_leaves_the_old_one(void **state)
{
	struct stage *s = *state;

	s->scene.pf[0]->refused_vfs = 6;
	assert_int_equal(stage_resize(s, 6), -ENOMEM);
	assert_int_equal(stage_count(s), 2);
	assert_int_equal(s->users[0].n_resumed, 1);
	assert_int_equal(s->users[1].n_resumed, 1);
	stage_verify_users(s);
	stage_verify_free(s);
	assert_int_equal(stage_resize(s, 5), 0);
}

static void a_setting_that_is_not_taken_again_leaves_the_old_number(void **state)
{
	struct stage *s = *state;

	scene_settings.ignores = VIO_VF_MAC;
	assert_int_equal(stage_resize(s, 4), -EIO);
	assert_int_equal(stage_count(s), 2);
	assert_int_equal(s->users[0].vf->info.state, VIO_VF_PAUSED);
	assert_int_equal(s->users[0].n_resumed, 0);
	scene_settings.ignores = 0;
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(process_wait(&s->p, vio_vf_resume(s->users[i].vf, NULL,
								   process_done, &s->p,
								   &s->err)),
				 0);
	stage_verify_users(s);
}

static void a_holder_that_never_lets_go_is_named_and_nothing_is_lost(void **state)
{
	struct stage *s = *state;
	int ret;

	s->users[1].is_stubborn = 1;
	s->params.timeout_ns = SECOND_NS;
	ret = stage_begin(s, 4);
	assert_int_equal(ret, 0);
	while (!s->users[1].n_paused)
		process_step(&s->p);
	vio_fake_set_time(s->scene.fake, SECOND_NS);
	assert_int_equal(process_wait(&s->p, ret), -ETIMEDOUT);
	assert_non_null(strstr(s->p.why, "0000:01:10.2: test has not closed it"));
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
	assert_int_equal(s->users[0].n_resumed, 1);
	assert_int_equal(s->users[1].is_state_lost, 0);
	stage_verify_users(s);
	/* And it can be done when it has changed its mind. */
	s->users[1].is_stubborn = 0;
	assert_int_equal(stage_resize(s, 4), 0);
	stage_verify_users(s);
}

static void times_are_those_of_the_clock(void **state)
{
	struct stage *s = *state;
	int ret;

	s->users[0].is_stubborn = 1;
	ret = stage_begin(s, 4);
	assert_int_equal(ret, 0);
	while (!s->users[0].n_paused)
		process_step(&s->p);
	vio_fake_set_time(s->scene.fake, SECOND_NS);
	user_close(&s->users[0]);
	s->users[0].is_stubborn = 0;
	assert_int_equal(process_wait(&s->p, ret), 0);
	assert_true(s->times.pause_ns == s->times.total_ns);
	assert_int_equal(s->times.size, sizeof(s->times));
}

static void a_vf_that_is_held_makes_it_busy_if_nobody_may_be_paused(void **state)
{
	struct stage *s = *state;

	s->params.flags = VIO_RESIZE_FAIL_IF_HELD;
	assert_int_equal(stage_resize(s, 4), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.0: claimed by test (pid"));
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
	assert_int_equal(s->users[0].n_paused, 0);
}

static void fewer_than_the_held_ones_need_is_busy(void **state)
{
	struct stage *s = *state;

	assert_int_equal(stage_resize(s, 1), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.2"));
	assert_int_equal(stage_resize(s, 0), -EBUSY);
	assert_int_equal(stage_count(s), 2);
}

static void a_vf_of_another_process_makes_it_busy(void **state)
{
	struct stage *s = *state;
	struct process other;
	struct vio_vf *vf;

	process_start(&other, &s->scene);
	assert_int_equal(process_claim(&other, &vf), 0);
	assert_int_equal(stage_resize(s, 4), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.2: claimed by test (pid"));
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
	assert_int_equal(
		process_wait(&other, vio_vf_release(vf, process_done, &other, &s->err)),
		0);
	process_end(&other);
	assert_int_equal(stage_resize(s, 4), 0);
}

/* Held or paused: it is theirs, and nobody here can speak for them. */
static void a_vf_of_another_process_is_held_also_while_that_has_it_paused(void **state)
{
	struct stage *s = *state;
	struct process other;

	process_start(&other, &s->scene);
	s->params.flags = VIO_RESIZE_FAIL_IF_HELD;
	s->params.n_vfs = 4;
	for (int is_paused = 0; is_paused < 2; is_paused++) {
		s->err = (struct vio_error)VIO_ERROR_INIT;
		assert_int_equal(vio_host_resize(other.host, &s->pf, &s->params, NULL,
						 process_done, &other, &s->err),
				 -EBUSY);
		assert_non_null(
			strstr(s->err.text, "0000:01:10.0: claimed by test (pid"));
		if (!is_paused)
			assert_int_equal(
				process_wait(&s->p, vio_vf_pause(s->users[0].vf, 0,
								 process_done, &s->p,
								 &s->err)),
				0);
	}
	process_end(&other);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
}

static void an_open_vf_whose_user_cannot_be_asked_makes_it_busy(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_vf_set_pause(s->users[0].vf, NULL), 0);
	assert_int_equal(stage_resize(s, 4), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.0"));
}

static void an_operation_under_way_makes_it_busy(void **state)
{
	struct stage *s = *state;
	int ret;

	user_hold(&s->users[0], 0);
	ret = vio_vf_reset(s->users[0].vf, process_done, &s->p, &s->err);
	assert_int_equal(ret, 0);
	assert_int_equal(stage_begin(s, 4), -EBUSY);
	assert_int_equal(process_wait(&s->p, ret), 0);
}

static void a_pause_under_way_makes_it_busy(void **state)
{
	struct stage *s = *state;
	const int ret = vio_vf_pause(s->users[0].vf, 0, process_done, &s->p, &s->err);

	assert_int_equal(ret, 0);
	assert_int_equal(stage_begin(s, 4), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.0: it is being paused"));
	assert_int_equal(process_wait(&s->p, ret), 0);
}

static void a_second_resize_is_busy(void **state)
{
	struct stage *s = *state;
	struct process other;
	int ret = stage_begin(s, 4);

	assert_int_equal(ret, 0);
	assert_int_equal(stage_begin(s, 5), -EBUSY);
	process_start(&other, &s->scene);
	assert_int_equal(vio_host_resize(other.host, &s->pf, &s->params, NULL,
					 process_done, &other, &s->err),
			 -EBUSY);
	process_end(&other);
	assert_int_equal(process_wait(&s->p, ret), 0);
	assert_int_equal(stage_count(s), 4);
}

static void nobody_claims_while_it_is_under_way(void **state)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct stage *s = *state;
	struct process other;
	struct vio_vf *vf;
	uint32_t n_tries = 0;

	process_start(&other, &s->scene);
	request.flags = VIO_VF_FROM_PF;
	request.pf = s->pf;
	s->p.n_done = 0;
	assert_int_equal(stage_begin(s, 4), 0);
	for (; !s->p.n_done; n_tries++) {
		const int ret = vio_vf_claim(other.host, &request, &vf, process_done,
					     &other, &s->err);

		/* None is there, or none may be had. */
		assert_true(ret == -EBUSY || ret == -ENOSPC);
		process_step(&s->p);
	}
	assert_true(n_tries > 10);
	assert_int_equal(
		process_wait(&other, vio_vf_claim(other.host, &request, &vf,
						  process_done, &other, &s->err)),
		0);
	assert_int_equal(
		process_wait(&other, vio_vf_release(vf, process_done, &other, &s->err)),
		0);
	process_end(&other);
}

static void nobody_resumes_while_it_is_under_way(void **state)
{
	struct stage *s = *state;
	struct vio_vf *vf = s->users[0].vf;
	struct process other;
	int ret;

	assert_int_equal(
		process_wait(&s->p, vio_vf_pause(vf, 0, process_done, &s->p, &s->err)),
		0);
	process_start(&other, &s->scene);
	assert_int_equal(vio_pci_addr_parse("0000:02:00.0", &s->pf), 0);
	vio_fake_pci_probe(s->scene.pf[1]);
	s->params.n_vfs = 4;
	ret = vio_host_resize(other.host, &s->pf, &s->params, NULL, process_done,
			      &other, &s->err);
	assert_int_equal(ret, 0);
	assert_int_equal(vio_pci_addr_parse("0000:02:10.0", &s->pf), 0);
	assert_int_equal(vio_vf_resume(vf, &s->pf, process_done, &s->p, &s->err),
			 -EBUSY);
	assert_int_equal(vf->info.state, VIO_VF_PAUSED);
	assert_int_equal(process_wait(&other, ret), 0);
	process_end(&other);
	assert_int_equal(process_wait(&s->p, vio_vf_resume(vf, &s->pf, process_done,
							   &s->p, &s->err)),
			 0);
}

static void a_host_stays_open_while_it_is_under_way(void **state)
{
	struct stage *s = *state;
	const int ret = stage_begin(s, 4);

	assert_int_equal(ret, 0);
	assert_int_equal(vio_host_close(s->p.host, &s->err), -EBUSY);
	assert_int_equal(process_wait(&s->p, ret), 0);
}

static void more_than_there_can_be_is_refused_before_the_kernel_sees_it(void **state)
{
	struct stage *s = *state;

	assert_int_equal(stage_resize(s, 8), -ERANGE);
	assert_int_equal(stage_resize(s, UINT32_MAX), -ERANGE);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
}

static void a_pf_without_a_driver_makes_none(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_pci_addr_parse("0000:02:00.0", &s->pf), 0);
	assert_int_equal(stage_resize(s, 4), -ENOENT);
	assert_int_equal(s->scene.pf[1]->n_writes, 0);
}

static void what_is_no_pf_makes_none(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_pci_addr_parse("0000:01:10.0", &s->pf), 0);
	assert_int_equal(stage_resize(s, 4), -EOPNOTSUPP);
	assert_int_equal(vio_pci_addr_parse("0000:0f:00.0", &s->pf), 0);
	assert_int_equal(stage_resize(s, 4), -ENODEV);
	s->pf.device = 32;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
}

static void parameters_out_of_range_are_refused(void **state)
{
	struct {
		struct vio_resize_params params;
		uint64_t later;
	} newer = { VIO_RESIZE_PARAMS_INIT, 1 };
	struct stage *s = *state;

	s->params.flags = 0;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
	s->params.flags = VIO_RESIZE_FAIL_IF_HELD | VIO_RESIZE_PAUSE_HELD;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
	s->params.flags = 1u << 5;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
	s->params = (struct vio_resize_params)VIO_RESIZE_PARAMS_INIT;
	s->params.reserved = 1;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
	s->params.reserved = 0;
	s->params.size = 0;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
	newer.params.size = sizeof(newer);
	assert_int_equal(vio_host_resize(s->p.host, &s->pf, &newer.params, NULL,
					 process_done, &s->p, &s->err),
			 -E2BIG);
	assert_int_equal(vio_host_resize(s->p.host, &s->pf, NULL, NULL, process_done,
					 &s->p, &s->err),
			 -EINVAL);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
}

static void nothing_missing_is_followed(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_host_resize(s->p.host, NULL, &s->params, NULL,
					 process_done, &s->p, &s->err),
			 -EINVAL);
	assert_int_equal(vio_host_resize(NULL, &s->pf, &s->params, NULL, process_done,
					 &s->p, &s->err),
			 -EINVAL);
	s->times.size = 0;
	assert_int_equal(stage_resize(s, 4), -EINVAL);
}

static void a_journal_that_is_not_ours_makes_it_busy(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct stage *s = *state;
	char path[128];
	FILE *file;

	assert_int_equal(stage_resize(s, 4), 0);
	snprintf(path, sizeof(path), "%s/vf/pf-" STAGE_PF, s->scene.run_dir);
	file = fopen(path, "r+");
	assert_non_null(file);
	fputs("somebody else's", file);
	fclose(file);
	assert_int_equal(stage_resize(s, 5), -EBUSY);
	assert_int_equal(stage_count(s), 4);
	assert_int_equal(
		process_wait(&s->p, vio_host_recover(s->p.host, &recovery, process_done,
						     &s->p, &s->err)),
		0);
	assert_int_equal(recovery.n_unknown, 1);
	assert_int_equal(recovery.n_failed + recovery.n_undone, 0);
}

static void drivers_that_are_not_offered_vfs_are_not_offered_these(void **state)
{
	struct stage *s = *state;

	s->scene.pf[0]->autoprobe = 0;
	assert_int_equal(stage_resize(s, 4), 0);
	assert_int_equal(s->scene.pf[0]->autoprobe, 0);
	assert_string_equal(s->scene.vf[0]->driver, "");
}

#define NONE(name) cmocka_unit_test_setup_teardown(name, setup_none, teardown)
#define ONE(name)  cmocka_unit_test_setup_teardown(name, setup_one, teardown)
#define TWO(name)  cmocka_unit_test_setup_teardown(name, setup_two, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		NONE(any_number_becomes_any_other_where_nobody_holds_one),
		TWO(users_are_paused_and_resumed_with_what_they_had),
		ONE(one_of_many_is_enough_to_be_kept),
		TWO(what_the_lease_has_configured_is_configured_again),
		TWO(a_release_after_a_resize_puts_back_what_was_before_the_claim),
		TWO(the_number_that_is_there_disturbs_nobody),
		TWO(leases_follow_their_indexes_to_other_addresses),
		TWO(a_vf_that_its_owner_paused_is_left_to_its_owner),
		TWO(a_number_that_the_driver_refuses_leaves_the_old_one),
		TWO(a_setting_that_is_not_taken_again_leaves_the_old_number),
		TWO(a_holder_that_never_lets_go_is_named_and_nothing_is_lost),
		TWO(times_are_those_of_the_clock),
		TWO(a_vf_that_is_held_makes_it_busy_if_nobody_may_be_paused),
		TWO(fewer_than_the_held_ones_need_is_busy),
		ONE(a_vf_of_another_process_makes_it_busy),
		ONE(a_vf_of_another_process_is_held_also_while_that_has_it_paused),
		ONE(an_open_vf_whose_user_cannot_be_asked_makes_it_busy),
		ONE(an_operation_under_way_makes_it_busy),
		ONE(a_pause_under_way_makes_it_busy),
		NONE(a_second_resize_is_busy),
		ONE(nobody_claims_while_it_is_under_way),
		ONE(nobody_resumes_while_it_is_under_way),
		NONE(a_host_stays_open_while_it_is_under_way),
		NONE(more_than_there_can_be_is_refused_before_the_kernel_sees_it),
		NONE(a_pf_without_a_driver_makes_none),
		NONE(what_is_no_pf_makes_none),
		NONE(parameters_out_of_range_are_refused),
		NONE(nothing_missing_is_followed),
		NONE(a_journal_that_is_not_ours_makes_it_busy),
		NONE(drivers_that_are_not_offered_vfs_are_not_offered_these),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
