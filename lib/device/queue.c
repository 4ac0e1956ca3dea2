/* SPDX-License-Identifier: MIT */
/*
 * Life of a queue: created over a ring, stopped by agreement with its owner,
 * destroyed. Whoever wants a running queue to stop hands its owner a token; the
 * owner may answer from any thread, and from then on the queue is the asker's.
 */
#include <errno.h>
#include <stdio.h>

#include "core/error.h"
#include "core/params.h"
#include "device/queue.h"

void vio_queue_ask_stop(struct vio_queue *queue, uint32_t stop_flags,
			void (*answered)(struct vio_stop *stop))
{
	struct vio_stop *stop = &queue->stop;

	stop->queue = queue;
	stop->stop_flags = stop_flags;
	stop->answered = answered;
	if (queue->params.stop)
		queue->params.stop(queue->params.opaque, queue, stop, stop_flags);
	else
		answered(stop);
}

int vio_queue_stopped(struct vio_stop *token)
{
	const struct vio_queue *queue = token->queue;

	if ((token->stop_flags & VIO_STOP_DRAIN) &&
	    (queue->n_open || queue->used_index != queue->used_shown))
		return -EBUSY;
	token->answered(token);
	return 0;
}

static struct vio_queue_object *object_of(const struct vio_member *member)
{
	struct vio_queue *queue = VIO_CONTAINER_OF(member, struct vio_queue, member);

	return vio_queue_object_of(queue);
}

/* In dispatch, or at once where there is no owner to ask. */
static void end_stop(struct vio_task *task)
{
	struct vio_queue_object *object =
		VIO_CONTAINER_OF(task, struct vio_queue_object, stopped);

	vio_queue_reset(&object->queue);
	object->is_stopping = 0;
}

/* Any thread. Posting makes the owner's last accesses visible to dispatch. */
static void tell_dispatch(struct vio_stop *stop)
{
	struct vio_queue_object *object = vio_queue_object_of(stop->queue);

	if (stop->queue->params.stop)
		vio_loop_post(stop->queue->env->loop, &object->stopped);
	else
		end_stop(&object->stopped);
}

static void begin_stop(struct vio_member *member)
{
	struct vio_queue_object *object = object_of(member);

	object->is_stopping = 1;
	vio_queue_ask_stop(&object->queue, 0, tell_dispatch);
}

static int is_busy(const struct vio_member *member)
{
	return (int)object_of(member)->is_stopping;
}

static void describe(const struct vio_member *member, char *buf, size_t n)
{
	snprintf(buf, n, "queue %u", object_of(member)->queue.params.index);
}

/* For a queue to be closed is to be stopped: it holds nothing of the kernel's. */
static const struct vio_member_ops queue_member_ops = {
	.reset = begin_stop,
	.close = begin_stop,
	.is_busy = is_busy,
	.describe = describe,
};

static struct vio_open_chain *create_chains(const struct vio_env *env, uint32_t n)
{
	return vio_alloc_array(env, n, sizeof(struct vio_open_chain),
			       _Alignof(struct vio_open_chain));
}

static void
destroy_chains(const struct vio_env *env, struct vio_open_chain *open, uint32_t n)
{
	vio_free(env, open, n * sizeof(*open), _Alignof(struct vio_open_chain));
}

static int copy_params(const struct vio_env *env, struct vio_queue_params *ours,
		       const struct vio_queue_params *params, struct vio_error *err)
{
	int ret = vio_params_copy(ours, sizeof(*ours), sizeof(*ours), params);

	if (ret)
		return vio_fail(err, ret, "queue: parameters of an unknown size");
	if (ours->stop && !env->loop)
		return vio_fail(
			err, -EINVAL,
			"queue %u: a stop callback needs a context to answer to",
			ours->index);
	return vio_queue_check(ours, err);
}

int vio_queue_create(struct vio_ctx *ctx, const struct vio_queue_params *params,
		     struct vio_queue **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_queue_object *object;
	struct vio_queue_params ours;
	struct vio_open_chain *open;
	int ret = copy_params(env, &ours, params, err);

	if (ret)
		return ret;
	object = VIO_NEW(env, struct vio_queue_object);
	open = create_chains(env, ours.n_descs);
	if (!object || !open) {
		ret = vio_fail(err, -ENOMEM, "queue %u: out of memory", ours.index);
		goto free;
	}
	ret = vio_queue_setup(&object->queue, env, &ours, open, err);
	if (ret)
		goto free;

	object->stopped.run = end_stop;
	object->queue.member.ops = &queue_member_ops;
	object->queue.member.meter = &object->queue.meter;
	object->queue.member.kind = VIO_MEMBER_QUEUE;
	object->queue.member.number = ours.index;
	vio_member_join(&object->queue.member, ours.dom);
	vio_env_hold(env);
	*out = &object->queue;
	return 0;
free:
	destroy_chains(env, open, ours.n_descs);
	VIO_DELETE(env, object);
	return ret;
}

void vio_queue_destroy(struct vio_queue *queue)
{
	struct vio_queue_object *object = vio_queue_object_of(queue);
	const struct vio_env *env;

	if (!queue)
		return;
	env = queue->env;
	if (env->loop)
		vio_loop_cancel(env->loop, &object->stopped);
	vio_member_leave(&queue->member);
	vio_queue_teardown(queue);
	destroy_chains(env, queue->open, queue->n_descs);
	VIO_DELETE(env, object);
	vio_env_drop(env);
}
