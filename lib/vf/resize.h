/* SPDX-License-Identifier: MIT */
/* A resize under way, shared by what is checked before it and what is done. */
#ifndef VIO_VF_RESIZE_H
#define VIO_VF_RESIZE_H

#include <vio/resize.h>

#include "vf/numvfs.h"
#include "vf/pause.h"

enum vio_resize_vf_state {
	VIO_RESIZE_VF_IN_USE,   /* or closed by its user, who has not been asked */
	VIO_RESIZE_VF_PAUSED,   /* by its owner, who resumes it */
	VIO_RESIZE_VF_LET_GO,   /* by us: to be brought back */
	VIO_RESIZE_VF_BACK,     /* as before, and nobody has been told */
	VIO_RESIZE_VF_NOT_BACK, /* could not be: stays paused */
};

struct vio_resize_vf {
	struct vio_resize *resize;
	struct vio_vf *vf;
	enum vio_resize_vf_state state;
};

struct vio_resize {
	struct vio_host *host;
	struct vio_resize_params params;
	struct vio_pci_info pf;
	struct vio_resize_vf *vfs; /* claimed through the host, of this PF */
	uint32_t n_vfs;
	uint32_t n_pausing;
	int is_begun;     /* the kernel was asked, or the journal says so */
	int is_restoring; /* the number before: what fails now is not undone */
	int is_left;      /* could not be restored: for a recovery */
	int result;
	struct vio_error err;
	struct vio_plan plan; /* of the PF */
	struct vio_resume resume;
	struct vio_resize_vf *resuming;
	struct vio_task task;
	uint64_t begun_ns;
	struct vio_resize_times times;
	struct vio_resize_times *caller_times; /* or NULL */
	vio_vf_done_fn done;
	void *opaque;
};

/*
 * resize_check.c: everything that can be refused is refused here. On success the PF's
 * lock is taken and plan.lease and vfs are filled.
 */
int vio_resize_prepare(struct vio_resize *resize, const struct vio_pci_addr *pf,
		       const struct vio_resize_params *params, struct vio_error *err);

/* Gives the lock and the memory back, that of @resize included. */
void vio_resize_destroy(struct vio_resize *resize);

#endif /* VIO_VF_RESIZE_H */
