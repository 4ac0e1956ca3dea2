/* SPDX-License-Identifier: MIT */
/*
 * What a memory table is made of, for the files of this folder. The control
 * side (batches, listeners, bitmaps) is the caller's to serialise; the lock
 * guards what it shares with readers that let go of a view and with dispatch.
 * No callback runs under the lock, and nothing is allocated or unmapped there.
 */
#ifndef VIO_MEM_MEM_H
#define VIO_MEM_MEM_H

#include <pthread.h>
#include <stdbool.h>

#include "core/env.h"
#include "mem/view.h"
#include "sys/loop.h"

/* A region or a bitmap: what views count, and what ends with a released call. */
struct mem_part {
	uint64_t n_views;     /* under the lock */
	struct vio_list node; /* in the table's list of parts that are due */
	uint64_t gpa;
	void (*released)(void *opaque, uint64_t gpa);
	void *opaque;
	void (*destroy)(struct vio_mem *mem, struct mem_part *part);
};

struct mem_region {
	struct mem_part part;
	uint64_t last;
	uint64_t length_bytes;
	char *hva;
	uint32_t flags;
	uint8_t is_added;   /* by the open batch */
	uint8_t is_removed; /* by the open batch */
	char *map;          /* by us, around hva; NULL: not mapped by us */
	uint64_t map_bytes;
};

struct mem_bitmap {
	struct mem_part part;
	uint64_t last;
	uint32_t page_shift;
	uint8_t *bits;
};

/* An open batch. The array is taken when the first change comes. */
struct mem_draft {
	struct mem_region **regions; /* the table to be, by gpa */
	uint32_t n_regions;
	uint32_t n_room;
	uint32_t n_added;
	uint32_t n_removed;
	uint32_t is_open;
};

/* What listeners are told of one commit: removals, then additions. */
struct mem_changes {
	struct vio_mem_change *all; /* NULL: nobody listens */
	uint32_t n;
};

struct vio_mem {
	struct vio_mem_current current; /* first: readers load it */
	const struct vio_env *env;

	/* The control side's. */
	struct mem_draft draft;
	struct vio_list listeners;
	uint64_t generation; /* of the newest view */
	uint32_t is_busy;    /* callbacks of a change run: no change of theirs */
	/* The first view and the last; in the table so that neither can fail. */
	struct vio_mem_view none;

	pthread_mutex_t lock;
	/* Under the lock. */
	struct vio_list readers;
	struct vio_list retired; /* views no longer current but held */
	struct vio_list due;     /* parts that nothing refers to */

	struct vio_task task;
};

/* table.c */
struct vio_mem_span vio_mem_span_of(struct mem_region *region);
void vio_mem_change_fill(struct vio_mem_change *change, const struct mem_region *region,
			 bool is_added);

/* view.c: spans and bitmaps are still to be filled; NULL: no memory. */
struct vio_mem_view *
vio_mem_view_create(struct vio_mem *mem, uint32_t n_spans, uint32_t n_bitmaps);
void vio_mem_view_destroy(struct vio_mem *mem, struct vio_mem_view *view);

/*
 * reader.c. Publishing makes @view current and returns the one before it, which
 * stays held until vio_mem_view_drop(): nothing it refers to is released while
 * listeners are told.
 */
const struct vio_mem_view *
vio_mem_publish(struct vio_mem *mem, struct vio_mem_view *view);
const struct vio_mem_view *vio_mem_view_hold(struct vio_mem *mem);
void vio_mem_part_retire(struct vio_mem *mem, struct mem_part *part);

/* listener.c */
int vio_mem_listeners_prepare(struct vio_mem *mem, const struct mem_changes *changes);
void vio_mem_listeners_commit(struct vio_mem *mem, const struct mem_changes *changes);
void vio_mem_listeners_destroy(struct vio_mem *mem);

/* map.c: fills hva, map and map_bytes. */
int vio_mem_map(const struct vio_env *env, const struct vio_mem_region *params,
		struct mem_region *region, struct vio_error *err);
void vio_mem_unmap(const struct vio_env *env, struct mem_region *region);

#endif /* VIO_MEM_MEM_H */
