/* SPDX-License-Identifier: MIT */
/*
 * Who holds which view, and what happens when nobody does. A retired view is
 * freed once no slot shows it and its count of moved chains is 0; each region
 * and bitmap counts the views it is in, and is due for its released call when
 * the last one goes. Whoever lets go of a view last frees it, on any thread;
 * unmapping and callbacks wait for dispatch.
 */
#include "mem/mem.h"

/* Views are const to readers; their count and node are the table's. */
static struct vio_mem_view *own(const struct vio_mem_view *view)
{
	return (struct vio_mem_view *)view;
}

static void part_take(struct mem_part *part)
{
	part->n_views++;
}

static void part_drop(struct vio_mem *mem, struct mem_part *part)
{
	if (!--part->n_views)
		vio_list_append(&mem->due, &part->node);
}

/* Seq_cst: pairs with the stores of slot, see mem/view.h. */
static bool is_in_slot(const struct vio_mem *mem, const struct vio_mem_view *view)
{
	for (struct vio_list *n = mem->readers.next; n != &mem->readers; n = n->next) {
		struct vio_mem_reader *reader =
			VIO_CONTAINER_OF(n, struct vio_mem_reader, node);

		if (__atomic_load_n(&reader->slot, __ATOMIC_SEQ_CST) == view)
			return true;
	}
	return false;
}

static void drop_parts(struct vio_mem *mem, const struct vio_mem_view *view)
{
	for (uint32_t i = 0; i < view->n_spans; i++)
		part_drop(mem, &view->spans[i].region->part);
	for (uint32_t i = 0; i < view->n_bitmaps; i++)
		part_drop(mem, &view->bitmaps[i]->part);
}

static void take_unheld(struct vio_mem *mem, struct vio_list *unheld)
{
	struct vio_list *next;

	for (struct vio_list *n = mem->retired.next; n != &mem->retired; n = next) {
		struct vio_mem_view *view =
			VIO_CONTAINER_OF(n, struct vio_mem_view, node);

		next = n->next;
		if (view->n_held || is_in_slot(mem, view))
			continue;
		vio_list_remove(n);
		vio_list_append(unheld, n);
		drop_parts(mem, view);
	}
}

/* Says whether parts are due. */
static bool free_unheld(struct vio_mem *mem)
{
	struct vio_list unheld;
	bool is_due;

	vio_list_init(&unheld);
	pthread_mutex_lock(&mem->lock);
	take_unheld(mem, &unheld);
	is_due = !vio_list_is_empty(&mem->due);
	pthread_mutex_unlock(&mem->lock);

	while (!vio_list_is_empty(&unheld)) {
		struct vio_mem_view *view =
			VIO_CONTAINER_OF(unheld.next, struct vio_mem_view, node);

		vio_list_remove(&view->node);
		vio_mem_view_destroy(mem, view);
	}
	return is_due;
}

static void wake_dispatch(struct vio_mem *mem)
{
	if (mem->env->loop)
		vio_loop_post(mem->env->loop, &mem->task);
}

static void reclaim(struct vio_mem *mem)
{
	if (free_unheld(mem))
		wake_dispatch(mem);
}

/*
 * The store of the current view is half of the handshake with readers, see
 * mem/view.h; under the lock, so that a reader that moves needs no second try.
 */
const struct vio_mem_view *
vio_mem_publish(struct vio_mem *mem, struct vio_mem_view *view)
{
	struct vio_mem_view *old;

	view->generation = ++mem->generation;
	pthread_mutex_lock(&mem->lock);
	for (uint32_t i = 0; i < view->n_spans; i++)
		part_take(&view->spans[i].region->part);
	for (uint32_t i = 0; i < view->n_bitmaps; i++)
		part_take(&view->bitmaps[i]->part);
	old = own(mem->current.view);
	old->n_held++;
	vio_list_append(&mem->retired, &old->node);
	__atomic_store_n(&mem->current.view, view, __ATOMIC_SEQ_CST);
	pthread_mutex_unlock(&mem->lock);
	return old;
}

/* The lock orders this load with publishing. */
const struct vio_mem_view *vio_mem_view_hold(struct vio_mem *mem)
{
	struct vio_mem_view *view;

	pthread_mutex_lock(&mem->lock);
	view = own(mem->current.view);
	view->n_held++;
	pthread_mutex_unlock(&mem->lock);
	return view;
}

void vio_mem_view_drop(struct vio_mem *mem, const struct vio_mem_view *view)
{
	bool is_last;

	pthread_mutex_lock(&mem->lock);
	is_last = !--own(view)->n_held && view != mem->current.view;
	pthread_mutex_unlock(&mem->lock);
	if (is_last)
		reclaim(mem);
}

void vio_mem_part_retire(struct vio_mem *mem, struct mem_part *part)
{
	pthread_mutex_lock(&mem->lock);
	vio_list_append(&mem->due, &part->node);
	pthread_mutex_unlock(&mem->lock);
	wake_dispatch(mem);
}

void vio_mem_reader_attach(struct vio_mem_reader *reader, struct vio_mem *mem)
{
	reader->mem = mem;
	reader->slot = NULL;
	reader->n_held = 0;
	reader->hint = 0;
	pthread_mutex_lock(&mem->lock);
	vio_list_append(&mem->readers, &reader->node);
	pthread_mutex_unlock(&mem->lock);
}

/*
 * Leaving the list comes last: until then the table cannot be destroyed. Seq_cst
 * as in vio_mem_reader_leave().
 */
void vio_mem_reader_detach(struct vio_mem_reader *reader)
{
	struct vio_mem *mem = reader->mem;

	__atomic_store_n(&reader->slot, NULL, __ATOMIC_SEQ_CST);
	reclaim(mem);
	pthread_mutex_lock(&mem->lock);
	vio_list_remove(&reader->node);
	pthread_mutex_unlock(&mem->lock);
	reader->mem = NULL;
}

/* The chains are counted before the slot lets go, or a scan could miss both. */
const struct vio_mem_view *vio_mem_reader_move(struct vio_mem_reader *reader)
{
	const struct vio_mem_view *view;
	bool has_chains = reader->n_held != 0;

	pthread_mutex_lock(&reader->mem->lock);
	own(reader->slot)->n_held += reader->n_held;
	reader->n_held = 0;
	view = vio_mem_reader_acquire(reader);
	pthread_mutex_unlock(&reader->mem->lock);
	if (!has_chains)
		reclaim(reader->mem);
	return view;
}

void vio_mem_reader_wake(struct vio_mem_reader *reader)
{
	reclaim(reader->mem);
}

static bool take_due(struct vio_mem *mem, struct vio_list *due)
{
	pthread_mutex_lock(&mem->lock);
	while (!vio_list_is_empty(&mem->due)) {
		struct vio_list *node = mem->due.next;

		vio_list_remove(node);
		vio_list_append(due, node);
	}
	pthread_mutex_unlock(&mem->lock);
	return !vio_list_is_empty(due);
}

static int part_end(struct vio_mem *mem, struct mem_part *part)
{
	void (*released)(void *opaque, uint64_t gpa) = part->released;
	void *opaque = part->opaque;
	uint64_t gpa = part->gpa;

	part->destroy(mem, part);
	if (!released)
		return 0;
	released(opaque, gpa);
	return 1;
}

/* What callbacks make due waits for the next call, so that this one ends. */
int vio_mem_dispatch(struct vio_mem *mem)
{
	struct vio_list due;
	int n = 0;

	vio_list_init(&due);
	free_unheld(mem);
	if (!take_due(mem, &due))
		return 0;
	while (!vio_list_is_empty(&due)) {
		struct mem_part *part =
			VIO_CONTAINER_OF(due.next, struct mem_part, node);

		vio_list_remove(&part->node);
		n += part_end(mem, part);
	}
	return n;
}
