/* SPDX-License-Identifier: MIT */
/*
 * A vhost-user front end made of arbitrary bytes. The input is a list of steps:
 * messages whole or in pieces, with descriptors from a small set, writes into
 * guest memory, and what a device does meanwhile. After it the connection is
 * closed; a descriptor left open or a dispatch without end aborts.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <vio/backend.h>
#include <vio/ctx.h>

#include "device/vhost_proto.h"

#define QUEUES         4u
#define RAM_BYTES      0x40000u /* rings of 1024 descriptors fit */
#define STEPS_MAX      64u
#define DISPATCHES_MAX 10000u /* far more than any step is worth */
#define FDS            6u

/* One step: what, and how much of the input goes with it. */
struct step {
	uint8_t kind;
	uint8_t request; /* or what else the kind takes */
	uint8_t flags;
	uint8_t fds; /* low half: how many; high half: the first */
	uint16_t n;  /* bytes that follow */
};

enum kind { KIND_MESSAGE, KIND_RAW, KIND_POKE, KIND_SERVE, KIND_HOLD, KIND_CLOSE };
#define KINDS 6u

struct stage {
	struct vio_ctx *ctx;
	struct vio_backend *backend;
	struct vio_queue *queue[QUEUES];
	struct vio_stop *token[QUEUES];
	int holds_stops;
	int is_closed;
	int peer;
	int fds[FDS];
	uint8_t *ram;
};

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static int on_start(void *opaque, uint32_t index, struct vio_queue *queue)
{
	((struct stage *)opaque)->queue[index] = queue;
	return 0;
}

static void on_stop(void *opaque, uint32_t index, struct vio_queue *queue,
		    struct vio_stop *token, uint32_t stop_flags)
{
	struct stage *stage = opaque;

	(void)stop_flags;
	check(stage->queue[index] == queue && !stage->token[index]);
	stage->queue[index] = NULL;
	if (stage->holds_stops)
		stage->token[index] = token;
	else
		check(!vio_queue_stopped(token));
}

static int on_config(void *opaque, uint32_t offset, void *out, uint32_t n)
{
	(void)opaque;
	memset(out, (int)offset, n);
	return offset == 13 ? -EIO : 0;
}

static void on_closed(void *opaque, const struct vio_error *why)
{
	(void)why;
	((struct stage *)opaque)->is_closed = 1;
}

static const struct vio_backend_ops ops = {
	.size = sizeof(ops),
	.queue_start = on_start,
	.queue_stop = on_stop,
	.config_read = on_config,
	.closed = on_closed,
};

static int create_memfd(size_t n_bytes, int seals)
{
	int fd = memfd_create("fuzz", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	check(fd >= 0 && !ftruncate(fd, (off_t)n_bytes));
	check(!fcntl(fd, F_ADD_SEALS, seals));
	return fd;
}

/* Guest memory thrice as likely as one of the wrong kinds. */
static void open_fds(struct stage *stage)
{
	int pipe_fds[2];

	check(!pipe2(pipe_fds, O_CLOEXEC));
	close(pipe_fds[0]);
	stage->fds[0] = create_memfd(RAM_BYTES, F_SEAL_SHRINK);
	stage->fds[1] = eventfd(0, EFD_CLOEXEC);
	stage->fds[2] = dup(stage->fds[0]);
	stage->fds[3] = create_memfd(4096, F_SEAL_SHRINK);
	stage->fds[4] = create_memfd(RAM_BYTES, 0);
	stage->fds[5] = pipe_fds[1];
	stage->ram = mmap(NULL, RAM_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			  stage->fds[0], 0);
	check(stage->ram != MAP_FAILED);
}

static void open_stage(struct stage *stage)
{
	struct vio_backend_params params = VIO_BACKEND_PARAMS_INIT;
	int fds[2];

	memset(stage, 0, sizeof(*stage));
	check(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds));
	check(!fcntl(fds[0], F_SETFL, O_NONBLOCK));
	open_fds(stage);
	stage->peer = fds[0];
	params.fd = fds[1];
	params.n_queues = QUEUES;
	params.ops = &ops;
	params.opaque = stage;
	check(!vio_ctx_create(NULL, &stage->ctx, NULL));
	check(!vio_backend_open(stage->ctx, &params, &stage->backend, NULL));
}

static void settle(struct stage *stage)
{
	uint32_t n = 0;

	while (vio_ctx_dispatch(stage->ctx, 16) > 0)
		check(++n < DISPATCHES_MAX);
}

static void answer_held(struct stage *stage)
{
	for (uint32_t i = 0; i < QUEUES; i++) {
		struct vio_stop *token = stage->token[i];

		stage->token[i] = NULL;
		if (token)
			check(!vio_queue_stopped(token));
	}
}

static void close_stage(struct stage *stage)
{
	close(stage->peer);
	stage->holds_stops = 0;
	answer_held(stage);
	vio_backend_close(stage->backend, 1);
	settle(stage);
	check(stage->is_closed);
	check(!vio_backend_destroy(stage->backend, NULL));
	check(!vio_ctx_destroy(stage->ctx, NULL));
	munmap(stage->ram, RAM_BYTES);
	for (uint32_t i = 0; i < FDS; i++)
		close(stage->fds[i]);
}

/* Steps. */

static void send_bytes(struct stage *stage, const struct vhost_header *header,
		       const uint8_t *data, const struct step *step)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(15 * sizeof(int))];
	} control;
	struct iovec iov[2] = {
		{ .iov_base = (void *)(uintptr_t)header,
		  .iov_len = header ? sizeof(*header) : 0 },
		{ .iov_base = (void *)(uintptr_t)data, .iov_len = step->n },
	};
	struct msghdr message = { .msg_iov = iov, .msg_iovlen = 2 };
	const uint32_t n_fds = step->fds & 15u;
	int fds[15];

	memset(&control, 0, sizeof(control));
	for (uint32_t i = 0; i < n_fds; i++)
		fds[i] = stage->fds[(i + (step->fds >> 4)) % FDS];
	if (n_fds) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(&control.header), fds, n_fds * sizeof(int));
	}
	if (sendmsg(stage->peer, &message, MSG_NOSIGNAL) < 0)
		return; /* the back end has closed, or reads no more for now */
}

static void
send_message(struct stage *stage, const struct step *step, const uint8_t *data)
{
	const struct vhost_header header = {
		.request = step->request,
		.flags = VHOST_USER_VERSION ^ (step->flags & 0xfu),
		.size = step->n + (step->flags >> 4), /* mostly right */
	};

	send_bytes(stage, &header, data, step);
}

static void poke(struct stage *stage, const struct step *step, const uint8_t *data)
{
	const size_t offset = (size_t)step->request << 10 | (size_t)step->flags << 2;
	const size_t room = RAM_BYTES - offset;

	memcpy(stage->ram + offset, data, step->n < room ? step->n : room);
}

static void serve(struct vio_queue *queue)
{
	struct vio_chain chains[4];
	struct iovec iov[1024];
	int n = vio_queue_pop(queue, chains, 4, iov, 1024);

	for (int i = 0; i < n; i++)
		chains[i].written_bytes = 0;
	if (n <= 0)
		return;
	check(vio_queue_push(queue, chains, (uint32_t)n) == n);
	if (vio_queue_publish(queue) > 0)
		vio_queue_notify(queue);
}

static void serve_all(struct stage *stage)
{
	for (uint32_t i = 0; i < QUEUES; i++)
		if (stage->queue[i])
			serve(stage->queue[i]);
}

static void do_step(struct stage *stage, const struct step *step, const uint8_t *data)
{
	switch (step->kind % KINDS) {
	case KIND_MESSAGE:
		send_message(stage, step, data);
		break;
	case KIND_RAW:
		send_bytes(stage, NULL, data, step);
		break;
	case KIND_POKE:
		poke(stage, step, data);
		break;
	case KIND_SERVE:
		serve_all(stage);
		break;
	case KIND_HOLD:
		stage->holds_stops = step->request & 1;
		answer_held(stage);
		break;
	case KIND_CLOSE:
		vio_backend_close(stage->backend, step->request & 1);
		break;
	}
}

static void read_replies(struct stage *stage)
{
	char bytes[4096];

	while (recv(stage->peer, bytes, sizeof(bytes), 0) > 0)
		;
}

static void run_steps(struct stage *stage, const uint8_t *data, size_t n)
{
	struct step step;

	for (uint32_t i = 0; i < STEPS_MAX && n >= sizeof(step); i++) {
		memcpy(&step, data, sizeof(step));
		data += sizeof(step);
		n -= sizeof(step);
		step.n = (uint16_t)(step.n % 512 < n ? step.n % 512 : n);
		do_step(stage, &step, data);
		data += step.n;
		n -= step.n;
		settle(stage);
		if (!(step.kind & 0x80))
			read_replies(stage);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct stage stage;
	int before = dup(STDIN_FILENO);
	int after;

	close(before);
	open_stage(&stage);
	run_steps(&stage, data, n);
	close_stage(&stage);
	after = dup(STDIN_FILENO);
	check(after == before); /* the lowest number free: nothing is left open */
	close(after);
	return 0;
}
