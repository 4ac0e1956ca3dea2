/* SPDX-License-Identifier: MIT */
/*
 * How long the kernel is at what the library has it do, told by the system calls
 * themselves and not by the library: a table around the real one that looks at the
 * clock before and after each call that a lent thread makes. What two threads do at
 * the same time counts once.
 */
#ifndef VIO_TESTS_GUEST_KERNEL_TIMES_H
#define VIO_TESTS_GUEST_KERNEL_TIMES_H

#include <stdint.h>

#include "sys/sys.h"

struct kernel_times {
	uint64_t all_ns;     /* in any of the next three */
	uint64_t numvfs_ns;  /* sriov_numvfs: VFs removed and made */
	uint64_t driver_ns;  /* drivers unbound, named and probed */
	uint64_t reset_ns;   /* functions reset, by sysfs or as VFIO closes them */
	uint64_t setting_ns; /* rtnetlink and the NVMe controller; not in all_ns */
};

/* The table, for owner_open_on(). */
const struct vio_sys *kernel_times_open(void);

/* Forgets what was; nothing is under way. */
void kernel_times_restart(void);

struct kernel_times kernel_times_get(void);

#endif
