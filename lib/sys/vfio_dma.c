/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces, in the two ways that the kernel has them. A container says
 * what it can map in a chain of capabilities, an iommufd in a call of its own; what
 * does not fit into our room is left out, which only makes less of it usable.
 */
#include <errno.h>
#include <fcntl.h>

#include <linux/vfio.h>

#include "core/bits.h"
#include "sys/uapi/iommufd.h"
#include "sys/vfio.h"
#include "sys/vfio_chain.h"

#define PAGE_BYTES 4096u /* if the kernel does not say: what x86 and arm64 can */
#define DMA_READ   (1u << 0)
#define DMA_WRITE  (1u << 1)
#define INFO_BYTES 2048u /* of a container, with all ranges we keep */

static int
call(const struct vio_sys *sys, int fd, unsigned long request, void *argument)
{
	return sys->ioctl(sys->opaque, fd, request, argument);
}

static int check_container(const struct vio_sys *sys, int fd)
{
	int ret = call(sys, fd, VFIO_GET_API_VERSION, NULL);

	if (ret)
		return ret < 0 ? ret : -ENODEV;
	ret = sys->ioctl(sys->opaque, fd, VFIO_CHECK_EXTENSION,
			 (void *)(uintptr_t)VFIO_TYPE1v2_IOMMU);
	if (ret <= 0)
		return ret ? ret : -ENODEV;
	return 0;
}

static int create_ioas(const struct vio_sys *sys, struct vio_dma *dma)
{
	struct vio_uapi_ioas_alloc request = { .size = sizeof(request) };
	int ret = call(sys, dma->fd, VIO_UAPI_IOAS_ALLOC, &request);

	dma->ioas_id = request.out_ioas_id;
	return ret;
}

int vio_dma_open(const struct vio_sys *sys, const char *path, uint32_t is_iommufd,
		 struct vio_dma *out)
{
	struct vio_dma dma = { .is_iommufd = is_iommufd };
	int ret;

	dma.fd = sys->openat(sys->opaque, AT_FDCWD, path, O_RDWR, 0);
	if (dma.fd == -ENOENT || dma.fd == -ENXIO)
		return -ENODEV;
	if (dma.fd < 0)
		return dma.fd;
	ret = is_iommufd ? create_ioas(sys, &dma) : check_container(sys, dma.fd);
	if (ret) {
		vio_dma_close(sys, &dma);
		return ret;
	}
	*out = dma;
	return 0;
}

void vio_dma_close(const struct vio_sys *sys, struct vio_dma *dma)
{
	if (dma->fd >= 0)
		sys->close(sys->opaque, dma->fd);
	dma->fd = -1;
}

static void add_range(struct vio_dma_limits *limits, uint64_t first, uint64_t last)
{
	if (limits->n_ranges < VIO_DMA_RANGES_MAX && first <= last)
		limits->ranges[limits->n_ranges++] =
			(struct vio_iova_range){ first, last };
}

/* Without the capability everything is usable; the kernel still has its say. */
static void
read_ranges(const void *info, size_t n, uint32_t first, struct vio_dma_limits *limits)
{
	struct vfio_iommu_type1_info_cap_iova_range head;
	struct vfio_iova_range range;
	size_t length;
	const char *cap = vio_chain_find(info, n, first,
					 VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE, &length);

	if (!cap || length < sizeof(head)) {
		add_range(limits, 0, UINT64_MAX);
		return;
	}
	memcpy(&head, cap, sizeof(head));
	length -= sizeof(head);
	for (size_t i = 0; i < head.nr_iovas && length >= sizeof(range); i++) {
		memcpy(&range, cap + sizeof(head) + i * sizeof(range), sizeof(range));
		add_range(limits, range.start, range.end);
		length -= sizeof(range);
	}
}

static void
read_avail(const void *info, size_t n, uint32_t first, struct vio_dma_limits *limits)
{
	struct vfio_iommu_type1_info_dma_avail avail;
	size_t length;
	const void *cap = vio_chain_find(info, n, first,
					 VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL, &length);

	if (!cap || length < sizeof(avail))
		return;
	memcpy(&avail, cap, sizeof(avail));
	limits->n_maps = avail.avail;
}

static int read_container(const struct vio_sys *sys, int fd, struct vio_dma_limits *out)
{
	_Alignas(8) char room[INFO_BYTES] = { 0 };
	struct vfio_iommu_type1_info info = { .argsz = sizeof(room) };
	uint32_t first;
	int ret;

	memcpy(room, &info, sizeof(info));
	ret = call(sys, fd, VFIO_IOMMU_GET_INFO, room);
	if (ret)
		return ret;
	memcpy(&info, room, sizeof(info));
	if (info.flags & VFIO_IOMMU_INFO_PGSIZES && info.iova_pgsizes)
		out->page_bytes = UINT64_C(1) << __builtin_ctzll(info.iova_pgsizes);
	first = info.flags & VFIO_IOMMU_INFO_CAPS ? info.cap_offset : 0;
	read_ranges(room, sizeof(room), first, out);
	read_avail(room, sizeof(room), first, out);
	return 0;
}

static int read_ioas(const struct vio_sys *sys, const struct vio_dma *dma,
		     struct vio_dma_limits *out)
{
	struct vio_uapi_iova_range ranges[VIO_DMA_RANGES_MAX] = { 0 };
	struct vio_uapi_ioas_iova_ranges request = {
		.size = sizeof(request),
		.ioas_id = dma->ioas_id,
		.num_iovas = VIO_DMA_RANGES_MAX,
		.allowed_iovas = (uintptr_t)ranges,
	};
	int ret = call(sys, dma->fd, VIO_UAPI_IOAS_IOVA_RANGES, &request);

	if (ret && ret != -EMSGSIZE)
		return ret;
	if (vio_is_power_of_two(request.out_iova_alignment))
		out->page_bytes = request.out_iova_alignment;
	for (size_t i = 0; i < request.num_iovas && i < VIO_DMA_RANGES_MAX; i++)
		add_range(out, ranges[i].start, ranges[i].last);
	return 0;
}

/* Alignments below a page exist on paper; pinning is by pages. */
int vio_dma_read_limits(const struct vio_sys *sys, const struct vio_dma *dma,
			struct vio_dma_limits *out)
{
	struct vio_dma_limits limits = {
		.page_bytes = PAGE_BYTES,
		.n_maps = UINT32_MAX,
	};
	int ret = dma->is_iommufd ? read_ioas(sys, dma, &limits)
				  : read_container(sys, dma->fd, &limits);

	if (ret)
		return ret;
	limits.page_bytes = vio_max_u64(limits.page_bytes, PAGE_BYTES);
	*out = limits;
	return 0;
}

static int map_container(const struct vio_sys *sys, int fd, const struct vio_dma_map *m)
{
	struct vfio_iommu_type1_dma_map request = {
		.argsz = sizeof(request),
		.flags = (m->flags & DMA_READ ? VFIO_DMA_MAP_FLAG_READ : 0) |
			 (m->flags & DMA_WRITE ? VFIO_DMA_MAP_FLAG_WRITE : 0),
		.vaddr = (uintptr_t)m->ptr,
		.iova = m->iova,
		.size = m->length_bytes,
	};

	return call(sys, fd, VFIO_IOMMU_MAP_DMA, &request);
}

static int map_ioas(const struct vio_sys *sys, const struct vio_dma *dma,
		    const struct vio_dma_map *m)
{
	struct vio_uapi_ioas_map request = {
		.size = sizeof(request),
		.flags = VIO_UAPI_IOAS_MAP_FIXED_IOVA |
			 (m->flags & DMA_READ ? VIO_UAPI_IOAS_MAP_READABLE : 0) |
			 (m->flags & DMA_WRITE ? VIO_UAPI_IOAS_MAP_WRITEABLE : 0),
		.ioas_id = dma->ioas_id,
		.user_va = (uintptr_t)m->ptr,
		.length = m->length_bytes,
		.iova = m->iova,
	};

	return call(sys, dma->fd, VIO_UAPI_IOAS_MAP, &request);
}

int vio_dma_map(const struct vio_sys *sys, const struct vio_dma *dma,
		const struct vio_dma_map *map)
{
	return dma->is_iommufd ? map_ioas(sys, dma, map)
			       : map_container(sys, dma->fd, map);
}

int vio_dma_unmap(const struct vio_sys *sys, const struct vio_dma *dma, uint64_t iova,
		  uint64_t length_bytes)
{
	struct vio_uapi_ioas_unmap ioas = {
		.size = sizeof(ioas),
		.ioas_id = dma->ioas_id,
		.iova = iova,
		.length = length_bytes,
	};
	struct vfio_iommu_type1_dma_unmap container = {
		.argsz = sizeof(container),
		.iova = iova,
		.size = length_bytes,
	};

	return dma->is_iommufd ? call(sys, dma->fd, VIO_UAPI_IOAS_UNMAP, &ioas)
			       : call(sys, dma->fd, VFIO_IOMMU_UNMAP_DMA, &container);
}
