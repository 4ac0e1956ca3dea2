/* SPDX-License-Identifier: MIT */
/* A PF with an interface, and all that holds rates beside it. */
#include <pthread.h>

#include "unit/limit_hw/rates_scene.h"

struct rates_scene scene;
static pthread_t worker;

static void *lend(void *ctx)
{
	(void)vio_ctx_work(ctx);
	return NULL;
}

int scene_begin(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;

	(void)state;
	scene = (struct rates_scene){ .fake = vio_fake_create() };
	scene.sys = *vio_fake_get_sys(scene.fake);
	fake_rates_prepare(scene.fake, &scene.sys,
			   VIO_FAKE_PCI_ROOT "/bus/pci/devices/" PF);
	vio_fault_prepare(&scene.fault, &scene.sys);
	assert_int_equal(vio_fault_create_ctx(&scene.fault,
					      VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD,
					      &scene.ctx),
			 0);
	assert_int_equal(pthread_create(&worker, NULL, lend, scene.ctx), 0);
	scene.is_lent = 1;
	params.sysfs_root = VIO_FAKE_PCI_ROOT;
	params.owner = "test";
	return vio_host_open(scene.ctx, &params, &scene.host, NULL);
}

void scene_stop_lending(void)
{
	if (!scene.is_lent)
		return;
	scene.is_lent = 0;
	assert_int_equal(vio_ctx_abort_work(scene.ctx), 0);
	pthread_join(worker, NULL);
}

int scene_end(void **state)
{
	(void)state;
	assert_int_equal(vio_host_close(scene.host, NULL), 0);
	scene_stop_lending();
	assert_int_equal(vio_ctx_destroy(scene.ctx, NULL), 0);
	vio_fault_verify(&scene.fault);
	vio_fake_destroy(scene.fake);
	return 0;
}

struct vio_limit_hw_params vf_params(void)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_VF;
	params.host = scene.host;
	params.pf.bus = 1;
	params.vf_index = 1;
	return params;
}

struct vio_limit_hw_params port_params(void)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_DEVLINK;
	params.handle = FAKE_RATES_HANDLE;
	params.port = FAKE_RATES_PORT;
	return params;
}

struct vio_limit_hw_params cgroup_params(void)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_CGROUP;
	params.flags = VIO_LIMIT_HW_READS;
	params.cgroup = FAKE_RATES_CGROUP;
	params.major = FAKE_RATES_MAJOR;
	params.minor = FAKE_RATES_MINOR;
	return params;
}

void scene_told(void *opaque, int result, const struct vio_error *err)
{
	assert_ptr_equal(opaque, &scene);
	assert_int_equal(!result, !err);
	if (err)
		assert_int_equal(err->code, result);
	scene.n_told++;
	scene.result = result;
	if (err)
		scene.err = *err;
}

int scene_wait(int ret)
{
	if (ret)
		return ret;
	vio_test_dispatch_until(scene.ctx, &scene.n_told, 1);
	assert_int_equal(scene.n_told, 1);
	scene.n_told = 0;
	return scene.result;
}

int open_hw(const struct vio_limit_hw_params *params, struct vio_limit_hw **out)
{
	scene.err = (struct vio_error)VIO_ERROR_INIT;
	return scene_wait(vio_limit_hw_open(scene.ctx, params, out, scene_told, &scene,
					    &scene.err));
}

struct vio_limit_hw *create_hw(struct vio_limit_hw_params params)
{
	struct vio_limit_hw *hw;

	assert_int_equal(open_hw(&params, &hw), 0);
	scene.caps = (struct vio_limit_hw_caps)VIO_LIMIT_HW_CAPS_INIT;
	assert_int_equal(vio_limit_hw_read_caps(hw, &scene.caps), 0);
	return hw;
}

int attach_hw(struct vio_limit_hw *hw, struct vio_limit *limit, uint32_t needed)
{
	scene.err = (struct vio_error)VIO_ERROR_INIT;
	scene.report = (struct vio_limit_hw_report)VIO_LIMIT_HW_REPORT_INIT;
	return scene_wait(vio_limit_hw_attach(hw, limit, needed, &scene.report,
					      scene_told, &scene, &scene.err));
}

int detach_hw(struct vio_limit_hw *hw)
{
	return scene_wait(vio_limit_hw_detach(hw, scene_told, &scene, &scene.err));
}

int close_hw(struct vio_limit_hw *hw)
{
	return scene_wait(vio_limit_hw_close(hw, scene_told, &scene, &scene.err));
}

struct vio_limit *create_limit(uint64_t bytes, uint64_t ops, uint64_t assured_bytes)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;

	params.bytes_per_sec = bytes;
	params.ops_per_sec = ops;
	params.assured_bytes_per_sec = assured_bytes;
	assert_int_equal(vio_limit_create(NULL, &params, 0, &limit, NULL), 0);
	return limit;
}
