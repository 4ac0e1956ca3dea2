/* SPDX-License-Identifier: MIT */
/*
 * Malformed available rings, used rings that the guest writes, and rings set up
 * where none can be. Numbers in names as in test_queue_hostile.c.
 */
#include <pthread.h>

#include "unit/ring/guest.h"

/* The available ring. */

static void t0022_a_head_offered_twice_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	offer(g, 0);
	expect_pop(g, 0);
	expect_latch(g, VIO_FAULT_DUPLICATE);
	assert_int_equal(push(g, 0, 0), 1);
}

static void a_head_offered_again_after_its_completion_is_popped(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	offer(g, 0);
	serve(g, 0);
	serve(g, 0);
	assert_int_equal(used_index(g), 2);
}

static void t0074_a_ring_of_one_head_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_desc(g, 5, 0, 0);
	for (uint32_t i = 0; i < N_DESCS; i++)
		offer(g, 5);
	assert_int_equal(pop(g, N_DESCS), 1);
	expect_latch(g, VIO_FAULT_DUPLICATE);
}

static void expect_jump(struct guest *g, uint16_t index)
{
	show_avail(g, index);
	expect_latch(g, VIO_FAULT_AVAIL_JUMP);
}

static void t0023_an_index_that_jumps_forward_latches_the_queue(void **state)
{
	expect_jump(*state, N_DESCS + 1);
}

static void t0024_an_index_that_goes_back_latches_the_queue(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < 4; i++) {
		offer_page(g, i);
		serve(g, i);
	}
	expect_jump(g, 1);
}

static void t0057_an_index_that_goes_back_by_one_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	serve(g, 0);
	expect_jump(g, 0);
}

static void t0062_an_index_near_its_wrap_latches_only_where_it_jumps(void **state)
{
	struct guest *g = *state;

	set_state(g, 65530, 65530);
	for (uint32_t i = 0; i < N_DESCS; i++)
		offer_page(g, i);
	for (uint32_t i = 0; i < N_DESCS; i++)
		serve(g, i);
	assert_int_equal(used_index(g), 2);
	expect_jump(g, 65535);
}

static void t0025_a_head_beyond_the_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer(g, N_DESCS);
	expect_latch(g, VIO_FAULT_INDEX);
	assert_int_equal(g->fault.detail, N_DESCS);
}

static void t0084_a_ring_of_heads_beyond_the_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		offer(g, 65535 - i);
	assert_int_equal(pop(g, N_DESCS), -EBADMSG);
	expect_fault(g, VIO_FAULT_INDEX);
}

static void t0026_unknown_flags_of_the_available_ring_mean_nothing(void **state)
{
	struct guest *g = *state;

	avail_of(g)->flags = htole16(0xfffe);
	offer_page(g, 0);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
}

static void t0065_a_ring_filled_completely_is_popped_completely(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		offer_page(g, i);
	assert_int_equal(pop(g, N_CHAINS), N_DESCS);
	assert_int_equal(pop(g, N_CHAINS), 0);
	assert_int_equal(vio_queue_push(g->queue, g->chains, N_DESCS), N_DESCS);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), N_DESCS);
}

static void t0083_chains_offered_between_pops_are_all_popped_once(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < 100; i += 2) {
		offer_page(g, i % N_DESCS);
		offer_page(g, (i + 1) % N_DESCS);
		serve(g, i % N_DESCS);
		serve(g, (i + 1) % N_DESCS);
		assert_int_equal(pop(g, 1), 0);
	}
}

static void t0096_two_batches_come_one_after_the_other(void **state)
{
	struct guest *g = *state;

	for (uint32_t batch = 0; batch < 2; batch++) {
		for (uint32_t i = 0; i < 4; i++)
			offer_page(g, batch * 4 + i);
		assert_int_equal(pop(g, N_CHAINS), 4);
		assert_int_equal(g->chains[3].head, batch * 4 + 3);
	}
}

static void t0068_a_kick_without_chains_pops_none(void **state)
{
	struct guest *g = *state;

	assert_int_equal(pop(g, 1), 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	assert_int_equal(g->n_faults, 0);
}

static void t0069_a_second_kick_without_chains_pops_none(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	expect_pop(g, 0);
	assert_int_equal(pop(g, 1), 0);
	assert_int_equal(pop(g, 1), 0);
}

static void t0071_a_kick_where_all_is_used_pops_none(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	serve(g, 0);
	assert_int_equal(le16toh(avail_of(g)->index), used_index(g));
	assert_int_equal(pop(g, 1), 0);
}

/* The used ring is the device's: what the guest writes there is not believed. */

static void t0028_a_used_index_that_the_guest_writes_is_not_believed(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	serve(g, 0);
	used_of(g)->index = htole16(12345);
	used_of(g)->ring[1] = (struct vio_split_used_elem){ UINT32_MAX, UINT32_MAX };
	offer_page(g, 1);
	serve(g, 1);
	assert_int_equal(used_index(g), 2);
	assert_int_equal(used_id(g, 1), 1);
	assert_int_equal(used_length(g, 1), 0);
}

static void t0029_used_flags_that_the_guest_writes_are_not_believed(void **state)
{
	struct guest *g = *state;

	used_of(g)->flags = 0xffff;
	offer_page(g, 0);
	serve(g, 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	assert_int_equal(used_of(g)->flags, 0);
}

/* Rings set up where none can be. */

static void expect_no_queue(struct guest *g, int code)
{
	struct vio_queue *out = (void *)g;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_queue_create(NULL, &g->params, &out, &err), code);
	assert_ptr_equal(out, g);
	assert_int_equal(err.code, code);
	assert_int_not_equal(err.text[0], 0);
}

static void t0041_a_size_that_is_no_power_of_two_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.n_descs = 6;
	expect_no_queue(g, -EINVAL);
}

static void t0042_a_size_of_zero_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.n_descs = 0;
	expect_no_queue(g, -EINVAL);
}

static void t0043_a_size_over_32768_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.n_descs = 65536;
	expect_no_queue(g, -EINVAL);
}

static void t0044_a_table_that_is_not_aligned_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.desc_addr += 8;
	expect_no_queue(g, -EINVAL);
}

static void t0086_a_table_aligned_to_one_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.desc_addr += 1;
	expect_no_queue(g, -EINVAL);
}

static void t0045_an_available_ring_that_is_not_aligned_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.driver_addr += 1;
	expect_no_queue(g, -EINVAL);
}

static void t0046_a_used_ring_that_is_not_aligned_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.device_addr += 2;
	expect_no_queue(g, -EINVAL);
}

static void t0047_parts_that_overlap_are_refused(void **state)
{
	struct guest *g = *state;

	g->params.driver_addr = DESC_GPA + (N_DESCS - 1) * 16;
	expect_no_queue(g, -EFAULT);
	g->params.driver_addr = AVAIL_GPA;
	g->params.device_addr = DESC_GPA;
	expect_no_queue(g, -EFAULT);
	g->params.device_addr = AVAIL_GPA + 4;
	expect_no_queue(g, -EFAULT);
}

static void parts_that_touch_are_accepted(void **state)
{
	struct guest *g = *state;

	g->params.driver_addr = DESC_GPA + N_DESCS * 16;
	g->params.device_addr = (g->params.driver_addr + 6 + 2 * N_DESCS + 3) & ~3ull;
	start_queue(g);
	assert_int_equal(pop(g, 1), 0);
}

static void t0048_a_part_outside_of_memory_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.desc_addr = RAM_END - 16;
	expect_no_queue(g, -EFAULT);
	g->params.desc_addr = DESC_GPA;
	g->params.driver_addr = RAM_END;
	expect_no_queue(g, -EFAULT);
	g->params.driver_addr = AVAIL_GPA;
	g->params.device_addr = UINT64_MAX - 3;
	expect_no_queue(g, -EFAULT);
}

static void t0049_a_ring_without_addresses_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.desc_addr = 0;
	g->params.driver_addr = 0;
	g->params.device_addr = 0;
	expect_no_queue(g, -EFAULT);
}

static void a_used_ring_in_read_only_memory_is_refused(void **state)
{
	struct guest *g = *state;
	char *rom = map_pages(PAGE);

	add_region(g, RAM_END, rom, PAGE, VIO_MEM_READONLY);
	g->params.device_addr = RAM_END;
	expect_no_queue(g, -EFAULT);
	munmap(rom, PAGE);
}

static void a_part_in_two_pieces_is_refused(void **state)
{
	struct guest *g = *state;
	char *apart = map_pages(3 * PAGE);

	add_region(g, RAM_END, apart, PAGE, 0);
	add_region(g, RAM_END + PAGE, apart + 2 * PAGE, PAGE, 0);
	g->params.desc_addr = RAM_END + PAGE - 64;
	expect_no_queue(g, -EFAULT);
	munmap(apart, 3 * PAGE);
}

static void a_queue_without_memory_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.mem = NULL;
	expect_no_queue(g, -EINVAL);
}

static void unknown_flags_of_a_queue_are_refused(void **state)
{
	struct guest *g = *state;

	g->params.flags = 1;
	expect_no_queue(g, -EINVAL);
	g->params.flags = 0;
	g->params.reserved = 1;
	expect_no_queue(g, -EINVAL);
}

static void a_packed_ring_is_refused(void **state)
{
	struct guest *g = *state;

	g->params.features |= UINT64_C(1) << 34;
	expect_no_queue(g, -EOPNOTSUPP);
}

static void t0095_a_queue_toggled_starts_at_the_beginning(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < 3; i++) {
		start_queue(g);
		g->avail_index = 0;
		show_avail(g, 0);
		offer_page(g, i);
		serve(g, i);
		assert_int_equal(used_index(g), 1);
		vio_queue_destroy(g->queue);
		g->queue = NULL;
	}
}

static void t0031_a_ring_left_behind_by_a_reset_is_read_from_its_start(void **state)
{
	struct guest *g = *state;

	start_queue(g);
	for (uint32_t i = 0; i < 3; i++) {
		offer_page(g, i);
		serve(g, i);
	}
	vio_queue_reset(g->queue);
	assert_int_equal(pop(g, N_CHAINS), 3);
	assert_int_equal(g->chains[0].head, 0);
}

/* Two queues at work at once: neither sees the other. */

static void *serve_many(void *opaque)
{
	struct guest *g = opaque;

	for (uint32_t i = 0; i < 20000; i++) {
		offer_room(g, i % N_DESCS);
		serve(g, i % N_DESCS);
	}
	return NULL;
}

static void t0081_two_queues_are_served_at_once(void **state)
{
	struct guest *g = *state;
	struct guest *second = test_calloc(1, sizeof(*second));
	pthread_t thread;

	*second = *g;
	second->queue = NULL;
	second->ram = map_pages(RAM_BYTES);
	second->params.opaque = second;
	add_region(g, RAM_END, second->ram, RAM_BYTES, 0);
	second->params.desc_addr = RAM_END + (DESC_GPA - RAM_GPA);
	second->params.driver_addr = RAM_END + (AVAIL_GPA - RAM_GPA);
	second->params.device_addr = RAM_END + (USED_GPA - RAM_GPA);
	start_queue(g);
	start_queue(second);
	assert_int_equal(pthread_create(&thread, NULL, serve_many, second), 0);
	serve_many(g);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(used_index(g), 20000);
	assert_int_equal(used_index(second), 20000);
	vio_queue_destroy(second->queue);
	munmap(second->ram, RAM_BYTES);
	test_free(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, t0022_a_head_offered_twice_latches_the_queue),
		ON(open_plain, a_head_offered_again_after_its_completion_is_popped),
		ON(open_plain, t0074_a_ring_of_one_head_latches_the_queue),
		ON(open_plain, t0023_an_index_that_jumps_forward_latches_the_queue),
		ON(open_plain, t0024_an_index_that_goes_back_latches_the_queue),
		ON(open_plain, t0057_an_index_that_goes_back_by_one_latches_the_queue),
		ON(open_plain,
		   t0062_an_index_near_its_wrap_latches_only_where_it_jumps),
		ON(open_plain, t0025_a_head_beyond_the_table_latches_the_queue),
		ON(open_plain,
		   t0084_a_ring_of_heads_beyond_the_table_latches_the_queue),
		ON(open_plain, t0026_unknown_flags_of_the_available_ring_mean_nothing),
		ON(open_plain, t0065_a_ring_filled_completely_is_popped_completely),
		ON(open_plain, t0083_chains_offered_between_pops_are_all_popped_once),
		ON(open_plain, t0096_two_batches_come_one_after_the_other),
		ON(open_plain, t0068_a_kick_without_chains_pops_none),
		ON(open_plain, t0069_a_second_kick_without_chains_pops_none),
		ON(open_plain, t0071_a_kick_where_all_is_used_pops_none),
		ON(open_plain,
		   t0028_a_used_index_that_the_guest_writes_is_not_believed),
		ON(open_plain, t0029_used_flags_that_the_guest_writes_are_not_believed),
		ON(open_memory, t0041_a_size_that_is_no_power_of_two_is_refused),
		ON(open_memory, t0042_a_size_of_zero_is_refused),
		ON(open_memory, t0043_a_size_over_32768_is_refused),
		ON(open_memory, t0044_a_table_that_is_not_aligned_is_refused),
		ON(open_memory, t0086_a_table_aligned_to_one_is_refused),
		ON(open_memory, t0045_an_available_ring_that_is_not_aligned_is_refused),
		ON(open_memory, t0046_a_used_ring_that_is_not_aligned_is_refused),
		ON(open_memory, t0047_parts_that_overlap_are_refused),
		ON(open_memory, parts_that_touch_are_accepted),
		ON(open_memory, t0048_a_part_outside_of_memory_is_refused),
		ON(open_memory, t0049_a_ring_without_addresses_is_refused),
		ON(open_memory, a_used_ring_in_read_only_memory_is_refused),
		ON(open_memory, a_part_in_two_pieces_is_refused),
		ON(open_memory, a_queue_without_memory_is_refused),
		ON(open_memory, unknown_flags_of_a_queue_are_refused),
		ON(open_memory, a_packed_ring_is_refused),
		ON(open_memory, t0095_a_queue_toggled_starts_at_the_beginning),
		ON(open_memory,
		   t0031_a_ring_left_behind_by_a_reset_is_read_from_its_start),
		ON(open_memory, t0081_two_queues_are_served_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
