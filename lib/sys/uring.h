/* SPDX-License-Identifier: MIT */
/* The way of vio_async that is io_uring. */
#ifndef VIO_SYS_URING_H
#define VIO_SYS_URING_H

#include "sys/async.h"

struct vio_uring;

/* 0 with *out NULL: the kernel, or this build, has none to give. */
int vio_uring_create(const struct vio_env *env, struct vio_uring **out);

/* No call is under way, or this is a forked child. NULL: nothing. */
void vio_uring_destroy(struct vio_uring *uring);

/* As vio_async_submit(). NULL: -EOPNOTSUPP. */
int vio_uring_submit(struct vio_uring *uring, struct vio_async_call *call);

/* Dispatching thread only: calls submitted and not done. */
uint32_t vio_uring_get_pending(const struct vio_uring *uring);

#endif /* VIO_SYS_URING_H */
