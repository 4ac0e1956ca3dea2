/* SPDX-License-Identifier: MIT */
/*
 * Whether a limit gives what it says, in real time: two threads on two processors ask
 * for more than twice of it, and what they get between two moments when the tree has
 * nothing left is compared with its rate. Threads that the machine stops meanwhile do
 * not change that, as long as it is shorter than a second: credit is kept for them.
 * Each round first shows, without a limit, that the threads could ask for so much.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "bench/limit_scene.h"

#define REQUEST_BYTES    4096
#define NS_PER_SEC       1e9
#define MAX_ERROR        0.01
#define LEAST_OFFERED    2.0
#define ROUNDS_MAX       1001

#define BURST_SECS       2
#define OFFER_NS         UINT64_C(20000000)
#define WINDOW_NS        UINT64_C(500000000)
#define SMOKE_NS         UINT64_C(200000000)
#define GIVE_UP_NS       UINT64_C(20000000000)
#define LEAST_ASKED      1000 /* requests of a window: one more or less is 0.1 % */
#define NOTHING_LEFT     250  /* a window's part that counts as nothing: 0.4 % */
#define MARKS_PER_WINDOW 2000 /* how exactly the time of a count is known: 0.05 % */

struct rate {
	const char *name;
	uint64_t per_sec;
	uint64_t unit; /* of a request: bytes, or one operation */
};

static const struct rate rates[] = {
	{ "10 MB/s", UINT64_C(10000000), REQUEST_BYTES },
	{ "1 GB/s", UINT64_C(1000000000), REQUEST_BYTES },
	{ "20 GB/s", UINT64_C(20000000000), REQUEST_BYTES },
	{ "1k ops/s", 1000, 1 },
	{ "5k ops/s", 5000, 1 },
	{ "10k ops/s", 10000, 1 },
	{ "50k ops/s", 50000, 1 },
	{ "100k ops/s", 100000, 1 },
};

static int is_ops(const struct rate *rate)
{
	return rate->unit == 1;
}

struct mark {
	uint64_t at_ns;
	uint64_t n_requests;
};

struct scene {
	struct vio_limit *root;
	struct vio_limit *leaf[N_THREADS_MAX]; /* the root itself if it has none */
	uint64_t window_ns;
	uint64_t nothing; /* units */
	const struct rate *rate;
	struct mark from, to; /* set by the first thread */
	uint32_t is_over;     /* atomic */
	uint64_t asked_ns;    /* atomic: when either thread last asked or waited */
};

struct worker {
	struct scene *scene;
	uint32_t index;
	struct worker *other;
	_Alignas(LINE_BYTES) struct vio_lease lease;
	uint64_t n_requests; /* atomic: the other thread looks */
	uint64_t stall_ns;   /* longest time in which neither thread ran */
};

/* What a round found. */
struct outcome {
	double per_sec;
	double offered;
	double stall_ns;
};

/* One that succeeded. Relaxed: a number, of which one more or less does not matter. */
static void count(struct worker *worker)
{
	__atomic_store_n(&worker->n_requests, worker->n_requests + 1, __ATOMIC_RELAXED);
}

static int has_nothing(const struct scene *scene)
{
	struct vio_limit_stats stats = VIO_LIMIT_STATS_INIT;

	limit_check(vio_limit_read_stats(scene->root, &stats), "vio_limit_read_stats");
	return (is_ops(scene->rate) ? stats.credit_ops : stats.credit_bytes) <=
	       scene->nothing;
}

static uint64_t read_clock(struct worker *worker)
{
	uint64_t now_ns = bench_now_ns();
	/* Relaxed: a time, and if the other's is later there was no stall. */
	uint64_t last_ns =
		__atomic_exchange_n(&worker->scene->asked_ns, now_ns, __ATOMIC_RELAXED);

	if (last_ns && now_ns > last_ns && now_ns - last_ns > worker->stall_ns)
		worker->stall_ns = now_ns - last_ns;
	return now_ns;
}

/*
 * If nothing is left at @now_ns, when the thread was refused, and it was not stopped
 * since: the count would be of another time.
 */
static int take_mark(struct worker *worker, uint64_t now_ns, struct mark *out)
{
	const struct scene *scene = worker->scene;
	uint64_t n_requests = worker->n_requests;

	if (!has_nothing(scene))
		return 0;
	n_requests += __atomic_load_n(&worker->other->n_requests, __ATOMIC_RELAXED);
	if (read_clock(worker) - now_ns > scene->window_ns / MARKS_PER_WINDOW)
		return 0;
	*out = (struct mark){ now_ns, n_requests };
	return 1;
}

/* Of the first thread, when it was refused: does the window begin or end here? */
static void look(struct worker *worker, uint64_t now_ns)
{
	struct scene *scene = worker->scene;

	if (!scene->from.at_ns)
		take_mark(worker, now_ns, &scene->from);
	else if (now_ns - scene->from.at_ns >= scene->window_ns &&
		 take_mark(worker, now_ns, &scene->to))
		/* Relaxed: the marks are read after pthread_join(). */
		__atomic_store_n(&scene->is_over, 1, __ATOMIC_RELAXED);
}

static void wait_for_credit(struct worker *worker)
{
	uint64_t now_ns = read_clock(worker);
	uint64_t retry_at_ns;
	int ret;

	while ((ret = vio_lease_refill(&worker->lease, now_ns, REQUEST_BYTES, 1,
				       &retry_at_ns)) == -EAGAIN) {
		if (!worker->index)
			look(worker, now_ns);
		do
			now_ns = read_clock(worker);
		while (now_ns < retry_at_ns);
	}
	limit_check(ret, "vio_lease_refill");
}

static void spend_one(struct worker *worker)
{
	while (BENCH_UNLIKELY(vio_lease_take(&worker->lease, REQUEST_BYTES, 1) < 0))
		wait_for_credit(worker);
	count(worker);
}

static void *work(void *opaque)
{
	struct worker *worker = opaque;
	struct scene *scene = worker->scene;
	uint64_t start_ns = bench_now_ns();

	limit_check(bench_pin(worker->index), "pin");
	while (!__atomic_load_n(&scene->is_over, __ATOMIC_RELAXED)) {
		for (int i = 0; i < 64; i++)
			spend_one(worker);
		if (bench_now_ns() - start_ns > GIVE_UP_NS)
			limit_check(ETIME, "the limit has never nothing left");
	}
	return NULL;
}

/* The same loop on a limit without a ceiling. */
static void *offer(void *opaque)
{
	struct worker *worker = opaque;
	uint64_t start_ns;

	limit_check(bench_pin(worker->index), "pin");
	start_ns = bench_now_ns();
	do {
		for (int i = 0; i < 64; i++)
			spend_one(worker);
	} while (bench_now_ns() - start_ns < OFFER_NS);
	return NULL;
}

/* Returns how many requests there were. */
static uint64_t
run_workers(struct scene *scene, void *(*run)(void *), uint64_t *out_stall_ns)
{
	struct worker workers[N_THREADS_MAX];
	pthread_t threads[N_THREADS_MAX];
	uint64_t n_requests = 0;

	memset(workers, 0, sizeof(workers));
	for (uint32_t i = 0; i < N_THREADS_MAX; i++) {
		workers[i].scene = scene;
		workers[i].index = i;
		workers[i].other = &workers[!i];
		limit_check(vio_lease_attach(&workers[i].lease, scene->leaf[i]),
			    "vio_lease_attach");
	}
	for (uint32_t i = 0; i < N_THREADS_MAX; i++)
		limit_check(pthread_create(&threads[i], NULL, run, &workers[i]),
			    "thread");
	for (uint32_t i = 0; i < N_THREADS_MAX; i++) {
		pthread_join(threads[i], NULL);
		vio_lease_detach(&workers[i].lease);
		n_requests += workers[i].n_requests;
		*out_stall_ns = workers[i].stall_ns > *out_stall_ns
					? workers[i].stall_ns
					: *out_stall_ns;
	}
	return n_requests;
}

/* What a leaf earns in a second is kept: a shorter stop of both threads is no loss. */
static void
set_rate(struct vio_limit_params *params, const struct rate *rate, uint64_t burst)
{
	if (rate && is_ops(rate)) {
		params->ops_per_sec = rate->per_sec;
		params->burst_ops = burst;
	} else if (rate) {
		params->bytes_per_sec = rate->per_sec;
		params->burst_bytes = burst;
	}
}

static void open_scene(struct scene *scene, const struct rate *rate, uint32_t n_leaves)
{
	const uint64_t burst = rate ? rate->per_sec * BURST_SECS : 0;
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	set_rate(&params, rate, burst);
	limit_check(vio_limit_create(NULL, &params, bench_now_ns(), &scene->root, NULL),
		    "vio_limit_create");
	set_rate(&params, rate, burst / 2);
	for (uint32_t i = 0; i < N_THREADS_MAX; i++) {
		scene->leaf[i] = scene->root;
		if (n_leaves)
			limit_check(vio_limit_add(scene->root, &params, bench_now_ns(),
						  &scene->leaf[i], NULL),
				    "vio_limit_add");
	}
}

static void close_scene(struct scene *scene)
{
	for (uint32_t i = 0; i < N_THREADS_MAX; i++)
		if (scene->leaf[i] != scene->root)
			limit_check(vio_limit_destroy(scene->leaf[i]),
				    "vio_limit_destroy");
	limit_check(vio_limit_destroy(scene->root), "vio_limit_destroy");
}

/* Units a second that both threads can ask for. */
static double find_offered(const struct rate *rate)
{
	struct scene scene = { 0 };
	uint64_t start_ns = bench_now_ns();
	uint64_t stall_ns = 0;
	uint64_t n_requests;

	open_scene(&scene, NULL, 0);
	n_requests = run_workers(&scene, offer, &stall_ns);
	close_scene(&scene);
	return (double)(n_requests * rate->unit) * NS_PER_SEC /
	       (double)(bench_now_ns() - start_ns);
}

static void run_round(const struct rate *rate, uint32_t n_leaves, uint64_t window_ns,
		      struct outcome *out)
{
	const uint64_t least_ns = (uint64_t)((double)(LEAST_ASKED * rate->unit) *
					     NS_PER_SEC / (double)rate->per_sec);
	struct scene scene = { .rate = rate };
	uint64_t stall_ns = 0;

	scene.window_ns = least_ns > window_ns ? least_ns : window_ns;
	scene.nothing = (uint64_t)((double)rate->per_sec * (double)scene.window_ns /
				   NS_PER_SEC / NOTHING_LEFT);
	out->offered = find_offered(rate);
	open_scene(&scene, rate, n_leaves);
	run_workers(&scene, work, &stall_ns);
	close_scene(&scene);
	out->stall_ns = (double)stall_ns;
	out->per_sec =
		(double)((scene.to.n_requests - scene.from.n_requests) * rate->unit) *
		NS_PER_SEC / (double)(scene.to.at_ns - scene.from.at_ns);
}

struct series {
	double per_sec[ROUNDS_MAX];
	double offered[ROUNDS_MAX];
	double stall_ns; /* the longest */
	uint32_t n;
};

/* Of sorted rounds. */
static int judge(const struct rate *rate, const struct series *series,
		 const char *params, double per_sec, double offered)
{
	const double limit = (double)rate->per_sec;
	const double ratio = per_sec / limit;

	printf("{\"bench\":\"limit_real\",\"params\":\"%s\",\"value\":%.0f,"
	       "\"unit\":\"%s\",\"peer\":\"its limit\",\"peer_value\":%.0f,"
	       "\"ratio\":%.5f,\"spread\":[%.5f,%.5f],\"aa_ratio\":null,\"runs\":%u,"
	       "\"offered\":%.1f,\"stall_ms\":%.1f}\n",
	       params, per_sec, is_ops(rate) ? "ops/s" : "bytes/s", limit, ratio,
	       series->per_sec[0] / limit, series->per_sec[series->n - 1] / limit,
	       series->n, offered / limit, series->stall_ns / 1e6);
	fflush(stdout);
	if (offered < LEAST_OFFERED * limit) {
		fprintf(stderr,
			"limit_real %s: the threads can ask for %.2f times the "
			"limit only: nothing is shown\n",
			params, offered / limit);
		return 1;
	}
	if (ratio >= 1 - MAX_ERROR && ratio <= 1 + MAX_ERROR)
		return 0;
	fprintf(stderr,
		"limit_real %s: off by %.2f %%; both threads stood still for up "
		"to %.1f ms\n",
		params, (ratio - 1) * 100, series->stall_ns / 1e6);
	return 1;
}

static int
run_row(const struct bench_options *options, const struct rate *rate, uint32_t n_leaves)
{
	static struct series series;
	char params[64];
	double per_sec;

	series = (struct series){ .n = options->n_rounds };
	for (uint32_t i = 0; i < series.n; i++) {
		struct outcome outcome;

		run_round(rate, n_leaves, options->is_smoke ? SMOKE_NS : WINDOW_NS,
			  &outcome);
		series.per_sec[i] = outcome.per_sec;
		series.offered[i] = outcome.offered;
		if (outcome.stall_ns > series.stall_ns)
			series.stall_ns = outcome.stall_ns;
	}
	snprintf(params, sizeof(params), "%s threads=2 %s", rate->name,
		 n_leaves ? "leaves=2" : "leases=2");
	per_sec = bench_sort(series.per_sec, series.n);
	return judge(rate, &series, params, per_sec,
		     bench_sort(series.offered, series.n));
}

int main(int argc, char **argv)
{
	struct bench_options options;
	int failed = 0;

	bench_parse(&options, argc, argv);
	if (bench_pin(1) < 0) {
		fprintf(stderr, "limit_real: needs two processors\n");
		return 1;
	}
	bench_pin(0);
	for (uint32_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
		failed |= run_row(&options, &rates[i], 0);
		failed |= run_row(&options, &rates[i], N_THREADS_MAX);
	}
	return failed;
}
