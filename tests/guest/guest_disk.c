/* SPDX-License-Identifier: MIT */
/*
 * What a disk is besides reads and writes: its serial, its size, a read-only one
 * that keeps its bytes, discards and zeroes that read back as zeros and touch
 * nothing beside them.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include "guest.h"

#define AREA_BYTES (1024 * 1024)
#define HOLE_START (256 * 1024)
#define HOLE_BYTES (512 * 1024)
#define PATTERN    0xa5

static void each_disk_shows_its_serial_and_size(void **state)
{
	static const char *const serials[] = { "files", "fixed", "scratch" };
	char path[DISK_PATH_BYTES], sectors[32];

	(void)state;
	for (size_t i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		disk_find(serials[i], path);
		disk_attribute_read(path, "size", sectors, sizeof(sectors));
		assert_int_equal(atoll(sectors) * 512,
				 atoll(host_ask("size %s", serials[i])));
	}
}

static void a_read_only_disk_refuses_writes(void **state)
{
	char path[DISK_PATH_BYTES], read_only[8];
	void *bytes = disk_buffer_create(4096);
	int fd;

	(void)state;
	disk_find("fixed", path);
	disk_attribute_read(path, "ro", read_only, sizeof(read_only));
	assert_string_equal(read_only, "1");
	fd = disk_open("fixed", O_RDWR);
	memset(bytes, PATTERN, 4096);
	assert_int_equal(pwrite(fd, bytes, 4096, 0), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(pread(fd, bytes, 4096, 0), 4096);
	assert_string_equal(host_ask("unchanged fixed"), "ok");
	close(fd);
	free(bytes);
}

static void assert_bytes(const unsigned char *bytes, size_t n, int value)
{
	for (size_t i = 0; i < n; i++)
		assert_int_equal(bytes[i], value);
}

/* Fills an area, has the hole made by the ioctl and reads everything back. */
static void hole_is_zeros(unsigned long request, const char *limit)
{
	unsigned char *bytes = disk_buffer_create(AREA_BYTES);
	uint64_t range[2] = { HOLE_START, HOLE_BYTES };
	size_t hole_end = HOLE_START + HOLE_BYTES;
	char path[DISK_PATH_BYTES], most[32];
	int fd = disk_open("scratch", O_RDWR);

	/* Without the device's own command the kernel would write the zeros. */
	disk_find("scratch", path);
	disk_attribute_read(path, limit, most, sizeof(most));
	assert_true(atoll(most) > 0);
	memset(bytes, PATTERN, AREA_BYTES);
	assert_int_equal(pwrite(fd, bytes, AREA_BYTES, 0), AREA_BYTES);
	assert_int_equal(ioctl(fd, request, range), 0);
	assert_int_equal(pread(fd, bytes, AREA_BYTES, 0), AREA_BYTES);
	assert_bytes(bytes, HOLE_START, PATTERN);
	assert_bytes(bytes + HOLE_START, HOLE_BYTES, 0);
	assert_bytes(bytes + hole_end, AREA_BYTES - hole_end, PATTERN);
	close(fd);
	free(bytes);
}

static void discarded_sectors_read_back_zeros(void **state)
{
	(void)state;
	hole_is_zeros(BLKDISCARD, "queue/discard_max_bytes");
}

static void zeroed_sectors_read_back_zeros(void **state)
{
	(void)state;
	hole_is_zeros(BLKZEROOUT, "queue/write_zeroes_max_bytes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_disk_shows_its_serial_and_size),
		cmocka_unit_test(a_read_only_disk_refuses_writes),
		cmocka_unit_test(discarded_sectors_read_back_zeros),
		cmocka_unit_test(zeroed_sectors_read_back_zeros),
	};

	return cmocka_run_group_tests_name("guest_disk", tests, NULL, NULL);
}
