/* SPDX-License-Identifier: MIT */
/*
 * A guest's view outlives the function under it: a pause detaches and closes, a
 * resume opens and attaches, and the guest's slots and routes follow through the
 * view's own callbacks. What was begun in a callback ends in another one.
 */
#include <stdio.h>
#include <string.h>

#include "guest.h"
#include "nested_vf.h"

#define PROGRAM "nested_program"

static void set_group(struct nested_vf *nested)
{
	vmm_add_group(&nested->vmm, vio_vfio_get_group_fd(nested->vfio));
}

static void on_closed(void *opaque, int result, const struct vio_error *err)
{
	struct nested_vf *nested = opaque;

	(void)err;
	nested->vfio = NULL;
	nested->result = result;
}

static void on_pause(void *opaque, struct vio_vf *vf)
{
	struct nested_vf *nested = opaque;
	struct vio_error err = VIO_ERROR_INIT;

	assert_ptr_equal(vf, nested->vf);
	nested->n_paused++;
	nested->is_away = 1;
	if (vio_view_detach(nested->view, &err))
		fail_msg("%s", err.text);
	/* The kernel would keep the group for the guest, and with it the VF. */
	vmm_remove_group(&nested->vmm, vio_vfio_get_group_fd(nested->vfio));
	if (vio_vfio_close(nested->vfio, on_closed, nested, &err))
		fail_msg("%s", err.text);
}

static void on_opened(void *opaque, int result, const struct vio_error *err)
{
	struct nested_vf *nested = opaque;
	struct vio_error failure = VIO_ERROR_INIT;

	if (result)
		fail_msg("%s", err->text);
	set_group(nested);
	if (vio_view_attach(nested->view, nested->vfio, &failure))
		fail_msg("%s", failure.text);
	nested->is_away = 0;
}

static void on_resume(void *opaque, struct vio_vf *vf, int is_state_lost)
{
	struct nested_vf *nested = opaque;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	assert_null(nested->vfio);
	nested->n_resumed++;
	nested->is_state_lost = is_state_lost;
	params.iommu = nested->iommu;
	if (vio_vfio_open(vf, &params, &nested->vfio, on_opened, nested, &err))
		fail_msg("%s", err.text);
}

static void on_reset(void *opaque)
{
	struct nested_vf *nested = opaque;

	if (owner_reset_function(nested->owner, nested->vfio))
		fail_msg("%s", nested->owner->err.text);
}

static void claim(struct nested_vf *nested)
{
	const struct vio_vf_config config = {
		.size = sizeof(config),
		.fields = VIO_VF_MAC,
		.mac = { 2, 0, 0, 0, 0x4e, 1 },
	};
	const struct vio_pause_ops ops = {
		.size = sizeof(ops),
		.pause = on_pause,
		.resume = on_resume,
		.opaque = nested,
	};
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = 1;
	request.config = &config;
	if (owner_claim(nested->owner, &request, &nested->vf))
		fail_msg("%s", nested->owner->err.text);
	assert_int_equal(vio_vf_set_pause(nested->vf, &ops), 0);
	assert_int_equal(vio_vf_read_info(nested->vf, &info), 0);
	snprintf(nested->path, sizeof(nested->path),
		 "/sys/bus/pci/devices/%04x:%02x:%02x.%x", info.addr.domain,
		 info.addr.bus, info.addr.device, info.addr.function);
}

/* What the guest calls memory is what the VF may reach. */
static void open_memory(struct nested_vf *nested)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;
	struct vio_mem_region region = VIO_MEM_REGION_INIT;

	region.length_bytes = NESTED_RAM_BYTES;
	region.hva = nested->vmm.ram;
	assert_int_equal(vio_mem_create(nested->owner->ctx, &nested->mem), 0);
	assert_int_equal(vio_mem_add(nested->mem, &region, NULL), 0);
	params.mem = nested->mem;
	if (vio_iommu_open(nested->owner->host, &params, &nested->iommu,
			   &nested->owner->err))
		fail_msg("%s", nested->owner->err.text);
}

void nested_vf_open(struct nested_vf *nested, struct owner *owner)
{
	struct vio_view_ops ops = vmm_get_ops(&nested->vmm);

	memset(nested, 0, sizeof(*nested));
	nested->owner = owner;
	vmm_open(&nested->vmm, PROGRAM);
	nested->vmm.reset = on_reset;
	nested->vmm.opaque = nested;
	claim(nested);
	open_memory(nested);
	if (owner_open_function(owner, nested->vf, nested->iommu, NULL, NULL,
				&nested->vfio))
		fail_msg("%s", owner->err.text);
	set_group(nested);
	if (vio_view_create(owner->ctx, nested->vfio, &ops, &nested->view, &owner->err))
		fail_msg("%s", owner->err.text);
	nested->vmm.view = nested->view;
}

void nested_vf_start(struct nested_vf *nested, struct owner *owner)
{
	nested_vf_open(nested, owner);
	vmm_run(&nested->vmm, NESTED_START);
}

void nested_vf_close(struct nested_vf *nested)
{
	struct owner *owner = nested->owner;

	vio_view_destroy(nested->view);
	vmm_remove_group(&nested->vmm, vio_vfio_get_group_fd(nested->vfio));
	assert_int_equal(owner_close_function(owner, nested->vfio), 0);
	assert_int_equal(vio_iommu_close(nested->iommu, NULL), 0);
	assert_int_equal(vio_mem_destroy(nested->mem, NULL), 0);
	assert_int_equal(owner_release(owner, nested->vf), 0);
	vmm_close(&nested->vmm);
}

void nested_vf_pause(struct nested_vf *nested)
{
	if (owner_pause(nested->owner, nested->vf, 0))
		fail_msg("%s", nested->owner->err.text);
	assert_int_equal(nested->result, 0);
}

void nested_vf_resume(struct nested_vf *nested, const struct vio_pci_addr *to)
{
	if (owner_resume(nested->owner, nested->vf, to))
		fail_msg("%s", nested->owner->err.text);
	assert_int_equal(owner_wait_zero(nested->owner, &nested->is_away), 0);
}
