/* SPDX-License-Identifier: MIT */
/* What a context is made of, for ctx.c, dom.c and the tests. */
#ifndef VIO_LIB_CTX_H
#define VIO_LIB_CTX_H

#include <vio/ctx.h>

#include "core/env.h"
#include "sys/async.h"
#include "sys/loop.h"
#include "sys/sys.h"

struct vio_ctx {
	struct vio_env env; /* first: see vio_env_of() */
	struct vio_async *async;
	uint32_t flags;
	uint32_t n_users;   /* atomic, see vio_env_hold() */
	uint32_t *is_alive; /* a page that fork() wipes in the child */
};

/* vio_ctx_create() on another kernel: tests give it a fake one. */
int vio_ctx_create_on(const struct vio_ctx_params *params, const struct vio_sys *sys,
		      struct vio_ctx **out, struct vio_error *err);

#endif /* VIO_LIB_CTX_H */
