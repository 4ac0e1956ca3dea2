/* SPDX-License-Identifier: MIT */
/*
 * Receiving and sending vhost-user messages. The header is read alone, then
 * exactly as much payload as it says, so that descriptors, which the kernel
 * hands over with the bytes they were sent with, are those of this message.
 * Every descriptor received is in socket->fds until taken, or closed.
 */
#include <errno.h>
#include <string.h>

#include "device/vhost_socket.h"
#include "sys/sys.h"

#define HEADER_BYTES  ((uint32_t)sizeof(struct vhost_header))
#define PAYLOAD_BYTES ((uint32_t)sizeof(((struct vhost_message *)0)->payload))

union control {
	struct cmsghdr header; /* for its alignment */
	char bytes[CMSG_SPACE(VHOST_USER_FDS_MAX * sizeof(int))];
};

static void close_fd(const struct vio_vhost_socket *socket, int fd)
{
	const struct vio_sys *sys = socket->env->sys;

	if (fd >= 0)
		sys->close(sys->opaque, fd);
}

/* A message in many pieces could otherwise bring eight descriptors with each. */
static int keep_fd(struct vio_vhost_socket *socket, int fd)
{
	if (socket->n_fds == VHOST_USER_FDS_MAX) {
		close_fd(socket, fd);
		return -EBADMSG;
	}
	socket->fds[socket->n_fds++] = fd;
	return 0;
}

static int keep_fds(struct vio_vhost_socket *socket, const struct cmsghdr *control)
{
	const size_t n = (control->cmsg_len - CMSG_LEN(0)) / sizeof(int);
	int ret = 0;

	for (size_t i = 0; i < n; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(control) + i * sizeof(fd), sizeof(fd));
		if (keep_fd(socket, fd) < 0)
			ret = -EBADMSG;
	}
	return ret;
}

/* The kernel has closed what did not fit, and says so by MSG_CTRUNC. */
static int take_control(struct vio_vhost_socket *socket, struct msghdr *message)
{
	int ret = message->msg_flags & MSG_CTRUNC ? -EBADMSG : 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c))
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		    keep_fds(socket, c) < 0)
			ret = -EBADMSG;
	return ret;
}

/* More than 0: bytes; 0: none for now; -EPIPE: the end. */
static int receive_bytes(struct vio_vhost_socket *socket, void *buf, uint32_t n)
{
	const struct vio_sys *sys = socket->env->sys;
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	union control control;
	struct msghdr message = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	ssize_t got;
	int ret;

	got = sys->recvmsg(sys->opaque, socket->fd, &message,
			   MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	if (got < 0)
		return got == -EAGAIN ? 0 : got == -ECONNRESET ? -EPIPE : (int)got;
	ret = take_control(socket, &message);
	if (ret < 0)
		return ret;
	return got ? (int)got : -EPIPE;
}

/* The size is bounded here, before anything is received by it. */
static int verify_header(const struct vhost_header *header)
{
	if ((header->flags & VHOST_USER_VERSION_MASK) != VHOST_USER_VERSION)
		return -EBADMSG;
	if (header->flags & VHOST_USER_REPLY)
		return -EBADMSG;
	return header->size > PAYLOAD_BYTES ? -EBADMSG : 0;
}

/* Header first; the payload only once the header is whole and believable. */
static int receive_piece(struct vio_vhost_socket *socket)
{
	struct vhost_message *in = &socket->in;
	const uint32_t n = socket->n_in;

	if (n < HEADER_BYTES)
		return receive_bytes(socket, (char *)&in->header + n, HEADER_BYTES - n);
	return receive_bytes(socket, (char *)&in->payload + (n - HEADER_BYTES),
			     HEADER_BYTES + in->header.size - n);
}

static int is_whole(const struct vio_vhost_socket *socket)
{
	return socket->n_in >= HEADER_BYTES &&
	       socket->n_in - HEADER_BYTES == socket->in.header.size;
}

int vio_vhost_receive(struct vio_vhost_socket *socket)
{
	int ret;

	/* Each turn receives a byte at least: bounded by the size of a message. */
	while (!is_whole(socket)) {
		ret = receive_piece(socket);
		if (ret == -EPIPE && socket->n_in)
			return -EBADMSG;
		if (ret <= 0)
			return ret;
		socket->n_in += (uint32_t)ret;
		if (socket->n_in == HEADER_BYTES &&
		    verify_header(&socket->in.header) < 0)
			return -EBADMSG;
	}
	return 1;
}

void vio_vhost_drop_message(struct vio_vhost_socket *socket)
{
	for (uint32_t i = 0; i < socket->n_fds; i++)
		close_fd(socket, socket->fds[i]);
	socket->n_fds = 0;
	socket->n_in = 0;
}

int vio_vhost_take_fd(struct vio_vhost_socket *socket, uint32_t i)
{
	const int fd = socket->fds[i];

	socket->fds[i] = -1;
	return fd;
}

void vio_vhost_reply(struct vio_vhost_socket *socket, uint32_t n_bytes)
{
	socket->out.header = (struct vhost_header){
		.request = socket->in.header.request,
		.flags = VHOST_USER_VERSION | VHOST_USER_REPLY,
		.size = n_bytes,
	};
	socket->n_out = HEADER_BYTES + n_bytes;
	socket->n_sent = 0;
}

/* MSG_NOSIGNAL: a peer that has gone must not kill this process by SIGPIPE. */
static ssize_t send_piece(struct vio_vhost_socket *socket)
{
	const struct vio_sys *sys = socket->env->sys;
	struct vhost_message *out = &socket->out;
	const uint32_t n = socket->n_sent;
	struct iovec iov[2];
	struct msghdr message = { .msg_iov = iov };

	if (n < HEADER_BYTES)
		iov[message.msg_iovlen++] = (struct iovec){
			.iov_base = (char *)&out->header + n,
			.iov_len = HEADER_BYTES - n,
		};
	iov[message.msg_iovlen++] = (struct iovec){
		.iov_base = (char *)&out->payload +
			    (n < HEADER_BYTES ? 0 : n - HEADER_BYTES),
		.iov_len = n < HEADER_BYTES ? out->header.size : socket->n_out - n,
	};
	return sys->sendmsg(sys->opaque, socket->fd, &message,
			    MSG_DONTWAIT | MSG_NOSIGNAL);
}

int vio_vhost_send(struct vio_vhost_socket *socket)
{
	while (socket->n_sent < socket->n_out) {
		const ssize_t sent = send_piece(socket);

		if (sent < 0)
			return sent == -ECONNRESET ? -EPIPE : (int)sent;
		/* A stream that takes nothing and does not say why is not one. */
		if (!sent)
			return -EIO;
		socket->n_sent += (uint32_t)sent;
	}
	socket->n_out = 0;
	socket->n_sent = 0;
	return 0;
}

void vio_vhost_close_socket(struct vio_vhost_socket *socket)
{
	vio_vhost_drop_message(socket);
	close_fd(socket, socket->fd);
	socket->fd = -1;
}
