/* SPDX-License-Identifier: MIT */
/* The arena, the pool, the failing allocator, and what they count. */
#include <vio/heap.h>

#include "core/bits.h"
#include "fake/fault.h"
#include "fake/support.h"

static struct vio_heap *create_arena(struct vio_ctx *ctx, uint64_t chunk_bytes)
{
	struct vio_arena_params params = VIO_ARENA_PARAMS_INIT;
	struct vio_heap *heap;

	params.chunk_bytes = chunk_bytes;
	assert_int_equal(vio_heap_create_arena(ctx, &params, &heap), 0);
	return heap;
}

static struct vio_heap *
create_pool(uint64_t block_bytes, uint64_t n_blocks, uint64_t align)
{
	struct vio_pool_params params = VIO_POOL_PARAMS_INIT;
	struct vio_heap *heap;

	params.block_bytes = block_bytes;
	params.n_blocks = n_blocks;
	params.align = align;
	assert_int_equal(vio_heap_create_pool(NULL, &params, &heap), 0);
	return heap;
}

static void *take(struct vio_heap *heap, size_t n, size_t align)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(heap);

	return ops->alloc(ops->opaque, n, align);
}

static void give(struct vio_heap *heap, void *ptr, size_t n, size_t align)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(heap);

	ops->free(ops->opaque, ptr, n, align);
}

static struct vio_heap_stats read_stats(const struct vio_heap *heap)
{
	struct vio_heap_stats stats = VIO_HEAP_STATS_INIT;

	assert_int_equal(vio_heap_read_stats(heap, &stats), 0);
	return stats;
}

static void check_alignments(struct vio_heap *heap, size_t most)
{
	for (size_t align = 1; align <= most; align *= 2) {
		char *ptr = take(heap, 3, align);

		assert_non_null(ptr);
		assert_true(vio_is_aligned((uintptr_t)ptr, align));
		memset(ptr, 0xff, 3);
	}
}

static void an_arena_aligns_as_asked(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 0);

	(void)state;
	check_alignments(arena, 1 << 20);
	vio_heap_destroy(arena);
}

static void blocks_of_an_arena_do_not_overlap(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 256);
	unsigned char *blocks[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		blocks[i] = take(arena, 40, 8);
		assert_non_null(blocks[i]);
		memset(blocks[i], i, 40);
	}
	for (int i = 0; i < 100; i++)
		for (int j = 0; j < 40; j++)
			assert_int_equal(blocks[i][j], i);
	vio_heap_destroy(arena);
}

static void a_request_over_the_chunk_gets_a_chunk_of_its_own(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 256);
	char *big = take(arena, 10000, 64);

	(void)state;
	assert_non_null(big);
	memset(big, 0xff, 10000);
	assert_non_null(take(arena, 8, 8));
	vio_heap_destroy(arena);
}

static void a_size_that_wraps_is_answered_with_null(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 0);

	(void)state;
	assert_null(take(arena, SIZE_MAX, 1));
	assert_null(take(arena, SIZE_MAX - 8, 16));
	assert_int_equal(read_stats(arena).n_failed, 2);
	vio_heap_destroy(arena);
}

static void the_arenas_last_block_is_given_back(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 0);
	void *kept = take(arena, 64, 64);
	void *last = take(arena, 100, 16);

	(void)state;
	give(arena, last, 100, 16);
	assert_ptr_equal(take(arena, 200, 16), last);
	give(arena, kept, 64, 64);
	assert_ptr_not_equal(take(arena, 64, 64), kept);
	vio_heap_destroy(arena);
}

/* A program that repeats its work must not grow. */
static void a_reset_arena_reuses_its_chunks(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 256);
	uint64_t held_bytes = 0;

	(void)state;
	for (int round = 0; round < 10; round++) {
		for (int i = 0; i < 50; i++)
			assert_non_null(take(arena, 1 + (size_t)i * 10, 8));
		if (!round)
			held_bytes = read_stats(arena).held_bytes;
		assert_true(read_stats(arena).held_bytes == held_bytes);
		assert_int_equal(read_stats(arena).n_live, 50);
		assert_int_equal(vio_heap_reset(arena), 0);
		assert_int_equal(read_stats(arena).n_live, 0);
		assert_int_equal(read_stats(arena).live_bytes, 0);
	}
	vio_heap_destroy(arena);
}

static void an_empty_arena_can_be_reset(void **state)
{
	struct vio_heap *arena = create_arena(NULL, 0);

	(void)state;
	assert_int_equal(vio_heap_reset(arena), 0);
	assert_non_null(take(arena, 8, 8));
	vio_heap_destroy(arena);
}

static void an_arena_refuses_what_its_header_says(void **state)
{
	struct vio_arena_params params = VIO_ARENA_PARAMS_INIT;
	struct vio_heap *heap = VIO_FAULT_UNTOUCHED;

	(void)state;
	assert_int_equal(vio_heap_create_arena(NULL, NULL, &heap), -EINVAL);
	params.flags = 1;
	assert_int_equal(vio_heap_create_arena(NULL, &params, &heap), -EINVAL);
	params.flags = 0;
	params.chunk_bytes = (UINT64_C(1) << 30) + 1;
	assert_int_equal(vio_heap_create_arena(NULL, &params, &heap), -EINVAL);
	params.size = 8;
	assert_int_equal(vio_heap_create_arena(NULL, &params, &heap), -EINVAL);
	assert_ptr_equal(heap, VIO_FAULT_UNTOUCHED);
}

static void a_pool_hands_out_what_it_has_and_no_more(void **state)
{
	struct vio_heap *pool = create_pool(100, 3, 0);
	void *blocks[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		blocks[i] = take(pool, 100, 64);
		assert_non_null(blocks[i]);
		memset(blocks[i], 0xff, 100);
	}
	assert_null(take(pool, 1, 1));
	give(pool, blocks[1], 100, 64);
	assert_ptr_equal(take(pool, 1, 1), blocks[1]);
	assert_null(take(pool, 1, 1));
	assert_int_equal(read_stats(pool).n_failed, 2);
	vio_heap_destroy(pool);
}

static void a_pools_blocks_do_not_overlap(void **state)
{
	struct vio_heap *pool = create_pool(5, 100, 1);
	unsigned char *blocks[100];

	(void)state;
	for (int i = 0; i < 100; i++) {
		blocks[i] = take(pool, 5, 1);
		assert_non_null(blocks[i]);
		memset(blocks[i], i, 5);
	}
	for (int i = 0; i < 100; i++)
		for (int j = 0; j < 5; j++)
			assert_int_equal(blocks[i][j], i);
	vio_heap_destroy(pool);
}

static void a_pools_freed_blocks_come_back_latest_first(void **state)
{
	struct vio_heap *pool = create_pool(64, 4, 0);
	void *a = take(pool, 64, 64), *b = take(pool, 64, 64);

	(void)state;
	give(pool, a, 64, 64);
	give(pool, b, 64, 64);
	assert_ptr_equal(take(pool, 64, 64), b);
	assert_ptr_equal(take(pool, 64, 64), a);
	vio_heap_destroy(pool);
}

static void a_pool_refuses_blocks_larger_or_stricter_than_its_own(void **state)
{
	struct vio_heap *pool = create_pool(100, 3, 32);

	(void)state;
	assert_null(take(pool, 101, 32));
	assert_null(take(pool, 100, 64));
	assert_non_null(take(pool, 100, 32));
	vio_heap_destroy(pool);
}

static void a_pool_aligns_every_block(void **state)
{
	struct vio_heap *pool = create_pool(3, 64, 4096);

	(void)state;
	for (int i = 0; i < 64; i++)
		assert_true(vio_is_aligned((uintptr_t)take(pool, 3, 4096), 4096));
	vio_heap_destroy(pool);
}

static void check_pool_refused(struct vio_pool_params params)
{
	struct vio_heap *heap = VIO_FAULT_UNTOUCHED;

	assert_int_equal(vio_heap_create_pool(NULL, &params, &heap), -EINVAL);
	assert_ptr_equal(heap, VIO_FAULT_UNTOUCHED);
}

static void a_pool_refuses_parameters_out_of_range(void **state)
{
	const struct vio_pool_params good = { sizeof(good), 0, 64, 64, 8 };
	struct vio_pool_params p;

	(void)state;
	check_pool_refused((p = good, p.flags = 1, p));
	check_pool_refused((p = good, p.block_bytes = 0, p));
	check_pool_refused((p = good, p.block_bytes = (1 << 20) + 1, p));
	check_pool_refused((p = good, p.n_blocks = 0, p));
	check_pool_refused((p = good, p.n_blocks = (1 << 20) + 1, p));
	check_pool_refused((p = good, p.align = 3, p));
	check_pool_refused((p = good, p.align = 8192, p));
	check_pool_refused((p = good, p.size = 8, p));
}

static void only_an_arena_can_be_reset(void **state)
{
	struct vio_heap *pool = create_pool(64, 1, 0);

	(void)state;
	assert_int_equal(vio_heap_reset(pool), -EOPNOTSUPP);
	vio_heap_destroy(pool);
}

static void the_chosen_requests_fail_and_no_others(void **state)
{
	struct vio_heap *heap;

	(void)state;
	assert_int_equal(vio_heap_create_failing(NULL, 2, 2, &heap), 0);
	assert_non_null(take(heap, 8, 8));
	assert_null(take(heap, 8, 8));
	assert_null(take(heap, 8, 8));
	assert_non_null(take(heap, 8, 8));
	assert_int_equal(read_stats(heap).n_failed, 2);
	vio_heap_destroy(heap);
}

static void a_failing_allocator_that_never_fails_is_an_allocator(void **state)
{
	struct vio_heap *heap;
	char *ptr;

	(void)state;
	assert_int_equal(vio_heap_create_failing(NULL, 0, 0, &heap), 0);
	check_alignments(heap, 4096);
	ptr = take(heap, 100, 256);
	give(heap, ptr, 100, 256);
	assert_null(take(heap, SIZE_MAX, 8));
	vio_heap_destroy(heap);
}

static void a_failing_allocator_without_failures_is_refused(void **state)
{
	struct vio_heap *heap = VIO_FAULT_UNTOUCHED;

	(void)state;
	assert_int_equal(vio_heap_create_failing(NULL, 1, 0, &heap), -EINVAL);
	assert_ptr_equal(heap, VIO_FAULT_UNTOUCHED);
}

static void stats_follow_blocks_that_come_and_go(void **state)
{
	struct vio_heap *pool = create_pool(64, 4, 0);
	void *a = take(pool, 10, 8), *b = take(pool, 20, 8);
	struct vio_heap_stats stats;

	(void)state;
	give(pool, a, 10, 8);
	stats = read_stats(pool);
	assert_int_equal(stats.live_bytes, 20);
	assert_int_equal(stats.peak_bytes, 30);
	assert_int_equal(stats.n_live, 1);
	assert_int_equal(stats.n_allocs, 2);
	assert_int_equal(stats.n_failed, 0);
	assert_true(stats.held_bytes >= 4 * 64);
	give(pool, b, 20, 8);
	vio_heap_destroy(pool);
}

static void stats_without_room_are_refused(void **state)
{
	struct vio_heap *pool = create_pool(64, 1, 0);
	struct vio_heap_stats stats = { .size = 8, .n_live = 77 };

	(void)state;
	assert_int_equal(vio_heap_read_stats(pool, NULL), -EINVAL);
	assert_int_equal(vio_heap_read_stats(pool, &stats), -EINVAL);
	assert_int_equal(stats.n_live, 77);
	vio_heap_destroy(pool);
}

static void destroying_no_heap_is_harmless(void **state)
{
	(void)state;
	vio_heap_destroy(NULL);
}

/* A heap of the given kind on the context, destroyed with blocks alive. */
static int use_heap(struct vio_ctx *ctx, int kind, struct vio_heap **out)
{
	struct vio_pool_params pool = { sizeof(pool), 0, 64, 0, 4 };
	struct vio_arena_params arena = { sizeof(arena), 0, 256 };

	if (kind == 0)
		return vio_heap_create_arena(ctx, &arena, out);
	if (kind == 1)
		return vio_heap_create_pool(ctx, &pool, out);
	return vio_heap_create_failing(ctx, 0, 0, out);
}

static int heap_scenario(struct vio_fault *fault, void *opaque)
{
	struct vio_heap *heap = VIO_FAULT_UNTOUCHED;
	struct vio_ctx *ctx = NULL;
	int ret = vio_fault_create_ctx(fault, VIO_CTX_NO_URING, &ctx);

	if (ret)
		return ret;
	ret = use_heap(ctx, *(int *)opaque, &heap);
	if (ret) {
		assert_ptr_equal(heap, VIO_FAULT_UNTOUCHED);
	} else {
		for (int i = 0; i < 4 && !ret; i++)
			ret = take(heap, 64, 8) ? 0 : -ENOMEM;
		vio_heap_destroy(heap);
	}
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static void heaps_give_everything_back_whatever_allocation_fails(void **state)
{
	(void)state;
	for (int kind = 0; kind < 3; kind++)
		assert_true(vio_fault_run_allocs(heap_scenario, &kind) >= 3);
}

static void a_heap_counts_as_an_object_of_its_context(void **state)
{
	struct vio_fault fault;
	struct vio_heap *heap;
	struct vio_ctx *ctx;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	assert_int_equal(vio_fault_create_ctx(&fault, 0, &ctx), 0);
	heap = create_arena(ctx, 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), -EBUSY);
	vio_heap_destroy(heap);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	vio_fault_verify(&fault);
}

static void heaps_stack(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_heap *outer, *inner;
	struct vio_ctx *ctx;

	(void)state;
	outer = create_arena(NULL, 0);
	params.alloc = vio_heap_get_ops(outer);
	assert_int_equal(vio_ctx_create(&params, &ctx, NULL), 0);
	inner = create_arena(ctx, 256);
	assert_non_null(take(inner, 100, 8));
	assert_true(read_stats(outer).n_live > 0);
	vio_heap_destroy(inner);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	assert_int_equal(read_stats(outer).n_live, 0);
	vio_heap_destroy(outer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_arena_aligns_as_asked),
		cmocka_unit_test(blocks_of_an_arena_do_not_overlap),
		cmocka_unit_test(a_request_over_the_chunk_gets_a_chunk_of_its_own),
		cmocka_unit_test(a_size_that_wraps_is_answered_with_null),
		cmocka_unit_test(the_arenas_last_block_is_given_back),
		cmocka_unit_test(a_reset_arena_reuses_its_chunks),
		cmocka_unit_test(an_empty_arena_can_be_reset),
		cmocka_unit_test(an_arena_refuses_what_its_header_says),
		cmocka_unit_test(a_pool_hands_out_what_it_has_and_no_more),
		cmocka_unit_test(a_pools_blocks_do_not_overlap),
		cmocka_unit_test(a_pools_freed_blocks_come_back_latest_first),
		cmocka_unit_test(a_pool_refuses_blocks_larger_or_stricter_than_its_own),
		cmocka_unit_test(a_pool_aligns_every_block),
		cmocka_unit_test(a_pool_refuses_parameters_out_of_range),
		cmocka_unit_test(only_an_arena_can_be_reset),
		cmocka_unit_test(the_chosen_requests_fail_and_no_others),
		cmocka_unit_test(a_failing_allocator_that_never_fails_is_an_allocator),
		cmocka_unit_test(a_failing_allocator_without_failures_is_refused),
		cmocka_unit_test(stats_follow_blocks_that_come_and_go),
		cmocka_unit_test(stats_without_room_are_refused),
		cmocka_unit_test(destroying_no_heap_is_harmless),
		cmocka_unit_test(heaps_give_everything_back_whatever_allocation_fails),
		cmocka_unit_test(a_heap_counts_as_an_object_of_its_context),
		cmocka_unit_test(heaps_stack),
	};

	return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
