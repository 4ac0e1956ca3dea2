/* SPDX-License-Identifier: MIT */
/*
 * The life of a driver side: create, reset, destroy. It works on any memory it
 * is handed, needs nothing but an allocator, and makes no system call, so that
 * it runs in a monitor, in a test, or beside a device in another process.
 */
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "ring/driver.h"

#define F_RING_PACKED (UINT64_C(1) << 34)

#define DESC_ALIGN    16u
#define AVAIL_ALIGN   2u
#define USED_ALIGN    4u

/* Index fields and the event index around the entries, virtio 1.2, 2.7.6. */
static size_t avail_bytes(uint32_t n_descs)
{
	return 3 * sizeof(uint16_t) + n_descs * sizeof(uint16_t);
}

static size_t used_bytes(uint32_t n_descs)
{
	return 3 * sizeof(uint16_t) + n_descs * sizeof(struct vio_split_used_elem);
}

static bool is_part(const void *part, uint64_t align)
{
	return part && vio_is_aligned((uintptr_t)part, align);
}

static int check_indirect(const struct vio_driver_params *params, struct vio_error *err)
{
	if (!params->indirect)
		return 0;
	if (!(params->features & VIO_F_INDIRECT_DESC))
		return vio_fail(err, -EINVAL,
				"indirect tables without VIRTIO_F_INDIRECT_DESC");
	if (!vio_is_aligned((uintptr_t)params->indirect, DESC_ALIGN))
		return vio_fail(err, -EINVAL, "indirect tables not 16-aligned");
	if (params->indirect_descs < 2 || params->indirect_descs > params->n_descs)
		return vio_fail(err, -EINVAL, "indirect_descs %u is not in 2 to %u",
				params->indirect_descs, params->n_descs);
	return 0;
}

static int check_params(const struct vio_driver_params *params, struct vio_error *err)
{
	if (params->flags)
		return vio_fail(err, -EINVAL, "unknown flags 0x%x", params->flags);
	if (params->features & F_RING_PACKED)
		return vio_fail(err, -EOPNOTSUPP, "packed rings are not supported");
	if (!vio_is_power_of_two(params->n_descs) ||
	    params->n_descs > VIO_QUEUE_SIZE_MAX)
		return vio_fail(err, -EINVAL,
				"n_descs %u is not a power of two from 1 to %u",
				params->n_descs, VIO_QUEUE_SIZE_MAX);
	if (!is_part(params->desc, DESC_ALIGN) ||
	    !is_part(params->driver, AVAIL_ALIGN) ||
	    !is_part(params->device, USED_ALIGN))
		return vio_fail(err, -EINVAL,
				"a part of the ring is missing or not aligned");
	return check_indirect(params, err);
}

void vio_driver_reset(struct vio_driver *driver)
{
	const uint32_t n = driver->n_descs;

	memset(driver->desc, 0, n * sizeof(driver->desc[0]));
	memset(driver->avail, 0, avail_bytes(n));
	memset(driver->used, 0, used_bytes(n));
	memset(driver->slots, 0, n * sizeof(driver->slots[0]));
	for (uint32_t i = 0; i < n; i++)
		driver->slots[i].next = (uint16_t)((i + 1) & (n - 1));
	driver->n_pushed = 0;
	driver->n_shown = 0;
	driver->n_used = 0;
	driver->batch_end = 0;
	driver->n_free = n;
	driver->free_first = 0;
	driver->order_first = 0;
	driver->is_latched = 0;
}

int vio_driver_create(struct vio_ctx *ctx, const struct vio_driver_params *params,
		      struct vio_driver **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_driver_params p;
	struct vio_driver *driver;
	int ret;

	ret = vio_params_copy(&p, sizeof(p), VIO_PARAMS_END(p, indirect_descs), params);
	if (ret)
		return vio_fail(err, ret, "struct vio_driver_params of another size");
	ret = check_params(&p, err);
	if (ret)
		return ret;

	driver = VIO_NEW(env, struct vio_driver);
	if (!driver)
		return vio_fail(err, -ENOMEM, "no memory for a driver side");
	driver->slots = vio_alloc_array(env, p.n_descs, sizeof(driver->slots[0]),
					_Alignof(struct vio_driver_slot));
	if (!driver->slots) {
		VIO_DELETE(env, driver);
		return vio_fail(err, -ENOMEM, "no memory for %u descriptors",
				p.n_descs);
	}
	driver->env = env;
	driver->desc = p.desc;
	driver->avail = p.driver;
	driver->used = p.device;
	driver->indirect = p.indirect;
	driver->indirect_addr = p.indirect_addr;
	driver->n_descs = p.n_descs;
	driver->indirect_descs = p.indirect_descs;
	driver->has_event_index = !!(p.features & VIO_F_EVENT_IDX);
	driver->is_in_order = !!(p.features & VIO_F_IN_ORDER);
	vio_driver_reset(driver);
	vio_env_hold(env);
	*out = driver;
	return 0;
}

uint32_t vio_driver_get_free(const struct vio_driver *driver)
{
	return driver->n_free;
}

void vio_driver_destroy(struct vio_driver *driver)
{
	const struct vio_env *env;

	if (!driver)
		return;
	env = driver->env;
	vio_free(env, driver->slots, driver->n_descs * sizeof(driver->slots[0]),
		 _Alignof(struct vio_driver_slot));
	VIO_DELETE(env, driver);
	vio_env_drop(env);
}
