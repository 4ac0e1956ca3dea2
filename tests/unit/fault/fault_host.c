/* SPDX-License-Identifier: MIT */
/*
 * Inventories. What an attribute that cannot be read says is not known, so that many
 * a failed call is made up for; what a walk needs is not.
 */
#include "unit/fault/fault_machine.h"

static int open_host(struct fault_scene *scene)
{
	struct vio_host *host = scene->out;
	int ret = machine_open_host(scene, &host);

	scene->out = host;
	return ret;
}

static void finish_opened(struct fault_scene *scene)
{
	scene->machine->host = scene->out;
	machine_finish(scene);
}

static int close_host(struct fault_scene *scene)
{
	struct vio_host *host = scene->machine->host;

	scene->machine->host = NULL;
	return vio_host_close(host, &scene->err);
}

static int read_function(struct fault_scene *scene)
{
	const struct vio_pci_addr addr = machine_addr(MACHINE_VF);
	struct vio_pci_info info = VIO_PCI_INFO_INIT;
	int ret;

	ret = vio_host_read_function(scene->machine->host, &addr, &info, &scene->err);
	if (ret)
		assert_int_equal(info.flags | info.vendor_id, 0);
	return ret;
}

static int count(void *opaque, const struct vio_pci_info *info)
{
	assert_int_equal(info->vendor_id, 0x8086);
	++*(uint32_t *)opaque;
	return 0;
}

static int visit_pfs(struct fault_scene *scene)
{
	uint32_t n = 0;
	const int ret =
		vio_host_foreach_pf(scene->machine->host, count, &n, &scene->err);

	assert_true(n <= 1);
	return ret;
}

static int visit_vfs(struct fault_scene *scene)
{
	const struct vio_pci_addr pf = machine_addr(MACHINE_PF);
	uint32_t n = 0;
	const int ret =
		vio_host_foreach_vf(scene->machine->host, &pf, count, &n, &scene->err);

	assert_true(n <= 2);
	return ret;
}

static int visit_peers(struct fault_scene *scene)
{
	const struct vio_pci_addr addr = machine_addr(MACHINE_VF);
	uint32_t n = 0;
	const int ret = vio_host_foreach_peer(scene->machine->host, &addr, count, &n,
					      &scene->err);

	assert_true(n <= 2);
	return ret;
}

static int read_config(struct fault_scene *scene)
{
	const struct vio_pci_addr addr = machine_addr(MACHINE_VF);
	char bytes[256] = { 0x77 };
	const int ret = vio_host_read_config(scene->machine->host, &addr, bytes,
					     sizeof(bytes), &scene->err);

	assert_int_equal(bytes[0], ret < 0 ? 0x77 : 0);
	return ret;
}

static int use_texts(struct fault_scene *scene)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	const uint8_t config[64] = { 0 };
	char text[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_pci_addr addr;

	(void)scene;
	assert_int_equal(vio_pci_addr_parse(MACHINE_VF, &addr), 0);
	assert_int_equal(vio_pci_addr_print(&addr, text), strlen(MACHINE_VF));
	assert_string_equal(text, MACHINE_VF);
	assert_int_equal(vio_pci_caps_parse(config, sizeof(config), &caps), 0);
	assert_int_equal(vio_sriov_parse(config, sizeof(config), &sriov), -ENOENT);
	return 0;
}

#define READS (FAULT_MAKES_CALLS | FAULT_MAKES_DO | FAULT_HAS_ERROR)

static const struct fault_case cases[] = {
	{ "vio_host_open", READS | FAULT_TAKES_MEMORY, NULL, machine_setup_closed,
	  open_host, NULL, finish_opened },
	{ "vio_host_close", FAULT_TAKES_NOTHING, NULL, machine_setup, close_host, NULL,
	  machine_finish },
	{ "vio_host_read_function", READS, NULL, machine_setup, read_function, NULL,
	  machine_finish },
	{ "vio_host_foreach_pf", READS | FAULT_TAKES_MEMORY, NULL, machine_setup,
	  visit_pfs, NULL, machine_finish },
	{ "vio_host_foreach_vf", READS | FAULT_TAKES_MEMORY, NULL, machine_setup,
	  visit_vfs, NULL, machine_finish },
	{ "vio_host_foreach_peer", READS | FAULT_TAKES_MEMORY, NULL, machine_setup,
	  visit_peers, NULL, machine_finish },
	{ "vio_host_read_config", READS, NULL, machine_setup, read_config, NULL,
	  machine_finish },
	{ "vio_pci_addr_parse vio_pci_addr_print vio_pci_caps_parse vio_sriov_parse",
	  FAULT_TAKES_NOTHING, NULL, NULL, use_texts, NULL, NULL },
};

const struct fault_family fault_host = { cases, sizeof(cases) / sizeof(cases[0]) };
