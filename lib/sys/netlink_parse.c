/* SPDX-License-Identifier: MIT */
/*
 * Answers. Each length is checked against what is left of its surroundings, and
 * each step takes at least a header's bytes, so that a datagram bounds the work
 * whatever it says. A message that is broken anywhere before what is looked for is
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
#include "sys/netlink_message.h"

#define ERRNO_MAX 4095 /* as the kernel's IS_ERR() */

struct bytes {
	const char *at;
	size_t n;
};

/* One VF of the list. */
struct entry {
	struct vio_netlink_vf vf;
	bool has_index;
};

/* Takes @n bytes and the padding behind them off, or what there is of that. */
static void skip(struct bytes *rest, size_t n)
{
	const size_t whole = (n + 3) & ~(size_t)3;

	n = whole < rest->n ? whole : rest->n;
	rest->at += n;
	rest->n -= n;
}

/* 1: one was taken off; 0: none is left; -EBADMSG. */
static int take_attr(struct bytes *rest, uint16_t *out_type, struct bytes *out)
{
	struct nlattr attr;

	if (!rest->n)
		return 0;
	if (rest->n < sizeof(attr))
		return -EBADMSG;
	memcpy(&attr, rest->at, sizeof(attr));
	if (attr.nla_len < sizeof(attr) || attr.nla_len > rest->n)
		return -EBADMSG;
	*out_type = attr.nla_type & NLA_TYPE_MASK;
	out->at = rest->at + sizeof(attr);
	out->n = attr.nla_len - sizeof(attr);
	skip(rest, attr.nla_len);
	return 1;
}

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
static int store(struct entry *entry, struct bytes data, size_t n,
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
static int store_vlan_list(struct entry *entry, struct bytes list)
{
	struct bytes data;
	uint16_t type;
	int ret;

	while ((ret = take_attr(&list, &type, &data)) > 0)
		if (type == IFLA_VF_VLAN_INFO)
			return store(entry, data, sizeof(struct ifla_vf_vlan_info),
				     store_vlan);
	return ret;
}

static int store_attr(struct entry *entry, uint16_t type, struct bytes data)
{
	if (type == IFLA_VF_VLAN_LIST)
		return store_vlan_list(entry, data);
	for (size_t i = 0; i < VIO_ARRAY_SIZE(vf_attrs); i++)
		if (vf_attrs[i].type == type)
			return store(entry, data, vf_attrs[i].n, vf_attrs[i].store);
	return 0;
}

static int parse_entry(struct bytes rest, struct entry *entry)
{
	struct bytes data;
	uint16_t type;
	int ret;

	*entry = (struct entry){ 0 };
	while ((ret = take_attr(&rest, &type, &data)) > 0) {
		ret = store_attr(entry, type, data);
		if (ret)
			break;
	}
	return ret;
}

/* 0: found and copied; -ENODEV: not there. */
static int find_entry(struct bytes list, struct vio_netlink_vf *vf)
{
	struct entry entry;
	struct bytes data;
	uint16_t type;
	int ret;

	while ((ret = take_attr(&list, &type, &data)) > 0) {
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

static int parse_link(struct bytes rest, uint32_t ifindex, struct vio_netlink_vf *vf)
{
	struct ifinfomsg link;
	uint32_t n_vfs = 0;
	struct bytes data;
	uint16_t type;
	int ret;

	if (rest.n < sizeof(link))
		return -EBADMSG;
	memcpy(&link, rest.at, sizeof(link));
	if ((uint32_t)link.ifi_index != ifindex)
		return -EBADMSG;
	skip(&rest, sizeof(link));
	while ((ret = take_attr(&rest, &type, &data)) > 0) {
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

static int parse_error(struct bytes body, bool is_set)
{
	int32_t code;

	if (body.n < sizeof(code))
		return -EBADMSG;
	memcpy(&code, body.at, sizeof(code));
	if (code > 0 || code < -ERRNO_MAX || (!code && !is_set))
		return -EBADMSG;
	return code;
}

static int parse_body(uint16_t type, struct bytes body, uint32_t ifindex,
		      struct vio_netlink_vf *vf)
{
	if (type == NLMSG_ERROR)
		return parse_error(body, !vf);
	if (type == NLMSG_OVERRUN)
		return -ENOBUFS;
	if (type == RTM_NEWLINK && vf)
		return parse_link(body, ifindex, vf);
	return -EBADMSG;
}

int vio_netlink_parse(const void *data, size_t n, uint32_t ifindex,
		      struct vio_netlink_vf *vf, int *out_result)
{
	struct bytes rest = { .at = data, .n = n };
	struct nlmsghdr header;

	while (rest.n) {
		struct bytes body;

		*out_result = -EBADMSG;
		if (rest.n < sizeof(header))
			return 1;
		memcpy(&header, rest.at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.n)
			return 1;
		body.at = rest.at + sizeof(header);
		body.n = header.nlmsg_len - sizeof(header);
		skip(&rest, header.nlmsg_len);
		if (header.nlmsg_seq != VIO_NETLINK_SEQUENCE)
			continue;
		*out_result = parse_body(header.nlmsg_type, body, ifindex, vf);
		return 1;
	}
	return 0;
}
