/* SPDX-License-Identifier: MIT */
/*
 * Requests wait before they start, so that the disk is not kept busy with what the
 * guest may not have yet. The rate is exact as long as credit is not lost, and it
 * is lost only while more than a burst has been saved up: the burst covers the time
 * by which a timer, a thread or the guest may be late, and no slice asks for more
 * than half of it, so that the other half goes on filling meanwhile.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "say.h"
#include "throttle.h"

/* A burst is a tenth of a second's worth: a guest of a loaded host is rarely later. */
#define BURSTS_PER_SEC 10u
/* Requests are seldom larger than 1 MiB, and go in one slice of half a burst. */
#define BURST_BYTES_MIN (UINT64_C(2) << 20)
#define BURST_OPS_MIN   4u
/* The lease is to be topped up anyway; asking sooner would only spin. */
#define ASK_AGAIN_NS 1000000u

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * UINT64_C(1000000000) + (uint64_t)now.tv_nsec;
}

/* A number with an optional K, M or G; returns where it ends, NULL: not one. */
static const char *parse_rate(const char *text, uint64_t *out)
{
	static const struct {
		char letter;
		uint64_t factor;
	} units[] = { { 'K', 1000 }, { 'M', 1000000 }, { 'G', 1000000000 } };
	char *end;
	uint64_t value, factor = 1;

	if (*text < '0' || *text > '9')
		return NULL;
	errno = 0;
	value = strtoull(text, &end, 10);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
		if (*end == units[i].letter)
			factor = units[i].factor;
	if (factor > 1)
		end++;
	if (errno || value > VIO_LIMIT_RATE_MAX / factor)
		return NULL;
	*out = value * factor;
	return end;
}

int throttle_parse(const char *text, uint64_t *bytes_per_sec, uint64_t *ops_per_sec,
		   const char **out_why)
{
	uint64_t bytes = *bytes_per_sec, ops = *ops_per_sec;

	do {
		uint64_t *rate = !strncmp(text, "bytes=", 6) ? &bytes
				 : !strncmp(text, "ops=", 4) ? &ops
							     : NULL;

		*out_why = "write bytes=RATE,ops=RATE, or one of them";
		if (!rate)
			return -1;
		*out_why = "a rate is a number up to 1000G with K, M or G; 0: none";
		text = parse_rate(strchr(text, '=') + 1, rate);
		if (!text || (*text && *text != ','))
			return -1;
	} while (*text++);
	*bytes_per_sec = bytes;
	*ops_per_sec = ops;
	return 0;
}

static struct vio_limit_params params_of(uint64_t bytes_per_sec, uint64_t ops_per_sec)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = bytes_per_sec;
	params.ops_per_sec = ops_per_sec;
	if (bytes_per_sec) {
		params.burst_bytes = bytes_per_sec / BURSTS_PER_SEC;
		if (params.burst_bytes < BURST_BYTES_MIN)
			params.burst_bytes = BURST_BYTES_MIN;
	}
	if (ops_per_sec) {
		params.burst_ops = ops_per_sec / BURSTS_PER_SEC;
		if (params.burst_ops < BURST_OPS_MIN)
			params.burst_ops = BURST_OPS_MIN;
	}
	return params;
}

static uint64_t slice_of(const struct vio_limit_params *params)
{
	return params->bytes_per_sec ? params->burst_bytes / 2 : UINT64_MAX;
}

int throttle_create(struct throttle *throttle, struct vio_ctx *ctx,
		    uint64_t bytes_per_sec, uint64_t ops_per_sec)
{
	struct vio_limit_params params = params_of(bytes_per_sec, ops_per_sec);
	struct vio_error err = VIO_ERROR_INIT;

	if (vio_limit_create(ctx, &params, now_ns(), &throttle->limit, &err) < 0)
		return complain("limit: %s", err.text);
	throttle->bytes_per_sec = bytes_per_sec;
	throttle->ops_per_sec = ops_per_sec;
	throttle->slice_bytes = slice_of(&params);
	return 0;
}

void throttle_destroy(struct throttle *throttle)
{
	vio_limit_destroy(throttle->limit);
}

/*
 * Relaxed: a slice is only a size to ask for. A worker that still uses the old one
 * is refused at worst, and asks again.
 */
int throttle_configure(struct throttle *throttle, uint64_t bytes_per_sec,
		       uint64_t ops_per_sec)
{
	struct vio_limit_params params = params_of(bytes_per_sec, ops_per_sec);
	struct vio_error err = VIO_ERROR_INIT;

	if (vio_limit_configure(throttle->limit, &params, now_ns(), &err) < 0)
		return complain("limit: %s", err.text);
	__atomic_store_n(&throttle->slice_bytes, slice_of(&params), __ATOMIC_RELAXED);
	throttle->bytes_per_sec = bytes_per_sec;
	throttle->ops_per_sec = ops_per_sec;
	return 0;
}

/* The limit has become too small for the slice meanwhile: the next one fits. */
static int refused(int ret, uint64_t asked_at_ns, uint64_t *out_retry_at_ns)
{
	if (ret != -EAGAIN)
		*out_retry_at_ns = asked_at_ns + ASK_AGAIN_NS;
	return -EAGAIN;
}

int throttle_pay(struct throttle *throttle, struct vio_lease *lease, struct bill *bill,
		 uint64_t *out_retry_at_ns)
{
	while (bill_is_open(bill)) {
		uint64_t slice =
			__atomic_load_n(&throttle->slice_bytes, __ATOMIC_RELAXED);
		uint64_t bytes = bill->owed_bytes < slice ? bill->owed_bytes : slice;
		uint64_t ops = bill->owed_ops;

		if (vio_lease_take(lease, bytes, ops) < 0) {
			uint64_t now = now_ns();
			int ret = vio_lease_refill(lease, now, bytes, ops,
						   out_retry_at_ns);

			if (ret < 0)
				return refused(ret, now, out_retry_at_ns);
			continue;
		}
		bill->owed_bytes -= bytes;
		bill->owed_ops -= ops;
		bill->paid_bytes += bytes;
		bill->paid_ops += ops;
	}
	return 0;
}

void throttle_refund(struct vio_lease *lease, struct bill *bill)
{
	vio_lease_refund(lease, bill->paid_bytes, bill->paid_ops);
	bill->paid_bytes = bill->paid_ops = 0;
}
