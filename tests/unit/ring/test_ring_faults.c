/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a ring on a context whose allocator fails at the Nth request:
 * creation fails whole, with nothing left behind, and a context is not destroyed
 * under either.
 */
#include <vio/ctx.h>
#include <vio/driver.h>
#include <vio/heap.h>

#include "unit/ring/guest.h"

/* A context on an allocator that fails once, at request @fail_at. */
struct bed {
	struct vio_heap *heap;
	struct vio_ctx *ctx;
	uint64_t n_live; /* blocks of the context itself */
};

static uint64_t count_live(const struct bed *bed)
{
	struct vio_heap_stats stats = VIO_HEAP_STATS_INIT;

	assert_int_equal(vio_heap_read_stats(bed->heap, &stats), 0);
	return stats.n_live;
}

static uint64_t count_failed(const struct bed *bed)
{
	struct vio_heap_stats stats = VIO_HEAP_STATS_INIT;

	assert_int_equal(vio_heap_read_stats(bed->heap, &stats), 0);
	return stats.n_failed;
}

/* 0; -ENOMEM: it was the context's request that failed. */
static int open_bed(struct bed *bed, uint64_t fail_at)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	int ret;

	assert_int_equal(vio_heap_create_failing(NULL, fail_at, 1, &bed->heap), 0);
	params.alloc = vio_heap_get_ops(bed->heap);
	ret = vio_ctx_create(&params, &bed->ctx, NULL);
	if (ret) {
		assert_int_equal(ret, -ENOMEM);
		vio_heap_destroy(bed->heap);
		return ret;
	}
	bed->n_live = count_live(bed);
	return 0;
}

static void close_bed(struct bed *bed)
{
	assert_int_equal(count_live(bed), bed->n_live);
	assert_int_equal(vio_ctx_destroy(bed->ctx, NULL), 0);
	assert_int_equal(count_live(bed), 0);
	vio_heap_destroy(bed->heap);
}

static struct vio_driver_params driver_params(struct guest *g)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;

	params.desc = guest_at(g, DESC_GPA);
	params.driver = guest_at(g, AVAIL_GPA);
	params.device = guest_at(g, USED_GPA);
	params.n_descs = N_DESCS;
	return params;
}

static int try_driver(struct bed *bed, struct guest *g)
{
	struct vio_driver_params params = driver_params(g);
	struct vio_driver *out = (void *)g;
	int ret = vio_driver_create(bed->ctx, &params, &out, NULL);

	if (ret)
		assert_ptr_equal(out, g);
	else
		vio_driver_destroy(out);
	return ret;
}

static int try_queue(struct bed *bed, struct guest *g)
{
	struct vio_queue *out = (void *)g;
	int ret = vio_queue_create(bed->ctx, &g->params, &out, NULL);

	if (ret)
		assert_ptr_equal(out, g);
	else
		vio_queue_destroy(out);
	return ret;
}

/* Every request of @create fails once; says how many there were. */
static uint32_t
fail_each(struct guest *g, int (*create)(struct bed *bed, struct guest *g))
{
	uint32_t n_refused = 0;

	for (uint64_t fail_at = 1;; fail_at++) {
		struct bed bed;
		int ret, is_over;

		if (open_bed(&bed, fail_at))
			continue;
		ret = create(&bed, g);
		is_over = !count_failed(&bed);
		assert_int_equal(ret, is_over ? 0 : -ENOMEM);
		n_refused += !is_over;
		close_bed(&bed);
		if (is_over)
			return n_refused;
	}
}

static void a_driver_side_without_memory_is_not_created(void **state)
{
	assert_int_equal(fail_each(*state, try_driver), 2);
}

static void a_queue_without_memory_is_not_created(void **state)
{
	assert_int_equal(fail_each(*state, try_queue), 2);
}

static void a_context_outlives_its_driver_side(void **state)
{
	struct vio_driver_params params = driver_params(*state);
	struct vio_driver *driver;
	struct bed bed;

	assert_int_equal(open_bed(&bed, 0), 0);
	assert_int_equal(vio_driver_create(bed.ctx, &params, &driver, NULL), 0);
	assert_int_equal(vio_ctx_destroy(bed.ctx, NULL), -EBUSY);
	vio_driver_destroy(driver);
	close_bed(&bed);
}

static void a_context_outlives_its_queue(void **state)
{
	struct guest *g = *state;
	struct vio_queue *queue;
	struct bed bed;

	assert_int_equal(open_bed(&bed, 0), 0);
	assert_int_equal(vio_queue_create(bed.ctx, &g->params, &queue, NULL), 0);
	assert_int_equal(vio_ctx_destroy(bed.ctx, NULL), -EBUSY);
	vio_queue_destroy(queue);
	close_bed(&bed);
}

/* What a guest does to its ring, the host's disk shall not feel. */

static void
count_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	assert_int_equal(level, VIO_LOG_WARNING);
	assert_string_equal(subsystem, "ring");
	assert_int_not_equal(text[0], 0);
	(*(uint32_t *)opaque)++;
}

static uint64_t stand_still(void *opaque)
{
	(void)opaque;
	return 1;
}

static void a_guest_that_latches_its_queue_again_and_again_fills_no_log(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct guest *g = *state;
	uint32_t n_lines = 0;
	struct vio_ctx *ctx;

	params.log = count_line;
	params.log_opaque = &n_lines;
	params.clock = stand_still;
	assert_int_equal(vio_ctx_create(&params, &ctx, NULL), 0);
	assert_int_equal(vio_queue_create(ctx, &g->params, &g->queue, NULL), 0);
	offer(g, N_DESCS);
	for (uint32_t i = 1; i <= 100; i++) {
		assert_int_equal(pop(g, 1), -EBADMSG);
		assert_int_equal(n_lines, i < 10 ? i : 10);
		vio_queue_reset(g->queue);
	}
	vio_queue_destroy(g->queue);
	g->queue = NULL;
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_memory, a_driver_side_without_memory_is_not_created),
		ON(open_memory, a_queue_without_memory_is_not_created),
		ON(open_memory, a_context_outlives_its_driver_side),
		ON(open_memory, a_context_outlives_its_queue),
		ON(open_memory,
		   a_guest_that_latches_its_queue_again_and_again_fills_no_log),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
