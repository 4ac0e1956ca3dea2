/* SPDX-License-Identifier: MIT */
/*
 * One epoll for all of a context. Tasks from other threads come over a stack
 * without locks and one eventfd, which the epoll reports in its turn like any
 * other descriptor, so that neither tasks nor descriptors starve the others.
 * What epoll reported waits in the loop, where removing an event strikes it out.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/eventfd.h>

#include "core/bits.h"
#include "core/list.h"
#include "sys/loop.h"
#include "sys/sys.h"

#define BATCH_EVENTS 64u /* a call per 64 events costs nothing; 1 KiB in the loop */

struct vio_loop {
	const struct vio_env *env;
	int epoll_fd;
	struct vio_event wake;   /* the eventfd, readable while tasks wait */
	struct vio_task *posted; /* atomic, the latest first */
	struct vio_task *due;    /* in order; the dispatching thread's alone */
	struct vio_task **due_end;
	uint32_t budget; /* callbacks that dispatch may still run */
	uint32_t next;   /* the first of batch not handled yet */
	uint32_t n_batch;
	struct epoll_event batch[BATCH_EVENTS];
};

static void wake_loop(struct vio_loop *loop)
{
	const struct vio_sys *sys = loop->env->sys;
	uint64_t one = 1;

	/* It fails only when the counter is full, and then it is readable. */
	(void)sys->write(sys->opaque, loop->wake.fd, &one, sizeof(one));
}

/* Moves what was posted behind what is due, the earliest first. */
static void collect_tasks(struct vio_loop *loop)
{
	/* Acquire pairs with the release in vio_loop_post(): the links are seen. */
	struct vio_task *task =
		__atomic_exchange_n(&loop->posted, NULL, __ATOMIC_ACQUIRE);
	struct vio_task *first = NULL;
	struct vio_task **end = loop->due_end;

	if (task)
		loop->due_end = &task->next;
	while (task) {
		struct vio_task *earlier = task->next;

		task->next = first;
		first = task;
		task = earlier;
	}
	*end = first;
}

static void run_first_task(struct vio_loop *loop)
{
	struct vio_task *task = loop->due;

	loop->due = task->next;
	if (!loop->due)
		loop->due_end = &loop->due;
	loop->budget--;
	/*
	 * From here on it can be posted again. Acquire pairs with the exchange
	 * in vio_loop_post(), also of a thread that found it posted already.
	 */
	(void)__atomic_exchange_n(&task->is_posted, 0, __ATOMIC_ACQ_REL);
	task->run(task);
}

/*
 * The eventfd is read before the stack is taken: whoever posts after that finds
 * the stack empty and wakes the loop again. Tasks leave room for the events of
 * this batch that wait behind them.
 */
static void wake_ready(struct vio_event *wake, uint32_t events)
{
	struct vio_loop *loop = VIO_CONTAINER_OF(wake, struct vio_loop, wake);
	const struct vio_sys *sys = loop->env->sys;
	uint64_t count;

	(void)events;
	(void)sys->read(sys->opaque, wake->fd, &count, sizeof(count));
	collect_tasks(loop);
	while (loop->due && loop->budget > loop->n_batch - loop->next)
		run_first_task(loop);
	if (loop->due)
		wake_loop(loop);
}

/* Returns how many events are there to handle, or -errno. */
static int fill_batch(struct vio_loop *loop, uint32_t n)
{
	const struct vio_sys *sys = loop->env->sys;
	int ret = sys->epoll_wait(sys->opaque, loop->epoll_fd, loop->batch, (int)n, 0);

	loop->next = 0;
	loop->n_batch = ret > 0 ? (uint32_t)ret : 0;
	return ret;
}

static void run_batch(struct vio_loop *loop)
{
	while (loop->next < loop->n_batch && loop->budget) {
		struct epoll_event *ready = &loop->batch[loop->next++];
		struct vio_event *event = ready->data.ptr;

		if (!event)
			continue;
		if (event != &loop->wake)
			loop->budget--;
		event->ready(event, ready->events);
	}
}

/*
 * A callback may dispatch again: that call goes on with this batch, and when it
 * returns, whatever it left is done here. A batch shorter than asked for ends
 * the call, so that descriptors that are always ready do not keep the caller.
 */
int vio_loop_dispatch(struct vio_loop *loop, uint32_t max)
{
	const uint32_t outer_budget = loop->budget;
	uint32_t n, ran;
	int ret;

	loop->budget = max > INT32_MAX ? INT32_MAX : max;
	max = loop->budget;
	do {
		n = (uint32_t)vio_min_u64(loop->budget, BATCH_EVENTS);
		ret = loop->next == loop->n_batch ? fill_batch(loop, n) : (int)n;
		run_batch(loop);
	} while (loop->budget && ret == (int)n);
	ran = max - loop->budget;
	loop->budget = outer_budget;
	return ret < 0 && !ran ? ret : (int)ran;
}

int vio_loop_add(struct vio_loop *loop, struct vio_event *event, uint32_t events)
{
	const struct vio_sys *sys = loop->env->sys;
	struct epoll_event request = { .events = events, .data.ptr = event };
	int ret;

	if (vio_env_is_child(loop->env))
		return -ECHILD;
	ret = sys->epoll_ctl(sys->opaque, loop->epoll_fd, EPOLL_CTL_ADD, event->fd,
			     &request);
	if (!ret)
		event->is_added = 1;
	return ret;
}

void vio_loop_remove(struct vio_loop *loop, struct vio_event *event)
{
	const struct vio_sys *sys = loop->env->sys;

	if (!event->is_added)
		return;
	event->is_added = 0;
	for (uint32_t i = loop->next; i < loop->n_batch; i++)
		if (loop->batch[i].data.ptr == event)
			loop->batch[i].data.ptr = NULL;
	/* The epoll is the parent's as well, which goes on watching. */
	if (!vio_env_is_child(loop->env))
		(void)sys->epoll_ctl(sys->opaque, loop->epoll_fd, EPOLL_CTL_DEL,
				     event->fd, NULL);
}

void vio_loop_post(struct vio_loop *loop, struct vio_task *task)
{
	struct vio_task *head;

	/* A child would wake its parent. */
	if (vio_env_is_child(loop->env))
		return;
	/* Release pairs with run_first_task(), acquire with it as well. */
	if (__atomic_exchange_n(&task->is_posted, 1, __ATOMIC_ACQ_REL))
		return;
	/* Relaxed: only the exchange below decides; it reads nothing through it. */
	head = __atomic_load_n(&loop->posted, __ATOMIC_RELAXED);
	do
		task->next = head;
	while (!__atomic_compare_exchange_n(&loop->posted, &head, task, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED));
	if (!head)
		wake_loop(loop);
}

void vio_loop_cancel(struct vio_loop *loop, struct vio_task *task)
{
	struct vio_task **link = &loop->due;

	/* Relaxed: nobody posts at the same time. */
	if (!__atomic_load_n(&task->is_posted, __ATOMIC_RELAXED))
		return;
	collect_tasks(loop);
	while (*link != task)
		link = &(*link)->next;
	*link = task->next;
	if (!*link)
		loop->due_end = link;
	__atomic_store_n(&task->is_posted, 0, __ATOMIC_RELAXED);
}

static int open_fds(struct vio_loop *loop)
{
	const struct vio_sys *sys = loop->env->sys;
	int ret;

	loop->epoll_fd = sys->epoll_create(sys->opaque);
	if (loop->epoll_fd < 0)
		return loop->epoll_fd;
	loop->wake.fd = sys->eventfd(sys->opaque, 0, EFD_NONBLOCK);
	if (loop->wake.fd < 0) {
		ret = loop->wake.fd;
		goto close_epoll;
	}
	ret = vio_loop_add(loop, &loop->wake, EPOLLIN);
	if (!ret)
		return 0;

	sys->close(sys->opaque, loop->wake.fd);
close_epoll:
	sys->close(sys->opaque, loop->epoll_fd);
	return ret;
}

int vio_loop_create(const struct vio_env *env, struct vio_loop **out)
{
	struct vio_loop *loop = VIO_NEW(env, struct vio_loop);
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->env = env;
	loop->due_end = &loop->due;
	loop->wake.ready = wake_ready;
	ret = open_fds(loop);
	if (ret) {
		VIO_DELETE(env, loop);
		return ret;
	}
	*out = loop;
	return 0;
}

void vio_loop_destroy(struct vio_loop *loop)
{
	const struct vio_env *env;

	if (!loop)
		return;
	env = loop->env;
	if (!vio_env_is_child(env)) {
		env->sys->close(env->sys->opaque, loop->wake.fd);
		env->sys->close(env->sys->opaque, loop->epoll_fd);
	}
	VIO_DELETE(env, loop);
}

int vio_loop_get_fd(const struct vio_loop *loop)
{
	return loop->epoll_fd;
}
