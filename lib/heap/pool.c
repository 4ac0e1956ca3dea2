/* SPDX-License-Identifier: MIT */
/*
 * A pool: equal blocks in one piece of memory. A free block holds the link to
 * the next free one. Blocks never handed out yet are counted rather than
 * linked, so that a large pool touches no page before its block is wanted.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/list.h"
#include "core/params.h"
#include "heap/heap.h"

#define DEFAULT_ALIGN   UINT64_C(64) /* a cache line: neighbours do not share one */
#define MAX_ALIGN       UINT64_C(4096)
#define MAX_BLOCK_BYTES (UINT64_C(1) << 20)
#define MAX_BLOCKS      (UINT64_C(1) << 20)

struct pool {
	struct vio_heap heap;
	size_t block_bytes;
	size_t align;
	size_t stride; /* from one block to the next */
	size_t n_blocks;
	size_t n_fresh; /* blocks from here on were never handed out */
	void *free;     /* the last block that came back, or NULL */
	char *blocks;
};

static void *take_block(struct pool *pool)
{
	void *block = pool->free;

	if (block)
		memcpy(&pool->free, block, sizeof(pool->free));
	else if (pool->n_fresh < pool->n_blocks)
		block = pool->blocks + pool->n_fresh++ * pool->stride;
	return block;
}

static void *pool_alloc(void *opaque, size_t n, size_t align)
{
	struct pool *pool = opaque;
	void *block = NULL;

	if (n <= pool->block_bytes && align <= pool->align)
		block = take_block(pool);
	return vio_heap_record(&pool->heap, block, n);
}

static void pool_free(void *opaque, void *ptr, size_t n, size_t align)
{
	struct pool *pool = opaque;

	(void)align;
	memcpy(ptr, &pool->free, sizeof(pool->free));
	pool->free = ptr;
	vio_heap_record_free(&pool->heap, n);
}

static void pool_destroy(struct vio_heap *heap)
{
	struct pool *pool = VIO_CONTAINER_OF(heap, struct pool, heap);

	vio_free(heap->env, pool->blocks, pool->stride * pool->n_blocks, pool->align);
	VIO_DELETE(heap->env, pool);
}

static const struct vio_heap_kind pool_kind = { .destroy = pool_destroy };

static int check_params(const struct vio_pool_params *p)
{
	if (p->flags || !p->block_bytes || p->block_bytes > MAX_BLOCK_BYTES ||
	    !p->n_blocks || p->n_blocks > MAX_BLOCKS)
		return -EINVAL;
	if (p->align && (!vio_is_power_of_two(p->align) || p->align > MAX_ALIGN))
		return -EINVAL;
	return 0;
}

/* No product here can wrap: check_params() keeps all of them under 2^41. */
static int
fill_pool(struct pool *pool, const struct vio_env *env, const struct vio_pool_params *p)
{
	size_t least = vio_max_u64(p->block_bytes, sizeof(pool->free));
	size_t total;

	pool->block_bytes = p->block_bytes;
	pool->n_blocks = p->n_blocks;
	pool->align = p->align ? p->align : DEFAULT_ALIGN;
	pool->stride = (least + pool->align - 1) & ~(pool->align - 1);
	total = pool->stride * pool->n_blocks;
	pool->blocks = vio_alloc(env, total, pool->align);
	if (!pool->blocks)
		return -ENOMEM;
	vio_heap_prepare(&pool->heap, env, &pool_kind, sizeof(*pool) + total);
	pool->heap.ops.alloc = pool_alloc;
	pool->heap.ops.free = pool_free;
	return 0;
}

int vio_heap_create_pool(struct vio_ctx *ctx, const struct vio_pool_params *params,
			 struct vio_heap **out)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_pool_params p;
	struct pool *pool;
	int ret;

	ret = vio_params_copy(&p, sizeof(p), sizeof(p), params);
	if (!ret)
		ret = check_params(&p);
	if (ret)
		return ret;

	pool = VIO_NEW(env, struct pool);
	if (!pool)
		return -ENOMEM;
	ret = fill_pool(pool, env, &p);
	if (ret) {
		VIO_DELETE(env, pool);
		return ret;
	}
	*out = &pool->heap;
	return 0;
}
