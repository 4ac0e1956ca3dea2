/* SPDX-License-Identifier: MIT */
/**
 * @file vio/driver.h
 * @defgroup driver Queues, driver side
 * A virtqueue as a driver sees it: buffers go out, used ones come back. For
 * tests, for front ends, and for monitors that feed a device themselves.
 *
 * The driver side knows no memory table and makes no system call: it is handed
 * the ring's three parts as pointers, and buffers as addresses that mean
 * something to the device. The device is not trusted: what it writes into the
 * used ring is checked, and a device that breaks the rules latches the driver.
 * @{
 */
#ifndef VIO_DRIVER_H
#define VIO_DRIVER_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/queue.h>

VIO_BEGIN_DECLS

/** One buffer of a chain. */
struct vio_driver_buf {
	uint64_t addr;         /**< as the device is to see it */
	uint32_t length_bytes; /**< at least 1 */
	uint32_t reserved;     /**< 0 */
};

/** A chain to make available. */
struct vio_driver_chain {
	/** n_out buffers for the device to read, then n_in for it to write. */
	const struct vio_driver_buf *bufs;
	uint32_t n_out;  /**< readable buffers */
	uint32_t n_in;   /**< writable buffers; n_out + n_in is at least 1 */
	uint64_t cookie; /**< comes back with the chain */
};

/** A chain that the device has used. */
struct vio_driver_used {
	uint64_t cookie;        /**< of the chain */
	uint32_t written_bytes; /**< what the device claims to have written */
	uint32_t reserved;      /**< 0 */
};

/** Parameters of a driver side. Start from VIO_DRIVER_PARAMS_INIT. */
struct vio_driver_params {
	uint32_t size;     /**< sizeof(struct vio_driver_params) */
	uint32_t flags;    /**< 0 */
	uint64_t features; /**< negotiated; bits that no queue knows are ignored */
	void *desc;        /**< descriptor table, 16 n_descs bytes, 16-aligned */
	void *driver;      /**< available ring, 6 + 2 n_descs bytes, 2-aligned */
	void *device;      /**< used ring, 6 + 8 n_descs bytes, 4-aligned */
	/**
	 * n_descs tables of indirect_descs descriptors each, 16-aligned, for
	 * chains of two or more buffers; NULL: every chain lies in the ring.
	 */
	void *indirect;
	uint64_t indirect_addr;  /**< indirect, as the device is to see it */
	uint32_t n_descs;        /**< Queue Size: a power of two, 1 to 32768 */
	uint32_t indirect_descs; /**< entries of one table, 2 to n_descs */
};
/** A driver side without a ring. */
#define VIO_DRIVER_PARAMS_INIT                                                         \
	{                                                                              \
		(uint32_t)sizeof(struct vio_driver_params), 0, 0, NULL, NULL, NULL,    \
			NULL, 0, 0, 0                                                  \
	}

/**
 * Create the driver side of a ring; the ring's memory is zeroed.
 * @param ctx       gives memory; NULL: malloc()
 * @param params    copied; the memory it names stays the caller's
 * @param[out] out  the caller's, to vio_driver_destroy()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: n_descs not a power of two in range, a part missing or
 * not aligned, indirect without VIRTIO_F_INDIRECT_DESC or indirect_descs out of
 * range, or an unknown flag; -EOPNOTSUPP: VIRTIO_F_RING_PACKED; -E2BIG: see
 * @ref abi; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_driver_create(struct vio_ctx *ctx, const struct vio_driver_params *params,
		  struct vio_driver **out, struct vio_error *err);

/**
 * Put chains into the ring (virtio 1.2, 2.7.13). The device sees them when they
 * are published.
 * @param driver  a driver side
 * @param chains  may be reused after the call
 * @param n       how many
 * @return how many were taken; fewer than @p n: the ring is full; -EINVAL: the
 * first chain is empty, has an empty buffer or more than 4 GiB in all, or can never
 * fit; -ENOSPC: the first chain does not fit now; -EBADMSG: latched.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int vio_driver_push(struct vio_driver *driver,
					   const struct vio_driver_chain *chains,
					   uint32_t n);

/**
 * Show the device what was pushed, by one store.
 * @param driver  a driver side
 * @return 1: the device asks for a kick; 0: it does not, nothing was pushed, or
 * the driver side is latched and nothing more is shown.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int vio_driver_publish(struct vio_driver *driver);

/**
 * Take back chains that the device has used (virtio 1.2, 2.7.14).
 * @param driver      a driver side
 * @param[out] used   room for @p n; written up to the count returned
 * @param n           at least 1
 * @return how many, 0: none; -EBADMSG: the device named a chain that it does not
 * have, or used more than it has, and the driver side is latched.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int
vio_driver_pop(struct vio_driver *driver, struct vio_driver_used *used, uint32_t n);

/**
 * Ask the device for notifications, or to spare them (virtio 1.2, 2.7.7).
 * @param driver  a driver side
 * @param enable  1: ask; 0: spare
 * @return 1: used chains are there already, or the driver side is latched: pop
 * before waiting; 0: none are, or notifications are spared.
 * @par Threads  One per object.
 */
VIO_API int vio_driver_set_calls(struct vio_driver *driver, int enable);

/**
 * How many descriptors are free.
 * @param driver  a driver side
 * @return 0 to n_descs.
 * @par Threads  One per object.
 */
VIO_API uint32_t vio_driver_get_free(const struct vio_driver *driver);

/**
 * Empty the ring after the device was reset; chains are forgotten.
 * @param driver  a driver side
 * @par Threads  One per object.
 */
VIO_API void vio_driver_reset(struct vio_driver *driver);

/**
 * Destroy a driver side; the ring's memory is left as it is.
 * @param driver  a driver side, or NULL
 * @par Threads  One per object.
 */
VIO_API void vio_driver_destroy(struct vio_driver *driver);

VIO_END_DECLS
/** @} */
#endif /* VIO_DRIVER_H */
