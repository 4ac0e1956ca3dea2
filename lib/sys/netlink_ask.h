/* SPDX-License-Identifier: MIT */
/*
 * One question to the kernel by netlink, and its answer, without blocking. The kernel
 * handles a question in the context of whoever sends it, under locks that it can hold
 * for seconds; so the bytes go out through the context's asynchronous calls and the
 * answer comes through its loop. Each question has a socket of its own: an answer
 * that is late belongs to nobody else.
 */
#ifndef VIO_SYS_NETLINK_ASK_H
#define VIO_SYS_NETLINK_ASK_H

#include <stddef.h>
#include <stdint.h>

#include "core/env.h"
#include "sys/async.h"
#include "sys/loop.h"

#define VIO_NETLINK_REQUEST_BYTES 512u /* the longest, of devlink, is 292 */

/* The owner's memory until done. */
struct vio_netlink_ask {
	const struct vio_env *env;
	struct vio_async *async;
	int protocol;           /* NETLINK_ROUTE and the like */
	uint32_t request_bytes; /* of the request below */
	uint32_t answer_bytes;  /* room that the longest answer takes */
	/* One datagram: 0: it does not answer; 1: it does, with *@out_result. */
	int (*parse)(struct vio_netlink_ask *ask, const void *data, size_t n,
		     int *out_result);
	/*
	 * In dispatch, exactly once: what parse made of the answer; -ENOBUFS: it was
	 * lost, and it is not known whether the kernel did as asked; -EBADMSG: an
	 * answer that makes no sense; -ECANCELED: as vio_async_call.
	 */
	void (*done)(struct vio_netlink_ask *ask, int result);
	char request[VIO_NETLINK_REQUEST_BYTES];

	/* netlink_ask.c's. */
	struct vio_event event;
	struct vio_async_call write;
	char *answer;
	uint32_t n_strange; /* datagrams that answered something else */
	uint32_t n_tries;   /* of the write */
	uint32_t is_written;
	uint32_t is_answered;
	int32_t result;
};

/*
 * 0: done will be called, once the kernel has handled it; nothing takes a question
 * back, and a deadline is the caller's to keep. -EOPNOTSUPP: there is no way to ask
 * without blocking; -EAGAIN, -ECHILD: as vio_async_submit(); -ENOMEM; -EMFILE and the
 * like.
 */
int vio_netlink_ask(struct vio_netlink_ask *ask);

#endif /* VIO_SYS_NETLINK_ASK_H */
