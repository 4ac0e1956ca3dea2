/* SPDX-License-Identifier: MIT */
/*
 * The device as its driver sees it: features, configuration space (virtio 1.2,
 * 5.2.3 and 5.2.4), and queues that come and go. All of it runs in dispatch on the
 * main thread.
 */
#include <endian.h>
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "say.h"

#define BIT(n) (UINT64_C(1) << (n))

/* The page cache works in 4 KiB: smaller writes are read, changed and written. */
#define PHYSICAL_BLOCK_EXP     3u
#define PHYSICAL_BLOCK_SECTORS (1u << PHYSICAL_BLOCK_EXP)

static uint64_t features_of(const struct disk *disk)
{
	uint64_t features = BIT(VIRTIO_BLK_F_SEG_MAX) | BIT(VIRTIO_BLK_F_BLK_SIZE) |
			    BIT(VIRTIO_BLK_F_FLUSH) | BIT(VIRTIO_BLK_F_TOPOLOGY) |
			    BIT(VIRTIO_BLK_F_MQ);

	if (disk->is_read_only)
		return features | BIT(VIRTIO_BLK_F_RO);
	return features | BIT(VIRTIO_BLK_F_DISCARD) | BIT(VIRTIO_BLK_F_WRITE_ZEROES);
}

static struct virtio_blk_config config_of(const struct tenant *tenant)
{
	return (struct virtio_blk_config){
		.capacity = htole64(tenant->disk.n_sectors),
		.seg_max = htole32(SEG_MAX),
		.blk_size = htole32(SECTOR_BYTES),
		.physical_block_exp = PHYSICAL_BLOCK_EXP,
		.min_io_size = htole16(PHYSICAL_BLOCK_SECTORS),
		.num_queues = htole16((uint16_t)tenant->n_workers),
		.max_discard_sectors = htole32(ZERO_SECTORS_MAX),
		.max_discard_seg = htole32(1),
		.discard_sector_alignment = htole32(PHYSICAL_BLOCK_SECTORS),
		.max_write_zeroes_sectors = htole32(ZERO_SECTORS_MAX),
		.max_write_zeroes_seg = htole32(1),
		.write_zeroes_may_unmap = 1,
	};
}

/* Beyond the fields we know it reads as zero. */
static int config_read(void *opaque, uint32_t offset, void *out, uint32_t n)
{
	uint8_t space[VIO_BACKEND_CONFIG_MAX] = { 0 };
	struct virtio_blk_config config = config_of(opaque);

	memcpy(space, &config, sizeof(config));
	memcpy(out, space + offset, n);
	return 0;
}

/*
 * Write-through is the rule for drivers that cannot flush. Relaxed: queues start
 * after it; one that runs meanwhile, as when a migration begins, sees no change.
 */
static void features_set(void *opaque, uint64_t features)
{
	struct tenant *tenant = opaque;

	__atomic_store_n(&tenant->disk.is_write_through,
			 !(features & BIT(VIRTIO_BLK_F_FLUSH)), __ATOMIC_RELAXED);
}

static int queue_start(void *opaque, uint32_t index, struct vio_queue *queue)
{
	struct tenant *tenant = opaque;

	worker_start_queue(&tenant->workers[index], queue);
	tenant->n_running++;
	return 0;
}

static void queue_stop(void *opaque, uint32_t index, struct vio_queue *queue,
		       struct vio_stop *token, uint32_t stop_flags)
{
	struct tenant *tenant = opaque;

	(void)queue;
	tenant->n_running--;
	worker_stop_queue(&tenant->workers[index], token, stop_flags);
}

/* What the peer did wrong is in the log line before. */
static void closed(void *opaque, const struct vio_error *why)
{
	struct tenant *tenant = opaque;

	tenant->has_closed = 1;
	if (why->code && why->code != -ECANCELED)
		complain("%s: %s", tenant->socket, why->text);
}

void device_open(struct tenant *tenant, int fd)
{
	struct blk *blk = tenant->blk;
	struct vio_backend_params params = VIO_BACKEND_PARAMS_INIT;
	struct vio_backend_ops ops = VIO_BACKEND_OPS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	ops.queue_start = queue_start;
	ops.queue_stop = queue_stop;
	ops.config_read = config_read;
	ops.features_set = features_set;
	ops.closed = closed;
	params.flags = blk->options.accepts_unsealed ? VIO_BACKEND_ACCEPT_UNSEALED : 0;
	params.fd = fd;
	params.n_queues = tenant->n_workers;
	params.features = features_of(&tenant->disk);
	params.dom = tenant->dom;
	params.ops = &ops;
	params.opaque = tenant;
	params.max_queue_size = QUEUE_SIZE_MAX;
	params.max_chain_iov = CHAIN_IOV;
	if (vio_backend_open(blk->ctx, &params, &tenant->backend, &err) == 0)
		return;
	tenant->backend = NULL;
	complain("%s: %s", tenant->socket, err.text);
	close(fd);
}

void device_close(struct tenant *tenant)
{
	struct vio_error err = VIO_ERROR_INIT;

	if (vio_backend_destroy(tenant->backend, &err) < 0)
		complain("%s: %s", tenant->socket, err.text);
	tenant->backend = NULL;
	tenant->has_closed = 0;
	tenant->n_running = 0;
}
