/* SPDX-License-Identifier: MIT */
/*
 * What the memory table ought to answer, for fuzz_memory.c: sets of regions as
 * bits of a word, and translation and marking done the slow way, region by
 * region and page by page.
 */
#ifndef TESTS_FUZZ_MEMORY_MODEL_H
#define TESTS_FUZZ_MEMORY_MODEL_H

#include <errno.h>
#include <stdint.h>

#include "core/env.h"
#include "heap/heap.h"
#include "mem/view.h"

#define PAGE       4096u
#define N_PAGES    64u /* that guest addresses go through; the last ones end at 2^64 */
#define HIGH_PAGE  60u
#define HOST_PAGES 32u
#define FILE_PAGES 16u
#define N_ZONES    64u /* alive at once: a bit each */
#define N_IOV      8u
#define N_PARTIES  3u /* listeners, bitmaps and readers */
#define N_CHAINS   4u /* open on a reader */
#define MAP_BYTES  8u
#define N_ANSWERS  8u
/* What lib/mem/view.c asks the hook at the most, beside an answer per iovec. */
#define ANSWERS_MAX 4096u

#define MUST(x)                                                                        \
	do {                                                                           \
		if (!(x))                                                              \
			__builtin_trap();                                              \
	} while (0)

struct run;

/* A region that the table knows, or knew and has not released. */
struct zone {
	struct run *run;
	uint64_t gpa, length_bytes;
	char *hva; /* NULL: mapped from a file and not seen yet */
	uint32_t flags;
	int is_used;
};

struct party {
	struct run *run;
	int is_attached;

	/* As a listener. */
	uint64_t seen;   /* what it was told of */
	uint64_t agreed; /* what the changes that it agreed to make of it */
	int refusal;     /* what prepare answers */
	int has_agreed;  /* and was not told yet what came of it */

	/* As a bitmap. */
	int has_bitmap;
	uint64_t gpa, length_bytes;
	uint32_t shift, n_let_go; /* detached and not released yet */
	uint8_t bits[MAP_BYTES], expected[MAP_BYTES];

	/* As a reader. */
	int is_reading;
	struct vio_mem_reader reader;
	uint32_t n_chains;
	struct {
		const struct vio_mem_view *view;
		uint64_t zones;
	} chains[N_CHAINS];
};

struct run {
	const uint8_t *in;
	size_t left;
	struct vio_mem *mem;
	char *host;
	int sealed_fd, open_fd;
	struct zone zones[N_ZONES];
	uint64_t table, draft, added; /* added: in vain if the batch is dropped */
	uint64_t held;                /* zones neither in the table nor released yet */
	int is_batch;
	struct party parties[N_PARTIES];
	uint32_t order[N_PARTIES]; /* listeners, as attached */
	uint32_t n_listeners;
	int has_hook;
	struct {
		int64_t n;
		uint64_t gpa;
	} answers[N_ANSWERS];
	struct vio_env env; /* of the table */
	uint32_t fail_in;   /* allocations until one fails; 0: none does */
	uint32_t n_failed;  /* since the last call was judged */
	int64_t n_blocks;   /* not freed */
};

static inline uint64_t bit_of(const struct zone *zone)
{
	return UINT64_C(1) << (zone - zone->run->zones);
}

/* The zone of @set that has @gpa, or NULL. */
static inline struct zone *find_zone(struct run *run, uint64_t set, uint64_t gpa)
{
	for (uint32_t i = 0; i < N_ZONES; i++) {
		struct zone *zone = &run->zones[i];

		if ((set & UINT64_C(1) << i) && gpa >= zone->gpa &&
		    gpa - zone->gpa < zone->length_bytes)
			return zone;
	}
	return NULL;
}

static inline struct zone *
find_overlap(struct run *run, uint64_t set, const struct zone *new)
{
	for (uint64_t at = 0; at < new->length_bytes; at += PAGE) {
		struct zone *zone = find_zone(run, set, new->gpa + at);

		if (zone)
			return zone;
	}
	return NULL;
}

static inline uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* Iovecs as they ought to come. */
struct predicted {
	struct iovec iov[N_IOV];
	uint32_t n, n_room;
};

static inline int predict_piece(struct predicted *p, char *hva, uint64_t n)
{
	struct iovec *last = p->n ? &p->iov[p->n - 1] : NULL;

	if (last && (char *)last->iov_base + last->iov_len == hva) {
		last->iov_len += n;
		return 0;
	}
	if (p->n == p->n_room)
		return -ENOBUFS;
	p->iov[p->n++] = (struct iovec){ hva, n };
	return 0;
}

static inline int predict_range(struct run *run, uint64_t set, uint64_t gpa, uint64_t n,
				uint32_t access, struct predicted *p)
{
	if (gpa + (n - 1) < gpa)
		return -EFAULT;
	while (n) {
		const struct zone *zone = find_zone(run, set, gpa);
		uint64_t piece;
		int ret;

		if (!zone ||
		    ((access & VIO_MEM_WRITE) && (zone->flags & VIO_MEM_READONLY)))
			return -EFAULT;
		piece = least(n, zone->length_bytes - (gpa - zone->gpa));
		ret = predict_piece(p, zone->hva + (gpa - zone->gpa), piece);
		if (ret)
			return ret;
		gpa += piece;
		n -= piece;
	}
	return 0;
}

/* The hook: each page of the I/O virtual space has one of a few answers. */
static inline int64_t
answer_iova(const struct run *run, uint64_t iova, uint64_t *out_gpa)
{
	const uint64_t i = iova / PAGE % N_ANSWERS;

	*out_gpa = run->answers[i].gpa + iova % PAGE;
	return run->answers[i].n;
}

static inline int predict_iova(struct run *run, uint64_t set, uint64_t iova, uint64_t n,
			       uint32_t access, struct predicted *p)
{
	if (iova + (n - 1) < iova)
		return -EFAULT;
	for (uint32_t asked = 0; n && asked < p->n_room + ANSWERS_MAX; asked++) {
		uint64_t gpa = 0;
		const int64_t said = answer_iova(run, iova, &gpa);
		int ret;

		if (said <= 0)
			return said == -EAGAIN ? -EAGAIN : -EFAULT;
		ret = predict_range(run, set, gpa, least((uint64_t)said, n), access, p);
		if (ret)
			return ret;
		iova += least((uint64_t)said, n);
		n -= least((uint64_t)said, n);
	}
	return n ? -EFAULT : 0;
}

/* What vio_mem_translate() ought to answer; @p tells what it ought to fill. */
static inline int predict(struct run *run, uint64_t set, uint64_t addr, uint64_t n,
			  uint32_t access, struct predicted *p)
{
	int ret;

	if (!n || !p->n_room || !(access & (VIO_MEM_READ | VIO_MEM_WRITE)))
		return -EINVAL;
	if ((access & VIO_MEM_IOVA) && run->has_hook)
		ret = predict_iova(run, set, addr, n, access, p);
	else
		ret = predict_range(run, set, addr, n, access, p);
	return ret ? ret : (int)p->n;
}

/* Each bit whose page has a byte of the range and of the bitmap. */
static inline void predict_mark(struct run *run, uint64_t gpa, uint64_t n)
{
	const uint64_t last = gpa + (n - 1) < gpa ? UINT64_MAX : gpa + (n - 1);

	for (uint32_t i = 0; n && i < N_PARTIES; i++) {
		struct party *party = &run->parties[i];

		if (!party->has_bitmap)
			continue;
		for (uint64_t at = 0; at < party->length_bytes;
		     at += UINT64_C(1) << party->shift) {
			const uint64_t end =
				least(at + (UINT64_C(1) << party->shift) - 1,
				      party->length_bytes - 1);

			if (party->gpa + at <= last && party->gpa + end >= gpa)
				party->expected[at >> party->shift >> 3] |=
					(uint8_t)(1u << ((at >> party->shift) % 8));
		}
	}
}

/* What was written at @hva counts under each of its addresses. */
static inline void
predict_written(struct run *run, uint64_t zones, const char *hva, uint64_t n)
{
	for (uint32_t i = 0; i < N_ZONES; i++) {
		const struct zone *zone = &run->zones[i];
		const uint64_t from = (uintptr_t)hva, at = (uintptr_t)zone->hva;
		uint64_t first, end;

		if (!(zones & UINT64_C(1) << i))
			continue;
		first = from > at ? from : at;
		end = least(from + n, at + zone->length_bytes);
		if (first < end)
			predict_mark(run, zone->gpa + (first - at), end - first);
	}
}

/* The table's allocator, which fails when the input says so. */

static inline void *alloc_block(void *opaque, size_t n, size_t align)
{
	struct run *run = opaque;

	if (run->fail_in && !--run->fail_in) {
		run->n_failed++;
		return NULL;
	}
	run->n_blocks++;
	return vio_heap_malloc(NULL, n, align);
}

static inline void free_block(void *opaque, void *ptr, size_t n, size_t align)
{
	((struct run *)opaque)->n_blocks--;
	vio_heap_free(NULL, ptr, n, align);
}

/* What a call answered is what the model says, or that memory is short. */
static inline int judge(struct run *run, int ret, int want)
{
	MUST(ret == (run->n_failed ? -ENOMEM : want));
	run->n_failed = 0;
	return ret;
}

/* Released: once, and no chain, table or batch has it. */
static inline void on_released(void *opaque, uint64_t gpa)
{
	struct zone *zone = opaque;
	struct run *run = zone->run;

	MUST(zone->is_used && zone->gpa == gpa);
	MUST(run->held & bit_of(zone));
	for (uint32_t i = 0; i < N_PARTIES; i++)
		for (uint32_t k = 0; k < run->parties[i].n_chains; k++)
			MUST(!(run->parties[i].chains[k].zones & bit_of(zone)));
	run->held &= ~bit_of(zone);
	zone->is_used = 0;
}

static inline uint64_t chain_zones(const struct run *run)
{
	uint64_t zones = 0;

	for (uint32_t i = 0; i < N_PARTIES; i++)
		for (uint32_t k = 0; k < run->parties[i].n_chains; k++)
			zones |= run->parties[i].chains[k].zones;
	return zones;
}

/* A detached bitmap that no view marks any more. */
static inline void on_bitmap_released(void *opaque, uint64_t gpa)
{
	struct party *party = opaque;

	(void)gpa;
	MUST(party->n_let_go);
	party->n_let_go--;
}

static inline uint32_t count_let_go(const struct run *run)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_PARTIES; i++)
		n += run->parties[i].n_let_go;
	return n;
}

static inline uint32_t count_chains(const struct run *run)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < N_PARTIES; i++)
		n += run->parties[i].n_chains;
	return n;
}

#endif /* TESTS_FUZZ_MEMORY_MODEL_H */
