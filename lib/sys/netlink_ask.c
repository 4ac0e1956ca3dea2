/* SPDX-License-Identifier: MIT */
/*
 * The way of one question. Two things must have come before it is done: the end of
 * the write, since until then the kernel reads the request, and the answer. They
 * come in either order; the kernel queues the answer before the write ends.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <stdbool.h>

#include "core/list.h"
#include "sys/netlink_ask.h"
#include "sys/sys.h"

/* A process with CAP_NET_ADMIN can write to the socket: it must not keep us busy. */
#define STRANGE_MAX 16u
/* A signal to the kernel's worker ends a write unmade; nobody sends more of them. */
#define TRIES_MAX 8u

static void end_ask(struct vio_netlink_ask *ask)
{
	const struct vio_sys *sys = ask->env->sys;

	vio_loop_remove(ask->env->loop, &ask->event);
	(void)sys->close(sys->opaque, ask->event.fd);
	vio_free(ask->env, ask->answer, ask->answer_bytes, 1);
	ask->answer = NULL;
}

static void finish_if_over(struct vio_netlink_ask *ask)
{
	if (!ask->is_written || !ask->is_answered)
		return;
	end_ask(ask);
	ask->done(ask, ask->result);
}

/* From here on the socket has nothing to say that matters. */
static void answer(struct vio_netlink_ask *ask, int result)
{
	vio_loop_remove(ask->env->loop, &ask->event);
	ask->is_answered = 1;
	ask->result = result;
	finish_if_over(ask);
}

/* Only the kernel has port 0; anybody can choose the sequence number it expects. */
static bool is_from_kernel(const struct msghdr *message, const struct sockaddr_nl *from)
{
	return message->msg_namelen == sizeof(*from) && from->nl_family == AF_NETLINK &&
	       from->nl_pid == 0;
}

/* Did the datagram answer, and what? As parse. */
static int read_datagram(struct vio_netlink_ask *ask, int *out_result)
{
	const struct vio_sys *sys = ask->env->sys;
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = ask->answer, .iov_len = ask->answer_bytes };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &iov,
				  .msg_iovlen = 1 };
	ssize_t n;

	n = sys->recvmsg(sys->opaque, ask->event.fd, &message, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return 0;
	*out_result = n < 0 ? (int)n : -EBADMSG;
	if (n < 0)
		return 1;
	if (++ask->n_strange > STRANGE_MAX)
		return 1;
	if (!is_from_kernel(&message, &from))
		return 0;
	if (message.msg_flags & MSG_TRUNC)
		return 1;
	return ask->parse(ask, ask->answer, (size_t)n, out_result);
}

static void socket_ready(struct vio_event *event, uint32_t events)
{
	struct vio_netlink_ask *ask =
		VIO_CONTAINER_OF(event, struct vio_netlink_ask, event);
	int result;

	(void)events;
	if (read_datagram(ask, &result))
		answer(ask, result);
}

static void write_done(struct vio_async_call *write, int64_t result)
{
	struct vio_netlink_ask *ask =
		VIO_CONTAINER_OF(write, struct vio_netlink_ask, write);

	if (result == -EINTR && ++ask->n_tries < TRIES_MAX)
		result = vio_async_submit(ask->async, write);
	else if (result >= 0 && result != write->n)
		result = -EIO;
	else if (result >= 0)
		ask->is_written = 1;
	if (result < 0) {
		ask->is_written = 1;
		ask->is_answered = 1;
		ask->result = (int)result;
	}
	finish_if_over(ask);
}

static int open_socket(struct vio_netlink_ask *ask)
{
	const struct vio_sys *sys = ask->env->sys;
	int ret;

	ask->event = (struct vio_event){ .ready = socket_ready };
	ask->event.fd = sys->netlink(sys->opaque, ask->protocol, 0);
	if (ask->event.fd < 0)
		return ask->event.fd;
	ret = vio_loop_add(ask->env->loop, &ask->event, EPOLLIN);
	if (ret)
		(void)sys->close(sys->opaque, ask->event.fd);
	return ret;
}

int vio_netlink_ask(struct vio_netlink_ask *ask)
{
	int ret;

	if (vio_env_is_child(ask->env))
		return -ECHILD;
	ask->n_strange = 0;
	ask->n_tries = 0;
	ask->is_written = 0;
	ask->is_answered = 0;
	ask->answer = vio_alloc(ask->env, ask->answer_bytes, 1);
	if (!ask->answer)
		return -ENOMEM;
	ret = open_socket(ask);
	if (ret) {
		vio_free(ask->env, ask->answer, ask->answer_bytes, 1);
		return ret;
	}
	ask->write = (struct vio_async_call){
		.op = VIO_ASYNC_WRITE,
		.fd = ask->event.fd,
		.buf = ask->request,
		.n = ask->request_bytes,
		.offset = -1,
		.done = write_done,
	};
	ret = vio_async_submit(ask->async, &ask->write);
	if (ret)
		end_ask(ask);
	return ret;
}
