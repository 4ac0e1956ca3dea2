/* SPDX-License-Identifier: MIT */
/*
 * Two words side by side, compared and swapped at once where the processor can: half
 * the time of two swaps, and never one without the other. The compilers' own way needs
 * a flag that would make the whole library one for such processors only, hence the
 * instruction by name.
 */
#ifndef VIO_CORE_PAIR_H
#define VIO_CORE_PAIR_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* Some 64-bit processors before 2006 cannot. Not for every swap: it takes a while. */
static inline bool vio_pair_is_supported(void)
{
#ifdef __x86_64__
	unsigned int a, b, c, d;

	return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_CMPXCHG16B);
#else
	return false;
#endif
}

/*
 * As __atomic_compare_exchange_n() of both @words, which are aligned to 16 bytes;
 * relaxed. Only where it is supported.
 */
static inline bool
vio_pair_swap(uint64_t words[2], uint64_t seen[2], const uint64_t desired[2])
{
#ifdef __x86_64__
	bool is_done;

	__asm__("lock cmpxchg16b %1"
		: "=@ccz"(is_done), "+m"(*(uint64_t(*)[2])words), "+a"(seen[0]),
		  "+d"(seen[1])
		: "b"(desired[0]), "c"(desired[1]));
	return is_done;
#else
	(void)words, (void)seen, (void)desired;
	return false;
#endif
}

#endif /* VIO_CORE_PAIR_H */
