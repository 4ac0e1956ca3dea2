/* SPDX-License-Identifier: MIT */
/*
 * Arithmetic on numbers from outside. Each helper says whether the result fits,
 * so that a wrapped address never looks like a small one.
 */
#ifndef VIO_CORE_BITS_H
#define VIO_CORE_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VIO_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

static inline bool vio_add_u64(uint64_t a, uint64_t b, uint64_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

static inline bool vio_mul_size(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

/* The last byte of a range that is not empty; false if it wraps or is empty. */
static inline bool vio_range_last(uint64_t first, uint64_t length, uint64_t *out_last)
{
	return length && vio_add_u64(first, length - 1, out_last);
}

static inline bool vio_is_power_of_two(uint64_t n)
{
	return n && !(n & (n - 1));
}

/* @align is a power of two. */
static inline bool vio_is_aligned(uint64_t n, uint64_t align)
{
	return !(n & (align - 1));
}

static inline uint64_t vio_min_u64(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static inline uint64_t vio_max_u64(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static inline uint64_t vio_saturated_sub(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

#endif /* VIO_CORE_BITS_H */
