/* SPDX-License-Identifier: MIT */
/*
 * The limit of the device: one vio_limit for all workers, a lease for each. What
 * the numbers beside the rates are, and why, is in throttle.c.
 */
#ifndef VIO_BLK_THROTTLE_H
#define VIO_BLK_THROTTLE_H

#include <stdint.h>

#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/limit.h>

#include "request.h"

struct throttle {
	struct vio_limit *limit;
	uint64_t bytes_per_sec; /* 0: unlimited, here and below */
	uint64_t ops_per_sec;
	uint64_t slice_bytes; /* atomic: most to be asked for at a time */
};

/* "bytes=50M,ops=1000" into the rates that it names; -1: @out_why says why not. */
int throttle_parse(const char *text, uint64_t *bytes_per_sec, uint64_t *ops_per_sec,
		   const char **out_why);

int throttle_create(struct throttle *throttle, struct vio_ctx *ctx,
		    uint64_t bytes_per_sec, uint64_t ops_per_sec);
void throttle_destroy(struct throttle *throttle);

/* While workers pay; wake those that wait after it. */
int throttle_configure(struct throttle *throttle, uint64_t bytes_per_sec,
		       uint64_t ops_per_sec);

static inline int bill_is_open(const struct bill *bill)
{
	return bill->owed_bytes || bill->owed_ops;
}

/* 0: nothing is owed any more; -EAGAIN: ask again at *out_retry_at_ns. */
int throttle_pay(struct throttle *throttle, struct vio_lease *lease, struct bill *bill,
		 uint64_t *out_retry_at_ns);

/* What was paid for a request that will not be carried out. */
void throttle_refund(struct vio_lease *lease, struct bill *bill);

#endif /* VIO_BLK_THROTTLE_H */
