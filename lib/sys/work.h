/* SPDX-License-Identifier: MIT */
/* The way of vio_async that is a lent thread. */
#ifndef VIO_SYS_WORK_H
#define VIO_SYS_WORK_H

#include "sys/async.h"

struct vio_work;

int vio_work_create(const struct vio_env *env, struct vio_work **out);

/* No call is under way and no thread lent, or this is a child. NULL: nothing. */
void vio_work_destroy(struct vio_work *work);

/* Are calls taken? NULL: no. */
int vio_work_is_able(struct vio_work *work);

/* As vio_async_submit(). NULL: -EOPNOTSUPP. */
int vio_work_submit(struct vio_work *work, struct vio_async_call *call);

/* See vio_async_work(); -EINVAL if @work is NULL. */
int vio_work_dispatch(struct vio_work *work);
int vio_work_abort(struct vio_work *work);

/* As vio_async_get_pending() and vio_async_get_threads(). */
uint32_t vio_work_get_pending(const struct vio_work *work);
uint32_t vio_work_get_threads(struct vio_work *work);

#endif /* VIO_SYS_WORK_H */
