/* SPDX-License-Identifier: MIT */
/**
 * @file vio/dom.h
 * @defgroup dom Tenants
 * One tenant: the queues, devices and limits that serve one guest, counted
 * together and reset together.
 *
 * Objects join a dom when they are created and leave it when they are
 * destroyed. Every object also works without one.
 * @{
 */
#ifndef VIO_DOM_H
#define VIO_DOM_H

#include <vio/common.h>
#include <vio/error.h>

VIO_BEGIN_DECLS

/** What a tenant has used. Start from VIO_METERS_INIT. */
struct vio_meters {
	uint32_t size;           /**< in: sizeof; out: bytes filled */
	uint32_t flags;          /**< 0 */
	uint64_t bytes;          /**< in the buffers of completed chains */
	uint64_t ops;            /**< chains completed */
	uint64_t kicks;          /**< notifications from the driver */
	uint64_t descs;          /**< descriptors of popped chains */
	uint64_t service_ns;     /**< as charged by the program */
	uint64_t faults;         /**< queues latched by malformed rings */
	uint64_t refused;        /**< requests that a limit told to wait */
	uint64_t lent_bytes;     /**< assured, unused, and spent by other limits */
	uint64_t lent_ops;       /**< the same in operations */
	uint64_t borrowed_bytes; /**< spent beyond what is assured */
	uint64_t borrowed_ops;   /**< the same in operations */
};
/** Empty meters. */
#define VIO_METERS_INIT                                                                \
	{                                                                              \
		(uint32_t)sizeof(struct vio_meters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
			0                                                              \
	}

/**
 * Create a tenant.
 * @param ctx       gives memory, log and events; NULL: see @ref abi
 * @param name      shown in logs and errors, 1 to 63 bytes, copied
 * @param[out] out  the caller's, to vio_dom_destroy()
 * @return 0; -EINVAL: no name, or too long; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_dom_create(struct vio_ctx *ctx, const char *name, struct vio_dom **out);

/**
 * Begin what a guest's reboot does: every queue is stopped and loses its ring
 * state, every device goes back to its initial state; limits are kept. Step
 * until done with vio_dom_step().
 * @param dom  a tenant
 * @return 0: begun; -EBUSY: a reset or close is under way, or a member's callback.
 * @par Threads  One per context.
 */
VIO_API int vio_dom_reset(struct vio_dom *dom);

/**
 * Begin to give everything back: every queue is stopped, every device is
 * closed. Step until done with vio_dom_step(); then the members can be
 * destroyed.
 * @param dom  a tenant
 * @return 0: begun; -EBUSY: a reset or close is under way.
 * @par Threads  One per context.
 */
VIO_API int vio_dom_close(struct vio_dom *dom);

/**
 * Go on with a reset or close. Never blocks: it waits for the owners of queues,
 * who answer through vio_queue_stopped(), so dispatch the context in between.
 * @param dom  a tenant
 * @param err  optional, names the member waited for when 1 is returned
 * @return 1: call again later; 0: done, or nothing was under way.
 * @par Threads  One per context.
 */
VIO_API int vio_dom_step(struct vio_dom *dom, struct vio_error *err);

/**
 * Copy out the meters. Counts are exact once the queues' owners are idle and
 * at most a burst behind while they run.
 * @param dom             a tenant
 * @param[in,out] meters  size set by the caller; filled up to that size
 * @return 0; -EINVAL: meters is NULL or too short.
 * @par Threads  Any.
 */
VIO_API int vio_dom_read_meters(const struct vio_dom *dom, struct vio_meters *meters);

/**
 * Charge time that a device spent on the tenant's requests.
 * @param dom         a tenant
 * @param service_ns  nanoseconds
 * @par Threads  Any.
 */
VIO_API void vio_dom_add_service(struct vio_dom *dom, uint64_t service_ns);

/**
 * Destroy a tenant.
 * @param dom  a tenant, or NULL
 * @param err  optional, names the members on -EBUSY
 * @return 0; -EBUSY: it has members, nothing was done.
 * @par Threads  One per context.
 */
VIO_API int vio_dom_destroy(struct vio_dom *dom, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_DOM_H */
