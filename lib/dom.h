/* SPDX-License-Identifier: MIT */
/* What a tenant is made of, for dom.c and for those who show it. */
#ifndef VIO_LIB_DOM_H
#define VIO_LIB_DOM_H

#include <pthread.h>
#include <stdbool.h>

#include <vio/dom.h>

#include "core/env.h"
#include "core/member.h"

#define VIO_DOM_NAME_BYTES 64 /* the public header's 63 and the terminator */

struct vio_dom {
	const struct vio_env *env;
	pthread_mutex_t lock;
	struct vio_list members;
	uint32_t n_members;
	struct vio_meter left; /* counted by members that have left */
	uint64_t service_ns;   /* atomic */
	bool is_stepping;      /* these two are the dispatching thread's alone */
	bool is_visiting;      /* a marker is in the list */
	char name[VIO_DOM_NAME_BYTES];
};

static inline struct vio_member *vio_dom_member_at(struct vio_list *node)
{
	return VIO_CONTAINER_OF(node, struct vio_member, node);
}

/* All that was counted, by members past and present. Any thread. */
struct vio_meter vio_dom_sum(struct vio_dom *dom);

#endif /* VIO_LIB_DOM_H */
