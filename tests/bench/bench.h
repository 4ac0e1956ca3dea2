/* SPDX-License-Identifier: MIT */
/*
 * What the benchmarks share. A row pits a subject against a floor, the least
 * that its job could cost, in the same process: each round runs subject, floor
 * and floor again in rotating order, so that a change of the machine's speed
 * meets all three. The second floor is the control: what its ratio differs from
 * 1 is noise. README.md tells how to read the output.
 */
#ifndef VIO_TESTS_BENCH_BENCH_H
#define VIO_TESTS_BENCH_BENCH_H

#include <stdint.h>

/*
 * Of rows whose threads fight for a line: who has it for how long changes from one
 * moment to the next, so many short rounds tell more than a few long ones.
 */
#define BENCH_ROUNDS_SHARED 201

/* What both sides of a row expect: that no operation is refused. */
#define BENCH_UNLIKELY(condition) __builtin_expect(!!(condition), 0)

/* Makes the compiler forget what it knows of memory. */
#define BENCH_FORGET(ptr) __asm__ volatile("" : : "r"(ptr) : "memory")

struct bench_options {
	uint32_t n_rounds;
	int is_smoke;       /* few operations, nothing gated */
	const char *peer;   /* command of a program that prints rows; or NULL */
	const char *meter;  /* object with DPDK's rte_meter, see meter.sh; or NULL */
	const char *count;  /* subject to run alone for an instruction count; or NULL */
	uint64_t count_ops; /* how many operations of it */
};

/* Does @n_ops operations and returns the nanoseconds they took. */
typedef uint64_t (*bench_fn)(void *opaque, uint64_t n_ops);

struct bench_side {
	bench_fn run;
	void *opaque;
};

struct bench_row {
	const char *bench;
	const char *params;
	const char *floor_name;
	struct bench_side subject;
	struct bench_side floor;
	uint64_t n_ops;        /* of one slice; a smoke does a hundredth */
	uint32_t n_slices;     /* of a round, the quickest counts; 0: one */
	uint32_t least_rounds; /* more than asked for, but in a smoke */
	double max_ratio;      /* to the floor; 0: not gated */
};

/* Exits with status 2 and says why if it does not understand. */
void bench_parse(struct bench_options *options, int argc, char **argv);

/* Prints a line for the floor, and one for the peer if it has the row. */
int bench_run(const struct bench_options *options, const struct bench_row *row);

uint64_t bench_now_ns(void);

/* Sorts and returns the median. */
double bench_sort(double *values, uint32_t n);

/*
 * Pins the calling thread to the @index-th processor that the process was given;
 * -1: it was not given so many.
 */
int bench_pin(unsigned int index);

#endif /* VIO_TESTS_BENCH_BENCH_H */
