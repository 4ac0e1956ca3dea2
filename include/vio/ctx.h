/* SPDX-License-Identifier: MIT */
/**
 * @file vio/ctx.h
 * @defgroup ctx Context
 * What libvio gets from its host program: memory, a log, a clock, a place in
 * its event loop.
 *
 * A context has one epoll descriptor, constant for its life. Put it into any
 * loop; when it is readable call vio_ctx_dispatch(), which runs callbacks on
 * the calling thread and never blocks. libvio creates no threads, installs no
 * signal handlers and keeps no state outside of its objects, so that two
 * contexts, or two copies of the library, do not see each other.
 *
 * Where io_uring is used, a completion may interrupt a wait of the host program's
 * own, such as epoll_wait(), with EINTR, as the kernel does it for any task work.
 *
 * After fork(), calls on the child's copy of a context, and of what holds
 * kernel resources through it, return -ECHILD; destroy frees memory only.
 * @{
 */
#ifndef VIO_CTX_H
#define VIO_CTX_H

#include <vio/common.h>
#include <vio/error.h>
#include <vio/heap.h>

VIO_BEGIN_DECLS

/** Levels of log lines, as syslog(3) numbers them. */
#define VIO_LOG_ERROR   3u /**< something does not work */
#define VIO_LOG_WARNING 4u /**< a guest or a peer misbehaves */
#define VIO_LOG_INFO    6u /**< starts, stops, connections */
#define VIO_LOG_DEBUG   7u /**< single messages */

/** Never use io_uring, even where the kernel has it. */
#define VIO_CTX_NO_URING (1u << 0)
/** A thread is lent through vio_ctx_work() for what could block. */
#define VIO_CTX_LENDS_THREAD (1u << 1)

/** Parameters of a context. Start from VIO_CTX_PARAMS_INIT. */
struct vio_ctx_params {
	uint32_t size;      /**< sizeof(struct vio_ctx_params) */
	uint32_t flags;     /**< VIO_CTX_ bits */
	uint32_t log_level; /**< lines above it are not made; 0: VIO_LOG_WARNING */
	uint32_t reserved;  /**< 0 */
	/** Copied; NULL: malloc(). Called from any thread that uses the context. */
	const struct vio_alloc_ops *alloc;
	/** One line, no newline; NULL: silence. Called from any thread. */
	void (*log)(void *opaque, uint32_t level, const char *subsystem,
		    const char *text);
	void *log_opaque; /**< first argument of log */
	/** Monotonic nanoseconds; NULL: CLOCK_MONOTONIC. Called from any thread. */
	uint64_t (*clock)(void *opaque);
	void *clock_opaque; /**< first argument of clock */
};
/** A context with malloc(), no log, CLOCK_MONOTONIC. */
#define VIO_CTX_PARAMS_INIT                                                            \
	{                                                                              \
		(uint32_t)sizeof(struct vio_ctx_params), 0, 0, 0, NULL, NULL, NULL,    \
			NULL, NULL                                                     \
	}

/**
 * Create a context.
 * @param params    copied; NULL: all defaults
 * @param[out] out  the caller's, to vio_ctx_destroy()
 * @param err       optional, filled on failure
 * @return 0; -EINVAL: an unknown flag, an allocator without both functions, or
 * reserved is not 0; -E2BIG: see @ref abi; -ENOMEM; -EMFILE, -ENFILE: no
 * descriptor left; or what else mmap(2), madvise(2), epoll_create1(2) or
 * eventfd(2) answer.
 * @par Threads  Any.
 */
VIO_API VIO_MUST_CHECK int vio_ctx_create(const struct vio_ctx_params *params,
					  struct vio_ctx **out, struct vio_error *err);

/**
 * Destroy a context.
 * @param ctx  a context, or NULL
 * @param err  optional, names what still uses the context on -EBUSY
 * @return 0; -EBUSY: objects created on it are alive, calls are under way or
 * threads in vio_ctx_work(); nothing was done.
 * @par Threads  One per context.
 */
VIO_API int vio_ctx_destroy(struct vio_ctx *ctx, struct vio_error *err);

/**
 * The descriptor to wait on for reading.
 * @param ctx  a context
 * @return the descriptor, the same for the life of the context and the
 * context's to close; -ECHILD: in a forked child.
 * @par Threads  Any.
 */
VIO_API int vio_ctx_get_fd(const struct vio_ctx *ctx);

/**
 * Run callbacks that are due. Never blocks.
 * @param ctx  a context
 * @param max  callbacks to run at the most, at least 1
 * @return how many ran; as many as @p max means there may be more; -EINVAL:
 * max is 0; -ECHILD: in a forked child.
 * @par Threads  One per context. Callbacks run on this thread, no lock held.
 * A callback may use any object, and may destroy any but the context.
 */
VIO_API int vio_ctx_dispatch(struct vio_ctx *ctx, uint32_t max);

/**
 * Lend a thread: carry out what could block, until told to return. Needed where
 * io_uring is not available, and for what it cannot do, such as opening a function
 * (@ref vfio); only with VIO_CTX_LENDS_THREAD.
 * @param ctx  a context created with VIO_CTX_LENDS_THREAD
 * @return 0 after vio_ctx_abort_work(); -EINVAL: the context does not take
 * threads; -ECHILD: in a forked child.
 * @par Threads  Any. Blocks.
 */
VIO_API int vio_ctx_work(struct vio_ctx *ctx);

/**
 * Make every thread return from vio_ctx_work(), each once its present work is
 * done. Work not yet begun is completed with -ECANCELED. It is for good: a
 * thread lent later returns at once. So close and release first what takes a
 * thread to give back (@ref vf, @ref vfio): afterwards only the end of the process
 * does, and vio_host_recover() of another.
 * @param ctx  a context created with VIO_CTX_LENDS_THREAD
 * @return 0; -EINVAL: the context does not take threads; -ECHILD: in a forked
 * child.
 * @par Threads  Any.
 */
VIO_API int vio_ctx_abort_work(struct vio_ctx *ctx);

VIO_END_DECLS
/** @} */
#endif /* VIO_CTX_H */
