/* SPDX-License-Identifier: MIT */
/*
 * A queue as an object: the ring's state and what ties it to a tenant, to the
 * owner's thread and to eventfds.
 */
#ifndef VIO_DEVICE_QUEUE_H
#define VIO_DEVICE_QUEUE_H

#include "ring/queue.h"
#include "sys/loop.h"

struct vio_queue_object {
	struct vio_queue queue;  /* first: a struct vio_queue is one of these */
	struct vio_task stopped; /* of a stop that the tenant asked for */
	uint32_t is_stopping;    /* since then; dispatching thread only */
};

static inline struct vio_queue_object *vio_queue_object_of(struct vio_queue *queue)
{
	return (struct vio_queue_object *)(void *)queue;
}

#endif /* VIO_DEVICE_QUEUE_H */
