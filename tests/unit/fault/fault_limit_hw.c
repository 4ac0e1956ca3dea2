/* SPDX-License-Identifier: MIT */
/*
 * Limits in the kernel: a port function through devlink and a disk in a cgroup, which
 * between them make every call there is. What fails leaves what was there before.
 */
#include "fake/fake_rates.h"
#include "unit/fault/fault_machine.h"

#include <vio/unstable/limit_hw.h>

#define DEVICES  VIO_FAKE_PCI_ROOT "/bus/pci/devices/"
#define RATE     UINT64_C(1250000)
#define RATE_WAS UINT64_C(250000)

static struct vio_limit_hw *opened;

static void setup(struct fault_scene *scene)
{
	machine_setup(scene);
	fake_rates_prepare(scene->machine->fake, &scene->machine->sys,
			   DEVICES MACHINE_PF);
	fake_rates.rates[0].max = RATE_WAS;
	fake_rates.io[0] = RATE_WAS;
	opened = NULL;
}

static struct vio_limit_hw_params devlink_params(void)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_DEVLINK;
	params.handle = FAKE_RATES_HANDLE;
	params.port = FAKE_RATES_PORT;
	return params;
}

static struct vio_limit_hw_params cgroup_params(void)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_CGROUP;
	params.flags = VIO_LIMIT_HW_READS;
	params.cgroup = FAKE_RATES_CGROUP;
	params.major = FAKE_RATES_MAJOR;
	params.minor = FAKE_RATES_MINOR;
	return params;
}

static int open_as(struct fault_scene *scene, struct vio_limit_hw_params params)
{
	struct vio_limit_hw *hw = NULL;
	int ret = vio_limit_hw_open(scene->machine->ctx, &params, &hw, machine_done,
				    scene, &scene->err);

	ret = machine_wait(scene, ret);
	if (!ret)
		opened = hw;
	return ret;
}

static int open_devlink(struct fault_scene *scene)
{
	return open_as(scene, devlink_params());
}

/* A node that was made goes again where a later step fails. */
static int open_node(struct fault_scene *scene)
{
	struct vio_limit_hw_params params = devlink_params();

	params.node = "gold";
	params.flags = VIO_LIMIT_HW_CREATE;
	return open_as(scene, params);
}

static int open_cgroup(struct fault_scene *scene)
{
	return open_as(scene, cgroup_params());
}

static void verify_as_before(struct fault_scene *scene)
{
	(void)scene;
	assert_int_equal(fake_rates.rates[0].max, RATE_WAS);
	assert_int_equal(fake_rates.io[0], RATE_WAS);
}

static void verify_no_node(struct fault_scene *scene)
{
	verify_as_before(scene);
	/* Removing it may be what failed. */
	fake_rates.rates[1].is_there = 0;
}

static int close_opened(struct fault_scene *scene)
{
	struct vio_limit_hw *hw = opened;
	int ret = vio_limit_hw_close(hw, machine_done, scene, &scene->err);

	opened = NULL;
	return machine_wait(scene, ret);
}

static void finish(struct fault_scene *scene)
{
	if (opened)
		assert_int_equal(close_opened(scene), 0);
	assert_int_equal(vio_limit_destroy(scene->limit), 0);
	machine_finish(scene);
}

static void create_limit(struct fault_scene *scene)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;

	params.bytes_per_sec = RATE;
	assert_int_equal(vio_limit_create(NULL, &params, 0, &scene->limit, NULL), 0);
}

static void setup_devlink(struct fault_scene *scene)
{
	setup(scene);
	create_limit(scene);
	assert_int_equal(open_devlink(scene), 0);
}

static void setup_cgroup(struct fault_scene *scene)
{
	setup(scene);
	create_limit(scene);
	assert_int_equal(open_cgroup(scene), 0);
}

static int attach(struct fault_scene *scene)
{
	struct vio_limit_hw_report report = VIO_LIMIT_HW_REPORT_INIT;
	struct vio_limit_hw_caps caps = VIO_LIMIT_HW_CAPS_INIT;
	int ret;

	assert_int_equal(vio_limit_hw_read_caps(opened, &caps), 0);
	ret = vio_limit_hw_attach(opened, scene->limit, VIO_LIMIT_HW_CEILING_BYTES,
				  &report, machine_done, scene, &scene->err);
	ret = machine_wait(scene, ret);
	assert_int_equal(report.held, ret ? 0 : VIO_LIMIT_HW_CEILING_BYTES);
	return ret;
}

static void setup_attached_devlink(struct fault_scene *scene)
{
	setup_devlink(scene);
	assert_int_equal(attach(scene), 0);
	assert_int_equal(fake_rates.rates[0].max, RATE);
}

static void setup_attached_cgroup(struct fault_scene *scene)
{
	setup_cgroup(scene);
	assert_int_equal(attach(scene), 0);
	assert_int_equal(fake_rates.io[0], RATE);
}

/* It is detached in any case. */
static int detach(struct fault_scene *scene)
{
	const int ret = vio_limit_hw_detach(opened, machine_done, scene, &scene->err);

	return machine_wait(scene, ret);
}

#define USUAL                                                                          \
	(FAULT_MAKES_CALLS | FAULT_MAKES_DO | FAULT_TAKES_MEMORY | FAULT_HAS_ERROR)
#define FILES (USUAL & ~FAULT_TAKES_MEMORY)

static const struct fault_case cases[] = {
	{ "vio_limit_hw_open", USUAL, NULL, setup, open_devlink, verify_as_before,
	  finish },
	{ "vio_limit_hw_open", USUAL, NULL, setup, open_node, verify_no_node, finish },
	{ "vio_limit_hw_open", USUAL, NULL, setup, open_cgroup, verify_as_before,
	  finish },
	{ "vio_limit_hw_attach vio_limit_hw_read_caps", USUAL, NULL, setup_devlink,
	  attach, verify_as_before, finish },
	{ "vio_limit_hw_attach", FILES, NULL, setup_cgroup, attach, verify_as_before,
	  finish },
	{ "vio_limit_hw_detach", USUAL | FAULT_ENDS_IT, NULL, setup_attached_devlink,
	  detach, NULL, finish },
	{ "vio_limit_hw_detach", FILES | FAULT_ENDS_IT, NULL, setup_attached_cgroup,
	  detach, NULL, finish },
	{ "vio_limit_hw_close", USUAL | FAULT_ENDS_IT, NULL, setup_attached_devlink,
	  close_opened, NULL, finish },
	{ "vio_limit_hw_close", FILES | FAULT_ENDS_IT, NULL, setup_attached_cgroup,
	  close_opened, NULL, finish },
};

const struct fault_family fault_limit_hw = { cases, sizeof(cases) / sizeof(cases[0]) };
