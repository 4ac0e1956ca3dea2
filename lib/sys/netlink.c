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
#include "sys/netlink.h"
#include "sys/netlink_message.h"
#include "sys/sys.h"

/* The request comes back in an error; it is followed by text at the most. */
#define ACK_BYTES 4096u
/*
 * The list of VFs is one attribute, at most 64 KiB; the rest of a link has not more.
 */
#define LINK_BYTES (128u * 1024u)
/* A process with CAP_NET_ADMIN can write to the socket: it must not keep us busy. */
#define STRANGE_MAX 16u
/* A signal to the kernel's worker ends a write unmade; nobody sends more of them. */
#define TRIES_MAX 8u

static void end_call(struct vio_netlink_call *call)
{
	const struct vio_sys *sys = call->env->sys;

	vio_loop_remove(call->env->loop, &call->event);
	(void)sys->close(sys->opaque, call->event.fd);
	vio_free(call->env, call->answer, call->answer_bytes, 1);
	call->answer = NULL;
}

static void finish_if_over(struct vio_netlink_call *call)
{
	if (!call->is_written || !call->is_answered)
		return;
	end_call(call);
	call->done(call, call->result);
}

/* From here on the socket has nothing to say that matters. */
static void answer(struct vio_netlink_call *call, int result)
{
	vio_loop_remove(call->env->loop, &call->event);
	call->is_answered = 1;
	call->result = result;
	finish_if_over(call);
}

/* Only the kernel has port 0; anybody can choose the sequence number it expects. */
static bool is_from_kernel(const struct msghdr *message, const struct sockaddr_nl *from)
{
	return message->msg_namelen == sizeof(*from) && from->nl_family == AF_NETLINK &&
	       from->nl_pid == 0;
}

/* Did the datagram answer, and what? As vio_netlink_parse(). */
static int read_datagram(struct vio_netlink_call *call, int *out_result)
{
	const struct vio_sys *sys = call->env->sys;
	struct sockaddr_nl from = { 0 };
	struct iovec iov = { .iov_base = call->answer, .iov_len = call->answer_bytes };
	struct msghdr message = { .msg_name = &from,
				  .msg_namelen = sizeof(from),
				  .msg_iov = &iov,
				  .msg_iovlen = 1 };
	const bool is_set = call->answer_bytes == ACK_BYTES;
	ssize_t n;

	n = sys->recvmsg(sys->opaque, call->event.fd, &message, MSG_DONTWAIT);
	if (n == -EAGAIN)
		return 0;
	*out_result = n < 0 ? (int)n : -EBADMSG;
	if (n < 0)
		return 1;
	if (++call->n_strange > STRANGE_MAX)
		return 1;
	if (!is_from_kernel(&message, &from))
		return 0;
	if (message.msg_flags & MSG_TRUNC)
		return 1;
	return vio_netlink_parse(call->answer, (size_t)n, call->ifindex,
				 is_set ? NULL : &call->vf, out_result);
}

static void socket_ready(struct vio_event *event, uint32_t events)
{
	struct vio_netlink_call *call =
		VIO_CONTAINER_OF(event, struct vio_netlink_call, event);
	int result;

	(void)events;
	if (read_datagram(call, &result))
		answer(call, result);
}

static void write_done(struct vio_async_call *write, int64_t result)
{
	struct vio_netlink_call *call =
		VIO_CONTAINER_OF(write, struct vio_netlink_call, write);

	if (result == -EINTR && ++call->n_tries < TRIES_MAX)
		result = vio_async_submit(call->async, write);
	else if (result >= 0 && result != write->n)
		result = -EIO;
	else if (result >= 0)
		call->is_written = 1;
	if (result < 0) {
		call->is_written = 1;
		call->is_answered = 1;
		call->result = (int)result;
	}
	finish_if_over(call);
}

static int open_socket(struct vio_netlink_call *call)
{
	const struct vio_sys *sys = call->env->sys;
	int ret;

	call->event = (struct vio_event){ .ready = socket_ready };
	call->event.fd = sys->netlink(sys->opaque, NETLINK_ROUTE, 0);
	if (call->event.fd < 0)
		return call->event.fd;
	ret = vio_loop_add(call->env->loop, &call->event, EPOLLIN);
	if (ret)
		(void)sys->close(sys->opaque, call->event.fd);
	return ret;
}

/* Before it @n bytes of request are there; all that can fail does so here. */
static int ask(struct vio_netlink_call *call, uint32_t n, uint32_t answer_bytes)
{
	int ret;

	if (vio_env_is_child(call->env))
		return -ECHILD;
	call->n_strange = 0;
	call->n_tries = 0;
	call->is_written = 0;
	call->is_answered = 0;
	call->answer_bytes = answer_bytes;
	call->answer = vio_alloc(call->env, answer_bytes, 1);
	if (!call->answer)
		return -ENOMEM;
	ret = open_socket(call);
	if (ret) {
		vio_free(call->env, call->answer, answer_bytes, 1);
		return ret;
	}
	call->write = (struct vio_async_call){
		.op = VIO_ASYNC_WRITE,
		.fd = call->event.fd,
		.buf = call->request,
		.n = n,
		.offset = -1,
		.done = write_done,
	};
	ret = vio_async_submit(call->async, &call->write);
	if (ret)
		end_call(call);
	return ret;
}

int vio_netlink_set_vf(struct vio_netlink_call *call)
{
	const int n = vio_netlink_build_set(call->ifindex, &call->vf, call->request);

	return n < 0 ? n : ask(call, (uint32_t)n, ACK_BYTES);
}

int vio_netlink_read_vf(struct vio_netlink_call *call)
{
	const int n = vio_netlink_build_read(call->ifindex, call->request);

	return n < 0 ? n : ask(call, (uint32_t)n, LINK_BYTES);
}
