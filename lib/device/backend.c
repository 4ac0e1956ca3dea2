/* SPDX-License-Identifier: MIT */
/*
 * Life of a back end and its connection. Messages are read while nothing is
 * under way and the last reply has gone out, so that what a peer can occupy is
 * one message, one reply, and what its messages describe.
 *
 * The end of a connection, whatever its reason, takes one path: a task, so that
 * it begins outside of any callback, then every queue, then the callback closed.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/error.h"
#include "core/params.h"
#include "device/vhost_backend.h"
#include "sys/sys.h"

/* Messages in one callback: a peer that floods must not starve the others. */
#define MESSAGES_AT_ONCE       16u

#define QUEUE_SIZE_DEFAULT     1024u
#define QUEUE_FEATURES_DEFAULT (VIO_F_INDIRECT_DESC | VIO_F_EVENT_IDX | VIO_F_VERSION_1)

#define F_RING_PACKED          (UINT64_C(1) << 34)

/* Bits that a device cannot offer: the queues', and those of the transport. */
#define FEATURES_NOT_DEVICE                                                            \
	(VIO_QUEUE_FEATURES | VIO_F_NOTIFY_ON_EMPTY | F_RING_PACKED |                  \
	 VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES)

int vio_vhost_refuse(struct vio_backend *backend, int code, const char *format, ...)
{
	char *text = backend->why.text;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(backend->why.text), format, args);
	va_end(args);
	if (vio_log_allows(backend->env, &backend->brake, "vhost"))
		vio_log(backend->env, VIO_LOG_WARNING, "vhost",
			"%s: the connection ends", text);
	return code;
}

/* Which events are of interest now. 0: none, the connection is at its end. */
static uint32_t choose_interest(const struct vio_backend *backend)
{
	if (backend->is_ending)
		return 0;
	if (backend->then)
		return EPOLLRDHUP;
	return backend->socket.n_out ? EPOLLOUT : EPOLLIN;
}

static void watch(struct vio_backend *backend)
{
	struct vio_loop *loop = backend->env->loop;
	const uint32_t interest = choose_interest(backend);
	int ret;

	if (interest == backend->interest)
		return;
	if (backend->interest)
		vio_loop_remove(loop, &backend->event);
	backend->interest = 0;
	if (!interest)
		return;
	ret = vio_loop_add(loop, &backend->event, interest);
	if (ret)
		vio_vhost_end(backend, ret, 0);
	else
		backend->interest = interest;
}

void vio_vhost_end(struct vio_backend *backend, int reason, uint32_t stop_flags)
{
	if (backend->is_ending)
		return;
	backend->is_ending = true;
	backend->why.size = sizeof(backend->why);
	backend->why.code = reason;
	/* A line that is there is of what was refused, which ended nothing then. */
	if (!backend->why.text[0] || reason == 0 || reason == -ECANCELED)
		vio_fail(&backend->why, reason, "the connection was ended by %s",
			 reason == 0            ? "the peer"
			 : reason == -ECANCELED ? "vio_backend_close()"
						: "an error of the host");
	backend->end_flags = stop_flags;
	watch(backend);
	vio_loop_post(backend->env->loop, &backend->task);
}

/* A peer that has gone is no fault: its reason is 0. */
static void end_by(struct vio_backend *backend, int error)
{
	if (error == -EBADMSG)
		vio_vhost_refuse(backend, error,
				 "bad header, too many descriptors or a message cut");
	vio_vhost_end(backend, error == -EPIPE ? 0 : error, 0);
}

static bool may_receive(const struct vio_backend *backend)
{
	return !backend->is_ending && !backend->then && !backend->socket.n_out;
}

/* 1: one message was dealt with; 0: there is none for now, or none is wanted. */
static int serve_message(struct vio_backend *backend)
{
	int ret = vio_vhost_send(&backend->socket);

	if (ret == -EAGAIN)
		return 0;
	if (!ret && may_receive(backend)) {
		ret = vio_vhost_receive(&backend->socket);
		if (ret > 0)
			vio_vhost_handle(backend);
	}
	if (ret < 0)
		end_by(backend, ret);
	return ret > 0;
}

static void on_ready(struct vio_event *event, uint32_t events)
{
	struct vio_backend *backend =
		VIO_CONTAINER_OF(event, struct vio_backend, event);

	/* Nothing but a hang-up is of interest while owners are asked to stop. */
	if (backend->then) {
		if (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR))
			vio_vhost_end(backend, 0, 0);
		return;
	}
	for (uint32_t i = 0; i < MESSAGES_AT_ONCE && serve_message(backend); i++)
		;
	/* The last message's reply, as far as it goes. */
	if (!backend->is_ending && backend->socket.n_out)
		serve_message(backend);
	watch(backend);
}

static void give_back(struct vio_backend *backend)
{
	for (uint32_t i = 0; i < backend->params.n_queues; i++)
		vio_vhost_vring_close(&backend->vrings[i]);
	vio_vhost_log_drop(backend);
	vio_vhost_drop_memory(backend);
	vio_vhost_close_socket(&backend->socket);
}

/* The device may destroy the back end in closed(): nothing is touched after. */
static void end_connection(struct vio_backend *backend)
{
	const struct vio_error why = backend->why;

	vio_loop_cancel(backend->env->loop, &backend->task);
	give_back(backend);
	backend->wants_reset = false;
	backend->is_closed = true;
	vio_log(backend->env, VIO_LOG_INFO, "vhost", "connection ended: %d", why.code);
	backend->ops.closed(backend->params.opaque, &why);
}

static void end_tenant_reset(struct vio_backend *backend)
{
	vio_vhost_reset(backend);
	backend->wants_reset = false;
}

/* After anything was under way: what comes next? */
static void go_on(struct vio_task *task)
{
	struct vio_backend *backend = VIO_CONTAINER_OF(task, struct vio_backend, task);

	if (backend->is_closed)
		return;
	if (backend->is_ending) {
		vio_vhost_stop_all(backend, backend->end_flags);
		vio_vhost_wait(backend, end_connection);
		return;
	}
	if (backend->wants_reset && !backend->then) {
		vio_vhost_stop_all(backend, VIO_STOP_DRAIN);
		vio_vhost_wait(backend, end_tenant_reset);
	}
	watch(backend);
}

/* What a tenant may ask. */

static struct vio_backend *backend_of(const struct vio_member *member)
{
	return VIO_CONTAINER_OF(member, struct vio_backend, member);
}

static void begin_reset(struct vio_member *member)
{
	struct vio_backend *backend = backend_of(member);

	if (backend->is_ending)
		return;
	backend->wants_reset = true;
	vio_loop_post(backend->env->loop, &backend->task);
}

static void begin_close(struct vio_member *member)
{
	vio_backend_close(backend_of(member), 1);
}

static int is_busy(const struct vio_member *member)
{
	const struct vio_backend *backend = backend_of(member);

	return backend->wants_reset || (backend->is_ending && !backend->is_closed);
}

static void describe(const struct vio_member *member, char *buf, size_t n)
{
	snprintf(buf, n, "back end of %u queues", backend_of(member)->params.n_queues);
}

static const struct vio_member_ops member_ops = {
	.reset = begin_reset,
	.close = begin_close,
	.is_busy = is_busy,
	.describe = describe,
};

/* Opening. */

static int verify_socket(const struct vio_env *env, int fd, struct vio_error *err)
{
	struct stat stat = { 0 };

	if (env->sys->fstat(env->sys->opaque, fd, &stat) < 0 || !S_ISSOCK(stat.st_mode))
		return vio_fail(err, -ENOTSOCK, "back end: %d is not a socket", fd);
	return 0;
}

static int verify_ranges(const struct vio_backend_params *params, struct vio_error *err)
{
	if (params->flags & ~VIO_BACKEND_ACCEPT_UNSEALED)
		return vio_fail(err, -EINVAL, "back end: unknown flag");
	if (!params->n_queues || params->n_queues > VIO_BACKEND_QUEUES_MAX)
		return vio_fail(err, -EINVAL, "back end: %u queues, not 1 to %u",
				params->n_queues, VIO_BACKEND_QUEUES_MAX);
	if (params->max_queue_size > VIO_QUEUE_SIZE_MAX)
		return vio_fail(err, -EINVAL, "back end: max_queue_size %u is over %u",
				params->max_queue_size, VIO_QUEUE_SIZE_MAX);
	if (params->queue_features & ~VIO_QUEUE_FEATURES)
		return vio_fail(err, -EINVAL,
				"back end: queue_features beyond VIO_QUEUE_FEATURES");
	return 0;
}

static int copy_ops(struct vio_backend *backend, struct vio_error *err)
{
	struct vio_backend_ops *ops = &backend->ops;
	int ret = vio_params_copy(ops, sizeof(*ops), sizeof(*ops), backend->params.ops);

	if (ret)
		return vio_fail(err, ret,
				"back end: ops are missing or of no "
				"known size");
	if (ops->flags || !ops->queue_start || !ops->queue_stop || !ops->closed)
		return vio_fail(err, -EINVAL,
				"back end: ops lack queue_start, queue_stop or "
				"closed, or have an unknown flag");
	return 0;
}

static int copy_params(struct vio_backend *backend,
		       const struct vio_backend_params *params, struct vio_error *err)
{
	struct vio_backend_params *ours = &backend->params;
	int ret = vio_params_copy(ours, sizeof(*ours), sizeof(*ours), params);

	if (ret)
		return vio_fail(err, ret, "back end: parameters of no known size");
	ret = verify_ranges(ours, err);
	if (!ret)
		ret = copy_ops(backend, err);
	if (!ret)
		ret = verify_socket(backend->env, ours->fd, err);
	if (!ours->max_queue_size)
		ours->max_queue_size = QUEUE_SIZE_DEFAULT;
	if (!ours->queue_features)
		ours->queue_features = QUEUE_FEATURES_DEFAULT;
	ours->ops = NULL; /* the caller's may be gone by now */
	return ret;
}

static void choose_features(struct vio_backend *backend)
{
	const struct vio_backend_params *params = &backend->params;

	backend->features_offered = (params->features & ~FEATURES_NOT_DEVICE) |
				    params->queue_features | VHOST_F_LOG_ALL |
				    VHOST_USER_F_PROTOCOL_FEATURES;
	backend->protocol_offered =
		VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_LOG_SHMFD |
		VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_RESET_DEVICE |
		VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS |
		VHOST_USER_PROTOCOL_F_STATUS;
	if (backend->ops.config_read)
		backend->protocol_offered |= VHOST_USER_PROTOCOL_F_CONFIG;
}

static void free_vrings(struct vio_backend *backend)
{
	vio_free(backend->env, backend->vrings,
		 backend->params.n_queues * sizeof(struct vio_vhost_vring),
		 _Alignof(struct vio_vhost_vring));
}

/* What takes memory; the caller frees half of it on failure. */
static int create_parts(struct vio_backend *backend)
{
	const uint32_t n = backend->params.n_queues;

	backend->vrings =
		vio_alloc_array(backend->env, n, sizeof(struct vio_vhost_vring),
				_Alignof(struct vio_vhost_vring));
	if (!backend->vrings)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		vio_vhost_vring_setup(backend, i);
	return vio_mem_create(backend->ctx, &backend->mem);
}

static int setup(struct vio_backend *backend, const struct vio_backend_params *params,
		 struct vio_error *err)
{
	int ret = copy_params(backend, params, err);

	if (ret)
		return ret;
	choose_features(backend);
	backend->socket.env = backend->env;
	backend->socket.fd = backend->params.fd;
	backend->event.fd = backend->params.fd;
	backend->event.ready = on_ready;
	backend->task.run = go_on;
	backend->member.ops = &member_ops;

	ret = create_parts(backend);
	if (!ret)
		ret = vio_loop_add(backend->env->loop, &backend->event, EPOLLIN);
	if (ret) {
		vio_mem_destroy(backend->mem, NULL);
		free_vrings(backend);
		return vio_fail(err, ret, "back end: error %d", -ret);
	}
	backend->interest = EPOLLIN;
	return 0;
}

int vio_backend_open(struct vio_ctx *ctx, const struct vio_backend_params *params,
		     struct vio_backend **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_backend *backend;
	int ret;

	if (!ctx)
		return vio_fail(err, -EINVAL, "back end: it needs a context");
	if (vio_env_is_child(env))
		return vio_fail(err, -ECHILD, "back end: the context is the parent's");
	backend = VIO_NEW(env, struct vio_backend);
	if (!backend)
		return vio_fail(err, -ENOMEM, "back end: out of memory");
	backend->env = env;
	backend->ctx = ctx;
	ret = setup(backend, params, err);
	if (ret) {
		VIO_DELETE(env, backend);
		return ret;
	}
	vio_member_join(&backend->member, backend->params.dom);
	vio_env_hold(env);
	*out = backend;
	return 0;
}

void vio_backend_close(struct vio_backend *backend, int drain)
{
	if (vio_env_is_child(backend->env))
		return;
	vio_vhost_end(backend, -ECANCELED, drain ? VIO_STOP_DRAIN : 0);
}

struct vio_mem *vio_backend_get_mem(const struct vio_backend *backend)
{
	return backend->mem;
}

/* A forked child closes nothing: its descriptors go with the process. */
static void free_in_child(struct vio_backend *backend)
{
	for (uint32_t i = 0; i < backend->params.n_queues; i++)
		vio_queue_destroy(backend->vrings[i].queue);
	vio_vhost_log_drop(backend);
}

int vio_backend_destroy(struct vio_backend *backend, struct vio_error *err)
{
	const struct vio_env *env;
	uint32_t n_running = 0;

	if (!backend)
		return 0;
	env = backend->env;
	if (vio_env_is_child(env)) {
		free_in_child(backend);
	} else if (!backend->is_closed) {
		for (uint32_t i = 0; i < backend->params.n_queues; i++)
			n_running += backend->vrings[i].queue != NULL;
		return vio_fail(err, -EBUSY,
				"back end: not closed, %u of %u queues run", n_running,
				backend->params.n_queues);
	}
	vio_member_leave(&backend->member);
	vio_mem_destroy(backend->mem, NULL);
	free_vrings(backend);
	VIO_DELETE(env, backend);
	vio_env_drop(env);
	return 0;
}
