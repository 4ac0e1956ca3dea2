/* SPDX-License-Identifier: MIT */
/*
 * Ranges that hold for every driver: each is tried on both sides of its ends, and
 * what is wrong is named in the report and in the line.
 */
#include "fake/support.h"
#include "vf/setting.h"

#define ALL_FIELDS 0x1ffu

/* Everything at once, and all of it right. */
static struct vio_vf_config right_config(void)
{
	struct vio_vf_config c = VIO_VF_CONFIG_INIT;

	c.fields = ALL_FIELDS;
	c.mac[0] = 2;
	c.vlan = 4094;
	c.qos = 7;
	c.vlan_protocol = 0x88a8;
	c.min_tx_mbps = 100;
	c.max_tx_mbps = 1000;
	c.spoofchk = 1;
	c.trust = 1;
	c.link_state = VIO_VF_LINK_DISABLE;
	c.nvme_vq = 2;
	c.nvme_vi = 1;
	c.n_msix = 2048;
	return c;
}

static void check_refused(struct vio_vf_config c, uint32_t want, const char *text)
{
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_setting_check(&c, 1000, &report, &err), -EINVAL);
	assert_int_equal(report.refused, want);
	assert_non_null(strstr(err.text, text));
	/* What is not to be set may say anything. */
	c.fields &= ~want;
	assert_int_equal(vio_setting_check(&c, 1000, NULL, NULL), 0);
}

static void a_configuration_at_the_ends_of_its_ranges_is_taken(void **state)
{
	const struct vio_vf_config c = right_config();
	struct vio_vf_report report = VIO_VF_REPORT_INIT;

	(void)state;
	assert_int_equal(vio_setting_check(&c, 1000, &report, NULL), 0);
	assert_int_equal(report.refused, 0);
}

static void nothing_to_set_is_taken(void **state)
{
	const struct vio_vf_config c = VIO_VF_CONFIG_INIT;

	(void)state;
	assert_int_equal(vio_setting_check(&c, 0, NULL, NULL), 0);
}

static void a_multicast_mac_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.mac[0] = 3;
	check_refused(c, VIO_VF_MAC, "mac");
}

static void a_broadcast_mac_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	memset(c.mac, 0xff, sizeof(c.mac));
	check_refused(c, VIO_VF_MAC, "mac");
}

static void a_zero_mac_takes_it_back(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	memset(c.mac, 0, sizeof(c.mac));
	assert_int_equal(vio_setting_check(&c, 0, NULL, NULL), 0);
}

static void a_vlan_out_of_its_range_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.vlan = 4095;
	check_refused(c, VIO_VF_VLAN, "4094");
	c.vlan = UINT32_MAX;
	check_refused(c, VIO_VF_VLAN, "4094");
}

static void a_priority_out_of_its_range_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.qos = 8;
	check_refused(c, VIO_VF_VLAN, "qos");
}

static void a_priority_without_a_vlan_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.vlan = 0;
	check_refused(c, VIO_VF_VLAN, "qos needs a vlan");
}

static void a_protocol_that_tags_nothing_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.vlan_protocol = 0x0800;
	check_refused(c, VIO_VF_VLAN, "vlan_protocol");
}

static void a_minimum_over_the_maximum_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.max_tx_mbps = 99;
	check_refused(c, VIO_VF_MIN_RATE, "over max_tx_mbps");
	c.max_tx_mbps = 0;
	assert_int_equal(vio_setting_check(&c, 1000, NULL, NULL), 0);
}

static void a_rate_over_the_link_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.max_tx_mbps = 1001;
	check_refused(c, VIO_VF_MAX_RATE, "link");
	c.min_tx_mbps = 1001;
	check_refused(c, VIO_VF_MIN_RATE | VIO_VF_MAX_RATE, "link");
	assert_int_equal(vio_setting_check(&c, 0, NULL, NULL), 0);
}

static void what_is_neither_on_nor_off_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.spoofchk = 2;
	check_refused(c, VIO_VF_SPOOFCHK, "spoofchk");
	c = right_config();
	c.trust = 2;
	check_refused(c, VIO_VF_TRUST, "trust");
	c = right_config();
	c.link_state = 3;
	check_refused(c, VIO_VF_LINK, "link_state");
}

static void resources_that_no_command_carries_are_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.nvme_vq = 65536;
	check_refused(c, VIO_VF_NVME, "65535");
	c = right_config();
	c.nvme_vi = 65536;
	check_refused(c, VIO_VF_NVME, "65535");
}

static void resources_that_cannot_go_online_are_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.nvme_vq = 1;
	check_refused(c, VIO_VF_NVME, "nvme_vq 2");
	c.nvme_vq = 2;
	c.nvme_vi = 0;
	check_refused(c, VIO_VF_NVME, "nvme_vi 1");
	c.nvme_vq = 0;
	assert_int_equal(vio_setting_check(&c, 0, NULL, NULL), 0);
}

static void vectors_out_of_their_range_are_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.n_msix = 0;
	check_refused(c, VIO_VF_MSIX, "n_msix");
	c.n_msix = 2049;
	check_refused(c, VIO_VF_MSIX, "n_msix");
}

static void an_unknown_field_is_refused(void **state)
{
	struct vio_vf_config c = right_config();

	(void)state;
	c.fields |= ALL_FIELDS + 1;
	assert_int_equal(vio_setting_check(&c, 0, NULL, NULL), -EINVAL);
	c = right_config();
	c.reserved[1] = 1;
	assert_int_equal(vio_setting_check(&c, 0, NULL, NULL), -EINVAL);
}

static void each_field_that_is_wrong_is_named(void **state)
{
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct vio_vf_config c;

	(void)state;
	memset(&c, 0xff, sizeof(c));
	assert_int_equal(vio_setting_check(&c, 1000, &report, NULL), -EINVAL);
	assert_int_equal(report.refused, ALL_FIELDS);
}

static void a_field_that_differs_is_told_from_others(void **state)
{
	static const struct {
		uint32_t field;
		size_t offset;
	} members[] = {
		{ VIO_VF_MAC, offsetof(struct vio_vf_config, mac) },
		{ VIO_VF_VLAN, offsetof(struct vio_vf_config, vlan) },
		{ VIO_VF_VLAN, offsetof(struct vio_vf_config, qos) },
		{ VIO_VF_VLAN, offsetof(struct vio_vf_config, vlan_protocol) },
		{ VIO_VF_MIN_RATE, offsetof(struct vio_vf_config, min_tx_mbps) },
		{ VIO_VF_MAX_RATE, offsetof(struct vio_vf_config, max_tx_mbps) },
		{ VIO_VF_SPOOFCHK, offsetof(struct vio_vf_config, spoofchk) },
		{ VIO_VF_TRUST, offsetof(struct vio_vf_config, trust) },
		{ VIO_VF_LINK, offsetof(struct vio_vf_config, link_state) },
		{ VIO_VF_NVME, offsetof(struct vio_vf_config, nvme_vq) },
		{ VIO_VF_NVME, offsetof(struct vio_vf_config, nvme_vi) },
		{ VIO_VF_MSIX, offsetof(struct vio_vf_config, n_msix) },
	};
	const struct vio_vf_config a = right_config();

	(void)state;
	assert_true(vio_setting_is_equal(&a, &a, ALL_FIELDS));
	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		struct vio_vf_config b = a;

		((char *)&b)[members[i].offset] ^= 1;
		assert_false(vio_setting_is_equal(&a, &b, members[i].field));
		assert_true(
			vio_setting_is_equal(&a, &b, ALL_FIELDS & ~members[i].field));
	}
}

static void a_protocol_that_is_left_out_is_that_of_plain_vlans(void **state)
{
	struct vio_vf_config a = { .vlan = 5 };
	struct vio_vf_config b = { .vlan = 5, .vlan_protocol = 0x8100 };

	(void)state;
	assert_true(vio_setting_is_equal(&a, &b, VIO_VF_VLAN));
	b.vlan_protocol = 0x88a8;
	assert_false(vio_setting_is_equal(&a, &b, VIO_VF_VLAN));
	a.vlan = 0;
	b.vlan = 0;
	assert_true(vio_setting_is_equal(&a, &b, VIO_VF_VLAN));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_configuration_at_the_ends_of_its_ranges_is_taken),
		cmocka_unit_test(nothing_to_set_is_taken),
		cmocka_unit_test(a_multicast_mac_is_refused),
		cmocka_unit_test(a_broadcast_mac_is_refused),
		cmocka_unit_test(a_zero_mac_takes_it_back),
		cmocka_unit_test(a_vlan_out_of_its_range_is_refused),
		cmocka_unit_test(a_priority_out_of_its_range_is_refused),
		cmocka_unit_test(a_priority_without_a_vlan_is_refused),
		cmocka_unit_test(a_protocol_that_tags_nothing_is_refused),
		cmocka_unit_test(a_minimum_over_the_maximum_is_refused),
		cmocka_unit_test(a_rate_over_the_link_is_refused),
		cmocka_unit_test(what_is_neither_on_nor_off_is_refused),
		cmocka_unit_test(resources_that_no_command_carries_are_refused),
		cmocka_unit_test(resources_that_cannot_go_online_are_refused),
		cmocka_unit_test(vectors_out_of_their_range_are_refused),
		cmocka_unit_test(an_unknown_field_is_refused),
		cmocka_unit_test(each_field_that_is_wrong_is_named),
		cmocka_unit_test(a_field_that_differs_is_told_from_others),
		cmocka_unit_test(a_protocol_that_is_left_out_is_that_of_plain_vlans),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
