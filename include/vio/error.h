/* SPDX-License-Identifier: MIT */
/**
 * @file vio/error.h
 * @defgroup error Errors with words
 * The line a person reads when a cold call fails.
 *
 * Calls that can fail for many reasons take an optional, caller-owned struct
 * vio_error. It names the object and the remedy; there is nothing to free.
 * @code
 *	struct vio_error err = VIO_ERROR_INIT;
 *
 *	if (vio_backend_open(ctx, &params, &backend, &err) < 0)
 *		fprintf(stderr, "%s\n", err.text);
 * @endcode
 * @{
 */
#ifndef VIO_ERROR_H
#define VIO_ERROR_H

#include <vio/common.h>

VIO_BEGIN_DECLS

/** Room for the text: a path, an address and a sentence. */
#define VIO_ERROR_TEXT_BYTES 248

/** One failure. Start from VIO_ERROR_INIT. */
struct vio_error {
	uint32_t size;                   /**< sizeof(struct vio_error) */
	int32_t code;                    /**< what the call returned */
	char text[VIO_ERROR_TEXT_BYTES]; /**< one line, no newline, NUL-terminated */
};
/** An empty struct vio_error. */
#define VIO_ERROR_INIT                                                                 \
	{                                                                              \
		(uint32_t)sizeof(struct vio_error), 0,                                 \
		{                                                                      \
			0                                                              \
		}                                                                      \
	}

VIO_END_DECLS
/** @} */
#endif /* VIO_ERROR_H */
