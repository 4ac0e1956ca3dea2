/* SPDX-License-Identifier: MIT */
/* Numbers of errors as words. */
#include <stddef.h>
#include <string.h>

#include "core/error.h"

const char *vio_explain(int code)
{
	const char *text = strerrordesc_np(-code);

	if (text)
		return text;
	return code == -VIO_KERNEL_ENOTSUPP ? "Operation is not supported"
					    : "an error without a name";
}
