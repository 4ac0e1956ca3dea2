/* SPDX-License-Identifier: MIT */
/*
 * net_source: a vhost-user-net device for clients that are not ours. This is its
 * main thread: connections, one after another, the time limit and the clean stop.
 * It uses the public headers only, as a program outside of the tree would.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <unistd.h>

#include "source.h"

/* Callbacks of one dispatch, so that the limit gets its turn. */
#define DISPATCH_MAX 64

/* Looks at the streams, and tries to connect, so often. */
#define TICK_NS 20000000

static void
log_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	(void)opaque;
	(void)level;
	complain("%s: %s", subsystem, text);
}

static int watch(struct source *source, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0 || epoll_ctl(source->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		return complain("cannot wait: %s", strerror(errno));
	return 0;
}

/* That of the folder which is read is among them, each time. */
static uint32_t count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	uint32_t n = 0;

	while (dir && readdir(dir))
		n++;
	if (dir)
		closedir(dir);
	return n;
}

static int unix_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int make_address(const char *path, struct sockaddr_un *out)
{
	*out = (struct sockaddr_un){ .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof(out->sun_path))
		return complain("%s: too long for a socket", path);
	strcpy(out->sun_path, path);
	return 0;
}

static int open_listener(struct source *source)
{
	struct sockaddr_un address;

	source->listen_fd = -1;
	if (source->options.is_client)
		return 0;
	if (make_address(source->options.socket, &address) < 0)
		return -1;
	source->listen_fd = unix_socket();
	if (bind(source->listen_fd, (struct sockaddr *)&address, sizeof(address)) < 0 ||
	    listen(source->listen_fd, 1) < 0)
		return complain("%s: %s", source->options.socket, strerror(errno));
	return 0;
}

/* -1: nobody there, try again later. */
static int connect_once(const struct source *source)
{
	struct sockaddr_un address;
	int fd;

	if (make_address(source->options.socket, &address) < 0)
		return -1;
	fd = unix_socket();
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Others wait in the backlog, or to be connected to, until this one has ended. */
static void open_connection(struct source *source)
{
	uint32_t n_fds;
	int fd;

	if (source->backend || source->is_stopping)
		return;
	n_fds = count_fds();
	if (source->options.is_client)
		fd = connect_once(source);
	else
		fd = accept4(source->listen_fd, NULL, NULL,
			     SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (fd < 0)
		return;
	source->n_fds = n_fds;
	source->n_served++;
	device_open(source, fd);
	if (!source->backend)
		source->is_stopping = 1;
}

static int close_connection(struct source *source)
{
	report_end(source);
	device_close(source);
	/* What a region's end leaves to do is done by dispatch. */
	vio_ctx_dispatch(source->ctx, DISPATCH_MAX);
	if (count_fds() != source->n_fds)
		return complain("%u descriptors before the connection, %u after it",
				source->n_fds, count_fds());
	if (source->n_served == source->options.n_connections)
		source->is_stopping = 1;
	return source->reason && source->reason != -ECANCELED ? -1 : 0;
}

static int tick(struct source *source)
{
	uint64_t ticks;

	if (read(source->tick_fd, &ticks, sizeof(ticks)) != sizeof(ticks))
		return 0;
	if (clock_ns() > source->limit_ns)
		return complain("time is up in connection %u, with %u queues running",
				source->n_served, source->n_running);
	if (source->backend)
		report_progress(source);
	else
		open_connection(source);
	return 0;
}

/* The second signal finds the default action again. */
static void stop(struct source *source)
{
	signal(SIGTERM, SIG_DFL);
	source->is_stopping = 1;
	if (source->backend)
		vio_backend_close(source->backend, 1);
}

static int handle(struct source *source, int fd)
{
	struct signalfd_siginfo info;

	if (fd == source->tick_fd)
		return tick(source);
	if (fd == vio_ctx_get_fd(source->ctx))
		vio_ctx_dispatch(source->ctx, DISPATCH_MAX);
	else if (read(fd, &info, sizeof(info)) == sizeof(info))
		stop(source);
	return 0;
}

static int run(struct source *source)
{
	struct epoll_event events[8];
	int ret = 0;

	while (!ret && (!source->is_stopping || source->backend)) {
		const int n = epoll_wait(source->epoll_fd, events, 8, -1);

		for (int i = 0; i < n && !ret; i++)
			ret = handle(source, events[i].data.fd);
		if (!ret && source->has_closed)
			ret = close_connection(source);
	}
	return ret;
}

/* Before the first thread, which inherits the mask. */
static int open_events(struct source *source)
{
	const struct itimerspec often = {
		.it_interval.tv_nsec = TICK_NS,
		.it_value.tv_nsec = TICK_NS,
	};
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigprocmask(SIG_BLOCK, &set, NULL);
	source->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	source->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	source->tick_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	timerfd_settime(source->tick_fd, 0, &often, NULL);
	source->limit_ns =
		clock_ns() + UINT64_C(1000000000) * source->options.limit_seconds;
	if (watch(source, source->signal_fd) < 0)
		return -1;
	return watch(source, source->tick_fd);
}

static int open_context(struct source *source)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	params.log = log_line;
	if (vio_ctx_create(&params, &source->ctx, &err) < 0)
		return complain("%s", err.text);
	if (vio_dom_create(source->ctx, "client", &source->dom) < 0)
		return complain("no memory for the tenant");
	return watch(source, vio_ctx_get_fd(source->ctx));
}

static int create_streams(struct source *source)
{
	const uint32_t name = (uint32_t)getpid() * PAIRS_MAX;

	for (; source->n_streams < source->options.n_pairs; source->n_streams++)
		if (stream_create(&source->streams[source->n_streams],
				  name + source->n_streams) < 0)
			return complain("cannot start a thread");
	return 0;
}

static int close_all(struct source *source, int ret)
{
	struct vio_error err = VIO_ERROR_INIT;

	while (source->n_streams)
		stream_destroy(&source->streams[--source->n_streams]);
	if (vio_dom_destroy(source->dom, &err) < 0 ||
	    vio_ctx_destroy(source->ctx, &err) < 0)
		ret = complain("%s", err.text);
	if (source->listen_fd >= 0) {
		close(source->listen_fd);
		unlink(source->options.socket);
	}
	close(source->tick_fd);
	close(source->signal_fd);
	close(source->epoll_fd);
	return ret;
}

int main(int argc, char **argv)
{
	static struct source source;
	int ret = options_parse(argc, argv, &source.options);

	if (ret)
		return ret < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
	packet_setup();
	if (open_events(&source) < 0 || open_context(&source) < 0 ||
	    create_streams(&source) < 0 || open_listener(&source) < 0)
		return EXIT_FAILURE;
	ret = run(&source);
	/* With a connection left over the threads may be at work: no tidy end then. */
	if (source.backend)
		_exit(EXIT_FAILURE);
	return close_all(&source, ret) < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
