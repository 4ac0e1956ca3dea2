/* SPDX-License-Identifier: MIT */
/*
 * The other side of vio-blk for tests: a program that is started and stopped, and a
 * front end with guest memory and queues of its own, driven by libvio's driver side.
 * Everything that goes wrong fails the running test.
 */
#ifndef VIO_TESTS_FRONT_H
#define VIO_TESTS_FRONT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <cmocka.h>
#include <linux/virtio_blk.h>

#include <vio/vio.h>

#define FRONT_QUEUES 2
#ifndef QUEUE_SIZE
#define QUEUE_SIZE 64u /* at most 256 */
#endif
#define SLOT_BYTES    0x20000u /* of guest memory for each request */
#define PATH_BYTES    100      /* of a socket's: 108 */
#define MESSAGE_BYTES 512

/* What vio-blk was started with, in a folder of its own. */
struct program {
	char dir[PATH_BYTES / 2];
	char socket[PATH_BYTES];
	char image[PATH_BYTES];
	char control[PATH_BYTES];
	pid_t pid;
	int out_fd; /* its stdout and stderr */
};

struct front {
	int fd;
	char *memory;
	int memory_fd;
	uint64_t features; /* offered */
	struct front_queue {
		struct vio_driver *driver;
		int kick_fd;
		int call_fd;
		uint32_t n_open;
	} queues[FRONT_QUEUES];
};

/* A folder with an image of @n_bytes. */
void program_prepare(struct program *program, uint64_t n_bytes);

/* Starts it with these options, NULL at the end, and waits until it listens. */
void program_start(struct program *program, ...);

/* The same for one that is to fail: returns its exit code, what it said in @out. */
int program_fail(struct program *program, char *out, size_t out_bytes, ...);

/* Processor time it has used, of all its threads. */
uint64_t program_cpu_ns(const struct program *program);

/* Waits for it to say something. */
void program_hear(struct program *program, char *out, size_t out_bytes);

/* SIGTERM; returns the exit code. What it said and was not heard is a failure. */
int program_stop(struct program *program);
void program_remove(struct program *program);

/* Negotiates all that is offered but @without, and starts the queues. */
void front_open(struct front *front, const struct program *program, uint64_t without);

/*
 * Only connects and sends the memory, without seals; returns 0 if the device agreed
 * and -1 if it ended the connection.
 */
int front_offer_unsealed(struct front *front, const struct program *program);
void front_close(struct front *front);

/* SET_VRING_KICK again, on a queue that runs; @fd becomes the front's. */
void front_replace_kick(struct front *front, uint32_t queue, int fd);

/* GET_VRING_BASE: how many requests the device had taken when it stopped. */
uint32_t front_stop_queue(struct front *front, uint32_t queue);
void front_read_config(struct front *front, struct virtio_blk_config *out);

/* Memory of request @slot, 0 to 63 for each queue: header, data, status. */
char *front_data(struct front *front, uint32_t queue, uint32_t slot);

/* Sends a request whose data is read by the device, or written if @is_in. */
void front_submit(struct front *front, uint32_t queue, uint32_t slot, uint32_t type,
		  uint64_t sector, uint32_t n_bytes, int is_in);

/* Waits for one to be done; its slot, its status and its used length. */
uint32_t front_wait(struct front *front, uint32_t queue, uint8_t *out_status,
		    uint32_t *out_written);

/* Both for a single request: returns the status. */
uint8_t front_do(struct front *front, uint32_t queue, uint32_t type, uint64_t sector,
		 uint32_t n_bytes, int is_in);

/*
 * Fills both queues with reads, of three descriptors each; returns how many there are
 * in a queue.
 */
uint32_t front_fill(struct front *front, uint32_t n_bytes);

/* Waits until all are done, and well. */
void front_drain(struct front *front);

#endif /* VIO_TESTS_FRONT_H */
