/* SPDX-License-Identifier: MIT */
/* What a region must be like to be taken into the table. */
#include <errno.h>

#include "unit/mem/fixture.h"

static void the_last_page_below_2_64_can_be_memory(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, UINT64_MAX - PAGE + 1, 1, 2), 0);
	assert_ptr_equal(find_byte(f->mem, UINT64_MAX), f->host + 2 * PAGE + 0xfff);
}

static void a_region_past_2_64_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, UINT64_MAX - PAGE + 1, 2, 0), -EINVAL);
}

static void a_region_of_the_longest_length_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, PAGE, UINT64_MAX / PAGE, 0), -EINVAL);
}

static void a_mapping_past_2_64_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, UINT64_MAX / PAGE, 0), -EINVAL);
}

static void an_empty_region_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, 0, 0), -EINVAL);
}

static void an_address_off_the_page_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10001, 1, 0), -EINVAL);
}

static void a_length_off_the_page_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.length_bytes++;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void a_mapping_off_the_page_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.hva = f->host + 1;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void an_offset_off_the_page_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.hva = NULL;
	region.fd = 0;
	region.fd_offset_bytes = 1;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void an_unknown_flag_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.flags = 1u << 31;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void a_reserved_field_in_use_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.reserved = 1;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void a_region_with_mapping_and_descriptor_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.fd = 0;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void a_region_with_neither_mapping_nor_descriptor_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.hva = NULL;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void a_descriptor_below_minus_one_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0, 1, 0);

	region.fd = -2;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), -EINVAL);
}

static void no_region_at_all_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_add(f->mem, NULL, NULL), -EINVAL);
}

static void a_region_from_a_newer_program_is_refused_if_it_asks_for_more(void **state)
{
	struct fixture *f = *state;
	struct {
		struct vio_mem_region region;
		uint64_t more;
	} newer = { region_at(f, 0, 1, 0), 1 };

	newer.region.size = sizeof(newer);
	assert_int_equal(vio_mem_add(f->mem, &newer.region, NULL), -E2BIG);
}

static void an_overlap_is_refused_and_names_the_other_region(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0x11000, 1, 0);
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(add(f, 0x10000, 4, 0), 0);
	assert_int_equal(vio_mem_add(f->mem, &region, &err), -EEXIST);
	assert_int_equal(err.code, -EEXIST);
	assert_non_null(strstr(err.text, "0x10000"));
}

static void an_overlap_of_either_end_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 2, 0), 0);
	assert_int_equal(add(f, 0xf000, 2, 0), -EEXIST);
	assert_int_equal(add(f, 0x11000, 2, 0), -EEXIST);
}

static void a_region_around_another_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0xf000, 3, 0), -EEXIST);
}

static void neighbours_do_not_overlap(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x11000, 1, 1), 0);
	assert_int_equal(add(f, 0xf000, 1, 2), 0);
}

static void two_regions_of_one_batch_cannot_overlap(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add(f, 0x10000, 2, 0), 0);
	assert_int_equal(add(f, 0x11000, 2, 0), -EEXIST);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_null(find_byte(f->mem, 0x12000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(the_last_page_below_2_64_can_be_memory),
		test_with_table(a_region_past_2_64_is_refused),
		test_with_table(a_region_of_the_longest_length_is_refused),
		test_with_table(a_mapping_past_2_64_is_refused),
		test_with_table(an_empty_region_is_refused),
		test_with_table(an_address_off_the_page_is_refused),
		test_with_table(a_length_off_the_page_is_refused),
		test_with_table(a_mapping_off_the_page_is_refused),
		test_with_table(an_offset_off_the_page_is_refused),
		test_with_table(an_unknown_flag_is_refused),
		test_with_table(a_reserved_field_in_use_is_refused),
		test_with_table(a_region_with_mapping_and_descriptor_is_refused),
		test_with_table(
			a_region_with_neither_mapping_nor_descriptor_is_refused),
		test_with_table(a_descriptor_below_minus_one_is_refused),
		test_with_table(no_region_at_all_is_refused),
		test_with_table(
			a_region_from_a_newer_program_is_refused_if_it_asks_for_more),
		test_with_table(an_overlap_is_refused_and_names_the_other_region),
		test_with_table(an_overlap_of_either_end_is_refused),
		test_with_table(a_region_around_another_is_refused),
		test_with_table(neighbours_do_not_overlap),
		test_with_table(two_regions_of_one_batch_cannot_overlap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
