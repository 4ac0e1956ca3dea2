/* SPDX-License-Identifier: MIT */
/*
 * Programs that have a VF open. The kernel keeps whoever takes a VF away waiting until
 * the last of them has closed it, and says neither that nor which it is.
 */
#ifndef VIOCTL_USERS_H
#define VIOCTL_USERS_H

#include "vioctl.h"

/* For --timeout, in seconds. */
#define TIMEOUT_S_MAX 3600
#define TIMEOUT_HELP                                                                   \
	"  --timeout S   to wait for a program that has a VF open, in seconds (10)\n"

/*
 * Waits until none of @vfs is open, as far as this user may know, for @timeout_s at
 * most. An exit code; one that has not closed it is named.
 */
int users_wait(const struct vioctl *vioctl, const struct vio_pci_info *vfs, uint32_t n,
	       uint32_t timeout_s);

#endif /* VIOCTL_USERS_H */
