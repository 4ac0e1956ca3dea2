/* SPDX-License-Identifier: MIT */
/*
 * Heaps. An arena takes chunks as it goes, the others take all they need when
 * they are created.
 */
#include "unit/fault/fault_case.h"

#define CHUNK_BYTES 4096u

static int keep(struct fault_scene *scene, struct vio_heap *heap, int ret)
{
	scene->out = heap;
	return ret;
}

static int create_arena(struct fault_scene *scene)
{
	struct vio_arena_params params = VIO_ARENA_PARAMS_INIT;
	struct vio_heap *heap = scene->out;
	int ret = vio_heap_create_arena(scene->ctx, &params, &heap);

	return keep(scene, heap, ret);
}

static int create_pool(struct fault_scene *scene)
{
	struct vio_pool_params params = VIO_POOL_PARAMS_INIT;
	struct vio_heap *heap = scene->out;
	int ret;

	params.block_bytes = 64;
	params.n_blocks = 16;
	ret = vio_heap_create_pool(scene->ctx, &params, &heap);
	return keep(scene, heap, ret);
}

static int create_failing(struct fault_scene *scene)
{
	struct vio_heap *heap = scene->out;
	int ret = vio_heap_create_failing(scene->ctx, 0, 0, &heap);

	return keep(scene, heap, ret);
}

static void destroy_created(struct fault_scene *scene)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(scene->out);
	void *block = ops->alloc(ops->opaque, 64, 16);

	assert_non_null(block);
	memset(block, 0xff, 64);
	ops->free(ops->opaque, block, 64, 16);
	vio_heap_destroy(scene->out);
}

/* An arena whose first chunk is used up. */
static void fill_chunk(struct fault_scene *scene)
{
	struct vio_arena_params params = VIO_ARENA_PARAMS_INIT;
	const struct vio_alloc_ops *ops;
	char *block;

	params.chunk_bytes = CHUNK_BYTES;
	assert_int_equal(vio_heap_create_arena(scene->ctx, &params, &scene->heap), 0);
	ops = vio_heap_get_ops(scene->heap);
	block = ops->alloc(ops->opaque, CHUNK_BYTES, 16);
	assert_non_null(block);
	memset(block, 0x11, CHUNK_BYTES);
	scene->pages = block;
}

static int take_chunk(struct fault_scene *scene)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(scene->heap);
	void *block = ops->alloc(ops->opaque, CHUNK_BYTES, 16);

	if (!block)
		return -ENOMEM;
	scene->out = block;
	return 0;
}

static void verify_chunk(struct fault_scene *scene)
{
	struct vio_heap_stats stats = VIO_HEAP_STATS_INIT;

	for (uint32_t i = 0; i < CHUNK_BYTES; i++)
		assert_int_equal(scene->pages[i], 0x11);
	assert_int_equal(vio_heap_read_stats(scene->heap, &stats), 0);
	assert_int_equal(stats.n_live, 1);
	assert_int_equal(stats.n_failed, 1);
}

static void destroy_heap(struct fault_scene *scene)
{
	vio_heap_destroy(scene->heap);
}

static int use_and_destroy(struct fault_scene *scene)
{
	struct vio_heap_stats stats = VIO_HEAP_STATS_INIT;

	assert_non_null(vio_heap_get_ops(scene->heap));
	assert_int_equal(vio_heap_reset(scene->heap), 0);
	assert_int_equal(vio_heap_read_stats(scene->heap, &stats), 0);
	vio_heap_destroy(scene->heap);
	return 0;
}

static const struct fault_case cases[] = {
	{ "vio_heap_create_arena", FAULT_TAKES_MEMORY, NULL, NULL, create_arena, NULL,
	  destroy_created },
	{ "vio_heap_create_pool", FAULT_TAKES_MEMORY, NULL, NULL, create_pool, NULL,
	  destroy_created },
	{ "vio_heap_create_failing", FAULT_TAKES_MEMORY, NULL, NULL, create_failing,
	  NULL, destroy_created },
	{ "vio_heap_create_arena vio_heap_get_ops", FAULT_TAKES_MEMORY, NULL,
	  fill_chunk, take_chunk, verify_chunk, destroy_heap },
	{ "vio_heap_get_ops vio_heap_reset vio_heap_read_stats vio_heap_destroy",
	  FAULT_TAKES_NOTHING, NULL, fill_chunk, use_and_destroy, NULL, NULL },
};

const struct fault_family fault_heap = { cases, sizeof(cases) / sizeof(cases[0]) };
