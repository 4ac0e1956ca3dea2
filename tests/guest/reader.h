/* SPDX-License-Identifier: MIT */
/*
 * Readers: one thread per processor, pinned, each reading the disk in order with one
 * request at a time. Linux gives each processor a queue of its own where there are
 * enough, so two readers load two queues.
 */
#ifndef VIO_TESTS_GUEST_READER_H
#define VIO_TESTS_GUEST_READER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define READERS 2

struct readers {
	int fd;
	size_t bytes_per_read;
	atomic_int stop;
	atomic_int failed;
	atomic_uint_fast64_t reads;
	pthread_t threads[READERS];
};

/* Starts reading; the test fails where a thread does not start. */
void readers_start(struct readers *readers, int fd, size_t bytes_per_read);

/* Ends the threads; the test fails where a read did. */
void readers_stop(struct readers *readers);

/* Reads per second over the next `seconds`, by the guest's monotonic clock. */
double readers_measure(struct readers *readers, double seconds);

#endif
