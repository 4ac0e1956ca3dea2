/* SPDX-License-Identifier: MIT */
/*
 * Chains put back are popped again, as if they had never been popped.
 */
#include "unit/ring/guest.h"

static void offer_rooms(struct guest *g, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		offer_room(g, i);
	assert_int_equal(pop(g, n), (int)n);
}

static int unpop(struct guest *g, uint32_t first, uint32_t n)
{
	return vio_queue_unpop(g->queue, &g->chains[first], n);
}

static void a_chain_put_back_is_popped_again(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 3);
	assert_int_equal(unpop(g, 1, 2), 0);
	assert_int_equal(vio_queue_get_open(g->queue), 1);
	assert_int_equal(pop(g, N_DESCS), 2);
	assert_int_equal(g->chains[0].head, 1);
	assert_int_equal(g->chains[1].head, 2);
}

static void putting_back_none_changes_nothing(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 1);
	assert_int_equal(unpop(g, 0, 0), 0);
	assert_int_equal(vio_queue_get_open(g->queue), 1);
}

static void all_put_back_let_go_of_memory(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 2);
	assert_int_equal(unpop(g, 0, 2), 0);
	assert_int_equal(vio_mem_remove(g->mem, RAM_GPA), 0);
	/* The ring went with it. */
	assert_int_equal(pop(g, 1), -EBADMSG);
	assert_int_equal(g->fault.code, VIO_FAULT_RING);
}

static void what_was_pushed_is_still_published(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 2);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(unpop(g, 1, 1), 0);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 1);
	assert_int_equal(pop(g, 1), 1);
	assert_int_equal(g->chains[0].head, 1);
}

static void a_chain_that_was_pushed_is_not_put_back(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 2);
	assert_int_equal(push(g, 1, 0), 1);
	assert_int_equal(unpop(g, 0, 2), -EINVAL);
	assert_int_equal(vio_queue_get_open(g->queue), 1);
	assert_int_equal(push(g, 0, 0), 1);
}

static void a_chain_named_twice_is_not_put_back(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 2);
	g->chains[0] = g->chains[1];
	assert_int_equal(unpop(g, 0, 2), -EINVAL);
	assert_int_equal(vio_queue_get_open(g->queue), 2);
}

static void a_head_beyond_the_ring_is_not_put_back(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 1);
	g->chains[0].head = N_DESCS;
	assert_int_equal(unpop(g, 0, 1), -EINVAL);
}

static void in_order_the_rest_goes_on_in_order(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 4);
	assert_int_equal(unpop(g, 2, 2), 0);
	assert_int_equal(vio_queue_pop(g->queue, &g->chains[2], 2, g->iov, N_IOV), 2);
	for (uint32_t i = 4; i--;)
		assert_int_equal(push(g, i, 0), 1);
	assert_int_equal(publish(g), 1);
	for (uint32_t i = 0; i < 4; i++)
		assert_int_equal(used_id(g, i), i);
}

static void in_order_all_can_be_put_back(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 3);
	assert_int_equal(unpop(g, 0, 3), 0);
	assert_int_equal(pop(g, 3), 3);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
}

static void in_order_only_the_last_are_put_back(void **state)
{
	struct guest *g = *state;

	offer_rooms(g, 3);
	assert_int_equal(unpop(g, 0, 1), -EINVAL);
	assert_int_equal(unpop(g, 1, 1), -EINVAL);
	assert_int_equal(vio_queue_get_open(g->queue), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, a_chain_put_back_is_popped_again),
		ON(open_plain, putting_back_none_changes_nothing),
		ON(open_plain, all_put_back_let_go_of_memory),
		ON(open_plain, what_was_pushed_is_still_published),
		ON(open_plain, a_chain_that_was_pushed_is_not_put_back),
		ON(open_plain, a_chain_named_twice_is_not_put_back),
		ON(open_plain, a_head_beyond_the_ring_is_not_put_back),
		ON(open_in_order, in_order_the_rest_goes_on_in_order),
		ON(open_in_order, in_order_all_can_be_put_back),
		ON(open_in_order, in_order_only_the_last_are_put_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
