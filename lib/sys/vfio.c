/* SPDX-License-Identifier: MIT */
/*
 * Groups and functions. A group must be viable before it joins a container, and
 * must have joined before a function of it can be opened; a function with a file of
 * its own is bound to an iommufd instead. In both cases that call resets it.
 */
#include <errno.h>
#include <fcntl.h>

#include <linux/vfio.h>

#include "core/bits.h"
#include "sys/uapi/iommufd.h"
#include "sys/vfio.h"
#include "sys/vfio_chain.h"

#define PART_READ  (1u << 0)
#define PART_WRITE (1u << 1)
#define INFO_BYTES 512u /* of a region, with all areas we keep */

static int
call(const struct vio_sys *sys, int fd, unsigned long request, void *argument)
{
	return sys->ioctl(sys->opaque, fd, request, argument);
}

static int join_container(const struct vio_sys *sys, int fd, struct vio_dma *dma)
{
	struct vfio_group_status status = { .argsz = sizeof(status) };
	int ret = call(sys, fd, VFIO_GROUP_GET_STATUS, &status);

	if (ret)
		return ret;
	if (!(status.flags & VFIO_GROUP_FLAGS_VIABLE))
		return -EXDEV;
	ret = call(sys, fd, VFIO_GROUP_SET_CONTAINER, &dma->fd);
	if (ret || dma->is_set)
		return ret;
	ret = sys->ioctl(sys->opaque, dma->fd, VFIO_SET_IOMMU,
			 (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (!ret)
		dma->is_set = 1;
	return ret;
}

int vio_group_open(const struct vio_sys *sys, const char *path, struct vio_dma *dma)
{
	int fd = sys->openat(sys->opaque, AT_FDCWD, path, O_RDWR, 0);
	int ret;

	if (fd < 0)
		return fd;
	ret = join_container(sys, fd, dma);
	if (!ret)
		return fd;
	sys->close(sys->opaque, fd);
	return ret;
}

/* The cast: the kernel only reads the name. */
int vio_group_open_function(const struct vio_sys *sys, int group_fd, const char *name)
{
	return call(sys, group_fd, VFIO_GROUP_GET_DEVICE_FD, (void *)(uintptr_t)name);
}

/* The kernel has -EINVAL for a function that another process has bound. */
static int bind_function(const struct vio_sys *sys, int fd, const struct vio_dma *dma)
{
	struct vio_uapi_bind_iommufd bind = {
		.argsz = sizeof(bind),
		.iommufd = dma->fd,
	};
	struct vio_uapi_attach_iommufd_pt attach = {
		.argsz = sizeof(attach),
		.pt_id = dma->ioas_id,
	};
	int ret = call(sys, fd, VIO_UAPI_BIND_IOMMUFD, &bind);

	if (ret)
		return ret == -EINVAL ? -EBUSY : ret;
	return call(sys, fd, VIO_UAPI_ATTACH_IOMMUFD_PT, &attach);
}

int vio_cdev_open_function(const struct vio_sys *sys, const char *path,
			   const struct vio_dma *dma)
{
	int fd = sys->openat(sys->opaque, AT_FDCWD, path, O_RDWR, 0);
	int ret;

	if (fd < 0)
		return fd;
	ret = bind_function(sys, fd, dma);
	if (!ret)
		return fd;
	sys->close(sys->opaque, fd);
	return ret;
}

/* An area beyond the region's end would be mapped into another region's bytes. */
static void add_area(struct vio_part *part, uint64_t offset, uint64_t length_bytes)
{
	uint64_t end;

	if (!length_bytes || !vio_add_u64(offset, length_bytes, &end) ||
	    end > part->length_bytes || part->n_areas == VIO_PART_AREAS_MAX)
		return;
	part->areas[part->n_areas++] = (struct vio_part_area){ offset, length_bytes };
}

static void
read_areas(const void *info, size_t n, uint32_t first, struct vio_part *part)
{
	struct vfio_region_info_cap_sparse_mmap head;
	struct vfio_region_sparse_mmap_area area;
	size_t length;
	const char *cap = vio_chain_find(info, n, first,
					 VFIO_REGION_INFO_CAP_SPARSE_MMAP, &length);

	if (!cap || length < sizeof(head)) {
		add_area(part, 0, part->length_bytes);
		return;
	}
	memcpy(&head, cap, sizeof(head));
	length -= sizeof(head);
	for (size_t i = 0; i < head.nr_areas && length >= sizeof(area); i++) {
		memcpy(&area, cap + sizeof(head) + i * sizeof(area), sizeof(area));
		add_area(part, area.offset, area.size);
		length -= sizeof(area);
	}
}

/* -EINVAL: this kind of function has no such region. */
static int
read_part(const struct vio_sys *sys, int fd, uint32_t index, struct vio_part *part)
{
	_Alignas(8) char room[INFO_BYTES] = { 0 };
	struct vfio_region_info info = { .argsz = sizeof(room), .index = index };
	int ret;

	memcpy(room, &info, sizeof(info));
	ret = call(sys, fd, VFIO_DEVICE_GET_REGION_INFO, room);
	if (ret)
		return ret == -EINVAL ? 0 : ret;
	memcpy(&info, room, sizeof(info));
	part->length_bytes = info.size;
	part->fd_offset = info.offset;
	part->flags = (info.flags & VFIO_REGION_INFO_FLAG_READ ? PART_READ : 0) |
		      (info.flags & VFIO_REGION_INFO_FLAG_WRITE ? PART_WRITE : 0);
	/* More than fits: what may not be mapped is not known. */
	if (!(info.flags & VFIO_REGION_INFO_FLAG_MMAP) || info.argsz > sizeof(room))
		return 0;
	read_areas(room, sizeof(room),
		   info.flags & VFIO_REGION_INFO_FLAG_CAPS ? info.cap_offset : 0, part);
	return 0;
}

static int
read_irq(const struct vio_sys *sys, int fd, uint32_t index, uint32_t *out_vectors)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	int ret = call(sys, fd, VFIO_DEVICE_GET_IRQ_INFO, &info);

	if (ret)
		return ret == -EINVAL ? 0 : ret;
	*out_vectors = info.flags & VFIO_IRQ_INFO_EVENTFD ? info.count : 0;
	return 0;
}

int vio_function_read_parts(const struct vio_sys *sys, int fd, struct vio_parts *out)
{
	struct vfio_device_info info = { .argsz = sizeof(info) };
	int ret = call(sys, fd, VFIO_DEVICE_GET_INFO, &info);

	if (ret)
		return ret;
	if (!(info.flags & VFIO_DEVICE_FLAGS_PCI))
		return -ENODEV;
	for (uint32_t i = 0; !ret && i < VIO_PARTS && i < info.num_regions; i++)
		ret = read_part(sys, fd, i, &out->all[i]);
	for (uint32_t i = 0; !ret && i < VIO_IRQS && i < info.num_irqs; i++)
		ret = read_irq(sys, fd, i, &out->n_vectors[i]);
	return ret;
}

int vio_function_reset(const struct vio_sys *sys, int fd)
{
	return call(sys, fd, VFIO_DEVICE_RESET, NULL);
}

size_t vio_irq_room(uint32_t n)
{
	return sizeof(struct vfio_irq_set) + n * sizeof(int32_t);
}

int vio_function_set_irqs(const struct vio_sys *sys, int fd, uint32_t index,
			  const int32_t *eventfds, uint32_t n, void *room)
{
	struct vfio_irq_set *set = room;
	int ret;

	*set = (struct vfio_irq_set){
		.argsz = (uint32_t)vio_irq_room(n),
		.flags = VFIO_IRQ_SET_ACTION_TRIGGER |
			 (n ? VFIO_IRQ_SET_DATA_EVENTFD : VFIO_IRQ_SET_DATA_NONE),
		.index = index,
		.count = n,
	};
	if (n)
		memcpy(set->data, eventfds, n * sizeof(*eventfds));
	ret = call(sys, fd, VFIO_DEVICE_SET_IRQS, set);
	/* Positive: how many vectors there are to have; none is connected. */
	return ret > 0 ? -ENOSPC : ret;
}
