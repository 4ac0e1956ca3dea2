/* SPDX-License-Identifier: MIT */
/*
 * The engine. A plan is at one step and in one phase of it; what ends a phase, now
 * or later, leads to the next. Undoing goes on after a step that fails, since the
 * others can still be undone, and leaves the journal as it is for a recovery; but
 * not after one that is a gate to the others.
 *
 * A plan that is fenced stops where it stands: the VF is somebody else's.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "sys/sys.h"
#include "vf/plan.h"

int vio_plan_fail(struct vio_plan *plan, int code, const char *format, ...)
{
	char text[VIO_ERROR_TEXT_BYTES];
	va_list args;

	if (plan->err.code)
		return code;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	return vio_fail(&plan->err, code, "%s: %s", plan->name, text);
}

static void task_run(struct vio_task *task)
{
	struct vio_plan *plan = VIO_CONTAINER_OF(task, struct vio_plan, task);
	const int result = plan->result ? plan->result : plan->undo_result;

	if (result && !plan->err.code)
		vio_plan_fail(plan, result, "%s", vio_explain(result));
	plan->done(plan, result);
}

/* Always by way of dispatch, so that done is never called from within a start. */
static int finish(struct vio_plan *plan)
{
	plan->task.run = task_run;
	vio_loop_post(plan->host->env->loop, &plan->task);
	return VIO_PLAN_WAITS;
}

static int start_undo(struct vio_plan *plan)
{
	if (!plan->undo)
		return finish(plan);
	plan->is_undoing = 1;
	plan->now = plan->undo;
	plan->at = 0;
	plan->phase = VIO_PLAN_NEXT;
	return 0;
}

/* Of an undoing: a step has failed. 0: go on. */
static int leave_undo(struct vio_plan *plan, const char *gate, int ret)
{
	if (ret == -ENODEV)
		plan->is_gone = !vio_plan_is_there(plan);
	/* Not gone, but somebody else's affair meanwhile. */
	if (gate && ret == -ENODEV && !plan->is_gone)
		ret = -EBUSY;
	if (!plan->undo_result)
		plan->undo_result = ret;
	if (ret != -ESTALE && (!gate || plan->is_gone))
		return 0;
	if (gate)
		vio_plan_fail(plan, ret, "%s", gate);
	return finish(plan);
}

/*
 * A function goes when it likes: what a step then finds missing, a file or a way to
 * reset it, is that. Of a lease that is not ours nothing is known.
 */
static int explain(struct vio_plan *plan, int ret)
{
	if (ret == -ESTALE || vio_plan_is_there(plan))
		return ret;
	plan->err.code = 0;
	return vio_plan_fail(plan, -ENODEV, "the function has gone");
}

/* A step has ended. */
static int leave(struct vio_plan *plan, int ret)
{
	const char *gate = plan->now->steps[plan->at].gate;

	plan->phase = VIO_PLAN_NEXT;
	plan->at++;
	if (ret >= 0)
		return 0;
	ret = explain(plan, ret);
	if (plan->is_undoing)
		return leave_undo(plan, gate, ret);
	plan->result = ret;
	return ret == -ESTALE ? finish(plan) : start_undo(plan);
}

/* Saved also if it was begun before: the state goes with it. */
static int enter(struct vio_plan *plan)
{
	const struct vio_plan_step *step;

	if (plan->at == plan->now->n)
		return finish(plan);
	/* Of what has gone nothing is left to undo but the journal. */
	if (plan->is_gone)
		plan->at = plan->now->n - 1;
	step = &plan->now->steps[plan->at];
	if (step->is_due && !step->is_due(plan))
		return leave(plan, 0);
	plan->phase = VIO_PLAN_SAVING;
	if (!step->bit)
		return 0;
	plan->lease->record.begun |= step->bit;
	return vio_plan_save(plan);
}

static int proceed(struct vio_plan *plan, int ret)
{
	switch (plan->phase) {
	case VIO_PLAN_NEXT:
		return enter(plan);
	case VIO_PLAN_SAVING:
		if (ret < 0)
			return leave(plan, ret);
		plan->phase = VIO_PLAN_BEGUN;
		ret = plan->now->steps[plan->at].begin(plan);
		return ret == VIO_PLAN_WAITS ? ret : leave(plan, ret);
	case VIO_PLAN_BEGUN:
		break;
	}
	return leave(plan, ret);
}

static void run(struct vio_plan *plan, int ret)
{
	while (ret != VIO_PLAN_WAITS)
		ret = proceed(plan, ret);
}

void vio_plan_resume(struct vio_plan *plan, int result)
{
	if (plan->phase == VIO_PLAN_BEGUN && result >= 0 &&
	    plan->now->steps[plan->at].end)
		result = plan->now->steps[plan->at].end(plan);
	run(plan, result < 0 ? result : 0);
}

void vio_plan_start(struct vio_plan *plan)
{
	plan->phase = VIO_PLAN_NEXT;
	plan->at = 0;
	plan->result = 0;
	plan->undo_result = 0;
	plan->is_gone = 0;
	plan->previous.fields = 0;
	plan->vf_at = 0;
	plan->kernel_ns = 0;
	plan->err = (struct vio_error)VIO_ERROR_INIT;
	plan->task = (struct vio_task){ .run = task_run };
	vio_pci_addr_print(&plan->lease->record.addr, plan->name);
	plan->is_undoing = !plan->list;
	plan->now = plan->list ? plan->list : plan->undo;
	run(plan, 0);
}

static struct vio_plan *plan_of(struct vio_async_call *call)
{
	return VIO_CONTAINER_OF(call, struct vio_plan, call);
}

/* Whatever became of it, the slot that holds the present record is not the one. */
static void save_failed(struct vio_plan *plan, int result)
{
	plan->lease->record.sequence--;
	vio_plan_fail(plan, result, "its journal cannot be written");
	vio_plan_resume(plan, result);
}

static void save_synced(struct vio_async_call *call, int64_t result)
{
	struct vio_plan *plan = plan_of(call);

	if (result < 0) {
		save_failed(plan, (int)result);
		return;
	}
	vio_lease_mark_saved(plan->lease);
	vio_plan_resume(plan, 0);
}

static void save_written(struct vio_async_call *call, int64_t result)
{
	struct vio_plan *plan = plan_of(call);
	int ret = 0;

	if (result != VIO_JOURNAL_RECORD_BYTES)
		ret = result < 0 ? (int)result : -EIO;
	if (!ret) {
		*call = (struct vio_async_call){
			.op = VIO_ASYNC_FSYNC,
			.fd = plan->lease->fd,
			.done = save_synced,
		};
		ret = vio_async_submit(plan->host->async, call);
	}
	if (ret)
		save_failed(plan, ret);
}

int vio_plan_save(struct vio_plan *plan)
{
	struct vio_lease_file *lease = plan->lease;
	int ret;

	ret = vio_lease_verify(lease);
	if (ret)
		return vio_plan_fail(plan, ret, "the lease is not the present one");
	lease->record.sequence++;
	vio_journal_print(&lease->record, lease->bytes);
	plan->call = (struct vio_async_call){
		.op = VIO_ASYNC_WRITE,
		.fd = lease->fd,
		.buf = lease->bytes,
		.n = VIO_JOURNAL_RECORD_BYTES,
		.offset = vio_journal_get_offset(lease->record.sequence),
		.done = save_written,
	};
	ret = vio_async_submit(plan->host->async, &plan->call);
	if (ret)
		lease->record.sequence--;
	return ret ? ret : VIO_PLAN_WAITS;
}

static void attr_done(struct vio_async_call *call, int64_t result)
{
	struct vio_plan *plan = plan_of(call);
	const struct vio_sys *sys = plan->host->env->sys;

	plan->kernel_ns += vio_now(plan->host->env) - plan->begun_ns;
	sys->close(sys->opaque, plan->fd);
	if (result >= 0 && call->op == VIO_ASYNC_READ)
		plan->attr[result] = '\0';
	vio_plan_resume(plan, result < 0 ? (int)result : 0);
}

/* What the kernel may sleep in, with its device locks: read, written elsewhere. */
static int
use_attr(struct vio_plan *plan, const char *path, enum vio_async_op op, uint32_t n)
{
	const struct vio_sys *sys = plan->host->env->sys;
	int ret;

	plan->fd = vio_sysfs_open(plan->host, path,
				  op == VIO_ASYNC_READ ? O_RDONLY : O_WRONLY);
	if (plan->fd < 0)
		return plan->fd;
	plan->call = (struct vio_async_call){
		.op = op,
		.fd = plan->fd,
		.buf = plan->attr,
		.n = n,
		.done = attr_done,
	};
	plan->begun_ns = vio_now(plan->host->env);
	ret = vio_async_submit(plan->host->async, &plan->call);
	if (!ret)
		return VIO_PLAN_WAITS;
	sys->close(sys->opaque, plan->fd);
	return ret;
}

int vio_plan_write(struct vio_plan *plan, const char *path, const char *text)
{
	const size_t n = strlen(text);

	if (n > sizeof(plan->attr))
		return -EINVAL;
	memcpy(plan->attr, text, n);
	return use_attr(plan, path, VIO_ASYNC_WRITE, (uint32_t)n);
}

int vio_plan_read(struct vio_plan *plan, const char *path)
{
	return use_attr(plan, path, VIO_ASYNC_READ, sizeof(plan->attr) - 1);
}
