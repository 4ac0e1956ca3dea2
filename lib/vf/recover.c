/* SPDX-License-Identifier: MIT */
/*
 * Undoing what the dead left. The lock is the authority on who is dead: it is free.
 * Whoever recovers holds it meanwhile, so that two recoveries share the work. Of an
 * earlier boot nothing is left on the machine: drivers and settings went with it,
 * and only the file is set free. PFs whose number of VFs was being changed come before
 * the VFs, which else might not be there to be undone.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "vf/host_read.h"
#include "vf/numvfs.h"

#define ADDRS_STEP 64u /* room grows by */

struct recovery {
	struct vio_host *host;
	struct vio_pci_addr *addrs;
	uint32_t n;
	uint32_t n_pfs; /* the first of them */
	uint32_t room;
	uint32_t at;
	struct vio_journal_record self;
	struct vio_plan plan;
	struct vio_task task;
	struct vio_vf_recovery counts;
	struct vio_vf_recovery *out;
	vio_vf_done_fn done;
	void *opaque;
};

static void free_addrs(struct recovery *r)
{
	vio_free(r->host->env, r->addrs, r->room * sizeof(*r->addrs),
		 _Alignof(struct vio_pci_addr));
	r->addrs = NULL;
}

static int grow(struct recovery *r)
{
	const uint32_t room = r->room + ADDRS_STEP;
	struct vio_pci_addr *addrs = vio_alloc_array(r->host->env, room, sizeof(*addrs),
						     _Alignof(struct vio_pci_addr));

	if (!addrs)
		return -ENOMEM;
	if (r->n)
		memcpy(addrs, r->addrs, r->n * sizeof(*addrs));
	free_addrs(r);
	r->addrs = addrs;
	r->room = room;
	return 0;
}

static int add_addr(void *opaque, const struct vio_pci_addr *addr)
{
	struct recovery *r = opaque;
	const int ret = r->n < r->room ? 0 : grow(r);

	if (ret)
		return ret;
	r->addrs[r->n++] = *addr;
	return 0;
}

/* One whose number of VFs somebody was changing. */
static int add_pf(void *opaque, const struct vio_pci_info *info)
{
	struct recovery *r = opaque;
	struct vio_journal_record record;
	enum vio_lease_standing standing;
	int ret;

	ret = vio_lease_read_pf(r->host, &info->addr, &standing, &record);
	if (ret || standing == VIO_LEASE_FREE || standing == VIO_LEASE_HELD)
		return ret;
	if (standing == VIO_LEASE_UNKNOWN) {
		r->counts.n_unknown++;
		return 0;
	}
	r->n_pfs++;
	return add_addr(r, &info->addr);
}

static void destroy(struct recovery *r)
{
	r->host->recovery = NULL;
	free_addrs(r);
	VIO_DELETE(r->host->env, r);
}

/* Nothing to undo on this machine; the generation is kept. */
static int forget(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	record->state = VIO_JOURNAL_FREE;
	record->begun = 0;
	record->done = 0;
	record->before.fields = 0;
	record->set.fields = 0;
	return vio_plan_save(plan);
}

static const struct vio_plan_step forget_steps[] = {
	{ .begin = forget },
};

const struct vio_plan_list vio_plan_forget = {
	.steps = forget_steps,
	.n = VIO_ARRAY_SIZE(forget_steps),
};

/* The one that was opened last. */
static int is_pf(const struct recovery *r)
{
	return r->at <= r->n_pfs;
}

static void plan_done(struct vio_plan *plan, int result)
{
	struct recovery *r = plan->opaque;

	vio_lease_close(plan->lease);
	/* What has gone needs no undoing: the lease is over. */
	if (result && result != -ENODEV)
		r->counts.n_failed++;
	else if (!is_pf(r))
		r->counts.n_undone++;
	vio_loop_post(r->host->env->loop, &r->task);
}

static void start_plan(struct recovery *r, struct vio_lease_file *lease)
{
	const int is_old = strcmp(lease->record.boot_id, r->self.boot_id) != 0;
	const struct vio_plan_list *undo =
		is_pf(r) ? &vio_numvfs_recover : &vio_plan_undo_all;

	r->plan = (struct vio_plan){
		.host = r->host,
		.lease = lease,
		.undo = is_old ? &vio_plan_forget : undo,
		.done = plan_done,
		.opaque = r,
	};
	vio_plan_start(&r->plan);
}

static void count_refusal(struct recovery *r, int ret)
{
	if (ret == -EBUSY)
		r->counts.n_alive++;
	else if (ret == -EBADMSG)
		r->counts.n_unknown++;
	else
		r->counts.n_failed++;
}

static int open_next(struct recovery *r, struct vio_lease_file **out)
{
	const struct vio_pci_addr *addr = &r->addrs[r->at++];

	return is_pf(r) ? vio_lease_open_pf(r->host, addr, out)
			: vio_lease_open(r->host, addr, out);
}

/* One lease for each time it runs: dispatch gets its turn in between. */
static void recover_next(struct vio_task *task)
{
	struct recovery *r = VIO_CONTAINER_OF(task, struct recovery, task);
	const vio_vf_done_fn done = r->done;
	void *opaque = r->opaque;
	struct vio_lease_file *lease;
	int ret;

	if (r->at == r->n) {
		vio_params_fill(r->out, sizeof(uint32_t), &r->counts,
				sizeof(r->counts));
		destroy(r);
		done(opaque, 0, NULL);
		return;
	}
	ret = open_next(r, &lease);
	if (!ret && lease->record.state && lease->record.state != VIO_JOURNAL_FREE) {
		start_plan(r, lease);
		return;
	}
	if (ret)
		count_refusal(r, ret);
	else
		vio_lease_close(lease);
	vio_loop_post(r->host->env->loop, &r->task);
}

static int check(struct vio_host *host, const struct vio_vf_recovery *recovery,
		 struct vio_error *err)
{
	if (vio_env_is_child(host->env))
		return vio_fail(err, -ECHILD, "recovery: not in a forked child");
	if (!recovery || recovery->size < sizeof(*recovery))
		return vio_fail(err, -EINVAL, "recovery: its size is wrong");
	if (host->recovery)
		return vio_fail(err, -EBUSY, "recovery: one is under way");
	if (!vio_async_is_able(host->async))
		return vio_fail(err, -EOPNOTSUPP,
				"recovery: the context has neither io_uring nor a "
				"lent thread");
	return 0;
}

static int collect(struct recovery *r, struct vio_error *err)
{
	int ret;

	ret = vio_lease_read_self(r->host, &r->self);
	if (!ret)
		ret = vio_lease_prepare(r->host);
	if (!ret)
		ret = vio_host_foreach_pf_parts(r->host, 0, add_pf, r, NULL);
	if (!ret)
		ret = vio_lease_foreach(r->host, add_addr, r);
	if (ret)
		return vio_fail(err, ret, "recovery: %s: %s", r->host->run_dir,
				vio_explain(ret));
	return 0;
}

int vio_host_recover(struct vio_host *host, struct vio_vf_recovery *recovery,
		     vio_vf_done_fn done, void *opaque, struct vio_error *err)
{
	struct recovery *r;
	int ret;

	ret = check(host, recovery, err);
	if (ret)
		return ret;
	r = VIO_NEW(host->env, struct recovery);
	if (!r)
		return vio_fail(err, -ENOMEM, "recovery: no memory");
	r->host = host;
	r->task.run = recover_next;
	r->counts = (struct vio_vf_recovery)VIO_VF_RECOVERY_INIT;
	r->out = recovery;
	r->done = done;
	r->opaque = opaque;
	ret = collect(r, err);
	if (ret) {
		destroy(r);
		return ret;
	}
	host->recovery = r;
	vio_loop_post(host->env->loop, &r->task);
	return 0;
}
