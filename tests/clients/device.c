/* SPDX-License-Identifier: MIT */
/*
 * The device as its driver sees it: features, configuration space (virtio 1.2,
 * 5.1.3 and 5.1.4) and queues that come and go, all in dispatch on the main thread.
 * There is no control queue: clients that want one in front of vhost-user make their
 * own.
 */
#include <endian.h>
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <unistd.h>

#include "source.h"

#define BIT(n) (UINT64_C(1) << (n))

/* Beyond the fields we know it reads as zero. */
static int config_read(void *opaque, uint32_t offset, void *out, uint32_t n)
{
	const struct source *source = opaque;
	uint8_t space[VIO_BACKEND_CONFIG_MAX] = { 0 };
	const struct virtio_net_config config = {
		.mac = { 2, 0, 0, 0, 0, 1 },
		.status = htole16(VIRTIO_NET_S_LINK_UP),
		.max_virtqueue_pairs = htole16((uint16_t)source->n_streams),
	};

	memcpy(space, &config, sizeof(config));
	memcpy(out, space + offset, n);
	return 0;
}

static void features_set(void *opaque, uint64_t features)
{
	struct source *source = opaque;

	source->features = features;
}

/* The packets are laid out as for modern drivers, with 12 bytes of header. */
static int queue_start(void *opaque, uint32_t index, struct vio_queue *queue)
{
	struct source *source = opaque;
	struct stream *stream = &source->streams[index / PAIR];

	if (!(source->features & VIO_F_VERSION_1)) {
		complain("the driver is a legacy one");
		return -EOPNOTSUPP;
	}
	if (!source->n_running++)
		source->moved_ns = clock_ns();
	stream_start_queue(stream, index % PAIR, queue);
	return 0;
}

static void queue_stop(void *opaque, uint32_t index, struct vio_queue *queue,
		       struct vio_stop *token, uint32_t stop_flags)
{
	struct source *source = opaque;

	/* Nothing is held that could be abandoned, so all stops are alike. */
	(void)queue;
	(void)stop_flags;
	source->n_running--;
	stream_stop_queue(&source->streams[index / PAIR], index % PAIR, token);
}

static void closed(void *opaque, const struct vio_error *why)
{
	struct source *source = opaque;

	source->reason = why->code;
	source->has_closed = 1;
}

static void reset_streams(struct source *source)
{
	const struct options *options = &source->options;

	for (uint32_t i = 0; i < source->n_streams; i++)
		stream_reset(&source->streams[i],
			     options->n_packets / source->n_streams,
			     options->frame_bytes,
			     !!(options->net_features & BIT(VIRTIO_NET_F_MRG_RXBUF)));
}

static struct vio_backend_ops ops_of_device(void)
{
	struct vio_backend_ops ops = VIO_BACKEND_OPS_INIT;

	ops.queue_start = queue_start;
	ops.queue_stop = queue_stop;
	ops.config_read = config_read;
	ops.features_set = features_set;
	ops.closed = closed;
	return ops;
}

void device_open(struct source *source, int fd)
{
	const struct options *options = &source->options;
	const struct vio_backend_ops ops = ops_of_device();
	struct vio_backend_params params = VIO_BACKEND_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	reset_streams(source);
	source->features = 0;
	source->is_under_way = 0;
	source->has_rested = 0;
	source->n_returned = 0;
	params.flags = options->accepts_unsealed ? VIO_BACKEND_ACCEPT_UNSEALED : 0;
	params.fd = fd;
	params.n_queues = PAIR * source->n_streams;
	params.features = BIT(VIRTIO_NET_F_MAC) | BIT(VIRTIO_NET_F_STATUS) |
			  options->net_features;
	if (source->n_streams > 1)
		params.features |= BIT(VIRTIO_NET_F_MQ);
	params.dom = source->dom;
	params.ops = &ops;
	params.opaque = source;
	params.queue_features = options->queue_features | VIO_F_VERSION_1;
	params.max_chain_iov = CHAIN_IOV;
	if (vio_backend_open(source->ctx, &params, &source->backend, &err) == 0)
		return;
	source->backend = NULL;
	complain("%s", err.text);
	close(fd);
}

void device_close(struct source *source)
{
	struct vio_error err = VIO_ERROR_INIT;

	if (vio_backend_destroy(source->backend, &err) < 0)
		complain("%s", err.text);
	source->backend = NULL;
	source->has_closed = 0;
}
