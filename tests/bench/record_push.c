/* SPDX-License-Identifier: MIT */
/*
 * What I/O records cost. Off, a device asks once for each burst whether it should take
 * times; the least that such a switch can cost is a load and a branch. On, a record is
 * copied into the ring and out again; the floor is the two copies. Nothing is gated but
 * the instructions of "off", which count.sh counts: queues themselves have none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIO_ENABLE_UNSTABLE 1
#include <vio/unstable/record.h>

#include "bench/bench.h"

#define BURST 32u

struct scene {
	struct vio_recorder *recorder;
	uint32_t is_active; /* of the floor */
	uint64_t n_active;
	struct vio_io_record from[BURST], ring[BURST], to[BURST];
};

static void check(int ret, const char *what)
{
	if (!ret)
		return;
	fprintf(stderr, "%s: %s\n", what, strerror(abs(ret)));
	exit(2);
}

static uint64_t run_loop(void *opaque, uint64_t n_ops)
{
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i++)
		BENCH_FORGET(opaque);
	return bench_now_ns() - start_ns;
}

static uint64_t run_off(void *opaque, uint64_t n_ops)
{
	struct scene *scene = opaque;
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i++) {
		BENCH_FORGET(scene);
		if (BENCH_UNLIKELY(vio_recorder_get_active(scene->recorder)))
			scene->n_active++;
	}
	return bench_now_ns() - start_ns;
}

static uint64_t run_off_floor(void *opaque, uint64_t n_ops)
{
	struct scene *scene = opaque;
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i++) {
		BENCH_FORGET(scene);
		if (BENCH_UNLIKELY(scene->is_active))
			scene->n_active++;
	}
	return bench_now_ns() - start_ns;
}

/* An operation is one record, of a burst. */
static uint64_t run_on(void *opaque, uint64_t n_ops)
{
	struct scene *scene = opaque;
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i += BURST) {
		BENCH_FORGET(scene);
		if (vio_recorder_push(scene->recorder, scene->from, BURST) != BURST ||
		    vio_recorder_pop(scene->recorder, scene->to, BURST) != BURST)
			check(EIO, "record");
	}
	return bench_now_ns() - start_ns;
}

static uint64_t run_on_floor(void *opaque, uint64_t n_ops)
{
	struct scene *scene = opaque;
	uint64_t start_ns = bench_now_ns();

	for (uint64_t i = 0; i < n_ops; i += BURST) {
		BENCH_FORGET(scene);
		memcpy(scene->ring, scene->from, sizeof(scene->ring));
		BENCH_FORGET(scene);
		memcpy(scene->to, scene->ring, sizeof(scene->to));
	}
	return bench_now_ns() - start_ns;
}

static void open_scene(struct scene *scene)
{
	const struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;

	memset(scene, 0, sizeof(*scene));
	check(vio_recorder_create(NULL, &params, &scene->recorder, NULL), "create");
}

static int run_rows(const struct bench_options *options, struct scene *scene)
{
	const struct bench_row off = {
		.bench = "record_push",
		.params = "off",
		.floor_name = "load",
		.subject = { run_off, scene },
		.floor = { run_off_floor, scene },
		.n_ops = 100000,
		.n_slices = 32,
	};
	const struct bench_row on = {
		.bench = "record_push",
		.params = "on batch=32",
		.floor_name = "copies",
		.subject = { run_on, scene },
		.floor = { run_on_floor, scene },
		.n_ops = 100000,
		.n_slices = 32,
	};
	int failed = bench_run(options, &off);

	vio_recorder_set_active(scene->recorder, 1);
	return bench_run(options, &on) || failed;
}

static int run_count(const struct bench_options *options, struct scene *scene)
{
	if (!strcmp(options->count, "take"))
		run_off(scene, options->count_ops);
	else if (!strcmp(options->count, "loop"))
		run_loop(scene, options->count_ops);
	else
		check(EINVAL, options->count);
	return 0;
}

int main(int argc, char **argv)
{
	struct bench_options options;
	struct scene scene;
	int failed;

	bench_parse(&options, argc, argv);
	open_scene(&scene);
	failed = options.count ? run_count(&options, &scene)
			       : run_rows(&options, &scene);
	vio_recorder_destroy(scene.recorder);
	return failed;
}
