/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks of limits share: trees whose ceilings are never reached, since
 * what is measured is the asking and not the waiting; jobs that one or two threads do
 * at once; and the floors, atomic counters that every shared limit must at least
 * change. With --meter each row is run once more beside DPDK's rte_meter.
 */
#ifndef VIO_TESTS_BENCH_LIMIT_SCENE_H
#define VIO_TESTS_BENCH_LIMIT_SCENE_H

#define VIO_ENABLE_UNSTABLE 1
#include <vio/unstable/limit.h>

#include "bench/bench.h"

#define N_THREADS_MAX 2
#define OP_BYTES      64 /* small: 1 TB/s must not run out at 1 ns an operation */
#define LINE_BYTES    64

/* Thread @index does @n_ops operations. */
typedef void (*limit_spend_fn)(void *opaque, uint32_t index, uint64_t n_ops);

/* One side of a row: the same for all threads. */
struct limit_job {
	limit_spend_fn spend;
	void *opaque;
	uint32_t n_threads;
};

/* A bench_fn of a job: nanoseconds of its slowest thread. */
uint64_t limit_run_job(void *job, uint64_t n_ops);

/* Exits with status 2 and a message if @ret is not 0. */
void limit_check(int ret, const char *what);

/* What one thread spends from, on a line of its own. */
struct limit_seat {
	_Alignas(LINE_BYTES) struct vio_lease lease;
	uint64_t now_ns; /* where time is an argument */
};

struct limit_tree {
	struct vio_limit *root;
	struct vio_limit *leaf[N_THREADS_MAX];
	struct limit_seat seat[N_THREADS_MAX];
	struct limit_job job;
	uint32_t n_leaves;
};

struct limit_shape {
	uint32_t n_leaves;  /* 1: a lease for each thread on it; 2: a leaf for each */
	uint32_t n_threads; /* as many leases */
	uint64_t quantum_bytes;
	uint64_t quantum_ops; /* 0: operations are not limited */
};

/* Every leaf is assured of a part, so that it always has credit. */
void limit_open_tree(struct limit_tree *tree, const struct limit_shape *shape,
		     limit_spend_fn spend);
void limit_close_tree(struct limit_tree *tree);

/* Counters of a floor, beside each other as those of a limit are. */
struct limit_counters {
	_Alignas(LINE_BYTES) uint64_t bytes;
	uint64_t ops;
};

/* Floors; @opaque is struct limit_counters. */
void limit_add_one(void *opaque, uint32_t index, uint64_t n_ops);
void limit_add_pair(void *opaque, uint32_t index, uint64_t n_ops);
void limit_swap_one(void *opaque, uint32_t index, uint64_t n_ops);
void limit_swap_pair(void *opaque, uint32_t index, uint64_t n_ops);

/* How rte_meter does the same: a meter for bytes, and a second one for operations. */
struct limit_beside {
	uint32_t n_meters;
	uint32_t n_threads;
	uint32_t is_locked; /* as a meter that threads share must be */
	double max_ratio;   /* 0: not gated */
};

/* The row beside rte_meter, if its object was given. */
int limit_run_beside_meter(const struct bench_options *options,
			   const struct bench_row *row,
			   const struct limit_beside *beside);

#endif /* VIO_TESTS_BENCH_LIMIT_SCENE_H */
