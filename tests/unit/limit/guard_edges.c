/* SPDX-License-Identifier: MIT */
/*
 * Guards at the edges of what their parameters may be: as many members as there can
 * be, rates that come to less than a kick in a window, the end of time.
 */
#include "unit/limit/guard_stage.h"

#define N_QUIET (VIO_GUARD_MEMBERS_MAX - 2)

/* Among so many a fair share is less than a thousandth. */
static void a_flood_is_found_among_as_many_as_there_can_be(void **state)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	struct vio_guard_params limits = VIO_GUARD_PARAMS_INIT;
	struct vio_guard_member *quiet[N_QUIET];
	struct tenant *victim, *attacker;
	struct stage s;

	(void)state;
	params.name = "quiet";
	/* A hundredth of the time: the victim comes seldom. */
	limits.waiting_permille = 10;
	stage_open(&s, &limits);
	for (uint32_t i = 0; i < N_QUIET; i++)
		assert_int_equal(vio_guard_add(s.guard, &params, &quiet[i], NULL), 0);
	victim = stage_add(&s, 0);
	attacker = stage_add(&s, 0);
	/* Its part of the time would be 976 ns in each millisecond. */
	tenant_arrive(&s, victim, 4 * MS, US);
	stage_run(&s, 100 * MS);
	tenant_flood(&s, attacker, 20 * US);
	stage_run(&s, 2 * SEC);
	assert_true(stage_read(attacker).n_alarms > 0);
	assert_int_equal(stage_read(victim).n_alarms, 0);
	for (uint32_t i = 0; i < N_QUIET; i++)
		assert_int_equal(vio_guard_remove(quiet[i]), 0);
	stage_close(&s);
}

/* A thousandth of a kick in each window adds up all the same. */
static void free_kicks_add_up_however_short_the_windows(void **state)
{
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
	struct stage s;
	struct tenant *tenant;

	(void)state;
	params.window_ns = 10 * US;
	params.idle_kicks_per_sec = 50;
	params.kicks_max = 100;
	stage_open(&s, &params);
	tenant = stage_add(&s, 0);
	tenant->kicks = 99;
	vio_guard_mark(tenant->member, s.now_ns);
	stage_run(&s, MS);
	assert_in_range(stage_read(tenant).excess_kicks, 98, 99);
	/* A second without one, but somebody closes each window. */
	tenant_arrive(&s, stage_add(&s, 0), 10 * US, US);
	stage_run(&s, SEC);
	assert_in_range(stage_read(tenant).excess_kicks, 48, 50);
	stage_close(&s);
}

static void at_the_end_of_time_nobody_is_accused(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	s.now_ns = UINT64_MAX;
	tenant_begin(&s, tenant);
	tenant_end(&s, tenant);
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	assert_int_equal(stage_read(tenant).actions, 0);
	assert_int_equal(tenant->n_acts, 0);
	stage_close(&s);
}

/* After a long rest the averages say nothing yet. */
static void who_waits_first_of_all_may_complain(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct tenant *victim, *attacker;
	struct stage s;

	(void)state;
	stage_open_default(&s);
	victim = stage_add(&s, 0);
	attacker = stage_add(&s, 0);
	s.now_ns += SEC;
	tenant_begin(&s, attacker);
	vio_guard_mark(victim->member, s.now_ns);
	s.now_ns += 50 * MS;
	sample.flags = VIO_GUARD_MORE;
	assert_int_equal(vio_guard_record(attacker->member, s.now_ns, &sample), 0);
	assert_int_equal(s.guard->imposed_ns, 50 * MS);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_is_found_among_as_many_as_there_can_be),
		cmocka_unit_test(free_kicks_add_up_however_short_the_windows),
		cmocka_unit_test(at_the_end_of_time_nobody_is_accused),
		cmocka_unit_test(who_waits_first_of_all_may_complain),
	};

	return cmocka_run_group_tests_name("guard edges", tests, NULL, NULL);
}
