/* SPDX-License-Identifier: MIT */
/*
 * A process that owns VFs, for the programs inside the guest: a context, a host on
 * it and the thread it lends, with calls that wait for the end of an operation and
 * answer as it did. Nothing here fails a test by itself, since the processes that
 * are killed are not the one that tells.
 */
#ifndef VIO_TESTS_GUEST_OWNER_H
#define VIO_TESTS_GUEST_OWNER_H

#include <pthread.h>

#include <vio/ctx.h>
#include <vio/resize.h>
#include <vio/vf.h>
#include <vio/vfio.h>

/* Two, where there is no io_uring, see vio/vfio.h. */
#define OWNER_WORKERS 2u

struct vio_sys;

struct owner {
	struct vio_ctx *ctx;
	struct vio_host *host;
	pthread_t workers[OWNER_WORKERS];
	struct vio_error err; /* of the call before */
	/*
	 * What else its loop waits for, for as long as an operation is waited for:
	 * a descriptor, and what to do once it is readable. -1: nothing.
	 */
	int tick_fd;
	void (*tick)(void *opaque);
	void *tick_opaque;
};

/* All return 0 or -errno; -ETIME: no end within a minute. */

int owner_open(struct owner *owner, const char *name);

/* With more flags of the context's. */
int owner_open_flags(struct owner *owner, const char *name, uint32_t flags);

/* Without io_uring, and with these system calls: what blocks is made by a worker. */
int owner_open_on(struct owner *owner, const char *name, const struct vio_sys *sys);

/* Is this one of the threads that are lent? */
int owner_is_worker(void);

/* As any process would end that has nothing left; -EBUSY: it has. */
int owner_close(struct owner *owner);

int owner_claim(struct owner *owner, const struct vio_vf_request *request,
		struct vio_vf **out);
int owner_release(struct owner *owner, struct vio_vf *vf);
int owner_configure(struct owner *owner, struct vio_vf *vf,
		    const struct vio_vf_config *config);
int owner_recover(struct owner *owner, struct vio_vf_recovery *out);
int owner_pause(struct owner *owner, struct vio_vf *vf, uint64_t timeout_ns);
int owner_resume(struct owner *owner, struct vio_vf *vf, const struct vio_pci_addr *to);
int owner_resize(struct owner *owner, const struct vio_pci_addr *pf,
		 const struct vio_resize_params *params,
		 struct vio_resize_times *times);
/* Until *@value is 0. */
int owner_wait_zero(struct owner *owner, const uint32_t *value);

/* @requested is called with @opaque, see struct vio_vfio_params; or NULL. */
int owner_open_function(struct owner *owner, struct vio_vf *vf, struct vio_iommu *iommu,
			void (*requested)(void *opaque, struct vio_vfio *vfio),
			void *opaque, struct vio_vfio **out);
int owner_reset_function(struct owner *owner, struct vio_vfio *vfio);
int owner_close_function(struct owner *owner, struct vio_vfio *vfio);

/* Dispatches until *@value is not 0. */
int owner_wait(struct owner *owner, const uint32_t *value);

/* Opens the function through VFIO, reads a register of each kind, and closes it. */
int owner_use(struct owner *owner, struct vio_vf *vf);

#endif
