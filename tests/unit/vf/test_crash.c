/* SPDX-License-Identifier: MIT */
/*
 * A process dies before each of its effects in turn, in each operation, cleanly or
 * in the middle of a journal's record. Another process recovers, or dies in turn
 * and a third recovers: the machine is as it was, the VF can be claimed again, and
 * under a generation that was never used.
 */
#include <stdio.h>

#include "scene.h"

#define EFFECTS_MAX 200u /* no operation has as many: a loop that does not end */

struct stage {
	struct scene scene;
	struct process first;
	struct process second;
	struct vio_vf *vf[2];
};

/* 0, or the error of whatever died. Must leave no handle behind. */
typedef int (*attempt_fn)(struct stage *stage);

static int claim_two(struct stage *s)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	config.fields = VIO_VF_MAC | VIO_VF_VLAN;
	memcpy(config.mac, "\x02\x11\x22\x33\x44\x55", 6);
	config.vlan = 100;
	request.n = 2;
	request.config = &config;
	return process_wait(&s->first, vio_vf_claim(s->first.host, &request, s->vf,
						    process_done, &s->first, &err));
}

static int release_one(struct stage *s, uint32_t i)
{
	struct vio_error err = VIO_ERROR_INIT;

	return process_wait(&s->first,
			    vio_vf_release(s->vf[i], process_done, &s->first, &err));
}

static int configure_one(struct stage *s, uint32_t i)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	config.fields = VIO_VF_VLAN | VIO_VF_TRUST | VIO_VF_SPOOFCHK;
	config.vlan = 200;
	config.qos = 3;
	config.trust = 1;
	return process_wait(&s->first, vio_vf_configure(s->vf[i], &config, NULL,
							process_done, &s->first, &err));
}

static int whole_life(struct stage *s)
{
	struct vio_error err = VIO_ERROR_INIT;
	int ret, last;

	ret = claim_two(s);
	if (ret)
		return ret;
	ret = configure_one(s, 0);
	if (!ret)
		ret = process_wait(&s->first, vio_vf_reset(s->vf[0], process_done,
							   &s->first, &err));
	for (uint32_t i = 0; i < 2; i++) {
		last = release_one(s, i);
		ret = ret ? ret : last;
	}
	return ret;
}

static int recover(struct process *p, struct vio_vf_recovery *recovery)
{
	struct vio_error err = VIO_ERROR_INIT;

	*recovery = (struct vio_vf_recovery)VIO_VF_RECOVERY_INIT;
	return process_wait(p,
			    vio_host_recover(p->host, recovery, process_done, p, &err));
}

/* The machine is as before, and every VF is free, under a new generation. */
static void verify_clean(struct stage *s)
{
	struct process p;
	struct vio_vf *vf[SCENE_VFS];
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	/* Its own driver does not expect a reset, and may never come back from one. */
	for (uint32_t i = 0; i < SCENE_VFS; i++)
		assert_int_equal(s->scene.vf[i]->n_resets_in_use, 0);
	scene_verify_before(&s->scene);
	process_start(&p, &s->scene);
	request.n = SCENE_VFS;
	assert_int_equal(process_wait(&p, vio_vf_claim(p.host, &request, vf,
						       process_done, &p, &err)),
			 0);
	for (uint32_t i = 0; i < SCENE_VFS; i++)
		assert_int_equal(
			process_wait(&p, vio_vf_release(vf[i], process_done, &p, &err)),
			0);
	process_end(&p);
	scene_verify_before(&s->scene);
}

/* Returns whether the process lived to the end. */
static int die_at(uint32_t n, enum death death)
{
	struct vio_vf_recovery recovery;
	struct stage s;
	int ret;

	memset(&s, 0, sizeof(s));
	scene_create(&s.scene);
	process_start(&s.first, &s.scene);
	s.first.die_at = n;
	s.first.death = death;
	ret = whole_life(&s);
	assert_int_equal(!!ret, s.first.is_dead);
	process_end(&s.first);
	process_start(&s.second, &s.scene);
	assert_int_equal(recover(&s.second, &recovery), 0);
	assert_int_equal(recovery.n_alive, 0);
	assert_int_equal(recovery.n_unknown, 0);
	assert_int_equal(recovery.n_failed, 0);
	if (!ret)
		assert_int_equal(recovery.n_undone, 0);
	process_end(&s.second);
	verify_clean(&s);
	scene_destroy(&s.scene);
	return !ret;
}

static void run_all(enum death death)
{
	uint32_t n = 1;

	while (!die_at(n, death))
		assert_true(++n < EFFECTS_MAX);
	/* Two claims, a configuration, a reset, two releases. */
	assert_true(n > 50);
}

static void a_death_before_any_effect_is_recovered_from(void **state)
{
	(void)state;
	run_all(DEATH_CLEAN);
}

static void a_death_in_the_middle_of_any_record_is_recovered_from(void **state)
{
	(void)state;
	run_all(DEATH_TORN);
}

/* A dead claimant, then a recovery that dies at @n; whether that one lived. */
static int die_recovering(uint32_t n, enum death death)
{
	struct vio_vf_recovery recovery;
	struct process third;
	struct stage s;
	int lived;

	memset(&s, 0, sizeof(s));
	scene_create(&s.scene);
	process_start(&s.first, &s.scene);
	assert_int_equal(claim_two(&s), 0);
	/* Dead while it holds both: the releases end its memory, and do nothing. */
	s.first.is_dead = 1;
	assert_int_not_equal(release_one(&s, 0), 0);
	assert_int_not_equal(release_one(&s, 1), 0);
	process_end(&s.first);

	process_start(&s.second, &s.scene);
	s.second.die_at = n;
	s.second.death = death;
	recover(&s.second, &recovery);
	lived = !s.second.is_dead;
	assert_int_equal(recovery.n_undone == 2, lived);
	process_end(&s.second);

	process_start(&third, &s.scene);
	assert_int_equal(recover(&third, &recovery), 0);
	assert_int_equal(recovery.n_failed + recovery.n_unknown + recovery.n_alive, 0);
	process_end(&third);
	verify_clean(&s);
	scene_destroy(&s.scene);
	return lived;
}

static void a_death_of_who_recovers_is_recovered_from(void **state)
{
	(void)state;
	for (int death = DEATH_CLEAN; death <= DEATH_TORN; death++) {
		uint32_t n = 1;

		while (!die_recovering(n, (enum death)death))
			assert_true(++n < EFFECTS_MAX);
		assert_true(n > 20);
	}
}

/* Lives on, so that what fails is undone at once; or it could not be, and is kept. */
static int fail_at(uint32_t n)
{
	struct vio_vf_recovery recovery;
	struct stage s;
	int ret;

	memset(&s, 0, sizeof(s));
	scene_create(&s.scene);
	process_start(&s.first, &s.scene);
	s.first.fail_at = n;
	ret = whole_life(&s);
	assert_int_equal(!ret, s.first.n_effects < n);
	assert_int_equal(recover(&s.first, &recovery), 0);
	assert_int_equal(recovery.n_failed + recovery.n_unknown, 0);
	process_end(&s.first);
	verify_clean(&s);
	scene_destroy(&s.scene);
	return ret;
}

static void a_failure_of_any_effect_leaves_what_was_before(void **state)
{
	uint32_t n = 1;

	(void)state;
	while (fail_at(n))
		assert_true(++n < EFFECTS_MAX);
	assert_true(n > 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_death_before_any_effect_is_recovered_from),
		cmocka_unit_test(a_death_in_the_middle_of_any_record_is_recovered_from),
		cmocka_unit_test(a_death_of_who_recovers_is_recovered_from),
		cmocka_unit_test(a_failure_of_any_effect_leaves_what_was_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
