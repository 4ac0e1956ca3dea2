/* SPDX-License-Identifier: MIT */
/*
 * Numbers that look random and are the same for the same seed: splitmix64. A run
 * that fails is named by its seed.
 */
#ifndef TESTS_KERNEL_RANDOM_H
#define TESTS_KERNEL_RANDOM_H

#include <stdint.h>

struct chance {
	uint64_t state;
};

static inline uint64_t chance_next(struct chance *chance)
{
	uint64_t z = chance->state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* 0 to @n - 1. */
static inline uint32_t chance_below(struct chance *chance, uint32_t n)
{
	return (uint32_t)(chance_next(chance) % n);
}

/* True once in @n times. */
static inline int chance_one_in(struct chance *chance, uint32_t n)
{
	return !chance_below(chance, n);
}

/* @from to @to. */
static inline uint32_t chance_between(struct chance *chance, uint32_t from, uint32_t to)
{
	return from + chance_below(chance, to - from + 1);
}

#endif /* TESTS_KERNEL_RANDOM_H */
