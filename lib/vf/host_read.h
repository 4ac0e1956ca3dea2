/* SPDX-License-Identifier: MIT */
/*
 * Reading functions from sysfs, in parts. All return 0 or -errno, -ENODEV where
 * the function is not or no longer there; what the kernel need not show is left
 * as VIO_PCI_INFO_INIT has it.
 */
#ifndef VIO_VF_HOST_READ_H
#define VIO_VF_HOST_READ_H

#include "vf/host.h"

#define VIO_VF_INDEX_ANY UINT32_MAX /* to be found among the links of the PF */

/*
 * What is read only if it is asked for: the kernel shows it under locks that a reset
 * of the function keeps, and of what is above it.
 */
#define VIO_READ_OVERRIDE (1u << 0) /* driver_override */
#define VIO_READ_CONFIG   (1u << 1) /* what takes configuration space to know */

/* A page, as sysfs shows at most, and the NUL. */
#define VIO_SYSFS_TEXT_BYTES 4097u

/*
 * Of one what does not wait, and @parts; @vf_index of a VF whose place is known, or
 * VIO_VF_INDEX_ANY.
 */
int vio_host_read_info(struct vio_host *host, const struct vio_pci_addr *addr,
		       uint32_t vf_index, uint32_t parts, struct vio_pci_info *info);

/* As the public calls without "_parts". */
int vio_host_read_function_parts(struct vio_host *host, const struct vio_pci_addr *addr,
				 uint32_t parts, struct vio_pci_info *info,
				 struct vio_error *err);
int vio_host_foreach_pf_parts(struct vio_host *host, uint32_t parts, vio_pci_fn fn,
			      void *opaque, struct vio_error *err);
int vio_host_foreach_vf_parts(struct vio_host *host, const struct vio_pci_addr *pf,
			      uint32_t parts, vio_pci_fn fn, void *opaque,
			      struct vio_error *err);

/* What the public calls read: all that the host's flags allow. */
static inline uint32_t vio_host_get_parts(const struct vio_host *host)
{
	return VIO_READ_CONFIG |
	       (host->flags & VIO_HOST_OVERRIDE ? VIO_READ_OVERRIDE : 0);
}

/* 0, with *out as it was if there is no such attribute. */
int vio_host_read_number(struct vio_host *host, const struct vio_pci_addr *addr,
			 const char *attr, uint64_t max, uint64_t *out);

/* As vio_sysfs_read(), of a function. */
int vio_host_read_text(struct vio_host *host, const struct vio_pci_addr *addr,
		       const char *attr, char *buf, size_t n);

/* 1: there is such an attribute; 0: there is none; or why that cannot be known. */
int vio_host_has_attr(struct vio_host *host, const struct vio_pci_addr *addr,
		      const char *attr);

/* Configuration space as far as it is shown: bytes, at least 1. */
int vio_host_read_bytes(struct vio_host *host, const struct vio_pci_addr *addr,
			void *out, uint32_t n);

/* The parts of info, by file. */
int vio_host_read_bars(struct vio_host *host, uint32_t parts,
		       struct vio_pci_info *info);
int vio_host_read_netdev(struct vio_host *host, struct vio_pci_info *info);
int vio_host_read_group(struct vio_host *host, struct vio_pci_info *info);
int vio_host_read_acs(struct vio_host *host, struct vio_pci_info *info);

/* The VFs of a PF, in no order. Non-zero from @fn ends the walk. */
typedef int (*vio_host_vf_fn)(void *opaque, uint32_t index,
			      const struct vio_pci_addr *vf);
int vio_host_foreach_link(struct vio_host *host, const struct vio_pci_addr *pf,
			  vio_host_vf_fn fn, void *opaque);

/* What a missing attribute means where it need not be there. */
static inline int vio_host_is_absent(int ret)
{
	return ret == -ENOENT || ret == -EACCES || ret == -EINVAL;
}

#endif /* VIO_VF_HOST_READ_H */
