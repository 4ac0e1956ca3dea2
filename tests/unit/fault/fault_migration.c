/* SPDX-License-Identifier: MIT */
/*
 * Mediated devices and migration states. A session's descriptor is one of the fake
 * kernel's, and nobody's but the case's to close.
 */
#include "unit/fault/fault_machine.h"

#define UUID      "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"
#define UNTOUCHED 0x5a5a

static struct fake_migration *migration_of(const struct fault_scene *scene)
{
	return &scene->machine->vfio_machine->functions[0].migration;
}

static void setup_mdev(struct fault_scene *scene)
{
	machine_setup_iommu(scene);
	fake_vfio_add_mdev(scene->machine->vfio_machine, UUID, 17);
}

static int open_mdev(struct fault_scene *scene)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct fault_machine *m = scene->machine;
	struct vio_vfio *vfio = scene->out;
	int ret;

	params.iommu = m->iommu;
	ret = machine_wait(scene, vio_vfio_open_mdev(m->host, UUID, &params, &vfio,
						     machine_done, scene, &scene->err));
	scene->out = vfio;
	return ret;
}

static void verify_closed(struct fault_scene *scene)
{
	const struct fake_vfio *machine = scene->machine->vfio_machine;

	assert_int_equal(machine->functions[1].is_open, 0);
	assert_int_equal(machine->space.fd, -1);
}

static void finish_mdev(struct fault_scene *scene)
{
	scene->machine->vfio = scene->out;
	machine_finish(scene);
}

static void setup_running(struct fault_scene *scene)
{
	machine_setup_vfio(scene);
	migration_of(scene)->features = VIO_VFIO_CAN_STOP_COPY | VIO_VFIO_CAN_PRE_COPY;
}

static int read_migration(struct fault_scene *scene)
{
	struct vio_vfio_migration migration = VIO_VFIO_MIGRATION_INIT;
	int ret;

	migration.state = UNTOUCHED;
	ret = vio_vfio_read_migration(scene->machine->vfio, &migration, &scene->err);
	assert_int_equal(migration.state, ret ? UNTOUCHED : VIO_VFIO_STATE_RUNNING);
	return ret;
}

static int begin_precopy(struct fault_scene *scene)
{
	int32_t fd = UNTOUCHED;
	const int ret = machine_wait(
		scene,
		vio_vfio_set_migration(scene->machine->vfio, VIO_VFIO_STATE_PRE_COPY,
				       &fd, machine_done, scene, &scene->err));

	if (ret)
		assert_int_equal(fd, UNTOUCHED);
	else
		scene->fd = fd;
	return ret;
}

static void verify_running(struct fault_scene *scene)
{
	assert_int_equal(migration_of(scene)->state, VIO_VFIO_STATE_RUNNING);
	assert_null(migration_of(scene)->session);
	assert_int_equal(scene->machine->opened.info.state, VIO_VF_HELD);
}

static void finish_session(struct fault_scene *scene)
{
	const struct vio_sys *sys = vio_fake_get_sys(scene->machine->fake);

	assert_true(scene->fd >= 0);
	sys->close(sys->opaque, scene->fd);
	machine_finish(scene);
}

static void setup_session(struct fault_scene *scene)
{
	setup_running(scene);
	assert_int_equal(begin_precopy(scene), 0);
}

static int read_precopy(struct fault_scene *scene)
{
	struct vio_vfio_precopy precopy = VIO_VFIO_PRECOPY_INIT;
	int ret;

	precopy.initial_bytes = UNTOUCHED;
	ret = machine_wait(scene, vio_vfio_read_precopy(scene->machine->vfio, scene->fd,
							&precopy, machine_done, scene,
							&scene->err));
	assert_int_equal(precopy.initial_bytes, ret ? UNTOUCHED : FAKE_MIGRATION_HEAD);
	return ret;
}

#define USUAL (FAULT_MAKES_CALLS | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_vfio_open_mdev", USUAL | FAULT_TAKES_MEMORY | FAULT_MAKES_DO, "ENODEV",
	  setup_mdev, open_mdev, verify_closed, finish_mdev },
	{ "vio_vfio_read_migration", USUAL, NULL, setup_running, read_migration, NULL,
	  machine_finish },
	{ "vio_vfio_set_migration", USUAL | FAULT_TAKES_MEMORY, NULL, setup_running,
	  begin_precopy, verify_running, finish_session },
	{ "vio_vfio_read_precopy", USUAL | FAULT_TAKES_MEMORY, NULL, setup_session,
	  read_precopy, NULL, finish_session },
};

const struct fault_family fault_migration = { cases, sizeof(cases) / sizeof(cases[0]) };
