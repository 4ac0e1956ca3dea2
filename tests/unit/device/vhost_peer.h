/* SPDX-License-Identifier: MIT */
/*
 * A front end written by hand, and a device that notes what it is told. Both
 * live on one thread: whenever the front end waits for a reply, the context of
 * the back end is dispatched. The back end's memory, descriptors and mappings
 * are counted, and the stage is not left with any of them.
 */
#ifndef TESTS_UNIT_DEVICE_VHOST_PEER_H
#define TESTS_UNIT_DEVICE_VHOST_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include <vio/backend.h>
#include <vio/driver.h>
#include <vio/mem.h>

#include "device/vhost_proto.h"
#include "fake/fault.h"
#include "fake/support.h"

#define PEER_QUEUES 4u
#define PEER_DESCS  64u

/* Guest memory: two regions of one memfd, as a PC with memory above 4 GiB. */
#define PEER_HALF_BYTES UINT64_C(0x200000)
#define PEER_LOW_GPA    UINT64_C(0)
#define PEER_HIGH_GPA   UINT64_C(0x100000000)
#define PEER_LOW_UVA    UINT64_C(0x7f0000000000)
#define PEER_HIGH_UVA   UINT64_C(0x7f1000000000)

/* Where a queue's parts are in the low half, from RING_OFFSET(index). */
#define RING_OFFSET(index) ((index)*UINT64_C(0x10000))
#define AVAIL_OFFSET       UINT64_C(0x2000)
#define USED_OFFSET        UINT64_C(0x4000)

struct vhost_stage {
	struct vio_fault fault;
	struct vio_ctx *ctx;
	struct vio_backend *backend;
	int fd; /* the front end's end of the socket; -1: closed */
	int memfd;
	uint8_t *ram;
	int kick[PEER_QUEUES];
	int call[PEER_QUEUES];
	int err[PEER_QUEUES];
	struct vio_driver *driver[PEER_QUEUES];
	unsigned int n_fds; /* before the stage was set */
	unsigned int n_maps;

	/* What the device was told, and how it is to behave. */
	struct vio_queue *queue[PEER_QUEUES];
	struct vio_stop *token[PEER_QUEUES]; /* asked and not answered */
	uint32_t stop_flags[PEER_QUEUES];
	bool holds_stops; /* tokens are kept, not answered at once */
	int start_error;
	int config_error;
	uint32_t n_starts;
	uint32_t n_stops;
	uint32_t n_resets;
	uint32_t n_closed;
	int reason;
	uint64_t features;
	uint32_t status;
	uint8_t config[VIO_BACKEND_CONFIG_MAX];
};

extern const struct vio_backend_ops vhost_stage_ops;

/* CMocka fixtures: a stage with a back end of four queues, not spoken to yet. */
int vhost_stage_setup(void **state);
int vhost_stage_teardown(void **state);

/* The same in pieces: everything but the back end, then the back end. */
void vhost_stage_prepare(struct vhost_stage *stage);
int vhost_stage_open(struct vhost_stage *stage, const struct vio_backend_params *params,
		     struct vio_error *err);
void vhost_stage_params(struct vhost_stage *stage, struct vio_backend_params *out,
			int fds[2]);
void vhost_stage_clear(struct vhost_stage *stage);

/* A memfd of @n_bytes with F_SEAL_SHRINK, or without. */
int peer_create_memfd(uint64_t n_bytes, bool is_sealed);

/* Sending never blocks for long: the socket's buffer takes it. */
void peer_send_raw(struct vhost_stage *stage, const void *bytes, size_t n,
		   const int *fds, uint32_t n_fds);
void peer_send(struct vhost_stage *stage, uint32_t request, uint32_t flags,
	       const void *payload, uint32_t size, const int *fds, uint32_t n_fds);
void peer_send_u64(struct vhost_stage *stage, uint32_t request, uint64_t value);
void peer_send_state(struct vhost_stage *stage, uint32_t request, uint32_t index,
		     uint32_t num);
void peer_send_fd(struct vhost_stage *stage, uint32_t request, uint32_t index, int fd);
void peer_send_table(struct vhost_stage *stage, const struct vhost_memory *memory,
		     const int *fds);
void peer_send_addr(struct vhost_stage *stage, uint32_t index, uint32_t flags);

/* The two halves, both of the stage's memfd. */
void peer_fill_table(const struct vhost_stage *stage, struct vhost_memory *out,
		     int fds[VHOST_USER_TABLE_MAX]);

/* Dispatches until a reply to @request is there; returns its payload's size. */
uint32_t peer_receive(struct vhost_stage *stage, uint32_t request, void *payload);
uint64_t peer_ask(struct vhost_stage *stage, uint32_t request);
bool peer_has_reply(struct vhost_stage *stage);

/* Waits until all that was sent has been carried out. */
void peer_sync(struct vhost_stage *stage);

/* Dispatches until the device is told that the connection ended. */
void peer_verify_end(struct vhost_stage *stage, int reason);

/* The handshake in the order of QEMU: up to memory, then one ring each. */
void peer_begin(struct vhost_stage *stage);
void peer_begin_with(struct vhost_stage *stage, uint64_t features, uint64_t protocol);
void peer_describe_ring(struct vhost_stage *stage, uint32_t index);
void peer_start_ring(struct vhost_stage *stage, uint32_t index);
void peer_start_all(struct vhost_stage *stage, uint32_t n);

/* Everything the back end offers to a front end that wants all. */
#define PEER_FEATURES                                                                  \
	(VIO_F_VERSION_1 | VIO_F_INDIRECT_DESC | VHOST_USER_F_PROTOCOL_FEATURES)
#define PEER_PROTOCOL                                                                  \
	(VHOST_USER_PROTOCOL_F_MQ | VHOST_USER_PROTOCOL_F_LOG_SHMFD |                  \
	 VHOST_USER_PROTOCOL_F_REPLY_ACK | VHOST_USER_PROTOCOL_F_CONFIG |              \
	 VHOST_USER_PROTOCOL_F_RESET_DEVICE |                                          \
	 VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS | VHOST_USER_PROTOCOL_F_STATUS)

/* A chain of 16 bytes out and 16 bytes in, in the high half. */
void peer_push_echo(struct vhost_stage *stage, uint32_t index, const char *text);

/* The device copies what it reads to what it writes; chains served. */
int stage_serve(struct vio_queue *queue);

/* The counter of an eventfd, taken; 0: it was not written. */
uint64_t peer_take_event(int fd);

#endif /* TESTS_UNIT_DEVICE_VHOST_PEER_H */
