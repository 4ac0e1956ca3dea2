/* SPDX-License-Identifier: MIT */
/*
 * A machine in the fake kernel's sysfs, and an inventory of it. Below a root port
 * with access control a network controller, a PF of four VFs in groups of their
 * own; below one without a disk controller, whose two VFs share a group with it.
 */
#ifndef TESTS_UNIT_VF_MACHINE_H
#define TESTS_UNIT_VF_MACHINE_H

#include <stdio.h>
#include <stdlib.h>

#include <vio/host.h>

#include "config.h"
#include "ctx.h"
#include "fake/fake.h"
#include "fake/support.h"

#define SYSFS     "/machine"
#define NIC_PORT  "0000:00:01.0"
#define NIC       "0000:01:00.0"
#define NVM_PORT  "0000:00:02.0"
#define NVM       "0000:02:00.0"
#define N_NIC_VFS 4u

struct machine {
	struct vio_fake *fake;
	struct vio_ctx *ctx;
	struct vio_host *host;
	uint8_t nic[CONFIG_BYTES];
	uint8_t nic_port[CONFIG_BYTES];
	uint8_t nvm[CONFIG_BYTES];
	uint8_t nvm_port[CONFIG_BYTES];
};

/* The addresses of the network controller's VFs, by index. */
static const char *const nic_vfs[N_NIC_VFS] = { "0000:01:10.0", "0000:01:10.2",
						"0000:01:10.4", "0000:01:10.6" };
static const char *const nvm_vfs[2] = { "0000:02:00.1", "0000:02:00.2" };

static inline struct vio_pci_addr addr_of(const char *text)
{
	struct vio_pci_addr addr;

	assert_int_equal(vio_pci_addr_parse(text, &addr), 0);
	return addr;
}

/* "/machine/devices/pci0000:00/PORT/FUNCTION/ATTR" of a path as is in the tree. */
static inline const char *
path_of(char *buf, const char *port, const char *function, const char *attr)
{
	snprintf(buf, 256, SYSFS "/devices/pci0000:00/%s%s%s%s%s", port ? port : "",
		 port ? "/" : "", function, attr ? "/" : "", attr ? attr : "");
	return buf;
}

static inline void set_attr(struct machine *m, const char *port, const char *function,
			    const char *attr, const char *text)
{
	char path[256];

	vio_fake_add_text(m->fake, path_of(path, port, function, attr), text);
}

static inline void set_link(struct machine *m, const char *port, const char *function,
			    const char *attr, const char *target)
{
	char path[256];

	vio_fake_add_link(m->fake, path_of(path, port, function, attr), target);
}

static inline void
remove_attr(struct machine *m, const char *port, const char *function, const char *attr)
{
	char path[256];

	vio_fake_remove(m->fake, path_of(path, port, function, attr));
}

/* Replaces what is there. */
static inline void change_attr(struct machine *m, const char *port,
			       const char *function, const char *attr, const char *text)
{
	remove_attr(m, port, function, attr);
	set_attr(m, port, function, attr, text);
}

static inline int must_not_be_read(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	fail_msg("this waits in the kernel");
	return -EIO;
}

/* In the place of what is there: whoever reads it would wait. */
static inline void
lock_attr(struct machine *m, const char *port, const char *function, const char *name)
{
	const struct vio_fake_attr attr = { .show = must_not_be_read };
	char path[256];

	remove_attr(m, port, function, name);
	vio_fake_add_attr(m->fake, path_of(path, port, function, name), &attr);
}

static inline int show_config(void *opaque, char *buf, size_t n)
{
	assert_true(n >= CONFIG_BYTES);
	memcpy(buf, opaque, CONFIG_BYTES);
	return CONFIG_BYTES;
}

static inline void
set_config(struct machine *m, const char *port, const char *function, uint8_t *config)
{
	const struct vio_fake_attr attr = { .show = show_config, .opaque = config };
	char path[256];

	vio_fake_add_attr(m->fake, path_of(path, port, function, "config"), &attr);
}

/* What every function has. */
static inline void add_function(struct machine *m, const char *port,
				const char *function, const char *device,
				const char *class_code)
{
	char path[256], target[256];

	snprintf(path, sizeof(path), SYSFS "/bus/pci/devices/%s", function);
	snprintf(target, sizeof(target), "../../../devices/pci0000:00/%s%s%s",
		 port ? port : "", port ? "/" : "", function);
	vio_fake_add_link(m->fake, path, target);
	set_attr(m, port, function, "vendor", "0x8086\n");
	set_attr(m, port, function, "device", device);
	set_attr(m, port, function, "class", class_code);
	set_attr(m, port, function, "driver_override", "(null)\n");
}

static inline void add_to_group(struct machine *m, const char *port,
				const char *function, const char *group)
{
	char text[256];

	snprintf(text, sizeof(text), SYSFS "/kernel/iommu_groups/%s", group);
	set_link(m, port, function, "iommu_group", text);
	snprintf(text, sizeof(text), SYSFS "/kernel/iommu_groups/%s/devices/%s", group,
		 function);
	vio_fake_add_link(m->fake, text, "../../../../bus/pci/devices");
}

static inline void add_vf(struct machine *m, const char *port, const char *pf,
			  const char *vf, uint32_t index, const char *device)
{
	char name[32], target[64];

	add_function(m, port, vf, device, "0x020000\n");
	snprintf(target, sizeof(target), "../%s", pf);
	set_link(m, port, vf, "physfn", target);
	snprintf(name, sizeof(name), "virtfn%u", index);
	snprintf(target, sizeof(target), "../%s", vf);
	set_link(m, port, pf, name, target);
	set_attr(m, port, vf, "reset_method", "flr\n");
}

/* 128 KiB and an I/O range; of each of eight VFs 16 KiB. */
#define NIC_RESOURCE                                                                   \
	"0x00000000fe800000 0x00000000fe81ffff 0x0000000000040200\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x000000000000c000 0x000000000000c01f 0x0000000000040101\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x00000000fe840000 0x00000000fe87ffff 0x0000000000046200\n"                   \
	"0x00000000fe000000 0x00000000fe01ffff 0x0000000000140204\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x00000000fe020000 0x00000000fe03ffff 0x0000000000140204\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"                   \
	"0x0000000000000000 0x0000000000000000 0x0000000000000000\n"

static inline void add_nic(struct machine *m)
{
	static const char *const groups[N_NIC_VFS] = { "11", "12", "13", "14" };

	put_port(m->nic_port, 0x1d);
	put_nic(m->nic);
	add_function(m, NULL, NIC_PORT, "0x3420\n", "0x060400\n");
	set_config(m, NULL, NIC_PORT, m->nic_port);
	add_function(m, NIC_PORT, NIC, "0x10c9\n", "0x020000\n");
	set_config(m, NIC_PORT, NIC, m->nic);
	set_attr(m, NIC_PORT, NIC, "numa_node", "0\n");
	set_attr(m, NIC_PORT, NIC, "reset_method", "flr pm bus\n");
	set_attr(m, NIC_PORT, NIC, "resource", NIC_RESOURCE);
	set_attr(m, NIC_PORT, NIC, "sriov_totalvfs", "7\n");
	set_attr(m, NIC_PORT, NIC, "sriov_drivers_autoprobe", "1\n");
	set_link(m, NIC_PORT, NIC, "driver", "../../../../bus/pci/drivers/igb");
	set_attr(m, NIC_PORT, NIC, "net/enp1s0/ifindex", "3\n");
	set_attr(m, NIC_PORT, NIC, "net/enp1s0/carrier", "1\n");
	set_attr(m, NIC_PORT, NIC, "net/enp1s0/speed", "1000\n");
	add_to_group(m, NIC_PORT, NIC, "10");
	for (uint32_t i = 0; i < N_NIC_VFS; i++) {
		add_vf(m, NIC_PORT, NIC, nic_vfs[i], i, "0x10ca\n");
		add_to_group(m, NIC_PORT, nic_vfs[i], groups[i]);
	}
}

static inline void add_nvm(struct machine *m)
{
	put_port(m->nvm_port, 0);
	put_header(m->nvm, 0x8086, 0x0010);
	add_function(m, NULL, NVM_PORT, "0x3420\n", "0x060400\n");
	set_config(m, NULL, NVM_PORT, m->nvm_port);
	add_function(m, NVM_PORT, NVM, "0x0010\n", "0x010802\n");
	set_config(m, NVM_PORT, NVM, m->nvm);
	set_attr(m, NVM_PORT, NVM, "numa_node", "1\n");
	set_attr(m, NVM_PORT, NVM, "sriov_totalvfs", "4\n");
	set_attr(m, NVM_PORT, NVM, "sriov_drivers_autoprobe", "0\n");
	set_attr(m, NVM_PORT, NVM, "sriov_vf_total_msix", "0\n");
	add_to_group(m, NVM_PORT, NVM, "20");
	for (uint32_t i = 0; i < 2; i++) {
		add_vf(m, NVM_PORT, NVM, nvm_vfs[i], i, "0x0010\n");
		add_to_group(m, NVM_PORT, nvm_vfs[i], "20");
	}
}

static inline int build_machine(void **state)
{
	/* Not test_calloc(): memcheck would call what hangs on it lost in a child. */
	struct machine *m = calloc(1, sizeof(*m));

	m->fake = vio_fake_create();
	add_nvm(m);
	add_nic(m);
	assert_int_equal(
		vio_ctx_create_on(NULL, vio_fake_get_sys(m->fake), &m->ctx, NULL), 0);
	*state = m;
	return 0;
}

static inline int open_machine(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct machine *m;

	build_machine(state);
	m = *state;
	params.sysfs_root = SYSFS;
	params.flags = VIO_HOST_OVERRIDE;
	assert_int_equal(vio_host_open(m->ctx, &params, &m->host, NULL), 0);
	return 0;
}

static inline int close_machine(void **state)
{
	struct machine *m = *state;

	assert_int_equal(vio_host_close(m->host, NULL), 0);
	assert_int_equal(vio_ctx_destroy(m->ctx, NULL), 0);
	vio_fake_destroy(m->fake);
	free(m);
	return 0;
}

static inline int read_of(struct machine *m, const char *text, struct vio_pci_info *out)
{
	const struct vio_pci_info empty = VIO_PCI_INFO_INIT;
	const struct vio_pci_addr addr = addr_of(text);

	*out = empty;
	return vio_host_read_function(m->host, &addr, out, NULL);
}

#endif /* TESTS_UNIT_VF_MACHINE_H */
