/* SPDX-License-Identifier: MIT */
/*
 * From a message to its handler. What a request must look like is one table:
 * sizes, descriptors, the protocol feature it belongs to. A message that does
 * not fit its row never reaches a handler.
 */
#include <errno.h>

#include "core/bits.h"
#include "device/vhost_backend.h"

#define CONFIG_HEAD_BYTES 12u

struct rule {
	int (*handle)(struct vio_backend *backend);
	const char *name;
	uint16_t min_bytes; /* of the payload */
	uint16_t max_bytes;
	uint8_t min_fds;
	uint8_t max_fds;
	uint64_t feature; /* to be negotiated first; 0: none */
};

#define EXACTLY(type) sizeof(type), sizeof(type)

static const struct rule rules[] = {
	[VHOST_USER_GET_FEATURES] = { vio_vhost_get_features, "GET_FEATURES", 0, 0, 0,
				      0, 0 },
	[VHOST_USER_SET_FEATURES] = { vio_vhost_set_features, "SET_FEATURES",
				      EXACTLY(uint64_t), 0, 0, 0 },
	[VHOST_USER_SET_OWNER] = { vio_vhost_set_owner, "SET_OWNER", 0, 0, 0, 0, 0 },
	/* Deprecated; the specification advises to ignore it. */
	[VHOST_USER_RESET_OWNER] = { vio_vhost_set_owner, "RESET_OWNER", 0, 0, 0, 0,
				     0 },
	[VHOST_USER_SET_MEM_TABLE] = { vio_vhost_set_mem_table, "SET_MEM_TABLE", 8,
				       sizeof(struct vhost_memory), 0,
				       VHOST_USER_TABLE_MAX, 0 },
	[VHOST_USER_SET_LOG_BASE] = { vio_vhost_set_log_base, "SET_LOG_BASE",
				      EXACTLY(struct vhost_log_area), 1, 1,
				      VHOST_USER_PROTOCOL_F_LOG_SHMFD },
	[VHOST_USER_SET_LOG_FD] = { vio_vhost_set_log_fd, "SET_LOG_FD", 0,
				    sizeof(uint64_t), 0, 1, 0 },
	[VHOST_USER_SET_VRING_NUM] = { vio_vhost_set_vring_num, "SET_VRING_NUM",
				       EXACTLY(struct vhost_vring_state), 0, 0, 0 },
	[VHOST_USER_SET_VRING_ADDR] = { vio_vhost_set_vring_addr, "SET_VRING_ADDR",
					EXACTLY(struct vhost_vring_addr), 0, 0, 0 },
	[VHOST_USER_SET_VRING_BASE] = { vio_vhost_set_vring_base, "SET_VRING_BASE",
					EXACTLY(struct vhost_vring_state), 0, 0, 0 },
	[VHOST_USER_GET_VRING_BASE] = { vio_vhost_get_vring_base, "GET_VRING_BASE",
					EXACTLY(struct vhost_vring_state), 0, 0, 0 },
	[VHOST_USER_SET_VRING_KICK] = { vio_vhost_set_vring_fd, "SET_VRING_KICK",
					EXACTLY(uint64_t), 0, 1, 0 },
	[VHOST_USER_SET_VRING_CALL] = { vio_vhost_set_vring_fd, "SET_VRING_CALL",
					EXACTLY(uint64_t), 0, 1, 0 },
	[VHOST_USER_SET_VRING_ERR] = { vio_vhost_set_vring_fd, "SET_VRING_ERR",
				       EXACTLY(uint64_t), 0, 1, 0 },
	[VHOST_USER_GET_PROTOCOL_FEATURES] = { vio_vhost_get_protocol_features,
					       "GET_PROTOCOL_FEATURES", 0, 0, 0, 0, 0 },
	[VHOST_USER_SET_PROTOCOL_FEATURES] = { vio_vhost_set_protocol_features,
					       "SET_PROTOCOL_FEATURES",
					       EXACTLY(uint64_t), 0, 0, 0 },
	[VHOST_USER_GET_QUEUE_NUM] = { vio_vhost_get_queue_num, "GET_QUEUE_NUM", 0, 0,
				       0, 0, 0 },
	[VHOST_USER_SET_VRING_ENABLE] = { vio_vhost_set_vring_enable,
					  "SET_VRING_ENABLE",
					  EXACTLY(struct vhost_vring_state), 0, 0, 0 },
	[VHOST_USER_GET_CONFIG] = { vio_vhost_get_config, "GET_CONFIG",
				    CONFIG_HEAD_BYTES, sizeof(struct vhost_config), 0,
				    0, VHOST_USER_PROTOCOL_F_CONFIG },
	[VHOST_USER_SET_CONFIG] = { vio_vhost_set_config, "SET_CONFIG",
				    CONFIG_HEAD_BYTES, sizeof(struct vhost_config), 0,
				    0, VHOST_USER_PROTOCOL_F_CONFIG },
	[VHOST_USER_RESET_DEVICE] = { vio_vhost_reset_device, "RESET_DEVICE", 0, 0, 0,
				      0, VHOST_USER_PROTOCOL_F_RESET_DEVICE },
	[VHOST_USER_GET_MAX_MEM_SLOTS] = { vio_vhost_get_max_mem_slots,
					   "GET_MAX_MEM_SLOTS", 0, 0, 0, 0,
					   VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS },
	[VHOST_USER_ADD_MEM_REG] = { vio_vhost_add_mem_reg, "ADD_MEM_REG",
				     EXACTLY(struct vhost_memory_slot), 1, 1,
				     VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS },
	/* Front ends have sent a descriptor with it; it is closed unused. */
	[VHOST_USER_REM_MEM_REG] = { vio_vhost_rem_mem_reg, "REM_MEM_REG",
				     EXACTLY(struct vhost_memory_slot), 0, 1,
				     VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS },
	[VHOST_USER_SET_STATUS] = { vio_vhost_set_status, "SET_STATUS",
				    EXACTLY(uint64_t), 0, 0,
				    VHOST_USER_PROTOCOL_F_STATUS },
	[VHOST_USER_GET_STATUS] = { vio_vhost_get_status, "GET_STATUS", 0, 0, 0, 0,
				    VHOST_USER_PROTOCOL_F_STATUS },
};

static bool wants_answer(const struct vio_backend *backend)
{
	return (backend->socket.in.header.flags & VHOST_USER_NEED_REPLY) &&
	       (backend->protocol_features & VHOST_USER_PROTOCOL_F_REPLY_ACK);
}

static int verify_message(struct vio_backend *backend, const struct rule *rule)
{
	const uint32_t size = backend->socket.in.header.size;
	const uint32_t n_fds = backend->socket.n_fds;

	if (size < rule->min_bytes || size > rule->max_bytes)
		return vio_vhost_refuse(backend, -EBADMSG, "%s of %u bytes", rule->name,
					size);
	/* Descriptors nobody expects would pile up, CVE-2022-0669. */
	if (n_fds < rule->min_fds || n_fds > rule->max_fds)
		return vio_vhost_refuse(backend, -EBADMSG, "%s with %u descriptors",
					rule->name, n_fds);
	if (rule->feature & ~backend->protocol_features)
		return vio_vhost_refuse(backend, -EBADMSG,
					"%s, whose feature was not negotiated",
					rule->name);
	return 0;
}

/*
 * A front end that asks for a reply can be told no. One that does not might wait
 * for a reply that the request itself has, so there is no going on.
 */
static int refuse_unknown(struct vio_backend *backend)
{
	if (wants_answer(backend))
		return VIO_VHOST_REFUSED;
	return vio_vhost_refuse(backend, -EBADMSG, "request %u is not known",
				backend->socket.in.header.request);
}

static int handle(struct vio_backend *backend)
{
	const uint32_t request = backend->socket.in.header.request;
	const struct rule *rule;
	int ret;

	if (request >= VIO_ARRAY_SIZE(rules) || !rules[request].handle)
		return refuse_unknown(backend);
	rule = &rules[request];
	vio_log(backend->env, VIO_LOG_DEBUG, "vhost", "%s", rule->name);
	ret = verify_message(backend, rule);
	return ret ? ret : rule->handle(backend);
}

void vio_vhost_answer(struct vio_backend *backend, int answer)
{
	struct vio_vhost_socket *socket = &backend->socket;

	if (answer < 0) {
		vio_vhost_end(backend, answer, 0);
	} else if (!socket->n_out && wants_answer(backend)) {
		socket->out.payload.u64 = answer == VIO_VHOST_REFUSED;
		vio_vhost_reply(socket, sizeof(uint64_t));
	}
	vio_vhost_drop_message(socket);
}

void vio_vhost_handle(struct vio_backend *backend)
{
	const int answer = handle(backend);

	if (answer != VIO_VHOST_HELD)
		vio_vhost_answer(backend, answer);
}
