/* SPDX-License-Identifier: MIT */
/*
 * The program: what the main thread has. It accepts one connection at a time,
 * dispatches the context and minds the signals, the control pipe and the status
 * line; requests are the workers' affair.
 */
#ifndef VIO_BLK_BLK_H
#define VIO_BLK_BLK_H

#include <stdint.h>
#include <sys/stat.h>

#include <vio/vio.h>

#include "disk.h"
#include "shared.h"
#include "throttle.h"
#include "worker.h"

/* Each has a processor's worth of work to do: more share no thread in earnest. */
#define TENANTS_MAX 16

struct options {
	const char *images[TENANTS_MAX];
	const char *sockets[TENANTS_MAX]; /* as many */
	uint32_t n_tenants;
	const char *control; /* NULL: none */
	const char *serial;
	uint64_t bytes_per_sec; /* 0: unlimited */
	uint64_t ops_per_sec;   /* likewise */
	uint32_t n_queues;
	int is_read_only;
	int accepts_unsealed;
	int is_once;
	int is_shared;
	int is_guarded;
};

#define CONTROL_LINE_BYTES 256

/* The control pipe and the part of a line that has come so far. */
struct control {
	const char *path; /* NULL: there is none */
	int fd;
	uint32_t n;
	int is_too_long; /* the line under way is dropped */
	char line[CONTROL_LINE_BYTES];
};

struct listener {
	const char *path;
	int fd;
	struct stat made; /* so that only our own is removed */
};

struct status {
	uint64_t at_ns;
	struct vio_meters meters; /* as of then */
};

struct blk;

/* A guest: a socket, an image, and workers for its queues. */
struct tenant {
	struct blk *blk;
	const char *socket;
	struct disk disk;
	struct listener listener;
	struct vio_dom *dom;
	struct vio_backend *backend; /* NULL: nobody is connected */
	struct worker *workers;      /* one for each queue */
	uint32_t n_workers;
	uint32_t n_running; /* queues that run */
	int is_listening;
	int has_closed; /* the back end is to be destroyed */
};

struct blk {
	struct options options;
	struct throttle throttle; /* of all tenants together */
	struct tenant tenants[TENANTS_MAX];
	uint32_t n_tenants;
	struct shared shared;
	struct control control;
	struct status status;
	struct vio_ctx *ctx;
	int is_stopping;
	int epoll_fd;
	int signal_fd;
	int status_fd; /* timerfd, or -1: no status line */
};

/* 0: go on; 1: --help was printed; -1: complained. */
int options_parse(int argc, char **argv, struct options *options);

int listener_open(struct listener *listener, const char *path);
void listener_close(struct listener *listener);

int control_open(struct control *control, const char *path);
void control_close(struct control *control);

/* Carries out the lines that have come. */
void control_read(struct blk *blk);

/* Serves the connection @fd, or complains and closes it. */
void device_open(struct tenant *tenant, int fd);

/* The connection has ended: gives back what it had. */
void device_close(struct tenant *tenant);

/* Once a second. */
void status_tick(struct blk *blk);

#endif /* VIO_BLK_BLK_H */
