/* SPDX-License-Identifier: MIT */
/**
 * @file vio/unstable/limit_hw.h
 * @defgroup limit_hw Limits in hardware and in the kernel
 * A limit that something other than the program enforces.
 *
 * A back end is one place where the kernel or a device holds rates: a virtual
 * function of a network card (rtnetlink), a port function or a node of devlink-rate, a
 * block device in a cgroup (io.max). Opening one finds out what it can hold and how
 * finely, so that nothing is promised that is refused later. A limit is then attached
 * to it: what the back end can hold of the limit it holds from then on, and the rest
 * stays with the software, which goes on charging leases for it.
 * @code
 *	params.kind = VIO_LIMIT_HW_VF;
 *	params.host = host;
 *	params.pf = pf;
 *	params.vf_index = 3;
 *	ret = vio_limit_hw_open(ctx, &params, &hw, opened, self, &err);
 *	...
 *	vio_limit_hw_read_caps(hw, &caps);
 *	if (caps.fields & VIO_LIMIT_HW_ASSURED_BYTES)
 *		needed |= VIO_LIMIT_HW_ASSURED_BYTES;
 *	ret = vio_limit_hw_attach(hw, limit, needed, &report, attached, self, &err);
 * @endcode
 * What each kind knows, as of Linux 6.12:
 *
 * | kind | fields | step | what is limited |
 * |---|---|---|---|
 * | VF | ceiling, assured: as the driver can | 125000 B/s | what the VF sends |
 * | devlink | ceiling, assured, weight, parent: likewise | 125000 B/s | likewise |
 * | cgroup | ceilings of bytes and operations | 1 | reads and writes, each alone |
 *
 * rtnetlink counts in Mbit/s. devlink counts in bytes, but the drivers of Linux refuse
 * what is no whole number of Mbit/s. Ceilings are rounded down to the step and assured
 * rates up. How much the back end lets through at once is its own affair: burst_bytes
 * and burst_ops count in software alone.
 *
 * A program that ends without vio_limit_hw_close() leaves rates as they are. For a
 * claimed VF see vio_vf_configure(), which has a journal.
 *
 * Unstable: define VIO_ENABLE_UNSTABLE before the include, and expect changes in
 * any release.
 * @{
 */
#ifndef VIO_UNSTABLE_LIMIT_HW_H
#define VIO_UNSTABLE_LIMIT_HW_H

#ifndef VIO_ENABLE_UNSTABLE
#error "define VIO_ENABLE_UNSTABLE to use interfaces that may change in any release"
#endif

#include <vio/common.h>
#include <vio/error.h>
#include <vio/pci.h>

VIO_BEGIN_DECLS

struct vio_host;
struct vio_limit;
struct vio_limit_hw;

/** Kinds of back ends. */
#define VIO_LIMIT_HW_VF      1u /**< a VF, through its PF's network interface */
#define VIO_LIMIT_HW_DEVLINK 2u /**< a port function or a node of devlink-rate */
#define VIO_LIMIT_HW_CGROUP  3u /**< a block device in a cgroup of version 2 */

/** What a back end can hold of a limit. */
#define VIO_LIMIT_HW_CEILING_BYTES (1u << 0) /**< bytes_per_sec */
#define VIO_LIMIT_HW_CEILING_OPS   (1u << 1) /**< ops_per_sec */
#define VIO_LIMIT_HW_ASSURED_BYTES (1u << 2) /**< assured_bytes_per_sec */
/** weight, only where it is needed: drivers have ranges of their own */
#define VIO_LIMIT_HW_WEIGHT      (1u << 3)
#define VIO_LIMIT_HW_PARENT      (1u << 4) /**< a node above, by name */
#define VIO_LIMIT_HW_ASSURED_OPS (1u << 5) /**< assured_ops_per_sec: none can so far */

/**
 * Set nothing to find out. Where the kernel tells a driver's abilities only by its
 * answer, the field is then in @c untried; so are those of a disk that has no line in
 * io.max, which may be no disk. What is untried is not attached. Without the flag each
 * field is set to the value that it has; a minimum rate of a VF, where it is 0, to
 * 1 Mbit/s and back, since drivers without one (igb, ixgbe) take 0.
 */
#define VIO_LIMIT_HW_NO_TRIALS (1u << 0)
/** Make the devlink node, and remove it when the back end is closed. */
#define VIO_LIMIT_HW_CREATE (1u << 1)
/** Of a cgroup: the limit is of reads. */
#define VIO_LIMIT_HW_READS (1u << 2)
/** Of a cgroup: the limit is of writes. */
#define VIO_LIMIT_HW_WRITES (1u << 3)

/** Where a rate is to be held. Start from VIO_LIMIT_HW_PARAMS_INIT. */
struct vio_limit_hw_params {
	uint32_t size;          /**< sizeof(struct vio_limit_hw_params) */
	uint32_t flags;         /**< VIO_LIMIT_HW_NO_TRIALS and so on */
	uint32_t kind;          /**< VIO_LIMIT_HW_VF, _DEVLINK or _CGROUP */
	uint32_t vf_index;      /**< VF: its number in the PF, as "ip link" shows it */
	struct vio_host *host;  /**< VF: where sysfs is; stays open as long as this */
	struct vio_pci_addr pf; /**< VF: the PF, which has a network interface */
	/** devlink: "pci/0000:3b:00.0", the name before the '/' at most 31 bytes, the
	 * one behind it 63. */
	const char *handle;
	/** devlink: name of a node, not a number, at most 63 bytes; NULL: the port. */
	const char *node;
	/** devlink: node to be put below while a limit is attached; NULL: as it is. */
	const char *parent;
	/** cgroup: its folder, in which there is io.max. */
	const char *cgroup;
	uint32_t port;  /**< devlink: index of the port, as "devlink port" shows it */
	uint32_t major; /**< cgroup: of the whole disk, at most 4095 */
	uint32_t minor; /**< cgroup: likewise, at most 1048575 */
	/** 0 */
	uint32_t reserved;
};
/** Nowhere. */
#define VIO_LIMIT_HW_PARAMS_INIT                                                       \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_hw_params), 0, 0, 0, NULL,           \
			{ 0, 0, 0, 0, 0 }, NULL, NULL, NULL, NULL, 0, 0, 0, 0          \
	}

/** What a back end can hold. Start from VIO_LIMIT_HW_CAPS_INIT. */
struct vio_limit_hw_caps {
	uint32_t size;    /**< in: sizeof; out: bytes filled */
	uint32_t fields;  /**< it can: VIO_LIMIT_HW_CEILING_BYTES and so on */
	uint32_t untried; /**< only trying would tell, see VIO_LIMIT_HW_NO_TRIALS */
	/**
	 * 1: reads and writes are each held to the whole rate, not their sum, so that
	 * software must go on charging for it (a cgroup with both flags).
	 */
	uint32_t is_each_way;
	uint64_t bytes_least; /**< lowest rate of bytes a second, for all byte fields */
	uint64_t bytes_most;  /**< highest, as far as known: the link's speed */
	uint64_t bytes_step;  /**< what rates are rounded to */
	uint64_t ops_least;   /**< likewise in operations; 0 without that field */
	uint64_t ops_most;    /**< likewise */
	uint64_t ops_step;    /**< likewise */
};
/** Nothing read yet. */
#define VIO_LIMIT_HW_CAPS_INIT                                                         \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_hw_caps), 0, 0, 0, 0, 0, 0, 0, 0, 0  \
	}

/** What became of a limit that was attached. Start from VIO_LIMIT_HW_REPORT_INIT. */
struct vio_limit_hw_report {
	uint32_t size; /**< in: sizeof; out: bytes filled */
	uint32_t set;  /**< fields that the back end has, read back */
	uint32_t held; /**< those of them that software enforces no more */
	uint32_t left; /**< fields of the limit that stay with software alone */
	uint64_t bytes_per_sec;         /**< as it was read back; 0: not set */
	uint64_t ops_per_sec;           /**< likewise */
	uint64_t assured_bytes_per_sec; /**< likewise */
	uint32_t weight;                /**< likewise */
	uint32_t reserved;              /**< 0 */
};
/** Nothing yet. */
#define VIO_LIMIT_HW_REPORT_INIT                                                       \
	{                                                                              \
		(uint32_t)sizeof(struct vio_limit_hw_report), 0, 0, 0, 0, 0, 0, 0, 0   \
	}

/** Told what became of an operation; @p err is NULL if @p result is 0. */
typedef void (*vio_limit_hw_done_fn)(void *opaque, int result,
				     const struct vio_error *err);

/**
 * Open a back end and find out what it can hold. What it holds is as before when
 * @p done is called, also where that fails, and nothing is promised yet. If a trial
 * could not be undone, the line says what may be left and how to undo it by hand.
 * @param ctx       gives memory and events; not NULL. With VIO_LIMIT_HW_VF the host's
 * @param params    copied, with what it points to but the host
 * @param[out] out  of no use until @p done; if that fails it is gone by then
 * @param done      called once if the call returns 0
 * @param opaque    first argument of @p done
 * @param err       optional, filled on failure
 * @return 0: under way; -EINVAL: a field out of its range, named in err; -EOPNOTSUPP:
 * the context has neither io_uring nor a lent thread; -E2BIG: see @ref abi; -ENOMEM;
 * -ECHILD. @p done: 0, also where it can hold nothing; -ENODEV: no such VF, port, node
 * or disk, of which only a trial tells; -EOPNOTSUPP: no network interface, no devlink
 * in this kernel, or no io.max in the cgroup; a build without libnl (VF); -EEXIST:
 * there is such a node; -EBADMSG: the kernel's answer made no sense; -EPERM, -EACCES;
 * -ENOBUFS: an answer was lost; or what else the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_limit_hw_open(struct vio_ctx *ctx, const struct vio_limit_hw_params *params,
		  struct vio_limit_hw **out, vio_limit_hw_done_fn done, void *opaque,
		  struct vio_error *err);

/**
 * Close a back end: detach what is attached, as vio_limit_hw_detach(), remove the node
 * that was made, then free it. It is gone when @p done is called, whatever the result.
 * @param hw      opened
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EBUSY: an operation is under way; -EINVAL: software cannot
 * take the limit back, since its tree has changed meanwhile: configure it first;
 * -ECHILD. @p done: 0; -EIO: a value was read back otherwise than it was restored; or
 * what the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_limit_hw_close(struct vio_limit_hw *hw,
					      vio_limit_hw_done_fn done, void *opaque,
					      struct vio_error *err);

/**
 * Copy out what a back end can hold.
 * @param hw            opened
 * @param[in,out] caps  size set by the caller; filled up to that size
 * @return 0; -EINVAL: caps NULL or too short.
 * @par Threads  One per context.
 */
VIO_API int
vio_limit_hw_read_caps(const struct vio_limit_hw *hw, struct vio_limit_hw_caps *caps);

/**
 * Have a back end hold what it can of a limit's parameters: they are checked and
 * rounded, set, and read back; if one fails all are put back. What the limit does not
 * limit is left as it is in the back end.
 *
 * Once it holds a ceiling by itself, leases are no longer charged for that dimension
 * at this limit, though at those above it. Software goes on charging where it needs to
 * know: for an assured rate that is left to it or that a parent gives, and where the
 * limit has children to share it out to. Have the children before the back end.
 *
 * After vio_limit_configure() software enforces all of the limit again, and if that
 * was called before @p done too: then the report has the rates of before it as set, and
 * no rate as held. Attaching the limit once more brings the change to the back end.
 * @param hw              opened; if another limit is attached: -EBUSY
 * @param limit           stays until it is detached
 * @param needed          VIO_LIMIT_HW_ fields that must be set; others of the limit
 *                        are left to software where the back end cannot hold them
 * @param[in,out] report  optional, kept until @p done and filled then
 * @param done            called once if the call returns 0
 * @param opaque          first argument of @p done
 * @param err             optional, filled on failure
 * @return 0: under way. Before anything is set: -EOPNOTSUPP: the back end lacks a field
 * of @p needed; -ERANGE: it has no such value: below its least, over its most, or an
 * assured rate over the ceiling once both are rounded; -EINVAL: a field of @p needed
 * that the limit does not have, or report too short; or its tree has changed so that
 * software cannot take the limit back: configure it first; -EBUSY: an operation is
 * under way, or see above; -ECHILD. @p done: 0; -EIO: read back otherwise; or what the
 * kernel answered, -524 (its own ENOTSUPP) too: all is as before, or the line says what
 * could not be put back.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_limit_hw_attach(struct vio_limit_hw *hw, struct vio_limit *limit, uint32_t needed,
		    struct vio_limit_hw_report *report, vio_limit_hw_done_fn done,
		    void *opaque, struct vio_error *err);

/**
 * Give a limit back to software, which enforces all of it from this call on, and
 * then the back end what it held before. Values are read first, since the kernel takes
 * a VF's minimum only together with a maximum: a maximum that the limit does not have
 * stays as it is by then. If it cannot be read, the minimum stays too, and the line
 * says so.
 * @param hw      with a limit attached
 * @param done    called once if the call returns 0
 * @param opaque  first argument of @p done
 * @param err     optional, filled on failure
 * @return 0: under way; -EINVAL: none is attached, or as vio_limit_hw_close(); -EBUSY:
 * an operation is under way; -ECHILD. @p done: as vio_limit_hw_close(); the limit is
 * detached in any case.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_limit_hw_detach(struct vio_limit_hw *hw,
					       vio_limit_hw_done_fn done, void *opaque,
					       struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_UNSTABLE_LIMIT_HW_H */
