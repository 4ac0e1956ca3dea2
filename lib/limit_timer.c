/* SPDX-License-Identifier: MIT */
/*
 * One timer for all who wait in a tree of limits. Whoever joins a line posts a task,
 * as the descriptor is the dispatching thread's alone; each time the tree is
 * dispatched the timer is set to what it says.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <time.h>

#include "core/error.h"
#include "ctx.h"
#include "limit/node.h"

/* Callbacks of one dispatch; the rest follow in the next. */
#define CALLS_MAX  64u
#define NS_PER_SEC UINT64_C(1000000000)

struct vio_limit_timer {
	const struct vio_env *env;
	struct vio_limit *root;
	struct vio_event event;
	struct vio_task task;
};

/* By the time that is left: the context's clock need not be the kernel's. */
static int set_timer(struct vio_limit_timer *timer, uint64_t at_ns)
{
	const struct vio_sys *sys = timer->env->sys;
	const uint64_t now_ns = vio_now(timer->env);
	struct itimerspec when = { 0 };
	uint64_t left_ns;

	if (at_ns != UINT64_MAX) {
		/* A time of 0 would stop it. */
		left_ns = at_ns > now_ns ? at_ns - now_ns : 1;
		when.it_value.tv_sec = (time_t)(left_ns / NS_PER_SEC);
		when.it_value.tv_nsec = (long)(left_ns % NS_PER_SEC);
	}
	return sys->timerfd_settime(sys->opaque, timer->event.fd, 0, &when);
}

static void serve(struct vio_limit_timer *timer)
{
	uint64_t next_ns = UINT64_MAX;

	vio_limit_dispatch(timer->root, vio_now(timer->env), CALLS_MAX, &next_ns);
	/* It has no reason to fail: the descriptor and the time are good. */
	(void)set_timer(timer, next_ns);
}

static void timer_ready(struct vio_event *event, uint32_t events)
{
	struct vio_limit_timer *timer =
		VIO_CONTAINER_OF(event, struct vio_limit_timer, event);

	(void)events;
	serve(timer);
}

static void run_task(struct vio_task *task)
{
	serve(VIO_CONTAINER_OF(task, struct vio_limit_timer, task));
}

/* Any thread, under the tree's lock. */
static void wake(void *opaque)
{
	struct vio_limit_timer *timer = opaque;

	vio_loop_post(timer->env->loop, &timer->task);
}

/* Under the lock of the tree. */
static int take_tree(struct vio_limit_timer *timer)
{
	struct vio_tree *tree = timer->root->tree;
	int ret = 0;

	pthread_mutex_lock(&tree->lock);
	if (tree->wake)
		ret = -EBUSY;
	else
		tree->wake = wake;
	tree->wake_opaque = ret ? tree->wake_opaque : timer;
	pthread_mutex_unlock(&tree->lock);
	return ret;
}

static int open_timer(struct vio_limit_timer *timer, struct vio_error *err)
{
	const struct vio_sys *sys = timer->env->sys;
	int ret;

	timer->event.fd = sys->timerfd_create(sys->opaque, CLOCK_MONOTONIC);
	if (timer->event.fd < 0)
		return vio_fail(err, timer->event.fd, "limit timer: no timerfd: %s",
				vio_explain(timer->event.fd));
	/* At once, for those who wait already. */
	ret = set_timer(timer, 0);
	if (!ret)
		ret = vio_loop_add(timer->env->loop, &timer->event, EPOLLIN);
	if (ret) {
		sys->close(sys->opaque, timer->event.fd);
		return vio_fail(err, ret, "limit timer: it cannot be set: %s",
				vio_explain(ret));
	}
	return 0;
}

static void close_timer(struct vio_limit_timer *timer)
{
	const struct vio_sys *sys = timer->env->sys;

	vio_loop_remove(timer->env->loop, &timer->event);
	sys->close(sys->opaque, timer->event.fd);
}

static struct vio_limit_timer *
create_timer(const struct vio_env *env, struct vio_limit *root)
{
	struct vio_limit_timer *timer = VIO_NEW(env, struct vio_limit_timer);

	if (!timer)
		return NULL;
	timer->env = env;
	timer->root = root;
	timer->event.ready = timer_ready;
	timer->task.run = run_task;
	return timer;
}

int vio_limit_timer_open(struct vio_ctx *ctx, struct vio_limit *root,
			 struct vio_limit_timer **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_limit_timer *timer;
	int ret;

	if (!ctx || root->parent)
		return vio_fail(err, -EINVAL, "limit timer: %s",
				ctx ? "the limit has a parent, take the root"
				    : "it needs a context");
	if (vio_env_is_child(env))
		return vio_fail(err, -ECHILD, "limit timer: in a forked child");
	timer = create_timer(env, root);
	if (!timer)
		return vio_fail(err, -ENOMEM, "limit timer: no memory");
	ret = open_timer(timer, err);
	if (ret)
		goto delete;
	ret = take_tree(timer);
	if (ret) {
		vio_fail(err, ret, "limit timer: the tree has one");
		goto close;
	}
	vio_env_hold(env);
	*out = timer;
	return 0;

close:
	close_timer(timer);
	delete : VIO_DELETE(env, timer);
	return ret;
}

void vio_limit_timer_close(struct vio_limit_timer *timer)
{
	const struct vio_env *env;
	struct vio_tree *tree;

	if (!timer)
		return;
	env = timer->env;
	tree = timer->root->tree;
	pthread_mutex_lock(&tree->lock);
	tree->wake = NULL;
	pthread_mutex_unlock(&tree->lock);
	vio_loop_cancel(env->loop, &timer->task);
	close_timer(timer);
	VIO_DELETE(env, timer);
	vio_env_drop(env);
}
