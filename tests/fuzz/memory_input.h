/* SPDX-License-Identifier: MIT */
/*
 * How fuzz_memory.c reads its input: few pages and few lengths, so that regions
 * touch, overlap and alias each other often, and now and then something that is
 * no region at all.
 */
#ifndef TESTS_FUZZ_MEMORY_INPUT_H
#define TESTS_FUZZ_MEMORY_INPUT_H

#include "memory_model.h"

static inline uint8_t take(struct run *run)
{
	if (!run->left)
		return 0;
	run->left--;
	return *run->in++;
}

static inline uint64_t page_gpa(uint32_t page)
{
	page %= N_PAGES;
	return page < HIGH_PAGE ? (uint64_t)page * PAGE
				: (uint64_t)0 - (uint64_t)(N_PAGES - page) * PAGE;
}

/* Often the first or the last byte of a page, where regions end. */
static inline uint64_t take_address(struct run *run)
{
	const uint64_t gpa = page_gpa(take(run));
	const uint8_t at = take(run);

	switch (at & 3) {
	case 0:
		return gpa;
	case 1:
		return gpa + PAGE - 1;
	default:
		return gpa + at * UINT64_C(16) + at % 13;
	}
}

/* Bytes, pages, or far more than there is. */
static inline uint64_t take_length(struct run *run)
{
	const uint8_t n = take(run);

	switch (n >> 6) {
	case 0:
		return n;
	case 1:
		return (n & 63) * (uint64_t)PAGE;
	case 2:
		return (n & 63) * UINT64_C(1999);
	default:
		return UINT64_MAX - (n & 63) * (uint64_t)PAGE;
	}
}

/* From memory of this process; often the neighbour or the alias of another. */
static inline void fill_host(struct run *run, struct vio_mem_region *region)
{
	const uint32_t page = take(run) % HOST_PAGES;
	uint32_t n = 1 + take(run) % 8;

	if (n > HOST_PAGES - page)
		n = HOST_PAGES - page;
	region->hva = run->host + (size_t)page * PAGE;
	region->length_bytes = (uint64_t)n * PAGE;
}

static inline int fill_file(struct run *run, struct vio_mem_region *region)
{
	const uint32_t page = take(run) % (FILE_PAGES + 2);
	const uint32_t n = 1 + take(run) % 4;
	const int is_open = take(run) & 1;

	region->fd = is_open ? run->open_fd : run->sealed_fd;
	region->flags |= take(run) & VIO_MEM_ACCEPT_UNSEALED;
	region->fd_offset_bytes = (uint64_t)page * PAGE;
	region->length_bytes = (uint64_t)n * PAGE;
	if (is_open && !(region->flags & VIO_MEM_ACCEPT_UNSEALED))
		return -EPERM;
	return page + n > FILE_PAGES ? -ERANGE : 0;
}

/* One thing wrong with it, most of the time. */
static inline int spoil(struct run *run, struct vio_mem_region *region)
{
	uint64_t *const fields[] = { &region->gpa, &region->length_bytes,
				     &region->fd_offset_bytes };
	const uint8_t what = take(run);

	switch (what % 8) {
	case 0:
		region->flags |= 4u << (what >> 3) % 30;
		return -EINVAL;
	case 1:
		*fields[(what >> 3) % 3] |= 1 + take(run);
		return -EINVAL;
	case 2:
		region->length_bytes = 0;
		return -EINVAL;
	case 3:
		region->gpa = UINT64_MAX - PAGE + 1;
		region->length_bytes = 2 * PAGE;
		return -EINVAL;
	case 4:
		region->fd = region->hva ? 0 : -1;
		return -EINVAL;
	case 5:
		region->size = take(run) % sizeof(*region);
		return -EINVAL;
	case 6:
		region->reserved = 1u << (what >> 3) % 32;
		return -EINVAL;
	default:
		region->hva = (void *)(UINTPTR_MAX - PAGE + 1);
		region->length_bytes = 2 * PAGE;
		region->fd = -1;
		return -EINVAL;
	}
}

/* What is wrong with a sound region, where it is put. */
static inline int
expect_place(struct run *run, const struct vio_mem_region *region, int file)
{
	const struct zone probe = { .gpa = region->gpa,
				    .length_bytes = region->length_bytes };

	/* Whole pages that wrap come from the last page, and are refused. */
	if (region->gpa + (region->length_bytes - 1) < region->gpa)
		return -EINVAL;
	return find_overlap(run, run->draft, &probe) ? -EEXIST : file;
}

#endif /* TESTS_FUZZ_MEMORY_INPUT_H */
