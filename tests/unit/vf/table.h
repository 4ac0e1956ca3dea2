/* SPDX-License-Identifier: MIT */
/*
 * A table of guest memory beside the scene of VFIO: its regions are pages of the
 * scene's memory, and what is mapped for them is the fake kernel's to tell.
 */
#ifndef TESTS_UNIT_VF_TABLE_H
#define TESTS_UNIT_VF_TABLE_H

#include <vio/mem.h>

#include "unit/vf/vfio_scene.h"

struct table {
	struct vio_mem *mem;
	uint32_t n_released;
};

static inline void table_released(void *opaque, uint64_t gpa)
{
	struct table *t = opaque;

	(void)gpa;
	t->n_released++;
}

static inline int table_add(struct scene *s, struct table *t, uint64_t gpa,
			    uint64_t page, uint64_t n_pages, uint32_t flags)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = gpa;
	region.length_bytes = n_pages * SCENE_PAGE;
	region.hva = s->memory + page * SCENE_PAGE;
	region.flags = flags;
	region.released = table_released;
	region.opaque = t;
	return vio_mem_add(t->mem, &region, NULL);
}

static inline void table_close(struct scene *s, struct table *t)
{
	if (s->vfs[0].vfio)
		assert_int_equal(scene_close(s, s->vfs[0].vfio), 0);
	assert_int_equal(vio_iommu_close(s->iommu, NULL), 0);
	s->iommu = NULL;
	assert_int_equal(vio_mem_destroy(t->mem, NULL), 0);
}

static inline const struct fake_vfio_map *find_map(const struct scene *s, uint64_t iova)
{
	for (uint32_t i = 0; i < s->machine->space.n_maps; i++)
		if (s->machine->space.maps[i].iova == iova)
			return &s->machine->space.maps[i];
	return NULL;
}

#endif /* TESTS_UNIT_VF_TABLE_H */
