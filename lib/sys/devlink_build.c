/* SPDX-License-Identifier: MIT */
/*
 * Questions to devlink. libnl has no object for it, and what is left, headers before
 * attributes, is less than what it takes to have them made.
 */
#include <string.h>

#include "sys/devlink_message.h"
#include "sys/uapi/devlink.h"

#define DEVLINK_VERSION 1
#define CONTROL_VERSION 2

/* An attribute with its header and padding. */
#define ROOM(bytes) ((uint32_t)NLA_HDRLEN + (((uint32_t)(bytes) + 3u) & ~3u))

/* So that no question needs a check: names are bounded by their arrays. */
_Static_assert(NLMSG_HDRLEN + GENL_HDRLEN + ROOM(VIO_DEVLINK_BUS_BYTES) +
			       3 * ROOM(VIO_DEVLINK_NAME_BYTES) + 2 * ROOM(8) +
			       2 * ROOM(4) <=
		       VIO_NETLINK_REQUEST_BYTES,
	       "the longest request");

struct writer {
	char *buf;
	uint32_t n;
};

static void put(struct writer *writer, uint16_t type, const void *data, uint32_t n)
{
	const struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + n),
				     .nla_type = type };

	memset(writer->buf + writer->n, 0, ROOM(n));
	memcpy(writer->buf + writer->n, &attr, sizeof(attr));
	memcpy(writer->buf + writer->n + sizeof(attr), data, n);
	writer->n += ROOM(n);
}

static void put_u64(struct writer *writer, uint16_t type, uint64_t value)
{
	put(writer, type, &value, sizeof(value));
}

static void put_u32(struct writer *writer, uint16_t type, uint32_t value)
{
	put(writer, type, &value, sizeof(value));
}

static void put_text(struct writer *writer, uint16_t type, const char *text)
{
	put(writer, type, text, (uint32_t)strlen(text) + 1);
}

static struct writer begin(char *buf, const struct genlmsghdr *header)
{
	memcpy(buf + NLMSG_HDRLEN, header, sizeof(*header));
	return (struct writer){ .buf = buf, .n = NLMSG_HDRLEN + GENL_HDRLEN };
}

static uint32_t end(const struct writer *writer, uint32_t family, uint16_t flags)
{
	const struct nlmsghdr header = { .nlmsg_len = writer->n,
					 .nlmsg_type = (uint16_t)family,
					 .nlmsg_flags = NLM_F_REQUEST | flags,
					 .nlmsg_seq = VIO_NETLINK_SEQUENCE };

	memcpy(writer->buf, &header, sizeof(header));
	return writer->n;
}

uint32_t vio_devlink_build_family(char *buf)
{
	const struct genlmsghdr header = { .cmd = CTRL_CMD_GETFAMILY,
					   .version = CONTROL_VERSION };
	struct writer writer = begin(buf, &header);

	put_text(&writer, CTRL_ATTR_FAMILY_NAME, DEVLINK_GENL_NAME);
	return end(&writer, GENL_ID_CTRL, 0);
}

static void put_rate(struct writer *writer, const struct vio_devlink_rate *rate)
{
	if (rate->fields & VIO_DEVLINK_SHARE)
		put_u64(writer, DEVLINK_ATTR_RATE_TX_SHARE, rate->share_bytes_per_sec);
	if (rate->fields & VIO_DEVLINK_MAX)
		put_u64(writer, DEVLINK_ATTR_RATE_TX_MAX, rate->max_bytes_per_sec);
	if (rate->fields & VIO_DEVLINK_WEIGHT)
		put_u32(writer, VIO_UAPI_RATE_TX_WEIGHT, rate->weight);
	if (rate->fields & VIO_DEVLINK_PARENT)
		put_text(writer, DEVLINK_ATTR_RATE_PARENT_NODE_NAME, rate->parent);
}

uint32_t vio_devlink_build(uint32_t family, uint32_t command,
			   const struct vio_devlink_target *target,
			   const struct vio_devlink_rate *rate, char *buf)
{
	const struct genlmsghdr header = { .cmd = (uint8_t)command,
					   .version = DEVLINK_VERSION };
	struct writer writer = begin(buf, &header);

	put_text(&writer, DEVLINK_ATTR_BUS_NAME, target->bus);
	put_text(&writer, DEVLINK_ATTR_DEV_NAME, target->device);
	if (target->node[0])
		put_text(&writer, DEVLINK_ATTR_RATE_NODE_NAME, target->node);
	else
		put_u32(&writer, DEVLINK_ATTR_PORT_INDEX, target->port);
	put_rate(&writer, rate);
	return end(&writer, family, command == DEVLINK_CMD_RATE_GET ? 0 : NLM_F_ACK);
}
