/* SPDX-License-Identifier: MIT */
/* Addresses as text, and capabilities as bytes, true ones and hostile ones. */
#include <stdlib.h>

#include <vio/pci.h>

#include "config.h"
#include "fake/support.h"

#define UNTOUCHED 0x5a

static void check_address(const char *text, const struct vio_pci_addr *want)
{
	struct vio_pci_addr addr;

	memset(&addr, UNTOUCHED, sizeof(addr));
	assert_int_equal(vio_pci_addr_parse(text, &addr), 0);
	assert_memory_equal(&addr, want, sizeof(addr));
}

static void an_address_with_a_domain_is_read(void **state)
{
	const struct vio_pci_addr want = { 0x10000, 0xff, 0x1f, 7, 0 };

	(void)state;
	check_address("10000:ff:1f.7", &want);
	check_address("10000:FF:1F.7", &want);
}

static void an_address_without_a_domain_is_of_domain_0(void **state)
{
	const struct vio_pci_addr want = { 0, 0x3b, 0, 1, 0 };

	(void)state;
	check_address("3b:00.1", &want);
	check_address("0000:3b:00.1", &want);
}

static void the_widest_domain_is_read_and_written(void **state)
{
	const struct vio_pci_addr want = { UINT32_MAX, 0xff, 0x1f, 7, 0 };
	char text[VIO_PCI_ADDR_TEXT_BYTES];

	(void)state;
	check_address("ffffffff:ff:1f.7", &want);
	assert_int_equal(vio_pci_addr_print(&want, text), 16);
	assert_string_equal(text, "ffffffff:ff:1f.7");
}

static void what_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"0000:3b:00.1 ",
		" 0000:3b:00.1",
		"0000:3b:00.1\n",
		"0000:3b:00.10",
		"0000:3b:20.1",
		"0000:3b:1f.8",
		"0000:3b:00.g",
		"0000:3b:0.1",
		"0000:3b:000.1",
		"0000:b:00.1",
		"0000:13b:00.1",
		"000:3b:00.1",
		"100000000:3b:00.1",
		"0x00:3b:00.1",
		"-000:3b:00.1",
		"+000:3b:00.1",
		"0000:3b:00",
		"0000:3b:00.",
		"0000:3b00.1",
		"0000::3b:00.1",
		":3b:00.1",
		"../0000:3b:00.1",
		"0000:3b:00.1/..",
		"virtfn0",
	};
	struct vio_pci_addr addr, before;

	(void)state;
	memset(&before, UNTOUCHED, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		addr = before;
		assert_int_equal(vio_pci_addr_parse(bad[i], &addr), -EINVAL);
		assert_memory_equal(&addr, &before, sizeof(addr));
	}
}

static void no_text_and_no_room_for_an_address_are_refused(void **state)
{
	struct vio_pci_addr addr = { 0, 0, 0, 0, 0 };
	char text[VIO_PCI_ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(vio_pci_addr_parse(NULL, &addr), -EINVAL);
	assert_int_equal(vio_pci_addr_parse("3b:00.1", NULL), -EINVAL);
	assert_int_equal(vio_pci_addr_print(NULL, text), -EINVAL);
	assert_int_equal(vio_pci_addr_print(&addr, NULL), -EINVAL);
}

static void an_address_is_written_as_the_kernel_writes_it(void **state)
{
	const struct vio_pci_addr addr = { 0, 0x3b, 0x1f, 7, 0 };
	char text[VIO_PCI_ADDR_TEXT_BYTES];

	(void)state;
	assert_int_equal(vio_pci_addr_print(&addr, text), 12);
	assert_string_equal(text, "0000:3b:1f.7");
}

static void an_address_out_of_range_is_not_written(void **state)
{
	static const struct vio_pci_addr bad[] = { { 0, 0, 32, 0, 0 },
						   { 0, 0, 0, 8, 0 },
						   { 0, 0, 0, 0, 1 } };
	char text[VIO_PCI_ADDR_TEXT_BYTES] = "untouched";

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(vio_pci_addr_print(&bad[i], text), -EINVAL);
		assert_string_equal(text, "untouched");
	}
}

/* The bytes are as long as they are said to be, for sanitizers to see. */
static int parse_caps(const uint8_t *config, uint32_t n, struct vio_pci_caps *caps)
{
	uint8_t *exact = malloc(n);
	int ret;

	assert_non_null(exact);
	memcpy(exact, config, n);
	ret = vio_pci_caps_parse(exact, n, caps);
	free(exact);
	return ret;
}

static void the_capabilities_of_a_controller_are_read(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.pm_offset, NIC_PM);
	assert_int_equal(caps.msi_offset, NIC_MSI);
	assert_int_equal(caps.n_msi, 8);
	assert_int_equal(caps.msix_offset, NIC_MSIX);
	assert_int_equal(caps.n_msix, 25);
	assert_int_equal(caps.msix_table_bar, 3);
	assert_int_equal(caps.msix_table_offset, 0x1000);
	assert_int_equal(caps.msix_pba_bar, 4);
	assert_int_equal(caps.msix_pba_offset, 0x2000);
	assert_int_equal(caps.aer_offset, NIC_AER);
	assert_int_equal(caps.ari_offset, NIC_ARI);
	assert_int_equal(caps.ari_next_function, 1);
	assert_int_equal(caps.sriov_offset, NIC_SRIOV);
	assert_int_equal(caps.acs_offset, 0);
	assert_int_equal(caps.ats_offset, 0);
}

static void the_link_of_a_controller_is_read(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.pcie_offset, NIC_EXPRESS);
	assert_int_equal(caps.pcie_type, 0);
	assert_int_equal(caps.has_flr, 1);
	assert_int_equal(caps.max_payload_bytes, 256);
	assert_int_equal(caps.link_speed_max, 3);
	assert_int_equal(caps.link_width_max, 8);
	assert_int_equal(caps.link_speed, 2);
	assert_int_equal(caps.link_width, 4);
}

static void access_control_of_a_port_is_read(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_port(config, 0x001d);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.pcie_type, 4);
	assert_int_equal(caps.acs_offset, PORT_ACS);
	assert_int_equal(caps.acs_capabilities, 0x1f);
	assert_int_equal(caps.acs_control, 0x1d);
}

static void an_endpoint_of_the_root_complex_has_no_link(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put16(config, NIC_EXPRESS + 2, 0x0092);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.pcie_type, 9);
	assert_int_equal(caps.link_speed, 0);
	assert_int_equal(caps.link_width_max, 0);
}

static void advanced_features_can_offer_a_reset(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_header(config, 0x8086, 0x1234);
	put_cap(config, 0x40, 0x13, 0);
	put8(config, 0x42, 6);
	put8(config, 0x43, 3);
	assert_int_equal(parse_caps(config, 256, &caps), 0);
	assert_int_equal(caps.has_flr, 1);
}

static void a_second_capability_of_a_kind_does_not_count(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put_cap(config, NIC_EXPRESS, 0x10, 0xf0);
	put_cap(config, 0xf0, 0x11, 0);
	put32(config, 0xf4, 7); /* would be refused */
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.msix_offset, NIC_MSIX);
}

static void without_the_status_bit_there_are_no_capabilities(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put16(config, 0x06, 0);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.pcie_offset, 0);
	assert_int_equal(caps.sriov_offset, 0);
}

static void of_the_header_alone_no_capability_is_known(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	assert_int_equal(parse_caps(config, 64, &caps), 0);
	assert_int_equal(caps.pm_offset, 0);
}

static void of_256_bytes_no_extended_capability_is_known(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	assert_int_equal(parse_caps(config, 256, &caps), 0);
	assert_int_equal(caps.n_msix, 25);
	assert_int_equal(caps.sriov_offset, 0);
}

static void a_conventional_function_has_no_extended_capability(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put_cap(config, NIC_MSIX, 0x11, 0);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.aer_offset, 0);
}

static void an_extended_space_of_all_ones_is_empty(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	memset(config + 256, 0xff, CONFIG_BYTES - 256);
	assert_int_equal(parse_caps(config, CONFIG_BYTES, &caps), 0);
	assert_int_equal(caps.pcie_offset, NIC_EXPRESS);
	assert_int_equal(caps.aer_offset, 0);
}

static void check_refused(const uint8_t *config, uint32_t n)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT, before = caps;

	assert_int_equal(parse_caps(config, n, &caps), -EBADMSG);
	assert_memory_equal(&caps, &before, sizeof(caps));
}

static void a_function_that_has_gone_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	memset(config, 0xff, sizeof(config));
	check_refused(config, CONFIG_BYTES);
}

static void a_list_of_capabilities_that_loops_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put_cap(config, NIC_EXPRESS, 0x10, NIC_PM);
	check_refused(config, CONFIG_BYTES);
	put_cap(config, NIC_PM, 0x01, NIC_PM);
	check_refused(config, CONFIG_BYTES);
}

static void a_list_of_extended_capabilities_that_loops_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put_extended(config, NIC_SRIOV, 0x10, NIC_AER);
	check_refused(config, CONFIG_BYTES);
	put_extended(config, NIC_AER, 0x01, NIC_AER);
	check_refused(config, CONFIG_BYTES);
}

static void a_list_that_leads_into_the_header_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put8(config, 0x34, 0x3c);
	check_refused(config, CONFIG_BYTES);
	put_nic(config);
	put_extended(config, NIC_AER, 0x01, 0x0fc);
	check_refused(config, CONFIG_BYTES);
}

static void a_list_that_leads_behind_what_is_known_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	check_refused(config, NIC_EXPRESS);
	check_refused(config, NIC_SRIOV);
	check_refused(config, NIC_SRIOV + 3);
}

static void a_capability_that_is_cut_short_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	check_refused(config, NIC_MSIX + 11);
	check_refused(config, NIC_EXPRESS + 0x13);
	check_refused(config, NIC_SRIOV + 0x3f);
	put_cap(config, NIC_EXPRESS, 0x10, 0xfc);
	put_cap(config, 0xfc, 0x13, 0);
	check_refused(config, 256);
}

static void a_list_that_ends_in_all_ones_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put32(config, NIC_SRIOV, UINT32_MAX);
	check_refused(config, CONFIG_BYTES);
}

static void msix_in_a_bar_that_cannot_be_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put32(config, NIC_MSIX + 4, 6);
	check_refused(config, CONFIG_BYTES);
	put_nic(config);
	put32(config, NIC_MSIX + 8, 7);
	check_refused(config, CONFIG_BYTES);
}

static void msi_with_more_than_32_vectors_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put16(config, NIC_MSI + 2, 6 << 1);
	check_refused(config, CONFIG_BYTES);
}

static void lengths_that_no_configuration_space_has_are_refused(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	static const uint32_t bad[] = { 0, 1, 63, 4097, UINT32_MAX };
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(vio_pci_caps_parse(config, bad[i], &caps), -EINVAL);
		assert_int_equal(vio_sriov_parse(config, bad[i], &sriov), -EINVAL);
	}
	assert_int_equal(vio_pci_caps_parse(NULL, 64, &caps), -EINVAL);
}

static void a_struct_that_is_too_short_is_refused(void **state)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	caps.size--;
	sriov.size = 0;
	assert_int_equal(vio_pci_caps_parse(config, 4096, &caps), -EINVAL);
	assert_int_equal(vio_sriov_parse(config, 4096, &sriov), -EINVAL);
	assert_int_equal(vio_pci_caps_parse(config, 4096, NULL), -EINVAL);
	assert_int_equal(vio_sriov_parse(config, 4096, NULL), -EINVAL);
}

static void a_newer_callers_struct_is_filled_as_far_as_it_is_known(void **state)
{
	struct {
		struct vio_pci_caps caps;
		uint32_t later;
	} newer = { VIO_PCI_CAPS_INIT, 7 };
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	newer.caps.size = sizeof(newer);
	assert_int_equal(vio_pci_caps_parse(config, 4096, &newer.caps), 0);
	assert_int_equal(newer.caps.size, sizeof(newer.caps));
	assert_int_equal(newer.later, 7);
}

static void sriov_of_a_controller_is_read(void **state)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	assert_int_equal(vio_sriov_parse(config, CONFIG_BYTES, &sriov), 0);
	assert_int_equal(sriov.offset, NIC_SRIOV);
	assert_int_equal(sriov.capabilities, 2);
	assert_int_equal(sriov.control, 0x19);
	assert_int_equal(sriov.status, 1);
	assert_int_equal(sriov.initial_vfs, 8);
	assert_int_equal(sriov.total_vfs, 8);
	assert_int_equal(sriov.n_vfs, 4);
	assert_int_equal(sriov.dependency_link, 3);
	assert_int_equal(sriov.first_vf_offset, 128);
	assert_int_equal(sriov.vf_stride, 2);
	assert_int_equal(sriov.vf_device_id, 0x10ca);
	assert_int_equal(sriov.supported_page_sizes, 0x553);
	assert_int_equal(sriov.system_page_size, 1);
	assert_int_equal(sriov.migration_offset, 0x123);
	assert_int_equal(sriov.is_ari, 1);
}

static void vf_bars_of_32_and_64_bits_are_read(void **state)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	assert_int_equal(vio_sriov_parse(config, CONFIG_BYTES, &sriov), 0);
	assert_true(sriov.vf_bars[0].address == UINT64_C(0x1fe000000));
	assert_int_equal(sriov.vf_bars[0].is_64bit, 1);
	assert_int_equal(sriov.vf_bars[0].is_prefetchable, 1);
	assert_int_equal(sriov.vf_bars[0].is_present, 1);
	assert_int_equal(sriov.vf_bars[1].is_present, 0);
	assert_int_equal(sriov.vf_bars[2].is_present, 0);
	assert_true(sriov.vf_bars[3].address == 0xfd000000);
	assert_int_equal(sriov.vf_bars[3].is_64bit, 0);
	assert_int_equal(sriov.vf_bars[3].is_present, 1);
}

static void a_function_without_sriov_answers_enoent(void **state)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT;
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_port(config, 0);
	assert_int_equal(vio_sriov_parse(config, CONFIG_BYTES, &sriov), -ENOENT);
}

static void check_sriov_refused(const uint8_t *config)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT, before = sriov;

	assert_int_equal(vio_sriov_parse(config, CONFIG_BYTES, &sriov), -EBADMSG);
	assert_memory_equal(&sriov, &before, sizeof(sriov));
}

static void more_vfs_than_there_can_be_are_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put16(config, NIC_SRIOV + 0x10, 9);
	check_sriov_refused(config);
}

static void more_than_one_system_page_size_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put32(config, NIC_SRIOV + 0x20, 3);
	check_sriov_refused(config);
}

static void a_last_vf_bar_of_64_bits_is_refused(void **state)
{
	uint8_t config[CONFIG_BYTES];

	(void)state;
	put_nic(config);
	put32(config, NIC_SRIOV + 0x24 + 20, 0xfc000004);
	check_sriov_refused(config);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_with_a_domain_is_read),
		cmocka_unit_test(an_address_without_a_domain_is_of_domain_0),
		cmocka_unit_test(the_widest_domain_is_read_and_written),
		cmocka_unit_test(what_is_no_address_is_refused),
		cmocka_unit_test(no_text_and_no_room_for_an_address_are_refused),
		cmocka_unit_test(an_address_is_written_as_the_kernel_writes_it),
		cmocka_unit_test(an_address_out_of_range_is_not_written),
		cmocka_unit_test(the_capabilities_of_a_controller_are_read),
		cmocka_unit_test(the_link_of_a_controller_is_read),
		cmocka_unit_test(access_control_of_a_port_is_read),
		cmocka_unit_test(an_endpoint_of_the_root_complex_has_no_link),
		cmocka_unit_test(advanced_features_can_offer_a_reset),
		cmocka_unit_test(a_second_capability_of_a_kind_does_not_count),
		cmocka_unit_test(without_the_status_bit_there_are_no_capabilities),
		cmocka_unit_test(of_the_header_alone_no_capability_is_known),
		cmocka_unit_test(of_256_bytes_no_extended_capability_is_known),
		cmocka_unit_test(a_conventional_function_has_no_extended_capability),
		cmocka_unit_test(an_extended_space_of_all_ones_is_empty),
		cmocka_unit_test(a_function_that_has_gone_is_refused),
		cmocka_unit_test(a_list_of_capabilities_that_loops_is_refused),
		cmocka_unit_test(a_list_of_extended_capabilities_that_loops_is_refused),
		cmocka_unit_test(a_list_that_leads_into_the_header_is_refused),
		cmocka_unit_test(a_list_that_leads_behind_what_is_known_is_refused),
		cmocka_unit_test(a_capability_that_is_cut_short_is_refused),
		cmocka_unit_test(a_list_that_ends_in_all_ones_is_refused),
		cmocka_unit_test(msix_in_a_bar_that_cannot_be_is_refused),
		cmocka_unit_test(msi_with_more_than_32_vectors_is_refused),
		cmocka_unit_test(lengths_that_no_configuration_space_has_are_refused),
		cmocka_unit_test(a_struct_that_is_too_short_is_refused),
		cmocka_unit_test(
			a_newer_callers_struct_is_filled_as_far_as_it_is_known),
		cmocka_unit_test(sriov_of_a_controller_is_read),
		cmocka_unit_test(vf_bars_of_32_and_64_bits_are_read),
		cmocka_unit_test(a_function_without_sriov_answers_enoent),
		cmocka_unit_test(more_vfs_than_there_can_be_are_refused),
		cmocka_unit_test(more_than_one_system_page_size_is_refused),
		cmocka_unit_test(a_last_vf_bar_of_64_bits_is_refused),
	};

	return cmocka_run_group_tests_name("pci", tests, NULL, NULL);
}
