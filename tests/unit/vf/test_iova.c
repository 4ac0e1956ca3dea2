/* SPDX-License-Identifier: MIT */
/* Mappings written down in order, and places found among them. */
#include <stdlib.h>

#include "fake/fault.h"
#include "fake/support.h"
#include "vf/iova.h"

#define PAGE UINT64_C(4096)

static void add(struct vio_iova *iova, uint64_t first, uint64_t length_bytes)
{
	const struct vio_iova_map map = { .map = { .iova = first,
						   .length_bytes = length_bytes } };

	assert_int_equal(vio_iova_prepare(iova), 0);
	vio_iova_add(iova, &map);
}

static int set_up(void **state)
{
	static struct vio_iova iova;

	iova = (struct vio_iova){ .env = &vio_env_default };
	*state = &iova;
	return 0;
}

static int tear_down(void **state)
{
	vio_iova_clear(*state);
	return 0;
}

static void mappings_are_kept_in_order(void **state)
{
	struct vio_iova *iova = *state;

	for (uint64_t i = 0; i < 100; i++)
		add(iova, (i * 37 % 100) * PAGE, PAGE);
	assert_int_equal(iova->n, 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(iova->maps[i].map.iova, i * PAGE);
	assert_int_equal(iova->mapped_bytes, 100 * PAGE);
	vio_iova_remove(iova, vio_iova_find(iova, 50 * PAGE));
	assert_null(vio_iova_find(iova, 50 * PAGE));
	assert_non_null(vio_iova_find(iova, 51 * PAGE));
	assert_int_equal(iova->mapped_bytes, 99 * PAGE);
}

static void overlaps_are_found_from_both_sides(void **state)
{
	struct vio_iova *iova = *state;

	add(iova, 10 * PAGE, 2 * PAGE);
	assert_null(vio_iova_find_overlap(iova, 0, 10 * PAGE - 1));
	assert_non_null(vio_iova_find_overlap(iova, 0, 10 * PAGE));
	assert_non_null(vio_iova_find_overlap(iova, 12 * PAGE - 1, 20 * PAGE));
	assert_null(vio_iova_find_overlap(iova, 12 * PAGE, 20 * PAGE));
	assert_non_null(vio_iova_find_overlap(iova, 11 * PAGE, 11 * PAGE));
	assert_non_null(vio_iova_find_overlap(iova, 0, UINT64_MAX));
}

static void a_mapping_may_end_at_the_last_address(void **state)
{
	struct vio_iova *iova = *state;
	const struct vio_dma_limits limits = { .n_ranges = 1,
					       .ranges = { { 0, UINT64_MAX } } };
	uint64_t out = 0;

	add(iova, 0 - PAGE, PAGE);
	assert_non_null(vio_iova_find_overlap(iova, UINT64_MAX, UINT64_MAX));
	assert_int_equal(vio_iova_find_place(iova, &limits, PAGE, PAGE, &out), 0);
	assert_int_equal(out, 0 - 2 * PAGE);
}

static const struct vio_dma_limits two_ranges = {
	.n_ranges = 2,
	.ranges = { { 0, 0xfedfffff }, { 0xfef00000, 0xfeffffff } },
};

static void places_are_the_highest_that_are_free(void **state)
{
	struct vio_iova *iova = *state;
	uint64_t out = 0;

	assert_int_equal(vio_iova_find_place(iova, &two_ranges, PAGE, PAGE, &out), 0);
	assert_int_equal(out, 0xfefff000);
	add(iova, 0xfef80000, 0x80000);
	assert_int_equal(vio_iova_find_place(iova, &two_ranges, PAGE, PAGE, &out), 0);
	assert_int_equal(out, 0xfef7f000);
	/* Too large for what is left of the upper range. */
	assert_int_equal(vio_iova_find_place(iova, &two_ranges, 0x100000, PAGE, &out),
			 0);
	assert_int_equal(out, 0xfed00000);
}

static void a_gap_between_mappings_is_used(void **state)
{
	struct vio_iova *iova = *state;
	const struct vio_dma_limits limits = { .n_ranges = 1,
					       .ranges = { { 0, 64 * PAGE - 1 } } };
	uint64_t out = 0;

	add(iova, 0, 32 * PAGE);
	add(iova, 36 * PAGE, 28 * PAGE);
	assert_int_equal(vio_iova_find_place(iova, &limits, 4 * PAGE, PAGE, &out), 0);
	assert_int_equal(out, 32 * PAGE);
	assert_int_equal(vio_iova_find_place(iova, &limits, 5 * PAGE, PAGE, &out),
			 -ENOSPC);
	assert_int_equal(vio_iova_find_place(iova, &limits, 4 * PAGE, 8 * PAGE, &out),
			 0);
	assert_int_equal(vio_iova_find_place(iova, &limits, PAGE, 16 * PAGE, &out), 0);
}

/* Three pages are free, and no two of them begin where two must. */
static void a_gap_that_alignment_makes_too_small_is_passed_over(void **state)
{
	struct vio_iova *iova = *state;
	const struct vio_dma_limits limits = { .n_ranges = 1,
					       .ranges = { { 0, 64 * PAGE - 1 } } };
	uint64_t out = 0x77;

	add(iova, 17 * PAGE, 16 * PAGE);
	add(iova, 36 * PAGE, 28 * PAGE);
	assert_int_equal(vio_iova_find_place(iova, &limits, 2 * PAGE, 8 * PAGE, &out),
			 0);
	assert_int_equal(out, 8 * PAGE);
	add(iova, PAGE, 16 * PAGE);
	assert_int_equal(vio_iova_find_place(iova, &limits, 2 * PAGE, 8 * PAGE, &out),
			 -ENOSPC);
	assert_int_equal(out, 8 * PAGE);
}

static void a_mapping_may_begin_at_the_last_address_of_a_range(void **state)
{
	struct vio_iova *iova = *state;
	const struct vio_dma_limits limits = { .n_ranges = 1,
					       .ranges = { { 0, 64 * PAGE } } };
	uint64_t out = 0;

	add(iova, 64 * PAGE, PAGE);
	assert_int_equal(vio_iova_find_place(iova, &limits, PAGE, PAGE, &out), 0);
	assert_int_equal(out, 63 * PAGE);
}

/* The numbers alone: nothing is read of as many mappings, nor taken for them. */
static void more_mappings_than_32_bits_count_are_refused(void **state)
{
	struct vio_env env = vio_env_default;
	struct vio_iova full = {
		.env = &env,
		.n = UINT32_C(1) << 31,
		.n_room = UINT32_C(1) << 31,
	};
	struct vio_fault fault;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	env.alloc = fault.alloc;
	assert_int_equal(vio_iova_prepare(&full), -ENOMEM);
	assert_int_equal(fault.n_allocs, 0);
	assert_null(full.maps);
}

static void page_0_is_no_place(void **state)
{
	struct vio_iova *iova = *state;
	const struct vio_dma_limits limits = { .n_ranges = 1,
					       .ranges = { { 0, 2 * PAGE - 1 } } };
	uint64_t out = 0;

	assert_int_equal(vio_iova_find_place(iova, &limits, PAGE, PAGE, &out), 0);
	assert_int_equal(out, PAGE);
	add(iova, PAGE, PAGE);
	assert_int_equal(vio_iova_find_place(iova, &limits, PAGE, PAGE, &out), -ENOSPC);
}

static void a_range_across_two_usable_ones_is_not_usable(void **state)
{
	(void)state;
	assert_int_equal(vio_iova_is_usable(&two_ranges, 0, 0xfedfffff), 1);
	assert_int_equal(vio_iova_is_usable(&two_ranges, 0xfedff000, 0xfef00fff), 0);
	assert_int_equal(vio_iova_is_usable(&two_ranges, 0xfee00000, 0xfee00fff), 0);
	assert_int_equal(vio_iova_is_usable(&two_ranges, 0xff000000, 0xff000fff), 0);
}

/* Against a map of pages: a place is free, usable, refused only if there is none. */
static void places_found_at_random_are_free(void **state)
{
	struct vio_iova *iova = *state;
	const struct vio_dma_limits limits = {
		.n_ranges = 2,
		.ranges = { { 0, 100 * PAGE - 1 }, { 120 * PAGE, 200 * PAGE - 1 } },
	};
	char is_used[200] = { 1 };

	memset(is_used + 100, 1, 20);
	srand(1);
	for (int i = 0; i < 20000; i++) {
		const uint64_t n = 1 + (uint64_t)rand() % 9;
		uint64_t out, at;
		uint32_t run = 0, best = 0;

		if (iova->n && rand() % 2) {
			const struct vio_iova_map *map =
				&iova->maps[(uint32_t)rand() % iova->n];

			memset(is_used + map->map.iova / PAGE, 0,
			       map->map.length_bytes / PAGE);
			vio_iova_remove(iova, map);
			continue;
		}
		for (at = 0; at < 200; at++) {
			run = is_used[at] ? 0 : run + 1;
			best = run > best ? run : best;
		}
		if (vio_iova_find_place(iova, &limits, n * PAGE, PAGE, &out)) {
			assert_true(best < n);
			continue;
		}
		for (at = out / PAGE; at < out / PAGE + n; at++) {
			assert_int_equal(is_used[at], 0);
			is_used[at] = 1;
		}
		add(iova, out, n * PAGE);
	}
}

#define test_iova(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_iova(mappings_are_kept_in_order),
		test_iova(overlaps_are_found_from_both_sides),
		test_iova(a_mapping_may_end_at_the_last_address),
		test_iova(places_are_the_highest_that_are_free),
		test_iova(a_gap_between_mappings_is_used),
		test_iova(a_gap_that_alignment_makes_too_small_is_passed_over),
		test_iova(a_mapping_may_begin_at_the_last_address_of_a_range),
		test_iova(more_mappings_than_32_bits_count_are_refused),
		test_iova(page_0_is_no_place),
		test_iova(a_range_across_two_usable_ones_is_not_usable),
		test_iova(places_found_at_random_are_free),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
