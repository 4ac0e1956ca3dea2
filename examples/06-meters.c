/* SPDX-License-Identifier: MIT */
/*
 * Who has used what? A tenant with two queues; the device charges its time, writes a
 * record of each request, and the program prints both: the records, as a second thread
 * would read them, and the meters, as a monitoring system would collect them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/record.h>
#include <vio/vio.h>

#define GUEST_BYTES 0x10000u
#define RING_BYTES  0x4000u /* of each queue: three parts and a buffer */
#define N_QUEUES    2u
#define N_DESCS     8u
#define DRIVER      0x1000u /* offsets in them: available ring, used ring, */
#define DEVICE      0x2000u
#define BUFFER      0x3000u /* and the buffer */
#define N_IOV       1024u

struct device {
	struct vio_recorder *recorder;
	struct vio_queue *queues[N_QUEUES];
	struct vio_driver *drivers[N_QUEUES];
	uint64_t now_ns; /* a clock that goes on with each look at it */
};

static void check(int ret, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "%s: error %d\n", what, ret);
		exit(EXIT_FAILURE);
	}
}

static struct vio_mem *create_memory(char *guest)
{
	struct vio_mem_region region = VIO_MEM_REGION_INIT;
	struct vio_mem *mem;

	memset(guest, 0, GUEST_BYTES);
	region.length_bytes = GUEST_BYTES;
	region.hva = guest;
	check(vio_mem_create(NULL, &mem), "memory");
	check(vio_mem_add(mem, &region, NULL), "region");
	return mem;
}

/* Both sides of queue @i, in guest memory that begins at address 0. */
static void create_queue(struct device *device, struct vio_mem *mem,
			 struct vio_dom *dom, char *guest, uint32_t i)
{
	struct vio_driver_params driver = VIO_DRIVER_PARAMS_INIT;
	struct vio_queue_params queue = VIO_QUEUE_PARAMS_INIT;
	const uint32_t at = i * RING_BYTES;

	queue.mem = mem;
	queue.dom = dom;
	queue.features = driver.features = VIO_F_VERSION_1;
	queue.n_descs = driver.n_descs = N_DESCS;
	queue.index = i;
	queue.desc_addr = at;
	queue.driver_addr = at + DRIVER;
	queue.device_addr = at + DEVICE;
	check(vio_queue_create(NULL, &queue, &device->queues[i], NULL), "queue");

	driver.desc = guest + at;
	driver.driver = guest + at + DRIVER;
	driver.device = guest + at + DEVICE;
	check(vio_driver_create(NULL, &driver, &device->drivers[i], NULL), "driver");
}

/* The guest asks for @bytes to be read into its buffer. */
static void ask(struct device *device, uint32_t i, uint32_t bytes)
{
	const struct vio_driver_buf buf = {
		.addr = i * RING_BYTES + BUFFER,
		.length_bytes = bytes,
	};
	const struct vio_driver_chain chain = { .bufs = &buf, .n_in = 1 };

	check(vio_driver_push(device->drivers[i], &chain, 1), "ask");
	check(vio_driver_publish(device->drivers[i]), "ask");
}

static uint64_t read_clock(struct device *device)
{
	return device->now_ns += 1000;
}

/* The times are those of the service, too; only the record is for a reader alone. */
static void serve(struct device *device, uint32_t i)
{
	struct vio_io_record record = { .op = VIO_IO_READ, .queue = i };
	struct vio_queue *queue = device->queues[i];
	struct iovec iov[N_IOV];
	struct vio_chain chain;

	check(vio_queue_pop(queue, &chain, 1, iov, N_IOV), "pop");
	record.arrival_ns = read_clock(device);
	record.start_ns = read_clock(device);
	chain.written_bytes = (uint32_t)chain.in_bytes; /* zeros, as they are */
	record.end_ns = read_clock(device);
	record.bytes = chain.written_bytes;

	check(vio_queue_push(queue, &chain, 1), "push");
	check(vio_queue_publish(queue), "publish");
	vio_queue_add_service(queue, record.end_ns - record.start_ns);
	if (vio_recorder_get_active(device->recorder))
		check(vio_recorder_push(device->recorder, &record, 1), "record");
}

static int print_records(struct vio_recorder *recorder)
{
	struct vio_io_record record;
	int n = 0;

	for (; vio_recorder_pop(recorder, &record, 1) == 1; n++)
		printf("queue %u: %" PRIu64 " bytes, waited %" PRIu64
		       " ns, took %" PRIu64 " ns\n",
		       record.queue, record.bytes, record.start_ns - record.arrival_ns,
		       record.end_ns - record.start_ns);
	return n;
}

/* As often as it takes: while queues run, the text grows. */
static void print_meters(struct vio_dom *dom)
{
	size_t room = 0, used = 0;
	char *text = NULL;
	int ret;

	while ((ret = vio_dom_print_metrics(&dom, 1, 0, text, room, &used)) < 0) {
		free(text);
		room = used + used / 8 + 1;
		text = malloc(room);
		check(text ? 0 : -1, "text");
	}
	fputs(text, stdout);
	free(text);
}

static void create_device(struct device *device, struct vio_mem *mem,
			  struct vio_dom *dom, char *guest)
{
	struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;

	params.dom = dom;
	check(vio_recorder_create(NULL, &params, &device->recorder, NULL), "recorder");
	for (uint32_t i = 0; i < N_QUEUES; i++)
		create_queue(device, mem, dom, guest, i);
}

static void destroy_device(struct device *device)
{
	for (uint32_t i = 0; i < N_QUEUES; i++) {
		vio_queue_destroy(device->queues[i]);
		vio_driver_destroy(device->drivers[i]);
	}
	vio_recorder_destroy(device->recorder);
}

/* Three requests; the first before anybody wants records. */
static void work(struct device *device)
{
	ask(device, 0, 512);
	serve(device, 0);
	vio_recorder_set_active(device->recorder, 1);
	ask(device, 0, 4096);
	serve(device, 0);
	ask(device, 1, 1024);
	serve(device, 1);
}

int main(void)
{
	char *guest = aligned_alloc(4096, GUEST_BYTES);
	struct vio_meters meters = VIO_METERS_INIT;
	struct vio_mem *mem = create_memory(guest);
	struct device device = { .now_ns = 0 };
	struct vio_dom *dom;
	int n_records;

	check(vio_dom_create(NULL, "guest-1", &dom), "tenant");
	create_device(&device, mem, dom, guest);
	work(&device);
	n_records = print_records(device.recorder);
	print_meters(dom);
	check(vio_dom_read_meters(dom, &meters), "meters");

	destroy_device(&device);
	check(vio_dom_destroy(dom, NULL), "tenant");
	check(vio_mem_destroy(mem, NULL), "memory");
	free(guest);
	return n_records == 2 && meters.ops == 3 && meters.bytes == 512 + 4096 + 1024
		       ? EXIT_SUCCESS
		       : EXIT_FAILURE;
}
