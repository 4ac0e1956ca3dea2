/* SPDX-License-Identifier: MIT */
/* Names of functions, and capabilities as text. */
#include <vio/pci_names.h>

#include "config.h"
#include "fake/support.h"

static void a_known_function_has_a_name(void **state)
{
	struct vio_pci_names *names;
	char text[VIO_PCI_NAME_BYTES];
	int n;

	(void)state;
	assert_int_equal(vio_pci_names_open(&names), 0);
	n = vio_pci_names_print(names, 0x8086, 0x10c9, text, 256);
	assert_int_equal(n, strlen(text));
	assert_non_null(strstr(text, "Intel"));
	assert_non_null(strstr(text, "82576"));
	vio_pci_names_close(names);
}

static void an_unknown_function_has_its_numbers(void **state)
{
	struct vio_pci_names *names;
	char text[VIO_PCI_NAME_BYTES];

	(void)state;
	assert_int_equal(vio_pci_names_open(&names), 0);
	assert_true(vio_pci_names_print(names, 0xfffe, 0xfffd, text, 256) > 0);
	assert_non_null(strstr(text, "Device"));
	assert_non_null(strstr(text, "fffd"));
	vio_pci_names_close(names);
}

static void a_name_is_cut_to_its_room(void **state)
{
	struct vio_pci_names *names;
	char text[8] = "untouch";

	(void)state;
	assert_int_equal(vio_pci_names_open(&names), 0);
	assert_int_equal(vio_pci_names_print(names, 0x8086, 0x10c9, text, 6), 5);
	assert_string_equal(text, "Intel");
	vio_pci_names_close(names);
}

static void numbers_out_of_range_have_no_name(void **state)
{
	struct vio_pci_names *names;
	char text[8] = "same";

	(void)state;
	assert_int_equal(vio_pci_names_open(NULL), -EINVAL);
	assert_int_equal(vio_pci_names_open(&names), 0);
	assert_int_equal(vio_pci_names_print(names, 0x10000, 0, text, 8), -EINVAL);
	assert_int_equal(vio_pci_names_print(names, 0, 0x10000, text, 8), -EINVAL);
	assert_int_equal(vio_pci_names_print(names, 0, 0, text, 0), -EINVAL);
	assert_int_equal(vio_pci_names_print(names, 0, 0, text, 257), -EINVAL);
	assert_int_equal(vio_pci_names_print(names, 0, 0, NULL, 8), -EINVAL);
	assert_int_equal(vio_pci_names_print(NULL, 0, 0, text, 8), -EINVAL);
	assert_string_equal(text, "same");
	vio_pci_names_close(names);
	vio_pci_names_close(NULL);
}

static void capabilities_are_lines_of_text(void **state)
{
	static const char *const wanted[] = {
		"[40] Power Management\n",
		"[50] MSI: 8 vectors\n",
		"[70] MSI-X: 25 vectors, table in BAR 3 at 0x1000",
		"[a0] PCI Express: Endpoint, payload 256 bytes, Function Level Reset\n",
		"Link: 5 GT/s x4 of 8 GT/s x8\n",
		"[160] SR-IOV: 4 of 8 VFs, 8 at first, offset 128, stride 2",
		"VF BAR 0: 00000001fe000000 (64-bit, prefetchable)\n",
	};
	uint8_t config[CONFIG_BYTES];
	char text[VIO_PCI_TEXT_BYTES];
	int n;

	(void)state;
	put_nic(config);
	n = vio_pci_names_print_caps(config, 4096, text, sizeof(text));
	assert_int_equal(n, strlen(text));
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(text, wanted[i]));
}

static void access_control_is_shown_as_it_is_enabled(void **state)
{
	uint8_t config[CONFIG_BYTES];
	char text[VIO_PCI_TEXT_BYTES];

	(void)state;
	put_port(config, 0x1d);
	assert_true(vio_pci_names_print_caps(config, 4096, text, sizeof(text)) > 0);
	assert_non_null(strstr(text, "SrcValid+ TransBlk- ReqRedir+ CmpltRedir+ "
				     "UpstreamFwd+\n"));
}

static void extended_capabilities_are_lines_as_well(void **state)
{
	static const char *const wanted[] = {
		"[100] Advanced Error Reporting\n",
		"[150] Alternative Routing-ID Interpretation: next 1\n",
		"[1a0] Address Translation Service\n",
	};
	uint8_t config[CONFIG_BYTES];
	char text[VIO_PCI_TEXT_BYTES];

	(void)state;
	put_nic(config);
	put_extended(config, NIC_SRIOV, 0x10, 0x1a0);
	put_extended(config, 0x1a0, 0x0f, 0);
	assert_true(vio_pci_names_print_caps(config, 4096, text, sizeof(text)) > 0);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		assert_non_null(strstr(text, wanted[i]));
}

static void capabilities_that_cannot_be_have_no_text(void **state)
{
	uint8_t config[CONFIG_BYTES];
	char text[VIO_PCI_TEXT_BYTES] = "same";

	(void)state;
	put_nic(config);
	assert_int_equal(vio_pci_names_print_caps(config, 4096, text, 50), -ENOBUFS);
	assert_int_equal(vio_pci_names_print_caps(config, 4096, NULL, 50), -EINVAL);
	assert_int_equal(vio_pci_names_print_caps(config, 63, text, 50), -EINVAL);
	put_cap(config, NIC_PM, 0x01, NIC_PM);
	assert_int_equal(vio_pci_names_print_caps(config, 4096, text, sizeof(text)),
			 -EBADMSG);
	assert_string_equal(text, "same");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_known_function_has_a_name),
		cmocka_unit_test(an_unknown_function_has_its_numbers),
		cmocka_unit_test(a_name_is_cut_to_its_room),
		cmocka_unit_test(numbers_out_of_range_have_no_name),
		cmocka_unit_test(capabilities_are_lines_of_text),
		cmocka_unit_test(access_control_is_shown_as_it_is_enabled),
		cmocka_unit_test(extended_capabilities_are_lines_as_well),
		cmocka_unit_test(capabilities_that_cannot_be_have_no_text),
	};

	return cmocka_run_group_tests_name("pci_names", tests, NULL, NULL);
}
