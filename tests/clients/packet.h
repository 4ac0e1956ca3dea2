/* SPDX-License-Identifier: MIT */
/*
 * What travels: Ethernet frames that know their stream, their number in it and the
 * CRC32 of the rest, and the account of those that came back. Frames that are not
 * ours are only looked at for a client that asks for an address by DHCP.
 */
#ifndef CLIENTS_PACKET_H
#define CLIENTS_PACKET_H

#include <stddef.h>
#include <stdint.h>

/* The least that Ethernet allows, without its frame check sequence. */
#define FRAME_BYTES_MIN 60u
/* More than one receive buffer of any client here, less than two. */
#define FRAME_BYTES_MAX 3000u

/* One stream's account. Written by its thread, relaxed, as others look on. */
struct tally {
	uint64_t sent;
	uint64_t returned;  /* whole, of this stream */
	uint64_t altered;   /* ours by their type, but not as they were sent */
	uint64_t strays;    /* whole, of another stream or another source */
	uint64_t reordered; /* whole, but after a later one, or for a second time */
	uint64_t foreign;   /* of another type */
	uint64_t discovers; /* of the foreign ones, DHCPDISCOVER */
	uint64_t next;      /* one after the highest number that came back */
};

/* Once, before anything else. */
void packet_setup(void);

uint32_t packet_crc32(const uint8_t *data, size_t n);

void packet_build(uint8_t *frame, size_t bytes, uint32_t stream, uint64_t number);

/* Accounts for a frame of @bytes that came back, all in one piece. */
void packet_take(struct tally *tally, const uint8_t *frame, size_t bytes,
		 uint32_t stream);

/* Adds to a counter that only the calling thread writes. */
void tally_add(uint64_t *counter, uint64_t n);

/* Relaxed: figures to show and to wait for; nothing else is read by them. */
uint64_t tally_read(const uint64_t *counter);

#endif /* CLIENTS_PACKET_H */
