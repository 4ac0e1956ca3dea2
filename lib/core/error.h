/* SPDX-License-Identifier: MIT */
/* Filling the caller's struct vio_error. */
#ifndef VIO_CORE_ERROR_H
#define VIO_CORE_ERROR_H

#include <vio/error.h>

/*
 * Writes @code and the formatted line into @err, if there is one, and returns
 * @code, so that a failing path is one statement.
 */
__attribute__((format(printf, 3, 4))) int
vio_fail(struct vio_error *err, int code, const char *format, ...);

#endif /* VIO_CORE_ERROR_H */
