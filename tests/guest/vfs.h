/* SPDX-License-Identifier: MIT */
/*
 * The VFs that the programs about claims use: three of the emulated igb and three of
 * the NVMe controller. They differ, so that what is put back is told from what any
 * VF would have: bound and not, with an administrator's MAC and VLAN and without,
 * with an override and without.
 */
#ifndef VIO_TESTS_GUEST_VFS_H
#define VIO_TESTS_GUEST_VFS_H

#include "guest.h"

#define VFS         6u
#define VFS_NETWORK 3u /* the first ones */
#define VFS_IGB     "/sys/bus/pci/devices/0000:01:00.0"
#define VFS_NVME    "/sys/bus/pci/devices/0000:02:00.0"

extern const char *const vfs_names[VFS];

/* What the kernel says of a function; empty: none. */
struct function_state {
	char driver[32];
	char driver_override[32];
};

void function_read_state(const char *name, struct function_state *out);

/* Makes them and keeps what they are. 0 or -1, for a group's set-up. */
int vfs_create(void);
int vfs_destroy(void);

/* The test fails if a driver, an override or a setting is not as it was made. */
void vfs_assert_as_before(void);

/* Has ip's text of that network VF this in it? */
int vfs_has_link(uint32_t vf, const char *text);

/* All that ip says of that network VF. */
#define VFS_LINK_BYTES 512
void vfs_read_link(uint32_t vf, char out[VFS_LINK_BYTES]);

/* How many VFs a PF has, by their links. */
uint32_t vfs_count(const char *pf);

#endif
