/* SPDX-License-Identifier: MIT */
/*
 * A plugin on the shared library, loaded by a program that has the static one
 * inside. It tells which copy its calls reach.
 */
#include <vio/vio.h>

#include "plugin.h"

vio_version_fn plugin_version(void)
{
	return vio_version;
}

int plugin_run(void)
{
	struct vio_ctx *ctx;

	if (vio_ctx_create(NULL, &ctx, NULL) < 0)
		return 1;
	return vio_ctx_destroy(ctx, NULL);
}
