/* SPDX-License-Identifier: MIT */
/*
 * What the programs around ring images have in common: reading and writing them,
 * guest memory, and the words of the report. Used entries are printed from
 * memory, as the driver would find them, not as either side remembers them.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "image.h"

#define PAGE UINT64_C(4096)

const struct region image_regions[N_REGIONS] = {
	{ 0, LOW_BYTES },
	{ AREA_GPA, AREA_HALF },
	{ AREA_GPA + AREA_HALF, AREA_BYTES - AREA_HALF },
	{ BIG_GPA, BIG_BYTES },
	{ TOP_GPA, TOP_BYTES },
};

static void die(const char *what)
{
	fprintf(stderr, "%s\n", what);
	exit(1);
}

int image_read(struct image *image, FILE *file)
{
	struct image_header *header = &image->header;

	if (fread(header, sizeof(*header), 1, file) != 1)
		return feof(file) ? 0 : (die("image: cannot read"), 0);
	if (header->magic != IMAGE_MAGIC || header->n_bytes > AREA_BYTES)
		die("image: not a ring image");
	memset(image->area, 0, sizeof(image->area));
	if (fread(image->area, 1, header->n_bytes, file) != header->n_bytes)
		die("image: ends early");
	return 1;
}

void image_write(const struct image *image, FILE *file)
{
	if (fwrite(&image->header, sizeof(image->header), 1, file) != 1 ||
	    fwrite(image->area, 1, image->header.n_bytes, file) !=
		    image->header.n_bytes)
		die("image: cannot write");
}

/*
 * A page on either side of everything: vringh reads the first entry of an empty
 * table before it refuses the table, which may be beyond the end of a region.
 */
void memory_open(struct memory *memory, uint64_t gap_bytes)
{
	uint64_t length = PAGE, offset = PAGE;

	for (int i = 0; i < N_REGIONS; i++)
		length += image_regions[i].length_bytes + PAGE + gap_bytes;
	memory->first = mmap(NULL, length, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory->first == MAP_FAILED)
		die("image: no address space");
	memory->last = memory->first + length;
	for (int i = 0; i < N_REGIONS; i++) {
		memory->base[i] = memory->first + offset;
		offset += image_regions[i].length_bytes + (i == 1 ? gap_bytes : PAGE);
	}
}

void memory_load(struct memory *memory, const struct image *image)
{
	memcpy(memory->base[1], image->area, AREA_HALF);
	memcpy(memory->base[2], image->area + AREA_HALF, AREA_BYTES - AREA_HALF);
}

uint64_t memory_gpa(const struct memory *memory, const void *at)
{
	for (int i = 0; i < N_REGIONS; i++) {
		uint64_t offset = (uint64_t)((const char *)at - memory->base[i]);

		if (offset < image_regions[i].length_bytes)
			return image_regions[i].gpa + offset;
	}
	die("image: a buffer outside of guest memory");
	return 0;
}

uint32_t image_written(uint32_t head, uint64_t in_bytes)
{
	const uint64_t most = in_bytes < UINT32_MAX ? in_bytes : UINT32_MAX;

	return (uint32_t)((head * UINT64_C(2654435761)) % (most + 1));
}

void print_piece(const struct memory *memory, char before, char direction,
		 const void *at, uint64_t length_bytes)
{
	printf("%c%c%llx+%llx", before, direction,
	       (unsigned long long)memory_gpa(memory, at),
	       (unsigned long long)length_bytes);
}

void print_used(const struct memory *memory, const struct image *image, uint32_t n_done,
		int is_notified, int is_more)
{
	const struct image_header *header = &image->header;
	const char *used = memory->base[1] + header->used_offset;
	uint16_t flags, index, event;

	memcpy(&flags, used, 2);
	memcpy(&index, used + 2, 2);
	memcpy(&event, used + 4 + (size_t)header->n_descs * 8, 2);
	printf(" end used %u flags %u event %u notify %d more %d", index, flags,
	       header->flags & IMAGE_EVENT ? event : 0, is_notified, is_more);
	for (uint32_t i = 0; i < n_done; i++) {
		uint32_t elem[2];

		memcpy(elem,
		       used + 4 + ((header->start + i) & (header->n_descs - 1)) * 8, 8);
		printf(" %u+%x", elem[0], elem[1]);
	}
}
