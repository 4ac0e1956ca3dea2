/* SPDX-License-Identifier: MIT */
/*
 * A program of somebody else, that knows the installed headers and nothing of
 * the source tree. It is C and C++ at once, so that one text is every consumer;
 * it succeeds if the library it runs with is the one it was compiled for.
 */
#ifdef VIO_TEST_HOSTILE
#include "hostile.h"
#endif

#include <vio/vio.h>

int main(void)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_ctx *ctx = NULL;

	if (vio_version() != VIO_VERSION)
		return 1;
	if (vio_ctx_create(&params, &ctx, NULL) < 0)
		return 2;
	if (vio_ctx_get_fd(ctx) < 0)
		return 3;
	return vio_ctx_destroy(ctx, NULL) ? 4 : 0;
}
