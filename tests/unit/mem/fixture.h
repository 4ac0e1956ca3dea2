/* SPDX-License-Identifier: MIT */
/*
 * What the suites of the memory table share: a table without a context, a
 * little memory to put into it, and counts of released calls.
 */
#ifndef VIO_TESTS_MEM_FIXTURE_H
#define VIO_TESTS_MEM_FIXTURE_H

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <vio/ctx.h>
#include <vio/mem.h>

#include "mem/view.h"

#define PAGE       4096u
#define HOST_PAGES 64u

#define READ       VIO_MEM_READ
#define WRITE      VIO_MEM_WRITE

/* In *state. */
struct fixture {
	struct vio_mem *mem;
	char *host; /* HOST_PAGES pages */
};

/* The opaque of a region or bitmap. */
struct count {
	uint32_t n;
	uint64_t gpa; /* of the latest call */
};

static inline void count_released(void *opaque, uint64_t gpa)
{
	struct count *count = opaque;

	count->n++;
	count->gpa = gpa;
}

static inline int setup_fixture(struct fixture *f)
{
	f->host = aligned_alloc(PAGE, HOST_PAGES * PAGE);
	return f->host ? vio_mem_create(NULL, &f->mem) : -1;
}

static inline int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	*state = f;
	return f ? setup_fixture(f) : -1;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;
	int ret = vio_mem_destroy(f->mem, NULL);

	free(f->host);
	free(f);
	return ret;
}

/* @page counts pages of the host's memory. */
static inline struct vio_mem_region
region_at(const struct fixture *f, uint64_t gpa, uint64_t n_pages, uint32_t page)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = gpa;
	region.length_bytes = n_pages * PAGE;
	region.hva = f->host + (size_t)page * PAGE;
	return region;
}

static inline int
add(const struct fixture *f, uint64_t gpa, uint64_t n_pages, uint32_t page)
{
	struct vio_mem_region region = region_at(f, gpa, n_pages, page);

	return vio_mem_add(f->mem, &region, NULL);
}

static inline int
add_counted(const struct fixture *f, uint64_t gpa, uint32_t page, struct count *count)
{
	struct vio_mem_region region = region_at(f, gpa, 1, page);

	region.released = count_released;
	region.opaque = count;
	return vio_mem_add(f->mem, &region, NULL);
}

/* Where one byte is, or NULL. */
static inline char *find_byte(struct vio_mem *mem, uint64_t gpa)
{
	struct iovec iov;

	return vio_mem_translate(mem, gpa, 1, READ, &iov, 1) == 1 ? iov.iov_base : NULL;
}

#define test_with_table(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif /* VIO_TESTS_MEM_FIXTURE_H */
