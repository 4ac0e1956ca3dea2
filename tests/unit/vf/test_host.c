/* SPDX-License-Identifier: MIT */
/* Inventories: opening and closing, and what is read of a true function. */
#include <limits.h>
#include <stdlib.h>
#include <unistd.h>

#include "fake/fault.h"
#include "machine.h"
#include "vf/vf.h"

static void a_physical_function_is_described(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_int_equal(info.flags, VIO_PCI_IS_PF | VIO_PCI_ACS_PATH |
					     VIO_PCI_ISOLATED | VIO_PCI_AUTOPROBE |
					     VIO_PCI_LINK_UP);
	assert_int_equal(info.vendor_id, 0x8086);
	assert_int_equal(info.device_id, 0x10c9);
	assert_int_equal(info.class_code, 0x020000);
	assert_int_equal(info.numa_node, 0);
	assert_int_equal(info.iommu_group, 10);
	assert_int_equal(info.total_vfs, 7);
	assert_int_equal(info.n_vfs, N_NIC_VFS);
	assert_int_equal(info.reset_methods,
			 VIO_PCI_RESET_FLR | VIO_PCI_RESET_PM | VIO_PCI_RESET_BUS);
	assert_string_equal(info.driver, "igb");
	assert_string_equal(info.driver_override, "");
}

static void a_network_interface_is_described(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_string_equal(info.netdev, "enp1s0");
	assert_int_equal(info.ifindex, 3);
	assert_int_equal(info.link_mbps, 1000);
}

static void a_virtual_function_is_described(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, nic_vfs[2], &info), 0);
	assert_int_equal(info.flags,
			 VIO_PCI_IS_VF | VIO_PCI_ACS_PATH | VIO_PCI_ISOLATED);
	assert_int_equal(info.vf_index, 2);
	assert_int_equal(info.physfn.bus, 1);
	assert_int_equal(info.physfn.device, 0);
	assert_int_equal(info.iommu_group, 13);
	assert_int_equal(info.reset_methods, VIO_PCI_RESET_FLR);
	assert_int_equal(info.numa_node, -1);
	assert_string_equal(info.driver, "");
	assert_string_equal(info.netdev, "");
}

static void a_function_that_is_neither_is_described(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, NIC_PORT, &info), 0);
	assert_int_equal(info.flags, VIO_PCI_ACS_PATH);
	assert_int_equal(info.iommu_group, -1);
	assert_int_equal(info.total_vfs, 0);
}

static void sizes_of_bars_are_those_of_the_resources(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_true(info.bar_bytes[0] == 0x20000);
	assert_true(info.bar_bytes[1] == 0);
	assert_true(info.bar_bytes[2] == 0x20);
}

/* The driver allows seven VFs, the resources are those of eight. */
static void sizes_of_vf_bars_are_counted_by_the_hardware(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, NIC, &info), 0);
	assert_true(info.vf_bar_bytes[0] == 0x4000);
	assert_true(info.vf_bar_bytes[3] == 0x4000);
	assert_true(info.vf_bar_bytes[1] == 0);
}

static void a_shared_group_does_not_isolate(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, nvm_vfs[0], &info), 0);
	assert_int_equal(info.flags & VIO_PCI_ISOLATED, 0);
	assert_int_equal(info.iommu_group, 20);
}

static void a_port_without_access_control_does_not_isolate(void **state)
{
	struct vio_pci_info info;

	assert_int_equal(read_of(*state, nvm_vfs[0], &info), 0);
	assert_int_equal(info.flags & VIO_PCI_ACS_PATH, 0);
}

static void every_control_of_the_port_must_be_enabled(void **state)
{
	static const uint32_t bits[] = { 1u << 0, 1u << 2, 1u << 3, 1u << 4 };
	struct machine *m = *state;
	struct vio_pci_info info;

	for (size_t i = 0; i < sizeof(bits) / sizeof(bits[0]); i++) {
		put16(m->nic_port, PORT_CONTROL, 0x1d & ~bits[i]);
		assert_int_equal(read_of(m, nic_vfs[0], &info), 0);
		assert_int_equal(info.flags & VIO_PCI_ACS_PATH, 0);
	}
}

static void a_control_that_the_port_lacks_need_not_be_enabled(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	put16(m->nic_port, PORT_ACS + 4, 0x000f);
	put16(m->nic_port, PORT_CONTROL, 0x000d);
	assert_int_equal(read_of(m, nic_vfs[0], &info), 0);
	assert_true(info.flags & VIO_PCI_ACS_PATH);
}

static void one_of_several_functions_needs_access_control_itself(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	put8(m->nic, 0x0e, 0x80);
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_int_equal(info.flags & VIO_PCI_ACS_PATH, 0);
	/* Its VFs are functions of their own. */
	assert_int_equal(read_of(m, nic_vfs[0], &info), 0);
	assert_true(info.flags & VIO_PCI_ACS_PATH);
}

static void a_bridge_to_conventional_pci_does_not_isolate(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	put16(m->nic_port, PORT_EXPRESS + 2, 0x0072);
	assert_int_equal(read_of(m, nic_vfs[0], &info), 0);
	assert_int_equal(info.flags & VIO_PCI_ACS_PATH, 0);
}

static void an_interface_that_is_down_has_neither_link_nor_speed(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	change_attr(m, NIC_PORT, NIC, "net/enp1s0/speed", "-1\n");
	change_attr(m, NIC_PORT, NIC, "net/enp1s0/carrier", "0\n");
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_int_equal(info.link_mbps, 0);
	assert_int_equal(info.flags & VIO_PCI_LINK_UP, 0);
}

static int show_einval(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	return -EINVAL;
}

static void a_carrier_that_cannot_be_read_is_no_link(void **state)
{
	const struct vio_fake_attr attr = { .show = show_einval };
	struct machine *m = *state;
	struct vio_pci_info info;
	char path[256];

	remove_attr(m, NIC_PORT, NIC, "net/enp1s0/carrier");
	vio_fake_add_attr(m->fake, path_of(path, NIC_PORT, NIC, "net/enp1s0/carrier"),
			  &attr);
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_int_equal(info.flags & VIO_PCI_LINK_UP, 0);
	assert_int_equal(info.link_mbps, 1000);
}

static void of_several_interfaces_the_first_made_counts(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	set_attr(m, NIC_PORT, NIC, "net/aaa/ifindex", "9\n");
	set_attr(m, NIC_PORT, NIC, "net/zzz/ifindex", "2\n");
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_string_equal(info.netdev, "zzz");
	assert_int_equal(info.ifindex, 2);
}

static void an_override_and_vectors_are_read(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	change_attr(m, NIC_PORT, nic_vfs[0], "driver_override", "vfio-pci\n");
	set_attr(m, NIC_PORT, nic_vfs[0], "sriov_vf_msix_count", "3\n");
	assert_int_equal(read_of(m, nic_vfs[0], &info), 0);
	assert_string_equal(info.driver_override, "vfio-pci");
	assert_int_equal(info.n_vf_msix, 3);
}

static void what_waits_for_vfs_that_change_is_not_read(void **state)
{
	const struct vio_fake_attr attr = { .show = must_not_be_read };
	struct machine *m = *state;
	struct vio_pci_info info;
	char path[256];

	vio_fake_add_attr(m->fake, path_of(path, NIC_PORT, NIC, "sriov_numvfs"), &attr);
	vio_fake_add_attr(m->fake, path_of(path, NIC_PORT, NIC, "sriov_vf_total_msix"),
			  &attr);
	assert_int_equal(read_of(m, NIC, &info), 0);
	assert_true(info.flags & VIO_PCI_VF_MSIX);
}

static void a_vf_that_its_pf_no_longer_lists_is_gone(void **state)
{
	struct machine *m = *state;
	struct vio_pci_info info;

	remove_attr(m, NIC_PORT, NIC, "virtfn1");
	lock_attr(m, NIC_PORT, nic_vfs[1], "driver_override");
	assert_int_equal(read_of(m, nic_vfs[1], &info), -ENODEV);
}

static void an_absent_function_answers_enodev(void **state)
{
	const struct vio_pci_addr addr = addr_of("0000:7f:00.0");
	struct vio_pci_info info = VIO_PCI_INFO_INIT, before = info;
	struct vio_error err = VIO_ERROR_INIT;
	struct machine *m = *state;

	assert_int_equal(vio_host_read_function(m->host, &addr, &info, &err), -ENODEV);
	assert_memory_equal(&info, &before, sizeof(info));
	assert_non_null(strstr(err.text, "0000:7f:00.0"));
	assert_int_equal(vio_host_read_config(m->host, &addr, &info, 64, &err),
			 -ENODEV);
}

static void an_address_or_a_struct_that_cannot_be_is_refused(void **state)
{
	struct vio_pci_addr addr = addr_of(NIC);
	struct vio_pci_info info = VIO_PCI_INFO_INIT;
	struct machine *m = *state;

	assert_int_equal(vio_host_read_function(m->host, NULL, &info, NULL), -EINVAL);
	assert_int_equal(vio_host_read_function(m->host, &addr, NULL, NULL), -EINVAL);
	info.size--;
	assert_int_equal(vio_host_read_function(m->host, &addr, &info, NULL), -EINVAL);
	addr.device = 32;
	info.size++;
	assert_int_equal(vio_host_read_function(m->host, &addr, &info, NULL), -EINVAL);
}

static void configuration_space_is_read(void **state)
{
	const struct vio_pci_addr addr = addr_of(NIC);
	struct machine *m = *state;
	uint8_t config[CONFIG_BYTES];

	assert_int_equal(vio_host_read_config(m->host, &addr, config, 64, NULL), 64);
	assert_memory_equal(config, m->nic, 64);
	assert_int_equal(
		vio_host_read_config(m->host, &addr, config, CONFIG_BYTES, NULL),
		CONFIG_BYTES);
	assert_memory_equal(config, m->nic, CONFIG_BYTES);
}

static void no_more_of_it_is_read_than_there_is(void **state)
{
	const struct vio_pci_addr addr = addr_of(NIC);
	struct machine *m = *state;
	uint8_t config[CONFIG_BYTES];

	change_attr(m, NIC_PORT, NIC, "config", "\x86\x80");
	assert_int_equal(
		vio_host_read_config(m->host, &addr, config, CONFIG_BYTES, NULL), 2);
	change_attr(m, NIC_PORT, NIC, "config", "");
	assert_int_equal(
		vio_host_read_config(m->host, &addr, config, CONFIG_BYTES, NULL),
		-ENODEV);
}

static void lengths_that_configuration_space_does_not_have_are_refused(void **state)
{
	const struct vio_pci_addr addr = addr_of(NIC);
	struct machine *m = *state;
	uint8_t config[1] = { 0x5a };

	assert_int_equal(vio_host_read_config(m->host, &addr, config, 0, NULL),
			 -EINVAL);
	assert_int_equal(vio_host_read_config(m->host, &addr, config, 4097, NULL),
			 -EINVAL);
	assert_int_equal(vio_host_read_config(m->host, &addr, NULL, 64, NULL), -EINVAL);
	assert_int_equal(config[0], 0x5a);
}

static int open_with(struct machine *m, const struct vio_host_params *params)
{
	struct vio_host *host = VIO_FAULT_UNTOUCHED;
	struct vio_error err = VIO_ERROR_INIT;
	const int ret = vio_host_open(m->ctx, params, &host, &err);

	if (ret) {
		assert_ptr_equal(host, VIO_FAULT_UNTOUCHED);
		assert_int_equal(err.code, ret);
	} else {
		assert_int_equal(vio_host_close(host, NULL), 0);
	}
	return ret;
}

static void parameters_out_of_range_are_refused(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct machine *m = *state;

	params.sysfs_root = SYSFS;
	params.flags = VIO_HOST_OVERRIDE << 1;
	assert_int_equal(open_with(m, &params), -EINVAL);
	params.flags = 0;
	params.size = 8;
	assert_int_equal(open_with(m, &params), -EINVAL);
	params.size = 5000;
	assert_int_equal(open_with(m, &params), -E2BIG);
	params.size = sizeof(params);
	assert_int_equal(open_with(m, &params), 0);
}

static void owners_that_others_could_not_read_are_refused(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	char owner[65];

	params.sysfs_root = SYSFS;
	memset(owner, 'a', 64);
	owner[64] = '\0';
	params.owner = owner;
	assert_int_equal(open_with(*state, &params), -EINVAL);
	owner[63] = '\0';
	assert_int_equal(open_with(*state, &params), 0);
	params.owner = "";
	assert_int_equal(open_with(*state, &params), -EINVAL);
	params.owner = "two\nlines";
	assert_int_equal(open_with(*state, &params), -EINVAL);
}

static void without_an_owner_it_is_the_command(void **state)
{
	struct machine *m = *state;
	char name[64] = "";
	FILE *file = fopen("/proc/self/comm", "re");

	assert_non_null(file);
	assert_non_null(fgets(name, sizeof(name), file));
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	assert_string_equal(m->host->owner, name);
}

static void a_root_without_pci_answers_enoent(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	char root[PATH_MAX];

	params.sysfs_root = SYSFS "/nowhere";
	assert_int_equal(open_with(*state, &params), -ENOENT);
	memset(root, 'a', sizeof(root) - 1);
	root[sizeof(root) - 1] = '\0';
	params.sysfs_root = root;
	assert_int_equal(open_with(*state, &params), -ENAMETOOLONG);
}

static void without_a_context_there_is_no_inventory(void **state)
{
	struct vio_host *host = VIO_FAULT_UNTOUCHED;

	(void)state;
	assert_int_equal(vio_host_open(NULL, NULL, &host, NULL), -EINVAL);
	assert_ptr_equal(host, VIO_FAULT_UNTOUCHED);
}

static void closing_no_inventory_is_harmless(void **state)
{
	(void)state;
	assert_int_equal(vio_host_close(NULL, NULL), 0);
}

static void an_inventory_with_claimed_vfs_is_not_closed_and_names_them(void **state)
{
	struct machine *m = *state;
	struct vio_vf vfs[20];
	struct vio_error err = VIO_ERROR_INIT;

	memset(vfs, 0, sizeof(vfs));
	for (int i = 0; i < 20; i++) {
		vfs[i].info.addr = addr_of(nic_vfs[i % 4]);
		vio_list_append(&m->host->vfs, &vfs[i].node);
	}
	assert_int_equal(vio_host_close(m->host, &err), -EBUSY);
	assert_non_null(strstr(err.text, nic_vfs[0]));
	assert_non_null(strstr(err.text, nic_vfs[3]));
	for (int i = 0; i < 20; i++)
		vio_list_remove(&vfs[i].node);
}

static void an_inventory_with_an_address_space_is_not_closed(void **state)
{
	struct machine *m = *state;
	struct vio_list iommu;

	vio_list_append(&m->host->iommus, &iommu);
	assert_int_equal(vio_host_close(m->host, NULL), -EBUSY);
	vio_list_remove(&iommu);
	m->host->recovery = &iommu;
	assert_int_equal(vio_host_close(m->host, NULL), -EBUSY);
	m->host->recovery = NULL;
}

static void a_context_with_an_inventory_is_not_destroyed(void **state)
{
	struct machine *m = *state;

	assert_int_equal(vio_ctx_destroy(m->ctx, NULL), -EBUSY);
}

static int open_in_child(void *opaque)
{
	struct vio_host *host;

	return vio_host_open(opaque, NULL, &host, NULL) != -ECHILD;
}

static void a_forked_child_opens_no_inventory(void **state)
{
	struct machine *m = *state;

	assert_int_equal(vio_test_fork(open_in_child, m->ctx), 0);
}

static void ignore(void *opaque, const struct vio_host_event *event)
{
	(void)opaque;
	(void)event;
}

/* On the real kernel, and a folder of this run for its sysfs. */
static int open_and_close(struct vio_fault *fault, void *opaque)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct vio_host *host = VIO_FAULT_UNTOUCHED;
	struct vio_ctx *ctx;
	int ret;

	params.sysfs_root = opaque;
	params.event = ignore;
	params.owner = "test";
	ret = vio_fault_create_ctx(fault, VIO_CTX_NO_URING, &ctx);
	if (ret)
		return ret;
	ret = vio_host_open(ctx, &params, &host, NULL);
	if (ret)
		assert_ptr_equal(host, VIO_FAULT_UNTOUCHED);
	else
		assert_int_equal(vio_host_close(host, NULL), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static void make_folder(char *root)
{
	static const char *const parts[] = { "/bus", "/bus/pci", "/bus/pci/devices" };
	char path[64];

	assert_non_null(mkdtemp(root));
	for (int i = 0; i < 3; i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		assert_int_equal(mkdir(path, 0700), 0);
	}
}

static void remove_folder(const char *root)
{
	static const char *const parts[] = { "/bus/pci/devices", "/bus/pci", "/bus",
					     "" };
	char path[64];

	for (int i = 0; i < 4; i++) {
		snprintf(path, sizeof(path), "%s%s", root, parts[i]);
		assert_int_equal(rmdir(path), 0);
	}
}

static void any_failed_allocation_leaves_nothing_behind(void **state)
{
	char root[] = "/tmp/vio-host-XXXXXX";

	(void)state;
	make_folder(root);
	assert_true(vio_fault_run_allocs(open_and_close, root) >= 5);
	remove_folder(root);
}

static void any_failed_system_call_leaves_nothing_behind(void **state)
{
	char root[] = "/tmp/vio-host-XXXXXX";

	(void)state;
	make_folder(root);
	assert_true(vio_fault_run_calls(open_and_close, root, EMFILE) >= 5);
	remove_folder(root);
}

#define ON_MACHINE(test)                                                               \
	cmocka_unit_test_setup_teardown(test, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_MACHINE(a_physical_function_is_described),
		ON_MACHINE(a_network_interface_is_described),
		ON_MACHINE(a_virtual_function_is_described),
		ON_MACHINE(a_function_that_is_neither_is_described),
		ON_MACHINE(sizes_of_bars_are_those_of_the_resources),
		ON_MACHINE(sizes_of_vf_bars_are_counted_by_the_hardware),
		ON_MACHINE(a_shared_group_does_not_isolate),
		ON_MACHINE(a_port_without_access_control_does_not_isolate),
		ON_MACHINE(every_control_of_the_port_must_be_enabled),
		ON_MACHINE(a_control_that_the_port_lacks_need_not_be_enabled),
		ON_MACHINE(one_of_several_functions_needs_access_control_itself),
		ON_MACHINE(a_bridge_to_conventional_pci_does_not_isolate),
		ON_MACHINE(an_interface_that_is_down_has_neither_link_nor_speed),
		ON_MACHINE(a_carrier_that_cannot_be_read_is_no_link),
		ON_MACHINE(of_several_interfaces_the_first_made_counts),
		ON_MACHINE(an_override_and_vectors_are_read),
		ON_MACHINE(what_waits_for_vfs_that_change_is_not_read),
		ON_MACHINE(a_vf_that_its_pf_no_longer_lists_is_gone),
		ON_MACHINE(an_absent_function_answers_enodev),
		ON_MACHINE(an_address_or_a_struct_that_cannot_be_is_refused),
		ON_MACHINE(configuration_space_is_read),
		ON_MACHINE(no_more_of_it_is_read_than_there_is),
		ON_MACHINE(lengths_that_configuration_space_does_not_have_are_refused),
		ON_MACHINE(parameters_out_of_range_are_refused),
		ON_MACHINE(owners_that_others_could_not_read_are_refused),
		ON_MACHINE(without_an_owner_it_is_the_command),
		ON_MACHINE(a_root_without_pci_answers_enoent),
		cmocka_unit_test(without_a_context_there_is_no_inventory),
		cmocka_unit_test(closing_no_inventory_is_harmless),
		ON_MACHINE(an_inventory_with_claimed_vfs_is_not_closed_and_names_them),
		ON_MACHINE(an_inventory_with_an_address_space_is_not_closed),
		ON_MACHINE(a_context_with_an_inventory_is_not_destroyed),
		ON_MACHINE(a_forked_child_opens_no_inventory),
		cmocka_unit_test(any_failed_allocation_leaves_nothing_behind),
		cmocka_unit_test(any_failed_system_call_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("host", tests, NULL, NULL);
}
