/* SPDX-License-Identifier: MIT */
/*
 * Malformed chains of descriptors: each latches its queue, or is handed out for
 * what it is and no more. The number in a name is that of the case in the list
 * of malformed rings that hostile drivers are tested with elsewhere, so that
 * results can be compared.
 */
#include "unit/ring/guest.h"

/* Chains that go on for ever, or elsewhere. */

static void t0001_a_descriptor_that_follows_itself_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_LOOP);
}

static void t0002_a_loop_through_all_descriptors_latches_the_queue(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		set_desc(g, i, VIO_DESC_NEXT, (i + 1) % N_DESCS);
	offer(g, 3);
	expect_latch(g, VIO_FAULT_LOOP);
}

static void t0003_a_next_beyond_the_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, N_DESCS);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDEX);
	assert_int_equal(g->fault.index, N_DESCS);
}

static void a_chain_as_long_as_the_ring_is_popped(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		set_desc(g, i, i + 1 < N_DESCS ? VIO_DESC_NEXT : 0, i + 1);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, N_DESCS);
	assert_int_equal(g->chains[0].out_bytes, N_DESCS * PAGE);
}

static void t0054_a_chain_of_one_more_than_the_ring_latches_the_queue(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		set_desc(g, i, VIO_DESC_NEXT, i + 1);
	set_desc(g, N_DESCS - 1, VIO_DESC_NEXT, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_LOOP);
}

/* Buffers that are not guest memory. */

static void expect_refused(struct guest *g, uint64_t addr, uint32_t length,
			   uint32_t flags, uint32_t code)
{
	write_desc(desc_at(g, 0), addr, length, flags, 0);
	offer(g, 0);
	expect_latch(g, code);
	assert_int_equal(g->fault.head, 0);
}

static void t0004_a_buffer_at_zero_latches_the_queue(void **state)
{
	expect_refused(*state, 0, 16, 0, VIO_FAULT_ADDRESS);
}

static void t0005_a_buffer_beyond_memory_latches_the_queue(void **state)
{
	expect_refused(*state, RAM_END, 16, 0, VIO_FAULT_ADDRESS);
}

static void t0006_an_empty_buffer_latches_the_queue(void **state)
{
	expect_refused(*state, DATA_GPA, 0, 0, VIO_FAULT_LENGTH);
}

static void t0007_a_huge_buffer_latches_the_queue(void **state)
{
	expect_refused(*state, DATA_GPA, UINT32_MAX, 0, VIO_FAULT_ADDRESS);
}

static void t0008_a_buffer_that_wraps_the_address_space_latches_the_queue(void **state)
{
	expect_refused(*state, UINT64_MAX - 15, 0x1000, 0, VIO_FAULT_ADDRESS);
}

static void a_buffer_of_the_last_byte_of_all_latches_the_queue(void **state)
{
	expect_refused(*state, UINT64_MAX, 1, 0, VIO_FAULT_ADDRESS);
}

static void t0061_an_empty_buffer_at_zero_latches_the_queue(void **state)
{
	expect_refused(*state, 0, 0, 0, VIO_FAULT_LENGTH);
}

static void t0063_a_buffer_in_a_device_window_latches_the_queue(void **state)
{
	expect_refused(*state, UINT64_C(0xfe000000), 64, VIO_DESC_WRITE,
		       VIO_FAULT_ADDRESS);
}

static void t0073_a_buffer_over_the_end_of_memory_latches_the_queue(void **state)
{
	expect_refused(*state, RAM_END - 16, 17, VIO_DESC_WRITE, VIO_FAULT_ADDRESS);
}

static void a_buffer_up_to_the_end_of_memory_is_popped(void **state)
{
	struct guest *g = *state;

	write_desc(desc_at(g, 0), RAM_END - 16, 16, 0, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_ptr_equal(g->iov[0].iov_base, guest_at(g, RAM_END - 16));
}

static void t0082_a_descriptor_of_all_ones_latches_the_queue(void **state)
{
	struct guest *g = *state;

	memset(desc_at(g, 0), 0xff, sizeof(struct vio_split_desc));
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
}

static void t0090_a_buffer_across_a_hole_latches_the_queue(void **state)
{
	struct guest *g = *state;
	char *high = map_pages(PAGE);

	add_region(g, RAM_END + PAGE, high, PAGE, 0);
	expect_refused(g, RAM_END - PAGE, 3 * PAGE, 0, VIO_FAULT_ADDRESS);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END + PAGE), 0);
	munmap(high, PAGE);
}

static void a_writable_buffer_in_read_only_memory_latches_the_queue(void **state)
{
	struct guest *g = *state;
	char *rom = map_pages(PAGE);

	add_region(g, RAM_END, rom, PAGE, VIO_MEM_READONLY);
	write_desc(desc_at(g, 1), RAM_END, PAGE, 0, 0);
	offer(g, 1);
	expect_pop(g, 1);
	expect_refused(g, RAM_END, PAGE, VIO_DESC_WRITE, VIO_FAULT_ADDRESS);
	assert_int_equal(push(g, 1, 0), 1);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	munmap(rom, PAGE);
}

/* A region of 1 GiB of which nobody touches a byte. */
#define BIG_BYTES (UINT64_C(1) << 30)
#define BIG_GPA   (UINT64_C(1) << 40)

static void offer_big(struct guest *g, const uint32_t *lengths, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		write_desc(desc_at(g, i), BIG_GPA, lengths[i],
			   i + 1 < n ? VIO_DESC_NEXT : 0, i + 1);
	offer(g, 0);
}

static void t0077_lengths_of_more_than_4_gib_latch_the_queue(void **state)
{
	static const uint32_t lengths[] = { BIG_BYTES, BIG_BYTES, BIG_BYTES, BIG_BYTES,
					    1 };
	struct guest *g = *state;
	char *big = map_pages(BIG_BYTES);

	add_region(g, BIG_GPA, big, BIG_BYTES, 0);
	offer_big(g, lengths, 5);
	expect_latch(g, VIO_FAULT_LENGTH);
	assert_int_equal(vio_mem_remove(g->mem, BIG_GPA), 0);
	munmap(big, BIG_BYTES);
}

static void lengths_of_4_gib_in_all_are_popped(void **state)
{
	static const uint32_t lengths[] = { BIG_BYTES, BIG_BYTES, BIG_BYTES,
					    BIG_BYTES };
	struct guest *g = *state;
	char *big = map_pages(BIG_BYTES);

	add_region(g, BIG_GPA, big, BIG_BYTES, 0);
	offer_big(g, lengths, 4);
	expect_pop(g, 0);
	assert_true(g->chains[0].out_bytes == UINT64_C(1) << 32);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(vio_mem_remove(g->mem, BIG_GPA), 0);
	munmap(big, BIG_BYTES);
}

/* Directions: the queue tells which part is which, a device knows what it needs. */

static void t0009_a_header_marked_writable_is_not_handed_out_to_read(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_WRITE | VIO_DESC_NEXT, 1);
	set_desc(g, 1, VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, 0);
	assert_int_equal(g->chains[0].out_bytes, 0);
	assert_int_equal(g->chains[0].n_in, 2);
}

static void t0010_data_to_send_marked_writable_is_not_handed_out_to_read(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_desc(g, 1, VIO_DESC_WRITE | VIO_DESC_NEXT, 2);
	set_desc(g, 2, VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].out_bytes, PAGE);
	assert_int_equal(g->chains[0].in_bytes, 2 * PAGE);
}

static void
t0011_data_to_receive_marked_readable_is_not_handed_out_to_write(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_desc(g, 1, VIO_DESC_NEXT, 2);
	set_desc(g, 2, VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, 2);
	assert_int_equal(g->chains[0].in_bytes, PAGE);
}

static void t0012_a_readable_status_leaves_nothing_to_write(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_desc(g, 1, 0, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_in, 0);
	assert_int_equal(push(g, 0, 1), -EINVAL);
	assert_int_equal(push(g, 0, 0), 1);
}

static void t0013_a_chain_without_status_is_handed_out_as_it_is(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	write_desc(desc_at(g, 1), DATA_GPA, 512, 0, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].out_bytes, PAGE + 512);
	assert_int_equal(g->chains[0].in_bytes, 0);
}

static void t0014_a_chain_of_a_header_alone_is_handed_out_as_it_is(void **state)
{
	struct guest *g = *state;

	write_desc(desc_at(g, 0), DATA_GPA, 16, 0, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, 1);
	assert_int_equal(g->chains[0].out_bytes, 16);
}

static void t0053_a_readable_buffer_after_a_writable_one_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_desc(g, 1, VIO_DESC_WRITE | VIO_DESC_NEXT, 2);
	set_desc(g, 2, 0, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_ORDER);
	assert_int_equal(g->fault.index, 2);
}

/* Descriptors that change, or that cover what they should not. */

static void t0051_a_descriptor_changed_in_flight_changes_no_chain(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	write_desc(desc_at(g, 0), 0, UINT32_MAX, VIO_DESC_NEXT, 0);
	assert_ptr_equal(g->chains[0].iov[0].iov_base, guest_at(g, data_gpa(0)));
	assert_int_equal(push(g, 0, PAGE), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_length(g, 0), PAGE);
}

static void t0052_a_buffer_freed_in_flight_stays_mapped_until_pushed(void **state)
{
	struct guest *g = *state;
	char *high = map_pages(PAGE);

	add_region(g, RAM_END, high, PAGE, 0);
	write_desc(desc_at(g, 0), RAM_END, PAGE, VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	assert_int_equal(vio_mem_dispatch(g->mem), 0);
	memset(g->chains[0].iov[0].iov_base, 1, PAGE);
	assert_int_equal(push(g, 0, PAGE), 1);
	assert_int_equal(publish(g), 1);
	munmap(high, PAGE);
}

static void
t0056_a_descriptor_changed_after_it_was_offered_is_checked_anew(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 1);
	write_desc(desc_at(g, 0), RAM_END, PAGE, 0, 0);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void t0070_a_buffer_in_the_ring_itself_harms_the_guest_alone(void **state)
{
	struct guest *g = *state;

	write_desc(desc_at(g, 0), DESC_GPA, N_DESCS * 16, VIO_DESC_WRITE, 0);
	set_desc(g, 1, 0, 0);
	offer(g, 0);
	offer(g, 1);
	expect_pop(g, 0);
	memset(g->chains[0].iov[0].iov_base, 0xff, N_DESCS * 16);
	assert_int_equal(push(g, 0, N_DESCS * 16), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_id(g, 0), 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
}

static void t0075_a_buffer_unmapped_after_it_was_offered_latches_the_queue(void **state)
{
	struct guest *g = *state;
	char *high = map_pages(PAGE);

	add_region(g, RAM_END, high, PAGE, 0);
	write_desc(desc_at(g, 0), RAM_END, PAGE, 0, 0);
	offer(g, 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	munmap(high, PAGE);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void t0078_a_completion_never_claims_more_than_was_writable(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, PAGE + 1), -EINVAL);
	assert_int_equal(push(g, 0, UINT32_MAX), -EINVAL);
	assert_int_equal(push(g, 0, PAGE), 1);
}

static void t0087_a_completion_says_what_the_device_wrote(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, 17), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_length(g, 0), 17);
}

static void t0079_addresses_are_physical_where_there_is_no_iommu(void **state)
{
	struct guest *g = prepare_guest(N_DESCS, VIO_F_ACCESS_PLATFORM);
	void *own = g;

	(void)state;
	start_queue(g);
	offer_page(g, 0);
	expect_pop(g, 0);
	assert_ptr_equal(g->iov[0].iov_base, guest_at(g, data_gpa(0)));
	write_desc(desc_at(g, 1), RAM_END, PAGE, 0, 0);
	offer(g, 1);
	expect_latch(g, VIO_FAULT_ADDRESS);
	close_guest(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain,
		   t0001_a_descriptor_that_follows_itself_latches_the_queue),
		ON(open_plain, t0002_a_loop_through_all_descriptors_latches_the_queue),
		ON(open_plain, t0003_a_next_beyond_the_table_latches_the_queue),
		ON(open_plain, a_chain_as_long_as_the_ring_is_popped),
		ON(open_plain,
		   t0054_a_chain_of_one_more_than_the_ring_latches_the_queue),
		ON(open_plain, t0004_a_buffer_at_zero_latches_the_queue),
		ON(open_plain, t0005_a_buffer_beyond_memory_latches_the_queue),
		ON(open_plain, t0006_an_empty_buffer_latches_the_queue),
		ON(open_plain, t0007_a_huge_buffer_latches_the_queue),
		ON(open_plain,
		   t0008_a_buffer_that_wraps_the_address_space_latches_the_queue),
		ON(open_plain, a_buffer_of_the_last_byte_of_all_latches_the_queue),
		ON(open_plain, t0061_an_empty_buffer_at_zero_latches_the_queue),
		ON(open_plain, t0063_a_buffer_in_a_device_window_latches_the_queue),
		ON(open_plain, t0073_a_buffer_over_the_end_of_memory_latches_the_queue),
		ON(open_plain, a_buffer_up_to_the_end_of_memory_is_popped),
		ON(open_plain, t0082_a_descriptor_of_all_ones_latches_the_queue),
		ON(open_plain, t0090_a_buffer_across_a_hole_latches_the_queue),
		ON(open_plain, a_writable_buffer_in_read_only_memory_latches_the_queue),
		ON(open_plain, t0077_lengths_of_more_than_4_gib_latch_the_queue),
		ON(open_plain, lengths_of_4_gib_in_all_are_popped),
		ON(open_plain,
		   t0009_a_header_marked_writable_is_not_handed_out_to_read),
		ON(open_plain,
		   t0010_data_to_send_marked_writable_is_not_handed_out_to_read),
		ON(open_plain,
		   t0011_data_to_receive_marked_readable_is_not_handed_out_to_write),
		ON(open_plain, t0012_a_readable_status_leaves_nothing_to_write),
		ON(open_plain, t0013_a_chain_without_status_is_handed_out_as_it_is),
		ON(open_plain, t0014_a_chain_of_a_header_alone_is_handed_out_as_it_is),
		ON(open_plain,
		   t0053_a_readable_buffer_after_a_writable_one_latches_the_queue),
		ON(open_plain, t0051_a_descriptor_changed_in_flight_changes_no_chain),
		ON(open_plain,
		   t0052_a_buffer_freed_in_flight_stays_mapped_until_pushed),
		ON(open_plain,
		   t0056_a_descriptor_changed_after_it_was_offered_is_checked_anew),
		ON(open_plain, t0070_a_buffer_in_the_ring_itself_harms_the_guest_alone),
		ON(open_plain,
		   t0075_a_buffer_unmapped_after_it_was_offered_latches_the_queue),
		ON(open_plain, t0078_a_completion_never_claims_more_than_was_writable),
		ON(open_plain, t0087_a_completion_says_what_the_device_wrote),
		cmocka_unit_test(t0079_addresses_are_physical_where_there_is_no_iommu),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
