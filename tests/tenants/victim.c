/* SPDX-License-Identifier: MIT */
/*
 * The victim. Its requests are due at times that do not depend on how it is served,
 * and a latency is counted from when a request was due: one that could not be sent
 * for lack of room has waited too.
 */
#include <poll.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "tenants.h"

/* Requests become due in batches, so that between them there is time to sleep. */
#define TICK_NS (100 * UINT64_C(1000))
/* Those that are due and not sent; more than a second's worth is lost anyway. */
#define LINE_MAX (1u << 20)

struct victim {
	struct front *front;
	struct board *board;
	uint64_t due_ns[FRONT_QUEUES][SLOTS];
	uint32_t free_slots[FRONT_QUEUES][SLOTS];
	uint32_t n_free[FRONT_QUEUES];
	uint64_t random;
	uint64_t n_sent;
};

static void prepare(struct victim *victim, struct front *front, struct board *board)
{
	*victim = (struct victim){ .front = front, .board = board, .random = 88172645 };
	for (uint32_t queue = 0; queue < FRONT_QUEUES; queue++)
		for (uint32_t slot = 0; slot < SLOTS; slot++)
			victim->free_slots[queue][victim->n_free[queue]++] = slot;
}

/* 1: sent; 0: there is no room. */
static int send_one(struct victim *victim, uint64_t due_ns)
{
	uint32_t queue = (uint32_t)(victim->n_sent % FRONT_QUEUES);
	uint64_t sector = random_next(&victim->random) % (SECTORS - 8) & ~UINT64_C(7);
	uint32_t slot;

	if (!victim->n_free[queue])
		return 0;
	slot = victim->free_slots[queue][--victim->n_free[queue]];
	victim->due_ns[queue][slot] = due_ns;
	victim->n_sent++;
	front_submit(victim->front, queue, slot, VIRTIO_BLK_T_IN, sector, 4096, 1);
	return 1;
}

static void count(struct board *board, uint64_t due_ns, uint64_t done_ns)
{
	/* Relaxed: it is written once, and that one is counted too few is no harm. */
	uint64_t from_ns = __atomic_load_n(&board->attack_ns, __ATOMIC_RELAXED);
	uint64_t bucket = (done_ns - due_ns) / BUCKET_NS;

	if (!from_ns || done_ns < from_ns)
		return;
	board->n_done++;
	board->buckets[bucket < BUCKETS ? bucket : BUCKETS - 1]++;
}

static uint32_t take_done(struct victim *victim)
{
	uint64_t done_ns = now_ns();
	uint32_t n = 0;

	for (uint32_t queue = 0; queue < FRONT_QUEUES; queue++) {
		struct vio_driver_used used;

		while (vio_driver_pop(victim->front->queues[queue].driver, &used, 1) ==
		       1) {
			uint32_t slot = (uint32_t)used.cookie;

			victim->free_slots[queue][victim->n_free[queue]++] = slot;
			if (victim->board)
				count(victim->board, victim->due_ns[queue][slot],
				      done_ns);
			n++;
		}
	}
	return n;
}

static void wait_for_calls(struct victim *victim, uint64_t until_ns)
{
	struct pollfd fds[FRONT_QUEUES];
	uint64_t now = now_ns();
	struct timespec wait = { 0, until_ns > now ? (long)(until_ns - now) : 0 };

	for (uint32_t i = 0; i < FRONT_QUEUES; i++)
		fds[i] = (struct pollfd){ .fd = victim->front->queues[i].call_fd,
					  .events = POLLIN };
	if (ppoll(fds, FRONT_QUEUES, &wait, NULL) <= 0)
		return;
	for (uint32_t i = 0; i < FRONT_QUEUES; i++) {
		uint64_t value;

		if (fds[i].revents)
			assert_int_equal(read(fds[i].fd, &value, sizeof(value)), 8);
	}
}

double victim_solo(struct front *front, uint64_t span_ns)
{
	uint64_t began_ns = now_ns(), n_done = 0, now;
	uint32_t n;
	struct victim victim;

	prepare(&victim, front, NULL);
	do {
		now = now_ns();
		while (send_one(&victim, now)) {
		}
		n = take_done(&victim);
		n_done += n;
		if (!n)
			wait_for_calls(&victim, now + MS);
	} while (now < began_ns + span_ns);
	while (victim.n_free[0] + victim.n_free[1] < SLOTS * FRONT_QUEUES) {
		take_done(&victim);
		wait_for_calls(&victim, now_ns() + MS);
	}
	return (double)n_done * 1e9 / (double)(now - began_ns);
}

/* When the request of this number is due. */
static uint64_t due_at(uint64_t began_ns, double per_sec, uint64_t number)
{
	uint64_t at_ns = (uint64_t)((double)number * 1e9 / per_sec);

	return began_ns + at_ns - at_ns % TICK_NS;
}

void victim_run(struct front *front, struct board *board, double per_sec)
{
	uint64_t began_ns = now_ns(), end_ns, now, due_ns;
	struct victim victim;

	prepare(&victim, front, board);
	do {
		now = now_ns();
		/* Relaxed: it is looked at again. */
		end_ns = __atomic_load_n(&board->end_ns, __ATOMIC_RELAXED);
		due_ns = due_at(began_ns, per_sec, victim.n_sent);
		while (due_ns <= now && send_one(&victim, due_ns))
			due_ns = due_at(began_ns, per_sec, victim.n_sent);
		if (!take_done(&victim))
			wait_for_calls(&victim, due_ns > now ? due_ns : now + MS);
	} while (!end_ns || now < end_ns);
}
