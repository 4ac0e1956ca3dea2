/* SPDX-License-Identifier: MIT */
/*
 * The SR-IOV capability of a physical function (PCI Express Base, 9.3.3). Raw
 * registers are given as they are; what cannot be, a caller need not check.
 */
#include <errno.h>

#include <vio/pci.h>

#include "core/bits.h"
#include "core/params.h"
#include "vf/pci_config.h"

/* Registers, from the beginning of the capability. */
#define CAPABILITIES     0x04u
#define CONTROL          0x08u
#define STATUS           0x0au
#define INITIAL_VFS      0x0cu
#define TOTAL_VFS        0x0eu
#define NUM_VFS          0x10u
#define DEPENDENCY_LINK  0x12u
#define FIRST_VF_OFFSET  0x14u
#define VF_STRIDE        0x16u
#define VF_DEVICE_ID     0x1au
#define SUPPORTED_PAGES  0x1cu
#define SYSTEM_PAGE      0x20u
#define VF_BARS          0x24u
#define MIGRATION_OFFSET 0x3cu

#define CONTROL_ARI      (1u << 4)

#define BAR_IO           (1u << 0)
#define BAR_TYPE_MASK    (3u << 1)
#define BAR_64BIT        (2u << 1)
#define BAR_PREFETCH     (1u << 3)

/* @out_width: registers taken. All ones: nobody answers, as without a BAR. */
static int read_bar(const struct vio_pci_config *config, uint32_t at, uint32_t left,
		    struct vio_pci_bar *bar, uint32_t *out_width)
{
	const uint32_t low = vio_pci_read32(config, at);

	*out_width = 1;
	if (!low || low == UINT32_MAX)
		return 0;
	bar->is_present = 1;
	bar->is_io = low & BAR_IO;
	if (bar->is_io) {
		bar->address = low & ~3u;
		return 0;
	}
	bar->address = low & ~15u;
	bar->is_prefetchable = !!(low & BAR_PREFETCH);
	if ((low & BAR_TYPE_MASK) != BAR_64BIT)
		return 0;
	/* The upper half would be what lies behind the last BAR. */
	if (left < 2)
		return -EBADMSG;
	bar->is_64bit = 1;
	bar->address |= (uint64_t)vio_pci_read32(config, at + 4) << 32;
	*out_width = 2;
	return 0;
}

static int
read_bars(const struct vio_pci_config *config, uint32_t at, struct vio_sriov *sriov)
{
	const uint32_t n = VIO_ARRAY_SIZE(sriov->vf_bars);
	uint32_t width;
	int ret;

	for (uint32_t i = 0; i < n; i += width) {
		ret = read_bar(config, at + 4 * i, n - i, &sriov->vf_bars[i], &width);
		if (ret)
			return ret;
	}
	return 0;
}

static int
read_registers(const struct vio_pci_config *config, uint32_t at, struct vio_sriov *s)
{
	s->offset = at;
	s->capabilities = vio_pci_read32(config, at + CAPABILITIES);
	s->control = vio_pci_read16(config, at + CONTROL);
	s->status = vio_pci_read16(config, at + STATUS);
	s->initial_vfs = vio_pci_read16(config, at + INITIAL_VFS);
	s->total_vfs = vio_pci_read16(config, at + TOTAL_VFS);
	s->n_vfs = vio_pci_read16(config, at + NUM_VFS);
	s->dependency_link = vio_pci_read8(config, at + DEPENDENCY_LINK);
	s->first_vf_offset = vio_pci_read16(config, at + FIRST_VF_OFFSET);
	s->vf_stride = vio_pci_read16(config, at + VF_STRIDE);
	s->vf_device_id = vio_pci_read16(config, at + VF_DEVICE_ID);
	s->supported_page_sizes = vio_pci_read32(config, at + SUPPORTED_PAGES);
	s->system_page_size = vio_pci_read32(config, at + SYSTEM_PAGE);
	s->migration_offset = vio_pci_read32(config, at + MIGRATION_OFFSET);
	s->is_ari = !!(s->control & CONTROL_ARI);
	if (s->n_vfs > s->total_vfs)
		return -EBADMSG;
	if (s->system_page_size && !vio_is_power_of_two(s->system_page_size))
		return -EBADMSG;
	return read_bars(config, at + VF_BARS, s);
}

int vio_sriov_parse(const void *config, uint32_t n_bytes, struct vio_sriov *sriov)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_sriov found = VIO_SRIOV_INIT;
	struct vio_pci_config view;
	int ret;

	/* The list and the length of the capability are checked on the way. */
	ret = vio_pci_caps_parse(config, n_bytes, &caps);
	if (!ret && !caps.sriov_offset)
		ret = -ENOENT;
	if (!ret)
		ret = vio_pci_config_prepare(config, n_bytes, &view);
	if (!ret)
		ret = read_registers(&view, caps.sriov_offset, &found);
	if (ret)
		return ret;
	return vio_params_fill(sriov, sizeof(*sriov), &found, sizeof(found));
}
