/* SPDX-License-Identifier: MIT */
/*
 * A stream: the thread that owns one pair of queues. It sends into the client's
 * receive queue and takes back from its transmit queue. Other threads start and
 * stop its queues by mail, and read its account.
 */
#ifndef CLIENTS_STREAM_H
#define CLIENTS_STREAM_H

#include <pthread.h>
#include <stdint.h>

#include <vio/vio.h>

#include "packet.h"

/* What a good user takes at once: enough to spread the cost of a publication. */
#define BURST 32u
/* Most pieces of a chain: a header and a frame in pages, and as much again. */
#define CHAIN_IOV 64u
/* For a burst, and for one chain more while others are kept. */
#define BURST_IOV ((BURST + 1) * CHAIN_IOV)

/* Of a pair, by the number of the queue (virtio 1.2, 5.1.2). */
enum { RECEIVE, TRANSMIT, PAIR };

/* What the main thread wants; under the lock. */
struct mail {
	pthread_mutex_t lock;
	struct vio_queue *start[PAIR]; /* NULL: nothing */
	struct vio_stop *stop[PAIR];   /* likewise */
	int is_quitting;
	int is_there; /* atomic: there is something to read */
};

/* A virtqueue of the pair, and the chains popped from it. */
struct lane {
	struct vio_queue *queue; /* NULL: it does not run */
	struct vio_stop *stop;   /* NULL: it is to go on */
	int is_latched;
	int has_kicked;    /* the client did, or has used the ring before */
	uint32_t n_chains; /* popped and not pushed, from the front */
	struct vio_chain chains[BURST];
	struct iovec iov[BURST_IOV];
};

struct stream {
	uint32_t name; /* that no other stream has, of this source or another */
	uint32_t frame_bytes;
	uint64_t n_packets;
	int is_mergeable; /* a packet may take several buffers */
	struct mail mail;
	pthread_t thread;
	int epoll_fd;
	int wake_fd;

	struct tally tally;
	uint64_t begin_ns; /* when the first packet went, atomic like the tally */
	uint64_t end_ns;   /* when the last one came back */

	/* The thread's own. */
	struct lane lanes[PAIR];
	uint32_t n_idle; /* rounds without anything to do */
	int is_watched[PAIR];
};

/* 0 or a negative errno. */
int stream_create(struct stream *stream, uint32_t name);
void stream_destroy(struct stream *stream);

/* While no queue runs: a new account, for packets of this number and size. */
void stream_reset(struct stream *stream, uint64_t n_packets, uint32_t frame_bytes,
		  int is_mergeable);

/* The packets are sent, and none of them is under way that could still return. */
int stream_is_done(const struct stream *stream);

void stream_start_queue(struct stream *stream, uint32_t which, struct vio_queue *queue);
void stream_stop_queue(struct stream *stream, uint32_t which, struct vio_stop *stop);

/* traffic.c: a round of sending and taking back; returns 1 if it moved something. */
int stream_move(struct stream *stream);

/* traffic.c: the lane waits for the client, to add buffers or to send. */
int stream_wants_kicks(const struct stream *stream, uint32_t which);

/* traffic.c: gives back, empty, the buffers of a packet that did not fit yet. */
void stream_give_back(struct lane *lane);

uint64_t clock_ns(void);

#endif /* CLIENTS_STREAM_H */
