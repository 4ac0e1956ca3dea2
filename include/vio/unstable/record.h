/* SPDX-License-Identifier: MIT */
/**
 * @file vio/unstable/record.h
 * @defgroup record I/O records
 * When did each request come, begin and end, and how large was it? The device writes
 * a record of each request that ends; another thread reads them.
 * @code
 *	// the device's thread, once for each burst that it pops
 *	arrival_ns = vio_recorder_get_active(recorder) ? now() : 0;
 *	// and when requests of it have ended
 *	if (arrival_ns)
 *		vio_recorder_push(recorder, records, n);
 *
 *	// the reader's thread, now and then
 *	while ((n = vio_recorder_pop(recorder, records, 64)) > 0)
 *		print(records, n);
 * @endcode
 * A recorder is a ring of a fixed size with one writer and one reader, neither of
 * which ever waits. When the reader is late the newest records are dropped: to
 * overwrite the oldest would mean to write what is being read. What was dropped is
 * counted, and the next record says how many are missing before it.
 *
 * Queues know nothing of recorders. A program that has none pays nothing, one whose
 * recorder is off pays vio_recorder_get_active() and reads no clock.
 *
 * The records' memory comes from the context's allocator, at creation alone; one of
 * a heap on the caller's own memory puts it there (@ref heap).
 *
 * Unstable: define VIO_ENABLE_UNSTABLE before the include, and expect changes in
 * any release.
 * @{
 */
#ifndef VIO_UNSTABLE_RECORD_H
#define VIO_UNSTABLE_RECORD_H

#ifndef VIO_ENABLE_UNSTABLE
#error "define VIO_ENABLE_UNSTABLE to use interfaces that may change in any release"
#endif

#include <vio/common.h>
#include <vio/error.h>

VIO_BEGIN_DECLS

struct vio_recorder;

/** Most records of a recorder. */
#define VIO_RECORDS_MAX 1048576u

/** What a request did. */
#define VIO_IO_OTHER 0u /**< none of those below */
#define VIO_IO_READ  1u /**< the guest reads, or receives */
#define VIO_IO_WRITE 2u /**< the guest writes, or sends */
#define VIO_IO_FLUSH 3u /**< what was written is made to last */

/** One request that has ended. All times are of one monotonic clock. */
struct vio_io_record {
	uint64_t arrival_ns; /**< when the device took it from its queue */
	uint64_t start_ns;   /**< when work on it began; not before arrival_ns */
	uint64_t end_ns;     /**< when it was completed; not before start_ns */
	uint64_t bytes;      /**< of data moved, without headers */
	uint64_t tag;        /**< the program's, such as a place on a disk */
	uint32_t op;         /**< VIO_IO_ */
	int32_t status;      /**< 0, or the negative errno it failed with */
	uint32_t queue;      /**< number of its queue */
	/**
	 * Records dropped between the one before and this one; at most UINT32_MAX.
	 * 0 when pushed.
	 */
	uint32_t lost;
};

/** Parameters of a recorder. Start from VIO_RECORDER_PARAMS_INIT. */
struct vio_recorder_params {
	uint32_t size;       /**< sizeof(struct vio_recorder_params) */
	uint32_t flags;      /**< 0 */
	struct vio_dom *dom; /**< tenant to be a member of; NULL: none */
	uint32_t n_records;  /**< a power of two, 2 to VIO_RECORDS_MAX; 0: 4096 */
	uint32_t index;      /**< number of the recorder, for errors */
};
/** A recorder of 4096 records, without a tenant. */
#define VIO_RECORDER_PARAMS_INIT                                                       \
	{                                                                              \
		(uint32_t)sizeof(struct vio_recorder_params), 0, NULL, 0, 0            \
	}

/** What a recorder has seen since its creation. Start from VIO_RECORDER_STATS_INIT. */
struct vio_recorder_stats {
	uint32_t size;   /**< in: sizeof; out: bytes filled */
	uint32_t flags;  /**< 0 */
	uint64_t pushed; /**< records that were kept */
	uint64_t lost;   /**< records that were dropped, as the ring was full */
	uint64_t popped; /**< records that were read; the rest of pushed waits */
};
/** Nothing seen. */
#define VIO_RECORDER_STATS_INIT                                                        \
	{                                                                              \
		(uint32_t)sizeof(struct vio_recorder_stats), 0, 0, 0, 0                \
	}

/**
 * Create a recorder. It is off.
 * @param ctx       gives memory; NULL: see @ref abi
 * @param params    copied
 * @param[out] out  the caller's, to vio_recorder_destroy()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: n_records not a power of two in range, or an unknown flag;
 * -E2BIG: see @ref abi; -ENOMEM.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int
vio_recorder_create(struct vio_ctx *ctx, const struct vio_recorder_params *params,
		    struct vio_recorder **out, struct vio_error *err);

/**
 * Switch a recorder on or off. The writer sees it a little later; what it pushes to
 * one that is off is forgotten, and not counted as lost.
 * @param recorder  a recorder
 * @param enable    1: on; 0: off
 * @par Threads  Any.
 */
VIO_API void vio_recorder_set_active(struct vio_recorder *recorder, int enable);

/**
 * Is it worth while to take times? One load.
 * @param recorder  a recorder, or NULL
 * @return 1: it is on; 0: it is off, or NULL.
 * @par Threads  Any.
 */
VIO_API int vio_recorder_get_active(const struct vio_recorder *recorder);

/**
 * Write records, all of them or the first that fit; the others are lost. No lock, no
 * system call, no memory.
 * @param recorder  a recorder
 * @param records   requests that have ended, in any order; copied
 * @param n         how many; 0 is no error
 * @return how many were kept; 0 if the recorder is off; -EINVAL: an unknown op, a time
 * before the one that precedes it, a status over 0, or a lost that is not 0: none was
 * kept, and none counts as lost.
 * @par Threads  One per object: the writer.
 */
VIO_API int vio_recorder_push(struct vio_recorder *recorder,
			      const struct vio_io_record *records, uint32_t n);

/**
 * Read records in the order they were written, whether the recorder is on or off.
 * @param recorder  a recorder
 * @param records   room for @p n; written up to the count returned
 * @param n         at most INT32_MAX
 * @return how many were read; 0: none wait; -EINVAL: @p n out of range.
 * @par Threads  One per object: the reader, which may be another thread than the
 * writer.
 */
VIO_API VIO_MUST_CHECK int vio_recorder_pop(struct vio_recorder *recorder,
					    struct vio_io_record *records, uint32_t n);

/**
 * Copy out what a recorder has seen. Counts are exact once writer and reader are idle
 * and at most a burst behind while they run; never more is popped than pushed.
 * @param recorder        a recorder
 * @param[in,out] stats   size set by the caller; filled up to that size
 * @return 0; -EINVAL: stats is NULL or too short.
 * @par Threads  Any.
 */
VIO_API int vio_recorder_read_stats(const struct vio_recorder *recorder,
				    struct vio_recorder_stats *stats);

/**
 * Destroy a recorder and the records that were not read.
 * @param recorder  one that nobody uses any more, or NULL
 * @par Threads  One per object.
 */
VIO_API void vio_recorder_destroy(struct vio_recorder *recorder);

VIO_END_DECLS
/** @} */
#endif /* VIO_UNSTABLE_RECORD_H */
