/* SPDX-License-Identifier: MIT */
/*
 * Write load for a device that is about to be killed: two threads create, sync,
 * rename and remove files, so that data, metadata and the journal are all on their
 * way. A file is announced once it is synced under its last name; its content is its
 * name over and over, so that the host can tell whether it survived. Once enough
 * are, the host is asked to kill, and the load goes on until there is no disk.
 */
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mount.h>
#include <unistd.h>
#include "guest.h"

#define WRITERS 2
/* Every fourth file stays, so that the journal also holds removals. */
#define KEEP_EACH 4
/* 8192 lines are a file of about 100 KiB. */
#define LINES_PER_FILE 8192

static int files_before_kill = 40;

static int write_synced(const char *path, const char *name)
{
	FILE *file = fopen(path, "wxe");
	int rc;

	if (!file)
		return -1;
	for (int i = 0; i < LINES_PER_FILE; i++)
		fprintf(file, "%s\n", name);
	rc = fflush(file) || fsync(fileno(file));
	fclose(file);
	return rc;
}

static int sync_directory(void)
{
	int fd = open("/mnt", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = fsync(fd);

	close(fd);
	return rc;
}

static int write_one(int writer, int number)
{
	char temporary[64], path[64], name[32];

	snprintf(name, sizeof(name), "load%d.%d", writer, number);
	snprintf(temporary, sizeof(temporary), "/mnt/new.%s", name);
	snprintf(path, sizeof(path), "/mnt/%s", name);
	if (write_synced(temporary, name))
		return -1;
	if (number % KEEP_EACH)
		return unlink(temporary);
	if (rename(temporary, path) || sync_directory())
		return -1;
	printf("synced %s\n", name);
	return 0;
}

static void *write_files(void *arg)
{
	int writer = *(int *)arg;

	for (int number = 0; write_one(writer, number) == 0; number++)
		if (writer == 0 && number == files_before_kill)
			puts("@kill");
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[WRITERS];
	int numbers[WRITERS];
	char path[DISK_PATH_BYTES];

	if (argc > 1)
		files_before_kill = atoi(argv[1]);
	disk_find("files", path);
	if (mount(path, "/mnt", "ext4", 0, NULL))
		return 1;
	setlinebuf(stdout);
	for (int i = 0; i < WRITERS; i++) {
		numbers[i] = i;
		if (pthread_create(&threads[i], NULL, write_files, &numbers[i]))
			return 1;
	}
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	/* Writers end by an error, which is what a killed device gives. */
	return 1;
}
