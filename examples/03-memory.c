/* SPDX-License-Identifier: MIT */
/*
 * When may memory be taken from a guest? Any time: a region is removed and another
 * put into its place in one batch, readers see the table before or after it, and
 * `released` says when the old memory is nobody's any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vio/vio.h>

#define REGION_BYTES 0x10000u
#define GPA          0x40000000u

static void check(int ret, const char *text)
{
	if (ret < 0) {
		fprintf(stderr, "error %d: %s\n", ret, text);
		exit(EXIT_FAILURE);
	}
}

static void released(void *opaque, uint64_t gpa)
{
	char **memory = opaque;

	printf("the memory at %#llx is free\n", (unsigned long long)gpa);
	free(*memory);
	*memory = NULL;
}

/* A region of fresh memory that begins with @text. */
static void add(struct vio_mem *mem, uint64_t gpa, const char *text, char **memory)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	*memory = aligned_alloc(4096, REGION_BYTES);
	check(*memory ? 0 : -1, "no memory");
	strcpy(*memory, text);
	region.gpa = gpa;
	region.length_bytes = REGION_BYTES;
	region.hva = *memory;
	region.released = released;
	region.opaque = memory;
	check(vio_mem_add(mem, &region, &err), err.text);
}

static void show(struct vio_mem *mem, uint64_t gpa)
{
	struct iovec iov;
	int n = vio_mem_translate(mem, gpa, 16, VIO_MEM_READ, &iov, 1);

	printf("%#llx: %s\n", (unsigned long long)gpa,
	       n == 1 ? (char *)iov.iov_base : "not guest memory");
}

int main(void)
{
	char *first, *second, *third;
	struct vio_mem *mem;

	check(vio_mem_create(NULL, &mem), "create");
	add(mem, GPA, "first", &first);
	show(mem, GPA);

	check(vio_mem_begin(mem), "begin");
	check(vio_mem_remove(mem, GPA), "remove");
	add(mem, GPA, "second", &second);
	add(mem, GPA + REGION_BYTES, "third", &third);
	show(mem, GPA); /* the batch is open: still the first */
	check(vio_mem_commit(mem), "commit");

	/* Without a context this runs the callbacks; with one, its dispatch does. */
	check(vio_mem_dispatch(mem) == 1 ? 0 : -1, "nothing was released");
	show(mem, GPA);
	show(mem, GPA + REGION_BYTES);

	check(vio_mem_destroy(mem, NULL), "destroy");
	return first || second || third ? EXIT_FAILURE : EXIT_SUCCESS;
}
