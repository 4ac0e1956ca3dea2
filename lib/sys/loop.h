/* SPDX-License-Identifier: MIT */
/*
 * The events of one context: descriptors watched by its epoll, and tasks that
 * other threads hand to the thread that dispatches.
 */
#ifndef VIO_SYS_LOOP_H
#define VIO_SYS_LOOP_H

#include <stdint.h>

#include "core/env.h"

/* A descriptor and what to do when it is ready. In the owner's memory. */
struct vio_event {
	/* @events as epoll reports them. May remove the event and free it. */
	void (*ready)(struct vio_event *event, uint32_t events);
	int fd;
	uint32_t is_added;
};

/* Something to run in dispatch. In the owner's memory, zeroed before use. */
struct vio_task {
	void (*run)(struct vio_task *task);
	struct vio_task *next; /* the loop's */
	uint32_t is_posted;    /* atomic: 1 from post until just before run */
};

/* The env's sys and alloc are used. 0 or -errno with nothing left open. */
int vio_loop_create(const struct vio_env *env, struct vio_loop **out);
void vio_loop_destroy(struct vio_loop *loop);

int vio_loop_get_fd(const struct vio_loop *loop);

/* Runs what is due, at most @max (at least 1) callbacks; returns how many. */
int vio_loop_dispatch(struct vio_loop *loop, uint32_t max);

/*
 * Dispatching thread only. @events as for epoll_ctl(2), level-triggered. In a
 * forked child nothing is added (-ECHILD), and the parent's events stay.
 */
int vio_loop_add(struct vio_loop *loop, struct vio_event *event, uint32_t events);
void vio_loop_remove(struct vio_loop *loop, struct vio_event *event);

/*
 * Any thread. A task posted again before it runs runs once. What the poster
 * wrote before is seen by run().
 */
void vio_loop_post(struct vio_loop *loop, struct vio_task *task);

/*
 * Dispatching thread only: the task will not run unless posted again. The owner
 * makes sure that nobody posts at the same time.
 */
void vio_loop_cancel(struct vio_loop *loop, struct vio_task *task);

#endif /* VIO_SYS_LOOP_H */
