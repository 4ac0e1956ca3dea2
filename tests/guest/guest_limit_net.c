/* SPDX-License-Identifier: MIT */
/*
 * Limits that network cards hold: igb, which has a maximum for each VF and no minimum;
 * netdevsim, which has both, and devlink's rates instead once it is a switch. What was
 * set is read back by ip(8) and devlink(8) as well. netdevsim is no PCI function: a
 * tree in the manner of sysfs gives its interface to one.
 */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bound.h"
#include "guest.h"

#define WAIT_NS UINT64_C(60000000000)
#define MBPS    UINT64_C(125000)
#define HANDLE  "netdevsim/netdevsim10"
#define PORT    129 /* of VF 1: netdevsim counts those of VFs from 128 */

#define CEILING VIO_LIMIT_HW_CEILING_BYTES
#define ASSURED VIO_LIMIT_HW_ASSURED_BYTES

static struct vio_host *real, *made;
static char sim_show[128]; /* a command that shows netdevsim's VFs */

static struct vio_limit_hw_params vf_of(struct vio_host *host, uint32_t index)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_VF;
	params.host = host;
	params.pf.bus = 1;
	params.vf_index = index;
	return params;
}

static struct vio_limit_hw_params rate_of(const char *node, const char *parent)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;

	params.kind = VIO_LIMIT_HW_DEVLINK;
	params.handle = HANDLE;
	params.node = node;
	params.parent = parent;
	params.port = PORT;
	return params;
}

/* Does the tool say so? */
static int shows(const char *command, const char *pattern)
{
	char line[512];

	snprintf(line, sizeof(line), "%s | grep -qE '%s'", command, pattern);
	return !command_run(line);
}

static void igb_tells_before_that_it_has_no_minimum(void **state)
{
	const struct vio_limit_hw_params params = vf_of(real, 0);
	struct vio_limit *limit = bound_limit(100 * MBPS, 0, 10 * MBPS);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(caps.fields, CEILING);
	assert_int_equal(caps.untried, 0);
	assert_int_equal(caps.bytes_step, MBPS);
	assert_int_equal(caps.bytes_most, 1000 * MBPS);
	assert_int_equal(bound_attach(hw, limit, ASSURED, &report), -EOPNOTSUPP);
	assert_non_null(strstr(bound_err.text, "assured_bytes_per_sec"));
	assert_false(shows("/bin/ip link show eth0", "vf 0 .*tx_rate"));
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void igb_without_trials_leaves_the_question_open(void **state)
{
	struct vio_limit_hw_params params = vf_of(real, 0);
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw;

	(void)state;
	params.flags = VIO_LIMIT_HW_NO_TRIALS;
	hw = bound_create(&params, &caps);
	assert_int_equal(caps.fields, 0);
	assert_int_equal(caps.untried, CEILING | ASSURED);
	bound_close(hw);
}

static void igb_holds_a_ceiling_rounded_down(void **state)
{
	const struct vio_limit_hw_params params = vf_of(real, 1);
	struct vio_limit *limit = bound_limit(100 * MBPS + 7, 0, 0);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(bound_attach(hw, limit, CEILING, &report), 0);
	assert_int_equal(report.held, CEILING);
	assert_int_equal(report.bytes_per_sec, 100 * MBPS);
	assert_true(shows("/bin/ip link show eth0", "vf 1 .*max_tx_rate 100Mbps"));
	assert_int_equal(bound_detach(hw), 0);
	assert_false(shows("/bin/ip link show eth0", "vf 1 .*tx_rate"));
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void igb_leaves_the_minimum_to_software(void **state)
{
	const struct vio_limit_hw_params params = vf_of(real, 1);
	struct vio_limit *limit = bound_limit(100 * MBPS, 500, 10 * MBPS);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(bound_attach(hw, limit, CEILING, &report), 0);
	assert_int_equal(report.set, CEILING);
	assert_true(report.left & ASSURED);
	assert_true(report.left & VIO_LIMIT_HW_CEILING_OPS);
	assert_int_equal(report.held, 0);
	/* Closing detaches. */
	bound_close(hw);
	assert_false(shows("/bin/ip link show eth0", "vf 1 .*tx_rate"));
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void igb_is_not_asked_for_more_than_its_link(void **state)
{
	const struct vio_limit_hw_params params = vf_of(real, 1);
	struct vio_limit *limit = bound_limit(1001 * MBPS, 0, 0);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(bound_attach(hw, limit, CEILING, &report), -ERANGE);
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_vf_that_is_not_there_cannot_be_opened(void **state)
{
	const struct vio_limit_hw_params params = vf_of(real, 9);
	struct vio_limit_hw *hw;

	(void)state;
	assert_int_equal(bound_open(&params, &hw), -ENODEV);
}

static void netdevsim_holds_both_rates(void **state)
{
	const struct vio_limit_hw_params params = vf_of(made, 1);
	struct vio_limit *limit = bound_limit(500 * MBPS + 1, 0, 100 * MBPS + 1);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(caps.fields, CEILING | ASSURED);
	/* The trial of a minimum left nothing behind. */
	assert_false(shows(sim_show, "vf 1 .*tx_rate"));
	assert_int_equal(bound_attach(hw, limit, CEILING | ASSURED, &report), 0);
	assert_int_equal(report.held, CEILING | ASSURED);
	assert_int_equal(report.bytes_per_sec, 500 * MBPS);
	assert_int_equal(report.assured_bytes_per_sec, 101 * MBPS);
	assert_true(shows(sim_show, "vf 1 .*max_tx_rate 500Mbps.*min_tx_rate 101Mbps"));
	assert_false(shows(sim_show, "vf [02] .*tx_rate"));
	bound_close(hw);
	assert_false(shows(sim_show, "vf 1 .*tx_rate"));
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_change_of_the_limit_is_brought_to_netdevsim(void **state)
{
	const struct vio_limit_hw_params params = vf_of(made, 1);
	struct vio_limit_params changed = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit = bound_limit(500 * MBPS, 0, 100 * MBPS);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw;

	(void)state;
	assert_int_equal(command_run("/bin/ip link set $SIM vf 1 max_tx_rate 700"), 0);
	hw = bound_create(&params, &caps);
	assert_int_equal(bound_attach(hw, limit, CEILING | ASSURED, &report), 0);
	changed.bytes_per_sec = 50 * MBPS;
	assert_int_equal(vio_limit_configure(limit, &changed, now_ns(), NULL), 0);
	assert_int_equal(bound_attach(hw, limit, CEILING, &report), 0);
	assert_true(shows(sim_show, "vf 1 .*max_tx_rate 50Mbps"));
	assert_false(shows(sim_show, "vf 1 .*min_tx_rate"));
	assert_int_equal(bound_detach(hw), 0);
	assert_true(shows(sim_show, "vf 1 .*max_tx_rate 700Mbps"));
	bound_close(hw);
	assert_int_equal(command_run("/bin/ip link set $SIM vf 1 max_tx_rate 0"), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void there_are_no_devlink_rates_before_it_is_a_switch(void **state)
{
	const struct vio_limit_hw_params params = rate_of(NULL, NULL);
	struct vio_limit_hw *hw;

	(void)state;
	assert_int_equal(bound_open(&params, &hw), -ENODEV);
	assert_int_equal(
		command_run("devlink dev eswitch set " HANDLE " mode switchdev"), 0);
}

/* The driver answers -EOPNOTSUPP: nothing is promised. */
static void a_switch_has_no_rates_of_the_old_kind(void **state)
{
	const struct vio_limit_hw_params params = vf_of(made, 1);
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(caps.fields, 0);
	bound_close(hw);
}

static void a_port_function_holds_both_rates_and_no_weight(void **state)
{
	const struct vio_limit_hw_params params = rate_of(NULL, NULL);
	const char *show = "devlink -j port function rate show " HANDLE "/129";
	struct vio_limit *limit = bound_limit(20 * MBPS, 0, 3 * MBPS - 1);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(caps.fields, CEILING | ASSURED | VIO_LIMIT_HW_PARENT);
	assert_int_equal(bound_attach(hw, limit, VIO_LIMIT_HW_PARENT, &report),
			 -EINVAL);
	assert_int_equal(bound_attach(hw, limit, CEILING | ASSURED, &report), 0);
	assert_int_equal(report.bytes_per_sec, 20 * MBPS);
	assert_int_equal(report.assured_bytes_per_sec, 3 * MBPS);
	assert_true(shows(show, "\"tx_share\":375000,\"tx_max\":2500000"));
	bound_close(hw);
	assert_false(shows(show, "tx_max\":[1-9]"));
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_node_is_made_with_a_port_below_it_and_goes(void **state)
{
	const char *show = "devlink -j port function rate show";
	struct vio_limit_hw_params params = rate_of("tenant", NULL);
	const struct vio_limit_hw_params leaf_params = rate_of(NULL, "tenant");
	struct vio_limit *above = bound_limit(40 * MBPS, 0, 10 * MBPS);
	struct vio_limit_params child = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *below;
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *node, *leaf, *second;

	(void)state;
	child.bytes_per_sec = 20 * MBPS;
	child.assured_bytes_per_sec = 5 * MBPS;
	assert_int_equal(vio_limit_add(above, &child, now_ns(), &below, NULL), 0);
	params.flags = VIO_LIMIT_HW_CREATE;
	node = bound_create(&params, &caps);
	assert_int_equal(caps.fields & (CEILING | ASSURED), CEILING | ASSURED);
	assert_int_equal(bound_open(&params, &second), -EEXIST);
	leaf = bound_create(&leaf_params, &caps);
	assert_int_equal(bound_attach(node, above, CEILING | ASSURED, &report), 0);
	assert_int_equal(
		bound_attach(leaf, below, CEILING | VIO_LIMIT_HW_PARENT, &report), 0);
	assert_int_equal(report.set, CEILING | ASSURED | VIO_LIMIT_HW_PARENT);
	/* What a parent gives, software finds from what is charged. */
	assert_int_equal(report.held, VIO_LIMIT_HW_PARENT);
	assert_true(shows(show,
			  HANDLE "/tenant\":.\"type\":\"node\",\"tx_share\":1250000,"
				 "\"tx_max\":5000000"));
	assert_true(shows(show, HANDLE "/129\":.\"type\":\"leaf\".*\"parent\":"
				       "\"tenant\""));
	bound_close(leaf);
	assert_false(shows(show, "\"parent\""));
	bound_close(node);
	assert_false(shows(show, "tenant"));
	assert_int_equal(vio_limit_destroy(below), 0);
	assert_int_equal(vio_limit_destroy(above), 0);
}

static void a_node_that_is_not_there_cannot_be_opened(void **state)
{
	const struct vio_limit_hw_params params = rate_of("nobody", NULL);
	struct vio_limit_hw *hw;

	(void)state;
	assert_int_equal(bound_open(&params, &hw), -ENODEV);
}

/* What was set before the step that failed is put back. */
static void a_parent_that_is_not_there_leaves_all_as_it_was(void **state)
{
	const struct vio_limit_hw_params params = rate_of(NULL, "nobody");
	const char *show = "devlink -j port function rate show " HANDLE "/129";
	struct vio_limit *limit = bound_limit(20 * MBPS, 0, 0);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(bound_attach(hw, limit, CEILING, &report), -ENODEV);
	assert_false(shows(show, "tx_max\":[1-9]"));
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* igb takes a rate only while it has a link, which comes in its own time. */
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

static int make_devices(void)
{
	return command_run("echo 2 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs") ||
	       wait_for_link() ||
	       command_run("insmod netdevsim.ko && cd /sys/bus/netdevsim &&"
			   "echo 10 1 >new_device &&"
			   "echo 3 >devices/netdevsim10/sriov_numvfs &&"
			   "mkdir -p /tmp/made/bus/pci/devices/0000:01:00.0 &&"
			   "ln -s /sys/bus/netdevsim/devices/netdevsim10/net "
			   "/tmp/made/bus/pci/devices/0000:01:00.0/net");
}

static int open_hosts(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	char name[32];

	if (make_devices() ||
	    command_run("ls /sys/bus/netdevsim/devices/netdevsim10/net >/tmp/sim") ||
	    bound_begin(state))
		return -1;
	line_read("/tmp/sim", name, sizeof(name));
	snprintf(sim_show, sizeof(sim_show), "/bin/ip link show %s", name);
	if (setenv("SIM", name, 1) || vio_host_open(bound_ctx, &params, &real, NULL))
		return -1;
	params.sysfs_root = "/tmp/made";
	return vio_host_open(bound_ctx, &params, &made, NULL);
}

static int close_hosts(void **state)
{
	if (vio_host_close(made, NULL) || vio_host_close(real, NULL))
		return -1;
	return bound_end(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(igb_tells_before_that_it_has_no_minimum),
		cmocka_unit_test(igb_without_trials_leaves_the_question_open),
		cmocka_unit_test(igb_holds_a_ceiling_rounded_down),
		cmocka_unit_test(igb_leaves_the_minimum_to_software),
		cmocka_unit_test(igb_is_not_asked_for_more_than_its_link),
		cmocka_unit_test(a_vf_that_is_not_there_cannot_be_opened),
		cmocka_unit_test(netdevsim_holds_both_rates),
		cmocka_unit_test(a_change_of_the_limit_is_brought_to_netdevsim),
		cmocka_unit_test(there_are_no_devlink_rates_before_it_is_a_switch),
		cmocka_unit_test(a_switch_has_no_rates_of_the_old_kind),
		cmocka_unit_test(a_port_function_holds_both_rates_and_no_weight),
		cmocka_unit_test(a_node_is_made_with_a_port_below_it_and_goes),
		cmocka_unit_test(a_node_that_is_not_there_cannot_be_opened),
		cmocka_unit_test(a_parent_that_is_not_there_leaves_all_as_it_was),
	};

	return cmocka_run_group_tests_name("guest_limit_net", tests, open_hosts,
					   close_hosts);
}
