/* SPDX-License-Identifier: MIT */
/*
 * The inside of a limit: its curves, its configuration and the time it has
 * seen. Configuring is behind a lock; refilling takes none. A lock would cost no
 * more, but whoever is preempted holding it stops every queue of the tenant. A
 * refill reads a consistent copy of the configuration out of two slots, of which
 * the one not in use is overwritten, so that configuring holds nobody up either.
 */
#ifndef VIO_LIMIT_NODE_H
#define VIO_LIMIT_NODE_H

#ifndef VIO_ENABLE_UNSTABLE
#define VIO_ENABLE_UNSTABLE 1
#endif

#include <pthread.h>
#include <stdint.h>

#include <vio/unstable/limit.h>

#include "core/env.h"
#include "limit/curve.h"

enum {
	VIO_NODE_BYTES,
	VIO_NODE_OPS,
	VIO_NODE_N_CURVES,
};

/* Bytes and operations, by the names above. */
struct vio_units {
	uint64_t n[VIO_NODE_N_CURVES];
};

/* Words only: node.c copies it word by word. */
struct vio_node_config {
	uint64_t epoch_ns;
	uint64_t step_ns; /* furthest that time goes on at once */
	struct vio_curve_config curve[VIO_NODE_N_CURVES];
};

struct vio_limit {
	const struct vio_env *env;
	pthread_mutex_t lock; /* held to configure */
	uint64_t generation;  /* atomic; its lowest bit is the slot in use */
	struct vio_node_config slots[2];

	/* One cache line for what refills write, apart from what they only read. */
	_Alignas(64) uint64_t last_ns; /* atomic: the latest time seen */
	struct vio_curve curve[VIO_NODE_N_CURVES];
	uint64_t n_refused; /* atomic, relaxed: a statistic, orders nothing */
	uint64_t n_leases;  /* atomic, see vio_lease_detach() */
};

/* @limit is zeroed and not shared yet. The curves' base is theirs to fill. */
void vio_node_prepare(struct vio_limit *limit, const struct vio_node_config *config,
		      uint64_t now_ns);

/* Of @config only rate, burst and quantum count; credit and debt stay. */
void vio_node_configure(struct vio_limit *limit, struct vio_node_config *config,
			uint64_t now_ns);

/*
 * Takes @need of what a request for @want lacks, and as much of the quantum as
 * is there. Returns 0, -EMSGSIZE, or -EAGAIN with @out_retry_at_ns.
 */
int vio_node_take(struct vio_limit *limit, uint64_t now_ns,
		  const struct vio_units *want, const struct vio_units *need,
		  struct vio_units *out, uint64_t *out_retry_at_ns);

/* Gives back what was taken and not used; more than the burst is lost. */
void vio_node_refund(struct vio_limit *limit, const struct vio_units *units);

#endif /* VIO_LIMIT_NODE_H */
