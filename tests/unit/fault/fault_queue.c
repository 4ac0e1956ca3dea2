/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a ring. After its creation a queue needs no memory at all; the
 * two calls that it makes are on descriptors that a peer has chosen.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/fault/fault_case.h"

static int create(struct fault_scene *scene)
{
	const struct vio_queue_params params = fault_queue_params(scene);
	struct vio_queue *queue = scene->out;
	int ret = vio_queue_create(scene->ctx, &params, &queue, &scene->err);

	scene->out = queue;
	return ret;
}

static void finish_created(struct fault_scene *scene)
{
	vio_queue_destroy(scene->out);
	fault_destroy_mem(scene);
}

static void setup_events(struct fault_scene *scene)
{
	scene->fd = eventfd(3, EFD_CLOEXEC | EFD_NONBLOCK);
	scene->other_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(scene->fd >= 0 && scene->other_fd >= 0);
	fault_create_queue(scene);
}

static void finish_events(struct fault_scene *scene)
{
	fault_destroy_queue(scene);
	close(scene->fd);
	close(scene->other_fd);
}

static int notify(struct fault_scene *scene)
{
	return vio_queue_notify(scene->queue);
}

static int read_kicks(struct fault_scene *scene)
{
	return vio_queue_read_kicks(scene->queue);
}

/* A failed read has taken no kick. */
static void verify_kicks(struct fault_scene *scene)
{
	assert_int_equal(vio_queue_read_kicks(scene->queue), 3);
}

/* What needs nothing: a chain goes through, the ring latches and is reset. */

static void take_token(void *opaque, struct vio_queue *queue, struct vio_stop *token,
		       uint32_t stop_flags)
{
	struct fault_scene *scene = opaque;

	(void)queue;
	(void)stop_flags;
	scene->token = token;
}

static struct vio_driver_params driver_params(const struct fault_scene *scene)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;

	params.desc = scene->pages;
	params.driver = scene->pages + FAULT_PAGE;
	params.device = scene->pages + 2 * FAULT_PAGE;
	params.n_descs = FAULT_DESCS;
	return params;
}

static void setup_ring(struct fault_scene *scene)
{
	struct vio_queue_params params;
	struct vio_driver_params driver;

	fault_create_mem(scene);
	assert_int_equal(vio_dom_create(scene->ctx, "tenant", &scene->dom), 0);
	driver = driver_params(scene);
	assert_int_equal(vio_driver_create(scene->ctx, &driver, &scene->driver, NULL),
			 0);
	params = fault_queue_params(scene);
	params.dom = scene->dom;
	params.stop = take_token;
	params.opaque = scene;
	assert_int_equal(vio_queue_create(scene->ctx, &params, &scene->queue, NULL), 0);
}

static void pass_chain(struct fault_scene *scene)
{
	const struct vio_driver_buf buf = { FAULT_RING_GPA + 4 * FAULT_PAGE, 64, 0 };
	const struct vio_driver_chain offered = { &buf, 0, 1, 42 };
	struct vio_driver_used used;
	struct vio_chain chain;
	struct iovec iov[FAULT_DESCS];

	assert_int_equal(vio_driver_push(scene->driver, &offered, 1), 1);
	assert_true(vio_driver_publish(scene->driver) >= 0);
	assert_int_equal(vio_queue_pop(scene->queue, &chain, 1, iov, FAULT_DESCS), 1);
	assert_int_equal(vio_queue_unpop(scene->queue, &chain, 1), 0);
	assert_int_equal(vio_queue_pop(scene->queue, &chain, 1, iov, FAULT_DESCS), 1);
	assert_int_equal(vio_queue_get_open(scene->queue), 1);
	assert_int_equal(vio_queue_push(scene->queue, &chain, 1), 1);
	assert_int_equal(vio_queue_publish(scene->queue), 1);
	assert_int_equal(vio_driver_pop(scene->driver, &used, 1), 1);
	assert_int_equal(used.cookie, 42);
	assert_int_equal(vio_driver_get_free(scene->driver), FAULT_DESCS);
}

static int use_ring(struct fault_scene *scene)
{
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;
	struct vio_meters meters = VIO_METERS_INIT;

	pass_chain(scene);
	assert_int_equal(vio_queue_set_kicks(scene->queue, 1), 0);
	assert_int_equal(vio_driver_set_calls(scene->driver, 1), 0);
	assert_int_equal(vio_queue_get_kick_fd(scene->queue), -1);
	assert_int_equal(vio_queue_get_size(scene->queue), FAULT_DESCS);
	assert_int_equal(vio_queue_read_state(scene->queue, &state), 0);
	assert_int_equal(vio_queue_set_state(scene->queue, &state), 0);
	assert_int_equal(vio_queue_read_fault(scene->queue, &fault), 0);
	vio_queue_add_service(scene->queue, 5);
	assert_int_equal(vio_queue_read_meters(scene->queue, &meters), 0);
	assert_int_equal(meters.service_ns, 5);
	assert_int_equal(vio_dom_reset(scene->dom), 0);
	assert_int_equal(vio_queue_stopped(scene->token), 0);
	assert_true(vio_ctx_dispatch(scene->ctx, 64) >= 0);
	assert_int_equal(vio_dom_step(scene->dom, NULL), 0);
	vio_queue_reset(scene->queue);
	vio_driver_reset(scene->driver);
	vio_queue_destroy(scene->queue);
	vio_driver_destroy(scene->driver);
	return 0;
}

static void finish_ring(struct fault_scene *scene)
{
	assert_int_equal(vio_dom_destroy(scene->dom, NULL), 0);
	fault_destroy_mem(scene);
}

static int create_driver(struct fault_scene *scene)
{
	const struct vio_driver_params params = driver_params(scene);
	struct vio_driver *driver = scene->out;
	int ret = vio_driver_create(scene->ctx, &params, &driver, &scene->err);

	scene->out = driver;
	return ret;
}

static void finish_driver(struct fault_scene *scene)
{
	vio_driver_destroy(scene->out);
	fault_unmap_pages(scene);
}

static const struct fault_case cases[] = {
	{ "vio_queue_create", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL,
	  fault_create_mem, create, NULL, finish_created },
	{ "vio_queue_notify", FAULT_MAKES_CALLS, NULL, setup_events, notify, NULL,
	  finish_events },
	{ "vio_queue_read_kicks", FAULT_MAKES_CALLS | FAULT_MAKES_DO, NULL,
	  setup_events, read_kicks, verify_kicks, finish_events },
	{ "vio_driver_create", FAULT_TAKES_MEMORY | FAULT_HAS_ERROR, NULL,
	  fault_map_pages, create_driver, NULL, finish_driver },
	{ "vio_queue_pop vio_queue_unpop vio_queue_push vio_queue_publish vio_queue_set_kicks "
	  "vio_queue_get_kick_fd vio_queue_get_size vio_queue_stopped vio_queue_read_fault "
	  "vio_queue_get_open vio_queue_reset vio_queue_read_state vio_queue_set_state "
	  "vio_queue_read_meters vio_queue_add_service "
	  "vio_queue_destroy vio_driver_push vio_driver_publish vio_driver_pop "
	  "vio_driver_set_calls vio_driver_get_free vio_driver_reset "
	  "vio_driver_destroy",
	  FAULT_TAKES_NOTHING, NULL, setup_ring, use_ring, NULL, finish_ring },
};

const struct fault_family fault_queue = { cases, sizeof(cases) / sizeof(cases[0]) };
