/* SPDX-License-Identifier: MIT */
/*
 * The network interface of a function. Where there are several, as with ports that
 * stand for VFs, it is the one that was there first: the one of the lowest index.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "vf/host_read.h"
#include "vf/sysfs.h"

#define ATTR_BYTES 64u /* "net/", 15 bytes, "/carrier" */

struct search {
	struct vio_host *host;
	struct vio_pci_info *info;
};

static int read_attr(struct vio_host *host, const struct vio_pci_info *info,
		     const char *netdev, const char *attr, uint64_t *out)
{
	char path[ATTR_BYTES];

	snprintf(path, sizeof(path), "net/%s/%s", netdev, attr);
	return vio_host_read_number(host, &info->addr, path, INT32_MAX, out);
}

static int take_netdev(void *opaque, const char *name)
{
	struct search *search = opaque;
	struct vio_pci_info *info = search->info;
	const size_t n = strlen(name);
	uint64_t ifindex = 0;
	int ret;

	/* The kernel names none so; whoever did is not asked further. */
	if (n >= sizeof(info->netdev))
		return 0;
	ret = read_attr(search->host, info, name, "ifindex", &ifindex);
	if (ret || !ifindex || (info->ifindex && ifindex > info->ifindex))
		return ret;
	info->ifindex = (uint32_t)ifindex;
	memset(info->netdev, 0, sizeof(info->netdev));
	memcpy(info->netdev, name, n);
	return 0;
}

/* "-1" where the speed is not known; -EINVAL while the interface is down. */
static int read_speed(struct vio_host *host, struct vio_pci_info *info)
{
	char path[ATTR_BYTES], text[32];
	uint64_t mbps;
	int ret;

	snprintf(path, sizeof(path), "net/%s/speed", info->netdev);
	ret = vio_host_read_text(host, &info->addr, path, text, sizeof(text));
	if (ret < 0)
		return vio_host_is_absent(ret) ? 0 : ret;
	if (!strcmp(text, "-1"))
		return 0;
	ret = vio_sysfs_parse_u64(text, &mbps);
	if (ret)
		return ret;
	if (mbps > INT32_MAX)
		return mbps == UINT32_MAX ? 0 : -EBADMSG;
	info->link_mbps = (uint32_t)mbps;
	return 0;
}

int vio_host_read_netdev(struct vio_host *host, struct vio_pci_info *info)
{
	struct search search = { host, info };
	char path[VIO_SYSFS_PATH_BYTES];
	uint64_t carrier = 0;
	int ret;

	ret = vio_sysfs_path(&info->addr, "net", path);
	if (!ret)
		ret = vio_sysfs_foreach(host, path, take_netdev, &search);
	if (ret)
		return ret == -ENOENT ? 0 : ret;
	if (!info->ifindex)
		return 0;
	ret = read_attr(host, info, info->netdev, "carrier", &carrier);
	if (ret)
		return ret;
	if (carrier)
		info->flags |= VIO_PCI_LINK_UP;
	return read_speed(host, info);
}
