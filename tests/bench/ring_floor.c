/* SPDX-License-Identifier: MIT */
/*
 * A file of its own, compiled as the library's sources are, so that neither side
 * of the comparison is inlined into the loop that times it.
 */
#include "ring_floor.h"

#define DESC_NEXT     1u
#define DESC_WRITE    2u
#define DESC_INDIRECT 4u

static char *find_in(const struct floor_region *region, uint64_t addr, uint32_t length)
{
	uint64_t offset = addr - region->gpa;

	if (offset >= region->length_bytes || length > region->length_bytes - offset)
		return 0;
	return region->hva + offset;
}

static char *find(struct floor_ring *ring, uint64_t addr, uint32_t length)
{
	char *at = find_in(&ring->regions[ring->hit], addr, length);

	for (uint32_t i = 0; !at && i < ring->n_regions; i++) {
		at = find_in(&ring->regions[i], addr, length);
		if (at)
			ring->hit = i;
	}
	return at;
}

static struct floor_desc copy_desc(const struct floor_desc *desc)
{
	const uint64_t *raw = (const uint64_t *)(const void *)desc;
	uint64_t rest = __atomic_load_n(&raw[1], __ATOMIC_RELAXED);

	return (struct floor_desc){
		__atomic_load_n(&raw[0], __ATOMIC_RELAXED),
		(uint32_t)rest,
		(uint16_t)(rest >> 32),
		(uint16_t)(rest >> 48),
	};
}

/* iovecs used, or -1. */
static int read_chain(struct floor_ring *ring, uint32_t head, struct floor_chain *chain,
		      uint32_t n_iov)
{
	const struct floor_desc *table = ring->desc;
	uint32_t size = ring->n_descs;
	uint32_t index = head;

	for (uint32_t seen = 0; seen <= ring->n_descs; seen++) {
		struct floor_desc d;
		uint32_t n = chain->n_out + chain->n_in;
		char *at;

		if (index >= size)
			return -1;
		d = copy_desc(&table[index]);
		at = find(ring, d.addr, d.length);
		if (!at || !d.length)
			return -1;
		if (d.flags & DESC_INDIRECT) {
			if (table != ring->desc || d.length % sizeof(d))
				return -1;
			table = (const struct floor_desc *)(void *)at;
			size = d.length / sizeof(d);
			index = 0;
			continue;
		}
		if (n >= n_iov || (!(d.flags & DESC_WRITE) && chain->n_in))
			return -1;
		chain->iov[n].iov_base = at;
		chain->iov[n].iov_len = d.length;
		if (d.flags & DESC_WRITE)
			chain->n_in++;
		else
			chain->n_out++;
		if (!(d.flags & DESC_NEXT))
			return (int)n + 1;
		index = d.next;
	}
	return -1;
}

int floor_pop(struct floor_ring *ring, struct floor_chain *chains, uint32_t n,
	      struct iovec *iov, uint32_t n_iov)
{
	uint16_t there = (uint16_t)(__atomic_load_n(&ring->avail[1], __ATOMIC_ACQUIRE) -
				    ring->avail_index);
	uint32_t popped;

	if (there > ring->n_descs)
		return -1;
	for (popped = 0; popped < n && popped < there; popped++) {
		uint16_t slot = ring->avail_index & (uint16_t)(ring->n_descs - 1);
		int used;

		chains[popped].head = ring->avail[2 + slot];
		chains[popped].n_out = 0;
		chains[popped].n_in = 0;
		chains[popped].iov = iov;
		used = read_chain(ring, chains[popped].head, &chains[popped], n_iov);
		if (used < 0)
			return -1;
		iov += used;
		n_iov -= (uint32_t)used;
		ring->avail_index++;
	}
	return (int)popped;
}

void floor_push(struct floor_ring *ring, const struct floor_chain *chains, uint32_t n)
{
	uint32_t *pairs = (uint32_t *)(void *)&ring->used[2];

	for (uint32_t i = 0; i < n; i++) {
		uint32_t slot = ring->used_index++ & (ring->n_descs - 1);

		pairs[2 * slot] = chains[i].head;
		pairs[2 * slot + 1] = 0;
	}
}

void floor_publish(struct floor_ring *ring)
{
	__atomic_store_n(&ring->used[1], ring->used_index, __ATOMIC_RELEASE);
}
