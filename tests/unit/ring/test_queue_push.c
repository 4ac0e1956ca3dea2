/* SPDX-License-Identifier: MIT */
/*
 * Giving chains back: what the used ring holds afterwards, what is refused, and
 * which pages a dirty bitmap names.
 */
#include <stdlib.h>

#include "unit/ring/guest.h"

static void a_pushed_chain_is_not_seen_before_it_is_published(void **state)
{
	struct guest *g = *state;

	offer_room(g, 3);
	expect_pop(g, 3);
	assert_int_equal(push(g, 3, 9), 1);
	assert_int_equal(used_index(g), 0);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 1);
	assert_int_equal(used_id(g, 0), 3);
	assert_int_equal(used_length(g, 0), 9);
}

static void publishing_nothing_stores_nothing(void **state)
{
	struct guest *g = *state;

	used_of(g)->index = htole16(77);
	assert_int_equal(publish(g), 0);
	assert_int_equal(used_index(g), 77);
}

static void chains_are_given_back_in_any_order(void **state)
{
	static const uint32_t order[] = { 2, 0, 3, 1 };
	struct guest *g = *state;

	for (uint32_t i = 0; i < 4; i++)
		offer_room(g, i);
	assert_int_equal(pop(g, 4), 4);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(push(g, order[i], i), 1);
	assert_int_equal(publish(g), 1);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(used_id(g, i), order[i]);
		assert_int_equal(used_length(g, i), i);
	}
}

static void a_head_beyond_the_table_is_refused(void **state)
{
	struct guest *g = *state;

	assert_int_equal(push(g, N_DESCS, 0), -EINVAL);
	assert_int_equal(push(g, UINT32_MAX, 0), -EINVAL);
}

static void a_head_that_is_not_with_the_device_is_refused(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	assert_int_equal(push(g, 0, 0), -EINVAL);
	expect_pop(g, 0);
	assert_int_equal(push(g, 1, 0), -EINVAL);
	assert_int_equal(publish(g), 0);
}

static void a_chain_is_not_pushed_twice(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(push(g, 0, 0), -EINVAL);
	assert_int_equal(publish(g), 1);
	assert_int_equal(push(g, 0, 0), -EINVAL);
	assert_int_equal(used_index(g), 1);
}

static void more_bytes_than_the_chain_has_are_refused_and_it_stays_open(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, PAGE + 1), -EINVAL);
	assert_int_equal(vio_queue_get_open(g->queue), 1);
	assert_int_equal(push(g, 0, PAGE), 1);
}

static void a_burst_is_taken_up_to_the_first_refused(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < 3; i++)
		offer_room(g, i);
	assert_int_equal(pop(g, 3), 3);
	g->chains[1].written_bytes = PAGE + 1;
	assert_int_equal(vio_queue_push(g->queue, g->chains, 3), 1);
	assert_int_equal(vio_queue_get_open(g->queue), 2);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 1);
}

static void pushing_nothing_is_no_error(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_queue_push(g->queue, g->chains, 0), 0);
}

static void a_chain_forgotten_by_a_reset_is_refused(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	vio_queue_reset(g->queue);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
	assert_int_equal(push(g, 0, 0), -EINVAL);
	assert_int_equal(publish(g), 0);
}

/* Where the queue stands. */

static void the_state_goes_out_and_back_in(void **state)
{
	struct vio_queue_state saved = VIO_QUEUE_STATE_INIT;
	struct guest *g = *state;

	set_state(g, 500, 400);
	offer_room(g, 1);
	serve(g, 1);
	assert_int_equal(vio_queue_read_state(g->queue, &saved), 0);
	assert_int_equal(saved.size, sizeof(saved));
	assert_int_equal(saved.avail_index, 501);
	assert_int_equal(saved.used_index, 401);

	vio_queue_destroy(g->queue);
	start_queue(g);
	assert_int_equal(vio_queue_set_state(g->queue, &saved), 0);
	offer_room(g, 2);
	serve(g, 2);
	assert_int_equal(used_index(g), 402);
	assert_int_equal(used_id(g, 401), 2);
}

static void a_state_out_of_range_is_refused(void **state)
{
	struct vio_queue_state wrong = VIO_QUEUE_STATE_INIT;
	struct guest *g = *state;

	wrong.avail_index = 65536;
	assert_int_equal(vio_queue_set_state(g->queue, &wrong), -EINVAL);
	wrong.avail_index = 0;
	wrong.used_index = 65536;
	assert_int_equal(vio_queue_set_state(g->queue, &wrong), -EINVAL);
	wrong.used_index = 0;
	wrong.flags = 1;
	assert_int_equal(vio_queue_set_state(g->queue, &wrong), -EINVAL);
	assert_int_equal(vio_queue_set_state(g->queue, NULL), -EINVAL);
	wrong.size = 4;
	assert_int_equal(vio_queue_set_state(g->queue, &wrong), -EINVAL);
}

static void a_state_of_a_later_release_is_refused(void **state)
{
	struct {
		struct vio_queue_state state;
		uint32_t later;
	} grown = { VIO_QUEUE_STATE_INIT, 1 };
	struct guest *g = *state;

	grown.state.size = sizeof(grown);
	assert_int_equal(vio_queue_set_state(g->queue, &grown.state), -E2BIG);
}

static void a_state_is_not_set_under_chains_in_flight(void **state)
{
	struct vio_queue_state saved = VIO_QUEUE_STATE_INIT;
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(vio_queue_set_state(g->queue, &saved), -EBUSY);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(vio_queue_set_state(g->queue, &saved), -EBUSY);
	assert_int_equal(publish(g), 1);
	assert_int_equal(vio_queue_set_state(g->queue, &saved), 0);
}

static void a_state_read_into_nothing_or_too_little_is_refused(void **state)
{
	struct vio_queue_state saved = VIO_QUEUE_STATE_INIT;
	struct guest *g = *state;

	assert_int_equal(vio_queue_read_state(g->queue, NULL), -EINVAL);
	saved.size = 8;
	assert_int_equal(vio_queue_read_state(g->queue, &saved), -EINVAL);
	assert_int_equal(saved.size, 8);
}

/* Dirty bitmaps over all of memory, a bit for each page. */

#define N_PAGES (RAM_BYTES / PAGE)

static uint8_t bits[N_PAGES / 8];

static void attach_bits(struct guest *g)
{
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	memset(bits, 0, sizeof(bits));
	bitmap.gpa = RAM_GPA;
	bitmap.length_bytes = RAM_BYTES;
	bitmap.bits = bits;
	assert_int_equal(vio_mem_attach_bitmap(g->mem, &bitmap), 0);
}

static void expect_dirty(const uint64_t *pages, size_t n)
{
	uint8_t expected[sizeof(bits)] = { 0 };

	for (size_t i = 0; i < n; i++) {
		const uint64_t page = (pages[i] - RAM_GPA) / PAGE;

		expected[page / 8] |= (uint8_t)(1u << page % 8);
	}
	assert_memory_equal(bits, expected, sizeof(bits));
}

static void exactly_the_pages_written_and_the_used_ring_are_dirty(void **state)
{
	const uint64_t pages[] = { data_gpa(4), data_gpa(5), USED_GPA };
	struct guest *g = *state;

	attach_bits(g);
	set_desc(g, 3, VIO_DESC_NEXT, 4);
	write_desc(desc_at(g, 4), data_gpa(4) + 10, 3 * PAGE, VIO_DESC_WRITE, 0);
	offer(g, 3);
	expect_pop(g, 3);
	expect_dirty(NULL, 0);
	g->chains[0].written_bytes = PAGE;
	assert_int_equal(vio_queue_push(g->queue, g->chains, 1), 1);
	assert_int_equal(publish(g), 1);
	expect_dirty(pages, 3);
}

static void
a_chain_of_which_nothing_was_written_dirties_the_used_ring_alone(void **state)
{
	const uint64_t pages[] = { USED_GPA };
	struct guest *g = *state;

	attach_bits(g);
	offer_room(g, 0);
	serve(g, 0);
	expect_dirty(pages, 1);
}

static void a_write_that_ends_with_its_page_dirties_no_other(void **state)
{
	const uint64_t pages[] = { data_gpa(0), USED_GPA };
	struct guest *g = *state;

	attach_bits(g);
	set_desc(g, 0, VIO_DESC_WRITE | VIO_DESC_NEXT, 1);
	set_desc(g, 1, VIO_DESC_WRITE, 0);
	offer(g, 0);
	expect_pop(g, 0);
	g->chains[0].written_bytes = PAGE;
	assert_int_equal(vio_queue_push(g->queue, g->chains, 1), 1);
	assert_int_equal(publish(g), 1);
	expect_dirty(pages, 2);
}

static void a_bitmap_attached_in_flight_names_what_is_pushed_after_it(void **state)
{
	const uint64_t pages[] = { data_gpa(0), USED_GPA };
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	attach_bits(g);
	g->chains[0].written_bytes = 1;
	assert_int_equal(vio_queue_push(g->queue, g->chains, 1), 1);
	assert_int_equal(publish(g), 1);
	expect_dirty(pages, 2);
}

static void the_page_of_the_used_element_is_dirty_too(void **state)
{
	const uint64_t pages[] = { USED_GPA, USED_GPA + 4 * PAGE };
	struct guest *g = open_guest(4096, 0);
	void *own = g;

	(void)state;
	set_state(g, 2048, 2048);
	attach_bits(g);
	offer_room(g, 0);
	serve(g, 0);
	expect_dirty(pages, 2);
	close_guest(&own);
}

static void asking_for_kicks_dirties_the_used_ring(void **state)
{
	const uint64_t pages[] = { USED_GPA };
	struct guest *g = *state;

	attach_bits(g);
	assert_int_equal(vio_queue_set_kicks(g->queue, 0), 0);
	expect_dirty(pages, 1);
}

static void asking_for_kicks_by_index_dirties_its_page(void **state)
{
	const uint64_t pages[] = { USED_GPA + 8 * PAGE };
	struct guest *g = open_guest(4096, VIO_F_EVENT_IDX);
	void *own = g;

	(void)state;
	attach_bits(g);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	expect_dirty(pages, 1);
	close_guest(&own);
}

static void a_detached_bitmap_is_left_alone(void **state)
{
	struct guest *g = *state;

	attach_bits(g);
	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(vio_mem_detach_bitmap(g->mem, bits), 0);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	expect_dirty(NULL, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, a_pushed_chain_is_not_seen_before_it_is_published),
		ON(open_plain, publishing_nothing_stores_nothing),
		ON(open_plain, chains_are_given_back_in_any_order),
		ON(open_plain, a_head_beyond_the_table_is_refused),
		ON(open_plain, a_head_that_is_not_with_the_device_is_refused),
		ON(open_plain, a_chain_is_not_pushed_twice),
		ON(open_plain,
		   more_bytes_than_the_chain_has_are_refused_and_it_stays_open),
		ON(open_plain, a_burst_is_taken_up_to_the_first_refused),
		ON(open_plain, pushing_nothing_is_no_error),
		ON(open_plain, a_chain_forgotten_by_a_reset_is_refused),
		ON(open_plain, the_state_goes_out_and_back_in),
		ON(open_plain, a_state_out_of_range_is_refused),
		ON(open_plain, a_state_of_a_later_release_is_refused),
		ON(open_plain, a_state_is_not_set_under_chains_in_flight),
		ON(open_plain, a_state_read_into_nothing_or_too_little_is_refused),
		ON(open_plain, exactly_the_pages_written_and_the_used_ring_are_dirty),
		ON(open_plain,
		   a_chain_of_which_nothing_was_written_dirties_the_used_ring_alone),
		ON(open_plain, a_write_that_ends_with_its_page_dirties_no_other),
		ON(open_plain,
		   a_bitmap_attached_in_flight_names_what_is_pushed_after_it),
		cmocka_unit_test(the_page_of_the_used_element_is_dirty_too),
		ON(open_plain, asking_for_kicks_dirties_the_used_ring),
		cmocka_unit_test(asking_for_kicks_by_index_dirties_its_page),
		ON(open_plain, a_detached_bitmap_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
