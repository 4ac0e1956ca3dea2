/* SPDX-License-Identifier: MIT */
/*
 * A view on a function of VFIO. Apart from the rest of the view, which does not
 * know what it stands on.
 */
#include "vf/view.h"

static const struct vio_view_device vfio_device = {
	.read_region = vio_vfio_read_region,
	.read = vio_vfio_read,
	.write = vio_vfio_write,
	.map_bar = vio_vfio_map_bar,
	.unmap_bar = vio_vfio_unmap_bar,
	.set_interrupts = vio_vfio_set_interrupts,
};

int vio_view_create(struct vio_ctx *ctx, struct vio_vfio *vfio,
		    const struct vio_view_ops *ops, struct vio_view **out,
		    struct vio_error *err)
{
	return vio_view_create_on(ctx, &vfio_device, vfio, ops, out, err);
}
