/* SPDX-License-Identifier: MIT */
/*
 * Giving back. The function is taken from its driver and reset before anything is
 * put back, so that the next owner finds nothing of the last one's; the record that
 * says free comes last, and after it the lock goes. A driver that does not let go of
 * it ends that: the function is not reset under a driver that may be using it.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/error.h"
#include "vf/op.h"

static int begin_undo(struct vio_plan *plan)
{
	plan->lease->record.state = VIO_JOURNAL_UNDOING;
	return vio_plan_save(plan);
}

static int use_was_begun(const struct vio_plan *plan)
{
	return !!(plan->lease->record.begun & VIO_JOURNAL_USE);
}

/* What cannot be reset by itself is as clean as it gets. */
static int reset_if_possible(struct vio_plan *plan)
{
	const int ret = vio_plan_reset(plan);

	if (ret != -EOPNOTSUPP)
		return ret;
	plan->err.code = 0;
	return 0;
}

/* What could not be undone stays in the journal, for a recovery. */
static int set_free(struct vio_plan *plan)
{
	struct vio_journal_record *record = &plan->lease->record;

	if (plan->undo_result && !plan->is_gone)
		return 0;
	record->state = VIO_JOURNAL_FREE;
	record->begun = 0;
	record->done = 0;
	record->before.fields = 0;
	record->set.fields = 0;
	return vio_plan_save(plan);
}

static const char kept[] = "its driver does not let go of it";

static const struct vio_plan_step undo_steps[] = {
	{ .begin = begin_undo },
	{ .begin = vio_plan_verify_exists },
	/* From here on also a driver that the claim left as it was is put back. */
	{ .bit = VIO_JOURNAL_DRIVER,
	  .is_due = vio_plan_driver_is_in_the_way,
	  .begin = vio_plan_unbind,
	  .end = vio_plan_verify_unbound,
	  .gate = kept },
	{ .is_due = vio_plan_driver_was_begun,
	  .begin = vio_plan_unbind,
	  .end = vio_plan_verify_unbound,
	  .gate = kept },
	{ .is_due = use_was_begun, .begin = reset_if_possible },
	{ .is_due = vio_plan_setting_was_begun, .begin = vio_plan_restore_settings },
	{ .is_due = vio_plan_setting_was_begun,
	  .begin = vio_plan_read_settings,
	  .end = vio_plan_verify_before },
	{ .is_due = vio_plan_driver_was_begun, .begin = vio_plan_set_override },
	{ .is_due = vio_plan_driver_was_begun,
	  .begin = vio_plan_probe,
	  .end = vio_plan_verify_bound },
	{ .is_due = vio_plan_driver_was_begun, .begin = vio_plan_restore_override },
	{ .is_due = vio_plan_driver_was_begun,
	  .begin = vio_plan_read_override,
	  .end = vio_plan_verify_restored },
	{ .begin = set_free },
};

const struct vio_plan_list vio_plan_undo_all = {
	.steps = undo_steps,
	.n = VIO_ARRAY_SIZE(undo_steps),
};

static void release_done(struct vio_plan *plan, int result)
{
	struct vio_op *op = plan->opaque;
	struct vio_vf *vf = op->vf;
	const vio_vf_done_fn done = vf->done;
	void *opaque = vf->done_opaque;
	const struct vio_error err = plan->err;
	const struct vio_env *env = vf->host->env;

	vio_vf_destroy(vf);
	VIO_DELETE(env, op);
	done(opaque, result, result ? &err : NULL);
}

int vio_vf_release(struct vio_vf *vf, vio_vf_done_fn done, void *opaque,
		   struct vio_error *err)
{
	struct vio_op *op;
	int ret;

	ret = vio_op_create(vf, VIO_OP_RELEASES | VIO_OP_CLOSED, done, opaque, &op,
			    err);
	if (ret)
		return ret;
	op->plan.undo = &vio_plan_undo_all;
	op->plan.done = release_done;
	vio_plan_start(&op->plan);
	return 0;
}

static const struct vio_plan_step reset_steps[] = {
	{ .begin = vio_plan_verify_exists },
	{ .begin = vio_plan_verify_idle },
	{ .begin = vio_plan_reset },
};

static const struct vio_plan_list reset_list = {
	.steps = reset_steps,
	.n = VIO_ARRAY_SIZE(reset_steps),
};

int vio_vf_reset(struct vio_vf *vf, vio_vf_done_fn done, void *opaque,
		 struct vio_error *err)
{
	struct vio_op *op;
	int ret;

	ret = vio_op_create(vf, VIO_OP_CLOSED, done, opaque, &op, err);
	if (ret)
		return ret;
	op->plan.list = &reset_list;
	op->plan.done = vio_op_done;
	vio_plan_start(&op->plan);
	return 0;
}
