/* SPDX-License-Identifier: MIT */
/*
 * Notifications of both ways, with flags and with event indexes: when a call is
 * due, how kicks are asked for and spared, and what a guest can do with them.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/ring/guest.h"

/* Offers, pops and pushes @n chains and says whether the driver is to be called. */
static int complete(struct guest *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		offer_room(g, i);
		expect_pop(g, i);
		assert_int_equal(push(g, i, 0), 1);
	}
	return publish(g);
}

static void a_call_is_due_by_default(void **state)
{
	assert_int_equal(complete(*state, 1), 1);
}

static void t0093_a_driver_that_spares_calls_gets_none(void **state)
{
	struct guest *g = *state;

	avail_of(g)->flags = htole16(VIO_AVAIL_NO_INTERRUPT);
	assert_int_equal(complete(g, 3), 0);
}

static void t0097_a_driver_that_asks_again_gets_calls_again(void **state)
{
	struct guest *g = *state;

	avail_of(g)->flags = htole16(VIO_AVAIL_NO_INTERRUPT);
	assert_int_equal(complete(g, 1), 0);
	avail_of(g)->flags = 0;
	assert_int_equal(complete(g, 1), 1);
}

static void an_event_index_that_was_not_negotiated_means_nothing(void **state)
{
	struct guest *g = *state;

	set_used_event(g, 1000);
	assert_int_equal(complete(g, 1), 1);
}

static void with_events_the_flag_of_the_driver_means_nothing(void **state)
{
	struct guest *g = *state;

	avail_of(g)->flags = htole16(VIO_AVAIL_NO_INTERRUPT);
	set_used_event(g, 0);
	assert_int_equal(complete(g, 1), 1);
}

struct event_case {
	uint16_t from, n, event;
	int is_due;
};

static void expect_calls(struct guest *g, const struct event_case *cases, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		set_state(g, cases[i].from, cases[i].from);
		set_used_event(g, cases[i].event);
		assert_int_equal(complete(g, cases[i].n), cases[i].is_due);
	}
}

static void t0088_a_call_is_due_exactly_when_the_index_passes_the_event(void **state)
{
	static const struct event_case cases[] = {
		{ 0, 1, 0, 1 }, { 0, 1, 1, 0 }, { 0, 3, 2, 1 }, { 0, 3, 3, 0 },
		{ 4, 2, 3, 0 }, { 4, 2, 4, 1 }, { 4, 2, 5, 1 }, { 4, 2, 6, 0 },
	};

	expect_calls(*state, cases, VIO_ARRAY_SIZE(cases));
}

static void t0080_events_are_passed_over_the_wrap_of_the_indexes(void **state)
{
	static const struct event_case cases[] = {
		{ 65534, 4, 65533, 0 }, { 65534, 4, 65534, 1 }, { 65534, 4, 65535, 1 },
		{ 65534, 4, 0, 1 },     { 65534, 4, 1, 1 },     { 65534, 4, 2, 0 },
		{ 65535, 1, 65535, 1 }, { 65535, 1, 0, 0 },
	};

	expect_calls(*state, cases, VIO_ARRAY_SIZE(cases));
}

static void t0055_an_event_half_a_wrap_away_spares_calls(void **state)
{
	static const struct event_case cases[] = {
		{ 0, 8, 32767, 0 },
		{ 0, 8, 32768, 0 },
		{ 0, 8, 65535, 0 },
		{ 40000, 8, 39999, 0 },
	};

	expect_calls(*state, cases, VIO_ARRAY_SIZE(cases));
}

static void t0027_any_event_index_leaves_the_queue_at_work(void **state)
{
	struct guest *g = *state;

	for (uint32_t event = 0; event < 65536; event += 251) {
		set_used_event(g, (uint16_t)event);
		assert_true(complete(g, 1) >= 0);
	}
	assert_int_equal(g->n_faults, 0);
}

/* Kicks. */

static void t0094_kicks_are_spared_and_asked_for_by_the_flag(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_queue_set_kicks(g->queue, 0), 0);
	assert_int_equal(le16toh(used_of(g)->flags), VIO_USED_NO_NOTIFY);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	assert_int_equal(le16toh(used_of(g)->flags), 0);
}

static void with_events_kicks_are_asked_for_at_the_next_index(void **state)
{
	struct guest *g = *state;

	set_state(g, 65535, 65535);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	assert_int_equal(avail_event(g), 65535);
	complete(g, 1);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	assert_int_equal(avail_event(g), 0);
	assert_int_equal(used_of(g)->flags, 0);
}

static void with_events_the_flag_stays_clear_when_kicks_are_spared(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_queue_set_kicks(g->queue, 0), 0);
	assert_int_equal(used_of(g)->flags, 0);
}

static void t0066_an_event_that_the_guest_writes_is_written_over(void **state)
{
	struct guest *g = *state;

	*(uint16_t *)guest_at(g, USED_GPA + 4 + 8 * N_DESCS) = 0xffff;
	complete(g, 1);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
	assert_int_equal(avail_event(g), 1);
}

static void a_chain_offered_before_kicks_were_asked_for_is_noticed(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_queue_set_kicks(g->queue, 0), 0);
	assert_int_equal(pop(g, 1), 0);
	offer_page(g, 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 1);
	expect_pop(g, 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), 0);
}

static void sparing_kicks_never_says_that_chains_are_there(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 0), 0);
}

/* Descriptors of both ways. */

static void a_queue_without_descriptors_notifies_nobody(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_queue_get_kick_fd(g->queue), -1);
	assert_int_equal(vio_queue_notify(g->queue), 0);
	assert_int_equal(vio_queue_read_kicks(g->queue), 0);
}

static void a_notification_goes_through_the_call_descriptor(void **state)
{
	struct guest *g = *state;
	eventfd_t value = 0;

	g->params.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	assert_true(g->params.call_fd >= 0);
	start_queue(g);
	assert_int_equal(vio_queue_notify(g->queue), 0);
	assert_int_equal(vio_queue_notify(g->queue), 0);
	assert_int_equal(eventfd_read(g->params.call_fd, &value), 0);
	assert_int_equal(value, 2);
	close(g->params.call_fd);
}

static void a_call_descriptor_that_is_full_says_so(void **state)
{
	struct guest *g = *state;

	g->params.call_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	start_queue(g);
	assert_int_equal(eventfd_write(g->params.call_fd, UINT64_MAX - 1), 0);
	assert_int_equal(vio_queue_notify(g->queue), -EAGAIN);
	close(g->params.call_fd);
}

static void kicks_are_taken_from_the_kick_descriptor(void **state)
{
	struct guest *g = *state;

	g->params.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	start_queue(g);
	assert_int_equal(vio_queue_get_kick_fd(g->queue), g->params.kick_fd);
	assert_int_equal(vio_queue_read_kicks(g->queue), 0);
	assert_int_equal(eventfd_write(g->params.kick_fd, 3), 0);
	assert_int_equal(vio_queue_read_kicks(g->queue), 3);
	assert_int_equal(vio_queue_read_kicks(g->queue), 0);
	close(g->params.kick_fd);
}

/* A peer shares the flags of what it has sent. */
static void a_descriptor_that_would_block_keeps_nobody_waiting(void **state)
{
	struct guest *g = *state;

	g->params.kick_fd = eventfd(2, EFD_CLOEXEC);
	start_queue(g);
	assert_int_equal(vio_queue_read_kicks(g->queue), 2);
	assert_int_equal(vio_queue_read_kicks(g->queue), 0);
	close(g->params.kick_fd);
}

static void more_kicks_than_an_int_holds_are_counted_as_many(void **state)
{
	struct guest *g = *state;

	g->params.kick_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	start_queue(g);
	assert_int_equal(eventfd_write(g->params.kick_fd, UINT64_C(1) << 40), 0);
	assert_int_equal(vio_queue_read_kicks(g->queue), INT32_MAX);
	close(g->params.kick_fd);
}

static void t0098_kicks_with_data_change_nothing_in_the_ring(void **state)
{
	struct guest *g = open_guest(N_DESCS, VIO_F_NOTIFICATION_DATA);
	void *own = g;

	(void)state;
	assert_int_equal(complete(g, 2), 1);
	close_guest(&own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, a_call_is_due_by_default),
		ON(open_plain, t0093_a_driver_that_spares_calls_gets_none),
		ON(open_plain, t0097_a_driver_that_asks_again_gets_calls_again),
		ON(open_plain, an_event_index_that_was_not_negotiated_means_nothing),
		ON(open_events, with_events_the_flag_of_the_driver_means_nothing),
		ON(open_events,
		   t0088_a_call_is_due_exactly_when_the_index_passes_the_event),
		ON(open_events, t0080_events_are_passed_over_the_wrap_of_the_indexes),
		ON(open_events, t0055_an_event_half_a_wrap_away_spares_calls),
		ON(open_events, t0027_any_event_index_leaves_the_queue_at_work),
		ON(open_plain, t0094_kicks_are_spared_and_asked_for_by_the_flag),
		ON(open_events, with_events_kicks_are_asked_for_at_the_next_index),
		ON(open_events, with_events_the_flag_stays_clear_when_kicks_are_spared),
		ON(open_events, t0066_an_event_that_the_guest_writes_is_written_over),
		ON(open_plain, a_chain_offered_before_kicks_were_asked_for_is_noticed),
		ON(open_plain, sparing_kicks_never_says_that_chains_are_there),
		ON(open_plain, a_queue_without_descriptors_notifies_nobody),
		ON(open_memory, a_notification_goes_through_the_call_descriptor),
		ON(open_memory, a_call_descriptor_that_is_full_says_so),
		ON(open_memory, kicks_are_taken_from_the_kick_descriptor),
		ON(open_memory, more_kicks_than_an_int_holds_are_counted_as_many),
		ON(open_memory, a_descriptor_that_would_block_keeps_nobody_waiting),
		cmocka_unit_test(t0098_kicks_with_data_change_nothing_in_the_ring),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
