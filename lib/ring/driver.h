/* SPDX-License-Identifier: MIT */
/*
 * What a driver side is made of. Nothing in the ring is read back to decide
 * anything: which descriptors are free, and which chains the device has, is
 * kept in private memory, so a device that scribbles over the ring harms only
 * what it was given.
 */
#ifndef VIO_RING_DRIVER_H
#define VIO_RING_DRIVER_H

#include <endian.h>

#include <vio/driver.h>

#include "core/env.h"
#include "ring/layout.h"

/* One descriptor's private side. As the head of a chain it carries the chain. */
struct vio_driver_slot {
	uint64_t cookie;
	uint64_t sequence; /* how many chains were pushed before this one */
	uint32_t in_bytes; /* of the chain; 4 GiB are kept as UINT32_MAX */
	uint16_t n_descs;  /* of the chain; 0: no chain of the device begins here */
	uint16_t last;     /* descriptor of the chain */
	uint16_t next;     /* descriptor in the chain, or in the list of free ones */
};

struct vio_driver {
	struct vio_split_desc *desc;
	struct vio_split_avail *avail;
	struct vio_split_used *used;
	struct vio_split_desc *indirect; /* NULL: chains lie in the ring */
	struct vio_driver_slot *slots;
	uint64_t indirect_addr;
	uint64_t n_pushed; /* these four count since the reset; the ring's */
	uint64_t n_shown;  /* indexes are their low 16 bits */
	uint64_t n_used;
	uint64_t batch_end;     /* with IN_ORDER: n_used after the batch begun */
	uint32_t batch_written; /* what its one used element says of its last chain */
	uint32_t n_descs;
	uint32_t n_free;
	uint32_t indirect_descs;
	uint16_t free_first;
	uint16_t order_first; /* with IN_ORDER: head of the oldest chain */
	uint8_t has_event_index;
	uint8_t is_in_order;
	uint8_t is_latched;
	const struct vio_env *env;
};

/* Behind the available ring: the used index that the device is to call at. */
static inline uint16_t *vio_driver_used_event(struct vio_driver *driver)
{
	return &driver->avail->ring[driver->n_descs];
}

/* Behind the used ring: the available index that the driver is to kick at. */
static inline const uint16_t *vio_driver_avail_event(const struct vio_driver *driver)
{
	return (const uint16_t *)(const void *)&driver->used->ring[driver->n_descs];
}

#endif /* VIO_RING_DRIVER_H */
