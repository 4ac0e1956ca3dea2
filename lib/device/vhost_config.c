/* SPDX-License-Identifier: MIT */
/*
 * The device's configuration space. The device reads and writes it; here it is
 * only made sure that a request stays within it.
 */
#include <errno.h>
#include <stddef.h>

#include "core/bits.h"
#include "device/vhost_backend.h"

#define HEAD_BYTES ((uint32_t)offsetof(struct vhost_config, data))

static int verify_config(struct vio_backend *backend, const struct vhost_config *config)
{
	const uint32_t size = backend->socket.in.header.size;
	uint64_t end;

	/* What is beyond the message would be what an earlier one left there. */
	if (config->size > VIO_BACKEND_CONFIG_MAX || size != HEAD_BYTES + config->size)
		return vio_vhost_refuse(backend, -EBADMSG,
					"%u bytes of configuration in %u bytes",
					config->size, size);
	if (!vio_add_u64(config->offset, config->size, &end) ||
	    end > VIO_BACKEND_CONFIG_MAX)
		return vio_vhost_refuse(backend, -EBADMSG,
					"configuration of %u bytes at %u", config->size,
					config->offset);
	return 0;
}

/* An empty payload is how the protocol says that there is no such thing. */
int vio_vhost_get_config(struct vio_backend *backend)
{
	const struct vhost_config *in = &backend->socket.in.payload.config;
	struct vhost_config *out = &backend->socket.out.payload.config;
	int ret = verify_config(backend, in);

	if (ret)
		return ret;
	*out = (struct vhost_config){ .offset = in->offset, .size = in->size };
	ret = backend->ops.config_read(backend->params.opaque, in->offset, out->data,
				       in->size);
	vio_vhost_reply(&backend->socket, ret ? 0 : HEAD_BYTES + in->size);
	return VIO_VHOST_DONE;
}

int vio_vhost_set_config(struct vio_backend *backend)
{
	const struct vhost_config *in = &backend->socket.in.payload.config;
	int ret = verify_config(backend, in);

	if (ret)
		return ret;
	if (!backend->ops.config_write)
		return VIO_VHOST_REFUSED;
	ret = backend->ops.config_write(backend->params.opaque, in->offset, in->data,
					in->size);
	return ret ? VIO_VHOST_REFUSED : VIO_VHOST_DONE;
}
