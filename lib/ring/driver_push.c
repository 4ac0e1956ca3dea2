/* SPDX-License-Identifier: MIT */
/*
 * Making chains available (virtio 1.2, 2.7.13). A chain is written into free
 * descriptors and taken into account only when it is whole, so that one that is
 * refused leaves nothing behind. The free descriptors are a list in private
 * memory. With VIRTIO_F_IN_ORDER they also come back in the order they went, so
 * the list stays the circle it began as: descriptors are used in ring order, as
 * 2.7.5 demands, without a second way of finding them.
 */
#include <errno.h>

#include "core/bits.h"
#include "ring/driver.h"

#define CHAIN_BYTES_MAX (UINT64_C(1) << 32) /* virtio 1.2, 2.7.5.2 */

/*
 * Relaxed: publishing stores the available index with release, and the device
 * loads descriptors only after it. Two stores because a device that breaks the
 * rules may read meanwhile, and each half is then old or new.
 */
static void store_desc(struct vio_split_desc *desc, const struct vio_driver_buf *buf,
		       uint16_t flags, uint16_t next)
{
	uint64_t *raw = (uint64_t *)(void *)desc;
	const uint64_t rest =
		buf->length_bytes | ((uint64_t)flags << 32) | ((uint64_t)next << 48);

	__atomic_store_n(&raw[0], htole64(buf->addr), __ATOMIC_RELAXED);
	__atomic_store_n(&raw[1], htole64(rest), __ATOMIC_RELAXED);
}

/* Where the buffers of one chain go: entries of a table, linked by next. */
struct writer {
	struct vio_split_desc *table;
	const struct vio_driver_slot *slots; /* NULL: entry i + 1 follows i */
	uint16_t first;
	uint16_t last; /* out */
	uint64_t in_bytes;
};

static int write_chain(struct writer *writer, const struct vio_driver_chain *chain)
{
	const uint32_t n = chain->n_out + chain->n_in;
	uint64_t total_bytes = 0;
	uint16_t at = writer->first;

	for (uint32_t i = 0; i < n; i++) {
		const struct vio_driver_buf *buf = &chain->bufs[i];
		const int is_in = i >= chain->n_out;
		const int is_last = i + 1 == n;
		const uint16_t next =
			writer->slots ? writer->slots[at].next : (uint16_t)(at + 1);

		/* No overflow: at most 2^15 lengths of 32 bits. */
		total_bytes += buf->length_bytes;
		if (!buf->length_bytes || total_bytes > CHAIN_BYTES_MAX)
			return -EINVAL;
		if (is_in)
			writer->in_bytes += buf->length_bytes;
		store_desc(&writer->table[at], buf,
			   (uint16_t)((is_in ? VIO_DESC_WRITE : 0) |
				      (is_last ? 0 : VIO_DESC_NEXT)),
			   is_last ? 0 : next);
		writer->last = at;
		at = next;
	}
	return 0;
}

static int write_direct(struct vio_driver *driver, const struct vio_driver_chain *chain,
			struct writer *writer)
{
	writer->table = driver->desc;
	writer->slots = driver->slots;
	writer->first = driver->free_first;
	return write_chain(writer, chain);
}

/* The table belongs to the descriptor that names it, and is free when that is. */
static int write_indirect(struct vio_driver *driver,
			  const struct vio_driver_chain *chain, struct writer *writer)
{
	const uint64_t entry = (uint64_t)driver->free_first * driver->indirect_descs;
	struct vio_driver_buf table;
	int ret;

	writer->table = &driver->indirect[entry];
	writer->slots = NULL;
	writer->first = 0;
	ret = write_chain(writer, chain);
	if (ret)
		return ret;
	table = (struct vio_driver_buf){
		.addr = driver->indirect_addr + entry * sizeof(struct vio_split_desc),
		.length_bytes = (chain->n_out + chain->n_in) *
				(uint32_t)sizeof(struct vio_split_desc),
	};
	store_desc(&driver->desc[driver->free_first], &table, VIO_DESC_INDIRECT, 0);
	writer->last = driver->free_first;
	return 0;
}

/* The chain is whole in @n_descs descriptors from free_first on: it counts. */
static void take_chain(struct vio_driver *driver, uint64_t cookie, uint32_t n_descs,
		       const struct writer *writer)
{
	const uint16_t head = driver->free_first;
	struct vio_driver_slot *slot = &driver->slots[head];

	slot->cookie = cookie;
	slot->sequence = driver->n_pushed;
	slot->in_bytes = (uint32_t)vio_min_u64(writer->in_bytes, UINT32_MAX);
	slot->n_descs = (uint16_t)n_descs;
	slot->last = writer->last;
	driver->free_first = driver->slots[writer->last].next;
	driver->n_free -= n_descs;
	/* Relaxed, as the descriptors: the index that covers it is not shown yet. */
	__atomic_store_n(&driver->avail->ring[driver->n_pushed & (driver->n_descs - 1)],
			 htole16(head), __ATOMIC_RELAXED);
	driver->n_pushed++;
}

static int push_chain(struct vio_driver *driver, const struct vio_driver_chain *chain)
{
	const uint64_t n_bufs = (uint64_t)chain->n_out + chain->n_in;
	const int is_indirect =
		driver->indirect && n_bufs >= 2 && n_bufs <= driver->indirect_descs;
	const uint32_t n_descs = is_indirect ? 1 : (uint32_t)n_bufs;
	struct writer writer = { .in_bytes = 0 };
	int ret;

	if (!n_bufs || n_bufs > driver->n_descs)
		return -EINVAL;
	if (n_descs > driver->n_free)
		return -ENOSPC;
	ret = is_indirect ? write_indirect(driver, chain, &writer)
			  : write_direct(driver, chain, &writer);
	if (ret)
		return ret;
	take_chain(driver, chain->cookie, n_descs, &writer);
	return 0;
}

int vio_driver_push(struct vio_driver *driver, const struct vio_driver_chain *chains,
		    uint32_t n)
{
	int ret;

	if (driver->is_latched)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		ret = push_chain(driver, &chains[i]);
		if (ret)
			return i ? (int)i : ret;
	}
	return (int)n;
}

/*
 * Did the index pass the event on its way from @from to @to? Counted backwards
 * from @to, modulo 2^16: the entry with index @event lies among the new ones.
 */
static int is_passed(uint16_t event, uint16_t from, uint16_t to)
{
	return (uint16_t)(to - event - 1) < (uint16_t)(to - from);
}

int vio_driver_publish(struct vio_driver *driver)
{
	const uint16_t from = (uint16_t)driver->n_shown;
	const uint16_t to = (uint16_t)driver->n_pushed;

	if (driver->is_latched || driver->n_shown == driver->n_pushed)
		return 0;
	driver->n_shown = driver->n_pushed;
	/*
	 * As a release it pairs with the device's acquire load of the index: who
	 * sees it sees the chains. Sequentially consistent, it and the load below
	 * pair with the device's store of the event (or flag) and its load of the
	 * index after: either we see that it wants a kick or it sees the chains.
	 */
	__atomic_store_n(&driver->avail->index, htole16(to), __ATOMIC_SEQ_CST);
	if (driver->has_event_index)
		return is_passed(le16toh(__atomic_load_n(vio_driver_avail_event(driver),
							 __ATOMIC_SEQ_CST)),
				 from, to);
	return !(le16toh(__atomic_load_n(&driver->used->flags, __ATOMIC_SEQ_CST)) &
		 VIO_USED_NO_NOTIFY);
}
