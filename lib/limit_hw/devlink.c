/* SPDX-License-Identifier: MIT */
/*
 * Rates of port functions and nodes, through devlink. It counts in bytes, and yet the
 * step is 1 Mbit/s: the drivers of Linux refuse all that is none (mlx5, netdevsim), or
 * have a finer step that divides it (ice).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/list.h"
#include "limit_hw/limit_hw.h"

/* As VIO_LIMIT_HW_ bits. */
static const struct {
	uint32_t field;
	uint32_t devlink;
} fields_of[] = {
	{ VIO_LIMIT_HW_CEILING_BYTES, VIO_DEVLINK_MAX },
	{ VIO_LIMIT_HW_ASSURED_BYTES, VIO_DEVLINK_SHARE },
	{ VIO_LIMIT_HW_WEIGHT, VIO_DEVLINK_WEIGHT },
	{ VIO_LIMIT_HW_PARENT, VIO_DEVLINK_PARENT },
};

#define N_FIELDS (sizeof(fields_of) / sizeof(fields_of[0]))

/* @n bytes at most, with the NUL. */
static int copy_name(char *to, size_t n, const char *name, size_t length)
{
	if (!length || length >= n)
		return -EINVAL;
	memcpy(to, name, length);
	to[length] = '\0';
	return 0;
}

static int parse_handle(const char *handle, struct vio_devlink_target *target)
{
	const char *slash = handle ? strchr(handle, '/') : NULL;
	int ret;

	if (!slash)
		return -EINVAL;
	ret = copy_name(target->bus, sizeof(target->bus), handle,
			(size_t)(slash - handle));
	if (ret)
		return ret;
	return copy_name(target->device, sizeof(target->device), slash + 1,
			 strnlen(slash + 1, sizeof(target->device)));
}

/* The kernel takes numbers for ports. */
static int copy_node(char *to, const char *name)
{
	const size_t n = strnlen(name, VIO_HW_NODE_BYTES);

	if (strspn(name, "0123456789") == n)
		return -EINVAL;
	return copy_name(to, VIO_HW_NODE_BYTES, name, n);
}

static int prepare_names(struct vio_limit_hw *hw,
			 const struct vio_limit_hw_params *params,
			 struct vio_error *err)
{
	struct vio_devlink_target *target = &hw->devlink.target;

	if (parse_handle(params->handle, target))
		return vio_fail(err, -EINVAL, "handle: not as \"pci/0000:3b:00.0\"");
	if (params->node && copy_node(target->node, params->node))
		return vio_fail(err, -EINVAL, "node: empty, a number or too long");
	if (params->parent && copy_node(hw->parent, params->parent))
		return vio_fail(err, -EINVAL, "parent: empty, a number or too long");
	target->port = params->port;
	if (params->node)
		snprintf(hw->name, sizeof(hw->name), "%s/%.*s", params->handle,
			 (int)VIO_HW_NODE_BYTES, target->node);
	else
		snprintf(hw->name, sizeof(hw->name), "%s/%u", params->handle,
			 params->port);
	return 0;
}

static int prepare(struct vio_limit_hw *hw, const struct vio_limit_hw_params *params,
		   struct vio_error *err)
{
	const uint32_t flags =
		VIO_LIMIT_HW_NO_TRIALS | (params->node ? VIO_LIMIT_HW_CREATE : 0);

	if (params->flags & ~flags)
		return vio_fail(err, -EINVAL, "flags: 0x%x is not for a %s",
				params->flags, params->node ? "node" : "port");
	hw->devlink = (struct vio_devlink_call){ .env = hw->env, .async = hw->async };
	hw->caps.bytes_least = VIO_HW_MBPS;
	hw->caps.bytes_step = VIO_HW_MBPS;
	hw->caps.bytes_most = VIO_LIMIT_RATE_MAX;
	return prepare_names(hw, params, err);
}

static struct vio_limit_hw *hw_of(struct vio_devlink_call *call)
{
	return VIO_CONTAINER_OF(call, struct vio_limit_hw, devlink);
}

static void read_done(struct vio_devlink_call *call, int result)
{
	const struct vio_devlink_rate *rate = &call->rate;
	struct vio_limit_hw *hw = hw_of(call);

	if (result) {
		vio_hw_resume(hw, result);
		return;
	}
	hw->known = 0;
	for (size_t i = 0; i < N_FIELDS; i++)
		if (rate->fields & fields_of[i].devlink)
			hw->known |= fields_of[i].field;
	hw->now = (struct vio_hw_values){
		.bytes = { rate->max_bytes_per_sec },
		.assured_bytes = rate->share_bytes_per_sec,
		.weight = rate->weight,
	};
	memcpy(hw->now.parent, rate->parent, sizeof(hw->now.parent));
	vio_hw_resume(hw, 0);
}

static int read_values(struct vio_limit_hw *hw)
{
	hw->devlink.done = read_done;
	return vio_devlink_read_rate(&hw->devlink);
}

static void set_done(struct vio_devlink_call *call, int result)
{
	vio_hw_resume(hw_of(call), result);
}

static int
set_values(struct vio_limit_hw *hw, uint32_t fields, const struct vio_hw_values *values)
{
	struct vio_devlink_rate *rate = &hw->devlink.rate;

	*rate = (struct vio_devlink_rate){
		.max_bytes_per_sec = values->bytes[0],
		.share_bytes_per_sec = values->assured_bytes,
		.weight = values->weight,
	};
	for (size_t i = 0; i < N_FIELDS; i++)
		if (fields & fields_of[i].field)
			rate->fields |= fields_of[i].devlink;
	memcpy(rate->parent, values->parent, sizeof(rate->parent));
	hw->devlink.done = set_done;
	return vio_devlink_set_rate(&hw->devlink);
}

static int add_node(struct vio_limit_hw *hw)
{
	hw->devlink.rate = (struct vio_devlink_rate){ 0 };
	hw->devlink.done = set_done;
	return vio_devlink_add_node(&hw->devlink);
}

static int remove_node(struct vio_limit_hw *hw)
{
	hw->devlink.done = set_done;
	return vio_devlink_remove_node(&hw->devlink);
}

const struct vio_hw_kind vio_hw_devlink = {
	.prepare = prepare,
	.read = read_values,
	.set = set_values,
	.add = add_node,
	.remove = remove_node,
};
