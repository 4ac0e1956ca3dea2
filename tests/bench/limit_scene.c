/* SPDX-License-Identifier: MIT */
/*
 * Trees, threads and floors. Threads are made for each round and let go by a word that
 * they spin on, so that they overlap from the first operation to the last of the
 * quicker one: waking them by the kernel would take as long as a round.
 */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench/clock.h"
#include "bench/limit_scene.h"
#include "bench/meter.h"

void limit_check(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(abs(ret)));
	exit(2);
}

struct crew {
	const struct limit_job *job;
	uint64_t n_ops;
	uint32_t n_waiting; /* atomic */
};

struct worker {
	struct crew *crew;
	uint32_t index;
	uint64_t ns;
};

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	struct crew *crew = worker->crew;
	uint64_t start_ns;

	limit_check(bench_pin(worker->index), "pin");
	/* Relaxed: only when to begin is told, pthread_create() passes the rest. */
	__atomic_fetch_sub(&crew->n_waiting, 1, __ATOMIC_RELAXED);
	while (__atomic_load_n(&crew->n_waiting, __ATOMIC_RELAXED))
		continue;
	start_ns = bench_now_ns();
	crew->job->spend(crew->job->opaque, worker->index, crew->n_ops);
	worker->ns = bench_now_ns() - start_ns;
	return NULL;
}

static uint64_t run_crew(const struct limit_job *job, uint64_t n_ops)
{
	struct crew crew = { job, n_ops, job->n_threads };
	struct worker workers[N_THREADS_MAX];
	pthread_t threads[N_THREADS_MAX];
	uint64_t most_ns = 0;

	for (uint32_t i = 0; i < job->n_threads; i++) {
		workers[i] = (struct worker){ &crew, i, 0 };
		limit_check(pthread_create(&threads[i], NULL, work, &workers[i]),
			    "thread");
	}
	for (uint32_t i = 0; i < job->n_threads; i++) {
		pthread_join(threads[i], NULL);
		if (workers[i].ns > most_ns)
			most_ns = workers[i].ns;
	}
	return most_ns;
}

uint64_t limit_run_job(void *opaque, uint64_t n_ops)
{
	const struct limit_job *job = opaque;
	uint64_t start_ns = bench_now_ns();

	if (job->n_threads > 1)
		return run_crew(job, n_ops);
	job->spend(job->opaque, 0, n_ops);
	return bench_now_ns() - start_ns;
}

static void
open_leaf(struct limit_tree *tree, const struct limit_shape *shape, uint32_t i)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.quantum_bytes = shape->quantum_bytes;
	params.quantum_ops = shape->quantum_ops;
	params.assured_bytes_per_sec = VIO_LIMIT_RATE_MAX / shape->n_leaves;
	if (shape->quantum_ops)
		params.assured_ops_per_sec = VIO_LIMIT_RATE_MAX / shape->n_leaves;
	limit_check(vio_limit_add(tree->root, &params, bench_now_ns(), &tree->leaf[i],
				  NULL),
		    "vio_limit_add");
}

/* A leaf begins without credit; what it is assured of is there after a moment. */
static void fill(struct limit_seat *seat)
{
	uint64_t retry_at_ns;
	int ret;

	do
		ret = vio_lease_refill(&seat->lease, bench_now_ns(), OP_BYTES, 1,
				       &retry_at_ns);
	while (ret == -EAGAIN);
	limit_check(ret, "vio_lease_refill");
}

void limit_open_tree(struct limit_tree *tree, const struct limit_shape *shape,
		     limit_spend_fn spend)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	memset(tree, 0, sizeof(*tree));
	params.bytes_per_sec = VIO_LIMIT_RATE_MAX;
	params.ops_per_sec = shape->quantum_ops ? VIO_LIMIT_RATE_MAX : 0;
	limit_check(vio_limit_create(NULL, &params, bench_now_ns(), &tree->root, NULL),
		    "vio_limit_create");
	tree->n_leaves = shape->n_leaves;
	for (uint32_t i = 0; i < shape->n_leaves; i++)
		open_leaf(tree, shape, i);
	for (uint32_t i = 0; i < shape->n_threads; i++) {
		struct vio_limit *leaf = tree->leaf[i % shape->n_leaves];

		limit_check(vio_lease_attach(&tree->seat[i].lease, leaf),
			    "vio_lease_attach");
		fill(&tree->seat[i]);
		tree->seat[i].now_ns = bench_now_ns();
	}
	tree->job = (struct limit_job){ spend, tree, shape->n_threads };
}

void limit_close_tree(struct limit_tree *tree)
{
	for (uint32_t i = 0; i < N_THREADS_MAX; i++)
		vio_lease_detach(&tree->seat[i].lease);
	for (uint32_t i = 0; i < tree->n_leaves; i++)
		limit_check(vio_limit_destroy(tree->leaf[i]), "vio_limit_destroy");
	limit_check(vio_limit_destroy(tree->root), "vio_limit_destroy");
}

void limit_add_one(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct limit_counters *counters = opaque;

	(void)index;
	for (uint64_t i = 0; i < n_ops; i++)
		__atomic_fetch_add(&counters->bytes, OP_BYTES, __ATOMIC_RELAXED);
}

void limit_add_pair(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct limit_counters *counters = opaque;

	(void)index;
	for (uint64_t i = 0; i < n_ops; i++) {
		__atomic_fetch_add(&counters->bytes, OP_BYTES, __ATOMIC_RELAXED);
		__atomic_fetch_add(&counters->ops, 1, __ATOMIC_RELAXED);
	}
}

static inline void swap(uint64_t *counter, uint64_t units)
{
	uint64_t seen = __atomic_load_n(counter, __ATOMIC_RELAXED);

	while (!__atomic_compare_exchange_n(counter, &seen, seen - units, 1,
					    __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		continue;
}

void limit_swap_one(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct limit_counters *counters = opaque;

	(void)index;
	for (uint64_t i = 0; i < n_ops; i++)
		swap(&counters->bytes, OP_BYTES);
}

void limit_swap_pair(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct limit_counters *counters = opaque;

	(void)index;
	for (uint64_t i = 0; i < n_ops; i++) {
		swap(&counters->bytes, OP_BYTES);
		swap(&counters->ops, 1);
	}
}

struct peer {
	_Alignas(LINE_BYTES) char meter[METER_BYTES];
	meter_create_fn create;
	meter_spend_fn spend;
	struct meter_call call;
	struct limit_job job;
};

static void spend_meter(void *opaque, uint32_t index, uint64_t n_ops)
{
	struct peer *peer = opaque;
	struct meter_call call = peer->call;

	(void)index;
	call.n_ops = n_ops;
	if (!peer->spend(peer->meter, &call))
		return;
	fprintf(stderr, "rte_meter refused what is within its rate\n");
	exit(2);
}

/* Copied, as ISO C knows no conversion of an object's address to a function's. */
static void find_function(void *object, const char *name, void *out, size_t n)
{
	void *address = object ? dlsym(object, name) : NULL;

	if (!address) {
		fprintf(stderr, "%s: %s\n", name, dlerror());
		exit(2);
	}
	memcpy(out, &address, n);
}

static void load_meter(const char *path, struct peer *peer)
{
	void *object = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	find_function(object, "meter_create", &peer->create, sizeof(peer->create));
	find_function(object, "meter_spend", &peer->spend, sizeof(peer->spend));
	limit_check(peer->create(peer->meter, bench_ticks_per_sec()), "rte_meter");
}

static const char *name_meters(const struct limit_beside *beside)
{
	if (beside->n_meters == 2)
		return beside->is_locked ? "two rte_meter, locked" : "two rte_meter";
	return beside->is_locked ? "rte_meter, locked" : "rte_meter";
}

int limit_run_beside_meter(const struct bench_options *options,
			   const struct bench_row *row,
			   const struct limit_beside *beside)
{
	static struct peer peer;
	struct bench_row other = *row;

	if (!options->meter)
		return 0;
	if (!peer.spend)
		load_meter(options->meter, &peer);
	peer.call =
		(struct meter_call){ beside->n_meters, beside->is_locked, OP_BYTES, 0 };
	peer.job = (struct limit_job){ spend_meter, &peer, beside->n_threads };
	other.floor_name = name_meters(beside);
	other.floor = (struct bench_side){ limit_run_job, &peer.job };
	other.max_ratio = beside->max_ratio;
	return bench_run(options, &other);
}
