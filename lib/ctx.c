/* SPDX-License-Identifier: MIT */
/*
 * A context: the env that all objects on it share, its loop, and its way around
 * calls that block. One page is wiped by fork(); it tells parent and child apart
 * without getpid(), which would cost a system call each time.
 */
#include <errno.h>
#include <stdbool.h>
#include <sys/mman.h>

#include "core/error.h"
#include "core/params.h"
#include "ctx.h"
#include "heap/heap.h"
#include "vf/host.h"

#define KNOWN_FLAGS (VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD)
#define NS_PER_SEC  UINT64_C(1000000000)
#define ALIVE_BYTES 4096u /* mmap() makes a page of it, of whatever size */

static uint64_t read_clock(void *opaque)
{
	const struct vio_sys *sys = opaque;
	struct timespec now = { 0 };

	/* CLOCK_MONOTONIC is always there, and @now is ours: it cannot fail. */
	(void)sys->clock_gettime(sys->opaque, CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * NS_PER_SEC + (uint64_t)now.tv_nsec;
}

/* The casts: read_clock() takes them for const again. */
const struct vio_env vio_env_default = {
	.alloc = {
		.size = sizeof(struct vio_alloc_ops),
		.alloc = vio_heap_malloc,
		.free = vio_heap_free,
	},
	.clock = read_clock,
	.clock_opaque = (void *)&vio_sys_linux,
	.sys = &vio_sys_linux,
};

/* What was allocated for the context on the way; destroy takes any part of it. */
static void free_ctx(struct vio_ctx *ctx)
{
	struct vio_env env = ctx->env;

	vio_loop_destroy(env.loop);
	if (ctx->is_alive)
		env.sys->munmap(env.sys->opaque, ctx->is_alive, ALIVE_BYTES);
	env.is_alive = NULL;
	VIO_DELETE(&env, ctx);
}

static int map_alive_page(struct vio_ctx *ctx)
{
	const struct vio_sys *sys = ctx->env.sys;
	uint32_t *page;
	int ret;

	page = sys->mmap(sys->opaque, ALIVE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0, &ret);
	if (!page)
		return ret;
	ret = sys->madvise(sys->opaque, page, ALIVE_BYTES, MADV_WIPEONFORK);
	if (ret) {
		sys->munmap(sys->opaque, page, ALIVE_BYTES);
		return ret;
	}
	/* Relaxed: see vio_env_is_child(). */
	__atomic_store_n(page, 1, __ATOMIC_RELAXED);
	ctx->is_alive = page;
	ctx->env.is_alive = page;
	return 0;
}

static int read_params(const struct vio_ctx_params *params, struct vio_ctx_params *p,
		       struct vio_error *err)
{
	static const struct vio_ctx_params defaults = VIO_CTX_PARAMS_INIT;
	int ret;

	ret = vio_params_copy(p, sizeof(*p), sizeof(*p), params ? params : &defaults);
	if (ret)
		return vio_fail(err, ret,
				"context: the parameters' size is wrong, or a field "
				"that this libvio does not know is set");
	if (p->flags & ~KNOWN_FLAGS || p->reserved)
		return vio_fail(err, -EINVAL, "context: unknown flag in 0x%x",
				p->flags);
	return 0;
}

static int fill_env(struct vio_env *env, const struct vio_ctx_params *p,
		    const struct vio_sys *sys, struct vio_error *err)
{
	int ret = 0;

	*env = vio_env_default;
	env->sys = sys;
	env->clock_opaque = (void *)sys;
	if (p->alloc)
		ret = vio_params_copy(&env->alloc, sizeof(env->alloc),
				      sizeof(env->alloc), p->alloc);
	if (!ret && (!env->alloc.alloc || !env->alloc.free || env->alloc.flags))
		ret = -EINVAL;
	if (ret)
		return vio_fail(err, ret,
				"context: the allocator lacks a function, or "
				"its size or flags are wrong");
	if (p->clock) {
		env->clock = p->clock;
		env->clock_opaque = p->clock_opaque;
	}
	env->log = p->log;
	env->log_opaque = p->log_opaque;
	env->log_level = p->log_level ? p->log_level : VIO_LOG_WARNING;
	return 0;
}

int vio_ctx_create_on(const struct vio_ctx_params *params, const struct vio_sys *sys,
		      struct vio_ctx **out, struct vio_error *err)
{
	struct vio_ctx_params p;
	struct vio_ctx *ctx;
	struct vio_env env;
	int ret;

	ret = read_params(params, &p, err);
	if (!ret)
		ret = fill_env(&env, &p, sys, err);
	if (ret)
		return ret;
	ctx = VIO_NEW(&env, struct vio_ctx);
	if (!ctx)
		return vio_fail(err, -ENOMEM, "context: no memory");

	ctx->env = env;
	ctx->env.n_users = &ctx->n_users;
	ctx->flags = p.flags;
	ret = map_alive_page(ctx);
	if (!ret)
		ret = vio_loop_create(&ctx->env, &ctx->env.loop);
	if (!ret)
		ret = vio_async_create(&ctx->env, p.flags, &ctx->async);
	if (ret) {
		free_ctx(ctx);
		return vio_fail(err, ret, "context: no memory or no descriptor left");
	}
	*out = ctx;
	return 0;
}

int vio_ctx_create(const struct vio_ctx_params *params, struct vio_ctx **out,
		   struct vio_error *err)
{
	return vio_ctx_create_on(params, &vio_sys_linux, out, err);
}

int vio_ctx_destroy(struct vio_ctx *ctx, struct vio_error *err)
{
	uint32_t n_users;

	if (!ctx)
		return 0;
	/* Relaxed: see vio_env_hold(). */
	n_users = __atomic_load_n(&ctx->n_users, __ATOMIC_RELAXED);
	if (n_users)
		return vio_fail(err, -EBUSY,
				"context: %u objects created on it are alive, "
				"destroy them first",
				n_users);
	if (vio_async_destroy(ctx->async))
		return vio_fail(err, -EBUSY,
				"context: %u calls are under way and %u threads in "
				"vio_ctx_work(), abort the work and dispatch",
				vio_async_get_pending(ctx->async),
				vio_async_get_threads(ctx->async));
	free_ctx(ctx);
	return 0;
}

int vio_ctx_get_fd(const struct vio_ctx *ctx)
{
	if (vio_env_is_child(&ctx->env))
		return -ECHILD;
	return vio_loop_get_fd(ctx->env.loop);
}

struct vio_async *vio_ctx_get_async(struct vio_ctx *ctx)
{
	return ctx->async;
}

int vio_ctx_dispatch(struct vio_ctx *ctx, uint32_t max)
{
	if (vio_env_is_child(&ctx->env))
		return -ECHILD;
	if (!max)
		return -EINVAL;
	return vio_loop_dispatch(ctx->env.loop, max);
}

int vio_ctx_work(struct vio_ctx *ctx)
{
	if (vio_env_is_child(&ctx->env))
		return -ECHILD;
	return vio_async_work(ctx->async);
}

int vio_ctx_abort_work(struct vio_ctx *ctx)
{
	if (vio_env_is_child(&ctx->env))
		return -ECHILD;
	return vio_async_abort_work(ctx->async);
}
