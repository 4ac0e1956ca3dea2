/* SPDX-License-Identifier: MIT */
/*
 * Messages of the vhost-user protocol, as the front end sends them: a header of
 * three words, a payload, and descriptors aside. All numbers are in the byte
 * order of this machine. Header and payload are received apart from each other,
 * so that no struct here needs packing.
 */
#ifndef VIO_DEVICE_VHOST_PROTO_H
#define VIO_DEVICE_VHOST_PROTO_H

#include <stdint.h>

#include <vio/backend.h>

/* Requests that are known here; the protocol has more. */
enum vhost_request {
	VHOST_USER_GET_FEATURES = 1,
	VHOST_USER_SET_FEATURES = 2,
	VHOST_USER_SET_OWNER = 3,
	VHOST_USER_RESET_OWNER = 4,
	VHOST_USER_SET_MEM_TABLE = 5,
	VHOST_USER_SET_LOG_BASE = 6,
	VHOST_USER_SET_LOG_FD = 7,
	VHOST_USER_SET_VRING_NUM = 8,
	VHOST_USER_SET_VRING_ADDR = 9,
	VHOST_USER_SET_VRING_BASE = 10,
	VHOST_USER_GET_VRING_BASE = 11,
	VHOST_USER_SET_VRING_KICK = 12,
	VHOST_USER_SET_VRING_CALL = 13,
	VHOST_USER_SET_VRING_ERR = 14,
	VHOST_USER_GET_PROTOCOL_FEATURES = 15,
	VHOST_USER_SET_PROTOCOL_FEATURES = 16,
	VHOST_USER_GET_QUEUE_NUM = 17,
	VHOST_USER_SET_VRING_ENABLE = 18,
	VHOST_USER_GET_CONFIG = 24,
	VHOST_USER_SET_CONFIG = 25,
	VHOST_USER_RESET_DEVICE = 34,
	VHOST_USER_GET_MAX_MEM_SLOTS = 36,
	VHOST_USER_ADD_MEM_REG = 37,
	VHOST_USER_REM_MEM_REG = 38,
	VHOST_USER_SET_STATUS = 39,
	VHOST_USER_GET_STATUS = 40,
};

/* Feature bits that belong to the transport, beside those of virtio. */
#define VHOST_F_LOG_ALL                           (UINT64_C(1) << 26)
#define VHOST_USER_F_PROTOCOL_FEATURES            (UINT64_C(1) << 30)

#define VHOST_USER_PROTOCOL_F_MQ                  (UINT64_C(1) << 0)
#define VHOST_USER_PROTOCOL_F_LOG_SHMFD           (UINT64_C(1) << 1)
#define VHOST_USER_PROTOCOL_F_REPLY_ACK           (UINT64_C(1) << 3)
#define VHOST_USER_PROTOCOL_F_CONFIG              (UINT64_C(1) << 9)
#define VHOST_USER_PROTOCOL_F_RESET_DEVICE        (UINT64_C(1) << 13)
#define VHOST_USER_PROTOCOL_F_CONFIGURE_MEM_SLOTS (UINT64_C(1) << 15)
#define VHOST_USER_PROTOCOL_F_STATUS              (UINT64_C(1) << 16)

/* Flags of a header. */
#define VHOST_USER_VERSION_MASK 3u
#define VHOST_USER_VERSION      1u
#define VHOST_USER_REPLY        4u
#define VHOST_USER_NEED_REPLY   8u

/* The payload of SET_VRING_KICK, _CALL and _ERR. */
#define VHOST_USER_VRING_INDEX_MASK 0xffu
#define VHOST_USER_VRING_NOFD       0x100u

/* Flags of SET_VRING_ADDR. */
#define VHOST_VRING_F_LOG 1u

/* A bit of the log stands for 2^12 bytes of guest memory. */
#define VHOST_LOG_PAGE_SHIFT 12u

/* Regions in one SET_MEM_TABLE, and descriptors with one message. */
#define VHOST_USER_TABLE_MAX 8u
#define VHOST_USER_FDS_MAX   8u

struct vhost_header {
	uint32_t request;
	uint32_t flags;
	uint32_t size; /* of the payload */
};

struct vhost_region {
	uint64_t gpa;
	uint64_t length_bytes;
	uint64_t uva; /* where the front end has it */
	uint64_t offset;
};

struct vhost_memory {
	uint32_t n_regions;
	uint32_t padding;
	struct vhost_region regions[VHOST_USER_TABLE_MAX];
};

struct vhost_memory_slot {
	uint64_t padding;
	struct vhost_region region;
};

struct vhost_vring_state {
	uint32_t index;
	uint32_t num;
};

/* Addresses of the parts of a ring as the front end has them. */
struct vhost_vring_addr {
	uint32_t index;
	uint32_t flags;
	uint64_t desc;
	uint64_t used;
	uint64_t avail;
	uint64_t log_gpa; /* where writes to the used ring are logged */
};

struct vhost_log_area {
	uint64_t size_bytes;
	uint64_t offset;
};

struct vhost_config {
	uint32_t offset;
	uint32_t size;
	uint32_t flags;
	uint8_t data[VIO_BACKEND_CONFIG_MAX];
};

struct vhost_message {
	struct vhost_header header;
	union {
		uint64_t u64;
		struct vhost_memory memory;
		struct vhost_memory_slot slot;
		struct vhost_vring_state state;
		struct vhost_vring_addr addr;
		struct vhost_log_area log;
		struct vhost_config config;
	} payload;
};

#endif /* VIO_DEVICE_VHOST_PROTO_H */
