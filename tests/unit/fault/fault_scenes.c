/* SPDX-License-Identifier: MIT */
/*
 * Pieces of scenes: memory, a table of it, a queue on that. They are made and
 * unmade while nothing fails, on the context whose taking is counted.
 */
#include <sys/mman.h>

#include "unit/fault/fault_case.h"

void fault_map_pages(struct fault_scene *scene)
{
	scene->pages = mmap(NULL, FAULT_PAGES * FAULT_PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(scene->pages, MAP_FAILED);
}

void fault_unmap_pages(struct fault_scene *scene)
{
	munmap(scene->pages, FAULT_PAGES * FAULT_PAGE);
}

void fault_count_released(void *opaque, uint64_t gpa)
{
	struct fault_scene *scene = opaque;

	(void)gpa;
	scene->n_told++;
}

void fault_create_mem(struct fault_scene *scene)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	fault_map_pages(scene);
	assert_int_equal(vio_mem_create(scene->ctx, &scene->mem), 0);
	region.gpa = FAULT_RING_GPA;
	region.length_bytes = 8 * FAULT_PAGE;
	region.hva = scene->pages;
	assert_int_equal(vio_mem_add(scene->mem, &region, NULL), 0);
}

void fault_destroy_mem(struct fault_scene *scene)
{
	assert_int_equal(vio_mem_destroy(scene->mem, NULL), 0);
	fault_unmap_pages(scene);
}

struct vio_queue_params fault_queue_params(const struct fault_scene *scene)
{
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;

	params.mem = scene->mem;
	params.n_descs = FAULT_DESCS;
	params.desc_addr = FAULT_RING_GPA;
	params.driver_addr = FAULT_RING_GPA + FAULT_PAGE;
	params.device_addr = FAULT_RING_GPA + 2 * FAULT_PAGE;
	params.max_chain_iov = FAULT_DESCS;
	params.kick_fd = scene->fd;
	params.call_fd = scene->other_fd;
	return params;
}

void fault_create_queue(struct fault_scene *scene)
{
	struct vio_queue_params params;

	fault_create_mem(scene);
	params = fault_queue_params(scene);
	assert_int_equal(vio_queue_create(scene->ctx, &params, &scene->queue, NULL), 0);
}

void fault_destroy_queue(struct fault_scene *scene)
{
	vio_queue_destroy(scene->queue);
	fault_destroy_mem(scene);
}

void fault_verify_page(struct fault_scene *scene, uint64_t gpa, int page)
{
	struct iovec iov;
	int ret = vio_mem_translate(scene->mem, gpa, FAULT_PAGE, VIO_MEM_READ, &iov, 1);

	if (page < 0) {
		assert_int_equal(ret, -EFAULT);
		return;
	}
	assert_int_equal(ret, 1);
	assert_ptr_equal(iov.iov_base, scene->pages + (size_t)page * FAULT_PAGE);
}
