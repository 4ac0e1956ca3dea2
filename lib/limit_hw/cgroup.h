/* SPDX-License-Identifier: MIT */
/* A block device in a cgroup: the file io.max, a line for each device. */
#ifndef VIO_LIMIT_HW_CGROUP_H
#define VIO_LIMIT_HW_CGROUP_H

#include <stddef.h>
#include <stdint.h>

#include "sys/async.h"

/* A line is at most 115 bytes: room for 500 devices. */
#define VIO_CGROUP_TEXT_BYTES 65536u

struct vio_hw_cgroup {
	char *path; /* of io.max */
	size_t path_bytes;
	char *text; /* VIO_CGROUP_TEXT_BYTES */
	uint32_t n; /* of it, so far */
	uint32_t major, minor;
	int fd;
	struct vio_async_call call;
};

struct vio_hw_values;

/*
 * The line of a device among @n bytes of io.max. 1; 0: there is none, which is no
 * limit, or no such device; -EBADMSG: a line for it that is none.
 */
int vio_cgroup_parse(const char *text, size_t n, uint32_t major, uint32_t minor,
		     struct vio_hw_values *out);

#endif /* VIO_LIMIT_HW_CGROUP_H */
