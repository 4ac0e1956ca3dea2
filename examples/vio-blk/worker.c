/* SPDX-License-Identifier: MIT */
/*
 * The thread and its events: kicks of the driver, completions of io_uring (whose
 * descriptor is readable when there are some), the timer of the limit and the
 * eventfd through which it is told to start, to stop or to look at the limit anew.
 */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "say.h"
#include "worker.h"

/* Retry what the kernel was too short of memory for, or a stop that was refused. */
#define RETRY_MS 1

/*
 * Processors that had looked whether to kick before the driver was told to spare it,
 * and do it afterwards: a guest has seldom more of them at that at once.
 */
#define UNDER_WAY_MAX 4u

static void drain_fd(int fd)
{
	uint64_t count;
	ssize_t ignored = read(fd, &count, sizeof(count));

	(void)ignored;
}

/*
 * Adds or removes the queue's kicks; EPOLL_CTL_DEL ignores the event. By edges: the
 * descriptor is the peer's, who could hand over one that stays readable for ever
 * (EFD_SEMAPHORE) and keep the thread spinning.
 */
static void watch_kicks(struct worker *worker, int op)
{
	int fd = vio_queue_get_kick_fd(worker->queue);
	struct epoll_event event = { .events = EPOLLIN | EPOLLET, .data.fd = fd };

	if (worker->is_masked && op == EPOLL_CTL_ADD)
		return;
	if (fd >= 0 && epoll_ctl(worker->epoll_fd, op, fd, &event) < 0 &&
	    op == EPOLL_CTL_ADD)
		complain("cannot wait for kicks: %s", strerror(errno));
}

static void take_queue(struct worker *worker, struct vio_queue *queue)
{
	worker->queue = queue;
	worker->is_latched = 0;
	watch_kicks(worker, EPOLL_CTL_ADD);
}

/* Returns 1 if the thread is to end. */
static int read_mail(struct worker *worker)
{
	struct mail *mail = &worker->mail;
	struct vio_queue *queue;
	int is_quitting;

	pthread_mutex_lock(&mail->lock);
	queue = mail->queue;
	worker->stop = mail->stop ? mail->stop : worker->stop;
	worker->stop_flags = mail->stop ? mail->stop_flags : worker->stop_flags;
	is_quitting = mail->is_quitting;
	mail->queue = NULL;
	mail->stop = NULL;
	pthread_mutex_unlock(&mail->lock);
	if (queue)
		take_queue(worker, queue);
	return is_quitting;
}

/* The driver will not see them done: what was paid for them is given back. */
static void abandon_line(struct worker *worker)
{
	const struct vio_alloc_ops *ops = vio_heap_get_ops(worker->requests);

	while (worker->line) {
		struct request *request = worker->line;

		worker->line = request->next;
		throttle_refund(&worker->lease, &request->bill);
		ops->free(ops->opaque, request, sizeof(*request),
			  _Alignof(struct request));
	}
	worker->line_end = &worker->line;
}

/*
 * Answers a request to stop once nothing is under way. Requests in the kernel are
 * waited for even if they are to be abandoned: the kernel writes into the guest's
 * memory, which may be gone after the answer.
 */
static void settle_stop(struct worker *worker)
{
	struct vio_queue *queue = worker->queue;
	struct vio_stop *stop = worker->stop;

	if (!(worker->stop_flags & VIO_STOP_DRAIN))
		abandon_line(worker);
	if (worker->line || worker->n_in_kernel)
		return;
	/* Before the answer: after it the queue is somebody else's. */
	if (!worker->is_latched)
		watch_kicks(worker, EPOLL_CTL_DEL);
	worker->queue = NULL;
	worker->stop = NULL;
	if (vio_queue_stopped(stop) == 0)
		return;
	worker->queue = queue;
	worker->stop = stop;
	worker->is_latched = 1;
}

/* A latched queue pops nothing until it is reset: its kicks would only burn time. */
static void ignore_kicks_if_latched(struct worker *worker, int was_latched)
{
	if (worker->is_latched && !was_latched)
		watch_kicks(worker, EPOLL_CTL_DEL);
}

void worker_mask(struct worker *worker, int is_masked)
{
	if (worker->is_masked == is_masked)
		return;
	worker->is_masked = is_masked;
	if (worker->queue && !worker->is_latched)
		watch_kicks(worker, is_masked ? EPOLL_CTL_DEL : EPOLL_CTL_ADD);
}

int worker_wait_ms(const struct worker *worker)
{
	if (worker->has_more)
		return 0;
	if (io_uring_sq_ready(&worker->ring))
		return RETRY_MS;
	return worker->stop && !worker->line && !worker->n_in_kernel ? RETRY_MS : -1;
}

void worker_read_kicks(struct worker *worker, int is_unwanted)
{
	int n = vio_queue_read_kicks(worker->queue);
	uint32_t excused;

	if (n <= 0)
		return;
	worker->turn.kicks += (uint64_t)n;
	if (!is_unwanted)
		return;
	excused = worker->n_under_way < (uint32_t)n ? worker->n_under_way : (uint32_t)n;
	worker->n_under_way -= excused;
	worker->turn.unwanted += (uint32_t)n - excused;
}

void worker_spare_kicks(struct worker *worker)
{
	vio_queue_set_kicks(worker->queue, 0);
	worker->n_under_way = UNDER_WAY_MAX;
}

/* Returns 1 if there is mail. */
static int wait_for_events(struct worker *worker, int wait_ms)
{
	struct epoll_event events[8];
	int n = epoll_wait(worker->epoll_fd, events, 8, wait_ms);
	int has_mail = 0;

	for (int i = 0; i < n; i++) {
		int fd = events[i].data.fd;

		if (fd == worker->wake_fd || fd == worker->timer_fd)
			drain_fd(fd);
		else if (fd != worker->ring.ring_fd && worker->queue)
			worker_read_kicks(worker, worker->has_more);
		has_mail |= fd == worker->wake_fd;
	}
	return has_mail;
}

/* They are not asked for while more is to be done. */
static int may_spare_kicks(const struct worker *worker)
{
	return worker->queue && !worker->is_latched && !worker->has_more;
}

int worker_take_turn(struct worker *worker, int wait_ms)
{
	int was_latched;

	/* First, so that what is read then came while they were asked for. */
	if (worker->turn.until_ns && may_spare_kicks(worker))
		worker_spare_kicks(worker);
	if (wait_for_events(worker, wait_ms) && read_mail(worker))
		return 1;
	if (worker->is_masked && worker->queue)
		worker_read_kicks(worker, worker->has_more);
	was_latched = worker->is_latched;
	worker_serve(worker);
	if (worker->queue)
		ignore_kicks_if_latched(worker, was_latched);
	if (worker->stop)
		settle_stop(worker);
	return 0;
}

static void *run(void *opaque)
{
	struct worker *worker = opaque;

	while (!worker_take_turn(worker, worker_wait_ms(worker))) {
	}
	return NULL;
}

void worker_wake(struct worker *worker)
{
	eventfd_write(worker->wake_fd, 1);
}

void worker_start_queue(struct worker *worker, struct vio_queue *queue)
{
	pthread_mutex_lock(&worker->mail.lock);
	worker->mail.queue = queue;
	pthread_mutex_unlock(&worker->mail.lock);
	worker_wake(worker);
}

void worker_stop_queue(struct worker *worker, struct vio_stop *stop,
		       uint32_t stop_flags)
{
	pthread_mutex_lock(&worker->mail.lock);
	worker->mail.stop = stop;
	worker->mail.stop_flags = stop_flags;
	pthread_mutex_unlock(&worker->mail.lock);
	worker_wake(worker);
}

static int watch(struct worker *worker, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(worker->epoll_fd, EPOLL_CTL_ADD, fd, &event);
}

static int open_events(struct worker *worker)
{
	worker->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	worker->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	worker->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (worker->epoll_fd < 0 || worker->wake_fd < 0 || worker->timer_fd < 0)
		return -1;
	if (watch(worker, worker->wake_fd) < 0 || watch(worker, worker->timer_fd) < 0)
		return -1;
	return watch(worker, worker->ring.ring_fd);
}

static void close_events(struct worker *worker)
{
	const int fds[] = { worker->epoll_fd, worker->wake_fd, worker->timer_fd };

	for (int i = 0; i < 3; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

static int create_requests(struct worker *worker, struct vio_ctx *ctx)
{
	struct vio_pool_params params = VIO_POOL_PARAMS_INIT;

	params.block_bytes = sizeof(struct request);
	/* One more: with all chains open it takes another to find the ring broken. */
	params.n_blocks = QUEUE_SIZE_MAX + 1;
	return vio_heap_create_pool(ctx, &params, &worker->requests);
}

int worker_create(struct worker *worker, struct vio_ctx *ctx, const struct disk *disk,
		  struct throttle *throttle)
{
	int ret;

	*worker = (struct worker){ .disk = disk, .throttle = throttle };
	worker->line_end = &worker->line;
	pthread_mutex_init(&worker->mail.lock, NULL);
	ret = io_uring_queue_init(QUEUE_SIZE_MAX, &worker->ring, 0);
	if (ret < 0)
		return complain("io_uring: %s, is it disabled or forbidden here?",
				strerror(-ret));
	ret = create_requests(worker, ctx);
	if (ret < 0)
		goto fail_ring;
	ret = open_events(worker) < 0 ? -errno : 0;
	if (ret < 0)
		goto fail_events;
	ret = vio_lease_attach(&worker->lease, throttle->limit);
	if (ret < 0)
		goto fail_events;
	return 0;

fail_events:
	close_events(worker);
	vio_heap_destroy(worker->requests);
fail_ring:
	io_uring_queue_exit(&worker->ring);
	return complain("cannot start a worker: %s", strerror(-ret));
}

int worker_start(struct worker *worker)
{
	int ret = pthread_create(&worker->thread, NULL, run, worker);

	if (ret)
		return complain("cannot start a thread: %s", strerror(ret));
	worker->has_thread = 1;
	return 0;
}

static void end_thread(struct worker *worker)
{
	pthread_mutex_lock(&worker->mail.lock);
	worker->mail.is_quitting = 1;
	pthread_mutex_unlock(&worker->mail.lock);
	worker_wake(worker);
	pthread_join(worker->thread, NULL);
}

void worker_destroy(struct worker *worker)
{
	if (worker->has_thread)
		end_thread(worker);
	vio_lease_detach(&worker->lease);
	close_events(worker);
	vio_heap_destroy(worker->requests);
	io_uring_queue_exit(&worker->ring);
	pthread_mutex_destroy(&worker->mail.lock);
}
