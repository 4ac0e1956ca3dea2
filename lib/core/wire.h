/* SPDX-License-Identifier: MIT */
/* What saved states and journals are written in: little-endian numbers and a sum. */
#ifndef VIO_CORE_WIRE_H
#define VIO_CORE_WIRE_H

#include <stddef.h>
#include <stdint.h>

static inline void vio_put_number(uint8_t *buf, uint64_t value, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		buf[i] = (uint8_t)(value >> 8 * i);
}

static inline uint64_t vio_get_number(const uint8_t *buf, unsigned int n)
{
	uint64_t value = 0;

	for (unsigned int i = 0; i < n; i++)
		value |= (uint64_t)buf[i] << 8 * i;
	return value;
}

/* CRC-32C (Castagnoli), as iSCSI has it. */
uint32_t vio_crc32c(const void *data, size_t n);

#endif /* VIO_CORE_WIRE_H */
