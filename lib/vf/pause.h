/* SPDX-License-Identifier: MIT */
/*
 * Bringing a paused VF back: in its place, at the address where its index is now, or
 * as another VF. The lease moves with it: the new one is taken before anything is
 * done, the old one given back after all is done, so that a crash leaves both.
 */
#ifndef VIO_VF_PAUSE_H
#define VIO_VF_PAUSE_H

#include "vf/plan.h"
#include "vf/vf.h"

#define VIO_PAUSE_TIMEOUT_NS UINT64_C(10000000000) /* where 0 is given */

struct vio_resume {
	struct vio_vf *vf;
	/* Called once, from dispatch; on success the lease is the VF's. */
	void (*done)(struct vio_resume *resume, int result);
	void *opaque;
	struct vio_error err;
	uint64_t kernel_ns;

	/* The rest is its own. */
	struct vio_plan plan;
	struct vio_lease_file *other; /* to be taken; NULL: the VF keeps its own */
	const struct vio_plan_list *give_back; /* of the old one, then */
	int is_another;                        /* VF: nothing is known of it yet */
};

/*
 * Where its index is now. -ENODEV: nowhere; -EBUSY: the lease of that place is taken.
 * @resume has vf, done and opaque; the VF is paused, or held with nobody using it.
 */
int vio_resume_prepare(struct vio_resume *resume, struct vio_error *err);

void vio_resume_start(struct vio_resume *resume);

/* The VF's place among those of its PF; -ENODEV: there is none. */
int vio_resume_find_place(const struct vio_vf *vf, struct vio_pci_addr *out);

/* Has the user go on, if there is one to be told; may do anything to the VF. */
void vio_pause_tell_resumed(struct vio_vf *vf, int is_state_lost);

#endif /* VIO_VF_PAUSE_H */
