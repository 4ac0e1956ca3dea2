/* SPDX-License-Identifier: MIT */
/*
 * Requests become io_uring operations on the image. What the kernel does in part
 * is gone on with; what a file system cannot do is tried another way, down to
 * writing zeroes.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "disk.h"
#include "say.h"

static int read_size(struct disk *disk, uint64_t *out_bytes)
{
	struct stat st;

	if (fstat(disk->fd, &st) < 0)
		return -errno;
	if (S_ISBLK(st.st_mode))
		return ioctl(disk->fd, BLKGETSIZE64, out_bytes) < 0 ? -errno : 0;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*out_bytes = (uint64_t)st.st_size;
	return 0;
}

static int check_image(struct disk *disk)
{
	uint64_t n_bytes;
	int ret;

	if (flock(disk->fd, (disk->is_read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) < 0)
		return complain("%s: in use by another program, stop that one first",
				disk->path);
	ret = read_size(disk, &n_bytes);
	if (ret == -EINVAL)
		return complain("%s: neither a file nor a block device", disk->path);
	if (ret < 0)
		return complain("%s: cannot tell its size: %s", disk->path,
				strerror(-ret));
	if (n_bytes < SECTOR_BYTES)
		return complain("%s: empty, make it larger with truncate -s",
				disk->path);
	disk->n_sectors = n_bytes / SECTOR_BYTES;
	return 0;
}

static int make_zeros(struct disk *disk)
{
	void *zeros = calloc(1, ZERO_BYTES);

	if (!zeros)
		return complain("no memory for %u bytes", ZERO_BYTES);
	for (uint32_t i = 0; i < ZERO_IOV; i++)
		disk->zeros[i] =
			(struct iovec){ .iov_base = zeros, .iov_len = ZERO_BYTES };
	return 0;
}

int disk_open(struct disk *disk, const char *path, int is_read_only, const char *serial)
{
	*disk = (struct disk){ .path = path, .is_read_only = is_read_only };
	memcpy(disk->serial, serial, strnlen(serial, sizeof(disk->serial)));
	disk->fd = open(path, (is_read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC);
	if (disk->fd < 0)
		return complain("%s: %s%s", path, strerror(errno),
				errno == EACCES ? ", perhaps --read-only helps" : "");
	if (check_image(disk) == 0 && make_zeros(disk) == 0)
		return 0;
	close(disk->fd);
	return -1;
}

void disk_close(struct disk *disk)
{
	free(disk->zeros[0].iov_base);
	close(disk->fd);
}

/* Whole buffers from the front, as far as there are and as the request needs. */
static void prepare_zeros(const struct disk *disk, struct io_uring_sqe *sqe,
			  struct request *request)
{
	uint64_t n = request->left_bytes / ZERO_BYTES;

	if (n) {
		io_uring_prep_writev(sqe, disk->fd, disk->zeros,
				     n < ZERO_IOV ? (unsigned int)n : ZERO_IOV,
				     request->offset_bytes);
		return;
	}
	io_uring_prep_write(sqe, disk->fd, disk->zeros[0].iov_base,
			    (unsigned int)request->left_bytes, request->offset_bytes);
}

/*
 * The kernel copies what is in its cache at once. Of a large request it is given a part
 * at a time, so that what is behind it, of this guest or another, has its turn.
 */
static const struct iovec *take_part(struct request *request, unsigned int *out_n)
{
	uint64_t room = PART_BYTES;
	unsigned int n = 0;

	while (n < request->n_data && request->data[n].iov_len <= room)
		room -= request->data[n++].iov_len;
	*out_n = n ? n : 1;
	if (n)
		return request->data;
	request->part = (struct iovec){ request->data->iov_base, PART_BYTES };
	return &request->part;
}

static const int fallocate_modes[] = {
	[REQUEST_DISCARD] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
	[REQUEST_ZERO] = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE,
	[REQUEST_ZERO_UNMAP] = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
};

/* Relaxed: see features_set() in device.c. */
static int write_flags(const struct disk *disk)
{
	return __atomic_load_n(&disk->is_write_through, __ATOMIC_RELAXED) ? RWF_DSYNC
									  : 0;
}

int disk_prepare(const struct disk *disk, struct io_uring *ring,
		 struct request *request)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(ring);
	const struct iovec *data;
	unsigned int n;

	if (!sqe)
		return -1;
	switch (request->kind) {
	case REQUEST_READ:
		data = take_part(request, &n);
		io_uring_prep_readv(sqe, disk->fd, data, n, request->offset_bytes);
		break;
	case REQUEST_WRITE:
		data = take_part(request, &n);
		io_uring_prep_writev2(sqe, disk->fd, data, n, request->offset_bytes,
				      write_flags(disk));
		break;
	case REQUEST_WRITE_ZEROS:
		prepare_zeros(disk, sqe, request);
		break;
	case REQUEST_DISCARD:
	case REQUEST_ZERO:
	case REQUEST_ZERO_UNMAP:
		io_uring_prep_fallocate(sqe, disk->fd, fallocate_modes[request->kind],
					(off_t)request->offset_bytes,
					(off_t)request->left_bytes);
		break;
	default:
		io_uring_prep_fsync(sqe, disk->fd, IORING_FSYNC_DATASYNC);
	}
	io_uring_sqe_set_data(sqe, request);
	return 0;
}

static int end(struct request *request, uint8_t status)
{
	request->status = status;
	return 0;
}

/* From punching a hole to zeroing a range to writing, which costs bytes after all. */
static int try_otherwise(struct request *request)
{
	if (request->kind == REQUEST_ZERO) {
		request->kind = REQUEST_WRITE_ZEROS;
		request->bill.owed_bytes = request->left_bytes;
	} else {
		request->kind = REQUEST_ZERO;
	}
	return 1;
}

static int complete_whole(struct request *request, int result)
{
	if (result == -EOPNOTSUPP && request->kind != REQUEST_FLUSH)
		return try_otherwise(request);
	return end(request, result < 0 ? VIRTIO_BLK_S_IOERR : VIRTIO_BLK_S_OK);
}

int disk_complete(struct request *request, int result)
{
	if (result == -EINTR || result == -EAGAIN)
		return 1;
	switch (request->kind) {
	case REQUEST_READ:
	case REQUEST_WRITE:
	case REQUEST_WRITE_ZEROS:
		break;
	default:
		return complete_whole(request, result);
	}
	/* 0 is the end of an image that somebody has made shorter. */
	if (result <= 0)
		return end(request, VIRTIO_BLK_S_IOERR);
	request_advance(request, (uint64_t)result);
	return request->left_bytes ? 1 : end(request, VIRTIO_BLK_S_OK);
}
