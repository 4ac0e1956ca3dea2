/* SPDX-License-Identifier: MIT */
/*
 * Two questions on two sockets: for the family, unless an earlier call has it, and
 * the one that was meant.
 */
#include "core/list.h"
#include "sys/devlink_message.h"
#include "sys/uapi/devlink.h"

/* A page, which is what the kernel makes such messages of, and its headers. */
#define ANSWER_BYTES 8192u

static struct vio_devlink_call *call_of(struct vio_netlink_ask *ask)
{
	return VIO_CONTAINER_OF(ask, struct vio_devlink_call, ask);
}

static int
parse_family(struct vio_netlink_ask *ask, const void *data, size_t n, int *out_result)
{
	return vio_devlink_parse_family(data, n, &call_of(ask)->family, out_result);
}

static int
parse_answer(struct vio_netlink_ask *ask, const void *data, size_t n, int *out_result)
{
	struct vio_devlink_call *call = call_of(ask);
	const int is_read = call->command == DEVLINK_CMD_RATE_GET;

	return vio_devlink_parse(data, n, call->family, &call->target,
				 is_read ? &call->rate : NULL, out_result);
}

static void answered(struct vio_netlink_ask *ask, int result)
{
	struct vio_devlink_call *call = call_of(ask);

	call->done(call, result);
}

static int ask_rate(struct vio_devlink_call *call)
{
	call->ask.parse = parse_answer;
	call->ask.done = answered;
	call->ask.request_bytes =
		vio_devlink_build(call->family, call->command, &call->target,
				  &call->rate, call->ask.request);
	return vio_netlink_ask(&call->ask);
}

static void family_answered(struct vio_netlink_ask *ask, int result)
{
	struct vio_devlink_call *call = call_of(ask);

	if (!result)
		result = ask_rate(call);
	if (result)
		call->done(call, result);
}

static int begin(struct vio_devlink_call *call, uint32_t command)
{
	call->command = command;
	call->ask.env = call->env;
	call->ask.async = call->async;
	call->ask.protocol = NETLINK_GENERIC;
	call->ask.answer_bytes = ANSWER_BYTES;
	if (call->family)
		return ask_rate(call);
	call->ask.parse = parse_family;
	call->ask.done = family_answered;
	call->ask.request_bytes = vio_devlink_build_family(call->ask.request);
	return vio_netlink_ask(&call->ask);
}

int vio_devlink_read_rate(struct vio_devlink_call *call)
{
	call->rate.fields = 0;
	return begin(call, DEVLINK_CMD_RATE_GET);
}

int vio_devlink_set_rate(struct vio_devlink_call *call)
{
	return begin(call, DEVLINK_CMD_RATE_SET);
}

int vio_devlink_add_node(struct vio_devlink_call *call)
{
	return begin(call, DEVLINK_CMD_RATE_NEW);
}

int vio_devlink_remove_node(struct vio_devlink_call *call)
{
	call->rate.fields = 0;
	return begin(call, DEVLINK_CMD_RATE_DEL);
}
