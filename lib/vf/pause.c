/* SPDX-License-Identifier: MIT */
/*
 * Pausing. The user is asked to close the function; while it does, the VF has no
 * operation under way, since closing is one. Each operation that ends wakes the
 * pause, which looks whether the function is closed. Then what the VF is goes into
 * the journal: a paused lease is all that has to outlive the function.
 *
 * A user that does not answer is told to go on: its VF is as it was.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "sys/sys.h"
#include "vf/op.h"
#include "vf/pause.h"

#define NS_PER_SEC UINT64_C(1000000000)
#define NS_PER_MS  UINT64_C(1000000)

struct pause {
	struct vio_vf *vf;
	struct vio_task task; /* the VF's waiter */
	struct vio_event timer;
	uint64_t timeout_ns;
	int is_asked;
	vio_vf_done_fn done;
	void *opaque;
};

int vio_vf_set_pause(struct vio_vf *vf, const struct vio_pause_ops *ops)
{
	struct vio_pause_ops copy = VIO_PAUSE_OPS_INIT;
	int ret = 0;

	if (ops)
		ret = vio_params_copy(&copy, sizeof(copy), sizeof(copy), ops);
	if (ret)
		return ret;
	if (ops && (!copy.pause || !copy.resume || copy.flags))
		return -EINVAL;
	vf->pause_ops = copy;
	return 0;
}

void vio_pause_tell_resumed(struct vio_vf *vf, int is_state_lost)
{
	const struct vio_pause_ops ops = vf->pause_ops;

	if (ops.resume)
		ops.resume(ops.opaque, vf, is_state_lost);
}

static void close_timer(struct pause *pause)
{
	const struct vio_env *env = pause->vf->host->env;

	vio_loop_remove(env->loop, &pause->timer);
	env->sys->close(env->sys->opaque, pause->timer.fd);
}

static void destroy(struct pause *pause)
{
	const struct vio_env *env = pause->vf->host->env;

	pause->vf->waiter = NULL;
	vio_loop_cancel(env->loop, &pause->task);
	close_timer(pause);
	VIO_DELETE(env, pause);
}

/* Of one that has gone there is nothing to go on with. */
static void tell_called_off(struct vio_vf *vf, int is_state_lost)
{
	if (vf->info.state != VIO_VF_LOST)
		vio_pause_tell_resumed(vf, is_state_lost);
}

/* The function may be open, closed or about to be: the user goes on from there. */
static void call_off(struct pause *pause, int result, const struct vio_error *err)
{
	const vio_vf_done_fn done = pause->done;
	struct vio_vf *vf = pause->vf;
	void *opaque = pause->opaque;
	const int was_asked = pause->is_asked;

	destroy(pause);
	if (was_asked)
		tell_called_off(vf, !vf->vfio);
	done(opaque, result, err);
}

static void on_late(struct vio_event *event, uint32_t events)
{
	struct pause *pause = VIO_CONTAINER_OF(event, struct pause, timer);
	struct vio_error err = VIO_ERROR_INIT;
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	(void)events;
	vio_pci_addr_print(&pause->vf->info.addr, name);
	vio_fail(&err, -ETIMEDOUT, "%s: %s has not closed it within %llu ms", name,
		 pause->vf->info.owner,
		 (unsigned long long)(pause->timeout_ns / NS_PER_MS));
	call_off(pause, -ETIMEDOUT, &err);
}

static int save_paused(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	/* Also of a driver that was not changed: whoever comes back has none. */
	record->begun |= VIO_JOURNAL_DRIVER;
	if (record->set.fields)
		record->begun |= VIO_JOURNAL_SETTING;
	record->done = record->begun;
	record->state = VIO_JOURNAL_PAUSED;
	return vio_plan_save(plan);
}

static int save_held(struct vio_plan *plan)
{
	plan->lease->record.state = VIO_JOURNAL_HELD;
	return vio_plan_save(plan);
}

static const struct vio_plan_step pause_steps[] = {
	{ .begin = vio_plan_verify_exists },
	{ .begin = vio_plan_read_identity },
	{ .begin = save_paused },
};

static const struct vio_plan_step unpause_steps[] = {
	{ .begin = save_held },
};

static const struct vio_plan_list pause_list = {
	.steps = pause_steps,
	.n = VIO_ARRAY_SIZE(pause_steps),
};

static const struct vio_plan_list unpause_list = {
	.steps = unpause_steps,
	.n = VIO_ARRAY_SIZE(unpause_steps),
};

static void plan_done(struct vio_plan *plan, int result)
{
	struct vio_op *op = plan->opaque;
	struct vio_vf *vf = op->vf;
	const vio_vf_done_fn done = vf->done;
	void *opaque = vf->done_opaque;
	const struct vio_error err = plan->err;

	VIO_DELETE(vf->host->env, op);
	vf->done = NULL;
	vf->info.state = VIO_VF_HELD;
	if (!result)
		vf->info.state = VIO_VF_PAUSED;
	if (result == -ENODEV)
		vf->info.state = VIO_VF_LOST;
	if (result)
		tell_called_off(vf, 1);
	done(opaque, result, result ? &err : NULL);
}

/* Let go of: nobody but the journal holds it now. */
static void start_plan(struct pause *pause)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_vf *vf = pause->vf;
	struct vio_op *op;
	int ret;

	vf->waiter = NULL;
	ret = vio_op_create(vf, VIO_OP_CLOSED, pause->done, pause->opaque, &op, &err);
	if (ret) {
		call_off(pause, ret, &err);
		return;
	}
	destroy(pause);
	op->plan.list = &pause_list;
	op->plan.undo = &unpause_list;
	op->plan.done = plan_done;
	vio_plan_start(&op->plan);
}

static void task_run(struct vio_task *task)
{
	struct pause *pause = VIO_CONTAINER_OF(task, struct pause, task);
	struct vio_vf *vf = pause->vf;

	if (!pause->is_asked && vf->pause_ops.pause) {
		const struct vio_pause_ops ops = vf->pause_ops;

		pause->is_asked = 1;
		ops.pause(ops.opaque, vf);
	}
	/* The end of what is under way comes back here. */
	if (!vf->done && !vf->vfio)
		start_plan(pause);
}

static int open_timer(struct pause *pause)
{
	const struct vio_env *env = pause->vf->host->env;
	const struct vio_sys *sys = env->sys;
	const struct itimerspec when = {
		.it_value = { .tv_sec = (time_t)(pause->timeout_ns / NS_PER_SEC),
			      .tv_nsec = (long)(pause->timeout_ns % NS_PER_SEC) },
	};
	int ret;

	pause->timer.fd = sys->timerfd_create(sys->opaque, CLOCK_MONOTONIC);
	if (pause->timer.fd < 0)
		return pause->timer.fd;
	pause->timer.ready = on_late;
	ret = sys->timerfd_settime(sys->opaque, pause->timer.fd, 0, &when);
	if (!ret)
		ret = vio_loop_add(env->loop, &pause->timer, EPOLLIN);
	if (ret)
		close_timer(pause);
	return ret;
}

static int check(const struct vio_vf *vf, struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&vf->info.addr, name);
	if (vf->info.state == VIO_VF_PAUSED && !vf->done)
		return vio_fail(err, -EALREADY, "%s: it is paused", name);
	if (vf->waiter)
		return vio_fail(err, -EBUSY, "%s: it is being paused", name);
	if (vf->vfio && !vf->pause_ops.pause)
		return vio_fail(err, -EOPNOTSUPP,
				"%s: it is open, and nobody can be asked to close it",
				name);
	return vio_vf_check(vf, 0, err);
}

int vio_vf_pause(struct vio_vf *vf, uint64_t timeout_ns, vio_vf_done_fn done,
		 void *opaque, struct vio_error *err)
{
	struct pause *pause;
	int ret;

	ret = check(vf, err);
	if (ret)
		return ret;
	pause = VIO_NEW(vf->host->env, struct pause);
	if (!pause)
		return vio_fail(err, -ENOMEM, "pause: no memory");
	pause->vf = vf;
	pause->task.run = task_run;
	pause->timeout_ns = timeout_ns ? timeout_ns : VIO_PAUSE_TIMEOUT_NS;
	pause->done = done;
	pause->opaque = opaque;
	ret = open_timer(pause);
	if (ret) {
		VIO_DELETE(vf->host->env, pause);
		return vio_fail(err, ret, "pause: no timer: %s", vio_explain(ret));
	}
	vf->waiter = &pause->task;
	vio_loop_post(vf->host->env->loop, &pause->task);
	return 0;
}
