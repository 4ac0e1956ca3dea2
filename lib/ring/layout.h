/* SPDX-License-Identifier: MIT */
/*
 * Layout of a split ring, virtio 1.2, 2.7.5 to 2.7.8, for both of its sides.
 * Little-endian in memory: le16toh() and its like at every access.
 */
#ifndef VIO_RING_LAYOUT_H
#define VIO_RING_LAYOUT_H

#include <stdint.h>

struct vio_split_desc {
	uint64_t addr;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

#define VIO_DESC_NEXT     1u
#define VIO_DESC_WRITE    2u
#define VIO_DESC_INDIRECT 4u

struct vio_split_avail {
	uint16_t flags;
	uint16_t index;
	uint16_t ring[]; /* then used_event */
};

#define VIO_AVAIL_NO_INTERRUPT 1u

struct vio_split_used_elem {
	uint32_t id;
	uint32_t length;
};

struct vio_split_used {
	uint16_t flags;
	uint16_t index;
	struct vio_split_used_elem ring[]; /* then avail_event */
};

#define VIO_USED_NO_NOTIFY 1u

#endif /* VIO_RING_LAYOUT_H */
