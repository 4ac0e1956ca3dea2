/* SPDX-License-Identifier: MIT */
/*
 * A VF's rates, through rtnetlink, which has them in Mbit/s. The old message has the
 * maximum alone and the new one both; so a minimum goes with the maximum that is there.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/list.h"
#include "limit_hw/limit_hw.h"
#include "vf/host_read.h"
#include "vf/setting_kind.h"

/* Of the PF nothing else is read: some of it waits for a reset. */
static int find_interface(struct vio_limit_hw *hw,
			  const struct vio_limit_hw_params *params, uint32_t *out_mbps,
			  struct vio_error *err)
{
	struct vio_pci_info pf = VIO_PCI_INFO_INIT;
	int ret;

	pf.addr = params->pf;
	ret = vio_host_read_netdev(params->host, &pf);
	if (!ret && !pf.ifindex)
		ret = vio_setting_explain_missing(params->host, &params->pf);
	if (ret)
		return vio_fail(err, ret, "%s: the PF's network interface: %s",
				hw->name, vio_explain(ret));
	hw->netlink.ifindex = pf.ifindex;
	snprintf(hw->remedy, sizeof(hw->remedy),
		 "min_tx_rate 1 (ip link set dev %s vf %u min_tx_rate 0 undoes it)",
		 pf.netdev, params->vf_index);
	*out_mbps = pf.link_mbps;
	return 0;
}

static int prepare(struct vio_limit_hw *hw, const struct vio_limit_hw_params *params,
		   struct vio_error *err)
{
	char pf[VIO_PCI_ADDR_TEXT_BYTES];
	uint32_t mbps = 0;
	int ret;

	if (!params->host || params->host->env != hw->env)
		return vio_fail(err, -EINVAL, "host: none, or of another context");
	if (params->flags & ~VIO_LIMIT_HW_NO_TRIALS)
		return vio_fail(err, -EINVAL, "flags: 0x%x is not for a VF",
				params->flags);
	ret = vio_pci_addr_print(&params->pf, pf);
	if (ret < 0)
		return vio_fail(err, ret, "pf: not an address");
	snprintf(hw->name, sizeof(hw->name), "VF %u of %s", params->vf_index, pf);
	hw->netlink = (struct vio_netlink_call){
		.env = hw->env,
		.async = hw->async,
		.vf.index = params->vf_index,
	};
	ret = find_interface(hw, params, &mbps, err);
	if (ret)
		return ret;
	hw->caps.bytes_least = VIO_HW_MBPS;
	hw->caps.bytes_step = VIO_HW_MBPS;
	hw->caps.bytes_most = mbps ? vio_min_u64(mbps * VIO_HW_MBPS, VIO_LIMIT_RATE_MAX)
				   : VIO_LIMIT_RATE_MAX;
	return 0;
}

static struct vio_limit_hw *hw_of(struct vio_netlink_call *call)
{
	return VIO_CONTAINER_OF(call, struct vio_limit_hw, netlink);
}

static void read_done(struct vio_netlink_call *call, int result)
{
	struct vio_limit_hw *hw = hw_of(call);

	if (result) {
		vio_hw_resume(hw, result);
		return;
	}
	hw->known = 0;
	hw->now = (struct vio_hw_values){
		.bytes = { call->vf.max_tx_mbps * VIO_HW_MBPS },
		.assured_bytes = call->vf.min_tx_mbps * VIO_HW_MBPS,
	};
	if (call->vf.fields & VIO_NETLINK_MAX_RATE)
		hw->known |= VIO_LIMIT_HW_CEILING_BYTES;
	if (call->vf.fields & VIO_NETLINK_MIN_RATE)
		hw->known |= VIO_LIMIT_HW_ASSURED_BYTES;
	vio_hw_resume(hw, 0);
}

static int read_values(struct vio_limit_hw *hw)
{
	hw->netlink.done = read_done;
	return vio_netlink_read_vf(&hw->netlink);
}

static void set_done(struct vio_netlink_call *call, int result)
{
	vio_hw_resume(hw_of(call), result);
}

static int
set_values(struct vio_limit_hw *hw, uint32_t fields, const struct vio_hw_values *values)
{
	struct vio_netlink_vf *vf = &hw->netlink.vf;
	uint64_t max = hw->now.bytes[0];

	if (fields & VIO_LIMIT_HW_CEILING_BYTES)
		max = values->bytes[0];
	else if (!(hw->known & VIO_LIMIT_HW_CEILING_BYTES))
		return -ENODATA; /* rather than an end to a maximum of another's */
	vf->fields = VIO_NETLINK_MAX_RATE;
	vf->max_tx_mbps = (uint32_t)(max / VIO_HW_MBPS);
	if (fields & VIO_LIMIT_HW_ASSURED_BYTES) {
		vf->fields |= VIO_NETLINK_MIN_RATE;
		vf->min_tx_mbps = (uint32_t)(values->assured_bytes / VIO_HW_MBPS);
	}
	hw->netlink.done = set_done;
	return vio_netlink_set_vf(&hw->netlink);
}

const struct vio_hw_kind vio_hw_vf = {
	.prepare = prepare,
	.read = read_values,
	.set = set_values,
};
