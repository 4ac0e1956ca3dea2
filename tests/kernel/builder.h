/* SPDX-License-Identifier: MIT */
/*
 * An image while it is made: what a driver would know of its own ring, so that
 * mutate.c can break a rule where the device is going to look.
 */
#ifndef TESTS_KERNEL_BUILDER_H
#define TESTS_KERNEL_BUILDER_H

#include "image.h"
#include "random.h"

#define LIVE_MAX 4096u /* descriptors that some chain leads to */

struct live_desc {
	uint32_t offset; /* in the area */
	uint32_t is_table;
};

struct builder {
	struct image image;
	struct chance chance;
	struct live_desc live[LIVE_MAX];
	uint32_t n_live;
	uint32_t cursor; /* in the area; beyond it nothing is written */
	uint16_t free[IMAGE_DESCS];
	uint32_t n_free;
	uint32_t n_chains;
};

/* The image of that number: a ring that breaks no rule. */
void build_valid(struct builder *builder, uint32_t number, uint64_t seed);

/* Breaks one to three rules, or so it tries. */
void mutate(struct builder *builder);

void *builder_at(struct builder *builder, uint32_t offset);
uint16_t *builder_avail(struct builder *builder, uint32_t entry);

#endif /* TESTS_KERNEL_BUILDER_H */
