/* SPDX-License-Identifier: MIT */
/*
 * Recorders. All memory is taken at creation: what is written and read later needs
 * none.
 */
#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/record.h>

#include "unit/fault/fault_case.h"

static int create(struct fault_scene *scene)
{
	const struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;
	struct vio_recorder *recorder = scene->out;
	int ret = vio_recorder_create(scene->ctx, &params, &recorder, &scene->err);

	scene->out = recorder;
	return ret;
}

static void destroy_created(struct fault_scene *scene)
{
	vio_recorder_destroy(scene->out);
}

static void setup(struct fault_scene *scene)
{
	const struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;

	assert_int_equal(
		vio_recorder_create(scene->ctx, &params, &scene->recorder, NULL), 0);
}

static int use_and_destroy(struct fault_scene *scene)
{
	struct vio_recorder_stats stats = VIO_RECORDER_STATS_INIT;
	struct vio_recorder *recorder = scene->recorder;
	struct vio_io_record record = { .bytes = 512, .op = VIO_IO_READ };

	vio_recorder_set_active(recorder, 1);
	assert_int_equal(vio_recorder_get_active(recorder), 1);
	assert_int_equal(vio_recorder_push(recorder, &record, 1), 1);
	assert_int_equal(vio_recorder_pop(recorder, &record, 1), 1);
	assert_int_equal(vio_recorder_read_stats(recorder, &stats), 0);
	assert_int_equal(stats.popped, 1);
	vio_recorder_destroy(recorder);
	return 0;
}

static const struct fault_case cases[] = {
	{ "vio_recorder_create", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL, NULL,
	  create, NULL, destroy_created },
	{ "vio_recorder_set_active vio_recorder_get_active vio_recorder_push "
	  "vio_recorder_pop vio_recorder_read_stats vio_recorder_destroy",
	  FAULT_TAKES_NOTHING, NULL, setup, use_and_destroy, NULL, NULL },
};

const struct fault_family fault_record = { cases, sizeof(cases) / sizeof(cases[0]) };
