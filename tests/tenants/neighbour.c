/* SPDX-License-Identifier: MIT */
/*
 * Who is beside the victim: one that only burns its quota, three floods, and the
 * guests that do no harm. Traffic of the latter is drawn from a seed, so that what
 * thresholds were chosen by and what they are judged by can be told apart.
 */
#include <stdlib.h>
#include <sys/eventfd.h>
#include <time.h>

#include "tenants.h"

#define LOOK_EVERY 64u

/* Relaxed: it is looked at again. */
static int is_over(const struct board *board)
{
	uint64_t end_ns = __atomic_load_n(&board->end_ns, __ATOMIC_RELAXED);

	return end_ns && now_ns() >= end_ns;
}

static void rest(uint64_t span_ns)
{
	const struct timespec span = { (time_t)(span_ns / SEC), (long)(span_ns % SEC) };

	clock_nanosleep(CLOCK_MONOTONIC, 0, &span, NULL);
}

/* Where no control group does it: as it would, so much of each period and no more. */
#define PERIOD_NS (100 * MS)
#define QUOTA_NS  (25 * MS)

struct quota {
	uint64_t begun_ns;
	uint64_t used_ns; /* of the processor, by then */
};

static uint64_t processor_ns(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * SEC + (uint64_t)used.tv_nsec;
}

static void keep_quota(struct quota *quota)
{
	uint64_t now, used_ns;

	if (getenv("VIO_CGROUP"))
		return;
	now = now_ns();
	used_ns = processor_ns();
	if (now - quota->begun_ns < PERIOD_NS && used_ns - quota->used_ns >= QUOTA_NS) {
		rest(quota->begun_ns + PERIOD_NS - now);
		now = now_ns();
	}
	if (now - quota->begun_ns >= PERIOD_NS)
		*quota = (struct quota){ now, processor_ns() };
}

static void kick(struct front *front, uint32_t queue)
{
	/* Full, after 2^64 - 2 kicks: as good as one more. */
	eventfd_write(front->queues[queue].kick_fd, 1);
}

static void flood_doorbell(struct front *front, const struct board *board)
{
	struct quota quota = { 0, 0 };

	while (!is_over(board)) {
		for (uint32_t i = 0; i < LOOK_EVERY; i++)
			kick(front, i % FRONT_QUEUES);
		keep_quota(&quota);
	}
}

static void send_flood(struct front *front, uint32_t queue, uint32_t slot,
		       uint32_t n_bytes, uint64_t *random)
{
	uint64_t sector = random_next(random) % (SECTORS - 128) & ~UINT64_C(7);

	front_submit(front, queue, slot, VIRTIO_BLK_T_IN, sector, n_bytes, 1);
}

/* Sends again what has come back, and kicks for each once more than is wanted. */
static void
flood_requests(struct front *front, const struct board *board, uint32_t n_bytes)
{
	struct quota quota = { 0, 0 };
	uint64_t random = 4711;

	for (uint32_t i = 0; i < SLOTS * FRONT_QUEUES; i++)
		send_flood(front, i % FRONT_QUEUES, i / FRONT_QUEUES, n_bytes, &random);
	while (!is_over(board)) {
		for (uint32_t i = 0; i < LOOK_EVERY; i++) {
			uint32_t queue = i % FRONT_QUEUES;
			struct vio_driver_used used;

			if (vio_driver_pop(front->queues[queue].driver, &used, 1) != 1)
				continue;
			send_flood(front, queue, (uint32_t)used.cookie, n_bytes,
				   &random);
			kick(front, queue);
		}
		keep_quota(&quota);
	}
}

static void spin(const struct board *board)
{
	struct quota quota = { 0, 0 };

	while (!is_over(board))
		keep_quota(&quota);
}

/* One kind of traffic: how much at a time, how large, and a pause between. */
struct habit {
	uint32_t depth_max;
	uint32_t n_bytes;
	uint32_t is_write_of; /* one in so many is a write; 0: none */
	uint32_t is_random;
	uint64_t pause_max_ns;
};

/* Boot, making a file system, reading in order and at random, copying. */
static const struct habit habits[] = {
	{ 4, 16384, 8, 1, 200000 }, { 21, 65536, 1, 0, 2000000 },
	{ 2, 65536, 0, 0, 20000 },  { 8, 4096, 4, 1, 20000 },
	{ 21, 4096, 0, 1, 5000 },   { 21, 512, 2, 0, 50000 },
};
#define N_HABITS (sizeof(habits) / sizeof(habits[0]))

/* A batch that is waited for, as a program does that needs what it reads. */
static void do_batch(struct front *front, const struct habit *habit, uint64_t *random,
		     uint64_t *sector)
{
	uint32_t n = 1 + (uint32_t)(random_next(random) % habit->depth_max);
	uint32_t queue = (uint32_t)(random_next(random) % FRONT_QUEUES);

	for (uint32_t slot = 0; slot < n; slot++) {
		uint32_t of = habit->is_write_of;
		int is_in = !of || random_next(random) % of;

		*sector = habit->is_random ? random_next(random)
					   : *sector + habit->n_bytes / 512;
		*sector = *sector % (SECTORS - 256) & ~UINT64_C(7);
		front_submit(front, queue, slot,
			     is_in ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT, *sector,
			     habit->n_bytes, is_in);
	}
	while (n--) {
		uint32_t written;
		uint8_t status;

		front_wait(front, queue, &status, &written);
		assert_int_equal(status, VIRTIO_BLK_S_OK);
	}
}

static void behave(struct front *front, const struct board *board)
{
	uint64_t random = board->seed * 2 + 1, sector = 0, until_ns = 0;
	const struct habit *habit = habits;

	while (!is_over(board)) {
		if (now_ns() >= until_ns) {
			habit = &habits[random_next(&random) % N_HABITS];
			until_ns = now_ns() + random_next(&random) % (2 * SEC);
		}
		do_batch(front, habit, &random, &sector);
		rest(random_next(&random) % habit->pause_max_ns);
	}
}

/* As 64-byte packets: chains of a few bytes, now and then in trains. */
void small_run(struct front *front, struct board *board)
{
	uint64_t random = board->seed * 2 + 3;

	while (!is_over(board)) {
		uint32_t n = 1 + (uint32_t)(random_next(&random) % SLOTS);

		while (n--)
			front_do(front, 0, VIRTIO_BLK_T_GET_ID, 0, 20, 1);
		rest(random_next(&random) % 200000);
	}
}

void neighbour_run(struct front *front, struct board *board, enum mode mode)
{
	switch (mode) {
	case MODE_DOORBELL:
		flood_doorbell(front, board);
		return;
	case MODE_TINY:
		flood_requests(front, board, 512);
		return;
	case MODE_WORK:
		flood_requests(front, board, 65536);
		return;
	case MODE_BENIGN:
		behave(front, board);
		return;
	default:
		spin(board);
	}
}
