/* SPDX-License-Identifier: MIT */
/* A bit at a time: what is summed is a few hundred bytes, seldom. */
#include "core/wire.h"

#define CRC32C_REFLECTED UINT32_C(0x82f63b78)

uint32_t vio_crc32c(const void *data, size_t n)
{
	const uint8_t *bytes = data;
	uint32_t crc = ~UINT32_C(0);

	for (size_t i = 0; i < n; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (CRC32C_REFLECTED & (0 - (crc & 1)));
	}
	return ~crc;
}
