/* SPDX-License-Identifier: MIT */
/*
 * Names, by libpci. Its handle is ours: there is nothing to add. The access method
 * is named, since libpci would otherwise try them all, and ends the program if none
 * works; no function is ever accessed through it.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <pci/pci.h>

#include <vio/pci_names.h>

static struct pci_access *access_of(struct vio_pci_names *names)
{
	return (struct pci_access *)(void *)names;
}

int vio_pci_names_open(struct vio_pci_names **out)
{
	struct pci_access *access;

	if (!out)
		return -EINVAL;
	access = pci_alloc();
	if (!access)
		return -ENOMEM;
	access->method = PCI_ACCESS_SYS_BUS_PCI;
	pci_init(access);
	*out = (struct vio_pci_names *)(void *)access;
	return 0;
}

void vio_pci_names_close(struct vio_pci_names *names)
{
	if (names)
		pci_cleanup(access_of(names));
}

int vio_pci_names_print(struct vio_pci_names *names, uint32_t vendor_id,
			uint32_t device_id, char *buf, uint32_t n)
{
	const int flags = PCI_LOOKUP_VENDOR | PCI_LOOKUP_DEVICE | PCI_LOOKUP_NO_NUMBERS;
	char room[VIO_PCI_NAME_BYTES];
	const char *name;

	if (!names || !buf || !n || n > sizeof(room) || vendor_id > UINT16_MAX ||
	    device_id > UINT16_MAX)
		return -EINVAL;
	name = pci_lookup_name(access_of(names), room, sizeof(room), flags,
			       (int)vendor_id, (int)device_id);
	if (name)
		snprintf(buf, n, "%s", name);
	else
		snprintf(buf, n, "Device %04x:%04x", vendor_id, device_id);
	return (int)strlen(buf);
}
