/* SPDX-License-Identifier: MIT */
/*
 * What the device side of a split ring costs: from a filled ring through pop, push
 * and publish, against a bare loop that checks as much (ring_floor.c). The driver's
 * part is not timed. One thread, so that no cache line travels.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/bench.h"
#include "ring_scene.h"

/* At the batch that drivers are tuned for; smaller ones pay for the handshake. */
#define GATED_BATCH 32u
#define MAX_RATIO   1.7

struct side {
	struct scene scene;
	int (*run)(struct scene *scene, uint32_t n);
	uint32_t batch;
};

/*
 * A clock that costs as much as several chains would hide what they cost: where
 * there is a counter of ticks it is read instead, and its rate is taken from the
 * clock at both ends of the round.
 */
static uint64_t read_ticks(void)
{
#if defined(__x86_64__)
	return __builtin_ia32_rdtsc();
#else
	return bench_now_ns();
#endif
}

static uint64_t time_burst(struct side *side)
{
	uint64_t start;

	scene_fill(&side->scene, side->batch);
	start = read_ticks();
	if (side->run(&side->scene, side->batch) < 0) {
		fprintf(stderr, "ring_device: the ring was not served\n");
		exit(2);
	}
	return read_ticks() - start;
}

static uint64_t run_side(void *opaque, uint64_t n_ops)
{
	struct side *side = opaque;
	const uint64_t start_ns = bench_now_ns();
	const uint64_t start_ticks = read_ticks();
	uint64_t ticks = 0;
	double ns_per_tick;

	for (uint64_t done = 0; done < n_ops; done += side->batch)
		ticks += time_burst(side);
	ns_per_tick = (double)(bench_now_ns() - start_ns) /
		      (double)(read_ticks() - start_ticks);
	return (uint64_t)((double)ticks * ns_per_tick);
}

static void open_side(struct side *side, int (*run)(struct scene *, uint32_t),
		      uint32_t n_indirect, uint32_t batch)
{
	side->run = run;
	side->batch = batch;
	if (scene_create(&side->scene, n_indirect) < 0) {
		fprintf(stderr, "ring_device: no memory for the ring\n");
		exit(2);
	}
}

static int
run_row(const struct bench_options *options, uint32_t n_indirect, uint32_t batch)
{
	static struct side ours, floor_side;
	char params[64];
	struct bench_row row = {
		.bench = "ring_device",
		.params = params,
		.floor_name = "bare checked loop",
		.subject = { run_side, &ours },
		.floor = { run_side, &floor_side },
		.n_ops = 256 * 4000,
		.max_ratio = batch == GATED_BATCH ? MAX_RATIO : 0,
	};
	int failed;

	snprintf(params, sizeof(params), "%s batch=%u",
		 n_indirect == 1 ? "direct" : "indirect-3", batch);
	open_side(&ours, scene_run_ours, n_indirect, batch);
	open_side(&floor_side, scene_run_floor, n_indirect, batch);
	failed = bench_run(options, &row);
	scene_destroy(&ours.scene);
	scene_destroy(&floor_side.scene);
	return failed;
}

/* One side alone, for an instruction count: "ours" or "floor", direct. */
static int run_count(const struct bench_options *options)
{
	static struct side side;
	int is_ours = options->count[0] == 'o';

	open_side(&side, is_ours ? scene_run_ours : scene_run_floor, 1, GATED_BATCH);
	run_side(&side, options->count_ops);
	scene_destroy(&side.scene);
	return 0;
}

int main(int argc, char **argv)
{
	static const uint32_t batches[] = { 1, 32, 256 };
	struct bench_options options;
	int failed = 0;

	bench_parse(&options, argc, argv);
	if (options.count)
		return run_count(&options);
	bench_pin(0);
	for (uint32_t indirect = 1; indirect <= 3; indirect += 2)
		for (uint32_t i = 0; i < sizeof(batches) / sizeof(batches[0]); i++)
			failed |= run_row(&options, indirect, batches[i]);
	return failed;
}
