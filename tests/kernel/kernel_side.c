/* SPDX-License-Identifier: MIT */
/*
 * Both sides by the kernel: virtio_ring drives, vringh serves. Built against the
 * kernel's own headers for user space, where a physical address is a virtual one,
 * kmalloc() gives what the caller laid out for it, and user memory is checked
 * against two bounds.
 */
#include <linux/kernel.h>
#include <linux/err.h>
#include <linux/virtio.h>
#include <linux/vringh.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_config.h>
#include <linux/uaccess.h>

#include "side.h"

void *__user_addr_min, *__user_addr_max;
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

struct kernel_driver {
	struct virtio_device vdev;
	struct virtqueue *vq;
	struct ring ring;
	struct vring_desc *tables;
	bool is_notified;
	bool is_kick; /* else the notification is one that virtio_ring adds */
};

/*
 * virtio_ring notifies on its own when it finds the ring full. A driver must not
 * depend on it, so only what a kick asks for counts.
 */
static bool note_kick(struct virtqueue *vq)
{
	struct kernel_driver *driver = vq->priv;

	driver->is_notified |= driver->is_kick;
	return true;
}

static void no_callback(struct virtqueue *vq)
{
	(void)vq;
	abort();
}

static u64 features_of(const struct ring *ring)
{
	u64 features = 1ULL << VIRTIO_F_VERSION_1;

	if (ring->features & SIDE_INDIRECT)
		features |= 1ULL << VIRTIO_RING_F_INDIRECT_DESC;
	if (ring->features & SIDE_EVENT)
		features |= 1ULL << VIRTIO_RING_F_EVENT_IDX;
	return features;
}

static void *open_driver(const struct ring *ring)
{
	struct kernel_driver *driver = calloc(1, sizeof(*driver));

	driver->ring = *ring;
	driver->tables = (void *)(ring->driver_base + ring->table_offset);
	driver->vdev.features = features_of(ring);
	INIT_LIST_HEAD(&driver->vdev.vqs);
	spin_lock_init(&driver->vdev.vqs_list_lock);
	__kmalloc_fake = NULL;
	__kfree_ignore_start = driver->tables;
	__kfree_ignore_end = driver->tables + ring->n_descs * SIDE_BUFS;
	driver->vq = vring_new_virtqueue(0, ring->n_descs, PAGE_SIZE, &driver->vdev,
					 true, false, ring->driver_base, note_kick,
					 no_callback, "driver");
	driver->vq->priv = driver;
	return driver;
}

static void fill_sg(struct scatterlist *sg, const struct iovec *bufs, unsigned n)
{
	sg_init_table(sg, n);
	for (unsigned i = 0; i < n; i++)
		sg_set_buf(&sg[i], bufs[i].iov_base, bufs[i].iov_len);
}

static int add(void *opaque, const struct request *request)
{
	struct kernel_driver *driver = opaque;
	const unsigned n_out = request->n_out, n_in = request->n_bufs - n_out;
	struct scatterlist out[SIDE_BUFS], in[SIDE_BUFS], *sgs[2];
	unsigned n_sgs = 0;
	int ret;

	if (n_out) {
		fill_sg(out, request->bufs, n_out);
		sgs[n_sgs++] = out;
	}
	if (n_in) {
		fill_sg(in, request->bufs + n_out, n_in);
		sgs[n_sgs++] = in;
	}
	/* The cookie must not be NULL. */
	__kmalloc_fake = driver->tables + request->slot * SIDE_BUFS;
	ret = virtqueue_add_sgs(driver->vq, sgs, !!n_out, !!n_in,
				(void *)(unsigned long)(request->slot + 1), GFP_KERNEL);
	__kmalloc_fake = NULL;
	return ret == -ENOSPC ? 0 : ret ? ret : 1;
}

static int kick(void *opaque)
{
	struct kernel_driver *driver = opaque;

	driver->is_notified = false;
	driver->is_kick = true;
	virtqueue_kick(driver->vq);
	driver->is_kick = false;
	return driver->is_notified;
}

static int take(void *opaque, u32 *slot, u32 *written_bytes)
{
	struct kernel_driver *driver = opaque;
	void *cookie = virtqueue_get_buf(driver->vq, written_bytes);

	if (!cookie)
		return 0;
	*slot = (u32)(unsigned long)cookie - 1;
	return 1;
}

/* By turns at once and after three quarters of what is under way. */
static int enable_driver(void *opaque)
{
	struct kernel_driver *driver = opaque;

	if (driver->vq->num_free % 2)
		return !virtqueue_enable_cb_delayed(driver->vq);
	return !virtqueue_enable_cb(driver->vq);
}

static void disable_driver(void *opaque)
{
	struct kernel_driver *driver = opaque;

	virtqueue_disable_cb(driver->vq);
}

static void close_driver(void *opaque)
{
	struct kernel_driver *driver = opaque;

	vring_del_virtqueue(driver->vq);
	free(driver);
}

const struct driver_ops driver_kernel = {
	"virtio_ring", open_driver,    add,          kick, take,
	enable_driver, disable_driver, close_driver,
};

struct kernel_device {
	struct vringh vrh; /* first: get_range() finds the rest */
	struct ring ring;
};

static bool get_range(struct vringh *vrh, u64 addr, struct vringh_range *range)
{
	const struct kernel_device *device = (const struct kernel_device *)vrh;
	const u64 base = (u64)(unsigned long)device->ring.driver_base;

	if (addr - base >= device->ring.n_bytes)
		return false;
	range->start = base;
	range->end_incl = base + device->ring.n_bytes - 1;
	range->offset = (u64)(unsigned long)device->ring.device_base - base;
	return true;
}

static void *open_device(const struct ring *ring)
{
	struct kernel_device *device = calloc(1, sizeof(*device));

	device->ring = *ring;
	__user_addr_min = ring->device_base;
	__user_addr_max = ring->device_base + ring->n_bytes;
	assert(!vringh_init_user(&device->vrh, features_of(ring), ring->n_descs, true,
				 (void *)ring->device_base,
				 (void *)(ring->device_base + ring->avail_offset),
				 (void *)(ring->device_base + ring->used_offset)));
	return device;
}

/* Room for every buffer, so that vringh need not allocate. */
static int pop(void *opaque, struct work *work)
{
	struct kernel_device *device = opaque;
	struct iovec out[SIDE_BUFS], in[SIDE_BUFS];
	struct vringh_iov r, w;
	u16 head;
	int ret;

	vringh_iov_init(&r, out, SIDE_BUFS);
	vringh_iov_init(&w, in, SIDE_BUFS);
	ret = vringh_getdesc_user(&device->vrh, &r, &w, get_range, &head);
	if (ret != 1)
		return ret;
	*work = (struct work){ .head = head,
			       .n_out = r.used,
			       .n_iov = r.used + w.used };
	memcpy(work->iov, out, r.used * sizeof(out[0]));
	memcpy(work->iov + r.used, in, w.used * sizeof(in[0]));
	for (unsigned i = 0; i < w.used; i++)
		work->in_bytes += in[i].iov_len;
	return 1;
}

static int complete(void *opaque, struct work *work, u32 written_bytes)
{
	struct kernel_device *device = opaque;

	return vringh_complete_user(&device->vrh, work->head, written_bytes);
}

static int publish(void *opaque)
{
	struct kernel_device *device = opaque;

	return vringh_need_notify_user(&device->vrh);
}

/* vringh answers whether to wait. */
static int enable_device(void *opaque)
{
	struct kernel_device *device = opaque;

	return !vringh_notify_enable_user(&device->vrh);
}

static void disable_device(void *opaque)
{
	struct kernel_device *device = opaque;

	vringh_notify_disable_user(&device->vrh);
}

const struct device_ops device_kernel = {
	"vringh",      open_device,    pop,  complete, publish,
	enable_device, disable_device, free,
};
