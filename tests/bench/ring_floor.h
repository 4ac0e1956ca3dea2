/* SPDX-License-Identifier: MIT */
/*
 * The floor of a split ring's device phase: a bare loop that checks what it must
 * to stay inside of guest memory, and does nothing else. No events, no record of
 * open chains, no memory changes, no meters, no more than one piece a buffer.
 */
#ifndef RING_FLOOR_H
#define RING_FLOOR_H

#include <stdint.h>
#include <sys/uio.h>

struct floor_desc {
	uint64_t addr;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

struct floor_region {
	uint64_t gpa;
	uint64_t length_bytes;
	char *hva;
};

struct floor_ring {
	const struct floor_desc *desc;
	const uint16_t *avail; /* flags, index, ring */
	uint16_t *used;        /* flags, index, then pairs of 32 bits */
	const struct floor_region *regions;
	uint32_t n_regions;
	uint32_t hit; /* region found last */
	uint32_t n_descs;
	uint16_t avail_index;
	uint16_t used_index;
};

struct floor_chain {
	uint32_t head;
	uint32_t n_out;
	uint32_t n_in;
	struct iovec *iov;
};

/* Chains popped, or -1: malformed. */
int floor_pop(struct floor_ring *ring, struct floor_chain *chains, uint32_t n,
	      struct iovec *iov, uint32_t n_iov);
void floor_push(struct floor_ring *ring, const struct floor_chain *chains, uint32_t n);
void floor_publish(struct floor_ring *ring);

#endif /* RING_FLOOR_H */
