/* SPDX-License-Identifier: MIT */
/*
 * Translation: whole ranges or nothing, across regions, by access, and through
 * the hook, whose answers are not believed further than they can be checked.
 */
#include <errno.h>

#include "unit/mem/fixture.h"

static int translate(const struct fixture *f, uint64_t gpa, uint64_t n, uint32_t access,
		     struct iovec *iov, uint32_t n_iov)
{
	return vio_mem_translate(f->mem, gpa, n, access, iov, n_iov);
}

static void a_range_within_a_region_takes_one_entry(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0x10000, 4, 0), 0);
	assert_int_equal(translate(f, 0x10ff0, 0x20, READ, iov, 4), 1);
	assert_ptr_equal(iov[0].iov_base, f->host + 0xff0);
	assert_int_equal(iov[0].iov_len, 0x20);
}

static void a_range_across_two_regions_takes_two_entries(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x11000, 1, 8), 0);
	assert_int_equal(translate(f, 0x10ff0, 0x30, READ | WRITE, iov, 4), 2);
	assert_ptr_equal(iov[0].iov_base, f->host + 0xff0);
	assert_int_equal(iov[0].iov_len, 0x10);
	assert_ptr_equal(iov[1].iov_base, f->host + 8 * PAGE);
	assert_int_equal(iov[1].iov_len, 0x20);
}

static void a_range_across_many_regions_takes_an_entry_for_each(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[16];

	for (uint32_t i = 0; i < 16; i++)
		assert_int_equal(add(f, 0x10000 + i * PAGE, 1, 30 - 2 * i), 0);
	assert_int_equal(translate(f, 0x10000, 16 * PAGE, READ, iov, 16), 16);
	for (uint32_t i = 0; i < 16; i++) {
		assert_ptr_equal(iov[i].iov_base, f->host + (30 - 2 * i) * PAGE);
		assert_int_equal(iov[i].iov_len, PAGE);
	}
}

static void regions_that_are_neighbours_here_too_share_an_entry(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	assert_int_equal(add(f, 0x10000, 1, 4), 0);
	assert_int_equal(add(f, 0x11000, 1, 5), 0);
	assert_int_equal(translate(f, 0x10000, 2 * PAGE, READ, iov, 1), 1);
	assert_ptr_equal(iov[0].iov_base, f->host + 4 * PAGE);
	assert_int_equal(iov[0].iov_len, 2 * PAGE);
}

static void too_few_entries_are_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[2];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x11000, 1, 8), 0);
	assert_int_equal(add(f, 0x12000, 1, 16), 0);
	assert_int_equal(translate(f, 0x10000, 3 * PAGE, READ, iov, 2), -ENOBUFS);
}

static void a_hole_in_the_range_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x12000, 1, 2), 0);
	assert_int_equal(translate(f, 0x10000, 3 * PAGE, READ, iov, 4), -EFAULT);
}

static void a_range_that_begins_below_memory_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(translate(f, 0xffff, 2, READ, iov, 4), -EFAULT);
}

static void a_range_that_ends_above_memory_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(translate(f, 0x10fff, 2, READ, iov, 4), -EFAULT);
}

static void a_range_that_wraps_to_zero_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0, 1, 0), 0);
	assert_int_equal(add(f, UINT64_MAX - PAGE + 1, 1, 1), 0);
	assert_int_equal(translate(f, UINT64_MAX, 2, READ, iov, 4), -EFAULT);
}

static void the_longest_range_is_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0, 1, 0), 0);
	assert_int_equal(translate(f, 0, UINT64_MAX, READ, iov, 4), -EFAULT);
}

static void the_last_byte_of_the_address_space_is_found(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, UINT64_MAX - PAGE + 1, 1, 1), 0);
	assert_int_equal(translate(f, UINT64_MAX - 1, 2, READ, iov, 4), 1);
	assert_ptr_equal(iov[0].iov_base, f->host + 2 * PAGE - 2);
}

static void an_empty_range_is_refused(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	assert_int_equal(translate(f, 0, 0, READ, iov, 1), -EINVAL);
}

static void room_for_no_entry_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(translate(f, 0, 1, READ, NULL, 0), -EINVAL);
}

static void an_access_of_neither_kind_is_refused(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	assert_int_equal(translate(f, 0, 1, 0, iov, 1), -EINVAL);
	assert_int_equal(translate(f, 0, 1, VIO_MEM_IOVA, iov, 1), -EINVAL);
}

static void add_readonly(const struct fixture *f, uint64_t gpa, uint32_t page)
{
	struct vio_mem_region region = region_at(f, gpa, 1, page);

	region.flags = VIO_MEM_READONLY;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
}

static void readonly_memory_can_be_read(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	add_readonly(f, 0x10000, 0);
	assert_int_equal(translate(f, 0x10000, 1, READ, iov, 1), 1);
}

static void readonly_memory_cannot_be_written(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	add_readonly(f, 0x10000, 0);
	assert_int_equal(translate(f, 0x10000, 1, WRITE, iov, 1), -EFAULT);
	assert_int_equal(translate(f, 0x10000, 1, READ | WRITE, iov, 1), -EFAULT);
}

static void a_write_that_ends_in_readonly_memory_is_refused(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[2];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	add_readonly(f, 0x11000, 1);
	assert_int_equal(translate(f, 0x10ff0, 0x20, WRITE, iov, 2), -EFAULT);
}

/* What the ring calls, with a hint that it keeps. */
static void a_hint_beyond_the_table_is_survived(void **state)
{
	struct fixture *f = *state;
	const struct vio_mem_view *view;
	struct iovec iov[1];
	uint32_t hint = UINT32_MAX;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	view = vio_mem_current_of(f->mem)->view;
	assert_int_equal(vio_mem_view_translate(view, &hint, 0x10000, 1, READ, iov, 1),
			 1);
	assert_int_equal(hint, 0);
}

static void the_hint_becomes_the_span_that_was_found(void **state)
{
	struct fixture *f = *state;
	const struct vio_mem_view *view;
	struct iovec iov[1];
	uint32_t hint = 0;

	for (uint32_t i = 0; i < 8; i++)
		assert_int_equal(add(f, i * 0x10000, 1, i), 0);
	view = vio_mem_current_of(f->mem)->view;
	assert_int_equal(vio_mem_view_translate(view, &hint, 0x50000, 1, READ, iov, 1),
			 1);
	assert_int_equal(hint, 5);
	assert_ptr_equal(vio_mem_view_find(view, hint, 0x50010, 8, READ),
			 f->host + 5 * PAGE + 0x10);
}

static void the_short_cut_finds_nothing_in_an_empty_table(void **state)
{
	struct fixture *f = *state;
	const struct vio_mem_view *view = vio_mem_current_of(f->mem)->view;

	assert_null(vio_mem_view_find(view, 0, 0, 1, READ));
	assert_null(vio_mem_view_find(view, UINT32_MAX, 0, 1, READ));
}

static void the_short_cut_refuses_what_leaves_the_span(void **state)
{
	struct fixture *f = *state;
	const struct vio_mem_view *view;

	add_readonly(f, 0x10000, 0);
	view = vio_mem_current_of(f->mem)->view;
	assert_non_null(vio_mem_view_find(view, 0, 0x10000, PAGE, READ));
	assert_null(vio_mem_view_find(view, 0, 0x10000, PAGE + 1, READ));
	assert_null(vio_mem_view_find(view, 0, 0x10fff, 2, READ));
	assert_null(vio_mem_view_find(view, 0, 0xffff, 1, READ));
	assert_null(vio_mem_view_find(view, 0, 0x10000, 0, READ));
	assert_null(vio_mem_view_find(view, 0, 0x10000, UINT64_MAX, READ));
	assert_null(vio_mem_view_find(view, 0, 0x10000, 1, WRITE));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(a_range_within_a_region_takes_one_entry),
		test_with_table(a_range_across_two_regions_takes_two_entries),
		test_with_table(a_range_across_many_regions_takes_an_entry_for_each),
		test_with_table(regions_that_are_neighbours_here_too_share_an_entry),
		test_with_table(too_few_entries_are_an_error),
		test_with_table(a_hole_in_the_range_is_an_error),
		test_with_table(a_range_that_begins_below_memory_is_an_error),
		test_with_table(a_range_that_ends_above_memory_is_an_error),
		test_with_table(a_range_that_wraps_to_zero_is_an_error),
		test_with_table(the_longest_range_is_an_error),
		test_with_table(the_last_byte_of_the_address_space_is_found),
		test_with_table(an_empty_range_is_refused),
		test_with_table(room_for_no_entry_is_refused),
		test_with_table(an_access_of_neither_kind_is_refused),
		test_with_table(readonly_memory_can_be_read),
		test_with_table(readonly_memory_cannot_be_written),
		test_with_table(a_write_that_ends_in_readonly_memory_is_refused),
		test_with_table(a_hint_beyond_the_table_is_survived),
		test_with_table(the_hint_becomes_the_span_that_was_found),
		test_with_table(the_short_cut_finds_nothing_in_an_empty_table),
		test_with_table(the_short_cut_refuses_what_leaves_the_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
