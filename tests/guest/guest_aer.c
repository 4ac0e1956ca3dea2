/* SPDX-License-Identifier: MIT */
/*
 * Errors that a device reports of itself (PCI Express Base, 6.2), injected by the
 * kernel's own module: the holder of a VF is told, the events of the recovery come
 * in order, and what recovers can be used again.
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "keeper.h"

#define PF "0000:01:00.0"
#define MS UINT64_C(1000000)

/* Of the Uncorrectable Error Status register: a completion that did not come. */
#define NOT_FATAL 0x00004000u

/* What /dev/aer_inject takes. */
struct injection {
	uint8_t bus;
	uint8_t device;
	uint8_t function;
	uint8_t pad;
	uint32_t uncorrectable;
	uint32_t correctable;
	uint32_t header[4];
	uint32_t domain;
};

static struct keeper keeper;
static struct held held;

static void inject(const char *name)
{
	struct injection injection = { .uncorrectable = NOT_FATAL };
	struct vio_pci_addr addr;
	const int fd = open("/dev/aer_inject", O_WRONLY | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	injection.bus = addr.bus;
	injection.device = addr.device;
	injection.function = addr.function;
	assert_true(write(fd, &injection, sizeof(injection)) > 0);
	close(fd);
}

/* Begin comes before end, of that function. */
static void assert_recovery(uint32_t from, const char *name, uint32_t end)
{
	const uint32_t begun = keeper_find(&keeper, from, VIO_HOST_AER_BEGIN, name);
	const uint32_t ended = keeper_find(&keeper, from, end, name);

	assert_true(begun < ended);
	assert_true(ended < keeper.n_events);
}

static void assert_reset_and_used(void)
{
	struct end end = { .err = VIO_ERROR_INIT };
	const uint16_t command = 6;
	uint32_t value = 0;

	assert_int_equal(
		keeper_wait(&keeper, &end,
			    vio_vfio_reset(held.vfio, end_note, &end, &end.err)),
		0);
	assert_int_equal(
		vio_vfio_write(held.vfio, VIO_VFIO_CONFIG_REGION, 4, &command, 2), 0);
	assert_int_equal(held_read(&held, 0, &value), 0);
	assert_true(value && value != UINT32_MAX);
	assert_int_equal(held_get_state(&held), VIO_VF_HELD);
}

/* The holder is told, and the recovery ends like that. */
static void inject_and_judge(const char *name, uint32_t from, uint32_t end)
{
	const uint64_t began_ns = now_ns();

	keeper_measure(&keeper);
	inject(name);
	keeper_run(&keeper, &held.n_failed);
	keeper_await(&keeper, from, end, held.name);
	print_message("%s: told after %llu ms, over after %llu ms\n", name,
		      (unsigned long long)((held.told_ns - began_ns) / MS),
		      (unsigned long long)((now_ns() - began_ns) / MS));
	keeper_judge(&keeper);
	assert_int_equal(held.n_requested, 0);
}

static void recover_from(const char *name)
{
	const uint32_t from = keeper.n_events;

	inject_and_judge(name, from, VIO_HOST_AER_RECOVERED);
	keeper_await(&keeper, from, VIO_HOST_AER_RECOVERED, PF);
	assert_recovery(from, PF, VIO_HOST_AER_RECOVERED);
	assert_recovery(from, held.name, VIO_HOST_AER_RECOVERED);
	assert_int_equal(held.n_failed, 1);
	assert_reset_and_used();
}

static void an_error_of_a_held_vf_is_told_and_recovered_from(void **state)
{
	(void)state;
	recover_from(held.name);
}

static void an_error_of_the_pf_is_told_to_the_holder_of_a_vf(void **state)
{
	(void)state;
	recover_from(PF);
}

/* The VF beside it has no driver that could have a say. */
static void a_recovery_that_fails_is_told_as_such(void **state)
{
	const uint32_t from = keeper.n_events;

	(void)state;
	assert_int_equal(command_run("echo 0000:01:10.2 >"
				     "/sys/bus/pci/drivers/igbvf/unbind"),
			 0);
	inject_and_judge(held.name, from, VIO_HOST_AER_FAILED);
	assert_recovery(from, held.name, VIO_HOST_AER_FAILED);
	assert_reset_and_used();
}

/* *state: how many VFs. */
static int set_up(void **state)
{
	if (machine_make_vfs(*state))
		return -1;
	keeper_open(&keeper, BUS_NVME);
	keeper_take(&keeper, &held, BUS_IGB);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	keeper_close_function(&keeper, &held);
	assert_int_equal(keeper_release(&keeper, &held), 0);
	keeper_close(&keeper);
	return machine_destroy_vfs();
}

static int set_up_all(void **state)
{
	(void)state;
	return command_run("modprobe aer_inject") || machine_prepare();
}

#define WITH_VFS(test, n)                                                              \
	{                                                                              \
#test, test, set_up, tear_down, (void *)(uintptr_t)n                   \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_VFS(an_error_of_a_held_vf_is_told_and_recovered_from, "1"),
		WITH_VFS(an_error_of_the_pf_is_told_to_the_holder_of_a_vf, "1"),
		WITH_VFS(a_recovery_that_fails_is_told_as_such, "2"),
	};

	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
