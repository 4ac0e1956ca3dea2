/* SPDX-License-Identifier: MIT */
/*
 * Taking chains from a split ring (virtio 1.2, 2.7.5, 2.7.5.3, 2.7.6). The ring
 * lies in memory that the guest can rewrite at any moment, so each descriptor is
 * copied once and only the copy is believed. Every walk is bounded by the ring's
 * size, which the guest cannot change while the queue exists.
 *
 * Drivers use few places: a pool of headers, a pool of data, a pool of tables.
 * So a burst remembers the spans it hit last, and reads a chain that lies in them
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

/* What one call of pop works with, and what is wrong with a chain if anything. */
struct burst {
	struct vio_queue *queue;
	const struct vio_mem_view *view;
	/* Spans hit before: two of buffers, one of indirect tables. */
	const struct vio_mem_span *near;
	const struct vio_mem_span *near_too;
	const struct vio_mem_span *near_table;
	uint32_t n_descs; /* read so far, for the meter */
	uint32_t index;   /* descriptor in question */
	uint64_t detail;  /* what is wrong with it */
};

/* One chain as far as it is read. */
struct sum {
	struct iovec *iov;
	uint32_t room;  /* iovecs it may have */
	uint32_t n_iov; /* it has */
	uint32_t n_out; /* of them, to read */
	uint64_t out_bytes;
	uint64_t bytes; /* in all */
};

/* Where no region has been hit: a span that no address is in. */
static const struct vio_mem_span no_span = { .gpa = UINT64_MAX, .last = UINT64_MAX };

/*
 * Results of reading a chain: 0, -EAGAIN (translation not known), -ENOBUFS (more
 * iovecs than there is room for), or a VIO_FAULT_ number.
 */
static int blame(struct burst *burst, uint32_t fault, uint32_t index, uint64_t detail)
{
	burst->index = index;
	burst->detail = detail;
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
 * Where @d is, if it lies whole in @span and may be used as it says. An address
 * below the span wraps to an offset beyond its end, and so does a length of 0.
 */
static inline char *find_in(const struct vio_mem_span *span, const struct desc *d)
{
	const uint64_t offset = d->addr - span->gpa;
	const uint64_t size_less_one = span->last - span->gpa;

	if (offset > size_less_one || (uint64_t)d->length - 1 > size_less_one - offset)
		return NULL;
	if ((d->flags & VIO_DESC_WRITE) && (span->flags & VIO_MEM_READONLY))
		return NULL;
	/* As a number: no_span, which the last byte of all is in, has no memory. */
	return (char *)((uintptr_t)span->hva + offset);
}

static int
translate(struct burst *burst, const struct desc *d, struct iovec *iov, uint32_t n_iov)
{
	struct vio_queue *queue = burst->queue;
	const uint32_t access =
		d->flags & VIO_DESC_WRITE ? VIO_MEM_WRITE : VIO_MEM_READ;

	if (queue->is_iova)
		return vio_mem_view_translate_iova(queue->params.mem, burst->view,
						   &queue->reader.hint, d->addr,
						   d->length, access, iov, n_iov);
	return vio_mem_view_translate(burst->view, &queue->reader.hint, d->addr,
				      d->length, access, iov, n_iov);
}

/* A buffer in a region not hit lately, or across regions, or nowhere. */
static __attribute__((noinline)) int add_far(struct burst *burst, const struct desc *d,
					     uint32_t index, struct iovec *iov,
					     uint32_t n_iov)
{
	int n;

	/* A device that divides by a length, or loops until it has some, hangs. */
	if (!d->length)
		return -blame(burst, VIO_FAULT_LENGTH, index, 0);
	n = translate(burst, d, iov, n_iov);
	if (n == -EAGAIN || n == -ENOBUFS)
		return n;
	if (n < 0)
		return -blame(burst, VIO_FAULT_ADDRESS, index, d->addr);
	/* An I/O virtual address that skipped the hook could name any memory. */
	if (burst->queue->is_iova)
		return n;
	burst->near_too = burst->near;
	burst->near = &burst->view->spans[burst->queue->reader.hint];
	return n;
}

/* Inlined, so that the sum stays in registers. */
static inline __attribute__((always_inline)) int
add_buffer(struct burst *burst, const struct desc *d, uint32_t index, struct sum *sum)
{
	const int is_write = d->flags & VIO_DESC_WRITE;
	char *at;

	/* A device could otherwise be made to overwrite what it was to read. */
	if (UNLIKELY(!is_write && sum->n_iov != sum->n_out))
		return blame(burst, VIO_FAULT_ORDER, index, d->addr);
	if (UNLIKELY(sum->n_iov == sum->room))
		return -ENOBUFS;
	at = find_in(burst->near, d);
	if (!at)
		at = find_in(burst->near_too, d);
	if (LIKELY(at)) {
		sum->iov[sum->n_iov].iov_base = at;
		sum->iov[sum->n_iov].iov_len = d->length;
		sum->n_iov++;
	} else {
		const struct desc copy = *d;
		int n = add_far(burst, &copy, index, &sum->iov[sum->n_iov],
				sum->room - sum->n_iov);

		if (UNLIKELY(n < 0))
			return n == -EAGAIN || n == -ENOBUFS ? n : -n;
		sum->n_iov += (uint32_t)n;
	}
	sum->bytes += d->length;
	if (!is_write) {
		sum->n_out = sum->n_iov;
		sum->out_bytes = sum->bytes;
	}
	return 0;
}

/*
 * One entry of an indirect table that is not aligned or not in one piece. The
 * barrier makes the copy real: without it the compiler may read the guest's
 * memory again where the copy is used.
 */
static int copy_far_desc(struct burst *burst, uint64_t addr, struct desc *out)
{
	const struct desc where = { .addr = addr, .length = 16 };
	struct vio_split_desc raw;
	struct iovec iov[2];
	int n = translate(burst, &where, iov, 2);

	if (n == -EAGAIN)
		return n;
	if (n < 0)
		return blame(burst, VIO_FAULT_ADDRESS, burst->index, addr);
	memcpy(&raw, iov[0].iov_base, iov[0].iov_len);
	if (n == 2)
		memcpy((char *)&raw + iov[0].iov_len, iov[1].iov_base, iov[1].iov_len);
	__asm__ volatile("" : "+m"(raw));
	*out = (struct desc){ le64toh(raw.addr), le32toh(raw.length),
			      le16toh(raw.flags), le16toh(raw.next) };
	return 0;
}

static __attribute__((noinline)) const struct vio_split_desc *
find_far_table(struct burst *burst, const struct desc *where)
{
	struct iovec iov;

	if (burst->queue->is_iova || translate(burst, where, &iov, 1) != 1 ||
	    !vio_is_aligned((uintptr_t)iov.iov_base, 16))
		return NULL;
	burst->near_table = &burst->view->spans[burst->queue->reader.hint];
	return iov.iov_base;
}

/* The table in one aligned piece, or NULL. The device only reads it. */
static inline const struct vio_split_desc *
find_table(struct burst *burst, const struct desc *d)
{
	const struct desc where = { .addr = d->addr, .length = d->length };
	const void *at = find_in(burst->near_table, &where);

	if (LIKELY(at && vio_is_aligned((uintptr_t)at, 16)))
		return at;
	return find_far_table(burst, &where);
}

/* @n_left: what the chain may still have after the descriptors before the table. */
static int read_table(struct burst *burst, const struct desc *where,
		      const struct vio_split_desc *table, uint32_t n_left,
		      struct sum *out)
{
	const uint32_t n_entries = where->length / (uint32_t)sizeof(*table);
	struct sum sum = *out;
	uint32_t index = 0;

	/* A table can be 4 GiB and loop: the chain is no longer than the ring. */
	for (; n_left; n_left--) {
		struct desc d;
		int ret = 0;

		if (UNLIKELY(index >= n_entries))
			return blame(burst, VIO_FAULT_INDEX, index, index);
		if (LIKELY(table))
			d = copy_desc(table, index);
		else
			ret = copy_far_desc(burst, where->addr + (uint64_t)index * 16,
					    &d);
		if (UNLIKELY(ret))
			return ret;
		burst->n_descs++;
		/* A table in a table could nest without end. */
		if (UNLIKELY(d.flags & VIO_DESC_INDIRECT))
			return blame(burst, VIO_FAULT_INDIRECT, index, d.addr);
		ret = add_buffer(burst, &d, index, &sum);
		if (UNLIKELY(ret))
			return ret;
		if (!(d.flags & VIO_DESC_NEXT)) {
			*out = sum;
			return 0;
		}
		index = d.next;
	}
	return blame(burst, VIO_FAULT_LOOP, index, burst->queue->n_descs);
}

/* virtio 1.2, 2.7.5.3: the table ends the chain; its WRITE flag means nothing. */
static int read_indirect(struct burst *burst, const struct desc *d, uint32_t index,
			 uint32_t n_left, struct sum *sum)
{
	uint64_t last;

	if (!burst->queue->has_indirect || (d->flags & VIO_DESC_NEXT) || !d->length ||
	    d->length % sizeof(struct vio_split_desc))
		return blame(burst, VIO_FAULT_INDIRECT, index, d->length);
	if (!vio_range_last(d->addr, d->length, &last))
		return blame(burst, VIO_FAULT_ADDRESS, index, d->addr);
	burst->index = index;
	return read_table(burst, d, find_table(burst, d), n_left, sum);
}

static inline __attribute__((always_inline)) int
read_chain(struct burst *burst, uint32_t head, struct iovec *iov, uint32_t room,
	   struct sum *out)
{
	const struct vio_queue *queue = burst->queue;
	struct sum sum = { .iov = iov, .room = room };
	uint32_t index = head;

	/* A loop of descriptors is as long as the guest likes: count, not trust. */
	for (uint32_t seen = 0; seen < queue->n_descs; seen++) {
		struct desc d;
		int ret;

		if (UNLIKELY(index >= queue->n_descs))
			return blame(burst, VIO_FAULT_INDEX, index, index);
		d = copy_desc(queue->desc, index);
		burst->n_descs++;
		if (d.flags & VIO_DESC_INDIRECT) {
			*out = sum;
			return read_indirect(burst, &d, index, queue->n_descs - seen,
					     out);
		}
		ret = add_buffer(burst, &d, index, &sum);
		if (UNLIKELY(ret))
			return ret;
		if (!(d.flags & VIO_DESC_NEXT)) {
			*out = sum;
			return 0;
		}
		index = d.next;
	}
	return blame(burst, VIO_FAULT_LOOP, index, queue->n_descs);
}

/* With IN_ORDER: the chain's place behind those popped before it. */
static void queue_in_order(struct vio_queue *queue, uint32_t head, uint32_t n_before)
{
	if (queue->n_open + queue->n_waiting + n_before)
		queue->open[queue->order_last].next_open = (uint16_t)head;
	else
		queue->order_first = (uint16_t)head;
	queue->order_last = (uint16_t)head;
}

/* The result of reading a chain, as pop returns it after the chains before. */
static __attribute__((noinline)) int
end_burst(struct burst *burst, uint32_t head, uint32_t room, int result)
{
	struct vio_queue *queue = burst->queue;

	if (result == -EAGAIN) {
		queue->is_parked = 1;
		return result;
	}
	if (result != -ENOBUFS)
		return vio_queue_latch(queue, (uint32_t)result, head, burst->index,
				       burst->detail);
	/* Short of the caller's array, the next pop has all of it. */
	if (room < queue->max_chain_iov)
		return result;
	/* A buffer in endless pieces would never fit any caller's array. */
	return vio_queue_latch(queue, VIO_FAULT_TOO_MANY, head, head, room);
}

static inline void
fill_chain(struct vio_chain *chain, uint32_t head, const struct sum *sum)
{
	chain->head = head;
	chain->written_bytes = 0;
	chain->n_out = sum->n_out;
	chain->n_in = sum->n_iov - sum->n_out;
	chain->out_bytes = sum->out_bytes;
	chain->in_bytes = sum->bytes - sum->out_bytes;
	chain->iov = sum->iov;
}

/*
 * The next chain, the @n_before th of this burst. Iovecs used, or -EAGAIN,
 * -ENOBUFS, -EBADMSG.
 */
static inline int pop_chain(struct burst *burst, uint16_t avail_index,
			    struct vio_chain *chain, struct iovec *iov, uint32_t room)
{
	struct vio_queue *queue = burst->queue;
	/* Relaxed: see copy_desc(). */
	uint32_t head = le16toh(
		__atomic_load_n(&queue->avail->ring[avail_index & (queue->n_descs - 1)],
				__ATOMIC_RELAXED));
	struct vio_open_chain *open;
	struct sum sum;
	int ret;

	if (UNLIKELY(head >= queue->n_descs))
		return vio_queue_latch(queue, VIO_FAULT_INDEX, head, head, head);
	open = &queue->open[head];
	/* Two chains of one head: the second completion would free a live buffer. */
	if (UNLIKELY(open->view))
		return vio_queue_latch(queue, VIO_FAULT_DUPLICATE, head, head, 0);

	ret = read_chain(burst, head, iov, room, &sum);
	/* Lengths added up in 32 bits would wrap to something small. */
	if (UNLIKELY(!ret && sum.bytes > CHAIN_BYTES_MAX))
		ret = blame(burst, VIO_FAULT_LENGTH, head, sum.bytes);
	if (UNLIKELY(ret))
		return end_burst(burst, head, room, ret);
	fill_chain(chain, head, &sum);
	open->view = burst->view;
	open->in_bytes = sum.bytes - sum.out_bytes;
	open->total_bytes = sum.bytes;
	return (int)sum.n_iov;
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

/* Spans remembered by index: the view they were found in may be gone. */
static const struct vio_mem_span *recall(const struct burst *burst, uint32_t hint)
{
	/* I/O virtual addresses are in no span before they are translated. */
	if (hint >= burst->view->n_spans || burst->queue->is_iova)
		return &no_span;
	return &burst->view->spans[hint];
}

static uint32_t remember(const struct burst *burst, const struct vio_mem_span *span)
{
	return span == &no_span ? UINT32_MAX : (uint32_t)(span - burst->view->spans);
}

static void begin_burst(struct burst *burst, struct vio_queue *queue,
			const struct vio_mem_view *view)
{
	burst->queue = queue;
	burst->view = view;
	burst->n_descs = 0;
	burst->near = recall(burst, queue->hints[0]);
	burst->near_too = recall(burst, queue->hints[1]);
	burst->near_table = recall(burst, queue->hints[2]);
}

static void close_burst(struct burst *burst, uint32_t popped)
{
	struct vio_queue *queue = burst->queue;

	queue->hints[0] = remember(burst, burst->near);
	queue->hints[1] = remember(burst, burst->near_too);
	queue->hints[2] = remember(burst, burst->near_table);
	queue->avail_index = (uint16_t)(queue->avail_index + popped);
	queue->n_open += popped;
	queue->reader.n_held += popped;
	vio_meter_add(&queue->meter.descs, burst->n_descs);
}

static int pop_burst(struct vio_queue *queue, const struct vio_mem_view *view,
		     struct vio_chain *chains, uint32_t n_chains, struct iovec *iov,
		     uint32_t n_iov)
{
	struct burst burst;
	uint32_t n = count_available(queue, n_chains);
	uint32_t popped;
	int ret = 0;

	/* An index out of step would hand out chains the driver never made. */
	if (UNLIKELY(n > queue->n_descs))
		return vio_queue_latch(queue, VIO_FAULT_AVAIL_JUMP, 0, 0,
				       queue->avail_seen);
	if (n > n_chains)
		n = n_chains;

	begin_burst(&burst, queue, view);
	for (popped = 0; popped < n; popped++) {
		const uint32_t room =
			n_iov < queue->max_chain_iov ? n_iov : queue->max_chain_iov;

		ret = pop_chain(&burst, (uint16_t)(queue->avail_index + popped),
				&chains[popped], iov, room);
		if (UNLIKELY(ret < 0))
			break;
		if (UNLIKELY(queue->is_in_order))
			queue_in_order(queue, chains[popped].head, popped);
		iov += ret;
		n_iov -= (uint32_t)ret;
	}
	close_burst(&burst, popped);
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
