/* SPDX-License-Identifier: MIT */
/*
 * devlink, and what Linux 6.1's headers lack of it: the weight of a rate came with
 * Linux 6.3. A kernel before that does not tell of it.
 */
#ifndef VIO_SYS_UAPI_DEVLINK_H
#define VIO_SYS_UAPI_DEVLINK_H

#include <linux/devlink.h>
#include <linux/genetlink.h>
#include <linux/netlink.h>

/* DEVLINK_ATTR_RATE_TX_WEIGHT; the priority is between the two. */
#define VIO_UAPI_RATE_TX_WEIGHT (DEVLINK_ATTR_SELFTESTS + 2)

#endif /* VIO_SYS_UAPI_DEVLINK_H */
