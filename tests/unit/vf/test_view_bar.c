/* SPDX-License-Identifier: MIT */
/* BARs: their sizes, where a guest may put them, and accesses that trap. */
#include <errno.h>

#include "unit/vf/view_scene.h"

static uint32_t size(struct scene *scene, uint32_t at)
{
	vio_view_write(scene->view, at, UINT32_MAX, 4);
	return vio_view_read(scene->view, at, 4);
}

static void all_ones_read_back_as_the_size(void **state)
{
	assert_int_equal(size(*state, 0x10), 0xffff000c);
	assert_int_equal(size(*state, 0x14), 0xffffffff);
	assert_int_equal(size(*state, 0x18), 0xfffff000);
	assert_int_equal(size(*state, 0x1c), 0xffffff00);
	assert_int_equal(size(*state, 0x24), 0);
}

static void sizing_with_memory_on_shows_nothing_at_the_top(void **state)
{
	struct scene *scene = *state;

	vio_view_write(scene->view, 0x04, 2, 2);
	size(scene, 0x18);
	assert_int_equal(scene->n_places, 0);
	size(scene, 0x10);
	size(scene, 0x14);
	assert_int_equal(scene->n_places, 0);
}

static void a_byte_of_a_bar_can_be_written(void **state)
{
	struct scene *scene = *state;

	vio_view_write(scene->view, 0x1b, 0x80, 1);
	assert_int_equal(vio_view_read(scene->view, 0x18, 4), 0x80000000);
	vio_view_write(scene->view, 0x1a, 0x9012, 2);
	assert_int_equal(vio_view_read(scene->view, 0x18, 4), 0x90120000);
}

static void pages_of_the_table_and_the_pending_bits_trap(void **state)
{
	struct scene *scene = *state;
	uint8_t *registers = scene->function.bars[0];

	scene_place(scene);
	assert_ptr_equal(scene_find(scene, BAR0_GPA)->hva, registers);
	assert_int_equal(scene_find(scene, BAR0_GPA)->n, 0x2000);
	assert_null(scene_find(scene, BAR0_GPA + 0x2000)->hva);
	assert_int_equal(scene_find(scene, BAR0_GPA + 0x2000)->n, 0x1000);
	assert_ptr_equal(scene_find(scene, BAR0_GPA + 0x3000)->hva, registers + 0x3000);
	assert_null(scene_find(scene, BAR0_GPA + 0x5000)->hva);
	assert_ptr_equal(scene_find(scene, BAR0_GPA + 0x6000)->hva, registers + 0x6000);
	assert_non_null(scene_find(scene, BAR2_GPA)->hva);
	assert_null(scene_find(scene, BAR0_GPA + BAR0_BYTES));
}

static void a_bar_of_less_than_a_page_traps(void **state)
{
	struct scene *scene = *state;

	vio_view_write(scene->view, 0x1c, 0x90000000, 4);
	vio_view_write(scene->view, 0x04, 2, 2);
	assert_int_equal(scene_find(scene, 0x90000000)->n, BAR3_BYTES);
	assert_null(scene_find(scene, 0x90000000)->hva);
}

static void table_and_pending_bits_may_share_a_page(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_MSIX + 8, TABLE_OFFSET + VECTORS * 16, 4);
	assert_int_equal(scene_create_view(scene), 0);
	scene_place(scene);
	assert_int_equal(scene_find(scene, BAR0_GPA + 0x2000)->n, 0x1000);
	assert_int_equal(scene_find(scene, BAR0_GPA + 0x3000)->n, 0xd000);
}

static void pending_bits_may_be_before_the_table(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_MSIX + 4, 0xf000, 4);
	config_set(&scene->function, AT_MSIX + 8, 0x0008, 4);
	assert_int_equal(scene_create_view(scene), 0);
	scene_place(scene);
	assert_null(scene_find(scene, BAR0_GPA)->hva);
	assert_int_equal(scene_find(scene, BAR0_GPA + 0x1000)->n, 0xe000);
	assert_null(scene_find(scene, BAR0_GPA + 0xf000)->hva);
}

static void a_moved_bar_is_at_the_new_place_only(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write(scene->view, 0x18, 0x90000000, 4);
	assert_null(scene_find(scene, BAR2_GPA));
	assert_ptr_equal(scene_find(scene, 0x90000000)->hva, scene->function.bars[2]);
}

static void without_memory_enable_nothing_is_shown(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write(scene->view, 0x04, 4, 2);
	assert_int_equal(scene->n_places, 0);
	assert_true(vio_view_read_bar(scene->view, 2, 0, 4) == UINT64_MAX);
	vio_view_write_bar(scene->view, 2, 0, 1, 4);
	assert_int_equal(scene->function.bars[2][0], 0);
	vio_view_write(scene->view, 0x04, 6, 2);
	assert_non_null(scene_find(scene, BAR2_GPA)->hva);
}

static void a_bar_over_another_one_is_not_shown(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write(scene->view, 0x14, 0, 4);
	vio_view_write(scene->view, 0x10, (uint32_t)BAR2_GPA, 4);
	assert_ptr_equal(scene_find(scene, BAR2_GPA)->hva, scene->function.bars[0]);
	vio_view_write(scene->view, 0x14, 2, 4);
	assert_ptr_equal(scene_find(scene, BAR2_GPA)->hva, scene->function.bars[2]);
}

static void a_bar_beyond_all_memory_is_not_shown(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write(scene->view, 0x14, 0x00100000, 4);
	assert_null(scene_find(scene, UINT64_C(0x0010000000000000)));
	vio_view_write(scene->view, 0x10, 0xffff0000, 4);
	vio_view_write(scene->view, 0x14, 0xffffffff, 4);
	assert_int_equal(scene->n_places, 1);
}

static void what_the_monitor_cannot_map_traps(void **state)
{
	struct scene *scene = *state;

	scene->map_errno = -ENOSPC;
	scene_place(scene);
	assert_null(scene_find(scene, BAR2_GPA)->hva);
	config_set(&scene->function, 0, 0, 4);
	scene->function.bars[2][8] = 0x5a;
	assert_true(vio_view_read_bar(scene->view, 2, 8, 1) == 0x5a);
}

static void what_cannot_be_mapped_here_traps(void **state)
{
	struct scene *scene = *state;

	scene->function.map_errno = -EINVAL;
	assert_int_equal(scene_create_view(scene), 0);
	scene_place(scene);
	assert_null(scene_find(scene, BAR0_GPA)->hva);
}

static void a_bar_that_cannot_be_mapped_traps_whole(void **state)
{
	struct scene *scene = *state;

	scene->function.can_map = 0;
	assert_int_equal(scene_create_view(scene), 0);
	scene_place(scene);
	assert_int_equal(scene_find(scene, BAR0_GPA)->n, BAR0_BYTES);
	assert_int_equal(scene->function.n_mapped, 0);
}

static void trapped_accesses_reach_the_registers(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write_bar(scene->view, 2, 0x10, UINT64_C(0x1122334455667788), 8);
	assert_true(vio_view_read_bar(scene->view, 2, 0x10, 8) ==
		    UINT64_C(0x1122334455667788));
	assert_true(vio_view_read_bar(scene->view, 2, 0x12, 2) == 0x5566);
	assert_int_equal(scene->function.bars[2][0x10], 0x88);
}

static void registers_beside_the_table_are_the_devices(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	vio_view_write_bar(scene->view, 0, TABLE_OFFSET + VECTORS * 16, 0x77, 4);
	assert_int_equal(scene->function.bars[0][TABLE_OFFSET + VECTORS * 16], 0x77);
	vio_view_write_bar(scene->view, 0, TABLE_OFFSET, 0x77, 4);
	assert_int_equal(scene->function.bars[0][TABLE_OFFSET], 0);
}

static void accesses_out_of_a_bar_answer_all_ones(void **state)
{
	struct scene *scene = *state;
	static const struct {
		uint32_t bar;
		uint64_t offset;
		uint32_t n;
	} bad[] = {
		{ 2, BAR2_BYTES, 1 }, { 2, 1, 2 },          { 2, 4, 8 },
		{ 2, 0, 0 },          { 2, 0, 3 },          { 2, 0, 16 },
		{ 1, 0, 4 },          { 4, 0, 4 },          { 6, 0, 4 },
		{ UINT32_MAX, 0, 4 }, { 2, UINT64_MAX, 1 }, { 2, UINT64_MAX - 3, 4 }
	};

	scene_place(scene);
	for (uint32_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		vio_view_write_bar(scene->view, bad[i].bar, bad[i].offset, 1, bad[i].n);
		assert_true(vio_view_read_bar(scene->view, bad[i].bar, bad[i].offset,
					      bad[i].n) == UINT64_MAX);
	}
}

static void an_address_is_a_register_of_the_bar_there(void **state)
{
	struct scene *scene = *state;
	uint64_t offset = 0;
	uint32_t bar = 7;

	scene_place(scene);
	assert_int_equal(
		vio_view_translate(scene->view, BAR0_GPA + 0x2010, &bar, &offset), 0);
	assert_int_equal(bar, 0);
	assert_int_equal(offset, 0x2010);
	assert_int_equal(vio_view_translate(scene->view, BAR2_GPA + BAR2_BYTES - 1,
					    &bar, &offset),
			 0);
	assert_int_equal(bar, 2);
	assert_int_equal(offset, BAR2_BYTES - 1);
}

static void an_address_beside_the_bars_is_no_register(void **state)
{
	struct scene *scene = *state;
	static const uint64_t beside[] = { 0, BAR2_GPA - 1, BAR2_GPA + BAR2_BYTES,
					   BAR0_GPA + BAR0_BYTES, UINT64_MAX };
	uint64_t offset = 5;
	uint32_t bar = 7;

	scene_place(scene);
	for (uint32_t i = 0; i < sizeof(beside) / sizeof(*beside); i++)
		assert_int_equal(
			vio_view_translate(scene->view, beside[i], &bar, &offset),
			-ENOENT);
	assert_int_equal(bar, 7);
	assert_int_equal(offset, 5);
}

static void without_memory_enable_no_address_is_a_register(void **state)
{
	struct scene *scene = *state;
	uint64_t offset;
	uint32_t bar;

	scene_place(scene);
	vio_view_write(scene->view, 0x04, 0, 2);
	assert_int_equal(vio_view_translate(scene->view, BAR2_GPA, &bar, &offset),
			 -ENOENT);
}

static void a_detached_view_knows_where_its_registers_were(void **state)
{
	struct scene *scene = *state;
	uint64_t offset;
	uint32_t bar;

	scene_place(scene);
	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	assert_int_equal(vio_view_translate(scene->view, BAR2_GPA + 4, &bar, &offset),
			 0);
	assert_int_equal(bar, 2);
	assert_int_equal(offset, 4);
}

#define WITH_VIEW(test)                                                                \
	cmocka_unit_test_setup_teardown(test, scene_open_view, scene_close)
#define WITHOUT_VIEW(test)                                                             \
	cmocka_unit_test_setup_teardown(test, scene_open, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_VIEW(all_ones_read_back_as_the_size),
		WITH_VIEW(sizing_with_memory_on_shows_nothing_at_the_top),
		WITH_VIEW(a_byte_of_a_bar_can_be_written),
		WITH_VIEW(pages_of_the_table_and_the_pending_bits_trap),
		WITH_VIEW(a_bar_of_less_than_a_page_traps),
		WITHOUT_VIEW(table_and_pending_bits_may_share_a_page),
		WITHOUT_VIEW(pending_bits_may_be_before_the_table),
		WITH_VIEW(a_moved_bar_is_at_the_new_place_only),
		WITH_VIEW(without_memory_enable_nothing_is_shown),
		WITH_VIEW(a_bar_over_another_one_is_not_shown),
		WITH_VIEW(a_bar_beyond_all_memory_is_not_shown),
		WITH_VIEW(what_the_monitor_cannot_map_traps),
		WITHOUT_VIEW(what_cannot_be_mapped_here_traps),
		WITHOUT_VIEW(a_bar_that_cannot_be_mapped_traps_whole),
		WITH_VIEW(trapped_accesses_reach_the_registers),
		WITH_VIEW(registers_beside_the_table_are_the_devices),
		WITH_VIEW(accesses_out_of_a_bar_answer_all_ones),
		WITH_VIEW(an_address_is_a_register_of_the_bar_there),
		WITH_VIEW(an_address_beside_the_bars_is_no_register),
		WITH_VIEW(without_memory_enable_no_address_is_a_register),
		WITH_VIEW(a_detached_view_knows_where_its_registers_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
