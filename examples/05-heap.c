/* SPDX-License-Identifier: MIT */
/*
 * Where does libvio take memory from? From the allocator of its context. Here that
 * is an arena: the program counts what the library uses, lets an allocation fail on
 * purpose, and gives everything back in one step.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <vio/vio.h>

static void check(int is_good, const char *text)
{
	if (!is_good) {
		fprintf(stderr, "unexpected: %s\n", text);
		exit(EXIT_FAILURE);
	}
}

/* A context, a tenant and a memory table from @heap; what the first failure said. */
static int use(const struct vio_heap *heap)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_ctx *ctx;
	struct vio_dom *dom;
	struct vio_mem *mem;
	int ret;

	params.alloc = vio_heap_get_ops(heap);
	ret = vio_ctx_create(&params, &ctx, NULL);
	if (ret < 0)
		return ret;
	ret = vio_dom_create(ctx, "guest", &dom);
	if (ret < 0)
		goto destroy_ctx;
	ret = vio_mem_create(ctx, &mem);
	if (ret == 0)
		ret = vio_mem_destroy(mem, NULL);
	vio_dom_destroy(dom, NULL);
destroy_ctx:
	vio_ctx_destroy(ctx, NULL);
	return ret;
}

static void count_in_an_arena(void)
{
	struct vio_arena_params params = VIO_ARENA_PARAMS_INIT;
	struct vio_heap_stats stats = VIO_HEAP_STATS_INIT;
	struct vio_heap *arena;

	check(vio_heap_create_arena(NULL, &params, &arena) == 0, "arena");
	check(use(arena) == 0, "use");
	check(vio_heap_read_stats(arena, &stats) == 0, "stats");
	printf("%llu allocations, %llu bytes at the most, %llu left over\n",
	       (unsigned long long)stats.n_allocs, (unsigned long long)stats.peak_bytes,
	       (unsigned long long)stats.live_bytes);
	check(stats.live_bytes == 0, "something was not given back");
	vio_heap_destroy(arena);
}

/* Lets the first allocation fail, then the second, until none is left to fail. */
static void fail_each_allocation(void)
{
	uint64_t nth = 0;
	int ret;

	do {
		struct vio_heap *failing;

		check(vio_heap_create_failing(NULL, ++nth, 1, &failing) == 0, "heap");
		ret = use(failing);
		check(ret == 0 || ret == -ENOMEM, "another error than -ENOMEM");
		vio_heap_destroy(failing);
	} while (ret == -ENOMEM);
	printf("%llu allocations failed in turn, each with -ENOMEM\n",
	       (unsigned long long)nth - 1);
	check(nth > 1, "nothing failed");
}

int main(void)
{
	count_in_an_arena();
	fail_each_allocation();
	return EXIT_SUCCESS;
}
