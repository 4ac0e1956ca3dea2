/* SPDX-License-Identifier: MIT */
/* Headers and attributes, as netlink(7) and rtnetlink(3) have them. */
#include <errno.h>
#include <linux/netlink.h>
#include <string.h>

#include "sys/netlink_attr.h"

#define ERRNO_MAX 4095 /* as the kernel's IS_ERR() */

void vio_netlink_skip(struct vio_bytes *rest, size_t n)
{
	const size_t whole = (n + 3) & ~(size_t)3;

	n = whole < rest->n ? whole : rest->n;
	rest->at += n;
	rest->n -= n;
}

int vio_netlink_take_attr(struct vio_bytes *rest, uint16_t *out_type,
			  struct vio_bytes *out)
{
	struct nlattr attr;

	if (!rest->n)
		return 0;
	if (rest->n < sizeof(attr))
		return -EBADMSG;
	memcpy(&attr, rest->at, sizeof(attr));
	if (attr.nla_len < sizeof(attr) || attr.nla_len > rest->n)
		return -EBADMSG;
	*out_type = attr.nla_type & NLA_TYPE_MASK;
	out->at = rest->at + sizeof(attr);
	out->n = attr.nla_len - sizeof(attr);
	vio_netlink_skip(rest, attr.nla_len);
	return 1;
}

int vio_netlink_find_answer(const void *data, size_t n, uint16_t *out_type,
			    struct vio_bytes *out_body)
{
	struct vio_bytes rest = { .at = data, .n = n };
	struct nlmsghdr header;

	while (rest.n) {
		if (rest.n < sizeof(header))
			return -EBADMSG;
		memcpy(&header, rest.at, sizeof(header));
		if (header.nlmsg_len < sizeof(header) || header.nlmsg_len > rest.n)
			return -EBADMSG;
		*out_type = header.nlmsg_type;
		out_body->at = rest.at + sizeof(header);
		out_body->n = header.nlmsg_len - sizeof(header);
		if (header.nlmsg_seq == VIO_NETLINK_SEQUENCE)
			return 1;
		vio_netlink_skip(&rest, header.nlmsg_len);
	}
	return 0;
}

int vio_netlink_parse_error(uint16_t type, struct vio_bytes body, bool is_ack_awaited)
{
	int32_t code;

	if (type == NLMSG_OVERRUN)
		return -ENOBUFS;
	if (type != NLMSG_ERROR || body.n < sizeof(code))
		return -EBADMSG;
	memcpy(&code, body.at, sizeof(code));
	if (code > 0 || code < -ERRNO_MAX || (!code && !is_ack_awaited))
		return -EBADMSG;
	return code;
}
