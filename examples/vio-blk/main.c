/* SPDX-License-Identifier: MIT */
/*
 * vio-blk: a vhost-user-blk device over a raw image. The main thread runs this
 * loop; each queue has a thread of its own (worker.c). Stopping is a request like
 * any other: the loop goes on until the queues have answered.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "blk.h"
#include "say.h"

/* Callbacks of one dispatch, so that signals and the pipe get their turn. */
#define DISPATCH_MAX 64

static void
log_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	(void)opaque;
	(void)level;
	complain("%s: %s", subsystem, text);
}

static int watch(struct blk *blk, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (epoll_ctl(blk->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return complain("epoll: %s", strerror(errno));
	return 0;
}

static void unwatch(struct blk *blk, int fd)
{
	epoll_ctl(blk->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

/* A second connection waits in the backlog until this one has ended. */
static void accept_connection(struct blk *blk)
{
	int fd = accept4(blk->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	device_open(blk, fd);
	if (blk->backend)
		unwatch(blk, blk->listener.fd);
}

static int end_connection(struct blk *blk)
{
	device_close(blk);
	if (blk->options.is_once)
		blk->is_stopping = 1;
	return blk->is_stopping ? 0 : watch(blk, blk->listener.fd);
}

/* The second signal finds the default action again. */
static void stop(struct blk *blk)
{
	struct signalfd_siginfo info;
	sigset_t set;

	if (read(blk->signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	blk->is_stopping = 1;
	if (blk->backend)
		vio_backend_close(blk->backend, 1);
}

static void handle(struct blk *blk, int fd)
{
	uint64_t ticks;

	if (fd == blk->listener.fd)
		accept_connection(blk);
	else if (fd == blk->signal_fd)
		stop(blk);
	else if (blk->control.path && fd == blk->control.fd)
		control_read(blk);
	else if (fd == blk->status_fd && read(fd, &ticks, sizeof(ticks)) > 0)
		status_tick(blk);
	else if (fd == vio_ctx_get_fd(blk->ctx))
		vio_ctx_dispatch(blk->ctx, DISPATCH_MAX);
}

static int run(struct blk *blk)
{
	struct epoll_event events[8];

	while (!blk->is_stopping || blk->backend) {
		int n = epoll_wait(blk->epoll_fd, events, 8, -1);

		if (n < 0 && errno != EINTR)
			return complain("epoll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			handle(blk, events[i].data.fd);
		if (blk->has_closed && end_connection(blk) < 0)
			return -1;
	}
	return 0;
}

/* Before the first thread, which inherits the mask. */
static int open_signals(struct blk *blk)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
	blk->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (blk->signal_fd < 0)
		return complain("signalfd: %s", strerror(errno));
	return watch(blk, blk->signal_fd);
}

static int open_status(struct blk *blk)
{
	const struct itimerspec each_second = {
		.it_interval.tv_sec = 1,
		.it_value.tv_sec = 1,
	};

	blk->status_fd = -1;
	blk->status.meters = (struct vio_meters)VIO_METERS_INIT;
	if (!status_is_wanted())
		return 0;
	blk->status_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (blk->status_fd < 0)
		return complain("timerfd: %s", strerror(errno));
	timerfd_settime(blk->status_fd, 0, &each_second, NULL);
	return watch(blk, blk->status_fd);
}

static int open_context(struct blk *blk)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	params.log = log_line;
	if (vio_ctx_create(&params, &blk->ctx, &err) < 0)
		return complain("%s", err.text);
	if (vio_dom_create(blk->ctx, "guest", &blk->dom) < 0)
		return complain("no memory for the tenant");
	return watch(blk, vio_ctx_get_fd(blk->ctx));
}

static int start_workers(struct blk *blk)
{
	blk->workers = calloc(blk->options.n_queues, sizeof(*blk->workers));
	if (!blk->workers)
		return complain("no memory for %u workers", blk->options.n_queues);
	for (; blk->n_workers < blk->options.n_queues; blk->n_workers++)
		if (worker_create(&blk->workers[blk->n_workers], blk->ctx, &blk->disk,
				  &blk->throttle) < 0)
			return -1;
	return 0;
}

/* The socket last: who can connect is served. */
static int serve(struct blk *blk)
{
	const struct options *options = &blk->options;
	int ret = -1;

	if (options->control && (control_open(&blk->control, options->control) < 0 ||
				 watch(blk, blk->control.fd) < 0))
		return -1;
	if (start_workers(blk) == 0 &&
	    listener_open(&blk->listener, options->socket) == 0) {
		if (watch(blk, blk->listener.fd) == 0)
			ret = run(blk);
		listener_close(&blk->listener);
	}
	while (blk->n_workers)
		worker_destroy(&blk->workers[--blk->n_workers]);
	free(blk->workers);
	return ret;
}

static int serve_limited(struct blk *blk)
{
	int ret;

	if (open_signals(blk) < 0 || open_status(blk) < 0 || open_context(blk) < 0)
		return -1;
	if (throttle_create(&blk->throttle, blk->ctx, blk->options.bytes_per_sec,
			    blk->options.ops_per_sec) < 0)
		return -1;
	ret = serve(blk);
	throttle_destroy(&blk->throttle);
	vio_dom_destroy(blk->dom, NULL);
	vio_ctx_destroy(blk->ctx, NULL);
	return ret;
}

int main(int argc, char **argv)
{
	static struct blk blk;
	const struct options *options = &blk.options;
	int ret = options_parse(argc, argv, &blk.options);

	if (ret)
		return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	if (disk_open(&blk.disk, options->image, options->is_read_only,
		      options->serial) < 0)
		return EXIT_FAILURE;
	blk.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ret = serve_limited(&blk);
	if (blk.status_fd > 0)
		status_show("");
	control_close(&blk.control);
	disk_close(&blk.disk);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
