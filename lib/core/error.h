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

/*
 * ENOTSUPP of Linux, which is not for user space and has no name there; drivers answer
 * it all the same.
 */
#define VIO_KERNEL_ENOTSUPP 524

/* What @code, negative and from the kernel, means: never NULL. */
const char *vio_explain(int code);

#endif /* VIO_CORE_ERROR_H */
