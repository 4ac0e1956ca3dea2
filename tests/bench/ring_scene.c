/* SPDX-License-Identifier: MIT */
/*
 * The ring's contents never change: every chain is filled in once, and to make
 * chains available again is to raise the index. So the driver's part costs next
 * to nothing, and both device sides read the same memory.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ring_scene.h"

#define REGION_BYTES (UINT64_C(16) << 20)
/* Apart in guest memory, so that no two regions are neighbours. */
#define REGION_GPA(i) ((uint64_t)(i) * (UINT64_C(1) << 30))

#define DESC_AT       UINT64_C(0)
#define AVAIL_AT      UINT64_C(0x10000)
#define USED_AT       UINT64_C(0x20000)
#define TABLES_AT     UINT64_C(0x100000)

#define BUFFER_BYTES  1500u
#define TABLE_DESCS   3u
#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

static uint64_t buffer_addr(uint32_t i)
{
	return REGION_GPA(1 + i % 2) + (uint64_t)(i / 2) * 2048;
}

static void fill_table(struct floor_desc *table, uint32_t chain)
{
	for (uint32_t i = 0; i < TABLE_DESCS; i++)
		table[i] = (struct floor_desc){
			buffer_addr(chain * TABLE_DESCS + i),
			BUFFER_BYTES,
			i == TABLE_DESCS - 1 ? DESC_WRITE : DESC_NEXT,
			(uint16_t)(i + 1),
		};
}

static void fill_ring(struct scene *scene, uint32_t n_indirect)
{
	struct floor_desc *desc = (void *)(scene->memory + DESC_AT);

	for (uint32_t i = 0; i < SCENE_DESCS; i++) {
		uint64_t at = TABLES_AT + i * TABLE_DESCS * sizeof(*desc);

		scene->avail[2 + i] = (uint16_t)i;
		if (n_indirect == 1) {
			desc[i] = (struct floor_desc){ buffer_addr(i), BUFFER_BYTES, 0,
						       0 };
			continue;
		}
		fill_table((void *)(scene->memory + at), i);
		desc[i] = (struct floor_desc){ at, TABLE_DESCS * sizeof(*desc),
					       DESC_INDIRECT, 0 };
	}
}

static int create_memory(struct scene *scene)
{
	scene->memory = mmap(NULL, SCENE_REGIONS * REGION_BYTES, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	if (scene->memory == MAP_FAILED || vio_mem_create(NULL, &scene->mem) < 0)
		return -1;
	for (uint32_t i = 0; i < SCENE_REGIONS; i++) {
		struct vio_mem_region region = VIO_MEM_REGION_INIT;

		region.gpa = REGION_GPA(i);
		region.length_bytes = REGION_BYTES;
		region.hva = scene->memory + i * REGION_BYTES;
		scene->regions[i] =
			(struct floor_region){ region.gpa, REGION_BYTES, region.hva };
		if (vio_mem_add(scene->mem, &region, NULL) < 0)
			return -1;
	}
	return 0;
}

static int create_queue(struct scene *scene)
{
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;

	params.mem = scene->mem;
	params.features = VIO_F_VERSION_1 | VIO_F_INDIRECT_DESC;
	params.desc_addr = DESC_AT;
	params.driver_addr = AVAIL_AT;
	params.device_addr = USED_AT;
	params.n_descs = SCENE_DESCS;
	return vio_queue_create(NULL, &params, &scene->queue, NULL);
}

int scene_create(struct scene *scene, uint32_t n_indirect)
{
	memset(scene, 0, sizeof(*scene));
	if (create_memory(scene) < 0 || create_queue(scene) < 0)
		return -1;
	scene->avail = (void *)(scene->memory + AVAIL_AT);
	fill_ring(scene, n_indirect);
	scene->floor = (struct floor_ring){
		.desc = (void *)(scene->memory + DESC_AT),
		.avail = scene->avail,
		.used = (void *)(scene->memory + USED_AT),
		.regions = scene->regions,
		.n_regions = SCENE_REGIONS,
		.n_descs = SCENE_DESCS,
	};
	return 0;
}

void scene_destroy(struct scene *scene)
{
	vio_queue_destroy(scene->queue);
	vio_mem_destroy(scene->mem, NULL);
	munmap(scene->memory, SCENE_REGIONS * REGION_BYTES);
}

void scene_fill(struct scene *scene, uint32_t n)
{
	scene->avail_index = (uint16_t)(scene->avail_index + n);
	__atomic_store_n(&scene->avail[1], scene->avail_index, __ATOMIC_RELEASE);
}

int scene_run_ours(struct scene *scene, uint32_t n)
{
	int popped = vio_queue_pop(scene->queue, scene->chains, n, scene->iov,
				   sizeof(scene->iov) / sizeof(scene->iov[0]));

	if (popped != (int)n ||
	    vio_queue_push(scene->queue, scene->chains, n) != popped)
		return -1;
	return vio_queue_publish(scene->queue) < 0 ? -1 : 0;
}

int scene_run_floor(struct scene *scene, uint32_t n)
{
	int popped = floor_pop(&scene->floor, scene->floor_chains, n, scene->iov,
			       sizeof(scene->iov) / sizeof(scene->iov[0]));

	if (popped != (int)n)
		return -1;
	floor_push(&scene->floor, scene->floor_chains, n);
	floor_publish(&scene->floor);
	return 0;
}
