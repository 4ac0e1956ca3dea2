/* SPDX-License-Identifier: MIT */
/*
 * Guest memory and the driver's half of a split ring (virtio 1.2, 2.7), written by
 * hand so that it can be written wrongly. Nothing here knows how the device is
 * reached.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/virtio_blk.h>

#include "hostile/hostile.h"

#define NET_HEADER_BYTES 12u
#define NET_FRAME_BYTES  64u
#define SECTOR_BYTES     512u

void fail(struct hostile *h, const char *format, ...)
{
	va_list arguments;

	if (h->failure[0]) /* the first one says most */
		return;
	va_start(arguments, format);
	vsnprintf(h->failure, sizeof(h->failure), format, arguments);
	va_end(arguments);
}

static void give_up(const char *what)
{
	fprintf(stderr, "vio-hostile: %s: %s\n", what, strerror(errno));
	exit(2);
}

void guest_create(struct hostile *h)
{
	h->memfd = memfd_create("vio-hostile", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (h->memfd < 0 || ftruncate(h->memfd, (off_t)FILE_BYTES) < 0 ||
	    fcntl(h->memfd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		give_up("memfd");
	h->ram =
		mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, h->memfd, 0);
	if (h->ram == MAP_FAILED)
		give_up("mmap");
	for (uint32_t i = 0; i < N_RINGS; i++) {
		struct ring *ring = &h->rings[i];

		ring->kick = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ring->call = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		ring->err = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		if (ring->kick < 0 || ring->call < 0 || ring->err < 0)
			give_up("eventfd");
	}
}

/* Another that serves what is offered: of a network card, another that sends. */
static uint32_t bystander_of(const struct hostile *h)
{
	const uint32_t queue = h->options.queue;

	if (h->options.device == DEVICE_NET)
		return queue >= 2 ? queue - 2 : queue + 2;
	return queue ? queue - 1 : 1;
}

/* The bystander's ring is in high, so that low can be taken away. */
void guest_reset(struct hostile *h)
{
	memset(h->ram, 0, LOW_BYTES);
	memset(h->ram + MID_OFFSET, 0, PAGE);
	memset(h->ram + HIGH_OFFSET, 0, 2 * RING_BYTES);
	for (uint32_t i = 0; i < N_RINGS; i++) {
		struct ring *ring = &h->rings[i];

		ring->queue = i == ATTACKED ? h->options.queue : bystander_of(h);
		ring->home = i == ATTACKED ? LOW_GPA : HIGH_GPA + RING_BYTES;
		ring->n_descs = N_DESCS;
		ring->base = 0;
		ring->desc = ring->home;
		ring->avail = ring->home + AVAIL_OFFSET;
		ring->used = ring->home + USED_OFFSET;
		ring->avail_index = 0;
		ring->is_started = false;
		take_event(ring->kick);
		take_event(ring->call);
		take_event(ring->err);
	}
	h->is_refused = false;
}

void *guest_at(struct hostile *h, uint64_t gpa)
{
	if (gpa >= HIGH_GPA)
		return h->ram + HIGH_OFFSET + (gpa - HIGH_GPA);
	if (gpa >= MID_GPA)
		return h->ram + MID_OFFSET + (gpa - MID_GPA);
	return h->ram + (gpa - LOW_GPA);
}

/* A page of data of its own for every @k. */
uint64_t data_gpa(uint32_t k)
{
	return DATA_GPA + (uint64_t)k * PAGE;
}

void write_desc(struct vio_split_desc *desc, uint64_t addr, uint32_t length,
		uint32_t flags, uint32_t next)
{
	*desc = (struct vio_split_desc){
		.addr = htole64(addr),
		.length = htole32(length),
		.flags = htole16((uint16_t)flags),
		.next = htole16((uint16_t)next),
	};
}

static struct vio_split_desc *descs_of(struct hostile *h, const struct ring *ring)
{
	return guest_at(h, ring->home);
}

struct vio_split_desc *desc_at(struct hostile *h, uint32_t index)
{
	return descs_of(h, &h->rings[ATTACKED]) + index;
}

struct vio_split_desc *table_at(struct hostile *h, uint32_t index)
{
	return (struct vio_split_desc *)guest_at(h, TABLE_GPA) + index;
}

/* A descriptor of a page of data, the one of its number. */
void set_desc(struct hostile *h, uint32_t index, uint32_t flags, uint32_t next)
{
	write_desc(desc_at(h, index), data_gpa(index), PAGE, flags, next);
}

void set_table(struct hostile *h, uint32_t index, uint32_t flags, uint32_t next)
{
	write_desc(table_at(h, index), data_gpa(index), PAGE, flags, next);
}

void set_indirect(struct hostile *h, uint32_t index, uint32_t n_entries)
{
	write_desc(desc_at(h, index), TABLE_GPA, n_entries * 16, VIO_DESC_INDIRECT, 0);
}

struct vio_split_avail *avail_of(struct hostile *h, const struct ring *ring)
{
	return guest_at(h, ring->home + AVAIL_OFFSET);
}

struct vio_split_used *used_of(struct hostile *h, const struct ring *ring)
{
	return guest_at(h, ring->home + USED_OFFSET);
}

/* Release: the device reads ring and descriptors after it has seen the index. */
void show_avail(struct hostile *h, struct ring *ring, uint16_t index)
{
	ring->avail_index = index;
	__atomic_store_n(&avail_of(h, ring)->index, htole16(index), __ATOMIC_RELEASE);
}

static void offer_on(struct hostile *h, struct ring *ring, uint32_t head)
{
	avail_of(h, ring)->ring[ring->avail_index % N_DESCS] = htole16((uint16_t)head);
	show_avail(h, ring, (uint16_t)(ring->avail_index + 1));
}

void offer(struct hostile *h, uint32_t head)
{
	offer_on(h, &h->rings[ATTACKED], head);
}

static uint64_t probe_gpa(const struct hostile *h, const struct ring *ring)
{
	return PROBE_GPA + (uint64_t)(ring - h->rings) * 2 * PAGE;
}

/* The first sector, as a disk reads it; a frame, as a network card sends it. */
void write_good(struct hostile *h, struct ring *ring)
{
	struct vio_split_desc *descs = descs_of(h, ring);
	const uint64_t at = probe_gpa(h, ring);

	memset(guest_at(h, at), 0, 2 * PAGE);
	if (h->options.device == DEVICE_NET) {
		write_desc(&descs[0], at, NET_HEADER_BYTES + NET_FRAME_BYTES, 0, 0);
	} else {
		((uint8_t *)guest_at(h, at + PAGE))[SECTOR_BYTES] = 0xff;
		write_desc(&descs[0], at, sizeof(struct virtio_blk_outhdr),
			   VIO_DESC_NEXT, 1);
		write_desc(&descs[1], at + PAGE, SECTOR_BYTES,
			   VIO_DESC_NEXT | VIO_DESC_WRITE, 2);
		write_desc(&descs[2], at + PAGE + SECTOR_BYTES, 1, VIO_DESC_WRITE, 0);
	}
}

void offer_good(struct hostile *h, struct ring *ring)
{
	write_good(h, ring);
	offer_on(h, ring, 0);
}

/* A full one has its kick already. */
void kick(const struct ring *ring)
{
	eventfd_write(ring->kick, 1);
}

uint64_t take_event(int fd)
{
	eventfd_t count = 0;

	return eventfd_read(fd, &count) ? 0 : count;
}

/* Acquire: pairs with the device's release of its index. */
static uint16_t used_index(struct hostile *h, const struct ring *ring)
{
	return le16toh(__atomic_load_n(&used_of(h, ring)->index, __ATOMIC_ACQUIRE));
}

bool is_all_used(struct hostile *h, const struct ring *ring)
{
	return used_index(h, ring) == ring->avail_index;
}

/* Drivers that ask for no calls, or by events, still have to see the ring. */
bool wait_used(struct hostile *h, const struct ring *ring)
{
	const uint64_t end = now_ms() + (uint64_t)h->options.timeout_ms;
	struct pollfd pfds[2] = {
		{ .fd = ring->err, .events = POLLIN },
		{ .fd = ring->call, .events = POLLIN },
	};

	while (!is_all_used(h, ring)) {
		if (pfds[0].revents || now_ms() > end)
			return false;
		poll(pfds, 2, 1);
		take_event(ring->call);
	}
	return true;
}

static void verify_completion(struct hostile *h, const struct ring *ring)
{
	const struct vio_split_used_elem *elem =
		&used_of(h, ring)->ring[(uint16_t)(ring->avail_index - 1) % N_DESCS];
	const uint8_t *status =
		(uint8_t *)guest_at(h, probe_gpa(h, ring) + PAGE) + SECTOR_BYTES;
	const uint32_t room = h->options.device == DEVICE_NET ? 0 : SECTOR_BYTES + 1;

	if (elem->id)
		fail(h, "a completion of head %u, not 0", le32toh(elem->id));
	if (le32toh(elem->length) > room)
		fail(h, "a completion of %u bytes where %u are writable",
		     le32toh(elem->length), room);
	if (h->options.device == DEVICE_BLK && *status != VIRTIO_BLK_S_OK)
		fail(h, "a read of the first sector ends with status %u", *status);
}

bool serve_good(struct hostile *h, struct ring *ring)
{
	offer_good(h, ring);
	kick(ring);
	if (!wait_used(h, ring))
		return false;
	verify_completion(h, ring);
	return true;
}
