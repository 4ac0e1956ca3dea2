/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is: shares by weight, nobody left out, nothing wasted, and what a
 * caller or a clock may do wrong.
 */
#include "unit/limit/guard_stage.h"

static void a_tenant_alone_gets_everything(void **state)
{
	struct stage s;
	struct tenant *tenant;

	(void)state;
	stage_open_default(&s);
	tenant = stage_add(&s, 1);
	stage_add(&s, 1000);
	tenant_flood(&s, tenant, 10 * US);
	stage_run(&s, SEC);
	assert_true(tenant->served_ns >= SEC);
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	stage_close(&s);
}

static void service_time_is_shared_by_weight(void **state)
{
	struct stage s;
	struct tenant *light, *heavy;

	(void)state;
	stage_open_default(&s);
	light = stage_add(&s, 100);
	heavy = stage_add(&s, 300);
	tenant_flood(&s, light, 3 * US);
	tenant_flood(&s, heavy, 17 * US);
	stage_run(&s, SEC);
	assert_in_range(heavy->served_ns * 1000 / light->served_ns, 2950, 3050);
	stage_close(&s);
}

static void operations_that_cost_more_bring_no_more_time(void **state)
{
	struct stage s;
	struct tenant *tiny, *huge;

	(void)state;
	stage_open_default(&s);
	tiny = stage_add(&s, 0);
	huge = stage_add(&s, 0);
	tenant_flood(&s, tiny, US / 2);
	/* One of them is longer than a turn, and cannot be interrupted. */
	tenant_flood(&s, huge, 900 * US);
	stage_run(&s, SEC);
	assert_in_range(huge->served_ns * 1000 / tiny->served_ns, 980, 1020);
	stage_close(&s);
}

static void shares_hold_while_costs_are_random(void **state)
{
	uint64_t random = 0x9e3779b97f4a7c15;

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct stage s;

		stage_open_default(&s);
		for (uint64_t i = 0; i < 4; i++)
			tenant_flood(&s, stage_add(&s, 100 * (i + 1)), US);
		for (uint64_t end_ns = s.now_ns + SEC; s.now_ns < end_ns;) {
			for (int i = 0; i < 4; i++)
				s.tenants[i].op_ns =
					US / 2 + stage_random(&random) % (400 * US);
			stage_step(&s, end_ns);
		}
		for (uint64_t i = 0; i < 4; i++)
			assert_in_range(s.tenants[i].served_ns,
					(i + 1) * SEC / 10 * 97 / 100,
					(i + 1) * SEC / 10 * 103 / 100);
		stage_close(&s);
	}
}

static void who_wakes_up_waits_for_one_turn(void **state)
{
	struct stage s;
	struct tenant *victim;

	(void)state;
	stage_open_default(&s);
	for (int i = 0; i < 6; i++)
		tenant_flood(&s, stage_add(&s, 0), 10 * US);
	victim = stage_add(&s, 0);
	stage_run(&s, SEC);
	tenant_arrive(&s, victim, SEC, US);
	stage_run(&s, 130 * US);
	assert_int_equal(victim->n_served, 1);
	stage_close(&s);
}

static void idling_saves_nothing_up(void **state)
{
	struct stage s;
	struct tenant *late, *busy;
	uint64_t before_ns;

	(void)state;
	stage_open_default(&s);
	busy = stage_add(&s, 0);
	late = stage_add(&s, 0);
	tenant_flood(&s, busy, 10 * US);
	stage_run(&s, 10 * SEC);
	before_ns = busy->served_ns;
	tenant_flood(&s, late, 10 * US);
	stage_run(&s, 100 * MS);
	assert_in_range(busy->served_ns - before_ns, 48 * MS, 52 * MS);
	stage_close(&s);
}

static void what_was_overdrawn_is_owed_after_idling_too(void **state)
{
	struct stage s;
	struct tenant *greedy, *other;

	(void)state;
	stage_open_default(&s);
	greedy = stage_add(&s, 0);
	other = stage_add(&s, 0);
	tenant_flood(&s, other, 10 * US);
	tenant_arrive(&s, greedy, 2 * MS, 10 * MS);
	stage_run(&s, SEC);
	assert_in_range(greedy->served_ns, 470 * MS, 530 * MS);
	stage_close(&s);
}

static void nobody_starves(void **state)
{
	struct stage s;
	struct tenant *least;

	(void)state;
	stage_open_default(&s);
	least = stage_add(&s, 1);
	tenant_flood(&s, least, 10 * US);
	for (int i = 0; i < 7; i++)
		tenant_flood(&s, stage_add(&s, VIO_GUARD_WEIGHT_MAX), 10 * US);
	stage_run(&s, 10 * SEC);
	assert_in_range(least->served_ns, SEC / 1000, 2 * SEC / 1000);
	stage_close(&s);
}

static void without_a_mark_there_is_no_turn(void **state)
{
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	struct stage s;

	(void)state;
	stage_open_default(&s);
	stage_add(&s, 0);
	assert_int_equal(vio_guard_begin(s.guard, s.now_ns, &slot), -EAGAIN);
	assert_true(slot.retry_at_ns == UINT64_MAX);
	assert_null(slot.member);
	stage_close(&s);
}

static void a_mark_during_a_turn_brings_another_one(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_begin(&s, tenant);
	vio_guard_mark(tenant->member, s.now_ns);
	tenant_end(&s, tenant);
	assert_int_equal(stage_begin(&s), 0);
	tenant_end(&s, tenant);
	assert_int_equal(stage_begin(&s), -EAGAIN);
	stage_close(&s);
}

static void one_turn_at_a_time(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_begin(&s, tenant);
	assert_int_equal(stage_begin(&s), -EBUSY);
	assert_int_equal(vio_guard_remove(tenant->member), -EBUSY);
	tenant_end(&s, tenant);
	stage_close(&s);
}

static void an_earlier_time_is_taken_as_the_latest_seen(void **state)
{
	const struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_begin(&s, tenant);
	assert_int_equal(vio_guard_record(tenant->member, 0, &sample), 0);
	assert_int_equal(stage_read(tenant).service_ns, 0);
	vio_guard_mark(tenant->member, 5);
	assert_int_equal(vio_guard_begin(s.guard, 5, &slot), 0);
	assert_ptr_equal(slot.opaque, tenant);
	assert_int_equal(vio_guard_record(tenant->member, s.now_ns + 7, &sample), 0);
	assert_int_equal(stage_read(tenant).service_ns, 7);
	stage_close(&s);
}

static void a_leap_of_the_clock_does_no_harm(void **state)
{
	struct stage s;
	struct tenant *a, *b;

	(void)state;
	stage_open_default(&s);
	a = stage_add(&s, 0);
	b = stage_add(&s, 0);
	tenant_flood(&s, a, 10 * US);
	stage_run(&s, 10 * MS);
	s.now_ns = UINT64_MAX - 3600 * SEC;
	tenant_flood(&s, b, 10 * US);
	a->served_ns = 0;
	stage_run(&s, SEC);
	assert_in_range(a->served_ns, 480 * MS, 520 * MS);
	assert_int_equal(stage_read(a).n_alarms + stage_read(b).n_alarms, 0);
	stage_close(&s);
}

static void a_sample_outside_a_turn_is_counted(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	sample.kicks = 3;
	sample.ops = 2;
	sample.bytes = 128;
	sample.service_ns = 50;
	sample.flags = VIO_GUARD_MORE;
	assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample), 0);
	assert_int_equal(stage_read(tenant).kicks, 3);
	assert_int_equal(stage_read(tenant).ops, 2);
	assert_int_equal(stage_read(tenant).bytes, 128);
	assert_int_equal(stage_read(tenant).service_ns, 50);
	/* More was left: it is marked. */
	assert_int_equal(stage_begin(&s), 0);
	tenant_end(&s, tenant);
	stage_close(&s);
}

static void absurd_counts_are_bounded(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct stage s;
	struct tenant *tenant, *other;

	(void)state;
	stage_open_default(&s);
	tenant = stage_add(&s, 1);
	other = stage_add(&s, 0);
	sample.kicks = sample.ops = sample.service_ns = UINT64_MAX;
	for (int i = 0; i < 3; i++)
		assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample),
				 0);
	assert_int_equal(stage_read(tenant).service_ns, 3 * (UINT64_C(1) << 40));
	tenant_flood(&s, other, 10 * US);
	stage_run(&s, SEC);
	assert_true(other->served_ns >= SEC);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_tenant_alone_gets_everything),
		cmocka_unit_test(service_time_is_shared_by_weight),
		cmocka_unit_test(operations_that_cost_more_bring_no_more_time),
		cmocka_unit_test(shares_hold_while_costs_are_random),
		cmocka_unit_test(who_wakes_up_waits_for_one_turn),
		cmocka_unit_test(idling_saves_nothing_up),
		cmocka_unit_test(what_was_overdrawn_is_owed_after_idling_too),
		cmocka_unit_test(nobody_starves),
		cmocka_unit_test(without_a_mark_there_is_no_turn),
		cmocka_unit_test(a_mark_during_a_turn_brings_another_one),
		cmocka_unit_test(one_turn_at_a_time),
		cmocka_unit_test(an_earlier_time_is_taken_as_the_latest_seen),
		cmocka_unit_test(a_leap_of_the_clock_does_no_harm),
		cmocka_unit_test(a_sample_outside_a_turn_is_counted),
		cmocka_unit_test(absurd_counts_are_bounded),
	};

	return cmocka_run_group_tests_name("guard turns", tests, NULL, NULL);
}
