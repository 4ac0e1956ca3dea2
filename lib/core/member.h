/* SPDX-License-Identifier: MIT */
/*
 * Membership in a tenant, as the layers below the tenant see it: an object joins
 * with a table of what the tenant may ask of it.
 */
#ifndef VIO_CORE_MEMBER_H
#define VIO_CORE_MEMBER_H

#include <stddef.h>
#include <stdint.h>

#include <vio/common.h>

#include "core/list.h"
#include "core/meter.h"

struct vio_member;

/*
 * All called on the thread that dispatches the context. is_busy and describe are
 * called with the tenant's lock held: they call nothing that joins or leaves. One that
 * a guest's reboot leaves as it is, and that has nothing to close, has only describe.
 */
struct vio_member_ops {
	/* Begin to go back to the initial state. Never blocks. */
	void (*reset)(struct vio_member *member);
	/* Begin to stop and to give back what the kernel or a peer lent. */
	void (*close)(struct vio_member *member);
	/* Is what was begun still going on? */
	int (*is_busy)(const struct vio_member *member);
	/* A short name, such as "queue 3", for errors. */
	void (*describe)(const struct vio_member *member, char *buf, size_t n);
};

/* Metrics show what is not "other" by itself, under its number. */
enum vio_member_kind {
	VIO_MEMBER_OTHER,
	VIO_MEMBER_QUEUE,
};

struct vio_member {
	struct vio_list node;
	struct vio_dom *dom; /* NULL: not a member */
	const struct vio_member_ops *ops;
	const struct vio_meter *meter; /* NULL: counts nothing */
	enum vio_member_kind kind;
	uint32_t number; /* of its kind; several may have the same */
};

/* Any thread. @dom NULL does nothing. Implemented by dom.c. */
void vio_member_join(struct vio_member *member, struct vio_dom *dom);

/*
 * The member's meter is added to what the tenant has counted for good. Any
 * thread; but not while the dispatching thread may be in reset or close of this
 * very member, unless it is the caller.
 */
void vio_member_leave(struct vio_member *member);

#endif /* VIO_CORE_MEMBER_H */
