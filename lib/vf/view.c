/* SPDX-License-Identifier: MIT */
/*
 * The life of a view: made over a function, taken off it, put over another one.
 * The copy of configuration space is what the guest has; a function under the view
 * is made to follow it, so that attaching is the same as the guest's own writes.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "vf/view.h"

#define NOT_PUSHED UINT32_MAX /* no value of Command: it is written in any case */

/* The guest's registers onto the function below, as if it wrote them now. */
static int load(struct vio_view *view)
{
	int ret;

	view->is_lost = false;
	view->pushed = NOT_PUSHED;
	vio_view_bars_remove(view);
	vio_view_bars_map(view);
	ret = vio_view_push_command(view);
	vio_view_bars_place(view);
	vio_view_msix_configure(view);
	return ret;
}

/* Nothing of the function is used after it, and it reads no guest's memory. */
static void leave(struct vio_view *view)
{
	vio_view_bars_remove(view);
	vio_view_stop(view);
	vio_view_msix_detach(view);
	vio_view_bars_unmap(view);
	view->vfio = NULL;
}

/* BARs trap where they were. */
static void unload(struct vio_view *view)
{
	leave(view);
	vio_view_bars_place(view);
}

static int prepare(struct vio_view *view, struct vio_error *err)
{
	int ret;

	view->layout = VIO_NEW(view->env, struct view_layout);
	if (!view->layout)
		return vio_fail(err, -ENOMEM, "no memory for a view");
	ret = vio_view_layout_read(view->device, view->vfio, view->layout, err);
	if (ret)
		return ret;
	memcpy(view->shown, view->layout->initial, sizeof(view->shown));
	vio_view_bars_prepare(view);
	ret = vio_view_msix_create(view);
	if (ret)
		return vio_fail(err, ret, "no memory or descriptors for %u vectors",
				view->layout->n_vectors);
	ret = load(view);
	if (ret)
		return vio_fail(err, ret, "the function does not answer");
	return 0;
}

static int read_ops(const struct vio_view_ops *ops, struct vio_view_ops *out)
{
	int ret = vio_params_copy(out, sizeof(*out), VIO_PARAMS_END(*out, opaque), ops);

	if (ret)
		return ret;
	return out->flags || !out->map || !out->unmap || !out->route ? -EINVAL : 0;
}

int vio_view_create_on(struct vio_ctx *ctx, const struct vio_view_device *device,
		       struct vio_vfio *vfio, const struct vio_view_ops *ops,
		       struct vio_view **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_view_ops copy;
	struct vio_view *view;
	int ret = read_ops(ops, &copy);

	if (ret || !vfio || !out)
		return vio_fail(err, ret ? ret : -EINVAL,
				"a view needs a function, map, unmap and route");
	view = VIO_NEW(env, struct vio_view);
	if (!view)
		return vio_fail(err, -ENOMEM, "no memory for a view");
	view->env = env;
	view->device = device;
	view->vfio = vfio;
	view->ops = copy;
	vio_env_hold(env);
	ret = prepare(view, err);
	if (ret) {
		vio_view_destroy(view);
		return ret;
	}
	*out = view;
	return 0;
}

/* What is read from the device is kept as it is now; what cannot be, as it was. */
static int save(struct vio_view *view)
{
	uint8_t bytes[4];
	int ret = 0;

	for (uint32_t at = 0; at < VIO_PCI_CONFIG_BYTES && !ret; at += 4) {
		const uint64_t live = vio_view_get_bytes(view->layout->live + at, 4);
		uint64_t copy = vio_view_get_bytes(view->shown + at, 4);

		if (!live)
			continue;
		ret = view->device->read(view->vfio, VIO_VFIO_CONFIG_REGION, at, bytes,
					 sizeof(bytes));
		if (ret)
			break;
		copy = (copy & ~live) | (vio_view_get_bytes(bytes, 4) & live);
		vio_view_set_bytes(view->shown + at, copy, 4);
	}
	return ret;
}

int vio_view_detach(struct vio_view *view, struct vio_error *err)
{
	int ret;

	if (!view->vfio)
		return vio_fail(err, -EALREADY, "there is no function under the view");
	ret = view->is_lost ? -ENODEV : save(view);
	unload(view);
	if (ret)
		return vio_fail(err, -ENODEV, "the function had gone by itself");
	return 0;
}

/* Its layout is looked at and left: offsets that the guest knows stay. */
static int verify(struct vio_view *view, struct vio_vfio *vfio, struct vio_error *err)
{
	struct view_layout *layout = VIO_NEW(view->env, struct view_layout);
	int ret;

	if (!layout)
		return vio_fail(err, -ENOMEM, "no memory to look at a function");
	ret = vio_view_layout_read(view->device, vfio, layout, err);
	if (!ret)
		ret = vio_view_layout_verify(view->layout, layout, err);
	else if (ret == -EBADMSG)
		ret = vio_fail(err, -EXDEV, "not a function that a view could be of");
	VIO_DELETE(view->env, layout);
	return ret;
}

int vio_view_attach(struct vio_view *view, struct vio_vfio *vfio, struct vio_error *err)
{
	int ret;

	if (view->vfio)
		return vio_fail(err, -EBUSY, "there is a function under the view");
	if (!vfio)
		return vio_fail(err, -EINVAL, "no function to put under the view");
	ret = verify(view, vfio, err);
	if (ret)
		return ret;
	view->vfio = vfio;
	ret = load(view);
	if (!ret)
		return 0;
	unload(view);
	return vio_fail(err, ret, "the function does not answer");
}

void vio_view_destroy(struct vio_view *view)
{
	if (!view)
		return;
	if (view->layout) {
		leave(view);
		vio_view_msix_destroy(view);
		VIO_DELETE(view->env, view->layout);
	}
	vio_env_drop(view->env);
	VIO_DELETE(view->env, view);
}
