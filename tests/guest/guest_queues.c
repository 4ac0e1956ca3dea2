/* SPDX-License-Identifier: MIT */
/*
 * Two queues do the work of two processors: both have a processor in sysfs, both
 * raise interrupts under load, and on the host two threads of the device spend
 * processor time on it.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "guest.h"
#include "reader.h"

static char disk[DISK_PATH_BYTES];

static int find_disk(void **state)
{
	(void)state;
	disk_find("scratch", disk);
	return 0;
}

static void each_processor_has_its_own_queue(void **state)
{
	char first[32], second[32];

	(void)state;
	disk_attribute_read(disk, "mq/0/cpu_list", first, sizeof(first));
	disk_attribute_read(disk, "mq/1/cpu_list", second, sizeof(second));
	assert_int_not_equal(strlen(first), 0);
	assert_int_not_equal(strlen(second), 0);
	assert_string_not_equal(first, second);
}

/* "virtio3", the name its interrupts go by, from where the device link ends. */
static void read_device_name(char *out, size_t bytes)
{
	char link[DISK_PATH_BYTES + 64], target[256] = "";
	const char *name;

	snprintf(link, sizeof(link), "/sys/block/%s/device", disk + strlen("/dev/"));
	assert_true(readlink(link, target, sizeof(target) - 1) > 0);
	name = strrchr(target, '/');
	assert_non_null(name);
	snprintf(out, bytes, "%s", name + 1);
}

/* A line of /proc/interrupts is "29: <count of cpu 0> <count of cpu 1> ... name". */
static long long sum_counts(char *line)
{
	long long sum = 0, count;
	char *end;

	for (line = strchr(line, ':') + 1;; line = end) {
		count = strtoll(line, &end, 10);
		if (end == line)
			return sum;
		sum += count;
	}
}

static long long count_interrupts(int queue)
{
	char line[512], name[64], device[32];
	long long sum = -1;
	FILE *file = fopen("/proc/interrupts", "re");

	assert_non_null(file);
	read_device_name(device, sizeof(device));
	snprintf(name, sizeof(name), "%s-req.%d", device, queue);
	while (fgets(line, sizeof(line), file))
		if (strstr(line, name))
			sum = sum_counts(line);
	fclose(file);
	assert_true(sum >= 0);
	return sum;
}

static void both_queues_raise_interrupts_under_load(void **state)
{
	long long before[2] = { count_interrupts(0), count_interrupts(1) };
	struct readers readers;
	int fd = disk_open("scratch", O_RDONLY);

	(void)state;
	readers_start(&readers, fd, 4096);
	assert_true(readers_measure(&readers, 1) > 0);
	readers_stop(&readers);
	close(fd);
	/* 10: far above what an idle disk is asked, far below the load. */
	assert_true(count_interrupts(0) - before[0] > 10);
	assert_true(count_interrupts(1) - before[1] > 10);
}

static void two_threads_of_the_device_share_the_load(void **state)
{
	struct readers readers;
	int fd = disk_open("scratch", O_RDONLY);

	(void)state;
	assert_string_equal(host_ask("threads-mark scratch"), "ok");
	readers_start(&readers, fd, 4096);
	assert_true(readers_measure(&readers, 2) > 0);
	readers_stop(&readers);
	close(fd);
	assert_int_equal(atoi(host_ask("threads-busy scratch")), 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_processor_has_its_own_queue),
		cmocka_unit_test(both_queues_raise_interrupts_under_load),
		cmocka_unit_test(two_threads_of_the_device_share_the_load),
	};

	return cmocka_run_group_tests_name("guest_queues", tests, find_disk, NULL);
}
