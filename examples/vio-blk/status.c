/* SPDX-License-Identifier: MIT */
/*
 * The status line, from the meters of the tenant: what was done since the last
 * tick, divided by the time it really took.
 */
#include <stdio.h>
#include <sys/epoll.h>
#include <time.h>

#include "blk.h"
#include "say.h"

#define AMOUNT_BYTES 32

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

static void print_limit(const struct throttle *throttle, char *out, size_t out_bytes)
{
	char bytes[AMOUNT_BYTES] = "any MB/s", ops[AMOUNT_BYTES] = "any IOPS";

	if (throttle->bytes_per_sec)
		print_amount(bytes, sizeof(bytes), (double)throttle->bytes_per_sec,
			     "B/s");
	if (throttle->ops_per_sec)
		print_amount(ops, sizeof(ops), (double)throttle->ops_per_sec, " IOPS");
	snprintf(out, out_bytes, "%s %s", bytes, ops);
}

void status_tick(struct blk *blk)
{
	char bytes[AMOUNT_BYTES], ops[AMOUNT_BYTES], limit[2 * AMOUNT_BYTES], line[256];
	struct vio_meters now = VIO_METERS_INIT;
	uint64_t at_ns = now_ns();
	double seconds = (double)(at_ns - blk->status.at_ns) / 1e9;

	if (vio_dom_read_meters(blk->dom, &now) < 0)
		return;
	print_amount(bytes, sizeof(bytes),
		     (double)(now.bytes - blk->status.meters.bytes) / seconds, "B/s");
	print_amount(ops, sizeof(ops),
		     (double)(now.ops - blk->status.meters.ops) / seconds, " IOPS");
	print_limit(&blk->throttle, limit, sizeof(limit));
	snprintf(line, sizeof(line), "%s, %u of %u queues | %s %s | limit %s",
		 blk->backend ? "connected" : "waiting", blk->n_running, blk->n_workers,
		 bytes, ops, limit);
	blk->status.at_ns = at_ns;
	blk->status.meters = now;
	status_show(line);
}
