/* SPDX-License-Identifier: MIT */
/* Events: what their texts mean, and what a host is told of. */
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "fake/fault.h"
#include "machine.h"
#include "sys/monitor.h"
#include "vf/events.h"

#define DEVPATH "/devices/pci0000:00/0000:00:01.0/0000:01:00.0"

/* A uevent of a literal, its last NUL included. */
#define PARSE(text, out) vio_uevent_parse(text, sizeof(text), out)

static void check_type(const char *text, size_t n, uint32_t type)
{
	const struct vio_pci_addr nic = addr_of(NIC);
	struct vio_host_event event = { 0 };

	assert_int_equal(vio_uevent_parse(text, n, &event), 0);
	assert_int_equal(event.size, sizeof(event));
	assert_int_equal(event.type, type);
	assert_memory_equal(&event.addr, &nic, sizeof(nic));
}

#define CHECK(action, more, type)                                                      \
	check_type(                                                                    \
		action "@" DEVPATH "\0ACTION=" action "\0SUBSYSTEM=pci" more,          \
		sizeof(action "@" DEVPATH "\0ACTION=" action "\0SUBSYSTEM=pci" more),  \
		type)

static void functions_come_and_go(void **state)
{
	(void)state;
	CHECK("add", "", VIO_HOST_ADDED);
	CHECK("remove", "", VIO_HOST_REMOVED);
	CHECK("bind", "\0DRIVER=igb", VIO_HOST_BOUND);
	CHECK("unbind", "\0DRIVER=igb", VIO_HOST_UNBOUND);
	CHECK("change", "", VIO_HOST_VFS_CHANGED);
}

static void recovery_from_errors_has_its_steps(void **state)
{
	(void)state;
	CHECK("change", "\0ERROR_EVENT=BEGIN_RECOVERY\0DEVICE_ONLINE=0",
	      VIO_HOST_AER_BEGIN);
	CHECK("change", "\0ERROR_EVENT=FAILED_RECOVERY", VIO_HOST_AER_FAILED);
	CHECK("change", "\0ERROR_EVENT=SUCCESSFUL_RECOVERY", VIO_HOST_AER_RECOVERED);
}

static void what_is_not_of_a_function_is_left_out(void **state)
{
	struct vio_host_event event = { 0 };

	(void)state;
	assert_int_equal(PARSE("add@/devices/x\0ACTION=add\0SUBSYSTEM=net", &event),
			 -ENOENT);
	assert_int_equal(PARSE("add@" DEVPATH "\0ACTION=add", &event), -ENOENT);
	assert_int_equal(PARSE("add@" DEVPATH "\0SUBSYSTEM=pci", &event), -ENOENT);
	assert_int_equal(PARSE("move@" DEVPATH "\0ACTION=move\0SUBSYSTEM=pci", &event),
			 -ENOENT);
	assert_int_equal(PARSE("change@" DEVPATH "\0ACTION=change\0SUBSYSTEM=pci"
			       "\0ERROR_EVENT=UNKNOWN",
			       &event),
			 -ENOENT);
	assert_int_equal(event.size, 0);
}

static void an_event_that_was_asked_for_tells_nothing(void **state)
{
	struct vio_host_event event;

	(void)state;
	assert_int_equal(PARSE("add@" DEVPATH "\0ACTION=add\0SUBSYSTEM=pci"
			       "\0SYNTH_UUID=0",
			       &event),
			 -ENOENT);
}

static void the_first_of_two_values_counts(void **state)
{
	(void)state;
	CHECK("add", "\0ACTION=remove\0SUBSYSTEM=net", VIO_HOST_ADDED);
}

static void what_is_no_uevent_is_refused(void **state)
{
	struct vio_host_event event = { 0 };

	(void)state;
	assert_int_equal(vio_uevent_parse("", 0, &event), -EBADMSG);
	assert_int_equal(vio_uevent_parse("add@/x", 6, &event), -EBADMSG);
	assert_int_equal(PARSE("", &event), -EBADMSG);
	assert_int_equal(PARSE("libudev\0ACTION=add\0SUBSYSTEM=pci", &event), -EBADMSG);
	assert_int_equal(PARSE("add@\0ACTION=add\0SUBSYSTEM=pci", &event), -EBADMSG);
	assert_int_equal(
		PARSE("add@/devices/0000:01:20.0\0ACTION=add\0SUBSYSTEM=pci", &event),
		-EBADMSG);
	assert_int_equal(
		PARSE("add@/devices/0000:01:00.0/\0ACTION=add\0SUBSYSTEM=pci", &event),
		-EBADMSG);
	assert_int_equal(event.size, 0);
}

/* Every prefix, as long as it is, for sanitizers to see. */
static void a_uevent_cut_anywhere_is_never_read_past_its_end(void **state)
{
	static const char text[] = "change@" DEVPATH "\0ACTION=change\0SUBSYSTEM=pci"
				   "\0ERROR_EVENT=BEGIN_RECOVERY\0SEQNUM=1";

	(void)state;
	for (size_t n = 1; n < sizeof(text); n++) {
		struct vio_host_event event;
		char *cut = malloc(n);

		assert_non_null(cut);
		memcpy(cut, text, n);
		assert_true(vio_uevent_parse(cut, n, &event) <= 0);
		free(cut);
	}
}

/* A message about a link, and room for attributes behind it. */
struct link_message {
	struct nlmsghdr head;
	struct ifinfomsg info;
	char attrs[128];
};

static void add_text(struct link_message *m, unsigned int type, const char *text)
{
	struct rtattr attr = {
		.rta_len = (unsigned short)(RTA_LENGTH(0) + strlen(text) + 1),
		.rta_type = (unsigned short)type,
	};
	char *at = (char *)m + NLMSG_ALIGN(m->head.nlmsg_len);

	memcpy(at, &attr, sizeof(attr));
	memcpy(at + RTA_LENGTH(0), text, strlen(text) + 1);
	m->head.nlmsg_len =
		(uint32_t)(NLMSG_ALIGN(m->head.nlmsg_len) + RTA_ALIGN(attr.rta_len));
}

static struct link_message make_link(const char *bus, const char *name)
{
	struct link_message m = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(m.info)),
			  .nlmsg_type = RTM_NEWLINK },
	};

	add_text(&m, IFLA_IFNAME, "enp1s0");
	add_text(&m, IFLA_PARENT_DEV_NAME, name);
	add_text(&m, IFLA_PARENT_DEV_BUS_NAME, bus);
	return m;
}

static int parse_link(const struct link_message *m, size_t n, char *out, size_t room)
{
	char *exact = malloc(n ? n : 1);
	size_t used = 0;
	int ret;

	assert_non_null(exact);
	memcpy(exact, m, n);
	ret = vio_monitor_parse_link(exact, n, out, room, &used);
	if (ret != -EBADMSG)
		assert_true(used && used <= n);
	free(exact);
	return ret;
}

static void the_function_of_an_interface_is_found(void **state)
{
	struct link_message m = make_link("pci", NIC);
	char name[VIO_PCI_ADDR_TEXT_BYTES] = "";

	(void)state;
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), 0);
	assert_string_equal(name, NIC);
	m.head.nlmsg_type = RTM_DELLINK;
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), 0);
}

static void interfaces_of_no_function_are_left_out(void **state)
{
	struct link_message m = make_link("virtio", "virtio0");
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), -ENOENT);
	m.head.nlmsg_len = NLMSG_LENGTH(sizeof(m.info));
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), -ENOENT);
	m = make_link("pci", NIC);
	m.head.nlmsg_type = RTM_NEWADDR;
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), -ENOENT);
}

static void a_bus_without_a_function_is_left_out(void **state)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES] = "same";
	struct link_message m = {
		.head = { .nlmsg_len = NLMSG_LENGTH(sizeof(m.info)),
			  .nlmsg_type = RTM_NEWLINK },
	};

	(void)state;
	add_text(&m, IFLA_PARENT_DEV_BUS_NAME, "pci");
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), -ENOENT);
	assert_string_equal(name, "same");
}

static void a_name_longer_than_any_address_is_refused(void **state)
{
	struct link_message m = make_link("pci", "0000:01:00.0:0000:01:00.0");
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)),
			 -EBADMSG);
}

static void a_link_message_cut_anywhere_is_never_read_past_its_end(void **state)
{
	struct link_message m = make_link("pci", NIC);
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	const uint32_t whole = m.head.nlmsg_len;

	(void)state;
	for (uint32_t n = 0; n < whole; n++) {
		m.head.nlmsg_len = n;
		assert_true(parse_link(&m, n, name, sizeof(name)) < 0);
		m.head.nlmsg_len = whole;
		assert_int_equal(parse_link(&m, n, name, sizeof(name)), -EBADMSG);
	}
}

static void attributes_of_no_length_do_not_hold_the_walk(void **state)
{
	struct link_message m = make_link("pci", NIC);
	char name[VIO_PCI_ADDR_TEXT_BYTES];

	(void)state;
	memset(m.attrs, 0, 4);
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), -ENOENT);
	memset(m.attrs, 0xff, 4);
	assert_int_equal(parse_link(&m, m.head.nlmsg_len, name, sizeof(name)), -ENOENT);
}

/* A kernel whose netlink sockets are eventfds, and messages in an array. */
#define MESSAGES_MAX 64u
#define TOLD_MAX     64u

struct message {
	const void *bytes;
	size_t n;
	uint32_t port; /* of the sender */
	int result;    /* or an error instead */
};

struct net {
	struct vio_sys sys;
	const struct vio_sys *base;
	struct machine *m;
	int fds[2]; /* uevents, links */
	uint32_t n_fds;
	struct message messages[MESSAGES_MAX];
	uint32_t n;
	uint32_t at;
	int source; /* which socket they come from */
	struct vio_host_event told[TOLD_MAX];
	uint32_t n_told;
	int closes; /* the host, from the callback */
};

static int net_netlink(void *opaque, int protocol, uint32_t groups)
{
	struct net *net = opaque;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	assert_int_equal(groups, 1);
	assert_int_equal(protocol, net->n_fds ? NETLINK_ROUTE : NETLINK_KOBJECT_UEVENT);
	net->fds[net->n_fds++] = fd;
	return fd;
}

static ssize_t net_recvmsg(void *opaque, int fd, struct msghdr *message, int flags)
{
	struct net *net = opaque;
	struct sockaddr_nl from = { .nl_family = AF_NETLINK };
	const struct message *m = &net->messages[net->at];
	uint64_t count;
	size_t n;

	assert_true(flags & MSG_DONTWAIT);
	assert_int_equal(fd, net->fds[net->source]);
	if (net->at == net->n) {
		assert_int_equal(read(fd, &count, sizeof(count)), sizeof(count));
		return -EAGAIN;
	}
	net->at++;
	if (m->result)
		return m->result;
	from.nl_pid = m->port;
	memcpy(message->msg_name, &from, sizeof(from));
	n = m->n < message->msg_iov->iov_len ? m->n : message->msg_iov->iov_len;
	message->msg_flags = m->n > n ? MSG_TRUNC : 0;
	memcpy(message->msg_iov->iov_base, m->bytes, n);
	return (ssize_t)n;
}

static void hear(void *opaque, const struct vio_host_event *event)
{
	struct net *net = opaque;

	assert_true(net->n_told < TOLD_MAX);
	assert_int_equal(event->size, sizeof(*event));
	net->told[net->n_told++] = *event;
	if (!net->closes)
		return;
	assert_int_equal(vio_host_close(net->m->host, NULL), 0);
	net->m->host = NULL;
}

/* The fake kernel's entries find themselves by opaque: only sockets are ours. */
static int net_openat(void *opaque, int dir, const char *path, int flags, mode_t mode)
{
	struct net *net = opaque;

	return net->base->openat(net->base->opaque, dir, path, flags, mode);
}

static int net_close(void *opaque, int fd)
{
	struct net *net = opaque;

	return net->base->close(net->base->opaque, fd);
}

static ssize_t net_read(void *opaque, int fd, void *buf, size_t n)
{
	struct net *net = opaque;

	return net->base->read(net->base->opaque, fd, buf, n);
}

static int open_net(void **state)
{
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct net *net = test_calloc(1, sizeof(*net));
	struct machine *m;

	build_machine(state);
	m = *state;
	assert_int_equal(vio_ctx_destroy(m->ctx, NULL), 0);
	net->m = m;
	net->base = vio_fake_get_sys(m->fake);
	net->sys = vio_sys_linux;
	net->sys.opaque = net;
	net->sys.openat = net_openat;
	net->sys.close = net_close;
	net->sys.read = net_read;
	net->sys.netlink = net_netlink;
	net->sys.recvmsg = net_recvmsg;
	ctx_params.flags = VIO_CTX_NO_URING;
	assert_int_equal(vio_ctx_create_on(&ctx_params, &net->sys, &m->ctx, NULL), 0);
	params.sysfs_root = SYSFS;
	params.event = hear;
	params.opaque = net;
	assert_int_equal(vio_host_open(m->ctx, &params, &m->host, NULL), 0);
	*state = net;
	return 0;
}

static int close_net(void **state)
{
	struct net *net = *state;
	void *machine = net->m;

	close_machine(&machine);
	test_free(net);
	return 0;
}

static void send_message(struct net *net, const void *bytes, size_t n)
{
	assert_true(net->n < MESSAGES_MAX);
	net->messages[net->n++] = (struct message){ .bytes = bytes, .n = n };
}

/* Until the messages have been read, or the host is closed. */
static void deliver(struct net *net, int source)
{
	const uint64_t one = 1;

	net->source = source;
	assert_int_equal(write(net->fds[source], &one, sizeof(one)), sizeof(one));
	while (net->m->host && vio_ctx_dispatch(net->m->ctx, 1) > 0)
		continue;
}

#define UEVENT(action, path)                                                           \
	action "@/devices/pci0000:00/" path "\0ACTION=" action "\0SUBSYSTEM=pci"

static const char nic_change[] = UEVENT("change", NIC_PORT "/" NIC);
static const char vf_change[] = UEVENT("change", NIC_PORT "/0000:01:10.0");
static const char vf_add[] = UEVENT("add", NIC_PORT "/0000:01:10.0");

static void a_complete_set_of_vfs_is_told_of(void **state)
{
	const struct vio_pci_addr nic = addr_of(NIC);
	struct net *net = *state;

	send_message(net, vf_add, sizeof(vf_add));
	send_message(net, vf_change, sizeof(vf_change));
	send_message(net, nic_change, sizeof(nic_change));
	deliver(net, 0);
	assert_int_equal(net->n_told, 2);
	assert_int_equal(net->told[0].type, VIO_HOST_ADDED);
	assert_int_equal(net->told[1].type, VIO_HOST_VFS_CHANGED);
	assert_memory_equal(&net->told[1].addr, &nic, sizeof(nic));
}

static void what_the_kernel_did_not_send_is_not_believed(void **state)
{
	struct net *net = *state;

	send_message(net, vf_add, sizeof(vf_add));
	net->messages[0].port = 4711;
	deliver(net, 0);
	assert_int_equal(net->n_told, 0);
	assert_int_equal(net->at, 1);
}

static void lost_events_are_told_of(void **state)
{
	static const struct vio_pci_addr none = { 0, 0, 0, 0, 0 };
	struct net *net = *state;

	send_message(net, NULL, 0);
	net->messages[0].result = -ENOBUFS;
	send_message(net, vf_add, sizeof(vf_add));
	deliver(net, 0);
	assert_int_equal(net->n_told, 2);
	assert_int_equal(net->told[0].type, VIO_HOST_LOST);
	assert_memory_equal(&net->told[0].addr, &none, sizeof(none));
	assert_int_equal(net->told[1].type, VIO_HOST_ADDED);
}

static void an_event_that_was_cut_off_is_lost(void **state)
{
	static const char text[65536];
	struct net *net = *state;

	send_message(net, text, sizeof(text));
	deliver(net, 0);
	assert_int_equal(net->n_told, 1);
	assert_int_equal(net->told[0].type, VIO_HOST_LOST);
}

static void a_change_of_a_pfs_interface_is_told_of(void **state)
{
	const struct link_message nic = make_link("pci", NIC);
	const struct link_message vf = make_link("pci", "0000:01:10.0");
	struct link_message both[2] = { vf, nic };
	struct net *net = *state;

	/* One datagram of two messages. */
	both[0].head.nlmsg_len = sizeof(both[0]);
	send_message(net, both, sizeof(both[0]) + nic.head.nlmsg_len);
	send_message(net, "garbage", 8);
	deliver(net, 1);
	assert_int_equal(net->n_told, 1);
	assert_int_equal(net->told[0].type, VIO_HOST_CONFIG);
	assert_int_equal(net->told[0].addr.bus, 1);
	assert_int_equal(net->at, 2);
}

static void a_storm_of_events_leaves_turns_to_others(void **state)
{
	const uint64_t one = 1;
	struct net *net = *state;

	for (uint32_t i = 0; i < 40; i++)
		send_message(net, vf_add, sizeof(vf_add));
	assert_int_equal(write(net->fds[0], &one, sizeof(one)), sizeof(one));
	assert_int_equal(vio_ctx_dispatch(net->m->ctx, 1), 1);
	assert_true(net->n_told < 40);
	deliver(net, 0);
	assert_int_equal(net->n_told, 40);
}

static void the_host_may_be_closed_from_its_event(void **state)
{
	struct net *net = *state;

	net->closes = 1;
	send_message(net, vf_add, sizeof(vf_add));
	send_message(net, vf_add, sizeof(vf_add));
	deliver(net, 0);
	assert_int_equal(net->n_told, 1);
	assert_null(net->m->host);
}

static void the_host_may_be_closed_within_one_datagram(void **state)
{
	const struct link_message nic = make_link("pci", NIC);
	struct link_message both[2] = { nic, nic };
	struct net *net = *state;

	net->closes = 1;
	both[0].head.nlmsg_len = sizeof(both[0]);
	send_message(net, both, sizeof(both[0]) + nic.head.nlmsg_len);
	deliver(net, 1);
	assert_int_equal(net->n_told, 1);
}

static void the_real_kernel_lets_us_listen(void **state)
{
	const int kinds[] = { VIO_MONITOR_UEVENT, VIO_MONITOR_LINK };
	char buf[64];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const int fd = vio_monitor_open(&vio_sys_linux, kinds[i]);
		ssize_t n;

		assert_true(fd >= 0);
		n = vio_monitor_receive(&vio_sys_linux, fd, buf, sizeof(buf));
		/* The machine may have had something to say just now. */
		assert_true(n == -EAGAIN || n == -ENOBUFS || n >= 0);
		assert_int_equal(close(fd), 0);
	}
}

#define ON_NET(test) cmocka_unit_test_setup_teardown(test, open_net, close_net)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(functions_come_and_go),
		cmocka_unit_test(recovery_from_errors_has_its_steps),
		cmocka_unit_test(what_is_not_of_a_function_is_left_out),
		cmocka_unit_test(an_event_that_was_asked_for_tells_nothing),
		cmocka_unit_test(the_first_of_two_values_counts),
		cmocka_unit_test(what_is_no_uevent_is_refused),
		cmocka_unit_test(a_uevent_cut_anywhere_is_never_read_past_its_end),
		cmocka_unit_test(the_function_of_an_interface_is_found),
		cmocka_unit_test(interfaces_of_no_function_are_left_out),
		cmocka_unit_test(a_bus_without_a_function_is_left_out),
		cmocka_unit_test(a_name_longer_than_any_address_is_refused),
		cmocka_unit_test(
			a_link_message_cut_anywhere_is_never_read_past_its_end),
		cmocka_unit_test(attributes_of_no_length_do_not_hold_the_walk),
		ON_NET(a_complete_set_of_vfs_is_told_of),
		ON_NET(what_the_kernel_did_not_send_is_not_believed),
		ON_NET(lost_events_are_told_of),
		ON_NET(an_event_that_was_cut_off_is_lost),
		ON_NET(a_change_of_a_pfs_interface_is_told_of),
		ON_NET(a_storm_of_events_leaves_turns_to_others),
		ON_NET(the_host_may_be_closed_from_its_event),
		ON_NET(the_host_may_be_closed_within_one_datagram),
		cmocka_unit_test(the_real_kernel_lets_us_listen),
	};

	return cmocka_run_group_tests_name("events", tests, NULL, NULL);
}
