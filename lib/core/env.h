/* SPDX-License-Identifier: MIT */
/*
 * What every object of the library gets from its context: memory, a log, a
 * clock, system calls, events. The env is the first member of struct vio_ctx,
 * so that layers below ctx.c can find it without knowing contexts.
 */
#ifndef VIO_CORE_ENV_H
#define VIO_CORE_ENV_H

#include <stddef.h>
#include <stdint.h>

#include <vio/heap.h>

struct vio_loop;
struct vio_sys;

struct vio_env {
	struct vio_alloc_ops alloc;
	void (*log)(void *opaque, uint32_t level, const char *subsystem,
		    const char *text);
	void *log_opaque;
	uint32_t log_level;
	uint64_t (*clock)(void *opaque);
	void *clock_opaque;
	const struct vio_sys *sys;
	struct vio_loop *loop;    /* NULL: no events */
	uint32_t *n_users;        /* objects alive on the context, atomic; or NULL */
	const uint32_t *is_alive; /* reads 0 in a forked child; or NULL */
};

/* Stands for a context of NULL: malloc, silence, the real system calls. */
extern const struct vio_env vio_env_default;

static inline const struct vio_env *vio_env_of(const struct vio_ctx *ctx)
{
	return ctx ? (const struct vio_env *)(const void *)ctx : &vio_env_default;
}

static inline void *vio_alloc(const struct vio_env *env, size_t size, size_t align)
{
	return env->alloc.alloc(env->alloc.opaque, size, align);
}

static inline void
vio_free(const struct vio_env *env, void *ptr, size_t size, size_t align)
{
	if (ptr)
		env->alloc.free(env->alloc.opaque, ptr, size, align);
}

/* Zeroed memory for one @type, or NULL. */
#define VIO_NEW(env, type)                                                             \
	((type *)vio_alloc_zeroed((env), sizeof(type), _Alignof(type)))
#define VIO_DELETE(env, ptr)                                                           \
	vio_free((env), (ptr), sizeof(*(ptr)), _Alignof(__typeof__(*(ptr))))

void *vio_alloc_zeroed(const struct vio_env *env, size_t size, size_t align);

/* @n zeroed elements; NULL also when their size does not fit size_t. */
void *vio_alloc_array(const struct vio_env *env, size_t n, size_t size, size_t align);

static inline uint64_t vio_now(const struct vio_env *env)
{
	return env->clock(env->clock_opaque);
}

/*
 * Are we a forked child that must not touch the parent's kernel resources?
 * Relaxed: the page was wiped by fork(), before this process had any thread.
 */
static inline int vio_env_is_child(const struct vio_env *env)
{
	return env->is_alive && !__atomic_load_n(env->is_alive, __ATOMIC_RELAXED);
}

/*
 * Objects alive on the context, so that destroying it under them is refused.
 * Relaxed: the count orders nothing; whoever destroys a context has seen its
 * objects destroyed.
 */
static inline void vio_env_hold(const struct vio_env *env)
{
	if (env->n_users)
		__atomic_fetch_add(env->n_users, 1, __ATOMIC_RELAXED);
}

static inline void vio_env_drop(const struct vio_env *env)
{
	if (env->n_users)
		__atomic_fetch_sub(env->n_users, 1, __ATOMIC_RELAXED);
}

#endif /* VIO_CORE_ENV_H */
