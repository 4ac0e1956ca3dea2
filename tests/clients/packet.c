/* SPDX-License-Identifier: MIT */
/*
 * Layout of a frame: addresses, type, stream, number, filler made from the number
 * and the CRC32 of all before it. Filler that differs from frame to frame is what
 * shows a buffer that was handed over before it was written.
 */
#include <endian.h>
#include <string.h>

#include "packet.h"

#define TYPE_AT   12u
#define STREAM_AT 14u
#define NUMBER_AT 18u
#define FILLER_AT 26u
#define CRC_BYTES 4u

/* Local experimental (IEEE 802): no client interprets it. */
#define TYPE_OURS 0x88b5u

/* DHCP by its fixed offsets (RFC 2131, 2; RFC 2132, 9.6) over plain IPv4. */
#define TYPE_IPV4       0x0800u
#define IP_AT           14u
#define IP_NO_OPTIONS   0x45u
#define IP_PROTOCOL_UDP 17u
#define UDP_AT          34u
#define UDP_PORT_SERVER 67u
#define BOOTP_AT        42u
#define COOKIE_AT       (BOOTP_AT + 236u)
#define COOKIE          0x63825363u
#define OPTION_PAD      0u
#define OPTION_TYPE     53u
#define OPTION_END      255u
#define TYPE_DISCOVER   1u

static uint16_t read16(const uint8_t *at)
{
	uint16_t value;

	memcpy(&value, at, sizeof(value));
	return be16toh(value);
}

static uint32_t read32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return be32toh(value);
}

static uint64_t read64(const uint8_t *at)
{
	return (uint64_t)read32(at) << 32 | read32(at + 4);
}

static void write16(uint8_t *at, uint16_t value)
{
	value = htobe16(value);
	memcpy(at, &value, sizeof(value));
}

static void write32(uint8_t *at, uint32_t value)
{
	value = htobe32(value);
	memcpy(at, &value, sizeof(value));
}

static void write64(uint8_t *at, uint64_t value)
{
	write32(at, (uint32_t)(value >> 32));
	write32(at + 4, (uint32_t)value);
}

/* Of each byte, filled before the first thread starts. */
static uint32_t crc_table[256];

/* IEEE 802.3, reflected. */
void packet_setup(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;

		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
		crc_table[i] = crc;
	}
}

uint32_t packet_crc32(const uint8_t *data, size_t n)
{
	uint32_t crc = UINT32_MAX;

	for (size_t i = 0; i < n; i++)
		crc = crc >> 8 ^ crc_table[(crc ^ data[i]) & 255];
	return ~crc;
}

void tally_add(uint64_t *counter, uint64_t n)
{
	__atomic_store_n(counter, *counter + n, __ATOMIC_RELAXED);
}

uint64_t tally_read(const uint64_t *counter)
{
	return __atomic_load_n(counter, __ATOMIC_RELAXED);
}

void packet_build(uint8_t *frame, size_t bytes, uint32_t stream, uint64_t number)
{
	/* Locally administered; the first one is the address we gave the client. */
	static const uint8_t addresses[TYPE_AT] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2
	};

	memcpy(frame, addresses, TYPE_AT);
	write16(frame + TYPE_AT, TYPE_OURS);
	write32(frame + STREAM_AT, stream);
	write64(frame + NUMBER_AT, number);
	memset(frame + FILLER_AT, (uint8_t)number, bytes - FILLER_AT - CRC_BYTES);
	write32(frame + bytes - CRC_BYTES, packet_crc32(frame, bytes - CRC_BYTES));
}

static void account(struct tally *tally, uint64_t number)
{
	tally_add(&tally->returned, 1);
	if (number < tally->next)
		tally_add(&tally->reordered, 1);
	else
		tally_add(&tally->next, number + 1 - tally->next);
}

static int is_whole(const uint8_t *frame, size_t bytes)
{
	return bytes >= FRAME_BYTES_MIN &&
	       read32(frame + bytes - CRC_BYTES) ==
		       packet_crc32(frame, bytes - CRC_BYTES);
}

static void
take_ours(struct tally *tally, const uint8_t *frame, size_t bytes, uint32_t stream)
{
	if (!is_whole(frame, bytes))
		tally_add(&tally->altered, 1);
	else if (read32(frame + STREAM_AT) != stream)
		tally_add(&tally->strays, 1);
	else if (read64(frame + NUMBER_AT) < tally->sent)
		account(tally, read64(frame + NUMBER_AT));
	else
		tally_add(&tally->altered, 1);
}

/* The options may have any order; each says how long it is. */
static int is_discover(const uint8_t *frame, size_t bytes)
{
	size_t at = COOKIE_AT + sizeof(uint32_t);

	if (bytes < at || frame[IP_AT] != IP_NO_OPTIONS ||
	    frame[IP_AT + 9] != IP_PROTOCOL_UDP ||
	    read16(frame + UDP_AT + 2) != UDP_PORT_SERVER ||
	    read32(frame + COOKIE_AT) != COOKIE)
		return 0;
	while (at + 2 < bytes && frame[at] != OPTION_END) {
		if (frame[at] == OPTION_TYPE)
			return frame[at + 2] == TYPE_DISCOVER;
		at += frame[at] == OPTION_PAD ? 1 : 2u + frame[at + 1];
	}
	return 0;
}

void packet_take(struct tally *tally, const uint8_t *frame, size_t bytes,
		 uint32_t stream)
{
	const uint32_t type = bytes < STREAM_AT ? 0 : read16(frame + TYPE_AT);

	if (type != TYPE_OURS) {
		tally_add(&tally->foreign, 1);
		if (type == TYPE_IPV4 && is_discover(frame, bytes))
			tally_add(&tally->discovers, 1);
	} else {
		take_ours(tally, frame, bytes, stream);
	}
}
