/* SPDX-License-Identifier: MIT */
/*
 * The lists of capabilities (PCI Express Base, 7.5.3 and 7.6.3). A device, or who
 * wrote the file it came from, may link them into a loop or to anywhere; a walk is
 * as long as there are places for a capability, and no longer.
 */
#include <errno.h>

#include <vio/pci.h>

#include "vf/pci_config.h"

#define STATUS           0x06u
#define STATUS_CAPS      0x10u /* there is a list */
#define HEADER_TYPE      0x0eu
#define HEADER_CARDBUS   0x02u
#define CAPS_POINTER     0x34u
#define CARDBUS_POINTER  0x14u
#define HEADER_BYTES     64u
#define CONVENTIONAL_END 256u
#define POINTER_MASK     0xfcu /* the two lowest bits are reserved */
#define EXTENDED_MASK    0xffcu
#define CAP_HEADER       2u /* identity and next */
#define EXTENDED_HEADER  4u

/* A capability takes at least one dword: no list without a loop is longer. */
#define CAPS_MAX          ((CONVENTIONAL_END - HEADER_BYTES) / 4)
#define EXTENDED_CAPS_MAX ((VIO_PCI_CONFIG_BYTES - CONVENTIONAL_END) / 4)

int vio_pci_config_prepare(const void *bytes, uint32_t n, struct vio_pci_config *out)
{
	if (!bytes || n < HEADER_BYTES || n > VIO_PCI_CONFIG_BYTES)
		return -EINVAL;
	*out = (struct vio_pci_config){ .bytes = bytes, .n = n };
	return 0;
}

static uint32_t first_cap(const struct vio_pci_config *config)
{
	const uint32_t type = vio_pci_read8(config, HEADER_TYPE) & 0x7f;

	if (!(vio_pci_read16(config, STATUS) & STATUS_CAPS))
		return 0;
	return vio_pci_read8(config,
			     type == HEADER_CARDBUS ? CARDBUS_POINTER : CAPS_POINTER) &
	       POINTER_MASK;
}

int vio_pci_foreach_cap(const struct vio_pci_config *config, vio_pci_cap_fn fn,
			void *opaque)
{
	uint32_t at = first_cap(config);
	int ret;

	/* Only the header is shown to who may see no more: nothing is known. */
	if (config->n == HEADER_BYTES)
		return 0;
	for (uint32_t n = 0; at; n++) {
		if (n == CAPS_MAX || at < HEADER_BYTES || at + CAP_HEADER > config->n)
			return -EBADMSG;
		ret = fn(opaque, config, vio_pci_read8(config, at), at);
		if (ret)
			return ret;
		at = vio_pci_read8(config, at + 1) & POINTER_MASK;
	}
	return 0;
}

int vio_pci_foreach_extended_cap(const struct vio_pci_config *config, vio_pci_cap_fn fn,
				 void *opaque)
{
	uint32_t at = CONVENTIONAL_END, header;
	int ret;

	if (config->n <= CONVENTIONAL_END)
		return 0;
	for (uint32_t n = 0; at; n++) {
		if (n == EXTENDED_CAPS_MAX || at < CONVENTIONAL_END ||
		    at + EXTENDED_HEADER > config->n)
			return -EBADMSG;
		header = vio_pci_read32(config, at);
		/* All ones: nobody answers. At the beginning: there is no list. */
		if (header == UINT32_MAX)
			return n ? -EBADMSG : 0;
		ret = fn(opaque, config, header & 0xffff, at);
		if (ret)
			return ret;
		at = header >> 20 & EXTENDED_MASK;
	}
	return 0;
}
