/* SPDX-License-Identifier: MIT */
/*
 * A kernel that answers rtnetlink as a test tells it to: sockets are pairs, the test
 * has the other end. Messages are put together byte by byte, so that they can be
 * wrong in every way.
 */
#ifndef VIO_TESTS_SYS_NETLINK_PEER_H
#define VIO_TESTS_SYS_NETLINK_PEER_H

#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctx.h"
#include "fake/fault.h"
#include "fake/support.h"
#include "sys/netlink_message.h"

#define PEER_IFINDEX 7u
#define PEER_VF      3u

struct message {
	char bytes[8192];
	uint32_t n;
};

/* One per program: the table's opaque is the fake kernel's below. */
struct netlink_peer {
	struct vio_sys sys;
	struct vio_fault fault;
	struct vio_ctx *ctx;
	pthread_t worker;
	int fd;         /* the other end of the latest socket */
	uint32_t port;  /* that answers seem to come from */
	int recv_error; /* instead of the next answer */
};
static struct netlink_peer peer;

static inline int peer_netlink(void *opaque, int protocol, uint32_t groups)
{
	int pair[2];

	(void)opaque;
	assert_int_equal(protocol, NETLINK_ROUTE);
	assert_int_equal(groups, 0);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair))
		return -errno;
	if (peer.fd >= 0)
		close(peer.fd);
	peer.fd = pair[1];
	return pair[0];
}

static inline ssize_t
peer_recvmsg(void *opaque, int fd, struct msghdr *message, int flags)
{
	struct sockaddr_nl *from = message->msg_name;
	ssize_t ret;

	(void)opaque;
	if (peer.recv_error)
		return peer.recv_error;
	message->msg_namelen = 0;
	ret = vio_sys_linux.recvmsg(NULL, fd, message, flags);
	if (from)
		*from = (struct sockaddr_nl){ .nl_family = AF_NETLINK,
					      .nl_pid = peer.port };
	message->msg_namelen = sizeof(*from);
	return ret;
}

static inline void *peer_lend(void *ctx)
{
	(void)vio_ctx_work(ctx);
	return NULL;
}

/* @base: what is not netlink. */
static inline void peer_open(const struct vio_sys *base)
{
	peer = (struct netlink_peer){ .fd = -1 };
	peer.sys = *base;
	peer.sys.netlink = peer_netlink;
	peer.sys.recvmsg = peer_recvmsg;
	vio_fault_prepare(&peer.fault, &peer.sys);
	assert_int_equal(vio_fault_create_ctx(&peer.fault,
					      VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD,
					      &peer.ctx),
			 0);
	assert_int_equal(pthread_create(&peer.worker, NULL, peer_lend, peer.ctx), 0);
}

static inline void peer_close(void)
{
	if (peer.fd >= 0)
		close(peer.fd);
	peer.fd = -1;
	assert_int_equal(vio_ctx_abort_work(peer.ctx), 0);
	pthread_join(peer.worker, NULL);
	assert_int_equal(vio_ctx_destroy(peer.ctx, NULL), 0);
	vio_fault_verify(&peer.fault);
}

static inline void put(struct message *m, const void *data, size_t n)
{
	assert_true(m->n + n + 4 <= sizeof(m->bytes));
	if (n)
		memcpy(m->bytes + m->n, data, n);
	m->n += (uint32_t)n;
	while (m->n % 4)
		m->bytes[m->n++] = 0;
}

static inline void
put_attr(struct message *m, uint16_t type, const void *data, size_t n)
{
	const struct nlattr attr = { .nla_len = (uint16_t)(sizeof(attr) + n),
				     .nla_type = type };

	put(m, &attr, sizeof(attr));
	put(m, data, n);
}

/* Returns where it begins, for end_nest(). */
static inline uint32_t begin_nest(struct message *m, uint16_t type)
{
	const uint32_t at = m->n;

	put_attr(m, type | NLA_F_NESTED, NULL, 0);
	return at;
}

static inline void end_nest(struct message *m, uint32_t at)
{
	const uint16_t n = (uint16_t)(m->n - at);

	memcpy(m->bytes + at, &n, sizeof(n));
}

static inline void begin_message(struct message *m, uint16_t type)
{
	const struct nlmsghdr header = { .nlmsg_type = type,
					 .nlmsg_seq = VIO_NETLINK_SEQUENCE };

	m->n = 0;
	put(m, &header, sizeof(header));
}

static inline void end_message(struct message *m)
{
	memcpy(m->bytes, &m->n, sizeof(m->n));
}

static inline void make_error(struct message *m, int32_t code)
{
	begin_message(m, NLMSG_ERROR);
	put(m, &code, sizeof(code));
	end_message(m);
}

/* One VF of a list: all that an interface tells. */
static inline void put_vf(struct message *m, uint32_t index)
{
	const struct ifla_vf_mac mac = { .vf = index, .mac = { 2, 0, 0, 0, 0, 9 } };
	struct ifla_vf_vlan_info vlan;
	const struct ifla_vf_rate rate = { .vf = index,
					   .min_tx_rate = 10,
					   .max_tx_rate = 200 };
	const struct ifla_vf_spoofchk spoofchk = { .vf = index, .setting = 1 };
	const struct ifla_vf_trust trust = { .vf = index, .setting = 1 };
	const struct ifla_vf_link_state link = { .vf = index, .link_state = 2 };
	const uint32_t nest = begin_nest(m, IFLA_VF_INFO);
	uint32_t list;

	/* Its padding is sent as well. */
	memset(&vlan, 0, sizeof(vlan));
	vlan.vf = index;
	vlan.vlan = 100;
	vlan.qos = 5;
	vlan.vlan_proto = htobe16(0x88a8);
	put_attr(m, IFLA_VF_MAC, &mac, sizeof(mac));
	list = begin_nest(m, IFLA_VF_VLAN_LIST);
	put_attr(m, IFLA_VF_VLAN_INFO, &vlan, sizeof(vlan));
	end_nest(m, list);
	put_attr(m, IFLA_VF_RATE, &rate, sizeof(rate));
	put_attr(m, IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
	put_attr(m, IFLA_VF_TRUST, &trust, sizeof(trust));
	put_attr(m, IFLA_VF_LINK_STATE, &link, sizeof(link));
	end_nest(m, nest);
}

static inline void begin_link(struct message *m, uint16_t type, uint32_t n_vfs)
{
	const struct ifinfomsg link = { .ifi_type = type,
					.ifi_index = (int)PEER_IFINDEX };

	begin_message(m, RTM_NEWLINK);
	put(m, &link, sizeof(link));
	put_attr(m, IFLA_IFNAME, "eth0", 5);
	put_attr(m, IFLA_NUM_VF, &n_vfs, sizeof(n_vfs));
}

/* An Ethernet interface with VFs 0 to PEER_VF. */
static inline void make_link(struct message *m)
{
	uint32_t list;

	begin_link(m, ARPHRD_ETHER, PEER_VF + 1);
	list = begin_nest(m, IFLA_VFINFO_LIST);
	for (uint32_t i = 0; i <= PEER_VF; i++)
		put_vf(m, i);
	end_nest(m, list);
	end_message(m);
}

static inline void peer_send(const struct message *m)
{
	assert_int_equal(send(peer.fd, m->bytes, m->n, MSG_NOSIGNAL), m->n);
}

/* Waits for the question and returns its header. */
static inline struct nlmsghdr peer_receive(struct message *m)
{
	struct nlmsghdr header;
	ssize_t n;

	vio_test_wait_fd(peer.fd);
	n = recv(peer.fd, m->bytes, sizeof(m->bytes), 0);
	assert_true(n >= (ssize_t)sizeof(header));
	m->n = (uint32_t)n;
	memcpy(&header, m->bytes, sizeof(header));
	assert_int_equal(header.nlmsg_len, n);
	return header;
}

#endif /* VIO_TESTS_SYS_NETLINK_PEER_H */
