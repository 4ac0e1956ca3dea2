/* SPDX-License-Identifier: MIT */
/*
 * What a guard refuses to be made of, and that it names it; and its life.
 */
#include "unit/limit/guard_stage.h"

static void refuse(const struct vio_guard_params *params, const char *named)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_guard *guard = NULL;

	assert_int_equal(vio_guard_create(NULL, params, 0, &guard, &err), -EINVAL);
	assert_null(guard);
	assert_non_null(strstr(err.text, named));
}

static void each_number_has_a_range(void **state)
{
	static const struct {
		size_t offset;
		const char *name;
		uint64_t under, over; /* 0: none is too low */
	} rows[] = {
#define ROW(field, under, over)                                                        \
	{ offsetof(struct vio_guard_params, field), #field, under, over }
		ROW(slot_ns, 999, 10 * SEC + 1),
		ROW(slot_descs, 0, (UINT64_C(1) << 32) + 1),
		ROW(slot_bytes, 0, UINT64_MAX),
		ROW(window_ns, 9999, 10 * SEC + 1),
		ROW(kicks_max, 0, UINT64_MAX),
		ROW(idle_kicks_per_sec, 0, SEC + 1),
		ROW(waiting_max_ns, 0, 10 * SEC + 1),
		ROW(escalate_ns, 0, 10 * SEC + 1),
		ROW(calm_ns, 0, 3600 * SEC + 1),
		ROW(delay_ns, 0, 10 * SEC + 1),
		ROW(mask_ns, 0, UINT64_MAX),
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(rows); i++) {
		struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
		char *field = (char *)&params + rows[i].offset;

		memcpy(field, &rows[i].over, sizeof(uint64_t));
		refuse(&params, rows[i].name);
		memcpy(field, &rows[i].under, sizeof(uint64_t));
		if (rows[i].under)
			refuse(&params, rows[i].name);
	}
}

static void unknown_bits_are_refused(void **state)
{
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;

	(void)state;
	params.flags = 1;
	refuse(&params, "flags");
	params.flags = 0;
	params.actions = 1u << VIO_GUARD_N_ACTIONS;
	refuse(&params, "actions");
	params.actions = 0;
	params.waiting_permille = 1001;
	refuse(&params, "waiting_permille");
}

static void a_size_that_is_not_known_is_refused(void **state)
{
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
	struct vio_guard *guard = NULL;

	(void)state;
	params.size = 8;
	refuse(&params, "size");
	params.size = 5000;
	assert_int_equal(vio_guard_create(NULL, &params, 0, &guard, NULL), -E2BIG);
	assert_null(guard);
}

static void refuse_member(struct vio_guard *guard,
			  const struct vio_guard_member_params *params,
			  const char *named)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_guard_member *member = NULL;

	assert_int_equal(vio_guard_add(guard, params, &member, &err), -EINVAL);
	assert_null(member);
	assert_non_null(strstr(err.text, named));
}

static void a_member_out_of_range_is_refused(void **state)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	char name[VIO_GUARD_NAME_BYTES + 1];
	struct stage s;

	(void)state;
	stage_open_default(&s);
	refuse_member(s.guard, &params, "name");
	memset(name, 'x', sizeof(name));
	params.name = name;
	refuse_member(s.guard, &params, "name");
	params.name = "a";
	params.weight = VIO_GUARD_WEIGHT_MAX + 1;
	refuse_member(s.guard, &params, "a: weight");
	params.weight = 0;
	params.flags = 1;
	refuse_member(s.guard, &params, "flags");
	params.flags = 0;
	params.size = 8;
	refuse_member(s.guard, &params, "size");
	stage_close(&s);
}

static void what_only_the_host_can_do_needs_its_callback(void **state)
{
	struct vio_guard_member_params member = VIO_GUARD_MEMBER_PARAMS_INIT;
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
	struct stage s;

	(void)state;
	params.actions = VIO_GUARD_DELAY | VIO_GUARD_PAUSE;
	stage_open(&s, &params);
	member.name = "a";
	refuse_member(s.guard, &member, "a: act");
	stage_close(&s);
}

static void members_are_bounded(void **state)
{
	static struct vio_guard_member *members[VIO_GUARD_MEMBERS_MAX];
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	struct vio_guard_member *more = NULL;
	struct vio_error err = VIO_ERROR_INIT;
	struct stage s;

	(void)state;
	stage_open_default(&s);
	params.name = "a";
	for (uint32_t i = 0; i < VIO_GUARD_MEMBERS_MAX; i++)
		assert_int_equal(vio_guard_add(s.guard, &params, &members[i], &err), 0);
	assert_int_equal(vio_guard_add(s.guard, &params, &more, &err), -ENOSPC);
	assert_null(more);
	for (uint32_t i = 0; i < VIO_GUARD_MEMBERS_MAX; i++)
		assert_int_equal(vio_guard_remove(members[i]), 0);
	stage_close(&s);
}

static void nobody_joins_in_the_middle_of_a_turn(void **state)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	struct vio_guard_member *member = NULL;
	struct stage s;
	struct tenant *tenant = stage_open_alone(&s);

	(void)state;
	tenant_begin(&s, tenant);
	params.name = "a";
	assert_int_equal(vio_guard_add(s.guard, &params, &member, NULL), -EBUSY);
	tenant_end(&s, tenant);
	stage_close(&s);
}

static void a_guard_with_members_is_not_destroyed(void **state)
{
	struct stage s;

	(void)state;
	stage_open_default(&s);
	stage_add(&s, 0);
	assert_int_equal(vio_guard_destroy(s.guard), -EBUSY);
	stage_close(&s);
	assert_int_equal(vio_guard_destroy(NULL), 0);
	assert_int_equal(vio_guard_remove(NULL), 0);
}

static void structs_that_are_too_short_are_refused(void **state)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct vio_guard_verdict verdict = VIO_GUARD_VERDICT_INIT;
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	struct stage s;
	struct tenant *tenant;

	(void)state;
	stage_open_default(&s);
	tenant = stage_add(&s, 0);
	slot.size = verdict.size = sample.size = 8;
	assert_int_equal(vio_guard_begin(s.guard, 0, &slot), -EINVAL);
	assert_int_equal(vio_guard_begin(s.guard, 0, NULL), -EINVAL);
	assert_int_equal(vio_guard_read_verdict(tenant->member, &verdict), -EINVAL);
	assert_int_equal(vio_guard_record(tenant->member, 0, &sample), -EINVAL);
	sample = (struct vio_guard_sample)VIO_GUARD_SAMPLE_INIT;
	sample.flags = 2;
	assert_int_equal(vio_guard_record(tenant->member, 0, &sample), -EINVAL);
	stage_close(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_number_has_a_range),
		cmocka_unit_test(unknown_bits_are_refused),
		cmocka_unit_test(a_size_that_is_not_known_is_refused),
		cmocka_unit_test(a_member_out_of_range_is_refused),
		cmocka_unit_test(what_only_the_host_can_do_needs_its_callback),
		cmocka_unit_test(members_are_bounded),
		cmocka_unit_test(nobody_joins_in_the_middle_of_a_turn),
		cmocka_unit_test(a_guard_with_members_is_not_destroyed),
		cmocka_unit_test(structs_that_are_too_short_are_refused),
	};

	return cmocka_run_group_tests_name("guard parameters", tests, NULL, NULL);
}
