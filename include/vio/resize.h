/* SPDX-License-Identifier: MIT */
/**
 * @file vio/resize.h
 * @defgroup resize Pausing virtual functions and changing their number
 * The kernel changes the number of a PF's VFs only from or to none. So whoever wants
 * one more has to take all of them away from their users, or, as here, pauses them:
 * each held VF is closed while its guest keeps what it sees of it, the number is
 * changed, the VFs come back, are configured as before, and go on.
 *
 * State inside of the device does not survive; the guest's driver must be told to
 * start its device anew.
 * @{
 */
#ifndef VIO_RESIZE_H
#define VIO_RESIZE_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/vf.h>
#include <vio/vfio.h>

VIO_BEGIN_DECLS

/**
 * How a held VF is paused and resumed, by whoever uses it. Start from
 * VIO_PAUSE_OPS_INIT. Both are called from dispatch. A function that is open counts as
 * let go of when it has been closed, one that is not when @c pause returns; @c resume
 * needs no answer.
 */
struct vio_pause_ops {
	uint32_t size;  /**< sizeof(struct vio_pause_ops) */
	uint32_t flags; /**< 0 */
	/**
	 * Stop using the function and close it, now or later: vio_vfio_close() is
	 * allowed meanwhile, other operations wait or are -EBUSY.
	 */
	void (*pause)(void *opaque, struct vio_vf *vf);
	/**
	 * It is there again, maybe at another address; open it and go on. Also where
	 * a pause came to nothing, since the function was not closed in time. Not of a
	 * function that has gone.
	 * @p is_state_lost 1: the device is as after a reset; 0: it was never closed.
	 */
	void (*resume)(void *opaque, struct vio_vf *vf, int is_state_lost);
	void *opaque; /**< first argument of both */
};
/** No callbacks yet; both are required. */
#define VIO_PAUSE_OPS_INIT                                                             \
	{                                                                              \
		(uint32_t)sizeof(struct vio_pause_ops), 0, NULL, NULL, NULL            \
	}

/** Do nothing if a VF of the PF is claimed. */
#define VIO_RESIZE_FAIL_IF_HELD (1u << 0)
/** Pause the VFs that are claimed through this host; those of others are -EBUSY. */
#define VIO_RESIZE_PAUSE_HELD (1u << 1)

/** Parameters of a resize. Start from VIO_RESIZE_PARAMS_INIT. */
struct vio_resize_params {
	uint32_t size;     /**< sizeof(struct vio_resize_params) */
	uint32_t flags;    /**< one of VIO_RESIZE_ */
	uint32_t n_vfs;    /**< 0 to what the PF has in total */
	uint32_t reserved; /**< 0 */
	/**
	 * Time for holders to let go. 0: 10 s. What the kernel has begun is waited
	 * for, since nothing takes it back.
	 */
	uint64_t timeout_ns;
};
/** No VFs, only if none is held. */
#define VIO_RESIZE_PARAMS_INIT                                                         \
	{                                                                              \
		(uint32_t)sizeof(struct vio_resize_params), VIO_RESIZE_FAIL_IF_HELD,   \
			0, 0, 0                                                        \
	}

/** How long the parts of a resize took. Start from VIO_RESIZE_TIMES_INIT. */
struct vio_resize_times {
	uint32_t size;     /**< in: sizeof; out: bytes filled */
	uint32_t n_paused; /**< VFs paused and resumed */
	uint64_t pause_ns; /**< until the last holder had let go */
	/**
	 * Of total_ns, what the kernel took for numvfs, driver binding, resets and
	 * the PF's link.
	 */
	uint64_t kernel_ns;
	uint64_t total_ns; /**< of the whole */
};
/** Nothing yet. */
#define VIO_RESIZE_TIMES_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_resize_times), 0, 0, 0, 0                  \
	}

/**
 * Say how a VF is paused. It lasts as long as the handle.
 * @param vf   a claimed VF
 * @param ops  copied; NULL: it cannot be paused
 * @return 0; -EINVAL: a callback is missing, or flags; -E2BIG: see @ref abi.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_set_pause(struct vio_vf *vf, const struct vio_pause_ops *ops);

/**
 * Pause a VF: its user is asked to close it; the claim stays, the function may go.
 * What its settings are is kept, to be set again.
 * @param vf          a claimed VF with vio_vf_set_pause(), or one that is not open
 * @param timeout_ns  for its user to let go; 0: 10 s
 * @param done        called once if the call returns 0
 * @param opaque      first argument of @p done
 * @param err         optional, filled on failure
 * @return 0: under way; -EBUSY: an operation is under way; -EOPNOTSUPP: it is open
 * and cannot be paused, or see @ref vf; -EALREADY: it is paused; -ENODEV: it has gone;
 * -ENOMEM; -EMFILE; -ECHILD. @p done: 0; -ETIMEDOUT: its user did not let go, and is
 * told to go on; -ENODEV: it has gone meanwhile, and nobody is told to go on; or what
 * the kernel answered: it is not paused then.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vf_pause(struct vio_vf *vf, uint64_t timeout_ns,
					vio_vf_done_fn done, void *opaque,
					struct vio_error *err);

/**
 * Go on with a paused VF: bound, configured as it was, handed to its user. Drivers
 * refuse rates while the PF's link is down, as it is after the number of VFs changed:
 * where one is to be set the link is waited for, 10 s at most.
 * @param vf      a paused VF
 * @param to      where; NULL: the VF that has its index now. Another VF must be
 *                free and alike: vendor, device, class and sizes of BARs
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EINVAL: it is not paused, or @p to is no address; -ENODEV:
 * nothing is there; -EBUSY: an operation is under way, @p to is claimed, or the number
 * of VFs is being changed; -EXDEV: @p to is not alike; -EOPNOTSUPP: see @ref vf;
 * -ENOMEM; -ECHILD. @p done: 0; -EOPNOTSUPP: @p to lacks a setting; -EIO: a setting or
 * the driver was not taken; or what the kernel answered. It stays paused then.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_resume(struct vio_vf *vf, const struct vio_pci_addr *to, vio_vf_done_fn done,
	      void *opaque, struct vio_error *err);

/**
 * Change the number of VFs of a PF as one transaction: held VFs are paused, the
 * number is set, VFs are configured as before and resumed; or, if any of it fails,
 * all is put back. Meanwhile none of the PF's VFs can be claimed. VFs that nobody holds
 * come back as the kernel makes them: without driver_override and settings.
 *
 * A VF that a program holds without a claim keeps the kernel, and with it this call,
 * waiting until it is closed. A process that dies meanwhile, or cannot write the last
 * record of its journal, leaves the PF to vio_host_recover(), which ends with one of
 * the two numbers; until then its VFs cannot be claimed (-ESTALE).
 * @param host            a host
 * @param pf              a PF
 * @param params          copied
 * @param[in,out] times   optional, kept until @p done and filled then
 * @param done            called once if the call returns 0
 * @param opaque          first argument of @p done
 * @param err             optional, filled on failure
 * @return 0: under way; -ENODEV: no such PF; -EOPNOTSUPP: not SR-IOV, or see @ref vf;
 * -ERANGE: more than the PF has, and the kernel was not asked; -ENOENT: it has no
 * driver; -EBUSY: VFs are claimed and may not or cannot be paused, or one would be
 * beyond the new number, the line names a holder; or another resize is under way;
 * -ESTALE: a holder, or another resize, has died: vio_host_recover(); -EINVAL: flags,
 * or a size; -EACCES, -EPERM: run_dir is not writable; -E2BIG: see @ref abi; -ENOMEM;
 * -ECHILD. @p done: 0; -ETIMEDOUT: a holder did not let go, it is named; -EIO: the
 * kernel made another number; or what the kernel answered. The number is the old one
 * then, and who was paused has been resumed; what could not be is still paused.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_host_resize(struct vio_host *host, const struct vio_pci_addr *pf,
		const struct vio_resize_params *params, struct vio_resize_times *times,
		vio_vf_done_fn done, void *opaque, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_RESIZE_H */
