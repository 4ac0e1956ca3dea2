/* SPDX-License-Identifier: MIT */
/* What is running, as against what was compiled against. */
#include <vio/version.h>

uint32_t vio_version(void)
{
	return VIO_VERSION;
}

int vio_has(uint32_t feature)
{
	return feature == VIO_HAS_URING && VIO_HAVE_LIBURING;
}
