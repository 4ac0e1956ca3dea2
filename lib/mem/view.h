/* SPDX-License-Identifier: MIT */
/*
 * A view is the memory table as of one commit, immutable. Readers (queues) hold
 * the view they use in a slot of their own; a commit publishes a new view and
 * frees old ones once no slot and no chain holds them. Reading takes no lock
 * and, while chains are open, no atomic but one load.
 *
 * The handshake is Dekker's: a reader stores its slot, then loads the current
 * view; a commit stores the current view, then loads the slots. All four are
 * sequentially consistent, so at least one side sees the other.
 */
#ifndef VIO_MEM_VIEW_H
#define VIO_MEM_VIEW_H

#include <stdint.h>
#include <sys/uio.h>

#include <vio/mem.h>

#include "core/list.h"

struct mem_region;

/* A region as readers see it. Sorted by gpa, never overlapping. */
struct vio_mem_span {
	uint64_t gpa;
	uint64_t last; /* its last byte's gpa */
	char *hva;
	uint32_t flags;
	struct mem_region *region;
};

/* A dirty bitmap as readers see it; counted by the views it is in. */
struct mem_bitmap;

struct vio_mem_view {
	uint64_t generation; /* never used twice by a table */
	uint32_t n_spans;
	uint32_t n_bitmaps;
	struct vio_mem_span *spans;
	struct mem_bitmap **bitmaps;
	uint64_t n_held;      /* chains whose reader moved on; under the table's lock */
	struct vio_list node; /* in the table's list of retired views */
	size_t bytes;         /* of this allocation */
};

/* One queue's hold on the table. In the queue; its owner's alone but for slot. */
struct vio_mem_reader {
	struct vio_mem *mem;
	const struct vio_mem_view *slot; /* atomic: the view in use, or NULL */
	uint32_t n_held;                 /* open chains popped on the view in slot */
	uint32_t hint;                   /* index of the span hit last */
	struct vio_list node;            /* in the table's list of readers */
};

/* The part of struct vio_mem that readers load; its first member. */
struct vio_mem_current {
	const struct vio_mem_view *view; /* atomic, never NULL */
	uint64_t translations;           /* atomic: count of vio_mem_notify() calls */
	vio_mem_translate_fn translate;  /* set before readers attach */
	void *translate_opaque;
};

static inline struct vio_mem_current *vio_mem_current_of(struct vio_mem *mem)
{
	return (struct vio_mem_current *)(void *)mem;
}

/* Any thread; under the table's lock inside. @reader is zeroed but for that. */
void vio_mem_reader_attach(struct vio_mem_reader *reader, struct vio_mem *mem);

/* The owner has closed all chains. */
void vio_mem_reader_detach(struct vio_mem_reader *reader);

/* Slow ends of the inlines below. */
const struct vio_mem_view *vio_mem_reader_move(struct vio_mem_reader *reader);
void vio_mem_reader_wake(struct vio_mem_reader *reader);
void vio_mem_view_drop(struct vio_mem *mem, const struct vio_mem_view *view);

static inline const struct vio_mem_view *
vio_mem_reader_acquire(struct vio_mem_reader *reader)
{
	struct vio_mem_current *current = vio_mem_current_of(reader->mem);
	const struct vio_mem_view *view;

	do {
		view = __atomic_load_n(&current->view, __ATOMIC_ACQUIRE);
		__atomic_store_n(&reader->slot, view, __ATOMIC_SEQ_CST);
	} while (__atomic_load_n(&current->view, __ATOMIC_SEQ_CST) != view);
	return view;
}

/*
 * The current view, held until vio_mem_reader_leave(). Open chains of an older
 * view keep it through its n_held.
 * Relaxed load of slot: only this thread stores it. Acquire load of the current
 * view pairs with the commit's store; a stale answer means the table as before.
 */
static inline const struct vio_mem_view *
vio_mem_reader_enter(struct vio_mem_reader *reader)
{
	const struct vio_mem_view *held =
		__atomic_load_n(&reader->slot, __ATOMIC_RELAXED);

	if (!held)
		return vio_mem_reader_acquire(reader);
	if (__atomic_load_n(&vio_mem_current_of(reader->mem)->view, __ATOMIC_ACQUIRE) ==
	    held)
		return held;
	return vio_mem_reader_move(reader);
}

/* Lets go of the view unless open chains hold it. */
static inline void vio_mem_reader_leave(struct vio_mem_reader *reader)
{
	const struct vio_mem_view *held =
		__atomic_load_n(&reader->slot, __ATOMIC_RELAXED);

	if (reader->n_held || !held)
		return;
	__atomic_store_n(&reader->slot, NULL, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&vio_mem_current_of(reader->mem)->view, __ATOMIC_SEQ_CST) !=
	    held)
		vio_mem_reader_wake(reader);
}

/* A chain popped on @view, the one in slot or an older one, is closed. */
static inline void vio_mem_reader_close_chain(struct vio_mem_reader *reader,
					      const struct vio_mem_view *view)
{
	if (view == __atomic_load_n(&reader->slot, __ATOMIC_RELAXED))
		reader->n_held--;
	else
		vio_mem_view_drop(reader->mem, view);
}

/*
 * Translation by a view; as vio_mem_translate() but without its lock and its
 * hook. @hint is the index of a likely span, updated. The first is the case
 * that rings meet almost always: one span, found at once; NULL otherwise.
 */
static inline char *vio_mem_view_find(const struct vio_mem_view *view, uint32_t hint,
				      uint64_t gpa, uint64_t length_bytes,
				      uint32_t access)
{
	const struct vio_mem_span *span = &view->spans[hint];
	uint64_t offset;

	if (hint >= view->n_spans)
		return NULL;
	offset = gpa - span->gpa;
	/* Wraps when gpa is below the span, and is then beyond its end. */
	if (gpa < span->gpa || offset > span->last - span->gpa ||
	    length_bytes - 1 > span->last - gpa)
		return NULL;
	if ((access & VIO_MEM_WRITE) && (span->flags & VIO_MEM_READONLY))
		return NULL;
	return span->hva + offset;
}

int vio_mem_view_translate(const struct vio_mem_view *view, uint32_t *hint,
			   uint64_t gpa, uint64_t length_bytes, uint32_t access,
			   struct iovec *iov, uint32_t n_iov);

/* Through the hook of the table, then by the view. May answer -EAGAIN. */
int vio_mem_view_translate_iova(struct vio_mem *mem, const struct vio_mem_view *view,
				uint32_t *hint, uint64_t iova, uint64_t length_bytes,
				uint32_t access, struct iovec *iov, uint32_t n_iov);

/* Marks in the bitmaps of @view a range by address. */
void vio_mem_view_mark(const struct vio_mem_view *view, uint64_t gpa,
		       uint64_t length_bytes);

/*
 * Marks in the bitmaps of @view what was written through iovecs that were
 * translated by @origin: the first @written_bytes of them.
 */
void vio_mem_view_mark_iov(const struct vio_mem_view *view,
			   const struct vio_mem_view *origin, const struct iovec *iov,
			   uint32_t n_iov, uint64_t written_bytes);

#endif /* VIO_MEM_VIEW_H */
