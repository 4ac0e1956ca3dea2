/* SPDX-License-Identifier: MIT */
/* What is asked of a claim, copied and checked. */
#ifndef VIO_VF_CLAIM_H
#define VIO_VF_CLAIM_H

#include "vf/host.h"

#include <vio/vf.h>

struct vio_claim_request {
	struct vio_vf_request request; /* its pointers are not used, but for score */
	char driver[VIO_HOST_DRIVER_BYTES]; /* empty: none */
	char tag[64];
	struct vio_vf_config config;
};

/* Can this process claim at all? */
int vio_claim_check_host(struct vio_host *host, struct vio_error *err);

int vio_claim_parse(struct vio_host *host, const struct vio_vf_request *request,
		    struct vio_claim_request *out, struct vio_error *err);

#endif /* VIO_VF_CLAIM_H */
