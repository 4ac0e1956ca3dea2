/* SPDX-License-Identifier: MIT */
/* Messages of rtnetlink about VFs, as bytes: netlink.c sends and receives them. */
#ifndef VIO_SYS_NETLINK_MESSAGE_H
#define VIO_SYS_NETLINK_MESSAGE_H

#include "sys/netlink.h"
#include "sys/netlink_attr.h"

/*
 * Bytes written to @buf, of VIO_NETLINK_REQUEST_BYTES; -EOPNOTSUPP: a build without
 * libnl; -ENOMEM; -EINVAL: no such field.
 */
int vio_netlink_build_set(uint32_t ifindex, const struct vio_netlink_vf *vf, char *buf);
int vio_netlink_build_read(uint32_t ifindex, char *buf);

/*
 * One datagram. 0: it does not answer. 1: it does, with *@out_result, 0 or -errno.
 * @vf NULL: the question was to set something, an acknowledgement answers it;
 * otherwise the VF of that index is looked for and filled in.
 */
int vio_netlink_parse(const void *data, size_t n, uint32_t ifindex,
		      struct vio_netlink_vf *vf, int *out_result);

#endif /* VIO_SYS_NETLINK_MESSAGE_H */
