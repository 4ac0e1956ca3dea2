/* SPDX-License-Identifier: MIT */
/* A function and its lease, key by key. */
#include "inventory.h"

void address_print(struct out *out, const char *key, const struct vio_pci_addr *addr)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES];

	out_text(out, key, vio_pci_addr_print(addr, text) < 0 ? NULL : text);
}

const char *lease_state_name(uint32_t state)
{
	switch (state) {
	case VIO_VF_BUSY:
		return "busy";
	case VIO_VF_HELD:
		return "held";
	case VIO_VF_PAUSED:
		return "paused";
	case VIO_VF_LOST:
		return "lost";
	default:
		return "unknown";
	}
}

static void lease_print(struct out *out, const struct vio_vf_info *lease)
{
	if (!lease) {
		out_null(out, "lease");
		return;
	}
	out_object(out, "lease");
	out_text(out, "state", lease_state_name(lease->state));
	out_bool(out, "is_alive", (int)lease->is_alive);
	out_number(out, "generation", lease->generation);
	out_id(out, "pid", lease->pid);
	out_text(out, "owner", lease->owner);
	out_text(out, "tag", lease->tag);
	out_number(out, "load_mbps", lease->load_mbps);
	out_end(out);
}

static void resets_print(struct out *out, uint32_t methods)
{
	static const char *const names[] = { "device_specific", "acpi", "flr",
					     "af_flr",          "pm",   "bus",
					     "cxl_bus" };

	out_list(out, "reset_methods");
	for (uint32_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (methods & UINT32_C(1) << i)
			out_text(out, NULL, names[i]);
	out_end(out);
}

static void bars_print(struct out *out, const char *key, const uint64_t bytes[6])
{
	out_list(out, key);
	for (uint32_t i = 0; i < 6; i++)
		out_number(out, NULL, bytes[i]);
	out_end(out);
}

static void pf_print(struct out *out, const struct vio_pci_info *info)
{
	out_number(out, "total_vfs", info->total_vfs);
	out_number(out, "n_vfs", info->n_vfs);
	out_bool(out, "is_autoprobe", !!(info->flags & VIO_PCI_AUTOPROBE));
	out_bool(out, "can_set_vf_msix", !!(info->flags & VIO_PCI_VF_MSIX));
	bars_print(out, "vf_bar_bytes", info->vf_bar_bytes);
}

static void vf_print(struct out *out, const struct vio_pci_info *info,
		     const struct vio_vf_info *lease)
{
	address_print(out, "pf", &info->physfn);
	out_number(out, "vf_index", info->vf_index);
	out_id(out, "n_msix", info->n_vf_msix ? (int64_t)info->n_vf_msix : -1);
	lease_print(out, lease);
}

static const char *kind_of(const struct vio_pci_info *info)
{
	if (info->flags & VIO_PCI_IS_VF)
		return "vf";
	return info->flags & VIO_PCI_IS_PF ? "pf" : "function";
}

void function_print(struct out *out, const struct vio_pci_info *info,
		    const struct vio_vf_info *lease)
{
	address_print(out, "address", &info->addr);
	out_text(out, "kind", kind_of(info));
	out_hex(out, "vendor_id", info->vendor_id, 4);
	out_hex(out, "device_id", info->device_id, 4);
	out_hex(out, "class_code", info->class_code, 6);
	out_text(out, "driver", info->driver);
	out_text(out, "driver_override", info->driver_override);
	out_id(out, "numa_node", info->numa_node);
	out_id(out, "iommu_group", info->iommu_group);
	out_bool(out, "is_isolated", !!(info->flags & VIO_PCI_ISOLATED));
	out_bool(out, "has_acs_path", !!(info->flags & VIO_PCI_ACS_PATH));
	resets_print(out, info->reset_methods);
	out_text(out, "netdev", info->netdev);
	out_bool(out, "is_link_up", !!(info->flags & VIO_PCI_LINK_UP));
	out_id(out, "link_mbps", info->link_mbps ? (int64_t)info->link_mbps : -1);
	bars_print(out, "bar_bytes", info->bar_bytes);
	if (info->flags & VIO_PCI_IS_PF)
		pf_print(out, info);
	if (info->flags & VIO_PCI_IS_VF)
		vf_print(out, info, lease);
}
