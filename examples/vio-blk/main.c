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
static void accept_connection(struct tenant *tenant)
{
	int fd = accept4(tenant->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	device_open(tenant, fd);
	if (tenant->backend)
		unwatch(tenant->blk, tenant->listener.fd);
}

static int end_connection(struct tenant *tenant)
{
	struct blk *blk = tenant->blk;

	device_close(tenant);
	if (blk->options.is_once)
		blk->is_stopping = 1;
	return blk->is_stopping ? 0 : watch(blk, tenant->listener.fd);
}

static void close_connections(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_tenants; i++)
		if (blk->tenants[i].backend)
			vio_backend_close(blk->tenants[i].backend, 1);
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
	close_connections(blk);
}

static void handle(struct blk *blk, int fd)
{
	uint64_t ticks;

	for (uint32_t i = 0; i < blk->n_tenants; i++)
		if (fd == blk->tenants[i].listener.fd)
			accept_connection(&blk->tenants[i]);
	if (fd == blk->signal_fd)
		stop(blk);
	else if (blk->control.path && fd == blk->control.fd)
		control_read(blk);
	else if (fd == blk->status_fd && read(fd, &ticks, sizeof(ticks)) > 0)
		status_tick(blk);
	else if (fd == vio_ctx_get_fd(blk->ctx))
		vio_ctx_dispatch(blk->ctx, DISPATCH_MAX);
}

/* Returns how many are connected; -1: cannot go on. */
static int end_connections(struct blk *blk)
{
	int n = 0;

	for (uint32_t i = 0; i < blk->n_tenants; i++) {
		struct tenant *tenant = &blk->tenants[i];

		if (tenant->has_closed && end_connection(tenant) < 0)
			return -1;
		n += tenant->backend != NULL;
	}
	if (blk->is_stopping)
		close_connections(blk);
	return n;
}

static int run(struct blk *blk)
{
	struct epoll_event events[8];
	int n_connected = 0;

	while (!blk->is_stopping || n_connected) {
		int n = epoll_wait(blk->epoll_fd, events, 8, -1);

		if (n < 0 && errno != EINTR)
			return complain("epoll: %s", strerror(errno));
		for (int i = 0; i < n; i++)
			handle(blk, events[i].data.fd);
		n_connected = end_connections(blk);
		if (n_connected < 0)
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
	return watch(blk, vio_ctx_get_fd(blk->ctx));
}

static int create_workers(struct tenant *tenant)
{
	struct blk *blk = tenant->blk;
	uint32_t n = blk->options.n_queues;

	tenant->workers = calloc(n, sizeof(*tenant->workers));
	if (!tenant->workers)
		return complain("no memory for %u workers", n);
	for (; tenant->n_workers < n; tenant->n_workers++)
		if (worker_create(&tenant->workers[tenant->n_workers], blk->ctx,
				  &tenant->disk, &blk->throttle) < 0)
			return -1;
	return 0;
}

static int start_workers(struct tenant *tenant)
{
	if (tenant->blk->options.is_shared)
		return shared_add(&tenant->blk->shared, tenant->socket, tenant->workers,
				  tenant->n_workers);
	for (uint32_t i = 0; i < tenant->n_workers; i++)
		if (worker_start(&tenant->workers[i]) < 0)
			return -1;
	return 0;
}

/* What is made in part is given back as well. */
static int open_tenant(struct blk *blk, uint32_t index)
{
	const struct options *options = &blk->options;
	struct tenant *tenant = &blk->tenants[blk->n_tenants];

	tenant->blk = blk;
	tenant->socket = options->sockets[index];
	tenant->disk.fd = tenant->listener.fd = -1;
	if (disk_open(&tenant->disk, options->images[index], options->is_read_only,
		      options->serial) < 0)
		return -1;
	blk->n_tenants++;
	if (vio_dom_create(blk->ctx, "guest", &tenant->dom) < 0)
		return complain("no memory for the tenant");
	if (create_workers(tenant) < 0)
		return -1;
	return start_workers(tenant);
}

static void close_tenant(struct tenant *tenant)
{
	while (tenant->n_workers)
		worker_destroy(&tenant->workers[--tenant->n_workers]);
	free(tenant->workers);
	vio_dom_destroy(tenant->dom, NULL);
	disk_close(&tenant->disk);
}

static int open_tenants(struct blk *blk)
{
	const struct options *options = &blk->options;

	if (options->is_shared &&
	    shared_open(&blk->shared, blk->ctx, options->is_guarded) < 0)
		return -1;
	for (uint32_t i = 0; i < options->n_tenants; i++)
		if (open_tenant(blk, i) < 0)
			return -1;
	return options->is_shared ? shared_start(&blk->shared) : 0;
}

static int listen_for_all(struct blk *blk)
{
	for (uint32_t i = 0; i < blk->n_tenants; i++) {
		struct tenant *tenant = &blk->tenants[i];

		if (listener_open(&tenant->listener, tenant->socket) < 0)
			return -1;
		tenant->is_listening = 1;
		if (watch(blk, tenant->listener.fd) < 0)
			return -1;
	}
	return 0;
}

/* The sockets last: who can connect is served. */
static int serve(struct blk *blk)
{
	const struct options *options = &blk->options;
	int ret = -1;

	if (options->control && (control_open(&blk->control, options->control) < 0 ||
				 watch(blk, blk->control.fd) < 0))
		return -1;
	if (open_tenants(blk) == 0 && listen_for_all(blk) == 0)
		ret = run(blk);
	for (uint32_t i = 0; i < blk->n_tenants; i++)
		if (blk->tenants[i].is_listening)
			listener_close(&blk->tenants[i].listener);
	shared_close(&blk->shared);
	while (blk->n_tenants)
		close_tenant(&blk->tenants[--blk->n_tenants]);
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
	vio_ctx_destroy(blk->ctx, NULL);
	return ret;
}

int main(int argc, char **argv)
{
	static struct blk blk;
	int ret = options_parse(argc, argv, &blk.options);

	if (ret)
		return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	blk.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	ret = serve_limited(&blk);
	if (blk.status_fd > 0)
		status_show("");
	control_close(&blk.control);
	return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
