/* SPDX-License-Identifier: MIT */
/*
 * A resize: everybody lets go, the number changes, every VF becomes what it was, and
 * only when all of that is true are the users told to go on. What fails before leads
 * back to the old number by the same way, so that users see one pause, whatever became
 * of it.
 *
 * The kernel is not asked before the last user has let go: a VF that somebody holds
 * would keep the writer in the kernel, where no signal reaches it.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/params.h"
#include "vf/resize.h"

/* Ours while it lasts: busy, with no operation of its own. */
static void occupy(struct vio_vf *vf)
{
	vf->info.state = VIO_VF_BUSY;
}

/* The first failure is what is told. */
static void note(struct vio_resize *resize, int result, const struct vio_error *err)
{
	if (resize->result)
		return;
	resize->result = result;
	resize->err = *err;
}

static void give_back(struct vio_resize_vf *vf)
{
	switch (vf->state) {
	case VIO_RESIZE_VF_BACK:
		vf->vf->info.state = VIO_VF_HELD;
		vio_pause_tell_resumed(vf->vf, 1);
		break;
	case VIO_RESIZE_VF_PAUSED:
	case VIO_RESIZE_VF_LET_GO:
	case VIO_RESIZE_VF_NOT_BACK:
		vf->vf->info.state = VIO_VF_PAUSED;
		break;
	case VIO_RESIZE_VF_IN_USE:
		break;
	}
}

static void finish(struct vio_resize *resize)
{
	const vio_vf_done_fn done = resize->done;
	const struct vio_error err = resize->err;
	const int result = resize->result;
	struct vio_host *host = resize->host;
	void *opaque = resize->opaque;

	/* The lock goes first: those that are told may want to resume others. */
	vio_lease_close(resize->plan.lease);
	resize->plan.lease = NULL;
	resize->times.total_ns = vio_now(host->env) - resize->begun_ns;
	if (resize->caller_times)
		vio_params_fill(resize->caller_times, sizeof(uint32_t), &resize->times,
				sizeof(resize->times));
	for (uint32_t i = 0; i < resize->n_vfs; i++)
		give_back(&resize->vfs[i]);
	vio_resize_destroy(resize);
	host->n_resizes--;
	done(opaque, result, result ? &err : NULL);
}

static void start_plan(struct vio_resize *resize, const struct vio_plan_list *list,
		       const struct vio_plan_list *undo,
		       void (*done)(struct vio_plan *plan, int result))
{
	resize->plan = (struct vio_plan){
		.host = resize->host,
		.lease = resize->plan.lease,
		.list = list,
		.undo = undo,
		.done = done,
		.opaque = resize,
	};
	vio_plan_start(&resize->plan);
}

static void resume_next(struct vio_resize *resize);

static void restored(struct vio_plan *plan, int result)
{
	struct vio_resize *resize = plan->opaque;

	resize->is_left = result < 0;
	resize->times.kernel_ns += plan->kernel_ns;
	resume_next(resize);
}

/* What is back goes away again: nobody has been told of it. */
static void restore(struct vio_resize *resize)
{
	resize->is_restoring = 1;
	for (uint32_t i = 0; i < resize->n_vfs; i++)
		if (resize->vfs[i].state == VIO_RESIZE_VF_BACK ||
		    resize->vfs[i].state == VIO_RESIZE_VF_NOT_BACK)
			resize->vfs[i].state = VIO_RESIZE_VF_LET_GO;
	start_plan(resize, NULL, &vio_numvfs_restore, restored);
}

/*
 * All is done. A record that could not be written may be in the file or not: there is
 * no way back by it, and a recovery that finds the PF at this number changes nothing.
 */
static void committed(struct vio_plan *plan, int result)
{
	struct vio_resize *resize = plan->opaque;

	(void)result;
	resize->times.kernel_ns += plan->kernel_ns;
	finish(resize);
}

static void resumed(struct vio_resume *resume, int result)
{
	struct vio_resize *resize = resume->opaque;

	resize->times.kernel_ns += resume->kernel_ns;
	resize->resuming->state = result ? VIO_RESIZE_VF_NOT_BACK : VIO_RESIZE_VF_BACK;
	if (result)
		note(resize, result, &resume->err);
	if (result && !resize->is_restoring)
		restore(resize);
	else
		resume_next(resize);
}

/* Its place is that of another's lease, which has not moved on yet. */
static int
is_in_the_way(const struct vio_resize *resize, const struct vio_resize_vf *one)
{
	struct vio_pci_addr place;

	if (vio_resume_find_place(one->vf, &place))
		return 0;
	for (uint32_t i = 0; i < resize->n_vfs; i++) {
		const struct vio_resize_vf *other = &resize->vfs[i];

		if (other != one && other->state == VIO_RESIZE_VF_LET_GO &&
		    !memcmp(&other->vf->info.addr, &place, sizeof(place)))
			return 1;
	}
	return 0;
}

static struct vio_resize_vf *find_next(struct vio_resize *resize)
{
	struct vio_resize_vf *any = NULL;

	for (uint32_t i = 0; i < resize->n_vfs; i++) {
		struct vio_resize_vf *vf = &resize->vfs[i];

		if (vf->state != VIO_RESIZE_VF_LET_GO)
			continue;
		if (!is_in_the_way(resize, vf))
			return vf;
		any = vf;
	}
	return any;
}

/* What was not begun needs no end, and what is left to a recovery must not be free. */
static void commit(struct vio_resize *resize)
{
	if (resize->is_begun && !resize->is_left)
		start_plan(resize, &vio_numvfs_commit, NULL, committed);
	else
		finish(resize);
}

static void resume_next(struct vio_resize *resize)
{
	struct vio_resize_vf *next = find_next(resize);
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	if (!next) {
		commit(resize);
		return;
	}
	resize->resuming = next;
	resize->resume = (struct vio_resume){
		.vf = next->vf,
		.done = resumed,
		.opaque = resize,
		.err = VIO_ERROR_INIT,
	};
	ret = vio_resume_prepare(&resize->resume, &err);
	if (!ret) {
		vio_resume_start(&resize->resume);
		return;
	}
	resize->resume.err = err;
	resumed(&resize->resume, ret);
}

/* Undone by the plan itself. */
static void changed(struct vio_plan *plan, int result)
{
	struct vio_resize *resize = plan->opaque;

	resize->times.kernel_ns += plan->kernel_ns;
	if (result) {
		note(resize, result, &plan->err);
		resize->is_restoring = 1;
		resize->is_left = plan->undo_result < 0;
	}
	resume_next(resize);
}

static void all_let_go(struct vio_resize *resize)
{
	resize->times.pause_ns = vio_now(resize->host->env) - resize->begun_ns;
	if (!resize->result) {
		resize->is_begun = 1;
		start_plan(resize, &vio_numvfs_change, &vio_numvfs_restore, changed);
		return;
	}
	resize->is_restoring = 1;
	resume_next(resize);
}

static void let_go(void *opaque, int result, const struct vio_error *err)
{
	struct vio_resize_vf *vf = opaque;
	struct vio_resize *resize = vf->resize;

	if (result) {
		note(resize, result, err);
	} else {
		vf->state = VIO_RESIZE_VF_LET_GO;
		resize->times.n_paused++;
		occupy(vf->vf);
	}
	if (!--resize->n_pausing)
		all_let_go(resize);
}

static void pause_one(struct vio_resize_vf *vf)
{
	struct vio_resize *resize = vf->resize;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	if (vf->state == VIO_RESIZE_VF_PAUSED) {
		occupy(vf->vf);
		return;
	}
	/* It has failed already: who is not asked needs not go on. */
	if (resize->result)
		return;
	ret = vio_vf_pause(vf->vf, resize->params.timeout_ns, let_go, vf, &err);
	if (ret)
		note(resize, ret, &err);
	else
		resize->n_pausing++;
}

/* Nobody is waited for. From dispatch: done is not called from within the call. */
static void begin(struct vio_task *task)
{
	struct vio_resize *resize = VIO_CONTAINER_OF(task, struct vio_resize, task);

	if (resize->pf.n_vfs == resize->params.n_vfs && !resize->result)
		finish(resize);
	else
		all_let_go(resize);
}

static int check_host(struct vio_host *host, struct vio_error *err)
{
	if (!host)
		return vio_fail(err, -EINVAL, "resize: a host is needed");
	if (vio_env_is_child(host->env))
		return vio_fail(err, -ECHILD, "resize: not in a forked child");
	if (!vio_async_is_able(host->async))
		return vio_fail(err, -EOPNOTSUPP,
				"resize: the context has neither io_uring nor a lent "
				"thread");
	return 0;
}

static void start(struct vio_resize *resize)
{
	struct vio_host *host = resize->host;

	host->n_resizes++;
	resize->begun_ns = vio_now(host->env);
	resize->times = (struct vio_resize_times)VIO_RESIZE_TIMES_INIT;
	/* The number that is there already needs nobody to let go. */
	for (uint32_t i = 0; i < resize->n_vfs; i++)
		if (resize->pf.n_vfs != resize->params.n_vfs)
			pause_one(&resize->vfs[i]);
		else if (resize->vfs[i].state == VIO_RESIZE_VF_PAUSED)
			occupy(resize->vfs[i].vf);
	resize->task.run = begin;
	if (!resize->n_pausing)
		vio_loop_post(host->env->loop, &resize->task);
}

int vio_host_resize(struct vio_host *host, const struct vio_pci_addr *pf,
		    const struct vio_resize_params *params,
		    struct vio_resize_times *times, vio_vf_done_fn done, void *opaque,
		    struct vio_error *err)
{
	struct vio_resize *resize;
	int ret;

	ret = check_host(host, err);
	if (ret)
		return ret;
	resize = VIO_NEW(host->env, struct vio_resize);
	if (!resize)
		return vio_fail(err, -ENOMEM, "resize: no memory");
	resize->host = host;
	resize->caller_times = times;
	resize->done = done;
	resize->opaque = opaque;
	resize->err = (struct vio_error)VIO_ERROR_INIT;
	ret = vio_resize_prepare(resize, pf, params, err);
	if (ret) {
		vio_resize_destroy(resize);
		return ret;
	}
	start(resize);
	return 0;
}
