/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the owners of queues. An owner answers from any thread; its answer
 * is a task, so that everything about a vring happens in dispatch. When the last
 * of those asked has answered, what was waiting for them goes on.
 */
#include <errno.h>

#include "device/vhost_backend.h"
#include "ring/queue.h"
#include "sys/sys.h"

/* Virtio 1.2, 2.1: the device cannot go on without a reset. */
#define STATUS_NEEDS_RESET 0x40u

/* Any thread: the owner's. Posting shows dispatch all that it did before. */
static void on_answer(struct vio_stop *stop)
{
	struct vio_vhost_vring *vring = stop->queue->stop_owner;

	vio_loop_post(vring->backend->env->loop, &vring->stopped);
}

void vio_vhost_stop(struct vio_vhost_vring *vring, uint32_t stop_flags)
{
	if (!vring->queue || vring->is_stopping)
		return;
	vring->is_stopping = true;
	vring->backend->n_stopping++;
	vring->queue->stop_owner = vring;
	vio_queue_ask_stop(vring->queue, stop_flags, on_answer);
}

void vio_vhost_stop_all(struct vio_backend *backend, uint32_t stop_flags)
{
	for (uint32_t i = 0; i < backend->params.n_queues; i++)
		vio_vhost_stop(&backend->vrings[i], stop_flags);
}

static void run_then(struct vio_backend *backend)
{
	void (*then)(struct vio_backend *) = backend->then;

	if (!then || backend->n_stopping)
		return;
	backend->then = NULL;
	then(backend);
}

void vio_vhost_wait(struct vio_backend *backend,
		    void (*then)(struct vio_backend *backend))
{
	backend->then = then;
	run_then(backend);
}

/* In dispatch: the queue is no longer the owner's. */
static void end_stop(struct vio_task *task)
{
	struct vio_vhost_vring *vring =
		VIO_CONTAINER_OF(task, struct vio_vhost_vring, stopped);
	struct vio_backend *backend = vring->backend;
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;

	vio_queue_read_state(vring->queue, &state);
	vio_queue_read_fault(vring->queue, &fault);
	vring->base = (uint16_t)state.avail_index;
	vring->is_latched = fault.code != VIO_FAULT_NONE;
	vio_queue_destroy(vring->queue);
	vring->queue = NULL;
	vring->is_stopping = false;
	backend->n_stopping--;
	/* To see what comes next; before, since the back end may be gone after. */
	vio_loop_post(backend->env->loop, &backend->task);
	run_then(backend);
}

/* In dispatch: the descriptor for errors is dispatch's, not the owner's. */
static void tell_fault(struct vio_task *task)
{
	struct vio_vhost_vring *vring =
		VIO_CONTAINER_OF(task, struct vio_vhost_vring, faulted);
	const struct vio_sys *sys = vring->backend->env->sys;
	const uint64_t one = 1;

	vring->backend->status |= STATUS_NEEDS_RESET;
	if (vring->err_fd >= 0)
		sys->write(sys->opaque, vring->err_fd, &one, sizeof(one));
}

void vio_vhost_on_stop(void *opaque, struct vio_queue *queue, struct vio_stop *token,
		       uint32_t stop_flags)
{
	const struct vio_vhost_vring *vring = opaque;
	const struct vio_backend *backend = vring->backend;

	backend->ops.queue_stop(backend->params.opaque, vring->index, queue, token,
				stop_flags);
}

/* The owner's thread. */
void vio_vhost_on_fault(void *opaque, struct vio_queue *queue,
			const struct vio_queue_fault *fault)
{
	struct vio_vhost_vring *vring = opaque;

	(void)queue;
	(void)fault; /* the queue has logged it */
	vio_loop_post(vring->backend->env->loop, &vring->faulted);
}

void vio_vhost_vring_setup(struct vio_backend *backend, uint32_t index)
{
	backend->vrings[index] = (struct vio_vhost_vring){
		.backend = backend,
		.index = index,
		.kick_fd = -1,
		.call_fd = -1,
		.err_fd = -1,
		.stopped.run = end_stop,
		.faulted.run = tell_fault,
	};
}
