/* SPDX-License-Identifier: MIT */
/**
 * @file vio/vfio_migration.h
 * @defgroup vfio_migration The state inside a function
 * What a device holds itself, read out of an open function and written into another
 * one of its kind: VFIO's migration, version 2, as linux/vfio.h specifies it. A
 * function goes from state to state as it is told; on the way it hands out the
 * descriptor of a session, through which its data flows. The data are the driver's
 * affair; their order must be kept, the pieces in which they are read or written not.
 *
 * Saving, without and with pre-copy:
 * @code
 *	RUNNING -> STOP_COPY                      read the descriptor to its end
 *	RUNNING -> PRE_COPY (read) -> STOP_COPY   the same descriptor, to its end
 * @endcode
 * Loading:
 * @code
 *	RUNNING -> RESUMING                       write all that was read
 *	RESUMING -> RUNNING                       the device takes it, or refuses
 * @endcode
 *
 * A descriptor is the caller's as soon as it is handed out: the library neither reads
 * nor closes it. It ends with its session, that is with the states named above, a
 * reset, or the function's closing; reads and writes of it then fail, and it is still
 * to be closed. Both can block for as long as the device takes: they may be another
 * thread's or process's affair.
 * @{
 */
#ifndef VIO_VFIO_MIGRATION_H
#define VIO_VFIO_MIGRATION_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/vf.h>

VIO_BEGIN_DECLS

struct vio_vfio;

/** It can be stopped, read out and written: what the others stand on. */
#define VIO_VFIO_CAN_STOP_COPY (1u << 0)
/** It can run and leave other devices' memory alone. */
#define VIO_VFIO_CAN_P2P (1u << 1)
/** It can be read out while it runs. */
#define VIO_VFIO_CAN_PRE_COPY (1u << 2)

/** It has failed, and only vio_vfio_reset() leads out, to RUNNING. */
#define VIO_VFIO_STATE_ERROR 0u
/** It neither works nor changes. */
#define VIO_VFIO_STATE_STOP 1u
/** It works: where every function begins. */
#define VIO_VFIO_STATE_RUNNING 2u
/** As STOP, and its state can be read. */
#define VIO_VFIO_STATE_STOP_COPY 3u
/** As STOP, and a state can be written. */
#define VIO_VFIO_STATE_RESUMING 4u
/** As RUNNING, but for DMA to other devices. Needs VIO_VFIO_CAN_P2P. */
#define VIO_VFIO_STATE_RUNNING_P2P 5u
/** As RUNNING, and its state can be read. Needs VIO_VFIO_CAN_PRE_COPY. */
#define VIO_VFIO_STATE_PRE_COPY 6u
/** As PRE_COPY, but for DMA to other devices. Needs both. */
#define VIO_VFIO_STATE_PRE_COPY_P2P 7u

/** What a function can do, and where it is. */
struct vio_vfio_migration {
	uint32_t size;     /**< in: sizeof; out: bytes filled */
	uint32_t features; /**< VIO_VFIO_CAN_ bits; 0: no migration */
	uint32_t state;    /**< a VIO_VFIO_STATE_ */
};
/** Nothing read yet. */
#define VIO_VFIO_MIGRATION_INIT                                                        \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vfio_migration), 0, 0                      \
	}

/** What is there to be read in pre-copy, as far as the device can say. */
struct vio_vfio_precopy {
	uint32_t size;          /**< in: sizeof; out: bytes filled */
	uint32_t flags;         /**< 0 */
	uint64_t initial_bytes; /**< of what the other side wants first; 0: it has it */
	uint64_t dirty_bytes;   /**< of what has changed since it was read */
};
/** Nothing read yet. */
#define VIO_VFIO_PRECOPY_INIT                                                          \
	{                                                                              \
		(uint32_t)sizeof(struct vio_vfio_precopy), 0, 0, 0                     \
	}

/**
 * What a function can do, and where it is.
 * @param vfio               an open function
 * @param[in,out] migration  size set by the caller; filled up to that size. Without
 *                           migration: no feature, and RUNNING
 * @param err                optional, filled on failure
 * @return 0; -EINVAL: migration NULL or too short; -EBUSY: an operation is under way;
 * -ENODEV: it has gone; what ioctl(2) answers; -ECHILD.
 * @par Threads  One per context.
 */
VIO_API int vio_vfio_read_migration(struct vio_vfio *vfio,
				    struct vio_vfio_migration *migration,
				    struct vio_error *err);

/**
 * Bring a function to a state. The kernel goes the shortest way; states on it are not
 * seen. Not every two states have one: STOP_COPY does not lead back to pre-copy, ERROR
 * is neither asked for nor left, and a state is only for a device that has its
 * features. Those are refused before the kernel is asked.
 * @param vfio              an open function
 * @param state             a VIO_VFIO_STATE_
 * @param[out] out_data_fd  filled before @p done is called with 0: a descriptor,
 *                          CLOEXEC, the caller's to close, if a session has begun;
 *                          -1 if not, also where one goes on (PRE_COPY to STOP_COPY)
 * @param done              called once if the call returns 0
 * @param opaque            first argument of @p done
 * @param err               optional, filled on failure
 * @return 0: under way; -EINVAL: no such way, the line names both states;
 * -EOPNOTSUPP: no migration, or see @ref vf (only a lent thread can make this call);
 * -EBUSY: an operation is under way; -ENODEV: it has gone; -EAGAIN: too many are under
 * way; -ENOMEM; what ioctl(2) answers when asked for the state; -ECHILD. @p done: 0;
 * -ECANCELED: vio_ctx_abort_work() came first, and nothing has changed; or what the
 * kernel answered, such as -EINVAL for a state that the device does not take. The
 * function may then be anywhere on its way, or in ERROR: the line says where.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int
vio_vfio_set_migration(struct vio_vfio *vfio, uint32_t state, int32_t *out_data_fd,
		       vio_vf_done_fn done, void *opaque, struct vio_error *err);

/**
 * How much there is to be read in pre-copy: when it is little, or does not get less,
 * it is time for STOP_COPY.
 * @param vfio              an open function, in PRE_COPY or PRE_COPY_P2P
 * @param data_fd           of the session, open until @p done is called
 * @param[in,out] precopy   size set by the caller; filled up to that size before
 *                          @p done is called with 0, and valid until then
 * @param done              called once if the call returns 0
 * @param opaque            first argument of @p done
 * @param err               optional, filled on failure
 * @return 0: under way; -EINVAL: precopy NULL or too short; -EBADF: no descriptor;
 * -EBUSY, -ENODEV, -EOPNOTSUPP, -EAGAIN, -ENOMEM, -ECHILD: as
 * vio_vfio_set_migration(). @p done: 0; -EINVAL: not in pre-copy; -ENOTTY: @p data_fd
 * is something else; -ECANCELED; or what the kernel answered.
 * @par Threads  One per context.
 */
VIO_API VIO_MUST_CHECK int vio_vfio_read_precopy(struct vio_vfio *vfio, int data_fd,
						 struct vio_vfio_precopy *precopy,
						 vio_vf_done_fn done, void *opaque,
						 struct vio_error *err);

VIO_END_DECLS
/** @} */
#endif /* VIO_VFIO_MIGRATION_H */
