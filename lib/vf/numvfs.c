/* SPDX-License-Identifier: MIT */
/*
 * The number of VFs. The kernel changes it from or to none only, and a write returns
 * when it is done. It is never read: the kernel shows it under the lock that a write
 * keeps; the links of the VFs say as much. While the VFs are made no driver is
 * offered them, so that settings come first and nobody takes them away.
 *
 * Each step looks at what is there, so that undoing may begin anywhere.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "sys/sys.h"
#include "vf/host_read.h"
#include "vf/numvfs.h"

#define PROBE "bus/pci/drivers_probe"

static int count_one(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	(void)index;
	(void)vf;
	++*(int *)opaque;
	return 0;
}

int vio_numvfs_count(struct vio_host *host, const struct vio_pci_addr *pf)
{
	int n = 0;
	const int ret = vio_host_foreach_link(host, pf, count_one, &n);

	return ret < 0 ? ret : n;
}

static int64_t count(const struct vio_plan *plan)
{
	return vio_numvfs_count(plan->host, &plan->lease->record.addr);
}

static int write_attr(struct vio_plan *plan, const char *attr, uint32_t value)
{
	char path[VIO_SYSFS_PATH_BYTES], text[16];
	const int ret = vio_sysfs_path(&plan->lease->record.addr, attr, path);

	snprintf(text, sizeof(text), "%u", value);
	return ret ? ret : vio_plan_write(plan, path, text);
}

/* Neither of the numbers that the change may end with. */
static int is_between(const struct vio_plan *plan)
{
	const struct vio_journal_record *record = &plan->lease->record;
	const int64_t n = count(plan);

	return n != record->n_vfs_before && n != record->n_vfs_after;
}

static int save_change(struct vio_plan *plan)
{
	plan->lease->record.state = VIO_JOURNAL_RESIZING;
	return vio_plan_save(plan);
}

/* From here on only the number before is the right one. */
static int save_restore(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	record->n_vfs_after = record->n_vfs_before;
	return vio_plan_save(plan);
}

static int probes(const struct vio_plan *plan)
{
	return plan->lease->record.autoprobe != 0;
}

static int probes_between(const struct vio_plan *plan)
{
	return probes(plan) && is_between(plan);
}

static int stop_probing(struct vio_plan *plan)
{
	return write_attr(plan, "sriov_drivers_autoprobe", 0);
}

static int go_on_probing(struct vio_plan *plan)
{
	return write_attr(plan, "sriov_drivers_autoprobe", 1);
}

static int is_any(const struct vio_plan *plan)
{
	return count(plan) != 0;
}

static int is_any_between(const struct vio_plan *plan)
{
	return is_any(plan) && is_between(plan);
}

static int remove_vfs(struct vio_plan *plan)
{
	return write_attr(plan, "sriov_numvfs", 0);
}

static int verify_number(struct vio_plan *plan, uint32_t wanted)
{
	const int64_t n = count(plan);

	if (n == wanted)
		return 0;
	if (n < 0)
		return vio_plan_fail(plan, (int)n, "its VFs cannot be counted");
	return vio_plan_fail(plan, -EIO, "it has %lld VFs, not %u", (long long)n,
			     wanted);
}

static int verify_none(struct vio_plan *plan)
{
	return verify_number(plan, 0);
}

static uint32_t find_number(const struct vio_plan *plan)
{
	const struct vio_journal_record *record = &plan->lease->record;

	return plan->is_undoing ? record->n_vfs_before : record->n_vfs_after;
}

static int is_some_wanted(const struct vio_plan *plan)
{
	return find_number(plan) != 0;
}

static int make_vfs(struct vio_plan *plan)
{
	return write_attr(plan, "sriov_numvfs", find_number(plan));
}

static int verify_made(struct vio_plan *plan)
{
	return verify_number(plan, find_number(plan));
}

struct search {
	uint32_t from;
	uint32_t index; /* the lowest from there on */
	struct vio_pci_addr addr;
};

static int find_lowest(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	struct search *search = opaque;

	if (index < search->from || index >= search->index)
		return 0;
	search->index = index;
	search->addr = *vf;
	return 0;
}

/* Nobody holds it and nothing is bound to it. */
static int is_to_be_probed(struct vio_plan *plan, const struct vio_pci_addr *vf)
{
	char path[VIO_SYSFS_PATH_BYTES], driver[VIO_HOST_DRIVER_BYTES];
	struct vio_journal_record record;
	enum vio_lease_standing standing;

	if (vio_lease_read(plan->host, vf, &standing, &record) ||
	    standing != VIO_LEASE_FREE || vio_sysfs_path(vf, "driver", path))
		return 0;
	return vio_sysfs_read_link(plan->host, path, driver, sizeof(driver)) == -ENOENT;
}

static int probe_next(struct vio_plan *plan);

/* A driver that does not take it is no failure of ours. */
static void probe_done(struct vio_async_call *call, int64_t result)
{
	struct vio_plan *plan = VIO_CONTAINER_OF(call, struct vio_plan, call);
	const struct vio_sys *sys = plan->host->env->sys;

	(void)result;
	plan->kernel_ns += vio_now(plan->host->env) - plan->begun_ns;
	sys->close(sys->opaque, plan->fd);
	if (probe_next(plan) != VIO_PLAN_WAITS)
		vio_plan_resume(plan, 0);
}

static int probe(struct vio_plan *plan, const struct vio_pci_addr *vf)
{
	const struct vio_sys *sys = plan->host->env->sys;
	int ret;

	plan->fd = vio_sysfs_open(plan->host, PROBE, O_WRONLY);
	if (plan->fd < 0)
		return plan->fd;
	plan->call = (struct vio_async_call){
		.op = VIO_ASYNC_WRITE,
		.fd = plan->fd,
		.buf = plan->attr,
		.n = (uint32_t)vio_pci_addr_print(vf, plan->attr),
		.done = probe_done,
	};
	plan->begun_ns = vio_now(plan->host->env);
	ret = vio_async_submit(plan->host->async, &plan->call);
	if (!ret)
		return VIO_PLAN_WAITS;
	sys->close(sys->opaque, plan->fd);
	return ret;
}

static int probe_next(struct vio_plan *plan)
{
	struct search search = { .from = plan->vf_at, .index = UINT32_MAX };

	/* Each time round there is one index less. */
	for (;;) {
		if (vio_host_foreach_link(plan->host, &plan->lease->record.addr,
					  find_lowest, &search) ||
		    search.index == UINT32_MAX)
			return 0;
		plan->vf_at = search.index + 1;
		if (is_to_be_probed(plan, &search.addr) &&
		    probe(plan, &search.addr) == VIO_PLAN_WAITS)
			return VIO_PLAN_WAITS;
		search.from = plan->vf_at;
		search.index = UINT32_MAX;
	}
}

static int set_free(struct vio_plan *plan)
{
	if (plan->undo_result && !plan->is_gone)
		return 0;
	plan->lease->record.state = VIO_JOURNAL_FREE;
	return vio_plan_save(plan);
}

static const struct vio_plan_step change_steps[] = {
	{ .begin = save_change },
	{ .is_due = probes, .begin = stop_probing },
	{ .is_due = is_any, .begin = remove_vfs, .end = verify_none },
	{ .is_due = is_some_wanted, .begin = make_vfs, .end = verify_made },
	{ .is_due = probes, .begin = go_on_probing },
};

const struct vio_plan_list vio_numvfs_change = {
	.steps = change_steps,
	.n = VIO_ARRAY_SIZE(change_steps),
};

static const struct vio_plan_step restore_steps[] = {
	{ .begin = save_restore },
	{ .is_due = probes_between, .begin = stop_probing },
	{ .is_due = is_any_between, .begin = remove_vfs, .end = verify_none },
	{ .is_due = is_between, .begin = make_vfs, .end = verify_made },
	{ .is_due = probes, .begin = go_on_probing },
};

const struct vio_plan_list vio_numvfs_restore = {
	.steps = restore_steps,
	.n = VIO_ARRAY_SIZE(restore_steps),
};

static const struct vio_plan_step commit_steps[] = {
	{ .is_due = probes, .begin = probe_next },
	{ .begin = set_free },
};

const struct vio_plan_list vio_numvfs_commit = {
	.steps = commit_steps,
	.n = VIO_ARRAY_SIZE(commit_steps),
};

static const struct vio_plan_step recover_steps[] = {
	{ .is_due = probes_between, .begin = stop_probing },
	{ .is_due = is_any_between, .begin = remove_vfs, .end = verify_none },
	{ .is_due = is_between, .begin = make_vfs, .end = verify_made },
	{ .is_due = probes, .begin = go_on_probing },
	{ .is_due = probes, .begin = probe_next },
	{ .begin = set_free },
};

const struct vio_plan_list vio_numvfs_recover = {
	.steps = recover_steps,
	.n = VIO_ARRAY_SIZE(recover_steps),
};
