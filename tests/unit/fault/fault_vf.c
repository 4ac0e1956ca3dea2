/* SPDX-License-Identifier: MIT */
/*
 * Leases. A claim that fails leaves the machine as it was; a release that fails
 * leaves in the journal what it could not undo, and a recovery undoes it.
 */
#include <sys/socket.h>

#include "unit/fault/fault_machine.h"
#include "vf/op.h"

int machine_claim(struct fault_scene *scene, struct vio_vf **out)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;

	return machine_wait(scene, vio_vf_claim(scene->machine->host, &request, out,
						machine_done, scene, &scene->err));
}

static int claim(struct fault_scene *scene)
{
	struct vio_vf *vf = NULL;
	int ret = machine_claim(scene, &vf);

	if (!ret)
		scene->out = vf;
	return ret;
}

static void verify_unclaimed(struct fault_scene *scene)
{
	const struct fault_machine *m = scene->machine;

	assert_true(vio_list_is_empty(&m->host->vfs));
	for (int i = 0; i < 2; i++) {
		assert_string_equal(m->vfs[i]->driver, "igbvf");
		assert_string_equal(m->vfs[i]->override, "");
	}
}

static void finish_claimed(struct fault_scene *scene)
{
	scene->machine->vf = scene->out;
	machine_finish(scene);
}

static void setup_claimed(struct fault_scene *scene)
{
	machine_setup(scene);
	assert_int_equal(machine_claim(scene, &scene->machine->vf), 0);
	assert_string_equal(scene->machine->vfs[0]->driver, "vfio-pci");
}

/* A call that is refused leaves the claim; later, the handle is gone. */
static int release(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;
	const int ret = vio_vf_release(m->vf, machine_done, scene, &scene->err);

	if (ret)
		return ret;
	m->vf = NULL;
	return machine_wait(scene, 0);
}

static int recover(struct fault_scene *scene)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	const int ret = vio_host_recover(scene->machine->host, &recovery, machine_done,
					 scene, &scene->err);

	return machine_wait(scene, ret);
}

static void verify_released(struct fault_scene *scene)
{
	if (scene->machine->vf)
		assert_int_equal(release(scene), 0);
	assert_int_equal(recover(scene), 0);
	verify_unclaimed(scene);
}

static int configure(struct fault_scene *scene)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	int ret;

	config.fields = VIO_VF_MSIX;
	config.n_msix = 8;
	ret = machine_wait(scene, vio_vf_configure(scene->machine->vf, &config, &report,
						   machine_done, scene, &scene->err));
	assert_int_equal(report.applied, ret ? 0 : VIO_VF_MSIX);
	return ret;
}

/* It has what it had, unless putting that back was what failed. */
static void verify_configured(struct fault_scene *scene)
{
	assert_int_equal(scene->machine->vf->info.state, VIO_VF_HELD);
	assert_int_equal(scene->machine->config[0x42], 3);
}

static int read_config(struct fault_scene *scene)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	int ret;

	config.n_msix = 77;
	ret = machine_wait(scene, vio_vf_read_config(scene->machine->vf, &config,
						     machine_done, scene, &scene->err));
	assert_int_equal(config.n_msix, ret ? 77 : 4);
	return ret;
}

static int reset(struct fault_scene *scene)
{
	return machine_wait(scene, vio_vf_reset(scene->machine->vf, machine_done, scene,
						&scene->err));
}

static void verify_held(struct fault_scene *scene)
{
	assert_int_equal(scene->machine->vf->info.state, VIO_VF_HELD);
}

static int read_info(struct fault_scene *scene)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(scene->machine->vf, &info), 0);
	assert_int_equal(info.state, VIO_VF_HELD);
	return 0;
}

static int count(void *opaque, const struct vio_vf_info *info)
{
	assert_int_equal(info->is_alive, 1);
	++*(uint32_t *)opaque;
	return 0;
}

static int visit_leases(struct fault_scene *scene)
{
	uint32_t n = 0;
	const int ret =
		vio_host_foreach_lease(scene->machine->host, count, &n, &scene->err);

	assert_true(n <= 1 && (n || ret));
	return ret;
}

/* As if its holder had died: the lock is gone, the journal is not. */
static void setup_dead(struct fault_scene *scene)
{
	setup_claimed(scene);
	vio_vf_destroy(scene->machine->vf);
	scene->machine->vf = NULL;
}

static void finish_recovered(struct fault_scene *scene)
{
	verify_released(scene);
	machine_finish(scene);
}

static void setup_sockets(struct fault_scene *scene)
{
	setup_claimed(scene);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0,
				    scene->machine->sockets),
			 0);
}

static int detach(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;
	const int ret = vio_vf_detach(m->vf, m->sockets[0], &scene->err);

	if (!ret)
		m->vf = NULL;
	return ret;
}

static void finish_detached(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;

	assert_int_equal(vio_vf_attach(m->host, m->sockets[1], &m->vf, NULL), 0);
	machine_finish(scene);
}

static void setup_detached(struct fault_scene *scene)
{
	setup_sockets(scene);
	assert_int_equal(detach(scene), 0);
}

static int attach(struct fault_scene *scene)
{
	struct vio_vf *vf = scene->out;
	const int ret = vio_vf_attach(scene->machine->host, scene->machine->sockets[1],
				      &vf, &scene->err);

	scene->out = vf;
	return ret;
}

/* If the message was taken, its lease is that of a dead holder: another is sent. */
static void send_again(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;
	char byte;

	if (recv(m->sockets[1], &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0)
		return;
	assert_int_equal(recover(scene), 0);
	verify_unclaimed(scene);
	assert_int_equal(machine_claim(scene, &m->vf), 0);
	assert_int_equal(detach(scene), 0);
}

#define USUAL (FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_vf_claim", USUAL | FAULT_MAKES_DO, NULL, machine_setup, claim,
	  verify_unclaimed, finish_claimed },
	{ "vio_vf_release", USUAL | FAULT_MAKES_DO | FAULT_ENDS_IT, NULL, setup_claimed,
	  release, verify_released, machine_finish },
	{ "vio_vf_configure", USUAL | FAULT_MAKES_DO, NULL, setup_claimed, configure,
	  verify_configured, machine_finish },
	{ "vio_vf_read_config", USUAL | FAULT_MAKES_DO, NULL, setup_claimed,
	  read_config, verify_held, machine_finish },
	{ "vio_vf_reset", USUAL | FAULT_MAKES_DO, NULL, setup_claimed, reset,
	  verify_held, machine_finish },
	{ "vio_vf_read_info", FAULT_TAKES_NOTHING, NULL, setup_claimed, read_info, NULL,
	  machine_finish },
	{ "vio_host_foreach_lease", FAULT_MAKES_CALLS | FAULT_HAS_ERROR, NULL,
	  setup_claimed, visit_leases, verify_held, machine_finish },
	{ "vio_host_recover", USUAL | FAULT_MAKES_DO, NULL, setup_dead, recover, NULL,
	  finish_recovered },
	{ "vio_vf_detach", FAULT_MAKES_CALLS | FAULT_HAS_ERROR, NULL, setup_sockets,
	  detach, verify_held, finish_detached },
	{ "vio_vf_attach", USUAL | FAULT_MAKES_DO, "EBADMSG", setup_detached, attach,
	  send_again, finish_claimed },
};

const struct fault_family fault_vf = { cases, sizeof(cases) / sizeof(cases[0]) };
