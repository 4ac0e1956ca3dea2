/* SPDX-License-Identifier: MIT */
/*
 * Calls by a lent thread. One lock guards the two lists, of calls to make and
 * of calls made; the call itself is made without it. A task brings what is made
 * to the dispatching thread, one call at a time, so that dispatch counts each.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>

#include "core/list.h"
#include "sys/loop.h"
#include "sys/sys.h"
#include "sys/work.h"

#define MAX_CALLS 64u /* as io_uring's: callers meet one bound either way */

struct call_list {
	struct vio_async_call *first;
	struct vio_async_call **end;
};

struct vio_work {
	const struct vio_env *env;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* a call to make, or the abort */
	struct call_list queued;
	struct call_list made;
	uint32_t n_threads;
	bool is_aborted;
	struct vio_task task;
	uint32_t n_pending; /* the dispatching thread's alone */
};

static void append_call(struct call_list *list, struct vio_async_call *call)
{
	call->next = NULL;
	*list->end = call;
	list->end = &call->next;
}

static struct vio_async_call *take_call(struct call_list *list)
{
	struct vio_async_call *call = list->first;

	if (!call)
		return NULL;
	list->first = call->next;
	if (!list->first)
		list->end = &list->first;
	return call;
}

static int64_t make_call(const struct vio_sys *sys, struct vio_async_call *c)
{
	const bool at_offset = c->offset != -1;

	switch (c->op) {
	case VIO_ASYNC_OPEN:
		return sys->openat(sys->opaque, AT_FDCWD, c->path, c->open_flags, 0600);
	case VIO_ASYNC_CLOSE:
		return sys->close(sys->opaque, c->fd);
	case VIO_ASYNC_READ:
		return at_offset
			       ? sys->pread(sys->opaque, c->fd, c->buf, c->n, c->offset)
			       : sys->read(sys->opaque, c->fd, c->buf, c->n);
	case VIO_ASYNC_WRITE:
		return at_offset ? sys->pwrite(sys->opaque, c->fd, c->buf, c->n,
					       c->offset)
				 : sys->write(sys->opaque, c->fd, c->buf, c->n);
	case VIO_ASYNC_FSYNC:
		return sys->fsync(sys->opaque, c->fd);
	case VIO_ASYNC_IOCTL:
		return sys->ioctl(sys->opaque, c->fd, c->request, c->buf);
	case VIO_ASYNC_RUN:
		break;
	}
	return c->run(c);
}

/* Under the lock: whoever sees the call made also sees the task posted. */
static void
hand_back(struct vio_work *work, struct vio_async_call *call, int64_t result)
{
	call->result = result;
	append_call(&work->made, call);
	vio_loop_post(work->env->loop, &work->task);
}

static void work_run(struct vio_task *task)
{
	struct vio_work *work = VIO_CONTAINER_OF(task, struct vio_work, task);
	struct vio_async_call *call;

	/* There is one: it was appended and the task posted under one lock. */
	pthread_mutex_lock(&work->lock);
	call = take_call(&work->made);
	if (work->made.first)
		vio_loop_post(work->env->loop, &work->task);
	pthread_mutex_unlock(&work->lock);
	work->n_pending--;
	call->done(call, call->result);
}

int vio_work_is_able(struct vio_work *work)
{
	int is_able;

	if (!work)
		return 0;
	pthread_mutex_lock(&work->lock);
	is_able = !work->is_aborted;
	pthread_mutex_unlock(&work->lock);
	return is_able;
}

int vio_work_submit(struct vio_work *work, struct vio_async_call *call)
{
	int ret = 0;

	if (!work)
		return -EOPNOTSUPP;
	pthread_mutex_lock(&work->lock);
	if (work->is_aborted) {
		ret = -EOPNOTSUPP;
	} else if (work->n_pending == MAX_CALLS) {
		ret = -EAGAIN;
	} else {
		work->n_pending++;
		append_call(&work->queued, call);
		pthread_cond_signal(&work->changed);
	}
	pthread_mutex_unlock(&work->lock);
	return ret;
}

int vio_work_dispatch(struct vio_work *work)
{
	if (!work)
		return -EINVAL;
	pthread_mutex_lock(&work->lock);
	work->n_threads++;
	while (!work->is_aborted) {
		struct vio_async_call *call = take_call(&work->queued);
		int64_t result;

		if (!call) {
			pthread_cond_wait(&work->changed, &work->lock);
			continue;
		}
		pthread_mutex_unlock(&work->lock);
		result = make_call(work->env->sys, call);
		pthread_mutex_lock(&work->lock);
		hand_back(work, call, result);
	}
	work->n_threads--;
	pthread_mutex_unlock(&work->lock);
	return 0;
}

int vio_work_abort(struct vio_work *work)
{
	struct vio_async_call *call;

	if (!work)
		return -EINVAL;
	pthread_mutex_lock(&work->lock);
	work->is_aborted = true;
	while ((call = take_call(&work->queued)))
		hand_back(work, call, -ECANCELED);
	pthread_cond_broadcast(&work->changed);
	pthread_mutex_unlock(&work->lock);
	return 0;
}

uint32_t vio_work_get_pending(const struct vio_work *work)
{
	return work ? work->n_pending : 0;
}

uint32_t vio_work_get_threads(struct vio_work *work)
{
	uint32_t n;

	if (!work)
		return 0;
	pthread_mutex_lock(&work->lock);
	n = work->n_threads;
	pthread_mutex_unlock(&work->lock);
	return n;
}

int vio_work_create(const struct vio_env *env, struct vio_work **out)
{
	struct vio_work *work = VIO_NEW(env, struct vio_work);

	if (!work)
		return -ENOMEM;
	if (pthread_mutex_init(&work->lock, NULL))
		goto free_work;
	if (pthread_cond_init(&work->changed, NULL))
		goto destroy_lock;
	work->env = env;
	work->queued.end = &work->queued.first;
	work->made.end = &work->made.first;
	work->task.run = work_run;
	*out = work;
	return 0;

destroy_lock:
	pthread_mutex_destroy(&work->lock);
free_work:
	VIO_DELETE(env, work);
	return -ENOMEM;
}

/* In a child the lock may be held by a thread that does not exist there. */
void vio_work_destroy(struct vio_work *work)
{
	const struct vio_env *env;

	if (!work)
		return;
	env = work->env;
	if (!vio_env_is_child(env)) {
		vio_loop_cancel(env->loop, &work->task);
		pthread_cond_destroy(&work->changed);
		pthread_mutex_destroy(&work->lock);
	}
	VIO_DELETE(env, work);
}
