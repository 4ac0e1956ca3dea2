/* SPDX-License-Identifier: MIT */
/*
 * Settings of a claimed VF, all or nothing. Checked, read, journalled, set, read
 * back; what fails is put back to what it was before this call, while the journal
 * keeps what it was before the lease.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "vf/host_read.h"
#include "vf/op.h"

static int begin_configure(struct vio_plan *plan)
{
	plan->lease->record.state = VIO_JOURNAL_CONFIGURING;
	return 0;
}

static int end_configure(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	record->state = VIO_JOURNAL_HELD;
	record->done = record->begun;
	return vio_plan_save(plan);
}

static const struct vio_plan_step configure_steps[] = {
	{ .begin = vio_plan_verify_exists },
	{ .begin = vio_plan_read_settings, .end = vio_plan_keep_settings },
	{ .begin = begin_configure },
	{ .bit = VIO_JOURNAL_SETTING, .begin = vio_plan_set_settings },
	{ .begin = vio_plan_read_settings, .end = vio_plan_verify_settings },
	{ .begin = end_configure },
};

static const struct vio_plan_step put_back_steps[] = {
	{ .is_due = vio_plan_settings_were_kept, .begin = vio_plan_put_back_settings },
	{ .is_due = vio_plan_settings_were_kept,
	  .begin = vio_plan_read_settings,
	  .end = vio_plan_verify_before },
	{ .begin = end_configure },
};

static const struct vio_plan_list configure_list = {
	.steps = configure_steps,
	.n = VIO_ARRAY_SIZE(configure_steps),
};

static const struct vio_plan_list put_back_list = {
	.steps = put_back_steps,
	.n = VIO_ARRAY_SIZE(put_back_steps),
};

static uint32_t find_link_mbps(struct vio_vf *vf)
{
	struct vio_pci_info pf = VIO_PCI_INFO_INIT;

	if (vio_host_read_function_parts(vf->host, &vf->info.pf, 0, &pf, NULL))
		return 0;
	return pf.link_mbps;
}

static int check_config(struct vio_vf *vf, const struct vio_vf_config *config,
			struct vio_vf_config *copy, struct vio_vf_report *report,
			struct vio_error *err)
{
	struct vio_vf_report own = VIO_VF_REPORT_INIT;
	int ret;

	ret = vio_params_copy(copy, sizeof(*copy), sizeof(*copy), config);
	if (ret)
		return vio_fail(err, ret,
				"settings: their size is wrong, or a field "
				"that this library does not know is set");
	copy->size = sizeof(*copy);
	if (report && report->size < sizeof(own))
		return vio_fail(err, -EINVAL, "report: its size is wrong");
	ret = vio_setting_check(copy, find_link_mbps(vf), &own, err);
	if (ret && report)
		vio_params_fill(report, sizeof(own), &own, sizeof(own));
	return ret;
}

int vio_vf_configure(struct vio_vf *vf, const struct vio_vf_config *config,
		     struct vio_vf_report *report, vio_vf_done_fn done, void *opaque,
		     struct vio_error *err)
{
	struct vio_vf_config copy;
	struct vio_op *op;
	int ret;

	ret = check_config(vf, config, &copy, report, err);
	if (!ret)
		ret = vio_op_create(vf, 0, done, opaque, &op, err);
	if (ret)
		return ret;
	op->report = (struct vio_vf_report)VIO_VF_REPORT_INIT;
	op->caller_report = report;
	op->plan.list = &configure_list;
	op->plan.undo = &put_back_list;
	op->plan.wanted = copy;
	op->plan.report = &op->report;
	op->plan.done = vio_op_done;
	vio_plan_start(&op->plan);
	return 0;
}

static const struct vio_plan_step read_steps[] = {
	{ .begin = vio_plan_verify_exists },
	{ .begin = vio_plan_read_settings },
};

static const struct vio_plan_list read_list = {
	.steps = read_steps,
	.n = VIO_ARRAY_SIZE(read_steps),
};

int vio_vf_read_config(struct vio_vf *vf, struct vio_vf_config *config,
		       vio_vf_done_fn done, void *opaque, struct vio_error *err)
{
	struct vio_op *op;
	int ret;

	if (!config || config->size < sizeof(*config))
		return vio_fail(err, -EINVAL, "settings: their size is wrong");
	ret = vio_op_create(vf, 0, done, opaque, &op, err);
	if (ret)
		return ret;
	op->caller_config = config;
	op->plan.list = &read_list;
	op->plan.done = vio_op_done;
	vio_plan_start(&op->plan);
	return 0;
}
