/* SPDX-License-Identifier: MIT */
/*
 * Guards. Making one and adding a member take memory; turns take nothing.
 */
#include "unit/fault/fault_case.h"

#define NOW_NS UINT64_C(1000000000)

static int create(struct fault_scene *scene)
{
	const struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;
	struct vio_guard *guard = scene->out;
	int ret = vio_guard_create(scene->ctx, &params, NOW_NS, &guard, &scene->err);

	scene->out = guard;
	return ret;
}

static void destroy_created(struct fault_scene *scene)
{
	assert_int_equal(vio_guard_destroy(scene->out), 0);
}

static void setup(struct fault_scene *scene)
{
	const struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;

	assert_int_equal(
		vio_guard_create(scene->ctx, &params, NOW_NS, &scene->guard, NULL), 0);
}

static int add_to(struct fault_scene *scene, struct vio_guard_member **out)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;

	params.name = "member";
	return vio_guard_add(scene->guard, &params, out, &scene->err);
}

static int add(struct fault_scene *scene)
{
	struct vio_guard_member *member = scene->out;
	int ret = add_to(scene, &member);

	scene->out = member;
	return ret;
}

static void remove_added(struct fault_scene *scene)
{
	assert_int_equal(vio_guard_remove(scene->out), 0);
	assert_int_equal(vio_guard_destroy(scene->guard), 0);
}

static void setup_member(struct fault_scene *scene)
{
	setup(scene);
	assert_int_equal(add_to(scene, &scene->member), 0);
}

static int use_and_destroy(struct fault_scene *scene)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct vio_guard_verdict verdict = VIO_GUARD_VERDICT_INIT;
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;

	vio_guard_mark(scene->member, NOW_NS);
	assert_int_equal(vio_guard_begin(scene->guard, NOW_NS, &slot), 0);
	sample.ops = 3;
	assert_int_equal(vio_guard_record(slot.member, NOW_NS + 100, &sample), 0);
	assert_int_equal(vio_guard_read_verdict(scene->member, &verdict), 0);
	assert_int_equal(verdict.ops, 3);
	assert_int_equal(vio_guard_remove(scene->member), 0);
	return vio_guard_destroy(scene->guard);
}

static const struct fault_case cases[] = {
	{ "vio_guard_create", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL, NULL, create,
	  NULL, destroy_created },
	{ "vio_guard_add", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL, setup, add, NULL,
	  remove_added },
	{ "vio_guard_mark vio_guard_begin vio_guard_record vio_guard_read_verdict "
	  "vio_guard_remove vio_guard_destroy",
	  FAULT_TAKES_NOTHING, NULL, setup_member, use_and_destroy, NULL, NULL },
};

const struct fault_family fault_guard = { cases, sizeof(cases) / sizeof(cases[0]) };
