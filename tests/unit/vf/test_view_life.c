/* SPDX-License-Identifier: MIT */
/* Creating, detaching and attaching, and functions that make no sense. */
#include <stdlib.h>

#include "core/bits.h"
#include "unit/vf/view_scene.h"

static int open_used(void **state)
{
	struct scene *scene;

	scene_open_view(state);
	scene = *state;
	scene_place(scene);
	scene_enable_msix(scene, 0x8000);
	scene_unmask(scene, 3, 0x41);
	return 0;
}

static void missing_callbacks_are_refused(void **state)
{
	struct scene *scene = *state;
	struct vio_vfio *vfio = as_vfio(&scene->function);
	struct vio_view *view = VIO_FAULT_UNTOUCHED;

	for (uint32_t i = 0; i < 4; i++) {
		struct vio_view_ops ops = scene_get_ops(scene);

		if (i == 0)
			ops.map = NULL;
		if (i == 1)
			ops.unmap = NULL;
		if (i == 2)
			ops.route = NULL;
		if (i == 3)
			ops.flags = 1;
		assert_int_equal(vio_view_create(scene->ctx, vfio, &ops, &view, NULL),
				 -EINVAL);
	}
	assert_int_equal(vio_view_create(scene->ctx, vfio, NULL, &view, NULL), -EINVAL);
	assert_ptr_equal(view, VIO_FAULT_UNTOUCHED);
}

static void trap_and_reset_may_be_missing(void **state)
{
	struct scene *scene = *state;
	struct vio_view_ops ops = scene_get_ops(scene);

	ops.trap = NULL;
	ops.reset = NULL;
	assert_int_equal(vio_view_create_on(scene->ctx, &view_test_device,
					    as_vfio(&scene->function), &ops,
					    &scene->view, NULL),
			 0);
	scene_place(scene);
	vio_view_write(scene->view, AT_EXPRESS + 8, 0x8000, 2);
	assert_int_equal(vio_view_read(scene->view, 4, 2), 0);
}

struct nonsense {
	uint32_t at;
	uint32_t n;
	uint64_t value;
};

/* A list, a size or a table that a device could use to mislead the view. */
static const struct nonsense nonsenses[] = {
	{ 0x0e, 1, 1 },                              /* a bridge */
	{ AT_AF + 1, 1, AT_PM },                     /* a loop */
	{ AT_MSI + 1, 1, AT_MSI },                   /* a hidden one that loops */
	{ AT_PM + 1, 1, AT_PM + 4 },                 /* overlaps; its type is below */
	{ 0x34, 2, 0x00fc },                         /* no room; its type is below */
	{ 0x34, 1, 0x20 },                           /* in the header */
	{ AT_VENDOR + 2, 1, 0xff },                  /* too long */
	{ AT_VENDOR + 1, 2, 0x3000 },                /* the last, over the end */
	{ AT_VENDOR + 2, 1, AT_AF - AT_VENDOR + 1 }, /* onto the next */
	{ AT_VENDOR + 2, 1, 2 },                     /* too short */
	{ AT_MSIX + 4, 4, TABLE_OFFSET | 6 },        /* no BAR */
	{ AT_MSIX + 4, 4, TABLE_OFFSET | 5 },        /* an absent BAR */
	{ AT_MSIX + 4, 4, TABLE_OFFSET | 1 },        /* half a BAR */
	{ AT_MSIX + 4, 4, BAR0_BYTES - 16 },         /* over the end */
	{ AT_MSIX + 4, 4, 0xfffffff8 },              /* far away */
	{ AT_MSIX + 8, 4, BAR0_BYTES - 8 },          /* over the end */
	{ AT_MSIX + 8, 4, TABLE_OFFSET + 16 },       /* in the table */
	{ AT_VSEC, 4, 0x1000b | AT_VSEC << 20 },     /* a loop */
	{ AT_VSEC, 4, 0x1000b | AT_AER << 20 },      /* a longer one */
	{ AT_VSEC, 4, 0x1000b | 0x80u << 20 },       /* out of its part */
	{ AT_VSEC + 4, 4, 0xfffu << 20 },            /* too long */
	{ AT_VSEC + 4, 4, 4u << 20 },                /* too short */
	{ AT_SRIOV, 4, 0x10010 | (AT_SERIAL + 4u) << 20 }, /* overlaps, see below */
};

static void functions_that_make_no_sense_are_refused(void **state)
{
	struct scene *scene = *state;

	for (uint32_t i = 0; i < VIO_ARRAY_SIZE(nonsenses); i++) {
		const struct nonsense *n = &nonsenses[i];

		function_prepare(&scene->function);
		config_set(&scene->function, n->at, n->value, n->n);
		if (n->value == AT_PM + 4)
			config_set(&scene->function, AT_PM + 4, 0x0009, 2);
		if (n->value == 0x00fc)
			config_set(&scene->function, 0xfc, 0x0001, 2);
		if (n->at == AT_SRIOV)
			config_set(&scene->function, AT_SERIAL + 4, 0x0003, 4);
		if (scene_create_view(scene) != -EBADMSG)
			fail_msg("row %u", i);
		assert_null(scene->view);
	}
}

static void bars_of_impossible_sizes_are_refused(void **state)
{
	struct scene *scene = *state;
	static const uint64_t bad[][2] = {
		{ 2, 0x1001 },
		{ 2, 8 },
		{ 2, UINT64_C(1) << 32 },
		{ 0, UINT64_C(1) << 63 },
		{ 0, UINT64_MAX },
	};

	for (uint32_t i = 0; i < VIO_ARRAY_SIZE(bad); i++) {
		function_prepare(&scene->function);
		scene->function.bar_bytes[bad[i][0]] = bad[i][1];
		assert_int_equal(scene_create_view(scene), -EBADMSG);
	}
	function_prepare(&scene->function);
	config_set(&scene->function, 0x24, 4, 4);
	scene->function.bar_bytes[5] = 0x1000;
	assert_int_equal(scene_create_view(scene), -EBADMSG);
	function_prepare(&scene->function);
	scene->function.config_bytes = 16;
	assert_int_equal(scene_create_view(scene), -EBADMSG);
}

static void a_function_that_does_not_answer_is_refused(void **state)
{
	struct scene *scene = *state;

	scene->function.is_gone = 1;
	assert_int_equal(scene_create_view(scene), -ENODEV);
	scene->function.is_gone = 0;
	config_set(&scene->function, 0, UINT32_MAX, 4);
	assert_int_equal(scene_create_view(scene), -ENODEV);
}

static void a_function_that_goes_while_looked_at_is_refused(void **state)
{
	struct scene *scene = *state;

	/* The bytes, Command read, Command written. */
	for (uint32_t i = 1; i <= 3; i++) {
		function_prepare(&scene->function);
		scene->function.goes_at = i;
		assert_int_equal(scene_create_view(scene), -ENODEV);
		assert_int_equal(scene->function.n_mapped, 0);
	}
}

static void a_part_that_cannot_be_asked_for_is_an_error(void **state)
{
	struct scene *scene = *state;

	/* Configuration space, vectors, five BARs of which one is two. */
	for (uint32_t i = 1; i <= 7; i++) {
		function_prepare(&scene->function);
		scene->function.refuses_at = i;
		assert_int_equal(scene_create_view(scene), -EIO);
	}
}

static void attaching_what_goes_meanwhile_leaves_the_view_detached(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	scene->other.goes_at = 3;
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->other), NULL),
			 -ENODEV);
	assert_int_equal(scene->other.n_mapped, 0);
	assert_int_equal(scene->route_fd[3], -1);
	assert_null(scene_find(scene, BAR0_GPA)->hva);
	assert_int_equal(vio_view_detach(scene->view, NULL), -EALREADY);
}

static void detaching_leaves_nothing_with_the_function(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	assert_int_equal(scene->function.n_mapped, 0);
	assert_int_equal(scene->function.n_connected, 0);
	assert_int_equal(config_get(&scene->function, 4, 2), 0x0140);
	assert_int_equal(scene->route_fd[3], -1);
	assert_null(scene_find(scene, BAR0_GPA)->hva);
	assert_int_equal(vio_view_detach(scene->view, NULL), -EALREADY);
}

static void a_detached_view_answers_from_what_was_saved(void **state)
{
	struct scene *scene = *state;

	config_set(&scene->function, AT_VENDOR + 4, 0x99, 1);
	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	memset(scene->function.config, 0xff, sizeof(scene->function.config));
	assert_int_equal(vio_view_read(scene->view, 0, 4), 0x15208086);
	assert_int_equal(vio_view_read(scene->view, AT_VENDOR + 4, 1), 0x99);
	assert_int_equal(vio_view_read(scene->view, 4, 2), 6);
	assert_true(vio_view_read_bar(scene->view, 2, 0, 4) == UINT32_MAX);
	vio_view_write_bar(scene->view, 2, 0, 1, 4);
	assert_int_equal(scene->function.bars[2][0], 0);
}

static void a_guest_goes_on_writing_while_detached(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	vio_view_write(scene->view, 0x18, 0x90000000, 4);
	scene_unmask(scene, 8, 1);
	vio_view_write(scene->view, 0x3c, 11, 1);
	assert_int_equal(scene->route_fd[8], -1);
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->other), NULL), 0);
	assert_ptr_equal(scene_find(scene, 0x90000000)->hva, scene->other.bars[2]);
	assert_true(scene->route_fd[8] >= 0);
	assert_int_equal(vio_view_read(scene->view, 0x3c, 1), 11);
}

static void attaching_gives_the_guest_back_what_it_had(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	config_set(&scene->other, AT_VENDOR + 4, 0x42, 1);
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->other), NULL), 0);
	assert_int_equal(config_get(&scene->other, 4, 2), 0x0146);
	assert_ptr_equal(scene_find(scene, BAR0_GPA)->hva, scene->other.bars[0]);
	assert_int_equal(scene->other.n_connected, VECTORS);
	assert_int_equal(scene->route_fd[3], scene->other.eventfds[3]);
	assert_int_equal(scene->route_data[3], 0x41);
	assert_int_equal(vio_view_read(scene->view, AT_VENDOR + 4, 1), 0x42);
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->other), NULL),
			 -EBUSY);
}

static void attaching_another_kind_is_refused(void **state)
{
	struct scene *scene = *state;
	struct function *other = &scene->other;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	for (uint32_t i = 0; i < 7; i++) {
		function_prepare(other);
		if (i == 0)
			config_set(other, 0x02, 0x1521, 2);
		if (i == 1)
			config_set(other, 0x08, 0x02, 1);
		if (i == 2)
			other->bar_bytes[2] *= 2;
		if (i == 3)
			config_set(other, AT_MSIX + 2, VECTORS, 2);
		if (i == 4)
			config_set(other, AT_VENDOR + 2, 9, 1);
		if (i == 5)
			config_set(other, AT_VENDOR + 2, 0, 1);
		if (i == 6)
			other->n_vectors = 3;
		err.text[0] = 0;
		assert_int_equal(vio_view_attach(scene->view, as_vfio(other), &err),
				 -EXDEV);
		assert_int_equal(err.code, -EXDEV);
		assert_true(err.text[0]);
		assert_int_equal(other->n_config_writes, 0);
	}
}

static void attaching_what_has_gone_leaves_the_view_detached(void **state)
{
	struct scene *scene = *state;

	assert_int_equal(vio_view_detach(scene->view, NULL), 0);
	scene->other.is_gone = 1;
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->other), NULL),
			 -ENODEV);
	assert_int_equal(vio_view_attach(scene->view, NULL, NULL), -EINVAL);
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->function), NULL),
			 0);
}

static void a_function_that_has_gone_by_itself_is_detached(void **state)
{
	struct scene *scene = *state;

	scene->function.is_gone = 1;
	assert_int_equal(vio_view_detach(scene->view, NULL), -ENODEV);
	assert_int_equal(scene->function.n_mapped, 0);
	assert_int_equal(vio_view_read(scene->view, AT_VENDOR + 4, 1), 0x44);
	assert_int_equal(vio_view_attach(scene->view, as_vfio(&scene->other), NULL), 0);
}

static int live_a_life(struct vio_fault *fault, void *opaque)
{
	struct scene *scene = opaque;
	const struct vio_view_ops ops = scene_get_ops(scene);
	struct vio_view *view = VIO_FAULT_UNTOUCHED;
	struct vio_ctx *ctx;
	int ret = vio_fault_create_ctx(fault, 0, &ctx);

	if (ret)
		return ret;
	ret = vio_view_create_on(ctx, &view_test_device, as_vfio(&scene->function),
				 &ops, &view, NULL);
	if (ret) {
		assert_ptr_equal(view, VIO_FAULT_UNTOUCHED);
		assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
		return ret;
	}
	assert_int_equal(vio_view_detach(view, NULL), 0);
	ret = vio_view_attach(view, as_vfio(&scene->function), NULL);
	vio_view_destroy(view);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	assert_int_equal(scene->function.n_mapped, 0);
	return ret;
}

static void every_allocation_may_fail(void **state)
{
	assert_true(vio_fault_run_allocs(live_a_life, *state) >= 6);
}

static void every_eventfd_may_be_refused(void **state)
{
	assert_true(vio_fault_run_calls(live_a_life, *state, EMFILE) >= VECTORS);
}

#define WITHOUT_VIEW(test)                                                             \
	cmocka_unit_test_setup_teardown(test, scene_open, scene_close)
#define USED(test) cmocka_unit_test_setup_teardown(test, open_used, scene_close)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITHOUT_VIEW(missing_callbacks_are_refused),
		WITHOUT_VIEW(trap_and_reset_may_be_missing),
		WITHOUT_VIEW(functions_that_make_no_sense_are_refused),
		WITHOUT_VIEW(bars_of_impossible_sizes_are_refused),
		WITHOUT_VIEW(a_function_that_does_not_answer_is_refused),
		WITHOUT_VIEW(a_function_that_goes_while_looked_at_is_refused),
		WITHOUT_VIEW(a_part_that_cannot_be_asked_for_is_an_error),
		USED(attaching_what_goes_meanwhile_leaves_the_view_detached),
		USED(detaching_leaves_nothing_with_the_function),
		USED(a_detached_view_answers_from_what_was_saved),
		USED(a_guest_goes_on_writing_while_detached),
		USED(attaching_gives_the_guest_back_what_it_had),
		USED(attaching_another_kind_is_refused),
		USED(attaching_what_has_gone_leaves_the_view_detached),
		USED(a_function_that_has_gone_by_itself_is_detached),
		WITHOUT_VIEW(every_allocation_may_fail),
		WITHOUT_VIEW(every_eventfd_may_be_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
