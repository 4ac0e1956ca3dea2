/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces. A function is open on them where one is needed, and the pages
 * that are mapped are the scene's.
 */
#include "unit/fault/fault_machine.h"

#define N_BYTES (4 * FAULT_PAGE)

static int open_iommu(struct fault_scene *scene)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;
	struct vio_iommu *iommu = scene->out;
	int ret;

	params.mem = scene->mem;
	ret = vio_iommu_open(scene->machine->host, &params, &iommu, &scene->err);
	scene->out = iommu;
	return ret;
}

static void finish_opened(struct fault_scene *scene)
{
	scene->machine->iommu = scene->out;
	machine_finish(scene);
}

/* A table with a region to be followed. */
static void setup_followed(struct fault_scene *scene)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	machine_setup_functions(scene);
	fault_map_pages(scene);
	assert_int_equal(vio_mem_create(scene->machine->ctx, &scene->mem), 0);
	region.gpa = FAULT_RING_GPA;
	region.length_bytes = N_BYTES;
	region.hva = scene->pages;
	assert_int_equal(vio_mem_add(scene->mem, &region, NULL), 0);
}

static void finish_followed(struct fault_scene *scene)
{
	assert_int_equal(vio_iommu_close(scene->out, &scene->err), 0);
	assert_int_equal(vio_mem_destroy(scene->mem, &scene->err), 0);
	fault_unmap_pages(scene);
	machine_finish(scene);
}

static int close_iommu(struct fault_scene *scene)
{
	struct vio_iommu *iommu = scene->machine->iommu;

	scene->machine->iommu = NULL;
	return vio_iommu_close(iommu, &scene->err);
}

static void setup_open(struct fault_scene *scene)
{
	machine_setup_vfio(scene);
	fault_map_pages(scene);
}

static void setup_open_iommufd(struct fault_scene *scene)
{
	machine_setup_vfio_iommufd(scene);
	fault_map_pages(scene);
}

static void finish_open(struct fault_scene *scene)
{
	machine_finish(scene);
	fault_unmap_pages(scene);
}

static int map(struct fault_scene *scene)
{
	uint64_t iova = (uint64_t)(uintptr_t)scene->out;
	const int ret = vio_iommu_map(scene->machine->iommu, scene->pages, N_BYTES,
				      VIO_IOMMU_READ, &iova, &scene->err);

	scene->out = (void *)(uintptr_t)iova;
	return ret;
}

static void verify_unmapped(struct fault_scene *scene)
{
	assert_int_equal(scene->machine->vfio_machine->space.n_maps, 0);
}

static void finish_mapped(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;

	assert_int_equal(m->vfio_machine->space.n_maps, 1);
	assert_int_equal(vio_iommu_unmap(m->iommu, (uintptr_t)scene->out), 0);
	assert_int_equal(m->vfio_machine->space.n_maps, 0);
	finish_open(scene);
}

static void setup_mapped(struct fault_scene *scene)
{
	setup_open(scene);
	assert_int_equal(map(scene), 0);
	scene->machine->iova = (uintptr_t)scene->out;
}

/* What the kernel does not unmap is still mapped: it can be tried again. */
static int unmap(struct fault_scene *scene)
{
	return vio_iommu_unmap(scene->machine->iommu, scene->machine->iova);
}

static void verify_mapped(struct fault_scene *scene)
{
	assert_int_equal(scene->machine->vfio_machine->space.n_maps, 1);
}

static void finish_unmapped(struct fault_scene *scene)
{
	verify_unmapped(scene);
	finish_open(scene);
}

static int count(void *opaque, uint64_t first, uint64_t last)
{
	assert_true(first < last);
	++*(uint32_t *)opaque;
	return 0;
}

static int visit(struct fault_scene *scene)
{
	uint32_t n = 0;

	assert_int_equal(vio_iommu_foreach(scene->machine->iommu, count, &n), 0);
	assert_int_equal(n, 2);
	return 0;
}

#define USUAL (FAULT_MAKES_CALLS | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_iommu_open", USUAL | FAULT_TAKES_MEMORY | FAULT_MAKES_DO, "ENODEV",
	  machine_setup_functions, open_iommu, NULL, finish_opened },
	{ "vio_iommu_open vio_iommu_close", USUAL | FAULT_TAKES_MEMORY | FAULT_MAKES_DO,
	  "ENODEV", setup_followed, open_iommu, NULL, finish_followed },
	{ "vio_iommu_close", FAULT_TAKES_NOTHING, NULL, machine_setup_iommu,
	  close_iommu, NULL, machine_finish },
	{ "vio_iommu_map", USUAL | FAULT_TAKES_MEMORY, NULL, setup_open, map,
	  verify_unmapped, finish_mapped },
	{ "vio_iommu_map vio_iommu_unmap", USUAL | FAULT_TAKES_MEMORY, NULL,
	  setup_open_iommufd, map, verify_unmapped, finish_mapped },
	{ "vio_iommu_unmap", FAULT_MAKES_CALLS, NULL, setup_mapped, unmap,
	  verify_mapped, finish_unmapped },
	{ "vio_iommu_foreach", FAULT_TAKES_NOTHING, NULL, setup_open, visit, NULL,
	  finish_open },
};

const struct fault_family fault_iommu = { cases, sizeof(cases) / sizeof(cases[0]) };
