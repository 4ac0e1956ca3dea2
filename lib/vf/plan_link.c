/* SPDX-License-Identifier: MIT */
/*
 * Waiting for the PF's link. Its driver starts the card anew when the number of VFs
 * changes, and refuses, until the link is back, rates that it took before. What says
 * so is the kernel's carrier, looked at from time to time: its events can be lost, and
 * a look costs less than to listen.
 *
 * Whatever keeps the link away ends the wait, not the plan: the driver is asked for the
 * rate all the same, and what it answers counts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "core/list.h"
#include "sys/sys.h"
#include "vf/plan.h"

/* Together 10 s; copper negotiates for three or four. */
#define LOOK_NS    100000000
#define LOOKS_MAX  100u

#define ATTR_BYTES 64u /* "net/", an interface, "/carrier" */

int vio_plan_link_is_due(const struct vio_plan *plan)
{
	return !!(plan->wanted.fields & (VIO_VF_MIN_RATE | VIO_VF_MAX_RATE));
}

static void close_timer(struct vio_plan *plan)
{
	const struct vio_env *env = plan->host->env;

	vio_loop_remove(env->loop, &plan->timer);
	env->sys->close(env->sys->opaque, plan->timer.fd);
}

static int look(struct vio_plan *plan);

static void on_time(struct vio_event *event, uint32_t events)
{
	struct vio_plan *plan = VIO_CONTAINER_OF(event, struct vio_plan, timer);

	(void)events;
	close_timer(plan);
	if (look(plan) != VIO_PLAN_WAITS)
		vio_plan_resume(plan, 0);
}

static int wait_on(struct vio_plan *plan)
{
	const struct vio_env *env = plan->host->env;
	const struct vio_sys *sys = env->sys;
	const struct itimerspec when = { .it_value = { .tv_nsec = LOOK_NS } };

	if (++plan->n_looks == LOOKS_MAX)
		return 0;
	plan->timer.ready = on_time;
	plan->timer.fd = sys->timerfd_create(sys->opaque, CLOCK_MONOTONIC);
	if (plan->timer.fd < 0)
		return 0;
	if (!sys->timerfd_settime(sys->opaque, plan->timer.fd, 0, &when) &&
	    !vio_loop_add(env->loop, &plan->timer, EPOLLIN))
		return VIO_PLAN_WAITS;
	close_timer(plan);
	return 0;
}

/* Also where it cannot be read, as of an interface that is down: none to wait for. */
static void looked(struct vio_async_call *call, int64_t result)
{
	struct vio_plan *plan = VIO_CONTAINER_OF(call, struct vio_plan, call);
	const struct vio_env *env = plan->host->env;

	env->sys->close(env->sys->opaque, plan->fd);
	if (result > 0 && plan->attr[0] == '0' && wait_on(plan) == VIO_PLAN_WAITS)
		return;
	plan->kernel_ns += vio_now(env) - plan->begun_ns;
	vio_plan_resume(plan, 0);
}

static int take_first(void *opaque, const char *name)
{
	char *path = opaque;

	snprintf(path, ATTR_BYTES, "net/%.*s/carrier", VIO_HOST_NETDEV_BYTES - 1, name);
	return 1;
}

static int open_carrier(struct vio_plan *plan)
{
	const struct vio_pci_addr *pf = &plan->lease->record.pf;
	char path[VIO_SYSFS_PATH_BYTES], attr[ATTR_BYTES];
	int ret;

	ret = vio_sysfs_path(pf, "net", path);
	if (!ret)
		ret = vio_sysfs_foreach(plan->host, path, take_first, attr);
	if (ret != 1)
		return -ENOENT;
	ret = vio_sysfs_path(pf, attr, path);
	return ret ? ret : vio_sysfs_open(plan->host, path, O_RDONLY);
}

/* The kernel takes its network locks to show it. */
static int look(struct vio_plan *plan)
{
	const struct vio_sys *sys = plan->host->env->sys;

	plan->fd = open_carrier(plan);
	if (plan->fd < 0)
		return 0;
	plan->call = (struct vio_async_call){
		.op = VIO_ASYNC_READ,
		.fd = plan->fd,
		.buf = plan->attr,
		.n = sizeof(plan->attr),
		.done = looked,
	};
	if (!vio_async_submit(plan->host->async, &plan->call))
		return VIO_PLAN_WAITS;
	sys->close(sys->opaque, plan->fd);
	return 0;
}

int vio_plan_wait_link(struct vio_plan *plan)
{
	plan->n_looks = 0;
	plan->begun_ns = vio_now(plan->host->env);
	return look(plan);
}
