/* SPDX-License-Identifier: MIT */
/*
 * Back ends as their owner sees them. Each call checks all that can be checked at once;
 * from then on the steps go their way, and the call's answer is done's.
 */
#include <errno.h>
#include <stdio.h>

#include "core/error.h"
#include "core/params.h"
#include "limit/node.h"
#include "limit_hw/limit_hw.h"

#define FLAGS                                                                          \
	(VIO_LIMIT_HW_NO_TRIALS | VIO_LIMIT_HW_CREATE | VIO_LIMIT_HW_READS |           \
	 VIO_LIMIT_HW_WRITES)
#define FIELDS                                                                         \
	(VIO_LIMIT_HW_CEILING_BYTES | VIO_LIMIT_HW_CEILING_OPS |                       \
	 VIO_LIMIT_HW_ASSURED_BYTES | VIO_LIMIT_HW_WEIGHT | VIO_LIMIT_HW_PARENT |      \
	 VIO_LIMIT_HW_ASSURED_OPS)

static const struct vio_hw_kind *find_kind(uint32_t kind)
{
	switch (kind) {
	case VIO_LIMIT_HW_VF:
		return &vio_hw_vf;
	case VIO_LIMIT_HW_DEVLINK:
		return &vio_hw_devlink;
	case VIO_LIMIT_HW_CGROUP:
		return &vio_hw_cgroup;
	default:
		return NULL;
	}
}

static int copy_params(const struct vio_limit_hw_params *params,
		       struct vio_limit_hw_params *copy, struct vio_error *err)
{
	int ret;

	ret = vio_params_copy(copy, sizeof(*copy), sizeof(*copy), params);
	if (ret)
		return vio_fail(err, ret,
				"back end: its size is wrong, or a field that this "
				"library does not know is set");
	if (copy->flags & ~FLAGS || copy->reserved)
		return vio_fail(err, -EINVAL, "back end: flags 0x%x or reserved",
				copy->flags);
	if (!find_kind(copy->kind))
		return vio_fail(err, -EINVAL, "kind: %u is unknown", copy->kind);
	return 0;
}

static int check_ctx(struct vio_ctx *ctx, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);

	if (!ctx)
		return vio_fail(err, -EINVAL, "ctx: there is none");
	if (vio_env_is_child(env))
		return vio_fail(err, -ECHILD, "the context is the parent process's");
	if (!vio_async_is_able(vio_ctx_get_async(ctx)))
		return vio_fail(err, -EOPNOTSUPP,
				"the context has neither io_uring nor a lent thread");
	return 0;
}

void vio_hw_destroy(struct vio_limit_hw *hw)
{
	const struct vio_env *env = hw->env;

	if (hw->kind->release)
		hw->kind->release(hw);
	VIO_DELETE(env, hw);
	vio_env_drop(env);
}

static int create(struct vio_ctx *ctx, const struct vio_limit_hw_params *params,
		  struct vio_limit_hw **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_limit_hw *hw = VIO_NEW(env, struct vio_limit_hw);
	int ret;

	if (!hw)
		return vio_fail(err, -ENOMEM, "no memory for a back end");
	hw->env = env;
	hw->async = vio_ctx_get_async(ctx);
	hw->kind = find_kind(params->kind);
	hw->flags = params->flags;
	hw->caps = (struct vio_limit_hw_caps)VIO_LIMIT_HW_CAPS_INIT;
	hw->ways = 1u << VIO_HW_READS;
	ret = hw->kind->prepare(hw, params, err);
	if (ret) {
		VIO_DELETE(env, hw);
		return ret;
	}
	vio_env_hold(env);
	*out = hw;
	return 0;
}

int vio_limit_hw_open(struct vio_ctx *ctx, const struct vio_limit_hw_params *params,
		      struct vio_limit_hw **out, vio_limit_hw_done_fn done,
		      void *opaque, struct vio_error *err)
{
	struct vio_limit_hw_params copy;
	int ret;

	ret = copy_params(params, &copy, err);
	if (!ret)
		ret = check_ctx(ctx, err);
	if (!ret)
		ret = create(ctx, &copy, out, err);
	if (!ret)
		vio_hw_start(*out, &vio_hw_opening, done, opaque);
	return ret;
}

static int check_idle(const struct vio_limit_hw *hw, struct vio_error *err)
{
	if (vio_env_is_child(hw->env))
		return vio_fail(err, -ECHILD, "%s: the parent process's", hw->name);
	if (hw->plan.list)
		return vio_fail(err, -EBUSY, "%s: an operation is under way", hw->name);
	return 0;
}

/*
 * Software enforces what it enforces without the back end; if it is still there, and
 * was not configured since: that took it back already.
 */
static int take_back(struct vio_limit_hw *hw, struct vio_error *err)
{
	int ret = 0;

	if (hw->is_attached)
		ret = vio_limit_set_offload(hw->limit, 0, hw->generation, err);
	return ret == -ESTALE ? 0 : ret;
}

/* Before an operation that ends it. */
static int detach(struct vio_limit_hw *hw, struct vio_error *err)
{
	int ret;

	ret = check_idle(hw, err);
	if (!ret)
		ret = take_back(hw, err);
	if (ret)
		return ret;
	hw->is_attached = 0;
	hw->limit = NULL;
	return 0;
}

int vio_limit_hw_close(struct vio_limit_hw *hw, vio_limit_hw_done_fn done, void *opaque,
		       struct vio_error *err)
{
	const int ret = detach(hw, err);

	if (!ret)
		vio_hw_start(hw, &vio_hw_closing, done, opaque);
	return ret;
}

int vio_limit_hw_read_caps(const struct vio_limit_hw *hw,
			   struct vio_limit_hw_caps *caps)
{
	struct vio_limit_hw_caps copy = hw->caps;

	return vio_params_fill(caps, sizeof(copy), &copy, sizeof(copy));
}

static int check_attach(const struct vio_limit_hw *hw, const struct vio_limit *limit,
			uint32_t needed, const struct vio_limit_hw_report *report,
			struct vio_error *err)
{
	int ret;

	ret = check_idle(hw, err);
	if (ret)
		return ret;
	if (hw->is_attached && hw->limit != limit)
		return vio_fail(err, -EBUSY, "%s: another limit is attached", hw->name);
	if (needed & ~FIELDS)
		return vio_fail(err, -EINVAL, "needed: 0x%x has unknown fields",
				needed);
	if (report && report->size < sizeof(*report))
		return vio_fail(err, -EINVAL, "report: its size is wrong");
	return 0;
}

int vio_limit_hw_attach(struct vio_limit_hw *hw, struct vio_limit *limit,
			uint32_t needed, struct vio_limit_hw_report *report,
			vio_limit_hw_done_fn done, void *opaque, struct vio_error *err)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	uint64_t generation;
	int ret;

	ret = check_attach(hw, limit, needed, report, err);
	if (ret)
		return ret;
	generation = vio_limit_get_generation(limit);
	(void)vio_limit_read_params(limit, &params); /* its size is right */
	ret = vio_hw_choose(hw, &params, needed, err);
	if (!ret)
		ret = take_back(hw, err);
	if (ret)
		return ret;
	hw->next_limit = limit;
	hw->generation = generation;
	hw->caller_report = report;
	hw->previous_fields = hw->set_fields;
	hw->is_changing = 0;
	vio_hw_start(hw, &vio_hw_attaching, done, opaque);
	return 0;
}

int vio_limit_hw_detach(struct vio_limit_hw *hw, vio_limit_hw_done_fn done,
			void *opaque, struct vio_error *err)
{
	const int was_attached = (int)hw->is_attached;
	int ret;

	ret = detach(hw, err);
	if (!ret && !was_attached)
		ret = vio_fail(err, -EINVAL, "%s: no limit is attached", hw->name);
	if (!ret)
		vio_hw_start(hw, &vio_hw_detaching, done, opaque);
	return ret;
}
