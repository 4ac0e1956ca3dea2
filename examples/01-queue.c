/* SPDX-License-Identifier: MIT */
/*
 * What is a queue? One memory, a driver that puts a request into it, a device that
 * takes it out, answers and gives it back: both sides of a virtqueue in one process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vio/vio.h>

#define GUEST_BYTES 0x10000u
#define GPA         0x100000u /* where the guest believes its memory to be */
#define N_DESCS     8u
#define DRIVER      0x1000u /* offsets in that memory: available ring, used ring, */
#define DEVICE      0x2000u
#define REQUEST     0x3000u /* and two buffers */
#define REPLY       0x4000u

static void check(int ret, const struct vio_error *err)
{
	if (ret < 0) {
		fprintf(stderr, "error %d %s\n", ret, err ? err->text : "");
		exit(EXIT_FAILURE);
	}
}

static struct vio_queue *create_device_side(struct vio_mem *mem)
{
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_queue *queue;

	params.mem = mem;
	params.features = VIO_F_VERSION_1;
	params.n_descs = N_DESCS;
	params.desc_addr = GPA;
	params.driver_addr = GPA + DRIVER;
	params.device_addr = GPA + DEVICE;
	check(vio_queue_create(NULL, &params, &queue, &err), &err);
	return queue;
}

static struct vio_driver *create_driver_side(char *guest)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_driver *driver;

	params.features = VIO_F_VERSION_1;
	params.n_descs = N_DESCS;
	params.desc = guest;
	params.driver = guest + DRIVER;
	params.device = guest + DEVICE;
	check(vio_driver_create(NULL, &params, &driver, &err), &err);
	return driver;
}

/* The driver: "hello" for the device to read, 16 bytes for it to write. */
static void ask(struct vio_driver *driver, char *guest)
{
	const struct vio_driver_buf bufs[] = {
		{ .addr = GPA + REQUEST, .length_bytes = 5 },
		{ .addr = GPA + REPLY, .length_bytes = 16 },
	};
	const struct vio_driver_chain chain = {
		.bufs = bufs, .n_out = 1, .n_in = 1, .cookie = 42
	};

	memcpy(guest + REQUEST, "hello", 5);
	check(vio_driver_push(driver, &chain, 1), NULL);
	/* 1 would ask for a kick; the device is called anyway. */
	check(vio_driver_publish(driver), NULL);
}

/* The device: answers with what it has read, in reverse. */
static void serve(struct vio_queue *queue)
{
	struct iovec iov[1024];
	struct vio_chain chain;
	const char *from;
	char *to;

	check(vio_queue_pop(queue, &chain, 1, iov, 1024), NULL);
	from = chain.iov[0].iov_base;
	to = chain.iov[chain.n_out].iov_base;
	for (size_t i = 0; i < chain.out_bytes; i++)
		to[i] = from[chain.out_bytes - 1 - i];
	chain.written_bytes = (uint32_t)chain.out_bytes;
	check(vio_queue_push(queue, &chain, 1), NULL);
	check(vio_queue_publish(queue), NULL);
}

int main(void)
{
	char *guest = aligned_alloc(4096, GUEST_BYTES);
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct vio_driver_used used;
	struct vio_driver *driver;
	struct vio_queue *queue;
	struct vio_mem *mem;

	region.gpa = GPA;
	region.length_bytes = GUEST_BYTES;
	region.hva = guest;
	check(vio_mem_create(NULL, &mem), NULL);
	check(vio_mem_add(mem, &region, NULL), NULL);
	driver = create_driver_side(guest);
	queue = create_device_side(mem);

	ask(driver, guest);
	serve(queue);
	check(vio_driver_pop(driver, &used, 1) == 1 ? 0 : -1, NULL);
	printf("request %d: %.*s\n", (int)used.cookie, (int)used.written_bytes,
	       guest + REPLY);

	vio_queue_destroy(queue);
	vio_driver_destroy(driver);
	check(vio_mem_destroy(mem, NULL), NULL);
	free(guest);
	return used.cookie == 42 ? EXIT_SUCCESS : EXIT_FAILURE;
}
