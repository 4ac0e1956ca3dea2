/* SPDX-License-Identifier: MIT */
/*
 * Capabilities as text, for people. What is written is what vio_pci_caps_parse()
 * and vio_sriov_parse() found, in the words of the specification.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <vio/pci.h>
#include <vio/pci_names.h>

struct text {
	char bytes[VIO_PCI_TEXT_BYTES];
	size_t n;
};

__attribute__((format(printf, 2, 3))) static void
add(struct text *text, const char *format, ...)
{
	const size_t room = sizeof(text->bytes) - text->n;
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->bytes + text->n, room, format, args);
	va_end(args);
	if (n > 0)
		text->n += (size_t)n < room ? (size_t)n : room - 1;
}

/* "8", where a transfer rate is 8 GT/s (PCI Express Base, 7.5.3.6). */
static const char *rate_of(uint32_t speed)
{
	static const char *const rates[] = { "unknown", "2.5", "5", "8",
					     "16",      "32",  "64" };

	return rates[speed < sizeof(rates) / sizeof(rates[0]) ? speed : 0];
}

static void add_express(struct text *text, const struct vio_pci_caps *caps)
{
	static const char *const types[16] = {
		"Endpoint",
		"Legacy Endpoint",
		NULL,
		NULL,
		"Root Port",
		"Upstream Port",
		"Downstream Port",
		"PCI Express to PCI Bridge",
		"PCI to PCI Express Bridge",
		"Root Complex Integrated Endpoint",
		"Root Complex Event Collector",
	};
	const char *type = types[caps->pcie_type & 15];

	add(text, "[%02x] PCI Express: %s, payload %u bytes%s\n", caps->pcie_offset,
	    type ? type : "reserved type", caps->max_payload_bytes,
	    caps->has_flr ? ", Function Level Reset" : "");
	if (caps->link_width_max)
		add(text, "     Link: %s GT/s x%u of %s GT/s x%u\n",
		    rate_of(caps->link_speed), caps->link_width,
		    rate_of(caps->link_speed_max), caps->link_width_max);
}

static void add_interrupts(struct text *text, const struct vio_pci_caps *caps)
{
	if (caps->msi_offset)
		add(text, "[%02x] MSI: %u vectors\n", caps->msi_offset, caps->n_msi);
	if (caps->msix_offset)
		add(text,
		    "[%02x] MSI-X: %u vectors, table in BAR %u at 0x%x, "
		    "pending bits in BAR %u at 0x%x\n",
		    caps->msix_offset, caps->n_msix, caps->msix_table_bar,
		    caps->msix_table_offset, caps->msix_pba_bar, caps->msix_pba_offset);
}

static void add_acs(struct text *text, const struct vio_pci_caps *caps)
{
	static const char *const names[] = { "SrcValid",   "TransBlk",    "ReqRedir",
					     "CmpltRedir", "UpstreamFwd", "EgressCtrl",
					     "DirectTrans" };

	add(text, "[%03x] Access Control Services:", caps->acs_offset);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (caps->acs_capabilities & 1u << i)
			add(text, " %s%c", names[i],
			    caps->acs_control & 1u << i ? '+' : '-');
	add(text, "\n");
}

static void add_extended(struct text *text, const struct vio_pci_caps *caps)
{
	if (caps->aer_offset)
		add(text, "[%03x] Advanced Error Reporting\n", caps->aer_offset);
	if (caps->acs_offset)
		add_acs(text, caps);
	if (caps->ari_offset)
		add(text, "[%03x] Alternative Routing-ID Interpretation: next %u\n",
		    caps->ari_offset, caps->ari_next_function);
	if (caps->ats_offset)
		add(text, "[%03x] Address Translation Service\n", caps->ats_offset);
}

static void add_sriov(struct text *text, const struct vio_sriov *sriov)
{
	add(text,
	    "[%03x] SR-IOV: %u of %u VFs, %u at first, offset %u, stride %u, "
	    "device %04x%s\n",
	    sriov->offset, sriov->n_vfs, sriov->total_vfs, sriov->initial_vfs,
	    sriov->first_vf_offset, sriov->vf_stride, sriov->vf_device_id,
	    sriov->is_ari ? ", ARI" : "");
	for (unsigned int i = 0; i < 6; i++)
		if (sriov->vf_bars[i].is_present)
			add(text, "      VF BAR %u: %016llx (%u-bit%s)\n", i,
			    (unsigned long long)sriov->vf_bars[i].address,
			    sriov->vf_bars[i].is_64bit ? 64u : 32u,
			    sriov->vf_bars[i].is_prefetchable ? ", prefetchable" : "");
}

int vio_pci_names_print_caps(const void *config, uint32_t n_bytes, char *buf,
			     uint32_t n)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	struct text text = { .n = 0 };
	int ret;

	if (!buf)
		return -EINVAL;
	ret = vio_pci_caps_parse(config, n_bytes, &caps);
	if (!ret && caps.sriov_offset)
		ret = vio_sriov_parse(config, n_bytes, &sriov);
	if (ret)
		return ret;
	if (caps.pm_offset)
		add(&text, "[%02x] Power Management\n", caps.pm_offset);
	add_interrupts(&text, &caps);
	if (caps.pcie_offset)
		add_express(&text, &caps);
	add_extended(&text, &caps);
	if (caps.sriov_offset)
		add_sriov(&text, &sriov);
	if (text.n >= n)
		return -ENOBUFS;
	memcpy(buf, text.bytes, text.n + 1);
	return (int)text.n;
}
