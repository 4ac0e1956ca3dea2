/* SPDX-License-Identifier: MIT */
/*
 * A process dies before each effect of a resize in turn, cleanly or in the middle of
 * a record, while it holds two VFs; or an effect fails and it lives on. Afterwards
 * there is the old number or the new one, every VF has its driver, and every lease
 * is there or has been given back.
 */
#include "resize_stage.h"

#define EFFECTS_MAX 200u /* no resize of two has as many: a loop that does not end */

static int recover(struct process *p)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	const int ret = process_wait(
		p, vio_host_recover(p->host, &recovery, process_done, p, &err));

	if (ret)
		return ret;
	assert_int_equal(recovery.n_alive + recovery.n_unknown, 0);
	return recovery.n_failed ? -EIO : 0;
}

/* What is asked for, of a machine in which it may not go as it did before. */
struct change {
	uint32_t from, to; /* VFs, of which the first two are held */
	uint32_t refused;  /* the number that the driver does not make; 0: none */
	uint32_t offset;   /* where VFs are, afterwards; 0: where they were */
	int is_paused;     /* the first, by its owner */
};

static void verify_number(const struct stage *s, const struct change *change)
{
	const uint32_t n = stage_count(s);

	assert_true(n == change->from || n == change->to);
}

/* Nobody has left anything: the VFs can be claimed, and their number changed. */
static void verify_clean(struct stage *s, const struct change *change)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vf[7];
	struct process p;

	verify_number(s, change);
	stage_verify_free(s);
	s->scene.pf[0]->refused_vfs = 0;
	process_start(&p, &s->scene);
	request.flags = VIO_VF_FROM_PF;
	request.pf = s->pf;
	request.n = stage_count(s);
	assert_int_equal(process_wait(&p, vio_vf_claim(p.host, &request, vf,
						       process_done, &p, &s->err)),
			 0);
	for (uint32_t i = 0; i < request.n; i++)
		assert_int_equal(process_wait(&p, vio_vf_release(vf[i], process_done,
								 &p, &s->err)),
				 0);
	s->params.flags = VIO_RESIZE_FAIL_IF_HELD;
	s->params.n_vfs = 4;
	assert_int_equal(
		process_wait(&p, vio_host_resize(p.host, &s->pf, &s->params, NULL,
						 process_done, &p, &s->err)),
		0);
	process_end(&p);
	assert_int_equal(stage_count(s), 4);
}

static void destroy(struct stage *s)
{
	scene_destroy(&s->scene);
	free(s);
}

/* What it held before its claim was undone is what it has after a recovery. */
static void verify_identity(const struct stage *s)
{
	assert_int_equal(s->scene.vf[0]->config.mac[0], 2);
	assert_int_equal(s->scene.vf[1]->config.mac[0], 2);
	assert_int_equal(s->scene.vf[1]->config.mac[5], 1);
	assert_string_equal(s->scene.vf[1]->override, "vfio-pci");
}

static struct stage *create(const struct change *change)
{
	struct stage *s = stage_create(2);

	assert_int_equal(stage_resize(s, change->from), 0);
	if (change->is_paused)
		assert_int_equal(
			process_wait(&s->p, vio_vf_pause(s->users[0].vf, 0,
							 process_done, &s->p, &s->err)),
			0);
	s->scene.pf[0]->refused_vfs = change->refused;
	if (change->offset)
		s->scene.pf[0]->vf_offset = change->offset;
	return s;
}

/* Dies at @n of a resize; returns whether it lived. */
static int die_at(const struct change *change, uint32_t n, enum death death,
		  uint32_t recovery_dies_at)
{
	struct stage *s = create(change);
	struct process second;
	int lived, recovered;

	s->p.die_at = s->p.n_effects + n;
	s->p.death = death;
	stage_resize(s, change->to);
	lived = !s->p.is_dead;
	s->p.is_dead = 1;
	/* The kernel closes what the dead have open. */
	stage_release(s);
	process_end(&s->p);

	process_start(&second, &s->scene);
	second.die_at = recovery_dies_at;
	second.death = death;
	recovered = recover(&second);
	assert_int_equal(!!recovered && !recovery_dies_at, 0);
	process_end(&second);
	if (recovery_dies_at) {
		process_start(&second, &s->scene);
		assert_int_equal(recover(&second), 0);
		process_end(&second);
	}
	if (!change->offset)
		verify_identity(s);
	verify_clean(s, change);
	destroy(s);
	return lived;
}

static void
run_all(const struct change *change, enum death death, uint32_t recovery_dies_at)
{
	uint32_t n = 1;

	while (!die_at(change, n, death, recovery_dies_at))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 20);
}

static const struct change usual = { .from = 2, .to = 5 };

static void a_death_before_any_effect_ends_with_one_of_the_numbers(void **state)
{
	(void)state;
	run_all(&usual, DEATH_CLEAN, 0);
}

static void a_death_in_any_record_ends_with_one_of_the_numbers(void **state)
{
	(void)state;
	run_all(&usual, DEATH_TORN, 0);
}

static void a_death_while_there_become_fewer_ends_with_one_of_the_numbers(void **state)
{
	const struct change change = { .from = 6, .to = 2 };

	(void)state;
	run_all(&change, DEATH_TORN, 0);
}

static void a_death_while_it_is_put_back_ends_with_the_old_number(void **state)
{
	const struct change change = { .from = 2, .to = 5, .refused = 5 };

	(void)state;
	run_all(&change, DEATH_TORN, 0);
}

/* Each VF comes back at the address that the one after it had. */
static void a_death_while_addresses_change_leaves_every_lease_free(void **state)
{
	const struct change change = { .from = 2, .to = 5, .offset = 130 };

	(void)state;
	run_all(&change, DEATH_CLEAN, 0);
	run_all(&change, DEATH_TORN, 0);
}

static void a_death_with_a_vf_that_its_owner_paused_is_recovered_from(void **state)
{
	const struct change change = { .from = 2, .to = 5, .is_paused = 1 };

	(void)state;
	run_all(&change, DEATH_CLEAN, 0);
}

static void a_death_of_who_recovers_ends_with_one_of_the_numbers(void **state)
{
	(void)state;
	for (uint32_t n = 1; n < 40; n += 3)
		run_all(&usual, DEATH_CLEAN, n);
}

/* Its users go on, or it is theirs to resume. */
static void resume_all(struct stage *s)
{
	for (uint32_t i = 0; i < s->n_users; i++) {
		struct vio_vf *vf = s->users[i].vf;

		if (vf->info.state != VIO_VF_PAUSED)
			continue;
		assert_int_equal(
			process_wait(&s->p, vio_vf_resume(vf, NULL, process_done, &s->p,
							  &s->err)),
			0);
	}
}

static int fail_at(uint32_t n)
{
	struct stage *s = stage_create(2);
	int ret;

	s->p.fail_at = s->p.n_effects + n;
	ret = stage_resize(s, 5);
	/* A driver that is not offered a free VF is no failure of the resize. */
	if (s->p.n_effects < s->p.fail_at)
		assert_int_equal(ret, 0);
	assert_int_equal(stage_count(s), ret ? 2 : 5);
	resume_all(s);
	stage_verify_users(s);
	assert_int_equal(s->scene.pf[0]->autoprobe, 1);
	ret = s->p.n_effects < s->p.fail_at;
	s->p.fail_at = 0;
	stage_release(s);
	assert_int_equal(recover(&s->p), 0);
	process_end(&s->p);
	verify_identity(s);
	destroy(s);
	return ret;
}

static void a_failure_of_any_effect_leaves_the_old_number_and_every_lease(void **state)
{
	uint32_t n = 1;

	(void)state;
	while (!fail_at(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 30);
}

static void a_resize_of_the_dead_is_stale_until_it_is_recovered(void **state)
{
	struct stage *s = stage_create(0);
	struct process second;

	(void)state;
	s->p.die_at = s->p.n_effects + 6;
	assert_int_not_equal(stage_resize(s, 5), 0);
	process_end(&s->p);
	process_start(&second, &s->scene);
	s->params.n_vfs = 3;
	assert_int_equal(vio_host_resize(second.host, &s->pf, &s->params, NULL,
					 process_done, &second, &s->err),
			 -ESTALE);
	assert_int_equal(recover(&second), 0);
	process_end(&second);
	verify_clean(s, &usual);
	destroy(s);
}

static void a_vf_of_the_dead_is_stale_until_it_is_recovered(void **state)
{
	struct stage *s = stage_create(1);
	struct process second;

	(void)state;
	s->p.is_dead = 1;
	stage_release(s);
	process_end(&s->p);
	process_start(&second, &s->scene);
	s->params.n_vfs = 5;
	assert_int_equal(vio_host_resize(second.host, &s->pf, &s->params, NULL,
					 process_done, &second, &s->err),
			 -ESTALE);
	assert_int_equal(recover(&second), 0);
	process_end(&second);
	verify_clean(s, &usual);
	destroy(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_death_before_any_effect_ends_with_one_of_the_numbers),
		cmocka_unit_test(a_death_in_any_record_ends_with_one_of_the_numbers),
		cmocka_unit_test(
			a_death_while_there_become_fewer_ends_with_one_of_the_numbers),
		cmocka_unit_test(a_death_while_it_is_put_back_ends_with_the_old_number),
		cmocka_unit_test(
			a_death_while_addresses_change_leaves_every_lease_free),
		cmocka_unit_test(
			a_death_with_a_vf_that_its_owner_paused_is_recovered_from),
		cmocka_unit_test(a_death_of_who_recovers_ends_with_one_of_the_numbers),
		cmocka_unit_test(
			a_failure_of_any_effect_leaves_the_old_number_and_every_lease),
		cmocka_unit_test(a_resize_of_the_dead_is_stale_until_it_is_recovered),
		cmocka_unit_test(a_vf_of_the_dead_is_stale_until_it_is_recovered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
