/* SPDX-License-Identifier: MIT */
/*
 * The engine. What ends a step, now or later, leads to the next; a step that fails to
 * the list that undoes, which is gone through to its end, since what one step cannot
 * put back another may. The end comes by way of dispatch always, so that done is never
 * called from within the call that began.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "core/list.h"
#include "limit_hw/limit_hw.h"

/* The object may be gone once it is told. */
static void task_run(struct vio_task *task)
{
	struct vio_limit_hw *hw =
		VIO_CONTAINER_OF(task, struct vio_limit_hw, plan.task);
	const struct vio_hw_plan plan = hw->plan;
	const uint32_t ends_it = plan.list->ends_it;

	hw->plan.list = NULL;
	if (plan.list->end)
		plan.list->end(hw, plan.result);
	if (ends_it == VIO_HW_GOES || (ends_it == VIO_HW_GOES_IF_FAILS && plan.result))
		vio_hw_destroy(hw);
	plan.done(plan.opaque, plan.result, plan.result ? &plan.err : NULL);
}

/* The first failure is the result; one of an undoing is added to its line. */
static void note_failure(struct vio_limit_hw *hw, const char *what, int ret)
{
	struct vio_hw_plan *plan = &hw->plan;
	const char *why = vio_explain(ret);
	char text[VIO_ERROR_TEXT_BYTES];

	if (!plan->result) {
		plan->result = ret;
		vio_fail(&plan->err, ret, "%s: %s: %s", hw->name, what, why);
		return;
	}
	memcpy(text, plan->err.text, sizeof(text));
	vio_fail(&plan->err, plan->result, "%s; then %s: %s", text, what, why);
}

static void fail(struct vio_limit_hw *hw, const char *what, int ret)
{
	struct vio_hw_plan *plan = &hw->plan;
	const int was_undoing = plan->is_undoing || !plan->list->undo;

	note_failure(hw, what, ret);
	if (was_undoing) {
		plan->at++;
		return;
	}
	plan->is_undoing = 1;
	plan->now = plan->list->undo;
	plan->at = 0;
}

/* How a step went on. */
static void leave(struct vio_limit_hw *hw, const struct vio_hw_step *step, int ret)
{
	if (ret < 0)
		fail(hw, step->what, ret);
	else if (ret != VIO_HW_AGAIN)
		hw->plan.at++;
}

static int end_step(struct vio_limit_hw *hw, const struct vio_hw_step *step, int result)
{
	return step->end ? step->end(hw, result) : result;
}

static void run(struct vio_limit_hw *hw)
{
	struct vio_hw_plan *plan = &hw->plan;
	int ret;

	while (plan->at < plan->now->n) {
		const struct vio_hw_step *step = &plan->now->steps[plan->at];

		ret = step->begin(hw);
		if (!ret)
			return;
		leave(hw, step, ret < 0 ? end_step(hw, step, ret) : 0);
	}
	vio_loop_post(hw->env->loop, &plan->task);
}

void vio_hw_resume(struct vio_limit_hw *hw, int result)
{
	const struct vio_hw_step *step = &hw->plan.now->steps[hw->plan.at];

	leave(hw, step, end_step(hw, step, result));
	run(hw);
}

void vio_hw_start(struct vio_limit_hw *hw, const struct vio_hw_list *list,
		  vio_limit_hw_done_fn done, void *opaque)
{
	hw->plan = (struct vio_hw_plan){
		.list = list,
		.now = list,
		.err = VIO_ERROR_INIT,
		.task = { .run = task_run },
		.done = done,
		.opaque = opaque,
	};
	run(hw);
}
