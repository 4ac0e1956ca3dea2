/* SPDX-License-Identifier: MIT */
/*
 * Settings of VFs against netdevsim, which has all of those that rtnetlink knows. It
 * is no PCI function: a tree in the manner of sysfs gives its interface to one.
 */
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <vio/ctx.h>

#include "core/env.h"
#include "guest.h"
#include "vf/setting.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */

static struct vio_ctx *ctx;
static struct vio_host host;
static pthread_t worker;
static char sysfs_root[] = "/tmp/made", dev_root[] = "/dev";

struct waited_call {
	struct vio_setting_call call;
	int is_done;
	int result;
};

static void *lend(void *unused)
{
	(void)unused;
	(void)vio_ctx_work(ctx);
	return NULL;
}

static void call_done(struct vio_setting_call *call, int result)
{
	struct waited_call *waited = (struct waited_call *)(void *)call;

	waited->is_done++;
	waited->result = result;
}

static int carry_out(struct vio_vf_config *config, uint32_t vf_index,
		     int (*begin)(struct vio_setting_call *call))
{
	struct pollfd fd = { .fd = vio_ctx_get_fd(ctx), .events = POLLIN };
	struct waited_call waited = { .call = { .host = &host,
						.pf = { .bus = 1 },
						.vf = { .bus = 1, .device = 16 },
						.vf_index = vf_index,
						.config = *config,
						.done = call_done } };
	int ret = begin(&waited.call);

	while (!ret && !waited.is_done) {
		assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
		assert_true(vio_ctx_dispatch(ctx, 16) >= 0);
	}
	*config = waited.call.config;
	return ret ? ret : waited.result;
}

static int set_vf(struct vio_vf_config config)
{
	return carry_out(&config, 1, vio_setting_set);
}

static struct vio_vf_config read_vf(uint32_t vf_index)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;

	assert_int_equal(carry_out(&config, vf_index, vio_setting_read), 0);
	return config;
}

static void sets_and_reads_back(struct vio_vf_config config)
{
	struct vio_vf_config found;

	assert_int_equal(set_vf(config), 0);
	found = read_vf(1);
	assert_int_equal(found.fields & config.fields, config.fields);
	assert_true(vio_setting_is_equal(&config, &found, config.fields));
}

static void a_mac_is_set(void **state)
{
	(void)state;
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAC,
						    .mac = { 2, 0, 0, 1, 2, 3 } });
}

static void a_provider_vlan_is_set(void **state)
{
	(void)state;
	sets_and_reads_back((struct vio_vf_config){
		.fields = VIO_VF_VLAN, .vlan = 7, .qos = 5, .vlan_protocol = 0x88a8 });
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_VLAN, .vlan = 8 });
}

static void each_rate_is_set_without_the_other(void **state)
{
	(void)state;
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAX_RATE,
						    .max_tx_mbps = 500 });
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MIN_RATE,
						    .min_tx_mbps = 100 });
	assert_int_equal(read_vf(1).max_tx_mbps, 500);
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAX_RATE,
						    .max_tx_mbps = 400 });
	assert_int_equal(read_vf(1).min_tx_mbps, 100);
}

/* One at a time, the first would be refused. */
static void both_rates_rise_at_once(void **state)
{
	(void)state;
	assert_int_equal(set_vf((struct vio_vf_config){ .fields = VIO_VF_MIN_RATE,
							.min_tx_mbps = 600 }),
			 -EINVAL);
	sets_and_reads_back(
		(struct vio_vf_config){ .fields = VIO_VF_MIN_RATE | VIO_VF_MAX_RATE,
					.min_tx_mbps = 600,
					.max_tx_mbps = 900 });
}

static void spoof_checking_trust_and_link_are_set(void **state)
{
	(void)state;
	for (uint32_t on = 0; on < 2; on++) {
		sets_and_reads_back(
			(struct vio_vf_config){ .fields = VIO_VF_TRUST, .trust = on });
		sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_SPOOFCHK,
							    .spoofchk = !on });
		sets_and_reads_back((struct vio_vf_config){
			.fields = VIO_VF_LINK,
			.link_state = VIO_VF_LINK_DISABLE - on });
	}
}

static void its_neighbours_are_as_they_were(void **state)
{
	const struct vio_vf_config first = read_vf(0), last = read_vf(2);
	const struct vio_vf_config fresh = VIO_VF_CONFIG_INIT;
	const uint32_t fields = VIO_VF_MAC | VIO_VF_VLAN | VIO_VF_MIN_RATE |
				VIO_VF_MAX_RATE | VIO_VF_LINK;

	(void)state;
	assert_true(vio_setting_is_equal(&first, &fresh, fields));
	assert_true(vio_setting_is_equal(&last, &fresh, fields));
}

static int open_host(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;

	(void)state;
	if (command_run("insmod netdevsim.ko && cd /sys/bus/netdevsim &&"
			"echo 10 1 >new_device &&"
			"echo 3 >devices/netdevsim10/sriov_numvfs &&"
			"mkdir -p /tmp/made/bus/pci/devices/0000:01:00.0 "
			"/tmp/made/bus/pci/devices/0000:01:10.0 &&"
			"ln -s /sys/bus/netdevsim/devices/netdevsim10/net "
			"/tmp/made/bus/pci/devices/0000:01:00.0/net"))
		return -1;
	params.flags = VIO_CTX_LENDS_THREAD;
	if (vio_ctx_create(&params, &ctx, NULL) ||
	    pthread_create(&worker, NULL, lend, NULL))
		return -1;
	host = (struct vio_host){ .env = vio_env_of(ctx),
				  .ctx = ctx,
				  .async = vio_ctx_get_async(ctx),
				  .sysfs_root = sysfs_root,
				  .dev_root = dev_root };
	return 0;
}

static int close_host(void **state)
{
	(void)state;
	if (vio_ctx_abort_work(ctx))
		return -1;
	pthread_join(worker, NULL);
	return vio_ctx_destroy(ctx, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mac_is_set),
		cmocka_unit_test(a_provider_vlan_is_set),
		cmocka_unit_test(each_rate_is_set_without_the_other),
		cmocka_unit_test(both_rates_rise_at_once),
		cmocka_unit_test(spoof_checking_trust_and_link_are_set),
		cmocka_unit_test(its_neighbours_are_as_they_were),
	};

	return cmocka_run_group_tests_name("guest_netdevsim", tests, open_host,
					   close_host);
}
