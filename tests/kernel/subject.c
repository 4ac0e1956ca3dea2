/* SPDX-License-Identifier: MIT */
/*
 * Ring images on standard input, as libvio's device side sees them. The regions
 * of guest memory lie apart in this process, where the oracle has them in one
 * piece, so an address that is off in either is not off in both.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <vio/mem.h>
#include <vio/queue.h>

#include "image.h"

#define GAP_BYTES UINT64_C(0x10000)
/* A chain of a full ring has two pieces at most for each descriptor. */
#define MAX_IOV (2 * IMAGE_DESCS)
#define N_IOV   (IMAGE_DESCS * MAX_IOV)

static struct memory memory;
static struct vio_chain chains[2 * IMAGE_DESCS]; /* the last burst may begin late */
static struct iovec iov[N_IOV];

static void must(int is_good, const char *what)
{
	if (is_good)
		return;
	fprintf(stderr, "subject: %s\n", what);
	exit(1);
}

static struct vio_mem *open_mem(void)
{
	struct vio_mem *mem;

	memory_open(&memory, GAP_BYTES);
	must(!vio_mem_create(NULL, &mem), "no memory table");
	for (int i = 0; i < N_REGIONS; i++) {
		struct vio_mem_region region = VIO_MEM_REGION_INIT;

		region.gpa = image_regions[i].gpa;
		region.length_bytes = image_regions[i].length_bytes;
		region.hva = memory.base[i];
		must(!vio_mem_add(mem, &region, NULL), "a region is refused");
	}
	return mem;
}

static struct vio_queue *open_queue(struct vio_mem *mem, const struct image *image)
{
	const struct image_header *header = &image->header;
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;
	struct vio_queue *queue;

	params.mem = mem;
	params.n_descs = header->n_descs;
	params.max_chain_iov = MAX_IOV;
	params.desc_addr = AREA_GPA + header->desc_offset;
	params.driver_addr = AREA_GPA + header->avail_offset;
	params.device_addr = AREA_GPA + header->used_offset;
	params.features = VIO_F_VERSION_1;
	if (header->flags & IMAGE_INDIRECT)
		params.features |= VIO_F_INDIRECT_DESC;
	if (header->flags & IMAGE_EVENT)
		params.features |= VIO_F_EVENT_IDX;
	if (vio_queue_create(NULL, &params, &queue, NULL))
		return NULL;
	state.avail_index = header->start;
	state.used_index = header->start;
	must(!vio_queue_set_state(queue, &state), "a state is refused");
	return queue;
}

static void print_chain(const struct vio_chain *chain)
{
	printf(" %u", chain->head);
	for (uint32_t i = 0; i < chain->n_out + chain->n_in; i++)
		print_piece(&memory, i ? ',' : '=', i < chain->n_out ? 'r' : 'w',
			    chain->iov[i].iov_base, chain->iov[i].iov_len);
}

static void complete(struct vio_queue *queue, const struct image *image, uint32_t n)
{
	int is_notified, is_more;

	for (uint32_t i = 0; i < n; i++) {
		struct vio_chain *chain =
			&chains[image->header.flags & IMAGE_REVERSE ? n - 1 - i : i];

		chain->written_bytes = image_written(chain->head, chain->in_bytes);
		must(vio_queue_push(queue, chain, 1) == 1, "a chain is not taken back");
	}
	is_notified = vio_queue_publish(queue);
	is_more = vio_queue_set_kicks(queue, 1);
	print_used(&memory, image, n, is_notified, is_more);
}

static void print_fault(const struct vio_queue *queue)
{
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;

	must(!vio_queue_read_fault(queue, &fault), "no fault to read");
	printf(" refused %u", fault.code);
}

static void answer(struct vio_queue *queue, const struct image *image)
{
	uint32_t n = 0;
	int ret = 0;

	/* Nothing is given back meanwhile: no more chains than descriptors. */
	while (n < IMAGE_DESCS) {
		ret = vio_queue_pop(queue, &chains[n], image->header.burst,
				    &iov[n * MAX_IOV], MAX_IOV);
		if (ret <= 0)
			break;
		for (int i = 0; i < ret; i++)
			print_chain(&chains[n++]);
	}
	if (ret == -EBADMSG)
		print_fault(queue);
	else
		complete(queue, image, n);
}

int main(void)
{
	static struct image image;
	struct vio_mem *mem = open_mem();

	while (image_read(&image, stdin)) {
		struct vio_queue *queue;

		memory_load(&memory, &image);
		printf("%u:", image.header.number);
		queue = open_queue(mem, &image);
		if (queue)
			answer(queue, &image);
		else
			printf(" refused ring");
		printf("\n");
		vio_queue_destroy(queue);
	}
	must(!vio_mem_destroy(mem, NULL), "the memory table is still in use");
	return 0;
}
