/* SPDX-License-Identifier: MIT */
/*
 * An arena: a cursor that moves through chunks. A chunk that is left keeps what
 * was at its end unused; going back to it would mean a search per request. A
 * reset makes all chunks spare, and spare ones are tried before a new one is
 * taken, so that work that repeats settles at a fixed number of chunks.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/list.h"
#include "core/params.h"
#include "heap/heap.h"

#define DEFAULT_CHUNK_BYTES (UINT64_C(64) << 10)
#define MAX_CHUNK_BYTES     (UINT64_C(1) << 30)

struct chunk {
	struct vio_list node;
	size_t bytes; /* this header included */
};

struct arena {
	struct vio_heap heap;
	size_t chunk_bytes;
	struct vio_list used; /* the last is the one the cursor is in */
	struct vio_list spare;
	uintptr_t cursor; /* 0: no chunk yet */
	uintptr_t end;
};

/* The address a block would get, or 0 if it would end past @end. */
static uintptr_t fit_block(uintptr_t start, uintptr_t end, size_t n, size_t align)
{
	uint64_t at, last;

	if (!vio_add_u64(start, align - 1, &at))
		return 0;
	at &= ~((uint64_t)align - 1);
	if (!vio_add_u64(at, n, &last) || last > end)
		return 0;
	return at;
}

static struct chunk *find_spare(struct arena *arena, size_t n, size_t align)
{
	struct vio_list *node = arena->spare.next;

	for (; node != &arena->spare; node = node->next) {
		struct chunk *chunk = VIO_CONTAINER_OF(node, struct chunk, node);
		uintptr_t start = (uintptr_t)(chunk + 1);

		if (fit_block(start, (uintptr_t)chunk + chunk->bytes, n, align)) {
			vio_list_remove(&chunk->node);
			return chunk;
		}
	}
	return NULL;
}

/* A request that no ordinary chunk can hold gets a chunk of its own size. */
static struct chunk *take_chunk(struct arena *arena, size_t n, size_t align)
{
	struct chunk *chunk;
	uint64_t need;

	if (!vio_add_u64(n, align - 1, &need) ||
	    !vio_add_u64(need, sizeof(*chunk), &need))
		return NULL;
	need = vio_max_u64(need, arena->chunk_bytes);
	chunk = vio_alloc(arena->heap.env, need, _Alignof(struct chunk));
	if (!chunk)
		return NULL;
	chunk->bytes = need;
	arena->heap.stats.held_bytes += need;
	return chunk;
}

static int enter_chunk(struct arena *arena, size_t n, size_t align)
{
	struct chunk *chunk = find_spare(arena, n, align);

	if (!chunk)
		chunk = take_chunk(arena, n, align);
	if (!chunk)
		return -ENOMEM;
	vio_list_append(&arena->used, &chunk->node);
	arena->cursor = (uintptr_t)(chunk + 1);
	arena->end = (uintptr_t)chunk + chunk->bytes;
	return 0;
}

static void *arena_alloc(void *opaque, size_t n, size_t align)
{
	struct arena *arena = opaque;
	uintptr_t at = 0;

	if (arena->cursor)
		at = fit_block(arena->cursor, arena->end, n, align);
	if (!at && !enter_chunk(arena, n, align))
		at = fit_block(arena->cursor, arena->end, n, align);
	if (at)
		arena->cursor = at + n;
	return vio_heap_record(&arena->heap, (void *)at, n);
}

static void arena_free(void *opaque, void *ptr, size_t n, size_t align)
{
	struct arena *arena = opaque;

	(void)align;
	if ((uintptr_t)ptr + n == arena->cursor)
		arena->cursor = (uintptr_t)ptr;
	vio_heap_record_free(&arena->heap, n);
}

static void arena_reset(struct vio_heap *heap)
{
	struct arena *arena = VIO_CONTAINER_OF(heap, struct arena, heap);

	while (!vio_list_is_empty(&arena->used)) {
		struct vio_list *node = arena->used.next;

		vio_list_remove(node);
		vio_list_append(&arena->spare, node);
	}
	arena->cursor = 0;
}

static void arena_destroy(struct vio_heap *heap)
{
	struct arena *arena = VIO_CONTAINER_OF(heap, struct arena, heap);
	const struct vio_env *env = heap->env;

	arena_reset(heap);
	while (!vio_list_is_empty(&arena->spare)) {
		struct chunk *chunk =
			VIO_CONTAINER_OF(arena->spare.next, struct chunk, node);

		vio_list_remove(&chunk->node);
		vio_free(env, chunk, chunk->bytes, _Alignof(struct chunk));
	}
	VIO_DELETE(env, arena);
}

static const struct vio_heap_kind arena_kind = {
	.reset = arena_reset,
	.destroy = arena_destroy,
};

int vio_heap_create_arena(struct vio_ctx *ctx, const struct vio_arena_params *params,
			  struct vio_heap **out)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_arena_params p;
	struct arena *arena;
	int ret;

	ret = vio_params_copy(&p, sizeof(p), sizeof(p), params);
	if (ret)
		return ret;
	if (p.flags || p.chunk_bytes > MAX_CHUNK_BYTES)
		return -EINVAL;

	arena = VIO_NEW(env, struct arena);
	if (!arena)
		return -ENOMEM;
	vio_heap_prepare(&arena->heap, env, &arena_kind, sizeof(*arena));
	arena->heap.ops.alloc = arena_alloc;
	arena->heap.ops.free = arena_free;
	arena->chunk_bytes = p.chunk_bytes ? p.chunk_bytes : DEFAULT_CHUNK_BYTES;
	vio_list_init(&arena->used);
	vio_list_init(&arena->spare);
	*out = &arena->heap;
	return 0;
}
