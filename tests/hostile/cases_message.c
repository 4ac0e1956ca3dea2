/* SPDX-License-Identifier: MIT */
/*
 * Abuses of vhost-user messages before a queue runs: headers, sizes, descriptors,
 * requests. V numbers are this program's own.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hostile/hostile.h"

static void header(struct hostile *h, uint32_t request, uint32_t flags, uint32_t size)
{
	const struct vhost_header bytes = { request, flags, size };

	send_raw(h, &bytes, sizeof(bytes), NULL, 0);
}

static void other_version(struct hostile *h)
{
	header(h, VHOST_USER_GET_FEATURES, 2, 0);
}

static void reply_nobody_asked_for(struct hostile *h)
{
	header(h, VHOST_USER_GET_FEATURES, VHOST_USER_VERSION | VHOST_USER_REPLY, 0);
}

static void oversized(struct hostile *h)
{
	header(h, VHOST_USER_SET_CONFIG, VHOST_USER_VERSION, UINT32_MAX);
}

/* Larger than the largest that the protocol knows, which has 256 bytes of data. */
static void one_byte_too_large(struct hostile *h)
{
	uint8_t bytes[sizeof(struct vhost_message)] = { 0 };
	const uint32_t size = sizeof(((struct vhost_message *)0)->payload) + 1;

	header(h, VHOST_USER_SET_CONFIG, VHOST_USER_VERSION, size);
	send_raw(h, bytes, size, NULL, 0);
}

static void too_short(struct hostile *h)
{
	const uint32_t half = 0;

	send_message(h, VHOST_USER_SET_FEATURES, &half, sizeof(half), NULL, 0);
}

static void too_long(struct hostile *h)
{
	send_u64(h, VHOST_USER_GET_FEATURES, 0);
}

static void leave_after(struct hostile *h, const void *bytes, size_t n)
{
	send_raw(h, bytes, n, &h->memfd, 1);
	close(h->front.fd);
	h->front.fd = -1;
	h->front.is_open_ended = true;
}

static void leave_within_header(struct hostile *h)
{
	const struct vhost_header bytes = { VHOST_USER_SET_MEM_TABLE, 1, 40 };

	leave_after(h, &bytes, 7);
}

static void leave_within_payload(struct hostile *h)
{
	const struct vhost_header bytes = { VHOST_USER_SET_MEM_TABLE, 1, 40 };

	leave_after(h, &bytes, sizeof(bytes));
}

static void byte_by_byte(struct hostile *h)
{
	const struct vhost_header bytes = { VHOST_USER_GET_FEATURES, 1, 0 };
	uint64_t reply;

	for (size_t i = 0; i < sizeof(bytes); i++)
		send_raw(h, (const char *)&bytes + i, 1, NULL, 0);
	receive(h, VHOST_USER_GET_FEATURES, &reply, sizeof(reply));
}

static void unknown_request(struct hostile *h)
{
	send_message(h, 99, NULL, 0, NULL, 0);
}

static void request_zero(struct hostile *h)
{
	send_message(h, 0, NULL, 0, NULL, 0);
}

static void largest_request(struct hostile *h)
{
	send_message(h, UINT32_MAX, NULL, 0, NULL, 0);
}

static void send_fds(struct hostile *h, uint32_t n)
{
	int fds[64];

	for (uint32_t i = 0; i < n; i++)
		fds[i] = h->memfd;
	send_message(h, VHOST_USER_GET_FEATURES, NULL, 0, fds, n);
}

static void nine_fds(struct hostile *h)
{
	send_fds(h, 9);
}

static void many_fds(struct hostile *h)
{
	send_fds(h, 64);
}

static void fd_on_wrong_message(struct hostile *h)
{
	send_fds(h, 1);
}

static void fds_in_pieces(struct hostile *h)
{
	const struct vhost_header bytes = { VHOST_USER_GET_FEATURES, 1, 0 };
	int fds[5];

	for (int i = 0; i < 5; i++)
		fds[i] = h->memfd;
	send_raw(h, &bytes, 4, fds, 5);
	send_raw(h, (const char *)&bytes + 4, 4, fds, 5);
	send_raw(h, (const char *)&bytes + 8, 4, NULL, 0);
}

/* Until the other side takes no more; then all that it said is read. */
static void flood(struct hostile *h)
{
	const struct vhost_header bytes = { VHOST_USER_GET_FEATURES, 1, 0 };
	uint32_t n = 0;
	uint64_t reply;

	while (n < 20000 && send(h->front.fd, &bytes, sizeof(bytes),
				 MSG_NOSIGNAL | MSG_DONTWAIT) == sizeof(bytes))
		n++;
	while (n && receive(h, VHOST_USER_GET_FEATURES, &reply, sizeof(reply)) >= 0)
		n--;
}

static void status_without_feature(struct hostile *h)
{
	send_u64(h, VHOST_USER_SET_STATUS, 1);
}

static void features_not_offered(struct hostile *h)
{
	send_u64(h, VHOST_USER_SET_FEATURES, ~h->front.offered);
}

static void protocol_not_offered(struct hostile *h)
{
	send_u64(h, VHOST_USER_SET_PROTOCOL_FEATURES, ~h->front.protocol_offered);
}

static void config(struct hostile *h, uint32_t offset, uint32_t size, uint32_t n_sent)
{
	const struct vhost_config in = { .offset = offset, .size = size };

	send_message(h, VHOST_USER_GET_CONFIG, &in, n_sent, NULL, 0);
}

static void config_beyond_end(struct hostile *h)
{
	config(h, 250, 8, 20);
}

static void config_wraps(struct hostile *h)
{
	config(h, UINT32_MAX, 8, 20);
}

static void config_longer_than_message(struct hostile *h)
{
	config(h, 0, 100, 20);
}

static void config_huge(struct hostile *h)
{
	config(h, 0, UINT32_MAX - 11, 12);
}

static void device_state(struct hostile *h)
{
	const uint64_t direction = UINT64_MAX;

	send_message(h, 42, &direction, sizeof(direction), &h->memfd, 1);
}

/* SET_INFLIGHT_FD: size, offset, queues and their size. */
static void inflight_mismatch(struct hostile *h)
{
	const uint64_t area[3] = { UINT64_MAX, UINT64_MAX, UINT64_MAX };

	send_message(h, 32, area, sizeof(area), &h->memfd, 1);
}

static void status_over_eight_bits(struct hostile *h)
{
	send_u64(h, VHOST_USER_SET_STATUS, 0x100);
}

/* Descriptors of rings. */

static void kick_without_fd(struct hostile *h)
{
	send_u64(h, VHOST_USER_SET_VRING_KICK, h->options.queue);
}

static void fd_not_announced(struct hostile *h)
{
	const uint64_t value = h->options.queue | VHOST_USER_VRING_NOFD;

	send_message(h, VHOST_USER_SET_VRING_CALL, &value, sizeof(value),
		     &h->rings[ATTACKED].call, 1);
}

static void pipe_as_call(struct hostile *h)
{
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0) {
		fail(h, "pipe: %s", strerror(errno));
		return;
	}
	close(fds[0]);
	send_fd(h, VHOST_USER_SET_VRING_CALL, h->options.queue, fds[1]);
	close(fds[1]);
}

static void socket_as_call(struct hostile *h)
{
	send_fd(h, VHOST_USER_SET_VRING_CALL, h->options.queue, h->front.fd);
}

static void file_as_kick(struct hostile *h)
{
	send_fd(h, VHOST_USER_SET_VRING_KICK, h->options.queue, h->memfd);
}

/* The attacked ring with a descriptor of its own in place of @slot. */
static void start_with(struct hostile *h, int *slot, int flags)
{
	const int own = *slot;
	const eventfd_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC | flags);

	eventfd_write(fd, full);
	*slot = fd;
	h->target->start(h, &h->rings[ATTACKED]);
	if (h->has_bystander)
		h->target->start(h, &h->rings[BYSTANDER]);
	serve_good(h, &h->rings[ATTACKED]);
	*slot = own;
	close(fd);
}

static void full_call(struct hostile *h)
{
	start_with(h, &h->rings[ATTACKED].call, 0);
}

/* Kicks for ever: the device may notice them, not live for them. */
static void endless_kick(struct hostile *h)
{
	struct ring *ring = &h->rings[ATTACKED];
	const uint64_t limit_ns = (uint64_t)h->options.window_ms * 10000;
	const uint64_t end = now_ms() + (uint64_t)h->options.window_ms;
	uint64_t spent_ns;

	start_with(h, &ring->kick, EFD_SEMAPHORE | EFD_NONBLOCK);
	h->target->sync(h);
	spent_ns = h->target->read_cpu_ns(h);
	while (now_ms() < end)
		usleep(1000);
	spent_ns = h->target->read_cpu_ns(h) - spent_ns;
	if (spent_ns > limit_ns)
		fail(h, "a kick that stays readable takes %llu us in %d ms",
		     (unsigned long long)spent_ns / 1000, h->options.window_ms);
	send_fd(h, VHOST_USER_SET_VRING_KICK, ring->queue, ring->kick);
}

/* Numbers of rings. */

static void base_over_sixteen_bits(struct hostile *h)
{
	send_state(h, VHOST_USER_SET_VRING_BASE, h->options.queue, 0x10000);
}

static void enabled_by_two(struct hostile *h)
{
	send_state(h, VHOST_USER_SET_VRING_ENABLE, h->options.queue, 2);
}

static void index_beyond(struct hostile *h)
{
	send_state(h, VHOST_USER_SET_VRING_NUM, h->front.n_queues, N_DESCS);
}

static void base_index_beyond(struct hostile *h)
{
	send_state(h, VHOST_USER_GET_VRING_BASE, UINT32_MAX, 0);
}

static void kick_index_beyond(struct hostile *h)
{
	send_fd(h, VHOST_USER_SET_VRING_KICK, 255, h->rings[ATTACKED].kick);
}

static void unknown_index_bits(struct hostile *h)
{
	const uint64_t value = UINT64_C(1) << 32;

	send_message(h, VHOST_USER_SET_VRING_KICK, &value, sizeof(value),
		     &h->rings[ATTACKED].kick, 1);
}

static void unknown_ring_flags(struct hostile *h)
{
	send_addr(h, &h->rings[ATTACKED], 0x80000000u);
}

static void ring_at_guest_address(struct hostile *h)
{
	struct ring *ring = &h->rings[ATTACKED];

	ring->desc -= UVA_OFFSET;
	ring->avail -= UVA_OFFSET;
	ring->used -= UVA_OFFSET;
	h->target->start(h, ring);
}

#define FIRST(id, name, wants, run)                                                    \
	{                                                                              \
		id, name, AT_CONNECTED, wants, 0, run, 0, NULL                         \
	}
#define THEN(id, name, wants, run)                                                     \
	{                                                                              \
		id, name, AT_DESCRIBED, wants, 0, run, 0, NULL                         \
	}

static const struct attack list[] = {
	FIRST("V0001", "a header of another version", REFUSED, other_version),
	FIRST("V0002", "a reply that nobody asked for", REFUSED,
	      reply_nobody_asked_for),
	FIRST("V0003", "an oversized header", REFUSED, oversized),
	FIRST("V0004", "a payload one byte beyond the largest", REFUSED,
	      one_byte_too_large),
	FIRST("V0005", "a payload too short for its request", REFUSED, too_short),
	FIRST("V0006", "a payload too long for its request", REFUSED, too_long),
	FIRST("V0007", "a disconnect within a header", SERVED, leave_within_header),
	FIRST("V0008", "a disconnect within a payload", SERVED, leave_within_payload),
	FIRST("V0009", "a message byte by byte", SERVED, byte_by_byte),
	FIRST("V0010", "an unknown request", REFUSED, unknown_request),
	FIRST("V0011", "request zero", REFUSED, request_zero),
	FIRST("V0012", "the largest request", REFUSED, largest_request),
	FIRST("V0013", "nine descriptors", REFUSED, nine_fds),
	FIRST("V0013b", "64 descriptors", REFUSED, many_fds),
	FIRST("V0014", "too many descriptors, in pieces", REFUSED, fds_in_pieces),
	FIRST("V0015", "a descriptor on a message without", REFUSED,
	      fd_on_wrong_message),
	FIRST("V0016", "a flood without reading replies", SERVED, flood),
	FIRST("V0017", "a request whose feature was not negotiated", REFUSED,
	      status_without_feature),
	FIRST("V0018", "features that were not offered", REFUSED, features_not_offered),
	FIRST("V0019", "protocol features that were not offered", REFUSED,
	      protocol_not_offered),
	THEN("V0020", "configuration beyond its end", REFUSED, config_beyond_end),
	THEN("V0021", "configuration whose offset wraps", REFUSED, config_wraps),
	THEN("V0022", "configuration longer than its message", REFUSED,
	     config_longer_than_message),
	THEN("V0023", "configuration of a huge size", REFUSED, config_huge),
	THEN("V0024", "device state by a descriptor that is none", REFUSED,
	     device_state),
	THEN("V0025", "chains in flight in an area that is none", REFUSED,
	     inflight_mismatch),
	THEN("V0026", "a kick without its descriptor", REFUSED, kick_without_fd),
	THEN("V0027", "a descriptor where none was announced", REFUSED,
	     fd_not_announced),
	THEN("V0028", "a pipe as call descriptor", REFUSED, pipe_as_call),
	THEN("V0029", "a socket as call descriptor", REFUSED, socket_as_call),
	THEN("V0030", "a file as kick descriptor", REFUSED, file_as_kick),
	THEN("V0031", "a call descriptor that is full and blocks", SERVED, full_call),
	THEN("V0032", "a kick descriptor that stays readable", SERVED, endless_kick),
	THEN("V0036", "a base over sixteen bits", REFUSED, base_over_sixteen_bits),
	THEN("V0037", "a ring enabled by two", REFUSED, enabled_by_two),
	THEN("V0038", "a ring index out of bounds", REFUSED, index_beyond),
	THEN("V0040", "the index of a base out of bounds", REFUSED, base_index_beyond),
	THEN("V0041", "a kick for a ring out of bounds", REFUSED, kick_index_beyond),
	THEN("V0042", "unknown bits beside a ring index", REFUSED, unknown_index_bits),
	THEN("V0043", "unknown flags of a ring", REFUSED, unknown_ring_flags),
	THEN("V0044", "a ring at a guest address", REFUSED, ring_at_guest_address),
	THEN("V0045", "a status over eight bits", REFUSED, status_over_eight_bits),
};

const struct attacks message_attacks = { list, sizeof(list) / sizeof(list[0]) };
