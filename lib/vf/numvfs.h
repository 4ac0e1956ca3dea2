/* SPDX-License-Identifier: MIT */
/*
 * Plans on a PF: its number of VFs from one to another, and back. The lease of such
 * a plan is that of vio_lease_open_pf(), its record has both numbers.
 */
#ifndef VIO_VF_NUMVFS_H
#define VIO_VF_NUMVFS_H

#include "vf/plan.h"

extern const struct vio_plan_list vio_numvfs_change;

/* To undo a change: the number before, which then is the only one to recover to. */
extern const struct vio_plan_list vio_numvfs_restore;

/* The end of both: VFs that nobody holds are offered to drivers, the PF is free. */
extern const struct vio_plan_list vio_numvfs_commit;

/* After a crash, undoing alone: one of the numbers, whichever is nearer. */
extern const struct vio_plan_list vio_numvfs_recover;

/* How many VFs there are, by their links; or -errno. */
int vio_numvfs_count(struct vio_host *host, const struct vio_pci_addr *pf);

#endif /* VIO_VF_NUMVFS_H */
