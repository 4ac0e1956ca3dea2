/* SPDX-License-Identifier: MIT */
/*
 * A front end that puts its messages together by hand: so it can send what no
 * front end would. A connection that the other side has ended takes what it is
 * sent and gives no replies; who cares looks at sync.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "hostile/hostile.h"

#define FDS_MAX 64u

/* A back end that answers what it was not asked does not keep us for ever. */
#define REPLIES_MAX 1024u

void send_raw(struct hostile *h, const void *bytes, size_t n, const int *fds,
	      uint32_t n_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(FDS_MAX * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	memset(&control, 0, sizeof(control));
	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	if (sendmsg(h->front.fd, &message, MSG_NOSIGNAL) < 0 && errno != EPIPE &&
	    errno != ECONNRESET)
		fail(h, "cannot send: %s", strerror(errno));
}

void send_message(struct hostile *h, uint32_t request, const void *payload,
		  uint32_t size, const int *fds, uint32_t n_fds)
{
	struct vhost_message message = {
		.header = { request, VHOST_USER_VERSION, size },
	};
	char bytes[sizeof(message)];

	memcpy(bytes, &message.header, sizeof(message.header));
	if (size)
		memcpy(bytes + sizeof(message.header), payload, size);
	send_raw(h, bytes, sizeof(message.header) + size, fds, n_fds);
}

void send_u64(struct hostile *h, uint32_t request, uint64_t value)
{
	send_message(h, request, &value, sizeof(value), NULL, 0);
}

void send_state(struct hostile *h, uint32_t request, uint32_t index, uint32_t num)
{
	const struct vhost_vring_state state = { .index = index, .num = num };

	send_message(h, request, &state, sizeof(state), NULL, 0);
}

void send_fd(struct hostile *h, uint32_t request, uint32_t index, int fd)
{
	const uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NOFD : 0);

	send_message(h, request, &value, sizeof(value), &fd, fd >= 0);
}

void send_addr(struct hostile *h, const struct ring *ring, uint32_t flags)
{
	const struct vhost_vring_addr addr = {
		.index = ring->queue,
		.flags = flags,
		.desc = ring->desc + UVA_OFFSET,
		.avail = ring->avail + UVA_OFFSET,
		.used = ring->used + UVA_OFFSET,
		.log_gpa = ring->used,
	};

	send_message(h, VHOST_USER_SET_VRING_ADDR, &addr, sizeof(addr), NULL, 0);
}

void send_table(struct hostile *h, const struct vhost_memory *memory, const int *fds)
{
	const uint32_t size = (uint32_t)(8 + memory->n_regions * 32);

	send_message(h, VHOST_USER_SET_MEM_TABLE, memory, size, fds, memory->n_regions);
}

/* The last one is the one that can be taken away. */
void fill_table(const struct hostile *h, struct vhost_memory *out,
		int fds[VHOST_USER_TABLE_MAX])
{
	*out = (struct vhost_memory){
		.n_regions = N_REGIONS,
		.regions = {
			{ LOW_GPA, LOW_BYTES, LOW_GPA + UVA_OFFSET, 0 },
			{ HIGH_GPA, HIGH_BYTES, HIGH_GPA + UVA_OFFSET, HIGH_OFFSET },
			{ MID_GPA, MID_BYTES, MID_GPA + UVA_OFFSET, MID_OFFSET },
		},
	};
	for (uint32_t i = 0; i < VHOST_USER_TABLE_MAX; i++)
		fds[i] = h->memfd;
}

/* In pieces, as they come; -1: the end, or nothing in time. */
static int receive_all(struct hostile *h, void *out, size_t n)
{
	struct pollfd pfd = { .fd = h->front.fd, .events = POLLIN };
	size_t done = 0;

	while (done < n) {
		ssize_t got;

		if (poll(&pfd, 1, h->options.timeout_ms) <= 0) {
			fail(h, "no answer in %d ms", h->options.timeout_ms);
			return -1;
		}
		got = recv(h->front.fd, (char *)out + done, n - done, 0);
		if (got <= 0)
			return -1;
		done += (size_t)got;
	}
	return 0;
}

static int receive_any(struct hostile *h, struct vhost_message *out)
{
	if (receive_all(h, &out->header, sizeof(out->header)))
		return -1;
	if (out->header.size > sizeof(out->payload)) {
		fail(h, "a reply of %u bytes", out->header.size);
		return -1;
	}
	return receive_all(h, &out->payload, out->header.size);
}

/* What an attack was answered before is passed over. */
int receive(struct hostile *h, uint32_t request, void *payload, uint32_t room)
{
	struct vhost_message message;

	for (uint32_t i = 0; i < REPLIES_MAX; i++) {
		if (receive_any(h, &message))
			return -1;
		if (message.header.request != request)
			continue;
		if (message.header.size > room)
			break;
		memcpy(payload, &message.payload, message.header.size);
		return (int)message.header.size;
	}
	fail(h, "no reply to request %u that makes sense", request);
	return -1;
}

bool ask_u64(struct hostile *h, uint32_t request, uint64_t *out)
{
	send_message(h, request, NULL, 0, NULL, 0);
	return receive(h, request, out, sizeof(*out)) == sizeof(*out);
}

/* The target. */

/* One that died may have somebody who starts it again: that takes a moment. */
static int connect_in_time(const struct hostile *h, int fd)
{
	const uint64_t end = now_ms() + (uint64_t)h->options.timeout_ms;
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	strncpy(address.sun_path, h->options.socket, sizeof(address.sun_path) - 1);
	while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0) {
		if (now_ms() > end)
			return -1;
		poll(NULL, 0, 1);
	}
	return 0;
}

static int connect_to(struct hostile *h)
{
	struct ucred peer;
	socklen_t n = sizeof(peer);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || connect_in_time(h, fd) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) < 0) {
		fail(h, "cannot connect: %s", strerror(errno));
		if (fd >= 0)
			close(fd);
		return -1;
	}
	h->front.fd = fd;
	h->front.pid = peer.pid;
	return 0;
}

static int socket_open(struct hostile *h)
{
	struct front *front = &h->front;
	uint64_t n_queues = 1;

	*front = (struct front){ .fd = -1 };
	if (connect_to(h))
		return -1;
	send_message(h, VHOST_USER_SET_OWNER, NULL, 0, NULL, 0);
	if (!ask_u64(h, VHOST_USER_GET_FEATURES, &front->offered))
		return -1;
	if (front->offered & VHOST_USER_F_PROTOCOL_FEATURES &&
	    !ask_u64(h, VHOST_USER_GET_PROTOCOL_FEATURES, &front->protocol_offered))
		return -1;
	if (front->protocol_offered & VHOST_USER_PROTOCOL_F_MQ &&
	    !ask_u64(h, VHOST_USER_GET_QUEUE_NUM, &n_queues))
		return -1;
	front->n_queues = (uint32_t)n_queues;
	h->features = front->offered;
	return 0;
}

#define PROTOCOL                                                                       \
	(VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_LOG_SHMFD |                  \
	 VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_CONFIG |              \
	 VHOST_USER_PROTOCOL_F_RESET_DEVICE |                                          \
	 VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS | VHOST_USER_PROTOCOL_F_STATUS)

static void socket_describe(struct hostile *h, uint64_t features)
{
	struct front *front = &h->front;
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	front->features = features & front->offered;
	if (front->offered & VHOST_USER_F_PROTOCOL_FEATURES) {
		front->features |= VHOST_USER_F_PROTOCOL_FEATURES;
		send_u64(h, VHOST_USER_SET_PROTOCOL_FEATURES,
			 front->protocol_offered & PROTOCOL);
	}
	send_u64(h, VHOST_USER_SET_FEATURES, front->features);
	fill_table(h, &memory, fds);
	send_table(h, &memory, fds);
}

static void socket_start(struct hostile *h, struct ring *ring)
{
	send_state(h, VHOST_USER_SET_VRING_NUM, ring->queue, ring->n_descs);
	send_state(h, VHOST_USER_SET_VRING_BASE, ring->queue, ring->base);
	send_addr(h, ring, 0);
	send_fd(h, VHOST_USER_SET_VRING_ERR, ring->queue, ring->err);
	send_fd(h, VHOST_USER_SET_VRING_CALL, ring->queue, ring->call);
	send_fd(h, VHOST_USER_SET_VRING_KICK, ring->queue, ring->kick);
	if (h->front.features & VHOST_USER_F_PROTOCOL_FEATURES)
		send_state(h, VHOST_USER_SET_VRING_ENABLE, ring->queue, 1);
	ring->is_started = true;
}

static void socket_stop(struct hostile *h, struct ring *ring)
{
	struct vhost_vring_state state = { .num = 0 };

	send_state(h, VHOST_USER_GET_VRING_BASE, ring->queue, 0);
	if (receive(h, VHOST_USER_GET_VRING_BASE, &state, sizeof(state)) ==
	    sizeof(state))
		ring->base = state.num;
	ring->is_started = false;
}

static bool socket_sync(struct hostile *h)
{
	uint64_t features;

	if (h->front.fd < 0) /* it has left by itself */
		return true;
	return ask_u64(h, VHOST_USER_GET_FEATURES, &features);
}

static void socket_set_mid(struct hostile *h, bool is_there)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	fill_table(h, &memory, fds);
	memory.n_regions = is_there ? N_REGIONS : N_REGIONS - 1;
	send_table(h, &memory, fds);
}

static uint64_t socket_read_cpu_ns(struct hostile *h)
{
	return read_process_cpu_ns(h->front.pid);
}

static void socket_close(struct hostile *h)
{
	if (h->front.fd >= 0)
		close(h->front.fd);
	h->front.fd = -1;
}

const struct target_ops socket_target = {
	.open = socket_open,
	.describe = socket_describe,
	.start = socket_start,
	.stop = socket_stop,
	.sync = socket_sync,
	.set_mid = socket_set_mid,
	.read_cpu_ns = socket_read_cpu_ns,
	.close = socket_close,
};
