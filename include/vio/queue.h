/* SPDX-License-Identifier: MIT */
/**
 * @file vio/queue.h
 * @defgroup queue Queues, device side
 * A virtqueue as the device sees it: chains of buffers come in, completions go
 * out. Split rings of virtio 1.2, chapter 2.7, with VIRTIO_F_INDIRECT_DESC,
 * VIRTIO_F_EVENT_IDX, VIRTIO_F_IN_ORDER, VIRTIO_F_ACCESS_PLATFORM,
 * VIRTIO_F_RING_RESET and VIRTIO_F_NOTIFICATION_DATA.
 *
 * The owner's loop (a peer chooses what kind of descriptor kick_fd is, so wait for
 * its edges: one that stays readable would otherwise spin the loop):
 * @code
 *	do {
 *		vio_queue_set_kicks(queue, 0);
 *		while ((n = vio_queue_pop(queue, chains, 32, iov, N_IOV)) > 0) {
 *			serve(chains, n); // reads, writes, sets written_bytes
 *			vio_queue_push(queue, chains, n);
 *			if (vio_queue_publish(queue) > 0)
 *				vio_queue_notify(queue);
 *		}
 *	} while (n == 0 && vio_queue_set_kicks(queue, 1) > 0);
 *	// now wait for vio_queue_get_kick_fd()
 * @endcode
 *
 * What the guest wrote is read once, checked, and used from the copy. A ring
 * that breaks the rules latches its queue: the fault is reported once, pops
 * answer -EBADMSG without looking at the ring again, chains popped before can
 * still be pushed, and only a reset clears it.
 *
 * A queue has one owner thread at a time. Whoever changes a running queue from
 * outside first asks the owner to stop: see @c stop in struct vio_queue_params
 * and vio_queue_stopped().
 * @{
 */
#ifndef VIO_QUEUE_H
#define VIO_QUEUE_H

#include <sys/uio.h>

#include <vio/common.h>
#include <vio/error.h>
#include <vio/meters.h>

VIO_BEGIN_DECLS

/** Most descriptors of a split ring (virtio 1.2, 2.7). */
#define VIO_QUEUE_SIZE_MAX 32768u

/** Feature bits of the virtio specification that concern a queue. */
#define VIO_F_NOTIFY_ON_EMPTY   (UINT64_C(1) << 24) /**< legacy; not supported */
#define VIO_F_INDIRECT_DESC     (UINT64_C(1) << 28) /**< chains in tables aside */
#define VIO_F_EVENT_IDX         (UINT64_C(1) << 29) /**< notification by index */
#define VIO_F_VERSION_1         (UINT64_C(1) << 32) /**< not legacy */
#define VIO_F_ACCESS_PLATFORM   (UINT64_C(1) << 33) /**< addresses are I/O virtual */
#define VIO_F_IN_ORDER          (UINT64_C(1) << 35) /**< used as made available */
#define VIO_F_NOTIFICATION_DATA (UINT64_C(1) << 38) /**< kicks carry the index */
#define VIO_F_RING_RESET        (UINT64_C(1) << 40) /**< single queues reset */

/** All of them that a queue implements. */
#define VIO_QUEUE_FEATURES                                                             \
	(VIO_F_INDIRECT_DESC | VIO_F_EVENT_IDX | VIO_F_VERSION_1 |                     \
	 VIO_F_ACCESS_PLATFORM | VIO_F_IN_ORDER | VIO_F_NOTIFICATION_DATA |            \
	 VIO_F_RING_RESET)

/** Why a queue latched. */
#define VIO_FAULT_NONE       0u  /**< it did not */
#define VIO_FAULT_RING       1u  /**< the ring itself is no longer guest memory */
#define VIO_FAULT_AVAIL_JUMP 2u  /**< more chains available than the ring holds */
#define VIO_FAULT_INDEX      3u  /**< a descriptor index beyond the table */
#define VIO_FAULT_LOOP       4u  /**< a chain longer than the ring */
#define VIO_FAULT_ADDRESS    5u  /**< a buffer outside of guest memory, or read-only */
#define VIO_FAULT_LENGTH     6u  /**< an empty buffer, or more than 4 GiB in all */
#define VIO_FAULT_ORDER      7u  /**< a readable buffer after a writable one */
#define VIO_FAULT_INDIRECT   8u  /**< a table not negotiated, nested, chained or odd */
#define VIO_FAULT_DUPLICATE  9u  /**< a head that is already with the device */
#define VIO_FAULT_TOO_MANY   10u /**< a chain in more pieces than max_chain_iov */

/** The owner finishes every open chain before it answers. */
#define VIO_STOP_DRAIN (1u << 0)

/** One chain of buffers. The device reads the first n_out, writes the others. */
struct vio_chain {
	uint32_t head; /**< the driver's name for it */
	/** For vio_queue_push(): bytes written from the start of the in part. */
	uint32_t written_bytes;
	uint32_t n_out;     /**< entries of iov to read */
	uint32_t n_in;      /**< entries of iov after them to write */
	uint64_t out_bytes; /**< length of the out part */
	uint64_t in_bytes;  /**< length of the in part */
	/**
	 * In the caller's array. When the chain is pushed it points to these
	 * iovecs or to a copy of them, with their contents as they were popped.
	 */
	struct iovec *iov;
};

/** What a guest did wrong. Start from VIO_QUEUE_FAULT_INIT. */
struct vio_queue_fault {
	uint32_t size;   /**< in: sizeof; out: bytes filled */
	uint32_t code;   /**< VIO_FAULT_ */
	uint32_t head;   /**< head of the chain in question, or 0 */
	uint32_t index;  /**< descriptor in question, or 0 */
	uint64_t detail; /**< the address, length or index that was refused */
};
/** No fault. */
#define VIO_QUEUE_FAULT_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_queue_fault), 0, 0, 0, 0                   \
	}

/** Where a queue stands. Start from VIO_QUEUE_STATE_INIT. */
struct vio_queue_state {
	uint32_t size;        /**< in: sizeof; out: bytes filled */
	uint32_t flags;       /**< 0 */
	uint32_t avail_index; /**< next entry of the available ring to pop, 16 bits */
	uint32_t used_index;  /**< next entry of the used ring to fill, 16 bits */
};
/** The start of a ring. */
#define VIO_QUEUE_STATE_INIT                                                           \
	{                                                                              \
		(uint32_t)sizeof(struct vio_queue_state), 0, 0, 0                      \
	}

/** Parameters of a queue. Start from VIO_QUEUE_PARAMS_INIT. */
struct vio_queue_params {
	uint32_t size;       /**< sizeof(struct vio_queue_params) */
	uint32_t flags;      /**< 0 */
	struct vio_mem *mem; /**< guest memory; outlives the queue */
	struct vio_dom *dom; /**< tenant to charge; NULL: none */
	uint64_t features;   /**< negotiated; bits that no queue knows are ignored */
	uint64_t
		desc_addr; /**< descriptor table, 16-aligned (guest-physical or IOVA) */
	uint64_t driver_addr; /**< available ring, 2-aligned */
	uint64_t device_addr; /**< used ring, 4-aligned */
	uint32_t n_descs; /**< Queue Size: a power of two, 1 to VIO_QUEUE_SIZE_MAX */
	uint32_t max_chain_iov; /**< most iovecs of a chain; 0: 1024 */
	uint32_t index;         /**< number of the queue, for logs and errors */
	int32_t kick_fd;        /**< eventfd of the driver, the caller's; -1: none */
	int32_t call_fd;        /**< eventfd to the driver, the caller's; -1: none */
	uint32_t reserved;      /**< 0 */
	/**
	 * Asks the owner to stop: to finish or to abandon its open chains (@p
	 * stop_flags), then to answer vio_queue_stopped(@p token) from any
	 * thread, and after that to leave the queue alone. Called by dispatch.
	 * NULL: owner and dispatcher are one thread, so nobody need be asked.
	 */
	void (*stop)(void *opaque, struct vio_queue *queue, struct vio_stop *token,
		     uint32_t stop_flags);
	/**
	 * Called once when the queue latches, on its owner's thread, inside of the
	 * call that found out: it may read the queue, not change it. Or NULL.
	 */
	void (*fault)(void *opaque, struct vio_queue *queue,
		      const struct vio_queue_fault *fault);
	void *opaque; /**< first argument of both */
};
/** A queue without descriptors or callbacks. */
#define VIO_QUEUE_PARAMS_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_queue_params), 0, NULL, NULL, 0, 0, 0, 0,  \
			0, 0, 0, -1, -1, 0, NULL, NULL, NULL                           \
	}

/**
 * Create a queue over a ring in guest memory.
 * @param ctx       gives memory and log; NULL: see @ref abi
 * @param params    copied
 * @param[out] out  the caller's, to vio_queue_destroy()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: n_descs not a power of two in range, an address not
 * aligned, no mem, an unknown flag; -EFAULT: a part of the ring is not writable
 * guest memory in one piece, or two parts overlap; -EAGAIN: the translate hook
 * does not know yet; -EOPNOTSUPP: VIRTIO_F_RING_PACKED; -E2BIG: see @ref abi;
 * -ENOMEM.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_queue_create(struct vio_ctx *ctx, const struct vio_queue_params *params,
		 struct vio_queue **out, struct vio_error *err);

/**
 * Take chains that the driver made available (virtio 1.2, 2.7.13 and 2.7.14).
 * Work is bounded by @p n_chains times the size of the ring.
 * @param queue     a queue
 * @param chains    room for @p n_chains; written up to the count returned
 * @param n_chains  at least 1
 * @param iov       the chains' iovecs are taken from here, front to back
 * @param n_iov     at least the queue's max_chain_iov
 * @return chains popped, 0: none available. When @p iov is used up, fewer than
 * available are popped. -EBADMSG: the queue is latched (chains before the
 * malformed one are returned first); -EAGAIN: the translate hook does not know
 * an address yet, the queue is parked until vio_mem_notify(); -EINVAL: n_chains
 * is 0, or n_iov too small.
 * @par Threads  One per object: the owner.
 */
VIO_API VIO_MUST_CHECK int vio_queue_pop(struct vio_queue *queue,
					 struct vio_chain *chains, uint32_t n_chains,
					 struct iovec *iov, uint32_t n_iov);

/**
 * Put chains back that were popped last, as if they had not been: for a device that
 * finds that it needs more chains than there are, such as a network device with a
 * packet that takes several receive buffers.
 * @param queue   a queue
 * @param chains  the last @p n chains popped, in the order they were popped
 * @param n       how many
 * @return 0; -EINVAL: one of them is not with the device, or with VIRTIO_F_IN_ORDER
 * is not among the last, nothing was done. That they are the last popped is not
 * checked otherwise: the driver would get others back than it gave.
 * @par Threads  One per object: the owner.
 */
VIO_API VIO_MUST_CHECK int
vio_queue_unpop(struct vio_queue *queue, const struct vio_chain *chains, uint32_t n);

/**
 * Give chains back, in any order. The driver sees them when they are published.
 * With VIRTIO_F_IN_ORDER a completion waits for those popped before it.
 * @param queue   a queue
 * @param chains  as popped, written_bytes set
 * @param n       how many
 * @return how many were taken; fewer than @p n: the next one is not with the
 * device, or claims more bytes than it has, and is refused; -EINVAL: the first
 * one is; -EAGAIN: the translate hook does not know the used ring now, nothing
 * was taken. If the ring itself is gone, chains are taken all the same.
 * @par Threads  One per object: the owner.
 */
VIO_API int
vio_queue_push(struct vio_queue *queue, const struct vio_chain *chains, uint32_t n);

/**
 * Show the driver what was pushed, by one store (virtio 1.2, 2.7.8).
 * @param queue  a queue
 * @return 1: the driver asks for a notification, see vio_queue_notify(); 0: it
 * does not, or nothing was pushed; -EBADMSG: the ring itself is gone; -EAGAIN:
 * the translate hook does not know it now.
 * @par Threads  One per object: the owner.
 */
VIO_API VIO_MUST_CHECK int vio_queue_publish(struct vio_queue *queue);

/**
 * Notify the driver through call_fd.
 * @param queue  a queue
 * @return 0, also when there is no call_fd; -EAGAIN: the eventfd is full; what
 * else write(2) answers. A peer that has filled its eventfd and cleared O_NONBLOCK,
 * which counts for both sides, makes this wait until it is emptied.
 * @par Threads  One per object: the owner.
 */
VIO_API int vio_queue_notify(struct vio_queue *queue);

/**
 * Ask the driver for kicks, or to spare them (virtio 1.2, 2.7.10). Spare them
 * while polling; ask for them before waiting on kick_fd.
 * @param queue   a queue
 * @param enable  1: ask; 0: spare
 * @return 1: chains are available already, pop again before waiting; 0: none
 * are, or kicks are spared; -EBADMSG: the queue is latched; -EAGAIN: as for
 * vio_queue_push().
 * @par Threads  One per object: the owner.
 */
VIO_API int vio_queue_set_kicks(struct vio_queue *queue, int enable);

/**
 * The descriptor that becomes readable when the driver kicks.
 * @param queue  a queue
 * @return the descriptor, or -1.
 * @par Threads  Any.
 */
VIO_API int vio_queue_get_kick_fd(const struct vio_queue *queue);

/**
 * Take the kicks that came in through kick_fd, and count them.
 * @param queue  a queue
 * @return how many came since the last call, at most INT32_MAX; 0: none, or no
 * kick_fd; what read(2) answers.
 * @par Threads  One per object: the owner.
 */
VIO_API int vio_queue_read_kicks(struct vio_queue *queue);

/**
 * Answer a request to stop. After it the queue belongs to whoever asked.
 * @param token  as given to @c stop; no longer valid after 0
 * @return 0; -EBUSY: the stop asked for VIO_STOP_DRAIN and chains are open, or
 * pushed and not published: finish them and answer again.
 * @par Threads  Any.
 */
VIO_API int vio_queue_stopped(struct vio_stop *token);

/**
 * Why the queue latched.
 * @param queue           a queue
 * @param[in,out] fault   size set by the caller; filled up to that size
 * @return 0; -EINVAL: fault is NULL or too short.
 * @par Threads  One per object: the owner.
 */
VIO_API int
vio_queue_read_fault(const struct vio_queue *queue, struct vio_queue_fault *fault);

/**
 * Copy out the queue's meters. Counts are exact once its owner is idle and at most a
 * burst behind while it runs.
 * @param queue           a queue
 * @param[in,out] meters  size set by the caller; filled up to that size
 * @return 0; -EINVAL: meters is NULL or too short.
 * @par Threads  Any.
 */
VIO_API int
vio_queue_read_meters(const struct vio_queue *queue, struct vio_meters *meters);

/**
 * Charge time that the device spent on the queue's requests, to the queue and so to its
 * tenant. What is charged here is not to be charged to vio_dom_add_service() again.
 * @param queue       a queue
 * @param service_ns  nanoseconds
 * @par Threads  One per object: the owner.
 */
VIO_API void vio_queue_add_service(struct vio_queue *queue, uint64_t service_ns);

/**
 * How many descriptors the ring has, and so how many chains can be open.
 * @param queue  a queue
 * @return 1 to VIO_QUEUE_SIZE_MAX.
 * @par Threads  Any.
 */
VIO_API uint32_t vio_queue_get_size(const struct vio_queue *queue);

/**
 * How many chains are popped and not pushed.
 * @param queue  a queue
 * @return the number, 0 to n_descs.
 * @par Threads  One per object: the owner.
 */
VIO_API uint32_t vio_queue_get_open(const struct vio_queue *queue);

/**
 * Back to the state after creation: indexes 0, no fault, open chains forgotten
 * (virtio 1.2, 2.6.1).
 * @param queue  a stopped queue, or the owner's
 * @par Threads  One per object: the owner.
 */
VIO_API void vio_queue_reset(struct vio_queue *queue);

/**
 * Copy out where the queue stands.
 * @param queue           a queue
 * @param[in,out] state   size set by the caller; filled up to that size
 * @return 0; -EINVAL: state is NULL or too short.
 * @par Threads  One per object: the owner.
 */
VIO_API int
vio_queue_read_state(const struct vio_queue *queue, struct vio_queue_state *state);

/**
 * Go on from another place in the rings.
 * @param queue  a queue without open chains
 * @param state  an index over 16 bits is refused
 * @return 0; -EINVAL: state is NULL, too short, out of range or has an unknown
 * flag; -E2BIG: see @ref abi; -EBUSY: chains are open or not published.
 * @par Threads  One per object: the owner.
 */
VIO_API VIO_MUST_CHECK int
vio_queue_set_state(struct vio_queue *queue, const struct vio_queue_state *state);

/**
 * Destroy a queue. Memory of open chains is no longer held for them.
 * @param queue  a stopped queue, the owner's, or NULL
 * @par Threads  One per context.
 */
VIO_API void vio_queue_destroy(struct vio_queue *queue);

VIO_END_DECLS
/** @} */
#endif /* VIO_QUEUE_H */
