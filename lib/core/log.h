/* SPDX-License-Identifier: MIT */
/* Log lines, and a brake on those that a guest or a peer can cause. */
#ifndef VIO_CORE_LOG_H
#define VIO_CORE_LOG_H

#include <stdint.h>

#include <vio/ctx.h>

#include "core/env.h"

/*
 * Counts the lines of one object that its guest can cause. All zero at first.
 * Used by the object's owner thread alone.
 */
struct vio_log_brake {
	uint64_t window_start_ns;
	uint32_t n_lines;
	uint32_t n_dropped;
};

/* @subsystem is the layer's name. One line, no newline. */
__attribute__((format(printf, 4, 5))) void
vio_log(const struct vio_env *env, uint32_t level, const char *subsystem,
	const char *format, ...);

/*
 * May another line be logged now? At most 10 in 10 seconds: enough to see what
 * goes on, too few for a guest to fill a disk. The first line after a pause
 * says how many were dropped.
 */
int vio_log_allows(const struct vio_env *env, struct vio_log_brake *brake,
		   const char *subsystem);

#endif /* VIO_CORE_LOG_H */
