/* SPDX-License-Identifier: MIT */
/*
 * Ring images on standard input, as the kernel's vringh sees them. Built against
 * the kernel's own headers for user space, of which none is kept here.
 *
 * vringh answers for one chain at a time and goes on after a bad one if its
 * caller likes; here the first refusal ends the image, as it does for libvio.
 */
#include <linux/kernel.h>
#include <linux/err.h>
#include <linux/virtio.h>
#include <linux/vringh.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_config.h>
#include <linux/uaccess.h>

#include "image.h"

/* What the kernel's headers for user space want of a program. */
void *__user_addr_min, *__user_addr_max;
void *__kmalloc_fake, *__kfree_ignore_start, *__kfree_ignore_end;

/* More than the longest chain that ends has: 2048 entries in two pieces each. */
#define CHAIN_IOV_BYTES (8192 * sizeof(struct iovec))

#define N_IOV           8 /* few, so that vringh has to make room */

static struct memory memory;

void *__real_realloc(void *old, size_t size);
void *__wrap_realloc(void *old, size_t size);

/*
 * A table with the flag NEXT that leads back to its own descriptor is walked by
 * vringh for ever, and fills memory with it. The lack of memory ends it.
 */
void *__wrap_realloc(void *old, size_t size)
{
	return size > CHAIN_IOV_BYTES ? NULL : __real_realloc(old, size);
}

static bool get_range(struct vringh *vrh, u64 addr, struct vringh_range *range)
{
	(void)vrh;
	for (int i = 0; i < N_REGIONS; i++) {
		const struct region *region = &image_regions[i];

		if (addr - region->gpa >= region->length_bytes)
			continue;
		range->start = region->gpa;
		range->end_incl = region->gpa + region->length_bytes - 1;
		range->offset = (u64)(unsigned long)memory.base[i] - region->gpa;
		return true;
	}
	return false;
}

static void
print_chain(u16 head, const struct vringh_iov *r, const struct vringh_iov *w)
{
	char before = '=';

	printf(" %u", head);
	for (unsigned i = 0; i < r->used; i++, before = ',')
		print_piece(&memory, before, 'r', r->iov[i].iov_base,
			    r->iov[i].iov_len);
	for (unsigned i = 0; i < w->used; i++, before = ',')
		print_piece(&memory, before, 'w', w->iov[i].iov_base,
			    w->iov[i].iov_len);
}

static u64 sum_bytes(const struct vringh_iov *iov)
{
	u64 sum = 0;

	for (unsigned i = 0; i < iov->used; i++)
		sum += iov->iov[i].iov_len;
	return sum;
}

/* 1: a chain was printed, 0: none is left, or what vringh refused it with. */
static int pop(struct vringh *vrh, u16 *head, u64 *in_bytes)
{
	struct iovec r_iov[N_IOV], w_iov[N_IOV];
	struct vringh_iov r, w;
	int ret;

	vringh_iov_init(&r, r_iov, N_IOV);
	vringh_iov_init(&w, w_iov, N_IOV);
	ret = vringh_getdesc_user(vrh, &r, &w, get_range, head);
	if (ret == 1) {
		print_chain(*head, &r, &w);
		*in_bytes = sum_bytes(&w);
	}
	vringh_iov_cleanup(&r);
	vringh_iov_cleanup(&w);
	return ret;
}

static void complete(struct vringh *vrh, const struct image *image, const u16 *heads,
		     const u64 *in_bytes, u32 n)
{
	int is_notified = 0;

	for (u32 i = 0; i < n; i++) {
		u32 at = image->header.flags & IMAGE_REVERSE ? n - 1 - i : i;

		assert(!vringh_complete_user(vrh, heads[at],
					     image_written(heads[at], in_bytes[at])));
	}
	if (n)
		is_notified = vringh_need_notify_user(vrh);
	/* It answers whether to wait. */
	print_used(&memory, image, n, is_notified, !vringh_notify_enable_user(vrh));
}

static void answer(struct vringh *vrh, const struct image *image)
{
	static u16 heads[IMAGE_DESCS + 1];
	static u64 in_bytes[IMAGE_DESCS + 1];
	u32 n = 0;
	int ret;

	while ((ret = pop(vrh, &heads[n], &in_bytes[n])) == 1) {
		if (n++ == image->header.n_descs) {
			printf(" more");
			return;
		}
	}
	if (ret)
		printf(" refused %d", ret);
	else
		complete(vrh, image, heads, in_bytes, n);
}

int main(void)
{
	static struct image image;
	const struct image_header *header = &image.header;

	memory_open(&memory, 0);
	__user_addr_min = memory.first;
	__user_addr_max = memory.last;
	while (image_read(&image, stdin)) {
		u64 features = 1ULL << VIRTIO_F_VERSION_1;
		struct vringh vrh;

		memory_load(&memory, &image);
		if (header->flags & IMAGE_EVENT)
			features |= 1ULL << VIRTIO_RING_F_EVENT_IDX;
		printf("%u:", header->number);
		if (vringh_init_user(&vrh, features, header->n_descs, true,
				     (void *)(memory.base[1] + header->desc_offset),
				     (void *)(memory.base[1] + header->avail_offset),
				     (void *)(memory.base[1] + header->used_offset))) {
			printf(" refused ring\n");
			continue;
		}
		vrh.last_avail_idx = vrh.last_used_idx = (u16)header->start;
		answer(&vrh, &image);
		printf("\n");
	}
	return 0;
}
