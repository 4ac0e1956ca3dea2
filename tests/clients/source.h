/* SPDX-License-Identifier: MIT */
/*
 * The source: a vhost-user-net device that sends numbered packets to a client which
 * is to send them back, and accounts for each. The main thread has the connection;
 * packets are the streams' affair.
 */
#ifndef CLIENTS_SOURCE_H
#define CLIENTS_SOURCE_H

#include <stdint.h>

#include <vio/vio.h>

#include "stream.h"

/* Pairs of queues, each with a thread: as many as a small machine has processors. */
#define PAIRS_MAX 2u

struct options {
	const char *socket;
	uint64_t n_packets; /* over all pairs, for each connection */
	uint64_t queue_features;
	uint64_t net_features;
	uint32_t frame_bytes;
	uint32_t n_pairs;
	uint32_t n_connections; /* one after another, then it ends */
	uint32_t limit_seconds; /* for all of them together */
	int is_client;          /* connects; the other side listens */
	int accepts_unsealed;
};

struct source {
	struct options options;
	struct vio_ctx *ctx;
	struct vio_dom *dom;
	struct vio_backend *backend; /* NULL: nobody is connected */
	struct stream streams[PAIRS_MAX];
	uint32_t n_streams;
	uint32_t n_served;  /* connections, with the present one */
	uint64_t features;  /* as negotiated */
	uint32_t n_running; /* queues */
	int reason;         /* of the connection's end */
	int has_closed;
	int is_stopping;
	int listen_fd; /* -1: it connects */
	int epoll_fd;
	int signal_fd;
	int tick_fd;
	uint32_t n_fds; /* open before the connection */

	/* What was said of the present connection. */
	int is_under_way;
	int has_rested;      /* through, or stalled */
	uint64_t n_returned; /* as of the last look */
	uint64_t moved_ns;   /* when it last changed */
	uint64_t limit_ns;
};

/* 0: go on; 1: --help was printed; -1: complained. */
int options_parse(int argc, char **argv, struct options *options);

/* device.c: serves the connection @fd, or complains and closes it. */
void device_open(struct source *source, int fd);

/* device.c: the connection has ended: gives back what it had. */
void device_close(struct source *source);

/* report.c: says how far the connection is. */
void report_progress(struct source *source);

/* report.c: the account of a connection that has ended, as one line. */
void report_end(const struct source *source);

/* Prints a line on standard error; returns -1. */
__attribute__((format(printf, 1, 2))) int complain(const char *format, ...);

#endif /* CLIENTS_SOURCE_H */
