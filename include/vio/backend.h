/* SPDX-License-Identifier: MIT */
/**
 * @file vio/backend.h
 * @defgroup backend vhost-user back end
 * A device in this process for a guest of another one: the back-end side of the
 * vhost-user protocol over a connected socket. It receives the guest's memory
 * and rings, and hands running queues to the device.
 *
 * The device implements struct vio_backend_ops. Callbacks come from dispatch of
 * the context; a queue's data path belongs to whatever thread @c queue_start
 * gives it to, until @c queue_stop is answered by vio_queue_stopped().
 *
 * A ring starts where the front end says (VHOST_USER_SET_VRING_BASE) and used where
 * the used ring in guest memory stands. A front end that reconnects to a back end
 * that died may say 0 for a ring in use; a device that serves its chains in order
 * can then go on from the used index, by vio_queue_read_state() and
 * vio_queue_set_state() before its first pop.
 *
 * The peer is not trusted. A message that is malformed, out of order or carries
 * the wrong descriptors ends the connection: queues are stopped, memory and
 * descriptors are given back, and @c closed tells why.
 * @{
 */
#ifndef VIO_BACKEND_H
#define VIO_BACKEND_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/queue.h>

VIO_BEGIN_DECLS

/** Most queues of a back end. */
#define VIO_BACKEND_QUEUES_MAX 256u

/** Most bytes of device configuration space (vhost-user, VHOST_USER_GET_CONFIG). */
#define VIO_BACKEND_CONFIG_MAX 256u

/**
 * Take guest memory that lacks F_SEAL_SHRINK. A peer that truncates such memory
 * kills this process by SIGBUS, so only for peers that are trusted or when the
 * process serves nobody else.
 */
#define VIO_BACKEND_ACCEPT_UNSEALED (1u << 0)

/** What a device does. Start from VIO_BACKEND_OPS_INIT. */
struct vio_backend_ops {
	uint32_t size;  /**< sizeof(struct vio_backend_ops) */
	uint32_t flags; /**< 0 */
	/**
	 * A queue runs: give it to its owner thread. Non-zero, a negative errno,
	 * ends the connection. A front end that exchanges a running queue's
	 * eventfds has it stopped and started again.
	 */
	int (*queue_start)(void *opaque, uint32_t index, struct vio_queue *queue);
	/** Stop a queue that was started: see @c stop in struct vio_queue_params. */
	void (*queue_stop)(void *opaque, uint32_t index, struct vio_queue *queue,
			   struct vio_stop *token, uint32_t stop_flags);
	/**
	 * Read configuration space: @p n bytes from @p offset, whole within
	 * VIO_BACKEND_CONFIG_MAX. Non-zero: refused. NULL: there is none.
	 */
	int (*config_read)(void *opaque, uint32_t offset, void *out, uint32_t n);
	/** Write configuration space, likewise. NULL: refused. */
	int (*config_write)(void *opaque, uint32_t offset, const void *data,
			    uint32_t n);
	/** The driver accepted these features; a subset of those offered. Or NULL. */
	void (*features_set)(void *opaque, uint64_t features);
	/** The driver wrote the device status (virtio 1.2, 2.1). Or NULL. */
	void (*status_set)(void *opaque, uint32_t status);
	/** The device is back in its initial state, its queues stopped. Or NULL. */
	void (*reset)(void *opaque);
	/**
	 * The connection has ended: by the peer (@p why's code is 0), by
	 * vio_backend_close() (-ECANCELED), or for the reason that the line tells
	 * (a negative errno; -EBADMSG: a message broke the protocol). Every queue
	 * is stopped. The back end may be destroyed from here on, also within the
	 * callback; @p why is valid during it.
	 */
	void (*closed)(void *opaque, const struct vio_error *why);
};
/** A device without callbacks; queue_start, queue_stop and closed are required. */
#define VIO_BACKEND_OPS_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_backend_ops), 0, NULL, NULL, NULL, NULL,   \
			NULL, NULL, NULL, NULL                                         \
	}

/** Parameters of a back end. Start from VIO_BACKEND_PARAMS_INIT. */
struct vio_backend_params {
	uint32_t size;       /**< sizeof(struct vio_backend_params) */
	uint32_t flags;      /**< VIO_BACKEND_ACCEPT_UNSEALED or 0 */
	int32_t fd;          /**< connected stream socket; the back end's on success */
	uint32_t n_queues;   /**< offered, 1 to VIO_BACKEND_QUEUES_MAX */
	uint64_t features;   /**< device features offered, beside VIO_QUEUE_FEATURES */
	struct vio_dom *dom; /**< tenant to charge; NULL: none */
	const struct vio_backend_ops *ops; /**< copied */
	void *opaque;                      /**< first argument of every callback */
	/** Queue features offered, of VIO_QUEUE_FEATURES; 0: INDIRECT_DESC,
	 * EVENT_IDX, VERSION_1. */
	uint64_t queue_features;
	uint32_t max_queue_size; /**< largest Queue Size; 0: 1024 */
	uint32_t max_chain_iov;  /**< as in struct vio_queue_params */
};
/** A back end without a socket. */
#define VIO_BACKEND_PARAMS_INIT                                                        \
	{                                                                              \
		(uint32_t)sizeof(struct vio_backend_params), 0, -1, 0, 0, NULL, NULL,  \
			NULL, 0, 0, 0                                                  \
	}

/**
 * Serve a connection. Protocol features: MQ, LOG_SHMFD, REPLY_ACK, CONFIG,
 * RESET_DEVICE, STATUS, CONFIGURE_MEM_SLOTS.
 * @param ctx       gives memory, log and events; not NULL
 * @param params    copied
 * @param[out] out  the caller's, to vio_backend_destroy()
 * @param err       optional, filled on failure; the fd is then still the
 *                  caller's
 * @return 0; -EINVAL: no ctx, a required callback missing, n_queues or
 * max_queue_size out of range, an unknown flag, queue_features beyond
 * VIO_QUEUE_FEATURES; -ENOTSOCK; -E2BIG: see @ref abi; -ENOMEM; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_backend_open(struct vio_ctx *ctx, const struct vio_backend_params *params,
		 struct vio_backend **out, struct vio_error *err);

/**
 * Begin to end the connection: every queue is asked to stop, then @c closed is
 * called from dispatch. Nothing if that is under way or done.
 * @param backend  a back end
 * @param drain    1: owners finish their open chains; 0: they abandon them
 * @par Threads  One per context.
 */
VIO_API void vio_backend_close(struct vio_backend *backend, int drain);

/**
 * What the front end says the guest's memory is. For devices that reach guest
 * memory beside their chains.
 * @param backend  a back end
 * @return the table, the back end's.
 * @par Threads  Any.
 */
VIO_API struct vio_mem *vio_backend_get_mem(const struct vio_backend *backend);

/**
 * Destroy a back end.
 * @param backend  a back end, or NULL
 * @param err      optional, names the queues still running on -EBUSY
 * @return 0; -EBUSY: not closed yet, nothing was done.
 * @par Threads  One per context.
 */
VIO_API int vio_backend_destroy(struct vio_backend *backend, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_BACKEND_H */
