/* SPDX-License-Identifier: MIT */
/*
 * Back ends. What cannot be opened leaves the socket with the caller; what fails
 * while messages are served ends the connection, and the device is told why.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "unit/device/vhost_peer.h"
#include "unit/fault/fault_case.h"

static void open_socket(struct fault_scene *scene)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	scene->fd = fds[0];
	scene->other_fd = fds[1];
}

static int start_queue(void *opaque, uint32_t index, struct vio_queue *queue)
{
	(void)opaque;
	(void)index;
	(void)queue;
	return 0;
}

static void stop_queue(void *opaque, uint32_t index, struct vio_queue *queue,
		       struct vio_stop *token, uint32_t stop_flags)
{
	(void)opaque;
	(void)index;
	(void)queue;
	(void)stop_flags;
	assert_int_equal(vio_queue_stopped(token), 0);
}

static void count_closed(void *opaque, const struct vio_error *why)
{
	assert_int_equal(why->code, -ECANCELED);
	((struct fault_scene *)opaque)->n_told++;
}

static int open_backend(struct fault_scene *scene, struct vio_backend **out)
{
	const struct vio_backend_ops ops = {
		.size = sizeof(ops),
		.queue_start = start_queue,
		.queue_stop = stop_queue,
		.closed = count_closed,
	};
	struct vio_backend_params params = VIO_BACKEND_PARAMS_INIT;
	int ret;

	params.fd = scene->fd;
	params.n_queues = 2;
	params.ops = &ops;
	params.opaque = scene;
	ret = vio_backend_open(scene->ctx, &params, out, &scene->err);
	if (!ret) /* the descriptor is the back end's: count it as such */
		scene->fault.is_open[scene->fd] = 1;
	return ret;
}

static int open_out(struct fault_scene *scene)
{
	struct vio_backend *backend = scene->out;
	int ret = open_backend(scene, &backend);

	scene->out = backend;
	return ret;
}

static void verify_socket(struct fault_scene *scene)
{
	char byte = 'x';

	assert_int_equal(send(scene->other_fd, &byte, 1, 0), 1);
	assert_int_equal(recv(scene->fd, &byte, 1, MSG_DONTWAIT), 1);
}

static void end_connection(struct fault_scene *scene, struct vio_backend *backend)
{
	vio_backend_close(backend, 0);
	vio_test_dispatch_until(scene->ctx, &scene->n_told, 1);
	assert_int_equal(vio_backend_destroy(backend, &scene->err), 0);
}

static void finish_out(struct fault_scene *scene)
{
	end_connection(scene, scene->out);
	close(scene->other_fd);
}

static void setup_backend(struct fault_scene *scene)
{
	open_socket(scene);
	assert_int_equal(open_backend(scene, &scene->backend), 0);
}

static int use_and_destroy(struct fault_scene *scene)
{
	assert_non_null(vio_backend_get_mem(scene->backend));
	end_connection(scene, scene->backend);
	return 0;
}

static void finish_peer(struct fault_scene *scene)
{
	close(scene->other_fd);
}

/* Serving: all that a front end says until a queue runs, and after that. */

static void setup_stage(struct fault_scene *scene)
{
	struct vio_backend_params params;
	int fds[2];

	scene->stage = malloc(sizeof(*scene->stage));
	assert_non_null(scene->stage);
	vhost_stage_prepare(scene->stage);
	vhost_stage_params(scene->stage, &params, fds);
	scene->stage->fd = fds[0];
	assert_int_equal(vhost_stage_open(scene->stage, &params, NULL), 0);
	/* One that blocks: the back end sees to that. */
	assert_int_equal(fcntl(scene->stage->call[0], F_SETFL, 0), 0);
	scene->armed = &scene->stage->fault;
}

static void send_session(struct vhost_stage *stage)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_send(stage, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
	peer_send_u64(stage, VHOST_USER_SET_PROTOCOL_FEATURES, PEER_PROTOCOL);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES);
	peer_fill_table(stage, &memory, fds);
	peer_send_table(stage, &memory, fds);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, PEER_DESCS);
	peer_send_addr(stage, 0, 0);
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, stage->call[0]);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 0, stage->kick[0]);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
}

/* Why the connection ended, or 0. */
static int serve(struct fault_scene *scene)
{
	struct vhost_stage *stage = scene->stage;

	send_session(stage);
	while (vio_ctx_dispatch(stage->ctx, 64) > 0)
		;
	if (!stage->n_closed)
		assert_int_equal(stage->n_starts, 1);
	return stage->n_closed ? stage->reason : 0;
}

static void verify_stage(struct fault_scene *scene)
{
	assert_int_equal(scene->stage->n_closed, 1);
	assert_int_equal(scene->stage->n_starts, scene->stage->n_stops);
}

static void finish_stage(struct fault_scene *scene)
{
	vhost_stage_clear(scene->stage);
	free(scene->stage);
}

static const struct fault_case cases[] = {
	{ "vio_backend_open", FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_HAS_ERROR,
	  "ENOTSOCK", open_socket, open_out, verify_socket, finish_out },
	{ "vio_backend_close vio_backend_get_mem vio_backend_destroy",
	  FAULT_TAKES_NOTHING, NULL, setup_backend, use_and_destroy, NULL,
	  finish_peer },
	{ "vio_ctx_dispatch",
	  FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_MAKES_DO | FAULT_ENDS_IT,
	  "EBADMSG EPERM", setup_stage, serve, verify_stage, finish_stage },
};

const struct fault_family fault_backend = { cases, sizeof(cases) / sizeof(cases[0]) };
