/* SPDX-License-Identifier: MIT */
/*
 * The stage and the front end. Messages are put together by hand, so that a test
 * can send what no front end would.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fcntl.h>

#include "unit/device/vhost_peer.h"

#define SETTLE_TURNS 64 /* dispatches that find nothing more to do */

/* The device. */

static int on_start(void *opaque, uint32_t index, struct vio_queue *queue)
{
	struct vhost_stage *stage = opaque;

	if (stage->start_error)
		return stage->start_error;
	assert_null(stage->queue[index]);
	stage->queue[index] = queue;
	stage->n_starts++;
	return 0;
}

static void on_stop(void *opaque, uint32_t index, struct vio_queue *queue,
		    struct vio_stop *token, uint32_t stop_flags)
{
	struct vhost_stage *stage = opaque;

	assert_ptr_equal(stage->queue[index], queue);
	stage->stop_flags[index] = stop_flags;
	stage->n_stops++;
	stage->queue[index] = NULL;
	if (stage->holds_stops)
		stage->token[index] = token;
	else
		assert_int_equal(vio_queue_stopped(token), 0);
}

static int on_config_read(void *opaque, uint32_t offset, void *out, uint32_t n)
{
	struct vhost_stage *stage = opaque;

	memcpy(out, stage->config + offset, n);
	return stage->config_error;
}

static int on_config_write(void *opaque, uint32_t offset, const void *data, uint32_t n)
{
	struct vhost_stage *stage = opaque;

	if (!stage->config_error)
		memcpy(stage->config + offset, data, n);
	return stage->config_error;
}

static void on_features(void *opaque, uint64_t features)
{
	((struct vhost_stage *)opaque)->features = features;
}

static void on_status(void *opaque, uint32_t status)
{
	((struct vhost_stage *)opaque)->status = status;
}

static void on_reset(void *opaque)
{
	((struct vhost_stage *)opaque)->n_resets++;
}

static void on_closed(void *opaque, const struct vio_error *why)
{
	struct vhost_stage *stage = opaque;

	for (uint32_t i = 0; i < PEER_QUEUES; i++)
		assert_null(stage->queue[i]);
	/* Every end tells its reason in words. */
	assert_true(why->text[0]);
	stage->reason = why->code;
	stage->n_closed++;
}

const struct vio_backend_ops vhost_stage_ops = {
	.size = sizeof(struct vio_backend_ops),
	.queue_start = on_start,
	.queue_stop = on_stop,
	.config_read = on_config_read,
	.config_write = on_config_write,
	.features_set = on_features,
	.status_set = on_status,
	.reset = on_reset,
	.closed = on_closed,
};

static void serve_chain(struct vio_chain *chain)
{
	uint32_t n = 0;

	if (chain->n_out && chain->n_in) {
		n = (uint32_t)(chain->in_bytes < chain->out_bytes ? chain->in_bytes
								  : chain->out_bytes);
		memcpy(chain->iov[chain->n_out].iov_base, chain->iov[0].iov_base, n);
	}
	chain->written_bytes = n;
}

int stage_serve(struct vio_queue *queue)
{
	struct vio_chain chains[8];
	struct iovec iov[1024];
	int n = vio_queue_pop(queue, chains, 8, iov, 1024);

	for (int i = 0; i < n; i++)
		serve_chain(&chains[i]);
	if (n <= 0)
		return n;
	assert_int_equal(vio_queue_push(queue, chains, (uint32_t)n), n);
	if (vio_queue_publish(queue) > 0)
		vio_queue_notify(queue);
	return n;
}

/* The stage. */

static unsigned int count_maps(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	char line[512];
	unsigned int n = 0;

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		n += strstr(line, "/memfd:") != NULL;
	fclose(maps);
	return n;
}

int peer_create_memfd(uint64_t n_bytes, bool is_sealed)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)n_bytes), 0);
	if (is_sealed)
		assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW),
				 0);
	return fd;
}

void vhost_stage_params(struct vhost_stage *stage, struct vio_backend_params *out,
			int fds[2])
{
	*out = (struct vio_backend_params)VIO_BACKEND_PARAMS_INIT;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	out->fd = fds[1];
	out->n_queues = PEER_QUEUES;
	out->features = UINT64_C(1) << 5;
	out->ops = &vhost_stage_ops;
	out->opaque = stage;
}

void vhost_stage_prepare(struct vhost_stage *stage)
{
	memset(stage, 0, sizeof(*stage));
	stage->n_fds = vio_test_count_fds();
	stage->n_maps = count_maps();
	vio_fault_prepare(&stage->fault, NULL);
	stage->fd = -1;
	stage->memfd = peer_create_memfd(2 * PEER_HALF_BYTES, true);
	stage->ram = mmap(NULL, 2 * PEER_HALF_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			  stage->memfd, 0);
	assert_ptr_not_equal(stage->ram, MAP_FAILED);
	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		stage->kick[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		stage->call[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		stage->err[i] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	}
}

int vhost_stage_open(struct vhost_stage *stage, const struct vio_backend_params *params,
		     struct vio_error *err)
{
	int ret;

	ret = vio_fault_create_ctx(&stage->fault, 0, &stage->ctx);
	if (ret)
		return ret;
	ret = vio_backend_open(stage->ctx, params, &stage->backend, err);
	if (!ret) /* the descriptor is the back end's: count it as such */
		stage->fault.is_open[params->fd] = 1;
	return ret;
}

int vhost_stage_setup(void **state)
{
	struct vhost_stage *stage = malloc(sizeof(*stage));
	struct vio_backend_params params;
	int fds[2];

	assert_non_null(stage);
	vhost_stage_prepare(stage);
	vhost_stage_params(stage, &params, fds);
	stage->fd = fds[0];
	assert_int_equal(vhost_stage_open(stage, &params, NULL), 0);
	*state = stage;
	return 0;
}

static void close_backend(struct vhost_stage *stage)
{
	stage->holds_stops = false;
	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		struct vio_stop *token = stage->token[i];

		stage->token[i] = NULL;
		if (token)
			assert_int_equal(vio_queue_stopped(token), 0);
	}
	if (!stage->backend)
		return;
	vio_backend_close(stage->backend, 0);
	vio_test_dispatch_until(stage->ctx, &stage->n_closed, 1);
	assert_int_equal(vio_backend_destroy(stage->backend, NULL), 0);
}

/* Whatever the test left: nothing of it may be left after this. */
void vhost_stage_clear(struct vhost_stage *stage)
{
	close_backend(stage);
	if (stage->ctx)
		assert_int_equal(vio_ctx_destroy(stage->ctx, NULL), 0);
	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		vio_driver_destroy(stage->driver[i]);
		close(stage->kick[i]);
		close(stage->call[i]);
		close(stage->err[i]);
	}
	if (stage->fd >= 0)
		close(stage->fd);
	munmap(stage->ram, 2 * PEER_HALF_BYTES);
	close(stage->memfd);
	vio_fault_verify(&stage->fault);
	assert_int_equal(vio_test_count_fds(), stage->n_fds);
	assert_int_equal(count_maps(), stage->n_maps);
}

int vhost_stage_teardown(void **state)
{
	vhost_stage_clear(*state);
	free(*state);
	return 0;
}

/* Sending. */

void peer_send_raw(struct vhost_stage *stage, const void *bytes, size_t n,
		   const int *fds, uint32_t n_fds)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(64 * sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = n };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };

	assert_true(n_fds <= 64);
	memset(&control, 0, sizeof(control)); /* its padding goes to the kernel */
	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	/* A back end that has ended the connection may have closed it already. */
	if (sendmsg(stage->fd, &message, MSG_NOSIGNAL) < 0)
		assert_int_equal(errno, EPIPE);
}

void peer_send(struct vhost_stage *stage, uint32_t request, uint32_t flags,
	       const void *payload, uint32_t size, const int *fds, uint32_t n_fds)
{
	const struct vhost_header header = {
		.request = request,
		.flags = VHOST_USER_VERSION | flags,
		.size = size,
	};
	char bytes[sizeof(header) + 512];

	assert_true(size <= 512);
	memcpy(bytes, &header, sizeof(header));
	if (size)
		memcpy(bytes + sizeof(header), payload, size);
	peer_send_raw(stage, bytes, sizeof(header) + size, fds, n_fds);
}

void peer_send_u64(struct vhost_stage *stage, uint32_t request, uint64_t value)
{
	peer_send(stage, request, 0, &value, sizeof(value), NULL, 0);
}

void peer_send_state(struct vhost_stage *stage, uint32_t request, uint32_t index,
		     uint32_t num)
{
	const struct vhost_vring_state state = { .index = index, .num = num };

	peer_send(stage, request, 0, &state, sizeof(state), NULL, 0);
}

void peer_send_fd(struct vhost_stage *stage, uint32_t request, uint32_t index, int fd)
{
	const uint64_t value = index | (fd < 0 ? VHOST_USER_VRING_NOFD : 0);

	peer_send(stage, request, 0, &value, sizeof(value), &fd, fd >= 0);
}

void peer_send_table(struct vhost_stage *stage, const struct vhost_memory *memory,
		     const int *fds)
{
	const uint32_t size = (uint32_t)(8 + memory->n_regions * 32);

	peer_send(stage, VHOST_USER_SET_MEM_TABLE, 0, memory, size, fds,
		  memory->n_regions);
}

void peer_send_addr(struct vhost_stage *stage, uint32_t index, uint32_t flags)
{
	const uint64_t ring = PEER_LOW_UVA + RING_OFFSET(index);
	const struct vhost_vring_addr addr = {
		.index = index,
		.flags = flags,
		.desc = ring,
		.avail = ring + AVAIL_OFFSET,
		.used = ring + USED_OFFSET,
		.log_gpa = PEER_LOW_GPA + RING_OFFSET(index) + USED_OFFSET,
	};

	peer_send(stage, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
}

void peer_fill_table(const struct vhost_stage *stage, struct vhost_memory *out,
		     int fds[VHOST_USER_TABLE_MAX])
{
	*out = (struct vhost_memory){
		.n_regions = 2,
		.regions = {
			{ PEER_LOW_GPA, PEER_HALF_BYTES, PEER_LOW_UVA, 0 },
			{ PEER_HIGH_GPA, PEER_HALF_BYTES, PEER_HIGH_UVA,
			  PEER_HALF_BYTES },
		},
	};
	fds[0] = stage->memfd;
	fds[1] = stage->memfd;
}

/* Receiving. */

bool peer_has_reply(struct vhost_stage *stage)
{
	struct pollfd pfd = { .fd = stage->fd, .events = POLLIN };

	for (int i = 0; i < SETTLE_TURNS; i++)
		assert_true(vio_ctx_dispatch(stage->ctx, 64) >= 0);
	return poll(&pfd, 1, 0) == 1;
}

static void pump(struct vhost_stage *stage)
{
	struct pollfd pfds[2] = {
		{ .fd = vio_ctx_get_fd(stage->ctx), .events = POLLIN },
		{ .fd = stage->fd, .events = POLLIN },
	};

	for (;;) {
		assert_true(poll(pfds, 2, VIO_TEST_TIMEOUT_MS) > 0);
		if (pfds[0].revents)
			assert_true(vio_ctx_dispatch(stage->ctx, 64) >= 0);
		if (pfds[1].revents)
			return;
	}
}

uint32_t peer_receive(struct vhost_stage *stage, uint32_t request, void *payload)
{
	struct vhost_header header;

	pump(stage);
	assert_int_equal(recv(stage->fd, &header, sizeof(header), MSG_WAITALL),
			 sizeof(header));
	assert_int_equal(header.request, request);
	assert_int_equal(header.flags, VHOST_USER_VERSION | VHOST_USER_REPLY);
	assert_true(header.size <= sizeof(struct vhost_config));
	if (header.size)
		assert_int_equal(recv(stage->fd, payload, header.size, MSG_WAITALL),
				 header.size);
	return header.size;
}

uint64_t peer_ask(struct vhost_stage *stage, uint32_t request)
{
	struct vhost_message reply;

	peer_send(stage, request, 0, NULL, 0, NULL, 0);
	assert_int_equal(peer_receive(stage, request, &reply.payload), 8);
	return reply.payload.u64;
}

void peer_sync(struct vhost_stage *stage)
{
	peer_ask(stage, VHOST_USER_GET_FEATURES);
}

void peer_verify_end(struct vhost_stage *stage, int reason)
{
	vio_test_dispatch_until(stage->ctx, &stage->n_closed, 1);
	assert_int_equal(stage->n_closed, 1);
	assert_int_equal(stage->reason, reason);
}

/* The handshake. */

void peer_begin_with(struct vhost_stage *stage, uint64_t features, uint64_t protocol)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	assert_int_equal(peer_ask(stage, VHOST_USER_GET_FEATURES) & features, features);
	assert_int_equal(peer_ask(stage, VHOST_USER_GET_PROTOCOL_FEATURES) & protocol,
			 protocol);
	peer_send_u64(stage, VHOST_USER_SET_PROTOCOL_FEATURES, protocol);
	assert_int_equal(peer_ask(stage, VHOST_USER_GET_QUEUE_NUM), PEER_QUEUES);
	peer_send(stage, VHOST_USER_SET_OWNER, 0, NULL, 0, NULL, 0);
	for (uint32_t i = 0; i < PEER_QUEUES; i++) {
		peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, i, stage->call[i]);
		peer_send_fd(stage, VHOST_USER_SET_VRING_ERR, i, stage->err[i]);
	}
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, features);
	peer_fill_table(stage, &memory, fds);
	peer_send_table(stage, &memory, fds);
}

void peer_begin(struct vhost_stage *stage)
{
	peer_begin_with(stage, PEER_FEATURES, PEER_PROTOCOL);
}

void peer_describe_ring(struct vhost_stage *stage, uint32_t index)
{
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, index, PEER_DESCS);
	peer_send_state(stage, VHOST_USER_SET_VRING_BASE, index, 0);
	peer_send_addr(stage, index, 0);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, index, stage->kick[index]);
}

static void create_driver(struct vhost_stage *stage, uint32_t index)
{
	struct vio_driver_params params = VIO_DRIVER_PARAMS_INIT;
	uint8_t *ring = stage->ram + RING_OFFSET(index);

	vio_driver_destroy(stage->driver[index]);
	params.features = VIO_F_VERSION_1;
	params.desc = ring;
	params.driver = ring + AVAIL_OFFSET;
	params.device = ring + USED_OFFSET;
	params.n_descs = PEER_DESCS;
	assert_int_equal(vio_driver_create(NULL, &params, &stage->driver[index], NULL),
			 0);
}

void peer_start_ring(struct vhost_stage *stage, uint32_t index)
{
	create_driver(stage, index);
	peer_describe_ring(stage, index);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, index, 1);
	peer_sync(stage);
}

void peer_start_all(struct vhost_stage *stage, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		peer_start_ring(stage, i);
}

void peer_push_echo(struct vhost_stage *stage, uint32_t index, const char *text)
{
	const uint64_t at = index * UINT64_C(0x1000);
	const struct vio_driver_buf bufs[] = {
		{ PEER_HIGH_GPA + at, 16, 0 },
		{ PEER_HIGH_GPA + at + 0x800, 16, 0 },
	};
	const struct vio_driver_chain chain = { bufs, 1, 1, 7 };

	snprintf((char *)stage->ram + PEER_HALF_BYTES + at, 16, "%s", text);
	assert_int_equal(vio_driver_push(stage->driver[index], &chain, 1), 1);
	assert_true(vio_driver_publish(stage->driver[index]) >= 0);
}

uint64_t peer_take_event(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == sizeof(count) ? count : 0;
}
