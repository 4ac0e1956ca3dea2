/* SPDX-License-Identifier: MIT */
/*
 * Four queues on four threads over one memory table, which changes a thousand
 * times under them: a region that their chains use comes and goes, and is
 * unmapped the moment it is released. A chain popped is a chain that can be read
 * and written until it is pushed, whatever the table has become.
 */
#include <pthread.h>

#include "unit/ring/guest.h"

#define N_LANES   4u
#define N_CHANGES 1000u
#define LANE_GPA  UINT64_C(0x10000000)
#define GUEST_GPA UINT64_C(0x80000000) /* comes and goes */

struct load {
	struct guest *g;
	uint32_t is_done; /* atomic */
	uint32_t n_released;
};

struct lane {
	struct load *load;
	struct guest *g;
	uint64_t buffer_gpa; /* a page of its own in the region that comes and goes */
	uint32_t n_served;
	uint32_t n_latched;
	int is_wrong;
};

/* Any outcome but these two, and the lane stops and says so. */
static void serve_one(struct lane *lane)
{
	struct guest *g = lane->g;
	int n = pop(g, 1);

	if (n == 1) {
		memset(g->chains[0].iov[0].iov_base, (int)lane->n_served, PAGE);
		g->chains[0].written_bytes = PAGE;
		if (vio_queue_push(g->queue, g->chains, 1) != 1 || publish(g) < 0)
			lane->is_wrong = 1;
		lane->n_served++;
		return;
	}
	if (n != -EBADMSG || g->fault.code != VIO_FAULT_ADDRESS)
		lane->is_wrong = 1;
	vio_queue_reset(g->queue);
	g->avail_index = 0;
	lane->n_latched++;
}

/* Relaxed: a flag to stop at, it orders nothing. A late starter serves one yet. */
static int is_over(const struct lane *lane)
{
	return lane->is_wrong ||
	       (lane->n_served &&
		__atomic_load_n(&lane->load->is_done, __ATOMIC_RELAXED));
}

static void *run_lane(void *opaque)
{
	struct lane *lane = opaque;

	for (uint32_t i = 0; !is_over(lane); i++) {
		write_desc(desc_at(lane->g, i % N_DESCS), lane->buffer_gpa, PAGE,
			   VIO_DESC_WRITE, 0);
		offer(lane->g, i % N_DESCS);
		serve_one(lane);
	}
	return NULL;
}

static void unmap(void *opaque, uint64_t gpa)
{
	(void)gpa;
	assert_int_equal(munmap(opaque, N_LANES * PAGE), 0);
}

static void add_guest_region(struct load *load)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.gpa = GUEST_GPA;
	region.length_bytes = N_LANES * PAGE;
	region.hva = map_pages(N_LANES * PAGE);
	region.released = unmap;
	region.opaque = region.hva;
	assert_int_equal(vio_mem_add(load->g->mem, &region, NULL), 0);
}

static void change_table(struct load *load)
{
	assert_int_equal(vio_mem_remove(load->g->mem, GUEST_GPA), 0);
	load->n_released += (uint32_t)vio_mem_dispatch(load->g->mem);
	add_guest_region(load);
	load->n_released += (uint32_t)vio_mem_dispatch(load->g->mem);
}

/* A queue with a ring of its own memory in the table of @load. */
static struct guest *open_lane(struct load *load, uint32_t number)
{
	struct guest *g = test_calloc(1, sizeof(*g));
	const uint64_t gpa = LANE_GPA + number * (uint64_t)RAM_BYTES;

	g->mem = load->g->mem;
	g->ram = map_pages(RAM_BYTES);
	add_region(load->g, gpa, g->ram, RAM_BYTES, 0);
	g->params = load->g->params;
	g->params.opaque = g;
	g->params.desc_addr = gpa + (DESC_GPA - RAM_GPA);
	g->params.driver_addr = gpa + (AVAIL_GPA - RAM_GPA);
	g->params.device_addr = gpa + (USED_GPA - RAM_GPA);
	start_queue(g);
	return g;
}

static void close_lane(struct guest *g)
{
	vio_queue_destroy(g->queue);
	assert_int_equal(munmap(g->ram, RAM_BYTES), 0);
	test_free(g);
}

static void chains_stay_valid_while_the_table_changes(void **state)
{
	struct load load = { .g = *state };
	struct lane lanes[N_LANES] = { 0 };
	pthread_t threads[N_LANES];

	add_guest_region(&load);
	for (uint32_t i = 0; i < N_LANES; i++) {
		lanes[i].load = &load;
		lanes[i].g = open_lane(&load, i);
		lanes[i].buffer_gpa = GUEST_GPA + i * (uint64_t)PAGE;
	}
	for (uint32_t i = 0; i < N_LANES; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, run_lane, &lanes[i]),
				 0);
	for (uint32_t i = 0; i < N_CHANGES; i++)
		change_table(&load);
	__atomic_store_n(&load.is_done, 1, __ATOMIC_RELAXED);
	for (uint32_t i = 0; i < N_LANES; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
		assert_int_equal(lanes[i].is_wrong, 0);
		assert_true(lanes[i].n_served > 0);
		assert_int_equal(lanes[i].g->n_faults, lanes[i].n_latched);
	}
	load.n_released += (uint32_t)vio_mem_dispatch(load.g->mem);
	assert_int_equal(load.n_released, N_CHANGES);
	for (uint32_t i = 0; i < N_LANES; i++)
		close_lane(lanes[i].g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_memory, chains_stay_valid_while_the_table_changes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
