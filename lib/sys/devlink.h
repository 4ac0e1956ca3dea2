/* SPDX-License-Identifier: MIT */
/*
 * One question to devlink about the rate of a port function or a node, and its
 * answer, without blocking: the kernel keeps the device's lock while it makes VFs. See
 * netlink_ask.h. The number that the kernel gave devlink's family is asked for first.
 */
#ifndef VIO_SYS_DEVLINK_H
#define VIO_SYS_DEVLINK_H

#include "sys/netlink_ask.h"

#define VIO_DEVLINK_BUS_BYTES  32u
#define VIO_DEVLINK_NAME_BYTES 64u

/* Fields of a rate. */
#define VIO_DEVLINK_SHARE  (1u << 0)
#define VIO_DEVLINK_MAX    (1u << 1)
#define VIO_DEVLINK_WEIGHT (1u << 2)
#define VIO_DEVLINK_PARENT (1u << 3)

/* Names end with a NUL. */
struct vio_devlink_target {
	char bus[VIO_DEVLINK_BUS_BYTES];
	char device[VIO_DEVLINK_NAME_BYTES];
	char node[VIO_DEVLINK_NAME_BYTES]; /* "": the port */
	uint32_t port;
};

struct vio_devlink_rate {
	uint32_t fields;
	uint32_t weight;
	uint64_t share_bytes_per_sec;        /* 0: none */
	uint64_t max_bytes_per_sec;          /* 0: none */
	char parent[VIO_DEVLINK_NAME_BYTES]; /* "": none */
};

/* The owner's memory until done. */
struct vio_devlink_call {
	const struct vio_env *env;
	struct vio_async *async;
	struct vio_devlink_target target;
	struct vio_devlink_rate rate;
	uint32_t family; /* 0: not known yet; kept for the next call */
	/*
	 * In dispatch, exactly once. 0, or what the kernel answered; -EOPNOTSUPP: it
	 * has no devlink, or the driver lacks a field: none is set then; -ENODEV: no
	 * such device, port or node; others as vio_netlink_ask.done.
	 */
	void (*done)(struct vio_devlink_call *call, int result);

	/* devlink.c's. */
	struct vio_netlink_ask ask;
	uint32_t command;
};

/*
 * All: as vio_netlink_ask(). A read fills call->rate, whose fields say what the kernel
 * knows. The other take what fields say to set; a node is made with them.
 */
int vio_devlink_read_rate(struct vio_devlink_call *call);
int vio_devlink_set_rate(struct vio_devlink_call *call);
int vio_devlink_add_node(struct vio_devlink_call *call);
int vio_devlink_remove_node(struct vio_devlink_call *call);

#endif /* VIO_SYS_DEVLINK_H */
