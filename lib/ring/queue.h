/* SPDX-License-Identifier: MIT */
/*
 * What a queue is made of. The ring's three parts are reached through pointers
 * that are resolved anew whenever the memory table has changed; everything that
 * decides is private memory, which the guest cannot write.
 */
#ifndef VIO_RING_QUEUE_H
#define VIO_RING_QUEUE_H

#include <vio/queue.h>

#include "core/env.h"
#include "core/log.h"
#include "core/member.h"
#include "core/meter.h"
#include "mem/view.h"
#include "ring/layout.h"

/* A chain that the device has. Index: its head. */
struct vio_open_chain {
	const struct vio_mem_view *view; /* NULL: not with the device */
	uint64_t in_bytes;
	uint64_t total_bytes;
	uint16_t next_open; /* with IN_ORDER: the head popped after it */
	uint16_t is_done;   /* with IN_ORDER: pushed, waits for its turn */
	uint32_t written_bytes;
};

/* The request to stop that a queue's owner is to answer. */
struct vio_stop {
	struct vio_queue *queue;
	uint32_t stop_flags;
	/* Any thread: the owner has answered. NULL: nobody has asked. */
	void (*answered)(struct vio_stop *stop);
};

struct vio_queue {
	/* Read by every call. */
	struct vio_split_desc *desc;
	struct vio_split_avail *avail;
	struct vio_split_used *used;
	struct vio_open_chain *open;
	uint64_t generation;   /* of the view that the pointers come from */
	uint64_t translations; /* count of notifications they come from */
	uint32_t n_descs;
	uint32_t n_open;      /* popped and not pushed */
	uint32_t n_waiting;   /* with IN_ORDER: pushed, behind one that is not */
	uint16_t avail_index; /* next to pop */
	uint16_t used_index;  /* next to fill */
	uint16_t used_shown;  /* published up to here */
	uint16_t avail_seen;  /* driver's index as last read */
	uint16_t order_first; /* with IN_ORDER: head popped first of those open */
	uint16_t order_last;
	uint8_t has_event_index;
	uint8_t has_indirect;
	uint8_t is_in_order;
	uint8_t is_iova;
	uint8_t is_parked; /* until the table's translations differs */
	uint32_t max_chain_iov;
	uint32_t hints[3];  /* spans of the view that pop hit last */
	uint64_t parked_at; /* count of notifications when it parked */
	struct vio_mem_reader reader;
	struct vio_queue_fault fault;
	struct vio_meter meter;

	/* Cold. */
	const struct vio_env *env;
	struct vio_queue_params params;
	struct vio_member member;
	struct vio_log_brake log_brake;
	struct vio_stop stop;
	void *stop_owner; /* whoever asked for the stop keeps a pointer here */
};

/* Checks parameters that were copied in. */
int vio_queue_check(const struct vio_queue_params *params, struct vio_error *err);

/*
 * The queue without its memory: finds the ring and attaches to the table. @queue
 * is zeroed, @params are checked, @open has room for n_descs entries, zeroed.
 */
int vio_queue_setup(struct vio_queue *queue, const struct vio_env *env,
		    const struct vio_queue_params *params, struct vio_open_chain *open,
		    struct vio_error *err);
void vio_queue_teardown(struct vio_queue *queue);

/*
 * The current view of memory, held, and the ring's pointers by it: every call
 * that touches the ring begins here and ends with vio_mem_reader_leave(). NULL:
 * the ring is not there; *out_error says whether -EAGAIN or latched, -EBADMSG.
 */
const struct vio_mem_view *vio_queue_resolve(struct vio_queue *queue,
					     const struct vio_mem_view *view,
					     int *out_error);

static inline const struct vio_mem_view *
vio_queue_enter(struct vio_queue *queue, int *out_error)
{
	const struct vio_mem_view *view = vio_mem_reader_enter(&queue->reader);

	if (__builtin_expect(view->generation == queue->generation && !queue->is_iova,
			     1))
		return view;
	return vio_queue_resolve(queue, view, out_error);
}

/* Notes in attached bitmaps that the device wrote to its part of the ring. */
void vio_queue_mark_used(const struct vio_mem_view *view, void *first,
			 uint64_t length_bytes);

/* The table's count of vio_mem_notify() calls. */
uint64_t vio_queue_translations(const struct vio_queue *queue);

/* Latches and reports, the first time. Always returns -EBADMSG. */
int vio_queue_latch(struct vio_queue *queue, uint32_t code, uint32_t head,
		    uint32_t index, uint64_t detail);

/*
 * Ask the owner of a queue to stop; @answered is called from any thread when it
 * has, or at once where there is nobody to ask. Dispatching thread only.
 */
void vio_queue_ask_stop(struct vio_queue *queue, uint32_t stop_flags,
			void (*answered)(struct vio_stop *stop));

#endif /* VIO_RING_QUEUE_H */
