/* SPDX-License-Identifier: MIT */
/*
 * Functions in user space, by a group and by a file of their own. An operation on
 * them is begun by a call and carried out by a lent thread; either may fail.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/fault/fault_machine.h"

#define FUNCTION "0000:02:10.0"

static void add_function(struct fault_scene *scene, int has_iommufd)
{
	struct fault_machine *m = scene->machine;

	m->vfio_machine = fake_vfio_create(m->fake, has_iommufd);
	fake_vfio_add_function(m->vfio_machine, FUNCTION, 8);
	m->opened = (struct vio_vf){ .host = m->host };
	m->opened.info.state = VIO_VF_HELD;
	m->opened.info.addr = machine_addr(FUNCTION);
}

void machine_setup_functions(struct fault_scene *scene)
{
	machine_setup(scene);
	add_function(scene, 0);
}

static void open_iommu(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;

	assert_int_equal(vio_iommu_open(m->host, NULL, &m->iommu, NULL), 0);
}

void machine_setup_iommu(struct fault_scene *scene)
{
	machine_setup_functions(scene);
	open_iommu(scene);
}

static void setup_iommufd(struct fault_scene *scene)
{
	machine_setup(scene);
	add_function(scene, 1);
	open_iommu(scene);
}

static void ignore_signal(void *opaque, struct vio_vfio *vfio)
{
	(void)opaque;
	(void)vfio;
}

static int open_function(struct fault_scene *scene, struct vio_vfio **out)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct fault_machine *m = scene->machine;

	params.iommu = m->iommu;
	params.requested = ignore_signal;
	params.failed = ignore_signal;
	return machine_wait(scene, vio_vfio_open(&m->opened, &params, out, machine_done,
						 scene, &scene->err));
}

void machine_setup_vfio(struct fault_scene *scene)
{
	machine_setup_iommu(scene);
	assert_int_equal(open_function(scene, &scene->machine->vfio), 0);
}

void machine_setup_vfio_iommufd(struct fault_scene *scene)
{
	setup_iommufd(scene);
	assert_int_equal(open_function(scene, &scene->machine->vfio), 0);
}

static int open_out(struct fault_scene *scene)
{
	struct vio_vfio *vfio = scene->out;
	const int ret = open_function(scene, &vfio);

	scene->out = vfio;
	return ret;
}

static void verify_closed(struct fault_scene *scene)
{
	const struct fault_machine *m = scene->machine;

	assert_null(m->opened.vfio);
	assert_int_equal(m->opened.info.state, VIO_VF_HELD);
	assert_int_equal(m->vfio_machine->functions[0].is_open, 0);
	assert_int_equal(m->vfio_machine->space.fd, -1);
}

static void finish_opened(struct fault_scene *scene)
{
	scene->machine->vfio = scene->out;
	machine_finish(scene);
}

static int set_interrupts(struct fault_scene *scene)
{
	const int32_t fds[2] = { scene->fd, -1 };

	return vio_vfio_set_interrupts(scene->machine->vfio, VIO_VFIO_MSIX, fds, 2,
				       &scene->err);
}

static void setup_eventfd(struct fault_scene *scene)
{
	machine_setup_vfio(scene);
	scene->fd = eventfd(0, EFD_CLOEXEC);
	assert_true(scene->fd >= 0);
}

static void finish_eventfd(struct fault_scene *scene)
{
	machine_finish(scene);
	close(scene->fd);
}

static void setup_connected(struct fault_scene *scene)
{
	setup_eventfd(scene);
	assert_int_equal(set_interrupts(scene), 0);
}

/* Interrupts that cannot be taken away go with the file: closed whatever fails. */
static int close_function(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;
	const int ret = machine_wait(
		scene, vio_vfio_close(m->vfio, machine_done, scene, &scene->err));

	if (!ret)
		m->vfio = NULL;
	return ret;
}

static void finish_closed(struct fault_scene *scene)
{
	verify_closed(scene);
	finish_eventfd(scene);
}

static int reset(struct fault_scene *scene)
{
	return machine_wait(scene, vio_vfio_reset(scene->machine->vfio, machine_done,
						  scene, &scene->err));
}

static int read_parts(struct fault_scene *scene)
{
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;
	const struct vio_vfio *vfio = scene->machine->vfio;

	assert_int_equal(vio_vfio_read_region(scene->machine->vfio, 0, &region), 0);
	assert_int_equal(region.length_bytes, FAKE_VFIO_BAR_BYTES);
	assert_true(vio_vfio_get_fd(vfio) >= 0);
	assert_true(vio_vfio_get_group_fd(vfio) >= 0);
	return 0;
}

static int read_register(struct fault_scene *scene)
{
	uint32_t value = 0x77;
	const int ret = vio_vfio_read(scene->machine->vfio, 0, 0, &value, 4);

	assert_int_equal(value, ret ? 0x77 : 0);
	return ret;
}

static int write_register(struct fault_scene *scene)
{
	const uint32_t value = 0x1234;

	return vio_vfio_write(scene->machine->vfio, 0, 8, &value, sizeof(value));
}

static int map_bar(struct fault_scene *scene)
{
	return vio_vfio_map_bar(scene->machine->vfio, 0, 0, FAULT_PAGE, &scene->out,
				&scene->err);
}

static void finish_mapped(struct fault_scene *scene)
{
	assert_int_equal(vio_vfio_unmap_bar(scene->machine->vfio, scene->out), 0);
	machine_finish(scene);
}

static void setup_mapped(struct fault_scene *scene)
{
	machine_setup_vfio(scene);
	assert_int_equal(map_bar(scene), 0);
	scene->pages = scene->out;
}

static int unmap_bar(struct fault_scene *scene)
{
	return vio_vfio_unmap_bar(scene->machine->vfio, scene->pages);
}

#define USUAL (FAULT_MAKES_CALLS | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_vfio_open", USUAL | FAULT_TAKES_MEMORY | FAULT_MAKES_DO, "ENODEV",
	  machine_setup_iommu, open_out, verify_closed, finish_opened },
	{ "vio_vfio_open vio_vfio_get_fd", USUAL | FAULT_TAKES_MEMORY | FAULT_MAKES_DO,
	  "ENODEV", setup_iommufd, open_out, verify_closed, finish_opened },
	{ "vio_vfio_close", USUAL | FAULT_MAKES_DO, NULL, setup_connected,
	  close_function, NULL, finish_closed },
	{ "vio_vfio_reset", USUAL, NULL, machine_setup_vfio, reset, NULL,
	  machine_finish },
	{ "vio_vfio_read_region vio_vfio_get_fd vio_vfio_get_group_fd",
	  FAULT_TAKES_NOTHING, NULL, machine_setup_vfio, read_parts, NULL,
	  machine_finish },
	{ "vio_vfio_read", FAULT_MAKES_CALLS, "ENODEV", machine_setup_vfio,
	  read_register, NULL, machine_finish },
	{ "vio_vfio_write", FAULT_MAKES_CALLS | FAULT_MAKES_DO, "ENODEV",
	  machine_setup_vfio, write_register, NULL, machine_finish },
	{ "vio_vfio_map_bar", USUAL | FAULT_TAKES_MEMORY, NULL, machine_setup_vfio,
	  map_bar, NULL, finish_mapped },
	{ "vio_vfio_unmap_bar", FAULT_TAKES_NOTHING, NULL, setup_mapped, unmap_bar,
	  NULL, machine_finish },
	{ "vio_vfio_set_interrupts", USUAL | FAULT_TAKES_MEMORY, "ENODEV",
	  setup_eventfd, set_interrupts, NULL, finish_eventfd },
};

const struct fault_family fault_vfio = { cases, sizeof(cases) / sizeof(cases[0]) };
