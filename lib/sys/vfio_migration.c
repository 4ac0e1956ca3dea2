/* SPDX-License-Identifier: MIT */
/*
 * The state of a function as VFIO migrates it. Setting it returns when the device has
 * arrived, which may take as long as writing all its state does; a descriptor for the
 * state comes back with the call that begins a session, and with no other.
 */
#include <errno.h>

#include "sys/uapi/vfio_migration.h"
#include "sys/vfio.h"

static int read_features(const struct vio_sys *sys, int fd, uint64_t *out)
{
	struct vio_uapi_migration request = {
		.head = { .argsz = sizeof(request),
			  .flags = VIO_UAPI_FEATURE_MIGRATION |
				   VIO_UAPI_DEVICE_FEATURE_GET },
	};
	int ret = sys->ioctl(sys->opaque, fd, VIO_UAPI_DEVICE_FEATURE, &request);

	if (!ret)
		*out = request.flags;
	return ret;
}

static struct vio_uapi_mig_state state_request(uint32_t action, uint32_t state)
{
	return (struct vio_uapi_mig_state){
		.head = { .argsz = sizeof(struct vio_uapi_mig_state),
			  .flags = VIO_UAPI_FEATURE_MIG_DEVICE_STATE | action },
		.device_state = state,
		.data_fd = -1,
	};
}

int vio_function_read_migration(const struct vio_sys *sys, int fd,
				uint64_t *out_features, uint32_t *out_state)
{
	struct vio_uapi_mig_state request =
		state_request(VIO_UAPI_DEVICE_FEATURE_GET, 0);
	uint64_t features = 0;
	int ret = read_features(sys, fd, &features);

	if (ret)
		return ret == -ENOTTY ? -EOPNOTSUPP : ret;
	ret = sys->ioctl(sys->opaque, fd, VIO_UAPI_DEVICE_FEATURE, &request);
	if (ret)
		return ret;
	*out_features = features;
	*out_state = request.device_state;
	return 0;
}

int vio_function_set_migration(const struct vio_sys *sys, int fd, uint32_t state,
			       int *out_data_fd)
{
	struct vio_uapi_mig_state request =
		state_request(VIO_UAPI_DEVICE_FEATURE_SET, state);
	int ret = sys->ioctl(sys->opaque, fd, VIO_UAPI_DEVICE_FEATURE, &request);

	if (!ret)
		*out_data_fd = request.data_fd;
	return ret;
}

int vio_session_read_precopy(const struct vio_sys *sys, int data_fd,
			     uint64_t *out_initial_bytes, uint64_t *out_dirty_bytes)
{
	struct vio_uapi_precopy_info info = { .argsz = sizeof(info) };
	int ret =
		sys->ioctl(sys->opaque, data_fd, VIO_UAPI_MIG_GET_PRECOPY_INFO, &info);

	if (ret)
		return ret;
	*out_initial_bytes = info.initial_bytes;
	*out_dirty_bytes = info.dirty_bytes;
	return 0;
}
