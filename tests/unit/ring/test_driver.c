/* SPDX-License-Identifier: MIT */
/*
 * The driver side: what it refuses, where it puts chains, and how it takes them
 * back from a device that keeps to the rules. The device is written out by hand
 * in driver_ring.h.
 */
#include "core/bits.h"
#include "unit/ring/driver_ring.h"

/* Parameters. */

static void a_ring_is_zeroed_by_create(void **state)
{
	struct ring *ring = *state;

	for (size_t i = 0; i < N_DESCS; i++)
		assert_int_equal(ring->desc[i].addr, 0);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
}

static void expect_refused(struct vio_driver_params *params, int code)
{
	struct vio_driver *out = (void *)params;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_driver_create(NULL, params, &out, &err), code);
	assert_ptr_equal(out, params);
	assert_int_equal(err.code, code);
	assert_int_not_equal(err.text[0], 0);
}

static void a_size_that_is_no_power_of_two_in_range_is_refused(void **state)
{
	static const uint32_t sizes[] = { 0, 3, 6, 32767, 65536, UINT32_MAX };
	struct vio_driver_params params = params_of(*state, 0);

	for (size_t i = 0; i < VIO_ARRAY_SIZE(sizes); i++) {
		params.n_descs = sizes[i];
		expect_refused(&params, -EINVAL);
	}
}

static void a_missing_part_is_refused(void **state)
{
	struct vio_driver_params good = params_of(*state, 0), params = good;

	params.desc = NULL;
	expect_refused(&params, -EINVAL);
	params = good;
	params.driver = NULL;
	expect_refused(&params, -EINVAL);
	params = good;
	params.device = NULL;
	expect_refused(&params, -EINVAL);
}

static void a_part_that_is_not_aligned_is_refused(void **state)
{
	struct vio_driver_params good = params_of(*state, 0), params = good;

	params.desc = (char *)good.desc + 8;
	expect_refused(&params, -EINVAL);
	params = good;
	params.driver = (char *)good.driver + 1;
	expect_refused(&params, -EINVAL);
	params = good;
	params.device = (char *)good.device + 2;
	expect_refused(&params, -EINVAL);
}

static void tables_without_the_feature_are_refused(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_params params = params_of(ring, 0);

	params.indirect = ring->tables;
	params.indirect_descs = 2;
	expect_refused(&params, -EINVAL);
}

static void tables_of_a_wrong_size_or_place_are_refused(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_params params = params_of(ring, VIO_F_INDIRECT_DESC);

	params.indirect = ring->tables;
	params.indirect_descs = 1;
	expect_refused(&params, -EINVAL);
	params.indirect_descs = N_DESCS + 1;
	expect_refused(&params, -EINVAL);
	params.indirect_descs = 2;
	params.indirect = (char *)ring->tables + 8;
	expect_refused(&params, -EINVAL);
}

static void an_unknown_flag_is_refused(void **state)
{
	struct vio_driver_params params = params_of(*state, 0);

	params.flags = 1;
	expect_refused(&params, -EINVAL);
}

static void a_packed_ring_is_refused(void **state)
{
	struct vio_driver_params params = params_of(*state, UINT64_C(1) << 34);

	expect_refused(&params, -EOPNOTSUPP);
}

static void params_of_a_later_release_are_refused(void **state)
{
	struct {
		struct vio_driver_params params;
		uint64_t later;
	} grown = { params_of(*state, 0), 1 };

	grown.params.size = sizeof(grown);
	expect_refused(&grown.params, -E2BIG);
}

/* Pushing. */

static void a_chain_lies_in_linked_descriptors(void **state)
{
	struct ring *ring = *state;
	const struct vio_split_desc *d;
	uint16_t head;

	publish_bufs(ring, 2, 1, 1);
	head = take_head(ring);
	d = &ring->desc[head];
	assert_int_equal(le64toh(d->addr), 0x1000);
	assert_int_equal(le32toh(d->length), 1);
	assert_int_equal(le16toh(d->flags), VIO_DESC_NEXT);
	d = &ring->desc[le16toh(d->next)];
	assert_int_equal(le64toh(d->addr), 0x2000);
	assert_int_equal(le16toh(d->flags), VIO_DESC_NEXT);
	d = &ring->desc[le16toh(d->next)];
	assert_int_equal(le32toh(d->length), 3);
	assert_int_equal(le16toh(d->flags), VIO_DESC_WRITE);
}

static void a_pushed_chain_is_not_seen_before_it_is_published(void **state)
{
	struct ring *ring = *state;

	assert_int_equal(push_bufs(ring, 1, 1, 1), 1);
	assert_int_equal(avail_index(ring), 0);
	assert_int_equal(vio_driver_publish(ring->driver), 1);
	assert_int_equal(avail_index(ring), 1);
}

static void an_empty_chain_is_refused(void **state)
{
	assert_int_equal(push_bufs(*state, 0, 0, 1), -EINVAL);
}

static void an_empty_buffer_is_refused_and_leaves_nothing_behind(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_buf bufs[2] = { { 0x1000, 8, 0 }, { 0x2000, 0, 0 } };
	struct vio_driver_chain chain = { bufs, 2, 0, 1 };

	assert_int_equal(vio_driver_push(ring->driver, &chain, 1), -EINVAL);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
	assert_int_equal(vio_driver_publish(ring->driver), 0);
	assert_int_equal(avail_index(ring), 0);
}

static void a_chain_longer_than_the_ring_is_refused(void **state)
{
	assert_int_equal(push_bufs(*state, N_DESCS + 1, 0, 1), -EINVAL);
}

static void counts_of_buffers_that_wrap_are_refused(void **state)
{
	assert_int_equal(push_bufs(*state, UINT32_MAX, 2, 1), -EINVAL);
}

static void a_chain_of_more_than_4_gib_is_refused(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_buf bufs[2] = { { 0, UINT32_MAX, 0 }, { 0, 2, 0 } };
	struct vio_driver_chain chain = { bufs, 1, 1, 1 };

	assert_int_equal(vio_driver_push(ring->driver, &chain, 1), -EINVAL);
	bufs[1].length_bytes = 1;
	assert_int_equal(vio_driver_push(ring->driver, &chain, 1), 1);
}

static void a_full_ring_takes_no_more(void **state)
{
	struct ring *ring = *state;

	assert_int_equal(push_bufs(ring, N_DESCS - 1, 0, 1), 1);
	assert_int_equal(push_bufs(ring, 2, 0, 2), -ENOSPC);
	assert_int_equal(push_bufs(ring, 1, 0, 3), 1);
	assert_int_equal(push_bufs(ring, 1, 0, 4), -ENOSPC);
	assert_int_equal(vio_driver_get_free(ring->driver), 0);
}

static void a_burst_is_taken_as_far_as_it_fits(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_buf bufs[3] = { { 1, 1, 0 }, { 2, 2, 0 }, { 3, 3, 0 } };
	struct vio_driver_chain chains[4];

	for (size_t i = 0; i < 4; i++)
		chains[i] = (struct vio_driver_chain){ bufs, 3, 0, i };
	assert_int_equal(vio_driver_push(ring->driver, chains, 4), 2);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS - 6);
}

static void two_buffers_or_more_go_into_a_table(void **state)
{
	struct ring *ring = *state;
	const struct vio_split_desc *d, *table;

	publish_bufs(ring, 1, 2, 1);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS - 1);
	d = &ring->desc[take_head(ring)];
	assert_int_equal(le16toh(d->flags), VIO_DESC_INDIRECT);
	assert_int_equal(le32toh(d->length), 3 * 16);
	table = &ring->tables[(le64toh(d->addr) - TABLES_ADDR) / 16];
	assert_int_equal(le16toh(table[0].flags), VIO_DESC_NEXT);
	assert_int_equal(le16toh(table[0].next), 1);
	assert_int_equal(le16toh(table[1].flags), VIO_DESC_NEXT | VIO_DESC_WRITE);
	assert_int_equal(le16toh(table[1].next), 2);
	assert_int_equal(le16toh(table[2].flags), VIO_DESC_WRITE);
	assert_int_equal(le64toh(table[2].addr), 0x3000);
}

static void one_buffer_needs_no_table(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 0, 1);
	assert_int_equal(le16toh(ring->desc[take_head(ring)].flags), 0);
}

static void a_chain_too_long_for_a_table_lies_in_the_ring(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, TABLE_DESCS + 1, 0, 1);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS - TABLE_DESCS - 1);
	assert_int_equal(le16toh(ring->desc[take_head(ring)].flags), VIO_DESC_NEXT);
}

static void
an_empty_buffer_in_a_table_is_refused_and_leaves_nothing_behind(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_buf bufs[2] = { { 0x1000, 8, 0 }, { 0x2000, 0, 0 } };
	struct vio_driver_chain chain = { bufs, 1, 1, 1 };

	assert_int_equal(vio_driver_push(ring->driver, &chain, 1), -EINVAL);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
	assert_int_equal(vio_driver_publish(ring->driver), 0);
}

static void tables_of_open_chains_do_not_overlap(void **state)
{
	struct ring *ring = *state;
	uint32_t seen = 0;

	for (uint32_t i = 0; i < N_DESCS; i++)
		publish_bufs(ring, TABLE_DESCS, 0, i);
	for (uint32_t i = 0; i < N_DESCS; i++) {
		const uint64_t addr = le64toh(ring->desc[take_head(ring)].addr);

		seen |= 1u << (addr - TABLES_ADDR) / (TABLE_DESCS * 16);
	}
	assert_int_equal(seen, (1u << N_DESCS) - 1);
}

/* Popping. */

static void nothing_used_is_zero(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_used used;

	publish_bufs(ring, 1, 0, 1);
	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), 0);
}

static void a_used_chain_comes_back_with_its_cookie(void **state)
{
	struct ring *ring = *state;

	publish_bufs(ring, 1, 1, UINT64_C(0xfeedfacecafe));
	give_back(ring, take_head(ring), 77);
	expect_pop(ring, UINT64_C(0xfeedfacecafe), 77);
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
}

static void chains_come_back_in_the_order_the_device_chose(void **state)
{
	struct ring *ring = *state;
	uint16_t heads[3];

	for (uint32_t i = 0; i < 3; i++) {
		publish_bufs(ring, 1, 1, i);
		heads[i] = take_head(ring);
	}
	give_back(ring, heads[2], 2);
	give_back(ring, heads[0], 0);
	expect_pop(ring, 2, 2);
	expect_pop(ring, 0, 0);
	give_back(ring, heads[1], 1);
	expect_pop(ring, 1, 1);
}

static void descriptors_are_used_again_over_a_wrap_of_the_indexes(void **state)
{
	struct ring *ring = *state;

	for (uint32_t i = 0; i < 70000; i++) {
		publish_bufs(ring, 1 + i % 3, i % 2, i);
		give_back(ring, take_head(ring), i);
		expect_pop(ring, i, i);
		assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
	}
}

static void a_chain_older_than_a_wrap_of_the_indexes_still_comes_back(void **state)
{
	struct ring *ring = *state;
	uint16_t oldest;

	publish_bufs(ring, 1, 0, 12345);
	oldest = take_head(ring);
	for (uint32_t i = 0; i < 65537; i++) {
		publish_bufs(ring, 1, 0, i);
		give_back(ring, take_head(ring), 0);
		expect_pop(ring, i, 0);
	}
	give_back(ring, oldest, 5);
	expect_pop(ring, 12345, 5);
}

static void a_pop_takes_no_more_than_it_has_room_for(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_used used[3];

	for (uint32_t i = 0; i < 3; i++) {
		publish_bufs(ring, 1, 0, i);
		give_back(ring, take_head(ring), 0);
	}
	assert_int_equal(vio_driver_pop(ring->driver, used, 2), 2);
	assert_int_equal(used[1].cookie, 1);
	assert_int_equal(vio_driver_pop(ring->driver, used, 3), 1);
	assert_int_equal(used[0].cookie, 2);
}

static void a_reset_forgets_chains_and_frees_descriptors(void **state)
{
	struct ring *ring = *state;
	struct vio_driver_used used;

	publish_bufs(ring, 1, 0, 1);
	publish_bufs(ring, 3, 0, 2);
	vio_driver_reset(ring->driver);
	ring->n_taken = 0;
	assert_int_equal(vio_driver_get_free(ring->driver), N_DESCS);
	assert_int_equal(avail_index(ring), 0);
	assert_int_equal(vio_driver_pop(ring->driver, &used, 1), 0);
	publish_bufs(ring, 1, 0, 3);
	give_back(ring, take_head(ring), 4);
	expect_pop(ring, 3, 4);
}

static void destroying_nothing_does_nothing(void **state)
{
	(void)state;
	vio_driver_destroy(NULL);
}

/* A test on a ring that @open made. */
#define ON(open, test) cmocka_unit_test_setup_teardown(test, open, close_ring)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, a_ring_is_zeroed_by_create),
		ON(open_plain, a_size_that_is_no_power_of_two_in_range_is_refused),
		ON(open_plain, a_missing_part_is_refused),
		ON(open_plain, a_part_that_is_not_aligned_is_refused),
		ON(open_plain, tables_without_the_feature_are_refused),
		ON(open_plain, tables_of_a_wrong_size_or_place_are_refused),
		ON(open_plain, an_unknown_flag_is_refused),
		ON(open_plain, a_packed_ring_is_refused),
		ON(open_plain, params_of_a_later_release_are_refused),
		ON(open_plain, a_chain_lies_in_linked_descriptors),
		ON(open_plain, a_pushed_chain_is_not_seen_before_it_is_published),
		ON(open_plain, an_empty_chain_is_refused),
		ON(open_plain, an_empty_buffer_is_refused_and_leaves_nothing_behind),
		ON(open_plain, a_chain_longer_than_the_ring_is_refused),
		ON(open_plain, counts_of_buffers_that_wrap_are_refused),
		ON(open_plain, a_chain_of_more_than_4_gib_is_refused),
		ON(open_plain, a_full_ring_takes_no_more),
		ON(open_plain, a_burst_is_taken_as_far_as_it_fits),
		ON(open_indirect, two_buffers_or_more_go_into_a_table),
		ON(open_indirect, one_buffer_needs_no_table),
		ON(open_indirect, a_chain_too_long_for_a_table_lies_in_the_ring),
		ON(open_indirect,
		   an_empty_buffer_in_a_table_is_refused_and_leaves_nothing_behind),
		ON(open_indirect, tables_of_open_chains_do_not_overlap),
		ON(open_plain, nothing_used_is_zero),
		ON(open_plain, a_used_chain_comes_back_with_its_cookie),
		ON(open_plain, chains_come_back_in_the_order_the_device_chose),
		ON(open_plain, descriptors_are_used_again_over_a_wrap_of_the_indexes),
		ON(open_plain,
		   a_chain_older_than_a_wrap_of_the_indexes_still_comes_back),
		ON(open_plain, a_pop_takes_no_more_than_it_has_room_for),
		ON(open_plain, a_reset_forgets_chains_and_frees_descriptors),
		ON(open_plain, destroying_nothing_does_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
