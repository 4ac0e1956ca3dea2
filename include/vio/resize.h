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
 * VIO_PAUSE_OPS_INIT. Both answer through vio_vf_paused() and vio_vf_resumed().
 */
struct vio_pause_ops {
	uint32_t size;  /**< sizeof(struct vio_pause_ops) */
	uint32_t flags; /**< 0 */
	/** Stop using the function and close it (vio_vfio_close()). */
	void (*pause)(void *opaque, struct vio_vf *vf);
	/**
	 * It is there again, maybe at another address; open it and go on.
	 * @p is_state_lost 1: the device is as after a reset.
	 */
	void (*resume)(void *opaque, struct vio_vf *vf, int is_state_lost);
	void *opaque; /**< first argument of both */
};
/** No callbacks; both are required. */
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
	/** Time for holders to let go and for the kernel. 0: 10 s. */
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
	uint64_t
		kernel_ns; /**< of that in the kernel: numvfs, driver binding, resets */
	uint64_t total_ns; /**< of the whole */
};
/** Nothing yet. */
#define VIO_RESIZE_TIMES_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_resize_times), 0, 0, 0, 0                  \
	}

/**
 * Say how a VF is paused.
 * @param vf   a claimed VF
 * @param ops  copied; NULL: it cannot be paused
 * @return 0; -EINVAL: a callback is missing; -E2BIG: see @ref abi.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_set_pause(struct vio_vf *vf, const struct vio_pause_ops *ops);

/**
 * Pause a VF: its user is asked to close it; the claim stays, the function may go.
 * @param vf      a claimed VF with vio_vf_set_pause(), or one that is not open
 * @param done    called once if the call returns 0: 0, or -ETIMEDOUT
 * @param opaque  first argument of @p done
 * @param timeout_ns  for its user to let go; 0: 10 s
 * @param err     optional, filled on failure
 * @return 0: under way; -EBUSY: an operation is under way; -EOPNOTSUPP: it is open
 * and cannot be paused; -EALREADY: it is paused; -ENODEV.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vf_pause(struct vio_vf *vf, uint64_t timeout_ns,
					vio_vf_done_fn done, void *opaque,
					struct vio_error *err);

/**
 * Go on with a paused VF: bound, configured as it was, handed to its user.
 * @param vf      a paused VF
 * @param to      where; NULL: where it was. Another VF must be free and alike
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EINVAL: it is not paused; -ENODEV: nothing is there, it
 * stays paused; -EBUSY: an operation is under way, or @p to is claimed; -EXDEV: @p to
 * is not alike; -EOPNOTSUPP: see @ref vf.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_resume(struct vio_vf *vf, const struct vio_pci_addr *to, vio_vf_done_fn done,
	      void *opaque, struct vio_error *err);

/**
 * Change the number of VFs of a PF as one transaction: held VFs are paused, the
 * number is set, VFs are configured as before and resumed; or, if any of it fails,
 * all is put back.
 * @param host            a host
 * @param pf              a PF
 * @param params          copied
 * @param[in,out] times   optional, kept until @p done and filled then
 * @param done            called once if the call returns 0
 * @param opaque          first argument of @p done
 * @param err             optional, filled on failure
 * @return 0: under way; -ENODEV: no such PF; -EOPNOTSUPP: not SR-IOV, or see @ref vf;
 * -ERANGE: more than the PF has, and the kernel was not asked; -ENOENT: it has no
 * driver; -EBUSY: VFs are claimed, the line names a holder; or another resize is
 * under way; -EINVAL: flags; fewer VFs than are held. @p done: -ETIMEDOUT: a holder
 * did not let go, it is named; or what the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_host_resize(struct vio_host *host, const struct vio_pci_addr *pf,
		const struct vio_resize_params *params, struct vio_resize_times *times,
		vio_vf_done_fn done, void *opaque, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_RESIZE_H */
