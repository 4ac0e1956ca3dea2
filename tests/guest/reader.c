/* SPDX-License-Identifier: MIT */
/*
 * The measurement is two samples of one counter, each with the time it was taken.
 * At most one read per thread falls on either side of a sample, far below the one
 * per cent in question.
 */
#include <sched.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include "guest.h"
#include "reader.h"

/* Each reader goes round in 16 MiB of its own: reads past the end would be short. */
#define SPAN_BYTES ((off_t)16 << 20)

struct seat {
	struct readers *readers;
	int index;
};

static void pin_to_cpu(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
}

static void *read_in_order(void *arg)
{
	struct seat seat = *(struct seat *)arg;
	struct readers *readers = seat.readers;
	size_t bytes = readers->bytes_per_read;
	void *buffer = disk_buffer_create(bytes);
	off_t at = 0;

	free(arg);
	pin_to_cpu(seat.index);
	/* Relaxed: the flag and the counter carry no other data. */
	while (!atomic_load_explicit(&readers->stop, memory_order_relaxed)) {
		off_t from = seat.index * SPAN_BYTES + at;

		if (pread(readers->fd, buffer, bytes, from) != (ssize_t)bytes) {
			atomic_store(&readers->failed, 1);
			break;
		}
		atomic_fetch_add_explicit(&readers->reads, 1, memory_order_relaxed);
		at = (at + (off_t)bytes) % SPAN_BYTES;
	}
	free(buffer);
	return NULL;
}

void readers_start(struct readers *readers, int fd, size_t bytes_per_read)
{
	readers->fd = fd;
	readers->bytes_per_read = bytes_per_read;
	atomic_init(&readers->stop, 0);
	atomic_init(&readers->failed, 0);
	atomic_init(&readers->reads, 0);
	for (int i = 0; i < READERS; i++) {
		struct seat *seat = malloc(sizeof(*seat));

		assert_non_null(seat);
		*seat = (struct seat){ .readers = readers, .index = i };
		assert_int_equal(
			pthread_create(&readers->threads[i], NULL, read_in_order, seat),
			0);
	}
}

void readers_stop(struct readers *readers)
{
	atomic_store(&readers->stop, 1);
	for (int i = 0; i < READERS; i++)
		pthread_join(readers->threads[i], NULL);
	assert_int_equal(atomic_load(&readers->failed), 0);
}

static void wait_seconds(double seconds)
{
	struct timespec span = { .tv_sec = (time_t)seconds };

	span.tv_nsec = (long)((seconds - (double)span.tv_sec) * 1e9);
	nanosleep(&span, NULL);
}

double readers_measure(struct readers *readers, double seconds)
{
	uint64_t start_ns, end_ns, before, after;

	start_ns = now_ns();
	before = atomic_load(&readers->reads);
	wait_seconds(seconds);
	end_ns = now_ns();
	after = atomic_load(&readers->reads);
	return (double)(after - before) * 1e9 / (double)(end_ns - start_ns);
}
