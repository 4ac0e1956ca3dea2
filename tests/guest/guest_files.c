/* SPDX-License-Identifier: MIT */
/*
 * A filesystem made on the host, read and written in the guest. The first test reads
 * every file through a fresh mount, so the bytes come from the disk. The second
 * writes, syncs and unmounts; the sums are taken from the guest's page cache and
 * the host takes its own from the image. The argument is how many MiB to write.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>
#include "guest.h"

/* A file is 4 MiB, in writes of 256 KiB: the most getrandom() gives uninterrupted. */
#define WRITE_BYTES     (256 * 1024)
#define WRITES_PER_FILE 16

static int mib_to_write = 8;

static int mount_disk(void **state)
{
	char path[DISK_PATH_BYTES];

	(void)state;
	disk_find("files", path);
	return mount(path, "/mnt", "ext4", 0, NULL);
}

static int lines_count(const char *path)
{
	FILE *file = fopen(path, "re");
	int lines = 0, c;

	assert_non_null(file);
	while ((c = fgetc(file)) != EOF)
		lines += c == '\n';
	fclose(file);
	return lines;
}

static void every_file_made_on_the_host_has_its_checksum(void **state)
{
	(void)state;
	assert_int_equal(command_run("cd /mnt && sha256sum -c SUMS >/tmp/checked"), 0);
	assert_int_equal(lines_count("/tmp/checked"), atoi(host_ask("files")));
}

static void write_random_file(const char *path)
{
	static char bytes[WRITE_BYTES];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	for (int i = 0; i < WRITES_PER_FILE; i++) {
		assert_int_equal(getrandom(bytes, sizeof(bytes), 0), sizeof(bytes));
		assert_int_equal(write(fd, bytes, sizeof(bytes)), sizeof(bytes));
	}
	assert_int_equal(fsync(fd), 0);
	close(fd);
}

static void the_host_sees_what_was_written_and_synced(void **state)
{
	char path[64];

	(void)state;
	assert_int_equal(mkdir("/mnt/guest", 0755), 0);
	for (int i = 0; i < mib_to_write / 4; i++) {
		snprintf(path, sizeof(path), "/mnt/guest/file%d", i);
		write_random_file(path);
	}
	assert_int_equal(command_run("cd /mnt/guest && sha256sum file* >SUMS"), 0);
	assert_int_equal(umount("/mnt"), 0);
	assert_string_equal(host_ask("check %d", mib_to_write / 4), "ok");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_file_made_on_the_host_has_its_checksum),
		cmocka_unit_test(the_host_sees_what_was_written_and_synced),
	};

	if (argc > 1)
		mib_to_write = atoi(argv[1]);
	return cmocka_run_group_tests_name("guest_files", tests, mount_disk, NULL);
}
