/* SPDX-License-Identifier: MIT */
/*
 * What a claimed VF is made of. A VF has one operation at a time; while it runs,
 * everything else is -EBUSY.
 */
#ifndef VIO_VF_VF_H
#define VIO_VF_VF_H

#include <vio/resize.h>

#include "core/list.h"
#include "vf/host.h"

struct vio_task;
struct vio_lease_file; /* lease.c: lock and journal */
struct vio_vfio;

#define VIO_MDEV_BYTES    37u /* a UUID as text */
#define VIO_VF_NAME_BYTES VIO_MDEV_BYTES

struct vio_vf {
	struct vio_list node; /* in host->vfs */
	struct vio_host *host;
	struct vio_vf_info info; /* state included */
	struct vio_lease_file *lease;
	struct vio_vfio *vfio; /* open through VFIO, or NULL */
	/* The operation under way; done is NULL where there is none. */
	vio_vf_done_fn done;
	void *done_opaque;
	struct vio_pause_ops pause_ops; /* callbacks NULL: it cannot be paused */
	/* Of a pause that waits for the user: run when an operation ends. Or NULL. */
	struct vio_task *waiter;
	/*
	 * A mediated device: nobody's claim, made to be opened, and gone once it is
	 * closed. Empty: a VF, and what this is named by is its address.
	 */
	char mdev[VIO_MDEV_BYTES];
};

/* As in sysfs, and in every line about it. */
void vio_vf_print_name(const struct vio_vf *vf, char name[VIO_VF_NAME_BYTES]);

/*
 * Begins an operation: -EBUSY if one is under way, or the VF is paused (or, with
 * @closed_only, if the function is open or asked to be closed), -ENODEV if the VF is
 * lost, -ECHILD in a forked child. The first only asks.
 */
int vio_vf_check(const struct vio_vf *vf, int closed_only, struct vio_error *err);
int vio_vf_begin(struct vio_vf *vf, int closed_only, vio_vf_done_fn done, void *opaque,
		 struct vio_error *err);

/*
 * Ends it: state back to @state, then done is called, which may destroy anything.
 * @err may be NULL with a result of 0.
 */
void vio_vf_end(struct vio_vf *vf, uint32_t state, int result,
		const struct vio_error *err);

#endif /* VIO_VF_VF_H */
