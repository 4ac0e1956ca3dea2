/* SPDX-License-Identifier: MIT */
/* The capabilities in configuration space, as the library reads them. */
#include <errno.h>

#include <vio/pci.h>

#include "caps.h"

static const char *type_name(uint32_t type)
{
	/* Device/Port Type (PCI Express Base, 7.5.3.2); empty: reserved. */
	static const char *const names[16] = {
		"endpoint",
		"legacy_endpoint",
		"",
		"",
		"root_port",
		"upstream_port",
		"downstream_port",
		"pcie_to_pci_bridge",
		"pci_to_pcie_bridge",
		"integrated_endpoint",
		"event_collector",
	};

	return type < 16 ? names[type] : "";
}

/* Begins the object of a capability, or says that there is none. */
static int begin(struct out *out, const char *key, uint32_t offset)
{
	if (!offset) {
		out_null(out, key);
		return 0;
	}
	out_object(out, key);
	out_hex(out, "offset", offset, 2);
	return 1;
}

static void print_plain(struct out *out, const char *key, uint32_t offset)
{
	if (begin(out, key, offset))
		out_end(out);
}

static void print_pcie(struct out *out, const struct vio_pci_caps *caps)
{
	if (!begin(out, "pcie", caps->pcie_offset))
		return;
	out_text(out, "type", type_name(caps->pcie_type));
	out_bool(out, "has_flr", (int)caps->has_flr);
	out_number(out, "max_payload_bytes", caps->max_payload_bytes);
	out_number(out, "link_speed", caps->link_speed);
	out_number(out, "link_width", caps->link_width);
	out_number(out, "link_speed_max", caps->link_speed_max);
	out_number(out, "link_width_max", caps->link_width_max);
	out_end(out);
}

static void print_interrupts(struct out *out, const struct vio_pci_caps *caps)
{
	if (begin(out, "msi", caps->msi_offset)) {
		out_number(out, "n_vectors", caps->n_msi);
		out_end(out);
	}
	if (begin(out, "msix", caps->msix_offset)) {
		out_number(out, "n_vectors", caps->n_msix);
		out_number(out, "table_bar", caps->msix_table_bar);
		out_hex(out, "table_offset", caps->msix_table_offset, 8);
		out_number(out, "pba_bar", caps->msix_pba_bar);
		out_hex(out, "pba_offset", caps->msix_pba_offset, 8);
		out_end(out);
	}
}

static void print_extended(struct out *out, const struct vio_pci_caps *caps)
{
	if (begin(out, "ari", caps->ari_offset)) {
		out_number(out, "next_function", caps->ari_next_function);
		out_end(out);
	}
	if (begin(out, "acs", caps->acs_offset)) {
		out_hex(out, "capabilities", caps->acs_capabilities, 4);
		out_hex(out, "control", caps->acs_control, 4);
		out_end(out);
	}
	print_plain(out, "ats", caps->ats_offset);
	print_plain(out, "aer", caps->aer_offset);
}

static void print_bar(struct out *out, const struct vio_pci_bar *bar)
{
	if (!bar->is_present) {
		out_null(out, NULL);
		return;
	}
	out_object(out, NULL);
	out_hex(out, "address", bar->address, bar->is_64bit ? 16 : 8);
	out_bool(out, "is_io", (int)bar->is_io);
	out_bool(out, "is_64bit", (int)bar->is_64bit);
	out_bool(out, "is_prefetchable", (int)bar->is_prefetchable);
	out_end(out);
}

static void print_sriov(struct out *out, const struct vio_sriov *sriov)
{
	if (!begin(out, "sriov", sriov->offset))
		return;
	out_hex(out, "capabilities", sriov->capabilities, 8);
	out_hex(out, "control", sriov->control, 4);
	out_hex(out, "status", sriov->status, 4);
	out_number(out, "initial_vfs", sriov->initial_vfs);
	out_number(out, "total_vfs", sriov->total_vfs);
	out_number(out, "n_vfs", sriov->n_vfs);
	out_hex(out, "dependency_link", sriov->dependency_link, 2);
	out_number(out, "first_vf_offset", sriov->first_vf_offset);
	out_number(out, "vf_stride", sriov->vf_stride);
	out_hex(out, "vf_device_id", sriov->vf_device_id, 4);
	out_hex(out, "supported_page_sizes", sriov->supported_page_sizes, 8);
	out_hex(out, "system_page_size", sriov->system_page_size, 8);
	out_hex(out, "migration_offset", sriov->migration_offset, 8);
	out_bool(out, "is_ari", (int)sriov->is_ari);
	out_list(out, "vf_bars");
	for (uint32_t i = 0; i < 6; i++)
		print_bar(out, &sriov->vf_bars[i]);
	out_end(out);
	out_end(out);
}

int caps_print(struct out *out, const uint8_t *config, uint32_t n_bytes)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	int ret = vio_pci_caps_parse(config, n_bytes, &caps);

	out_number(out, "config_bytes", n_bytes);
	if (!ret && caps.sriov_offset)
		ret = vio_sriov_parse(config, n_bytes, &sriov);
	if (ret) {
		out_null(out, "capabilities");
		return ret;
	}
	out_object(out, "capabilities");
	print_plain(out, "pm", caps.pm_offset);
	print_pcie(out, &caps);
	print_interrupts(out, &caps);
	print_extended(out, &caps);
	print_sriov(out, &sriov);
	out_end(out);
	return 0;
}
