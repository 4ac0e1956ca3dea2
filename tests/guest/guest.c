/* SPDX-License-Identifier: MIT */
/*
 * Questions to the host, disks by serial, and a few small files, for the programs
 * inside the guest. All of it fails the running test rather than return an error:
 * a guest without its disk or its host has nothing to test.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include "guest.h"

const char *host_ask(const char *format, ...)
{
	static char answer[256];
	va_list args;

	putchar('@');
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	if (!fgets(answer, sizeof(answer), stdin))
		fail_msg("the host does not answer");
	answer[strcspn(answer, "\n")] = '\0';
	return answer;
}

void line_read(const char *path, char *out, size_t bytes)
{
	FILE *file = fopen(path, "re");

	if (!file)
		fail_msg("%s does not open", path);
	out[0] = '\0';
	/* An empty file is an empty line: a disk without a serial has one. */
	if (fgets(out, (int)bytes, file))
		out[strcspn(out, "\n")] = '\0';
	fclose(file);
}

void disk_attribute_read(const char *disk, const char *name, char *out, size_t bytes)
{
	char path[DISK_PATH_BYTES + 64];

	snprintf(path, sizeof(path), "/sys/block/%s/%s", disk + strlen("/dev/"), name);
	line_read(path, out, bytes);
}

static int disk_has_serial(const char *disk, const char *serial)
{
	char found[64];

	disk_attribute_read(disk, "serial", found, sizeof(found));
	return strcmp(found, serial) == 0;
}

void disk_find(const char *serial, char path[DISK_PATH_BYTES])
{
	DIR *block = opendir("/sys/block");
	struct dirent *entry;
	int found = 0;

	assert_non_null(block);
	while (!found && (entry = readdir(block))) {
		if (strncmp(entry->d_name, "vd", 2) != 0)
			continue;
		snprintf(path, DISK_PATH_BYTES, "/dev/%s", entry->d_name);
		found = disk_has_serial(path, serial);
	}
	closedir(block);
	if (!found)
		fail_msg("no disk has the serial %s", serial);
}

int disk_open(const char *serial, int flags)
{
	char path[DISK_PATH_BYTES];
	int fd;

	disk_find(serial, path);
	fd = open(path, flags | O_DIRECT | O_CLOEXEC);
	if (fd < 0)
		fail_msg("%s does not open", path);
	return fd;
}

void *disk_buffer_create(size_t bytes)
{
	void *buffer = NULL;

	/* 4096: the largest logical block a disk of the suite has. */
	assert_int_equal(posix_memalign(&buffer, 4096, bytes), 0);
	return buffer;
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

int command_run(const char *command)
{
	int status = system(command);

	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}
