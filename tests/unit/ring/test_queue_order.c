/* SPDX-License-Identifier: MIT */
/*
 * VIRTIO_F_IN_ORDER (virtio 1.2, 2.7.9): the device may finish chains as it
 * likes, the driver sees them in the order it offered them.
 */
#include "unit/ring/guest.h"

static void offer_rooms(struct guest *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		offer_room(g, i);
	assert_int_equal(pop(g, n), (int)n);
}

static void t0085_chains_pushed_in_order_are_used_in_order(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 4);
	for (uint32_t i = 0; i < 4; i++) {
		assert_int_equal(push(g, i, i), 1);
		assert_int_equal(publish(g), 1);
		assert_int_equal(used_index(g), i + 1);
		assert_int_equal(used_id(g, i), i);
		assert_int_equal(used_length(g, i), i);
	}
}

static void a_completion_waits_for_those_before_it(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 3);
	assert_int_equal(push(g, 2, 22), 1);
	assert_int_equal(publish(g), 0);
	assert_int_equal(push(g, 1, 11), 1);
	assert_int_equal(publish(g), 0);
	assert_int_equal(used_index(g), 0);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 3);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(used_id(g, i), i);
		assert_int_equal(used_length(g, i), 11 * i);
	}
}

static void a_completion_goes_as_far_as_the_first_that_is_missing(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 4);
	assert_int_equal(push(g, 1, 0), 1);
	assert_int_equal(push(g, 3, 0), 1);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 2);
	assert_int_equal(push(g, 2, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 4);
}

static void a_burst_pushed_backwards_is_used_forwards(void **state)
{
	struct vio_chain backwards[N_DESCS] = { 0 };
	struct guest *g = *state;

	offer_rooms(g, N_DESCS);
	for (uint32_t i = 0; i < N_DESCS; i++)
		backwards[i].head = N_DESCS - 1 - i;
	assert_int_equal(vio_queue_push(g->queue, backwards, N_DESCS), N_DESCS);
	assert_int_equal(publish(g), 1);
	for (uint32_t i = 0; i < N_DESCS; i++)
		assert_int_equal(used_id(g, i), i);
}

static void a_chain_that_waits_is_open_no_more(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 2);
	assert_int_equal(push(g, 1, 0), 1);
	assert_int_equal(vio_queue_get_open(g->queue), 1);
	assert_int_equal(push(g, 1, 0), -EINVAL);
}

static void a_head_that_waits_is_not_offered_again(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 2);
	assert_int_equal(push(g, 1, 0), 1);
	offer(g, 1);
	expect_latch(g, VIO_FAULT_DUPLICATE);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 2);
}

static void a_state_is_not_set_under_a_chain_that_waits(void **state)
{
	struct vio_queue_state saved = VIO_QUEUE_STATE_INIT;
	struct guest *g = *state;

	offer_rooms(g, 2);
	assert_int_equal(push(g, 1, 0), 1);
	assert_int_equal(vio_queue_set_state(g->queue, &saved), -EBUSY);
}

static void a_reset_forgets_chains_that_wait(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 3);
	assert_int_equal(push(g, 2, 0), 1);
	vio_queue_reset(g->queue);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
	g->avail_index = 0;
	used_of(g)->index = 0;
	offer_rooms(g, 3);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 1);
}

static void the_memory_of_a_chain_that_waits_is_held_no_more(void **state)
{
	struct guest *g = *state;
	char *at = map_pages(PAGE);

	add_region(g, RAM_END, at, PAGE, 0);
	offer_room(g, 0);
	write_desc(desc_at(g, 1), RAM_END, PAGE, VIO_DESC_WRITE, 0);
	offer(g, 1);
	assert_int_equal(pop(g, 2), 2);
	assert_int_equal(push(g, 1, PAGE), 1);
	assert_int_equal(vio_mem_remove(g->mem, RAM_END), 0);
	munmap(at, PAGE);
	assert_int_equal(push(g, 0, PAGE), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_length(g, 1), PAGE);
}

static void order_is_kept_over_a_wrap_of_the_indexes(void **state)
{
	struct guest *g = *state;

	set_state(g, 65530, 65530);
	for (uint32_t round = 0; round < 10; round++) {
		offer_rooms(g, 3);
		assert_int_equal(push(g, 1, 1), 1);
		assert_int_equal(push(g, 2, 2), 1);
		assert_int_equal(push(g, 0, 0), 1);
		assert_int_equal(publish(g), 1);
		for (uint32_t i = 0; i < 3; i++)
			assert_int_equal(used_id(g, 65530 + 3 * round + i), i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_in_order, t0085_chains_pushed_in_order_are_used_in_order),
		ON(open_in_order, a_completion_waits_for_those_before_it),
		ON(open_in_order,
		   a_completion_goes_as_far_as_the_first_that_is_missing),
		ON(open_in_order, a_burst_pushed_backwards_is_used_forwards),
		ON(open_in_order, a_chain_that_waits_is_open_no_more),
		ON(open_in_order, a_head_that_waits_is_not_offered_again),
		ON(open_in_order, a_state_is_not_set_under_a_chain_that_waits),
		ON(open_in_order, a_reset_forgets_chains_that_wait),
		ON(open_in_order, the_memory_of_a_chain_that_waits_is_held_no_more),
		ON(open_in_order, order_is_kept_over_a_wrap_of_the_indexes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
