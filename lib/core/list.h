/* SPDX-License-Identifier: MIT */
/*
 * Intrusive doubly linked list: a ring of nodes with its head among them, so
 * that neither insertion nor removal has a special case. A removed node points
 * to itself, which makes a second removal harmless.
 */
#ifndef VIO_CORE_LIST_H
#define VIO_CORE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct vio_list {
	struct vio_list *next;
	struct vio_list *prev;
};

/* The struct of @type whose @member is @node. */
#define VIO_CONTAINER_OF(node, type, member)                                           \
	((type *)(void *)((char *)(node)-offsetof(type, member)))

static inline void vio_list_init(struct vio_list *list)
{
	list->next = list;
	list->prev = list;
}

static inline bool vio_list_is_empty(const struct vio_list *list)
{
	return list->next == list;
}

static inline void vio_list_append(struct vio_list *list, struct vio_list *node)
{
	node->next = list;
	node->prev = list->prev;
	list->prev->next = node;
	list->prev = node;
}

static inline void vio_list_remove(struct vio_list *node)
{
	node->prev->next = node->next;
	node->next->prev = node->prev;
	vio_list_init(node);
}

#endif /* VIO_CORE_LIST_H */
