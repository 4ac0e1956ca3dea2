/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces of the fake VFIO. A container loses its mappings with its last
 * group, an iommufd with its descriptor.
 */
#include <linux/vfio.h>

#include "fake/fake_vfio.h"
#include "fake/support.h"
#include "sys/uapi/iommufd.h"

#define PAGE_MASK UINT64_C(4095)

static int is_usable(const struct fake_vfio *m, uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < m->n_ranges; i++)
		if (first >= m->ranges[i][0] && last <= m->ranges[i][1])
			return 1;
	return 0;
}

static uint64_t count_locked(const struct fake_vfio_space *space)
{
	uint64_t n = 0;

	for (uint32_t i = 0; i < space->n_maps; i++)
		n += space->maps[i].length_bytes;
	return n;
}

static int add_map(struct fake_vfio *m, const struct fake_vfio_map *map)
{
	struct fake_vfio_space *space = &m->space;
	const uint64_t last = map->iova + map->length_bytes - 1;

	m->n_map_calls++;
	if (!space->n_attached || !map->length_bytes || last < map->iova ||
	    (map->iova | map->length_bytes | map->address) & PAGE_MASK ||
	    !is_usable(m, map->iova, last))
		return -EINVAL;
	for (uint32_t i = 0; i < space->n_maps; i++)
		if (map->iova < space->maps[i].iova + space->maps[i].length_bytes &&
		    space->maps[i].iova <= last)
			return -EEXIST;
	if (space->n_maps >= m->n_maps_max)
		return -ENOSPC;
	if (count_locked(space) + map->length_bytes > m->locked_bytes_max)
		return -ENOMEM;
	assert_true(space->n_maps < FAKE_VFIO_MAPS);
	space->maps[space->n_maps++] = *map;
	return 0;
}

static int remove_map(struct fake_vfio *m, uint64_t iova, uint64_t length_bytes)
{
	struct fake_vfio_space *space = &m->space;

	for (uint32_t i = 0; i < space->n_maps; i++) {
		if (space->maps[i].iova != iova)
			continue;
		if (space->maps[i].length_bytes != length_bytes)
			return -EINVAL;
		space->maps[i] = space->maps[--space->n_maps];
		return 0;
	}
	return -ENOENT;
}

void fake_vfio_leave(struct fake_vfio *m)
{
	if (!--m->space.n_attached && !m->space.is_iommufd) {
		m->space.n_maps = 0;
		m->space.is_set = 0;
	}
}

/* Under the fake kernel's lock; no call on a space runs while none is open. */
static int open_space(struct fake_vfio *m, int fd, uint32_t is_iommufd)
{
	assert_int_equal(m->space.fd, -1);
	m->space = (struct fake_vfio_space){ .fd = fd, .is_iommufd = is_iommufd };
	return 0;
}

static int open_container(void *opaque, int fd)
{
	return open_space(opaque, fd, 0);
}

static int open_iommufd(void *opaque, int fd)
{
	return open_space(opaque, fd, 1);
}

/* Who closes it under an open function forgot that function. */
static void close_space(void *opaque, int fd)
{
	struct fake_vfio *m = opaque;

	pthread_mutex_lock(&m->lock);
	assert_int_equal(m->space.fd, fd);
	assert_int_equal(m->space.n_attached, 0);
	m->space = (struct fake_vfio_space){ .fd = -1 };
	pthread_mutex_unlock(&m->lock);
}

static void put_ranges(struct fake_vfio *m, char *at, uint32_t next)
{
	struct vfio_iommu_type1_info_cap_iova_range *cap = (void *)at;

	cap->header.id = VFIO_IOMMU_TYPE1_INFO_CAP_IOVA_RANGE;
	cap->header.next = next;
	cap->nr_iovas = m->n_ranges;
	for (uint32_t i = 0; i < m->n_ranges; i++) {
		cap->iova_ranges[i].start = m->ranges[i][0];
		cap->iova_ranges[i].end = m->ranges[i][1];
	}
}

static int read_info(struct fake_vfio *m, struct vfio_iommu_type1_info *info)
{
	const uint32_t first = 32, second = 256;
	struct vfio_iommu_type1_info_dma_avail *avail = (void *)((char *)info + second);

	assert_true(info->argsz >= second + sizeof(*avail));
	info->flags = VFIO_IOMMU_INFO_PGSIZES;
	info->iova_pgsizes = 0x40201000;
	if (m->is_old)
		return 0;
	info->flags |= VFIO_IOMMU_INFO_CAPS;
	info->cap_offset = first;
	avail->header.id = VFIO_IOMMU_TYPE1_INFO_DMA_AVAIL;
	avail->avail = m->n_maps_max - m->space.n_maps;
	put_ranges(m, (char *)info + first, m->is_chain_looping ? first : second);
	return 0;
}

static int container_map(struct fake_vfio *m, const struct vfio_iommu_type1_dma_map *r)
{
	const struct fake_vfio_map map = {
		.iova = r->iova,
		.length_bytes = r->size,
		.address = r->vaddr,
		.is_writable = !!(r->flags & VFIO_DMA_MAP_FLAG_WRITE),
	};

	return m->space.is_set ? add_map(m, &map) : -EINVAL;
}

static int call_container(struct fake_vfio *m, unsigned long request, void *argument)
{
	struct vfio_iommu_type1_dma_unmap *unmap = argument;

	switch (request) {
	case VFIO_GET_API_VERSION:
		return (int)m->api_version;
	case VFIO_CHECK_EXTENSION:
		return (uintptr_t)argument == VFIO_TYPE1v2_IOMMU;
	case VFIO_SET_IOMMU:
		if (!m->space.n_attached || m->space.is_set)
			return -EINVAL;
		m->space.is_set = 1;
		return 0;
	case VFIO_IOMMU_GET_INFO:
		return m->space.is_set ? read_info(m, argument) : -EINVAL;
	case VFIO_IOMMU_MAP_DMA:
		return container_map(m, argument);
	case VFIO_IOMMU_UNMAP_DMA:
		return remove_map(m, unmap->iova, unmap->size);
	}
	return -ENOTTY;
}

static int ioas_map(struct fake_vfio *m, const struct vio_uapi_ioas_map *r)
{
	const struct fake_vfio_map map = {
		.iova = r->iova,
		.length_bytes = r->length,
		.address = r->user_va,
		.is_writable = !!(r->flags & VIO_UAPI_IOAS_MAP_WRITEABLE),
	};

	if (r->ioas_id != 7 || !(r->flags & VIO_UAPI_IOAS_MAP_FIXED_IOVA))
		return -EINVAL;
	return add_map(m, &map);
}

static int read_ranges(struct fake_vfio *m, struct vio_uapi_ioas_iova_ranges *r)
{
	struct vio_uapi_iova_range *out = (void *)(uintptr_t)r->allowed_iovas;
	const uint32_t room = r->num_iovas;

	r->num_iovas = m->n_ranges;
	r->out_iova_alignment = 4096;
	for (uint32_t i = 0; i < m->n_ranges && i < room; i++) {
		out[i].start = m->ranges[i][0];
		out[i].last = m->ranges[i][1];
	}
	return m->n_ranges > room ? -EMSGSIZE : 0;
}

static int call_iommufd(struct fake_vfio *m, unsigned long request, void *argument)
{
	const struct vio_uapi_ioas_unmap *unmap = argument;
	struct vio_uapi_ioas_alloc *alloc = argument;

	switch (request) {
	case VIO_UAPI_IOAS_ALLOC:
		alloc->out_ioas_id = 7;
		return 0;
	case VIO_UAPI_IOAS_IOVA_RANGES:
		return read_ranges(m, argument);
	case VIO_UAPI_IOAS_MAP:
		return ioas_map(m, argument);
	case VIO_UAPI_IOAS_UNMAP:
		return remove_map(m, unmap->iova, unmap->length);
	}
	return -ENOTTY;
}

static int space_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct fake_vfio *m = opaque;
	int ret;

	pthread_mutex_lock(&m->lock);
	assert_int_equal(m->space.fd, fd);
	if (request == m->fail_request)
		ret = m->fail_code;
	else
		ret = m->space.is_iommufd ? call_iommufd(m, request, argument)
					  : call_container(m, request, argument);
	pthread_mutex_unlock(&m->lock);
	return ret;
}

void fake_vfio_fill_dma(struct fake_vfio *m)
{
	m->space.fd = -1;
	m->container = (struct vio_fake_device){
		.open = open_container,
		.close = close_space,
		.ioctl = space_ioctl,
		.opaque = m,
	};
	m->iommufd = m->container;
	m->iommufd.open = open_iommufd;
}
