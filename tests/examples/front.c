/* SPDX-License-Identifier: MIT */
/*
 * The front end. Guest memory is one sealed file from address 0 on: for each queue
 * its ring, then its requests' buffers, SLOT_BYTES each. Messages carry NEED_REPLY,
 * so that what was asked has been done when the call returns.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "front.h"

/* Of the vhost-user specification. */
enum request {
	GET_FEATURES = 1,
	SET_FEATURES = 2,
	SET_OWNER = 3,
	SET_MEM_TABLE = 5,
	SET_VRING_NUM = 8,
	SET_VRING_ADDR = 9,
	SET_VRING_BASE = 10,
	GET_VRING_BASE = 11,
	SET_VRING_KICK = 12,
	SET_VRING_CALL = 13,
	GET_PROTOCOL_FEATURES = 15,
	SET_PROTOCOL_FEATURES = 16,
	SET_VRING_ENABLE = 18,
	GET_CONFIG = 24,
};

#define F_PROTOCOL_FEATURES (UINT64_C(1) << 30)
#define PROTOCOL_MQ         (UINT64_C(1) << 0)
#define PROTOCOL_REPLY_ACK  (UINT64_C(1) << 3)
#define PROTOCOL_CONFIG     (UINT64_C(1) << 9)
#define VERSION             1u
#define NEED_REPLY          8u

#define TIMEOUT_MS          20000

#define RING_BYTES          0x4000u
#define DRIVER_AT           0x1000u
#define DEVICE_AT           0x2000u
#define QUEUE_BYTES         (RING_BYTES + QUEUE_SIZE * SLOT_BYTES)
#define MEMORY_BYTES        (FRONT_QUEUES * QUEUE_BYTES)

/* In a slot: the header, the status, and from the second page on the data. */
#define STATUS_AT 64u
#define DATA_AT   4096u

struct message {
	uint32_t request;
	uint32_t flags;
	uint32_t n_bytes;
	uint32_t payload[MESSAGE_BYTES / 4];
};

static void send_message(struct front *front, const struct message *message, int fd)
{
	struct iovec iov = { (void *)message, 12 + message->n_bytes };
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct msghdr header = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg = (struct cmsghdr *)control;

	if (fd >= 0) {
		header.msg_control = control;
		header.msg_controllen = sizeof(control);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	}
	assert_int_equal(sendmsg(front->fd, &header, MSG_NOSIGNAL), iov.iov_len);
}

static void receive(struct front *front, void *out, size_t n)
{
	for (size_t done = 0; done < n;) {
		struct pollfd wait = { .fd = front->fd, .events = POLLIN };
		ssize_t part;

		assert_int_equal(poll(&wait, 1, TIMEOUT_MS), 1);
		part = read(front->fd, (char *)out + done, n - done);
		assert_true(part > 0);
		done += (size_t)part;
	}
}

/* Asks and leaves the answer in @message. */
static void ask(struct front *front, struct message *message)
{
	uint32_t request = message->request;

	message->flags = VERSION;
	send_message(front, message, -1);
	receive(front, message, 12);
	assert_int_equal(message->request, request);
	assert_true(message->n_bytes <= sizeof(message->payload));
	receive(front, message->payload, message->n_bytes);
}

static uint64_t ask_u64(struct front *front, enum request request)
{
	struct message message = { .request = request };
	uint64_t answer;

	ask(front, &message);
	memcpy(&answer, message.payload, sizeof(answer));
	return answer;
}

static void send_tell(struct front *front, enum request request, const void *payload,
		      uint32_t n_bytes, int fd)
{
	struct message message = { .request = request,
				   .flags = VERSION | NEED_REPLY,
				   .n_bytes = n_bytes };

	if (n_bytes)
		memcpy(message.payload, payload, n_bytes);
	send_message(front, &message, fd);
}

static void receive_agreement(struct front *front)
{
	struct message message;

	receive(front, &message, 12);
	receive(front, message.payload, message.n_bytes);
	assert_int_equal(message.payload[0], 0);
}

static void tell(struct front *front, enum request request, const void *payload,
		 uint32_t n_bytes, int fd)
{
	send_tell(front, request, payload, n_bytes, fd);
	receive_agreement(front);
}

/* Before REPLY_ACK is agreed on. */
static void
tell_without_reply(struct front *front, enum request request, uint64_t value)
{
	struct message message = { .request = request, .flags = VERSION, .n_bytes = 8 };

	memcpy(message.payload, &value, sizeof(value));
	send_message(front, &message, -1);
}

static void connect_to(struct front *front, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	front->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(
		connect(front->fd, (struct sockaddr *)&address, sizeof(address)), 0);
}

static void create_memory(struct front *front)
{
	front->memory_fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_int_equal(ftruncate(front->memory_fd, MEMORY_BYTES), 0);
	front->memory = mmap(NULL, MEMORY_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			     front->memory_fd, 0);
	assert_true(front->memory != MAP_FAILED);
}

static void send_memory(struct front *front)
{
	const struct {
		uint32_t n, padding;
		uint64_t gpa, n_bytes, uva, offset;
	} table = { 1, 0, 0, MEMORY_BYTES, (uintptr_t)front->memory, 0 };

	send_tell(front, SET_MEM_TABLE, &table, sizeof(table), front->memory_fd);
}

static char *ring_of(struct front *front, uint32_t queue)
{
	return front->memory + (size_t)queue * QUEUE_BYTES;
}

static void create_driver(struct front *front, uint32_t queue)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;

	params.features = VIO_F_VERSION_1;
	params.n_descs = QUEUE_SIZE;
	params.desc = ring_of(front, queue);
	params.driver = ring_of(front, queue) + DRIVER_AT;
	params.device = ring_of(front, queue) + DEVICE_AT;
	assert_int_equal(
		vio_driver_create(NULL, &params, &front->queues[queue].driver, NULL),
		0);
}

static void start_queue(struct front *front, uint32_t index)
{
	struct front_queue *queue = &front->queues[index];
	const uint64_t ring = (uintptr_t)ring_of(front, index);
	const uint32_t size[] = { index, QUEUE_SIZE }, base[] = { index, 0 };
	const uint32_t enable[] = { index, 1 };
	const uint64_t addr[] = { index, ring, ring + DEVICE_AT, ring + DRIVER_AT, 0 };
	const uint64_t number = index;

	create_driver(front, index);
	queue->kick_fd = eventfd(0, EFD_CLOEXEC);
	queue->call_fd = eventfd(0, EFD_CLOEXEC);
	tell(front, SET_VRING_NUM, size, sizeof(size), -1);
	tell(front, SET_VRING_BASE, base, sizeof(base), -1);
	tell(front, SET_VRING_ADDR, addr, sizeof(addr), -1);
	tell(front, SET_VRING_CALL, &number, sizeof(number), queue->call_fd);
	tell(front, SET_VRING_KICK, &number, sizeof(number), queue->kick_fd);
	tell(front, SET_VRING_ENABLE, enable, sizeof(enable), -1);
}

static void
negotiate(struct front *front, const struct program *program, uint64_t without)
{
	/* The driver side here takes no indirect tables and no event index. */
	const uint64_t refused = VIO_F_INDIRECT_DESC | VIO_F_EVENT_IDX | without;
	uint64_t features;

	*front = (struct front){ .fd = -1 };
	connect_to(front, program->socket);
	front->features = ask_u64(front, GET_FEATURES);
	assert_true(front->features & F_PROTOCOL_FEATURES);
	features = front->features & ~refused;
	assert_true(ask_u64(front, GET_PROTOCOL_FEATURES) & PROTOCOL_CONFIG);
	tell_without_reply(front, SET_PROTOCOL_FEATURES,
			   PROTOCOL_MQ | PROTOCOL_REPLY_ACK | PROTOCOL_CONFIG);
	tell(front, SET_OWNER, NULL, 0, -1);
	tell(front, SET_FEATURES, &features, sizeof(features), -1);
	create_memory(front);
}

void front_open(struct front *front, const struct program *program, uint64_t without)
{
	negotiate(front, program, without);
	assert_int_equal(fcntl(front->memory_fd, F_ADD_SEALS, F_SEAL_SHRINK), 0);
	send_memory(front);
	receive_agreement(front);
	for (uint32_t i = 0; i < FRONT_QUEUES; i++)
		start_queue(front, i);
}

/* An answer, be it a refusal, or the end of the connection. */
int front_offer_unsealed(struct front *front, const struct program *program)
{
	struct message message;
	ssize_t n;

	negotiate(front, program, 0);
	send_memory(front);
	n = recv(front->fd, &message, sizeof(message), 0);
	close(front->fd);
	munmap(front->memory, MEMORY_BYTES);
	close(front->memory_fd);
	return n > 0 && message.payload[0] == 0 ? 0 : -1;
}

void front_close(struct front *front)
{
	close(front->fd);
	for (uint32_t i = 0; i < FRONT_QUEUES; i++) {
		vio_driver_destroy(front->queues[i].driver);
		close(front->queues[i].kick_fd);
		close(front->queues[i].call_fd);
	}
	munmap(front->memory, MEMORY_BYTES);
	close(front->memory_fd);
}

void front_replace_kick(struct front *front, uint32_t queue, int fd)
{
	const uint64_t number = queue;

	close(front->queues[queue].kick_fd);
	front->queues[queue].kick_fd = fd;
	tell(front, SET_VRING_KICK, &number, sizeof(number), fd);
}

uint32_t front_stop_queue(struct front *front, uint32_t queue)
{
	struct message message = { .request = GET_VRING_BASE, .n_bytes = 8 };

	message.payload[0] = queue;
	ask(front, &message);
	assert_int_equal(message.payload[0], queue);
	return message.payload[1];
}

void front_read_config(struct front *front, struct virtio_blk_config *out)
{
	struct message message = { .request = GET_CONFIG,
				   .n_bytes = 12 + sizeof(*out) };

	message.payload[1] = sizeof(*out);
	ask(front, &message);
	assert_int_equal(message.n_bytes, 12 + sizeof(*out));
	memcpy(out, &message.payload[3], sizeof(*out));
}

static uint64_t slot_at(uint32_t queue, uint32_t slot)
{
	return (uint64_t)queue * QUEUE_BYTES + RING_BYTES + (uint64_t)slot * SLOT_BYTES;
}

char *front_data(struct front *front, uint32_t queue, uint32_t slot)
{
	return front->memory + slot_at(queue, slot) + DATA_AT;
}

static void kick(struct front_queue *queue)
{
	if (vio_driver_publish(queue->driver) > 0)
		assert_int_equal(eventfd_write(queue->kick_fd, 1), 0);
}

void front_submit(struct front *front, uint32_t queue, uint32_t slot, uint32_t type,
		  uint64_t sector, uint32_t n_bytes, int is_in)
{
	const uint64_t at = slot_at(queue, slot);
	const struct virtio_blk_outhdr header = { .type = htole32(type),
						  .sector = htole64(sector) };
	struct vio_driver_buf bufs[3] = { { at, sizeof(header), 0 } };
	struct vio_driver_chain chain = { .bufs = bufs, .cookie = slot };
	uint32_t n = 1;

	memcpy(front->memory + at, &header, sizeof(header));
	front->memory[at + STATUS_AT] = (char)0xee;
	if (n_bytes)
		bufs[n++] = (struct vio_driver_buf){ at + DATA_AT, n_bytes, 0 };
	bufs[n++] = (struct vio_driver_buf){ at + STATUS_AT, 1, 0 };
	chain.n_in = n_bytes && is_in ? 2 : 1;
	chain.n_out = n - chain.n_in;
	assert_int_equal(vio_driver_push(front->queues[queue].driver, &chain, 1), 1);
	front->queues[queue].n_open++;
	kick(&front->queues[queue]);
}

uint32_t front_wait(struct front *front, uint32_t index, uint8_t *out_status,
		    uint32_t *out_written)
{
	struct front_queue *queue = &front->queues[index];
	struct vio_driver_used used;
	eventfd_t count;

	while (vio_driver_pop(queue->driver, &used, 1) != 1) {
		struct pollfd wait = { .fd = queue->call_fd, .events = POLLIN };

		assert_int_equal(poll(&wait, 1, TIMEOUT_MS), 1);
		assert_int_equal(eventfd_read(queue->call_fd, &count), 0);
	}
	queue->n_open--;
	*out_status =
		(uint8_t)front
			->memory[slot_at(index, (uint32_t)used.cookie) + STATUS_AT];
	*out_written = used.written_bytes;
	return (uint32_t)used.cookie;
}

uint8_t front_do(struct front *front, uint32_t queue, uint32_t type, uint64_t sector,
		 uint32_t n_bytes, int is_in)
{
	uint32_t written;
	uint8_t status;

	front_submit(front, queue, 0, type, sector, n_bytes, is_in);
	assert_int_equal(front_wait(front, queue, &status, &written), 0);
	assert_int_equal(written, (is_in ? n_bytes : 0) + 1);
	return status;
}

uint32_t front_fill(struct front *front, uint32_t n_bytes)
{
	uint32_t n = QUEUE_SIZE / 3;

	for (uint32_t queue = 0; queue < FRONT_QUEUES; queue++)
		for (uint32_t slot = 0; slot < n; slot++)
			front_submit(front, queue, slot, VIRTIO_BLK_T_IN, slot, n_bytes,
				     1);
	return n;
}

void front_drain(struct front *front)
{
	for (uint32_t queue = 0; queue < FRONT_QUEUES; queue++) {
		while (front->queues[queue].n_open) {
			uint32_t written;
			uint8_t status;

			front_wait(front, queue, &status, &written);
			assert_int_equal(status, VIRTIO_BLK_S_OK);
		}
	}
}
