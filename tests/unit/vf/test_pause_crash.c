/* SPDX-License-Identifier: MIT */
/*
 * A process that has paused a VF dies before each effect until it has given it back,
 * cleanly or in the middle of a record: in its place, at the place to which its index
 * went, and as another VF. Whoever recovers finds all of it, and it can be had again.
 */
#include "pause_stage.h"

#define EFFECTS_MAX 100u /* no trip has as many: a loop that does not end */

/* Nobody is left to hold any, and every one can be had. */
static void verify_free(struct stage *s)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vf[SCENE_VFS];
	struct process p;

	process_start(&p, &s->scene);
	request.n = SCENE_VFS;
	assert_int_equal(process_wait(&p, vio_vf_claim(p.host, &request, vf,
						       process_done, &p, &s->err)),
			 0);
	for (uint32_t i = 0; i < SCENE_VFS; i++)
		assert_int_equal(process_wait(&p, vio_vf_release(vf[i], process_done,
								 &p, &s->err)),
				 0);
	process_end(&p);
	for (uint32_t i = 0; i < SCENE_VFS; i++)
		assert_string_equal(s->scene.vf[i]->driver, "igbvf");
}

static void recover(struct stage *s)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct process p;

	process_start(&p, &s->scene);
	assert_int_equal(process_wait(&p, vio_host_recover(p.host, &recovery,
							   process_done, &p, &s->err)),
			 0);
	assert_int_equal(recovery.n_failed + recovery.n_unknown + recovery.n_alive, 0);
	process_end(&p);
}

/* Where a VF that was paused goes on. */
struct trip {
	const char *anew; /* made anew there meanwhile; NULL: it was not */
	const char *to;
	uint32_t n_effects; /* at least */
};

/* Pause, resume, release; a process that dies at @n. Returns whether it lived. */
static int die_at(const struct trip *trip, uint32_t n, enum death death)
{
	struct stage *s;
	void *state = NULL;
	int ret;

	setup(&state);
	s = state;
	s->p.die_at = s->p.n_effects + n;
	s->p.death = death;
	ret = pause_vf(s);
	if (trip->anew)
		make_anew(s, trip->anew);
	if (!ret)
		resume_vf(s, trip->to);
	user_release(&s->user, &s->p);
	s->vf = NULL;
	ret = (int)s->p.is_dead;
	process_end(&s->p);
	recover(s);
	if (!trip->anew)
		scene_verify_before(&s->scene);
	verify_free(s);
	scene_destroy(&s->scene);
	free(s);
	return !ret;
}

static void run_all(const struct trip *trip)
{
	for (int death = DEATH_CLEAN; death <= DEATH_TORN; death++) {
		uint32_t n = 1;

		while (!die_at(trip, n, (enum death)death))
			assert_true(++n < EFFECTS_MAX);
		assert_true(n > trip->n_effects);
	}
}

static void a_death_at_any_effect_of_a_move_is_recovered_from(void **state)
{
	const struct trip trip = { .to = "0000:02:10.0", .n_effects = 20 };

	(void)state;
	run_all(&trip);
}

static void a_death_at_any_effect_of_a_pause_in_place_is_recovered_from(void **state)
{
	const struct trip trip = { .n_effects = 10 };

	(void)state;
	run_all(&trip);
}

static void a_death_while_it_follows_its_index_is_recovered_from(void **state)
{
	const struct trip trip = { .anew = "0000:01:11.0", .n_effects = 20 };

	(void)state;
	run_all(&trip);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_death_at_any_effect_of_a_move_is_recovered_from),
		cmocka_unit_test(
			a_death_at_any_effect_of_a_pause_in_place_is_recovered_from),
		cmocka_unit_test(a_death_while_it_follows_its_index_is_recovered_from),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
