/* SPDX-License-Identifier: MIT */
/* Functions of which sysfs says what cannot be: each is an error, and no more. */
#include "machine.h"
#include "vf/host_read.h"

static void check_refused(struct machine *m, const char *attr, const char *text)
{
	const struct vio_pci_addr addr = addr_of(NIC);
	struct vio_pci_info info = VIO_PCI_INFO_INIT, before = info;
	struct vio_error err = VIO_ERROR_INIT;

	change_attr(m, NIC_PORT, NIC, attr, text);
	assert_int_equal(vio_host_read_function(m->host, &addr, &info, &err), -EBADMSG);
	assert_memory_equal(&info, &before, sizeof(info));
	assert_non_null(strstr(err.text, NIC));
}

static void identities_that_are_no_numbers_are_refused(void **state)
{
	check_refused(*state, "vendor", "garbage\n");
	check_refused(*state, "vendor", "0x18086\n");
	check_refused(*state, "vendor", "\n");
	change_attr(*state, NIC_PORT, NIC, "vendor", "0x8086");
	check_refused(*state, "device", "0x10c9 0x10c9\n");
	change_attr(*state, NIC_PORT, NIC, "device", "0x10c9");
	check_refused(*state, "class", "0x1020000\n");
}

static void a_number_without_a_newline_is_a_number(void **state)
{
	struct vio_pci_info info;

	change_attr(*state, NIC_PORT, NIC, "vendor", "0x1234");
	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_int_equal(info.vendor_id, 0x1234);
}

static void a_node_less_than_minus_one_is_refused(void **state)
{
	check_refused(*state, "numa_node", "-2\n");
	check_refused(*state, "numa_node", "2147483648\n");
	check_refused(*state, "numa_node", "--1\n");
}

static void more_vfs_than_the_register_can_hold_are_refused(void **state)
{
	check_refused(*state, "sriov_totalvfs", "65536\n");
	check_refused(*state, "sriov_totalvfs", "-1\n");
}

static void autoprobe_is_yes_or_no(void **state)
{
	check_refused(*state, "sriov_drivers_autoprobe", "2\n");
}

static void an_override_too_long_or_not_text_is_refused(void **state)
{
	check_refused(*state, "driver_override", "a2345678901234567890123456789012\n");
	check_refused(*state, "driver_override", "vfio\npci\n");
	check_refused(*state, "driver_override", "vfio\x01pci\n");
}

static void a_driver_too_long_or_not_text_is_refused(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	remove_attr(m, NIC_PORT, NIC, "driver");
	set_link(m, NIC_PORT, NIC, "driver", "../a2345678901234567890123456789012");
	assert_int_equal(read_of(m, NIC, &info), -EBADMSG);
	remove_attr(m, NIC_PORT, NIC, "driver");
	set_link(m, NIC_PORT, NIC, "driver", "../ig\nb");
	assert_int_equal(read_of(m, NIC, &info), -EBADMSG);
	remove_attr(m, NIC_PORT, NIC, "driver");
	set_attr(m, NIC_PORT, NIC, "driver", "no link");
	assert_int_equal(read_of(m, NIC, &info), -EBADMSG);
}

static void an_endless_list_of_reset_methods_is_refused(void **state)
{
	char text[300];

	memset(text, 'f', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	check_refused(*state, "reset_method", text);
}

static void reset_methods_of_a_later_kernel_are_left_out(void **state)
{
	struct vio_pci_info info;

	change_attr(*state, NIC_PORT, NIC, "reset_method", "  warp flr  pmx \n");
	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_int_equal(info.reset_methods, VIO_PCI_RESET_FLR);
}

static void resources_that_are_no_ranges_are_refused(void **state)
{
	static const char *const bad[] = {
		"garbage\n",
		"0x0 0x1\n",
		"0x0 0x1 0x200 0x3\n",
		"0x2 0x1 0x200\n",
		"0x 0x1 0x200\n",
		"0x0\t0x1 0x200\n",
		"0x0 0xffffffffffffffff 0x200\n",
		"0x00000000000000000 0x1 0x200\n",
		"0x0 0x1 0x200\n\n0x0 0x1 0x200\n",
		"-1 0x1 0x200\n",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		check_refused(*state, "resource", bad[i]);
}

static void fewer_lines_of_resources_are_fewer_bars(void **state)
{
	struct vio_pci_info info;

	change_attr(*state, NIC_PORT, NIC, "resource", "0x1000 0x1fff 0x200");
	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_true(info.bar_bytes[0] == 0x1000);
	assert_true(info.vf_bar_bytes[0] == 0);
}

static int show_page(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	memset(buf, '0', n);
	return (int)n;
}

static void only_the_lines_of_bars_are_read(void **state)
{
	struct vio_pci_info info;
	char text[14 * 16 + 1];

	for (size_t at = 0; at < sizeof(text) - 1; at += 16)
		memcpy(text + at, "0x00 0x01 0x200\n", 16);
	memcpy(text + 13 * 16, "garbage", 8);
	change_attr(*state, NIC_PORT, NIC, "resource", text);
	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_true(info.bar_bytes[5] == 2);
}

static void resources_longer_than_a_page_are_refused(void **state)
{
	const struct vio_fake_attr attr = { .show = show_page };
	struct machine *m = *state;
	struct vio_pci_info info;
	char path[256];

	remove_attr(m, NIC_PORT, NIC, "resource");
	vio_fake_add_attr(m->fake, path_of(path, NIC_PORT, NIC, "resource"), &attr);
	assert_int_equal(read_of(m, NIC, &info), -EBADMSG);
}

static void vf_bars_are_not_guessed_without_configuration_space(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	put16(m->nic, NIC_SRIOV + 0x0e, 7);
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_true(info.vf_bar_bytes[0] == 0);
	put_cap(m->nic, NIC_EXPRESS, 0x10, NIC_PM);
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_true(info.vf_bar_bytes[0] == 0);
	assert_int_equal(info.flags & VIO_PCI_ACS_PATH, 0);
}

static void a_physfn_that_is_no_address_is_refused(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	remove_attr(m, NIC_PORT, nic_vfs[0], "physfn");
	set_link(m, NIC_PORT, nic_vfs[0], "physfn", "../../etc");
	assert_int_equal(read_of(m, nic_vfs[0], &info), -EBADMSG);
}

static void a_physfn_that_is_not_there_is_a_vf_that_goes(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	remove_attr(m, NIC_PORT, nic_vfs[0], "physfn");
	set_link(m, NIC_PORT, nic_vfs[0], "physfn", "../0000:7f:00.0");
	assert_int_equal(read_of(m, nic_vfs[0], &info), -ENODEV);
}

static void a_group_that_is_no_number_is_refused(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	remove_attr(m, NIC_PORT, NIC, "iommu_group");
	set_link(m, NIC_PORT, NIC, "iommu_group", "../groups/ten");
	assert_int_equal(read_of(m, NIC, &info), -EBADMSG);
	remove_attr(m, NIC_PORT, NIC, "iommu_group");
	set_link(m, NIC_PORT, NIC, "iommu_group", "../groups/2147483648");
	assert_int_equal(read_of(m, NIC, &info), -EBADMSG);
}

static void a_group_that_has_gone_is_a_function_that_goes(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	vio_fake_remove(m->fake, SYSFS "/kernel/iommu_groups/10");
	assert_int_equal(read_of(m, NIC, &info), -ENODEV);
}

static void interfaces_that_cannot_be_are_left_out_or_refused(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	set_attr(m, NIC_PORT, NIC, "net/sixteen-letters-/ifindex", "1\n");
	set_attr(m, NIC_PORT, NIC, "net/new\nline/ifindex", "1\n");
	set_attr(m, NIC_PORT, NIC, "net/zero/ifindex", "0\n");
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_string_equal(info.netdev, "enp1s0");
	check_refused(m, "net/enp1s0/speed", "fast\n");
	check_refused(m, "net/enp1s0/speed", "2147483648\n");
	check_refused(m, "net/enp1s0/carrier", "up\n");
	check_refused(m, "net/enp1s0/ifindex", "4294967296\n");
}

static void a_speed_of_all_ones_is_not_known(void **state)
{
	struct vio_pci_info info;

	change_attr(*state, NIC_PORT, NIC, "net/enp1s0/speed", "4294967295\n");
	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_int_equal(info.link_mbps, 0);
}

static void a_function_that_is_no_link_has_no_path(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	vio_fake_add_text(m->fake, SYSFS "/bus/pci/devices/0000:05:00.0/vendor", "1");
	vio_fake_add_text(m->fake, SYSFS "/bus/pci/devices/0000:05:00.0/device", "2");
	vio_fake_add_text(m->fake, SYSFS "/bus/pci/devices/0000:05:00.0/class", "3");
	assert_int_equal(read_of(m, "0000:05:00.0", &info), 0);
	assert_int_equal(info.flags, 0);
}

/* The port has all controls, but nobody says that there is nothing above it. */
static void a_link_that_does_not_begin_at_a_root_promises_nothing(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	vio_fake_remove(m->fake, SYSFS "/bus/pci/devices/" NIC);
	vio_fake_add_link(m->fake, SYSFS "/bus/pci/devices/" NIC, "/" NIC_PORT "/" NIC);
	vio_fake_add_link(m->fake, "/" NIC_PORT, SYSFS "/devices/pci0000:00/" NIC_PORT);
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_int_equal(info.device_id, 0x10c9);
	assert_int_equal(info.flags & VIO_PCI_ACS_PATH, 0);
}

static void an_address_out_of_range_has_no_configuration_space(void **state)
{
	const struct vio_pci_addr addr = { .device = 32 };
	struct machine *m = *state;
	uint8_t byte = 7;

	assert_int_equal(vio_host_read_bytes(m->host, &addr, &byte, 1), -EINVAL);
	assert_int_equal(byte, 7);
}

static int vanish(void *opaque, char *buf, size_t n)
{
	(void)buf;
	(void)n;
	remove_attr(opaque, NIC_PORT, NIC, NULL);
	return -ENODEV;
}

static int vanish_after(void *opaque, char *buf, size_t n)
{
	(void)vanish(opaque, buf, n);
	buf[0] = '0';
	return 1;
}

static void check_vanishes(struct machine *m, const char *name,
			   int (*show)(void *opaque, char *buf, size_t n))
{
	const struct vio_fake_attr attr = { .show = show, .opaque = m };
	struct vio_pci_info info;
	char path[256];

	remove_attr(m, NIC_PORT, NIC, name);
	vio_fake_add_attr(m->fake, path_of(path, NIC_PORT, NIC, name), &attr);
	assert_int_equal(read_of(m, NIC, &info), -ENODEV);
}

static void a_function_that_goes_in_the_middle_is_not_there(void **state)
{
	check_vanishes(*state, "driver_override", vanish);
}

/* What is absent then could have been absent always; what identifies it not. */
static void a_function_that_goes_between_attributes_is_not_there(void **state)
{
	check_vanishes(*state, "numa_node", vanish_after);
}

static void a_function_that_goes_at_the_end_is_not_there(void **state)
{
	check_vanishes(*state, "device", vanish_after);
}

#define ON_MACHINE(test)                                                               \
	cmocka_unit_test_setup_teardown(test, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_MACHINE(identities_that_are_no_numbers_are_refused),
		ON_MACHINE(a_number_without_a_newline_is_a_number),
		ON_MACHINE(a_node_less_than_minus_one_is_refused),
		ON_MACHINE(more_vfs_than_the_register_can_hold_are_refused),
		ON_MACHINE(autoprobe_is_yes_or_no),
		ON_MACHINE(an_override_too_long_or_not_text_is_refused),
		ON_MACHINE(a_driver_too_long_or_not_text_is_refused),
		ON_MACHINE(an_endless_list_of_reset_methods_is_refused),
		ON_MACHINE(reset_methods_of_a_later_kernel_are_left_out),
		ON_MACHINE(resources_that_are_no_ranges_are_refused),
		ON_MACHINE(fewer_lines_of_resources_are_fewer_bars),
		ON_MACHINE(only_the_lines_of_bars_are_read),
		ON_MACHINE(resources_longer_than_a_page_are_refused),
		ON_MACHINE(vf_bars_are_not_guessed_without_configuration_space),
		ON_MACHINE(a_physfn_that_is_no_address_is_refused),
		ON_MACHINE(a_physfn_that_is_not_there_is_a_vf_that_goes),
		ON_MACHINE(a_group_that_is_no_number_is_refused),
		ON_MACHINE(a_group_that_has_gone_is_a_function_that_goes),
		ON_MACHINE(interfaces_that_cannot_be_are_left_out_or_refused),
		ON_MACHINE(a_speed_of_all_ones_is_not_known),
		ON_MACHINE(a_function_that_is_no_link_has_no_path),
		ON_MACHINE(a_link_that_does_not_begin_at_a_root_promises_nothing),
		ON_MACHINE(an_address_out_of_range_has_no_configuration_space),
		ON_MACHINE(a_function_that_goes_in_the_middle_is_not_there),
		ON_MACHINE(a_function_that_goes_between_attributes_is_not_there),
		ON_MACHINE(a_function_that_goes_at_the_end_is_not_there),
	};

	return cmocka_run_group_tests_name("host_hostile", tests, NULL, NULL);
}
