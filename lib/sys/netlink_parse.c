/* SPDX-License-Identifier: MIT */
/*
 * Answers about VFs. A message that is broken anywhere before what is looked for is
 * no answer to believe: -EBADMSG.
 */
#include <endian.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdbool.h>
#include <string.h>

#include "core/bits.h"
#include "sys/netlink_attr.h"
#include "sys/netlink_message.h"

/* One VF of the list. */
struct entry {
	struct vio_netlink_vf vf;
	bool has_index;
};

static void store_mac(struct vio_netlink_vf *vf, const void *data)
{
	const struct ifla_vf_mac *mac = data;

	memcpy(vf->mac, mac->mac, sizeof(vf->mac));
	vf->fields |= VIO_NETLINK_MAC;
}

static void store_vlan(struct vio_netlink_vf *vf, const void *data)
{
	const struct ifla_vf_vlan_info *vlan = data;

	vf->vlan = vlan->vlan;
	vf->qos = vlan->qos;
	vf->vlan_protocol = be16toh(vlan->vlan_proto);
	vf->fields |= VIO_NETLINK_VLAN;
}

static void store_rate(struct vio_netlink_vf *vf, const void *data)
{
	const struct ifla_vf_rate *rate = data;

	vf->min_tx_mbps = rate->min_tx_rate;
	vf->max_tx_mbps = rate->max_tx_rate;
	vf->fields |= VIO_NETLINK_MIN_RATE | VIO_NETLINK_MAX_RATE;
}

/* -1 is how the kernel says that the driver did not tell. */
static void store_spoofchk(struct vio_netlink_vf *vf, const void *data)
{
	const struct ifla_vf_spoofchk *spoofchk = data;

	if (spoofchk->setting > 1)
		return;
	vf->spoofchk = spoofchk->setting;
	vf->fields |= VIO_NETLINK_SPOOFCHK;
}

static void store_trust(struct vio_netlink_vf *vf, const void *data)
{
	const struct ifla_vf_trust *trust = data;

	if (trust->setting > 1)
		return;
	vf->trust = trust->setting;
	vf->fields |= VIO_NETLINK_TRUST;
}

static void store_link(struct vio_netlink_vf *vf, const void *data)
{
	const struct ifla_vf_link_state *link = data;

	if (link->link_state > IFLA_VF_LINK_STATE_DISABLE)
		return;
	vf->link_state = link->link_state;
	vf->fields |= VIO_NETLINK_LINK;
}

static const struct {
	uint16_t type;
	uint16_t n;
	void (*store)(struct vio_netlink_vf *vf, const void *data);
} vf_attrs[] = {
	{ IFLA_VF_MAC, sizeof(struct ifla_vf_mac), store_mac },
	{ IFLA_VF_RATE, sizeof(struct ifla_vf_rate), store_rate },
	{ IFLA_VF_SPOOFCHK, sizeof(struct ifla_vf_spoofchk), store_spoofchk },
	{ IFLA_VF_TRUST, sizeof(struct ifla_vf_trust), store_trust },
	{ IFLA_VF_LINK_STATE, sizeof(struct ifla_vf_link_state), store_link },
};

/* Every setting begins with the VF's number, which is the same for all of a list. */
static int store(struct entry *entry, struct vio_bytes data, size_t n,
		 void (*store_data)(struct vio_netlink_vf *vf, const void *data))
{
	union {
		uint32_t index;
		struct ifla_vf_mac largest;
	} copy;

	if (data.n < n)
		return -EBADMSG;
	memcpy(&copy, data.at, n);
	if (entry->has_index && copy.index != entry->vf.index)
		return -EBADMSG;
	entry->has_index = true;
	entry->vf.index = copy.index;
	store_data(&entry->vf, &copy);
	return 0;
}

/* The first is the one that there is: MAX_VLAN_LIST_LEN is 1. */
static int store_vlan_list(struct entry *entry, struct vio_bytes list)
{
	struct vio_bytes data;
	uint16_t type;
	int ret;

	while ((ret = vio_netlink_take_attr(&list, &type, &data)) > 0)
		if (type == IFLA_VF_VLAN_INFO)
			return store(entry, data, sizeof(struct ifla_vf_vlan_info),
				     store_vlan);
	return ret;
}

static int store_attr(struct entry *entry, uint16_t type, struct vio_bytes data)
{
	if (type == IFLA_VF_VLAN_LIST)
		return store_vlan_list(entry, data);
	for (size_t i = 0; i < VIO_ARRAY_SIZE(vf_attrs); i++)
		if (vf_attrs[i].type == type)
			return store(entry, data, vf_attrs[i].n, vf_attrs[i].store);
	return 0;
}

static int parse_entry(struct vio_bytes rest, struct entry *entry)
{
	struct vio_bytes data;
	uint16_t type;
	int ret;

	*entry = (struct entry){ 0 };
	while ((ret = vio_netlink_take_attr(&rest, &type, &data)) > 0) {
		ret = store_attr(entry, type, data);
		if (ret)
			break;
	}
	return ret;
}

/* 0: found and copied; -ENODEV: not there. */
static int find_entry(struct vio_bytes list, struct vio_netlink_vf *vf)
{
	struct entry entry;
	struct vio_bytes data;
	uint16_t type;
	int ret;

	while ((ret = vio_netlink_take_attr(&list, &type, &data)) > 0) {
		if (type != IFLA_VF_INFO)
			continue;
		ret = parse_entry(data, &entry);
		if (ret)
			return ret;
		if (entry.has_index && entry.vf.index == vf->index) {
			*vf = entry.vf;
			return 0;
		}
	}
	return ret ? ret : -ENODEV;
}

/* There is such a VF, but the driver does not tell of it; or there is none. */
static int explain_missing(uint32_t n_vfs, const struct vio_netlink_vf *vf)
{
	return n_vfs > vf->index ? -EOPNOTSUPP : -ENODEV;
}

static int
parse_link(struct vio_bytes rest, uint32_t ifindex, struct vio_netlink_vf *vf)
{
	struct ifinfomsg link;
	uint32_t n_vfs = 0;
	struct vio_bytes data;
	uint16_t type;
	int ret;

	if (rest.n < sizeof(link))
		return -EBADMSG;
	memcpy(&link, rest.at, sizeof(link));
	if ((uint32_t)link.ifi_index != ifindex)
		return -EBADMSG;
	vio_netlink_skip(&rest, sizeof(link));
	while ((ret = vio_netlink_take_attr(&rest, &type, &data)) > 0) {
		if (type == IFLA_VFINFO_LIST)
			break;
		if (type == IFLA_NUM_VF && data.n >= sizeof(n_vfs))
			memcpy(&n_vfs, data.at, sizeof(n_vfs));
	}
	if (ret <= 0)
		return ret ? ret : explain_missing(n_vfs, vf);
	ret = find_entry(data, vf);
	/* Of another kind of network the address is longer, and not a MAC. */
	if (!ret && link.ifi_type != ARPHRD_ETHER)
		vf->fields &= ~VIO_NETLINK_MAC;
	return ret;
}

static int parse_body(uint16_t type, struct vio_bytes body, uint32_t ifindex,
		      struct vio_netlink_vf *vf)
{
	if (type == RTM_NEWLINK && vf)
		return parse_link(body, ifindex, vf);
	return vio_netlink_parse_error(type, body, !vf);
}

int vio_netlink_parse(const void *data, size_t n, uint32_t ifindex,
		      struct vio_netlink_vf *vf, int *out_result)
{
	struct vio_bytes body;
	uint16_t type;
	int ret;

	ret = vio_netlink_find_answer(data, n, &type, &body);
	if (!ret)
		return 0;
	*out_result = ret < 0 ? ret : parse_body(type, body, ifindex, vf);
	return 1;
}
