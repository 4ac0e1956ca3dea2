/* SPDX-License-Identifier: MIT */
/*
 * What front end and back end agree on. The features of virtio belong to the
 * driver in the guest, two bits among them to the transport; protocol features
 * are the front end's alone.
 */
#include <errno.h>

#include "device/vhost_backend.h"

#define TRANSPORT_FEATURES (VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES)

static int reply_u64(struct vio_backend *backend, uint64_t value)
{
	backend->socket.out.payload.u64 = value;
	vio_vhost_reply(&backend->socket, sizeof(value));
	return VIO_VHOST_DONE;
}

int vio_vhost_get_features(struct vio_backend *backend)
{
	return reply_u64(backend, backend->features_offered);
}

/* Front ends repeat it for each pair of queues, and for the log while they run. */
int vio_vhost_set_features(struct vio_backend *backend)
{
	const uint64_t features = backend->socket.in.payload.u64;
	const uint64_t changed = (features ^ backend->features) & ~TRANSPORT_FEATURES;

	if (features & ~backend->features_offered)
		return vio_vhost_refuse(
			backend, -EBADMSG, "features 0x%llx were not offered",
			(unsigned long long)(features & ~backend->features_offered));
	/* A running queue has looked at its features already. */
	if (changed && vio_vhost_is_running(backend))
		return vio_vhost_refuse(backend, -EBADMSG,
					"features change while queues run");
	backend->features = features;
	if (changed && backend->ops.features_set)
		backend->ops.features_set(backend->params.opaque,
					  features & ~TRANSPORT_FEATURES);
	return vio_vhost_log_update(backend);
}

int vio_vhost_get_protocol_features(struct vio_backend *backend)
{
	return reply_u64(backend, backend->protocol_offered);
}

int vio_vhost_set_protocol_features(struct vio_backend *backend)
{
	const uint64_t features = backend->socket.in.payload.u64;

	if (features & ~backend->protocol_offered)
		return vio_vhost_refuse(
			backend, -EBADMSG, "protocol features 0x%llx were not offered",
			(unsigned long long)(features & ~backend->protocol_offered));
	backend->protocol_features = features;
	return VIO_VHOST_DONE;
}

int vio_vhost_get_queue_num(struct vio_backend *backend)
{
	return reply_u64(backend, backend->params.n_queues);
}

int vio_vhost_get_max_mem_slots(struct vio_backend *backend)
{
	return reply_u64(backend, VIO_VHOST_SLOTS_MAX);
}

/* A connection has one owner from its beginning. */
int vio_vhost_set_owner(struct vio_backend *backend)
{
	(void)backend;
	return VIO_VHOST_DONE;
}
