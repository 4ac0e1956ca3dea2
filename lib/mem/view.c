/* SPDX-License-Identifier: MIT */
/*
 * Views and translation by them. A view is one allocation: its spans and
 * bitmaps follow it. Translation covers a whole range or fails, walking spans
 * that are sorted and never overlap; where the next one is not a neighbour the
 * range has a hole. Ranges come from guests and are at the worst as long as the
 * address space, yet no walk is longer than the table.
 */
#include <errno.h>

#include "core/bits.h"
#include "mem/mem.h"

/*
 * Answers of the hook for one range, beyond those that fill an iovec each. A
 * guest chooses how long a range is, and a hook may answer page by page: with
 * pages of 4 KiB this is 16 MiB in one descriptor, more than drivers use, and a
 * bound on the time that one descriptor can cost.
 */
#define MERGED_ANSWERS_MAX 4096u

/* Iovecs being filled. */
struct vec {
	struct iovec *iov;
	uint32_t n_iov;
	uint32_t n;
};

struct vio_mem_view *
vio_mem_view_create(struct vio_mem *mem, uint32_t n_spans, uint32_t n_bitmaps)
{
	size_t spans_bytes = n_spans * sizeof(struct vio_mem_span);
	size_t bytes = sizeof(struct vio_mem_view) + spans_bytes +
		       n_bitmaps * sizeof(struct mem_bitmap *);
	struct vio_mem_view *view =
		vio_alloc_zeroed(mem->env, bytes, _Alignof(struct vio_mem_view));

	if (!view)
		return NULL;
	view->bytes = bytes;
	view->n_spans = n_spans;
	view->n_bitmaps = n_bitmaps;
	view->spans = (struct vio_mem_span *)(void *)(view + 1);
	view->bitmaps = (struct mem_bitmap **)(void *)(view->spans + n_spans);
	vio_list_init(&view->node);
	return view;
}

void vio_mem_view_destroy(struct vio_mem *mem, struct vio_mem_view *view)
{
	if (view != &mem->none)
		vio_free(mem->env, view, view->bytes, _Alignof(struct vio_mem_view));
}

static bool span_has(const struct vio_mem_span *span, uint64_t gpa)
{
	return gpa >= span->gpa && gpa <= span->last;
}

/* The span that has @gpa, or the first above it, or n_spans. */
static uint32_t find_span(const struct vio_mem_view *view, uint32_t hint, uint64_t gpa)
{
	uint32_t low = 0;
	uint32_t high = view->n_spans;

	if (hint < high && span_has(&view->spans[hint], gpa))
		return hint;
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (view->spans[middle].last < gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static int vec_append(struct vec *vec, char *hva, uint64_t bytes)
{
	struct iovec *before = vec->n ? &vec->iov[vec->n - 1] : NULL;

	if (before && (char *)before->iov_base + before->iov_len == hva) {
		before->iov_len += bytes;
		return 0;
	}
	if (vec->n == vec->n_iov)
		return -ENOBUFS;
	vec->iov[vec->n++] = (struct iovec){ .iov_base = hva, .iov_len = bytes };
	return 0;
}

static int append_range(const struct vio_mem_view *view, uint32_t *hint, uint64_t gpa,
			uint64_t length_bytes, uint32_t access, struct vec *vec)
{
	uint64_t last;

	if (!vio_range_last(gpa, length_bytes, &last))
		return -EFAULT;
	for (uint32_t i = find_span(view, *hint, gpa); i < view->n_spans; i++) {
		const struct vio_mem_span *span = &view->spans[i];
		uint64_t end = vio_min_u64(last, span->last);
		int ret;

		if (gpa < span->gpa ||
		    ((access & VIO_MEM_WRITE) && (span->flags & VIO_MEM_READONLY)))
			return -EFAULT;
		ret = vec_append(vec, span->hva + (gpa - span->gpa), end - gpa + 1);
		if (ret)
			return ret;
		*hint = i;
		if (end == last)
			return 0;
		gpa = end + 1;
	}
	return -EFAULT;
}

/* One question to the hook. Bytes it answers for, at most @length_bytes. */
static int64_t ask(const struct vio_mem_current *current, uint64_t iova,
		   uint64_t length_bytes, uint32_t access, uint64_t *out_gpa)
{
	int64_t n =
		current->translate(current->translate_opaque, iova, length_bytes,
				   access & (VIO_MEM_READ | VIO_MEM_WRITE), out_gpa);

	if (n == -EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return -EFAULT;
	return (int64_t)vio_min_u64((uint64_t)n, length_bytes);
}

static int append_iova(const struct vio_mem_current *current,
		       const struct vio_mem_view *view, uint32_t *hint, uint64_t iova,
		       uint64_t length_bytes, uint32_t access, struct vec *vec)
{
	uint64_t n_answers = (uint64_t)vec->n_iov + MERGED_ANSWERS_MAX;

	for (; n_answers; n_answers--) {
		uint64_t gpa = 0;
		int64_t n = ask(current, iova, length_bytes, access, &gpa);
		int ret;

		if (n < 0)
			return (int)n;
		ret = append_range(view, hint, gpa, (uint64_t)n, access, vec);
		if (ret)
			return ret;
		length_bytes -= (uint64_t)n;
		if (!length_bytes)
			return 0;
		iova += (uint64_t)n;
	}
	return -EFAULT;
}

static bool is_question(uint64_t length_bytes, uint32_t access, uint32_t n_iov)
{
	return length_bytes && n_iov && (access & (VIO_MEM_READ | VIO_MEM_WRITE));
}

int vio_mem_view_translate(const struct vio_mem_view *view, uint32_t *hint,
			   uint64_t gpa, uint64_t length_bytes, uint32_t access,
			   struct iovec *iov, uint32_t n_iov)
{
	struct vec vec = { .iov = iov, .n_iov = n_iov };
	int ret;

	if (!is_question(length_bytes, access, n_iov))
		return -EINVAL;
	ret = append_range(view, hint, gpa, length_bytes, access, &vec);
	return ret ? ret : (int)vec.n;
}

int vio_mem_view_translate_iova(struct vio_mem *mem, const struct vio_mem_view *view,
				uint32_t *hint, uint64_t iova, uint64_t length_bytes,
				uint32_t access, struct iovec *iov, uint32_t n_iov)
{
	struct vec vec = { .iov = iov, .n_iov = n_iov };
	uint64_t last;
	int ret;

	if (!mem->current.translate)
		return vio_mem_view_translate(view, hint, iova, length_bytes, access,
					      iov, n_iov);
	if (!is_question(length_bytes, access, n_iov))
		return -EINVAL;
	if (!vio_range_last(iova, length_bytes, &last))
		return -EFAULT;
	ret = append_iova(&mem->current, view, hint, iova, length_bytes, access, &vec);
	return ret ? ret : (int)vec.n;
}

int vio_mem_translate(struct vio_mem *mem, uint64_t addr, uint64_t length_bytes,
		      uint32_t access, struct iovec *iov, uint32_t n_iov)
{
	const struct vio_mem_view *view = vio_mem_view_hold(mem);
	uint32_t hint = 0;
	int ret;

	if (access & VIO_MEM_IOVA)
		ret = vio_mem_view_translate_iova(mem, view, &hint, addr, length_bytes,
						  access, iov, n_iov);
	else
		ret = vio_mem_view_translate(view, &hint, addr, length_bytes, access,
					     iov, n_iov);
	vio_mem_view_drop(mem, view);
	return ret;
}

void vio_mem_set_translate(struct vio_mem *mem, vio_mem_translate_fn fn, void *opaque)
{
	mem->current.translate = fn;
	mem->current.translate_opaque = opaque;
}

/*
 * Release: pairs with the load by a parked queue, which then finds in the hook
 * what its owner changed before the call.
 */
void vio_mem_notify(struct vio_mem *mem)
{
	__atomic_fetch_add(&mem->current.translations, 1, __ATOMIC_RELEASE);
}
