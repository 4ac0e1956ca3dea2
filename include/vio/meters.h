/* SPDX-License-Identifier: MIT */
/**
 * @file vio/meters.h
 * @defgroup meters Meters
 * What was counted since an object was created. Counters only grow.
 *
 * vio_queue_read_meters() reads those of one queue, vio_dom_read_meters() those of a
 * tenant: the sum of its queues and limits, also of those that are gone. What was
 * refused, lent and borrowed is counted by limits, and is 0 for a queue.
 * @{
 */
#ifndef VIO_METERS_H
#define VIO_METERS_H

#include <vio/common.h>

VIO_BEGIN_DECLS

/** What a queue or a tenant has used. Start from VIO_METERS_INIT. */
struct vio_meters {
	uint32_t size;           /**< in: sizeof; out: bytes filled */
	uint32_t flags;          /**< 0 */
	uint64_t bytes;          /**< in the buffers of completed chains */
	uint64_t ops;            /**< chains completed */
	uint64_t kicks;          /**< notifications from the driver */
	uint64_t descs;          /**< descriptors of popped chains */
	uint64_t service_ns;     /**< as charged by the program */
	uint64_t faults;         /**< queues latched by malformed rings */
	uint64_t refused;        /**< requests that a limit told to wait */
	uint64_t lent_bytes;     /**< assured and not used */
	uint64_t lent_ops;       /**< the same in operations */
	uint64_t borrowed_bytes; /**< spent beyond what is assured */
	uint64_t borrowed_ops;   /**< the same in operations */
};
/** Empty meters. */
#define VIO_METERS_INIT                                                                \
	{                                                                              \
		(uint32_t)sizeof(struct vio_meters), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,  \
			0                                                              \
	}

VIO_END_DECLS
/** @} */
#endif /* VIO_METERS_H */
