/* SPDX-License-Identifier: MIT */
/**
 * @file vio/vfio.h
 * @defgroup vfio Functions in user space
 * A claimed function opened through VFIO: its registers, its interrupts, and the
 * guest memory it may reach. Both of the kernel's ways are used, whichever there
 * is: groups with a type 1 IOMMU, or the device's own file with iommufd.
 *
 * struct vio_iommu is an I/O address space; devices attached to it see the same
 * addresses. Given a memory table it follows it: I/O virtual addresses are then the
 * guest-physical ones, and a region stays mapped until the kernel has let go of it.
 * A commit that adds regions then takes as long as pinning them does, and fails as
 * vio_iommu_map() would. Mappings are the address space's: they outlast its
 * functions, and are made again when the next one opens.
 *
 * Registers and interrupts of a function may be used by any one thread at a time, a
 * virtual processor's for example, also while the context's thread dispatches or has
 * the function reset; what opens, closes and maps is the context's thread's alone, and
 * a function is closed once nobody uses it.
 *
 * Opening, closing and resetting a function are calls that only a lent thread can
 * make (vio_ctx_work()). Where io_uring is missing as well, lend two: a write to
 * sriov_numvfs keeps the one until another has closed the function.
 * @{
 */
#ifndef VIO_VFIO_H
#define VIO_VFIO_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/vf.h>

VIO_BEGIN_DECLS

struct vio_iommu;
struct vio_vfio;

/** Groups and type 1, even if iommufd is there. */
#define VIO_IOMMU_TYPE1 (1u << 0)
/** iommufd or nothing. */
#define VIO_IOMMU_IOMMUFD (1u << 1)

/** The device may read what is mapped. */
#define VIO_IOMMU_READ (1u << 0)
/** The device may write what is mapped. */
#define VIO_IOMMU_WRITE (1u << 1)
/** The I/O virtual address is given; without it one is found. */
#define VIO_IOMMU_FIXED (1u << 2)

/** Parameters of an I/O address space. Start from VIO_IOMMU_PARAMS_INIT. */
struct vio_iommu_params {
	uint32_t size;       /**< sizeof(struct vio_iommu_params) */
	uint32_t flags;      /**< VIO_IOMMU_TYPE1 or _IOMMUFD; 0: what there is */
	struct vio_mem *mem; /**< followed, outlives it; NULL: only vio_iommu_map() */
};
/** What the kernel has, without a memory table. */
#define VIO_IOMMU_PARAMS_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_iommu_params), 0, NULL                     \
	}

/** Configuration space as a region of a function. */
#define VIO_VFIO_CONFIG_REGION 7u

/**
 * INTx, for vio_vfio_set_interrupts(). A virtual function has none (PCI Express
 * Base, 9.3.4: its Interrupt Pin is 0): n_vectors is 0, the number is the kernel's.
 * That is why there is no call to unmask one after the guest's end of interrupt.
 */
#define VIO_VFIO_INTX 0u
/** MSI. */
#define VIO_VFIO_MSI 1u
/** MSI-X. */
#define VIO_VFIO_MSIX 2u

/** A part of a function: a BAR, the ROM, configuration space. */
struct vio_vfio_region {
	uint32_t size;  /**< in: sizeof; out: bytes filled */
	uint32_t flags; /**< VIO_IOMMU_READ, VIO_IOMMU_WRITE as may be accessed */
	uint64_t length_bytes; /**< 0: it is not there */
	uint32_t can_map;      /**< 1: vio_vfio_map_bar() works on some of it */
	uint32_t n_vectors; /**< of region n as interrupt index n: how many; 0: none */
};
/** Nothing read yet. */
#define VIO_VFIO_REGION_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vfio_region), 0, 0, 0, 0                   \
	}

/** Parameters of an open function. Start from VIO_VFIO_PARAMS_INIT. */
struct vio_vfio_params {
	uint32_t size;           /**< sizeof(struct vio_vfio_params) */
	uint32_t flags;          /**< 0 */
	struct vio_iommu *iommu; /**< outlives it */
	/**
	 * The kernel asks for the function back: close it soon, or whoever wants it
	 * hangs, and a call of this thread that waits for the same lock with it.
	 * Called from dispatch, never before done of the open; again every ten
	 * seconds or so. NULL: not told.
	 */
	void (*requested)(void *opaque, struct vio_vfio *vfio);
	/** The function had an error that it cannot correct. NULL: not told. */
	void (*failed)(void *opaque, struct vio_vfio *vfio);
	void *opaque; /**< first argument of both */
};
/** A function without an address space. */
#define VIO_VFIO_PARAMS_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vfio_params), 0, NULL, NULL, NULL, NULL    \
	}

/**
 * Open an I/O address space. It gets its kernel object with the first function:
 * until then its device file is looked for, but not opened.
 * @param host      tells where the device files are
 * @param params    copied; NULL: all defaults
 * @param[out] out  the caller's, to vio_iommu_close()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: an unknown flag, or both; -ENODEV: the kernel has not what
 * flags ask for; -EBUSY: the table has an open batch; -E2BIG: see @ref abi; -ENOMEM;
 * a region of the table is refused as vio_iommu_map() would; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_iommu_open(struct vio_host *host, const struct vio_iommu_params *params,
	       struct vio_iommu **out, struct vio_error *err);

/**
 * Map memory for devices. Pins it: takes as long as that does, in this thread.
 * @param iommu         an address space with a function open
 * @param ptr           page-aligned; made MADV_DONTFORK, valid until unmapped
 * @param length_bytes  whole pages
 * @param flags         VIO_IOMMU_ bits, READ or WRITE or both
 * @param[in,out] iova  with VIO_IOMMU_FIXED: where; else filled with a free place
 * @param err           optional, filled on failure
 * @return 0; -EINVAL: not aligned, empty, wraps, or a part of it is reserved or out
 * of the IOMMU's reach; -EEXIST: overlaps a mapping; -ENOSPC: no free place, or the
 * kernel's bound on mappings; -ENOMEM: RLIMIT_MEMLOCK, the line says how much;
 * -ENODEV: no function is open; -EBUSY: the first one is being opened, or the last
 * one closed; what else madvise(2) or ioctl(2) answers; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_iommu_map(struct vio_iommu *iommu, void *ptr,
					 uint64_t length_bytes, uint32_t flags,
					 uint64_t *iova, struct vio_error *err);

/**
 * Unmap what one vio_iommu_map() mapped.
 * @param iommu  an address space
 * @param iova   as mapped
 * @return 0; -ENOENT: nothing was mapped there by vio_iommu_map(); -EBUSY: as there;
 * what ioctl(2) answers: it is still mapped.
 * @par Threads  One per context.
 */
VIO_API int vio_iommu_unmap(struct vio_iommu *iommu, uint64_t iova);

/**
 * Visit the ranges of I/O virtual addresses that can be mapped.
 * @param iommu   an address space with a function open
 * @param fn      told of each, first and last address; non-zero ends the walk
 * @param opaque  first argument of @p fn
 * @return 0; what @p fn returned; -ENODEV: no function is open.
 * @par Threads  One per context.
 */
VIO_API int vio_iommu_foreach(struct vio_iommu *iommu,
			      int (*fn)(void *opaque, uint64_t first, uint64_t last),
			      void *opaque);

/**
 * Close an I/O address space and unmap all.
 * @param iommu  an address space, or NULL
 * @param err    optional, names the functions on -EBUSY
 * @return 0; -EBUSY: functions are open on it, or the table has an open batch;
 * -ENOMEM: the table could not be left. Nothing was done then.
 * @par Threads  One per context.
 */
VIO_API int vio_iommu_close(struct vio_iommu *iommu, struct vio_error *err);

/**
 * Open a claimed function. The kernel resets it first, which takes 100 ms or more.
 * Functions of one address space take turns. While the first of them opens, or the
 * last one closes, the table that is followed cannot change: -EBUSY.
 * @param vf        bound to vfio-pci
 * @param params    copied
 * @param[out] out  filled before @p done is called with 0
 * @param done      called once if the call returns 0
 * @param opaque    first argument of @p done
 * @param err       optional, filled on failure
 * @return 0: under way; -EINVAL: no iommu, an unknown flag; -EBUSY: an operation is
 * under way or it is open; -ENODEV: the VF has gone or is not bound to vfio-pci;
 * -EOPNOTSUPP: see @ref vf (the kernel's call is one that only a lent thread can
 * make); -EAGAIN: too many are under way; -ENAMETOOLONG: dev_root; -E2BIG: see
 * @ref abi; -ENOMEM; -ECHILD. @p done: -EXDEV: another function of its IOMMU group
 * is bound elsewhere, the line names it; -EBUSY: another process has it open;
 * -EACCES: a device file may not be opened; -EINVAL, -ENOSPC, -ENOMEM: a mapping of
 * the address space's, as vio_iommu_map(); -ECANCELED: vio_ctx_abort_work(); or what
 * the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_open(struct vio_vf *vf,
					 const struct vio_vfio_params *params,
					 struct vio_vfio **out, vio_vf_done_fn done,
					 void *opaque, struct vio_error *err);

/**
 * Open a mediated device: one that a driver has made of what it has, and that is no
 * PCI function. Nobody claims it; the kernel lets one process at a time have it, and
 * its files say who may. It is used and closed like a claimed function.
 * @param host      tells where the device files are
 * @param uuid      its name in /sys/bus/mdev/devices, in lower case; copied
 * @param params    copied
 * @param[out] out  filled before @p done is called with 0
 * @param done      called once if the call returns 0
 * @param opaque    first argument of @p done
 * @param err       optional, filled on failure
 * @return 0: under way; -EINVAL: no UUID, no iommu, an unknown flag; else as
 * vio_vfio_open(), as is what @p done is called with.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vfio_open_mdev(struct vio_host *host, const char *uuid,
		   const struct vio_vfio_params *params, struct vio_vfio **out,
		   vio_vf_done_fn done, void *opaque, struct vio_error *err);

/**
 * Close a function: interrupts off, BARs unmapped, files closed. The claim stays.
 * One that was lost is closed like any other. In a forked child this closes the
 * child's copies at once, frees the memory and answers -ECHILD: a child that goes on
 * without exec(2) must do so, or it keeps the function from everybody.
 * @param vfio    an open function; no longer valid once @p done is called
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EBUSY: an operation is under way; -EAGAIN: too many are;
 * -EOPNOTSUPP: see @ref vf; -ECHILD. @p done: 0; -ECANCELED: vio_ctx_abort_work()
 * came first, and the function is still open.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_close(struct vio_vfio *vfio, vio_vf_done_fn done,
					  void *opaque, struct vio_error *err);

/**
 * Reset an open function; mappings and interrupts stay. It runs afterwards, whatever
 * migration state it was in (@ref vfio_migration).
 * @param vfio    an open function
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EBUSY; -ENODEV: it has gone; -EAGAIN: too many are under
 * way; -EOPNOTSUPP: see @ref vf; -ECHILD. @p done: 0; -ECANCELED; or what the kernel
 * answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_reset(struct vio_vfio *vfio, vio_vf_done_fn done,
					  void *opaque, struct vio_error *err);

/**
 * What a part of the function is.
 * @param vfio             an open function
 * @param index            0 to 5: BARs; 6: ROM; VIO_VFIO_CONFIG_REGION
 * @param[in,out] region   size set by the caller; filled up to that size
 * @return 0; -EINVAL: index out of range, region NULL or too short.
 * @par Threads  One per context.
 */
VIO_API int vio_vfio_read_region(struct vio_vfio *vfio, uint32_t index,
				 struct vio_vfio_region *region);

/**
 * Read registers through the kernel.
 * @param vfio      an open function
 * @param index     of the region
 * @param offset    in it
 * @param[out] out  room for @p n bytes
 * @param n         1 to 4096, within the region
 * @return 0; -ENXIO: no such region, or beyond its end, or n out of range; -ENODEV:
 * the function has gone, or is being reset: bytes of it are never made up; what
 * pread(2) answers; -ECHILD.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_read(struct vio_vfio *vfio, uint32_t index,
					 uint64_t offset, void *out, uint32_t n);

/**
 * Write registers through the kernel.
 * @param vfio    an open function
 * @param index   of the region
 * @param offset  in it
 * @param data    @p n bytes
 * @param n       1 to 4096, within the region
 * @return as vio_vfio_read().
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_write(struct vio_vfio *vfio, uint32_t index,
					  uint64_t offset, const void *data,
					  uint32_t n);

/**
 * Map registers into this process, MADV_DONTFORK: a child that kept them would keep
 * the function.
 * @param vfio          an open function
 * @param bar           0 to 5
 * @param offset        page-aligned
 * @param length_bytes  whole pages, within the BAR; not over the MSI-X table where
 *                      the kernel does not allow it
 * @param[out] out      where; until vio_vfio_unmap_bar() or close
 * @param err           optional, filled on failure
 * @return 0; -ENXIO: no such BAR, or beyond its end; -EINVAL: not aligned, or not to
 * be mapped; -ENOMEM; what mmap(2) answers; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_map_bar(struct vio_vfio *vfio, uint32_t bar,
					    uint64_t offset, uint64_t length_bytes,
					    void **out, struct vio_error *err);

/**
 * Unmap registers.
 * @param vfio  an open function
 * @param ptr   as mapped
 * @return 0; -ENOENT: it is not a mapping of this function's.
 * @par Threads  One per context.
 */
VIO_API int vio_vfio_unmap_bar(struct vio_vfio *vfio, void *ptr);

/**
 * Connect interrupts to eventfds, all of one kind at once; another kind that was
 * connected is not any more. A change of kind or number can lose what arrives
 * meanwhile. Some devices note which vectors are in use when a queue is made:
 * connect them before that.
 * @param vfio      an open function
 * @param kind      VIO_VFIO_INTX, VIO_VFIO_MSI or VIO_VFIO_MSIX
 * @param eventfds  @p n descriptors, the caller's; -1: a vector left out
 * @param n         0: off; at most the kind's n_vectors
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: no such kind, or n too large; -EBADF: a descriptor below -1;
 * -ENOSPC: the machine has fewer to give; -ENODEV: the function has gone; -ENOMEM;
 * what ioctl(2) answers; -ECHILD. After these the kind may be off.
 * @par Threads  One per object.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_set_interrupts(struct vio_vfio *vfio, uint32_t kind,
						   const int32_t *eventfds, uint32_t n,
						   struct vio_error *err);

/**
 * The kernel's descriptor of the function, for what this interface lacks, such as
 * KVM_DEV_TYPE_VFIO.
 * @param vfio  an open function
 * @return the descriptor, its own; with a group, that of the group is
 * vio_vfio_get_group_fd().
 * @par Threads  Any.
 */
VIO_API int vio_vfio_get_fd(const struct vio_vfio *vfio);

/**
 * The kernel's descriptor of the function's group.
 * @param vfio  an open function
 * @return the descriptor, its own; -1: opened through iommufd.
 * @par Threads  Any.
 */
VIO_API int vio_vfio_get_group_fd(const struct vio_vfio *vfio);

VIO_END_DECLS
/** @} */
#endif /* VIO_VFIO_H */
