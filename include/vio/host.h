/* SPDX-License-Identifier: MIT */
/**
 * @file vio/host.h
 * @defgroup host Inventory
 * The PCI functions of a machine, as sysfs shows them: physical functions that can
 * make virtual ones, the virtual ones they have, and what becomes of them.
 *
 * Reading the inventory does not wait for VFs that are made, taken away or reset:
 * sriov_numvfs and sriov_vf_total_msix, which the kernel locks meanwhile, are not
 * read, nor is configuration space of a VF, and driver_override only with
 * VIO_HOST_OVERRIDE; VFs are counted by their links, and one without a link is gone.
 * Configuration space of a PF and of the ports above is read: who resets one of those
 * keeps the reader waiting for as long, 100 ms or so. Names in sysfs are checked
 * before they are used, and attributes are read up to a bound.
 * @{
 */
#ifndef VIO_HOST_H
#define VIO_HOST_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/pci.h>

VIO_BEGIN_DECLS

struct vio_host;

/** Room for the name of a driver. */
#define VIO_HOST_DRIVER_BYTES 32u
/** Room for the name of a network interface, as IFNAMSIZ. */
#define VIO_HOST_NETDEV_BYTES 16u

/** It is a virtual function. */
#define VIO_PCI_IS_VF (1u << 0)
/** It is a physical function that can make virtual ones. */
#define VIO_PCI_IS_PF (1u << 1)
/**
 * The path to the root isolates it: ACS is enabled on every port above, and on the
 * function itself if its device has others. Told only where all of configuration
 * space is shown, see vio_host_read_config().
 */
#define VIO_PCI_ACS_PATH (1u << 2)
/** It shares its IOMMU group with no other function. */
#define VIO_PCI_ISOLATED (1u << 3)
/** VFs it makes are offered to drivers at once (sriov_drivers_autoprobe). */
#define VIO_PCI_AUTOPROBE (1u << 4)
/** Its kernel can set the MSI-X vectors of VFs; whether its driver can, try it. */
#define VIO_PCI_VF_MSIX (1u << 5)
/** Its network link is up (carrier). */
#define VIO_PCI_LINK_UP (1u << 6)

/** One function. Start from VIO_PCI_INFO_INIT. */
struct vio_pci_info {
	uint32_t size;              /**< in: sizeof; out: bytes filled */
	uint32_t flags;             /**< VIO_PCI_ bits */
	struct vio_pci_addr addr;   /**< its place */
	struct vio_pci_addr physfn; /**< of a VF: its PF */
	uint32_t vendor_id;         /**< as configuration space has it */
	uint32_t device_id;         /**< likewise */
	uint32_t class_code;        /**< 24 bits */
	int32_t numa_node;          /**< -1: not known */
	int32_t iommu_group;        /**< -1: none */
	uint32_t vf_index;          /**< of a VF: n of virtfn<n> */
	uint32_t total_vfs;     /**< of a PF: sriov_totalvfs, as the driver limits it */
	uint32_t n_vfs;         /**< of a PF: VFs there are */
	uint32_t reset_methods; /**< VIO_PCI_RESET_ bits; 0: none */
	uint32_t link_mbps;     /**< of its network interface; 0: not known */
	uint32_t ifindex;       /**< of its network interface; 0: none */
	/**
	 * Of a VF: sriov_vf_msix_count; 0: the kernel does not show it. The number is
	 * then that of the MSI-X capability, see vio_host_read_config().
	 */
	uint32_t n_vf_msix;
	uint64_t bar_bytes[6];    /**< sizes of its BARs; 0: none */
	uint64_t vf_bar_bytes[6]; /**< of a PF: sizes of each VF's BARs */
	char driver[32];          /**< bound to it; empty: none */
	char driver_override[32]; /**< empty: none, or without VIO_HOST_OVERRIDE */
	char netdev[16];          /**< its network interface; empty: none */
};
/** Nothing read yet. */
#define VIO_PCI_INFO_INIT                                                              \
	{                                                                              \
		(uint32_t)sizeof(struct vio_pci_info), 0, { 0, 0, 0, 0, 0 },           \
			{ 0, 0, 0, 0, 0 }, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 },  \
			{ 0 }, { 0 }, { 0 },                                           \
		{                                                                      \
			0                                                              \
		}                                                                      \
	}

/** What can happen to functions; numbers for struct vio_host_event. */
#define VIO_HOST_ADDED         1u  /**< a function has come */
#define VIO_HOST_REMOVED       2u  /**< a function has gone */
#define VIO_HOST_BOUND         3u  /**< a driver has taken it */
#define VIO_HOST_UNBOUND       4u  /**< its driver has left it */
#define VIO_HOST_VFS_CHANGED   5u  /**< of a PF: the set of VFs is complete */
#define VIO_HOST_AER_BEGIN     6u  /**< recovery from an error has begun */
#define VIO_HOST_AER_FAILED    7u  /**< it failed */
#define VIO_HOST_AER_RECOVERED 8u  /**< it succeeded */
#define VIO_HOST_CONFIG        9u  /**< of a PF: interface, or a VF's settings */
#define VIO_HOST_LOST          10u /**< events were lost: read the inventory anew */

/** One event; the library fills it, later ones behind what is known now. */
struct vio_host_event {
	uint32_t size;            /**< sizeof(struct vio_host_event) */
	uint32_t type;            /**< VIO_HOST_ */
	struct vio_pci_addr addr; /**< of the function; zero with VIO_HOST_LOST */
};

/** No event. */
#define VIO_HOST_EVENT_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_host_event), 0,                            \
		{                                                                      \
			0, 0, 0, 0, 0                                                  \
		}                                                                      \
	}

/**
 * Read driver_override with the rest of a function. The kernel shows it under the
 * function's lock: a call then waits as long as a reset of the function takes, or a
 * write to its sriov_numvfs, and these can take for ever.
 */
#define VIO_HOST_OVERRIDE (1u << 0)

/** Parameters of a host. Start from VIO_HOST_PARAMS_INIT. */
struct vio_host_params {
	uint32_t size;          /**< sizeof(struct vio_host_params) */
	uint32_t flags;         /**< 0 or VIO_HOST_OVERRIDE */
	const char *sysfs_root; /**< NULL: "/sys" */
	const char *dev_root;   /**< NULL: "/dev" */
	/** Where leases are kept, 0700; made if missing. NULL: "/run/libvio". */
	const char *run_dir;
	/** Who holds leases, for others to read, 1 to 63 bytes. NULL: the command. */
	const char *owner;
	/** Called from dispatch for every event; NULL: none are listened to. */
	void (*event)(void *opaque, const struct vio_host_event *event);
	void *opaque; /**< first argument of event */
};
/** The machine this runs on, no events. */
#define VIO_HOST_PARAMS_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_host_params), 0, NULL, NULL, NULL, NULL,   \
			NULL, NULL                                                     \
	}

/** Told of a function; non-zero ends the walk and is what the walk returns. */
typedef int (*vio_pci_fn)(void *opaque, const struct vio_pci_info *info);

/**
 * Open the inventory of a machine.
 * @param ctx       gives memory, log and events; not NULL
 * @param params    copied; NULL: all defaults
 * @param[out] out  the caller's, to vio_host_close()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: no ctx, an unknown flag, owner empty, too long or not printable
 * ASCII; -ENOENT: sysfs_root has no bus/pci; -ENAMETOOLONG: one of the folders; -E2BIG:
 * see @ref abi; -ENOMEM; -EMFILE; -EPERM: no events for this process; what else
 * open(2), socket(2) or epoll_ctl(2) answers; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_host_open(struct vio_ctx *ctx,
					 const struct vio_host_params *params,
					 struct vio_host **out, struct vio_error *err);

/**
 * Close an inventory.
 * @param host  a host, or NULL
 * @param err   optional, names the VFs still claimed on -EBUSY
 * @return 0; -EBUSY: VFs are claimed through it, nothing was done.
 * @par Threads  One per context.
 */
VIO_API int vio_host_close(struct vio_host *host, struct vio_error *err);

/**
 * Read one function.
 * @param host           a host
 * @param addr           its address
 * @param[in,out] info   size set by the caller; filled up to that size
 * @param err            optional, filled on failure
 * @return 0; -ENODEV: no such function; -EINVAL: info NULL or too short, or addr
 * out of range; -EBADMSG: sysfs says something that cannot be; -EMFILE and what else
 * open(2) and read(2) answer.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int
vio_host_read_function(struct vio_host *host, const struct vio_pci_addr *addr,
		       struct vio_pci_info *info, struct vio_error *err);

/**
 * Visit every physical function that can make virtual ones, by address.
 * @param host    a host
 * @param fn      told of each
 * @param opaque  first argument of @p fn
 * @param err     optional, filled on failure
 * @return 0; what @p fn returned; -ENOMEM; or as vio_host_read_function(). A
 * function that goes while the walk is under way is left out.
 * @par Threads  One per object.
 */
VIO_API int vio_host_foreach_pf(struct vio_host *host, vio_pci_fn fn, void *opaque,
				struct vio_error *err);

/**
 * Visit the virtual functions of a physical one, by index.
 * @param host    a host
 * @param pf      address of the physical function
 * @param fn      told of each
 * @param opaque  first argument of @p fn
 * @param err     optional, filled on failure
 * @return as vio_host_foreach_pf(); -EOPNOTSUPP: not SR-IOV.
 * @par Threads  One per object.
 */
VIO_API int vio_host_foreach_vf(struct vio_host *host, const struct vio_pci_addr *pf,
				vio_pci_fn fn, void *opaque, struct vio_error *err);

/**
 * Visit the functions that share an IOMMU group with one, itself included, by
 * address. Members of the group that are no PCI functions are left out.
 * @param host    a host
 * @param addr    a function
 * @param fn      told of each
 * @param opaque  first argument of @p fn
 * @param err     optional, filled on failure
 * @return as vio_host_foreach_pf(); -EOPNOTSUPP: it is in no group.
 * @par Threads  One per object.
 */
VIO_API int vio_host_foreach_peer(struct vio_host *host,
				  const struct vio_pci_addr *addr, vio_pci_fn fn,
				  void *opaque, struct vio_error *err);

/**
 * Read configuration space from sysfs. What the kernel does not show to this
 * process is not there: without CAP_SYS_ADMIN only the first 64 bytes are. While the
 * function is being reset the kernel keeps the reader waiting.
 * @param host      a host
 * @param addr      a function
 * @param[out] out  room for @p n bytes
 * @param n         1 to VIO_PCI_CONFIG_BYTES
 * @param err       optional, filled on failure
 * @return bytes read, at least 1; -ENODEV; -EINVAL: n out of range; what open(2) or
 * read(2) answers.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int
vio_host_read_config(struct vio_host *host, const struct vio_pci_addr *addr, void *out,
		     uint32_t n, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_HOST_H */
