/* SPDX-License-Identifier: MIT */
/*
 * What a lease does when it cannot simply be spent from: it goes to its limit
 * for more. A lease is one thread's, so nothing in it is atomic.
 */
#include <errno.h>

#include "core/bits.h"
#include "limit/node.h"

static uint64_t add_saturated(uint64_t a, uint64_t b)
{
	uint64_t sum;

	return vio_add_u64(a, b, &sum) ? sum : UINT64_MAX;
}

static uint64_t find_shortage(uint64_t have, uint64_t want)
{
	return have < want ? want - have : 0;
}

int vio_lease_take_call(struct vio_lease *lease, uint64_t bytes, uint64_t ops)
{
	if (lease->layout != VIO_LEASE_LAYOUT)
		return -EAGAIN;
	if (lease->bytes < bytes || lease->ops < ops)
		return -EAGAIN;
	lease->bytes -= bytes;
	lease->ops -= ops;
	return 0;
}

int vio_lease_refill(struct vio_lease *lease, uint64_t now_ns, uint64_t bytes,
		     uint64_t ops, uint64_t *out_retry_at_ns)
{
	const struct vio_units want = { { bytes, ops } };
	struct vio_units need, taken;
	int ret;

	if (lease->layout != VIO_LEASE_LAYOUT)
		return -EINVAL;
	need.n[VIO_NODE_BYTES] = find_shortage(lease->bytes, bytes);
	need.n[VIO_NODE_OPS] = find_shortage(lease->ops, ops);

	ret = vio_node_take(lease->limit, now_ns, &want, &need, &taken,
			    out_retry_at_ns);
	if (ret < 0)
		return ret;
	lease->bytes = add_saturated(lease->bytes, taken.n[VIO_NODE_BYTES]);
	lease->ops = add_saturated(lease->ops, taken.n[VIO_NODE_OPS]);
	return 0;
}

void vio_lease_refund(struct vio_lease *lease, uint64_t bytes, uint64_t ops)
{
	if (lease->layout != VIO_LEASE_LAYOUT)
		return;
	lease->bytes = add_saturated(lease->bytes, bytes);
	lease->ops = add_saturated(lease->ops, ops);
}
