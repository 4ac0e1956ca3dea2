/* SPDX-License-Identifier: MIT */
/*
 * Messages about a queue that runs, and the classes of weakness that were found in
 * other devices, by their CVE numbers. V numbers as in messages.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hostile/hostile.h"

static struct ring *attacked(struct hostile *h)
{
	return &h->rings[ATTACKED];
}

static void num_while_running(struct hostile *h)
{
	send_state(h, VHOST_USER_SET_VRING_NUM, attacked(h)->queue, N_DESCS / 2);
}

static void base_while_running(struct hostile *h)
{
	send_state(h, VHOST_USER_SET_VRING_BASE, attacked(h)->queue, 1);
}

static void place_while_running(struct hostile *h)
{
	struct ring *ring = attacked(h);

	ring->desc = ring->avail = ring->used = DATA_GPA;
	send_addr(h, ring, 0);
}

static void features_while_running(struct hostile *h)
{
	send_u64(h, VHOST_USER_SET_FEATURES, h->front.features ^ VIO_F_VERSION_1);
}

/* The region that the rings are in goes; the queue finds that at its next pop. */
static void table_without_ring(struct hostile *h)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	fill_table(h, &memory, fds);
	memory.n_regions = 1;
	memory.regions[0] = memory.regions[1];
	send_table(h, &memory, fds);
	h->target->sync(h);
	offer_good(h, attacked(h));
}

static void table_empty(struct hostile *h)
{
	const struct vhost_memory memory = { .n_regions = 0 };

	send_table(h, &memory, NULL);
	h->target->sync(h);
	h->rings[BYSTANDER].is_started = false; /* it has no memory either */
	offer_good(h, attacked(h));
}

static void table_under_load(struct hostile *h)
{
	for (uint32_t i = 0; i < 50; i++) {
		offer_good(h, attacked(h));
		kick(attacked(h));
		h->target->set_mid(h, i % 2);
		wait_used(h, attacked(h));
	}
}

static void stop_and_start(struct hostile *h)
{
	for (uint32_t i = 0; i < 20; i++) {
		serve_good(h, attacked(h));
		h->target->stop(h, attacked(h));
		h->target->start(h, attacked(h));
	}
}

/* What is replaced must be closed. */
static void replace_fds(struct hostile *h)
{
	struct ring *ring = attacked(h);

	for (uint32_t i = 0; i < 100; i++) {
		send_fd(h, VHOST_USER_SET_VRING_CALL, ring->queue, ring->call);
		send_fd(h, VHOST_USER_SET_VRING_KICK, ring->queue, ring->kick);
		send_fd(h, VHOST_USER_SET_VRING_ERR, ring->queue, ring->err);
	}
}

static void leave_under_load(struct hostile *h)
{
	for (uint32_t i = 0; i < 10; i++)
		offer_good(h, attacked(h));
	kick(attacked(h));
	close(h->front.fd);
	h->front.fd = -1;
	h->front.is_open_ended = true;
}

static void reset_under_load(struct hostile *h)
{
	for (uint32_t i = 0; i < 4; i++)
		offer_good(h, attacked(h));
	kick(attacked(h));
	send_message(h, VHOST_USER_RESET_DEVICE, NULL, 0, NULL, 0);
	h->target->sync(h);
	h->front.is_open_ended = true;
}

/* Latched, told to begin again at once, a hundred times: not at the peer's pace. */
static void latch_again_and_again(struct hostile *h)
{
	struct ring *ring = attacked(h);

	offer(h, N_DESCS);
	for (uint32_t i = 0; i < 100; i++) {
		kick(ring);
		send_fd(h, VHOST_USER_SET_VRING_CALL, ring->queue, ring->call);
		send_state(h, VHOST_USER_SET_VRING_ENABLE, ring->queue, 1);
	}
}

#define RUNNING(id, name, wants, run)                                                  \
	{                                                                              \
		id, name, AT_RUNNING, wants, 0, run, 0, NULL                           \
	}

static const struct attack list[] = {
	RUNNING("V0080", "a size for a ring that runs", REFUSED, num_while_running),
	RUNNING("V0081", "a base for a ring that runs", REFUSED, base_while_running),
	RUNNING("V0082", "another place for a ring that runs", REFUSED,
		place_while_running),
	RUNNING("V0083", "features that change under a queue", REFUSED,
		features_while_running),
	RUNNING("V0084", "a table without the ring", LATCHED, table_without_ring),
	RUNNING("V0085", "a table without anything", LATCHED, table_empty),
	RUNNING("V0086", "a table that changes under load", SERVED, table_under_load),
	RUNNING("V0087", "a ring stopped and started", SERVED, stop_and_start),
	RUNNING("V0088", "descriptors exchanged a hundred times", SERVED, replace_fds),
	RUNNING("V0089", "a disconnect under load", SERVED, leave_under_load),
	RUNNING("V0091", "a reset under load", SERVED, reset_under_load),
	RUNNING("V0092", "a latched ring enabled again and again", LATCHED,
		latch_again_and_again),
};

const struct attacks running_attacks = { list, sizeof(list) / sizeof(list[0]) };

/* By CVE number: what the weakness was, as an attack. */

static void table_half_in_memory(struct hostile *h)
{
	write_desc(guest_at(h, RAM_END - 16), data_gpa(0), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(h, 0), RAM_END - 16, 64, VIO_DESC_INDIRECT, 0);
	offer(h, 0);
}

static void size_and_kick_repeated(struct hostile *h)
{
	struct ring *ring = attacked(h);

	for (uint32_t i = 0; i < 100; i++) {
		send_state(h, VHOST_USER_SET_VRING_NUM, ring->queue, N_DESCS);
		send_fd(h, VHOST_USER_SET_VRING_CALL, ring->queue, ring->call);
		send_fd(h, VHOST_USER_SET_VRING_ERR, ring->queue, ring->err);
	}
}

static void log_overflows(struct hostile *h)
{
	const struct vhost_log_area area = { PAGE, UINT64_MAX - PAGE + 1 };

	send_message(h, VHOST_USER_SET_LOG_BASE, &area, sizeof(area), &h->memfd, 1);
}

static void index_cut(struct hostile *h)
{
	send_state(h, VHOST_USER_SET_VRING_NUM, 0x10000 + h->options.queue, N_DESCS);
}

static void ring_not_mapped(struct hostile *h)
{
	attacked(h)->desc = attacked(h)->avail = attacked(h)->used = 2 * HIGH_GPA;
	h->target->start(h, attacked(h));
}

static void inflight_repeated(struct hostile *h)
{
	const uint64_t area[3] = { PAGE, 0, N_DESCS };

	for (uint32_t i = 0; i < 50; i++)
		send_message(h, 32, area, sizeof(area), &h->memfd, 1);
}

static void inflight_with_fds(struct hostile *h)
{
	const int fds[] = { h->memfd, h->memfd, h->memfd, h->memfd,
			    h->memfd, h->memfd, h->memfd, h->memfd };
	const uint64_t area[3] = { 0, 0, 1 };

	for (uint32_t i = 0; i < 50; i++)
		send_message(h, 31, area, sizeof(area), fds, 8);
}

static void header_too_short(struct hostile *h)
{
	write_desc(desc_at(h, 0), data_gpa(0), 8, VIO_DESC_NEXT, 1);
	write_desc(desc_at(h, 1), data_gpa(1), 1, VIO_DESC_WRITE, 0);
	offer(h, 0);
}

/* A descriptor that is good and bad by turns, thousands of times a kick. */
static void changed_while_read(struct hostile *h)
{
	volatile uint32_t *length = &desc_at(h, 1)->length;

	for (uint32_t i = 0; i < 200; i++) {
		offer_good(h, attacked(h));
		kick(attacked(h));
		for (uint32_t k = 0; k < 2000; k++)
			*length = k % 2 ? 512 : UINT32_MAX;
		if (!wait_used(h, attacked(h)))
			return;
	}
}

static void nothing_to_write(struct hostile *h)
{
	write_desc(desc_at(h, 0), data_gpa(0), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(h, 1), data_gpa(1), 512, VIO_DESC_NEXT, 2);
	write_desc(desc_at(h, 2), data_gpa(2), 1, 0, 0);
	offer(h, 0);
}

static void status_and_no_data(struct hostile *h)
{
	write_desc(desc_at(h, 0), data_gpa(0), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(h, 1), data_gpa(1), 1, VIO_DESC_WRITE, 0);
	offer(h, 0);
}

static void header_in_many(struct hostile *h)
{
	for (uint32_t i = 0; i < 16; i++)
		write_desc(desc_at(h, i), data_gpa(0) + i, 1, VIO_DESC_NEXT, i + 1);
	write_desc(desc_at(h, 16), data_gpa(1), 512, VIO_DESC_NEXT | VIO_DESC_WRITE,
		   17);
	write_desc(desc_at(h, 17), data_gpa(2), 1, VIO_DESC_WRITE, 0);
	offer(h, 0);
}

static void pop_without_end(struct hostile *h)
{
	set_desc(h, 0, 0, 0);
	show_avail(h, attacked(h), UINT16_MAX);
}

static void queue_of_kick(struct hostile *h)
{
	send_fd(h, VHOST_USER_SET_VRING_KICK, h->front.n_queues, attacked(h)->kick);
}

static void unmapped_while_served(struct hostile *h)
{
	offer_good(h, attacked(h));
	write_desc(desc_at(h, 1), MID_GPA, 512, VIO_DESC_NEXT | VIO_DESC_WRITE, 2);
	kick(attacked(h));
	h->target->set_mid(h, false);
}

#define KNOWN(id, name, stage, socket, inside, run)                                    \
	{                                                                              \
		"CVE-" id, name, stage, socket, inside, run, 0, NULL                   \
	}
#define ABSENT(id, name, why)                                                          \
	{                                                                              \
		"CVE-" id, name, AT_NOTHING, 0, 0, NULL, 0, why                        \
	}

static const struct attack known_list[] = {
	{ "CVE-2018-1059", "a table whose first byte alone is in memory", AT_RUNNING,
	  LATCHED, LATCHED, table_half_in_memory, VIO_F_INDIRECT_DESC, NULL },
	KNOWN("2019-14818", "sizes and descriptors sent again", AT_DESCRIBED, SERVED, 0,
	      size_and_kick_repeated),
	KNOWN("2020-10722", "a log whose offset and size overflow", AT_DESCRIBED,
	      REFUSED, 0, log_overflows),
	KNOWN("2020-10723", "a ring index that is right if it is cut", AT_DESCRIBED,
	      REFUSED, 0, index_cut),
	ABSENT("2020-10724", "the length of a key", "a device for cryptography alone"),
	KNOWN("2020-10725", "rings that are not mapped", AT_DESCRIBED, REFUSED, REFUSED,
	      ring_not_mapped),
	KNOWN("2020-10726", "areas for chains in flight, again and again", AT_DESCRIBED,
	      REFUSED, 0, inflight_repeated),
	KNOWN("2020-14374", "a header shorter than it has to be", AT_RUNNING, SERVED,
	      SERVED, header_too_short),
	KNOWN("2020-14375", "a descriptor that changes while it is read", AT_RUNNING,
	      LATCHED | SERVED, LATCHED | SERVED, changed_while_read),
	KNOWN("2020-14376", "a request without anything to write", AT_RUNNING, SERVED,
	      SERVED, nothing_to_write),
	KNOWN("2020-14378", "a status and no data", AT_RUNNING, SERVED, SERVED,
	      status_and_no_data),
	KNOWN("2022-0669", "descriptors that nobody expects", AT_DESCRIBED, REFUSED, 0,
	      inflight_with_fds),
	KNOWN("2022-2132", "a header in sixteen descriptors", AT_RUNNING, SERVED,
	      SERVED, header_in_many),
	ABSENT("2024-11614", "offsets of a checksum", "a network card's own headers"),
	KNOWN("2016-5403", "chains without end", AT_RUNNING, LATCHED, LATCHED,
	      pop_without_end),
	KNOWN("2011-2512", "a kick for a queue that is not there", AT_DESCRIBED,
	      REFUSED, 0, queue_of_kick),
	KNOWN("2021-3748", "a buffer unmapped while it is written", AT_RUNNING,
	      LATCHED | SERVED, LATCHED | SERVED, unmapped_while_served),
	ABSENT("2022-26354", "an element that is not detached", "a socket device"),
};

const struct attacks known_attacks = { known_list,
				       sizeof(known_list) / sizeof(known_list[0]) };
