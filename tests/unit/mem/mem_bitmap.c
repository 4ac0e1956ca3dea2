/* SPDX-License-Identifier: MIT */
/* Dirty bitmaps: which bits a range sets, by address and by iovec. */
#include <errno.h>

#include "unit/mem/fixture.h"

#define BYTES 8u /* 64 pages; the suites guard the byte behind them */

struct map {
	uint8_t bits[BYTES + 1];
	struct count count;
};

static struct vio_mem_bitmap
bitmap_of(struct map *map, uint64_t gpa, uint64_t length_bytes, uint32_t page_shift)
{
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	bitmap.page_shift = page_shift;
	bitmap.gpa = gpa;
	bitmap.length_bytes = length_bytes;
	bitmap.bits = map->bits;
	bitmap.released = count_released;
	bitmap.opaque = &map->count;
	return bitmap;
}

static int attach(const struct fixture *f, struct map *map, uint64_t gpa,
		  uint64_t length_bytes, uint32_t page_shift)
{
	struct vio_mem_bitmap bitmap = bitmap_of(map, gpa, length_bytes, page_shift);

	return vio_mem_attach_bitmap(f->mem, &bitmap);
}

/* The table calls back for those attached when it is destroyed. */
static void detach(const struct fixture *f, struct map *map)
{
	assert_int_equal(vio_mem_detach_bitmap(f->mem, map->bits), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
}

static void assert_bits(const struct map *map, const uint8_t *expected)
{
	assert_memory_equal(map->bits, expected, BYTES);
	assert_int_equal(map->bits[BYTES], 0);
}

static void a_byte_marks_its_page(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0x10000, 64 * PAGE, 12), 0);
	vio_mem_mark(f->mem, 0x10000 + 9 * PAGE + 5, 1);
	assert_bits(&map, (uint8_t[BYTES]){ 0, 2 });
	detach(f, &map);
}

static void a_range_marks_every_page_it_touches(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	vio_mem_mark(f->mem, 7 * PAGE - 1, 17 * PAGE + 2);
	assert_bits(&map, (uint8_t[BYTES]){ 0xc0, 0xff, 0xff, 1 });
	detach(f, &map);
}

static void marks_add_up(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	vio_mem_mark(f->mem, 0, PAGE);
	vio_mem_mark(f->mem, 2 * PAGE, PAGE);
	vio_mem_mark(f->mem, 0, PAGE);
	assert_bits(&map, (uint8_t[BYTES]){ 5 });
	detach(f, &map);
}

static void an_empty_range_marks_nothing(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	vio_mem_mark(f->mem, PAGE, 0);
	assert_bits(&map, (uint8_t[BYTES]){ 0 });
	detach(f, &map);
}

static void a_range_is_clipped_to_the_bitmap(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0x10000, 64 * PAGE, 12), 0);
	vio_mem_mark(f->mem, 0, 0x10001);
	vio_mem_mark(f->mem, 0x10000 + 64 * PAGE - 1, 0x10000);
	assert_bits(&map, (uint8_t[BYTES]){ 1, 0, 0, 0, 0, 0, 0, 0x80 });
	detach(f, &map);
}

static void a_range_outside_of_the_bitmap_marks_nothing(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0x10000, 64 * PAGE, 12), 0);
	vio_mem_mark(f->mem, 0, 0x10000);
	vio_mem_mark(f->mem, 0x10000 + 64 * PAGE, 0x10000);
	assert_bits(&map, (uint8_t[BYTES]){ 0 });
	detach(f, &map);
}

static void a_range_past_2_64_marks_up_to_the_end(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, UINT64_MAX - 8 * PAGE + 1, 8 * PAGE, 12), 0);
	vio_mem_mark(f->mem, UINT64_MAX - PAGE + 1, UINT64_MAX);
	assert_bits(&map, (uint8_t[BYTES]){ 0x80 });
	detach(f, &map);
}

/* The abuse: a length that would take for ever if it were walked. */
static void the_longest_range_costs_no_more_than_the_bitmap(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0x10000, 3 * PAGE, 12), 0);
	vio_mem_mark(f->mem, 0, UINT64_MAX);
	assert_bits(&map, (uint8_t[BYTES]){ 7 });
	detach(f, &map);
}

static void a_last_page_covered_in_part_has_a_bit(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, PAGE + 1, 12), 0);
	vio_mem_mark(f->mem, 0, 64 * PAGE);
	assert_bits(&map, (uint8_t[BYTES]){ 3 });
	detach(f, &map);
}

static void every_bitmap_has_its_own_pages(void **state)
{
	struct fixture *f = *state;
	struct map small = { 0 };
	struct map large = { 0 };

	assert_int_equal(attach(f, &small, 0, 64 * PAGE, 12), 0);
	assert_int_equal(attach(f, &large, 0, UINT64_C(64) << 30, 30), 0);
	vio_mem_mark(f->mem, PAGE, 1);
	assert_bits(&small, (uint8_t[BYTES]){ 2 });
	assert_bits(&large, (uint8_t[BYTES]){ 1 });
	detach(f, &small);
	vio_mem_mark(f->mem, UINT64_C(1) << 30, 1);
	assert_bits(&small, (uint8_t[BYTES]){ 2 });
	assert_bits(&large, (uint8_t[BYTES]){ 3 });
	detach(f, &large);
}

static void a_detached_bitmap_is_released_once(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0x10000, PAGE, 12), 0);
	assert_int_equal(vio_mem_detach_bitmap(f->mem, map.bits), 0);
	assert_int_equal(map.count.n, 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	assert_int_equal(map.count.n, 1);
	assert_int_equal(map.count.gpa, 0x10000);
}

static void a_bitmap_outlives_changes_of_the_table(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	assert_int_equal(add(f, 0, 1, 0), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	vio_mem_mark(f->mem, 0, 1);
	assert_bits(&map, (uint8_t[BYTES]){ 1 });
	detach(f, &map);
}

static void destroying_the_table_releases_its_bitmaps(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, PAGE, 12), 0);
	assert_int_equal(vio_mem_destroy(f->mem, NULL), 0);
	f->mem = NULL;
	assert_int_equal(map.count.n, 1);
}

static void a_burst_holds_a_bitmap_that_is_detached_meanwhile(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct map map = { 0 };
	const struct vio_mem_view *view;

	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	vio_mem_reader_attach(&reader, f->mem);
	view = vio_mem_reader_enter(&reader);
	assert_int_equal(vio_mem_detach_bitmap(f->mem, map.bits), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	vio_mem_view_mark(view, 0, 1);
	vio_mem_reader_leave(&reader);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_bits(&map, (uint8_t[BYTES]){ 1 });
	vio_mem_reader_detach(&reader);
}

static void the_burst_after_an_attach_marks(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct map map = { 0 };

	vio_mem_reader_attach(&reader, f->mem);
	vio_mem_view_mark(vio_mem_reader_enter(&reader), 0, 1);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	assert_bits(&map, (uint8_t[BYTES]){ 0 });
	vio_mem_view_mark(vio_mem_reader_enter(&reader), 0, 1);
	assert_bits(&map, (uint8_t[BYTES]){ 1 });
	vio_mem_reader_leave(&reader);
	vio_mem_reader_detach(&reader);
	detach(f, &map);
}

/* What chains wrote: translated earlier, marked by the view of now. */
static void mark_chain(const struct fixture *f, uint64_t gpa, uint64_t length_bytes,
		       uint64_t written_bytes)
{
	const struct vio_mem_view *view = vio_mem_current_of(f->mem)->view;
	struct iovec iov[8];
	int n = vio_mem_translate(f->mem, gpa, length_bytes, WRITE, iov, 8);

	assert_true(n > 0);
	vio_mem_view_mark_iov(view, view, iov, (uint32_t)n, written_bytes);
}

static void a_written_chain_marks_its_pages(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 8, 20), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, 2 * PAGE, 2 * PAGE, 2 * PAGE);
	assert_bits(&map, (uint8_t[BYTES]){ 0xc });
	detach(f, &map);
}

static void what_a_chain_did_not_write_is_not_marked(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 8, 20), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, 2 * PAGE, 4 * PAGE, PAGE + 1);
	assert_bits(&map, (uint8_t[BYTES]){ 0xc });
	detach(f, &map);
}

static void a_chain_that_wrote_nothing_marks_nothing(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 8, 20), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, 0, PAGE, 0);
	assert_bits(&map, (uint8_t[BYTES]){ 0 });
	detach(f, &map);
}

static void written_bytes_run_over_the_iovecs(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 2, 20), 0);
	assert_int_equal(add(f, 2 * PAGE, 2, 10), 0);
	assert_int_equal(add(f, 4 * PAGE, 2, 30), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, PAGE, 5 * PAGE, 4 * PAGE);
	assert_bits(&map, (uint8_t[BYTES]){ 0x1e });
	detach(f, &map);
}

static void more_written_than_the_iovecs_hold_marks_the_iovecs(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 8, 20), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, PAGE, PAGE, UINT64_MAX);
	assert_bits(&map, (uint8_t[BYTES]){ 2 });
	detach(f, &map);
}

static void an_iovec_over_several_regions_marks_in_each(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 1, 20), 0);
	assert_int_equal(add(f, PAGE, 1, 21), 0);
	assert_int_equal(add(f, 2 * PAGE, 1, 22), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, PAGE - 1, PAGE + 2, PAGE + 2);
	assert_bits(&map, (uint8_t[BYTES]){ 7 });
	detach(f, &map);
}

static void memory_with_two_addresses_is_marked_at_both(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(add(f, 0, 2, 20), 0);
	assert_int_equal(add(f, 4 * PAGE, 2, 20), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	mark_chain(f, 5 * PAGE, PAGE, PAGE);
	assert_bits(&map, (uint8_t[BYTES]){ 0x22 });
	detach(f, &map);
}

static void iovecs_from_elsewhere_mark_nothing(void **state)
{
	struct fixture *f = *state;
	const struct vio_mem_view *view;
	struct map map = { 0 };
	struct iovec iov[2] = { { .iov_base = f->host + 40 * PAGE, .iov_len = PAGE },
				{ .iov_base = NULL, .iov_len = 0 } };

	assert_int_equal(add(f, 0, 2, 20), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	view = vio_mem_current_of(f->mem)->view;
	vio_mem_view_mark_iov(view, view, iov, 2, UINT64_MAX);
	assert_bits(&map, (uint8_t[BYTES]){ 0 });
	detach(f, &map);
}

/* A chain popped before both the removal of its region and the bitmap. */
static void a_chain_of_an_old_view_marks_in_a_new_bitmap(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	const struct vio_mem_view *origin;
	struct map map = { 0 };
	struct iovec iov[1];
	uint32_t hint = 0;

	assert_int_equal(add(f, 2 * PAGE, 1, 20), 0);
	vio_mem_reader_attach(&reader, f->mem);
	origin = vio_mem_reader_enter(&reader);
	assert_int_equal(
		vio_mem_view_translate(origin, &hint, 2 * PAGE, PAGE, WRITE, iov, 1),
		1);
	reader.n_held++;
	assert_int_equal(vio_mem_remove(f->mem, 2 * PAGE), 0);
	assert_int_equal(attach(f, &map, 0, 64 * PAGE, 12), 0);
	vio_mem_view_mark_iov(vio_mem_reader_enter(&reader), origin, iov, 1, PAGE);
	vio_mem_reader_close_chain(&reader, origin);
	vio_mem_reader_leave(&reader);
	assert_bits(&map, (uint8_t[BYTES]){ 4 });
	vio_mem_reader_detach(&reader);
	detach(f, &map);
}

static int try_attach(const struct fixture *f, struct vio_mem_bitmap bitmap)
{
	return vio_mem_attach_bitmap(f->mem, &bitmap);
}

static void a_bitmap_without_bits_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };
	struct vio_mem_bitmap bitmap = bitmap_of(&map, 0, PAGE, 12);

	bitmap.bits = NULL;
	assert_int_equal(try_attach(f, bitmap), -EINVAL);
}

static void a_bitmap_of_pages_too_small_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(try_attach(f, bitmap_of(&map, 0, PAGE, 11)), -EINVAL);
}

static void a_bitmap_of_pages_too_large_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(try_attach(f, bitmap_of(&map, 0, PAGE, 31)), -EINVAL);
	assert_int_equal(try_attach(f, bitmap_of(&map, 0, PAGE, 64)), -EINVAL);
}

static void a_bitmap_off_its_page_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(try_attach(f, bitmap_of(&map, PAGE, PAGE, 13)), -EINVAL);
}

static void a_bitmap_of_nothing_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(try_attach(f, bitmap_of(&map, 0, 0, 12)), -EINVAL);
}

static void a_bitmap_past_2_64_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(try_attach(f, bitmap_of(&map, PAGE, UINT64_MAX, 12)), -EINVAL);
}

static void no_bitmap_at_all_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_attach_bitmap(f->mem, NULL), -EINVAL);
}

static void a_bitmap_that_asks_for_more_is_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };
	struct {
		struct vio_mem_bitmap bitmap;
		uint64_t more;
	} newer = { bitmap_of(&map, 0, PAGE, 12), 1 };

	newer.bitmap.size = sizeof(newer);
	assert_int_equal(vio_mem_attach_bitmap(f->mem, &newer.bitmap), -E2BIG);
}

static void bits_attached_already_are_refused(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(attach(f, &map, 0, PAGE, 12), 0);
	assert_int_equal(attach(f, &map, PAGE, PAGE, 12), -EEXIST);
	detach(f, &map);
}

static void bits_never_attached_cannot_be_detached(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };

	assert_int_equal(vio_mem_detach_bitmap(f->mem, map.bits), -ENOENT);
}

static void bitmaps_cannot_come_or_go_during_a_batch(void **state)
{
	struct fixture *f = *state;
	struct map map = { 0 };
	struct map other = { 0 };

	assert_int_equal(attach(f, &map, 0, PAGE, 12), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(attach(f, &other, 0, PAGE, 12), -EBUSY);
	assert_int_equal(vio_mem_detach_bitmap(f->mem, map.bits), -EBUSY);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	detach(f, &map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(a_byte_marks_its_page),
		test_with_table(a_range_marks_every_page_it_touches),
		test_with_table(marks_add_up),
		test_with_table(an_empty_range_marks_nothing),
		test_with_table(a_range_is_clipped_to_the_bitmap),
		test_with_table(a_range_outside_of_the_bitmap_marks_nothing),
		test_with_table(a_range_past_2_64_marks_up_to_the_end),
		test_with_table(the_longest_range_costs_no_more_than_the_bitmap),
		test_with_table(a_last_page_covered_in_part_has_a_bit),
		test_with_table(every_bitmap_has_its_own_pages),
		test_with_table(a_detached_bitmap_is_released_once),
		test_with_table(a_bitmap_outlives_changes_of_the_table),
		test_with_table(destroying_the_table_releases_its_bitmaps),
		test_with_table(a_burst_holds_a_bitmap_that_is_detached_meanwhile),
		test_with_table(the_burst_after_an_attach_marks),
		test_with_table(a_written_chain_marks_its_pages),
		test_with_table(what_a_chain_did_not_write_is_not_marked),
		test_with_table(a_chain_that_wrote_nothing_marks_nothing),
		test_with_table(written_bytes_run_over_the_iovecs),
		test_with_table(more_written_than_the_iovecs_hold_marks_the_iovecs),
		test_with_table(an_iovec_over_several_regions_marks_in_each),
		test_with_table(memory_with_two_addresses_is_marked_at_both),
		test_with_table(iovecs_from_elsewhere_mark_nothing),
		test_with_table(a_chain_of_an_old_view_marks_in_a_new_bitmap),
		test_with_table(a_bitmap_without_bits_is_refused),
		test_with_table(a_bitmap_of_pages_too_small_is_refused),
		test_with_table(a_bitmap_of_pages_too_large_is_refused),
		test_with_table(a_bitmap_off_its_page_is_refused),
		test_with_table(a_bitmap_of_nothing_is_refused),
		test_with_table(a_bitmap_past_2_64_is_refused),
		test_with_table(no_bitmap_at_all_is_refused),
		test_with_table(a_bitmap_that_asks_for_more_is_refused),
		test_with_table(bits_attached_already_are_refused),
		test_with_table(bits_never_attached_cannot_be_detached),
		test_with_table(bitmaps_cannot_come_or_go_during_a_batch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
