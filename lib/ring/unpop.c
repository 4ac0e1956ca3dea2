/* SPDX-License-Identifier: MIT */
/*
 * Putting back what was popped last. Only private state goes back: the next pop
 * reads the ring anew, so a driver that has changed it meanwhile gains nothing.
 */
#include <errno.h>

#include "ring/queue.h"

/* With IN_ORDER: the head popped before the last @n; bounded by what is open. */
static int find_order_last(const struct vio_queue *queue, const struct vio_chain *first,
			   uint32_t n, uint16_t *out)
{
	const uint32_t n_before = queue->n_open + queue->n_waiting - n;
	uint16_t head = queue->order_first;

	for (uint32_t i = 1; i < n_before; i++)
		head = queue->open[head].next_open;
	*out = head;
	return (n_before ? queue->open[head].next_open : head) == first->head ? 0
									      : -EINVAL;
}

static int is_with_device(const struct vio_queue *queue, const struct vio_chain *chain)
{
	return chain->head < queue->n_descs && queue->open[chain->head].view &&
	       !queue->open[chain->head].is_done;
}

/*
 * 0, or -EINVAL and no chain is marked. While they are checked chains are marked as
 * done, so that one named twice is found.
 */
static int
check_chains(struct vio_queue *queue, const struct vio_chain *chains, uint32_t n)
{
	uint32_t i;
	int ret;

	for (i = 0; i < n && is_with_device(queue, &chains[i]); i++)
		queue->open[chains[i].head].is_done = 1;
	ret = i == n ? 0 : -EINVAL;
	while (i--)
		queue->open[chains[i].head].is_done = 0;
	return ret;
}

static void
close_chains(struct vio_queue *queue, const struct vio_chain *chains, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		struct vio_open_chain *open = &queue->open[chains[i].head];

		vio_mem_reader_close_chain(&queue->reader, open->view);
		open->view = NULL;
	}
	queue->n_open -= n;
	queue->avail_index = (uint16_t)(queue->avail_index - n);
	/* Unless pushes wait to be published, which holds the view as well. */
	if (queue->used_index == queue->used_shown)
		vio_mem_reader_leave(&queue->reader);
}

int vio_queue_unpop(struct vio_queue *queue, const struct vio_chain *chains, uint32_t n)
{
	uint16_t order_last = queue->order_last;
	int ret;

	if (!n)
		return 0;
	ret = check_chains(queue, chains, n);
	if (!ret && queue->is_in_order)
		ret = find_order_last(queue, chains, n, &order_last);
	if (ret)
		return ret;
	queue->order_last = order_last;
	close_chains(queue, chains, n);
	return 0;
}
