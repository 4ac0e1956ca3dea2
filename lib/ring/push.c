/* SPDX-License-Identifier: MIT */
/*
 * Giving chains back through the used ring, and the notifications of both ways
 * (virtio 1.2, 2.7.7 to 2.7.10). What was popped is remembered in private memory:
 * a chain can be pushed once, and claim no more bytes than it has.
 */
#include <endian.h>
#include <errno.h>

#include "core/params.h"
#include "ring/queue.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

static inline uint32_t slot_of(const struct vio_queue *queue, uint16_t index)
{
	return index & (queue->n_descs - 1);
}

/* Relaxed: the release of the used index in publish() orders it. */
static inline void
fill_elem(struct vio_split_used_elem *elem, uint32_t head, uint32_t length)
{
	__atomic_store_n(&elem->id, htole32(head), __ATOMIC_RELAXED);
	__atomic_store_n(&elem->length, htole32(length), __ATOMIC_RELAXED);
}

static void write_used(struct vio_queue *queue, uint32_t head, uint32_t length)
{
	fill_elem(&queue->used->ring[slot_of(queue, queue->used_index)], head, length);
	queue->used_index++;
}

/* With IN_ORDER: writes what no earlier chain holds up any more. */
static void write_in_order(struct vio_queue *queue)
{
	while (queue->n_waiting && queue->open[queue->order_first].is_done) {
		uint16_t head = queue->order_first;
		struct vio_open_chain *open = &queue->open[head];

		write_used(queue, head, open->written_bytes);
		queue->order_first = open->next_open;
		open->view = NULL;
		open->is_done = 0;
		queue->n_waiting--;
	}
}

static void mark_written(struct vio_queue *queue, const struct vio_mem_view *view,
			 const struct vio_chain *chain)
{
	const struct vio_open_chain *open = &queue->open[chain->head];

	vio_mem_view_mark_iov(view, open->view, &chain->iov[chain->n_out], chain->n_in,
			      chain->written_bytes);
}

/* The chain's record if it can be pushed, or NULL. */
static inline struct vio_open_chain *
find_open(const struct vio_queue *queue, const struct vio_chain *chain)
{
	struct vio_open_chain *open;

	if (UNLIKELY(chain->head >= queue->n_descs))
		return NULL;
	open = &queue->open[chain->head];
	if (UNLIKELY(!open->view || open->is_done ||
		     chain->written_bytes > open->in_bytes))
		return NULL;
	return open;
}

/*
 * The common burst: nothing to mark, any order, every chain popped on the view
 * that is current. Ends before the first chain that is different.
 */
static uint32_t push_plain(struct vio_queue *queue, const struct vio_mem_view *view,
			   const struct vio_chain *chains, uint32_t n)
{
	struct vio_split_used_elem *const ring = queue->used->ring;
	struct vio_open_chain *const all = queue->open;
	const uint32_t n_descs = queue->n_descs;
	const uint16_t first = queue->used_index;
	uint64_t bytes = 0;
	uint32_t i;

	for (i = 0; i < n; i++) {
		const uint32_t head = chains[i].head;
		const uint32_t written = chains[i].written_bytes;
		struct vio_open_chain *open;

		if (UNLIKELY(head >= n_descs))
			break;
		open = &all[head];
		if (UNLIKELY(open->view != view || written > open->in_bytes))
			break;
		open->view = NULL;
		bytes += open->total_bytes;
		fill_elem(&ring[(uint16_t)(first + i) & (n_descs - 1)], head, written);
	}
	queue->used_index = (uint16_t)(first + i);
	queue->n_open -= i;
	queue->reader.n_held -= i;
	vio_meter_add(&queue->meter.bytes, bytes);
	vio_meter_add(&queue->meter.ops, i);
	return i;
}

/* Any chain. @view is NULL where the ring is gone: it is then only let go. */
static int push_any(struct vio_queue *queue, const struct vio_mem_view *view,
		    const struct vio_chain *chain)
{
	struct vio_open_chain *open = find_open(queue, chain);

	if (!open)
		return 0;
	if (view && view->n_bitmaps)
		mark_written(queue, view, chain);
	vio_mem_reader_close_chain(&queue->reader, open->view);
	queue->n_open--;
	vio_meter_add(&queue->meter.bytes, open->total_bytes);
	vio_meter_add(&queue->meter.ops, 1);
	if (queue->is_in_order) {
		open->written_bytes = chain->written_bytes;
		open->is_done = 1;
		queue->n_waiting++;
		return 1;
	}
	open->view = NULL;
	if (view)
		write_used(queue, chain->head, chain->written_bytes);
	return 1;
}

static uint32_t push_burst(struct vio_queue *queue, const struct vio_mem_view *view,
			   const struct vio_chain *chains, uint32_t n)
{
	uint32_t i = 0;

	if (LIKELY(view && !view->n_bitmaps && !queue->is_in_order))
		i = push_plain(queue, view, chains, n);
	while (i < n && push_any(queue, view, &chains[i]))
		i++;
	if (queue->is_in_order && view)
		write_in_order(queue);
	return i;
}

int vio_queue_push(struct vio_queue *queue, const struct vio_chain *chains, uint32_t n)
{
	const struct vio_mem_view *view;
	uint32_t pushed;
	int ret = 0;

	view = vio_queue_enter(queue, &ret);
	if (UNLIKELY(!view && ret == -EAGAIN))
		return ret;
	pushed = push_burst(queue, view, chains, n);
	/* The view stays held for publish(), unless there will be nothing to. */
	if (UNLIKELY(!view || queue->used_index == queue->used_shown))
		vio_mem_reader_leave(&queue->reader);
	return pushed || !n ? (int)pushed : -EINVAL;
}

/* Did the index pass @event on its way from @before to @now? 2.7.10 */
static inline int has_passed(uint16_t event, uint16_t before, uint16_t now)
{
	return (uint16_t)(now - event - 1) < (uint16_t)(now - before);
}

/*
 * Sequentially consistent, after the store of the used index, which is too: a
 * driver that asks for notifications stores its wish and then looks at the index,
 * so one of the two sees the other.
 */
static int wants_call(const struct vio_queue *queue, uint16_t before, uint16_t now)
{
	const struct vio_split_avail *avail = queue->avail;

	if (queue->has_event_index)
		return has_passed(le16toh(__atomic_load_n(&avail->ring[queue->n_descs],
							  __ATOMIC_SEQ_CST)),
				  before, now);
	return !(le16toh(__atomic_load_n(&avail->flags, __ATOMIC_SEQ_CST)) &
		 VIO_AVAIL_NO_INTERRUPT);
}

static __attribute__((noinline)) void
mark_ring(struct vio_queue *queue, const struct vio_mem_view *view)
{
	const uint32_t n = (uint16_t)(queue->used_index - queue->used_shown);

	vio_queue_mark_used(view, &queue->used->index, sizeof(queue->used->index));
	for (uint32_t i = 0; i < n; i++) {
		uint16_t index = (uint16_t)(queue->used_shown + i);
		struct vio_split_used_elem *elem =
			&queue->used->ring[slot_of(queue, index)];

		vio_queue_mark_used(view, elem, sizeof(*elem));
	}
}

int vio_queue_publish(struct vio_queue *queue)
{
	const uint16_t before = queue->used_shown;
	const uint16_t now = queue->used_index;
	const struct vio_mem_view *view;
	int ret;

	if (before == now)
		return 0;
	view = vio_queue_enter(queue, &ret);
	if (UNLIKELY(!view)) {
		if (ret != -EAGAIN)
			queue->used_shown = now;
		return ret;
	}
	/* Also a release: pairs with the driver's acquire of the index. */
	__atomic_store_n(&queue->used->index, htole16(now), __ATOMIC_SEQ_CST);
	if (UNLIKELY(view->n_bitmaps))
		mark_ring(queue, view);
	queue->used_shown = now;
	ret = wants_call(queue, before, now);
	vio_mem_reader_leave(&queue->reader);
	return ret;
}

/*
 * Sequentially consistent: pairs with the driver, which stores its index and then
 * looks whether to kick. One of the two sees the other.
 */
static int ask_for_kicks(struct vio_queue *queue)
{
	struct vio_split_used *used = queue->used;
	uint16_t *event = (uint16_t *)(void *)&used->ring[queue->n_descs];

	if (queue->has_event_index)
		__atomic_store_n(event, htole16(queue->avail_index), __ATOMIC_SEQ_CST);
	else
		__atomic_store_n(&used->flags, 0, __ATOMIC_SEQ_CST);
	return le16toh(__atomic_load_n(&queue->avail->index, __ATOMIC_SEQ_CST)) !=
	       queue->avail_index;
}

/*
 * With the event index there is nothing to store: the index asked for last stays
 * where it is, and the driver passes it once.
 */
static void spare_kicks(struct vio_queue *queue)
{
	if (!queue->has_event_index)
		__atomic_store_n(&queue->used->flags, htole16(VIO_USED_NO_NOTIFY),
				 __ATOMIC_RELAXED);
}

static void mark_wish(struct vio_queue *queue, const struct vio_mem_view *view)
{
	if (queue->has_event_index)
		vio_queue_mark_used(view, &queue->used->ring[queue->n_descs],
				    sizeof(uint16_t));
	else
		vio_queue_mark_used(view, &queue->used->flags, sizeof(uint16_t));
}

int vio_queue_set_kicks(struct vio_queue *queue, int enable)
{
	const struct vio_mem_view *view;
	int ret = 0;

	if (queue->fault.code)
		return -EBADMSG;
	view = vio_queue_enter(queue, &ret);
	if (!view)
		return ret;
	if (enable)
		ret = ask_for_kicks(queue);
	else
		spare_kicks(queue);
	if (view->n_bitmaps)
		mark_wish(queue, view);
	vio_mem_reader_leave(&queue->reader);
	return ret;
}

uint32_t vio_queue_get_size(const struct vio_queue *queue)
{
	return queue->n_descs;
}

uint32_t vio_queue_get_open(const struct vio_queue *queue)
{
	return queue->n_open;
}

int vio_queue_read_fault(const struct vio_queue *queue, struct vio_queue_fault *fault)
{
	struct vio_queue_fault ours = queue->fault;

	return vio_params_fill(fault, sizeof(ours), &ours, sizeof(ours));
}

int vio_queue_read_state(const struct vio_queue *queue, struct vio_queue_state *state)
{
	struct vio_queue_state ours = {
		.avail_index = queue->avail_index,
		.used_index = queue->used_index,
	};

	return vio_params_fill(state, sizeof(ours), &ours, sizeof(ours));
}

int vio_queue_set_state(struct vio_queue *queue, const struct vio_queue_state *state)
{
	struct vio_queue_state ours;
	int ret = vio_params_copy(&ours, sizeof(ours), sizeof(ours), state);

	if (ret)
		return ret;
	if (ours.flags || ours.avail_index > UINT16_MAX || ours.used_index > UINT16_MAX)
		return -EINVAL;
	if (queue->n_open || queue->n_waiting || queue->used_index != queue->used_shown)
		return -EBUSY;
	queue->avail_index = (uint16_t)ours.avail_index;
	queue->avail_seen = queue->avail_index;
	queue->used_index = (uint16_t)ours.used_index;
	queue->used_shown = queue->used_index;
	return 0;
}
