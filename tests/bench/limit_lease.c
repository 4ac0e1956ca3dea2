/* SPDX-License-Identifier: MIT */
/*
 * What sharing costs through leases: bytes and operations of a tree of two levels,
 * 17 requests to a refill, which reads the clock. Against atomic counters without any
 * limit: a pair of them for one thread, and one for two threads, whatever they do.
 */
#include <errno.h>
#include <stdio.h>

#include "bench/limit_scene.h"

#define QUANTUM 16

/* As a queue does it: take, on a miss read the clock and refill. */
static void spend(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct limit_tree *tree = opaque;
	struct vio_lease *lease = &tree->seat[index].lease;
	uint64_t retry_at_ns;

	for (uint64_t i = 0; i < n_ops; i++) {
		BENCH_FORGET(lease);
		while (BENCH_UNLIKELY(vio_lease_take(lease, OP_BYTES, 1) < 0))
			limit_check(vio_lease_refill(lease, bench_now_ns(), OP_BYTES, 1,
						     &retry_at_ns),
				    "vio_lease_refill");
	}
}

static int run_row(const struct bench_options *options, struct bench_row *row,
		   uint32_t n_threads, uint32_t n_leaves)
{
	const struct limit_shape shape = { n_leaves, n_threads, QUANTUM * OP_BYTES,
					   QUANTUM };
	const struct limit_beside beside = { 2, n_threads, n_threads > 1, 1 };
	struct limit_tree tree;
	int failed;

	limit_open_tree(&tree, &shape, spend);
	row->bench = "limit_lease";
	row->subject = (struct bench_side){ limit_run_job, &tree.job };
	failed = bench_run(options, row);
	failed |= limit_run_beside_meter(options, row, &beside);
	limit_close_tree(&tree);
	return failed;
}

static int run_one(const struct bench_options *options)
{
	struct limit_counters counters = { 0 };
	struct limit_job floor = { limit_add_pair, &counters, 1 };
	struct bench_row row = {
		.params = "threads=1 levels=2 bytes+ops quantum=16",
		.floor_name = "fetch_add pair",
		.floor = { limit_run_job, &floor },
		.n_ops = 10000, /* some 50 us: seldom preempted */
		.n_slices = 32,
		.max_ratio = 1,
	};

	return run_row(options, &row, 1, 1);
}

static int
run_two(const struct bench_options *options, const char *params, uint32_t n_leaves)
{
	struct limit_counters counters = { 0 };
	struct limit_job floor = { limit_add_one, &counters, 2 };
	struct bench_row row = {
		.params = params,
		.floor_name = "shared fetch_add",
		.floor = { limit_run_job, &floor },
		.n_ops = 50000,
		.least_rounds = BENCH_ROUNDS_SHARED,
		.max_ratio = 1.3,
	};

	return run_row(options, &row, 2, n_leaves);
}

int main(int argc, char **argv)
{
	struct bench_options options;
	int failed;

	bench_parse(&options, argc, argv);
	failed = run_one(&options);
	if (bench_pin(1) < 0) {
		fprintf(stderr, "limit_lease threads=2: skipped, one processor\n");
		return failed;
	}
	bench_pin(0);
	failed |= run_two(&options, "threads=2 leaves=2 levels=2 bytes+ops quantum=16",
			  2);
	failed |= run_two(&options, "threads=2 leaves=1 levels=2 bytes+ops quantum=16",
			  1);
	return failed;
}
