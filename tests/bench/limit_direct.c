/* SPDX-License-Identifier: MIT */
/*
 * What asking costs without leases: every request is a refill of its own, two threads
 * ask one limit. Against loops of compare and swap on as many counters as are charged,
 * time is an argument and neither side reads a clock; the argument advances, so that
 * sweeps are in the figure. Beside rte_meter both sides read the processor's counter.
 */
#include <errno.h>
#include <stdio.h>

#include "bench/clock.h"
#include "bench/limit_scene.h"

#define STEP_NS   100 /* a sweep for each 10,000 requests: more than in real time */
#define MAX_RATIO 2.0

/* A row's second dimension, and the subject's two ways to know the time. */
struct charge {
	const char *name;
	uint64_t quantum_ops;
	limit_spend_fn spend_given;
	limit_spend_fn spend_ticks;
	limit_spend_fn floor;
};

/* The lease holds less than a request at all times: ops is twice the quantum or 0. */
static inline __attribute__((always_inline)) void
ask(struct vio_lease *lease, uint64_t now_ns, uint64_t ops)
{
	uint64_t retry_at_ns;

	if (BENCH_UNLIKELY(
		    vio_lease_refill(lease, now_ns, OP_BYTES, ops, &retry_at_ns) < 0 ||
		    vio_lease_take(lease, OP_BYTES, ops) < 0))
		limit_check(EAGAIN, "request");
}

static inline __attribute__((always_inline)) void
spend_given(struct limit_tree *tree, uint32_t index, uint64_t n_ops, uint64_t ops)
{
	struct limit_seat *seat = &tree->seat[index];

	for (uint64_t i = 0; i < n_ops; i++) {
		seat->now_ns += STEP_NS;
		ask(&seat->lease, seat->now_ns, ops);
	}
}

static inline __attribute__((always_inline)) void
spend_ticks(struct limit_tree *tree, uint32_t index, uint64_t n_ops, uint64_t ops)
{
	const uint64_t multiplier = bench_ticks_multiplier();
	struct limit_seat *seat = &tree->seat[index];

	for (uint64_t i = 0; i < n_ops; i++)
		ask(&seat->lease, bench_scale_ticks(bench_read_ticks(), multiplier),
		    ops);
}

static void spend_bytes_given(void *tree, uint32_t index, uint64_t n_ops)
{
	spend_given(tree, index, n_ops, 0);
}

static void spend_both_given(void *tree, uint32_t index, uint64_t n_ops)
{
	spend_given(tree, index, n_ops, 2);
}

static void spend_bytes_ticks(void *tree, uint32_t index, uint64_t n_ops)
{
	spend_ticks(tree, index, n_ops, 0);
}

static void spend_both_ticks(void *tree, uint32_t index, uint64_t n_ops)
{
	spend_ticks(tree, index, n_ops, 2);
}

static const struct charge charges[] = {
	{ "bytes", 0, spend_bytes_given, spend_bytes_ticks, limit_swap_one },
	{ "bytes+ops", 1, spend_both_given, spend_both_ticks, limit_swap_pair },
};

static struct bench_row make_row(uint32_t n_threads, const char *params)
{
	struct bench_row row = {
		.bench = "limit_direct",
		.params = params,
		.n_ops = 3000, /* some 50 us: seldom preempted */
		.n_slices = 32,
		.max_ratio = MAX_RATIO,
	};

	if (n_threads > 1) {
		row.n_ops = 20000;
		row.n_slices = 1;
		row.least_rounds = BENCH_ROUNDS_SHARED;
	}
	return row;
}

static int run_beside_swaps(const struct bench_options *options, uint32_t n_threads,
			    const struct charge *charge)
{
	const struct limit_shape shape = { 1, n_threads, 1, charge->quantum_ops };
	struct limit_counters counters = { 0 };
	struct limit_job floor = { charge->floor, &counters, n_threads };
	struct limit_tree tree;
	struct bench_row row;
	char params[64];
	int failed;

	snprintf(params, sizeof(params), "threads=%u levels=2 %s", n_threads,
		 charge->name);
	row = make_row(n_threads, params);
	row.floor_name = charge->quantum_ops ? "two CAS loops" : "CAS loop";
	row.subject = (struct bench_side){ limit_run_job, &tree.job };
	row.floor = (struct bench_side){ limit_run_job, &floor };
	limit_open_tree(&tree, &shape, charge->spend_given);
	failed = bench_run(options, &row);
	limit_close_tree(&tree);
	return failed;
}

/* What threads can share has a lock; a meter of one thread alone has a row as well. */
static int run_beside_meters(const struct bench_options *options, uint32_t n_threads,
			     const struct charge *charge)
{
	const struct limit_shape shape = { 1, n_threads, 1, charge->quantum_ops };
	const uint32_t n_meters = charge->quantum_ops ? 2 : 1;
	struct limit_tree tree;
	struct bench_row row;
	char params[64];
	int failed;

	snprintf(params, sizeof(params), "threads=%u levels=2 %s clock", n_threads,
		 charge->name);
	row = make_row(n_threads, params);
	row.subject = (struct bench_side){ limit_run_job, &tree.job };
	limit_open_tree(&tree, &shape, charge->spend_ticks);
	failed = limit_run_beside_meter(
		options, &row, &(struct limit_beside){ n_meters, n_threads, 1, 1 });
	if (n_threads == 1)
		failed |= limit_run_beside_meter(
			options, &row, &(struct limit_beside){ n_meters, 1, 0, 1 });
	limit_close_tree(&tree);
	return failed;
}

static int run_rows(const struct bench_options *options, uint32_t n_threads)
{
	int failed = 0;

	for (uint32_t i = 0; i < sizeof(charges) / sizeof(charges[0]); i++) {
		failed |= run_beside_swaps(options, n_threads, &charges[i]);
		failed |= run_beside_meters(options, n_threads, &charges[i]);
	}
	return failed;
}

int main(int argc, char **argv)
{
	struct bench_options options;
	int failed;

	bench_parse(&options, argc, argv);
	failed = run_rows(&options, 1);
	if (bench_pin(1) < 0) {
		fprintf(stderr, "limit_direct threads=2: skipped, one processor\n");
		return failed;
	}
	bench_pin(0);
	return failed | run_rows(&options, 2);
}
