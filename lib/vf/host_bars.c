/* SPDX-License-Identifier: MIT */
/*
 * Sizes of BARs, from the lines of the attribute "resource": six of the function,
 * one of its ROM, and on a PF six that hold the BARs of all VFs that could be. How
 * many could be is in configuration space; sriov_totalvfs may be less, since the
 * driver limits it.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "vf/digit.h"
#include "vf/host_read.h"

#define BARS      6u
#define FIRST_IOV 7u /* after the BARs and the ROM */
#define LINES     (FIRST_IOV + BARS)

/* "0x" and digits; NULL: something else. */
static const char *read_hex(const char *at, uint64_t *out)
{
	unsigned int n = 0;

	if (at[0] != '0' || at[1] != 'x')
		return NULL;
	*out = 0;
	for (at += 2; vio_digit_of(*at) < 16 && n < 16; at++, n++)
		*out = *out << 4 | vio_digit_of(*at);
	return n ? at : NULL;
}

/* "start end flags" and a newline, the last of which has been cut off. */
static const char *read_line(const char *at, uint64_t *out_bytes)
{
	uint64_t start = 0, end = 0, flags = 0;

	at = read_hex(at, &start);
	if (at && *at++ == ' ')
		at = read_hex(at, &end);
	else
		return NULL;
	if (at && *at++ == ' ')
		at = read_hex(at, &flags);
	else
		return NULL;
	if (!at || (*at && *at != '\n') || end < start)
		return NULL;
	/* A size of 2^64 is no BAR, and would be a size of 0. */
	if (flags && !vio_add_u64(end - start, 1, out_bytes))
		return NULL;
	return *at ? at + 1 : at;
}

/* How many VFs the hardware could have; 0: not known. */
static uint32_t read_hardware_vfs(struct vio_host *host, const struct vio_pci_addr *pf)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	uint8_t config[VIO_PCI_CONFIG_BYTES];
	const int n = vio_host_read_bytes(host, pf, config, sizeof(config));

	if (n < 0 || vio_sriov_parse(config, (uint32_t)n, &sriov))
		return 0;
	return sriov.total_vfs;
}

static void
fill_vf_bars(struct vio_host *host, const uint64_t *sizes, struct vio_pci_info *info)
{
	const uint32_t n = read_hardware_vfs(host, &info->addr);

	for (uint32_t i = 0; n && i < BARS; i++)
		if (!(sizes[i] % n) && (vio_is_power_of_two(sizes[i] / n)))
			info->vf_bar_bytes[i] = sizes[i] / n;
}

int vio_host_read_bars(struct vio_host *host, uint32_t parts, struct vio_pci_info *info)
{
	char text[VIO_SYSFS_TEXT_BYTES];
	uint64_t sizes[LINES] = { 0 };
	const char *at = text;
	int ret;

	ret = vio_host_read_text(host, &info->addr, "resource", text, sizeof(text));
	if (ret < 0)
		return vio_host_is_absent(ret) ? 0 : ret;
	/* Bridges have more lines; those are windows, and no BARs. */
	for (uint32_t i = 0; i < LINES && *at; i++) {
		at = read_line(at, &sizes[i]);
		if (!at)
			return -EBADMSG;
	}
	memcpy(info->bar_bytes, sizes, sizeof(info->bar_bytes));
	if (info->flags & VIO_PCI_IS_PF && parts & VIO_READ_CONFIG)
		fill_vf_bars(host, sizes + FIRST_IOV, info);
	return 0;
}
