/* SPDX-License-Identifier: MIT */
/*
 * Which I/O virtual addresses are mapped, and where there is room. Pure: a sorted
 * array, since a guest has tens of regions and mappings are made when it starts.
 */
#ifndef VIO_VF_IOVA_H
#define VIO_VF_IOVA_H

#include "core/env.h"
#include "sys/vfio.h"

struct vio_iova_map {
	struct vio_dma_map map;
	uint32_t is_followed; /* of the memory table; else of vio_iommu_map() */
};

struct vio_iova {
	const struct vio_env *env;
	struct vio_iova_map *maps; /* by iova, no two overlap */
	uint32_t n;
	uint32_t n_room;
	uint64_t mapped_bytes;
};

/* Room for one more, so that adding it cannot fail. */
int vio_iova_prepare(struct vio_iova *iova);
void vio_iova_add(struct vio_iova *iova, const struct vio_iova_map *map);
void vio_iova_remove(struct vio_iova *iova, const struct vio_iova_map *map);
void vio_iova_clear(struct vio_iova *iova);

/* The mapping that begins at @first, or NULL. */
struct vio_iova_map *vio_iova_find(const struct vio_iova *iova, uint64_t first);

/* Some mapping with an address in the range, or NULL. */
struct vio_iova_map *
vio_iova_find_overlap(const struct vio_iova *iova, uint64_t first, uint64_t last);

/* Lies the range in one of those that can be mapped? */
int vio_iova_is_usable(const struct vio_dma_limits *limits, uint64_t first,
		       uint64_t last);

/*
 * A free place, the highest there is: guest-physical addresses grow from below.
 * Never page 0, which devices take for no address. @align is a power of two.
 * -ENOSPC: there is none.
 */
int vio_iova_find_place(const struct vio_iova *iova,
			const struct vio_dma_limits *limits, uint64_t length_bytes,
			uint64_t align, uint64_t *out);

#endif /* VIO_VF_IOVA_H */
