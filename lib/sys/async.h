/* SPDX-License-Identifier: MIT */
/*
 * Calls that the kernel can block on, carried out elsewhere: by io_uring with
 * IOSQE_ASYNC, or by a thread lent through vio_ctx_work(). Completion arrives
 * in dispatch. A call that neither can carry out is refused before it has any
 * effect.
 */
#ifndef VIO_SYS_ASYNC_H
#define VIO_SYS_ASYNC_H

#include <stdint.h>

#include "core/env.h"

struct vio_async;

enum vio_async_op {
	VIO_ASYNC_OPEN,  /* path, open_flags: a descriptor; created as 0600 */
	VIO_ASYNC_CLOSE, /* fd */
	VIO_ASYNC_READ,  /* fd, buf, n, offset (-1: where the file stands) */
	VIO_ASYNC_WRITE, /* likewise */
	VIO_ASYNC_FSYNC, /* fd */
	VIO_ASYNC_IOCTL, /* fd, request, buf: a lent thread only */
	VIO_ASYNC_RUN,   /* run: several calls in a row, a lent thread only */
};

/* One call. The owner's memory, with all it points to, until @done. */
struct vio_async_call {
	enum vio_async_op op;
	int fd;
	const char *path;
	int open_flags;
	unsigned long request;
	void *buf;
	uint32_t n;
	int64_t offset;
	/* On the lent thread: touches what the call owns, and nothing else. */
	int64_t (*run)(struct vio_async_call *call);
	/* In dispatch, exactly once: what the call returned, or -ECANCELED. */
	void (*done)(struct vio_async_call *call, int64_t result);
	struct vio_async_call *next; /* the queue's */
	int64_t result;              /* the queue's */
};

/*
 * Creates both ways as far as the flags of the context and the kernel allow;
 * neither is an error here. @flags are VIO_CTX_ bits.
 */
int vio_async_create(const struct vio_env *env, uint32_t flags, struct vio_async **out);

/* -EBUSY: calls are under way, or a thread is lent; see the two below. */
int vio_async_destroy(struct vio_async *async);

/* Dispatching thread only: calls submitted and not done. */
uint32_t vio_async_get_pending(const struct vio_async *async);

/* Any thread: threads in vio_async_work(). */
uint32_t vio_async_get_threads(struct vio_async *async);

/*
 * Dispatching thread only: is there a way for files at all? Who begins something of
 * many calls asks before the first, so as to refuse before any effect.
 */
int vio_async_is_able(const struct vio_async *async);

/*
 * Dispatching thread only. 0: @done will be called; -EOPNOTSUPP: there is no
 * way to carry it out without blocking; -EAGAIN: too many are under way;
 * -ECHILD: in a forked child.
 */
int vio_async_submit(struct vio_async *async, struct vio_async_call *call);

/*
 * The two ends of a lent thread, see vio_ctx_work(). An abort is for good, so
 * that a thread on its way into work when it comes does not stay there.
 */
int vio_async_work(struct vio_async *async);
int vio_async_abort_work(struct vio_async *async);

#endif /* VIO_SYS_ASYNC_H */
