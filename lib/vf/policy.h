/* SPDX-License-Identifier: MIT */
/*
 * Which VFs a claim takes. A survey of the machine without any lock, and a choice
 * from it; who claims takes the locks afterwards and surveys anew if one has gone.
 */
#ifndef VIO_VF_POLICY_H
#define VIO_VF_POLICY_H

#include "vf/lease.h"

struct vio_policy_pf {
	struct vio_pci_info info;
	uint32_t n_free;        /* that fit */
	uint32_t n_taken;       /* by the choice so far */
	uint64_t promised_mbps; /* by leases and by the choice so far */
	/* Free, unless its number of VFs is being changed; then who does it. */
	enum vio_lease_standing standing;
	char owner[64];
};

struct vio_policy_vf {
	struct vio_pci_info info;
	uint32_t pf; /* its place in pfs */
	int fits;
	int is_alone; /* isolated as far as was asked for */
	int is_taken; /* by the choice */
	enum vio_lease_standing standing;
	char owner[64]; /* of who holds it */
};

struct vio_policy {
	struct vio_host *host;
	const struct vio_vf_request *request;
	struct vio_policy_pf *pfs;
	uint32_t n_pfs;
	uint32_t pfs_room;
	struct vio_policy_vf *vfs;
	uint32_t n_vfs;
	uint32_t vfs_room;
	struct vio_error *err; /* while it is read, for what ends the walk */
};

/* Reads the machine. @policy is zeroed but for host and request. */
int vio_policy_read(struct vio_policy *policy, struct vio_error *err);

/* Fills request->n places of @out, by address; or says why not. */
int vio_policy_choose(struct vio_policy *policy, const struct vio_policy_vf **out,
		      struct vio_error *err);

/* policy_read.c asks: does it meet the request, and is it isolated enough? */
int vio_policy_fits(const struct vio_policy *policy, const struct vio_policy_vf *vf);
int vio_policy_is_alone(const struct vio_policy *policy,
			const struct vio_policy_vf *vf);

void vio_policy_destroy(struct vio_policy *policy);

#endif /* VIO_VF_POLICY_H */
