/* SPDX-License-Identifier: MIT */
/*
 * What every heap has: the ops it offers, the env it takes memory from, its
 * counters, and a table of what its kind can do. A kind's struct begins with
 * struct vio_heap.
 */
#ifndef VIO_HEAP_HEAP_H
#define VIO_HEAP_HEAP_H

#include <vio/heap.h>

#include "core/env.h"

struct vio_heap_kind {
	/* Free every block; NULL: this kind cannot. */
	void (*reset)(struct vio_heap *heap);
	/* Give back the memory, the heap's own struct included. */
	void (*destroy)(struct vio_heap *heap);
};

struct vio_heap {
	const struct vio_env *env;
	const struct vio_heap_kind *kind;
	struct vio_alloc_ops ops;
	struct vio_heap_stats stats;
};

/* Fills the head of a heap of @own_bytes, which was zeroed. */
void vio_heap_prepare(struct vio_heap *heap, const struct vio_env *env,
		      const struct vio_heap_kind *kind, size_t own_bytes);

/* Counts a request that was answered with @ptr, which it returns. */
void *vio_heap_record(struct vio_heap *heap, void *ptr, size_t n);

/* Counts a block of @n bytes that came back. */
void vio_heap_record_free(struct vio_heap *heap, size_t n);

/* malloc() and free() as the two functions of struct vio_alloc_ops. */
void *vio_heap_malloc(void *opaque, size_t n, size_t align);
void vio_heap_free(void *opaque, void *ptr, size_t n, size_t align);

#endif /* VIO_HEAP_HEAP_H */
