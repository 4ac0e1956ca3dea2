/* SPDX-License-Identifier: MIT */
/*
 * Settings that the PF's network driver holds, by rtnetlink. The kernel takes both
 * rates in one message, so a minimum alone is set beside the maximum it has; a
 * maximum alone has a message of its own that leaves the minimum.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/list.h"
#include "vf/setting_kind.h"
#include "vf/sysfs.h"

#define VLAN_8021Q 0x8100u

#define NET_FIELDS                                                                     \
	(VIO_VF_MAC | VIO_VF_VLAN | VIO_VF_MIN_RATE | VIO_VF_MAX_RATE |                \
	 VIO_VF_SPOOFCHK | VIO_VF_TRUST | VIO_VF_LINK)

/* The same bits on both sides, so that they need no translation. */
_Static_assert(NET_FIELDS ==
		       (VIO_NETLINK_MAC | VIO_NETLINK_VLAN | VIO_NETLINK_MIN_RATE |
			VIO_NETLINK_MAX_RATE | VIO_NETLINK_SPOOFCHK |
			VIO_NETLINK_TRUST | VIO_NETLINK_LINK),
	       "fields");
_Static_assert((uint32_t)VIO_NETLINK_MAC == VIO_VF_MAC &&
		       (uint32_t)VIO_NETLINK_VLAN == VIO_VF_VLAN &&
		       (uint32_t)VIO_NETLINK_MIN_RATE == VIO_VF_MIN_RATE &&
		       (uint32_t)VIO_NETLINK_MAX_RATE == VIO_VF_MAX_RATE &&
		       (uint32_t)VIO_NETLINK_SPOOFCHK == VIO_VF_SPOOFCHK &&
		       (uint32_t)VIO_NETLINK_TRUST == VIO_VF_TRUST &&
		       (uint32_t)VIO_NETLINK_LINK == VIO_VF_LINK,
	       "fields");

static struct vio_netlink_vf vf_of(const struct vio_vf_config *config, uint32_t index)
{
	struct vio_netlink_vf vf = {
		.index = index,
		.fields = config->fields & NET_FIELDS,
		.vlan = config->vlan,
		.qos = config->qos,
		.vlan_protocol =
			(uint16_t)(config->vlan_protocol ? config->vlan_protocol
							 : VLAN_8021Q),
		.min_tx_mbps = config->min_tx_mbps,
		.max_tx_mbps = config->max_tx_mbps,
		.spoofchk = config->spoofchk,
		.trust = config->trust,
		.link_state = config->link_state,
	};

	memcpy(vf.mac, config->mac, sizeof(vf.mac));
	return vf;
}

static void fill_config(struct vio_vf_config *config, const struct vio_netlink_vf *vf)
{
	config->fields |= vf->fields;
	memcpy(config->mac, vf->mac, sizeof(config->mac));
	config->vlan = vf->vlan;
	config->qos = vf->qos;
	config->vlan_protocol = vf->vlan_protocol;
	config->min_tx_mbps = vf->min_tx_mbps;
	config->max_tx_mbps = vf->max_tx_mbps;
	config->spoofchk = vf->spoofchk;
	config->trust = vf->trust;
	config->link_state = vf->link_state;
}

static int read_ifindex(struct vio_setting *setting, uint32_t *out)
{
	const struct vio_pci_addr *pf = &setting->call->pf;
	char name[VIO_HOST_NETDEV_BYTES], folder[VIO_SYSFS_PATH_BYTES];
	char path[VIO_SYSFS_PATH_BYTES + VIO_HOST_NETDEV_BYTES + 16];
	uint64_t ifindex;
	int ret;

	ret = vio_setting_find_name(setting->host, pf, "net", name, sizeof(name));
	if (!ret)
		ret = vio_sysfs_path(pf, "net", folder);
	if (ret)
		return ret;
	snprintf(path, sizeof(path), "%s/%s/ifindex", folder, name);
	ret = vio_sysfs_read_u64(setting->host, path, &ifindex);
	if (ret)
		return ret == -ENOENT ? -ENODEV : ret;
	if (!ifindex || ifindex > INT32_MAX)
		return -EBADMSG;
	*out = (uint32_t)ifindex;
	return 0;
}

static int prepare_call(struct vio_setting *setting,
			void (*done)(struct vio_netlink_call *netlink, int result))
{
	struct vio_netlink_call *netlink = &setting->netlink;

	*netlink = (struct vio_netlink_call){
		.env = setting->host->env,
		.async = setting->host->async,
		.vf = vf_of(&setting->call->config, setting->call->vf_index),
		.done = done,
	};
	return read_ifindex(setting, &netlink->ifindex);
}

/* A VLAN protocol that the driver has not is told apart by some drivers only. */
static void set_done(struct vio_netlink_call *netlink, int result)
{
	struct vio_setting *setting =
		VIO_CONTAINER_OF(netlink, struct vio_setting, netlink);

	setting->ended(setting, result == -EPROTONOSUPPORT ? -EOPNOTSUPP : result);
}

static void read_done(struct vio_netlink_call *netlink, int result)
{
	struct vio_setting *setting =
		VIO_CONTAINER_OF(netlink, struct vio_setting, netlink);

	if (!result)
		fill_config(&setting->call->config, &netlink->vf);
	setting->ended(setting, result);
}

static void rates_read(struct vio_netlink_call *netlink, int result)
{
	struct vio_setting *setting =
		VIO_CONTAINER_OF(netlink, struct vio_setting, netlink);
	const uint32_t max_tx_mbps = netlink->vf.max_tx_mbps;

	if (!result && !(netlink->vf.fields & VIO_NETLINK_MAX_RATE))
		result = -EOPNOTSUPP;
	if (!result) {
		netlink->vf = vf_of(&setting->call->config, setting->call->vf_index);
		netlink->vf.fields |= VIO_NETLINK_MAX_RATE;
		netlink->vf.max_tx_mbps = max_tx_mbps;
		netlink->done = set_done;
		result = vio_netlink_set_vf(netlink);
	}
	if (result)
		setting->ended(setting, result);
}

static int net_set(struct vio_setting *setting)
{
	const int is_minimum = setting->call->config.fields == VIO_VF_MIN_RATE;
	int ret;

	ret = prepare_call(setting, is_minimum ? rates_read : set_done);
	if (ret)
		return ret;
	return is_minimum ? vio_netlink_read_vf(&setting->netlink)
			  : vio_netlink_set_vf(&setting->netlink);
}

static int net_read(struct vio_setting *setting)
{
	const int ret = prepare_call(setting, read_done);

	return ret ? ret : vio_netlink_read_vf(&setting->netlink);
}

const struct vio_setting_kind vio_setting_net = {
	.fields = NET_FIELDS,
	.set = net_set,
	.read = net_read,
};
