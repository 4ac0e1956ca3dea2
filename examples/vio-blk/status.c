/* SPDX-License-Identifier: MIT */
/*
 * The status line, from the meters of the tenant: what was done since the last
 * tick, divided by the time it really took.
 */
#include <stdio.h>
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

/* "49.9 MB/s" in powers of 1000, as disks and limits are counted. */
static void print_bytes(char *out, size_t out_bytes, double per_sec)
{
	static const char *const units[] = { "B/s", "kB/s", "MB/s", "GB/s", "TB/s" };
	unsigned int i = 0;

	for (; per_sec >= 999.95 && i < 4; i++)
		per_sec /= 1000;
	snprintf(out, out_bytes, "%.*f %s", i ? 1 : 0, per_sec, units[i]);
}

static void print_limit(const struct throttle *throttle, char *out, size_t out_bytes)
{
	char bytes[AMOUNT_BYTES] = "", ops[AMOUNT_BYTES] = "";

	if (throttle->bytes_per_sec)
		print_bytes(bytes, sizeof(bytes), (double)throttle->bytes_per_sec);
	if (throttle->ops_per_sec)
		snprintf(ops, sizeof(ops), "%llu IOPS",
			 (unsigned long long)throttle->ops_per_sec);
	snprintf(out, out_bytes, "%s%s%s", bytes, *bytes && *ops ? ", " : "",
		 *bytes || *ops ? ops : "none");
}

/* Over all tenants. */
static void read_meters(const struct blk *blk, struct vio_meters *sum,
			uint32_t *n_connected, uint32_t *n_running)
{
	for (uint32_t i = 0; i < blk->n_tenants; i++) {
		const struct tenant *tenant = &blk->tenants[i];
		struct vio_meters meters = VIO_METERS_INIT;

		if (vio_dom_read_meters(tenant->dom, &meters) < 0)
			continue;
		sum->bytes += meters.bytes;
		sum->ops += meters.ops;
		*n_connected += tenant->backend != NULL;
		*n_running += tenant->n_running;
	}
}

void status_tick(struct blk *blk)
{
	char bytes[AMOUNT_BYTES], limit[2 * AMOUNT_BYTES], line[256];
	uint32_t n_connected = 0, n_running = 0;
	struct vio_meters now = VIO_METERS_INIT;
	uint64_t at_ns = now_ns();
	double seconds = (double)(at_ns - blk->status.at_ns) / 1e9;

	read_meters(blk, &now, &n_connected, &n_running);
	print_bytes(bytes, sizeof(bytes),
		    (double)(now.bytes - blk->status.meters.bytes) / seconds);
	print_limit(&blk->throttle, limit, sizeof(limit));
	snprintf(line, sizeof(line), "%s, %u of %u queues | %s, %.0f IOPS | limit %s",
		 n_connected ? "connected" : "waiting", n_running,
		 blk->n_tenants * blk->options.n_queues, bytes,
		 (double)(now.ops - blk->status.meters.ops) / seconds, limit);
	blk->status.at_ns = at_ns;
	blk->status.meters = now;
	status_show(line);
}
