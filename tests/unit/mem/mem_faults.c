/* SPDX-License-Identifier: MIT */
/*
 * Every allocation of every call fails once. Each step of a long story is tried
 * with its Nth allocation failing, for N from 1 until the step needs fewer; it
 * then answers -ENOMEM, the table is as it was, and the next try goes on.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/mem/fixture.h"

#define N_PAGES 24u

/* An allocator with one failure ahead and a balance. */
struct faulty {
	uint64_t n_until; /* 0: none fails */
	uint64_t n_failed;
	int64_t n_live;
};

static void *faulty_alloc(void *opaque, size_t size_bytes, size_t align)
{
	struct faulty *faulty = opaque;

	if (faulty->n_until && !--faulty->n_until) {
		faulty->n_failed++;
		return NULL;
	}
	faulty->n_live++;
	return aligned_alloc(align < 8 ? 8 : align, (size_bytes + 63) & ~(size_t)63);
}

static void faulty_free(void *opaque, void *ptr, size_t size_bytes, size_t align)
{
	struct faulty *faulty = opaque;

	(void)size_bytes;
	(void)align;
	faulty->n_live--;
	free(ptr);
}

struct world {
	struct faulty faulty;
	struct vio_ctx *ctx;
	struct fixture f;
	struct vio_mem_reader reader;
	struct count count;
	uint32_t n_taken; /* regions and bitmaps accepted: to be released */
	uint8_t bits[2][8];
	int fd;
};

/* What the outside can see of the table. */
struct snapshot {
	char *bytes[N_PAGES];
	uint8_t marks[2];
};

static struct snapshot snapshot_read(struct world *w)
{
	struct snapshot snapshot = { 0 };

	for (uint32_t i = 0; i < N_PAGES; i++)
		snapshot.bytes[i] = find_byte(w->f.mem, (uint64_t)i * PAGE);
	vio_mem_mark(w->f.mem, 0, 1);
	for (uint32_t i = 0; i < 2; i++) {
		snapshot.marks[i] = w->bits[i][0];
		w->bits[i][0] = 0;
	}
	return snapshot;
}

static int take(struct world *w, int ret)
{
	if (!ret)
		w->n_taken++;
	return ret;
}

static int add_at(struct world *w, uint32_t page)
{
	return take(w, add_counted(&w->f, (uint64_t)page * PAGE, page, &w->count));
}

static int add_one(struct world *w)
{
	return add_at(w, 0);
}

static int add_mapped(struct world *w)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = 20 * PAGE;
	region.length_bytes = PAGE;
	region.fd = w->fd;
	region.released = count_released;
	region.opaque = &w->count;
	return take(w, vio_mem_add(w->f.mem, &region, NULL));
}

static int finish(struct world *w, int ret)
{
	if (!ret)
		return vio_mem_commit(w->f.mem);
	assert_int_equal(vio_mem_abort(w->f.mem), 0);
	return ret;
}

/* More than a new draft has room for. */
static int add_many(struct world *w)
{
	int ret = 0;

	assert_int_equal(vio_mem_begin(w->f.mem), 0);
	for (uint32_t i = 1; i < 18 && !ret; i++)
		ret = add_at(w, i);
	return finish(w, ret);
}

static int replace_one(struct world *w)
{
	int ret;

	assert_int_equal(vio_mem_begin(w->f.mem), 0);
	ret = vio_mem_remove(w->f.mem, 3 * PAGE);
	if (!ret)
		ret = take(w, add_counted(&w->f, 3 * PAGE, 30, &w->count));
	return finish(w, ret);
}

static int remove_one(struct world *w)
{
	return vio_mem_remove(w->f.mem, 5 * PAGE);
}

static int attach_listener(struct world *w)
{
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	return vio_mem_attach_listener(w->f.mem, &listener);
}

static int detach_listener(struct world *w)
{
	return vio_mem_detach_listener(w->f.mem, NULL);
}

static int attach_bits(struct world *w, uint32_t i)
{
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	bitmap.length_bytes = 64 * PAGE;
	bitmap.bits = w->bits[i];
	bitmap.released = count_released;
	bitmap.opaque = &w->count;
	return take(w, vio_mem_attach_bitmap(w->f.mem, &bitmap));
}

static int attach_first_bitmap(struct world *w)
{
	return attach_bits(w, 0);
}

static int attach_second_bitmap(struct world *w)
{
	return attach_bits(w, 1);
}

static int detach_first_bitmap(struct world *w)
{
	return vio_mem_detach_bitmap(w->f.mem, w->bits[0]);
}

/* What must not need memory: under a failing allocator it works. */
static int read_and_dispatch(struct world *w)
{
	const struct vio_mem_view *view = vio_mem_reader_enter(&w->reader);

	vio_mem_view_mark(view, 0, PAGE);
	w->reader.n_held++;
	vio_mem_reader_leave(&w->reader);
	vio_mem_reader_close_chain(&w->reader, view);
	vio_mem_reader_leave(&w->reader);
	vio_mem_mark(w->f.mem, 0, PAGE);
	vio_mem_notify(w->f.mem);
	vio_mem_dispatch(w->f.mem);
	return 0;
}

static int (*const story[])(struct world *w) = {
	add_one,
	add_many,
	add_mapped,
	attach_listener,
	replace_one,
	attach_first_bitmap,
	read_and_dispatch,
	remove_one,
	add_one,
	replace_one,
	attach_second_bitmap,
	detach_first_bitmap,
	read_and_dispatch,
	detach_listener,
};

/* With each allocation failing in turn. Answers of the last, whole, try. */
static int step(struct world *w, int (*run)(struct world *w))
{
	for (uint64_t n = 1;; n++) {
		struct snapshot before = snapshot_read(w);
		uint64_t n_failed = w->faulty.n_failed;
		struct snapshot after;
		int ret;

		w->faulty.n_until = n;
		ret = run(w);
		w->faulty.n_until = 0;
		if (w->faulty.n_failed == n_failed)
			return ret;
		assert_int_equal(ret, -ENOMEM);
		after = snapshot_read(w);
		assert_memory_equal(&before, &after, sizeof(before));
	}
}

static void world_create(struct world *w, char *host)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_alloc_ops ops = VIO_ALLOC_OPS_INIT;

	memset(w, 0, sizeof(*w));
	w->f.host = host;
	ops.alloc = faulty_alloc;
	ops.free = faulty_free;
	ops.opaque = &w->faulty;
	params.alloc = &ops;
	assert_int_equal(vio_ctx_create(&params, &w->ctx, NULL), 0);
	w->fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(w->fd >= 0);
	assert_int_equal(ftruncate(w->fd, PAGE), 0);
	assert_int_equal(fcntl(w->fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
}

static void world_destroy(struct world *w)
{
	close(w->fd);
	assert_int_equal(vio_ctx_destroy(w->ctx, NULL), 0);
	assert_int_equal(w->faulty.n_live, 0);
}

static void a_failed_allocation_leaves_the_table_as_it_was(void **state)
{
	struct fixture *f = *state;
	struct world w;

	world_create(&w, f->host);
	assert_int_equal(vio_mem_create(w.ctx, &w.f.mem), 0);
	vio_mem_reader_attach(&w.reader, w.f.mem);
	for (size_t i = 0; i < sizeof(story) / sizeof(story[0]); i++)
		if (story[i] == add_one && i)
			assert_int_equal(step(&w, add_one), -EEXIST);
		else
			assert_int_equal(step(&w, story[i]), 0);
	assert_true(w.faulty.n_failed > 20);
	vio_mem_reader_detach(&w.reader);
	w.faulty.n_until = 1;
	assert_int_equal(vio_mem_destroy(w.f.mem, NULL), 0);
	w.faulty.n_until = 0;
	assert_int_equal(w.count.n, w.n_taken);
	world_destroy(&w);
}

static void a_table_that_cannot_be_created_leaves_the_output(void **state)
{
	struct fixture *f = *state;
	struct vio_mem *untouched = f->mem;
	struct world w;

	world_create(&w, f->host);
	w.faulty.n_until = 1;
	assert_int_equal(vio_mem_create(w.ctx, &untouched), -ENOMEM);
	assert_ptr_equal(untouched, f->mem);
	world_destroy(&w);
}

static void a_region_that_cannot_be_mapped_leaves_nothing_behind(void **state)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct fixture *f = *state;
	struct world w;
	int64_t n_live;

	world_create(&w, f->host);
	assert_int_equal(vio_mem_create(w.ctx, &w.f.mem), 0);
	n_live = w.faulty.n_live;
	region.length_bytes = 2 * PAGE;
	region.fd = w.fd;
	assert_int_equal(vio_mem_add(w.f.mem, &region, NULL), -ERANGE);
	assert_int_equal(w.faulty.n_live, n_live);
	assert_int_equal(vio_mem_destroy(w.f.mem, NULL), 0);
	world_destroy(&w);
}

static void a_refusal_for_lack_of_memory_has_words(void **state)
{
	struct fixture *f = *state;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_mem_region region;
	struct world w;

	world_create(&w, f->host);
	assert_int_equal(vio_mem_create(w.ctx, &w.f.mem), 0);
	region = region_at(&w.f, 0, 1, 0);
	for (uint64_t n = 1; n <= 3; n++) {
		w.faulty.n_until = n;
		err.code = 0;
		assert_int_equal(vio_mem_add(w.f.mem, &region, &err), -ENOMEM);
		assert_int_equal(err.code, -ENOMEM);
	}
	assert_int_equal(vio_mem_destroy(w.f.mem, NULL), 0);
	world_destroy(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(a_failed_allocation_leaves_the_table_as_it_was),
		test_with_table(a_table_that_cannot_be_created_leaves_the_output),
		test_with_table(a_region_that_cannot_be_mapped_leaves_nothing_behind),
		test_with_table(a_refusal_for_lack_of_memory_has_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
