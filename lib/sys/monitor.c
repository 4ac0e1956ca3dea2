/* SPDX-License-Identifier: MIT */
/*
 * Listening to the kernel. Any process may send to such a socket: what did not come
 * from the kernel, whose port is 0, is dropped before it is looked at.
 */
#include <errno.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "sys/monitor.h"
#include "sys/sys.h"

#define GROUP_UEVENT 1u /* the kernel's own; others are udev's */

int vio_monitor_open(const struct vio_sys *sys, int what)
{
	if (what == VIO_MONITOR_LINK)
		return sys->netlink(sys->opaque, NETLINK_ROUTE, RTMGRP_LINK);
	return sys->netlink(sys->opaque, NETLINK_KOBJECT_UEVENT, GROUP_UEVENT);
}

ssize_t vio_monitor_receive(const struct vio_sys *sys, int fd, void *buf, size_t n)
{
	struct iovec iov = { .iov_base = buf, .iov_len = n };
	struct sockaddr_nl from = { 0 };
	struct msghdr message = {
		.msg_name = &from,
		.msg_namelen = sizeof(from),
		.msg_iov = &iov,
		.msg_iovlen = 1,
	};
	ssize_t ret;

	ret = sys->recvmsg(sys->opaque, fd, &message, MSG_DONTWAIT);
	if (ret < 0)
		return ret;
	if (message.msg_namelen != sizeof(from) || from.nl_family != AF_NETLINK ||
	    from.nl_pid)
		return 0;
	return message.msg_flags & MSG_TRUNC ? -ENOBUFS : ret;
}

/* The attribute's text, or NULL; @at and @n are of the attributes. */
static const char *
find_text(const char *at, size_t n, unsigned int type, size_t *out_length)
{
	struct rtattr head;

	while (n >= sizeof(head)) {
		memcpy(&head, at, sizeof(head));
		/* No longer than what is left, and never so short as to stay here. */
		if (head.rta_len < sizeof(head) || head.rta_len > n)
			return NULL;
		if (head.rta_type == type) {
			*out_length = head.rta_len - sizeof(head);
			return at + sizeof(head);
		}
		if (RTA_ALIGN(head.rta_len) >= n)
			return NULL;
		at += RTA_ALIGN(head.rta_len);
		n -= RTA_ALIGN(head.rta_len);
	}
	return NULL;
}

static int read_parent(const char *attrs, size_t n, char *out, size_t room)
{
	static const char pci[] = "pci"; /* with its NUL */
	const char *bus, *name;
	size_t length;

	bus = find_text(attrs, n, IFLA_PARENT_DEV_BUS_NAME, &length);
	if (!bus || length != sizeof(pci) || memcmp(bus, pci, sizeof(pci)))
		return -ENOENT;
	name = find_text(attrs, n, IFLA_PARENT_DEV_NAME, &length);
	if (!name)
		return -ENOENT;
	if (!length || length > room || memchr(name, '\0', length) != name + length - 1)
		return -EBADMSG;
	memcpy(out, name, length);
	return 0;
}

int vio_monitor_parse_link(const void *message, size_t n, char *out, size_t room,
			   size_t *out_used)
{
	const size_t fixed = NLMSG_LENGTH(NLMSG_ALIGN(sizeof(struct ifinfomsg)));
	struct nlmsghdr head;
	size_t used;

	if (n < sizeof(head))
		return -EBADMSG;
	memcpy(&head, message, sizeof(head));
	if (head.nlmsg_len < sizeof(head) || head.nlmsg_len > n)
		return -EBADMSG;
	used = NLMSG_ALIGN((size_t)head.nlmsg_len);
	*out_used = used < n ? used : n;
	if (head.nlmsg_type != RTM_NEWLINK && head.nlmsg_type != RTM_DELLINK)
		return -ENOENT;
	if (head.nlmsg_len < fixed)
		return -EBADMSG;
	return read_parent((const char *)message + fixed, head.nlmsg_len - fixed, out,
			   room);
}
