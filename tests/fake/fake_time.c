/* SPDX-License-Identifier: MIT */
/*
 * Time that a test moves. A timer is an eventfd: what is read from it is the
 * number of expirations, just as from a timerfd, and epoll knows both.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>

#include "fake/fake_tree.h"
#include "fake/support.h"

#define NS_PER_SEC UINT64_C(1000000000)

static uint64_t to_ns(const struct timespec *time)
{
	return (uint64_t)time->tv_sec * NS_PER_SEC + (uint64_t)time->tv_nsec;
}

static int fake_clock_gettime(void *opaque, int clock_id, struct timespec *out)
{
	struct vio_fake *fake = opaque;

	(void)clock_id;
	pthread_mutex_lock(&fake->lock);
	out->tv_sec = (time_t)(fake->now_ns / NS_PER_SEC);
	out->tv_nsec = (long)(fake->now_ns % NS_PER_SEC);
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

static int fake_timerfd_create(void *opaque, int clock_id)
{
	struct vio_fake *fake = opaque;
	int fd = vio_sys_linux.eventfd(NULL, 0, EFD_NONBLOCK);

	(void)clock_id;
	if (fd < 0)
		return fd;
	assert_true(fd < FAKE_FDS_MAX);
	pthread_mutex_lock(&fake->lock);
	fake->timers[fd] = (struct fake_timer){ .is_timer = true };
	pthread_mutex_unlock(&fake->lock);
	return fd;
}

/* Under the lock. */
static void expire(struct vio_fake *fake, int fd)
{
	struct fake_timer *timer = &fake->timers[fd];
	uint64_t n = 1;

	if (!timer->expiry_ns || timer->expiry_ns > fake->now_ns)
		return;
	if (timer->interval_ns) {
		n += (fake->now_ns - timer->expiry_ns) / timer->interval_ns;
		timer->expiry_ns += n * timer->interval_ns;
	} else {
		timer->expiry_ns = 0;
	}
	assert_int_equal(vio_sys_linux.write(NULL, fd, &n, sizeof(n)), sizeof(n));
}

static int
fake_timerfd_settime(void *opaque, int fd, int flags, const struct itimerspec *value)
{
	struct vio_fake *fake = opaque;
	struct fake_timer *timer = &fake->timers[fd];
	uint64_t stale;

	assert_true(timer->is_timer);
	pthread_mutex_lock(&fake->lock);
	/* Expirations of the timer as it was set before are forgotten. */
	(void)vio_sys_linux.read(NULL, fd, &stale, sizeof(stale));
	timer->expiry_ns = to_ns(&value->it_value);
	if (timer->expiry_ns && !(flags & TFD_TIMER_ABSTIME))
		timer->expiry_ns += fake->now_ns;
	timer->interval_ns = to_ns(&value->it_interval);
	expire(fake, fd);
	pthread_mutex_unlock(&fake->lock);
	return 0;
}

void vio_fake_set_time(struct vio_fake *fake, uint64_t now_ns)
{
	pthread_mutex_lock(&fake->lock);
	assert_true(now_ns >= fake->now_ns);
	fake->now_ns = now_ns;
	for (int fd = 0; fd < FAKE_FDS_MAX; fd++)
		if (fake->timers[fd].is_timer)
			expire(fake, fd);
	pthread_mutex_unlock(&fake->lock);
}

void fake_time_fill(struct vio_sys *sys)
{
	sys->clock_gettime = fake_clock_gettime;
	sys->timerfd_create = fake_timerfd_create;
	sys->timerfd_settime = fake_timerfd_settime;
}
