/* SPDX-License-Identifier: MIT */
/*
 * Verdicts and actions: each flood is found in time, each action does what it says
 * and is taken back, and what is no flood is left alone.
 */
#include "unit/limit/guard_stage.h"

/* Detection is to take less. */
#define DETECTION_NS (50 * MS)
#define ALL_ACTIONS                                                                    \
	(VIO_GUARD_DELAY | VIO_GUARD_MASK | VIO_GUARD_BUDGET | VIO_GUARD_REVOKE |      \
	 VIO_GUARD_PAUSE)

/* A victim that takes 40 % of the thread, and somebody beside it. */
static struct tenant *open_pair(struct stage *s, struct tenant **out_victim)
{
	stage_open_default(s);
	*out_victim = stage_add(s, 0);
	tenant_arrive(s, *out_victim, 10 * US, 4 * US);
	stage_run(s, SEC);
	return stage_add(s, 0);
}

/* Kicks without work, 200,000 a second. */
static void flood_doorbell(struct stage *s, struct tenant *tenant)
{
	tenant_arrive(s, tenant, 5 * US, 0);
}

static struct tenant *open_flooder(struct stage *s, uint32_t actions)
{
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
	struct tenant *tenant;

	params.actions = actions;
	stage_open(s, &params);
	tenant = stage_add(s, 0);
	flood_doorbell(s, tenant);
	return tenant;
}

static void assert_is_found(struct stage *s, const struct tenant *attacker,
			    uint32_t verdict, uint64_t in_ns)
{
	assert_true(stage_run_until(s, attacker, verdict, in_ns) < in_ns);
}

static void a_doorbell_flood_is_found(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	flood_doorbell(&s, attacker);
	assert_is_found(&s, attacker, VIO_GUARD_ATTACK, DETECTION_NS);
	assert_int_equal(stage_read(attacker).evidence, VIO_GUARD_KICKS);
	assert_int_equal(stage_read(victim).n_alarms, 0);
	stage_close(&s);
}

static void a_flood_of_tiny_requests_is_found(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	tenant_flood(&s, attacker, US);
	assert_is_found(&s, attacker, VIO_GUARD_SUSPECT, DETECTION_NS);
	assert_int_equal(stage_read(attacker).evidence, VIO_GUARD_WAITING);
	assert_int_equal(stage_read(victim).n_alarms, 0);
	stage_close(&s);
}

static void a_flood_of_work_is_found_and_held_to_its_share(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	tenant_flood(&s, attacker, 20 * US);
	assert_is_found(&s, attacker, VIO_GUARD_SUSPECT, DETECTION_NS);
	attacker->served_ns = victim->n_lost = 0;
	stage_run(&s, SEC);
	assert_true(attacker->served_ns < 510 * MS);
	assert_int_equal(victim->n_lost, 0);
	assert_int_equal(stage_read(victim).n_alarms, 0);
	stage_close(&s);
}

/* Delay is enough where it is a share that was exceeded. */
static void a_flood_of_work_that_is_delayed_stays_suspect(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	tenant_flood(&s, attacker, 20 * US);
	stage_run(&s, 900 * MS);
	assert_int_equal(attacker->worst.verdict, VIO_GUARD_SUSPECT);
	assert_int_equal(stage_read(attacker).actions, VIO_GUARD_DELAY);
	stage_close(&s);
}

static void who_floods_alone_with_work_harms_nobody(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	stage_add(&s, 0);
	tenant_flood(&s, tenant, 20 * US);
	stage_run(&s, 10 * SEC);
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	stage_close(&s);
}

static void two_that_want_everything_are_no_case(void **state)
{
	struct stage s;

	(void)state;
	stage_open_default(&s);
	tenant_flood(&s, stage_add(&s, 0), 3 * US);
	tenant_flood(&s, stage_add(&s, 0), 70 * US);
	stage_run(&s, 10 * SEC);
	assert_int_equal(stage_read(&s.tenants[0]).n_alarms, 0);
	assert_int_equal(stage_read(&s.tenants[1]).n_alarms, 0);
	stage_close(&s);
}

static void a_burst_of_kicks_passes(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	for (int i = 0; i < 20; i++) {
		tenant->kicks = 900;
		vio_guard_mark(tenant->member, s.now_ns);
		stage_run(&s, SEC);
	}
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	assert_int_equal(stage_read(tenant).kicks, 18000);
	stage_close(&s);
}

/* A full ring of kicks is read before most of its work is done, again and again. */
static void work_that_is_done_later_makes_up_for_its_kicks(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	for (int i = 0; i < 10000; i++, s.now_ns += 2 * MS) {
		sample.kicks = i % 4 ? 0 : 800;
		sample.ops = 200;
		assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample),
				 0);
	}
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	stage_close(&s);
}

static void a_kick_for_each_operation_is_normal_at_any_rate(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_arrive(&s, tenant, US, US / 2);
	stage_run(&s, 5 * SEC);
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	stage_close(&s);
}

static void a_habit_is_learned_and_a_change_of_it_is_not(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_arrive(&s, tenant, MS, US);
	/* One kick and a half for each operation at first, then two and a half. */
	for (int i = 0; i < 6000; i++) {
		tenant->kicks_each = 1 + (i >= 3000) + i % 2;
		stage_run(&s, MS);
	}
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	assert_in_range(stage_read(tenant).base_kicks_permille, 2300, 2700);
	tenant_arrive(&s, tenant, 100 * US, US);
	tenant->kicks_each = 40;
	assert_is_found(&s, tenant, VIO_GUARD_SUSPECT, DETECTION_NS);
	stage_close(&s);
}

/* However slowly it is done. */
static void nobody_can_teach_more_than_five_kicks_for_an_operation(void **state)
{
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_arrive(&s, tenant, 100 * US, US);
	for (uint64_t kicks = 1; kicks <= 8; kicks++) {
		tenant->kicks_each = kicks;
		stage_run(&s, 5 * SEC);
	}
	tenant->kicks_each = 12;
	stage_run(&s, SEC);
	assert_true(stage_read(tenant).n_alarms > 0);
	stage_close(&s);
}

/* A kick for each operation, which is few, but the driver was to spare them. */
static void kicks_that_were_to_be_spared_are_found(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	sample.ops = sample.kicks = 10;
	for (int i = 0; i < 10000; i++, s.now_ns += 100 * US)
		assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample),
				 0);
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	sample.unwanted_kicks = 10;
	for (int i = 0; i < 100; i++, s.now_ns += 100 * US)
		assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample),
				 0);
	assert_int_equal(stage_read(tenant).evidence, VIO_GUARD_KICKS);
	stage_close(&s);
}

/* Two that want a third of the thread each, which runs a third of the time. */
static uint64_t count_alarms_on_a_busy_machine(bool is_loss_unknown)
{
	struct tenant *reader, *writer;
	uint64_t n_alarms;
	struct stage s;

	stage_open_default(&s);
	s.loses_ns = 20 * MS;
	s.keeps_ns = 11 * MS;
	s.is_loss_unknown = is_loss_unknown;
	reader = stage_add(&s, 0);
	writer = stage_add(&s, 0);
	tenant_arrive(&s, reader, 9 * US, 3 * US);
	tenant_arrive(&s, writer, 60 * US, 20 * US);
	/* Neither asks for more before it has an answer. */
	reader->n_open_max = 4;
	writer->n_open_max = 21;
	stage_run(&s, 10 * SEC);
	n_alarms = stage_read(reader).n_alarms + stage_read(writer).n_alarms;
	stage_close(&s);
	return n_alarms;
}

static void nobody_is_accused_of_what_the_machine_does(void **state)
{
	(void)state;
	/* It would look like it. */
	assert_true(count_alarms_on_a_busy_machine(true) > 0);
	assert_int_equal(count_alarms_on_a_busy_machine(false), 0);
}

/* Half of the time is lost, and so it takes twice as much. */
static void a_flood_is_found_on_a_busy_machine_too(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	s.loses_ns = 4 * MS;
	s.keeps_ns = 4 * MS;
	tenant_arrive(&s, victim, 40 * US, 4 * US);
	tenant_flood(&s, attacker, 20 * US);
	assert_is_found(&s, attacker, VIO_GUARD_SUSPECT, 2 * DETECTION_NS);
	assert_int_equal(stage_read(victim).n_alarms, 0);
	stage_close(&s);
}

/* A device that counts wrong gets a turn of no time, and not one of all time. */
static void more_cannot_be_lost_than_there_was(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	sample.lost_ns = UINT64_MAX;
	for (int i = 0; i < 3; i++, s.now_ns += MS) {
		tenant_begin(&s, tenant);
		assert_int_equal(
			vio_guard_record(tenant->member, s.now_ns + US, &sample), 0);
	}
	assert_int_equal(stage_read(tenant).service_ns, 0);
	assert_int_equal(stage_read(tenant).n_alarms, 0);
	stage_close(&s);
}

static void actions_are_added_one_by_one(void **state)
{
	static const uint32_t expected[] = {
		VIO_GUARD_DELAY,  VIO_GUARD_MASK,  VIO_GUARD_BUDGET,
		VIO_GUARD_REVOKE, VIO_GUARD_PAUSE,
	};
	struct stage s;
	struct tenant *tenant = open_flooder(&s, ALL_ACTIONS);
	uint32_t actions = 0;

	(void)state;
	for (uint32_t i = 0; i < 5; i++) {
		while (tenant->n_acts <= i)
			stage_step(&s, s.now_ns + SEC);
		actions |= expected[i];
		assert_int_equal(tenant->last.actions, actions);
		assert_int_equal(tenant->last.verdict,
				 i ? VIO_GUARD_ATTACK : VIO_GUARD_SUSPECT);
		assert_int_equal(tenant->last.evidence, VIO_GUARD_KICKS);
		assert_string_equal(tenant->last.name, "tenant");
	}
	stage_close(&s);
}

static void actions_that_are_not_allowed_are_left_out(void **state)
{
	struct stage s;
	struct tenant *tenant = open_flooder(&s, VIO_GUARD_MASK);

	(void)state;
	stage_run(&s, SEC);
	assert_int_equal(stage_read(tenant).verdict, VIO_GUARD_ATTACK);
	assert_int_equal(stage_read(tenant).actions, VIO_GUARD_MASK);
	stage_close(&s);
}

static void actions_are_taken_back_one_by_one(void **state)
{
	struct stage s;
	struct tenant *tenant = open_flooder(&s, ALL_ACTIONS);
	uint32_t n_acts;

	(void)state;
	stage_run(&s, SEC);
	assert_int_equal(stage_read(tenant).actions, ALL_ACTIONS);
	tenant_stop(tenant);
	n_acts = tenant->n_acts;
	stage_run(&s, 7 * SEC);
	assert_int_equal(tenant->n_acts, n_acts + 5);
	assert_int_equal(tenant->last.actions, 0);
	assert_int_equal(tenant->last.verdict, VIO_GUARD_OK);
	stage_close(&s);
}

/* A bound is left at its half, and the verdict after a second without. */
static void a_verdict_does_not_flap(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	for (int i = 0; i < 10; i++) {
		flood_doorbell(&s, attacker);
		stage_run(&s, 50 * MS);
		tenant_stop(attacker);
		stage_run(&s, 50 * MS);
	}
	assert_int_equal(stage_read(attacker).n_alarms, 1);
	assert_int_equal(stage_read(attacker).verdict, VIO_GUARD_ATTACK);
	stage_close(&s);
}

static uint64_t time_to_calm(struct stage *s, struct tenant *tenant)
{
	uint64_t began_ns = s->now_ns;

	tenant_stop(tenant);
	while (stage_read(tenant).verdict != VIO_GUARD_OK)
		stage_step(s, s->now_ns + SEC);
	return s->now_ns - began_ns;
}

static void a_relapse_takes_twice_as_long_to_be_forgotten(void **state)
{
	struct stage s;
	struct tenant *tenant = open_flooder(&s, VIO_GUARD_DELAY);
	uint64_t first_ns, second_ns;

	(void)state;
	stage_run(&s, 8 * MS);
	first_ns = time_to_calm(&s, tenant);
	flood_doorbell(&s, tenant);
	stage_run(&s, 8 * MS);
	second_ns = time_to_calm(&s, tenant);
	assert_in_range(second_ns * 100 / first_ns, 150, 250);
	stage_run(&s, 60 * SEC);
	flood_doorbell(&s, tenant);
	stage_run(&s, 8 * MS);
	assert_in_range(time_to_calm(&s, tenant) * 100 / first_ns, 80, 120);
	stage_close(&s);
}

static void who_is_delayed_gets_its_share_though_nobody_wants_the_rest(void **state)
{
	struct stage s;
	struct tenant *victim, *attacker = open_pair(&s, &victim);

	(void)state;
	tenant_flood(&s, attacker, 20 * US);
	stage_run_until(&s, attacker, VIO_GUARD_SUSPECT, DETECTION_NS);
	tenant_stop(victim);
	attacker->served_ns = 0;
	stage_run(&s, 500 * MS);
	assert_in_range(attacker->served_ns, 240 * MS, 255 * MS);
	stage_close(&s);
}

static void who_is_masked_is_served_at_intervals_without_a_kick(void **state)
{
	struct stage s;
	struct tenant *tenant = open_flooder(&s, VIO_GUARD_DELAY | VIO_GUARD_MASK);
	uint64_t served_ns;

	(void)state;
	stage_run(&s, 200 * MS);
	assert_int_equal(stage_read(tenant).actions, VIO_GUARD_DELAY | VIO_GUARD_MASK);
	/* Turns without work cost a microsecond here. */
	served_ns = tenant->served_ns;
	stage_run(&s, 200 * MS);
	assert_in_range(tenant->served_ns - served_ns, 90 * US, 101 * US);
	/* Work is found all the same. */
	tenant->op_ns = US;
	tenant->n_open_max = 256;
	tenant->n_open = 5;
	tenant->next_ns = UINT64_MAX;
	stage_run(&s, 5 * MS);
	assert_int_equal(tenant->n_served, 5);
	stage_close(&s);
}

static void a_budget_makes_turns_smaller(void **state)
{
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	const struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct stage s;
	struct tenant *tenant = open_flooder(&s, VIO_GUARD_BUDGET);

	(void)state;
	vio_guard_mark(tenant->member, s.now_ns);
	assert_int_equal(vio_guard_begin(s.guard, s.now_ns, &slot), 0);
	assert_int_equal(slot.service_ns, 100 * US);
	assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample), 0);
	stage_run(&s, 100 * MS);
	vio_guard_mark(tenant->member, s.now_ns);
	assert_int_equal(vio_guard_begin(s.guard, s.now_ns, &slot), 0);
	assert_int_equal(slot.service_ns, 25 * US);
	assert_int_equal(slot.descs, 16);
	assert_int_equal(slot.bytes, 256 << 10);
	assert_int_equal(vio_guard_record(tenant->member, s.now_ns, &sample), 0);
	stage_close(&s);
}

static void who_is_paused_gets_no_turn_until_it_is_over(void **state)
{
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	struct stage s;
	struct tenant *tenant = open_flooder(&s, VIO_GUARD_PAUSE);

	(void)state;
	stage_run(&s, 100 * MS);
	assert_int_equal(stage_read(tenant).actions, VIO_GUARD_PAUSE);
	vio_guard_mark(tenant->member, s.now_ns);
	assert_int_equal(vio_guard_begin(s.guard, s.now_ns, &slot), -EAGAIN);
	/* The time at which the caller is to ask, though nobody has work. */
	assert_in_range(slot.retry_at_ns, s.now_ns + SEC / 2, s.now_ns + 2 * SEC);
	tenant_stop(tenant);
	tenant->op_ns = US;
	tenant->n_open = 1;
	stage_run(&s, 5 * SEC);
	assert_int_equal(stage_read(tenant).verdict, VIO_GUARD_OK);
	assert_int_equal(tenant->n_served, 1);
	stage_close(&s);
}

static void at_the_end_of_time_a_pause_lasts_until_it(void **state)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	struct vio_guard_member *member;
	struct stage s;

	(void)state;
	stage_open_default(&s);
	/* One that is told nothing. */
	params.name = "silent";
	assert_int_equal(vio_guard_add(s.guard, &params, &member, NULL), 0);
	/* More than are free in any span. */
	sample.kicks = 1000000000;
	assert_int_equal(vio_guard_record(member, UINT64_MAX - 10, &sample), 0);
	vio_guard_mark(member, UINT64_MAX - 10);
	assert_int_equal(vio_guard_begin(s.guard, UINT64_MAX - 10, &slot), 0);
	sample.flags = VIO_GUARD_MORE;
	assert_int_equal(vio_guard_record(member, UINT64_MAX - 5, &sample), 0);
	assert_int_equal(vio_guard_begin(s.guard, UINT64_MAX - 1, &slot), -EAGAIN);
	assert_true(slot.retry_at_ns == UINT64_MAX);
	assert_int_equal(vio_guard_remove(member), 0);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_doorbell_flood_is_found),
		cmocka_unit_test(a_flood_of_tiny_requests_is_found),
		cmocka_unit_test(a_flood_of_work_is_found_and_held_to_its_share),
		cmocka_unit_test(a_flood_of_work_that_is_delayed_stays_suspect),
		cmocka_unit_test(who_floods_alone_with_work_harms_nobody),
		cmocka_unit_test(two_that_want_everything_are_no_case),
		cmocka_unit_test(a_burst_of_kicks_passes),
		cmocka_unit_test(work_that_is_done_later_makes_up_for_its_kicks),
		cmocka_unit_test(a_kick_for_each_operation_is_normal_at_any_rate),
		cmocka_unit_test(a_habit_is_learned_and_a_change_of_it_is_not),
		cmocka_unit_test(
			nobody_can_teach_more_than_five_kicks_for_an_operation),
		cmocka_unit_test(kicks_that_were_to_be_spared_are_found),
		cmocka_unit_test(nobody_is_accused_of_what_the_machine_does),
		cmocka_unit_test(a_flood_is_found_on_a_busy_machine_too),
		cmocka_unit_test(more_cannot_be_lost_than_there_was),
		cmocka_unit_test(actions_are_added_one_by_one),
		cmocka_unit_test(actions_that_are_not_allowed_are_left_out),
		cmocka_unit_test(actions_are_taken_back_one_by_one),
		cmocka_unit_test(a_verdict_does_not_flap),
		cmocka_unit_test(a_relapse_takes_twice_as_long_to_be_forgotten),
		cmocka_unit_test(
			who_is_delayed_gets_its_share_though_nobody_wants_the_rest),
		cmocka_unit_test(who_is_masked_is_served_at_intervals_without_a_kick),
		cmocka_unit_test(a_budget_makes_turns_smaller),
		cmocka_unit_test(who_is_paused_gets_no_turn_until_it_is_over),
		cmocka_unit_test(at_the_end_of_time_a_pause_lasts_until_it),
	};

	return cmocka_run_group_tests_name("guard verdicts", tests, NULL, NULL);
}
