/* SPDX-License-Identifier: MIT */
/*
 * A physical function goes while one of its VFs is open: its driver is unbound, it
 * is removed in sysfs, it is unplugged, it vanishes. The holder is asked, lets go,
 * and the removal ends; what is left of the claim says so, and nothing else in the
 * process notices.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "keeper.h"

#define SECOND_NS     UINT64_C(1000000000)
#define MS            UINT64_C(1000000)
#define SRIOV_ID      0x10u /* PCI Express Base, 9.3.3: extended capability */
#define SRIOV_CONTROL 0x08u
#define VF_ENABLE     0x01u

static struct keeper keeper;
static struct held held;
static int32_t irq_fd;

/* A PF that goes, and what must not notice. */
struct pf {
	uint32_t bus;
	uint32_t bystander_bus;
	const char *name;
	const char *others; /* true as long as the other PF is as it was */
};

static const struct pf igb = {
	.bus = BUS_IGB,
	.bystander_bus = BUS_NVME,
	.name = "0000:01:00.0",
	.others = "cd /sys/bus/pci/devices/0000:02:00.0 &&"
		  "[ -d driver/module ] && [ -d virtfn1 ] && [ -b /dev/nvme0n1 ]",
};

static const struct pf nvme = {
	.bus = BUS_NVME,
	.bystander_bus = BUS_IGB,
	.name = "0000:02:00.0",
	.others = "cd /sys/bus/pci/devices/0000:01:00.0 &&"
		  "[ -d driver/module ] && [ -d virtfn1/driver ] &&"
		  "[ $(cat /sys/class/net/eth0/carrier) = 1 ]",
};

static int count_vf(void *opaque, const struct vio_pci_info *info)
{
	(void)info;
	++*(uint32_t *)opaque;
	return 0;
}

static int is_alone(void *opaque, const struct vio_vf_info *info)
{
	uint32_t *n = opaque;

	assert_int_equal(info->is_alive, 1);
	++*n;
	return 0;
}

/* The bystander's lease is the only one, and nothing is left to recover. */
static void assert_journals_are_clean(void)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct end end = { .err = VIO_ERROR_INIT };
	uint32_t n = 0;

	assert_int_equal(vio_host_foreach_lease(keeper.host, is_alone, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(keeper_wait(&keeper, &end,
				     vio_host_recover(keeper.host, &recovery, end_note,
						      &end, &end.err)),
			 0);
	assert_int_equal(recovery.n_alive, 1);
	assert_int_equal(recovery.n_undone + recovery.n_failed + recovery.n_unknown, 0);
}

/* The first call that needs the function finds it gone, the others know. */
static void assert_lost(void)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfio = NULL;
	struct end end = { .err = VIO_ERROR_INIT };

	assert_int_equal(keeper_wait(&keeper, &end,
				     vio_vf_reset(held.vf, end_note, &end, &end.err)),
			 -ENODEV);
	assert_int_equal(held_get_state(&held), VIO_VF_LOST);
	config.fields = VIO_VF_VLAN;
	assert_int_equal(vio_vf_configure(held.vf, &config, NULL, end_note, &end, NULL),
			 -ENODEV);
	params.iommu = held.iommu;
	assert_int_equal(vio_vfio_open(held.vf, &params, &vfio, end_note, &end, NULL),
			 -ENODEV);
	assert_int_equal(keeper_release(&keeper, &held), -ENODEV);
	assert_journals_are_clean();
}

static void assert_others_go_on(const struct pf *pf)
{
	uint32_t value = 0;

	assert_int_equal(command_run(pf->others), 0);
	assert_int_equal(keeper.bystander.n_requested + keeper.bystander.n_failed, 0);
	assert_int_equal(held_get_state(&keeper.bystander), VIO_VF_HELD);
	assert_int_equal(held_read(&keeper.bystander, VIO_VFIO_CONFIG_REGION, &value),
			 0);
}

static void await_request(const char *what, const struct writer *writer)
{
	uint32_t value = 0;

	keeper_run(&keeper, &held.n_requested);
	print_message("%s: asked after %llu ms\n", what,
		      (unsigned long long)((held.told_ns - writer->began_ns) / MS));
	assert_true(held.told_ns - writer->began_ns < SECOND_NS);
	/* As long as it is open it works. */
	assert_int_equal(held_read(&held, 0, &value), 0);
	assert_true(value && value != UINT32_MAX);
}

/* The writer is over, and the PF or its VFs are gone, whatever it was. */
static void await_removal(const char *what, struct writer *writer, const char *last)
{
	const uint64_t began_ns = now_ns();

	assert_int_equal(writer_join(writer, &keeper), 0);
	keeper_await(&keeper, 0, VIO_HOST_REMOVED, last);
	print_message("%s: over after %llu ms more\n", what,
		      (unsigned long long)((now_ns() - began_ns) / MS));
}

static void assert_writer_waits(const struct writer *writer)
{
	assert_int_equal(__atomic_load_n(&writer->is_over, __ATOMIC_ACQUIRE), 0);
}

static int count_pf(void *opaque, const struct vio_pci_info *info)
{
	uint32_t n = 0;
	const int ret =
		vio_host_foreach_vf(keeper.host, &info->addr, count_vf, &n, NULL);

	++*(uint32_t *)opaque;
	return ret;
}

/* With the PF's locks kept by the kernel: the inventory, and a VF of the other PF. */
static void use_the_rest(const struct pf *pf)
{
	struct held other;
	uint32_t n = 0;

	assert_int_equal(vio_host_foreach_pf(keeper.host, count_pf, &n, NULL), 0);
	assert_int_equal(n, 2);
	keeper_take(&keeper, &other, pf->bystander_bus);
	keeper_close_function(&keeper, &other);
	assert_int_equal(keeper_release(&keeper, &other), 0);
}

static void unbinding_the_pf_waits_for_the_holder(void **state)
{
	const struct pf *pf = *state;
	struct writer writer;

	keeper_measure(&keeper);
	writer_start(&writer, "/sys/bus/pci/drivers/igb/unbind", pf->name);
	await_request("unbind", &writer);
	assert_writer_waits(&writer);
	keeper_close_function(&keeper, &held);
	await_removal("unbind", &writer, held.name);
	keeper_judge(&keeper);
	assert_others_go_on(pf);
	assert_lost();
	assert_int_equal(write_text("/sys/bus/pci/drivers/igb/bind", pf->name), 0);
}

/* The kernel says it again every 10 s. */
static void a_holder_that_does_not_let_go_is_asked_again(void **state)
{
	const struct pf *pf = *state;
	struct writer writer;

	keeper_measure(&keeper);
	writer_start(&writer, "/sys/bus/pci/drivers/igb/unbind", pf->name);
	await_request("unbind", &writer);
	use_the_rest(pf);
	held.n_requested = 0;
	keeper_run(&keeper, &held.n_requested);
	assert_writer_waits(&writer);
	keeper_close_function(&keeper, &held);
	await_removal("unbind", &writer, held.name);
	keeper_judge(&keeper);
	assert_others_go_on(pf);
	assert_lost();
	assert_int_equal(write_text("/sys/bus/pci/drivers/igb/bind", pf->name), 0);
}

/* As a monitor would: closed and given back at once, with the removal on its way. */
static void a_claim_is_given_back_while_its_pf_goes(void **state)
{
	const struct pf *pf = *state;
	struct writer writer;
	int ret;

	keeper_measure(&keeper);
	writer_start(&writer, "/sys/bus/pci/devices/0000:01:00.0/remove", "1");
	await_request("remove", &writer);
	assert_writer_waits(&writer);
	keeper_close_function(&keeper, &held);
	ret = keeper_release(&keeper, &held);
	print_message("release: %d\n", ret);
	await_removal("remove", &writer, pf->name);
	keeper_judge(&keeper);
	assert_true(!ret || ret == -ENODEV);
	assert_others_go_on(pf);
	assert_journals_are_clean();
	assert_int_equal(write_text("/sys/bus/pci/rescan", "1"), 0);
}

static void unplugging_the_pf_waits_for_the_holder(void **state)
{
	const struct pf *pf = *state;
	struct writer writer;
	uint32_t n;

	keeper_measure(&keeper);
	writer_start(&writer, NULL, "unplug card");
	await_request("unplug", &writer);
	n = keeper.n_events;
	assert_int_equal(keeper_find(&keeper, 0, VIO_HOST_REMOVED, pf->name), n);
	use_the_rest(pf);
	keeper_close_function(&keeper, &held);
	await_removal("unplug", &writer, pf->name);
	keeper_judge(&keeper);
	assert_others_go_on(pf);
	assert_lost();
	n = keeper.n_events;
	assert_string_equal(host_ask("plug card"), "ok");
	keeper_await(&keeper, n, VIO_HOST_BOUND, pf->name);
}

/* Of a PF that stays: the emulator ends in an assertion when this one is unplugged. */
static void taking_the_vfs_away_waits_for_the_holder(void **state)
{
	const struct pf *pf = *state;
	struct writer writer;

	keeper_measure(&keeper);
	writer_start(&writer, "/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs", "0");
	await_request("numvfs", &writer);
	assert_writer_waits(&writer);
	use_the_rest(pf);
	keeper_close_function(&keeper, &held);
	await_removal("numvfs", &writer, held.name);
	keeper_judge(&keeper);
	assert_others_go_on(pf);
	assert_lost();
}

static uint16_t find_sriov(int config)
{
	uint32_t head = 0;
	uint16_t at = 0x100;

	while (at) {
		assert_int_equal(pread(config, &head, sizeof(head), at), sizeof(head));
		if ((head & 0xffff) == SRIOV_ID)
			break;
		at = (uint16_t)(head >> 20);
	}
	assert_true(at);
	return at;
}

/* Behind the kernel's back, as a link that breaks would. */
static void set_vf_enable(int config, uint16_t at, int is_enabled)
{
	uint16_t control = 0;

	assert_int_equal(pread(config, &control, 2, at + SRIOV_CONTROL), 2);
	control = (uint16_t)(is_enabled ? control | VF_ENABLE : control & ~VF_ENABLE);
	assert_int_equal(pwrite(config, &control, 2, at + SRIOV_CONTROL), 2);
}

static void registers_of_a_vf_that_vanished_are_not_made_up(void **state)
{
	const int config =
		open("/sys/bus/pci/devices/0000:01:00.0/config", O_RDWR | O_CLOEXEC);
	const uint16_t at = find_sriov(config), command = 6;
	uint32_t value = 0x77;

	(void)state;
	set_vf_enable(config, at, 0);
	assert_int_equal(held_read(&held, VIO_VFIO_CONFIG_REGION, &value), -ENODEV);
	assert_int_equal(value, 0x77);
	assert_int_equal(
		vio_vfio_write(held.vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2),
		-ENODEV);
	assert_int_equal(vio_vfio_write(held.vfio, 0, 0x3c, &value, sizeof(value)),
			 -ENODEV);
	set_vf_enable(config, at, 1);
	close(config);
	assert_int_equal(held_read(&held, VIO_VFIO_CONFIG_REGION, &value), 0);
	assert_int_equal(value, 0x10ca8086);
	keeper_close_function(&keeper, &held);
	assert_int_equal(keeper_release(&keeper, &held), 0);
}

/* What keeps a function beside its descriptor: registers and interrupts. */
static void keep(void)
{
	void *registers;

	irq_fd = eventfd(0, EFD_CLOEXEC);
	assert_true(irq_fd >= 0);
	assert_int_equal(vio_vfio_map_bar(held.vfio, 0, 0, 4096, &registers, NULL), 0);
	assert_int_equal(
		vio_vfio_set_interrupts(held.vfio, VIO_VFIO_MSIX, &irq_fd, 1, NULL), 0);
}

static int set_up(void **state)
{
	const struct pf *pf = *state;

	if (machine_make_vfs("2"))
		return -1;
	keeper_open(&keeper, pf->bystander_bus);
	keeper_take(&keeper, &held, pf->bus);
	keep();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	close(irq_fd);
	keeper_close(&keeper);
	return machine_destroy_vfs();
}

static int set_up_all(void **state)
{
	(void)state;
	return machine_prepare();
}

#define TEST(name, pf)                                                                 \
	{                                                                              \
#name " (" #pf ")", name, set_up, tear_down, (void *)(uintptr_t)&pf    \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unbinding_the_pf_waits_for_the_holder, igb),
		TEST(a_holder_that_does_not_let_go_is_asked_again, igb),
		TEST(a_claim_is_given_back_while_its_pf_goes, igb),
		TEST(unplugging_the_pf_waits_for_the_holder, igb),
		TEST(taking_the_vfs_away_waits_for_the_holder, nvme),
		TEST(registers_of_a_vf_that_vanished_are_not_made_up, igb),
	};

	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
