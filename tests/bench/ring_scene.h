/* SPDX-License-Identifier: MIT */
/*
 * One filled ring for two device sides: libvio's and the floor's. Four regions of
 * guest memory; the ring and its tables in the first, the buffers by turns in the
 * second and the third.
 */
#ifndef RING_SCENE_H
#define RING_SCENE_H

#include <vio/vio.h>

#include "ring_floor.h"

#define SCENE_DESCS   256u
#define SCENE_REGIONS 4u
#define SCENE_MAX     256u /* largest batch */

struct scene {
	char *memory;
	struct vio_mem *mem;
	struct vio_queue *queue;
	struct floor_ring floor;
	struct floor_region regions[SCENE_REGIONS];
	uint16_t *avail;
	uint16_t avail_index;
	struct vio_chain chains[SCENE_MAX];
	struct floor_chain floor_chains[SCENE_MAX];
	struct iovec iov[SCENE_MAX * 3 + 1024];
};

/* @n_indirect descriptors in a table per chain; 1: the chain is direct. */
int scene_create(struct scene *scene, uint32_t n_indirect);
void scene_destroy(struct scene *scene);

/* The driver makes @n chains available. */
void scene_fill(struct scene *scene, uint32_t n);

/* The device takes @n chains and gives them back. 0, or -1 if it did not. */
int scene_run_ours(struct scene *scene, uint32_t n);
int scene_run_floor(struct scene *scene, uint32_t n);

#endif /* RING_SCENE_H */
