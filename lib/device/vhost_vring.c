/* SPDX-License-Identifier: MIT */
/*
 * Rings. The front end describes a ring by several messages and starts it with
 * the one that brings the kick descriptor; if protocol features were accepted,
 * the ring must be enabled as well. A queue object exists while the ring runs.
 *
 * A running queue's descriptors are its owner's to use, so to exchange one the
 * queue is stopped, drained, and made anew where it stood.
 */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "core/bits.h"
#include "device/vhost_backend.h"
#include "ring/queue.h"
#include "sys/sys.h"

/* The index comes as 8 bits or as 32; no narrower copy is made: CVE-2020-10723. */
static struct vio_vhost_vring *find_vring(struct vio_backend *backend, uint32_t index)
{
	if (index < backend->params.n_queues)
		return &backend->vrings[index];
	vio_vhost_refuse(backend, -EBADMSG, "ring %u of %u", index,
			 backend->params.n_queues);
	return NULL;
}

static int refuse_running(struct vio_vhost_vring *vring, const char *what)
{
	return vio_vhost_refuse(vring->backend, -EBADMSG,
				"ring %u runs while its %s changes", vring->index,
				what);
}

static void close_fd(struct vio_vhost_vring *vring, int *fd)
{
	const struct vio_sys *sys = vring->backend->env->sys;

	if (*fd >= 0)
		sys->close(sys->opaque, *fd);
	*fd = -1;
}

bool vio_vhost_is_running(const struct vio_backend *backend)
{
	for (uint32_t i = 0; i < backend->params.n_queues; i++)
		if (backend->vrings[i].queue)
			return true;
	return false;
}

void vio_vhost_vring_reset(struct vio_vhost_vring *vring)
{
	close_fd(vring, &vring->kick_fd);
	vring->has_kick = false;
	vring->has_addr = false;
	vring->is_enabled = false;
	vring->is_latched = false;
	vring->n_descs = 0;
	vring->base = 0;
}

/* Its queue is gone: neither task will be posted again. */
void vio_vhost_vring_close(struct vio_vhost_vring *vring)
{
	struct vio_loop *loop = vring->backend->env->loop;

	vio_loop_cancel(loop, &vring->stopped);
	vio_loop_cancel(loop, &vring->faulted);
	close_fd(vring, &vring->kick_fd);
	close_fd(vring, &vring->call_fd);
	close_fd(vring, &vring->err_fd);
}

/* Starting. */

static bool is_ready(const struct vio_vhost_vring *vring)
{
	const bool has_enable =
		vring->backend->features & VHOST_USER_F_PROTOCOL_FEATURES;

	/* A latched ring would only latch again, at the peer's pace. */
	if (vring->queue || vring->is_latched)
		return false;
	return vring->has_kick && vring->has_addr && vring->n_descs &&
	       (vring->is_enabled || !has_enable);
}

static int
translate_ring(const struct vio_vhost_vring *vring, struct vio_queue_params *params)
{
	const struct vio_backend *backend = vring->backend;
	const struct vhost_vring_addr *addr = &vring->addr;
	const uint64_t n = vring->n_descs;

	/* Each part to its end: CVE-2020-10725. Virtio 1.2, 2.7. */
	if (vio_vhost_translate(backend, addr->desc, 16 * n, &params->desc_addr) ||
	    vio_vhost_translate(backend, addr->avail, 6 + 2 * n,
				&params->driver_addr) ||
	    vio_vhost_translate(backend, addr->used, 6 + 8 * n, &params->device_addr))
		return vio_vhost_refuse(vring->backend, -EBADMSG,
					"ring %u is not in guest memory", vring->index);
	/* Used rings are logged where they are. */
	if ((addr->flags & VHOST_VRING_F_LOG) && addr->log_gpa != params->device_addr)
		return vio_vhost_refuse(vring->backend, -EBADMSG,
					"ring %u is to be logged elsewhere",
					vring->index);
	return 0;
}

/*
 * Where the driver expects the next completion. Nobody writes it but us; if the
 * guest did, it looks for its completions where it said. Relaxed: the ring is
 * not running.
 */
static int read_used_index(const struct vio_vhost_vring *vring,
			   const struct vio_queue_params *params, uint32_t *out)
{
	const uint32_t iova =
		vring->backend->features & VIO_F_ACCESS_PLATFORM ? VIO_MEM_IOVA : 0;
	struct iovec iov;
	int n = vio_mem_translate(vring->backend->mem, params->device_addr, 4,
				  VIO_MEM_READ | iova, &iov, 1);

	if (n != 1)
		return n < 0 ? n : -EFAULT;
	*out = le16toh(
		__atomic_load_n((const uint16_t *)iov.iov_base + 1, __ATOMIC_RELAXED));
	return 0;
}

static void describe_member(const struct vio_member *member, char *buf, size_t n)
{
	const struct vio_queue *queue =
		VIO_CONTAINER_OF(member, struct vio_queue, member);

	snprintf(buf, n, "queue %u", queue->params.index);
}

static void leave_to_backend(struct vio_member *member)
{
	(void)member;
}

static int is_never_busy(const struct vio_member *member)
{
	(void)member;
	return 0;
}

/* A queue is counted by its tenant, but stopped by its back end alone. */
static const struct vio_member_ops member_ops = {
	.reset = leave_to_backend,
	.close = leave_to_backend,
	.is_busy = is_never_busy,
	.describe = describe_member,
};

static int create_queue(struct vio_vhost_vring *vring, struct vio_queue_params *params,
			struct vio_queue **out)
{
	struct vio_queue_state state = VIO_QUEUE_STATE_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	int ret = vio_queue_create(vring->backend->ctx, params, out, &err);

	if (ret == -ENOMEM || ret == -EAGAIN)
		return ret;
	if (ret)
		return vio_vhost_refuse(vring->backend, -EBADMSG, "%s", err.text);
	(*out)->member.ops = &member_ops;

	state.avail_index = vring->base;
	ret = read_used_index(vring, params, &state.used_index);
	if (!ret)
		ret = vio_queue_set_state(*out, &state);
	if (ret)
		vio_queue_destroy(*out);
	return ret;
}

static int start(struct vio_vhost_vring *vring)
{
	struct vio_backend *backend = vring->backend;
	struct vio_queue_params params = VIO_QUEUE_PARAMS_INIT;
	struct vio_queue *queue;
	int ret;

	params.mem = backend->mem;
	params.dom = backend->params.dom;
	params.features = backend->features;
	params.n_descs = vring->n_descs;
	params.max_chain_iov = backend->params.max_chain_iov;
	params.index = vring->index;
	params.kick_fd = vring->kick_fd;
	params.call_fd = vring->call_fd;
	params.stop = vio_vhost_on_stop;
	params.fault = vio_vhost_on_fault;
	params.opaque = vring;
	ret = translate_ring(vring, &params);
	if (!ret)
		ret = create_queue(vring, &params, &queue);
	if (ret)
		return ret;

	vring->queue = queue;
	ret = backend->ops.queue_start(backend->params.opaque, vring->index, queue);
	if (ret) {
		vring->queue = NULL;
		vio_queue_destroy(queue);
	}
	return ret < 0 ? ret : ret ? -EINVAL : 0;
}

int vio_vhost_vring_start(struct vio_vhost_vring *vring)
{
	return is_ready(vring) ? start(vring) : VIO_VHOST_DONE;
}

/* Describing. */

int vio_vhost_set_vring_num(struct vio_backend *backend)
{
	const struct vhost_vring_state *state = &backend->socket.in.payload.state;
	struct vio_vhost_vring *vring = find_vring(backend, state->index);

	if (!vring)
		return -EBADMSG;
	if (vring->queue)
		return refuse_running(vring, "size");
	if (!vio_is_power_of_two(state->num) ||
	    state->num > backend->params.max_queue_size)
		return vio_vhost_refuse(backend, -EBADMSG, "ring %u of size %u",
					vring->index, state->num);
	vring->n_descs = state->num;
	return vio_vhost_vring_start(vring);
}

static bool
is_same_ring(const struct vhost_vring_addr *a, const struct vhost_vring_addr *b)
{
	return a->desc == b->desc && a->avail == b->avail && a->used == b->used;
}

/* A running ring stays where it is; only its logging may be switched. */
int vio_vhost_set_vring_addr(struct vio_backend *backend)
{
	const struct vhost_vring_addr *addr = &backend->socket.in.payload.addr;
	struct vio_vhost_vring *vring = find_vring(backend, addr->index);
	struct vio_queue_params params;

	if (!vring)
		return -EBADMSG;
	if (addr->flags & ~VHOST_VRING_F_LOG)
		return vio_vhost_refuse(backend, -EBADMSG, "ring %u with flags 0x%x",
					vring->index, addr->flags);
	if (vring->queue && !is_same_ring(addr, &vring->addr))
		return refuse_running(vring, "place");
	vring->addr = *addr;
	vring->has_addr = true;
	return vring->queue ? translate_ring(vring, &params)
			    : vio_vhost_vring_start(vring);
}

int vio_vhost_set_vring_base(struct vio_backend *backend)
{
	const struct vhost_vring_state *state = &backend->socket.in.payload.state;
	struct vio_vhost_vring *vring = find_vring(backend, state->index);

	if (!vring)
		return -EBADMSG;
	if (vring->queue)
		return refuse_running(vring, "base");
	if (state->num > UINT16_MAX)
		return vio_vhost_refuse(backend, -EBADMSG, "ring %u at base %u",
					vring->index, state->num);
	vring->base = (uint16_t)state->num;
	return VIO_VHOST_DONE;
}

/* Stopping. */

static void end_get_base(struct vio_backend *backend)
{
	struct vio_vhost_vring *vring = backend->subject;

	close_fd(vring, &vring->kick_fd);
	vring->has_kick = false;
	vring->is_latched = false;
	backend->socket.out.payload.state = (struct vhost_vring_state){
		.index = vring->index,
		.num = vring->base,
	};
	vio_vhost_reply(&backend->socket, sizeof(struct vhost_vring_state));
	vio_vhost_answer(backend, VIO_VHOST_DONE);
}

/* Stops the ring until it gets a kick descriptor again. */
int vio_vhost_get_vring_base(struct vio_backend *backend)
{
	const struct vhost_vring_state *state = &backend->socket.in.payload.state;
	struct vio_vhost_vring *vring = find_vring(backend, state->index);

	if (!vring)
		return -EBADMSG;
	backend->subject = vring;
	vio_vhost_stop(vring, VIO_STOP_DRAIN);
	vio_vhost_wait(backend, end_get_base);
	return VIO_VHOST_HELD;
}

static void end_disable(struct vio_backend *backend)
{
	vio_vhost_answer(backend, VIO_VHOST_DONE);
}

int vio_vhost_set_vring_enable(struct vio_backend *backend)
{
	const struct vhost_vring_state *state = &backend->socket.in.payload.state;
	struct vio_vhost_vring *vring = find_vring(backend, state->index);

	if (!vring)
		return -EBADMSG;
	if (state->num > 1)
		return vio_vhost_refuse(backend, -EBADMSG, "ring %u enabled by %u",
					vring->index, state->num);
	vring->is_enabled = state->num;
	if (vring->is_enabled)
		return vio_vhost_vring_start(vring);
	vio_vhost_stop(vring, VIO_STOP_DRAIN);
	vio_vhost_wait(backend, end_disable);
	return VIO_VHOST_HELD;
}

/* Descriptors. */

/*
 * What was used before now may have been told to the descriptor before this one.
 * A notification too many does no harm.
 */
static void notify_guest(const struct vio_vhost_vring *vring)
{
	const struct vio_sys *sys = vring->backend->env->sys;
	const uint64_t one = 1;

	if (vring->call_fd >= 0)
		sys->write(sys->opaque, vring->call_fd, &one, sizeof(one));
}

static int replace_fd(struct vio_vhost_vring *vring)
{
	struct vio_vhost_socket *socket = &vring->backend->socket;
	const int fd = socket->n_fds ? vio_vhost_take_fd(socket, 0) : -1;

	switch (socket->in.header.request) {
	case VHOST_USER_SET_VRING_KICK:
		close_fd(vring, &vring->kick_fd);
		vring->kick_fd = fd;
		vring->has_kick = true;
		break;
	case VHOST_USER_SET_VRING_CALL:
		close_fd(vring, &vring->call_fd);
		vring->call_fd = fd;
		notify_guest(vring);
		break;
	default:
		close_fd(vring, &vring->err_fd);
		vring->err_fd = fd;
		break;
	}
	return vio_vhost_vring_start(vring);
}

static void end_replace_fd(struct vio_backend *backend)
{
	vio_vhost_answer(backend, replace_fd(backend->subject));
}

/*
 * An eventfd, which is an inode without a type. The write end of a pipe that
 * nobody reads would kill this process by SIGPIPE; one that nobody empties, or
 * an eventfd filled to its brim, would stall the queue's owner: hence O_NONBLOCK.
 * The flag is shared with the peer, who could clear it again. Kicks are read without
 * regard to it; a call or an error that is written waits then, if the peer has filled
 * the counter as well, and with it whatever else this thread does.
 */
static int verify_eventfd(struct vio_backend *backend, int fd)
{
	const struct vio_sys *sys = backend->env->sys;
	struct stat stat = { 0 };
	int flags = sys->fstat(sys->opaque, fd, &stat);

	if (flags >= 0 && (stat.st_mode & S_IFMT))
		return vio_vhost_refuse(backend, -EBADMSG,
					"a descriptor that is no eventfd");
	if (flags >= 0)
		flags = sys->fcntl(sys->opaque, fd, F_GETFL, 0);
	if (flags >= 0 && !(flags & O_NONBLOCK))
		flags = sys->fcntl(sys->opaque, fd, F_SETFL, flags | O_NONBLOCK);
	return flags < 0 ? flags : 0;
}

/* SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR. */
int vio_vhost_set_vring_fd(struct vio_backend *backend)
{
	const struct vio_vhost_socket *socket = &backend->socket;
	const uint64_t value = socket->in.payload.u64;
	const bool has_fd = !(value & VHOST_USER_VRING_NOFD);
	struct vio_vhost_vring *vring;
	int ret;

	if (value & ~(uint64_t)(VHOST_USER_VRING_INDEX_MASK | VHOST_USER_VRING_NOFD) ||
	    has_fd != (socket->n_fds == 1))
		return vio_vhost_refuse(backend, -EBADMSG,
					"ring 0x%llx with %u descriptors",
					(unsigned long long)value, socket->n_fds);
	vring = find_vring(backend, value & VHOST_USER_VRING_INDEX_MASK);
	if (!vring)
		return -EBADMSG;
	ret = has_fd ? verify_eventfd(backend, socket->fds[0]) : 0;
	if (ret)
		return ret;

	/* The one for errors is dispatch's own, the others the owner's. */
	backend->subject = vring;
	if (socket->in.header.request != VHOST_USER_SET_VRING_ERR)
		vio_vhost_stop(vring, VIO_STOP_DRAIN);
	vio_vhost_wait(backend, end_replace_fd);
	return VIO_VHOST_HELD;
}
