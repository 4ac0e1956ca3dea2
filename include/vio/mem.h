/* SPDX-License-Identifier: MIT */
/**
 * @file vio/mem.h
 * @defgroup mem Guest memory
 * What a guest calls physical memory, as regions of this process. Rings, DMA
 * maps and checkpoints find guest memory here and nowhere else.
 *
 * Changes come in batches: vio_mem_begin(), any number of adds and removes,
 * vio_mem_commit(). Rings run meanwhile; each burst of theirs sees the table as
 * it was before the commit or as it is after it, never between. Memory that a
 * popped chain refers to stays valid until the chain is pushed and published:
 * a commit that removes a region returns at once, and the region's @c released
 * callback says when nothing refers to it any more. A queue that holds a chain
 * holds the whole table the chain was popped on: a network device that keeps
 * receive buffers open keeps removed regions that long.
 *
 * While a listener's callbacks run the table cannot be changed again: begin, add,
 * remove, commit, abort, attach and detach answer -EBUSY.
 * @{
 */
#ifndef VIO_MEM_H
#define VIO_MEM_H

#include <sys/uio.h>

#include <vio/common.h>
#include <vio/error.h>

VIO_BEGIN_DECLS

/** Most regions in a table: as many memory slots as KVM has on x86. */
#define VIO_MEM_REGIONS_MAX 32764u

/** The guest cannot write here: a chain that tries to latches its queue. */
#define VIO_MEM_READONLY (1u << 0)
/**
 * Map memory from @c fd even if it lacks F_SEAL_SHRINK. Whoever holds the other
 * end of the descriptor can then truncate it and kill this process by SIGBUS.
 */
#define VIO_MEM_ACCEPT_UNSEALED (1u << 1)

/** Access for vio_mem_translate(): the bytes are to be read. */
#define VIO_MEM_READ (1u << 0)
/** Access for vio_mem_translate(): the bytes are to be written. */
#define VIO_MEM_WRITE (1u << 1)
/** The address is an I/O virtual one: it passes the translate hook first. */
#define VIO_MEM_IOVA (1u << 2)

/** One piece of guest memory. Start from VIO_MEM_REGION_INIT. */
struct vio_mem_region {
	uint32_t size;         /**< sizeof(struct vio_mem_region) */
	uint32_t flags;        /**< VIO_MEM_READONLY, VIO_MEM_ACCEPT_UNSEALED */
	uint64_t gpa;          /**< first guest-physical address, page-aligned */
	uint64_t length_bytes; /**< whole pages, at least one */
	/** Where it is mapped here, page-aligned; the caller's. NULL: map @c fd. */
	void *hva;
	int32_t fd;        /**< mapped and then left to the caller; -1: hva is given */
	uint32_t reserved; /**< 0 */
	uint64_t fd_offset_bytes; /**< of the region's first byte in fd, page-aligned */
	/**
	 * Called once when nothing refers to the region: by dispatch of the
	 * context, or by vio_mem_dispatch() without one. A mapping made from fd
	 * is gone by then. NULL: not told.
	 */
	void (*released)(void *opaque, uint64_t gpa);
	void *opaque; /**< first argument of released */
};
/** An empty region without a descriptor. */
#define VIO_MEM_REGION_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_mem_region), 0, 0, 0, NULL, -1, 0, 0,      \
			NULL, NULL                                                     \
	}

/** What a listener is told of a commit. */
struct vio_mem_change {
	uint64_t gpa;          /**< of the region */
	uint64_t length_bytes; /**< of the region */
	void *hva;             /**< where it is mapped here */
	uint32_t flags;        /**< of the region */
	uint32_t is_added;     /**< 1: added; 0: removed */
};

/** Follows the table. Start from VIO_MEM_LISTENER_INIT. */
struct vio_mem_listener {
	uint32_t size;  /**< sizeof(struct vio_mem_listener) */
	uint32_t flags; /**< 0 */
	/**
	 * The changes of one commit, removals first, before they take effect.
	 * Non-zero, a negative errno, refuses all of them. NULL: never refuses.
	 */
	int (*prepare)(void *opaque, const struct vio_mem_change *changes, uint32_t n);
	/**
	 * What prepare agreed to is done (@p is_committed 1), or was refused by
	 * another listener or for lack of memory (0).
	 */
	void (*commit)(void *opaque, const struct vio_mem_change *changes, uint32_t n,
		       int is_committed);
	void *opaque; /**< first argument of both */
};
/** A listener without callbacks. */
#define VIO_MEM_LISTENER_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_mem_listener), 0, NULL, NULL, NULL         \
	}

/** Where to note pages that devices write. Start from VIO_MEM_BITMAP_INIT. */
struct vio_mem_bitmap {
	uint32_t size;         /**< sizeof(struct vio_mem_bitmap) */
	uint32_t page_shift;   /**< a bit stands for 2^page_shift bytes, 12 to 30 */
	uint64_t gpa;          /**< address of the first bit's page, page-aligned */
	uint64_t length_bytes; /**< bytes of guest memory that the bits stand for */
	/**
	 * Bit b of byte i stands for page 8 i + b; set by atomic OR of bytes.
	 * Stays the caller's and valid until detached. At least
	 * ceil(length_bytes / 2^page_shift / 8) bytes.
	 */
	uint8_t *bits;
	/** Called as in struct vio_mem_region once no queue marks it any more. */
	void (*released)(void *opaque, uint64_t gpa);
	void *opaque; /**< first argument of released */
};
/** A bitmap of 4 KiB pages; the rest is to be filled. */
#define VIO_MEM_BITMAP_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_mem_bitmap), 12, 0, 0, NULL, NULL, NULL    \
	}

/**
 * Translates an I/O virtual address, as an IOMMU would.
 * @param opaque        as given to vio_mem_set_translate()
 * @param iova          first byte
 * @param length_bytes  at least 1
 * @param access        VIO_MEM_READ, VIO_MEM_WRITE or both; all must be allowed
 * @param[out] out_gpa  where the first byte is
 * @return how many bytes from there are contiguous, at least 1, more than asked
 * is taken as asked; -EAGAIN: not known yet, vio_mem_notify() will follow;
 * -EFAULT: not mapped, or not for this access.
 * Called on the queue's owner thread.
 */
typedef int64_t (*vio_mem_translate_fn)(void *opaque, uint64_t iova,
					uint64_t length_bytes, uint32_t access,
					uint64_t *out_gpa);

/**
 * Create an empty table.
 * @param ctx       gives memory, log and events; NULL: see @ref abi, then call
 *                  vio_mem_dispatch()
 * @param[out] out  the caller's, to vio_mem_destroy()
 * @return 0 or -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_mem_create(struct vio_ctx *ctx, struct vio_mem **out);

/**
 * Begin a batch of changes.
 * @param mem  a table
 * @return 0; -EBUSY: a batch is open.
 * @par Threads  One per object, with commit, abort, add, remove, attach and
 * detach. Queues run on.
 */
VIO_API VIO_MUST_CHECK int vio_mem_begin(struct vio_mem *mem);

/**
 * Add a region; takes effect with the commit, or at once if no batch is open.
 * A region may take the place of one removed in the same batch.
 * @param mem     a table
 * @param region  copied
 * @param err     optional, filled on failure
 * @return 0; -EINVAL: not page-aligned, empty, past 2^64, neither or both of
 * hva and fd, or an unknown flag; -EEXIST: overlaps a region; -E2BIG: see
 * @ref abi; -ENOSPC: VIO_MEM_REGIONS_MAX; -ENOMEM; for an fd also -EPERM: it
 * lacks F_SEAL_SHRINK, -ERANGE: the file ends before the region does, or what
 * mmap(2) answers; -ECHILD: a forked child maps nothing; without a batch also
 * what vio_mem_commit() answers.
 * @par Threads  One per object. Queues run on.
 */
VIO_API VIO_MUST_CHECK int vio_mem_add(struct vio_mem *mem,
				       const struct vio_mem_region *region,
				       struct vio_error *err);

/**
 * Remove a region; takes effect with the commit, or at once if no batch is
 * open. Never waits: see @c released.
 * @param mem  a table
 * @param gpa  where the region begins
 * @return 0; -ENOENT: no region begins there; -ENOMEM; without a batch also
 * what vio_mem_commit() answers.
 * @par Threads  One per object. Queues run on.
 */
VIO_API VIO_MUST_CHECK int vio_mem_remove(struct vio_mem *mem, uint64_t gpa);

/**
 * Make a batch take effect, whole or not at all.
 * @param mem  a table with an open batch
 * @return 0; -EINVAL: no batch is open; -ENOMEM, or the errno of the listener
 * that refused: the table is as before the batch and the batch is closed.
 * Regions added in vain get their @c released call, unless the add itself, without
 * a batch, was what failed.
 * @par Threads  One per object. Queues run on.
 */
VIO_API VIO_MUST_CHECK int vio_mem_commit(struct vio_mem *mem);

/**
 * Drop a batch. Regions added in vain get their @c released call.
 * @param mem  a table
 * @return 0; -EINVAL: no batch is open.
 * @par Threads  One per object.
 */
VIO_API int vio_mem_abort(struct vio_mem *mem);

/**
 * Find @p length_bytes at @p addr in this process. A range that crosses regions
 * takes an iovec for each, fewer where they are neighbours here too.
 * @param mem           a table
 * @param addr          guest-physical, or I/O virtual with VIO_MEM_IOVA
 * @param length_bytes  at least 1
 * @param access        VIO_MEM_READ and/or VIO_MEM_WRITE, VIO_MEM_IOVA
 * @param iov           room for @p n_iov entries
 * @param n_iov         at least 1
 * @return entries filled; -EINVAL: length or n_iov is 0, or access is neither;
 * -EFAULT: some byte is not guest memory or not for this access; -ENOBUFS: more
 * than @p n_iov entries; -EAGAIN: the hook does not know yet. On failure
 * @p iov may have been written and means nothing. The memory is valid until a
 * removal of its region is committed: the caller excludes that.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_mem_translate(struct vio_mem *mem, uint64_t addr,
					     uint64_t length_bytes, uint32_t access,
					     struct iovec *iov, uint32_t n_iov);

/**
 * Put a translation in front of the table for queues with
 * VIRTIO_F_ACCESS_PLATFORM.
 * @param mem     a table
 * @param fn      the hook; NULL: none, addresses are guest-physical
 * @param opaque  first argument of the hook
 * @par Threads  Setup.
 */
VIO_API void
vio_mem_set_translate(struct vio_mem *mem, vio_mem_translate_fn fn, void *opaque);

/**
 * Say that the hook may answer otherwise than before: parked queues try again
 * at their next pop. Wake their owners after it.
 * @param mem  a table
 * @par Threads  Any.
 */
VIO_API void vio_mem_notify(struct vio_mem *mem);

/**
 * Follow the table; told of all present regions in one call of each callback.
 * @param mem       a table
 * @param listener  copied, known by its @c opaque
 * @return 0; -EINVAL: an unknown flag; -EEXIST: one with this opaque is
 * attached; -EBUSY: a batch is open; -E2BIG: see @ref abi; -ENOMEM; or what
 * prepare answered.
 * @par Threads  One per object. Callbacks run in the calls that cause them.
 */
VIO_API VIO_MUST_CHECK int
vio_mem_attach_listener(struct vio_mem *mem, const struct vio_mem_listener *listener);

/**
 * Stop following; callbacks see every region go, and cannot refuse.
 * @param mem     a table
 * @param opaque  of the listener
 * @return 0; -ENOENT: not attached; -EBUSY: a batch is open; -ENOMEM.
 * @par Threads  One per object.
 */
VIO_API int vio_mem_detach_listener(struct vio_mem *mem, void *opaque);

/**
 * Note the pages that devices write from now on, also those of chains popped
 * before. Any number of bitmaps can be attached.
 * @param mem     a table
 * @param bitmap  copied; its @c bits identify it
 * @return 0; -EINVAL: no bits, a page_shift outside of 12 to 30, a gpa that is
 * not page-aligned, nothing covered or past 2^64; -EEXIST: these bits are
 * attached; -EBUSY: a batch is open; -E2BIG: see @ref abi; -ENOMEM.
 * @par Threads  One per object. Queues run on.
 */
VIO_API VIO_MUST_CHECK int
vio_mem_attach_bitmap(struct vio_mem *mem, const struct vio_mem_bitmap *bitmap);

/**
 * Stop noting into a bitmap. A queue in the middle of a burst may still mark
 * it: @c released says when none does.
 * @param mem   a table
 * @param bits  as attached
 * @return 0; -ENOENT: not attached; -EBUSY: a batch is open; -ENOMEM.
 * @par Threads  One per object. Queues run on.
 */
VIO_API int vio_mem_detach_bitmap(struct vio_mem *mem, const uint8_t *bits);

/**
 * Mark a range as written in every attached bitmap, for memory that the host
 * writes itself. What pushes of chains write is marked by the queue.
 * @param mem           a table
 * @param gpa           first byte
 * @param length_bytes  what lies outside of the bitmaps is not noted
 * @par Threads  Any.
 */
VIO_API void vio_mem_mark(struct vio_mem *mem, uint64_t gpa, uint64_t length_bytes);

/**
 * Run @c released callbacks that are due. Needed without a context only; with
 * one, its dispatch does this.
 * @param mem  a table
 * @return how many ran.
 * @par Threads  One per object.
 */
VIO_API int vio_mem_dispatch(struct vio_mem *mem);

/**
 * Destroy a table. Listeners still attached see every region go, each by
 * itself; then regions and bitmaps get their @c released call.
 * @param mem  a table, or NULL
 * @param err  optional, says on -EBUSY what uses the table
 * @return 0; -EBUSY: queues are attached, or a callback of the table runs;
 * nothing was done.
 * @par Threads  One per context.
 */
VIO_API int vio_mem_destroy(struct vio_mem *mem, struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_MEM_H */
