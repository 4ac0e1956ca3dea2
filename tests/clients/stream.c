/* SPDX-License-Identifier: MIT */
/*
 * The thread of a stream and what it waits for. It polls while there is traffic,
 * with kicks spared; only after a number of rounds in vain does it ask for kicks and
 * sleep, so that on a machine with few processors the client gets to run.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "stream.h"

/* Rounds in vain before it sleeps: a few microseconds, less than a wake-up costs. */
#define IDLE_ROUNDS 64u

/* A stop that was refused is answered again after this. */
#define RETRY_MS 1

uint64_t clock_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void watch(struct stream *stream, uint32_t which, int op)
{
	int fd = vio_queue_get_kick_fd(stream->lanes[which].queue);
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = which };

	stream->is_watched[which] = op == EPOLL_CTL_ADD && fd >= 0;
	if (fd >= 0)
		epoll_ctl(stream->epoll_fd, op, fd, &event);
}

/*
 * Goes on where a device before us ended: a client that outlives its device need not
 * know where that was, and says 0. What is used tells, since chains are completed in
 * the order in which they are popped. Returns 1 if the ring was in use: its client
 * has no reason to kick then.
 */
static int resume(struct vio_queue *queue)
{
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;

	if (vio_queue_read_state(queue, &state) < 0 || !state.used_index)
		return 0;
	state.avail_index = state.used_index;
	return vio_queue_set_state(queue, &state) == 0;
}

static void start(struct stream *stream, uint32_t which, struct vio_queue *queue)
{
	struct lane *lane = &stream->lanes[which];

	lane->queue = queue;
	lane->is_latched = 0;
	lane->has_kicked = resume(queue);
	lane->n_chains = 0;
	watch(stream, which, EPOLL_CTL_ADD);
}

/* Returns 1 if the thread is to end. */
static int read_mail(struct stream *stream)
{
	struct mail *mail = &stream->mail;
	struct vio_queue *queues[PAIR];
	int is_quitting;

	pthread_mutex_lock(&mail->lock);
	for (uint32_t i = 0; i < PAIR; i++) {
		queues[i] = mail->start[i];
		if (mail->stop[i])
			stream->lanes[i].stop = mail->stop[i];
		mail->start[i] = NULL;
		mail->stop[i] = NULL;
	}
	is_quitting = mail->is_quitting;
	__atomic_store_n(&mail->is_there, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&mail->lock);
	for (uint32_t i = 0; i < PAIR; i++)
		if (queues[i])
			start(stream, i, queues[i]);
	return is_quitting;
}

/* Nothing of the lane is touched after the answer: the queue is another's then. */
static void settle_stop(struct stream *stream, uint32_t which)
{
	struct lane *lane = &stream->lanes[which];
	struct vio_queue *queue = lane->queue;
	struct vio_stop *stop = lane->stop;

	stream_give_back(lane);
	if (stream->is_watched[which])
		watch(stream, which, EPOLL_CTL_DEL);
	lane->queue = NULL;
	lane->stop = NULL;
	if (vio_queue_stopped(stop) == 0)
		return;
	lane->queue = queue;
	lane->stop = stop;
}

static int settle_stops(struct stream *stream)
{
	for (uint32_t i = 0; i < PAIR; i++)
		if (stream->lanes[i].stop)
			settle_stop(stream, i);
	return stream->lanes[RECEIVE].stop || stream->lanes[TRANSMIT].stop;
}

/* Returns 1 if the client added something before it could know. */
static int ask_for_kicks(struct stream *stream)
{
	int more = 0;

	for (uint32_t i = 0; i < PAIR; i++) {
		struct lane *lane = &stream->lanes[i];

		if (lane->queue && !lane->is_latched && stream_wants_kicks(stream, i))
			more |= vio_queue_set_kicks(lane->queue, 1) > 0 &&
				(lane->has_kicked || i == TRANSMIT);
	}
	return more;
}

static void spare_kicks(struct stream *stream)
{
	for (uint32_t i = 0; i < PAIR; i++)
		if (stream->lanes[i].queue && stream->lanes[i].has_kicked)
			vio_queue_set_kicks(stream->lanes[i].queue, 0);
}

static void sleep_until_kicked(struct stream *stream, int timeout_ms)
{
	struct epoll_event events[PAIR + 1];
	eventfd_t ignored;
	int n = 0;

	if (!ask_for_kicks(stream))
		n = epoll_wait(stream->epoll_fd, events, PAIR + 1, timeout_ms);
	for (int i = 0; i < n; i++) {
		const uint32_t which = events[i].data.u32;

		if (which == PAIR)
			eventfd_read(stream->wake_fd, &ignored);
		else if (vio_queue_read_kicks(stream->lanes[which].queue) > 0)
			stream->lanes[which].has_kicked = 1;
	}
	spare_kicks(stream);
	stream->n_idle = 0;
}

static void *run(void *opaque)
{
	struct stream *stream = opaque;

	for (;;) {
		int is_stopping;

		/* Acquire pairs with the release in post(); the lock has the rest. */
		if (__atomic_load_n(&stream->mail.is_there, __ATOMIC_ACQUIRE) &&
		    read_mail(stream))
			return NULL;
		is_stopping = settle_stops(stream);
		if (stream_move(stream))
			stream->n_idle = 0;
		else if (is_stopping || ++stream->n_idle > IDLE_ROUNDS)
			sleep_until_kicked(stream, is_stopping ? RETRY_MS : -1);
	}
}

/* With the lock held, which it gives back. */
static void post(struct stream *stream)
{
	__atomic_store_n(&stream->mail.is_there, 1, __ATOMIC_RELEASE);
	pthread_mutex_unlock(&stream->mail.lock);
	eventfd_write(stream->wake_fd, 1);
}

void stream_start_queue(struct stream *stream, uint32_t which, struct vio_queue *queue)
{
	pthread_mutex_lock(&stream->mail.lock);
	stream->mail.start[which] = queue;
	post(stream);
}

void stream_stop_queue(struct stream *stream, uint32_t which, struct vio_stop *stop)
{
	pthread_mutex_lock(&stream->mail.lock);
	stream->mail.stop[which] = stop;
	post(stream);
}

void stream_reset(struct stream *stream, uint64_t n_packets, uint32_t frame_bytes,
		  int is_mergeable)
{
	stream->tally = (struct tally){ 0 };
	stream->begin_ns = 0;
	stream->end_ns = 0;
	stream->n_packets = n_packets;
	stream->frame_bytes = frame_bytes;
	stream->is_mergeable = is_mergeable;
}

int stream_is_done(const struct stream *stream)
{
	return tally_read(&stream->tally.next) == stream->n_packets;
}

int stream_create(struct stream *stream, uint32_t name)
{
	struct epoll_event event = { .events = EPOLLIN, .data.u32 = PAIR };
	int ret;

	memset(stream, 0, sizeof(*stream));
	stream->name = name;
	pthread_mutex_init(&stream->mail.lock, NULL);
	stream->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	stream->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	ret = epoll_ctl(stream->epoll_fd, EPOLL_CTL_ADD, stream->wake_fd, &event);
	ret = ret < 0 ? -errno : -pthread_create(&stream->thread, NULL, run, stream);
	if (ret < 0) {
		close(stream->epoll_fd);
		close(stream->wake_fd);
	}
	return ret;
}

void stream_destroy(struct stream *stream)
{
	pthread_mutex_lock(&stream->mail.lock);
	stream->mail.is_quitting = 1;
	post(stream);
	pthread_join(stream->thread, NULL);
	close(stream->epoll_fd);
	close(stream->wake_fd);
	pthread_mutex_destroy(&stream->mail.lock);
}
