/* SPDX-License-Identifier: MIT */
/*
 * Questions, by libnl. It is given no socket: what it builds is copied out and
 * sent without it. Its small objects are of malloc(), as libnl has no other memory,
 * and are gone when a function of this file returns.
 */
#include <errno.h>
#include <string.h>

#include "sys/netlink_message.h"

#if VIO_HAVE_LIBNL

#include <endian.h>
#include <linux/if_ether.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/addr.h>
#include <netlink/msg.h>
#include <netlink/route/link.h>
#include <netlink/route/link/sriov.h>

/* A PF with many VFs has more counters than a message has room for. */
#ifndef RTEXT_FILTER_SKIP_STATS
#define RTEXT_FILTER_SKIP_STATS (1 << 3)
#endif

static int fill_mac(struct rtnl_link_vf *out, const struct vio_netlink_vf *vf)
{
	struct nl_addr *addr = nl_addr_build(AF_LLC, vf->mac, sizeof(vf->mac));

	if (!addr)
		return -ENOMEM;
	rtnl_link_vf_set_addr(out, addr);
	nl_addr_put(addr);
	return 0;
}

static int fill_vlan(struct rtnl_link_vf *out, const struct vio_netlink_vf *vf)
{
	nl_vf_vlans_t *vlans = NULL;

	if (rtnl_link_vf_vlan_alloc(&vlans, 1))
		return -ENOMEM;
	vlans->vlans[0].vf_vlan = vf->vlan;
	vlans->vlans[0].vf_vlan_qos = vf->qos;
	vlans->vlans[0].vf_vlan_proto = vf->vlan_protocol;
	rtnl_link_vf_set_vlans(out, vlans);
	rtnl_link_vf_vlan_put(vlans);
	return 0;
}

/* The old way leaves the minimum as it is, the new one sets both. */
static int fill_rate(struct rtnl_link_vf *out, const struct vio_netlink_vf *vf)
{
	struct nl_vf_rate rate = { .api = RTNL_LINK_VF_RATE_API_NEW,
				   .max_tx_rate = vf->max_tx_mbps,
				   .min_tx_rate = vf->min_tx_mbps };

	if (!(vf->fields & VIO_NETLINK_MAX_RATE))
		return -EINVAL;
	if (!(vf->fields & VIO_NETLINK_MIN_RATE))
		rate = (struct nl_vf_rate){ .api = RTNL_LINK_VF_RATE_API_OLD,
					    .rate = vf->max_tx_mbps };
	rtnl_link_vf_set_rate(out, &rate);
	return 0;
}

static int fill_vf(struct rtnl_link_vf *out, const struct vio_netlink_vf *vf)
{
	int ret = 0;

	rtnl_link_vf_set_index(out, vf->index);
	if (vf->fields & VIO_NETLINK_MAC)
		ret = fill_mac(out, vf);
	if (!ret && vf->fields & VIO_NETLINK_VLAN)
		ret = fill_vlan(out, vf);
	if (!ret && vf->fields & (VIO_NETLINK_MIN_RATE | VIO_NETLINK_MAX_RATE))
		ret = fill_rate(out, vf);
	if (vf->fields & VIO_NETLINK_SPOOFCHK)
		rtnl_link_vf_set_spoofchk(out, vf->spoofchk);
	if (vf->fields & VIO_NETLINK_TRUST)
		rtnl_link_vf_set_trust(out, vf->trust);
	if (vf->fields & VIO_NETLINK_LINK)
		rtnl_link_vf_set_linkstate(out, vf->link_state);
	return ret;
}

static int copy_out(struct nl_msg *msg, uint16_t type, uint16_t flags, char *buf)
{
	struct nlmsghdr *header = nlmsg_hdr(msg);

	if (header->nlmsg_len > VIO_NETLINK_REQUEST_BYTES)
		return -EINVAL;
	header->nlmsg_type = type;
	header->nlmsg_flags = flags;
	header->nlmsg_seq = VIO_NETLINK_SEQUENCE;
	header->nlmsg_pid = 0; /* the socket's, the kernel fills it in */
	memcpy(buf, header, header->nlmsg_len);
	return (int)header->nlmsg_len;
}

static int build_change(struct rtnl_link *link, struct rtnl_link *change, char *buf)
{
	struct nl_msg *msg;
	int ret;

	if (rtnl_link_build_change_request(link, change, 0, &msg))
		return -ENOMEM;
	/* libnl would have it make a link that is missing. */
	ret = copy_out(msg, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, buf);
	nlmsg_free(msg);
	return ret;
}

static int put_vlan(struct nl_msg *msg, const struct vio_netlink_vf *vf)
{
	struct ifla_vf_vlan_info info;
	struct nlattr *list, *entry, *vlans;

	memset(&info, 0, sizeof(info)); /* its padding as well */
	info.vf = vf->index;
	info.vlan = vf->vlan;
	info.qos = vf->qos;
	info.vlan_proto = htobe16(vf->vlan_protocol);
	list = nla_nest_start(msg, IFLA_VFINFO_LIST);
	entry = list ? nla_nest_start(msg, IFLA_VF_INFO) : NULL;
	vlans = entry ? nla_nest_start(msg, IFLA_VF_VLAN_LIST) : NULL;
	if (!vlans || nla_put(msg, IFLA_VF_VLAN_INFO, sizeof(info), &info))
		return -ENOMEM;
	nla_nest_end(msg, vlans);
	nla_nest_end(msg, entry);
	nla_nest_end(msg, list);
	return 0;
}

/*
 * Not by libnl's object: that compares the protocol with the one of plain VLANs as a
 * number, and copies any other as it is into a field of network order.
 */
static int build_vlan(uint32_t ifindex, const struct vio_netlink_vf *vf, char *buf)
{
	struct ifinfomsg link = { .ifi_index = (int)ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_SETLINK, 0);
	int ret = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &link, sizeof(link), NLMSG_ALIGNTO))
		ret = put_vlan(msg, vf);
	if (!ret)
		ret = copy_out(msg, RTM_SETLINK, NLM_F_REQUEST | NLM_F_ACK, buf);
	nlmsg_free(msg);
	return ret;
}

static int build_settings(uint32_t ifindex, const struct vio_netlink_vf *vf, char *buf)
{
	struct rtnl_link *link = rtnl_link_alloc();
	struct rtnl_link *change = rtnl_link_alloc();
	struct rtnl_link_vf *settings = rtnl_link_vf_alloc();
	int ret = -ENOMEM;

	if (link && change && settings) {
		ret = fill_vf(settings, vf);
		rtnl_link_set_ifindex(link, (int)ifindex);
	}
	if (!ret && rtnl_link_vf_add(change, settings))
		ret = -ENOMEM;
	if (!ret)
		ret = build_change(link, change, buf);
	if (settings)
		rtnl_link_vf_put(settings);
	rtnl_link_put(change);
	rtnl_link_put(link);
	return ret;
}

int vio_netlink_build_set(uint32_t ifindex, const struct vio_netlink_vf *vf, char *buf)
{
	if (!(vf->fields & VIO_NETLINK_VLAN) || vf->vlan_protocol == ETH_P_8021Q)
		return build_settings(ifindex, vf, buf);
	return vf->fields == VIO_NETLINK_VLAN ? build_vlan(ifindex, vf, buf) : -EINVAL;
}

int vio_netlink_build_read(uint32_t ifindex, char *buf)
{
	struct ifinfomsg link = { .ifi_index = (int)ifindex };
	struct nl_msg *msg = nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST);
	int ret = -ENOMEM;

	if (!msg)
		return -ENOMEM;
	if (!nlmsg_append(msg, &link, sizeof(link), NLMSG_ALIGNTO) &&
	    !nla_put_u32(msg, IFLA_EXT_MASK, RTEXT_FILTER_VF | RTEXT_FILTER_SKIP_STATS))
		ret = copy_out(msg, RTM_GETLINK, NLM_F_REQUEST, buf);
	nlmsg_free(msg);
	return ret;
}

#else

int vio_netlink_build_set(uint32_t ifindex, const struct vio_netlink_vf *vf, char *buf)
{
	(void)ifindex;
	(void)vf;
	(void)buf;
	return -EOPNOTSUPP;
}

int vio_netlink_build_read(uint32_t ifindex, char *buf)
{
	(void)ifindex;
	(void)buf;
	return -EOPNOTSUPP;
}

#endif
