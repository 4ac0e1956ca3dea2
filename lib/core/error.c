/* SPDX-License-Identifier: MIT */
/*
 * Filling the caller's struct vio_error. An older caller's struct ends earlier:
 * the text is cut to what it has room for, never written past it.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include "core/error.h"

#define TEXT_OFFSET offsetof(struct vio_error, text)

int vio_fail(struct vio_error *err, int code, const char *format, ...)
{
	va_list args;
	size_t room;

	if (!err || err->size <= TEXT_OFFSET)
		return code;
	room = err->size - TEXT_OFFSET;
	if (room > VIO_ERROR_TEXT_BYTES)
		room = VIO_ERROR_TEXT_BYTES;

	err->code = code;
	va_start(args, format);
	vsnprintf(err->text, room, format, args);
	va_end(args);
	return code;
}
