/* SPDX-License-Identifier: MIT */
/*
 * Saved states of arbitrary bytes, loaded into a tree of four limits. The first byte
 * says whether the sum is put right, so that what lies behind it is reached. Whatever
 * was loaded, no limit has more than its burst, and a state that is refused changes
 * nothing.
 */
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"
#include "limit/node.h"

#define N_LIMITS   4
#define STATE_MOST 4096u
#define HEAD_BYTES 16u
#define SUM_AT     12u

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static struct vio_limit *add(struct vio_limit *parent, const char *name, uint64_t rate)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;

	params.name = name;
	params.bytes_per_sec = rate;
	params.ops_per_sec = rate / 10;
	if (parent)
		check(!vio_limit_add(parent, &params, 0, &limit, NULL));
	else
		check(!vio_limit_create(NULL, &params, 0, &limit, NULL));
	return limit;
}

static void check_credit(struct vio_limit *limit)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit_stats stats = VIO_LIMIT_STATS_INIT;

	check(!vio_limit_read_params(limit, &params));
	check(!vio_limit_read_stats(limit, &stats));
	check(!params.bytes_per_sec || stats.credit_bytes <= params.burst_bytes);
	check(!params.ops_per_sec || stats.credit_ops <= params.burst_ops);
}

static void load(struct vio_limit *root, const uint8_t *state, size_t n)
{
	uint8_t before[STATE_MOST], after[STATE_MOST];
	size_t n_before, n_after;
	struct vio_error err = VIO_ERROR_INIT;

	check(!vio_limit_save(root, 1, before, sizeof(before), &n_before, NULL));
	if (!vio_limit_load(root, 1, state, n, &err))
		return;
	check(err.code && err.text[0]);
	check(!vio_limit_save(root, 1, after, sizeof(after), &n_after, NULL));
	check(n_before == n_after && !memcmp(before, after, n_after));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vio_limit *limits[N_LIMITS];
	uint8_t state[STATE_MOST];
	size_t n;

	if (!size)
		return 0;
	n = size - 1 < sizeof(state) ? size - 1 : sizeof(state);
	memcpy(state, data + 1, n);
	if (data[0] & 1 && n >= HEAD_BYTES)
		vio_put_number(state + SUM_AT,
			       vio_crc32c(state + HEAD_BYTES, n - HEAD_BYTES), 4);
	limits[0] = add(NULL, "host", data[0] & 2 ? 0 : 1000000);
	limits[1] = add(limits[0], "red", 500000);
	limits[2] = add(limits[1], "disk", 0);
	limits[3] = add(limits[0], "blue", 700000);
	load(limits[0], state, n);
	for (int i = N_LIMITS; i-- > 0;)
		check_credit(limits[i]);
	for (int i = N_LIMITS; i-- > 0;)
		check(!vio_limit_destroy(limits[i]));
	return 0;
}
