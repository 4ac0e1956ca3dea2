/* SPDX-License-Identifier: MIT */
/*
 * BARs, cut into spans: pages that hold the MSI-X table or its pending bits are
 * trapped, the rest is memory of the device that the guest uses directly. Whatever
 * the guest writes into a BAR is a place that it asks for, all ones for sizing
 * included; what is no sensible place is simply not shown. Without a function under
 * the view all is trapped, where it was.
 */
#include <errno.h>

#include "core/bits.h"
#include "vf/view.h"

#define BAR_FLAGS UINT64_C(0xf)
/* No processor that runs guests has more bits of physical address. */
#define GPA_MAX ((UINT64_C(1) << 52) - 1)

static void add_span(struct view_bar *bar, uint64_t first, uint64_t end, bool can_map)
{
	if (first < end)
		bar->spans[bar->n_spans++] = (struct view_span){
			.offset = first,
			.length_bytes = end - first,
			.can_map = can_map,
		};
}

struct hole {
	uint64_t first;
	uint64_t end;
};

/* Whole pages around a part of BAR @i; empty if it is in another one. */
static struct hole find_hole(const struct view_layout *layout, uint32_t i, uint32_t bar,
			     uint64_t offset, uint64_t n)
{
	struct hole hole = { 0, 0 };

	if (!layout->msix || bar != i)
		return hole;
	hole.first = offset & ~(uint64_t)(VIEW_PAGE - 1);
	hole.end = (offset + n + VIEW_PAGE - 1) & ~(uint64_t)(VIEW_PAGE - 1);
	return hole;
}

static void cut_bar(struct view_bar *bar, const struct view_layout *layout, uint32_t i)
{
	const uint64_t length = layout->bars[i].length_bytes;
	const uint64_t n_words = (layout->n_vectors + 63) / 64;
	struct hole a = find_hole(layout, i, layout->table_bar, layout->table_offset,
				  (uint64_t)layout->n_vectors * VIEW_ENTRY);
	struct hole b =
		find_hole(layout, i, layout->pba_bar, layout->pba_offset, n_words * 8);

	/* A part of a page cannot be mapped without what is beside it. */
	if (!layout->bars[i].can_map || length < VIEW_PAGE) {
		add_span(bar, 0, length, false);
		return;
	}
	if (b.first < a.first) {
		const struct hole c = a;

		a = b;
		b = c;
	}
	b.first = vio_max_u64(a.end, b.first); /* they may share a page */
	add_span(bar, 0, a.first, true);
	add_span(bar, a.first, a.end, false);
	add_span(bar, a.end, b.first, true);
	add_span(bar, b.first, b.end, false);
	add_span(bar, vio_max_u64(a.end, b.end), length, true);
}

void vio_view_bars_prepare(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++) {
		view->bars[i].gpa = VIEW_NO_PLACE;
		view->bars[i].n_spans = 0;
		if (view->layout->bars[i].length_bytes)
			cut_bar(&view->bars[i], view->layout, i);
	}
}

static void map_span(struct vio_view *view, uint32_t i, struct view_span *span)
{
	struct vio_error err = VIO_ERROR_INIT;
	void *hva;
	int ret;

	if (!span->can_map)
		return;
	ret = view->device->map_bar(view->vfio, i, span->offset, span->length_bytes,
				    &hva, &err);
	/* It is slower, and else the same. */
	if (ret)
		vio_log(view->env, VIO_LOG_INFO, "vf", "BAR %u traps at 0x%llx: %s", i,
			(unsigned long long)span->offset, err.text);
	else
		span->hva = hva;
}

void vio_view_bars_map(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++)
		for (uint32_t s = 0; s < view->bars[i].n_spans; s++)
			map_span(view, i, &view->bars[i].spans[s]);
}

void vio_view_bars_unmap(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++)
		for (uint32_t s = 0; s < view->bars[i].n_spans; s++) {
			struct view_span *span = &view->bars[i].spans[s];

			if (span->hva)
				(void)view->device->unmap_bar(view->vfio, span->hva);
			span->hva = NULL;
		}
}

static void trap(struct vio_view *view, uint64_t gpa, uint64_t n, int is_trapped)
{
	if (view->ops.trap)
		view->ops.trap(view->ops.opaque, gpa, n, is_trapped);
}

static void place_bar(struct vio_view *view, struct view_bar *bar, uint64_t gpa)
{
	bar->gpa = gpa;
	for (uint32_t s = 0; s < bar->n_spans; s++) {
		struct view_span *span = &bar->spans[s];
		const uint64_t at = gpa + span->offset;

		span->is_mapped = span->hva && vio_view_has_device(view) &&
				  !view->ops.map(view->ops.opaque, at,
						 span->length_bytes, span->hva);
		if (!span->is_mapped)
			trap(view, at, span->length_bytes, 1);
	}
}

static void lift_bar(struct vio_view *view, struct view_bar *bar)
{
	const uint64_t gpa = bar->gpa;

	if (gpa == VIEW_NO_PLACE)
		return;
	bar->gpa = VIEW_NO_PLACE;
	for (uint32_t s = 0; s < bar->n_spans; s++) {
		struct view_span *span = &bar->spans[s];
		const uint64_t at = gpa + span->offset;

		if (span->is_mapped)
			view->ops.unmap(view->ops.opaque, at, span->length_bytes);
		else
			trap(view, at, span->length_bytes, 0);
		span->is_mapped = false;
	}
}

/* Where the guest has put it, if that is a place; @out_last its last byte. */
static bool find_asked(const struct vio_view *view, uint32_t i, uint64_t *out_first,
		       uint64_t *out_last)
{
	const struct view_bar_layout *bar = &view->layout->bars[i];
	const uint64_t limit = bar->is_64bit ? GPA_MAX : UINT32_MAX;
	uint64_t first;

	if (!bar->length_bytes)
		return false;
	first = vio_view_get_bytes(view->shown + VIEW_BAR0 + 4 * i,
				   bar->is_64bit ? 8 : 4) &
		~BAR_FLAGS;
	/* At 0 is what nobody placed; the top of its space is what sizing writes. */
	if (!first || !vio_range_last(first, bar->length_bytes, out_last) ||
	    *out_last >= limit)
		return false;
	*out_first = first;
	return true;
}

/*
 * Two BARs at one place would make one of the monitor's mappings stand on another:
 * the one with the lower number has it.
 */
static uint64_t find_place(const struct vio_view *view, uint32_t i)
{
	uint64_t first, last, other_first, other_last;

	if (!vio_view_has_memory(view) || !find_asked(view, i, &first, &last))
		return VIEW_NO_PLACE;
	for (uint32_t k = 0; k < i; k++)
		if (find_asked(view, k, &other_first, &other_last) &&
		    first <= other_last && other_first <= last)
			return VIEW_NO_PLACE;
	return first;
}

/* Also what is mapped from a function that answers no more. */
static bool is_stale(const struct vio_view *view, uint32_t i)
{
	const struct view_bar *bar = &view->bars[i];

	if (bar->gpa != find_place(view, i))
		return true;
	for (uint32_t s = 0; s < bar->n_spans; s++)
		if (bar->spans[s].is_mapped && !vio_view_has_device(view))
			return true;
	return false;
}

void vio_view_bars_lift(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++)
		if (is_stale(view, i))
			lift_bar(view, &view->bars[i]);
}

void vio_view_bars_place(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++) {
		const uint64_t gpa = find_place(view, i);

		if (view->bars[i].gpa == VIEW_NO_PLACE && gpa != VIEW_NO_PLACE)
			place_bar(view, &view->bars[i], gpa);
	}
}

void vio_view_bars_remove(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++)
		lift_bar(view, &view->bars[i]);
}

int vio_view_translate(const struct vio_view *view, uint64_t gpa, uint32_t *out_bar,
		       uint64_t *out_offset)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++) {
		const uint64_t first = view->bars[i].gpa;

		if (first == VIEW_NO_PLACE || gpa < first ||
		    gpa - first >= view->layout->bars[i].length_bytes)
			continue;
		*out_bar = i;
		*out_offset = gpa - first;
		return 0;
	}
	return -ENOENT;
}

/* Is it an access that a BAR of the guest's answers? */
static bool
is_in_bar(const struct vio_view *view, uint32_t bar, uint64_t offset, uint32_t n)
{
	return bar < VIEW_BARS && vio_view_has_memory(view) &&
	       vio_view_is_access(offset, n, 8, view->layout->bars[bar].length_bytes);
}

uint64_t
vio_view_read_bar(struct vio_view *view, uint32_t bar, uint64_t offset, uint32_t n)
{
	uint8_t bytes[8];
	uint64_t value;
	int ret;

	if (!is_in_bar(view, bar, offset, n))
		return UINT64_MAX;
	if (vio_view_msix_read(view, bar, offset, n, &value))
		return value;
	if (!vio_view_has_device(view))
		return vio_view_get_ones(n);
	ret = view->device->read(view->vfio, bar, offset, bytes, n);
	if (vio_view_verify(view, ret, "a BAR cannot be read"))
		return vio_view_get_ones(n);
	return vio_view_get_bytes(bytes, n);
}

void vio_view_write_bar(struct vio_view *view, uint32_t bar, uint64_t offset,
			uint64_t value, uint32_t n)
{
	uint8_t bytes[8];
	int ret;

	if (!is_in_bar(view, bar, offset, n) ||
	    vio_view_msix_write(view, bar, offset, value, n) ||
	    !vio_view_has_device(view))
		return;
	vio_view_set_bytes(bytes, value, n);
	ret = view->device->write(view->vfio, bar, offset, bytes, n);
	(void)vio_view_verify(view, ret, "a BAR cannot be written");
}
