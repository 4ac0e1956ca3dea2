/* SPDX-License-Identifier: MIT */
/*
 * The harness: options, rounds, medians, and the lines it prints. The ratio of a
 * row is the median of the ratios of its rounds and not the ratio of two
 * medians, since what slows a round down slows all sides of it.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench/bench.h"

#define ROUNDS_DEFAULT 21
#define ROUNDS_SMOKE   3
#define ROUNDS_MAX     1001
#define LINE_MAX_BYTES 1024

/* The affinity at the start, before anything was pinned. */
static cpu_set_t given;

static void explain(const char *program)
{
	fprintf(stderr,
		"usage: %s [--runs N] [--smoke] [--peer CMD] [--meter OBJECT] "
		"[--count SUBJECT N]\n",
		program);
	exit(2);
}

static uint64_t
parse_number(const char *program, const char *text, uint64_t least, uint64_t most)
{
	/* @text is NULL where the arguments end. */
	char *end;
	uint64_t n = text ? strtoull(text, &end, 10) : 0;

	if (!text || *end || n < least || n > most)
		explain(program);
	return n;
}

void bench_parse(struct bench_options *options, int argc, char **argv)
{
	*options = (struct bench_options){ .n_rounds = ROUNDS_DEFAULT };
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--smoke")) {
			options->is_smoke = 1;
			options->n_rounds = ROUNDS_SMOKE;
		} else if (!strcmp(argv[i], "--runs")) {
			options->n_rounds = (uint32_t)parse_number(argv[0], argv[++i],
								   1, ROUNDS_MAX);
		} else if (!strcmp(argv[i], "--peer") && argv[i + 1]) {
			options->peer = argv[++i];
		} else if (!strcmp(argv[i], "--meter") && argv[i + 1]) {
			options->meter = argv[++i];
		} else if (!strcmp(argv[i], "--count") && argv[i + 1]) {
			options->count = argv[++i];
			options->count_ops =
				parse_number(argv[0], argv[++i], 1, UINT64_MAX);
		} else {
			explain(argv[0]);
		}
	}
	sched_getaffinity(0, sizeof(given), &given);
	bench_pin(0);
}

uint64_t bench_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int bench_pin(unsigned int index)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &given) || index--)
			continue;
		CPU_SET(cpu, &one);
		return sched_setaffinity(0, sizeof(one), &one);
	}
	return -1;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

double bench_sort(double *values, uint32_t n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

enum {
	SUBJECT,
	FLOOR,
	CONTROL,
	N_SIDES,
};

struct rounds {
	double value[ROUNDS_MAX]; /* nanoseconds per operation */
	double floor[ROUNDS_MAX];
	double ratio[ROUNDS_MAX];
	double aa_ratio[ROUNDS_MAX];
};

/* The three sides once each; @ns keeps the least of each. */
static void
run_slice(const struct bench_row *row, uint64_t n_ops, uint32_t first, double *ns)
{
	for (uint32_t turn = 0; turn < N_SIDES; turn++) {
		const uint32_t side = (first + turn) % N_SIDES;
		const struct bench_side *s =
			side == SUBJECT ? &row->subject : &row->floor;
		double took = (double)s->run(s->opaque, n_ops) / (double)n_ops;

		if (ns[side] <= 0 || took < ns[side])
			ns[side] = took;
	}
}

static void
run_round(const struct bench_row *row, uint64_t n_ops, uint32_t i, struct rounds *out)
{
	const uint32_t n_slices = row->n_slices ? row->n_slices : 1;
	double ns[N_SIDES] = { 0 };

	for (uint32_t slice = 0; slice < n_slices; slice++)
		run_slice(row, n_ops, i + slice, ns);
	out->value[i] = ns[SUBJECT];
	out->floor[i] = ns[FLOOR];
	out->ratio[i] = ns[SUBJECT] / ns[FLOOR];
	out->aa_ratio[i] = ns[CONTROL] / ns[FLOOR];
}

struct line {
	const char *peer;
	double value;
	double peer_value;
	double ratio;
	double spread[2]; /* least and most ratio of a round */
	double aa_ratio;
	uint32_t n_rounds;
};

static void print_line(const struct bench_row *row, const struct line *line)
{
	printf("{\"bench\":\"%s\",\"params\":\"%s\",\"value\":%.3f,\"unit\":\"ns/op\","
	       "\"peer\":\"%s\",\"peer_value\":%.3f,\"ratio\":%.3f,"
	       "\"spread\":[%.3f,%.3f],\"aa_ratio\":%.3f,\"runs\":%u}\n",
	       row->bench, row->params, line->value, line->peer, line->peer_value,
	       line->ratio, line->spread[0], line->spread[1], line->aa_ratio,
	       line->n_rounds);
	fflush(stdout);
}

/* Is there a "name":"value" in the line? */
static int has_text(const char *line, const char *name, const char *value)
{
	char pair[256];

	snprintf(pair, sizeof(pair), "\"%s\":\"%s\"", name, value);
	return strstr(line, pair) != NULL;
}

/* The value of the peer's row of this name; 0: it has none. */
static double
read_peer(const struct bench_options *options, const struct bench_row *row)
{
	char line[LINE_MAX_BYTES];
	double value = 0;
	FILE *peer = popen(options->peer, "r");

	if (!peer)
		return 0;
	while (fgets(line, sizeof(line), peer)) {
		const char *found = strstr(line, "\"value\":");

		if (found && has_text(line, "bench", row->bench) &&
		    has_text(line, "params", row->params))
			value = strtod(found + strlen("\"value\":"), NULL);
	}
	if (pclose(peer))
		fprintf(stderr, "%s: failed\n", options->peer);
	return value;
}

/* The peer is another process: no rounds are shared, so medians are compared. */
static void compare_peer(const struct bench_options *options,
			 const struct bench_row *row, const struct rounds *sorted,
			 const struct line *floor)
{
	struct line line = *floor;

	line.peer = options->peer;
	line.peer_value = read_peer(options, row);
	if (line.peer_value <= 0) {
		fprintf(stderr, "%s: no row %s %s\n", options->peer, row->bench,
			row->params);
		return;
	}
	line.ratio = line.value / line.peer_value;
	line.spread[0] = sorted->value[0] / line.peer_value;
	line.spread[1] = sorted->value[line.n_rounds - 1] / line.peer_value;
	print_line(row, &line);
}

static uint32_t
find_n_rounds(const struct bench_options *options, const struct bench_row *row)
{
	if (options->is_smoke || row->least_rounds < options->n_rounds)
		return options->n_rounds;
	return row->least_rounds;
}

int bench_run(const struct bench_options *options, const struct bench_row *row)
{
	static struct rounds rounds;
	const uint32_t n = find_n_rounds(options, row);
	const uint64_t n_ops = options->is_smoke ? row->n_ops / 100 : row->n_ops;
	struct line line = { .peer = row->floor_name, .n_rounds = n };

	row->subject.run(row->subject.opaque, n_ops / 10 + 1); /* warm caches */
	row->floor.run(row->floor.opaque, n_ops / 10 + 1);
	for (uint32_t i = 0; i < n; i++)
		run_round(row, n_ops, i, &rounds);

	line.value = bench_sort(rounds.value, n);
	line.peer_value = bench_sort(rounds.floor, n);
	line.ratio = bench_sort(rounds.ratio, n);
	line.spread[0] = rounds.ratio[0];
	line.spread[1] = rounds.ratio[n - 1];
	line.aa_ratio = bench_sort(rounds.aa_ratio, n);
	print_line(row, &line);
	if (options->peer)
		compare_peer(options, row, &rounds, &line);

	if (options->is_smoke || row->max_ratio <= 0 || line.ratio <= row->max_ratio)
		return 0;
	fprintf(stderr, "%s %s: %.3f times the floor, more than %.3f\n", row->bench,
		row->params, line.ratio, row->max_ratio);
	return 1;
}
