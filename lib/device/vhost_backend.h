/* SPDX-License-Identifier: MIT */
/*
 * What a back end is made of. Everything here belongs to the thread that
 * dispatches the context; owners of queues reach it only through the two tasks
 * of their vring.
 *
 * Whatever changes a running queue asks its owner to stop first, and names what
 * is to be done then (@c then). Until that has run no further message is read,
 * so that a peer can have one change under way and no more.
 */
#ifndef VIO_DEVICE_VHOST_BACKEND_H
#define VIO_DEVICE_VHOST_BACKEND_H

#include <stdbool.h>

#include <vio/backend.h>
#include <vio/mem.h>

#include "core/env.h"
#include "core/log.h"
#include "core/member.h"
#include "device/vhost_proto.h"
#include "device/vhost_socket.h"
#include "sys/loop.h"

/* Regions at a time: a VMM with this many DIMMs is not known. */
#define VIO_VHOST_SLOTS_MAX 256u

/* A handler's answer, beside a negative errno, which ends the connection. */
enum vio_vhost_answer {
	VIO_VHOST_DONE = 0,
	VIO_VHOST_REFUSED = 1, /* said in the reply, if one was asked for */
	VIO_VHOST_HELD = 2,    /* answered later by vio_vhost_answer() */
};

/* One ring as the front end describes it, and the queue made from it. */
struct vio_vhost_vring {
	struct vio_backend *backend;
	struct vio_queue *queue; /* NULL: stopped */
	uint32_t index;
	uint32_t n_descs; /* 0: not known */
	struct vhost_vring_addr addr;
	uint16_t base; /* next entry of the available ring while stopped */
	bool has_addr;
	bool has_kick; /* the ring is started, with or without a descriptor */
	bool is_enabled;
	bool is_latched;  /* until the ring is described anew */
	bool is_stopping; /* its owner has been asked */
	int kick_fd;
	int call_fd;
	int err_fd;
	struct vio_task stopped; /* posted by the owner's answer */
	struct vio_task faulted; /* posted when the queue latches */
};

/* A mapped dirty log. Its own object: queues can mark a log replaced already. */
struct vio_vhost_log {
	const struct vio_env *env;
	uint8_t *bits; /* mapped */
	size_t n_bytes;
};

struct vio_backend {
	const struct vio_env *env;
	struct vio_ctx *ctx;
	struct vio_backend_ops ops;
	struct vio_backend_params params;
	struct vio_member member;
	struct vio_log_brake brake;

	struct vio_vhost_socket socket;
	struct vio_event event;
	uint32_t interest; /* as the event is watched; 0: not */
	struct vio_task task;

	uint64_t features_offered;
	uint64_t features;
	uint64_t protocol_offered;
	uint64_t protocol_features;
	uint32_t status;

	struct vio_mem *mem;
	struct vhost_region regions[VIO_VHOST_SLOTS_MAX];
	uint32_t n_regions;
	struct vio_vhost_log *log; /* NULL: none */
	bool is_logging;           /* the log is attached to the table */
	struct vio_vhost_vring *vrings;

	uint32_t n_stopping;
	void (*then)(struct vio_backend *backend); /* when n_stopping is 0 */
	struct vio_vhost_vring *subject;           /* the vring that @then is about */
	bool wants_reset;                          /* the tenant asks for it */
	bool is_ending;
	bool is_closed;
	struct vio_error
		why; /* the end, once is_ending; its line from the first refusal */
	uint32_t end_flags; /* VIO_STOP_ */
};

/* backend.c: the connection. */

/* Ends the connection soon, from dispatch; nothing if it is ending already. */
void vio_vhost_end(struct vio_backend *backend, int reason, uint32_t stop_flags);

/* Logs why, as far as the brake allows, and returns @code. */
__attribute__((format(printf, 3, 4))) int
vio_vhost_refuse(struct vio_backend *backend, int code, const char *format, ...);

/* backend_message.c: what comes in. */

/* Carries out the message that is whole in the socket. */
void vio_vhost_handle(struct vio_backend *backend);

/* Answers it, and lets the next one in. */
void vio_vhost_answer(struct vio_backend *backend, int answer);

/* backend_stop.c: waiting for owners. */

/* Asks the owner of a running queue to stop. */
void vio_vhost_stop(struct vio_vhost_vring *vring, uint32_t stop_flags);
void vio_vhost_stop_all(struct vio_backend *backend, uint32_t stop_flags);

/* Runs @then once all that were asked have stopped, at once if none were. */
void vio_vhost_wait(struct vio_backend *backend,
		    void (*then)(struct vio_backend *backend));

/* Members of a queue's parameters that tell the vring. */
void vio_vhost_on_stop(void *opaque, struct vio_queue *queue, struct vio_stop *token,
		       uint32_t stop_flags);
void vio_vhost_on_fault(void *opaque, struct vio_queue *queue,
			const struct vio_queue_fault *fault);

/* vhost_vring.c */
void vio_vhost_vring_setup(struct vio_backend *backend, uint32_t index);
/* Back to a ring that is not described, its notifications to the guest kept. */
void vio_vhost_vring_reset(struct vio_vhost_vring *vring);
/* Makes the queue and gives it to its owner if the ring is to run. */
int vio_vhost_vring_start(struct vio_vhost_vring *vring);
void vio_vhost_vring_close(struct vio_vhost_vring *vring);
bool vio_vhost_is_running(const struct vio_backend *backend);

/* vhost_memory.c */
int vio_vhost_translate(const struct vio_backend *backend, uint64_t uva,
			uint64_t length_bytes, uint64_t *out_gpa);
void vio_vhost_drop_memory(struct vio_backend *backend);

/* vhost_log.c: attaches or detaches the log as the features say. */
int vio_vhost_log_update(struct vio_backend *backend);
void vio_vhost_log_drop(struct vio_backend *backend);

/* vhost_status.c: the device's initial state; its queues are stopped. */
void vio_vhost_reset(struct vio_backend *backend);

/* Handlers, by file. */
int vio_vhost_get_features(struct vio_backend *backend);
int vio_vhost_set_features(struct vio_backend *backend);
int vio_vhost_get_protocol_features(struct vio_backend *backend);
int vio_vhost_set_protocol_features(struct vio_backend *backend);
int vio_vhost_get_queue_num(struct vio_backend *backend);
int vio_vhost_set_owner(struct vio_backend *backend);

int vio_vhost_set_mem_table(struct vio_backend *backend);
int vio_vhost_get_max_mem_slots(struct vio_backend *backend);
int vio_vhost_add_mem_reg(struct vio_backend *backend);
int vio_vhost_rem_mem_reg(struct vio_backend *backend);

int vio_vhost_set_log_base(struct vio_backend *backend);
int vio_vhost_set_log_fd(struct vio_backend *backend);

int vio_vhost_set_vring_num(struct vio_backend *backend);
int vio_vhost_set_vring_addr(struct vio_backend *backend);
int vio_vhost_set_vring_base(struct vio_backend *backend);
int vio_vhost_get_vring_base(struct vio_backend *backend);
int vio_vhost_set_vring_enable(struct vio_backend *backend);
int vio_vhost_set_vring_fd(struct vio_backend *backend);

int vio_vhost_get_config(struct vio_backend *backend);
int vio_vhost_set_config(struct vio_backend *backend);

int vio_vhost_set_status(struct vio_backend *backend);
int vio_vhost_get_status(struct vio_backend *backend);
int vio_vhost_reset_device(struct vio_backend *backend);

#endif /* VIO_DEVICE_VHOST_BACKEND_H */
