/* SPDX-License-Identifier: MIT */
/*
 * One thread for all guests. Each of their workers has its events behind one
 * descriptor, and the thread waits for all of these.
 */
#ifndef VIO_BLK_SHARED_H
#define VIO_BLK_SHARED_H

#include <pthread.h>
#include <stdint.h>

#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/guard.h>

#include "lost.h"
#include "worker.h"

#define SEATS_MAX 16

/* A guest's place. */
struct seat {
	const char *name;
	struct worker *workers;
	uint32_t n_workers;
	uint32_t first; /* worker of the next turn */
	int is_ready;   /* something is to be done */
	struct vio_guard_member *member;
};

struct shared {
	int is_open;
	int has_thread;
	int is_quitting; /* atomic, these two */
	int wants_report;
	int epoll_fd;
	int wake_fd;
	pthread_t thread;
	struct vio_guard *guard; /* NULL: turns as they come */
	uint64_t began_ns;       /* what is done since counts for the next turn */
	struct lost lost;        /* the thread's */
	struct seat seats[SEATS_MAX];
	uint32_t n_seats;
};

/* -1 and a complaint if it cannot, these three. */
int shared_open(struct shared *shared, struct vio_ctx *ctx, int is_guarded);
int shared_add(struct shared *shared, const char *name, struct worker *workers,
	       uint32_t n_workers);
int shared_start(struct shared *shared);

/* Any thread: has it print where each guest stands. */
void shared_report(struct shared *shared);

/* Ends the thread; nothing if it was not opened. */
void shared_close(struct shared *shared);

#endif /* VIO_BLK_SHARED_H */
