/* SPDX-License-Identifier: MIT */
/**
 * @file vio/view.h
 * @defgroup view What a guest sees of a function
 * The configuration space and the MSI-X table of a passed-through function as its
 * guest reads and writes them. BARs have the size of the real ones and move where
 * the guest puts them; what the guest may not touch is read-only or not there; the
 * MSI-X table is kept here, so that interrupts are the monitor's to route.
 *
 * A view has no bus and no virtual CPU: the monitor calls it on trapped accesses, from
 * one virtual CPU's thread at a time, and does what its callbacks ask. INTx is not
 * shown: a VF has none, see VIO_VFIO_INTX. A view outlives the function under it:
 * while a VF is paused it answers from what was saved.
 * @{
 */
#ifndef VIO_VIEW_H
#define VIO_VIEW_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/vfio.h>

VIO_BEGIN_DECLS

struct vio_view;

/**
 * What a view asks its monitor. Start from VIO_VIEW_OPS_INIT. The callbacks do not call
 * the view, but reset may: it is the last that an access does.
 */
struct vio_view_ops {
	uint32_t size;  /**< sizeof(struct vio_view_ops) */
	uint32_t flags; /**< 0 */
	/**
	 * Show @p length_bytes of a BAR at @p gpa as memory at @p hva. 0, or a
	 * negative errno: accesses are then trapped.
	 */
	int (*map)(void *opaque, uint64_t gpa, uint64_t length_bytes, void *hva);
	/** Take away what map showed there. */
	void (*unmap)(void *opaque, uint64_t gpa, uint64_t length_bytes);
	/**
	 * Trap guest accesses to @p length_bytes at @p gpa: they go, by way of
	 * vio_view_translate(), to vio_view_read_bar() and vio_view_write_bar().
	 * NULL: all that is not mapped traps anyway.
	 */
	void (*trap)(void *opaque, uint64_t gpa, uint64_t length_bytes, int is_trapped);
	/**
	 * Route vector @p vector: when @p eventfd fires, the guest gets the message
	 * @p data at @p address. is_masked: hold it back. eventfd -1: no more.
	 */
	void (*route)(void *opaque, uint32_t vector, int eventfd, uint64_t address,
		      uint32_t data, int is_masked);
	/**
	 * The guest reset the function (FLR) or switched its power. On the thread of
	 * the access: vio_vfio_reset() is for the context's. Until that has ended no
	 * access of the guest's may come here, on no virtual CPU: to the view a
	 * function that does not answer has gone.
	 */
	void (*reset)(void *opaque);
	void *opaque; /**< first argument of all */
};
/** No callbacks; map, unmap and route are required. */
#define VIO_VIEW_OPS_INIT                                                              \
	{                                                                              \
		(uint32_t)sizeof(struct vio_view_ops), 0, NULL, NULL, NULL, NULL,      \
			NULL, NULL                                                     \
	}

/**
 * Create the view of an open function.
 * @param ctx       gives memory and log; NULL: see @ref abi
 * @param vfio      open; may be replaced by vio_view_attach()
 * @param ops       copied
 * @param[out] out  the caller's, to vio_view_destroy()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: a required callback is missing; -EBADMSG: its configuration
 * space makes no sense; -ENODEV: the function has gone; -EMFILE: a descriptor for each
 * vector is needed; what else eventfd(2) answers; -ENOMEM; -E2BIG; or as
 * vio_vfio_read().
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_view_create(struct vio_ctx *ctx, struct vio_vfio *vfio,
					   const struct vio_view_ops *ops,
					   struct vio_view **out,
					   struct vio_error *err);

/**
 * A guest's read of configuration space.
 * @param view    a view
 * @param offset  0 to 4095
 * @param n       1, 2 or 4, aligned to itself
 * @return the value; all ones where there is nothing, as the bus answers.
 * @par Threads  One per object.
 */
VIO_API uint32_t vio_view_read(struct vio_view *view, uint32_t offset, uint32_t n);

/**
 * A guest's write to configuration space. Writes to what is not the guest's are
 * dropped, as by hardware. May call any of the callbacks, and connects interrupts.
 * @param view    a view
 * @param offset  0 to 4095
 * @param value   the lowest @p n bytes count
 * @param n       1, 2 or 4, aligned to itself
 * @par Threads  One per object.
 */
VIO_API void
vio_view_write(struct vio_view *view, uint32_t offset, uint32_t value, uint32_t n);

/**
 * Which register a guest-physical address is: for a monitor whose traps tell no more.
 * @param view             a view
 * @param gpa              any address
 * @param[out] out_bar     0 to 5
 * @param[out] out_offset  in the BAR
 * @return 0; -ENOENT: no BAR is there, as the guest has placed them.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int vio_view_translate(const struct vio_view *view, uint64_t gpa,
					      uint32_t *out_bar, uint64_t *out_offset);

/**
 * A guest's trapped read of a BAR: the MSI-X table, the pending bits, or registers.
 * @param view    a view
 * @param bar     0 to 5
 * @param offset  in the BAR
 * @param n       1, 2, 4 or 8, aligned to itself
 * @return the value; all ones where there is nothing, or the guest has not enabled
 * memory, or a register of a function that is not there.
 * @par Threads  One per object.
 */
VIO_API uint64_t vio_view_read_bar(struct vio_view *view, uint32_t bar, uint64_t offset,
				   uint32_t n);

/**
 * A guest's trapped write to a BAR.
 * @param view    a view
 * @param bar     0 to 5
 * @param offset  in the BAR
 * @param value   the lowest @p n bytes count
 * @param n       1, 2, 4 or 8, aligned to itself
 * @par Threads  One per object.
 */
VIO_API void vio_view_write_bar(struct vio_view *view, uint32_t bar, uint64_t offset,
				uint64_t value, uint32_t n);

/**
 * Take the function away from under the view: BARs are unmapped through the
 * callbacks, interrupts are routed no more, and accesses are answered from what is
 * saved here. The function can then be closed.
 * @param view  a view with a function
 * @param err   optional, filled on failure
 * @return 0; -EALREADY: there is none; -ENODEV: it has gone by itself, what could be
 * saved is.
 * @par Threads  One per context.
 */
VIO_API int vio_view_detach(struct vio_view *view, struct vio_error *err);

/**
 * Put a function under the view: its writable registers are set to what the guest
 * had, BARs are mapped again, interrupts routed again.
 * @param view  a view without a function
 * @param vfio  of the same vendor, device and BAR sizes
 * @param err   optional, names what differs
 * @return 0; -EBUSY: there is one; -EINVAL: vfio is NULL; -EXDEV: it is not alike;
 * -ENODEV: it has gone; -ENOMEM; or as vio_vfio_read().
 * What the device kept inside is lost: the guest's driver must be told.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_view_attach(struct vio_view *view, struct vio_vfio *vfio, struct vio_error *err);

/**
 * Destroy a view.
 * @param view  a view, or NULL
 * @par Threads  One per context.
 */
VIO_API void vio_view_destroy(struct vio_view *view);

VIO_END_DECLS
/** @} */
#endif /* VIO_VIEW_H */
