/* SPDX-License-Identifier: MIT */
/**
 * @file vio/pci.h
 * @defgroup pci PCI functions and their capabilities
 * Addresses of PCI functions, and what their configuration space says: bytes in,
 * structs out. The bytes may come from sysfs, from VFIO or from anywhere; they are
 * not trusted, and a list of capabilities that loops or leads outside is an error
 * like any other.
 * @{
 */
#ifndef VIO_PCI_H
#define VIO_PCI_H

#include <vio/common.h>

VIO_BEGIN_DECLS

/** Room for an address as text, "ffffffff:ff:1f.7" and its NUL included. */
#define VIO_PCI_ADDR_TEXT_BYTES 17u

/** Configuration space of a PCI Express function. */
#define VIO_PCI_CONFIG_BYTES 4096u

/** The place of a PCI function. */
struct vio_pci_addr {
	uint32_t domain;  /**< 0 to 0xffffffff, as Linux numbers it */
	uint8_t bus;      /**< 0 to 255 */
	uint8_t device;   /**< 0 to 31 */
	uint8_t function; /**< 0 to 7 */
	uint8_t reserved; /**< 0 */
};

/** Ways to reset a function, as the kernel lists them in reset_method. */
#define VIO_PCI_RESET_DEVICE (1u << 0) /**< device_specific */
#define VIO_PCI_RESET_ACPI   (1u << 1) /**< acpi */
#define VIO_PCI_RESET_FLR    (1u << 2) /**< flr */
#define VIO_PCI_RESET_AF     (1u << 3) /**< af_flr */
#define VIO_PCI_RESET_PM     (1u << 4) /**< pm */
#define VIO_PCI_RESET_BUS    (1u << 5) /**< bus */
#define VIO_PCI_RESET_CXL    (1u << 6) /**< cxl_bus */

/** One Base Address Register as configuration space has it. */
struct vio_pci_bar {
	uint64_t address;         /**< without the flag bits */
	uint32_t is_io;           /**< 1: I/O ports; 0: memory */
	uint32_t is_64bit;        /**< 1: takes the next register as well */
	uint32_t is_prefetchable; /**< 1: reads have no side effect */
	uint32_t is_present;      /**< 0: nothing is there, or it is an upper half */
};

/** The SR-IOV capability (PCI Express Base, 9.3.3). Start from VIO_SRIOV_INIT. */
struct vio_sriov {
	uint32_t size;                 /**< in: sizeof; out: bytes filled */
	uint32_t offset;               /**< where it is in configuration space */
	uint32_t capabilities;         /**< SR-IOV Capabilities, raw */
	uint32_t control;              /**< SR-IOV Control, raw */
	uint32_t status;               /**< SR-IOV Status, raw */
	uint32_t initial_vfs;          /**< InitialVFs */
	uint32_t total_vfs;            /**< TotalVFs */
	uint32_t n_vfs;                /**< NumVFs */
	uint32_t dependency_link;      /**< Function Dependency Link */
	uint32_t first_vf_offset;      /**< First VF Offset */
	uint32_t vf_stride;            /**< VF Stride */
	uint32_t vf_device_id;         /**< VF Device ID */
	uint32_t supported_page_sizes; /**< bit n: 2^(n+12) bytes */
	uint32_t system_page_size;     /**< likewise, one bit */
	uint32_t migration_offset;     /**< VF Migration State Array Offset, raw */
	uint32_t is_ari;               /**< 1: ARI Capable Hierarchy is set */
	struct vio_pci_bar vf_bars[6]; /**< of the first VF */
};
/** Nothing read yet. */
#define VIO_SRIOV_INIT                                                                 \
	{                                                                              \
		(uint32_t)sizeof(struct vio_sriov), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
			0, 0, 0, 0,                                                    \
		{                                                                      \
			{                                                              \
				0, 0, 0, 0, 0                                          \
			}                                                              \
		}                                                                      \
	}

/** The other capabilities that matter to who assigns functions. */
struct vio_pci_caps {
	uint32_t size;              /**< in: sizeof; out: bytes filled */
	uint32_t has_flr;           /**< 1: Function Level Reset (PCIe or AF) */
	uint32_t pcie_offset;       /**< 0: no PCI Express capability */
	uint32_t pcie_type;         /**< Device/Port Type */
	uint32_t max_payload_bytes; /**< in use */
	uint32_t link_speed;        /**< 1: 2.5 GT/s, 2: 5, 3: 8, ... as negotiated */
	uint32_t link_width;        /**< lanes as negotiated */
	uint32_t link_speed_max;    /**< as the function could */
	uint32_t link_width_max;    /**< as the function could */
	uint32_t msix_offset;       /**< 0: no MSI-X */
	uint32_t n_msix;            /**< vectors, 1 to 2048; 0: none */
	uint32_t msix_table_bar;    /**< BAR of the table */
	uint32_t msix_table_offset; /**< in that BAR */
	uint32_t msix_pba_bar;      /**< BAR of the pending bits */
	uint32_t msix_pba_offset;   /**< in that BAR */
	uint32_t msi_offset;        /**< 0: no MSI */
	uint32_t n_msi;             /**< vectors, a power of two; 0: none */
	uint32_t ari_offset;        /**< 0: no ARI */
	uint32_t ari_next_function; /**< Next Function Number */
	uint32_t acs_offset;        /**< 0: no ACS */
	uint32_t acs_capabilities;  /**< ACS Capability, raw */
	uint32_t acs_control;       /**< ACS Control, raw: what is enabled */
	uint32_t ats_offset;        /**< 0: no ATS */
	uint32_t aer_offset;        /**< 0: no AER */
	uint32_t sriov_offset;      /**< 0: no SR-IOV */
	uint32_t pm_offset;         /**< 0: no power management */
};
/** Nothing read yet. */
#define VIO_PCI_CAPS_INIT                                                              \
	{                                                                              \
		(uint32_t)sizeof(struct vio_pci_caps), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,   \
			0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                    \
	}

/**
 * Read an address: "0000:3b:00.1", or "3b:00.1" for domain 0.
 * @param text      the whole string, hexadecimal digits in either case
 * @param[out] out  the address
 * @return 0; -EINVAL: something else, or a part out of its range.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_pci_addr_parse(const char *text, struct vio_pci_addr *out);

/**
 * Write an address as the kernel writes it.
 * @param addr      an address
 * @param[out] buf  room for VIO_PCI_ADDR_TEXT_BYTES
 * @return bytes written without the NUL; -EINVAL: a part out of its range.
 * @par Threads  Any.
 */
VIO_API int vio_pci_addr_print(const struct vio_pci_addr *addr, char *buf);

/**
 * Read the capabilities from configuration space.
 * @param config        its bytes, from the first
 * @param n_bytes       how many are known: 64 to VIO_PCI_CONFIG_BYTES; with 256 or
 *                      fewer no extended capability is found
 * @param[in,out] caps  size set by the caller; filled up to that size
 * @return 0; -EINVAL: n_bytes out of range, or caps NULL or too short; -EBADMSG:
 * the list of capabilities loops or leads outside, or one is cut short.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_pci_caps_parse(const void *config, uint32_t n_bytes, struct vio_pci_caps *caps);

/**
 * Read the SR-IOV capability from configuration space.
 * @param config         its bytes, from the first
 * @param n_bytes        how many are known: 64 to VIO_PCI_CONFIG_BYTES
 * @param[in,out] sriov  size set by the caller; filled up to that size
 * @return 0; -ENOENT: there is none; -EINVAL, -EBADMSG: as vio_pci_caps_parse();
 * -EBADMSG also: TotalVFs less than NumVFs, or more than one system page size.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_sriov_parse(const void *config, uint32_t n_bytes, struct vio_sriov *sriov);

VIO_END_DECLS
/** @} */
#endif /* VIO_PCI_H */
