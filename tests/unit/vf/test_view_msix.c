/* SPDX-License-Identifier: MIT */
/* The MSI-X table of a view: what is routed, masked and pending. */
#include <unistd.h>

#include "unit/vf/view_scene.h"

#define ENABLE   0x8000u
#define MASK_ALL 0x4000u

static void raise_interrupt(struct scene *scene, uint32_t vector)
{
	const uint64_t one = 1;

	assert_int_equal(write(scene->function.eventfds[vector], &one, 8), 8);
}

static uint64_t get_pending(struct scene *scene, uint32_t word)
{
	return vio_view_read_bar(scene->view, 0, PBA_OFFSET + 8 * word, 8);
}

static void set_control(struct scene *scene, uint32_t vector, uint32_t control)
{
	vio_view_write_bar(scene->view, 0, TABLE_OFFSET + vector * 16 + 12, control, 4);
}

static int open_routed(void **state)
{
	struct scene *scene;

	scene_open_view(state);
	scene = *state;
	scene_place(scene);
	scene_enable_msix(scene, ENABLE);
	scene_unmask(scene, 3, 0x41);
	return 0;
}

static void entries_are_masked_at_first(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	for (uint32_t i = 0; i < VECTORS; i++)
		assert_true(vio_view_read_bar(scene->view, 0, TABLE_OFFSET + i * 16 + 8,
					      8) == UINT64_C(1) << 32);
}

static void enabling_connects_all_vectors_and_routes_none(void **state)
{
	struct scene *scene = *state;

	scene_enable_msix(scene, ENABLE);
	assert_int_equal(scene->function.n_connected, VECTORS);
	assert_int_equal(scene->n_routes, 0);
	scene_enable_msix(scene, 0);
	assert_int_equal(scene->function.n_connected, 0);
}

static void an_unmasked_vector_is_routed(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(scene->n_routes, 1);
	assert_int_equal(scene->route_fd[3], scene->function.eventfds[3]);
	assert_true(scene->route_address[3] == 0xfee00000);
	assert_int_equal(scene->route_data[3], 0x41);
	assert_int_equal(scene->route_is_masked[3], 0);
}

static void entries_unmasked_before_enabling_are_routed_by_it(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	scene_unmask(scene, 5, 9);
	assert_int_equal(scene->n_routes, 0);
	scene_enable_msix(scene, ENABLE);
	assert_true(scene->route_fd[5] >= 0);
	assert_int_equal(scene->n_routes, 1);
}

static void a_masked_vector_is_held_back(void **state)
{
	struct scene *scene = *state;

	set_control(scene, 3, 1);
	assert_int_equal(scene->route_is_masked[3], 1);
	assert_true(scene->route_fd[3] >= 0);
	set_control(scene, 3, 0xfffffffe);
	assert_int_equal(scene->route_is_masked[3], 0);
	assert_true(vio_view_read_bar(scene->view, 0, TABLE_OFFSET + 3 * 16 + 12, 4) ==
		    0);
}

static void the_function_mask_holds_all_back(void **state)
{
	struct scene *scene = *state;

	scene_unmask(scene, 4, 7);
	scene_enable_msix(scene, ENABLE | MASK_ALL);
	assert_int_equal(scene->route_is_masked[3], 1);
	assert_int_equal(scene->route_is_masked[4], 1);
	assert_int_equal(scene->n_routes, 4);
	scene_enable_msix(scene, ENABLE);
	assert_int_equal(scene->route_is_masked[3], 0);
	assert_int_equal(scene->n_routes, 6);
}

static void the_same_message_is_not_told_again(void **state)
{
	struct scene *scene = *state;

	scene_unmask(scene, 3, 0x41);
	scene_enable_msix(scene, ENABLE);
	assert_int_equal(scene->n_routes, 1);
}

static void a_changed_message_is_told(void **state)
{
	struct scene *scene = *state;

	vio_view_write_bar(scene->view, 0, TABLE_OFFSET + 3 * 16, UINT64_C(0x1fee01003),
			   8);
	assert_true(scene->route_address[3] == UINT64_C(0x1fee01000));
	vio_view_write_bar(scene->view, 0, TABLE_OFFSET + 3 * 16 + 8, 0x42, 8);
	assert_int_equal(scene->route_data[3], 0x42);
	assert_int_equal(scene->n_routes, 3);
}

static void disabling_ends_all_routes(void **state)
{
	struct scene *scene = *state;

	scene_enable_msix(scene, 0);
	assert_int_equal(scene->route_fd[3], -1);
	assert_int_equal(scene->function.n_connected, 0);
}

static void a_masked_interrupt_is_pending(void **state)
{
	struct scene *scene = *state;

	scene_unmask(scene, 66, 1);
	set_control(scene, 66, 1);
	raise_interrupt(scene, 66);
	raise_interrupt(scene, 7);
	assert_true(get_pending(scene, 0) == 0x80);
	assert_true(get_pending(scene, 1) == 4);
	assert_true(vio_view_read_bar(scene->view, 0, PBA_OFFSET + 8, 1) == 4);
}

static void an_interrupt_that_is_not_masked_is_the_monitors(void **state)
{
	struct scene *scene = *state;

	raise_interrupt(scene, 3);
	assert_true(get_pending(scene, 0) == 0);
	assert_true(vio_test_is_readable(scene->function.eventfds[3]));
}

static void a_pending_interrupt_arrives_when_unmasked(void **state)
{
	struct scene *scene = *state;

	set_control(scene, 3, 1);
	raise_interrupt(scene, 3);
	assert_true(get_pending(scene, 0) == 8);
	assert_false(vio_test_is_readable(scene->function.eventfds[3]));
	set_control(scene, 3, 0);
	assert_true(vio_test_is_readable(scene->function.eventfds[3]));
	assert_true(get_pending(scene, 0) == 0);
}

static void the_guest_cannot_write_pending_bits(void **state)
{
	struct scene *scene = *state;

	vio_view_write_bar(scene->view, 0, PBA_OFFSET, UINT64_MAX, 8);
	assert_true(get_pending(scene, 0) == 0);
	assert_int_equal(scene->function.bars[0][PBA_OFFSET], 0);
}

static void a_part_of_a_dword_of_the_table_is_dropped(void **state)
{
	struct scene *scene = *state;

	vio_view_write_bar(scene->view, 0, TABLE_OFFSET + 3 * 16 + 8, 0xff, 1);
	vio_view_write_bar(scene->view, 0, TABLE_OFFSET + 3 * 16 + 12, 1, 2);
	assert_int_equal(scene->route_data[3], 0x41);
	assert_int_equal(scene->n_routes, 1);
}

static void interrupts_that_cannot_be_connected_are_not_routed(void **state)
{
	struct scene *scene = *state;

	scene_place(scene);
	scene_unmask(scene, 0, 1);
	scene->function.connect_errno = -ENOSPC;
	scene_enable_msix(scene, ENABLE);
	assert_int_equal(scene->n_routes, 0);
	scene->function.connect_errno = 0;
	scene_enable_msix(scene, 0);
	scene_enable_msix(scene, ENABLE);
	assert_int_equal(scene->n_routes, 1);
}

static void vectors_beyond_the_kernels_are_never_routed(void **state)
{
	struct scene *scene = *state;

	scene->function.n_vectors = 2;
	assert_int_equal(scene_create_view(scene), 0);
	scene_place(scene);
	scene_enable_msix(scene, ENABLE);
	scene_unmask(scene, 1, 1);
	scene_unmask(scene, 2, 1);
	assert_int_equal(scene->function.n_connected, 2);
	assert_int_equal(scene->n_routes, 1);
}

static void toggling_costs_a_call_for_each_unmasked_vector_only(void **state)
{
	struct scene *scene = *state;

	for (uint32_t i = 0; i < 1000; i++)
		scene_enable_msix(scene, i & 1 ? ENABLE : ENABLE | MASK_ALL);
	assert_int_equal(scene->n_routes, 1 + 1000);
}

#define WITH_VIEW(test)                                                                \
	cmocka_unit_test_setup_teardown(test, scene_open_view, scene_close)
#define WITHOUT_VIEW(test)                                                             \
	cmocka_unit_test_setup_teardown(test, scene_open, scene_close)
#define ROUTED(test) cmocka_unit_test_setup_teardown(test, open_routed, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_VIEW(entries_are_masked_at_first),
		WITH_VIEW(enabling_connects_all_vectors_and_routes_none),
		ROUTED(an_unmasked_vector_is_routed),
		WITH_VIEW(entries_unmasked_before_enabling_are_routed_by_it),
		ROUTED(a_masked_vector_is_held_back),
		ROUTED(the_function_mask_holds_all_back),
		ROUTED(the_same_message_is_not_told_again),
		ROUTED(a_changed_message_is_told),
		ROUTED(disabling_ends_all_routes),
		ROUTED(a_masked_interrupt_is_pending),
		ROUTED(an_interrupt_that_is_not_masked_is_the_monitors),
		ROUTED(a_pending_interrupt_arrives_when_unmasked),
		ROUTED(the_guest_cannot_write_pending_bits),
		ROUTED(a_part_of_a_dword_of_the_table_is_dropped),
		WITH_VIEW(interrupts_that_cannot_be_connected_are_not_routed),
		WITHOUT_VIEW(vectors_beyond_the_kernels_are_never_routed),
		ROUTED(toggling_costs_a_call_for_each_unmasked_vector_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
