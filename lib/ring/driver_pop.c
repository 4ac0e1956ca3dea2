/* SPDX-License-Identifier: MIT */
/*
 * Taking chains back (virtio 1.2, 2.7.14). The device is not trusted: its index
 * and its elements are loaded once and checked against what it was given. With
 * VIRTIO_F_IN_ORDER one element may stand for a batch of chains (2.7.9): it
 * names the last of them, and the next element lies where it would lie had each
 * chain got its own.
 */
#include <errno.h>

#include "ring/driver.h"

static int latch(struct vio_driver *driver)
{
	driver->is_latched = 1;
	return -EBADMSG;
}

/*
 * Relaxed: the acquire load of the index that covers the element came before.
 * Two loads: each half is checked, or harmless, by itself.
 */
static struct vio_split_used_elem load_elem(const struct vio_driver *driver)
{
	const struct vio_split_used_elem *elem =
		&driver->used->ring[driver->n_used & (driver->n_descs - 1)];

	return (struct vio_split_used_elem){
		.id = le32toh(__atomic_load_n(&elem->id, __ATOMIC_RELAXED)),
		.length = le32toh(__atomic_load_n(&elem->length, __ATOMIC_RELAXED)),
	};
}

/*
 * The chain that @id names, or NULL. A device could otherwise return a chain
 * twice, or one that it has not been shown, and have its buffers reused while
 * they are written.
 */
static const struct vio_driver_slot *
find_chain(const struct vio_driver *driver, uint32_t id)
{
	const struct vio_driver_slot *slot;

	if (id >= driver->n_descs)
		return NULL;
	slot = &driver->slots[id];
	if (!slot->n_descs || slot->sequence >= driver->n_shown)
		return NULL;
	return slot;
}

static void close_chain(struct vio_driver *driver, uint16_t head,
			uint32_t written_bytes, struct vio_driver_used *used)
{
	struct vio_driver_slot *slot = &driver->slots[head];

	*used = (struct vio_driver_used){
		.cookie = slot->cookie,
		.written_bytes = written_bytes,
	};
	if (!driver->is_in_order) {
		driver->slots[slot->last].next = driver->free_first;
		driver->free_first = head;
	}
	driver->n_free += slot->n_descs;
	slot->n_descs = 0;
	driver->n_used++;
}

static int pop_any(struct vio_driver *driver, struct vio_driver_used *used)
{
	const struct vio_split_used_elem elem = load_elem(driver);

	if (!find_chain(driver, elem.id))
		return latch(driver);
	close_chain(driver, (uint16_t)elem.id, elem.length, used);
	return 0;
}

/* @ready chains are used, so no batch is longer. */
static int begin_batch(struct vio_driver *driver, uint32_t ready)
{
	const struct vio_split_used_elem elem = load_elem(driver);
	const struct vio_driver_slot *slot = find_chain(driver, elem.id);

	if (!slot || slot->sequence - driver->n_used >= ready)
		return latch(driver);
	driver->batch_end = slot->sequence + 1;
	driver->batch_written = elem.length;
	return 0;
}

/* All chains of a batch but the last are used completely, 2.7.9 says. */
static int
pop_in_order(struct vio_driver *driver, uint32_t ready, struct vio_driver_used *used)
{
	const uint16_t head = driver->order_first;
	const struct vio_driver_slot *slot = &driver->slots[head];

	if (driver->n_used == driver->batch_end && begin_batch(driver, ready))
		return -EBADMSG;
	driver->order_first = driver->slots[slot->last].next;
	close_chain(driver, head,
		    driver->n_used + 1 == driver->batch_end ? driver->batch_written
							    : slot->in_bytes,
		    used);
	return 0;
}

/*
 * How many chains are used. Acquire: pairs with the device's release store, and
 * orders the loads of the elements, and of the buffers, after it.
 */
static int read_ready(struct vio_driver *driver)
{
	const uint16_t index =
		le16toh(__atomic_load_n(&driver->used->index, __ATOMIC_ACQUIRE));
	const uint16_t ready = (uint16_t)(index - (uint16_t)driver->n_used);

	/* A device could otherwise have us read elements that it never wrote. */
	if (ready > driver->n_shown - driver->n_used)
		return latch(driver);
	return ready;
}

int vio_driver_pop(struct vio_driver *driver, struct vio_driver_used *used, uint32_t n)
{
	uint32_t count = 0;
	int ready, ret;

	if (driver->is_latched)
		return -EBADMSG;
	ready = read_ready(driver);
	if (ready < 0)
		return ready;
	if (n > (uint32_t)ready)
		n = (uint32_t)ready;
	for (; count < n; count++) {
		ret = driver->is_in_order
			      ? pop_in_order(driver, (uint32_t)ready - count,
					     &used[count])
			      : pop_any(driver, &used[count]);
		if (ret)
			return count ? (int)count : ret;
	}
	return (int)count;
}

/*
 * Both stores are relaxed towards the device but where we ask: there the store
 * and the load of the index after it, both sequentially consistent, pair with
 * the device's store of its index and its load of our wish.
 */
static void store_wish(struct vio_driver *driver, int enable)
{
	/* With events, the wish is the index to call at: the next, or one gone by. */
	if (driver->has_event_index)
		__atomic_store_n(vio_driver_used_event(driver),
				 htole16((uint16_t)(driver->n_used - !enable)),
				 __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&driver->avail->flags,
				 htole16(enable ? 0 : VIO_AVAIL_NO_INTERRUPT),
				 __ATOMIC_SEQ_CST);
}

int vio_driver_set_calls(struct vio_driver *driver, int enable)
{
	store_wish(driver, enable);
	if (!enable)
		return 0;
	/* A latched side answers 1, so that its owner pops and learns of it. */
	return driver->is_latched ||
	       le16toh(__atomic_load_n(&driver->used->index, __ATOMIC_SEQ_CST)) !=
		       (uint16_t)driver->n_used;
}
