/* SPDX-License-Identifier: MIT */
/*
 * One question to rtnetlink about one VF, and its answer, without blocking: the kernel
 * keeps a lock for seconds while VFs are made. See netlink_ask.h.
 */
#ifndef VIO_SYS_NETLINK_H
#define VIO_SYS_NETLINK_H

#include <stddef.h>
#include <stdint.h>

#include "sys/netlink_ask.h"

/* Settings of a VF, for fields of struct vio_netlink_vf. */
#define VIO_NETLINK_MAC      (1u << 0)
#define VIO_NETLINK_VLAN     (1u << 1)
#define VIO_NETLINK_MIN_RATE (1u << 2)
#define VIO_NETLINK_MAX_RATE (1u << 3)
#define VIO_NETLINK_SPOOFCHK (1u << 4)
#define VIO_NETLINK_TRUST    (1u << 5)
#define VIO_NETLINK_LINK     (1u << 6)

/* Of a VF, in rtnetlink's units and numbers (linux/if_link.h). */
struct vio_netlink_vf {
	uint32_t index;
	uint32_t fields;
	uint8_t mac[6];
	uint16_t vlan_protocol; /* as ETH_P_8021Q */
	uint32_t vlan;
	uint32_t qos;
	uint32_t min_tx_mbps;
	uint32_t max_tx_mbps;
	uint32_t spoofchk;
	uint32_t trust;
	uint32_t link_state;
};

/* The owner's memory until done. */
struct vio_netlink_call {
	const struct vio_env *env;
	struct vio_async *async;
	uint32_t ifindex; /* of the PF's network interface */
	struct vio_netlink_vf vf;
	/*
	 * In dispatch, exactly once. 0, or what the kernel answered; -ENODEV: no
	 * such VF, or no interface; -EOPNOTSUPP: the driver tells nothing of it;
	 * -ENOBUFS: the answer was lost, and it is not known whether the kernel did
	 * as asked; -EBADMSG: an answer that makes no sense; -ECANCELED: as
	 * vio_async_call.
	 */
	void (*done)(struct vio_netlink_call *call, int result);

	struct vio_netlink_ask ask; /* netlink.c's */
};

/*
 * Set the fields of call->vf. A minimum rate needs the maximum beside it: the
 * kernel takes both at once. A VLAN that is not of 802.1Q is set by itself.
 *
 * Both: 0: done will be called, once the kernel has handled it; nothing takes a
 * question back, and a deadline is the caller's to keep. -EOPNOTSUPP: a build
 * without libnl, or there is no way to ask without blocking; -EAGAIN, -ECHILD: as
 * vio_async_submit(); -ENOMEM; -EMFILE and the like.
 */
int vio_netlink_set_vf(struct vio_netlink_call *call);

/* Fill call->vf from the kernel; its fields say what the kernel knows. */
int vio_netlink_read_vf(struct vio_netlink_call *call);

#endif /* VIO_SYS_NETLINK_H */
