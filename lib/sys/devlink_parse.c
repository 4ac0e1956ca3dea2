/* SPDX-License-Identifier: MIT */
/*
 * Answers of devlink. A rate is believed if it is of the port or node that was asked
 * for, and whole; attributes that are not known are passed over, as newer kernels
 * have more of them.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "sys/devlink_message.h"
#include "sys/uapi/devlink.h"

/* What an answer says. */
struct answer {
	struct vio_devlink_rate rate;
	char node[VIO_DEVLINK_NAME_BYTES];
	uint32_t port;
	uint32_t is_port;
};

/* Where an attribute goes, in struct answer; strings are copied with their NUL. */
static const struct {
	uint16_t type;
	uint16_t offset;
	uint16_t n;
	uint16_t is_text;
	uint32_t field; /* of the rate, or 0 */
} attrs[] = {
	{ DEVLINK_ATTR_PORT_INDEX, offsetof(struct answer, port), 4, 0, 0 },
	{ DEVLINK_ATTR_RATE_NODE_NAME, offsetof(struct answer, node),
	  VIO_DEVLINK_NAME_BYTES, 1, 0 },
	{ DEVLINK_ATTR_RATE_TX_SHARE, offsetof(struct answer, rate.share_bytes_per_sec),
	  8, 0, VIO_DEVLINK_SHARE },
	{ DEVLINK_ATTR_RATE_TX_MAX, offsetof(struct answer, rate.max_bytes_per_sec), 8,
	  0, VIO_DEVLINK_MAX },
	{ VIO_UAPI_RATE_TX_WEIGHT, offsetof(struct answer, rate.weight), 4, 0,
	  VIO_DEVLINK_WEIGHT },
	{ DEVLINK_ATTR_RATE_PARENT_NODE_NAME, offsetof(struct answer, rate.parent),
	  VIO_DEVLINK_NAME_BYTES, 1, 0 },
};

/* A number of just that size; a text that there is room for, with one NUL, its last. */
static bool is_whole(struct vio_bytes data, size_t n, uint32_t is_text)
{
	if (!is_text)
		return data.n == n;
	return data.n && data.n <= n &&
	       memchr(data.at, '\0', data.n) == data.at + data.n - 1;
}

static int store(struct answer *answer, uint16_t type, struct vio_bytes data)
{
	for (size_t i = 0; i < VIO_ARRAY_SIZE(attrs); i++) {
		if (attrs[i].type != type)
			continue;
		if (!is_whole(data, attrs[i].n, attrs[i].is_text))
			return -EBADMSG;
		memcpy((char *)answer + attrs[i].offset, data.at, data.n);
		answer->rate.fields |= attrs[i].field;
		answer->is_port |= type == DEVLINK_ATTR_PORT_INDEX;
	}
	return 0;
}

static bool is_of(const struct answer *answer, const struct vio_devlink_target *target)
{
	if (target->node[0])
		return !strcmp(answer->node, target->node);
	return answer->is_port && answer->port == target->port;
}

/* A kernel that leaves the parent out says that there is none. */
static int parse_rate(struct vio_bytes rest, const struct vio_devlink_target *target,
		      struct vio_devlink_rate *rate)
{
	struct answer answer = { .rate.fields = VIO_DEVLINK_PARENT };
	struct genlmsghdr header;
	struct vio_bytes data;
	uint16_t type;
	int ret;

	if (rest.n < sizeof(header))
		return -EBADMSG;
	memcpy(&header, rest.at, sizeof(header));
	if (header.cmd != DEVLINK_CMD_RATE_NEW)
		return -EBADMSG;
	vio_netlink_skip(&rest, sizeof(header));
	while ((ret = vio_netlink_take_attr(&rest, &type, &data)) > 0) {
		ret = store(&answer, type, data);
		if (ret)
			break;
	}
	if (ret || !is_of(&answer, target))
		return -EBADMSG;
	*rate = answer.rate;
	return 0;
}

int vio_devlink_parse(const void *data, size_t n, uint32_t family,
		      const struct vio_devlink_target *target,
		      struct vio_devlink_rate *rate, int *out_result)
{
	struct vio_bytes body;
	uint16_t type;
	int ret;

	ret = vio_netlink_find_answer(data, n, &type, &body);
	if (!ret)
		return 0;
	if (ret > 0 && rate && type == family)
		ret = parse_rate(body, target, rate);
	else if (ret > 0)
		ret = vio_netlink_parse_error(type, body, !rate);
	*out_result = ret;
	return 1;
}

static int parse_family(struct vio_bytes rest, uint32_t *out_family)
{
	struct vio_bytes data;
	uint16_t type, id = 0;
	int ret;

	if (rest.n < GENL_HDRLEN)
		return -EBADMSG;
	vio_netlink_skip(&rest, GENL_HDRLEN);
	while ((ret = vio_netlink_take_attr(&rest, &type, &data)) > 0)
		if (type == CTRL_ATTR_FAMILY_ID && data.n == sizeof(id))
			memcpy(&id, data.at, sizeof(id));
	/* Below are netlink's own types and that of the question. */
	if (ret || id <= GENL_ID_CTRL)
		return -EBADMSG;
	*out_family = id;
	return 0;
}

int vio_devlink_parse_family(const void *data, size_t n, uint32_t *out_family,
			     int *out_result)
{
	struct vio_bytes body;
	uint16_t type;
	int ret;

	ret = vio_netlink_find_answer(data, n, &type, &body);
	if (!ret)
		return 0;
	if (ret > 0 && type == GENL_ID_CTRL)
		ret = parse_family(body, out_family);
	else if (ret > 0)
		ret = vio_netlink_parse_error(type, body, false);
	*out_result = ret == -ENOENT ? -EOPNOTSUPP : ret;
	return 1;
}
