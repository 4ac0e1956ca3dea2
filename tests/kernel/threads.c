/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a ring on a thread each, asleep on an eventfd when they have
 * nothing to do. Here the barriers count: a wish and an index that cross unseen
 * leave both asleep, which shows as a wait that runs into its limit.
 */
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "traffic.h"

#define WAIT_MS 10000 /* longer than any scheduler takes */

static void write_event(struct traffic *traffic, enum actor whom)
{
	if (eventfd_write(traffic->fds[whom], 1))
		traffic_fail(traffic, "an eventfd is full");
}

static int sleep_on(int fd)
{
	struct pollfd one = { .fd = fd, .events = POLLIN };
	eventfd_t value;

	return poll(&one, 1, WAIT_MS) == 1 ? eventfd_read(fd, &value) : -1;
}

/* Relaxed: it only ends the run early. */
static int has_failed(struct traffic *traffic)
{
	return !!__atomic_load_n(&traffic->error, __ATOMIC_RELAXED);
}

static void run_actor(struct traffic *traffic, enum actor actor)
{
	enum step step;

	do {
		step = traffic_step(traffic, actor);
		if (step != STEP_IDLE)
			continue;
		if (sleep_on(traffic->fds[actor]))
			step = traffic_fail(traffic, "a side waits for ever");
		else
			traffic_wake(traffic, actor);
	} while (step != STEP_DONE && !has_failed(traffic));
	/* The other one is not to wait for what will not come. */
	if (has_failed(traffic))
		write_event(traffic, actor == DRIVER ? DEVICE : DRIVER);
}

static void *device_thread(void *opaque)
{
	run_actor(opaque, DEVICE);
	return NULL;
}

int run_threads(struct traffic *traffic)
{
	pthread_t thread;

	traffic->notify = write_event;
	for (int i = 0; i < 2; i++) {
		traffic->fds[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (traffic->fds[i] < 0)
			return traffic_fail(traffic, "no eventfd"), -1;
	}
	if (pthread_create(&thread, NULL, device_thread, traffic))
		return traffic_fail(traffic, "no thread"), -1;
	run_actor(traffic, DRIVER);
	pthread_join(thread, NULL);
	close(traffic->fds[DRIVER]);
	close(traffic->fds[DEVICE]);
	return traffic->error ? -1 : 0;
}
