/* SPDX-License-Identifier: MIT */
/*
 * A ring image: one split ring as a driver left it, with the memory around it.
 * It is read by two programs that share nothing but this file, so that neither
 * can lend the other a mistake: oracle.c asks the kernel's vringh, subject.c asks
 * libvio. Both print what they found in the same words, one line an image.
 *
 * Guest memory is the same for all images. Only the area with the ring and the
 * indirect tables is written; it is two regions that touch, so that a table or a
 * buffer can lie across them. What a buffer points to is never looked at, so the
 * large region costs address space alone.
 */
#ifndef TESTS_KERNEL_IMAGE_H
#define TESTS_KERNEL_IMAGE_H

#include <stdint.h>
#include <stdio.h>

#define AREA_GPA       UINT64_C(0x100000)
#define AREA_BYTES     0x8000u
#define AREA_HALF      0x4000u /* the ring lies in the first half */
#define BIG_GPA        UINT64_C(0x40000000)
#define BIG_BYTES      UINT64_C(0xc0000000)
#define TOP_GPA        UINT64_C(0xffffffffffff0000)
#define TOP_BYTES      UINT64_C(0x10000)
#define LOW_BYTES      UINT64_C(0x1000) /* at address 0 */
#define N_REGIONS      5

#define IMAGE_MAGIC    0x676e6972u
#define IMAGE_INDIRECT 1u   /* VIRTIO_F_INDIRECT_DESC is negotiated */
#define IMAGE_EVENT    2u   /* VIRTIO_F_EVENT_IDX is */
#define IMAGE_VALID    4u   /* nothing was made wrong on purpose */
#define IMAGE_REVERSE  8u   /* complete the chains last first */
#define IMAGE_DESCS    256u /* most descriptors of a ring */

struct image_header {
	uint32_t magic;
	uint32_t number;
	uint32_t flags;
	uint32_t n_descs;
	uint32_t desc_offset; /* of the ring's parts in the area */
	uint32_t avail_offset;
	uint32_t used_offset;
	uint32_t start;   /* the index that both sides begin at */
	uint32_t burst;   /* chains to pop at once */
	uint32_t n_bytes; /* of the area that follow; the rest is 0 */
};

struct image {
	struct image_header header;
	uint8_t area[AREA_BYTES];
};

struct image_desc {
	uint64_t addr;
	uint32_t length;
	uint16_t flags;
	uint16_t next;
};

/* Where a program keeps the regions. */
struct memory {
	char *base[N_REGIONS];
	char *first; /* of the mapping that all of them lie in */
	char *last;
};

struct region {
	uint64_t gpa;
	uint64_t length_bytes;
};
extern const struct region image_regions[N_REGIONS];

/* 1: read, 0: the end; exits on anything else. */
int image_read(struct image *image, FILE *file);
void image_write(const struct image *image, FILE *file);

/* @gap_bytes: between the two regions of the area. Exits if memory lacks. */
void memory_open(struct memory *memory, uint64_t gap_bytes);
void memory_load(struct memory *memory, const struct image *image);
uint64_t memory_gpa(const struct memory *memory, const void *at);

/* What a device claims to have written to a chain. */
uint32_t image_written(uint32_t head, uint64_t in_bytes);

/* One piece of a chain: 'r' or 'w', after '=' or ','. */
void print_piece(const struct memory *memory, char before, char direction,
		 const void *at, uint64_t length_bytes);

/* The used ring after @n_done completions, the wish for kicks, and the answers. */
void print_used(const struct memory *memory, const struct image *image, uint32_t n_done,
		int is_notified, int is_more);

#endif /* TESTS_KERNEL_IMAGE_H */
