/* SPDX-License-Identifier: MIT */
/*
 * Taking chains from a split ring (virtio 1.2, 2.7.5, 2.7.5.3, 2.7.6). The ring
 * lies in memory that the guest can rewrite at any moment, so each descriptor is
 * copied once and only the copy is believed. Every walk is bounded by the ring's
 * size, which the guest cannot change while the queue exists.
 *
 * The common chain, whose buffers lie in one of two regions hit before, is read
 * without a call; everything rarer is out of line.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "ring/queue.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

/* Longest chain a driver may build, virtio 1.2, 2.7.5.3.1. */
#define CHAIN_BYTES_MAX (UINT64_C(1) << 32)

struct desc {
	uint64_t addr;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

/* Reading one chain: where it goes, and what is wrong with it if anything is. */
struct walk {
	struct vio_queue *queue;
	const struct vio_mem_view *view;
	struct vio_chain *chain;
	uint32_t n_iov;  /* the chain has so far */
	uint32_t room;   /* it may have */
	uint32_t n_desc; /* descriptors read */
	uint32_t index;  /* descriptor in question */
	uint64_t detail; /* what is wrong with it */
};

/*
 * Results of a walk: 0, -EAGAIN (translation not known), -ENOBUFS (more iovecs
 * than there is room for), or a VIO_FAULT_ number.
 */
static int blame(struct walk *walk, uint32_t fault, uint32_t index, uint64_t detail)
{
	walk->index = index;
	walk->detail = detail;
	return (int)fault;
}

/*
 * Relaxed loads: the available index was read with acquire, which orders these
 * after the driver's stores. Two loads because that is the widest that a driver
 * can be expected to store without tearing.
 */
static inline struct desc copy_desc(const struct vio_split_desc *table, uint32_t index)
{
	const uint64_t *raw = (const uint64_t *)(const void *)&table[index];
	uint64_t rest = le64toh(__atomic_load_n(&raw[1], __ATOMIC_RELAXED));

	return (struct desc){
		.addr = le64toh(__atomic_load_n(&raw[0], __ATOMIC_RELAXED)),
		.length = (uint32_t)rest,
		.flags = (uint16_t)(rest >> 32),
		.next = (uint16_t)(rest >> 48),
	};
}

/*
 * Two hints: drivers alternate between a few places, such as a pool of headers
 * and a pool of data.
 */
static inline char *find(const struct vio_queue *queue, const struct vio_mem_view *view,
			 const struct desc *d, uint32_t access)
{
	char *at =
		vio_mem_view_find(view, queue->reader.hint, d->addr, d->length, access);

	if (LIKELY(at))
		return at;
	return vio_mem_view_find(view, queue->hint_before, d->addr, d->length, access);
}

static int translate(struct walk *walk, uint64_t addr, uint64_t length, uint32_t access,
		     struct iovec *iov, uint32_t n_iov)
{
	struct vio_queue *queue = walk->queue;
	uint32_t hint = queue->reader.hint;
	int n;

	if (queue->is_iova)
		return vio_mem_view_translate_iova(queue->params.mem, walk->view,
						   &queue->reader.hint, addr, length,
						   access, iov, n_iov);
	n = vio_mem_view_translate(walk->view, &queue->reader.hint, addr, length,
				   access, iov, n_iov);
	if (n > 0 && queue->reader.hint != hint)
		queue->hint_before = hint;
	return n;
}

/* A buffer that neither hint finds, or that crosses regions. */
static __attribute__((noinline)) int
add_pieces(struct walk *walk, const struct desc *d, uint32_t index, uint32_t access)
{
	int n = translate(walk, d->addr, d->length, access,
			  &walk->chain->iov[walk->n_iov], walk->room - walk->n_iov);

	if (n == -EAGAIN || n == -ENOBUFS)
		return n;
	if (n < 0)
		return blame(walk, VIO_FAULT_ADDRESS, index, d->addr);
	walk->n_iov += (uint32_t)n;
	return 0;
}

static inline int add_buffer(struct walk *walk, const struct desc *d, uint32_t index)
{
	struct vio_chain *chain = walk->chain;
	const uint32_t is_write = d->flags & VIO_DESC_WRITE;
	char *at = NULL;

	/* A device that divides by a length, or loops until it has some, hangs. */
	if (UNLIKELY(!d->length))
		return blame(walk, VIO_FAULT_LENGTH, index, 0);
	/* A device could otherwise be made to overwrite what it was to read. */
	if (UNLIKELY(!is_write && chain->n_in))
		return blame(walk, VIO_FAULT_ORDER, index, d->addr);
	/* Sums of lengths in 32 bits would wrap to something small. */
	if (UNLIKELY(chain->out_bytes + chain->in_bytes + d->length > CHAIN_BYTES_MAX))
		return blame(walk, VIO_FAULT_LENGTH, index, d->length);
	if (UNLIKELY(walk->n_iov == walk->room))
		return -ENOBUFS;

	if (LIKELY(!walk->queue->is_iova))
		at = find(walk->queue, walk->view, d,
			  is_write ? VIO_MEM_WRITE : VIO_MEM_READ);
	if (LIKELY(at)) {
		chain->iov[walk->n_iov].iov_base = at;
		chain->iov[walk->n_iov].iov_len = d->length;
		walk->n_iov++;
	} else {
		int ret = add_pieces(walk, d, index,
				     is_write ? VIO_MEM_WRITE : VIO_MEM_READ);

		if (ret)
			return ret;
	}

	if (is_write) {
		chain->in_bytes += d->length;
		chain->n_in = walk->n_iov - chain->n_out;
	} else {
		chain->out_bytes += d->length;
		chain->n_out = walk->n_iov;
	}
	return 0;
}

/*
 * One entry of an indirect table that is not aligned or not in one piece. The
 * barrier makes the copy real: without it the compiler may read the guest's
 * memory again where the copy is used.
 */
static int copy_far_desc(struct walk *walk, uint64_t addr, struct desc *out)
{
	struct vio_split_desc raw;
	struct iovec iov[2];
	int n = translate(walk, addr, sizeof(raw), VIO_MEM_READ, iov, 2);

	if (n == -EAGAIN)
		return n;
	if (n < 0)
		return blame(walk, VIO_FAULT_ADDRESS, walk->index, addr);
	memcpy(&raw, iov[0].iov_base, iov[0].iov_len);
	if (n == 2)
		memcpy((char *)&raw + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	__asm__ volatile("" : "+m"(raw));
	*out = (struct desc){ le64toh(raw.addr), le32toh(raw.length),
			      le16toh(raw.flags), le16toh(raw.next) };
	return 0;
}

/* The table in one aligned piece, or NULL. */
static const struct vio_split_desc *
find_table(const struct walk *walk, const struct desc *d)
{
	const void *at;

	if (walk->queue->is_iova)
		return NULL;
	at = find(walk->queue, walk->view, d, VIO_MEM_READ);
	return at && vio_is_aligned((uintptr_t)at, 16) ? at : NULL;
}

/* @n_left: what the chain may still have after the descriptors before the table. */
static int read_table(struct walk *walk, const struct desc *where,
		      const struct vio_split_desc *table, uint32_t n_left)
{
	const uint32_t n_entries = where->length / (uint32_t)sizeof(*table);
	uint32_t index = 0;

	/* A table can be 4 GiB and loop: the chain is no longer than the ring. */
	for (; n_left; n_left--) {
		struct desc d;
		int ret = 0;

		if (UNLIKELY(index >= n_entries))
			return blame(walk, VIO_FAULT_INDEX, index, index);
		if (LIKELY(table))
			d = copy_desc(table, index);
		else
			ret = copy_far_desc(walk, where->addr + (uint64_t)index * 16,
					    &d);
		if (UNLIKELY(ret))
			return ret;
		walk->n_desc++;
		/* A table in a table could nest without end. */
		if (UNLIKELY(d.flags & VIO_DESC_INDIRECT))
			return blame(walk, VIO_FAULT_INDIRECT, index, d.addr);
		ret = add_buffer(walk, &d, index);
		if (UNLIKELY(ret) || !(d.flags & VIO_DESC_NEXT))
			return ret;
		index = d.next;
	}
	return blame(walk, VIO_FAULT_LOOP, index, walk->queue->n_descs);
}

/* virtio 1.2, 2.7.5.3: the table ends the chain; its WRITE flag means nothing. */
static int
read_indirect(struct walk *walk, const struct desc *d, uint32_t index, uint32_t n_left)
{
	uint64_t last;

	if (!walk->queue->has_indirect || (d->flags & VIO_DESC_NEXT) || !d->length ||
	    d->length % sizeof(struct vio_split_desc))
		return blame(walk, VIO_FAULT_INDIRECT, index, d->length);
	if (!vio_range_last(d->addr, d->length, &last))
		return blame(walk, VIO_FAULT_ADDRESS, index, d->addr);
	walk->index = index;
	return read_table(walk, d, find_table(walk, d), n_left);
}

static int read_chain(struct walk *walk, uint32_t head)
{
	const struct vio_queue *queue = walk->queue;
	uint32_t index = head;

	/* A loop of descriptors is as long as the guest likes: count, not trust. */
	for (uint32_t seen = 0; seen < queue->n_descs; seen++) {
		struct desc d;
		int ret;

		if (UNLIKELY(index >= queue->n_descs))
			return blame(walk, VIO_FAULT_INDEX, index, index);
		d = copy_desc(queue->desc, index);
		walk->n_desc++;
		if (UNLIKELY(d.flags & VIO_DESC_INDIRECT))
			return read_indirect(walk, &d, index, queue->n_descs - seen);
		ret = add_buffer(walk, &d, index);
		if (UNLIKELY(ret) || !(d.flags & VIO_DESC_NEXT))
			return ret;
		index = d.next;
	}
	return blame(walk, VIO_FAULT_LOOP, index, queue->n_descs);
}

static inline void open_chain(struct vio_queue *queue, const struct vio_mem_view *view,
			      const struct vio_chain *chain)
{
	struct vio_open_chain *open = &queue->open[chain->head];

	open->view = view;
	open->in_bytes = chain->in_bytes;
	open->total_bytes = chain->in_bytes + chain->out_bytes;
	open->is_done = 0;
	if (UNLIKELY(queue->is_in_order)) {
		if (queue->n_open + queue->n_waiting)
			queue->open[queue->order_last].next_open =
				(uint16_t)chain->head;
		else
			queue->order_first = (uint16_t)chain->head;
		queue->order_last = (uint16_t)chain->head;
	}
	queue->n_open++;
	queue->reader.n_held++;
	queue->avail_index++;
}

/* The walk's result, as pop returns it after the chains before it. */
static int
end_walk(struct vio_queue *queue, const struct walk *walk, uint32_t head, int result)
{
	if (result == -EAGAIN) {
		queue->is_parked = 1;
		return result;
	}
	if (result != -ENOBUFS)
		return vio_queue_latch(queue, (uint32_t)result, head, walk->index,
				       walk->detail);
	/* Short of the caller's array, the next pop has all of it. */
	if (walk->room < queue->max_chain_iov)
		return result;
	/* A buffer in endless pieces would never fit any caller's array. */
	return vio_queue_latch(queue, VIO_FAULT_TOO_MANY, head, walk->index,
			       walk->room);
}

/* One chain into @walk->chain. 0, -EAGAIN, -ENOBUFS or -EBADMSG. */
static inline int pop_chain(struct walk *walk)
{
	struct vio_queue *queue = walk->queue;
	/* Relaxed: see copy_desc(). */
	uint32_t head = le16toh(__atomic_load_n(
		&queue->avail->ring[queue->avail_index & (queue->n_descs - 1)],
		__ATOMIC_RELAXED));
	int ret;

	if (UNLIKELY(head >= queue->n_descs))
		return vio_queue_latch(queue, VIO_FAULT_INDEX, head, head, head);
	/* Two chains of one head: the second completion would free a live buffer. */
	if (UNLIKELY(queue->open[head].view))
		return vio_queue_latch(queue, VIO_FAULT_DUPLICATE, head, head, 0);

	walk->chain->head = head;
	walk->chain->written_bytes = 0;
	walk->chain->n_out = 0;
	walk->chain->n_in = 0;
	walk->chain->out_bytes = 0;
	walk->chain->in_bytes = 0;
	ret = read_chain(walk, head);
	if (UNLIKELY(ret))
		return end_walk(queue, walk, head, ret);
	open_chain(queue, walk->view, walk->chain);
	return 0;
}

/*
 * Acquire: pairs with the driver's release of its index; what the driver stored
 * before, ring entries and descriptors, is read after.
 */
static inline uint32_t count_available(struct vio_queue *queue, uint32_t wanted)
{
	uint16_t n = (uint16_t)(queue->avail_seen - queue->avail_index);

	if (n >= wanted)
		return n;
	queue->avail_seen =
		le16toh(__atomic_load_n(&queue->avail->index, __ATOMIC_ACQUIRE));
	return (uint16_t)(queue->avail_seen - queue->avail_index);
}

static int pop_burst(struct vio_queue *queue, const struct vio_mem_view *view,
		     struct vio_chain *chains, uint32_t n_chains, struct iovec *iov,
		     uint32_t n_iov)
{
	struct walk walk = { .queue = queue, .view = view };
	uint32_t n = count_available(queue, n_chains);
	uint32_t popped = 0;
	uint32_t used_iov = 0;
	int ret = 0;

	/* An index out of step would hand out chains the driver never made. */
	if (UNLIKELY(n > queue->n_descs))
		return vio_queue_latch(queue, VIO_FAULT_AVAIL_JUMP, 0, 0,
				       queue->avail_seen);
	if (n > n_chains)
		n = n_chains;

	for (; popped < n; popped++) {
		walk.chain = &chains[popped];
		walk.chain->iov = &iov[used_iov];
		walk.n_iov = 0;
		walk.room = n_iov - used_iov;
		if (walk.room > queue->max_chain_iov)
			walk.room = queue->max_chain_iov;
		ret = pop_chain(&walk);
		if (UNLIKELY(ret))
			break;
		used_iov += walk.n_iov;
	}
	vio_meter_add(&queue->meter.descs, walk.n_desc);
	return popped ? (int)popped : ret;
}

/* Still waiting for a notification that an address is known? */
static int is_parked(struct vio_queue *queue, uint64_t translations)
{
	if (queue->is_parked && queue->parked_at == translations)
		return 1;
	queue->is_parked = 0;
	/* Counted before the hook is asked: a later notification is a new one. */
	queue->parked_at = translations;
	return 0;
}

int vio_queue_pop(struct vio_queue *queue, struct vio_chain *chains, uint32_t n_chains,
		  struct iovec *iov, uint32_t n_iov)
{
	const struct vio_mem_view *view;
	int ret;

	if (UNLIKELY(!n_chains || n_iov < queue->max_chain_iov))
		return -EINVAL;
	if (UNLIKELY(queue->fault.code))
		return -EBADMSG;
	if (UNLIKELY(queue->is_iova) && is_parked(queue, vio_queue_translations(queue)))
		return -EAGAIN;

	view = vio_queue_enter(queue, &ret);
	if (UNLIKELY(!view)) {
		queue->is_parked = ret == -EAGAIN;
		return ret;
	}
	ret = pop_burst(queue, view, chains, n_chains, iov, n_iov);
	vio_mem_reader_leave(&queue->reader);
	return ret;
}
