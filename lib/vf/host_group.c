/* SPDX-License-Identifier: MIT */
/*
 * What keeps a function apart from others: its IOMMU group, and Access Control
 * Services on the way to the root, judged as the kernel judges them when it makes
 * the groups. Where configuration space is not shown, nothing is promised.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>

#include "core/error.h"
#include "sys/sys.h"
#include "vf/host_read.h"
#include "vf/sysfs.h"

#define HEADER_TYPE 0x0eu
#define MULTI       0x80u /* the device has more functions than this one */

/* Device/Port Types (PCI Express Base, 7.5.3.2). */
#define TYPE_ENDPOINT        0u
#define TYPE_LEGACY_ENDPOINT 1u
#define TYPE_ROOT_PORT       4u
#define TYPE_UPSTREAM        5u
#define TYPE_DOWNSTREAM      6u
#define TYPE_INTEGRATED      9u

/* ACS Capability and Control (7.7.11.2). */
#define ACS_SOURCE_VALIDATION (1u << 0)
#define ACS_REQUEST_REDIRECT  (1u << 2)
#define ACS_COMPLETION        (1u << 3)
#define ACS_UPSTREAM_FORWARD  (1u << 4)
#define ACS_NEEDED                                                                     \
	(ACS_SOURCE_VALIDATION | ACS_REQUEST_REDIRECT | ACS_COMPLETION |               \
	 ACS_UPSTREAM_FORWARD)

int vio_host_read_bytes(struct vio_host *host, const struct vio_pci_addr *addr,
			void *out, uint32_t n)
{
	const struct vio_sys *sys = host->env->sys;
	char path[VIO_SYSFS_PATH_BYTES];
	uint32_t done = 0;
	ssize_t ret;
	int fd;

	ret = vio_sysfs_path(addr, "config", path);
	if (ret)
		return (int)ret;
	fd = vio_sysfs_open(host, path, O_RDONLY);
	if (fd < 0)
		return fd == -ENOENT ? -ENODEV : fd;
	do {
		ret = sys->pread(sys->opaque, fd, (char *)out + done, n - done, done);
		done += ret > 0 ? (uint32_t)ret : 0;
	} while (ret > 0 && done < n);
	sys->close(sys->opaque, fd);
	if (ret < 0)
		return (int)ret;
	return done ? (int)done : -ENODEV;
}

int vio_host_read_config(struct vio_host *host, const struct vio_pci_addr *addr,
			 void *out, uint32_t n, struct vio_error *err)
{
	uint8_t config[VIO_PCI_CONFIG_BYTES];
	char text[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	if (vio_pci_addr_print(addr, text) < 0)
		return vio_fail(err, -EINVAL, "function: the address is out of range");
	if (!out || !n || n > VIO_PCI_CONFIG_BYTES)
		return vio_fail(err, -EINVAL,
				"%s: configuration space has 1 to %u "
				"bytes, not %u",
				text, VIO_PCI_CONFIG_BYTES, n);
	ret = vio_host_read_bytes(host, addr, config, n);
	if (ret < 0)
		return vio_fail(err, ret, "%s: configuration space cannot be read",
				text);
	memcpy(out, config, (size_t)ret);
	return ret;
}

struct members {
	const struct vio_pci_info *info;
	uint32_t n_others;
};

static int count_member(void *opaque, const char *name)
{
	struct members *members = opaque;
	char own[VIO_PCI_ADDR_TEXT_BYTES];

	vio_pci_addr_print(&members->info->addr, own);
	if (strcmp(name, own))
		members->n_others++;
	return 0;
}

int vio_host_read_group(struct vio_host *host, struct vio_pci_info *info)
{
	struct members members = { info, 0 };
	char path[VIO_SYSFS_PATH_BYTES], name[16];
	uint64_t group;
	int ret;

	ret = vio_sysfs_path(&info->addr, "iommu_group", path);
	if (!ret)
		ret = vio_sysfs_read_link(host, path, name, sizeof(name));
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	ret = vio_sysfs_parse_u64(name, &group);
	if (ret || group > INT32_MAX)
		return -EBADMSG;
	ret = vio_sysfs_path(&info->addr, "iommu_group/devices", path);
	if (!ret)
		ret = vio_sysfs_foreach(host, path, count_member, &members);
	if (ret)
		return ret == -ENOENT ? -ENODEV : ret;
	info->iommu_group = (int32_t)group;
	if (!members.n_others)
		info->flags |= VIO_PCI_ISOLATED;
	return 0;
}

/* What a port does not have a control for, it does not do (7.7.11.1). */
static int is_enabled(const struct vio_pci_caps *caps)
{
	const uint32_t needed = ACS_NEEDED & caps->acs_capabilities;

	return caps->acs_offset && (caps->acs_control & needed) == needed;
}

static int is_apart(struct vio_host *host, const struct vio_pci_addr *addr)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[VIO_PCI_CONFIG_BYTES];
	const int n = vio_host_read_bytes(host, addr, config, sizeof(config));

	if (n < 0 || vio_pci_caps_parse(config, (uint32_t)n, &caps) ||
	    !caps.pcie_offset)
		return 0;
	switch (caps.pcie_type) {
	case TYPE_ROOT_PORT:
	case TYPE_DOWNSTREAM:
		return is_enabled(&caps);
	case TYPE_ENDPOINT:
	case TYPE_LEGACY_ENDPOINT:
	case TYPE_UPSTREAM:
	case TYPE_INTEGRATED:
		return !(config[HEADER_TYPE] & MULTI) || is_enabled(&caps);
	default:
		return 0; /* bridges to PCI, where nobody says who he is */
	}
}

/*
 * The link to a function's folder names all bridges above it, the root's first.
 * The walk goes from its end to the first name that is no function: a root bus.
 */
static int is_path_apart(struct vio_host *host, char *target)
{
	struct vio_pci_addr addr;
	char *name;

	for (name = strrchr(target, '/'); name; name = strrchr(target, '/')) {
		if (vio_pci_addr_parse(name + 1, &addr))
			return 1;
		if (!is_apart(host, &addr))
			return 0;
		*name = '\0';
	}
	return 0;
}

int vio_host_read_acs(struct vio_host *host, struct vio_pci_info *info)
{
	char path[VIO_SYSFS_PATH_BYTES], target[PATH_MAX];
	char *last;
	int ret;

	ret = vio_sysfs_path(&info->addr, NULL, path);
	if (!ret)
		ret = vio_sysfs_read_target(host, path, target, sizeof(target));
	/* A copy of a tree that has folders for links does not say what is above. */
	if (ret == -EBADMSG)
		return 0;
	if (ret)
		return ret == -ENOENT ? -ENODEV : ret;
	/* A VF is an endpoint of its own, and may be in the middle of a reset. */
	last = strrchr(target, '/');
	if (info->flags & VIO_PCI_IS_VF && last)
		*last = '\0';
	if (is_path_apart(host, target))
		info->flags |= VIO_PCI_ACS_PATH;
	return 0;
}
