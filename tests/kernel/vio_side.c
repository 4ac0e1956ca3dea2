/* SPDX-License-Identifier: MIT */
/*
 * Both sides by libvio, through its public interface. The device knows the driver's
 * addresses only as those of guest memory, and finds it elsewhere.
 */
#include <errno.h>
#include <stdlib.h>

#include <vio/driver.h>
#include <vio/mem.h>

#include "side.h"

static uint64_t features_of(const struct ring *ring)
{
	uint64_t features = VIO_F_VERSION_1;

	if (ring->features & SIDE_INDIRECT)
		features |= VIO_F_INDIRECT_DESC;
	if (ring->features & SIDE_EVENT)
		features |= VIO_F_EVENT_IDX;
	if (ring->features & SIDE_IN_ORDER)
		features |= VIO_F_IN_ORDER;
	return features;
}

static void *open_driver(const struct ring *ring)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;
	struct vio_driver *driver;

	params.features = features_of(ring);
	params.desc = ring->driver_base;
	params.driver = ring->driver_base + ring->avail_offset;
	params.device = ring->driver_base + ring->used_offset;
	params.n_descs = ring->n_descs;
	if ((ring->features & SIDE_INDIRECT) && ring->n_descs > 1) {
		params.indirect = ring->driver_base + ring->table_offset;
		params.indirect_addr = (uintptr_t)params.indirect;
		params.indirect_descs =
			ring->n_descs < SIDE_BUFS ? ring->n_descs : SIDE_BUFS;
	}
	if (vio_driver_create(NULL, &params, &driver, NULL))
		abort();
	return driver;
}

static int add(void *driver, const struct request *request)
{
	struct vio_driver_buf bufs[SIDE_BUFS];
	const struct vio_driver_chain chain = {
		bufs,
		request->n_out,
		request->n_bufs - request->n_out,
		request->slot,
	};
	int ret;

	for (uint32_t i = 0; i < request->n_bufs; i++)
		bufs[i] = (struct vio_driver_buf){
			(uintptr_t)request->bufs[i].iov_base,
			(uint32_t)request->bufs[i].iov_len,
			0,
		};
	ret = vio_driver_push(driver, &chain, 1);
	return ret == -ENOSPC ? 0 : ret;
}

static int kick(void *driver)
{
	return vio_driver_publish(driver);
}

static int take(void *driver, uint32_t *slot, uint32_t *written_bytes)
{
	struct vio_driver_used used;
	int ret = vio_driver_pop(driver, &used, 1);

	if (ret == 1) {
		*slot = (uint32_t)used.cookie;
		*written_bytes = used.written_bytes;
	}
	return ret;
}

static int enable_driver(void *driver)
{
	return vio_driver_set_calls(driver, 1);
}

static void disable_driver(void *driver)
{
	vio_driver_set_calls(driver, 0);
}

static void close_driver(void *driver)
{
	vio_driver_destroy(driver);
}

const struct driver_ops driver_vio = {
	"libvio",      open_driver,    add,          kick, take,
	enable_driver, disable_driver, close_driver,
};

struct device {
	struct vio_mem *mem;
	struct vio_queue *queue;
};

static void *open_device(const struct ring *ring)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	struct device *device = calloc(1, sizeof(*device));

	region.gpa = (uintptr_t)ring->driver_base;
	region.length_bytes = ring->n_bytes;
	region.hva = ring->device_base;
	if (!device || vio_mem_create(NULL, &device->mem) ||
	    vio_mem_add(device->mem, &region, NULL))
		abort();
	params.mem = device->mem;
	params.features = features_of(ring);
	params.n_descs = ring->n_descs;
	params.max_chain_iov = 2 * SIDE_BUFS;
	params.desc_addr = region.gpa;
	params.driver_addr = region.gpa + ring->avail_offset;
	params.device_addr = region.gpa + ring->used_offset;
	if (vio_queue_create(NULL, &params, &device->queue, NULL))
		abort();
	return device;
}

static int pop(void *opaque, struct work *work)
{
	struct device *device = opaque;
	struct vio_chain chain;
	int ret = vio_queue_pop(device->queue, &chain, 1, work->iov, 2 * SIDE_BUFS);

	if (ret == 1) {
		work->head = chain.head;
		work->n_out = chain.n_out;
		work->n_iov = chain.n_out + chain.n_in;
		work->in_bytes = (uint32_t)chain.in_bytes;
	}
	return ret;
}

static int complete(void *opaque, struct work *work, uint32_t written_bytes)
{
	struct device *device = opaque;
	const struct vio_chain chain = {
		.head = work->head,
		.written_bytes = written_bytes,
		.n_out = work->n_out,
		.n_in = work->n_iov - work->n_out,
		.in_bytes = work->in_bytes,
		.iov = work->iov,
	};

	return vio_queue_push(device->queue, &chain, 1) == 1 ? 0 : -1;
}

static int publish(void *opaque)
{
	return vio_queue_publish(((struct device *)opaque)->queue);
}

static int enable_device(void *opaque)
{
	return vio_queue_set_kicks(((struct device *)opaque)->queue, 1);
}

static void disable_device(void *opaque)
{
	vio_queue_set_kicks(((struct device *)opaque)->queue, 0);
}

static void close_device(void *opaque)
{
	struct device *device = opaque;

	vio_queue_destroy(device->queue);
	if (vio_mem_destroy(device->mem, NULL))
		abort();
	free(device);
}

const struct device_ops device_vio = {
	"libvio",      open_device,    pop,          complete, publish,
	enable_device, disable_device, close_device,
};
