/* SPDX-License-Identifier: MIT */
/*
 * Views of a function that VFIO has open. A guest's access has no answer for who is
 * to blame: what fails under it is made up for, and the guest goes on.
 */
#include "unit/fault/fault_machine.h"
#include "vf/view.h"

#define AT_MSIX  0x40u
#define BAR0_GPA 0x80000000u
#define TABLE    FAKE_VFIO_MSIX_PAGE

static int on_map(void *opaque, uint64_t gpa, uint64_t n, void *hva)
{
	struct fault_scene *scene = opaque;

	assert_true(hva != NULL && n && gpa >= BAR0_GPA);
	scene->n_expected++;
	return 0;
}

static void on_unmap(void *opaque, uint64_t gpa, uint64_t n)
{
	struct fault_scene *scene = opaque;

	assert_true(n && gpa >= BAR0_GPA && scene->n_expected);
	scene->n_expected--;
}

static void on_route(void *opaque, uint32_t vector, int eventfd, uint64_t address,
		     uint32_t data, int is_masked)
{
	(void)opaque;
	(void)eventfd;
	(void)address;
	(void)data;
	(void)is_masked;
	assert_true(vector < FAKE_VFIO_VECTORS);
}

static void setup_function(struct fault_scene *scene)
{
	uint8_t *config;

	machine_setup_vfio(scene);
	config = scene->machine->vfio_machine->functions[0].config;
	memset(config, 0, 256);
	vio_view_set_bytes(config, 0x15208086, 4);
	vio_view_set_bytes(config + 0x06, 0x10, 2);
	config[0x34] = AT_MSIX;
	config[AT_MSIX] = 0x11;
	config[AT_MSIX + 2] = FAKE_VFIO_VECTORS - 1;
	vio_view_set_bytes(config + AT_MSIX + 4, TABLE, 4);
	vio_view_set_bytes(config + AT_MSIX + 8, TABLE + 0x800, 4);
}

static int create(struct fault_scene *scene, struct vio_view **out)
{
	struct vio_view_ops ops = VIO_VIEW_OPS_INIT;

	ops.map = on_map;
	ops.unmap = on_unmap;
	ops.route = on_route;
	ops.opaque = scene;
	return vio_view_create(scene->machine->ctx, scene->machine->vfio, &ops, out,
			       &scene->err);
}

static int create_out(struct fault_scene *scene)
{
	struct vio_view *view = scene->out;
	const int ret = create(scene, &view);

	scene->out = view;
	return ret;
}

static void finish_created(struct fault_scene *scene)
{
	scene->machine->view = scene->out;
	machine_finish(scene);
}

static void setup_view(struct fault_scene *scene)
{
	setup_function(scene);
	assert_int_equal(create(scene, &scene->machine->view), 0);
}

/* Places BAR 0, turns memory and MSI-X on, and unmasks a vector. */
static int use(struct fault_scene *scene)
{
	struct vio_view *view = scene->machine->view;
	uint64_t offset;
	uint32_t bar;

	vio_view_write(view, 0x10, BAR0_GPA, 4);
	vio_view_write(view, 0x04, 6, 2);
	vio_view_write(view, AT_MSIX + 2, 0x8000, 2);
	vio_view_write_bar(view, 0, TABLE + 0x20, 0xfee00000, 8);
	vio_view_write_bar(view, 0, TABLE + 0x28, 0x41, 8);
	vio_view_write_bar(view, 0, 0x10, 0x1234, 4);
	assert_int_equal(vio_view_read(view, 0, 4), 0x15208086);
	assert_int_equal(vio_view_read_bar(view, 0, TABLE + 0x20, 4), 0xfee00000);
	(void)vio_view_read_bar(view, 0, 0x10, 4);
	assert_int_equal(vio_view_translate(view, BAR0_GPA + TABLE, &bar, &offset), 0);
	assert_int_equal(offset, TABLE);
	return 0;
}

static int detach(struct fault_scene *scene)
{
	return vio_view_detach(scene->machine->view, &scene->err);
}

static void setup_used(struct fault_scene *scene)
{
	setup_view(scene);
	use(scene);
}

/* Detached it is, whatever could not be saved of the function. */
static void verify_detached(struct fault_scene *scene)
{
	assert_int_equal(scene->n_expected, 0);
	assert_int_equal(detach(scene), -EALREADY);
}

static void setup_detached(struct fault_scene *scene)
{
	setup_used(scene);
	assert_int_equal(detach(scene), 0);
}

static int attach(struct fault_scene *scene)
{
	return vio_view_attach(scene->machine->view, scene->machine->vfio, &scene->err);
}

static int destroy(struct fault_scene *scene)
{
	vio_view_destroy(scene->machine->view);
	scene->machine->view = NULL;
	assert_int_equal(scene->n_expected, 0);
	return 0;
}

#define USUAL (FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_view_create", USUAL | FAULT_MAKES_DO, "ENODEV", setup_function,
	  create_out, NULL, finish_created },
	{ "vio_view_write vio_view_read vio_view_write_bar vio_view_read_bar "
	  "vio_view_translate",
	  FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_MAKES_DO, NULL, setup_view,
	  use, NULL, machine_finish },
	{ "vio_view_detach",
	  FAULT_MAKES_CALLS | FAULT_MAKES_DO | FAULT_HAS_ERROR | FAULT_ENDS_IT,
	  "ENODEV", setup_used, detach, verify_detached, machine_finish },
	{ "vio_view_attach", USUAL | FAULT_MAKES_DO, "ENODEV", setup_detached, attach,
	  verify_detached, machine_finish },
	{ "vio_view_destroy", FAULT_MAKES_CALLS | FAULT_MAKES_DO, NULL, setup_used,
	  destroy, NULL, machine_finish },
};

const struct fault_family fault_view = { cases, sizeof(cases) / sizeof(cases[0]) };
