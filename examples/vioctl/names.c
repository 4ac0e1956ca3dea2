/* SPDX-License-Identifier: MIT */
/*
 * Names come from libpci through libvio-pci, a library of its own for its licence.
 * A build without it shows numbers alone, under the same keys.
 */
#include "names.h"

#if VIO_HAVE_LIBPCI
#include <vio/pci_names.h>

void name_print(struct out *out, const struct vio_pci_info *info)
{
	char text[VIO_PCI_NAME_BYTES] = "";
	struct vio_pci_names *names;

	if (!vio_pci_names_open(&names)) {
		if (vio_pci_names_print(names, info->vendor_id, info->device_id, text,
					sizeof(text)) < 0)
			text[0] = '\0';
		vio_pci_names_close(names);
	}
	out_text(out, "name", text);
}
#else
void name_print(struct out *out, const struct vio_pci_info *info)
{
	(void)info;
	out_null(out, "name");
}
#endif
