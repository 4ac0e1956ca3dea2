/* SPDX-License-Identifier: MIT */
/*
 * What is asked of rtnetlink about a VF. An acknowledgement answers what sets
 * something; a link, with all its VFs, answers a read.
 */
#include <errno.h>
#include <linux/netlink.h>

#include "core/list.h"
#include "sys/netlink.h"
#include "sys/netlink_message.h"

/* The request comes back in an error; it is followed by text at the most. */
#define ACK_BYTES 4096u
/*
 * The list of VFs is one attribute, at most 64 KiB; the rest of a link has not more.
 */
#define LINK_BYTES (128u * 1024u)

static int
parse_ack(struct vio_netlink_ask *ask, const void *data, size_t n, int *out_result)
{
	const struct vio_netlink_call *call =
		VIO_CONTAINER_OF(ask, struct vio_netlink_call, ask);

	return vio_netlink_parse(data, n, call->ifindex, NULL, out_result);
}

static int
parse_link(struct vio_netlink_ask *ask, const void *data, size_t n, int *out_result)
{
	struct vio_netlink_call *call =
		VIO_CONTAINER_OF(ask, struct vio_netlink_call, ask);

	return vio_netlink_parse(data, n, call->ifindex, &call->vf, out_result);
}

static void ask_done(struct vio_netlink_ask *ask, int result)
{
	struct vio_netlink_call *call =
		VIO_CONTAINER_OF(ask, struct vio_netlink_call, ask);

	call->done(call, result);
}

/* Before it @n bytes of request are there, or why not. */
static int ask(struct vio_netlink_call *call, int n)
{
	if (n < 0)
		return n;
	call->ask.env = call->env;
	call->ask.async = call->async;
	call->ask.protocol = NETLINK_ROUTE;
	call->ask.request_bytes = (uint32_t)n;
	call->ask.done = ask_done;
	return vio_netlink_ask(&call->ask);
}

int vio_netlink_set_vf(struct vio_netlink_call *call)
{
	call->ask.parse = parse_ack;
	call->ask.answer_bytes = ACK_BYTES;
	return ask(call,
		   vio_netlink_build_set(call->ifindex, &call->vf, call->ask.request));
}

int vio_netlink_read_vf(struct vio_netlink_call *call)
{
	call->ask.parse = parse_link;
	call->ask.answer_bytes = LINK_BYTES;
	return ask(call, vio_netlink_build_read(call->ifindex, call->ask.request));
}
