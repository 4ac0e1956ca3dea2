/* SPDX-License-Identifier: MIT */
/*
 * Fuzz target: configuration space, and addresses as text. The input is what a
 * device would answer; the first byte says what it is taken for, so that a short
 * input can stand for whole pages.
 *
 * Beyond what sanitizers see, what is found must lie in the bytes that were given,
 * and be usable as an index where it is one.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <vio/pci.h>

#define MUST(x)                                                                        \
	do {                                                                           \
		if (!(x))                                                              \
			__builtin_trap();                                              \
	} while (0)

static void check_caps(const struct vio_pci_caps *caps, uint32_t n)
{
	const uint32_t offsets[] = {
		caps->pcie_offset, caps->msix_offset,  caps->msi_offset,
		caps->ari_offset,  caps->acs_offset,   caps->ats_offset,
		caps->aer_offset,  caps->sriov_offset, caps->pm_offset,
	};

	for (uint32_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		MUST(!offsets[i] || (offsets[i] >= 64 && offsets[i] + 8 <= n));
	MUST(caps->msix_table_bar < 6 && caps->msix_pba_bar < 6);
	MUST(caps->n_msix <= 2048 && !caps->n_msix == !caps->msix_offset);
	MUST(caps->n_msi <= 32 && !caps->n_msi == !caps->msi_offset);
	MUST(caps->has_flr <= 1 && caps->link_width <= 63 && caps->link_speed <= 15);
}

static void check_sriov(const struct vio_sriov *sriov, uint32_t n)
{
	MUST(sriov->offset >= 256 && sriov->offset + 64 <= n);
	MUST(sriov->n_vfs <= sriov->total_vfs);
	MUST(!(sriov->system_page_size & (sriov->system_page_size - 1)));
	for (int i = 0; i < 6; i++) {
		const struct vio_pci_bar *bar = &sriov->vf_bars[i];

		MUST(bar->is_present || (!bar->address && !bar->is_64bit));
		MUST(!bar->is_64bit || (i < 5 && !sriov->vf_bars[i + 1].is_present));
	}
}

static void parse_config(const uint8_t *config, uint32_t n)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	const int ret = vio_pci_caps_parse(config, n, &caps);
	int sriov_ret;

	MUST(ret == 0 || ret == -EBADMSG || ret == -EINVAL);
	MUST((ret == -EINVAL) == (n < 64));
	sriov_ret = vio_sriov_parse(config, n, &sriov);
	if (ret) {
		MUST(sriov_ret == ret);
		return;
	}
	check_caps(&caps, n);
	MUST((sriov_ret == -ENOENT) == !caps.sriov_offset);
	if (!sriov_ret)
		check_sriov(&sriov, n);
}

/* What can be read and written is read again as the same. */
static void parse_address(const uint8_t *data, size_t size)
{
	char text[32] = "", again[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_pci_addr addr, same;

	memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
	if (vio_pci_addr_parse(text, &addr))
		return;
	MUST(vio_pci_addr_print(&addr, again) == (int)strlen(again));
	MUST(!vio_pci_addr_parse(again, &same));
	MUST(!memcmp(&addr, &same, sizeof(addr)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t config[VIO_PCI_CONFIG_BYTES] = { 0 };
	uint32_t n;

	if (!size)
		return 0;
	size--;
	n = size < sizeof(config) ? (uint32_t)size : (uint32_t)sizeof(config);
	switch (data[0] & 3) {
	case 0: /* as it is, to its last byte and no further */
		parse_config(data + 1, n);
		break;
	case 1: /* with zeros up to a whole page */
		memcpy(config, data + 1, n);
		parse_config(config, sizeof(config));
		break;
	case 2: /* conventional */
		memcpy(config, data + 1, n);
		parse_config(config, 256);
		break;
	default:
		parse_address(data + 1, size);
	}
	return 0;
}
