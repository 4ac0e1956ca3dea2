/* SPDX-License-Identifier: MIT */
/*
 * A guest of the guest: a program under KVM drives a VF that the library's view
 * shows it, with real DMA and real interrupts. What it saw is held against what
 * sysfs and VFIO say. Then the function is taken from under it and given back, and
 * then it is a guest that does what it should not.
 */
#include <stdio.h>
#include <string.h>

#include "guest.h"
#include "nested_vf.h"

#define PF       "/sys/bus/pci/devices/0000:01:00.0"
#define PLACE(i) (NESTED_BAR_GPA + NESTED_BAR_STEP * (i))
#define TABLE    PLACE(3) /* the VF's MSI-X table begins where BAR 3 does */
#define PENDING  (TABLE + 0x2000u)
#define ENTRY    16u
#define MASKED   1u
#define COMMAND  0x04u
#define DECODE   0x0006u
#define BAR(i)   (0x10u + 4 * (i))
#define SOME_RAM 0x100000u
#define SENT     1u /* as the device writes it into a descriptor */
/* Bits of the VF's STATUS that tell of the PF: its link, and how many VFs it has. */
#define STATUS_OF_PF 0x3c002u
/* The PCI Express capability of the VF. */
#define CONTROL 0xa8u
#define FLR     0x8000u

static struct owner owner;
static struct nested_vf nested;
static struct vmm *const vmm = &nested.vmm;
static struct nested_talk before; /* what the guest saw at some time */

static void look(void)
{
	vmm_run(vmm, NESTED_READ);
	before = *vmm->talk;
}

/* Vector @vector arrives, once, and no other. */
static void assert_interrupts(uint32_t vector)
{
	uint32_t n[NESTED_MSIX];

	memcpy(n, vmm->talk->interrupts, sizeof(n));
	vmm_run_at(vmm, NESTED_TRIGGER, vector);
	vmm_set(vmm, NESTED_AWAIT, vector, n[vector]);
	n[vector]++;
	assert_memory_equal(vmm->talk->interrupts, n, sizeof(n));
}

/* What a guest reads again is what it left, as far as a device can keep it. */
static void assert_as_before(void)
{
	const uint32_t *now = vmm->talk->registers;

	vmm_run(vmm, NESTED_READ);
	assert_memory_equal(vmm->talk->config, before.config, sizeof(before.config));
	assert_memory_equal(vmm->talk->table, before.table, sizeof(before.table));
	assert_int_equal(now[0], before.registers[0]);
	assert_int_equal(now[1] & ~STATUS_OF_PF, before.registers[1] & ~STATUS_OF_PF);
}

static void attribute_read(const char *name, char *out, size_t bytes)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", nested.path, name);
	line_read(path, out, bytes);
}

static void a_guest_finds_the_function_where_it_was_put(void **state)
{
	char vendor[16], device[16], text[16];

	(void)state;
	vmm_run(vmm, NESTED_FIND);
	assert_int_equal(vmm->talk->device, VMM_DEVICE);
	attribute_read("vendor", vendor, sizeof(vendor));
	attribute_read("device", device, sizeof(device));
	snprintf(text, sizeof(text), "0x%04x", vmm->talk->id & 0xffff);
	assert_string_equal(text, vendor);
	snprintf(text, sizeof(text), "0x%04x", vmm->talk->id >> 16);
	assert_string_equal(text, device);
}

static void a_guest_sizes_the_bars_that_the_kernel_has(void **state)
{
	unsigned long long first, last;
	uint32_t n = 0;
	char path[128];
	FILE *file;

	(void)state;
	vmm_run(vmm, NESTED_FIND);
	vmm_run(vmm, NESTED_SIZE);
	snprintf(path, sizeof(path), "%s/resource", nested.path);
	file = fopen(path, "re");
	assert_non_null(file);
	for (uint32_t i = 0; i < NESTED_BARS; i++) {
		assert_int_equal(fscanf(file, "%llx %llx %*x", &first, &last), 2);
		assert_int_equal(vmm->talk->bar_bytes[i], last ? last - first + 1 : 0);
		n += vmm->talk->bar_bytes[i] != 0;
	}
	fclose(file);
	assert_int_equal(n, 2);
}

static void a_guest_reads_the_registers_of_the_device(void **state)
{
	static const uint32_t offsets[NESTED_REGISTERS] = { NESTED_CTRL, NESTED_STATUS,
							    NESTED_IVAR,
							    NESTED_IVAR_MISC };
	uint32_t value;

	(void)state;
	vmm_run(vmm, NESTED_READ);
	assert_int_not_equal(vmm->talk->registers[1], 0);
	assert_int_equal(vmm->talk->registers[3], 0x82);
	for (uint32_t i = 0; i < NESTED_REGISTERS; i++) {
		assert_int_equal(vio_vfio_read(nested.vfio, 0, offsets[i], &value, 4),
				 0);
		assert_int_equal(vmm->talk->registers[i], value);
	}
}

static void registers_are_the_guests_and_the_table_traps(void **state)
{
	(void)state;
	vmm->n_traps = 0;
	(void)vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS);
	assert_int_equal(vmm->n_traps, 0);
	(void)vmm_get(vmm, NESTED_GET_WORD, TABLE);
	assert_int_equal(vmm->n_traps, 1);
	/* Beside the table, in the same page: the device has nothing there. */
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, TABLE + 0x800), 0);
	assert_int_equal(vmm->n_traps, 2);
}

static void each_vector_interrupts_the_guest(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < NESTED_MSIX; i++) {
		assert_interrupts(i);
		assert_interrupts(i);
	}
}

static void a_masked_vector_is_pending_until_it_is_not(void **state)
{
	const uint32_t control = TABLE + ENTRY + 12;

	(void)state;
	vmm_set(vmm, NESTED_SET_WORD, control, MASKED);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PENDING), 0);
	vmm_run_at(vmm, NESTED_TRIGGER, 1);
	vmm_run_at(vmm, NESTED_PENDING, 1);
	assert_interrupts(0);
	assert_int_equal(vmm->talk->interrupts[1], 0);
	vmm_set(vmm, NESTED_SET_WORD, control, 0);
	vmm_set(vmm, NESTED_AWAIT, 1, 0);
	assert_int_equal(vmm->talk->interrupts[1], 1);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PENDING), 0);
}

static void assert_asks(void)
{
	vmm_run(vmm, NESTED_ASK);
	assert_int_equal(vmm->talk->mac[0], NESTED_MAC_LOW);
	assert_int_equal(vmm->talk->mac[1], NESTED_MAC_HIGH);
}

static void the_mac_that_was_claimed_is_what_the_guest_is_told(void **state)
{
	(void)state;
	assert_asks();
}

/* The device reads and writes the guest's memory, and interrupts when it has. */
static void assert_sends(void)
{
	const uint32_t n = vmm->talk->interrupts[0];

	vmm_run(vmm, NESTED_SEND);
	assert_int_equal(vmm->talk->value & SENT, SENT);
	assert_int_equal(vmm->talk->interrupts[0], n + 1);
}

static void the_device_reaches_the_guests_memory(void **state)
{
	(void)state;
	assert_asks();
	assert_sends();
	assert_sends();
}

static void a_paused_function_keeps_what_the_guest_programmed(void **state)
{
	(void)state;
	look();
	nested_vf_pause(&nested);
	assert_null(nested.vfio);
	vmm_run(vmm, NESTED_READ);
	assert_memory_equal(vmm->talk->config, before.config, sizeof(before.config));
	assert_memory_equal(vmm->talk->table, before.table, sizeof(before.table));
	for (uint32_t i = 0; i < NESTED_REGISTERS; i++)
		assert_int_equal(vmm->talk->registers[i], UINT32_MAX);
	nested_vf_resume(&nested, NULL);
}

static void after_a_resume_the_guest_reads_the_same(void **state)
{
	(void)state;
	look();
	nested_vf_pause(&nested);
	nested_vf_resume(&nested, NULL);
	assert_int_equal(nested.is_state_lost, 1);
	assert_as_before();
	assert_int_equal(vmm->talk->registers[1], before.registers[1]);
	/* Registers are the guest's again, not trapped. */
	vmm->n_traps = 0;
	(void)vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS);
	assert_int_equal(vmm->n_traps, 0);
}

/* The table is not programmed again, only what the device kept inside. */
static void after_a_resume_interrupts_arrive(void **state)
{
	(void)state;
	assert_interrupts(0);
	nested_vf_pause(&nested);
	nested_vf_resume(&nested, NULL);
	vmm_run(vmm, NESTED_DRIVE);
	for (uint32_t i = 0; i < NESTED_MSIX; i++)
		assert_interrupts(i);
}

static void after_a_resume_the_device_is_who_it_was(void **state)
{
	(void)state;
	assert_asks();
	assert_sends();
	nested_vf_pause(&nested);
	nested_vf_resume(&nested, NULL);
	assert_asks();
	vmm_run(vmm, NESTED_DRIVE);
	assert_sends();
}

static void another_function_is_to_the_guest_the_one_it_had(void **state)
{
	const struct vio_pci_addr to = { .bus = 1, .device = 16, .function = 2 };
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	(void)state;
	look();
	assert_int_equal(vio_vf_read_info(nested.vf, &info), 0);
	assert_memory_not_equal(&info.addr, &to, sizeof(to));
	nested_vf_pause(&nested);
	nested_vf_resume(&nested, &to);
	assert_int_equal(vio_vf_read_info(nested.vf, &info), 0);
	assert_memory_equal(&info.addr, &to, sizeof(to));
	assert_as_before();
	assert_asks();
	vmm_run(vmm, NESTED_DRIVE);
	assert_sends();
	assert_interrupts(2);
}

/* What is written while nothing is there counts when something is. */
static void what_a_guest_programs_meanwhile_is_so_after_a_resume(void **state)
{
	(void)state;
	nested_vf_pause(&nested);
	vmm_set(vmm, NESTED_SET, BAR(0), PLACE(5));
	vmm_set(vmm, NESTED_SET_WORD, TABLE + 8, NESTED_VECTOR0 + 2);
	nested_vf_resume(&nested, NULL);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS),
			 UINT32_MAX);
	vmm_run(vmm, NESTED_DRIVE);
	vmm_run_at(vmm, NESTED_TRIGGER, 0);
	vmm_set(vmm, NESTED_AWAIT, 2, 0);
	assert_int_equal(vmm->talk->interrupts[0], 0);
	assert_int_equal(vmm->talk->interrupts[2], 1);
}

static void resize(uint32_t n_vfs)
{
	const struct vio_resize_params params = {
		.size = sizeof(params),
		.flags = VIO_RESIZE_PAUSE_HELD,
		.n_vfs = n_vfs,
	};
	const struct vio_pci_addr pf = { .bus = 1 };

	if (owner_resize(&owner, &pf, &params, NULL))
		fail_msg("%s", owner.err.text);
	assert_int_equal(owner_wait_zero(&owner, &nested.is_away), 0);
}

static void a_resize_is_no_more_to_the_guest_than_a_reset(void **state)
{
	char n[16];

	(void)state;
	look();
	resize(3);
	line_read(PF "/sriov_numvfs", n, sizeof(n));
	assert_string_equal(n, "3");
	assert_int_equal(nested.n_paused, 1);
	assert_int_equal(nested.n_resumed, 1);
	assert_as_before();
	assert_asks();
	vmm_run(vmm, NESTED_DRIVE);
	assert_sends();
	assert_interrupts(2);
	resize(2);
	assert_as_before();
}

static void a_function_that_the_guest_resets_starts_anew(void **state)
{
	(void)state;
	look();
	vmm_set(vmm, NESTED_SET, CONTROL, FLR);
	assert_int_equal(vmm->n_resets, 1);
	assert_int_equal(vmm_get(vmm, NESTED_GET, COMMAND) & DECODE, 0);
	assert_int_equal(vmm_get(vmm, NESTED_GET, BAR(0)) >> 4, 0);
	vmm_run(vmm, NESTED_START);
	assert_as_before();
	for (uint32_t i = 0; i < NESTED_MSIX; i++)
		assert_interrupts(i);
}

static void a_bar_over_memory_leaves_the_memory(void **state)
{
	(void)state;
	vmm_set(vmm, NESTED_SET_WORD, SOME_RAM + NESTED_STATUS, 0x76696f);
	vmm_set(vmm, NESTED_SET, BAR(0), SOME_RAM);
	assert_int_equal(vmm->n_refused, 1);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, SOME_RAM + NESTED_STATUS),
			 0x76696f);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS),
			 UINT32_MAX);
	vmm_set(vmm, NESTED_SET, BAR(0), PLACE(0));
	assert_interrupts(0);
}

static void a_bar_over_another_one_is_not_there(void **state)
{
	const uint32_t status = vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS);

	(void)state;
	vmm_set(vmm, NESTED_SET, BAR(3), PLACE(0));
	vmm->n_traps = 0;
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS),
			 status);
	assert_int_equal(vmm->n_traps, 0);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, TABLE), UINT32_MAX);
	assert_interrupts(0);
	vmm_set(vmm, NESTED_SET, BAR(3), PLACE(3));
	assert_int_not_equal(vmm_get(vmm, NESTED_GET_WORD, TABLE), UINT32_MAX);
}

/* Interrupts come by the controller that the BAR would have covered. */
static void a_bar_over_the_interrupt_controller_is_refused(void **state)
{
	(void)state;
	vmm_set(vmm, NESTED_SET, BAR(3), 0xfee00000);
	assert_int_not_equal(vmm->n_refused, 0);
	assert_interrupts(1);
	vmm_set(vmm, NESTED_SET, BAR(3), PLACE(3));
	assert_interrupts(2);
}

static void a_bar_beyond_all_memory_is_not_there(void **state)
{
	(void)state;
	vmm_set(vmm, NESTED_SET, BAR(1), UINT32_MAX);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PLACE(0) + NESTED_STATUS),
			 UINT32_MAX);
	vmm_set(vmm, NESTED_SET, BAR(1), 0);
	assert_interrupts(0);
}

/* To memory, to no processor, and of no kind: the last one is as it should be. */
static void messages_that_are_no_interrupts_harm_nobody(void **state)
{
	static const uint32_t none[NESTED_MSIX] = { 0, 0, 1 };

	(void)state;
	vmm_set(vmm, NESTED_SET_WORD, SOME_RAM, 0x76696f);
	vmm_set(vmm, NESTED_SET_WORD, TABLE, SOME_RAM);
	vmm_set(vmm, NESTED_SET_WORD, TABLE + ENTRY, 0xfeefe000);
	vmm_set(vmm, NESTED_SET_WORD, TABLE + ENTRY + 8, UINT32_MAX);
	vmm_run_at(vmm, NESTED_TRIGGER, 0);
	vmm_run_at(vmm, NESTED_TRIGGER, 1);
	vmm_run_at(vmm, NESTED_TRIGGER, 2);
	vmm_set(vmm, NESTED_AWAIT, 2, 0);
	assert_memory_equal(vmm->talk->interrupts, none, sizeof(none));
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, SOME_RAM), 0x76696f);
	vmm_run(vmm, NESTED_CONNECT);
	assert_interrupts(0);
	assert_interrupts(1);
}

static void writes_behind_the_table_change_nothing(void **state)
{
	(void)state;
	look();
	vmm_set(vmm, NESTED_SET_WORD, TABLE + NESTED_MSIX * ENTRY, UINT32_MAX);
	vmm_set(vmm, NESTED_SET_WORD, PENDING, UINT32_MAX);
	vmm_set(vmm, NESTED_SET_WORD, PENDING + 8, UINT32_MAX);
	assert_int_equal(vmm_get(vmm, NESTED_GET_WORD, PENDING), 0);
	assert_as_before();
	assert_interrupts(0);
}

static int open_guest(void **state)
{
	(void)state;
	nested_vf_open(&nested, &owner);
	return 0;
}

static int start_guest(void **state)
{
	(void)state;
	nested_vf_start(&nested, &owner);
	return 0;
}

static int close_guest(void **state)
{
	(void)state;
	nested_vf_close(&nested);
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	if (command_run("modprobe -a kvm-amd vfio-pci vfio_iommu_type1 &&"
			"mkdir -p /run && /bin/ip link set eth0 up && cd " PF " &&"
			"echo 0 >sriov_drivers_autoprobe && echo 2 >sriov_numvfs"))
		return -1;
	if (!owner_open(&owner, "nested"))
		return 0;
	print_message("%s\n", owner.err.text);
	return -1;
}

static int tear_down(void **state)
{
	(void)state;
	return owner_close(&owner);
}

#define UNSTARTED(test) cmocka_unit_test_setup_teardown(test, open_guest, close_guest)
#define STARTED(test)   cmocka_unit_test_setup_teardown(test, start_guest, close_guest)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNSTARTED(a_guest_finds_the_function_where_it_was_put),
		UNSTARTED(a_guest_sizes_the_bars_that_the_kernel_has),
		STARTED(a_guest_reads_the_registers_of_the_device),
		STARTED(registers_are_the_guests_and_the_table_traps),
		STARTED(each_vector_interrupts_the_guest),
		STARTED(a_masked_vector_is_pending_until_it_is_not),
		STARTED(the_mac_that_was_claimed_is_what_the_guest_is_told),
		STARTED(the_device_reaches_the_guests_memory),
		STARTED(a_paused_function_keeps_what_the_guest_programmed),
		STARTED(after_a_resume_the_guest_reads_the_same),
		STARTED(after_a_resume_interrupts_arrive),
		STARTED(after_a_resume_the_device_is_who_it_was),
		STARTED(another_function_is_to_the_guest_the_one_it_had),
		STARTED(what_a_guest_programs_meanwhile_is_so_after_a_resume),
		STARTED(a_resize_is_no_more_to_the_guest_than_a_reset),
		STARTED(a_function_that_the_guest_resets_starts_anew),
		STARTED(a_bar_over_memory_leaves_the_memory),
		STARTED(a_bar_over_another_one_is_not_there),
		STARTED(a_bar_over_the_interrupt_controller_is_refused),
		STARTED(a_bar_beyond_all_memory_is_not_there),
		STARTED(messages_that_are_no_interrupts_harm_nobody),
		STARTED(writes_behind_the_table_change_nothing),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
