/* SPDX-License-Identifier: MIT */
/*
 * Dirty bitmaps. They are part of a view, so that attaching and detaching one is
 * a commit like any other and a queue marks by the view that it holds. A range
 * is clipped to each bitmap first: marking takes no longer than the bitmap is.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/params.h"
#include "mem/mem.h"

#define PAGE_SHIFT_MIN 12u
#define PAGE_SHIFT_MAX 30u

/*
 * Release: pairs with whoever fetches and clears the byte with acquire and then
 * copies the page; how it does that is its own affair. A bit that is already
 * set is set again, since its page may be being copied right now.
 */
static void set_bits(uint8_t *bits, uint64_t first, uint64_t last)
{
	for (uint64_t i = first / 8; i <= last / 8; i++) {
		unsigned int mask = 0xff;

		if (i == first / 8)
			mask &= 0xffu << (first % 8);
		if (i == last / 8)
			mask &= 0xffu >> (7 - last % 8);
		__atomic_fetch_or(&bits[i], (uint8_t)mask, __ATOMIC_RELEASE);
	}
}

static void mark_one(const struct mem_bitmap *bitmap, uint64_t first, uint64_t last)
{
	uint64_t origin = bitmap->part.gpa;

	if (last < origin || first > bitmap->last)
		return;
	first = vio_max_u64(first, origin) - origin;
	last = vio_min_u64(last, bitmap->last) - origin;
	set_bits(bitmap->bits, first >> bitmap->page_shift, last >> bitmap->page_shift);
}

void vio_mem_view_mark(const struct vio_mem_view *view, uint64_t gpa,
		       uint64_t length_bytes)
{
	uint64_t last;

	if (!length_bytes)
		return;
	if (!vio_range_last(gpa, length_bytes, &last))
		last = UINT64_MAX;
	for (uint32_t i = 0; i < view->n_bitmaps; i++)
		mark_one(view->bitmaps[i], gpa, last);
}

/*
 * All spans are looked at: two can be the same memory, and a page counts as
 * written under each of its addresses.
 */
static void mark_hva(const struct vio_mem_view *view, const struct vio_mem_view *origin,
		     uint64_t first, uint64_t last)
{
	for (uint32_t i = 0; i < origin->n_spans; i++) {
		const struct vio_mem_span *span = &origin->spans[i];
		uint64_t span_first = (uintptr_t)span->hva;
		uint64_t span_last = span_first + (span->last - span->gpa);
		uint64_t from = vio_max_u64(first, span_first);
		uint64_t to = vio_min_u64(last, span_last);

		if (from <= to)
			vio_mem_view_mark(view, span->gpa + (from - span_first),
					  to - from + 1);
	}
}

void vio_mem_view_mark_iov(const struct vio_mem_view *view,
			   const struct vio_mem_view *origin, const struct iovec *iov,
			   uint32_t n_iov, uint64_t written_bytes)
{
	if (!view->n_bitmaps)
		return;
	for (uint32_t i = 0; i < n_iov && written_bytes; i++) {
		uint64_t first = (uintptr_t)iov[i].iov_base;
		uint64_t n = vio_min_u64(iov[i].iov_len, written_bytes);

		if (!n)
			continue;
		mark_hva(view, origin, first, first + (n - 1));
		written_bytes -= n;
	}
}

void vio_mem_mark(struct vio_mem *mem, uint64_t gpa, uint64_t length_bytes)
{
	const struct vio_mem_view *view = vio_mem_view_hold(mem);

	vio_mem_view_mark(view, gpa, length_bytes);
	vio_mem_view_drop(mem, view);
}

static int
read_params(const struct vio_mem_bitmap *bitmap, struct vio_mem_bitmap *params)
{
	uint64_t last;
	int ret = vio_params_copy(params, sizeof(*params),
				  VIO_PARAMS_END(*params, opaque), bitmap);

	if (ret)
		return ret;
	if (!params->bits || params->page_shift < PAGE_SHIFT_MIN ||
	    params->page_shift > PAGE_SHIFT_MAX ||
	    !vio_is_aligned(params->gpa, UINT64_C(1) << params->page_shift) ||
	    !vio_range_last(params->gpa, params->length_bytes, &last))
		return -EINVAL;
	return 0;
}

/* Its index in the view, or n_bitmaps. */
static uint32_t find(const struct vio_mem_view *view, const uint8_t *bits)
{
	uint32_t i = 0;

	while (i < view->n_bitmaps && view->bitmaps[i]->bits != bits)
		i++;
	return i;
}

/* The current view with room for another number of bitmaps; NULL: no memory. */
static struct vio_mem_view *copy_spans(struct vio_mem *mem, uint32_t n_bitmaps)
{
	const struct vio_mem_view *now = mem->current.view;
	struct vio_mem_view *view = vio_mem_view_create(mem, now->n_spans, n_bitmaps);

	if (view && now->n_spans)
		memcpy(view->spans, now->spans, now->n_spans * sizeof(*now->spans));
	return view;
}

static void bitmap_destroy(struct vio_mem *mem, struct mem_part *part)
{
	struct mem_bitmap *bitmap = VIO_CONTAINER_OF(part, struct mem_bitmap, part);

	VIO_DELETE(mem->env, bitmap);
}

static struct mem_bitmap *
bitmap_create(struct vio_mem *mem, const struct vio_mem_bitmap *params)
{
	struct mem_bitmap *bitmap = VIO_NEW(mem->env, struct mem_bitmap);

	if (!bitmap)
		return NULL;
	bitmap->part = (struct mem_part){
		.gpa = params->gpa,
		.released = params->released,
		.opaque = params->opaque,
		.destroy = bitmap_destroy,
	};
	vio_list_init(&bitmap->part.node);
	bitmap->last = params->gpa + (params->length_bytes - 1);
	bitmap->page_shift = params->page_shift;
	bitmap->bits = params->bits;
	return bitmap;
}

int vio_mem_attach_bitmap(struct vio_mem *mem, const struct vio_mem_bitmap *bitmap)
{
	const struct vio_mem_view *now = mem->current.view;
	struct vio_mem_bitmap params;
	struct mem_bitmap *added;
	struct vio_mem_view *view;
	int ret = read_params(bitmap, &params);

	if (ret)
		return ret;
	if (mem->draft.is_open || mem->is_busy)
		return -EBUSY;
	if (find(now, params.bits) < now->n_bitmaps)
		return -EEXIST;
	added = bitmap_create(mem, &params);
	if (!added)
		return -ENOMEM;
	view = copy_spans(mem, now->n_bitmaps + 1);
	if (!view) {
		bitmap_destroy(mem, &added->part);
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < now->n_bitmaps; i++)
		view->bitmaps[i] = now->bitmaps[i];
	view->bitmaps[now->n_bitmaps] = added;
	vio_mem_view_drop(mem, vio_mem_publish(mem, view));
	return 0;
}

int vio_mem_detach_bitmap(struct vio_mem *mem, const uint8_t *bits)
{
	const struct vio_mem_view *now = mem->current.view;
	struct vio_mem_view *view;
	uint32_t n = 0;

	if (mem->draft.is_open || mem->is_busy)
		return -EBUSY;
	if (find(now, bits) == now->n_bitmaps)
		return -ENOENT;
	view = copy_spans(mem, now->n_bitmaps - 1);
	if (!view)
		return -ENOMEM;
	for (uint32_t i = 0; i < now->n_bitmaps; i++)
		if (now->bitmaps[i]->bits != bits)
			view->bitmaps[n++] = now->bitmaps[i];
	vio_mem_view_drop(mem, vio_mem_publish(mem, view));
	return 0;
}
