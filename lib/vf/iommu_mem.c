/* SPDX-License-Identifier: MIT */
/*
 * Following a memory table: its addresses are the devices'. Additions are mapped in
 * prepare, where they can still be refused; removals are unmapped in commit, before
 * the table lets the memory go. A region that takes the place of one removed in the
 * same batch is the exception: the old one must go first, and comes back if the
 * batch is refused.
 */
#include <errno.h>
#include <string.h>

#include <vio/mem.h>

#include "core/log.h"
#include "vf/iommu.h"

static uint32_t access_of(const struct vio_mem_change *change)
{
	return change->flags & VIO_MEM_READONLY ? VIO_IOMMU_READ
						: VIO_IOMMU_READ | VIO_IOMMU_WRITE;
}

static int add_region(struct vio_iommu *iommu, const struct vio_mem_change *change,
		      struct vio_error *err)
{
	const struct vio_iova_map map = {
		.map = { change->gpa, change->length_bytes, change->hva,
			 access_of(change) },
		.is_followed = 1,
	};

	return vio_iommu_add(iommu, &map, err);
}

/* What was mapped for the region, or NULL. */
static struct vio_iova_map *
find_region(const struct vio_iommu *iommu, const struct vio_mem_change *change)
{
	struct vio_iova_map *map = vio_iova_find(&iommu->iova, change->gpa);

	if (!map || !map->is_followed || map->map.ptr != change->hva ||
	    map->map.length_bytes != change->length_bytes)
		return NULL;
	return map;
}

static void remove_region(struct vio_iommu *iommu, const struct vio_mem_change *change)
{
	struct vio_iova_map *map = find_region(iommu, change);

	if (map)
		vio_iommu_remove(iommu, map);
}

/* Does @b come where @a goes, or the other way round? */
static int replaces(const struct vio_mem_change *a, const struct vio_mem_change *b)
{
	return a->is_added != b->is_added && a->gpa <= b->gpa + (b->length_bytes - 1) &&
	       b->gpa <= a->gpa + (a->length_bytes - 1);
}

static void make_way(struct vio_iommu *iommu, const struct vio_mem_change *changes,
		     uint32_t n, const struct vio_mem_change *added)
{
	for (uint32_t i = 0; i < n; i++)
		if (replaces(&changes[i], added))
			remove_region(iommu, &changes[i]);
}

/* Has it made way already? What is there now may look the same. */
static int is_replaced(const struct vio_mem_change *changes, uint32_t n,
		       const struct vio_mem_change *removed)
{
	for (uint32_t i = 0; i < n; i++)
		if (replaces(&changes[i], removed))
			return 1;
	return 0;
}

/*
 * The additions among the first @n_added changes go, then the removed regions that
 * had made way come back. One that does not is lost to devices, not to the guest.
 */
static void undo(struct vio_iommu *iommu, const struct vio_mem_change *changes,
		 uint32_t n, uint32_t n_added)
{
	struct vio_error err = VIO_ERROR_INIT;

	for (uint32_t i = 0; i < n_added; i++)
		if (changes[i].is_added)
			remove_region(iommu, &changes[i]);
	for (uint32_t i = 0; i < n; i++) {
		if (changes[i].is_added || find_region(iommu, &changes[i]))
			continue;
		if (add_region(iommu, &changes[i], &err))
			vio_log(iommu->env, VIO_LOG_ERROR, "vf",
				"devices lose guest memory: %s", err.text);
	}
}

static int prepare(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	struct vio_iommu *iommu = opaque;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	if (iommu->is_frozen)
		return -EBUSY;
	for (uint32_t i = 0; i < n; i++) {
		if (!changes[i].is_added)
			continue;
		make_way(iommu, changes, n, &changes[i]);
		ret = add_region(iommu, &changes[i], &err);
		if (!ret)
			continue;
		vio_log(iommu->env, VIO_LOG_WARNING, "vf", "%s", err.text);
		undo(iommu, changes, n, i);
		return ret;
	}
	return 0;
}

static void
commit(void *opaque, const struct vio_mem_change *changes, uint32_t n, int is_committed)
{
	struct vio_iommu *iommu = opaque;

	if (!is_committed) {
		undo(iommu, changes, n, n);
		return;
	}
	for (uint32_t i = 0; i < n; i++)
		if (!changes[i].is_added && !is_replaced(changes, n, &changes[i]))
			remove_region(iommu, &changes[i]);
}

int vio_iommu_follow(struct vio_iommu *iommu)
{
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	if (!iommu->mem)
		return 0;
	listener.prepare = prepare;
	listener.commit = commit;
	listener.opaque = iommu;
	return vio_mem_attach_listener(iommu->mem, &listener);
}

int vio_iommu_unfollow(struct vio_iommu *iommu)
{
	return iommu->mem ? vio_mem_detach_listener(iommu->mem, iommu) : 0;
}
