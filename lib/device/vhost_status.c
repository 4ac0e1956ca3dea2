/* SPDX-License-Identifier: MIT */
/*
 * Device status and reset. Status 0 and RESET_DEVICE come to the same: queues
 * drain and stop, rings are to be described anew. What belongs to the connection
 * rather than to the device stays: memory, the log, where to notify the guest.
 */
#include <errno.h>

#include "device/vhost_backend.h"

#define STATUS_MASK 0xffu

void vio_vhost_reset(struct vio_backend *backend)
{
	for (uint32_t i = 0; i < backend->params.n_queues; i++)
		vio_vhost_vring_reset(&backend->vrings[i]);
	backend->status = 0;
	backend->features &= VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES;
	if (backend->ops.reset)
		backend->ops.reset(backend->params.opaque);
}

static void end_reset(struct vio_backend *backend)
{
	vio_vhost_reset(backend);
	vio_vhost_answer(backend, VIO_VHOST_DONE);
}

int vio_vhost_reset_device(struct vio_backend *backend)
{
	vio_vhost_stop_all(backend, VIO_STOP_DRAIN);
	vio_vhost_wait(backend, end_reset);
	return VIO_VHOST_HELD;
}

static void tell_status(struct vio_backend *backend)
{
	if (backend->ops.status_set)
		backend->ops.status_set(backend->params.opaque, backend->status);
}

static void end_status_reset(struct vio_backend *backend)
{
	vio_vhost_reset(backend);
	tell_status(backend);
	vio_vhost_answer(backend, VIO_VHOST_DONE);
}

int vio_vhost_set_status(struct vio_backend *backend)
{
	const uint64_t status = backend->socket.in.payload.u64;

	if (status & ~(uint64_t)STATUS_MASK)
		return vio_vhost_refuse(backend, -EBADMSG, "status 0x%llx",
					(unsigned long long)status);
	if (!status) {
		vio_vhost_stop_all(backend, VIO_STOP_DRAIN);
		vio_vhost_wait(backend, end_status_reset);
		return VIO_VHOST_HELD;
	}
	backend->status = (uint32_t)status;
	tell_status(backend);
	return VIO_VHOST_DONE;
}

int vio_vhost_get_status(struct vio_backend *backend)
{
	backend->socket.out.payload.u64 = backend->status;
	vio_vhost_reply(&backend->socket, sizeof(uint64_t));
	return VIO_VHOST_DONE;
}
