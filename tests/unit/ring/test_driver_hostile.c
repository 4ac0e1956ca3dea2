/* SPDX-License-Identifier: MIT */
/*
 * The driver side against a device that breaks the rules, against one that
 * completes in order and in batches, and the two ways of saving notifications.
 */
#include "core/bits.h"
#include "unit/ring/driver_ring.h"

/* A device that lies. */

static void an_id_beyond_the_table_latches(void **state)
{
	static const uint32_t ids[] = { N_DESCS, 65536, UINT32_MAX };
	struct ring *ring = *state;

	for (size_t i = 0; i < VIO_ARRAY_SIZE(ids); i++) {
		vio_driver_reset(ring->driver);
		ring->n_given = 0;
		publish_bufs(ring, 1, 0, 1);
		give_back(ring, ids[i], 0);
		expect_latched(ring);
	}
}

static void an_id_that_is_not_outstanding_latches(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 0, 1);
	give_back(ring, take_head(ring) + 1u, 0);
	expect_latched(ring);
}

static void an_id_inside_of_a_chain_latches(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 3, 0, 1);
	give_back(ring, le16toh(ring->desc[take_head(ring)].next), 0);
	expect_latched(ring);
}

static void a_chain_given_back_twice_latches(void **state)
{
	struct ring *ring = *state;
	uint16_t head;

	publish_bufs(ring, 1, 0, 1);
	publish_bufs(ring, 1, 0, 2);
	head = take_head(ring);
	give_back(ring, head, 0);
	give_back(ring, head, 0);
	expect_pop(ring, 1, 0);
	expect_latched(ring);
}

static void a_chain_that_was_not_published_latches(void **state)
{
	struct ring *ring = *state;
	uint16_t head;

	publish_bufs(ring, 1, 0, 1);
	head = take_head(ring);
	assert_int_equal(push_bufs(ring, 1, 0, 2), 1);
	give_back(ring, head ^ 1u, 0);
	expect_latched(ring);
}

static void an_index_beyond_what_is_outstanding_latches(void **state)
{
	static const uint16_t jumps[] = { 2, N_DESCS, N_DESCS + 1, 32768, 65535 };
	struct ring *ring = *state;

	for (size_t i = 0; i < VIO_ARRAY_SIZE(jumps); i++) {
		vio_driver_reset(ring->driver);
		publish_bufs(ring, 1, 0, 1);
		show_used(ring, jumps[i]);
		expect_latched(ring);
	}
}

static void chains_before_the_lie_are_returned_first(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_used used[2];

	publish_bufs(ring, 1, 0, 1);
	publish_bufs(ring, 1, 0, 2);
	give_back(ring, take_head(ring), 0);
	give_back(ring, N_DESCS, 0);
	assert_int_equal(vio_driver_pop(ring->driver, used, 2), 1);
	assert_int_equal(used[0].cookie, 1);
	expect_latched(ring);
}

static void a_latched_side_shows_the_device_nothing_more(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_used used;

	publish_bufs(ring, 1, 0, 1);
	assert_int_equal(push_bufs(ring, 1, 0, 2), 1);
	give_back(ring, N_DESCS, 0);
	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), -EBADMSG);
	assert_int_equal(vio_driver_publish(ring->driver), 0);
	assert_int_equal(avail_index(ring), 1);
}

static void a_latched_side_is_not_waited_on(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_used used;

	publish_bufs(ring, 1, 0, 1);
	show_used(ring, 7);
	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), -EBADMSG);
	show_used(ring, 0);
	assert_int_equal(vio_driver_set_calls(ring->driver, 1), 1);
}

static void a_reset_clears_the_latch(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 0, 1);
	show_used(ring, 7);
	expect_latched(ring);
	vio_driver_reset(ring->driver);
	ring->n_taken = 0;
	publish_bufs(ring, 1, 0, 2);
	give_back(ring, take_head(ring), 3);
	expect_pop(ring, 2, 3);
}

static void descriptors_that_the_device_rewrites_are_not_believed(void **state)
{
	struct ring *ring = *state;
	uint16_t head;

	publish_bufs(ring, 3, 0, 1);
	head = take_head(ring);
	memset(ring->desc, 0xff, sizeof(ring->desc));
	give_back(ring, head, 0);
	expect_pop(ring, 1, 0);
	assert_int_equal(push_bufs(ring, N_DESCS, 0, 2), 1);
}

/* A device that completes in order. */

static void in_order_descriptors_are_used_in_ring_order(void **state)
{
	struct ring *ring = *state;
	uint16_t at = 0;

	for (uint32_t i = 0; i < 3 * N_DESCS; i++) {
		publish_bufs(ring, 3, 0, i);
		assert_int_equal(take_head(ring), at);
		for (uint32_t k = 0; k < 2; k++, at = (at + 1) % N_DESCS)
			assert_int_equal(le16toh(ring->desc[at].next),
					 (at + 1) % N_DESCS);
		at = (at + 1) % N_DESCS;
		give_back(ring, (at + N_DESCS - 3) % N_DESCS, 0);
		expect_pop(ring, i, 0);
	}
}

static void one_element_completes_a_batch(void **state)
{
	struct ring *ring = *state;
	uint16_t last = 0;

	for (uint32_t i = 0; i < 3; i++) {
		publish_bufs(ring, 0, 1 + i % 2, i);
		last = take_head(ring);
	}
	write_elem(ring, 0, last, 42);
	show_used(ring, 3);
	expect_pop(ring, 0, 1);
	expect_pop(ring, 1, 1 + 2);
	expect_pop(ring, 2, 42);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
}

static void the_element_after_a_batch_lies_behind_all_of_it(void **state)
{
	struct ring *ring = *state;
	uint16_t heads[4];

	for (uint32_t i = 0; i < 4; i++) {
		publish_bufs(ring, 0, 1, i);
		heads[i] = take_head(ring);
	}
	write_elem(ring, 0, heads[2], 5);
	write_elem(ring, 3, heads[3], 6);
	show_used(ring, 4);
	for (uint32_t i = 0; i < 2; i++)
		expect_pop(ring, i, 1);
	expect_pop(ring, 2, 5);
	expect_pop(ring, 3, 6);
}

static void a_batch_longer_than_the_index_says_latches(void **state)
{
	struct ring *ring = *state;
	uint16_t last = 0;

	for (uint32_t i = 0; i < 3; i++) {
		publish_bufs(ring, 0, 1, i);
		last = take_head(ring);
	}
	write_elem(ring, 0, last, 0);
	show_used(ring, 2);
	expect_latched(ring);
}

static void in_order_a_chain_given_back_twice_latches(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 0, 1);
	publish_bufs(ring, 1, 0, 2);
	give_back(ring, 0, 0);
	give_back(ring, 0, 0);
	expect_pop(ring, 1, 0);
	expect_latched(ring);
}

static void batches_go_on_over_a_wrap_of_the_indexes(void **state)
{
	struct ring *ring = *state;

	for (uint32_t i = 0; i < 70000 / 4; i++) {
		uint16_t last = 0;

		for (uint32_t k = 0; k < 4; k++) {
			publish_bufs(ring, 1, 1, k);
			last = take_head(ring);
		}
		write_elem(ring, ring->n_given, last, 9);
		ring->n_given += 4;
		show_used(ring, ring->n_given);
		for (uint32_t k = 0; k < 4; k++)
			expect_pop(ring, k, k == 3 ? 9 : 2);
	}
}

/* Notifications. */

static void a_kick_is_asked_for_by_default(void **state)
{
	struct ring *ring = *state;

	assert_int_equal(push_bufs(ring, 1, 0, 1), 1);
	assert_int_equal(vio_driver_publish(ring->driver), 1);
}

static void publishing_nothing_asks_for_no_kick(void **state)
{
	struct ring *ring = *state;

	assert_int_equal(vio_driver_publish(ring->driver), 0);
	publish_bufs(ring, 1, 0, 1);
	assert_int_equal(vio_driver_publish(ring->driver), 0);
}

static void a_device_that_polls_gets_no_kick(void **state)
{
	struct ring *ring = *state;

	ring->used[0] = htole16(VIO_USED_NO_NOTIFY);
	assert_int_equal(push_bufs(ring, 1, 0, 1), 1);
	assert_int_equal(vio_driver_publish(ring->driver), 0);
}

static void other_flags_of_the_device_mean_nothing(void **state)
{
	struct ring *ring = *state;

	ring->used[0] = htole16(0xfffe);
	assert_int_equal(push_bufs(ring, 1, 0, 1), 1);
	assert_int_equal(vio_driver_publish(ring->driver), 1);
}

static void set_avail_event(struct ring *ring, uint16_t index)
{
	ring->used[2 + N_DESCS * 4] = htole16(index);
}

static uint16_t used_event(const struct ring *ring)
{
	return le16toh(ring->avail[2 + N_DESCS]);
}

/* Publishes @n chains from index @from on, the event being @event. */
static int kicks(struct ring *ring, uint16_t from, uint16_t n, uint16_t event)
{
	int ret;

	vio_driver_reset(ring->driver);
	ring->n_taken = 0;
	ring->n_given = 0;
	for (uint32_t i = 0; i < from; i++) {
		publish_bufs(ring, 1, 0, 0);
		give_back(ring, take_head(ring), 0);
		expect_pop(ring, 0, 0);
	}
	set_avail_event(ring, event);
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(push_bufs(ring, 1, 0, 0), 1);
	ret = vio_driver_publish(ring->driver);
	return ret;
}

static void a_kick_is_due_when_the_index_passes_the_event(void **state)
{
	static const struct {
		uint16_t from, n, event;
		int is_due;
	} cases[] = {
		{ 0, 1, 0, 1 },         { 0, 1, 1, 0 },         { 0, 3, 2, 1 },
		{ 0, 3, 3, 0 },         { 4, 2, 3, 0 },         { 4, 2, 4, 1 },
		{ 4, 2, 5, 1 },         { 4, 2, 6, 0 },         { 65534, 4, 65533, 0 },
		{ 65534, 4, 65534, 1 }, { 65534, 4, 65535, 1 }, { 65534, 4, 0, 1 },
		{ 65534, 4, 1, 1 },     { 65534, 4, 2, 0 },     { 65535, 1, 65535, 1 },
		{ 65535, 1, 0, 0 },     { 0, 1, 32768, 0 },     { 0, 1, 65535, 0 },
	};

	for (size_t i = 0; i < VIO_ARRAY_SIZE(cases); i++)
		assert_int_equal(
			kicks(*state, cases[i].from, cases[i].n, cases[i].event),
			cases[i].is_due);
}

static void with_events_the_flag_of_the_device_means_nothing(void **state)
{
	struct ring *ring = *state;

	ring->used[0] = htole16(VIO_USED_NO_NOTIFY);
	assert_int_equal(push_bufs(ring, 1, 0, 1), 1);
	assert_int_equal(vio_driver_publish(ring->driver), 1);
}

static void calls_are_asked_for_and_spared_by_the_flag(void **state)
{
	struct ring *ring = *state;

	assert_int_equal(vio_driver_set_calls(ring->driver, 0), 0);
	assert_int_equal(le16toh(ring->avail[0]), VIO_AVAIL_NO_INTERRUPT);
	assert_int_equal(vio_driver_set_calls(ring->driver, 1), 0);
	assert_int_equal(le16toh(ring->avail[0]), 0);
}

static void with_events_calls_are_asked_for_at_the_next_used_index(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 0, 1);
	give_back(ring, take_head(ring), 0);
	expect_pop(ring, 1, 0);
	assert_int_equal(vio_driver_set_calls(ring->driver, 1), 0);
	assert_int_equal(used_event(ring), 1);
	assert_int_equal(le16toh(ring->avail[0]), 0);
}

static void with_events_calls_are_spared_by_an_index_gone_by(void **state)
{
	struct ring *ring = *state;

	assert_int_equal(vio_driver_set_calls(ring->driver, 0), 0);
	assert_int_equal(used_event(ring), 65535);
	assert_int_equal(le16toh(ring->avail[0]), 0);
}

static void a_chain_used_before_calls_were_asked_for_is_noticed(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 0, 1);
	assert_int_equal(vio_driver_set_calls(ring->driver, 0), 0);
	give_back(ring, take_head(ring), 0);
	assert_int_equal(vio_driver_set_calls(ring->driver, 1), 1);
	expect_pop(ring, 1, 0);
	assert_int_equal(vio_driver_set_calls(ring->driver, 1), 0);
}

/* A test on a ring that @open made. */
#define ON(open, test) cmocka_unit_test_setup_teardown(test, open, close_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, an_id_beyond_the_table_latches),
		ON(open_plain, an_id_that_is_not_outstanding_latches),
		ON(open_plain, an_id_inside_of_a_chain_latches),
		ON(open_plain, a_chain_given_back_twice_latches),
		ON(open_plain, a_chain_that_was_not_published_latches),
		ON(open_plain, an_index_beyond_what_is_outstanding_latches),
		ON(open_plain, chains_before_the_lie_are_returned_first),
		ON(open_plain, a_latched_side_shows_the_device_nothing_more),
		ON(open_plain, a_latched_side_is_not_waited_on),
		ON(open_plain, a_reset_clears_the_latch),
		ON(open_plain, descriptors_that_the_device_rewrites_are_not_believed),
		ON(open_in_order, in_order_descriptors_are_used_in_ring_order),
		ON(open_in_order, one_element_completes_a_batch),
		ON(open_in_order, the_element_after_a_batch_lies_behind_all_of_it),
		ON(open_in_order, a_batch_longer_than_the_index_says_latches),
		ON(open_in_order, in_order_a_chain_given_back_twice_latches),
		ON(open_in_order, batches_go_on_over_a_wrap_of_the_indexes),
		ON(open_plain, a_kick_is_asked_for_by_default),
		ON(open_plain, publishing_nothing_asks_for_no_kick),
		ON(open_plain, a_device_that_polls_gets_no_kick),
		ON(open_plain, other_flags_of_the_device_mean_nothing),
		ON(open_events, a_kick_is_due_when_the_index_passes_the_event),
		ON(open_events, with_events_the_flag_of_the_device_means_nothing),
		ON(open_plain, calls_are_asked_for_and_spared_by_the_flag),
		ON(open_events, with_events_calls_are_asked_for_at_the_next_used_index),
		ON(open_events, with_events_calls_are_spared_by_an_index_gone_by),
		ON(open_plain, a_chain_used_before_calls_were_asked_for_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
