/* SPDX-License-Identifier: MIT */
/*
 * Who follows the table. A commit asks all listeners in the order they were
 * attached; the first that refuses ends it, and those that had agreed are told
 * so in reverse. All memory a commit needs is taken before the first is asked,
 * so that after the last has agreed nothing can fail.
 */
#include <errno.h>

#include "core/params.h"
#include "mem/mem.h"

struct listener {
	struct vio_list node;
	struct vio_mem_listener params;
};

static struct listener *listener_of(struct vio_list *node)
{
	return VIO_CONTAINER_OF(node, struct listener, node);
}

/* An answer that is no errno still refuses. */
static int
prepare_one(const struct listener *listener, const struct mem_changes *changes)
{
	int ret;

	if (!listener->params.prepare)
		return 0;
	ret = listener->params.prepare(listener->params.opaque, changes->all,
				       changes->n);
	return ret > 0 ? -EINVAL : ret;
}

static void commit_one(const struct listener *listener,
		       const struct mem_changes *changes, int is_committed)
{
	if (listener->params.commit)
		listener->params.commit(listener->params.opaque, changes->all,
					changes->n, is_committed);
}

int vio_mem_listeners_prepare(struct vio_mem *mem, const struct mem_changes *changes)
{
	struct vio_list *head = &mem->listeners;
	struct vio_list *n;
	int ret = 0;

	mem->is_busy++;
	for (n = head->next; n != head; n = n->next) {
		ret = prepare_one(listener_of(n), changes);
		if (ret)
			break;
	}
	if (ret)
		for (n = n->prev; n != head; n = n->prev)
			commit_one(listener_of(n), changes, 0);
	mem->is_busy--;
	return ret;
}

void vio_mem_listeners_commit(struct vio_mem *mem, const struct mem_changes *changes)
{
	struct vio_list *head = &mem->listeners;

	mem->is_busy++;
	for (struct vio_list *n = head->next; n != head; n = n->next)
		commit_one(listener_of(n), changes, 1);
	mem->is_busy--;
}

static struct listener *find(struct vio_mem *mem, const void *opaque)
{
	struct vio_list *head = &mem->listeners;

	for (struct vio_list *n = head->next; n != head; n = n->next)
		if (listener_of(n)->params.opaque == opaque)
			return listener_of(n);
	return NULL;
}

/* All regions, as if each were added or removed now. */
static int
read_table(const struct vio_mem *mem, bool is_added, struct mem_changes *changes)
{
	const struct vio_mem_view *view = mem->current.view;

	*changes = (struct mem_changes){ .n = view->n_spans };
	if (!changes->n)
		return 0;
	changes->all = vio_alloc_array(mem->env, changes->n, sizeof(*changes->all),
				       _Alignof(struct vio_mem_change));
	if (!changes->all)
		return -ENOMEM;
	for (uint32_t i = 0; i < changes->n; i++)
		vio_mem_change_fill(&changes->all[i], view->spans[i].region, is_added);
	return 0;
}

static void changes_destroy(const struct vio_mem *mem, struct mem_changes *changes)
{
	vio_free(mem->env, changes->all, changes->n * sizeof(*changes->all),
		 _Alignof(struct vio_mem_change));
}

/* Says prepare's answer; a listener without regions to hear of is not called. */
static int tell(struct vio_mem *mem, const struct listener *listener,
		const struct mem_changes *changes, bool can_refuse)
{
	int ret;

	if (!changes->n)
		return 0;
	mem->is_busy++;
	ret = prepare_one(listener, changes);
	if (!ret || !can_refuse)
		commit_one(listener, changes, 1);
	mem->is_busy--;
	return ret;
}

static int attach(struct vio_mem *mem, const struct vio_mem_listener *params)
{
	struct listener *listener = VIO_NEW(mem->env, struct listener);
	struct mem_changes changes;
	int ret;

	if (!listener)
		return -ENOMEM;
	listener->params = *params;
	ret = read_table(mem, true, &changes);
	if (ret)
		goto destroy_listener;
	ret = tell(mem, listener, &changes, true);
	changes_destroy(mem, &changes);
	if (ret)
		goto destroy_listener;
	vio_list_append(&mem->listeners, &listener->node);
	return 0;

destroy_listener:
	VIO_DELETE(mem->env, listener);
	return ret;
}

int vio_mem_attach_listener(struct vio_mem *mem,
			    const struct vio_mem_listener *listener)
{
	struct vio_mem_listener params;
	int ret = vio_params_copy(&params, sizeof(params),
				  VIO_PARAMS_END(params, opaque), listener);

	if (ret)
		return ret;
	if (params.flags)
		return -EINVAL;
	if (mem->draft.is_open || mem->is_busy)
		return -EBUSY;
	if (find(mem, params.opaque))
		return -EEXIST;
	return attach(mem, &params);
}

int vio_mem_detach_listener(struct vio_mem *mem, void *opaque)
{
	struct listener *listener = find(mem, opaque);
	struct mem_changes changes;
	int ret;

	if (mem->draft.is_open || mem->is_busy)
		return -EBUSY;
	if (!listener)
		return -ENOENT;
	ret = read_table(mem, false, &changes);
	if (ret)
		return ret;
	vio_list_remove(&listener->node);
	tell(mem, listener, &changes, false);
	changes_destroy(mem, &changes);
	VIO_DELETE(mem->env, listener);
	return 0;
}

/* Region by region, from the stack: destroying a table needs no memory. */
void vio_mem_listeners_destroy(struct vio_mem *mem)
{
	const struct vio_mem_view *view = mem->current.view;

	while (!vio_list_is_empty(&mem->listeners)) {
		struct listener *listener = listener_of(mem->listeners.next);

		vio_list_remove(&listener->node);
		for (uint32_t i = 0; i < view->n_spans; i++) {
			struct vio_mem_change change;
			struct mem_changes changes = { .all = &change, .n = 1 };

			vio_mem_change_fill(&change, view->spans[i].region, false);
			tell(mem, listener, &changes, false);
		}
		VIO_DELETE(mem->env, listener);
	}
}
