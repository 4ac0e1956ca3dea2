/* SPDX-License-Identifier: MIT */
/*
 * What it costs to spend from a lease that covers it: vio_lease_take() against the
 * least that any limit in memory must do, compare a counter and decrement it. For
 * count.sh it also refills, from a leaf that covers that.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bench/limit_scene.h"

#define MAX_HIT_RATIO 2.0

struct counter {
	uint64_t left;
	uint64_t n_bytes; /* of an operation; not a constant to the compiler */
	uint64_t n_refused;
};

static uint64_t run_floor(void *opaque, uint64_t n_ops)
{
	struct counter *counter = opaque;
	const uint64_t n_bytes = counter->n_bytes;
	uint64_t start_ns = bench_now_ns();

	counter->left = UINT64_MAX;
	for (uint64_t i = 0; i < n_ops; i++) {
		BENCH_FORGET(counter);
		if (BENCH_UNLIKELY(counter->left < n_bytes))
			counter->n_refused++;
		else
			counter->left -= n_bytes;
	}
	return bench_now_ns() - start_ns;
}

/* The loop of both sides and nothing in it, for the instruction count. */
static uint64_t run_loop(void *opaque, uint64_t n_ops)
{
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i++)
		BENCH_FORGET(opaque);
	return bench_now_ns() - start_ns;
}

static uint64_t run_hit(void *opaque, uint64_t n_ops)
{
	struct counter *counter = opaque;
	const uint64_t n_bytes = counter->n_bytes;
	struct vio_lease lease = { VIO_LEASE_LAYOUT, UINT64_MAX, UINT64_MAX, NULL };
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i++) {
		BENCH_FORGET(&lease);
		if (BENCH_UNLIKELY(vio_lease_take(&lease, n_bytes, 1) < 0))
			counter->n_refused++;
	}
	return bench_now_ns() - start_ns;
}

/* Two operations are asked for and one is the quantum: none is covered by the lease. */
static void refill(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct limit_tree *tree = opaque;
	struct limit_seat *seat = &tree->seat[index];
	uint64_t retry_at_ns;

	for (uint64_t i = 0; i < n_ops; i++) {
		limit_check(vio_lease_refill(&seat->lease, seat->now_ns, OP_BYTES, 2,
					     &retry_at_ns),
			    "vio_lease_refill");
		limit_check(vio_lease_take(&seat->lease, OP_BYTES, 2),
			    "vio_lease_take");
	}
}

static int run_row(const struct bench_options *options)
{
	struct counter counter = { .n_bytes = OP_BYTES };
	const struct bench_row hit = {
		.bench = "limit_take",
		.params = "hit",
		.floor_name = "decrement",
		.subject = { run_hit, &counter },
		.floor = { run_floor, &counter },
		.n_ops = 100000, /* some 50 us: seldom preempted */
		.n_slices = 32,
		.max_ratio = MAX_HIT_RATIO,
	};
	int failed = bench_run(options, &hit);

	failed |= limit_run_beside_meter(options, &hit,
					 &(struct limit_beside){ 2, 1, 0, 1 });
	if (counter.n_refused)
		limit_check(EAGAIN, "hit");
	return failed;
}

static void count_refill(uint64_t n_ops)
{
	struct limit_tree tree;

	limit_open_tree(&tree, &(struct limit_shape){ 1, 1, 1, 1 }, refill);
	refill(&tree, 0, n_ops);
	limit_close_tree(&tree);
}

static int run_count(const struct bench_options *options)
{
	struct counter counter = { .n_bytes = OP_BYTES };

	if (!strcmp(options->count, "take"))
		run_hit(&counter, options->count_ops);
	else if (!strcmp(options->count, "refill"))
		count_refill(options->count_ops);
	else if (!strcmp(options->count, "loop"))
		run_loop(&counter, options->count_ops);
	else
		limit_check(EINVAL, options->count);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_options options;

	bench_parse(&options, argc, argv);
	return options.count ? run_count(&options) : run_row(&options);
}
