/* SPDX-License-Identifier: MIT */
/*
 * Pausing and resuming one VF: who is asked, who is waited for, what is put back
 * when the function was taken away meanwhile, and the move to another.
 */
#include <sys/socket.h>
#include <unistd.h>

#include "pause_stage.h"

#define SECOND_NS UINT64_C(1000000000)

static void a_user_that_closes_is_paused_and_resumed(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	assert_int_equal(s->user.n_paused, 1);
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(get_state(s), VIO_VF_HELD);
	assert_int_equal(s->user.n_resumed, 1);
	assert_int_equal(s->user.is_state_lost, 1);
}

static void a_paused_lease_is_held_and_its_journal_says_so(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_HELD);
	assert_int_equal(record.state, VIO_JOURNAL_PAUSED);
	assert_memory_equal(record.set.mac, s->scene.vf[0]->config.mac, 6);
}

static void a_user_that_closes_later_is_waited_for(void **state)
{
	struct stage *s = *state;
	int ret;

	s->user.is_stubborn = 1;
	ret = vio_vf_pause(s->vf, 0, process_done, &s->p, &s->err);
	assert_int_equal(ret, 0);
	while (!s->user.n_paused)
		process_step(&s->p);
	while (process_step(&s->p))
		;
	assert_int_equal(s->p.n_done, 1); /* of the claim */
	user_close(&s->user);
	assert_int_equal(process_wait(&s->p, ret), 0);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
}

static void a_user_that_never_closes_is_named_and_goes_on(void **state)
{
	struct stage *s = *state;
	int ret;

	s->user.is_stubborn = 1;
	ret = vio_vf_pause(s->vf, SECOND_NS, process_done, &s->p, &s->err);
	assert_int_equal(ret, 0);
	while (!s->user.n_paused)
		process_step(&s->p);
	vio_fake_set_time(s->scene.fake, SECOND_NS);
	assert_int_equal(process_wait(&s->p, ret), -ETIMEDOUT);
	assert_non_null(strstr(s->p.why, "0000:01:10.0"));
	assert_non_null(strstr(s->p.why, "1000 ms"));
	assert_int_equal(get_state(s), VIO_VF_HELD);
	assert_int_equal(s->user.n_resumed, 1);
	assert_int_equal(s->user.is_state_lost, 0);
}

static void an_open_function_whose_user_cannot_be_asked_is_not_paused(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_vf_set_pause(s->vf, NULL), 0);
	assert_int_equal(pause_vf(s), -EOPNOTSUPP);
	assert_int_equal(get_state(s), VIO_VF_HELD);
}

static void a_closed_function_needs_nobody_to_be_asked(void **state)
{
	struct stage *s = *state;

	s->vf->vfio = NULL;
	assert_int_equal(vio_vf_set_pause(s->vf, NULL), 0);
	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(s->user.n_resumed, 0);
}

static void callbacks_that_are_missing_are_refused(void **state)
{
	struct vio_pause_ops ops = VIO_PAUSE_OPS_INIT;
	struct stage *s = *state;

	assert_int_equal(vio_vf_set_pause(s->vf, &ops), -EINVAL);
	ops.pause = user_pause;
	assert_int_equal(vio_vf_set_pause(s->vf, &ops), -EINVAL);
	ops.resume = user_resume;
	ops.flags = 1;
	assert_int_equal(vio_vf_set_pause(s->vf, &ops), -EINVAL);
	ops.flags = 0;
	ops.size = 8;
	assert_int_equal(vio_vf_set_pause(s->vf, &ops), -EINVAL);
}

static void a_paused_vf_takes_no_other_operation(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(pause_vf(s), -EALREADY);
	assert_int_equal(vio_vf_check(s->vf, 1, &s->err), -EBUSY); /* as an open */
	assert_int_equal(vio_vf_reset(s->vf, process_done, &s->p, &s->err), -EBUSY);
	config.fields = VIO_VF_VLAN;
	config.vlan = 7;
	assert_int_equal(
		vio_vf_configure(s->vf, &config, NULL, process_done, &s->p, &s->err),
		-EBUSY);
	assert_int_equal(s->scene.vf[0]->config.vlan, 0);
}

static void a_vf_that_is_being_paused_is_not_released(void **state)
{
	struct stage *s = *state;
	const int ret = vio_vf_pause(s->vf, 0, process_done, &s->p, &s->err);

	assert_int_equal(ret, 0);
	assert_int_equal(vio_vf_pause(s->vf, 0, process_done, &s->p, &s->err), -EBUSY);
	s->vf->vfio = NULL;
	assert_int_equal(vio_vf_release(s->vf, process_done, &s->p, &s->err), -EBUSY);
	assert_int_equal(vio_vf_detach(s->vf, -1, &s->err), -EBUSY);
	assert_int_equal(vio_host_close(s->p.host, &s->err), -EBUSY);
	assert_int_equal(process_wait(&s->p, ret), 0);
	assert_int_equal(vio_host_close(s->p.host, &s->err), -EBUSY);
}

static void a_vf_that_is_not_paused_is_not_resumed(void **state)
{
	struct stage *s = *state;

	assert_int_equal(resume_vf(s, NULL), -EINVAL);
	assert_int_equal(s->user.n_resumed, 0);
}

static void a_paused_vf_is_released_as_any_other(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(user_release(&s->user, &s->p), 0);
	s->vf = NULL;
	scene_verify_before(&s->scene);
}

static void a_function_made_anew_gets_its_driver_and_settings_back(void **state)
{
	struct stage *s = *state;
	const struct vio_vf_config before = s->scene.vf[0]->config;

	assert_int_equal(pause_vf(s), 0);
	make_anew(s, "0000:01:10.0");
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_memory_equal(s->scene.vf[0]->config.mac, before.mac, 6);
	assert_int_equal(s->scene.vf[0]->config.spoofchk, 1);
	assert_int_equal(user_release(&s->user, &s->p), 0);
	s->vf = NULL;
	assert_string_equal(s->scene.vf[0]->driver, "igbvf");
}

static void one_that_has_no_settings_is_paused_and_resumed_without(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	scene_settings.are_missing = 1;
	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_HELD);
	assert_int_equal(record.set.fields, 0);
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(get_state(s), VIO_VF_HELD);
}

/* It came back offline: to be assigned what it has is what brings it online. */
static void an_nvme_controller_is_given_what_it_has(void **state)
{
	struct stage *s = *state;

	s->scene.vf[0]->config.nvme_vq = 3;
	s->scene.vf[0]->config.nvme_vi = 2;
	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(scene_settings.n_nvme, 0);
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(scene_settings.n_nvme, 1);
	assert_int_equal(s->scene.vf[0]->config.nvme_vq, 3);
	assert_int_equal(s->scene.vf[0]->config.nvme_vi, 2);
}

/* They follow from its interrupt resources, and its driver sets none. */
static void the_vectors_of_an_nvme_controller_are_not_set(void **state)
{
	struct stage *s = *state;

	scene_settings.lacks = VIO_VF_MSIX;
	s->scene.vf[0]->config.nvme_vq = 3;
	s->scene.vf[0]->config.nvme_vi = 2;
	s->scene.vf[0]->config.n_msix = 2;
	assert_int_equal(pause_vf(s), 0);
	s->scene.vf[0]->config.n_msix = 1;
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(get_state(s), VIO_VF_HELD);
}

static void a_lease_follows_its_index_to_another_address(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	make_anew(s, "0000:01:11.0");
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(s->vf->info.addr.device, 0x11);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_int_equal(read_lease(s, "0000:01:11.0", &record), VIO_LEASE_HELD);
	assert_int_equal(record.state, VIO_JOURNAL_HELD);
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_FREE);
}

static void a_function_that_is_not_there_leaves_it_paused(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	vio_fake_pci_remove(s->scene.vf[0]);
	assert_int_equal(resume_vf(s, NULL), -ENODEV);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
}

static void a_paused_vf_that_has_gone_is_given_back(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	vio_fake_pci_remove(s->scene.vf[0]);
	assert_int_equal(user_release(&s->user, &s->p), -ENODEV);
	s->vf = NULL;
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_FREE);
}

static void a_user_whose_function_has_gone_is_not_told_to_go_on(void **state)
{
	struct stage *s = *state;
	int ret;

	s->user.is_stubborn = 1;
	ret = vio_vf_pause(s->vf, 0, process_done, &s->p, &s->err);
	assert_int_equal(ret, 0);
	while (!s->user.n_paused)
		process_step(&s->p);
	vio_fake_pci_remove(s->scene.vf[0]);
	user_close(&s->user);
	assert_int_equal(process_wait(&s->p, ret), -ENODEV);
	assert_int_equal(get_state(s), VIO_VF_LOST);
	assert_int_equal(s->user.n_resumed, 0);
	assert_int_equal(pause_vf(s), -ENODEV);
}

/* The next owner knows nothing of the one that paused it. */
static void a_paused_vf_is_handed_over_and_resumed_there(void **state)
{
	struct stage *s = *state;
	struct process other;
	struct vio_vf *vf;
	int sockets[2];

	assert_int_equal(pause_vf(s), 0);
	process_start(&other, &s->scene);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(vio_vf_detach(s->vf, sockets[0], &s->err), 0);
	s->vf = NULL;
	assert_int_equal(vio_vf_attach(other.host, sockets[1], &vf, &s->err), 0);
	close(sockets[0]);
	close(sockets[1]);
	make_anew(s, "0000:01:10.0");
	assert_int_equal(process_wait(&other, vio_vf_resume(vf, NULL, process_done,
							    &other, &s->err)),
			 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_int_equal(s->scene.vf[0]->config.mac[0], 2);
	assert_int_equal(
		process_wait(&other, vio_vf_release(vf, process_done, &other, &s->err)),
		0);
	process_end(&other);
}

static void a_driver_that_refuses_leaves_it_paused(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	make_anew(s, "0000:01:10.0");
	s->scene.pci.drivers[1].refuses = 1;
	assert_int_equal(resume_vf(s, NULL), -EIO);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	s->scene.pci.drivers[1].refuses = 0;
	assert_int_equal(resume_vf(s, NULL), 0);
}

static void a_vf_moves_to_another_that_is_alike(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(resume_vf(s, "0000:02:10.2"), 0);
	assert_string_equal(s->scene.vf[3]->driver, "vfio-pci");
	assert_int_equal(s->scene.vf[3]->config.mac[5], 0);
	assert_int_equal(s->vf->info.pf.bus, 2);
	assert_int_equal(s->vf->info.vf_index, 1);
	assert_string_equal(s->scene.vf[0]->driver, "igbvf");
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_FREE);
	assert_int_equal(user_release(&s->user, &s->p), 0);
	s->vf = NULL;
	scene_verify_before(&s->scene);
}

static void the_place_that_its_index_has_now_is_no_other_vf(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	make_anew(s, "0000:01:11.0");
	assert_int_equal(resume_vf(s, "0000:01:11.0"), 0);
	assert_int_equal(s->scene.vf[0]->config.mac[0], 2);
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_FREE);
	assert_int_equal(user_release(&s->user, &s->p), 0);
	s->vf = NULL;
	assert_int_equal(s->scene.vf[0]->config.mac[0], 2);
	assert_string_equal(s->scene.vf[0]->driver, "igbvf");
}

static void a_move_leaves_alone_what_is_at_the_old_address_by_now(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	vio_fake_pci_remove(s->scene.vf[1]);
	make_anew(s, "0000:01:11.0");
	s->scene.vf[1] = vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0],
					     "0000:01:10.0", "igbvf", -1);
	assert_int_equal(resume_vf(s, "0000:02:10.0"), 0);
	assert_int_equal(s->scene.vf[1]->n_resets, 0);
	assert_int_equal(s->scene.vf[1]->config.mac[0], 0);
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_FREE);
}

struct intruder {
	struct process p;
	const char *path; /* the end of it */
	int result;       /* 1: not come yet */
};

/* Begins to change the number of VFs. */
static void intrude(void *opaque, const char *path)
{
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct intruder *i = opaque;
	struct vio_pci_addr pf;

	if (i->result <= 0 || !strstr(path, i->path))
		return;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &pf), 0);
	params.n_vfs = 4;
	i->result = vio_host_resize(i->p.host, &pf, &params, NULL, process_done, &i->p,
				    &err);
}

static void a_change_of_the_number_that_begins_during_a_resume_is_seen(void **state)
{
	struct intruder intruder = { .path = "/vf/0000:01:11.0", .result = 1 };
	struct stage *s = *state;

	vio_fake_pci_add_driver(&s->scene.pci, "igb");
	vio_fake_pci_probe(s->scene.pf[0]);
	assert_int_equal(pause_vf(s), 0);
	make_anew(s, "0000:01:11.0");
	process_start(&intruder.p, &s->scene);
	s->p.on_open_opaque = &intruder;
	s->p.on_open = intrude;
	assert_int_equal(resume_vf(s, NULL), -EBUSY);
	s->p.on_open = NULL;
	assert_int_equal(intruder.result, 0);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	assert_int_equal(process_wait(&intruder.p, 0), 0);
	process_end(&intruder.p);
	assert_int_equal(resume_vf(s, NULL), 0);
	assert_int_equal(s->vf->info.addr.device, 0x10);
}

static void one_that_has_gone_goes_on_as_another_of_its_pf(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	vio_fake_pci_remove(s->scene.vf[0]);
	assert_int_equal(resume_vf(s, "0000:02:10.0"), -EXDEV);
	assert_int_equal(resume_vf(s, "0000:01:10.2"), 0);
	assert_string_equal(s->scene.vf[1]->driver, "vfio-pci");
	assert_int_equal(s->vf->info.vf_index, 1);
	assert_int_equal(read_lease(s, "0000:01:10.0", &record), VIO_LEASE_FREE);
}

static int resume_in_child(void *opaque)
{
	struct stage *s = opaque;

	return vio_vf_resume(s->vf, NULL, process_done, &s->p, &s->err) == -ECHILD ? 0
										   : 1;
}

static void a_resume_is_refused_where_it_cannot_be(void **state)
{
	struct stage *s = *state;
	int ret;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(vio_test_fork(resume_in_child, s), 0);
	ret = vio_vf_resume(s->vf, NULL, process_done, &s->p, &s->err);
	assert_int_equal(ret, 0);
	assert_int_equal(vio_vf_resume(s->vf, NULL, process_done, &s->p, &s->err),
			 -EBUSY);
	assert_int_equal(process_wait(&s->p, ret), 0);
}

static void without_a_way_around_blocking_it_stays_paused(void **state)
{
	struct stage *s = *state;
	int sockets[2];

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(vio_ctx_abort_work(s->p.ctx), 0);
	assert_int_equal(resume_vf(s, NULL), -EOPNOTSUPP);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	/* Nor can it be released any more: it goes to nobody. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	assert_int_equal(vio_vf_detach(s->vf, sockets[0], &s->err), 0);
	s->vf = NULL;
	close(sockets[0]);
	close(sockets[1]);
}

static void a_claimed_vf_is_no_place_to_resume(void **state)
{
	struct stage *s = *state;
	struct vio_vf *other;

	assert_int_equal(process_claim(&s->p, &other), 0);
	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(resume_vf(s, "0000:01:10.2"), -EBUSY);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	assert_int_equal(process_wait(&s->p, vio_vf_release(other, process_done, &s->p,
							    &s->err)),
			 0);
}

static void what_is_not_alike_is_no_place_to_resume(void **state)
{
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	assert_int_equal(resume_vf(s, "0000:02:00.0"), -EXDEV);
	assert_int_equal(resume_vf(s, "0000:07:00.0"), -ENODEV);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
}

static void a_move_that_fails_leaves_both_as_they_were(void **state)
{
	struct vio_journal_record record;
	struct stage *s = *state;

	assert_int_equal(pause_vf(s), 0);
	scene_settings.ignores = VIO_VF_MAC;
	assert_int_equal(resume_vf(s, "0000:02:10.0"), -EIO);
	assert_int_equal(get_state(s), VIO_VF_PAUSED);
	assert_string_equal(s->scene.vf[2]->driver, "igbvf");
	assert_int_equal(read_lease(s, "0000:02:10.0", &record), VIO_LEASE_FREE);
	scene_settings.ignores = 0;
	assert_int_equal(resume_vf(s, NULL), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_user_that_closes_is_paused_and_resumed),
		TEST(a_paused_lease_is_held_and_its_journal_says_so),
		TEST(a_user_that_closes_later_is_waited_for),
		TEST(a_user_that_never_closes_is_named_and_goes_on),
		TEST(an_open_function_whose_user_cannot_be_asked_is_not_paused),
		TEST(a_closed_function_needs_nobody_to_be_asked),
		TEST(callbacks_that_are_missing_are_refused),
		TEST(a_paused_vf_takes_no_other_operation),
		TEST(a_vf_that_is_being_paused_is_not_released),
		TEST(a_vf_that_is_not_paused_is_not_resumed),
		TEST(a_paused_vf_is_released_as_any_other),
		TEST(a_function_made_anew_gets_its_driver_and_settings_back),
		TEST(one_that_has_no_settings_is_paused_and_resumed_without),
		TEST(an_nvme_controller_is_given_what_it_has),
		TEST(the_vectors_of_an_nvme_controller_are_not_set),
		TEST(a_lease_follows_its_index_to_another_address),
		TEST(a_function_that_is_not_there_leaves_it_paused),
		TEST(a_paused_vf_that_has_gone_is_given_back),
		TEST(a_user_whose_function_has_gone_is_not_told_to_go_on),
		TEST(a_paused_vf_is_handed_over_and_resumed_there),
		TEST(a_driver_that_refuses_leaves_it_paused),
		TEST(a_vf_moves_to_another_that_is_alike),
		TEST(the_place_that_its_index_has_now_is_no_other_vf),
		TEST(a_move_leaves_alone_what_is_at_the_old_address_by_now),
		TEST(a_change_of_the_number_that_begins_during_a_resume_is_seen),
		TEST(one_that_has_gone_goes_on_as_another_of_its_pf),
		TEST(a_resume_is_refused_where_it_cannot_be),
		TEST(without_a_way_around_blocking_it_stays_paused),
		TEST(a_claimed_vf_is_no_place_to_resume),
		TEST(what_is_not_alike_is_no_place_to_resume),
		TEST(a_move_that_fails_leaves_both_as_they_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
