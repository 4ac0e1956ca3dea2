/* SPDX-License-Identifier: MIT */
/**
 * @file vio/vf.h
 * @defgroup vf Virtual functions
 * Virtual functions handed out so that each has one owner, whoever crashes.
 *
 * A claim takes a lease: a lock that the kernel drops with its holder, and a
 * journal that says what was changed, written and synced before each change. A
 * release undoes the changes in reverse order. If the holder dies, so does the
 * lock, and vio_host_recover() of any process undoes what the journal says. Each
 * lease has a generation, so that a late release of an old one does nothing.
 *
 * Binding drivers, resetting functions and writing numvfs can take seconds in the
 * kernel, and some of it cannot be interrupted. Such calls return at once, do their
 * work through the context (io_uring, or a thread lent by vio_ctx_work()), and end
 * with a call of their @c done from dispatch. -EOPNOTSUPP means that the context has
 * neither, and that nothing was touched.
 * @{
 */
#ifndef VIO_VF_H
#define VIO_VF_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/host.h>
#include <vio/pci.h>

VIO_BEGIN_DECLS

struct vio_vf;

/** Most VFs of one claim. */
#define VIO_VF_CLAIM_MAX 64u

/**
 * An operation has ended; called once, from dispatch.
 * @param opaque  as given with it
 * @param result  0 or a negative errno
 * @param err     with a negative result: one line; valid during the call
 */
typedef void (*vio_vf_done_fn)(void *opaque, int result, const struct vio_error *err);

/** Fields of struct vio_vf_config, for its @c fields. */
#define VIO_VF_MAC      (1u << 0) /**< mac */
#define VIO_VF_VLAN     (1u << 1) /**< vlan, qos and vlan_protocol */
#define VIO_VF_MIN_RATE (1u << 2) /**< min_tx_mbps */
#define VIO_VF_MAX_RATE (1u << 3) /**< max_tx_mbps */
#define VIO_VF_SPOOFCHK (1u << 4) /**< spoofchk */
#define VIO_VF_TRUST    (1u << 5) /**< trust */
#define VIO_VF_LINK     (1u << 6) /**< link_state */
#define VIO_VF_NVME     (1u << 7) /**< nvme_vq and nvme_vi */
#define VIO_VF_MSIX     (1u << 8) /**< n_msix */

/** link_state: as the PF's link. */
#define VIO_VF_LINK_AUTO 0u
/** link_state: always up. */
#define VIO_VF_LINK_ENABLE 1u
/** link_state: always down. */
#define VIO_VF_LINK_DISABLE 2u

/** What a VF's owner sets from outside. Start from VIO_VF_CONFIG_INIT. */
struct vio_vf_config {
	uint32_t size;          /**< sizeof(struct vio_vf_config) */
	uint32_t fields;        /**< which of the following count: VIO_VF_ bits */
	uint8_t mac[6];         /**< unicast, not zero; a zero one takes it back */
	uint8_t reserved[2];    /**< 0 */
	uint32_t vlan;          /**< 0: untagged, or 1 to 4094 */
	uint32_t qos;           /**< 0 to 7; 0 without a vlan */
	uint32_t vlan_protocol; /**< 0 or 0x8100: 802.1Q; 0x88a8: 802.1ad */
	uint32_t min_tx_mbps;   /**< 0: none; at most max_tx_mbps where that is set */
	uint32_t max_tx_mbps;   /**< 0: none; at most the link's speed */
	uint32_t spoofchk;      /**< 0 or 1 */
	uint32_t trust;         /**< 0 or 1 */
	uint32_t link_state;    /**< VIO_VF_LINK_ */
	uint32_t nvme_vq;       /**< virtual queues (NVMe, Virtualization Management) */
	uint32_t nvme_vi;       /**< virtual interrupts */
	uint32_t n_msix;        /**< vectors, 1 to what the PF has to give */
};
/** Nothing to set. */
#define VIO_VF_CONFIG_INIT                                                             \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vf_config), 0, { 0 }, { 0 }, 0, 0, 0, 0,   \
			0, 0, 0, 0, 0, 0, 0                                            \
	}

/** How VFs are chosen among those that fit. */
#define VIO_VF_PACK   0u /**< from the PF with the fewest free */
#define VIO_VF_SPREAD 1u /**< from the PF with the most free */
#define VIO_VF_LOAD   2u /**< from the PF with the most bandwidth not yet promised */

/** Of the PF @c pf and no other. */
#define VIO_VF_FROM_PF (1u << 0)
/** On @c numa_node or not at all; without it the node is a preference. */
#define VIO_VF_NUMA_STRICT (1u << 1)
/** Alone in its IOMMU group. */
#define VIO_VF_NEED_ISOLATED (1u << 2)
/** ACS on the whole path to the root; reads configuration space of the ports there. */
#define VIO_VF_NEED_ACS (1u << 3)
/** Can be reset by itself. */
#define VIO_VF_NEED_FLR (1u << 4)
/** Its PF's network link is up. */
#define VIO_VF_NEED_LINK (1u << 5)
/** No two of one claim from the same PF. */
#define VIO_VF_APART (1u << 6)

/** What is asked for. Start from VIO_VF_REQUEST_INIT. */
struct vio_vf_request {
	uint32_t size;          /**< sizeof(struct vio_vf_request) */
	uint32_t flags;         /**< VIO_VF_ bits */
	struct vio_pci_addr pf; /**< with VIO_VF_FROM_PF */
	uint32_t n;             /**< how many, 1 to VIO_VF_CLAIM_MAX: all or none */
	uint32_t policy;        /**< VIO_VF_PACK, _SPREAD or _LOAD */
	int32_t numa_node;      /**< -1: any */
	uint32_t load_mbps;     /**< what each is promised, for VIO_VF_LOAD; 0: none */
	uint32_t vendor_id;     /**< 0: any */
	uint32_t device_id;     /**< of the VF; 0: any */
	const char *driver;     /**< bound for the claim; NULL: "vfio-pci"; "": none */
	const char *tag;        /**< for others to read, at most 63 bytes; NULL: none */
	const struct vio_vf_config *config; /**< set before done; NULL: nothing */
	/**
	 * Higher is better, negative: not this one. Overrides policy; NULL: policy.
	 * @p vf is a free VF that meets the request, @p pf its PF, read as the
	 * inventory does, but for driver_override.
	 */
	int64_t (*score)(void *opaque, const struct vio_pci_info *vf,
			 const struct vio_pci_info *pf);
	void *opaque; /**< first argument of score */
};
/** One VF of any PF, packed, on vfio-pci. */
#define VIO_VF_REQUEST_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vf_request), 0, { 0, 0, 0, 0, 0 }, 1, 0,   \
			-1, 0, 0, 0, NULL, NULL, NULL, NULL, NULL                      \
	}

/** States of a VF that was claimed, for struct vio_vf_info. */
#define VIO_VF_BUSY   1u /**< an operation is under way */
#define VIO_VF_HELD   2u /**< claimed and ready */
#define VIO_VF_PAUSED 3u /**< claimed, its function may come and go */
#define VIO_VF_LOST   4u /**< its function has gone: only release is left */

/** One lease. Start from VIO_VF_INFO_INIT. */
struct vio_vf_info {
	uint32_t size;            /**< in: sizeof; out: bytes filled */
	uint32_t state;           /**< VIO_VF_BUSY and so on */
	struct vio_pci_addr addr; /**< of the VF */
	struct vio_pci_addr pf;   /**< of its PF */
	uint64_t generation;      /**< of the lease; never used twice for a VF */
	uint32_t vf_index;        /**< of the VF in its PF */
	uint32_t is_alive;        /**< 1: its holder lives; 0: to be recovered */
	int32_t pid;              /**< of the holder when it claimed */
	uint32_t load_mbps;       /**< promised */
	char owner[64];           /**< of struct vio_host_params */
	char tag[64];             /**< of struct vio_vf_request */
};
/** Nothing read yet. */
#define VIO_VF_INFO_INIT                                                               \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vf_info), 0, { 0, 0, 0, 0, 0 },            \
			{ 0, 0, 0, 0, 0 }, 0, 0, 0, 0, 0, { 0 },                       \
		{                                                                      \
			0                                                              \
		}                                                                      \
	}

/** What became of a configuration. Start from VIO_VF_REPORT_INIT. */
struct vio_vf_report {
	uint32_t size;        /**< in: sizeof; out: bytes filled */
	uint32_t applied;     /**< fields set and read back */
	uint32_t refused;     /**< fields out of range, or that the driver refused */
	uint32_t unsupported; /**< fields that the driver does not have */
};
/** Nothing yet. */
#define VIO_VF_REPORT_INIT                                                             \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vf_report), 0, 0, 0                        \
	}

/** What recovery did. Start from VIO_VF_RECOVERY_INIT. */
struct vio_vf_recovery {
	uint32_t size;     /**< in: sizeof; out: bytes filled */
	uint32_t n_undone; /**< leases of dead holders undone and removed */
	uint32_t n_alive;  /**< leases left to their living holders */
	uint32_t
		n_unknown; /**< journals that are corrupt or of another version: kept */
	uint32_t n_failed; /**< leases that could not be undone now: kept */
	uint32_t reserved; /**< 0 */
};
/** Nothing yet. */
#define VIO_VF_RECOVERY_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vf_recovery), 0, 0, 0, 0, 0                \
	}

/**
 * Claim VFs, all or none: chosen, locked, journalled, unbound from their driver,
 * bound to the one asked for, configured.
 * @param host      where
 * @param request   copied, with what it points to
 * @param[out] out  room for request->n handles, in the state VIO_VF_BUSY until
 *                  @p done; if that fails they are gone by then
 * @param done      called once if the call returns 0
 * @param opaque    first argument of @p done
 * @param err       optional, filled on failure
 * @return 0: under way; -ENOSPC: too few free VFs fit, the line says why; -EBUSY:
 * with VIO_VF_FROM_PF, what fits is claimed, the line names a holder; -ESTALE:
 * likewise, and the holder is dead: vio_host_recover(); -ENODEV: no such PF; -EINVAL: a
 * field out of its range; -ENOENT: the driver is not loaded; -EXDEV: only VFs that
 * are not isolated are left; -EOPNOTSUPP: see @ref vf, or a field of config that the
 * driver lacks; -EACCES, -EPERM: run_dir or sysfs is not writable; -E2BIG: see @ref
 * abi; -ENOMEM; as vio_host_foreach_vf() otherwise; -ECHILD. @p done may also bring
 * what the kernel answered, or -EIO: it said yes and did something else. The line then
 * also names a VF that could not be put back, which vio_host_recover() will try again.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vf_claim(struct vio_host *host,
					const struct vio_vf_request *request,
					struct vio_vf **out, vio_vf_done_fn done,
					void *opaque, struct vio_error *err);

/**
 * Give a VF back: reset, settings, driver and driver_override as they were, then
 * the lock. The handle is gone when @p done is called, whatever the result; what
 * could not be undone stays in the journal for recovery. No reset is made under a
 * driver of the host's: one that is bound is unbound before and bound again after it,
 * also if the claim asked for just that driver; if it does not let go, nothing more
 * is undone until a recovery.
 * @param vf      a claimed VF; not one that is open through VFIO
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EBUSY: an operation is under way, or the VF is open or being
 * paused; -EOPNOTSUPP: see @ref vf; -ECHILD. @p done: 0; -ESTALE: the lease was not the
 * present one any more, nothing was touched; -ENODEV: the VF has gone, which ends
 * the lease as well; or what the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vf_release(struct vio_vf *vf, vio_vf_done_fn done,
					  void *opaque, struct vio_error *err);

/**
 * Set what counts in @p config, all or nothing: every field is checked before the
 * kernel sees any, read back after it was set, and all are put back if one fails.
 * What a VF had before its first change is restored by its release.
 * @param vf              a claimed VF
 * @param config          copied
 * @param[in,out] report  optional, kept until @p done; names the fields
 * @param done            called once if the call returns 0
 * @param opaque          first argument of @p done
 * @param err             optional, filled on failure
 * @return 0: under way; -EINVAL: a field out of its range, named in report and err;
 * -EBUSY: an operation is under way; -ENODEV: the VF has gone; -EOPNOTSUPP: see
 * @ref vf; -ENOMEM; -ECHILD. @p done: -EOPNOTSUPP: the driver lacks a field, or its
 * PF has neither network interface nor NVMe controller that can; -EIO: read back
 * otherwise; or what the kernel answered. Nothing is applied then.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_configure(struct vio_vf *vf, const struct vio_vf_config *config,
		 struct vio_vf_report *report, vio_vf_done_fn done, void *opaque,
		 struct vio_error *err);

/**
 * Read what the kernel says the settings are; @c fields says which it knows. The
 * kernel may keep its locks for seconds, hence not at once.
 * @param vf               a claimed VF
 * @param[in,out] config   size set by the caller; kept until @p done and filled then
 * @param done             called once if the call returns 0
 * @param opaque           first argument of @p done
 * @param err              optional, filled on failure
 * @return 0: under way; -EINVAL: config NULL or too short; -EBUSY: an operation is
 * under way; -ENODEV; -EOPNOTSUPP: see @ref vf; -ENOMEM; -ECHILD. @p done:
 * -EOPNOTSUPP: its PF has neither network interface nor NVMe controller; or what the
 * kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_read_config(struct vio_vf *vf, struct vio_vf_config *config, vio_vf_done_fn done,
		   void *opaque, struct vio_error *err);

/**
 * Reset the function (PCI Express Base, 6.6.2). Not while it is open through VFIO:
 * that resets by itself; nor under a driver of the host's.
 * @param vf      a claimed VF
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EBUSY: an operation is under way, or it is open; -ENODEV;
 * -EOPNOTSUPP: see @ref vf; -ENOMEM; -ECHILD. @p done: 0; -EOPNOTSUPP: the kernel
 * knows no way to reset it; -EBUSY: a driver that is none of VFIO's is bound to it; or
 * what the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vf_reset(struct vio_vf *vf, vio_vf_done_fn done,
					void *opaque, struct vio_error *err);

/**
 * Copy out what a lease is.
 * @param vf             a claimed VF
 * @param[in,out] info   size set by the caller; filled up to that size
 * @return 0; -EINVAL: info NULL or too short.
 * @par Threads  One per context.
 */
VIO_API int vio_vf_read_info(const struct vio_vf *vf, struct vio_vf_info *info);

/**
 * Visit every lease on this machine, of whatever process.
 * @param host    a host
 * @param fn      told of each; non-zero ends the walk
 * @param opaque  first argument of @p fn
 * @param err     optional, filled on failure; names journals that were left out
 * @return 0; what @p fn returned; -EACCES: run_dir is not readable; what else open(2),
 * read(2) or fcntl(2) answers.
 * @par Threads  One per context.
 */
VIO_API int
vio_host_foreach_lease(struct vio_host *host,
		       int (*fn)(void *opaque, const struct vio_vf_info *info),
		       void *opaque, struct vio_error *err);

/**
 * Undo the leases of dead holders: of processes that ended without a release, and
 * of earlier boots. A journal that is corrupt or of another version is kept, and
 * the VF with it, until a person looks.
 * @param host               a host
 * @param[in,out] recovery   kept until @p done and filled then
 * @param done               called once if the call returns 0
 * @param opaque             first argument of @p done
 * @param err                optional, filled on failure
 * @return 0: under way; -EBUSY: a recovery is under way; -EOPNOTSUPP: see @ref vf;
 * -EACCES: run_dir is not writable; what else open(2), read(2) or mkdir(2) answers;
 * -ENOMEM; -ECHILD. @p done: 0 also when some leases were kept, see struct
 * vio_vf_recovery.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_host_recover(struct vio_host *host, struct vio_vf_recovery *recovery,
		 vio_vf_done_fn done, void *opaque, struct vio_error *err);

/**
 * Hand a lease to another process over a unix socket: lock, journal and identity.
 * The handle here is gone on success; the lease lives on with the receiver.
 * @param vf         a claimed VF, not open through VFIO
 * @param socket_fd  connected unix socket; one message is sent, blocking as the
 *                   socket does
 * @param err        optional, filled on failure
 * @return 0; -EBUSY: an operation is under way, or it is open; what sendmsg(2)
 * answers: the lease is still here; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vf_detach(struct vio_vf *vf, int socket_fd, struct vio_error *err);

/**
 * Take a lease that vio_vf_detach() of another process sent.
 * @param host       a host; its run_dir need not be writable
 * @param socket_fd  connected unix socket
 * @param[out] out   in the state VIO_VF_HELD
 * @param err        optional, filled on failure
 * @return 0; what recvmsg(2) answers; -ECHILD. With the message taken and the lease
 * dropped, to be recovered: -EBADMSG: not such a message, or its descriptors are not
 * a lease's; -ENODEV: the VF has gone; -ENOMEM; what open(2) or read(2) answers.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vf_attach(struct vio_host *host, int socket_fd,
					 struct vio_vf **out, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_VF_H */
