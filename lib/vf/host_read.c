/* SPDX-License-Identifier: MIT */
/*
 * One function, from the attributes of its folder. What identifies it is read
 * last: a function that went meanwhile is then not there any more, rather than
 * there with half of its attributes.
 *
 * Not read is what the kernel shows under the function's own lock, which it also
 * holds for as long as somebody keeps a VF that is being taken away, and while it
 * resets: sriov_numvfs and sriov_vf_total_msix never, driver_override only for who
 * asks for it, and then a VF that its PF no longer lists counts as gone before it is
 * touched. Configuration space waits for a reset as well, see VIO_READ_CONFIG.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "sys/sys.h"
#include "vf/host_read.h"
#include "vf/sysfs.h"

int vio_host_read_text(struct vio_host *host, const struct vio_pci_addr *addr,
		       const char *attr, char *buf, size_t n)
{
	char path[VIO_SYSFS_PATH_BYTES];
	const int ret = vio_sysfs_path(addr, attr, path);

	return ret ? ret : vio_sysfs_read(host, path, buf, n);
}

int vio_host_read_number(struct vio_host *host, const struct vio_pci_addr *addr,
			 const char *attr, uint64_t max, uint64_t *out)
{
	char path[VIO_SYSFS_PATH_BYTES];
	uint64_t value;
	int ret;

	ret = vio_sysfs_path(addr, attr, path);
	if (!ret)
		ret = vio_sysfs_read_u64(host, path, &value);
	if (ret)
		return vio_host_is_absent(ret) ? 0 : ret;
	if (value > max)
		return -EBADMSG;
	*out = value;
	return 0;
}

int vio_host_has_attr(struct vio_host *host, const struct vio_pci_addr *addr,
		      const char *attr)
{
	const struct vio_sys *sys = host->env->sys;
	char path[VIO_SYSFS_PATH_BYTES];
	int fd;

	fd = vio_sysfs_path(addr, attr, path);
	if (!fd)
		fd = vio_sysfs_open(host, path, O_PATH);
	if (fd < 0)
		return vio_host_is_absent(fd) ? 0 : fd;
	sys->close(sys->opaque, fd);
	return 1;
}

static int read_u32(struct vio_host *host, const struct vio_pci_addr *addr,
		    const char *attr, uint32_t max, uint32_t *out)
{
	uint64_t value = *out;
	const int ret = vio_host_read_number(host, addr, attr, max, &value);

	if (!ret)
		*out = (uint32_t)value;
	return ret;
}

/* -1 and no other negative number. */
static int read_node(struct vio_host *host, struct vio_pci_info *info)
{
	char text[32];
	uint64_t node;
	int ret;

	ret = vio_host_read_text(host, &info->addr, "numa_node", text, sizeof(text));
	if (ret < 0)
		return vio_host_is_absent(ret) ? 0 : ret;
	if (!strcmp(text, "-1"))
		return 0;
	ret = vio_sysfs_parse_u64(text, &node);
	if (ret)
		return ret;
	if (node > INT32_MAX)
		return -EBADMSG;
	info->numa_node = (int32_t)node;
	return 0;
}

/* A name that is shown and compared; what is written is checked more strictly. */
static int is_shown_name(const char *name)
{
	for (; *name; name++)
		if (*name < ' ' || *name > '~')
			return 0;
	return 1;
}

static int read_driver(struct vio_host *host, struct vio_pci_info *info)
{
	char path[VIO_SYSFS_PATH_BYTES], name[VIO_HOST_DRIVER_BYTES];
	int ret;

	ret = vio_sysfs_path(&info->addr, "driver", path);
	if (!ret)
		ret = vio_sysfs_read_link(host, path, name, sizeof(name));
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!is_shown_name(name))
		return -EBADMSG;
	memcpy(info->driver, name, strlen(name) + 1);
	return 0;
}

static int read_override(struct vio_host *host, struct vio_pci_info *info)
{
	char name[VIO_HOST_DRIVER_BYTES];
	int ret;

	ret = vio_host_read_text(host, &info->addr, "driver_override", name,
				 sizeof(name));
	if (ret < 0)
		return vio_host_is_absent(ret) ? 0 : ret;
	if (!strcmp(name, "(null)"))
		return 0;
	if (!is_shown_name(name))
		return -EBADMSG;
	memcpy(info->driver_override, name, strlen(name) + 1);
	return 0;
}

static uint32_t reset_method_of(const char *word, size_t n)
{
	static const struct {
		const char *name;
		uint32_t bit;
	} methods[] = {
		{ "device_specific", VIO_PCI_RESET_DEVICE },
		{ "acpi", VIO_PCI_RESET_ACPI },
		{ "flr", VIO_PCI_RESET_FLR },
		{ "af_flr", VIO_PCI_RESET_AF },
		{ "pm", VIO_PCI_RESET_PM },
		{ "bus", VIO_PCI_RESET_BUS },
		{ "cxl_bus", VIO_PCI_RESET_CXL },
	};

	for (size_t i = 0; i < VIO_ARRAY_SIZE(methods); i++)
		if (strlen(methods[i].name) == n && !memcmp(methods[i].name, word, n))
			return methods[i].bit;
	return 0; /* a later kernel's */
}

static int read_reset_methods(struct vio_host *host, struct vio_pci_info *info)
{
	char text[128]; /* all seven take 44 */
	const char *at = text;
	int ret;

	ret = vio_host_read_text(host, &info->addr, "reset_method", text, sizeof(text));
	if (ret < 0)
		return vio_host_is_absent(ret) ? 0 : ret;
	for (at += strspn(at, " "); *at; at += strspn(at, " ")) {
		const size_t n = strcspn(at, " ");

		info->reset_methods |= reset_method_of(at, n);
		at += n;
	}
	return 0;
}

struct place {
	const struct vio_pci_addr *vf;
	uint32_t index;
};

static int is_same(const struct vio_pci_addr *a, const struct vio_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->device == b->device &&
	       a->function == b->function;
}

static int find_place(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	struct place *place = opaque;

	if (!is_same(vf, place->vf))
		return 0;
	place->index = index;
	return 1;
}

static int read_vf(struct vio_host *host, uint32_t vf_index, struct vio_pci_info *info)
{
	struct place place = { &info->addr, vf_index };
	int ret = 1;

	if (vf_index == VIO_VF_INDEX_ANY)
		ret = vio_host_foreach_link(host, &info->physfn, find_place, &place);
	if (ret < 0)
		return ret == -ENOENT ? -ENODEV : ret;
	if (!ret)
		return -ENODEV;
	info->flags |= VIO_PCI_IS_VF;
	info->vf_index = place.index;
	return read_u32(host, &info->addr, "sriov_vf_msix_count", 2048,
			&info->n_vf_msix);
}

static int count_vf(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	uint32_t *n = opaque;

	(void)index;
	(void)vf;
	++*n;
	return 0;
}

static int read_pf(struct vio_host *host, struct vio_pci_info *info)
{
	uint32_t autoprobe = 0;
	int ret;

	/* A function without the attribute is none that can make VFs. */
	ret = vio_host_has_attr(host, &info->addr, "sriov_totalvfs");
	if (ret <= 0)
		return ret;
	info->flags |= VIO_PCI_IS_PF;
	ret = read_u32(host, &info->addr, "sriov_totalvfs", UINT16_MAX,
		       &info->total_vfs);
	if (!ret)
		ret = read_u32(host, &info->addr, "sriov_drivers_autoprobe", 1,
			       &autoprobe);
	if (!ret)
		ret = vio_host_foreach_link(host, &info->addr, count_vf, &info->n_vfs);
	if (!ret)
		ret = vio_host_has_attr(host, &info->addr, "sriov_vf_total_msix");
	if (ret < 0)
		return ret;
	if (ret)
		info->flags |= VIO_PCI_VF_MSIX;
	if (autoprobe)
		info->flags |= VIO_PCI_AUTOPROBE;
	return 0;
}

/* A VF or a PF, or neither. */
static int
read_sriov(struct vio_host *host, uint32_t vf_index, struct vio_pci_info *info)
{
	char path[VIO_SYSFS_PATH_BYTES], name[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	ret = vio_sysfs_path(&info->addr, "physfn", path);
	if (!ret)
		ret = vio_sysfs_read_link(host, path, name, sizeof(name));
	if (ret == -ENOENT)
		return read_pf(host, info);
	if (ret)
		return ret;
	if (vio_pci_addr_parse(name, &info->physfn))
		return -EBADMSG;
	return read_vf(host, vf_index, info);
}

static int read_identity(struct vio_host *host, struct vio_pci_info *info)
{
	static const struct {
		const char *attr;
		size_t offset;
		uint32_t max;
	} fields[] = {
		{ "class", offsetof(struct vio_pci_info, class_code), 0xffffff },
		{ "device", offsetof(struct vio_pci_info, device_id), UINT16_MAX },
		{ "vendor", offsetof(struct vio_pci_info, vendor_id), UINT16_MAX },
	};
	char path[VIO_SYSFS_PATH_BYTES];
	uint64_t value;
	uint32_t id;
	int ret;

	for (size_t i = 0; i < VIO_ARRAY_SIZE(fields); i++) {
		ret = vio_sysfs_path(&info->addr, fields[i].attr, path);
		if (!ret)
			ret = vio_sysfs_read_u64(host, path, &value);
		if (ret)
			return ret == -ENOENT ? -ENODEV : ret;
		if (value > fields[i].max)
			return -EBADMSG;
		id = (uint32_t)value;
		memcpy((char *)info + fields[i].offset, &id, sizeof(id));
	}
	return 0;
}

static int read_parts(struct vio_host *host, uint32_t wanted, struct vio_pci_info *info)
{
	static const struct {
		int (*read)(struct vio_host *host, struct vio_pci_info *info);
		uint32_t part; /* 0: always */
	} parts[] = {
		{ read_node, 0 },
		{ read_driver, 0 },
		{ read_override, VIO_READ_OVERRIDE },
		{ read_reset_methods, 0 },
		{ vio_host_read_netdev, 0 },
		{ vio_host_read_group, 0 },
		{ vio_host_read_acs, VIO_READ_CONFIG },
		{ read_identity, 0 },
	};
	int ret = vio_host_read_bars(host, wanted, info);

	for (size_t i = 0; !ret && i < VIO_ARRAY_SIZE(parts); i++)
		if (!parts[i].part || wanted & parts[i].part)
			ret = parts[i].read(host, info);
	return ret;
}

int vio_host_read_info(struct vio_host *host, const struct vio_pci_addr *addr,
		       uint32_t vf_index, uint32_t parts, struct vio_pci_info *info)
{
	static const struct vio_pci_info empty = VIO_PCI_INFO_INIT;
	int ret;

	*info = empty;
	info->addr = *addr;
	info->numa_node = -1;
	info->iommu_group = -1;
	ret = read_sriov(host, vf_index, info);
	return ret ? ret : read_parts(host, parts, info);
}

/* One line for what went wrong with one function. */
static int fail_function(struct vio_error *err, int code, const char *text)
{
	switch (code) {
	case -ENODEV:
		return vio_fail(err, code, "%s: no such function", text);
	case -EBADMSG:
		return vio_fail(err, code, "%s: sysfs says what cannot be", text);
	default:
		return vio_fail(err, code, "%s: sysfs cannot be read", text);
	}
}

int vio_host_read_function_parts(struct vio_host *host, const struct vio_pci_addr *addr,
				 uint32_t parts, struct vio_pci_info *info,
				 struct vio_error *err)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_pci_info found;
	int ret;

	if (vio_pci_addr_print(addr, text) < 0)
		return vio_fail(err, -EINVAL, "function: the address is out of range");
	if (!info || info->size < sizeof(found))
		return vio_fail(err, -EINVAL, "%s: no room for what there is to know",
				text);
	ret = vio_host_read_info(host, addr, VIO_VF_INDEX_ANY, parts, &found);
	if (ret)
		return fail_function(err, ret, text);
	return vio_params_fill(info, sizeof(found), &found, sizeof(found));
}

int vio_host_read_function(struct vio_host *host, const struct vio_pci_addr *addr,
			   struct vio_pci_info *info, struct vio_error *err)
{
	return vio_host_read_function_parts(host, addr, vio_host_get_parts(host), info,
					    err);
}
