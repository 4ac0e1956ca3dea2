/* SPDX-License-Identifier: MIT */
/*
 * Pausing, resuming and changing the number of VFs. What fails leaves the claim held
 * or paused, and never half of either; a PF whose journal could not be written is one
 * for a recovery.
 */
#include "unit/fault/fault_machine.h"

#define OTHER_VF "0000:01:10.2"
#define CONFIG   VIO_FAKE_PCI_ROOT "/bus/pci/devices/" MACHINE_VF "/config"

static void count_pause(void *opaque, struct vio_vf *vf)
{
	struct fault_scene *scene = opaque;

	(void)vf;
	scene->n_expected++;
}

static void count_resume(void *opaque, struct vio_vf *vf, int is_state_lost)
{
	struct fault_scene *scene = opaque;

	(void)vf;
	(void)is_state_lost;
	scene->n_expected--;
}

static int set_pause(struct fault_scene *scene)
{
	struct vio_pause_ops ops = VIO_PAUSE_OPS_INIT;

	ops.pause = count_pause;
	ops.resume = count_resume;
	ops.opaque = scene;
	return vio_vf_set_pause(scene->machine->vf, &ops);
}

static void claim(struct fault_scene *scene)
{
	assert_int_equal(machine_claim(scene, &scene->machine->vf), 0);
	assert_int_equal(set_pause(scene), 0);
}

static void setup_held(struct fault_scene *scene)
{
	machine_setup(scene);
	claim(scene);
}

/* Without MSI-X vectors to be set: no other VF has any. */
static void setup_plain(struct fault_scene *scene)
{
	machine_setup(scene);
	vio_fake_remove(scene->machine->fake, CONFIG);
	claim(scene);
}

/* Whoever was asked to let go was told to go on, or its VF is paused. */
static void verify_state(const struct fault_scene *scene, uint32_t state)
{
	assert_int_equal(scene->machine->vf->info.state, state);
	assert_int_equal(scene->n_expected, state == VIO_VF_PAUSED);
}

static void verify_held(struct fault_scene *scene)
{
	verify_state(scene, VIO_VF_HELD);
}

static void verify_paused(struct fault_scene *scene)
{
	verify_state(scene, VIO_VF_PAUSED);
}

static int pause_vf(struct fault_scene *scene)
{
	const int ret =
		machine_wait(scene, vio_vf_pause(scene->machine->vf, 0, machine_done,
						 scene, &scene->err));

	if (!ret)
		verify_paused(scene);
	return ret;
}

static void setup_paused(struct fault_scene *scene)
{
	setup_held(scene);
	assert_int_equal(pause_vf(scene), 0);
}

static void setup_move(struct fault_scene *scene)
{
	setup_plain(scene);
	assert_int_equal(pause_vf(scene), 0);
}

static int resume_to(struct fault_scene *scene, const struct vio_pci_addr *to)
{
	const int ret =
		machine_wait(scene, vio_vf_resume(scene->machine->vf, to, machine_done,
						  scene, &scene->err));

	if (!ret)
		verify_held(scene);
	return ret;
}

static int resume(struct fault_scene *scene)
{
	return resume_to(scene, NULL);
}

static int move(struct fault_scene *scene)
{
	const struct vio_pci_addr to = machine_addr(OTHER_VF);

	return resume_to(scene, &to);
}

/* Undone if it could be, and otherwise after a recovery. */
static void recover(struct fault_scene *scene)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	const int ret = vio_host_recover(scene->machine->host, &recovery, machine_done,
					 scene, &scene->err);

	assert_int_equal(machine_wait(scene, ret), 0);
}

static void verify_not_moved(struct fault_scene *scene)
{
	verify_paused(scene);
	recover(scene);
	assert_string_equal(scene->machine->vfs[1]->driver, "igbvf");
	assert_string_equal(scene->machine->vfs[1]->override, "");
}

static void finish_moved(struct fault_scene *scene)
{
	assert_string_equal(scene->machine->vfs[1]->driver, "vfio-pci");
	recover(scene);
	assert_string_equal(scene->machine->vfs[0]->driver, "igbvf");
	machine_finish(scene);
}

static uint32_t count_vfs(const struct fault_machine *m)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < m->pci.n_functions; i++)
		n += m->pci.functions[i].name[0] && m->pci.functions[i].pf == m->pf;
	return n;
}

static void setup_resize(struct fault_scene *scene)
{
	setup_plain(scene);
	vio_fake_pci_add_driver(&scene->machine->pci, "igb");
	vio_fake_pci_probe(scene->machine->pf);
}

static int resize(struct fault_scene *scene)
{
	const struct vio_pci_addr pf = machine_addr(MACHINE_PF);
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct vio_resize_times times = VIO_RESIZE_TIMES_INIT;
	int ret;

	params.flags = VIO_RESIZE_PAUSE_HELD;
	params.n_vfs = 3;
	ret = vio_host_resize(scene->machine->host, &pf, &params, &times, machine_done,
			      scene, &scene->err);
	ret = machine_wait(scene, ret);
	if (!ret)
		assert_int_equal(count_vfs(scene->machine), 3);
	return ret;
}

/* The number is the old one, and the claim held, or paused as the manual allows. */
static void verify_not_resized(struct fault_scene *scene)
{
	recover(scene);
	assert_int_equal(count_vfs(scene->machine), 2);
	assert_int_equal(scene->machine->pf->autoprobe, 1);
	if (scene->machine->vf->info.state == VIO_VF_PAUSED)
		assert_int_equal(resume(scene), 0);
	verify_held(scene);
}

static void finish_resized(struct fault_scene *scene)
{
	verify_held(scene);
	recover(scene);
	assert_int_equal(count_vfs(scene->machine), 3);
	assert_int_equal(scene->machine->pf->autoprobe, 1);
	machine_finish(scene);
}

#define USUAL (FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_vf_set_pause", FAULT_TAKES_NOTHING, NULL, setup_held, set_pause, NULL,
	  machine_finish },
	{ "vio_vf_pause", USUAL | FAULT_MAKES_DO, NULL, setup_held, pause_vf,
	  verify_held, machine_finish },
	{ "vio_vf_resume", USUAL | FAULT_MAKES_DO, NULL, setup_paused, resume,
	  verify_paused, machine_finish },
	{ "vio_vf_resume", USUAL | FAULT_MAKES_DO, "EBUSY EXDEV", setup_move, move,
	  verify_not_moved, finish_moved },
	{ "vio_host_resize", USUAL | FAULT_MAKES_DO, "EBUSY", setup_resize, resize,
	  verify_not_resized, finish_resized },
};

const struct fault_family fault_resize = { cases, sizeof(cases) / sizeof(cases[0]) };
