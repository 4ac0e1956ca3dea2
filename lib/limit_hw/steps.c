/* SPDX-License-Identifier: MIT */
/*
 * The steps of each operation. Software enforces all of a limit while the back end
 * changes: a ceiling is the back end's from when it was read back until before it is
 * taken away, so that it is nobody's never.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "limit/node.h"
#include "limit_hw/limit_hw.h"

#define CEILINGS (VIO_LIMIT_HW_CEILING_BYTES | VIO_LIMIT_HW_CEILING_OPS)
#define BYTES    (VIO_LIMIT_HW_CEILING_BYTES | VIO_LIMIT_HW_ASSURED_BYTES)

/* For vio_limit_set_offload(). */
#define OFFLOAD_BYTES (1u << VIO_NODE_BYTES)
#define OFFLOAD_OPS   (1u << VIO_NODE_OPS)

static int begin_read(struct vio_limit_hw *hw)
{
	return hw->kind->read(hw);
}

static int begin_add(struct vio_limit_hw *hw)
{
	return hw->flags & VIO_LIMIT_HW_CREATE ? hw->kind->add(hw) : VIO_HW_SKIP;
}

static int end_add(struct vio_limit_hw *hw, int result)
{
	hw->is_made = !result;
	return result;
}

static int begin_remove(struct vio_limit_hw *hw)
{
	return hw->is_made ? hw->kind->remove(hw) : VIO_HW_SKIP;
}

/* What needs no trial: the value that is there shows that there can be one. */
static int end_first_read(struct vio_limit_hw *hw, int result)
{
	const uint32_t shown =
		hw->is_certain ? hw->known : vio_hw_find_set(&hw->now, hw->known);

	if (result)
		return result;
	hw->before = hw->now;
	if (!(hw->flags & VIO_LIMIT_HW_NO_TRIALS)) {
		hw->to_try = hw->known;
		return 0;
	}
	hw->caps.fields = shown;
	hw->caps.untried = hw->known & ~shown;
	return 0;
}

/* See VIO_LIMIT_HW_NO_TRIALS. */
static struct vio_hw_values choose_trial(const struct vio_limit_hw *hw)
{
	struct vio_hw_values values = hw->now;

	if (hw->kind == &vio_hw_vf && hw->trying == VIO_LIMIT_HW_ASSURED_BYTES &&
	    !values.assured_bytes)
		values.assured_bytes = VIO_HW_MBPS;
	return values;
}

static int begin_trial(struct vio_limit_hw *hw)
{
	struct vio_hw_values values;
	int ret;

	if (hw->is_restoring)
		return hw->kind->set(hw, hw->trying, &hw->before);
	if (!hw->to_try)
		return VIO_HW_SKIP;
	hw->trying = hw->to_try & -hw->to_try;
	values = choose_trial(hw);
	ret = hw->kind->set(hw, hw->trying, &values);
	if (!ret)
		hw->is_tried =
			vio_hw_compare(hw, &values, &hw->before, hw->trying) != 0;
	return ret;
}

/* How drivers say that they have no such thing, or not now: igb without a link. */
static int is_refusal(int result)
{
	switch (result) {
	case -EOPNOTSUPP:
	case -EINVAL:
	case -ERANGE:
	case -EPROTONOSUPPORT: /* mlx4, of a minimum */
	case -VIO_KERNEL_ENOTSUPP:
		return 1;
	default:
		return 0;
	}
}

static int end_trial(struct vio_limit_hw *hw, int result)
{
	const int was_restoring = (int)hw->is_restoring;

	hw->is_restoring = 0;
	if (result && (was_restoring || !is_refusal(result)))
		return result;
	hw->to_try &= ~hw->trying;
	if (!result)
		hw->caps.fields |= hw->trying;
	if (result || was_restoring)
		hw->is_tried = 0;
	hw->is_restoring = hw->is_tried;
	return VIO_HW_AGAIN;
}

/*
 * An opening may fail after a trial that set something, or of which the answer was
 * lost: then only a look tells.
 */
static int begin_read_tried(struct vio_limit_hw *hw)
{
	return hw->is_tried ? begin_read(hw) : VIO_HW_SKIP;
}

static int end_read_tried(struct vio_limit_hw *hw, int result)
{
	if (!result)
		hw->is_tried =
			vio_hw_compare(hw, &hw->now, &hw->before, hw->trying) != 0;
	return result;
}

static int begin_untry(struct vio_limit_hw *hw)
{
	if (!hw->is_tried)
		return VIO_HW_SKIP;
	return hw->kind->set(hw, hw->trying, &hw->before);
}

static int end_untry(struct vio_limit_hw *hw, int result)
{
	if (!result)
		hw->is_tried = 0;
	return result;
}

/* What went wrong is cut rather than this. */
static int begin_tell_tried(struct vio_limit_hw *hw)
{
	struct vio_hw_plan *plan = &hw->plan;
	char text[VIO_ERROR_TEXT_BYTES];

	if (!hw->is_tried)
		return VIO_HW_SKIP;
	memcpy(text, plan->err.text, sizeof(text));
	vio_fail(&plan->err, plan->result, "%.136s; a trial may be left: %s", text,
		 hw->remedy);
	return VIO_HW_SKIP;
}

static const struct vio_hw_step opening_steps[] = {
	{ "making the node", begin_add, end_add },
	{ "reading", begin_read, end_first_read },
	{ "trying", begin_trial, end_trial },
};

static const struct vio_hw_step unopening_steps[] = {
	{ "reading", begin_read_tried, end_read_tried },
	{ "undoing the trial", begin_untry, end_untry },
	{ "", begin_tell_tried, NULL },
	{ "removing the node", begin_remove, NULL },
};

static const struct vio_hw_list unopening = {
	.steps = unopening_steps,
	.n = VIO_ARRAY_SIZE(unopening_steps),
};

const struct vio_hw_list vio_hw_opening = {
	.steps = opening_steps,
	.n = VIO_ARRAY_SIZE(opening_steps),
	.undo = &unopening,
	.ends_it = VIO_HW_GOES_IF_FAILS,
};

static int end_read_previous(struct vio_limit_hw *hw, int result)
{
	if (result)
		return result;
	hw->previous = hw->now;
	if (!hw->is_attached)
		hw->before = hw->now;
	else
		vio_hw_copy(&hw->before, &hw->now, ~hw->set_fields);
	/* Of an earlier attaching, and not of this one. */
	vio_hw_copy(&hw->wanted, &hw->before, hw->set_fields & ~hw->wanted_fields);
	hw->set_fields |= hw->wanted_fields;
	hw->is_changing = 1;
	return 0;
}

static int begin_set(struct vio_limit_hw *hw)
{
	if (!hw->set_fields)
		return VIO_HW_SKIP;
	return hw->kind->set(hw, hw->set_fields, &hw->wanted);
}

static int end_verify(struct vio_limit_hw *hw, int result)
{
	if (result)
		return result;
	return vio_hw_compare(hw, &hw->now, &hw->wanted, hw->set_fields) ? -EIO : 0;
}

static const struct vio_hw_step attaching_steps[] = {
	{ "reading", begin_read, end_read_previous },
	{ "setting", begin_set, NULL },
	{ "reading back", begin_read, end_verify },
};

static int begin_put_back(struct vio_limit_hw *hw)
{
	if (!hw->is_changing)
		return VIO_HW_SKIP;
	hw->wanted = hw->previous;
	return begin_set(hw);
}

static int begin_verify_previous(struct vio_limit_hw *hw)
{
	return hw->is_changing ? begin_read(hw) : VIO_HW_SKIP;
}

static const struct vio_hw_step put_back_steps[] = {
	{ "putting back", begin_put_back, NULL },
	{ "reading back", begin_verify_previous, end_verify },
};

static const struct vio_hw_list putting_back = {
	.steps = put_back_steps,
	.n = VIO_ARRAY_SIZE(put_back_steps),
};

static uint32_t find_offload(uint32_t held)
{
	return (held & VIO_LIMIT_HW_CEILING_BYTES ? OFFLOAD_BYTES : 0) |
	       (held & VIO_LIMIT_HW_CEILING_OPS ? OFFLOAD_OPS : 0);
}

static void find_place(struct vio_limit *limit, int *is_child, int *is_parent)
{
	pthread_mutex_lock(&limit->tree->lock);
	*is_child = limit->parent != NULL;
	*is_parent = !vio_limit_is_leaf(limit);
	pthread_mutex_unlock(&limit->tree->lock);
}

/*
 * Software that enforces a ceiling no more assures of nothing either, and has nothing
 * to share out: it finds both from what is charged. So it goes on where an assured rate
 * is left to it, under a parent that gives one, and where there are children.
 */
static void find_held(struct vio_limit_hw *hw)
{
	struct vio_limit_hw_report *report = &hw->report;
	int is_child, is_parent;
	uint32_t assured;

	find_place(hw->limit, &is_child, &is_parent);
	assured = report->left | (is_child ? report->set : 0);
	report->held = report->set;
	if (hw->caps.is_each_way || is_parent)
		report->held &= ~(CEILINGS | BYTES);
	if (assured & VIO_LIMIT_HW_ASSURED_BYTES)
		report->held &= ~BYTES;
	if (assured & VIO_LIMIT_HW_ASSURED_OPS)
		report->held &= ~VIO_LIMIT_HW_CEILING_OPS;
}

/*
 * What the tree refuses, software goes on with: the back end may have the ceiling of
 * before a change that came while it was set.
 */
static void offload(struct vio_limit_hw *hw)
{
	uint32_t dimensions;
	int ret = 0;

	find_held(hw);
	dimensions = find_offload(hw->report.held);
	if (dimensions)
		ret = vio_limit_set_offload(hw->limit, dimensions, hw->generation,
					    NULL);
	else if (vio_limit_get_generation(hw->limit) != hw->generation)
		ret = -ESTALE;
	if (ret)
		hw->report.held &= ~(CEILINGS | BYTES);
}

static void fill_report(struct vio_limit_hw *hw)
{
	struct vio_limit_hw_report *report = &hw->report;
	const uint32_t way =
		hw->ways & 1u << VIO_HW_READS ? VIO_HW_READS : VIO_HW_WRITES;

	if (report->set & VIO_LIMIT_HW_CEILING_BYTES)
		report->bytes_per_sec = hw->now.bytes[way];
	if (report->set & VIO_LIMIT_HW_CEILING_OPS)
		report->ops_per_sec = hw->now.ops[way];
	if (report->set & VIO_LIMIT_HW_ASSURED_BYTES)
		report->assured_bytes_per_sec = hw->now.assured_bytes;
	if (report->set & VIO_LIMIT_HW_WEIGHT)
		report->weight = hw->now.weight;
}

static void end_attaching(struct vio_limit_hw *hw, int result)
{
	if (result) {
		hw->set_fields = hw->previous_fields;
		return;
	}
	hw->set_fields = hw->wanted_fields;
	hw->limit = hw->next_limit;
	hw->is_attached = 1;
	offload(hw);
	fill_report(hw);
	if (hw->caller_report)
		vio_params_fill(hw->caller_report, sizeof(hw->report), &hw->report,
				sizeof(hw->report));
}

const struct vio_hw_list vio_hw_attaching = {
	.steps = attaching_steps,
	.n = VIO_ARRAY_SIZE(attaching_steps),
	.undo = &putting_back,
	.end = end_attaching,
};

/*
 * What is left as it is may have been changed since it was attached, and yet have to be
 * sent along with the rest.
 */
static int begin_read_anew(struct vio_limit_hw *hw)
{
	if (!hw->set_fields)
		return VIO_HW_SKIP;
	hw->known = 0;
	return begin_read(hw);
}

static int begin_set_before(struct vio_limit_hw *hw)
{
	hw->wanted = hw->before;
	return begin_set(hw);
}

static int begin_verify_before(struct vio_limit_hw *hw)
{
	return hw->set_fields ? begin_read(hw) : VIO_HW_SKIP;
}

static const struct vio_hw_step closing_steps[] = {
	{ "reading", begin_read_anew, NULL },
	{ "restoring", begin_set_before, NULL },
	{ "reading back", begin_verify_before, end_verify },
	{ "removing the node", begin_remove, NULL },
};

static void end_detaching(struct vio_limit_hw *hw, int result)
{
	(void)result;
	hw->set_fields = 0;
}

const struct vio_hw_list vio_hw_closing = {
	.steps = closing_steps,
	.n = VIO_ARRAY_SIZE(closing_steps),
	.ends_it = VIO_HW_GOES,
};

/* The same but for the node. */
const struct vio_hw_list vio_hw_detaching = {
	.steps = closing_steps,
	.n = VIO_ARRAY_SIZE(closing_steps) - 1,
	.end = end_detaching,
};
