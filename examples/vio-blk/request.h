/* SPDX-License-Identifier: MIT */
/*
 * One virtio-blk request (virtio 1.2, 5.2.6): what a chain asks for, once parsed,
 * and how far it has got. Header, data and status may lie in any pieces, so all
 * parsing is by bytes, and the header is copied before it is looked at: the guest
 * may write it at any time.
 */
#ifndef VIO_BLK_REQUEST_H
#define VIO_BLK_REQUEST_H

#include <stdint.h>
#include <sys/uio.h>

#include <vio/vio.h>

#define SECTOR_BYTES 512u

/* Data segments of a request; with header and status as many as QEMU's default
 * queue has descriptors, so that a driver without indirect ones can send it. */
#define SEG_MAX 126u

/* Pieces of a chain: each buffer may straddle two regions of guest memory. */
#define CHAIN_IOV ((SEG_MAX + 2) * 2)

/* Of one discard or write-zeroes request, so that none takes long: 1 GiB. */
#define ZERO_SECTORS_MAX (1u << 21)

/* Zeroed for a request that did not fill what it claims to have: takes 100 us. */
#define ZEROED_MAX (1u << 20)

struct disk;

enum request_kind {
	REQUEST_ANSWERED, /* nothing for the disk to do: status says how it went */
	REQUEST_READ,
	REQUEST_WRITE,
	REQUEST_FLUSH,
	REQUEST_DISCARD,
	REQUEST_ZERO,        /* keep the blocks allocated */
	REQUEST_ZERO_UNMAP,  /* or give them back */
	REQUEST_WRITE_ZEROS, /* where the file system can do neither */
};

/* What the limit is owed before the disk may begin, and what it has got. */
struct bill {
	uint64_t owed_bytes;
	uint64_t owed_ops;
	uint64_t paid_bytes;
	uint64_t paid_ops;
};

struct request {
	struct vio_chain chain;
	struct request *next; /* behind it in the line for the limit */
	enum request_kind kind;
	uint8_t status;        /* VIRTIO_BLK_S_ */
	uint64_t offset_bytes; /* in the image, of what is left */
	uint64_t left_bytes;
	uint64_t filled_bytes; /* of the data for the guest, from its start */
	struct bill bill;
	uint32_t n_data;
	struct iovec *data;          /* what is left, in own_iov */
	struct iovec part;           /* of its first piece, if that is too large */
	struct iovec iov[CHAIN_IOV]; /* the chain's, left as it was popped */
	struct iovec own_iov[CHAIN_IOV];
};

/* Fills the rest of @request from its chain. */
void request_parse(struct request *request, const struct disk *disk);

/* @done_bytes of what is left were moved by the disk. */
void request_advance(struct request *request, uint64_t done_bytes);

/*
 * Writes the status into the guest's memory and the chain's written_bytes; returns how
 * many bytes it had to zero.
 */
uint64_t request_finish(struct request *request);

#endif /* VIO_BLK_REQUEST_H */
