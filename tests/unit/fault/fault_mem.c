/* SPDX-License-Identifier: MIT */
/*
 * Memory tables. Whatever a change fails for, the table translates as before,
 * listeners have heard that it came to nothing, and what was mapped is unmapped.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/fault/fault_case.h"

#define NEW_GPA UINT64_C(0x100000) /* of what is added */
#define N_ADDED 20u                /* in a batch: more than a draft begins with */

static int create(struct fault_scene *scene)
{
	struct vio_mem *mem = scene->out;
	int ret = vio_mem_create(scene->ctx, &mem);

	scene->out = mem;
	return ret;
}

static void destroy_created(struct fault_scene *scene)
{
	assert_int_equal(vio_mem_destroy(scene->out, NULL), 0);
}

/* Listeners. The scene counts changes prepared and neither done nor undone. */

static int on_prepare(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	struct fault_scene *scene = opaque;

	(void)changes;
	scene->n_expected += n;
	return 0;
}

static void on_commit(void *opaque, const struct vio_mem_change *changes, uint32_t n,
		      int is_committed)
{
	struct fault_scene *scene = opaque;

	(void)changes;
	(void)is_committed;
	assert_true(scene->n_expected >= n);
	scene->n_expected -= n;
}

static int attach_listener(struct fault_scene *scene)
{
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	listener.prepare = on_prepare;
	listener.commit = on_commit;
	listener.opaque = scene;
	return vio_mem_attach_listener(scene->mem, &listener);
}

static int detach_listener(struct fault_scene *scene)
{
	return vio_mem_detach_listener(scene->mem, scene);
}

static void setup_followed(struct fault_scene *scene)
{
	fault_create_mem(scene);
	assert_int_equal(attach_listener(scene), 0);
}

static void verify_followed(struct fault_scene *scene)
{
	assert_int_equal(scene->n_expected, 0);
	fault_verify_page(scene, FAULT_RING_GPA, 0);
	fault_verify_page(scene, NEW_GPA, -1);
}

/* Regions. */

static int add(struct fault_scene *scene)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = NEW_GPA;
	region.length_bytes = FAULT_PAGE;
	region.hva = scene->pages + 8 * FAULT_PAGE;
	return vio_mem_add(scene->mem, &region, &scene->err);
}

static void setup_fd(struct fault_scene *scene)
{
	setup_followed(scene);
	scene->fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(scene->fd >= 0);
	assert_int_equal(ftruncate(scene->fd, FAULT_PAGE), 0);
	assert_int_equal(fcntl(scene->fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
}

static int add_fd(struct fault_scene *scene)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = NEW_GPA;
	region.length_bytes = FAULT_PAGE;
	region.fd = scene->fd;
	return vio_mem_add(scene->mem, &region, &scene->err);
}

static void finish_fd(struct fault_scene *scene)
{
	fault_destroy_mem(scene);
	close(scene->fd);
}

static int remove_region(struct fault_scene *scene)
{
	return vio_mem_remove(scene->mem, FAULT_RING_GPA);
}

/* Batches. */

static int add_to_batch(struct fault_scene *scene, uint32_t i)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = NEW_GPA + i * UINT64_C(0x10000);
	region.length_bytes = FAULT_PAGE;
	region.hva = scene->pages + 8 * FAULT_PAGE;
	region.released = fault_count_released;
	region.opaque = scene;
	return vio_mem_add(scene->mem, &region, &scene->err);
}

static void open_batch(struct fault_scene *scene)
{
	assert_int_equal(vio_mem_begin(scene->mem), 0);
	for (uint32_t i = 0; i < N_ADDED; i++)
		assert_int_equal(add_to_batch(scene, i), 0);
	assert_int_equal(vio_mem_remove(scene->mem, FAULT_RING_GPA), 0);
}

static void setup_batch(struct fault_scene *scene)
{
	setup_followed(scene);
	open_batch(scene);
}

static int commit(struct fault_scene *scene)
{
	return vio_mem_commit(scene->mem);
}

/* The batch is closed, its regions are released: it can be made again. */
static void verify_batch(struct fault_scene *scene)
{
	while (vio_ctx_dispatch(scene->ctx, 64) > 0)
		;
	assert_int_equal(scene->n_told, N_ADDED);
	verify_followed(scene);
	open_batch(scene);
}

static void finish_batch(struct fault_scene *scene)
{
	fault_verify_page(scene, FAULT_RING_GPA, -1);
	fault_verify_page(scene, NEW_GPA, 8);
	fault_destroy_mem(scene);
}

/* An add in an open batch, the one that its array has to grow for. */
static void setup_full_batch(struct fault_scene *scene)
{
	setup_followed(scene);
	assert_int_equal(vio_mem_begin(scene->mem), 0);
	for (uint32_t i = 1; i < 9; i++)
		assert_int_equal(add_to_batch(scene, i), 0);
}

static int add_to_full(struct fault_scene *scene)
{
	return add_to_batch(scene, 0);
}

static void finish_full(struct fault_scene *scene)
{
	assert_int_equal(vio_mem_commit(scene->mem), 0);
	fault_verify_page(scene, NEW_GPA, 8);
	fault_destroy_mem(scene);
}

/* The same for the first change of a batch, which makes the array. */
static void setup_open_batch(struct fault_scene *scene)
{
	setup_followed(scene);
	assert_int_equal(vio_mem_begin(scene->mem), 0);
}

static void finish_removal(struct fault_scene *scene)
{
	assert_int_equal(vio_mem_commit(scene->mem), 0);
	fault_verify_page(scene, FAULT_RING_GPA, -1);
	fault_destroy_mem(scene);
}

/* Bitmaps. */

static int attach_bitmap(struct fault_scene *scene)
{
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	bitmap.gpa = FAULT_RING_GPA;
	bitmap.length_bytes = 8 * FAULT_PAGE;
	bitmap.bits = scene->bits;
	return vio_mem_attach_bitmap(scene->mem, &bitmap);
}

static int detach_bitmap(struct fault_scene *scene)
{
	return vio_mem_detach_bitmap(scene->mem, scene->bits);
}

static void setup_bitmap(struct fault_scene *scene)
{
	fault_create_mem(scene);
	assert_int_equal(attach_bitmap(scene), 0);
}

static void verify_unmarked(struct fault_scene *scene)
{
	vio_mem_mark(scene->mem, FAULT_RING_GPA, 1);
	assert_int_equal(scene->bits[0], 0);
}

static void verify_marked(struct fault_scene *scene)
{
	vio_mem_mark(scene->mem, FAULT_RING_GPA, 1);
	assert_int_equal(scene->bits[0], 1);
}

static int64_t
translate(void *opaque, uint64_t iova, uint64_t n, uint32_t access, uint64_t *out_gpa)
{
	(void)opaque;
	(void)access;
	*out_gpa = iova;
	return (int64_t)n;
}

static int use_and_destroy(struct fault_scene *scene)
{
	struct iovec iov;

	vio_mem_set_translate(scene->mem, translate, NULL);
	assert_int_equal(vio_mem_translate(scene->mem, FAULT_RING_GPA, 1,
					   VIO_MEM_READ | VIO_MEM_IOVA, &iov, 1),
			 1);
	vio_mem_notify(scene->mem);
	vio_mem_mark(scene->mem, FAULT_RING_GPA, 1);
	assert_int_equal(vio_mem_begin(scene->mem), 0);
	assert_int_equal(vio_mem_abort(scene->mem), 0);
	assert_int_equal(vio_mem_dispatch(scene->mem), 0);
	return vio_mem_destroy(scene->mem, &scene->err);
}

#define MEMORY FAULT_TAKES_MEMORY
#define ERROR  FAULT_HAS_ERROR
#define CALLS  FAULT_MAKES_CALLS

static const struct fault_case cases[] = {
	{ "vio_mem_create", MEMORY, NULL, NULL, create, NULL, destroy_created },
	{ "vio_mem_add", MEMORY | ERROR, NULL, setup_followed, add, verify_followed,
	  fault_destroy_mem },
	{ "vio_mem_add", MEMORY | CALLS | ERROR, "EPERM", setup_fd, add_fd,
	  verify_followed, finish_fd },
	{ "vio_mem_add", MEMORY | ERROR, NULL, setup_full_batch, add_to_full,
	  verify_followed, finish_full },
	{ "vio_mem_remove", MEMORY, NULL, setup_followed, remove_region,
	  verify_followed, fault_destroy_mem },
	{ "vio_mem_remove", MEMORY, NULL, setup_bitmap, remove_region, verify_marked,
	  fault_destroy_mem },
	{ "vio_mem_remove", MEMORY, NULL, setup_open_batch, remove_region,
	  verify_followed, finish_removal },
	{ "vio_mem_commit", MEMORY, NULL, setup_batch, commit, verify_batch,
	  finish_batch },
	{ "vio_mem_attach_listener", MEMORY, NULL, fault_create_mem, attach_listener,
	  verify_followed, fault_destroy_mem },
	{ "vio_mem_detach_listener", MEMORY, NULL, setup_followed, detach_listener,
	  verify_followed, fault_destroy_mem },
	{ "vio_mem_attach_bitmap", MEMORY, NULL, fault_create_mem, attach_bitmap,
	  verify_unmarked, fault_destroy_mem },
	{ "vio_mem_detach_bitmap", MEMORY, NULL, setup_bitmap, detach_bitmap,
	  verify_marked, fault_destroy_mem },
	{ "vio_mem_destroy vio_mem_begin vio_mem_abort vio_mem_translate "
	  "vio_mem_set_translate vio_mem_notify vio_mem_mark vio_mem_dispatch",
	  FAULT_TAKES_NOTHING, NULL, setup_followed, use_and_destroy, NULL,
	  fault_unmap_pages },
};

const struct fault_family fault_mem = { cases, sizeof(cases) / sizeof(cases[0]) };
