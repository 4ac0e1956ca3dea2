/* SPDX-License-Identifier: MIT */
/*
 * Configuration space as bytes, and the two lists of capabilities in it. Numbers
 * are little-endian wherever it came from (PCI Express Base, 7.5).
 */
#ifndef VIO_VF_PCI_CONFIG_H
#define VIO_VF_PCI_CONFIG_H

#include <endian.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct vio_pci_config {
	const uint8_t *bytes;
	uint32_t n;
};

/* The caller has seen that the field is inside. */
static inline uint32_t vio_pci_read8(const struct vio_pci_config *config, uint32_t at)
{
	return config->bytes[at];
}

static inline uint32_t vio_pci_read16(const struct vio_pci_config *config, uint32_t at)
{
	uint16_t value;

	memcpy(&value, config->bytes + at, sizeof(value));
	return le16toh(value);
}

static inline uint32_t vio_pci_read32(const struct vio_pci_config *config, uint32_t at)
{
	uint32_t value;

	memcpy(&value, config->bytes + at, sizeof(value));
	return le32toh(value);
}

/* 0, or -EINVAL: not bytes of a length that configuration space can have. */
int vio_pci_config_prepare(const void *bytes, uint32_t n, struct vio_pci_config *out);

/* @at is inside, with its header. Non-zero ends the walk. */
typedef int (*vio_pci_cap_fn)(void *opaque, const struct vio_pci_config *config,
			      uint32_t id, uint32_t at);

/* 0, what @fn returned, or -EBADMSG: the list loops or leads outside. */
int vio_pci_foreach_cap(const struct vio_pci_config *config, vio_pci_cap_fn fn,
			void *opaque);
int vio_pci_foreach_extended_cap(const struct vio_pci_config *config, vio_pci_cap_fn fn,
				 void *opaque);

#endif /* VIO_VF_PCI_CONFIG_H */
