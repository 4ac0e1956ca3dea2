/* SPDX-License-Identifier: MIT */
/* What an inventory is made of, for the files of this folder. */
#ifndef VIO_VF_HOST_H
#define VIO_VF_HOST_H

#include <vio/host.h>

#include "core/env.h"
#include "core/list.h"
#include "sys/async.h"

struct vio_watch; /* events.c: the sockets that bring events */

struct vio_host {
	const struct vio_env *env;
	struct vio_ctx *ctx;
	struct vio_async *async; /* the context's way around calls that block */
	char *sysfs_root;
	char *dev_root;
	char *run_dir;
	char owner[64];
	uint32_t flags; /* VIO_HOST_ */
	void (*event)(void *opaque, const struct vio_host_event *event);
	void *opaque;
	struct vio_watch *watch; /* NULL: no events */
	struct vio_list vfs;     /* claimed through it: struct vio_vf */
	struct vio_list iommus;  /* struct vio_iommu */
	uint32_t n_resizes;      /* under way */
	void *recovery;          /* lease.c: one that is under way, or NULL */
};

/* Implemented by ctx.c: the context's calls that may block. */
struct vio_async *vio_ctx_get_async(struct vio_ctx *ctx);

#endif /* VIO_VF_HOST_H */
