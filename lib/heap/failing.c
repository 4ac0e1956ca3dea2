/* SPDX-License-Identifier: MIT */
/*
 * An allocator that fails on purpose. Each block has a header in front, since
 * destroying the heap gives back what is still alive; the header's room is a
 * multiple of the block's alignment, so that the block keeps it.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/list.h"
#include "heap/heap.h"

struct block {
	struct vio_list node;
	size_t bytes; /* the header's room included */
	size_t align;
};

struct failing {
	struct vio_heap heap;
	uint64_t n_requests;
	uint64_t fail_at;
	uint64_t n_failures;
	struct vio_list blocks;
};

/* The alignment of a block together with its header. */
static size_t whole_align(size_t align)
{
	return vio_max_u64(align, _Alignof(struct block));
}

static size_t header_room(size_t align)
{
	size_t whole = whole_align(align);

	return (sizeof(struct block) + whole - 1) & ~(whole - 1);
}

static void *pass_on(struct failing *failing, size_t n, size_t align)
{
	const size_t room = header_room(align);
	struct block *block;
	uint64_t total;

	if (!vio_add_u64(n, room, &total))
		return NULL;
	block = vio_alloc(failing->heap.env, total, whole_align(align));
	if (!block)
		return NULL;
	block->bytes = total;
	block->align = whole_align(align);
	vio_list_append(&failing->blocks, &block->node);
	failing->heap.stats.held_bytes += total;
	return (char *)block + room;
}

static void *failing_alloc(void *opaque, size_t n, size_t align)
{
	struct failing *failing = opaque;
	uint64_t request = ++failing->n_requests;
	void *ptr = NULL;

	if (!failing->fail_at || request < failing->fail_at ||
	    request - failing->fail_at >= failing->n_failures)
		ptr = pass_on(failing, n, align);
	return vio_heap_record(&failing->heap, ptr, n);
}

static void give_back(struct failing *failing, struct block *block)
{
	vio_list_remove(&block->node);
	failing->heap.stats.held_bytes -= block->bytes;
	vio_free(failing->heap.env, block, block->bytes, block->align);
}

static void failing_free(void *opaque, void *ptr, size_t n, size_t align)
{
	struct failing *failing = opaque;

	/* The room is a multiple of the header's alignment. */
	give_back(failing, (void *)((char *)ptr - header_room(align)));
	vio_heap_record_free(&failing->heap, n);
}

static void failing_destroy(struct vio_heap *heap)
{
	struct failing *failing = VIO_CONTAINER_OF(heap, struct failing, heap);

	while (!vio_list_is_empty(&failing->blocks))
		give_back(failing,
			  VIO_CONTAINER_OF(failing->blocks.next, struct block, node));
	VIO_DELETE(heap->env, failing);
}

static const struct vio_heap_kind failing_kind = { .destroy = failing_destroy };

int vio_heap_create_failing(struct vio_ctx *ctx, uint64_t fail_at, uint64_t n_failures,
			    struct vio_heap **out)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct failing *failing;

	if (fail_at && !n_failures)
		return -EINVAL;
	failing = VIO_NEW(env, struct failing);
	if (!failing)
		return -ENOMEM;
	vio_heap_prepare(&failing->heap, env, &failing_kind, sizeof(*failing));
	failing->heap.ops.alloc = failing_alloc;
	failing->heap.ops.free = failing_free;
	failing->fail_at = fail_at;
	failing->n_failures = n_failures;
	vio_list_init(&failing->blocks);
	*out = &failing->heap;
	return 0;
}
