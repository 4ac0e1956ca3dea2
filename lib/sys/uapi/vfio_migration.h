/* SPDX-License-Identifier: MIT */
/*
 * What VFIO has for the migration of a device's state, as Linux has had it since 5.18
 * and, with pre-copy, since 6.2; headers of older kernels lack the latter. The names
 * are ours, so that a newer header beside it does no harm. Numbers, sizes and the
 * order of fields are the kernel's.
 */
#ifndef VIO_SYS_UAPI_VFIO_MIGRATION_H
#define VIO_SYS_UAPI_VFIO_MIGRATION_H

#include <stdint.h>
#include <sys/ioctl.h>

/* On the device's file: one of its features, by number, with data behind the head. */
#define VIO_UAPI_DEVICE_FEATURE     _IO(';', 117)
#define VIO_UAPI_DEVICE_FEATURE_GET (1u << 16)
#define VIO_UAPI_DEVICE_FEATURE_SET (1u << 17)
struct vio_uapi_device_feature {
	uint32_t argsz;
	uint32_t flags; /* which feature, and what is to be done */
};

/* Read only. -ENOTTY: the device has no migration. */
#define VIO_UAPI_FEATURE_MIGRATION 1u
struct vio_uapi_migration {
	struct vio_uapi_device_feature head;
	uint64_t flags;
};

/* Setting it returns when the device is there. */
#define VIO_UAPI_FEATURE_MIG_DEVICE_STATE 2u
struct vio_uapi_mig_state {
	struct vio_uapi_device_feature head;
	uint32_t device_state;
	int32_t data_fd; /* of a new session, CLOEXEC; -1: none began */
};

/* On the descriptor of a session, in pre-copy. */
#define VIO_UAPI_MIG_GET_PRECOPY_INFO _IO(';', 121)
struct vio_uapi_precopy_info {
	uint32_t argsz;
	uint32_t flags;
	uint64_t initial_bytes;
	uint64_t dirty_bytes;
};

#endif /* VIO_SYS_UAPI_VFIO_MIGRATION_H */
