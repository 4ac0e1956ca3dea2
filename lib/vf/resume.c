/* SPDX-License-Identifier: MIT */
/*
 * Resuming. What the journal says of the VF is made so again, as far as it is not:
 * settings while no driver is bound, then the driver. A VF whose number came anew
 * has neither driver_override nor settings, one that was only closed has both.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "vf/host_read.h"
#include "vf/op.h"
#include "vf/pause.h"

static int is_another(const struct vio_plan *plan)
{
	const struct vio_resume *resume = plan->opaque;

	return resume->is_another;
}

/* In a lease that was taken, or if it was back once: whoever recovers finds it. */
static int is_paused_unsaved(const struct vio_plan *plan)
{
	const struct vio_resume *resume = plan->opaque;

	if (resume->other)
		return !resume->is_another;
	return plan->lease->record.state != VIO_JOURNAL_PAUSED;
}

static int save_paused(struct vio_plan *plan)
{
	plan->lease->record.state = VIO_JOURNAL_PAUSED;
	return vio_plan_save(plan);
}

static int save_held(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	record->state = VIO_JOURNAL_HELD;
	record->begun |= VIO_JOURNAL_USE;
	record->done = record->begun;
	return vio_plan_save(plan);
}

/* What was set is wanted; what was before is not known of this one yet. */
static int begin_claim(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	record->state = VIO_JOURNAL_CLAIMING;
	record->begun = 0;
	record->done = 0;
	record->before = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	record->set = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	return 0;
}

static const struct vio_plan_step resume_steps[] = {
	{ .begin = vio_plan_verify_exists },
	{ .is_due = is_paused_unsaved, .begin = save_paused },
	{ .is_due = is_another, .begin = begin_claim },
	{ .is_due = is_another,
	  .begin = vio_plan_read_override,
	  .end = vio_plan_keep_override },
	{ .bit = VIO_JOURNAL_DRIVER,
	  .begin = vio_plan_unbind,
	  .end = vio_plan_verify_unbound },
	{ .is_due = vio_plan_setting_is_due,
	  .begin = vio_plan_read_settings,
	  .end = vio_plan_keep_due },
	{ .is_due = vio_plan_link_is_due, .begin = vio_plan_wait_link },
	{ .bit = VIO_JOURNAL_SETTING,
	  .is_due = vio_plan_setting_is_due,
	  .begin = vio_plan_set_settings },
	{ .is_due = vio_plan_setting_is_due,
	  .begin = vio_plan_read_settings,
	  .end = vio_plan_verify_settings },
	{ .begin = vio_plan_set_override },
	{ .begin = vio_plan_probe, .end = vio_plan_verify_bound },
	{ .begin = save_held },
};

static const struct vio_plan_list resume_list = {
	.steps = resume_steps,
	.n = VIO_ARRAY_SIZE(resume_steps),
};

struct search {
	uint32_t index;
	struct vio_pci_addr *out;
};

static int match_index(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	const struct search *search = opaque;

	if (index != search->index)
		return 0;
	*search->out = *vf;
	return 1;
}

int vio_resume_find_place(const struct vio_vf *vf, struct vio_pci_addr *out)
{
	struct search search = { .index = vf->info.vf_index, .out = out };
	const int ret =
		vio_host_foreach_link(vf->host, &vf->info.pf, match_index, &search);

	if (ret == 1)
		return 0;
	return ret < 0 ? ret : -ENODEV;
}

static int is_same(const struct vio_pci_addr *a, const struct vio_pci_addr *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* The new lease says what the old one does, of its own place. */
static int take_lease(struct vio_resume *resume, const struct vio_pci_info *to,
		      struct vio_error *err)
{
	const struct vio_vf *vf = resume->vf;
	struct vio_journal_record *record;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_lease_file *lease;
	uint64_t sequence, generation;
	int ret;

	vio_pci_addr_print(&to->addr, name);
	ret = vio_lease_open(vf->host, &to->addr, &lease);
	if (ret)
		return vio_fail(err, ret == -EBADMSG ? -EBUSY : ret,
				"%s: its lease cannot be taken: %s", name,
				vio_explain(ret));
	record = &lease->record;
	if (record->state && record->state != VIO_JOURNAL_FREE) {
		vio_lease_close(lease);
		return vio_fail(err, -EBUSY, "%s: left by the dead; recover", name);
	}
	sequence = record->sequence;
	generation = record->generation;
	*record = vf->lease->record;
	record->sequence = sequence;
	record->generation = generation + 1;
	record->addr = to->addr;
	record->pf = to->physfn;
	record->vf_index = to->vf_index;
	resume->other = lease;
	return 0;
}

static void fill_plan(struct vio_resume *resume, const struct vio_plan_list *undo)
{
	struct vio_vf *vf = resume->vf;

	resume->plan = (struct vio_plan){
		.host = vf->host,
		.lease = resume->other ? resume->other : vf->lease,
		.list = &resume_list,
		.undo = undo,
		.wanted = vf->lease->record.set,
		.opaque = resume,
	};
}

int vio_resume_prepare(struct vio_resume *resume, struct vio_error *err)
{
	struct vio_pci_info to = VIO_PCI_INFO_INIT;
	struct vio_vf *vf = resume->vf;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	resume->other = NULL;
	resume->give_back = &vio_plan_forget;
	resume->is_another = 0;
	ret = vio_resume_find_place(vf, &to.addr);
	vio_pci_addr_print(&vf->info.addr, name);
	if (ret)
		return vio_fail(err, ret, "%s: there is no VF %u of its PF", name,
				vf->info.vf_index);
	if (!is_same(&to.addr, &vf->info.addr)) {
		to.physfn = vf->info.pf;
		to.vf_index = vf->info.vf_index;
		ret = take_lease(resume, &to, err);
	}
	if (!ret)
		fill_plan(resume, resume->other ? &vio_plan_forget : NULL);
	return ret;
}

/* What a guest knows of it by configuration space. */
static int is_alike(const struct vio_pci_info *a, const struct vio_pci_info *b)
{
	return a->vendor_id == b->vendor_id && a->device_id == b->device_id &&
	       a->class_code == b->class_code &&
	       !memcmp(a->bar_bytes, b->bar_bytes, sizeof(a->bar_bytes));
}

/* Where its own function is not there to be compared, its PF's word counts. */
static int check_alike(const struct vio_vf *vf, const struct vio_pci_info *to,
		       struct vio_error *err)
{
	struct vio_pci_info now = VIO_PCI_INFO_INIT;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	vio_pci_addr_print(&to->addr, name);
	if (!(to->flags & VIO_PCI_IS_VF))
		return vio_fail(err, -EXDEV, "%s: not a virtual function", name);
	ret = vio_host_read_function_parts(vf->host, &vf->info.addr, 0, &now, NULL);
	if (ret == -ENODEV && is_same(&to->physfn, &vf->info.pf))
		return 0;
	if (ret || !is_alike(&now, to))
		return vio_fail(err, -EXDEV,
				"%s: not the same device, or not the same BARs", name);
	return 0;
}

/* Whoever changes the number of VFs decides when they are back. */
static int
check_pf(struct vio_host *host, const struct vio_pci_addr *pf, struct vio_error *err)
{
	struct vio_journal_record record;
	enum vio_lease_standing standing;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	vio_pci_addr_print(pf, name);
	ret = vio_lease_read_pf(host, pf, &standing, &record);
	if (ret)
		return vio_fail(err, ret, "%s: %s", name, vio_explain(ret));
	if (standing != VIO_LEASE_FREE)
		return vio_fail(err, -EBUSY,
				"%s: its number of VFs is being changed, or to be "
				"recovered",
				name);
	return 0;
}

/* As another VF. */
static int prepare_to(struct vio_resume *resume, const struct vio_pci_addr *to,
		      struct vio_error *err)
{
	struct vio_pci_info info = VIO_PCI_INFO_INIT;
	struct vio_vf *vf = resume->vf;
	int ret;

	resume->other = NULL;
	resume->is_another = 1;
	ret = vio_host_read_function_parts(vf->host, to, 0, &info, err);
	if (!ret)
		ret = check_alike(vf, &info, err);
	if (!ret)
		ret = take_lease(resume, &info, err);
	if (!ret)
		fill_plan(resume, &vio_plan_undo_all);
	return ret;
}

static int
prepare(struct vio_resume *resume, const struct vio_pci_addr *to, struct vio_error *err)
{
	struct vio_vf *vf = resume->vf;
	struct vio_pci_addr place = { .domain = 0 };
	const int found = vio_resume_find_place(vf, &place);
	int ret;

	if (found && found != -ENODEV)
		return vio_fail(err, found, "resume: the VFs of its PF: %s",
				vio_explain(found));
	/* At the old address may be a function by now that is not of this lease. */
	resume->give_back = !found && is_same(&place, &vf->info.addr)
				    ? &vio_plan_undo_all
				    : &vio_plan_forget;
	if (to && (found || !is_same(&place, to)))
		ret = prepare_to(resume, to, err);
	else
		ret = vio_resume_prepare(resume, err);
	/* After the lease, see vio_lease_open_pf(). */
	if (!ret)
		ret = check_pf(vf->host, &resume->plan.lease->record.pf, err);
	if (ret)
		vio_lease_close(resume->other);
	return ret;
}

static void gave_back(struct vio_plan *plan, int result)
{
	struct vio_resume *resume = plan->opaque;

	/* What could not be undone is in its journal, for a recovery. */
	(void)result;
	resume->kernel_ns += plan->kernel_ns;
	vio_lease_close(plan->lease);
	resume->done(resume, 0);
}

static void swap_leases(struct vio_resume *resume)
{
	struct vio_vf *vf = resume->vf;
	struct vio_lease_file *old = vf->lease;
	const uint32_t state = vf->info.state;

	vf->lease = resume->other;
	resume->other = NULL;
	vio_lease_print(&vf->lease->record, &vf->info);
	vf->info.state = state;
	vf->info.is_alive = 1;
	resume->plan = (struct vio_plan){
		.host = vf->host,
		.lease = old,
		.undo = resume->give_back,
		.done = gave_back,
		.opaque = resume,
	};
	vio_plan_start(&resume->plan);
}

static void resumed(struct vio_plan *plan, int result)
{
	struct vio_resume *resume = plan->opaque;

	resume->kernel_ns = plan->kernel_ns;
	resume->err = plan->err;
	if (!result && resume->other) {
		swap_leases(resume);
		return;
	}
	vio_lease_close(resume->other);
	resume->other = NULL;
	resume->done(resume, result);
}

void vio_resume_start(struct vio_resume *resume)
{
	resume->plan.done = resumed;
	vio_plan_start(&resume->plan);
}

static void resume_done(struct vio_resume *resume, int result)
{
	struct vio_vf *vf = resume->vf;
	const vio_vf_done_fn done = vf->done;
	void *opaque = vf->done_opaque;
	const struct vio_error err = resume->err;

	VIO_DELETE(vf->host->env, resume);
	vf->done = NULL;
	vf->info.state = result ? VIO_VF_PAUSED : VIO_VF_HELD;
	if (!result)
		vio_pause_tell_resumed(vf, 1);
	done(opaque, result, result ? &err : NULL);
}

static int check(const struct vio_vf *vf, struct vio_error *err)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&vf->info.addr, name);
	if (vio_env_is_child(vf->host->env))
		return vio_fail(err, -ECHILD, "%s: claimed by the parent process",
				name);
	if (vf->done || vf->info.state == VIO_VF_BUSY)
		return vio_fail(err, -EBUSY, "%s: an operation is under way", name);
	if (vf->info.state != VIO_VF_PAUSED)
		return vio_fail(err, -EINVAL, "%s: it is not paused", name);
	if (!vio_async_is_able(vf->host->async))
		return vio_fail(err, -EOPNOTSUPP,
				"%s: the context has neither io_uring nor a lent "
				"thread",
				name);
	/* Meanwhile there may be nothing to be found. */
	return check_pf(vf->host, &vf->info.pf, err);
}

int vio_vf_resume(struct vio_vf *vf, const struct vio_pci_addr *to, vio_vf_done_fn done,
		  void *opaque, struct vio_error *err)
{
	struct vio_resume *resume;
	int ret;

	ret = check(vf, err);
	if (ret)
		return ret;
	resume = VIO_NEW(vf->host->env, struct vio_resume);
	if (!resume)
		return vio_fail(err, -ENOMEM, "resume: no memory");
	resume->vf = vf;
	resume->done = resume_done;
	ret = prepare(resume, to, err);
	if (ret) {
		VIO_DELETE(vf->host->env, resume);
		return ret;
	}
	vf->done = done;
	vf->done_opaque = opaque;
	vf->info.state = VIO_VF_BUSY;
	vio_resume_start(resume);
	return 0;
}
