/* SPDX-License-Identifier: MIT */
/*
 * Parsing and answering. Nothing here trusts a number of the guest's: lengths are
 * those of the chain, which the queue has checked, and sectors are compared with
 * the disk's size before they become an offset.
 */
#include <endian.h>
#include <string.h>

#include <linux/virtio_blk.h>

#include "disk.h"
#include "request.h"

#define HEADER_BYTES sizeof(struct virtio_blk_outhdr)
#define STATUS_BYTES 1u

/* Copies the bytes from @skip on; less than @n if there are no more. */
static size_t
iov_read(const struct iovec *iov, uint32_t n_iov, uint64_t skip, void *out, size_t n)
{
	size_t done = 0;

	for (uint32_t i = 0; i < n_iov && done < n; i++) {
		size_t part;

		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - (size_t)skip;
		part = part < n - done ? part : n - done;
		memcpy((char *)out + done, (char *)iov[i].iov_base + skip, part);
		done += part;
		skip = 0;
	}
	return done;
}

/* The @n bytes from @skip on as iovecs of their own; returns how many. */
static uint32_t iov_slice(const struct iovec *iov, uint32_t n_iov, uint64_t skip,
			  uint64_t n, struct iovec *out)
{
	uint32_t filled = 0;

	for (uint32_t i = 0; i < n_iov && n; i++) {
		uint64_t part;

		if (skip >= iov[i].iov_len) {
			skip -= iov[i].iov_len;
			continue;
		}
		part = iov[i].iov_len - skip;
		part = part < n ? part : n;
		out[filled].iov_base = (char *)iov[i].iov_base + skip;
		out[filled++].iov_len = (size_t)part;
		n -= part;
		skip = 0;
	}
	return filled;
}

static const struct iovec *in_iov(const struct vio_chain *chain)
{
	return chain->iov + chain->n_out;
}

/* Data for the guest: all that it lets us write but the last byte. */
static uint64_t in_data_bytes(const struct vio_chain *chain)
{
	return chain->in_bytes - STATUS_BYTES;
}

static void answer(struct request *request, uint8_t status)
{
	request->kind = REQUEST_ANSWERED;
	request->status = status;
}

/* Whole sectors within the disk? The subtraction cannot wrap where the sum could. */
static int is_on_disk(const struct disk *disk, uint64_t sector, uint64_t n_bytes)
{
	return n_bytes % SECTOR_BYTES == 0 && sector <= disk->n_sectors &&
	       n_bytes / SECTOR_BYTES <= disk->n_sectors - sector;
}

static void move_data(struct request *request, enum request_kind kind, uint64_t sector,
		      uint64_t n_bytes)
{
	if (!n_bytes) {
		answer(request, VIRTIO_BLK_S_OK);
		return;
	}
	request->kind = kind;
	request->offset_bytes = sector * SECTOR_BYTES;
	request->left_bytes = n_bytes;
	request->bill.owed_bytes = n_bytes;
	request->bill.owed_ops = 1;
}

static void
parse_read(struct request *request, const struct disk *disk, uint64_t sector)
{
	const struct vio_chain *chain = &request->chain;
	uint64_t n_bytes = in_data_bytes(chain);

	if (!is_on_disk(disk, sector, n_bytes))
		return;
	request->n_data =
		iov_slice(in_iov(chain), chain->n_in, 0, n_bytes, request->data);
	move_data(request, REQUEST_READ, sector, n_bytes);
}

static void
parse_write(struct request *request, const struct disk *disk, uint64_t sector)
{
	const struct vio_chain *chain = &request->chain;
	uint64_t n_bytes = chain->out_bytes - HEADER_BYTES;

	if (disk->is_read_only || !is_on_disk(disk, sector, n_bytes))
		return;
	request->n_data = iov_slice(chain->iov, chain->n_out, HEADER_BYTES, n_bytes,
				    request->data);
	move_data(request, REQUEST_WRITE, sector, n_bytes);
}

static void
parse_flush(struct request *request, const struct disk *disk, uint64_t sector)
{
	(void)disk;
	(void)sector;
	request->kind = REQUEST_FLUSH;
}

/* One range, as max_discard_seg and max_write_zeroes_seg say; 0 or -1. */
static int read_range(const struct request *request, const struct disk *disk,
		      struct virtio_blk_discard_write_zeroes *range)
{
	const struct vio_chain *chain = &request->chain;

	if (disk->is_read_only || chain->out_bytes != HEADER_BYTES + sizeof(*range))
		return -1;
	iov_read(chain->iov, chain->n_out, HEADER_BYTES, range, sizeof(*range));
	range->sector = le64toh(range->sector);
	range->num_sectors = le32toh(range->num_sectors);
	range->flags = le32toh(range->flags);
	if (range->num_sectors > ZERO_SECTORS_MAX)
		return -1;
	return is_on_disk(disk, range->sector,
			  (uint64_t)range->num_sectors * SECTOR_BYTES)
		       ? 0
		       : -1;
}

/* Ranges cost the limit an operation and no bytes: none are moved. */
static void parse_range(struct request *request, const struct disk *disk,
			uint32_t known_flags, const enum request_kind kinds[2])
{
	struct virtio_blk_discard_write_zeroes range;

	if (read_range(request, disk, &range))
		return;
	if (range.flags & ~known_flags) {
		answer(request, VIRTIO_BLK_S_UNSUPP);
		return;
	}
	move_data(request, kinds[range.flags], range.sector,
		  (uint64_t)range.num_sectors * SECTOR_BYTES);
	request->bill.owed_bytes = 0;
}

static void
parse_discard(struct request *request, const struct disk *disk, uint64_t sector)
{
	static const enum request_kind kinds[] = { REQUEST_DISCARD, REQUEST_DISCARD };

	(void)sector;
	parse_range(request, disk, 0, kinds);
}

static void
parse_write_zeroes(struct request *request, const struct disk *disk, uint64_t sector)
{
	static const enum request_kind kinds[] = { REQUEST_ZERO, REQUEST_ZERO_UNMAP };

	(void)sector;
	parse_range(request, disk, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP, kinds);
}

static void
parse_get_id(struct request *request, const struct disk *disk, uint64_t sector)
{
	const struct vio_chain *chain = &request->chain;
	const char *from = disk->serial;
	uint64_t n_bytes = in_data_bytes(chain);
	uint32_t n;

	(void)sector;
	n_bytes = n_bytes < VIRTIO_BLK_ID_BYTES ? n_bytes : VIRTIO_BLK_ID_BYTES;
	n = iov_slice(in_iov(chain), chain->n_in, 0, n_bytes, request->data);
	for (uint32_t i = 0; i < n; from += request->data[i++].iov_len)
		memcpy(request->data[i].iov_base, from, request->data[i].iov_len);
	request->filled_bytes = n_bytes;
	answer(request, VIRTIO_BLK_S_OK);
}

static const struct {
	uint32_t type;
	void (*parse)(struct request *request, const struct disk *disk,
		      uint64_t sector);
} types[] = {
	{ VIRTIO_BLK_T_IN, parse_read },
	{ VIRTIO_BLK_T_OUT, parse_write },
	{ VIRTIO_BLK_T_FLUSH, parse_flush },
	{ VIRTIO_BLK_T_GET_ID, parse_get_id },
	{ VIRTIO_BLK_T_DISCARD, parse_discard },
	{ VIRTIO_BLK_T_WRITE_ZEROES, parse_write_zeroes },
};

static void parse_type(struct request *request, const struct disk *disk, uint32_t type,
		       uint64_t sector)
{
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (types[i].type == type) {
			types[i].parse(request, disk, sector);
			return;
		}
	}
	answer(request, VIRTIO_BLK_S_UNSUPP);
}

void request_parse(struct request *request, const struct disk *disk)
{
	const struct vio_chain *chain = &request->chain;
	struct virtio_blk_outhdr header;

	request->next = NULL;
	request->data = request->own_iov;
	request->n_data = 0;
	request->left_bytes = request->filled_bytes = 0;
	request->bill = (struct bill){ 0 };
	/* What a parser refuses by returning stays so. */
	answer(request, VIRTIO_BLK_S_IOERR);

	/* No room for a status: whoever cannot hear the answer gets no service. */
	if (!chain->in_bytes)
		return;
	if (iov_read(chain->iov, chain->n_out, 0, &header, HEADER_BYTES) < HEADER_BYTES)
		return;
	parse_type(request, disk, le32toh(header.type), le64toh(header.sector));
}

void request_advance(struct request *request, uint64_t done_bytes)
{
	request->offset_bytes += done_bytes;
	request->left_bytes -= done_bytes;
	if (request->kind == REQUEST_READ)
		request->filled_bytes += done_bytes;
	while (request->n_data && done_bytes >= request->data->iov_len) {
		done_bytes -= request->data->iov_len;
		request->data++;
		request->n_data--;
	}
	if (request->n_data && done_bytes) {
		request->data->iov_base = (char *)request->data->iov_base + done_bytes;
		request->data->iov_len -= done_bytes;
	}
}

static void zero(struct request *request, uint64_t n_bytes)
{
	const struct vio_chain *chain = &request->chain;
	uint32_t n = iov_slice(in_iov(chain), chain->n_in, request->filled_bytes,
			       n_bytes, request->own_iov);

	for (uint32_t i = 0; i < n; i++)
		memset(request->own_iov[i].iov_base, 0, request->own_iov[i].iov_len);
}

/*
 * The status is the last byte, and the used length counts from the first, so all
 * in between is claimed as written (virtio 1.2, 2.7.8): what was not, such as the
 * rest of a read that failed, is zeroed. Of a chain that is refused this could be
 * 4 GiB in a few pages, which nobody pays for: then no more is claimed than was
 * written, and the driver may not believe what is behind.
 */
uint64_t request_finish(struct request *request)
{
	struct vio_chain *chain = &request->chain;
	const struct iovec *last;
	uint64_t rest, written;

	chain->written_bytes = 0;
	if (!chain->in_bytes)
		return 0;
	rest = in_data_bytes(chain) - request->filled_bytes;
	written = rest > ZEROED_MAX ? request->filled_bytes : chain->in_bytes;
	rest = rest > ZEROED_MAX ? 0 : rest;
	zero(request, rest);
	last = &in_iov(chain)[chain->n_in - 1];
	((uint8_t *)last->iov_base)[last->iov_len - 1] = request->status;
	/* A chain may have 4 GiB, one more than the used length can say. */
	chain->written_bytes = written < UINT32_MAX ? (uint32_t)written : UINT32_MAX;
	return rest;
}
