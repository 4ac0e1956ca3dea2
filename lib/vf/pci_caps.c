/* SPDX-License-Identifier: MIT */
/*
 * What the capabilities say that matter to who assigns functions. Numbers are
 * those of PCI Express Base 6.0; where a capability is there twice, the first one
 * counts, as it does for the kernel.
 */
#include <errno.h>

#include <vio/pci.h>

#include "core/bits.h"
#include "core/params.h"
#include "vf/pci_config.h"

#define CAP_PM      0x01u
#define CAP_MSI     0x05u
#define CAP_EXPRESS 0x10u
#define CAP_MSIX    0x11u
#define CAP_AF      0x13u

#define CAP_AER     0x01u
#define CAP_ACS     0x0du
#define CAP_ARI     0x0eu
#define CAP_ATS     0x0fu
#define CAP_SRIOV   0x10u

/* PCI Express, 7.5.3: registers of the capability, from its beginning. */
#define EXPRESS_FLAGS          0x02u
#define EXPRESS_DEVICE_CAP     0x04u
#define EXPRESS_DEVICE_CONTROL 0x08u
#define EXPRESS_LINK_CAP       0x0cu
#define EXPRESS_LINK_STATUS    0x12u
#define EXPRESS_NO_LINK_BYTES  0x0cu
#define EXPRESS_LINK_BYTES     0x14u
#define DEVICE_CAP_FLR         (1u << 28)
#define TYPE_INTEGRATED        9u  /* endpoint of the root complex: no link */
#define TYPE_EVENT_COLLECTOR   10u /* likewise */

#define AF_FLR                 (1u << 1)
#define BARS_MAX               6u
#define MSI_LOG_MAX            5u /* 32 vectors */

static int
read_pm(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	(void)config;
	caps->pm_offset = at;
	return 0;
}

static int
read_msi(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	const uint32_t log = vio_pci_read16(config, at + 2) >> 1 & 7;

	if (log > MSI_LOG_MAX)
		return -EBADMSG;
	caps->msi_offset = at;
	caps->n_msi = 1u << log;
	return 0;
}

static int
read_msix(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	const uint32_t table = vio_pci_read32(config, at + 4);
	const uint32_t pba = vio_pci_read32(config, at + 8);

	/* Whoever looks the BAR up in an array of six would look past it. */
	if ((table & 7) >= BARS_MAX || (pba & 7) >= BARS_MAX)
		return -EBADMSG;
	caps->msix_offset = at;
	caps->n_msix = (vio_pci_read16(config, at + 2) & 0x7ff) + 1;
	caps->msix_table_bar = table & 7;
	caps->msix_table_offset = table & ~7u;
	caps->msix_pba_bar = pba & 7;
	caps->msix_pba_offset = pba & ~7u;
	return 0;
}

static int
read_af(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	if (vio_pci_read8(config, at + 3) & AF_FLR)
		caps->has_flr = 1;
	return 0;
}

static int
read_link(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	uint32_t most, now;

	if (at + EXPRESS_LINK_BYTES > config->n)
		return -EBADMSG;
	most = vio_pci_read32(config, at + EXPRESS_LINK_CAP);
	now = vio_pci_read16(config, at + EXPRESS_LINK_STATUS);
	caps->link_speed_max = most & 0xf;
	caps->link_width_max = most >> 4 & 0x3f;
	caps->link_speed = now & 0xf;
	caps->link_width = now >> 4 & 0x3f;
	return 0;
}

static int read_express(struct vio_pci_caps *caps, const struct vio_pci_config *config,
			uint32_t at)
{
	caps->pcie_offset = at;
	caps->pcie_type = vio_pci_read16(config, at + EXPRESS_FLAGS) >> 4 & 0xf;
	if (vio_pci_read32(config, at + EXPRESS_DEVICE_CAP) & DEVICE_CAP_FLR)
		caps->has_flr = 1;
	caps->max_payload_bytes =
		128u << (vio_pci_read16(config, at + EXPRESS_DEVICE_CONTROL) >> 5 & 7);
	if (caps->pcie_type == TYPE_INTEGRATED ||
	    caps->pcie_type == TYPE_EVENT_COLLECTOR)
		return 0;
	return read_link(caps, config, at);
}

static int
read_aer(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	(void)config;
	caps->aer_offset = at;
	return 0;
}

static int
read_acs(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	caps->acs_offset = at;
	caps->acs_capabilities = vio_pci_read16(config, at + 4);
	caps->acs_control = vio_pci_read16(config, at + 6);
	return 0;
}

static int
read_ari(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	caps->ari_offset = at;
	caps->ari_next_function = vio_pci_read16(config, at + 4) >> 8;
	return 0;
}

static int
read_ats(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	(void)config;
	caps->ats_offset = at;
	return 0;
}

static int
read_sriov(struct vio_pci_caps *caps, const struct vio_pci_config *config, uint32_t at)
{
	(void)config;
	caps->sriov_offset = at;
	return 0;
}

struct reader {
	uint32_t id;
	uint32_t n_bytes; /* of the capability, what is optional left out */
	int (*read)(struct vio_pci_caps *caps, const struct vio_pci_config *config,
		    uint32_t at);
};

static const struct reader readers[] = {
	{ CAP_PM, 8, read_pm },
	{ CAP_MSI, 10, read_msi },
	{ CAP_EXPRESS, EXPRESS_NO_LINK_BYTES, read_express },
	{ CAP_MSIX, 12, read_msix },
	{ CAP_AF, 6, read_af },
};

static const struct reader extended_readers[] = {
	{ CAP_AER, 44, read_aer },     { CAP_ACS, 8, read_acs },
	{ CAP_ARI, 8, read_ari },      { CAP_ATS, 8, read_ats },
	{ CAP_SRIOV, 64, read_sriov },
};

/* What a walk collects; @seen has a bit per reader that has had its turn. */
struct walk {
	struct vio_pci_caps *caps;
	const struct reader *readers;
	size_t n_readers;
	uint32_t seen;
};

static int
read_cap(void *opaque, const struct vio_pci_config *config, uint32_t id, uint32_t at)
{
	struct walk *walk = opaque;

	for (uint32_t i = 0; i < walk->n_readers; i++) {
		const struct reader *reader = &walk->readers[i];

		if (reader->id != id || walk->seen & 1u << i)
			continue;
		if (at + reader->n_bytes > config->n)
			return -EBADMSG;
		walk->seen |= 1u << i;
		return reader->read(walk->caps, config, at);
	}
	return 0;
}

int vio_pci_caps_parse(const void *config, uint32_t n_bytes, struct vio_pci_caps *caps)
{
	struct vio_pci_caps found = VIO_PCI_CAPS_INIT;
	struct walk walk = { &found, readers, VIO_ARRAY_SIZE(readers), 0 };
	struct walk extended = { &found, extended_readers,
				 VIO_ARRAY_SIZE(extended_readers), 0 };
	struct vio_pci_config view;
	int ret;

	ret = vio_pci_config_prepare(config, n_bytes, &view);
	if (!ret)
		ret = vio_pci_foreach_cap(&view, read_cap, &walk);
	/* What is not PCI Express has nothing there that could be believed. */
	if (!ret && found.pcie_offset)
		ret = vio_pci_foreach_extended_cap(&view, read_cap, &extended);
	if (ret)
		return ret;
	return vio_params_fill(caps, sizeof(*caps), &found, sizeof(found));
}
