/* SPDX-License-Identifier: MIT */
/*
 * What it costs to ask a limit. A hit is vio_lease_take() on a lease that covers
 * it, against the least that any limit in memory must do: compare a counter and
 * decrement it. The other rows count the refills in, with a read of the clock
 * for each, and are not gated.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIO_ENABLE_UNSTABLE 1
#include <vio/unstable/limit.h>

#include "bench/bench.h"

#define N_THREADS_MAX 2
#define OP_BYTES      64 /* small: 1 TB/s must not run out at 1 ns an operation */
#define MAX_HIT_RATIO 2.0

struct counter {
	uint64_t left;
	uint64_t n_bytes; /* of an operation; not a constant to the compiler */
	uint64_t n_refused;
};

struct shared {
	struct vio_limit *limit;
	struct counter floor;
	uint32_t n_threads;
	uint64_t n_ops;
	pthread_barrier_t start;
};

static void check(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(abs(ret)));
	exit(2);
}

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

/* As a queue does it: take, on a miss read the clock and refill. */
static void spend(struct vio_limit *limit, uint64_t n_bytes, uint64_t n_ops)
{
	struct vio_lease lease = { 0 };
	uint64_t retry_at_ns;

	check(vio_lease_attach(&lease, limit), "vio_lease_attach");
	for (uint64_t i = 0; i < n_ops; i++) {
		BENCH_FORGET(&lease);
		while (BENCH_UNLIKELY(vio_lease_take(&lease, n_bytes, 1) < 0))
			check(vio_lease_refill(&lease, bench_now_ns(), n_bytes, 1,
					       &retry_at_ns),
			      "vio_lease_refill");
	}
	vio_lease_detach(&lease);
}

struct worker {
	struct shared *shared;
	uint32_t index;
	uint64_t ns;
};

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	struct shared *shared = worker->shared;
	uint64_t start_ns;

	check(bench_pin(worker->index), "pin");
	pthread_barrier_wait(&shared->start);
	start_ns = bench_now_ns();
	spend(shared->limit, shared->floor.n_bytes, shared->n_ops);
	worker->ns = bench_now_ns() - start_ns;
	return NULL;
}

/* Nanoseconds of the slowest thread. */
static uint64_t run_threads(void *opaque, uint64_t n_ops)
{
	struct shared *shared = opaque;
	struct worker workers[N_THREADS_MAX];
	pthread_t threads[N_THREADS_MAX];
	uint64_t most_ns = 0;

	shared->n_ops = n_ops;
	check(pthread_barrier_init(&shared->start, NULL, shared->n_threads), "barrier");
	for (uint32_t i = 0; i < shared->n_threads; i++) {
		workers[i] = (struct worker){ shared, i, 0 };
		check(pthread_create(&threads[i], NULL, work, &workers[i]), "thread");
	}
	for (uint32_t i = 0; i < shared->n_threads; i++) {
		pthread_join(threads[i], NULL);
		if (workers[i].ns > most_ns)
			most_ns = workers[i].ns;
	}
	pthread_barrier_destroy(&shared->start);
	return most_ns;
}

/* The highest rates: what is measured is the asking, not the waiting. */
static void run_shared(const struct bench_options *options, uint32_t n_threads,
		       uint64_t quantum, const char *params_text)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct shared shared = { .n_threads = n_threads,
				 .floor = { .n_bytes = OP_BYTES } };
	struct bench_row row = {
		.bench = "limit_take",
		.params = params_text,
		.floor_name = "decrement",
		.subject = { run_threads, &shared },
		.floor = { run_floor, &shared.floor },
		.n_ops = 200000,
	};

	params.bytes_per_sec = VIO_LIMIT_RATE_MAX;
	params.ops_per_sec = VIO_LIMIT_RATE_MAX;
	params.quantum_bytes = quantum * OP_BYTES;
	params.quantum_ops = quantum;
	check(vio_limit_create(NULL, &params, bench_now_ns(), &shared.limit, NULL),
	      "vio_limit_create");
	bench_run(options, &row);
	check(vio_limit_destroy(shared.limit), "vio_limit_destroy");
}

static int run_rows(const struct bench_options *options)
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

	if (counter.n_refused)
		check(EAGAIN, "hit");
	run_shared(options, 1, 16, "threads=1 quantum=16");
	run_shared(options, 1, 1, "threads=1 quantum=1");
	if (bench_pin(1) < 0) {
		fprintf(stderr, "limit_take threads=2: skipped, one processor\n");
		return failed;
	}
	bench_pin(0);
	run_shared(options, 2, 16, "threads=2 quantum=16");
	run_shared(options, 2, 1, "threads=2 quantum=1");
	return failed;
}

static int run_count(const struct bench_options *options)
{
	struct counter counter = { .n_bytes = OP_BYTES };

	if (!strcmp(options->count, "take"))
		run_hit(&counter, options->count_ops);
	else if (!strcmp(options->count, "loop"))
		run_loop(&counter, options->count_ops);
	else
		check(EINVAL, options->count);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_options options;

	bench_parse(&options, argc, argv);
	return options.count ? run_count(&options) : run_rows(&options);
}
