/* SPDX-License-Identifier: MIT */
/**
 * @file vio/pci_names.h
 * @defgroup pci_names Names of PCI functions
 * What people call a function, and its capabilities as lines of text. In a library
 * of its own, libvio-pci.so (pkg-config: libvio-pci), since the names come from
 * libpci, which is under the GPL, version 2 or later: a program that links this
 * library is bound by that licence.
 * @{
 */
#ifndef VIO_PCI_NAMES_H
#define VIO_PCI_NAMES_H

#include <vio/common.h>

VIO_BEGIN_DECLS

struct vio_pci_names;

/** Room for a name of a function; longer ones are cut. */
#define VIO_PCI_NAME_BYTES 256u

/** Room for the text of all capabilities that a function can have. */
#define VIO_PCI_TEXT_BYTES 2048u

/**
 * Open the list of names; it is read when the first name is asked for. libpci takes
 * memory from malloc() and ends the program where there is none.
 * @param[out] out  the caller's, to vio_pci_names_close()
 * @return 0; -EINVAL: out is NULL; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_pci_names_open(struct vio_pci_names **out);

/**
 * Close a list of names.
 * @param names  a list, or NULL
 * @par Threads  One per object.
 */
VIO_API void vio_pci_names_close(struct vio_pci_names *names);

/**
 * Write the names of a vendor and its device: "Intel Corporation 82576 Gigabit
 * Network Connection", or "Device 8086:10c9" where there is none.
 * @param names      a list
 * @param vendor_id  0 to 0xffff
 * @param device_id  0 to 0xffff
 * @param[out] buf   gets the text and its NUL
 * @param n          room in @p buf, 1 to VIO_PCI_NAME_BYTES bytes; the text is cut
 * @return bytes written without the NUL; -EINVAL: a number out of its range.
 * @par Threads  One per object.
 */
VIO_API int vio_pci_names_print(struct vio_pci_names *names, uint32_t vendor_id,
				uint32_t device_id, char *buf, uint32_t n);

/**
 * Write the capabilities in configuration space, one a line.
 * @param config    its bytes, from the first
 * @param n_bytes   how many are known, as for vio_pci_caps_parse()
 * @param[out] buf  gets the text and its NUL
 * @param n         room in @p buf, in bytes; VIO_PCI_TEXT_BYTES is enough
 * @return bytes written without the NUL; -ENOBUFS: no room; or as
 * vio_pci_caps_parse().
 * @par Threads  Any.
 */
VIO_API int
vio_pci_names_print_caps(const void *config, uint32_t n_bytes, char *buf, uint32_t n);

VIO_END_DECLS
/** @} */
#endif /* VIO_PCI_NAMES_H */
