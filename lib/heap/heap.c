/* SPDX-License-Identifier: MIT */
/*
 * What is the same for every heap, and the default allocator. Counters are
 * plain: a heap has one thread at a time, and whoever needs several puts a lock
 * of his own around the ops.
 */
#include <errno.h>
#include <stdlib.h>

#include "core/params.h"
#include "heap/heap.h"

void *vio_heap_malloc(void *opaque, size_t n, size_t align)
{
	void *ptr;

	(void)opaque;
	if (align <= _Alignof(max_align_t))
		return malloc(n);
	return posix_memalign(&ptr, align, n) ? NULL : ptr;
}

void vio_heap_free(void *opaque, void *ptr, size_t n, size_t align)
{
	(void)opaque;
	(void)n;
	(void)align;
	free(ptr);
}

void vio_heap_prepare(struct vio_heap *heap, const struct vio_env *env,
		      const struct vio_heap_kind *kind, size_t own_bytes)
{
	heap->env = env;
	heap->kind = kind;
	heap->ops.size = sizeof(heap->ops);
	heap->ops.opaque = heap;
	heap->stats.held_bytes = own_bytes;
	vio_env_hold(env);
}

void *vio_heap_record(struct vio_heap *heap, void *ptr, size_t n)
{
	struct vio_heap_stats *stats = &heap->stats;

	if (!ptr) {
		stats->n_failed++;
		return NULL;
	}
	stats->n_allocs++;
	stats->n_live++;
	stats->live_bytes += n;
	if (stats->peak_bytes < stats->live_bytes)
		stats->peak_bytes = stats->live_bytes;
	return ptr;
}

void vio_heap_record_free(struct vio_heap *heap, size_t n)
{
	heap->stats.n_live--;
	heap->stats.live_bytes -= n;
}

const struct vio_alloc_ops *vio_heap_get_ops(const struct vio_heap *heap)
{
	return &heap->ops;
}

int vio_heap_reset(struct vio_heap *heap)
{
	if (!heap->kind->reset)
		return -EOPNOTSUPP;
	heap->kind->reset(heap);
	heap->stats.n_live = 0;
	heap->stats.live_bytes = 0;
	return 0;
}

int vio_heap_read_stats(const struct vio_heap *heap, struct vio_heap_stats *stats)
{
	struct vio_heap_stats copy = heap->stats;

	return vio_params_fill(stats, sizeof(copy), &copy, sizeof(copy));
}

void vio_heap_destroy(struct vio_heap *heap)
{
	const struct vio_env *env;

	if (!heap)
		return;
	env = heap->env;
	heap->kind->destroy(heap);
	vio_env_drop(env);
}
