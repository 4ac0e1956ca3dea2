/* SPDX-License-Identifier: MIT */
/*
 * The life of an open function, as the caller sees it: open, reset, close. Closing
 * is done by a lent thread like the others: io_uring's close reports its end before
 * the kernel has let go of the file, and whoever opens or unbinds next would wait
 * for it, or be told that it is busy.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/params.h"
#include "vf/vfio.h"

int vio_vfio_path(char *buf, const struct vio_host *host, const char *name)
{
	const int n = snprintf(buf, VIO_VFIO_PATH_BYTES, "%s/%s", host->dev_root, name);

	return n >= 0 && n < (int)VIO_VFIO_PATH_BYTES ? 0 : -ENAMETOOLONG;
}

static void job_done(struct vio_async_call *call, int64_t result);

static int start(struct vio_vfio *vfio)
{
	struct vio_vfio_job *job = &vfio->job;
	int ret;

	job->start(vfio);
	job->call.op = VIO_ASYNC_RUN;
	job->call.done = job_done;
	ret = vio_async_submit(vfio->iommu->host->async, &job->call);
	if (ret)
		vfio->iommu->is_frozen = 0;
	return ret;
}

/* One that cannot begin ends at once, and its end has the next one begin. */
void vio_vfio_start_next(struct vio_iommu *iommu)
{
	struct vio_vfio *vfio =
		VIO_CONTAINER_OF(iommu->waiting.next, struct vio_vfio, waiting);
	int ret;

	if (vio_list_is_empty(&iommu->waiting))
		return;
	ret = start(vfio);
	if (!ret)
		return;
	vio_list_remove(&vfio->waiting);
	vfio->job.end(vfio, ret);
}

static void job_done(struct vio_async_call *call, int64_t result)
{
	struct vio_vfio *vfio = VIO_CONTAINER_OF(call, struct vio_vfio, job.call);

	vio_list_remove(&vfio->waiting);
	vfio->iommu->is_frozen = 0;
	vfio->job.end(vfio, (int)result);
}

int vio_vfio_submit(struct vio_vfio *vfio)
{
	struct vio_iommu *iommu = vfio->iommu;

	if (vio_list_is_empty(&iommu->waiting)) {
		int ret = start(vfio);

		if (ret)
			return ret;
	}
	vio_list_append(&iommu->waiting, &vfio->waiting);
	return 0;
}

/* A VF that was lost meanwhile stays lost. */
static uint32_t state_after(const struct vio_vfio *vfio)
{
	return vfio->vf->info.state == VIO_VF_LOST ? VIO_VF_LOST : vfio->state;
}

void vio_vfio_end(struct vio_vfio *vfio, int result, const struct vio_error *err)
{
	struct vio_error own = VIO_ERROR_INIT;

	if (result && !err) {
		vio_fail(&own, result, "%s: %s", vfio->name, strerror(-result));
		err = &own;
	}
	vio_vf_end(vfio->vf, state_after(vfio), result, err);
}

void vio_vfio_end_closed(struct vio_vf *vf, uint32_t state, int result,
			 const struct vio_error *err)
{
	const vio_vf_done_fn done = vf->done;
	void *opaque = vf->done_opaque;

	if (!vf->mdev[0]) {
		vio_vf_end(vf, state, result, err);
		return;
	}
	VIO_DELETE(vf->host->env, vf);
	done(opaque, result, err);
}

void vio_vfio_cancel(struct vio_vfio *vfio)
{
	vfio->vf->done = NULL;
	vfio->vf->info.state = state_after(vfio);
}

void vio_vfio_destroy(struct vio_vfio *vfio)
{
	const struct vio_env *env = vfio->env;

	vio_vfio_close_signals(vfio);
	while (!vio_list_is_empty(&vfio->bars)) {
		struct vio_vfio_bar *bar =
			VIO_CONTAINER_OF(vfio->bars.next, struct vio_vfio_bar, node);

		vio_list_remove(&bar->node);
		VIO_DELETE(env, bar);
	}
	vio_list_remove(&vfio->node);
	VIO_DELETE(env, vfio);
}

static int read_params(const struct vio_vfio_params *params, struct vio_vfio_params *p,
		       struct vio_error *err)
{
	int ret = vio_params_copy(p, sizeof(*p), VIO_PARAMS_END(*p, opaque), params);

	if (ret)
		return vio_fail(
			err, ret,
			"vfio: the parameters are missing, their size is wrong, "
			"or a field that this libvio does not know is set");
	if (p->flags)
		return vio_fail(err, -EINVAL, "vfio: unknown flag in 0x%x", p->flags);
	if (!p->iommu)
		return vio_fail(err, -EINVAL, "vfio: an address space is needed");
	return 0;
}

static struct vio_vfio *
create(struct vio_vf *vf, const struct vio_vfio_params *p, struct vio_vfio **out)
{
	struct vio_vfio *vfio = VIO_NEW(vf->host->env, struct vio_vfio);

	if (!vfio)
		return NULL;
	vfio->env = vf->host->env;
	vfio->vf = vf;
	vfio->iommu = p->iommu;
	vfio->out = out;
	vfio->opaque = p->opaque;
	vfio->fd = -1;
	vfio->state = vf->info.state;
	vfio->requested.event.fd = vfio->failed.event.fd = -1;
	vio_list_init(&vfio->node);
	vio_list_init(&vfio->waiting);
	vio_list_init(&vfio->bars);
	vio_vf_print_name(vf, vfio->name);
	return vfio;
}

static int
open_vfio(struct vio_vfio *vfio, const struct vio_vfio_params *p, struct vio_error *err)
{
	int ret = vio_vfio_prepare_open(vfio, err);

	if (ret)
		return ret;
	ret = vio_vfio_open_signals(vfio, p);
	if (!ret)
		ret = vio_vfio_submit(vfio);
	return ret ? vio_fail(err, ret,
			      ret == -EOPNOTSUPP
				      ? "%s: opening needs a thread, see vio_ctx_work()"
				      : "%s: cannot be opened now",
			      vfio->name)
		   : 0;
}

int vio_vfio_open(struct vio_vf *vf, const struct vio_vfio_params *params,
		  struct vio_vfio **out, vio_vf_done_fn done, void *opaque,
		  struct vio_error *err)
{
	struct vio_vfio_params p;
	struct vio_vfio *vfio;
	int ret = read_params(params, &p, err);

	if (ret)
		return ret;
	vfio = create(vf, &p, out);
	if (!vfio)
		return vio_fail(err, -ENOMEM, "vfio: no memory");
	ret = vio_vf_begin(vf, 1, done, opaque, err);
	if (ret)
		goto destroy_vfio;
	ret = open_vfio(vfio, &p, err);
	if (!ret)
		return 0;
	vio_vfio_cancel(vfio);
destroy_vfio:
	VIO_DELETE(vf->host->env, vfio->group);
	vio_vfio_destroy(vfio);
	return ret;
}

/* Interrupts and registers first: a mapping would keep the file from closing. */
static int64_t run_close(struct vio_async_call *call)
{
	struct vio_vfio *vfio = VIO_CONTAINER_OF(call, struct vio_vfio, job.call);
	const struct vio_sys *sys = vfio->env->sys;
	struct vio_vfio_job *job = &vfio->job;
	_Alignas(8) char room[64];

	if (vfio->n_irqs)
		vio_function_set_irqs(sys, vfio->fd, vfio->irq_kind, NULL, 0, room);
	for (struct vio_list *n = vfio->bars.next; n != &vfio->bars; n = n->next) {
		struct vio_vfio_bar *bar =
			VIO_CONTAINER_OF(n, struct vio_vfio_bar, node);

		sys->munmap(sys->opaque, bar->ptr, bar->length_bytes);
	}
	sys->close(sys->opaque, vfio->fd);
	if (job->has_made_group)
		sys->close(sys->opaque, job->group_fd);
	if (job->has_made_dma)
		vio_dma_close(sys, &job->dma);
	return 0;
}

static void start_close(struct vio_vfio *vfio)
{
	struct vio_iommu *iommu = vfio->iommu;
	struct vio_vfio_job *job = &vfio->job;

	/* This one is still among them: it is the last if it is the only one. */
	job->has_made_dma = iommu->functions.next == iommu->functions.prev;
	job->has_made_group = vfio->group && vfio->group->n_functions == 1;
	job->group_fd = vfio->group ? vfio->group->fd : -1;
	job->dma = iommu->dma;
	job->call.run = run_close;
	iommu->is_frozen = job->has_made_dma;
}

/* What the kernel has let go of is forgotten here as well. */
static void forget(struct vio_vfio *vfio)
{
	struct vio_iommu *iommu = vfio->iommu;
	struct vio_vfio_group *group = vfio->group;

	if (group && !--group->n_functions) {
		vio_list_remove(&group->node);
		VIO_DELETE(vfio->env, group);
	}
	if (vfio->job.has_made_dma)
		iommu->dma = (struct vio_dma){ .fd = -1 };
	vfio->vf->vfio = NULL;
}

/* A failure here means that the call was not made: the function is still open. */
static void end_close(struct vio_vfio *vfio, int result)
{
	struct vio_iommu *iommu = vfio->iommu;
	struct vio_vf *vf = vfio->vf;
	uint32_t state = state_after(vfio);

	if (result) {
		vfio->is_closing = 0;
		vio_vfio_start_next(iommu);
		vio_vfio_end(vfio, result, NULL);
		return;
	}
	forget(vfio);
	vio_vfio_destroy(vfio);
	vio_vfio_start_next(iommu);
	vio_vfio_end_closed(vf, state, 0, NULL);
}

/* What vio_vf_begin() could not see yet, or does not look at. */
static int fail_submit(const struct vio_vfio *vfio, int code, const char *what,
		       struct vio_error *err)
{
	return vio_fail(err, code,
			code == -EAGAIN
				? "%s: too many calls are under way for %s"
				: "%s: no thread is lent for %s, see vio_ctx_work()",
			vfio->name, what);
}

/* As vio_vfio_begin(), but a function that was lost is closed like any other. */
static int begin_close(struct vio_vfio *vfio, vio_vf_done_fn done, void *opaque,
		       struct vio_error *err)
{
	struct vio_vf *vf = vfio->vf;
	const uint32_t state = vf->info.state;
	int ret = 0;

	if (state != VIO_VF_LOST || vf->done) {
		ret = vio_vf_begin(vf, 0, done, opaque, err);
	} else {
		vf->done = done;
		vf->done_opaque = opaque;
	}
	/* Not of one that is under way: the state is then that of its own. */
	if (!ret)
		vfio->state = state;
	return ret;
}

/* The parent's mappings are not here; its descriptors are, and keep the function. */
static int close_in_child(struct vio_vfio *vfio)
{
	struct vio_vf *vf = vfio->vf;

	start_close(vfio);
	vfio->n_irqs = 0;
	while (!vio_list_is_empty(&vfio->bars)) {
		struct vio_vfio_bar *bar =
			VIO_CONTAINER_OF(vfio->bars.next, struct vio_vfio_bar, node);

		vio_list_remove(&bar->node);
		VIO_DELETE(vfio->env, bar);
	}
	run_close(&vfio->job.call);
	vfio->iommu->is_frozen = 0;
	forget(vfio);
	vio_vfio_destroy(vfio);
	if (vf->mdev[0])
		VIO_DELETE(vf->host->env, vf);
	return -ECHILD;
}

int vio_vfio_close(struct vio_vfio *vfio, vio_vf_done_fn done, void *opaque,
		   struct vio_error *err)
{
	int ret;

	if (vio_env_is_child(vfio->env))
		return close_in_child(vfio);
	ret = begin_close(vfio, done, opaque, err);
	if (ret)
		return ret;
	vfio->job.start = start_close;
	vfio->job.end = end_close;
	vfio->is_closing = 1;
	ret = vio_vfio_submit(vfio);
	if (!ret)
		return 0;
	vfio->is_closing = 0;
	vio_vfio_cancel(vfio);
	return fail_submit(vfio, ret, "closing it", err);
}

static int64_t run_reset(struct vio_async_call *call)
{
	struct vio_vfio *vfio = VIO_CONTAINER_OF(call, struct vio_vfio, job.call);

	return vio_function_reset(vfio->env->sys, vfio->fd);
}

static void reset_done(struct vio_async_call *call, int64_t result)
{
	struct vio_vfio *vfio = VIO_CONTAINER_OF(call, struct vio_vfio, job.call);

	vio_vfio_end(vfio, (int)result, NULL);
}

int vio_vfio_begin(struct vio_vfio *vfio, vio_vf_done_fn done, void *opaque,
		   struct vio_error *err)
{
	const uint32_t state = vfio->vf->info.state;
	int ret = vio_vf_begin(vfio->vf, 0, done, opaque, err);

	if (!ret)
		vfio->state = state;
	return ret;
}

/* It takes no turn: a reset concerns no address space. */
int vio_vfio_reset(struct vio_vfio *vfio, vio_vf_done_fn done, void *opaque,
		   struct vio_error *err)
{
	struct vio_vfio_job *job = &vfio->job;
	int ret = vio_vfio_begin(vfio, done, opaque, err);

	if (ret)
		return ret;
	job->call.op = VIO_ASYNC_RUN;
	job->call.run = run_reset;
	job->call.done = reset_done;
	ret = vio_async_submit(vfio->vf->host->async, &job->call);
	if (!ret)
		return 0;
	vio_vfio_cancel(vfio);
	return fail_submit(vfio, ret, "a reset", err);
}

int vio_vfio_get_fd(const struct vio_vfio *vfio)
{
	return vfio->fd;
}

int vio_vfio_get_group_fd(const struct vio_vfio *vfio)
{
	return vfio->group ? vfio->group->fd : -1;
}
