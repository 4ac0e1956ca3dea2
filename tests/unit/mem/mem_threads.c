/* SPDX-License-Identifier: MIT */
/*
 * Readers against commits: four threads enter, translate, read, keep chains
 * open and leave, while one thread changes the table and another dispatches. A
 * region is unmapped in its released call, so that one released too early is a
 * crash.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>

#include "unit/mem/fixture.h"

#define N_READERS 4u
#define N_COMMITS 2000u
#define N_SLOTS   8u  /* regions at a time, far apart */
#define N_CHAINS  16u /* that a reader keeps open */
#define STRIDE    0x100000u

struct chain {
	const struct vio_mem_view *view; /* NULL: none */
	struct iovec iov;
	uint64_t expected;
};

struct thread {
	pthread_t id;
	struct vio_mem *mem;
	struct vio_mem_reader reader;
	const uint32_t *is_over; /* atomic */
	uint64_t n_bursts;       /* atomic */
	uint64_t n_read;
	uint64_t n_wrong;
	uint32_t seed;
	struct chain chains[N_CHAINS];
};

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 16;
}

static void check(struct thread *t, const struct chain *chain)
{
	t->n_read++;
	if (*(const volatile uint64_t *)chain->iov.iov_base != chain->expected)
		t->n_wrong++;
}

static void close_chain(struct thread *t, struct chain *chain)
{
	if (!chain->view)
		return;
	check(t, chain);
	vio_mem_reader_close_chain(&t->reader, chain->view);
	chain->view = NULL;
}

/* A region's first word is its address. */
static void
open_chain(struct thread *t, const struct vio_mem_view *view, struct chain *chain)
{
	uint64_t gpa = (uint64_t)(next_random(&t->seed) % N_SLOTS) * STRIDE;

	if (vio_mem_view_translate(view, &t->reader.hint, gpa, 8, READ, &chain->iov,
				   1) != 1)
		return;
	chain->view = view;
	chain->expected = gpa;
	t->reader.n_held++;
	check(t, chain);
}

static void burst(struct thread *t)
{
	const struct vio_mem_view *view = vio_mem_reader_enter(&t->reader);

	for (uint32_t i = 0; i < 4; i++) {
		struct chain *chain = &t->chains[next_random(&t->seed) % N_CHAINS];

		close_chain(t, chain);
		open_chain(t, view, chain);
		vio_mem_view_mark(view, chain->expected, 8);
	}
	vio_mem_reader_leave(&t->reader);
}

/* Now and then all chains are closed, so that the slot falls empty. */
static void *run(void *opaque)
{
	struct thread *t = opaque;

	while (!__atomic_load_n(t->is_over, __ATOMIC_ACQUIRE)) {
		burst(t);
		if (next_random(&t->seed) % 4 == 0) {
			for (uint32_t i = 0; i < N_CHAINS; i++)
				close_chain(t, &t->chains[i]);
			vio_mem_reader_leave(&t->reader);
		}
		vio_mem_mark(t->mem, 0, 1);
		__atomic_fetch_add(&t->n_bursts, 1, __ATOMIC_RELEASE);
	}
	for (uint32_t i = 0; i < N_CHAINS; i++)
		close_chain(t, &t->chains[i]);
	vio_mem_reader_leave(&t->reader);
	return NULL;
}

/* What the thread that dispatches has seen. */
struct tally {
	uint32_t n_released;
	uint32_t n_wrong;
};

struct mapping {
	char *hva;
	struct tally *tally;
};

static void unmap(void *opaque, uint64_t gpa)
{
	struct mapping *mapping = opaque;

	if (*(uint64_t *)(void *)mapping->hva != gpa || munmap(mapping->hva, PAGE))
		mapping->tally->n_wrong++;
	mapping->tally->n_released++;
	free(mapping);
}

static void add_mapping(struct vio_mem *mem, uint64_t gpa, struct tally *tally)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct mapping *mapping = malloc(sizeof(*mapping));

	assert_non_null(mapping);
	mapping->hva = mmap(NULL, PAGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	mapping->tally = tally;
	assert_ptr_not_equal(mapping->hva, MAP_FAILED);
	*(uint64_t *)(void *)mapping->hva = gpa;
	region.gpa = gpa;
	region.length_bytes = PAGE;
	region.hva = mapping->hva;
	region.released = unmap;
	region.opaque = mapping;
	assert_int_equal(vio_mem_add(mem, &region, NULL), 0);
}

static void free_bits(void *opaque, uint64_t gpa)
{
	(void)gpa;
	free(opaque);
}

/* Always one bitmap, another each time. */
static uint8_t *swap_bitmap(struct vio_mem *mem, uint8_t *old)
{
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	bitmap.length_bytes = (uint64_t)N_SLOTS * STRIDE;
	bitmap.bits = calloc(1, N_SLOTS * STRIDE / PAGE / 8);
	assert_non_null(bitmap.bits);
	bitmap.released = free_bits;
	bitmap.opaque = bitmap.bits;
	assert_int_equal(vio_mem_attach_bitmap(mem, &bitmap), 0);
	if (old)
		assert_int_equal(vio_mem_detach_bitmap(mem, old), 0);
	return bitmap.bits;
}

struct dispatcher {
	pthread_t id;
	struct vio_ctx *ctx;
	const uint32_t *is_over; /* atomic */
	int ret;
};

static void *dispatch(void *opaque)
{
	struct dispatcher *d = opaque;

	while (d->ret >= 0 && !__atomic_load_n(d->is_over, __ATOMIC_ACQUIRE)) {
		d->ret = vio_ctx_dispatch(d->ctx, 8);
		sched_yield();
	}
	return NULL;
}

/* No reader is left behind: each has made a burst since the last call. */
static void wait_for_bursts(const struct thread *threads, uint64_t *seen)
{
	for (uint32_t i = 0; i < N_READERS; i++) {
		uint64_t now;

		do {
			sched_yield();
			now = __atomic_load_n(&threads[i].n_bursts, __ATOMIC_ACQUIRE);
		} while (now == seen[i]);
		seen[i] = now;
	}
}

static void
commit_one(struct vio_mem *mem, uint32_t *seed, uint32_t *n_added, struct tally *tally)
{
	uint64_t gpa = (uint64_t)(next_random(seed) % N_SLOTS) * STRIDE;
	int ret;

	assert_int_equal(vio_mem_begin(mem), 0);
	ret = vio_mem_remove(mem, gpa);
	assert_true(!ret || ret == -ENOENT);
	if (next_random(seed) % 8) {
		add_mapping(mem, gpa, tally);
		++*n_added;
	}
	assert_int_equal(vio_mem_commit(mem), 0);
}

static void
start(struct thread *t, struct vio_mem *mem, const uint32_t *is_over, uint32_t seed)
{
	t->mem = mem;
	t->is_over = is_over;
	t->seed = seed;
	vio_mem_reader_attach(&t->reader, mem);
	assert_int_equal(pthread_create(&t->id, NULL, run, t), 0);
}

static void stop(struct thread *t)
{
	assert_int_equal(pthread_join(t->id, NULL), 0);
	vio_mem_reader_detach(&t->reader);
	assert_int_equal(t->n_wrong, 0);
	assert_true(t->n_read > 0);
}

static void regions_go_while_four_threads_read_them(void **state)
{
	static struct thread threads[N_READERS];
	struct fixture *f = *state;
	struct vio_ctx *ctx;
	struct vio_mem *mem;
	uint64_t seen[N_READERS] = { 0 };
	struct tally tally = { 0 };
	struct dispatcher d = { 0 };
	uint32_t is_over = 0, n_added = 0, seed = 1;
	uint8_t *bits = NULL;

	(void)f;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_mem_create(ctx, &mem), 0);
	d.ctx = ctx;
	d.is_over = &is_over;
	assert_int_equal(pthread_create(&d.id, NULL, dispatch, &d), 0);
	for (uint32_t i = 0; i < N_READERS; i++)
		start(&threads[i], mem, &is_over, i + 2);
	for (uint32_t i = 0; i < N_COMMITS; i++) {
		commit_one(mem, &seed, &n_added, &tally);
		if (i % 16 == 0)
			bits = swap_bitmap(mem, bits);
		if (i % 8 == 0)
			wait_for_bursts(threads, seen);
	}
	__atomic_store_n(&is_over, 1, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < N_READERS; i++)
		stop(&threads[i]);
	assert_int_equal(pthread_join(d.id, NULL), 0);
	assert_true(d.ret >= 0);
	assert_true(tally.n_released > 0);
	assert_int_equal(vio_mem_destroy(mem, NULL), 0);
	assert_int_equal(tally.n_released, n_added);
	assert_int_equal(tally.n_wrong, 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(regions_go_while_four_threads_read_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
