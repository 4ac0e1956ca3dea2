/* SPDX-License-Identifier: MIT */
/*
 * Making the machine and taking it apart. What a case leaves behind in it is closed
 * in the order that the manuals want, each of which must then succeed.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/bits.h"
#include "unit/fault/fault_machine.h"

#define DEVICES VIO_FAKE_PCI_ROOT "/bus/pci/devices/"
#define AT_MSIX 0x40u

struct vio_pci_addr machine_addr(const char *name)
{
	struct vio_pci_addr addr;

	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	return addr;
}

void machine_done(void *opaque, int result, const struct vio_error *err)
{
	struct fault_scene *scene = opaque;

	assert_int_equal(!result, !err);
	scene->n_told++;
	scene->machine->result = result;
	if (err)
		scene->err = *err;
}

int machine_wait(struct fault_scene *scene, int ret)
{
	if (ret)
		return ret;
	vio_test_dispatch_until(scene->machine->ctx, &scene->n_told, 1);
	assert_int_equal(scene->n_told, 1);
	scene->n_told = 0;
	return scene->machine->result;
}

static int show_config(void *opaque, char *buf, size_t n)
{
	const struct fault_machine *m = opaque;

	assert_true(n >= sizeof(m->config));
	memcpy(buf, m->config, sizeof(m->config));
	return sizeof(m->config);
}

static int store_vectors(void *opaque, const char *buf, size_t n)
{
	struct fault_machine *m = opaque;
	char text[16];

	if (!n || n >= sizeof(text))
		return -EINVAL;
	memcpy(text, buf, n);
	text[n] = '\0';
	m->config[AT_MSIX + 2] = (uint8_t)(strtoul(text, NULL, 10) - 1);
	return 0;
}

static void add_config(struct fault_machine *m)
{
	const struct vio_fake_attr config = { .show = show_config, .opaque = m };
	const struct vio_fake_attr vectors = { .store = store_vectors, .opaque = m };

	m->config[0x06] = 0x10;
	m->config[0x34] = AT_MSIX;
	m->config[AT_MSIX] = 0x11;
	m->config[AT_MSIX + 2] = 3;
	vio_fake_add_attr(m->fake, DEVICES MACHINE_VF "/config", &config);
	vio_fake_add_attr(m->fake, DEVICES MACHINE_VF "/sriov_vf_msix_count", &vectors);
}

static void add_functions(struct fault_machine *m)
{
	vio_fake_pci_prepare(&m->pci, m->fake);
	vio_fake_pci_add_driver(&m->pci, "igbvf");
	vio_fake_pci_add_driver(&m->pci, "vfio-pci");
	m->pf = vio_fake_pci_add_pf(&m->pci, MACHINE_PF, 0, 0);
	m->vfs[0] = vio_fake_pci_add_vf(&m->pci, m->pf, MACHINE_VF, "igbvf", 7);
	m->vfs[1] = vio_fake_pci_add_vf(&m->pci, m->pf, "0000:01:10.2", "igbvf", 7);
	add_config(m);
}

/* Events come from a socket like any other; none is sent. */
static int machine_netlink(void *opaque, int protocol, uint32_t groups)
{
	const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	(void)opaque;
	(void)protocol;
	(void)groups;
	return fd < 0 ? -errno : fd;
}

static void *lend(void *ctx)
{
	vio_ctx_work(ctx);
	return NULL;
}

void machine_setup_closed(struct fault_scene *scene)
{
	struct fault_machine *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	scene->machine = m;
	m->fake = vio_fake_create();
	add_functions(m);
	m->sys = *vio_fake_get_sys(m->fake);
	m->sys.netlink = machine_netlink;
	vio_fault_prepare(&m->fault, &m->sys);
	scene->armed = &m->fault;
	strcpy(m->run_dir, "/tmp/vio-fault-XXXXXX");
	assert_non_null(mkdtemp(m->run_dir));
	m->sockets[0] = m->sockets[1] = -1;
	assert_int_equal(vio_fault_create_ctx(&m->fault,
					      VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD,
					      &m->ctx),
			 0);
	assert_int_equal(pthread_create(&m->thread, NULL, lend, m->ctx), 0);
}

static void ignore_event(void *opaque, const struct vio_host_event *event)
{
	(void)opaque;
	(void)event;
}

int machine_open_host(struct fault_scene *scene, struct vio_host **out)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;

	params.sysfs_root = VIO_FAKE_PCI_ROOT;
	params.dev_root = FAKE_VFIO_DEV;
	params.run_dir = scene->machine->run_dir;
	params.event = ignore_event;
	return vio_host_open(scene->machine->ctx, &params, out, &scene->err);
}

void machine_setup(struct fault_scene *scene)
{
	machine_setup_closed(scene);
	assert_int_equal(machine_open_host(scene, &scene->machine->host), 0);
}

static void remove_files(const char *path)
{
	struct dirent *entry;
	DIR *dir = opendir(path);
	char name[512];

	while (dir && (entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (entry->d_name[0] != '.')
			unlink(name);
	}
	if (dir)
		closedir(dir);
	rmdir(path);
}

static void close_parts(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;
	int ret = 0;

	vio_view_destroy(m->view);
	if (m->vfio)
		ret = vio_vfio_close(m->vfio, machine_done, scene, &scene->err);
	if (m->vfio)
		assert_int_equal(machine_wait(scene, ret), 0);
	assert_int_equal(vio_iommu_close(m->iommu, &scene->err), 0);
	if (m->vf)
		ret = vio_vf_release(m->vf, machine_done, scene, &scene->err);
	if (m->vf)
		assert_int_equal(machine_wait(scene, ret), 0);
	assert_int_equal(vio_host_close(m->host, &scene->err), 0);
}

static void close_sockets(struct fault_machine *m)
{
	for (size_t i = 0; i < VIO_ARRAY_SIZE(m->sockets); i++)
		if (m->sockets[i] >= 0)
			close(m->sockets[i]);
}

void machine_finish(struct fault_scene *scene)
{
	struct fault_machine *m = scene->machine;
	char path[128];

	close_parts(scene);
	close_sockets(m);
	assert_int_equal(vio_ctx_abort_work(m->ctx), 0);
	pthread_join(m->thread, NULL);
	assert_int_equal(vio_ctx_destroy(m->ctx, NULL), 0);
	vio_fault_verify(&m->fault);
	if (m->vfio_machine)
		fake_vfio_destroy(m->vfio_machine);
	vio_fake_destroy(m->fake);
	snprintf(path, sizeof(path), "%s/vf", m->run_dir);
	remove_files(path);
	remove_files(m->run_dir);
	free(m);
}
