/* SPDX-License-Identifier: MIT */
/*
 * Malformed indirect tables (virtio 1.2, 2.7.5.3), and those that look malformed
 * and are not. Numbers in names as in test_queue_hostile.c.
 */
#include "unit/ring/guest.h"

#define ODD (VIO_DESC_INDIRECT | VIO_DESC_NEXT)

static void t0015_a_table_without_the_feature_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, 0, 0);
	set_indirect(g, 0, 1);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
}

static void t0038_a_feature_that_was_not_negotiated_is_not_honoured(void **state)
{
	struct guest *g = *state;

	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_table(g, 0, 0, 0);
	set_indirect(g, 1, 1);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
	assert_int_equal(g->fault.index, 1);
}

static void a_table_is_handed_out_as_one_chain(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, VIO_DESC_NEXT, 2);
	set_table(g, 1, VIO_DESC_WRITE, 0);
	set_table(g, 2, VIO_DESC_NEXT, 1);
	set_indirect(g, 5, 3);
	offer(g, 5);
	expect_pop(g, 5);
	assert_int_equal(g->chains[0].n_out, 2);
	assert_int_equal(g->chains[0].n_in, 1);
	assert_ptr_equal(g->iov[1].iov_base, guest_at(g, data_gpa(2)));
	assert_ptr_equal(g->iov[2].iov_base, guest_at(g, data_gpa(1)));
}

static void descriptors_before_a_table_belong_to_the_chain(void **state)
{
	struct guest *g = *state;

	set_desc(g, 4, VIO_DESC_NEXT, 5);
	set_table(g, 0, VIO_DESC_WRITE, 0);
	set_indirect(g, 5, 1);
	offer(g, 4);
	expect_pop(g, 4);
	assert_int_equal(g->chains[0].n_out, 1);
	assert_int_equal(g->chains[0].n_in, 1);
	assert_ptr_equal(g->iov[0].iov_base, guest_at(g, data_gpa(4)));
	assert_ptr_equal(g->iov[1].iov_base, guest_at(g, data_gpa(0)));
}

static void t0016_a_table_in_a_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	write_desc(table_at(g, 0), TABLE_GPA, 16, VIO_DESC_INDIRECT, 0);
	set_indirect(g, 0, 1);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
}

static void t0017_a_table_that_goes_on_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, 0, 0);
	write_desc(desc_at(g, 0), TABLE_GPA, 16, ODD, 1);
	set_desc(g, 1, 0, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
}

static void t0059_a_table_chained_to_a_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, 0, 0);
	set_table(g, 1, 0, 0);
	write_desc(desc_at(g, 0), TABLE_GPA, 16, ODD, 1);
	write_desc(desc_at(g, 1), TABLE_GPA + 16, 16, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDIRECT);
	assert_int_equal(g->fault.index, 0);
}

static void t0100_a_second_table_reached_by_next_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_desc(g, 2, VIO_DESC_NEXT, 0);
	set_table(g, 0, 0, 0);
	write_desc(desc_at(g, 0), TABLE_GPA, 16, ODD, 1);
	write_desc(desc_at(g, 1), TABLE_GPA, 16, VIO_DESC_INDIRECT, 0);
	offer(g, 2);
	expect_latch(g, VIO_FAULT_INDIRECT);
	assert_int_equal(g->fault.head, 2);
}

static void
expect_odd_table(struct guest *g, uint64_t addr, uint32_t length, uint32_t code)
{
	for (uint32_t i = 0; i < 2 * N_DESCS; i++)
		set_table(g, i, VIO_DESC_NEXT, i + 1);
	write_desc(desc_at(g, 0), addr, length, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	expect_latch(g, code);
}

static void t0018_a_table_of_a_broken_length_latches_the_queue(void **state)
{
	expect_odd_table(*state, TABLE_GPA, 16 + 8, VIO_FAULT_INDIRECT);
}

static void t0019_a_table_of_no_length_latches_the_queue(void **state)
{
	expect_odd_table(*state, TABLE_GPA, 0, VIO_FAULT_INDIRECT);
}

static void t0072_a_table_of_no_entries_latches_the_queue(void **state)
{
	expect_odd_table(*state, TABLE_GPA, 15, VIO_FAULT_INDIRECT);
}

static void t0020_a_table_beyond_memory_latches_the_queue(void **state)
{
	expect_odd_table(*state, RAM_END, 16, VIO_FAULT_ADDRESS);
}

static void a_table_that_wraps_the_address_space_latches_the_queue(void **state)
{
	expect_odd_table(*state, UINT64_MAX - 15, 32, VIO_FAULT_ADDRESS);
}

static void t0021_a_loop_in_a_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, VIO_DESC_NEXT, 1);
	set_table(g, 1, VIO_DESC_NEXT, 0);
	set_indirect(g, 0, 2);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_LOOP);
}

static void t0064_a_table_of_more_entries_than_the_ring_latches_the_queue(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i <= N_DESCS; i++)
		set_table(g, i, i < N_DESCS ? VIO_DESC_NEXT : 0, i + 1);
	set_indirect(g, 0, N_DESCS + 1);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_LOOP);
}

static void a_table_as_long_as_the_ring_is_popped(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		set_table(g, i, i + 1 < N_DESCS ? VIO_DESC_NEXT : 0, i + 1);
	set_indirect(g, 0, N_DESCS);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, N_DESCS);
}

static void a_table_that_makes_a_chain_too_long_latches_the_queue(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < N_DESCS; i++)
		set_table(g, i, i + 1 < N_DESCS ? VIO_DESC_NEXT : 0, i + 1);
	set_desc(g, 0, VIO_DESC_NEXT, 1);
	set_indirect(g, 1, N_DESCS);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_LOOP);
}

static void a_next_beyond_a_table_latches_the_queue(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, VIO_DESC_NEXT, 2);
	set_table(g, 2, 0, 0);
	set_indirect(g, 0, 2);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_INDEX);
	assert_int_equal(g->fault.index, 2);
}

static void t0067_the_write_flag_of_a_table_is_ignored(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, 0, 0);
	write_desc(desc_at(g, 0), TABLE_GPA, 16, VIO_DESC_INDIRECT | VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, 1);
	assert_int_equal(g->chains[0].n_in, 0);
}

static void t0089_a_writable_table_still_orders_its_buffers(void **state)
{
	struct guest *g = *state;

	set_table(g, 0, VIO_DESC_WRITE | VIO_DESC_NEXT, 1);
	set_table(g, 1, 0, 0);
	write_desc(desc_at(g, 0), TABLE_GPA, 32, VIO_DESC_INDIRECT | VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_ORDER);
}

/* A table whose first entry lies in the last bytes of memory. */
static void offer_last_entry(struct guest *g, uint32_t n_entries)
{
	write_desc(guest_at(g, RAM_END - 16), data_gpa(0), PAGE, VIO_DESC_NEXT, 1);
	write_desc(desc_at(g, 0), RAM_END - 16, n_entries * 16, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
}

static void t0058_a_table_that_runs_out_of_memory_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer_last_entry(g, 2);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void t0099_a_table_of_a_huge_length_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer_last_entry(g, UINT32_MAX / 16);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void t0076_a_table_split_between_two_regions_is_read_whole(void **state)
{
	struct guest *g = *state;
	char *apart = map_pages(3 * PAGE);

	add_region(g, RAM_END, apart + 2 * PAGE, PAGE, 0);
	write_desc((void *)(apart + 2 * PAGE), data_gpa(1), 512, VIO_DESC_WRITE, 0);
	offer_last_entry(g, 2);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].n_out, 1);
	assert_int_equal(g->chains[0].n_in, 1);
	assert_int_equal(g->chains[0].in_bytes, 512);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	munmap(apart, 3 * PAGE);
}

static void an_entry_split_between_two_regions_is_read_whole(void **state)
{
	struct guest *g = *state;
	char *apart = map_pages(3 * PAGE);
	struct vio_split_desc entry;

	add_region(g, RAM_END, apart + 2 * PAGE, PAGE, 0);
	write_desc(&entry, data_gpa(7), 99, 0, 0);
	memcpy(guest_at(g, RAM_END - 8), &entry, 8);
	memcpy(apart + 2 * PAGE, (char *)&entry + 8, 8);
	write_desc(desc_at(g, 0), RAM_END - 8, 16, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].out_bytes, 99);
	assert_ptr_equal(g->iov[0].iov_base, guest_at(g, data_gpa(7)));
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	munmap(apart, 3 * PAGE);
}

static void a_table_that_is_not_aligned_is_read_all_the_same(void **state)
{
	struct guest *g = *state;
	struct vio_split_desc entry;

	write_desc(&entry, data_gpa(3), 33, 0, 0);
	memcpy(guest_at(g, TABLE_GPA + 3), &entry, sizeof(entry));
	write_desc(desc_at(g, 0), TABLE_GPA + 3, 16, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].out_bytes, 33);
}

static void malformed_buffers_in_a_table_latch_as_in_the_ring(void **state)
{
	static const struct {
		uint64_t addr;
		uint32_t length, code;
	} cases[] = {
		{ 0, 16, VIO_FAULT_ADDRESS },
		{ RAM_END, 16, VIO_FAULT_ADDRESS },
		{ DATA_GPA, 0, VIO_FAULT_LENGTH },
		{ DATA_GPA, UINT32_MAX, VIO_FAULT_ADDRESS },
		{ UINT64_MAX - 15, 0x1000, VIO_FAULT_ADDRESS },
	};
	struct guest *g = *state;

	set_indirect(g, 0, 1);
	for (size_t i = 0; i < VIO_ARRAY_SIZE(cases); i++) {
		write_desc(table_at(g, 0), cases[i].addr, cases[i].length, 0, 0);
		g->avail_index = 0;
		g->n_faults = 0;
		offer(g, 0);
		expect_latch(g, cases[i].code);
		vio_queue_reset(g->queue);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, t0015_a_table_without_the_feature_latches_the_queue),
		ON(open_plain, t0038_a_feature_that_was_not_negotiated_is_not_honoured),
		ON(open_indirect, a_table_is_handed_out_as_one_chain),
		ON(open_indirect, descriptors_before_a_table_belong_to_the_chain),
		ON(open_indirect, t0016_a_table_in_a_table_latches_the_queue),
		ON(open_indirect, t0017_a_table_that_goes_on_latches_the_queue),
		ON(open_indirect, t0059_a_table_chained_to_a_table_latches_the_queue),
		ON(open_indirect,
		   t0100_a_second_table_reached_by_next_latches_the_queue),
		ON(open_indirect, t0018_a_table_of_a_broken_length_latches_the_queue),
		ON(open_indirect, t0019_a_table_of_no_length_latches_the_queue),
		ON(open_indirect, t0072_a_table_of_no_entries_latches_the_queue),
		ON(open_indirect, t0020_a_table_beyond_memory_latches_the_queue),
		ON(open_indirect,
		   a_table_that_wraps_the_address_space_latches_the_queue),
		ON(open_indirect, t0021_a_loop_in_a_table_latches_the_queue),
		ON(open_indirect,
		   t0064_a_table_of_more_entries_than_the_ring_latches_the_queue),
		ON(open_indirect, a_table_as_long_as_the_ring_is_popped),
		ON(open_indirect,
		   a_table_that_makes_a_chain_too_long_latches_the_queue),
		ON(open_indirect, a_next_beyond_a_table_latches_the_queue),
		ON(open_indirect, t0067_the_write_flag_of_a_table_is_ignored),
		ON(open_indirect, t0089_a_writable_table_still_orders_its_buffers),
		ON(open_indirect,
		   t0058_a_table_that_runs_out_of_memory_latches_the_queue),
		ON(open_indirect, t0099_a_table_of_a_huge_length_latches_the_queue),
		ON(open_indirect,
		   t0076_a_table_split_between_two_regions_is_read_whole),
		ON(open_indirect, an_entry_split_between_two_regions_is_read_whole),
		ON(open_indirect, a_table_that_is_not_aligned_is_read_all_the_same),
		ON(open_indirect, malformed_buffers_in_a_table_latch_as_in_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
