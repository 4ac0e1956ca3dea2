/* SPDX-License-Identifier: MIT */
/*
 * Limits that the kernel holds on a disk, for the processes of a cgroup: this one. What
 * the disk does without a limit is measured first and must be twice the limit at
 * least, or the limit would show nothing.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bound.h"
#include "guest.h"
#include "reader.h"

#define CGROUP "/tmp/cgroup/tenant"
#define SERIAL "limited"

/*
 * The kernel counts in slices of a fraction of a second; in the first one it lets
 * through what was saved before the limit came. Not part of the rate.
 */
#define SETTLE_SECONDS 2
/* A slice more or less is 1 % of it. */
#define LIMITED_SECONDS 10
#define FREE_SECONDS    2

#define BYTES           UINT64_C(2000000)
#define OPS             UINT64_C(200)

static struct vio_limit_hw_params disk_params(uint32_t flags)
{
	struct vio_limit_hw_params params = VIO_LIMIT_HW_PARAMS_INIT;
	char path[DISK_PATH_BYTES];
	struct stat disk;

	disk_find(SERIAL, path);
	assert_int_equal(stat(path, &disk), 0);
	params.kind = VIO_LIMIT_HW_CGROUP;
	params.flags = flags;
	params.cgroup = CGROUP;
	params.major = major(disk.st_rdev);
	params.minor = minor(disk.st_rdev);
	return params;
}

static const char *io_max(void)
{
	static char line[160];

	line_read(CGROUP "/io.max", line, sizeof(line));
	return line;
}

struct rates {
	double before, limited, after;
};

/* Reads per second before, while and after the limit is the disk's. */
static struct rates measure(struct vio_limit *limit, uint32_t field, size_t bytes)
{
	const struct vio_limit_hw_params params = disk_params(VIO_LIMIT_HW_READS);
	int fd = disk_open(SERIAL, O_RDONLY);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);
	struct readers readers;
	struct rates rates;

	readers_start(&readers, fd, bytes);
	rates.before = readers_measure(&readers, FREE_SECONDS);
	assert_int_equal(bound_attach(hw, limit, field, &report), 0);
	assert_int_equal(report.held, field);
	readers_measure(&readers, SETTLE_SECONDS);
	rates.limited = readers_measure(&readers, LIMITED_SECONDS);
	assert_int_equal(bound_detach(hw), 0);
	assert_string_equal(io_max(), "");
	rates.after = readers_measure(&readers, FREE_SECONDS);
	readers_stop(&readers);
	bound_close(hw);
	close(fd);
	return rates;
}

static void
assert_holds(const char *what, struct rates rates, double per_read, double limit)
{
	printf("limit %s asked %.0f measured %.0f unlimited %.0f and %.0f\n", what,
	       limit, rates.limited * per_read, rates.before * per_read,
	       rates.after * per_read);
	assert_true(rates.before * per_read >= 2 * limit);
	assert_true(rates.after * per_read >= 2 * limit);
	assert_true(rates.limited * per_read >= 0.95 * limit);
	assert_true(rates.limited * per_read <= 1.05 * limit);
}

static void bytes_per_second_are_within_five_per_cent_of_the_limit(void **state)
{
	struct vio_limit *limit = bound_limit(BYTES, 0, 0);

	(void)state;
	assert_holds("bytes", measure(limit, VIO_LIMIT_HW_CEILING_BYTES, 16384), 16384,
		     (double)BYTES);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void ops_per_second_are_within_five_per_cent_of_the_limit(void **state)
{
	struct vio_limit *limit = bound_limit(0, OPS, 0);

	(void)state;
	assert_holds("ops", measure(limit, VIO_LIMIT_HW_CEILING_OPS, 4096), 1,
		     (double)OPS);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void what_a_cgroup_can_hold_is_told_before(void **state)
{
	const struct vio_limit_hw_params params = disk_params(VIO_LIMIT_HW_READS);
	struct vio_limit *limit = bound_limit(BYTES, OPS, 1000);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(caps.fields,
			 VIO_LIMIT_HW_CEILING_BYTES | VIO_LIMIT_HW_CEILING_OPS);
	assert_int_equal(caps.bytes_step, 1);
	assert_int_equal(caps.ops_least, 2);
	assert_int_equal(bound_attach(hw, limit, VIO_LIMIT_HW_ASSURED_BYTES, &report),
			 -EOPNOTSUPP);
	assert_string_equal(io_max(), "");
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

/* What the kernel takes at least is what the library says. */
static void the_least_rate_is_the_kernels(void **state)
{
	const struct vio_limit_hw_params params = disk_params(VIO_LIMIT_HW_WRITES);
	struct vio_limit *least = bound_limit(2, 2, 0), *less = bound_limit(1, 2, 0);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);
	char command[128];

	(void)state;
	assert_int_equal(bound_attach(hw, less, VIO_LIMIT_HW_CEILING_BYTES, &report),
			 -ERANGE);
	assert_int_equal(bound_attach(hw, least, VIO_LIMIT_HW_CEILING_BYTES, &report),
			 0);
	assert_non_null(strstr(io_max(), "rbps=max wbps=2 riops=max wiops=2"));
	snprintf(command, sizeof(command), "echo %u:%u wbps=1 >" CGROUP "/io.max",
		 params.major, params.minor);
	assert_int_not_equal(command_run(command), 0);
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(least), 0);
	assert_int_equal(vio_limit_destroy(less), 0);
}

static void both_ways_are_held_apart_and_not_in_sum(void **state)
{
	const struct vio_limit_hw_params params =
		disk_params(VIO_LIMIT_HW_READS | VIO_LIMIT_HW_WRITES);
	struct vio_limit *limit = bound_limit(BYTES, 0, 0);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw = bound_create(&params, &caps);

	(void)state;
	assert_int_equal(caps.is_each_way, 1);
	assert_int_equal(bound_attach(hw, limit, VIO_LIMIT_HW_CEILING_BYTES, &report),
			 0);
	assert_int_equal(report.set, VIO_LIMIT_HW_CEILING_BYTES);
	assert_int_equal(report.held, 0);
	assert_non_null(
		strstr(io_max(), "rbps=2000000 wbps=2000000 riops=max wiops=max"));
	bound_close(hw);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void what_an_administrator_set_is_there_again(void **state)
{
	const struct vio_limit_hw_params params = disk_params(VIO_LIMIT_HW_READS);
	struct vio_limit *limit = bound_limit(BYTES, 0, 0);
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps;
	struct vio_limit_hw *hw;
	char command[128];

	(void)state;
	snprintf(command, sizeof(command),
		 "echo %u:%u rbps=9000000 wiops=77 >" CGROUP "/io.max", params.major,
		 params.minor);
	assert_int_equal(command_run(command), 0);
	hw = bound_create(&params, &caps);
	assert_int_equal(bound_attach(hw, limit, 0, &report), 0);
	assert_non_null(strstr(io_max(), "rbps=2000000 wbps=max riops=max wiops=77"));
	bound_close(hw);
	assert_non_null(strstr(io_max(), "rbps=9000000 wbps=max riops=max wiops=77"));
	snprintf(command, sizeof(command),
		 "echo %u:%u rbps=max wiops=max >" CGROUP "/io.max", params.major,
		 params.minor);
	assert_int_equal(command_run(command), 0);
	assert_int_equal(vio_limit_destroy(limit), 0);
}

static void a_disk_or_a_cgroup_that_is_not_there_cannot_be_opened(void **state)
{
	struct vio_limit_hw_params params = disk_params(VIO_LIMIT_HW_READS);
	struct vio_limit_hw *hw;

	(void)state;
	params.minor += 1000;
	assert_int_equal(bound_open(&params, &hw), -ENODEV);
	params.minor -= 1000;
	params.cgroup = "/tmp/cgroup"; /* the root has no io.max */
	assert_int_equal(bound_open(&params, &hw), -EOPNOTSUPP);
}

/* The library's own threads come along: they read nothing of the disk. */
static int enter_cgroup(void **state)
{
	if (command_run("mkdir /tmp/cgroup && mount -t cgroup2 none /tmp/cgroup &&"
			"echo +io >/tmp/cgroup/cgroup.subtree_control &&"
			"mkdir " CGROUP " && echo $PPID >" CGROUP "/cgroup.procs"))
		return -1;
	return bound_begin(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			bytes_per_second_are_within_five_per_cent_of_the_limit),
		cmocka_unit_test(ops_per_second_are_within_five_per_cent_of_the_limit),
		cmocka_unit_test(what_a_cgroup_can_hold_is_told_before),
		cmocka_unit_test(the_least_rate_is_the_kernels),
		cmocka_unit_test(both_ways_are_held_apart_and_not_in_sum),
		cmocka_unit_test(what_an_administrator_set_is_there_again),
		cmocka_unit_test(a_disk_or_a_cgroup_that_is_not_there_cannot_be_opened),
	};

	return cmocka_run_group_tests_name("guest_limit_disk", tests, enter_cgroup,
					   bound_end);
}
