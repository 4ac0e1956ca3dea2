/* SPDX-License-Identifier: MIT */
/*
 * A host with one PF and one VF of it, made up: sysfs by the fake kernel, rtnetlink
 * by the scripted one. The PF has what a test adds.
 */
#ifndef VIO_TESTS_VF_SETTING_FIXTURE_H
#define VIO_TESTS_VF_SETTING_FIXTURE_H

#include "fake/fake.h"
#include "unit/sys/netlink_peer.h"
#include "vf/setting.h"

#define PF "/made/bus/pci/devices/0000:01:00.0"
#define VF "/made/bus/pci/devices/0000:01:10.0"

static struct vio_fake *fake;
static struct vio_host host;
static char sysfs_root[] = "/made", dev_root[] = "/made/dev";

struct waited_call {
	struct vio_setting_call call;
	uint32_t n_done;
	int result;
};

static inline void setting_done(struct vio_setting_call *call, int result)
{
	struct waited_call *waited = VIO_CONTAINER_OF(call, struct waited_call, call);

	waited->n_done++;
	waited->result = result;
}

static inline int set_up_host(void **state)
{
	(void)state;
	fake = vio_fake_create();
	vio_fake_add_dir(fake, PF);
	vio_fake_add_dir(fake, VF);
	peer_open(vio_fake_get_sys(fake));
	host = (struct vio_host){ .env = &peer.ctx->env,
				  .ctx = peer.ctx,
				  .async = peer.ctx->async,
				  .sysfs_root = sysfs_root,
				  .dev_root = dev_root };
	return 0;
}

static inline int tear_down_host(void **state)
{
	(void)state;
	peer_close();
	vio_fake_destroy(fake);
	return 0;
}

static inline struct waited_call call_of(struct vio_vf_config config)
{
	return (struct waited_call){ .call = { .host = &host,
					       .pf = { .bus = 1 },
					       .vf = { .bus = 1, .device = 16 },
					       .vf_index = PEER_VF,
					       .config = config,
					       .done = setting_done } };
}

static inline int wait_for(struct waited_call *waited)
{
	vio_test_dispatch_until(peer.ctx, &waited->n_done, 1);
	assert_int_equal(waited->n_done, 1);
	assert_null(waited->call.inner);
	return waited->result;
}

/* 0 or an error, whether it comes at once or later. */
static inline int
carry_out(struct waited_call *waited, int (*begin)(struct vio_setting_call *call))
{
	const int ret = begin(&waited->call);

	return ret ? ret : wait_for(waited);
}

static inline int set_config(struct vio_vf_config config)
{
	struct waited_call waited = call_of(config);

	return carry_out(&waited, vio_setting_set);
}

/* Tests with the host around each. */
static inline int run_host_tests(const struct CMUnitTest *tests, size_t n)
{
	struct CMUnitTest prepared[64];

	assert_true(n <= 64);
	for (size_t i = 0; i < n; i++) {
		prepared[i] = tests[i];
		prepared[i].setup_func = set_up_host;
		prepared[i].teardown_func = tear_down_host;
	}
	return _cmocka_run_group_tests("settings", prepared, n, NULL, NULL);
}

#endif /* VIO_TESTS_VF_SETTING_FIXTURE_H */
