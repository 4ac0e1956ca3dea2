/* SPDX-License-Identifier: MIT */
/*
 * Limits. A lease is the caller's memory, and changing a limit replaces nothing:
 * creating one is all that can fail.
 */
#include <errno.h>

#include "unit/fault/fault_case.h"

#define NOW_NS UINT64_C(1000000000)

static struct vio_limit_params params_of_rate(uint64_t bytes_per_sec)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = bytes_per_sec;
	return params;
}

static int create(struct fault_scene *scene)
{
	const struct vio_limit_params params = params_of_rate(1000000);
	struct vio_limit *limit = scene->out;
	int ret = vio_limit_create(scene->ctx, &params, NOW_NS, &limit, &scene->err);

	scene->out = limit;
	return ret;
}

static void destroy_created(struct fault_scene *scene)
{
	assert_int_equal(vio_limit_destroy(scene->out), 0);
}

static void setup(struct fault_scene *scene)
{
	const struct vio_limit_params params = params_of_rate(1000000);

	assert_int_equal(
		vio_limit_create(scene->ctx, &params, NOW_NS, &scene->limit, NULL), 0);
}

static int use_and_destroy(struct fault_scene *scene)
{
	const struct vio_limit_params params = params_of_rate(2000000);
	struct vio_limit_stats stats = VIO_LIMIT_STATS_INIT;
	uint64_t retry_at_ns = 0;

	assert_int_equal(
		vio_limit_configure(scene->limit, &params, NOW_NS, &scene->err), 0);
	assert_int_equal(vio_lease_attach(&scene->lease, scene->limit), 0);
	assert_int_equal(vio_lease_refill(&scene->lease, NOW_NS, 100, 1, &retry_at_ns),
			 0);
	assert_int_equal(vio_lease_take_call(&scene->lease, 100, 1), 0);
	vio_lease_refund(&scene->lease, 50, 1);
	vio_lease_detach(&scene->lease);
	assert_int_equal(vio_limit_read_stats(scene->limit, &stats), 0);
	assert_int_equal(stats.bytes, 50);
	return vio_limit_destroy(scene->limit);
}

static int add(struct fault_scene *scene)
{
	const struct vio_limit_params params = params_of_rate(1000);
	struct vio_limit *limit = scene->out;
	int ret = vio_limit_add(scene->limit, &params, NOW_NS, &limit, &scene->err);

	scene->out = limit;
	return ret;
}

static void destroy_limit(struct fault_scene *scene)
{
	assert_int_equal(vio_limit_destroy(scene->limit), 0);
}

static void destroy_added(struct fault_scene *scene)
{
	assert_int_equal(vio_limit_destroy(scene->limit), -EBUSY);
	assert_int_equal(vio_limit_destroy(scene->out), 0);
	destroy_limit(scene);
}

static int load(struct fault_scene *scene)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	uint8_t state[256];
	size_t n;

	assert_int_equal(vio_limit_read_params(scene->limit, &params), 0);
	assert_int_equal(params.bytes_per_sec, 1000000);
	assert_int_equal(
		vio_limit_save(scene->limit, NOW_NS, state, sizeof(state), &n, NULL),
		0);
	return vio_limit_load(scene->limit, NOW_NS, state, n, &scene->err);
}

static const struct fault_case cases[] = {
	{ "vio_limit_add", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL, setup, add, NULL,
	  destroy_added },
	{ "vio_limit_load vio_limit_save vio_limit_read_params",
	  FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL, setup, load, NULL,
	  destroy_limit },
	{ "vio_limit_create", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL, NULL, create,
	  NULL, destroy_created },
	{ "vio_limit_configure vio_limit_read_stats vio_limit_destroy vio_lease_attach "
	  "vio_lease_detach vio_lease_take_call vio_lease_refill vio_lease_refund",
	  FAULT_TAKES_NOTHING, NULL, setup, use_and_destroy, NULL, NULL },
};

const struct fault_family fault_limit = { cases, sizeof(cases) / sizeof(cases[0]) };
