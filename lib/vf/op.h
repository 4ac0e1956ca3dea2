/* SPDX-License-Identifier: MIT */
/* One operation on one claimed VF: its plan, and the VF it ends with. */
#ifndef VIO_VF_OP_H
#define VIO_VF_OP_H

#include "vf/plan.h"
#include "vf/vf.h"

#define VIO_OP_CLOSED   1u /* not while the function is open */
#define VIO_OP_RELEASES 2u /* also of a VF that is lost or paused */

struct vio_op {
	struct vio_vf *vf;
	struct vio_plan plan; /* opaque is the op */
	uint32_t state;       /* that the VF goes back to */
	struct vio_vf_report report;
	struct vio_vf_report *caller_report; /* or NULL */
	struct vio_vf_config *caller_config; /* to be filled, or NULL */
};

/* Begins it, see vio_vf_begin(); the plan has its VF and nothing to do yet. */
int vio_op_create(struct vio_vf *vf, uint32_t flags, vio_vf_done_fn done, void *opaque,
		  struct vio_op **out, struct vio_error *err);

/* The plan's done: ends the operation, and the op. */
void vio_op_done(struct vio_plan *plan, int result);

/* A handle in host->vfs with the lease, which is its then. */
int vio_vf_create(struct vio_host *host, struct vio_lease_file *lease, uint32_t state,
		  struct vio_vf **out);

/* With the lease: the lock goes. */
void vio_vf_destroy(struct vio_vf *vf);

#endif /* VIO_VF_OP_H */
