/* SPDX-License-Identifier: MIT */
/*
 * Taking netlink messages apart. Each length is checked against what is left of its
 * surroundings, and each step takes at least a header's bytes, so that a datagram
 * bounds the work whatever it says.
 */
#ifndef VIO_SYS_NETLINK_ATTR_H
#define VIO_SYS_NETLINK_ATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One question per socket: any number does, except 0, which notifications have. */
#define VIO_NETLINK_SEQUENCE 1u

struct vio_bytes {
	const char *at;
	size_t n;
};

/* Takes @n bytes and the padding behind them off, or what there is of that. */
void vio_netlink_skip(struct vio_bytes *rest, size_t n);

/* 1: an attribute was taken off; 0: none is left; -EBADMSG. */
int vio_netlink_take_attr(struct vio_bytes *rest, uint16_t *out_type,
			  struct vio_bytes *out);

/*
 * The message of a datagram that answers: its type and what follows its header.
 * 1: found; 0: there is none; -EBADMSG: broken before it.
 */
int vio_netlink_find_answer(const void *data, size_t n, uint16_t *out_type,
			    struct vio_bytes *out_body);

/*
 * What a message of one of netlink's own types says: 0 or -errno, 0 only where an
 * acknowledgement is awaited; -ENOBUFS: answers were lost; -EBADMSG: any other.
 */
int vio_netlink_parse_error(uint16_t type, struct vio_bytes body, bool is_ack_awaited);

#endif /* VIO_SYS_NETLINK_ATTR_H */
