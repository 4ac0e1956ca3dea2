/* SPDX-License-Identifier: MIT */
/*
 * A resize among those who mean it no good, or do what they like at the wrong moment:
 * functions that go, a number that somebody else changes, time that passes, and a
 * kernel that takes neither the new number nor all of the old state.
 */
#include "resize_stage.h"
#include "vf/lease.h"

#define SECOND_NS   UINT64_C(1000000000)
#define EFFECTS_MAX 200u

static int setup(void **state)
{
	*state = stage_create(2);
	return 0;
}

static int setup_none(void **state)
{
	*state = stage_create(0);
	return 0;
}

static int teardown(void **state)
{
	stage_destroy(*state);
	return 0;
}

static enum vio_lease_standing read_pf(struct stage *s)
{
	struct vio_journal_record record;
	enum vio_lease_standing standing;

	assert_int_equal(vio_lease_read_pf(s->p.host, &s->pf, &standing, &record), 0);
	return standing;
}

static void recover(struct stage *s)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;

	assert_int_equal(
		process_wait(&s->p, vio_host_recover(s->p.host, &recovery, process_done,
						     &s->p, &s->err)),
		0);
	assert_int_equal(recovery.n_failed + recovery.n_unknown, 0);
}

static void resume(struct stage *s, uint32_t i)
{
	assert_int_equal(
		process_wait(&s->p, vio_vf_resume(s->users[i].vf, NULL, process_done,
						  &s->p, &s->err)),
		0);
}

/* Everybody lets go at once, and the clock runs away afterwards. */
static void a_deadline_that_passes_while_the_kernel_works_ends_nothing(void **state)
{
	struct stage *s = *state;
	uint64_t now_ns = 0;
	int ret;

	s->params.timeout_ns = SECOND_NS;
	ret = stage_begin(s, 4);
	assert_int_equal(ret, 0);
	for (process_settle(&s->p); !s->scene.pf[0]->n_writes; process_settle(&s->p))
		process_step(&s->p);
	s->p.n_done = 0;
	while (!s->p.n_done) {
		now_ns += 2 * SECOND_NS;
		vio_fake_set_time(s->scene.fake, now_ns);
		process_step(&s->p);
	}
	assert_int_equal(s->p.result, 0);
	assert_int_equal(stage_count(s), 4);
	stage_verify_users(s);
}

/* One has gone with whatever took it; the other goes on. */
static void a_function_that_goes_before_it_is_closed_ends_the_resize(void **state)
{
	struct stage *s = *state;
	int ret;

	s->users[1].is_stubborn = 1;
	ret = stage_begin(s, 4);
	assert_int_equal(ret, 0);
	while (!s->users[1].n_paused)
		process_step(&s->p);
	vio_fake_pci_remove(s->scene.vf[1]);
	user_close(&s->users[1]);
	assert_int_equal(process_wait(&s->p, ret), -ENODEV);
	assert_int_equal(s->users[1].vf->info.state, VIO_VF_LOST);
	assert_int_equal(s->users[1].n_resumed, 0);
	assert_int_equal(s->users[0].vf->info.state, VIO_VF_HELD);
	assert_int_equal(s->users[0].n_resumed, 1);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
	assert_int_equal(read_pf(s), VIO_LEASE_FREE);
	/* It is in the way until it is given back. */
	assert_int_equal(stage_resize(s, 4), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.2: has gone, release it"));
}

static void a_failure_before_the_kernel_is_asked_binds_nothing(void **state)
{
	struct stage *s = *state;
	struct vio_fake_function *f;

	assert_int_equal(stage_resize(s, 3), 0);
	f = vio_fake_pci_find(&s->scene.pci, "0000:01:10.4");
	assert_non_null(f);
	vio_fake_pci_remove(f);
	s->scene.pf[0]->autoprobe = 0;
	f = vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0], "0000:01:10.4", "igbvf",
				-1);
	s->scene.pf[0]->autoprobe = 1;
	assert_string_equal(f->driver, "");
	s->users[0].is_stubborn = 1;
	assert_int_equal(stage_begin(s, 4), 0);
	while (s->users[0].n_paused < 2)
		process_step(&s->p);
	vio_fake_set_time(s->scene.fake, 10 * SECOND_NS);
	assert_int_equal(process_wait(&s->p, 0), -ETIMEDOUT);
	assert_string_equal(f->driver, "");
}

static void fewer_than_were_asked_for_leave_the_old_number(void **state)
{
	struct stage *s = *state;

	s->scene.pf[0]->scanty_vfs = 4;
	assert_int_equal(stage_resize(s, 4), -EIO);
	assert_non_null(strstr(s->p.why, "0000:01:00.0: it has 3 VFs, not 4"));
	assert_int_equal(stage_count(s), 2);
	assert_int_equal(s->users[0].n_resumed, 1);
	stage_verify_users(s);
}

static int resize_in_child(void *opaque)
{
	return stage_begin(opaque, 4) == -ECHILD ? 0 : 1;
}

static void it_is_refused_where_it_cannot_be(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_test_fork(resize_in_child, s), 0);
	assert_int_equal(vio_ctx_abort_work(s->p.ctx), 0);
	assert_int_equal(stage_begin(s, 4), -EOPNOTSUPP);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
}

static uint32_t n_timers;

static int no_first_timer(void *opaque, int clock_id)
{
	const struct process *p = opaque;
	const struct vio_sys *base = vio_fake_get_sys(p->scene->fake);

	return n_timers++ ? base->timerfd_create(base->opaque, clock_id) : -EMFILE;
}

static void nobody_is_asked_after_one_could_not_be(void **state)
{
	struct stage *s = *state;
	const struct vio_sys before = s->p.sys;
	int ret;

	n_timers = 0;
	s->p.sys.timerfd_create = no_first_timer;
	ret = stage_begin(s, 4);
	s->p.sys = before;
	assert_int_equal(process_wait(&s->p, ret), -EMFILE);
	assert_int_equal(s->users[0].n_paused + s->users[1].n_paused, 0);
	assert_int_equal(s->scene.pf[0]->n_writes, 0);
	stage_verify_users(s);
}

/* Between the look at the PF and its lock. */
static void take_all_away(void *opaque, const char *path)
{
	struct stage *s = opaque;

	if (!strstr(path, "/vf/pf-") || !s->scene.vf[0]->name[0])
		return;
	vio_fake_pci_remove(s->scene.vf[0]);
	vio_fake_pci_remove(s->scene.vf[1]);
}

static void the_old_number_is_the_one_under_the_lock(void **state)
{
	struct stage *s = *state;

	s->p.on_open_opaque = s;
	s->p.on_open = take_all_away;
	s->scene.pf[0]->refused_vfs = 5;
	assert_int_equal(stage_resize(s, 5), -ENOMEM);
	assert_int_equal(stage_count(s), 0);
	assert_int_equal(read_pf(s), VIO_LEASE_FREE);
}

/* Claims one VF with as many vectors as it asks for, where each has five. */
static void claim_vectors(struct stage *s, uint32_t n_msix)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf *vf;

	s->scene.pf[0]->vf_msix = 5;
	assert_int_equal(stage_resize(s, 3), 0);
	config.fields = n_msix ? VIO_VF_MSIX : VIO_VF_VLAN;
	config.n_msix = n_msix;
	request.config = &config;
	request.flags = VIO_VF_FROM_PF;
	request.pf = s->pf;
	assert_int_equal(
		process_wait(&s->p, vio_vf_claim(s->p.host, &request, &vf, process_done,
						 &s->p, &s->err)),
		0);
	user_start(&s->users[s->n_users++], vf, &s->scene.pci);
}

static uint32_t count_vectors(struct stage *s)
{
	return vio_fake_pci_find(&s->scene.pci, "0000:01:10.0")->config.n_msix;
}

static void the_number_of_vectors_that_was_set_is_set_again(void **state)
{
	struct stage *s = *state;

	claim_vectors(s, 2);
	assert_int_equal(count_vectors(s), 2);
	assert_int_equal(stage_resize(s, 7), 0);
	assert_int_equal(count_vectors(s), 2);
	stage_release(s);
	assert_int_equal(count_vectors(s), 5);
}

/* The driver shares its vectors out anew; the guest has seen how many there were. */
static void a_number_of_vectors_that_nobody_set_stays_as_the_guest_saw_it(void **state)
{
	struct stage *s = *state;

	claim_vectors(s, 0);
	s->scene.pf[0]->vf_msix = 3;
	assert_int_equal(stage_resize(s, 7), 0);
	assert_int_equal(count_vectors(s), 5);
}

static void vectors_that_are_not_to_be_had_again_leave_the_old_number(void **state)
{
	struct stage *s = *state;

	claim_vectors(s, 2);
	s->scene.pf[0]->vf_msix = 3;
	scene_settings.lacks = VIO_VF_MSIX;
	assert_int_equal(stage_resize(s, 7), -EOPNOTSUPP);
	assert_int_equal(stage_count(s), 3);
	assert_int_equal(s->users[0].vf->info.state, VIO_VF_PAUSED);
	assert_int_equal(s->users[0].n_resumed, 0);
	scene_settings.lacks = 0;
	resume(s, 0);
	assert_int_equal(count_vectors(s), 2);
}

/* A number that is refused, and on the way back one more effect fails. */
static int fail_twice_at(uint32_t n)
{
	struct stage *s = stage_create(2);
	enum vio_lease_standing standing;
	int lived;

	s->scene.pf[0]->refused_vfs = 6;
	s->p.fail_at = s->p.n_effects + n;
	assert_int_not_equal(stage_resize(s, 6), 0);
	lived = s->p.n_effects < s->p.fail_at;
	s->p.fail_at = 0;
	standing = read_pf(s);
	assert_true(standing == VIO_LEASE_FREE || standing == VIO_LEASE_DEAD);
	/* What says free is as it was. */
	if (standing == VIO_LEASE_FREE) {
		assert_int_equal(s->scene.pf[0]->autoprobe, 1);
		assert_int_equal(stage_count(s), 2);
	}
	recover(s);
	assert_int_equal(read_pf(s), VIO_LEASE_FREE);
	assert_int_equal(s->scene.pf[0]->autoprobe, 1);
	assert_int_equal(stage_count(s), 2);
	for (uint32_t i = 0; i < 2; i++)
		if (s->users[i].vf->info.state == VIO_VF_PAUSED)
			resume(s, i);
	stage_verify_users(s);
	stage_destroy(s);
	return lived;
}

static void what_fails_on_the_way_back_is_left_to_a_recovery(void **state)
{
	uint32_t n = 1;

	(void)state;
	while (!fail_twice_at(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 30);
}

/* No way around blocking any more, from the nth callback on. Is it over by then? */
static int lose_thread_at(uint32_t n)
{
	struct stage *s = stage_create(0);
	int is_over;

	assert_int_equal(stage_begin(s, 5), 0);
	while (n-- && !s->p.n_done)
		process_step(&s->p);
	is_over = s->p.n_done != 0;
	process_settle(&s->p);
	assert_int_equal(vio_ctx_abort_work(s->p.ctx), 0);
	if (!is_over)
		vio_test_dispatch_until(s->p.ctx, &s->p.n_done, 1);
	process_end(&s->p);
	process_start(&s->p, &s->scene);
	recover(s);
	assert_int_equal(read_pf(s), VIO_LEASE_FREE);
	assert_int_equal(s->scene.pf[0]->autoprobe, 1);
	assert_true(stage_count(s) == 2 || stage_count(s) == 5);
	stage_verify_free(s);
	stage_destroy(s);
	return is_over;
}

static void a_thread_that_returns_at_any_time_leaves_one_of_the_numbers(void **state)
{
	uint32_t n = 0;

	(void)state;
	while (!lose_thread_at(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 10);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define NONE(name) cmocka_unit_test_setup_teardown(name, setup_none, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_deadline_that_passes_while_the_kernel_works_ends_nothing),
		TEST(a_function_that_goes_before_it_is_closed_ends_the_resize),
		TEST(a_failure_before_the_kernel_is_asked_binds_nothing),
		TEST(nobody_is_asked_after_one_could_not_be),
		TEST(fewer_than_were_asked_for_leave_the_old_number),
		NONE(it_is_refused_where_it_cannot_be),
		NONE(the_old_number_is_the_one_under_the_lock),
		NONE(the_number_of_vectors_that_was_set_is_set_again),
		NONE(a_number_of_vectors_that_nobody_set_stays_as_the_guest_saw_it),
		NONE(vectors_that_are_not_to_be_had_again_leave_the_old_number),
		cmocka_unit_test(what_fails_on_the_way_back_is_left_to_a_recovery),
		cmocka_unit_test(
			a_thread_that_returns_at_any_time_leaves_one_of_the_numbers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
