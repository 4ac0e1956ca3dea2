/* SPDX-License-Identifier: MIT */
/*
 * The image: a raw file or a block device, reached through a worker's io_uring. It
 * is locked while it is open, since two devices on one image would destroy it.
 */
#ifndef VIO_BLK_DISK_H
#define VIO_BLK_DISK_H

#include <stdint.h>
#include <sys/uio.h>

#include <liburing.h>
#include <linux/virtio_blk.h>

#include "request.h"

/* A request to write zeroes is served in writes of 1 MiB, all from one buffer. */
#define ZERO_BYTES (64u << 10)
#define ZERO_IOV   16u

/* Moved at a time, of a request that is larger. */
#define PART_BYTES (UINT64_C(1) << 20)

struct disk {
	const char *path;
	int fd;
	int is_read_only;
	uint64_t n_sectors;
	char serial[VIRTIO_BLK_ID_BYTES]; /* padded with NUL, not terminated */
	struct iovec zeros[ZERO_IOV];
	/*
	 * The driver did not accept FLUSH, so writes are to be durable when they
	 * complete (virtio 1.2, 5.2.6.2). Atomic.
	 */
	int is_write_through;
};

/* Reports why on stderr and returns -1 if it cannot. */
int disk_open(struct disk *disk, const char *path, int is_read_only,
	      const char *serial);
void disk_close(struct disk *disk);

/* Puts the next step of @request into the ring; -1: the ring is full. */
int disk_prepare(const struct disk *disk, struct io_uring *ring,
		 struct request *request);

/*
 * The step has ended with @result. Returns 1 if there is another one to prepare, or,
 * where the request owes something anew, to pay for first; 0: finished.
 */
int disk_complete(struct request *request, int result);

#endif /* VIO_BLK_DISK_H */
