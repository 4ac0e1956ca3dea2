/* SPDX-License-Identifier: MIT */
/*
 * The socket of a connection: one message coming in, piece by piece, with its
 * descriptors, and one reply going out. Nothing blocks and nothing is queued: a
 * peer that does not read its replies is not read from either.
 */
#ifndef VIO_DEVICE_VHOST_SOCKET_H
#define VIO_DEVICE_VHOST_SOCKET_H

#include <stdint.h>

#include "core/env.h"
#include "device/vhost_proto.h"

struct vio_vhost_socket {
	const struct vio_env *env;
	int fd;
	uint32_t n_fds;
	int fds[VHOST_USER_FDS_MAX]; /* of the message; -1: taken */
	uint32_t n_in;               /* bytes of header and payload that are there */
	uint32_t n_out;              /* bytes of the reply, 0: none */
	uint32_t n_sent;
	struct vhost_message in;
	struct vhost_message out;
};

/*
 * Goes on receiving: 1: the message is whole; 0: no more for now; -EPIPE: the
 * peer is gone; -EBADMSG: a header that cannot be, too many descriptors, or an
 * end in the middle; or what recvmsg(2) answers.
 */
int vio_vhost_receive(struct vio_vhost_socket *socket);

/* The message has been dealt with; descriptors not taken are closed. */
void vio_vhost_drop_message(struct vio_vhost_socket *socket);

/* The message's descriptor @i becomes the caller's. */
int vio_vhost_take_fd(struct vio_vhost_socket *socket, uint32_t i);

/* Answers the message with @n_bytes of the payload of out. */
void vio_vhost_reply(struct vio_vhost_socket *socket, uint32_t n_bytes);

/* 0: nothing is left to send; -EAGAIN; -EPIPE; or what sendmsg(2) answers. */
int vio_vhost_send(struct vio_vhost_socket *socket);

/* Gives back the socket and all that came through it. */
void vio_vhost_close_socket(struct vio_vhost_socket *socket);

#endif /* VIO_DEVICE_VHOST_SOCKET_H */
