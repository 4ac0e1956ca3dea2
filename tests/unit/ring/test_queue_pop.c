/* SPDX-License-Identifier: MIT */
/*
 * Taking chains: bursts and the room for them, chains in many pieces, a memory
 * table that changes under the queue, and rings of every size.
 */
#include "unit/ring/guest.h"

static void an_empty_ring_pops_nothing(void **state)
{
	assert_int_equal(pop(*state, 1), 0);
}

static void no_room_for_chains_is_refused(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	assert_int_equal(pop(g, 0), -EINVAL);
	expect_pop(g, 0);
}

static void too_little_room_for_iovecs_is_refused(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	assert_int_equal(vio_queue_pop(g->queue, g->chains, 1, g->iov, N_IOV - 1),
			 -EINVAL);
	expect_pop(g, 0);
}

static void a_chain_is_handed_out_with_its_parts(void **state)
{
	struct guest *g = *state;
	const struct vio_chain *chain = g->chains;

	write_desc(desc_at(g, 4), DATA_GPA + 3, 5, VIO_DESC_NEXT, 2);
	write_desc(desc_at(g, 2), DATA_GPA + 100, 7, VIO_DESC_NEXT | VIO_DESC_WRITE, 6);
	write_desc(desc_at(g, 6), DATA_GPA + 200, 11, VIO_DESC_WRITE, 0);
	offer(g, 4);
	expect_pop(g, 4);
	assert_int_equal(chain->n_out, 1);
	assert_int_equal(chain->n_in, 2);
	assert_int_equal(chain->out_bytes, 5);
	assert_int_equal(chain->in_bytes, 18);
	assert_int_equal(chain->written_bytes, 0);
	assert_ptr_equal(chain->iov[0].iov_base, guest_at(g, DATA_GPA + 3));
	assert_ptr_equal(chain->iov[2].iov_base, guest_at(g, DATA_GPA + 200));
	assert_int_equal(chain->iov[2].iov_len, 11);
}

static void a_burst_takes_what_there_is_room_for(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < 5; i++)
		offer_page(g, i);
	assert_int_equal(pop(g, 3), 3);
	assert_int_equal(vio_queue_get_open(g->queue), 3);
	assert_int_equal(pop(g, 3), 2);
	assert_int_equal(g->chains[1].head, 4);
	assert_int_equal(vio_queue_get_open(g->queue), 5);
}

static void chains_of_a_burst_share_the_iovecs_front_to_back(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_desc(g, 1, 0, 0);
	offer(g, 0);
	offer_page(g, 2);
	assert_int_equal(pop(g, 2), 2);
	assert_ptr_equal(g->chains[0].iov, &g->iov[0]);
	assert_ptr_equal(g->chains[1].iov, &g->iov[2]);
}

static void start_with_room(struct guest *g, uint32_t max_chain_iov)
{
	g->params.max_chain_iov = max_chain_iov;
	start_queue(g);
}

/* A chain of three descriptors from @head on. */
static void offer_three(struct guest *g, uint32_t head)
{
	set_desc(g, head, VIO_DESC_NEXT, head + 1);
	set_desc(g, head + 1, VIO_DESC_NEXT, head + 2);
	set_desc(g, head + 2, 0, 0);
	offer(g, head);
}

static void a_burst_ends_where_the_iovecs_do(void **state)
{
	struct guest *g = *state;

	start_with_room(g, 3);
	offer_three(g, 0);
	offer_three(g, 3);
	assert_int_equal(vio_queue_pop(g->queue, g->chains, 2, g->iov, 5), 1);
	assert_int_equal(vio_queue_pop(g->queue, g->chains, 2, g->iov, 5), 1);
	assert_int_equal(g->chains[0].head, 3);
	assert_int_equal(g->n_faults, 0);
}

static void a_chain_in_as_many_pieces_as_allowed_is_popped(void **state)
{
	struct guest *g = *state;

	start_with_room(g, 3);
	offer_three(g, 0);
	assert_int_equal(vio_queue_pop(g->queue, g->chains, 1, g->iov, 3), 1);
}

static void a_chain_in_more_pieces_than_allowed_latches_the_queue(void **state)
{
	struct guest *g = *state;

	start_with_room(g, 2);
	offer_three(g, 0);
	expect_latch(g, VIO_FAULT_TOO_MANY);
}

/* Two regions that are neighbours for the guest and lie apart, or not, here. */
static char *add_neighbours(struct guest *g, size_t gap)
{
	char *at = map_pages(2 * PAGE + gap);

	add_region(g, RAM_END, at, PAGE, 0);
	add_region(g, RAM_END + PAGE, at + PAGE + gap, PAGE, 0);
	return at;
}

static void a_buffer_across_regions_takes_an_iovec_for_each(void **state)
{
	struct guest *g = *state;
	char *at = add_neighbours(g, PAGE);

	write_desc(desc_at(g, 0), RAM_END + PAGE - 10, 30, VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_in, 2);
	assert_int_equal(g->chains[0].in_bytes, 30);
	assert_ptr_equal(g->iov[0].iov_base, at + PAGE - 10);
	assert_int_equal(g->iov[0].iov_len, 10);
	assert_ptr_equal(g->iov[1].iov_base, at + 2 * PAGE);
	assert_int_equal(g->iov[1].iov_len, 20);
	munmap(at, 3 * PAGE);
}

static void a_buffer_in_more_regions_than_allowed_latches_the_queue(void **state)
{
	struct guest *g = *state;
	char *at = add_neighbours(g, PAGE);

	start_with_room(g, 1);
	write_desc(desc_at(g, 0), RAM_END, 2 * PAGE, 0, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_TOO_MANY);
	munmap(at, 3 * PAGE);
}

static void a_buffer_across_regions_that_touch_here_too_has_all_its_bytes(void **state)
{
	struct guest *g = *state;
	char *at = add_neighbours(g, 0);
	uint64_t bytes = 0;

	write_desc(desc_at(g, 0), RAM_END + 1, 2 * PAGE - 1, 0, 0);
	offer(g, 0);
	expect_pop(g, 0);
	for (uint32_t i = 0; i < g->chains[0].n_out; i++) {
		assert_ptr_equal(g->iov[i].iov_base, at + 1 + bytes);
		bytes += g->iov[i].iov_len;
	}
	assert_int_equal(bytes, 2 * PAGE - 1);
	munmap(at, 2 * PAGE);
}

static void start_with_tables(struct guest *g, uint32_t max_chain_iov)
{
	g->params.features |= VIO_F_INDIRECT_DESC;
	start_with_room(g, max_chain_iov);
}

static void a_table_of_more_buffers_than_allowed_latches_the_queue(void **state)
{
	struct guest *g = *state;

	start_with_tables(g, 1);
	set_table(g, 0, VIO_DESC_NEXT, 1);
	set_table(g, 1, 0, 0);
	set_indirect(g, 0, 2);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_TOO_MANY);
}

static void a_table_of_a_buffer_in_too_many_regions_latches_the_queue(void **state)
{
	struct guest *g = *state;
	char *at = add_neighbours(g, PAGE);

	start_with_tables(g, 1);
	write_desc(table_at(g, 0), RAM_END, 2 * PAGE, 0, 0);
	set_indirect(g, 0, 1);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_TOO_MANY);
	munmap(at, 3 * PAGE);
}

/* The memory table changes under the queue. */

static void replace_ram(struct guest *g, char *ram,
			void (*released)(void *opaque, uint64_t gpa), void *opaque)
{
	struct vio_mem_region region = region_of(RAM_GPA, ram, RAM_BYTES);

	region.released = released;
	region.opaque = opaque;
	assert_int_equal(vio_mem_begin(g->mem), 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_GPA), 0);
	assert_int_equal(vio_mem_add(g->mem, &region, NULL), 0);
	assert_int_equal(vio_mem_commit(g->mem), 0);
	g->ram = ram;
}

static void a_ring_that_moves_is_found_again(void **state)
{
	struct guest *g = *state;
	char *before = g->ram, *after = map_pages(RAM_BYTES);

	offer_page(g, 0);
	serve(g, 0);
	memcpy(after, before, RAM_BYTES);
	replace_ram(g, after, NULL, NULL);
	memset(before, 0xff, RAM_BYTES);
	munmap(before, RAM_BYTES);
	offer_page(g, 1);
	serve(g, 1);
	assert_int_equal(used_index(g), 2);
	assert_int_equal(used_id(g, 1), 1);
}

static void a_chain_popped_before_a_move_is_completed_after_it(void **state)
{
	struct guest *g = *state;
	char *before = g->ram, *after = map_pages(RAM_BYTES);

	offer_room(g, 0);
	expect_pop(g, 0);
	memcpy(after, before, RAM_BYTES);
	replace_ram(g, after, NULL, NULL);
	assert_ptr_equal(g->chains[0].iov[0].iov_base,
			 before + (data_gpa(0) - RAM_GPA));
	memset(g->chains[0].iov[0].iov_base, 1, PAGE);
	assert_int_equal(push(g, 0, 5), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_length(g, 0), 5);
	munmap(before, RAM_BYTES);
}

static void count_release(void *opaque, uint64_t gpa)
{
	(void)gpa;
	(*(uint32_t *)opaque)++;
}

static void add_counted(struct guest *g, char *at, uint32_t *n_released)
{
	struct vio_mem_region region = region_of(RAM_END, at, PAGE);

	region.released = count_release;
	region.opaque = n_released;
	assert_int_equal(vio_mem_add(g->mem, &region, NULL), 0);
}

static void offer_high(struct guest *g, uint32_t head)
{
	write_desc(desc_at(g, head), RAM_END, PAGE, VIO_DESC_WRITE, 0);
	offer(g, head);
}

static void a_region_is_released_once_its_chains_are_published(void **state)
{
	struct guest *g = *state;
	char *at = map_pages(PAGE);
	uint32_t n_released = 0;

	add_counted(g, at, &n_released);
	offer_high(g, 0);
	offer_high(g, 1);
	assert_int_equal(pop(g, 2), 2);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	vio_mem_dispatch(g->mem);
	assert_int_equal(n_released, 0);
	assert_int_equal(push(g, 1, PAGE), 1);
	assert_int_equal(publish(g), 1);
	vio_mem_dispatch(g->mem);
	assert_int_equal(n_released, 0);
	assert_int_equal(push(g, 0, PAGE), 1);
	assert_int_equal(publish(g), 1);
	vio_mem_dispatch(g->mem);
	vio_mem_dispatch(g->mem);
	assert_int_equal(n_released, 1);
	munmap(at, PAGE);
}

static void a_region_without_open_chains_is_released_at_once(void **state)
{
	struct guest *g = *state;
	char *at = map_pages(PAGE);
	uint32_t n_released = 0;

	add_counted(g, at, &n_released);
	offer_high(g, 0);
	serve(g, 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	vio_mem_dispatch(g->mem);
	assert_int_equal(n_released, 1);
	munmap(at, PAGE);
}

static void a_reset_lets_go_of_regions(void **state)
{
	struct guest *g = *state;
	char *at = map_pages(PAGE);
	uint32_t n_released = 0;

	add_counted(g, at, &n_released);
	offer_high(g, 0);
	expect_pop(g, 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	vio_queue_reset(g->queue);
	vio_mem_dispatch(g->mem);
	assert_int_equal(n_released, 1);
	munmap(at, PAGE);
}

static void destroying_a_queue_lets_go_of_regions(void **state)
{
	struct guest *g = *state;
	char *at = map_pages(PAGE);
	uint32_t n_released = 0;

	add_counted(g, at, &n_released);
	offer_high(g, 0);
	expect_pop(g, 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	vio_queue_destroy(g->queue);
	g->queue = NULL;
	vio_mem_dispatch(g->mem);
	assert_int_equal(n_released, 1);
	munmap(at, PAGE);
}

static void a_table_with_a_queue_on_it_is_not_destroyed(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_mem_destroy(g->mem, NULL), -EBUSY);
	offer_page(g, 0);
	serve(g, 0);
}

/* Sizes and indexes. */

static void a_ring_of_one_descriptor_works(void **state)
{
	struct guest *g = open_guest(1, 0);
	void *own = g;

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		offer_room(g, 0);
		serve(g, 0);
		assert_int_equal(used_index(g), i + 1);
	}
	offer(g, 0);
	show_avail(g, (uint16_t)(g->avail_index + 1));
	expect_latch(g, VIO_FAULT_AVAIL_JUMP);
	close_guest(&own);
}

static void a_ring_of_32768_descriptors_works(void **state)
{
	struct guest *g = open_guest(VIO_QUEUE_SIZE_MAX, 0);
	uint32_t n_popped = 0;
	void *own = g;
	int n;

	(void)state;
	for (uint32_t i = 0; i < VIO_QUEUE_SIZE_MAX; i++) {
		write_desc(desc_at(g, i), DATA_GPA, 1, 0, 0);
		offer(g, i);
	}
	while ((n = pop(g, N_CHAINS)) > 0) {
		assert_int_equal(g->chains[0].head, n_popped);
		n_popped += (uint32_t)n;
		assert_int_equal(vio_queue_push(g->queue, g->chains, (uint32_t)n), n);
		assert_int_equal(publish(g), 1);
	}
	assert_int_equal(n, 0);
	assert_int_equal(n_popped, VIO_QUEUE_SIZE_MAX);
	assert_int_equal(used_id(g, VIO_QUEUE_SIZE_MAX - 1), VIO_QUEUE_SIZE_MAX - 1);
	close_guest(&own);
}

static void a_chain_of_32768_descriptors_is_popped(void **state)
{
	struct guest *g = prepare_guest(VIO_QUEUE_SIZE_MAX, 0);
	struct iovec *iov = test_calloc(VIO_QUEUE_SIZE_MAX, sizeof(*iov));
	void *own = g;

	(void)state;
	g->params.max_chain_iov = VIO_QUEUE_SIZE_MAX;
	start_queue(g);
	for (uint32_t i = 0; i < VIO_QUEUE_SIZE_MAX; i++)
		write_desc(desc_at(g, i), DATA_GPA, 1,
			   i + 1 < VIO_QUEUE_SIZE_MAX ? VIO_DESC_NEXT : 0, i + 1);
	offer(g, 0);
	assert_int_equal(vio_queue_pop(g->queue, g->chains, 1, iov, VIO_QUEUE_SIZE_MAX),
			 1);
	assert_int_equal(g->chains[0].n_out, VIO_QUEUE_SIZE_MAX);
	assert_int_equal(push(g, 0, 0), 1);
	test_free(iov);
	close_guest(&own);
}

static void indexes_wrap_at_65536(void **state)
{
	struct guest *g = *state;

	set_state(g, 65530, 65530);
	for (uint32_t i = 0; i < 20; i++) {
		offer_room(g, i % N_DESCS);
		serve(g, i % N_DESCS);
		assert_int_equal(used_index(g), (uint16_t)(65531 + i));
		assert_int_equal(used_id(g, 65530 + i), i % N_DESCS);
	}
}

static void a_burst_may_cross_the_wrap_of_the_indexes(void **state)
{
	struct guest *g = *state;

	set_state(g, 65533, 65533);
	for (uint32_t i = 0; i < N_DESCS; i++)
		offer_page(g, i);
	assert_int_equal(pop(g, N_CHAINS), N_DESCS);
	assert_int_equal(vio_queue_push(g->queue, g->chains, N_DESCS), N_DESCS);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, an_empty_ring_pops_nothing),
		ON(open_plain, no_room_for_chains_is_refused),
		ON(open_plain, too_little_room_for_iovecs_is_refused),
		ON(open_plain, a_chain_is_handed_out_with_its_parts),
		ON(open_plain, a_burst_takes_what_there_is_room_for),
		ON(open_plain, chains_of_a_burst_share_the_iovecs_front_to_back),
		ON(open_memory, a_burst_ends_where_the_iovecs_do),
		ON(open_memory, a_chain_in_as_many_pieces_as_allowed_is_popped),
		ON(open_memory, a_chain_in_more_pieces_than_allowed_latches_the_queue),
		ON(open_plain, a_buffer_across_regions_takes_an_iovec_for_each),
		ON(open_memory,
		   a_buffer_in_more_regions_than_allowed_latches_the_queue),
		ON(open_plain,
		   a_buffer_across_regions_that_touch_here_too_has_all_its_bytes),
		ON(open_memory, a_table_of_more_buffers_than_allowed_latches_the_queue),
		ON(open_memory,
		   a_table_of_a_buffer_in_too_many_regions_latches_the_queue),
		ON(open_plain, a_ring_that_moves_is_found_again),
		ON(open_plain, a_chain_popped_before_a_move_is_completed_after_it),
		ON(open_plain, a_region_is_released_once_its_chains_are_published),
		ON(open_plain, a_region_without_open_chains_is_released_at_once),
		ON(open_plain, a_reset_lets_go_of_regions),
		ON(open_plain, destroying_a_queue_lets_go_of_regions),
		ON(open_plain, a_table_with_a_queue_on_it_is_not_destroyed),
		cmocka_unit_test(a_ring_of_one_descriptor_works),
		cmocka_unit_test(a_ring_of_32768_descriptors_works),
		cmocka_unit_test(a_chain_of_32768_descriptors_is_popped),
		ON(open_plain, indexes_wrap_at_65536),
		ON(open_plain, a_burst_may_cross_the_wrap_of_the_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
