/* SPDX-License-Identifier: MIT */
/*
 * The choice between the two ways. io_uring comes first, since it costs the
 * host no thread; what it cannot do, and everything where the kernel has none,
 * goes to the lent thread.
 */
#include <errno.h>

#include <vio/ctx.h>

#include "sys/async.h"
#include "sys/uring.h"
#include "sys/work.h"

struct vio_async {
	const struct vio_env *env;
	struct vio_uring *uring; /* NULL: not to be used */
	struct vio_work *work;   /* NULL: no thread is lent */
};

int vio_async_create(const struct vio_env *env, uint32_t flags, struct vio_async **out)
{
	struct vio_async *async = VIO_NEW(env, struct vio_async);
	int ret = 0;

	if (!async)
		return -ENOMEM;
	async->env = env;
	if (flags & VIO_CTX_LENDS_THREAD)
		ret = vio_work_create(env, &async->work);
	if (!ret && !(flags & VIO_CTX_NO_URING))
		ret = vio_uring_create(env, &async->uring);
	if (ret) {
		vio_work_destroy(async->work);
		VIO_DELETE(env, async);
		return ret;
	}
	*out = async;
	return 0;
}

int vio_async_destroy(struct vio_async *async)
{
	/* A child has neither the threads nor the calls; its locks may be held. */
	if (!vio_env_is_child(async->env) &&
	    (vio_async_get_pending(async) || vio_async_get_threads(async)))
		return -EBUSY;
	vio_uring_destroy(async->uring);
	vio_work_destroy(async->work);
	VIO_DELETE(async->env, async);
	return 0;
}

uint32_t vio_async_get_pending(const struct vio_async *async)
{
	return vio_uring_get_pending(async->uring) + vio_work_get_pending(async->work);
}

uint32_t vio_async_get_threads(struct vio_async *async)
{
	return vio_work_get_threads(async->work);
}

int vio_async_is_able(const struct vio_async *async)
{
	return async->uring || vio_work_is_able(async->work);
}

int vio_async_submit(struct vio_async *async, struct vio_async_call *call)
{
	int ret;

	if (vio_env_is_child(async->env))
		return -ECHILD;
	ret = vio_uring_submit(async->uring, call);
	if (ret == -EOPNOTSUPP)
		ret = vio_work_submit(async->work, call);
	return ret;
}

int vio_async_work(struct vio_async *async)
{
	return vio_work_dispatch(async->work);
}

int vio_async_abort_work(struct vio_async *async)
{
	return vio_work_abort(async->work);
}
