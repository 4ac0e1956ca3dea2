/* SPDX-License-Identifier: MIT */
/*
 * The two sides of a ring, whoever implements them: the kernel's code and libvio's
 * are compiled against headers that do not go together, and meet here.
 *
 * The memory that they share is mapped twice. The driver's mapping is at the same
 * time what the device calls guest-physical addresses; the device reaches the
 * memory through the other one, so no address works that was not translated.
 */
#ifndef TESTS_KERNEL_SIDE_H
#define TESTS_KERNEL_SIDE_H

#include <stdint.h>
#include <sys/uio.h>

#define SIDE_INDIRECT 1u
#define SIDE_EVENT    2u
#define SIDE_IN_ORDER 4u
#define SIDE_BUFS     8u /* most buffers of a request, and entries of a table */

struct ring {
	uint32_t n_descs;
	uint32_t features;
	char *driver_base; /* the shared memory, begins with the ring */
	char *device_base;
	uint64_t n_bytes;
	uint64_t avail_offset; /* of the ring's parts; descriptors are first */
	uint64_t used_offset;
	uint64_t table_offset; /* n_descs tables of SIDE_BUFS entries */
};

struct request {
	struct iovec bufs[SIDE_BUFS]; /* by the driver's mapping */
	uint32_t n_out;               /* of them, to read; the others to write */
	uint32_t n_bufs;
	uint32_t slot; /* comes back; below n_descs */
};

struct driver_ops {
	const char *name;
	void *(*open)(const struct ring *ring);
	/* 1, 0: no room now, negative: an error. */
	int (*add)(void *driver, const struct request *request);
	/* Shows what was added: 1: the device wants to be notified. */
	int (*kick)(void *driver);
	/* 1, 0: none is used, negative: an error. */
	int (*take)(void *driver, uint32_t *slot, uint32_t *written_bytes);
	/* Asks for notifications: 1: look again first. */
	int (*enable)(void *driver);
	void (*disable)(void *driver);
	void (*close)(void *driver);
};

/* A chain that the device has. */
struct work {
	uint32_t head;
	uint32_t n_out;
	uint32_t n_iov;
	uint32_t in_bytes;
	struct iovec iov[2 * SIDE_BUFS]; /* by the device's mapping */
};

struct device_ops {
	const char *name;
	void *(*open)(const struct ring *ring);
	/* 1, 0: none is available, negative: an error. */
	int (*pop)(void *device, struct work *work);
	int (*complete)(void *device, struct work *work, uint32_t written_bytes);
	/* Shows what was completed: 1: the driver wants to be notified. */
	int (*publish)(void *device);
	int (*enable)(void *device);
	void (*disable)(void *device);
	void (*close)(void *device);
};

extern const struct driver_ops driver_kernel, driver_vio;
extern const struct device_ops device_kernel, device_vio;

#endif /* TESTS_KERNEL_SIDE_H */
