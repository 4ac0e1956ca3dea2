/* SPDX-License-Identifier: MIT */
/*
 * Mediated devices: made by a driver out of what it has, without an address on a bus
 * and without a claim. To the rest of this folder one is a VF that has a UUID for its
 * address, and that begins with the opening and ends with the closing of its function.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "vf/vfio.h"

/* As the kernel prints it, and nothing else: it becomes part of a path. */
static int is_uuid(const char *text)
{
	if (strlen(text) != VIO_MDEV_BYTES - 1)
		return 0;
	for (size_t i = 0; i < VIO_MDEV_BYTES - 1; i++) {
		const int is_dash = i == 8 || i == 13 || i == 18 || i == 23;

		if (!strchr(is_dash ? "-" : "0123456789abcdef", text[i]))
			return 0;
	}
	return 1;
}

int vio_vfio_open_mdev(struct vio_host *host, const char *uuid,
		       const struct vio_vfio_params *params, struct vio_vfio **out,
		       vio_vf_done_fn done, void *opaque, struct vio_error *err)
{
	struct vio_vf *vf;
	int ret;

	if (!uuid || !is_uuid(uuid))
		return vio_fail(err, -EINVAL,
				"mdev: \"%.36s\" is no UUID as sysfs prints it",
				uuid ? uuid : "");
	vf = VIO_NEW(host->env, struct vio_vf);
	if (!vf)
		return vio_fail(err, -ENOMEM, "%s: no memory", uuid);
	vf->host = host;
	vf->info.state = VIO_VF_HELD;
	memcpy(vf->mdev, uuid, sizeof(vf->mdev));
	ret = vio_vfio_open(vf, params, out, done, opaque, err);
	if (ret)
		VIO_DELETE(host->env, vf);
	return ret;
}
