/* SPDX-License-Identifier: MIT */
/*
 * Time that a thread wanted to run and the kernel ran something else: of a tenant that
 * was served meanwhile it looks like service.
 */
#ifndef VIO_BLK_LOST_H
#define VIO_BLK_LOST_H

#include <stdint.h>

struct lost {
	int fd; /* -1: a kernel that does not count it */
	uint64_t seen_ns;
};

/* By the thread whose time it is. */
void lost_open(struct lost *lost);

/* What has come since the call before; 0 where it is not counted. */
uint64_t lost_take(struct lost *lost);

void lost_close(struct lost *lost);

#endif /* VIO_BLK_LOST_H */
