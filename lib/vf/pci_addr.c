/* SPDX-License-Identifier: MIT */
/*
 * Addresses of PCI functions as text. Reading is strict, since what was read
 * becomes part of a path in sysfs: each part has its number of digits, and the
 * string ends where the address does.
 */
#include <errno.h>
#include <stdio.h>

#include <vio/pci.h>

#include "vf/digit.h"

#define DOMAIN_DIGITS_MIN 4u
#define DOMAIN_DIGITS_MAX 8u

/* Digits at @text, at most 9, one more than any part may have. */
static unsigned int read_part(const char *text, uint32_t *out)
{
	unsigned int n = 0;

	for (*out = 0; n <= DOMAIN_DIGITS_MAX && vio_digit_of(text[n]) < 16; n++)
		*out = *out << 4 | vio_digit_of(text[n]);
	return n;
}

static int is_in_range(const struct vio_pci_addr *addr)
{
	return addr->device < 32 && addr->function < 8 && !addr->reserved;
}

int vio_pci_addr_parse(const char *text, struct vio_pci_addr *out)
{
	uint32_t domain = 0, bus, device, function;
	unsigned int n;

	if (!text || !out)
		return -EINVAL;
	n = read_part(text, &bus);
	if (n >= DOMAIN_DIGITS_MIN && n <= DOMAIN_DIGITS_MAX && text[n] == ':') {
		domain = bus;
		text += n + 1;
		n = read_part(text, &bus);
	}
	if (n != 2 || text[2] != ':')
		return -EINVAL;
	if (read_part(text + 3, &device) != 2 || text[5] != '.' || device > 31)
		return -EINVAL;
	if (read_part(text + 6, &function) != 1 || text[7] || function > 7)
		return -EINVAL;
	*out = (struct vio_pci_addr){
		.domain = domain,
		.bus = (uint8_t)bus,
		.device = (uint8_t)device,
		.function = (uint8_t)function,
	};
	return 0;
}

int vio_pci_addr_print(const struct vio_pci_addr *addr, char *buf)
{
	if (!addr || !buf || !is_in_range(addr))
		return -EINVAL;
	return snprintf(buf, VIO_PCI_ADDR_TEXT_BYTES, "%04x:%02x:%02x.%x", addr->domain,
			addr->bus, addr->device, addr->function);
}
