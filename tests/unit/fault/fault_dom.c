/* SPDX-License-Identifier: MIT */
/*
 * Tenants. Only creating one takes memory: to reset, close or destroy one must
 * work when there is none left.
 */
#include "unit/fault/fault_case.h"

static int create(struct fault_scene *scene)
{
	struct vio_dom *dom = scene->out;
	int ret = vio_dom_create(scene->ctx, "tenant", &dom);

	scene->out = dom;
	return ret;
}

static void destroy_created(struct fault_scene *scene)
{
	assert_int_equal(vio_dom_destroy(scene->out, NULL), 0);
}

/* A member, so that there is something to tell. */
static void join(struct fault_scene *scene)
{
	struct vio_queue_params params;

	assert_int_equal(vio_dom_create(scene->ctx, "tenant", &scene->dom), 0);
	fault_create_mem(scene);
	params = fault_queue_params(scene);
	params.dom = scene->dom;
	assert_int_equal(vio_queue_create(scene->ctx, &params, &scene->queue, NULL), 0);
}

static int use(struct fault_scene *scene)
{
	struct vio_meters meters = VIO_METERS_INIT;
	size_t used_bytes;
	char text[8192];

	vio_dom_add_service(scene->dom, 5);
	assert_int_equal(vio_dom_print_metrics(&scene->dom, 1, 0, text, sizeof(text),
					       &used_bytes),
			 0);
	assert_int_equal(vio_dom_reset(scene->dom), 0);
	assert_int_equal(vio_dom_step(scene->dom, NULL), 0);
	assert_int_equal(vio_dom_close(scene->dom), 0);
	assert_int_equal(vio_dom_step(scene->dom, NULL), 0);
	assert_int_equal(vio_dom_read_meters(scene->dom, &meters), 0);
	assert_int_equal(meters.service_ns, 5);
	vio_queue_destroy(scene->queue);
	return vio_dom_destroy(scene->dom, &scene->err);
}

static const struct fault_case cases[] = {
	{ "vio_dom_create", FAULT_TAKES_MEMORY, NULL, NULL, create, NULL,
	  destroy_created },
	{ "vio_dom_destroy vio_dom_reset vio_dom_close vio_dom_step "
	  "vio_dom_read_meters vio_dom_add_service vio_dom_print_metrics",
	  FAULT_TAKES_NOTHING, NULL, join, use, NULL, fault_destroy_mem },
};

const struct fault_family fault_dom = { cases, sizeof(cases) / sizeof(cases[0]) };
