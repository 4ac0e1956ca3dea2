/* SPDX-License-Identifier: MIT */
/**
 * @file vio/heap.h
 * @defgroup heap Allocators
 * Where libvio takes memory from, and allocators to hand to it.
 *
 * struct vio_alloc_ops is all that libvio asks of an allocator; a context
 * carries one, and everything created on the context uses it. A heap is an
 * allocator that libvio provides: it takes memory from its context's allocator
 * and offers the same ops, so that heaps stack.
 * @code
 *	struct vio_arena_params params = VIO_ARENA_PARAMS_INIT;
 *	const struct vio_alloc_ops *ops;
 *	struct vio_heap *arena;
 *
 *	if (vio_heap_create_arena(NULL, &params, &arena) < 0)
 *		return -1;
 *	ops = vio_heap_get_ops(arena);
 *	p = ops->alloc(ops->opaque, 100, 16);
 *	...
 *	vio_heap_destroy(arena);
 * @endcode
 * @{
 */
#ifndef VIO_HEAP_H
#define VIO_HEAP_H

#include <vio/common.h>

VIO_BEGIN_DECLS

/**
 * An allocator. @c free is told the size and alignment that @c alloc was
 * asked for, so that an allocator need not remember them.
 */
struct vio_alloc_ops {
	uint32_t size;  /**< sizeof(struct vio_alloc_ops) */
	uint32_t flags; /**< 0 */
	/**
	 * Returns @p size_bytes (at least 1) aligned to @p align (a power of
	 * two), uninitialised, or NULL.
	 */
	void *(*alloc)(void *opaque, size_t size_bytes, size_t align);
	/** Takes back what alloc returned; never called with NULL. */
	void (*free)(void *opaque, void *ptr, size_t size_bytes, size_t align);
	void *opaque; /**< first argument of both */
};
/** An empty struct vio_alloc_ops. */
#define VIO_ALLOC_OPS_INIT                                                             \
	{                                                                              \
		(uint32_t)sizeof(struct vio_alloc_ops), 0, NULL, NULL, NULL            \
	}

/** What a heap has done. Start from VIO_HEAP_STATS_INIT. */
struct vio_heap_stats {
	uint32_t size;       /**< in: sizeof; out: bytes filled */
	uint32_t flags;      /**< 0 */
	uint64_t live_bytes; /**< asked for and not freed */
	uint64_t peak_bytes; /**< highest live_bytes so far */
	uint64_t held_bytes; /**< taken from the context's allocator */
	uint64_t n_live;     /**< blocks not freed */
	uint64_t n_allocs;   /**< blocks handed out since creation */
	uint64_t n_failed;   /**< requests answered with NULL */
};
/** An empty struct vio_heap_stats. */
#define VIO_HEAP_STATS_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_heap_stats), 0, 0, 0, 0, 0, 0, 0           \
	}

/** Parameters of an arena. Start from VIO_ARENA_PARAMS_INIT. */
struct vio_arena_params {
	uint32_t size;        /**< sizeof(struct vio_arena_params) */
	uint32_t flags;       /**< 0 */
	uint64_t chunk_bytes; /**< taken at a time; 0: 64 KiB; at most 1 GiB */
};
/** An arena of default chunks. */
#define VIO_ARENA_PARAMS_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_arena_params), 0, 0                        \
	}

/** Parameters of a pool. Start from VIO_POOL_PARAMS_INIT. */
struct vio_pool_params {
	uint32_t size;        /**< sizeof(struct vio_pool_params) */
	uint32_t flags;       /**< 0 */
	uint64_t block_bytes; /**< size of every block, 1 to 1 MiB */
	uint64_t align;       /**< power of two, at most 4096; 0: 64, a cache line */
	uint64_t n_blocks;    /**< most alive at once, 1 to 2^20, taken at creation */
};
/** A pool; block_bytes and n_blocks are still to be filled. */
#define VIO_POOL_PARAMS_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_pool_params), 0, 0, 0, 0                   \
	}

/**
 * Create an arena: allocation moves a pointer, freeing a block does nothing,
 * vio_heap_reset() frees all at once. The most recent block is given back by
 * its free.
 * @param ctx       its allocator gives the chunks; NULL: malloc()
 * @param params    copied
 * @param[out] out  the caller's, to vio_heap_destroy()
 * @return 0; -EINVAL: params NULL, chunk_bytes over 1 GiB, or an unknown flag;
 * -E2BIG: see @ref abi; -ENOMEM.
 * @par Threads  Any. The heap itself: One per object.
 */
VIO_API VIO_MUST_CHECK int vio_heap_create_arena(struct vio_ctx *ctx,
						 const struct vio_arena_params *params,
						 struct vio_heap **out);

/**
 * Create a pool: blocks of one size, all taken at creation, each found and
 * freed in a few instructions. A request larger than a block, or aligned more
 * strictly, is answered with NULL.
 * @param ctx       its allocator gives the memory; NULL: malloc()
 * @param params    copied
 * @param[out] out  the caller's, to vio_heap_destroy()
 * @return 0; -EINVAL: a parameter out of its range; -E2BIG: see @ref abi;
 * -ENOMEM.
 * @par Threads  Any. The heap itself: One per object.
 */
VIO_API VIO_MUST_CHECK int vio_heap_create_pool(struct vio_ctx *ctx,
						const struct vio_pool_params *params,
						struct vio_heap **out);

/**
 * Create a failing allocator: test equipment that passes requests on to the
 * context's allocator and answers chosen ones with NULL.
 * @param ctx       its allocator serves the other requests; NULL: malloc()
 * @param fail_at   the request that fails, counted from 1; 0: none
 * @param n_failures  how many in a row fail from there on; at least 1 if
 *                  @p fail_at is not 0
 * @param[out] out  the caller's, to vio_heap_destroy()
 * @return 0; -EINVAL: fail_at without n_failures; -ENOMEM.
 * @par Threads  Any. The heap itself: One per object.
 */
VIO_API VIO_MUST_CHECK int
vio_heap_create_failing(struct vio_ctx *ctx, uint64_t fail_at, uint64_t n_failures,
			struct vio_heap **out);

/**
 * The heap's ops, to call or to put into struct vio_ctx_params.
 * @param heap  a heap
 * @return ops that live as long as the heap.
 * @par Threads  Any.
 */
VIO_API const struct vio_alloc_ops *vio_heap_get_ops(const struct vio_heap *heap);

/**
 * Free every block of an arena at once; its chunks are kept for reuse.
 * @param heap  an arena
 * @return 0; -EOPNOTSUPP: not an arena.
 * @par Threads  One per object.
 */
VIO_API int vio_heap_reset(struct vio_heap *heap);

/**
 * Copy out what the heap has done.
 * @param heap            a heap
 * @param[in,out] stats   size set by the caller; filled up to that size
 * @return 0; -EINVAL: stats is NULL or too short.
 * @par Threads  One per object.
 */
VIO_API int
vio_heap_read_stats(const struct vio_heap *heap, struct vio_heap_stats *stats);

/**
 * Destroy a heap and give its memory back, blocks still alive included.
 * @param heap  a heap, or NULL
 * @par Threads  One per object.
 */
VIO_API void vio_heap_destroy(struct vio_heap *heap);

VIO_END_DECLS
/** @} */
#endif /* VIO_HEAP_H */
