/* SPDX-License-Identifier: MIT */
/*
 * Rings that a driver could have left, virtio 1.2, 2.7: every chain is no longer
 * than the ring and no larger than 4 GiB, readable buffers come first, a table
 * ends its chain. Within that, whatever drivers do and some things they do not:
 * tables at odd addresses and across regions, entries linked in any order,
 * buffers that end where the address space does, indexes about to wrap.
 */
#include <string.h>

#include "builder.h"

#define DESC_BYTES 16u
#define CHAIN_MAX  24u

/* A chain's buffers before they are laid out. */
struct plan {
	struct image_desc bufs[CHAIN_MAX];
	uint32_t n;
};

void *builder_at(struct builder *builder, uint32_t offset)
{
	return &builder->image.area[offset];
}

uint16_t *builder_avail(struct builder *builder, uint32_t entry)
{
	const struct image_header *header = &builder->image.header;

	return builder_at(builder, header->avail_offset + 4 + 2 * entry);
}

static void store_desc(struct builder *builder, uint32_t offset,
		       const struct image_desc *desc, uint32_t is_table)
{
	memcpy(builder_at(builder, offset), desc, sizeof(*desc));
	if (builder->n_live < LIVE_MAX)
		builder->live[builder->n_live++] =
			(struct live_desc){ offset, is_table };
}

/* Room in the area from the cursor on; a gap before it now and then. */
static uint32_t place(struct builder *builder, uint32_t n_bytes, uint32_t align)
{
	uint32_t offset = builder->cursor;

	if (chance_one_in(&builder->chance, 3))
		offset += chance_below(&builder->chance, 64);
	offset = (offset + align - 1) / align * align;
	builder->cursor = offset + n_bytes;
	return offset;
}

/* The three parts in any order, all in the first region of the area. */
static void place_ring(struct builder *builder)
{
	struct image_header *header = &builder->image.header;
	const uint32_t n = header->n_descs;
	const uint32_t first = chance_below(&builder->chance, 3);

	for (uint32_t i = 0; i < 3; i++) {
		switch ((first + i) % 3) {
		case 0:
			header->desc_offset = place(builder, n * DESC_BYTES, 16);
			break;
		case 1:
			header->avail_offset = place(builder, 6 + 2 * n, 2);
			break;
		default:
			header->used_offset = place(builder, 6 + 8 * n, 4);
			break;
		}
	}
}

/* A buffer of at most @most bytes that lies in guest memory. */
static struct image_desc pick_buf(struct chance *chance, uint64_t most)
{
	struct image_desc desc = { 0 };
	uint64_t length = chance_between(chance, 1, 5000);

	if (chance_one_in(chance, 12))
		length = 1 + chance_next(chance) % BIG_BYTES;
	desc.length = (uint32_t)(length < most ? length : most);
	desc.addr = BIG_GPA + chance_next(chance) % (BIG_BYTES - desc.length + 1);
	switch (chance_below(chance, 10)) {
	case 0: /* across the two regions of the area */
		desc.length = (desc.length - 1) % AREA_HALF + 1;
		desc.addr = AREA_GPA + AREA_HALF - chance_below(chance, desc.length);
		break;
	case 1: /* up to the last byte that there is */
		desc.length = (desc.length - 1) % (uint32_t)TOP_BYTES + 1;
		desc.addr = 0 - (uint64_t)desc.length;
		break;
	case 2: /* the first region, whose address 0 is an address like others */
		desc.length = (desc.length - 1) % (uint32_t)LOW_BYTES + 1;
		desc.addr = chance_below(chance, (uint32_t)LOW_BYTES - desc.length + 1);
		break;
	default:
		break;
	}
	return desc;
}

static void plan_chain(struct builder *builder, struct plan *plan)
{
	struct chance *chance = &builder->chance;
	const uint32_t n_descs = builder->image.header.n_descs;
	const uint32_t most = n_descs < CHAIN_MAX ? n_descs : CHAIN_MAX;
	uint64_t left = UINT64_C(1) << 32;
	uint32_t n_out;

	plan->n = chance_one_in(chance, 10) ? most : chance_between(chance, 1, most);
	if (plan->n > 6 && !chance_one_in(chance, 4))
		plan->n = chance_between(chance, 1, 6);
	n_out = chance_below(chance, plan->n + 1);
	for (uint32_t i = 0; i < plan->n; i++) {
		/* One byte is kept for each buffer that is to come. */
		plan->bufs[i] = pick_buf(chance, left - (plan->n - i - 1));
		left -= plan->bufs[i].length;
		plan->bufs[i].flags = i < n_out ? 0 : 2;
	}
	/* Exactly 4 GiB, the largest chain. */
	if (plan->n == 2 && chance_one_in(chance, 4))
		for (uint32_t i = 0; i < 2; i++) {
			plan->bufs[i].addr = BIG_GPA + i;
			plan->bufs[i].length = UINT32_C(1) << 31;
		}
}

/* The last of the free descriptors of the ring. */
static uint16_t take_free(struct builder *builder)
{
	return builder->free[--builder->n_free];
}

static uint32_t desc_offset(const struct builder *builder, uint32_t index)
{
	return builder->image.header.desc_offset + index * DESC_BYTES;
}

/*
 * The buffers from @from on into a table, in any order behind the first entry,
 * with some entries more than needed.
 */
static struct image_desc
build_table(struct builder *builder, struct plan *plan, uint32_t from)
{
	struct chance *chance = &builder->chance;
	const uint32_t n = plan->n - from;
	const uint32_t n_entries = n + chance_below(chance, 3);
	const uint32_t align = chance_one_in(chance, 4) ? 1 : DESC_BYTES;
	const uint32_t offset = place(builder, n_entries * DESC_BYTES, align);
	const uint32_t is_turned = n > 2 && chance_one_in(chance, 3);
	struct image_desc table = { AREA_GPA + offset, n_entries * DESC_BYTES, 4, 0 };
	uint32_t entry = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct image_desc *desc = &plan->bufs[from + i];
		/* Straight on, or first, last, last but one and so on. */
		uint32_t next = is_turned ? n - 1 - i : i + 1;

		if (i + 1 < n) {
			desc->flags |= 1;
			desc->next = (uint16_t)next;
		}
		store_desc(builder, offset + entry * DESC_BYTES, desc, 0);
		entry = next;
	}
	if (chance_one_in(chance, 4))
		table.flags |= 2; /* has no meaning here */
	return table;
}

static int has_room_for_table(const struct builder *builder)
{
	return builder->cursor + (CHAIN_MAX + 8) * DESC_BYTES < AREA_BYTES;
}

/* Buffers in the ring, then, if there are more, a table with the others. */
static uint16_t lay_out(struct builder *builder, struct plan *plan, uint32_t n_direct)
{
	const uint32_t n = n_direct + (n_direct < plan->n);
	const uint16_t head = take_free(builder);
	uint16_t at = head;

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t is_table = i == n_direct;
		struct image_desc desc =
			is_table ? build_table(builder, plan, i) : plan->bufs[i];
		uint16_t next = 0;

		if (i + 1 < n) {
			next = take_free(builder);
			desc.flags |= 1;
			desc.next = next;
		}
		store_desc(builder, desc_offset(builder, at), &desc, is_table);
		at = next;
	}
	return head;
}

static int build_chain(struct builder *builder)
{
	struct chance *chance = &builder->chance;
	const uint32_t flags = builder->image.header.flags;
	struct plan plan;
	uint32_t n_direct;

	plan_chain(builder, &plan);
	n_direct = plan.n;
	if ((flags & IMAGE_INDIRECT) && has_room_for_table(builder) &&
	    chance_below(chance, 3))
		n_direct = chance_one_in(chance, 3) ? chance_below(chance, plan.n) : 0;
	if (n_direct + (n_direct < plan.n) > builder->n_free)
		return 0;
	*builder_avail(builder, (builder->image.header.start + builder->n_chains) &
					(builder->image.header.n_descs - 1)) =
		lay_out(builder, &plan, n_direct);
	builder->n_chains++;
	return 1;
}

static void choose_shape(struct builder *builder, uint32_t number)
{
	struct chance *chance = &builder->chance;
	struct image_header *header = &builder->image.header;

	*header = (struct image_header){ .magic = IMAGE_MAGIC, .number = number };
	header->flags = IMAGE_VALID | chance_below(chance, 4);
	if (chance_one_in(chance, 2))
		header->flags |= IMAGE_REVERSE;
	header->n_descs = 1u << chance_below(chance, chance_one_in(chance, 8) ? 9 : 6);
	header->start = chance_one_in(chance, 2) ? 0 : chance_below(chance, 65536);
	if (chance_one_in(chance, 4))
		header->start = 65536 - chance_between(chance, 1, 16);
	header->burst = chance_one_in(chance, 2) ? 1 : chance_between(chance, 1, 32);
}

/* Any order: the ring's descriptors come back as the device finishes. */
static void shuffle_free(struct builder *builder)
{
	const uint32_t n = builder->image.header.n_descs;

	builder->n_free = n;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t at = chance_below(&builder->chance, i + 1);

		builder->free[i] = builder->free[at];
		builder->free[at] = (uint16_t)i;
	}
}

static void store_indexes(struct builder *builder)
{
	const struct image_header *header = &builder->image.header;
	uint16_t *avail = builder_at(builder, header->avail_offset);
	uint16_t *used = builder_at(builder, header->used_offset);
	const uint32_t event = header->start + chance_below(&builder->chance, 6) - 2;

	avail[0] = (uint16_t)chance_below(&builder->chance, 2);
	avail[1] = (uint16_t)(header->start + builder->n_chains);
	avail[2 + header->n_descs] = (uint16_t)event; /* used_event */
	used[0] = 0;
	used[1] = (uint16_t)header->start;
}

void build_valid(struct builder *builder, uint32_t number, uint64_t seed)
{
	struct chance *chance = &builder->chance;
	uint32_t n_wanted;

	builder->chance.state = seed * UINT64_C(0x2545f4914f6cdd1d) + number;
	builder->n_live = builder->cursor = builder->n_chains = 0;
	choose_shape(builder, number);
	/* What no chain leads to may hold anything. */
	for (uint32_t i = 0; i < AREA_BYTES; i += 8)
		memcpy(builder_at(builder, i), &(uint64_t){ chance_next(chance) }, 8);
	place_ring(builder);
	/* Tables begin anywhere, so that some lie across the regions. */
	if (chance_one_in(chance, 3))
		builder->cursor = chance_between(chance, AREA_HALF - 600, AREA_HALF);
	shuffle_free(builder);
	n_wanted = chance_below(chance, builder->image.header.n_descs + 1);
	if (chance_one_in(chance, 3))
		n_wanted = builder->image.header.n_descs;
	while (builder->n_chains < n_wanted && build_chain(builder))
		;
	store_indexes(builder);
	builder->image.header.n_bytes = builder->cursor;
}
