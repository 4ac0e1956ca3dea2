/* SPDX-License-Identifier: MIT */
/*
 * Sockets are pairs, of which the far end is kept here: what is written to the near one
 * is a question, and its answer is sent back before the write returns.
 */
#include <endian.h>
#include <errno.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fake/fake_rates.h"
#include "fake/support.h"
#include "sys/uapi/devlink.h"

#define FAMILY   0x1d
#define FDS_MAX  4096
#define SEQUENCE 1

struct fake_rates fake_rates;
static struct vio_sys base;
static int far_ends[FDS_MAX]; /* by the near end; 0: no such socket */

struct reply {
	char bytes[4096];
	uint32_t n;
};

struct part {
	const char *at;
	size_t n;
};

static void put(struct reply *reply, const void *data, size_t n)
{
	assert_true(reply->n + n + 4 <= sizeof(reply->bytes));
	memcpy(reply->bytes + reply->n, data, n);
	reply->n += (uint32_t)n;
	while (reply->n % 4)
		reply->bytes[reply->n++] = 0;
}

static void put_attr(struct reply *reply, int type, const void *data, size_t n)
{
	const struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + n),
				     .nla_type = (uint16_t)type };

	put(reply, &attr, sizeof(attr));
	put(reply, data, n);
}

static struct reply begin(int type, const void *data, size_t n)
{
	const struct nlmsghdr header = { .nlmsg_type = (uint16_t)type,
					 .nlmsg_seq = SEQUENCE };
	struct reply reply = { .n = 0 };

	put(&reply, &header, sizeof(header));
	put(&reply, data, n);
	return reply;
}

static struct reply make_error(int code)
{
	const int32_t number = code;

	return begin(NLMSG_ERROR, &number, sizeof(number));
}

/* The first attribute of that type, or one of no bytes. */
static struct part find(struct part rest, int type)
{
	while (rest.n >= sizeof(struct nlattr)) {
		struct nlattr attr;
		size_t whole;

		memcpy(&attr, rest.at, sizeof(attr));
		whole = NLA_ALIGN((size_t)attr.nla_len);
		assert_true(attr.nla_len >= sizeof(attr) && attr.nla_len <= rest.n);
		if ((attr.nla_type & NLA_TYPE_MASK) == type)
			return (struct part){ rest.at + sizeof(attr),
					      attr.nla_len - sizeof(attr) };
		whole = whole < rest.n ? whole : rest.n;
		rest.at += whole;
		rest.n -= whole;
	}
	return (struct part){ NULL, 0 };
}

static struct part drop(struct part part, size_t n)
{
	assert_true(part.n >= n);
	return (struct part){ part.at + n, part.n - n };
}

static uint64_t number_of(struct part part)
{
	uint64_t value = 0;

	assert_true(part.n == 4 || part.n == 8);
	memcpy(&value, part.at, part.n);
	return value;
}

/* What becomes of a question that sets something: 0, an errno, or 1: do nothing. */
static int begin_set(void)
{
	fake_rates.n_sets++;
	if (fake_rates.n_sets == fake_rates.fail_at)
		return fake_rates.fail_code;
	return fake_rates.n_sets == fake_rates.idle_at;
}

static int begin_read(void)
{
	return ++fake_rates.n_reads == fake_rates.fail_read_at;
}

static struct reply fail_read(void)
{
	return fake_rates.fail_read_code ? make_error(fake_rates.fail_read_code)
					 : begin(NLMSG_DONE, "", 0);
}

/* As do_setvfinfo() of Linux and igb's or netdevsim's answer. */
static int set_vf(struct part vf)
{
	const struct part old = find(vf, IFLA_VF_TX_RATE);
	struct ifla_vf_rate rate = { 0 };

	if (old.n) {
		struct ifla_vf_tx_rate max;

		memcpy(&max, old.at, sizeof(max));
		assert_true(max.vf < FAKE_RATES_N_VFS);
		rate.vf = max.vf;
		rate.max_tx_rate = max.rate;
		rate.min_tx_rate = fake_rates.vfs[max.vf].min;
	} else {
		const struct part both = find(vf, IFLA_VF_RATE);

		assert_int_equal(both.n, sizeof(rate));
		memcpy(&rate, both.at, sizeof(rate));
		assert_true(rate.vf < FAKE_RATES_N_VFS);
	}
	if (!(fake_rates.can & FAKE_RATES_VF_MAX))
		return -EOPNOTSUPP;
	if (rate.min_tx_rate && !(fake_rates.can & FAKE_RATES_VF_MIN))
		return -EINVAL;
	if (rate.max_tx_rate && rate.max_tx_rate < rate.min_tx_rate)
		return -EINVAL;
	fake_rates.vfs[rate.vf].min = rate.min_tx_rate;
	fake_rates.vfs[rate.vf].max = rate.max_tx_rate;
	return 0;
}

static struct reply answer_setlink(struct part attrs)
{
	const struct part list = find(attrs, IFLA_VFINFO_LIST);
	const int ret = begin_set();
	struct reply reply;

	if (ret)
		return make_error(ret < 0 ? ret : 0);
	reply = make_error(set_vf(find(list, IFLA_VF_INFO)));
	return fake_rates.n_sets == fake_rates.lose_at ? begin(NLMSG_DONE, "", 0)
						       : reply;
}

static uint32_t put_vf(struct reply *reply, uint32_t index)
{
	const struct ifla_vf_rate rate = {
		.vf = index,
		.min_tx_rate = fake_rates.vfs[index].min,
		.max_tx_rate = fake_rates.vfs[index].max,
	};
	struct reply vf = { .n = 0 };

	put_attr(&vf, IFLA_VF_RATE, &rate, sizeof(rate));
	put_attr(reply, IFLA_VF_INFO | NLA_F_NESTED, vf.bytes, vf.n);
	return reply->n;
}

static struct reply answer_getlink(void)
{
	const struct ifinfomsg link = { .ifi_type = ARPHRD_ETHER,
					.ifi_index = (int)FAKE_RATES_IFINDEX };
	const uint32_t n_vfs = FAKE_RATES_N_VFS;
	struct reply reply = begin(RTM_NEWLINK, &link, sizeof(link));
	struct reply list = { .n = 0 };

	if (begin_read())
		return fail_read();
	for (uint32_t i = 0; i < FAKE_RATES_N_VFS; i++)
		put_vf(&list, i);
	put_attr(&reply, IFLA_NUM_VF, &n_vfs, sizeof(n_vfs));
	put_attr(&reply, IFLA_VFINFO_LIST | NLA_F_NESTED, list.bytes, list.n);
	return reply;
}

static struct reply answer_family(struct part attrs)
{
	const struct genlmsghdr header = { .cmd = CTRL_CMD_NEWFAMILY };
	struct reply reply = begin(GENL_ID_CTRL, &header, sizeof(header));
	const uint16_t id = FAMILY;

	assert_string_equal(find(attrs, CTRL_ATTR_FAMILY_NAME).at, DEVLINK_GENL_NAME);
	if (!(fake_rates.can & FAKE_RATES_DEVLINK))
		return make_error(-ENOENT);
	put_attr(&reply, CTRL_ATTR_FAMILY_ID, &id, sizeof(id));
	return reply;
}

static struct fake_rate *find_node(const char *name)
{
	for (size_t i = 0; i < 4; i++)
		if (fake_rates.rates[i].is_there &&
		    !strcmp(fake_rates.rates[i].node, name))
			return &fake_rates.rates[i];
	return NULL;
}

static struct fake_rate *find_rate(struct part attrs)
{
	const struct part port = find(attrs, DEVLINK_ATTR_PORT_INDEX);

	assert_string_equal(find(attrs, DEVLINK_ATTR_BUS_NAME).at, "pci");
	assert_string_equal(find(attrs, DEVLINK_ATTR_DEV_NAME).at, "0000:01:00.0");
	if (port.n)
		return number_of(port) == FAKE_RATES_PORT ? find_node("") : NULL;
	return find_node(find(attrs, DEVLINK_ATTR_RATE_NODE_NAME).at);
}

static struct reply answer_rate_get(const struct fake_rate *rate)
{
	const struct genlmsghdr header = { .cmd = DEVLINK_CMD_RATE_NEW };
	struct reply reply = begin(FAMILY, &header, sizeof(header));
	const uint32_t port = FAKE_RATES_PORT;

	if (begin_read())
		return fail_read();
	if (rate->node[0])
		put_attr(&reply, DEVLINK_ATTR_RATE_NODE_NAME, rate->node,
			 strlen(rate->node) + 1);
	else
		put_attr(&reply, DEVLINK_ATTR_PORT_INDEX, &port, sizeof(port));
	put_attr(&reply, DEVLINK_ATTR_RATE_TX_SHARE, &rate->share, 8);
	put_attr(&reply, DEVLINK_ATTR_RATE_TX_MAX, &rate->max, 8);
	put_attr(&reply, VIO_UAPI_RATE_TX_WEIGHT, &rate->weight, 4);
	if (rate->parent[0])
		put_attr(&reply, DEVLINK_ATTR_RATE_PARENT_NODE_NAME, rate->parent,
			 strlen(rate->parent) + 1);
	return reply;
}

static int is_able(struct part attrs)
{
	static const struct {
		int type;
		uint32_t can;
	} needs[] = {
		{ DEVLINK_ATTR_RATE_TX_SHARE, FAKE_RATES_TX_SHARE },
		{ DEVLINK_ATTR_RATE_TX_MAX, FAKE_RATES_TX_MAX },
		{ VIO_UAPI_RATE_TX_WEIGHT, FAKE_RATES_TX_WEIGHT },
		{ DEVLINK_ATTR_RATE_PARENT_NODE_NAME, FAKE_RATES_PARENT },
	};

	for (size_t i = 0; i < 4; i++)
		if (find(attrs, needs[i].type).n && !(fake_rates.can & needs[i].can))
			return 0;
	return 1;
}

static int set_rate(struct fake_rate *rate, struct part attrs)
{
	const struct part share = find(attrs, DEVLINK_ATTR_RATE_TX_SHARE);
	const struct part max = find(attrs, DEVLINK_ATTR_RATE_TX_MAX);
	const struct part weight = find(attrs, VIO_UAPI_RATE_TX_WEIGHT);
	const struct part parent = find(attrs, DEVLINK_ATTR_RATE_PARENT_NODE_NAME);

	if (!is_able(attrs))
		return -EOPNOTSUPP;
	if ((share.n && number_of(share) % 125000) ||
	    (max.n && number_of(max) % 125000))
		return -EINVAL;
	rate->share = share.n ? number_of(share) : rate->share;
	rate->max = max.n ? number_of(max) : rate->max;
	rate->weight = weight.n ? (uint32_t)number_of(weight) : rate->weight;
	if (parent.n > 1 && !find_node(parent.at))
		return -ENODEV;
	if (parent.n)
		snprintf(rate->parent, sizeof(rate->parent), "%s", parent.at);
	return 0;
}

static int add_node(struct part attrs)
{
	for (size_t i = 0; i < 4; i++) {
		struct fake_rate *rate = &fake_rates.rates[i];

		if (rate->is_there)
			continue;
		*rate = (struct fake_rate){ .is_there = 1 };
		snprintf(rate->node, sizeof(rate->node), "%s",
			 find(attrs, DEVLINK_ATTR_RATE_NODE_NAME).at);
		return 0;
	}
	return -ENOSPC;
}

static int change_rate(int command, struct fake_rate *rate, struct part attrs)
{
	const int ret = begin_set();

	if (ret)
		return ret < 0 ? ret : 0;
	if (command == DEVLINK_CMD_RATE_NEW)
		return rate ? -EEXIST : add_node(attrs);
	if (!rate)
		return -ENODEV;
	if (command == DEVLINK_CMD_RATE_SET)
		return set_rate(rate, attrs);
	assert_int_equal(command, DEVLINK_CMD_RATE_DEL);
	rate->is_there = 0;
	return 0;
}

static struct reply answer_devlink(int command, struct part attrs)
{
	struct fake_rate *rate = find_rate(attrs);

	if (command == DEVLINK_CMD_RATE_GET)
		return rate ? answer_rate_get(rate) : make_error(-ENODEV);
	return make_error(change_rate(command, rate, attrs));
}

static struct reply answer(const void *data, size_t n)
{
	struct part rest = { data, n };
	struct genlmsghdr generic;
	struct nlmsghdr header;

	memcpy(&header, data, sizeof(header));
	assert_int_equal(header.nlmsg_len, n);
	assert_int_equal(header.nlmsg_seq, SEQUENCE);
	rest = drop(rest, sizeof(header));
	if (header.nlmsg_type == RTM_GETLINK)
		return answer_getlink();
	if (header.nlmsg_type == RTM_SETLINK)
		return answer_setlink(drop(rest, sizeof(struct ifinfomsg)));
	memcpy(&generic, rest.at, sizeof(generic));
	rest = drop(rest, sizeof(generic));
	if (header.nlmsg_type == GENL_ID_CTRL)
		return answer_family(rest);
	assert_int_equal(header.nlmsg_type, FAMILY);
	return answer_devlink(generic.cmd, rest);
}

static int rates_netlink(void *opaque, int protocol, uint32_t groups)
{
	int pair[2];

	if (groups)
		return base.netlink(opaque, protocol, groups);
	if (++fake_rates.n_sockets == fake_rates.fail_socket_at)
		return -EMFILE;
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	assert_true(pair[0] < FDS_MAX);
	far_ends[pair[0]] = pair[1];
	return pair[0];
}

static int far_end_of(int fd)
{
	return fd >= 0 && fd < FDS_MAX ? far_ends[fd] : 0;
}

static ssize_t rates_write(void *opaque, int fd, const void *buf, size_t n)
{
	const int far_end = far_end_of(fd);
	struct reply reply;

	if (!far_end)
		return base.write(opaque, fd, buf, n);
	reply = answer(buf, n);
	memcpy(reply.bytes, &reply.n, sizeof(reply.n));
	assert_int_equal(send(far_end, reply.bytes, reply.n, MSG_NOSIGNAL), reply.n);
	return (ssize_t)n;
}

static ssize_t rates_recvmsg(void *opaque, int fd, struct msghdr *message, int flags)
{
	struct sockaddr_nl *from = message->msg_name;
	ssize_t ret;

	if (!far_end_of(fd))
		return base.recvmsg(opaque, fd, message, flags);
	message->msg_namelen = 0;
	ret = vio_sys_linux.recvmsg(NULL, fd, message, flags);
	*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK };
	message->msg_namelen = sizeof(*from);
	return ret;
}

static int rates_close(void *opaque, int fd)
{
	const int far_end = far_end_of(fd);

	if (!far_end)
		return base.close(opaque, fd);
	far_ends[fd] = 0;
	close(far_end);
	return close(fd) ? -errno : 0;
}

static const char *const io_keys[] = { "rbps", "wbps", "riops", "wiops" };

static int show_io(void *opaque, char *buf, size_t n)
{
	int length = 0;

	(void)opaque;
	if (begin_read())
		return fake_rates.fail_read_code;
	if (fake_rates.io_text)
		return snprintf(buf, n, "%s", fake_rates.io_text);
	for (int i = 0; i < 4; i++) {
		length +=
			snprintf(buf + length, n - (size_t)length,
				 "%s%s=", i ? " " : "8:160 rbps=5\n8:16 ", io_keys[i]);
		length += snprintf(buf + length, n - (size_t)length,
				   fake_rates.io[i] ? "%llu" : "max",
				   (unsigned long long)fake_rates.io[i]);
	}
	return length + snprintf(buf + length, n - (size_t)length, "\n8:17 rbps=7\n");
}

static int store_word(char *word)
{
	char *value = strchr(word, '=');

	assert_non_null(value);
	*value++ = '\0';
	for (int i = 0; i < 4; i++) {
		if (strcmp(word, io_keys[i]) != 0)
			continue;
		fake_rates.io[i] = strcmp(value, "max") ? strtoull(value, NULL, 10) : 0;
		return 0;
	}
	return -EINVAL;
}

static int store_io(void *opaque, const char *buf, size_t n)
{
	const int begun = begin_set();
	char text[256], *rest = text;
	int ret = 0;

	(void)opaque;
	assert_true(n < sizeof(text));
	memcpy(text, buf, n);
	text[n] = '\0';
	if (begun)
		return begun < 0 ? begun : 0;
	if (strcmp(strsep(&rest, " "), "8:16") != 0)
		return -ENODEV;
	while (rest && !ret)
		ret = store_word(strsep(&rest, " "));
	return ret;
}

void fake_rates_prepare(struct vio_fake *fake, struct vio_sys *sys, const char *pf)
{
	const struct vio_fake_attr io = { .show = show_io, .store = store_io };
	char path[256];

	fake_rates = (struct fake_rates){ .can = FAKE_RATES_ALL };
	fake_rates.rates[0].is_there = 1;
	snprintf(path, sizeof(path), "%s/net/eth0/ifindex", pf);
	vio_fake_add_text(fake, path, "7\n");
	snprintf(path, sizeof(path), "%s/net/eth0/speed", pf);
	vio_fake_add_text(fake, path, "1000\n");
	vio_fake_add_attr(fake, FAKE_RATES_CGROUP "/io.max", &io);
	base = *sys;
	sys->netlink = rates_netlink;
	sys->write = rates_write;
	sys->recvmsg = rates_recvmsg;
	sys->close = rates_close;
}
