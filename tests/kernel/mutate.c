/* SPDX-License-Identifier: MIT */
/*
 * Rings that no driver should leave. Each mutation breaks one rule in a place
 * that a chain leads to; several together make what nobody thought of. Some hit
 * nothing that matters, and then the image still is a good one.
 */
#include <string.h>

#include "builder.h"

#define N_ADDRS 8

static void *pick_desc(struct builder *builder, int is_table)
{
	struct chance *chance = &builder->chance;

	for (int tries = 0; tries < 16 && builder->n_live; tries++) {
		const struct live_desc *live =
			&builder->live[chance_below(chance, builder->n_live)];

		if (!is_table || live->is_table)
			return builder_at(builder, live->offset);
	}
	return NULL;
}

/* Descriptors lie at any address in a table: the copy is aligned. */
struct change {
	struct builder *builder;
	struct image_desc desc;
};

static void next_anywhere(struct change *change)
{
	const uint32_t n = change->builder->image.header.n_descs;

	change->desc.flags |= 1;
	change->desc.next = (uint16_t)chance_below(&change->builder->chance, n ? n : 1);
}

static void next_beyond(struct change *change)
{
	change->desc.flags |= 1;
	change->desc.next = (uint16_t)(change->builder->image.header.n_descs +
				       chance_below(&change->builder->chance, 2) * 999);
}

static void move_buf(struct change *change)
{
	struct chance *chance = &change->builder->chance;
	const uint64_t addrs[N_ADDRS] = {
		0,
		LOW_BYTES - 1,
		LOW_BYTES,
		AREA_GPA - 1,
		AREA_GPA + AREA_BYTES - 1,
		BIG_GPA + BIG_BYTES,
		UINT64_MAX - chance_below(chance, 20),
		chance_next(chance),
	};

	change->desc.addr = addrs[chance_below(chance, N_ADDRS)];
}

static void move_near_end(struct change *change)
{
	change->desc.addr =
		AREA_GPA + AREA_BYTES - chance_below(&change->builder->chance, 64);
}

static void empty(struct change *change)
{
	change->desc.length = 0;
}

static void enlarge(struct change *change)
{
	struct chance *chance = &change->builder->chance;

	change->desc.length = (uint32_t)chance_next(chance);
	if (chance_one_in(chance, 2))
		change->desc.length = UINT32_MAX - chance_below(chance, 20);
}

/* Two of these in one chain are more than 4 GiB. */
static void make_big(struct change *change)
{
	change->desc.addr = BIG_GPA;
	change->desc.length = (uint32_t)BIG_BYTES;
}

static void turn_direction(struct change *change)
{
	change->desc.flags ^= 2;
}

static void turn_next(struct change *change)
{
	change->desc.flags ^= 1;
}

static void turn_indirect(struct change *change)
{
	change->desc.flags ^= 4;
}

static void nest(struct change *change)
{
	const void *table = pick_desc(change->builder, 1);

	if (table)
		memcpy(&change->desc, table, sizeof(change->desc));
}

static void resize(struct change *change)
{
	struct chance *chance = &change->builder->chance;
	const uint32_t lengths[] = {
		16,        17, 8, change->desc.length - 16, change->desc.length + 16,
		0xfffffff0
	};

	change->desc.length = lengths[chance_below(chance, 6)];
}

/* A table longer than the ring is walked as far as its links lead. */
static void lengthen(struct change *change)
{
	struct builder *builder = change->builder;
	const uint32_t n = 2 * builder->image.header.n_descs + 2;
	const uint32_t offset = (builder->cursor + 15) & ~15u;
	struct image_desc entry = { BIG_GPA, 64, 1, 0 };

	if (n > IMAGE_DESCS || offset + n * 16 > AREA_BYTES)
		return;
	for (uint32_t i = 0; i < n; i++) {
		entry.next = (uint16_t)(i + 1);
		entry.flags = i + 1 < n;
		memcpy(builder_at(builder, offset + i * 16), &entry, sizeof(entry));
	}
	builder->cursor = offset + n * 16;
	change->desc =
		(struct image_desc){ AREA_GPA + offset, n * 16, 4, change->desc.next };
}

static void scramble(struct change *change)
{
	uint8_t *raw = (uint8_t *)&change->desc;

	raw[chance_below(&change->builder->chance, 16)] ^=
		(uint8_t)(1u << chance_below(&change->builder->chance, 8));
}

static const struct {
	void (*change)(struct change *change);
	int is_table; /* it makes sense for descriptors that name a table */
} changes[] = {
	{ next_anywhere, 0 },  { next_anywhere, 1 }, { next_beyond, 0 },
	{ move_buf, 0 },       { move_buf, 1 },      { move_near_end, 0 },
	{ move_near_end, 1 },  { empty, 0 },         { empty, 1 },
	{ enlarge, 0 },        { make_big, 0 },      { make_big, 0 },
	{ turn_direction, 0 }, { turn_next, 0 },     { turn_indirect, 0 },
	{ nest, 0 },           { resize, 1 },        { lengthen, 1 },
	{ scramble, 0 },       { scramble, 1 },
};
#define N_CHANGES (sizeof(changes) / sizeof(changes[0]))

static void change_desc(struct builder *builder)
{
	const uint32_t which = chance_below(&builder->chance, N_CHANGES);
	struct change change = { .builder = builder };
	void *where = pick_desc(builder, changes[which].is_table);

	if (!where)
		return;
	memcpy(&change.desc, where, sizeof(change.desc));
	changes[which].change(&change);
	memcpy(where, &change.desc, sizeof(change.desc));
}

static uint16_t *pick_entry(struct builder *builder)
{
	const struct image_header *header = &builder->image.header;
	const uint32_t n = builder->n_chains ? builder->n_chains : 1;
	const uint32_t entry = header->start + chance_below(&builder->chance, n);

	return builder_avail(builder, entry & (header->n_descs - 1));
}

static void change_head(struct builder *builder)
{
	struct chance *chance = &builder->chance;
	uint16_t *entry = pick_entry(builder);

	if (chance_one_in(chance, 3))
		*entry = (uint16_t)(builder->image.header.n_descs +
				    chance_below(chance, 3));
	else
		*entry = *pick_entry(builder);
}

static void change_index(struct builder *builder)
{
	const struct image_header *header = &builder->image.header;
	uint16_t *index = builder_at(builder, header->avail_offset + 2);

	*index = (uint16_t)(*index + (chance_one_in(&builder->chance, 2)
					      ? chance_next(&builder->chance)
					      : chance_below(&builder->chance, 4) - 2));
}

static void change_ring(struct builder *builder)
{
	struct image_header *header = &builder->image.header;
	static const uint32_t sizes[] = { 0, 3, 12, 100, 65536, 0x80000000 };

	if (chance_one_in(&builder->chance, 4))
		header->n_descs = sizes[chance_below(&builder->chance, 6)];
	else
		header->flags &= ~IMAGE_INDIRECT;
}

void mutate(struct builder *builder)
{
	const uint32_t n = chance_between(&builder->chance, 1, 3);

	builder->image.header.flags &= ~IMAGE_VALID;
	for (uint32_t i = 0; i < n; i++) {
		/* The ring's size comes last: the others go by it. */
		const uint32_t what = chance_below(&builder->chance, 16);

		if (what == 15 && i == n - 1)
			change_ring(builder);
		else if (what > 12)
			change_index(builder);
		else if (what > 10)
			change_head(builder);
		else
			change_desc(builder);
	}
	builder->image.header.n_bytes = builder->cursor;
}
