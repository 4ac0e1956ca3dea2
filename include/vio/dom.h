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
#include <vio/meters.h>

VIO_BEGIN_DECLS

/**
 * Create a tenant.
 * @param ctx       gives memory, log and events; NULL: see @ref abi
 * @param name      shown in logs, errors and metrics, 1 to 63 bytes of UTF-8, copied
 * @param[out] out  the caller's, to vio_dom_destroy()
 * @return 0; -EINVAL: no name, too long, or not UTF-8; -ENOMEM.
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

/** The text ends without its end mark: the caller prints families of its own. */
#define VIO_METRICS_PART (1u << 0)

/**
 * Print the meters of tenants and of their queues as OpenMetrics 1.0 text.
 *
 * A family, such as vio_dom_bytes or vio_queue_bytes, may appear but once in an
 * exposition: give all tenants of the program to one call. Samples have the label
 * @c dom, the tenant's name; those of a queue also @c queue, its number. Queues of a
 * tenant that have one number, as two devices have, are counted together there. A
 * tenant counts on for queues that are gone, so it may have more than its queues.
 * @code
 *	while ((ret = vio_dom_print_metrics(doms, n, 0, buf, room, &used)) == -ENOSPC) {
 *		room = used + used / 8 + 1; // numbers grow, queues come
 *		buf = realloc(buf, room);
 *	}
 * @endcode
 * Each number is right by itself, not all for one moment.
 * @param doms            tenants of different names; not destroyed meanwhile
 * @param n_doms          how many; 0: the families alone. Names are compared with
 *                        each other: thousands take milliseconds
 * @param flags           VIO_METRICS_PART or 0
 * @param[out] buf        gets the text and a NUL; NULL if @p buf_bytes is 0
 * @param buf_bytes       room in @p buf
 * @param[out] out_bytes  length of the text without the NUL; filled on -ENOSPC, too:
 *                        what it would be
 * @return 0; -ENOSPC: does not fit, buf is an empty string; -EEXIST: two tenants of
 * one name; -EINVAL: NULL where something must be, or an unknown flag.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_dom_print_metrics(struct vio_dom *const *doms, uint32_t n_doms, uint32_t flags,
		      char *buf, size_t buf_bytes, size_t *out_bytes);

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
