/* SPDX-License-Identifier: MIT */
/*
 * Settings of VFs against real drivers: the emulated igb and NVMe. Every setting is
 * read back from the kernel, and what a driver refuses comes back as it refused it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <vio/ctx.h>

#include "core/env.h"
#include "guest.h"
#include "vf/setting.h"
#include "vf/setting_kind.h"

#define WAIT_NS UINT64_C(60000000000) /* an emulated machine on a loaded host */

static struct vio_ctx *ctx;
static struct vio_host host;
static pthread_t worker;
static char sysfs_root[] = "/sys", dev_root[] = "/dev";

static const struct vio_pci_addr igb = { .bus = 1 };
static const struct vio_pci_addr igb_vf = { .bus = 1, .device = 16 };
static const struct vio_pci_addr nvme = { .bus = 2 };
static const struct vio_pci_addr nvme_vf = { .bus = 2, .function = 1 };

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

static void dispatch_once(void)
{
	struct pollfd fd = { .fd = vio_ctx_get_fd(ctx), .events = POLLIN };

	assert_int_equal(poll(&fd, 1, (int)(WAIT_NS / 1000000)), 1);
	assert_true(vio_ctx_dispatch(ctx, 16) >= 0);
}

static int
carry_out(struct waited_call *waited, int (*begin)(struct vio_setting_call *call))
{
	int ret;

	waited->is_done = 0;
	waited->call.host = &host;
	waited->call.done = call_done;
	ret = begin(&waited->call);
	if (ret)
		return ret;
	while (!waited->is_done)
		dispatch_once();
	assert_int_equal(waited->is_done, 1);
	return waited->result;
}

static struct waited_call igb_call(void)
{
	return (struct waited_call){ .call = { .pf = igb, .vf = igb_vf } };
}

static int set_igb(struct vio_vf_config config)
{
	struct waited_call waited = igb_call();

	waited.call.config = config;
	return carry_out(&waited, vio_setting_set);
}

static struct vio_vf_config read_igb(void)
{
	struct waited_call waited = igb_call();

	assert_int_equal(carry_out(&waited, vio_setting_read), 0);
	return waited.call.config;
}

static void sets_and_reads_back(struct vio_vf_config config)
{
	struct vio_vf_config found;

	assert_int_equal(set_igb(config), 0);
	found = read_igb();
	assert_int_equal(found.fields & config.fields, config.fields);
	assert_true(vio_setting_is_equal(&config, &found, config.fields));
}

static void a_unicast_mac_is_set_and_taken_back(void **state)
{
	(void)state;
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAC,
						    .mac = { 2, 0, 0, 1, 2, 3 } });
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAC });
}

static void the_driver_refuses_a_multicast_mac(void **state)
{
	const struct vio_vf_config config = { .fields = VIO_VF_MAC,
					      .mac = { 1, 0, 0x5e } };

	(void)state;
	assert_int_equal(set_igb(config), -EINVAL);
	assert_int_equal(vio_setting_check(&config, 0, NULL, NULL), -EINVAL);
}

static void a_vlan_and_its_priority_are_set_and_taken_back(void **state)
{
	(void)state;
	sets_and_reads_back(
		(struct vio_vf_config){ .fields = VIO_VF_VLAN, .vlan = 100 });
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_VLAN,
						    .vlan = 4094,
						    .qos = 5,
						    .vlan_protocol = 0x8100 });
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_VLAN });
}

/* The one that a driver takes and the library does not. */
static void the_driver_takes_the_reserved_vlan_and_the_check_does_not(void **state)
{
	const struct vio_vf_config config = { .fields = VIO_VF_VLAN, .vlan = 4095 };
	struct vio_vf_report report = VIO_VF_REPORT_INIT;

	(void)state;
	sets_and_reads_back(config);
	assert_int_equal(vio_setting_check(&config, 0, &report, NULL), -EINVAL);
	assert_int_equal(report.refused, VIO_VF_VLAN);
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_VLAN });
}

static void the_driver_lacks_provider_vlans(void **state)
{
	(void)state;
	assert_int_equal(set_igb((struct vio_vf_config){ .fields = VIO_VF_VLAN,
							 .vlan = 100,
							 .vlan_protocol = 0x88a8 }),
			 -EOPNOTSUPP);
	assert_int_equal(read_igb().vlan, 0);
}

static void a_maximum_rate_is_set_and_taken_back(void **state)
{
	(void)state;
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAX_RATE,
						    .max_tx_mbps = 100 });
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MAX_RATE });
}

static void the_driver_refuses_a_rate_over_its_link(void **state)
{
	(void)state;
	assert_int_equal(set_igb((struct vio_vf_config){ .fields = VIO_VF_MAX_RATE,
							 .max_tx_mbps = 2000 }),
			 -EINVAL);
	assert_int_equal(read_igb().max_tx_mbps, 0);
}

static void the_driver_refuses_a_minimum_rate(void **state)
{
	(void)state;
	assert_int_equal(set_igb((struct vio_vf_config){ .fields = VIO_VF_MIN_RATE,
							 .min_tx_mbps = 10 }),
			 -EINVAL);
	assert_int_equal(set_igb((struct vio_vf_config){ .fields = VIO_VF_MIN_RATE |
								   VIO_VF_MAX_RATE,
							 .min_tx_mbps = 10,
							 .max_tx_mbps = 100 }),
			 -EINVAL);
	sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_MIN_RATE });
}

static void spoof_checking_and_trust_go_on_and_off(void **state)
{
	(void)state;
	for (uint32_t on = 0; on < 2; on++) {
		sets_and_reads_back(
			(struct vio_vf_config){ .fields = VIO_VF_TRUST, .trust = !on });
		sets_and_reads_back((struct vio_vf_config){ .fields = VIO_VF_SPOOFCHK,
							    .spoofchk = on });
	}
}

static void the_driver_lacks_a_link_state_of_its_own(void **state)
{
	(void)state;
	assert_int_equal(
		set_igb((struct vio_vf_config){ .fields = VIO_VF_LINK,
						.link_state = VIO_VF_LINK_DISABLE }),
		-EOPNOTSUPP);
	assert_int_equal(read_igb().link_state, VIO_VF_LINK_AUTO);
}

static void a_vf_that_is_not_there_is_refused(void **state)
{
	struct waited_call waited = igb_call();

	(void)state;
	waited.call.vf_index = 9;
	waited.call.config =
		(struct vio_vf_config){ .fields = VIO_VF_TRUST, .trust = 1 };
	assert_int_equal(carry_out(&waited, vio_setting_set), -EINVAL);
	assert_non_null(strstr(waited.call.err.text, "trust"));
	assert_int_equal(carry_out(&waited, vio_setting_read), -ENODEV);
}

static void a_pf_that_is_not_there_has_gone(void **state)
{
	struct waited_call waited = igb_call();

	(void)state;
	waited.call.pf.bus = 99;
	waited.call.config = (struct vio_vf_config){ .fields = VIO_VF_TRUST };
	assert_int_equal(carry_out(&waited, vio_setting_set), -ENODEV);
}

static void vectors_are_read_and_the_driver_cannot_change_them(void **state)
{
	(void)state;
	assert_true(read_igb().fields & VIO_VF_MSIX);
	assert_int_equal(read_igb().n_msix, 3);
	assert_int_equal(
		set_igb((struct vio_vf_config){ .fields = VIO_VF_MSIX, .n_msix = 2 }),
		-EOPNOTSUPP);
}

static void a_network_card_has_no_nvme_resources(void **state)
{
	(void)state;
	assert_int_equal(set_igb((struct vio_vf_config){
				 .fields = VIO_VF_NVME, .nvme_vq = 2, .nvme_vi = 1 }),
			 -EOPNOTSUPP);
	assert_false(read_igb().fields & VIO_VF_NVME);
}

static int
run_nvme(struct vio_vf_config *config, int (*begin)(struct vio_setting_call *call))
{
	struct waited_call waited = { .call = { .pf = nvme, .vf = nvme_vf } };
	int ret;

	waited.call.config = *config;
	ret = carry_out(&waited, begin);
	*config = waited.call.config;
	return ret;
}

static void queues_and_interrupts_of_a_secondary_controller_change(void **state)
{
	struct vio_vf_config config = { .fields = VIO_VF_NVME,
					.nvme_vq = 3,
					.nvme_vi = 2 };
	struct vio_vf_config found = VIO_VF_CONFIG_INIT;

	(void)state;
	assert_int_equal(run_nvme(&config, vio_setting_set), 0);
	assert_int_equal(run_nvme(&found, vio_setting_read), 0);
	assert_true(found.fields & VIO_VF_NVME);
	assert_true(vio_setting_is_equal(&config, &found, VIO_VF_NVME));
	assert_false(found.fields & VIO_VF_MAC);
}

/* More than the pool has: what was there before is there again. */
static void resources_that_are_not_there_change_nothing(void **state)
{
	struct vio_vf_config config = { .fields = VIO_VF_NVME,
					.nvme_vq = 4,
					.nvme_vi = 99 };
	struct vio_vf_config found = VIO_VF_CONFIG_INIT;

	(void)state;
	assert_int_equal(run_nvme(&config, vio_setting_set), -ENOSPC);
	assert_int_equal(run_nvme(&found, vio_setting_read), 0);
	assert_int_equal(found.nvme_vq, 3);
	assert_int_equal(found.nvme_vi, 2);
}

static void resources_are_given_back(void **state)
{
	struct vio_vf_config config = { .fields = VIO_VF_NVME };
	struct vio_vf_config found = VIO_VF_CONFIG_INIT;

	(void)state;
	assert_int_equal(run_nvme(&config, vio_setting_set), 0);
	assert_int_equal(run_nvme(&found, vio_setting_read), 0);
	assert_int_equal(found.nvme_vq, 0);
	assert_int_equal(found.nvme_vi, 0);
}

/* The primary controller keeps none of what can be given; that takes a reset. */
static int free_nvme_pool(void)
{
	const int fd = open("/dev/nvme0", O_RDWR | O_CLOEXEC);
	int ret = 0;

	if (fd < 0)
		return -1;
	for (unsigned int type = 0; type < 2; type++) {
		struct nvme_admin_cmd command = { .opcode = VIO_NVME_VIRTUALIZATION,
						  .cdw10 = 1 | type << 8 };

		ret |= ioctl(fd, NVME_IOCTL_ADMIN_CMD, &command);
	}
	ret |= ioctl(fd, NVME_IOCTL_RESET);
	close(fd);
	return ret;
}

/* The driver takes a rate only while it has a link, which comes in its own time. */
static int wait_for_link(void)
{
	const uint64_t end_ns = now_ns() + WAIT_NS;
	char line[8];

	if (command_run("ip link set eth0 up"))
		return -1;
	do {
		line_read("/sys/class/net/eth0/carrier", line, sizeof(line));
		sched_yield();
	} while (strcmp(line, "1") != 0 && now_ns() < end_ns);
	return strcmp(line, "1");
}

static int open_host(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;

	(void)state;
	if (command_run("echo 2 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs") ||
	    wait_for_link() || free_nvme_pool() ||
	    command_run("cd /sys/bus/pci/devices/0000:02:00.0 &&"
			"echo 0 >sriov_drivers_autoprobe && echo 2 >sriov_numvfs"))
		return -1;
	params.flags = VIO_CTX_LENDS_THREAD;
	if (vio_ctx_create(&params, &ctx, NULL) ||
	    pthread_create(&worker, NULL, lend, NULL))
		return -1;
	host = (struct vio_host){
		.env = vio_env_of(ctx),
		.ctx = ctx,
		.async = vio_ctx_get_async(ctx),
		.sysfs_root = sysfs_root,
		.dev_root = dev_root,
	};
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
		cmocka_unit_test(a_unicast_mac_is_set_and_taken_back),
		cmocka_unit_test(the_driver_refuses_a_multicast_mac),
		cmocka_unit_test(a_vlan_and_its_priority_are_set_and_taken_back),
		cmocka_unit_test(
			the_driver_takes_the_reserved_vlan_and_the_check_does_not),
		cmocka_unit_test(the_driver_lacks_provider_vlans),
		cmocka_unit_test(a_maximum_rate_is_set_and_taken_back),
		cmocka_unit_test(the_driver_refuses_a_rate_over_its_link),
		cmocka_unit_test(the_driver_refuses_a_minimum_rate),
		cmocka_unit_test(spoof_checking_and_trust_go_on_and_off),
		cmocka_unit_test(the_driver_lacks_a_link_state_of_its_own),
		cmocka_unit_test(a_vf_that_is_not_there_is_refused),
		cmocka_unit_test(a_pf_that_is_not_there_has_gone),
		cmocka_unit_test(vectors_are_read_and_the_driver_cannot_change_them),
		cmocka_unit_test(a_network_card_has_no_nvme_resources),
		cmocka_unit_test(
			queues_and_interrupts_of_a_secondary_controller_change),
		cmocka_unit_test(resources_that_are_not_there_change_nothing),
		cmocka_unit_test(resources_are_given_back),
	};

	return cmocka_run_group_tests_name("guest_vfconf", tests, open_host,
					   close_host);
}
