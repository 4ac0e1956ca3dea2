/* SPDX-License-Identifier: MIT */
/*
 * Claimed VFs as their owner sees them, and the frame of every operation: one at a
 * time, begun by a call and ended in dispatch. A VF is told to be lost by the
 * operation that finds its function gone.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/params.h"
#include "vf/op.h"

int vio_vf_create(struct vio_host *host, struct vio_lease_file *lease, uint32_t state,
		  struct vio_vf **out)
{
	struct vio_vf *vf = VIO_NEW(host->env, struct vio_vf);

	if (!vf)
		return -ENOMEM;
	vf->host = host;
	vf->lease = lease;
	vio_lease_print(&lease->record, &vf->info);
	vf->info.state = state;
	vf->info.is_alive = 1;
	vio_list_append(&host->vfs, &vf->node);
	*out = vf;
	return 0;
}

void vio_vf_destroy(struct vio_vf *vf)
{
	vio_list_remove(&vf->node);
	vio_lease_close(vf->lease);
	VIO_DELETE(vf->host->env, vf);
}

void vio_vf_print_name(const struct vio_vf *vf, char name[VIO_VF_NAME_BYTES])
{
	if (vf->mdev[0])
		memcpy(name, vf->mdev, sizeof(vf->mdev));
	else
		vio_pci_addr_print(&vf->info.addr, name);
}

static int check_idle(const struct vio_vf *vf, int closed_only, struct vio_error *err)
{
	char name[VIO_VF_NAME_BYTES];

	vio_vf_print_name(vf, name);
	if (vio_env_is_child(vf->host->env))
		return vio_fail(err, -ECHILD, "%s: claimed by the parent process",
				name);
	if (vf->done || vf->info.state == VIO_VF_BUSY)
		return vio_fail(err, -EBUSY, "%s: an operation is under way", name);
	if (closed_only && vf->waiter)
		return vio_fail(err, -EBUSY, "%s: it is being paused", name);
	if (closed_only && vf->vfio)
		return vio_fail(err, -EBUSY, "%s: close the open function first", name);
	if (!vio_async_is_able(vf->host->async))
		return vio_fail(err, -EOPNOTSUPP,
				"%s: the context has neither io_uring nor a lent "
				"thread",
				name);
	return 0;
}

static int check_there(const struct vio_vf *vf, struct vio_error *err)
{
	char name[VIO_VF_NAME_BYTES];

	vio_vf_print_name(vf, name);
	if (vf->info.state == VIO_VF_PAUSED)
		return vio_fail(err, -EBUSY, "%s: it is paused", name);
	if (vf->info.state != VIO_VF_LOST)
		return 0;
	return vio_fail(err, -ENODEV, "%s: the function has gone, release it", name);
}

static void begin(struct vio_vf *vf, vio_vf_done_fn done, void *opaque)
{
	vf->done = done;
	vf->done_opaque = opaque;
	vf->info.state = VIO_VF_BUSY;
}

int vio_vf_check(const struct vio_vf *vf, int closed_only, struct vio_error *err)
{
	const int ret = check_idle(vf, closed_only, err);

	return ret ? ret : check_there(vf, err);
}

int vio_vf_begin(struct vio_vf *vf, int closed_only, vio_vf_done_fn done, void *opaque,
		 struct vio_error *err)
{
	const int ret = vio_vf_check(vf, closed_only, err);

	if (ret)
		return ret;
	begin(vf, done, opaque);
	return 0;
}

void vio_vf_end(struct vio_vf *vf, uint32_t state, int result,
		const struct vio_error *err)
{
	const vio_vf_done_fn done = vf->done;

	vf->info.state = state;
	vf->done = NULL;
	if (vf->waiter)
		vio_loop_post(vf->host->env->loop, vf->waiter);
	done(vf->done_opaque, result, err);
}

int vio_op_create(struct vio_vf *vf, uint32_t flags, vio_vf_done_fn done, void *opaque,
		  struct vio_op **out, struct vio_error *err)
{
	const struct vio_env *env = vf->host->env;
	struct vio_op *op;
	int ret;

	ret = check_idle(vf, flags & VIO_OP_CLOSED, err);
	if (!ret && !(flags & VIO_OP_RELEASES))
		ret = check_there(vf, err);
	if (ret)
		return ret;
	op = VIO_NEW(env, struct vio_op);
	if (!op)
		return vio_fail(err, -ENOMEM, "no memory for an operation");
	op->vf = vf;
	op->state = vf->info.state;
	op->plan.host = vf->host;
	op->plan.lease = vf->lease;
	op->plan.opaque = op;
	begin(vf, done, opaque);
	*out = op;
	return 0;
}

void vio_op_done(struct vio_plan *plan, int result)
{
	struct vio_op *op = plan->opaque;
	struct vio_vf *vf = op->vf;
	const struct vio_error err = plan->err;
	const uint32_t state = result == -ENODEV ? VIO_VF_LOST : op->state;

	/* What was applied has been put back, or will be. */
	if (result)
		op->report.applied = 0;
	if (op->caller_report)
		vio_params_fill(op->caller_report, sizeof(uint32_t), &op->report,
				sizeof(op->report));
	if (op->caller_config && !result)
		vio_params_fill(op->caller_config, sizeof(uint32_t),
				&plan->setting.config, sizeof(plan->setting.config));
	VIO_DELETE(vf->host->env, op);
	vio_vf_end(vf, state, result, result ? &err : NULL);
}

int vio_vf_read_info(const struct vio_vf *vf, struct vio_vf_info *info)
{
	struct vio_vf_info now = vf->info;

	return vio_params_fill(info, sizeof(now), &now, sizeof(now));
}

struct walk {
	struct vio_host *host;
	int (*fn)(void *opaque, const struct vio_vf_info *info);
	void *opaque;
	struct vio_error *err;
	int is_told; /* why it ended: err says, or the caller knows */
};

/* Who locks it and has not yet written has no lease to show. */
static int visit(void *opaque, const struct vio_pci_addr *addr)
{
	struct walk *walk = opaque;
	struct vio_journal_record record;
	enum vio_lease_standing standing;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_vf_info info;
	int ret;

	ret = vio_lease_read(walk->host, addr, &standing, &record);
	vio_pci_addr_print(addr, name);
	if (ret) {
		walk->is_told = 1;
		return vio_fail(walk->err, ret, "%s: its lease cannot be read", name);
	}
	if (standing == VIO_LEASE_UNKNOWN)
		vio_fail(walk->err, 0, "%s: a journal that is corrupt or not ours",
			 name);
	if (!record.state || record.state == VIO_JOURNAL_FREE)
		return 0;
	vio_lease_print(&record, &info);
	info.is_alive = standing == VIO_LEASE_HELD;
	ret = walk->fn(walk->opaque, &info);
	walk->is_told = !!ret;
	return ret;
}

int vio_host_foreach_lease(struct vio_host *host,
			   int (*fn)(void *opaque, const struct vio_vf_info *info),
			   void *opaque, struct vio_error *err)
{
	struct walk walk = { .host = host, .fn = fn, .opaque = opaque, .err = err };
	const int ret = vio_lease_foreach(host, visit, &walk);

	if (!ret || walk.is_told)
		return ret;
	return vio_fail(err, ret, "%s: %s", host->run_dir, vio_explain(ret));
}
