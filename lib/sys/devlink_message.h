/* SPDX-License-Identifier: MIT */
/* Messages of devlink about rates, as bytes: devlink.c sends and receives them. */
#ifndef VIO_SYS_DEVLINK_MESSAGE_H
#define VIO_SYS_DEVLINK_MESSAGE_H

#include "sys/devlink.h"
#include "sys/netlink_attr.h"

/* Bytes written to @buf, of VIO_NETLINK_REQUEST_BYTES: room for the longest of all. */
uint32_t vio_devlink_build_family(char *buf);
uint32_t vio_devlink_build(uint32_t family, uint32_t command,
			   const struct vio_devlink_target *target,
			   const struct vio_devlink_rate *rate, char *buf);

/* One datagram, as vio_netlink_ask.parse; -EOPNOTSUPP: there is no such family. */
int vio_devlink_parse_family(const void *data, size_t n, uint32_t *out_family,
			     int *out_result);

/* @rate NULL: an acknowledgement is awaited. */
int vio_devlink_parse(const void *data, size_t n, uint32_t family,
		      const struct vio_devlink_target *target,
		      struct vio_devlink_rate *rate, int *out_result);

#endif /* VIO_SYS_DEVLINK_MESSAGE_H */
