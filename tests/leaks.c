/* SPDX-License-Identifier: MIT */
/*
 * Linked whole into every test program: a suite that leaves a descriptor open
 * fails, whatever its tests say. Both ends run outside of main(), so that no
 * suite need think of it. Memory is for the leak checkers of the sanitizers and
 * of valgrind, which see blocks that nothing refers to any more.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "leaks.h"

#define FDS_MAX 4096 /* the limit on descriptors of the tests' machines is lower */

static char was_open[FDS_MAX];

/* Sets the entries of what is open, but for the directory's own. */
static void read_fds(char *is_open)
{
	DIR *dir = opendir("/proc/self/fd");
	struct dirent *entry;

	if (!dir)
		return;
	while ((entry = readdir(dir))) {
		const int fd = atoi(entry->d_name);

		if (entry->d_name[0] != '.' && fd != dirfd(dir) && fd < FDS_MAX)
			is_open[fd] = 1;
	}
	closedir(dir);
}

static void name_fd(int fd)
{
	char link[64], target[PATH_MAX];
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	fprintf(stderr, "not ok - descriptor %d was left open: %s\n", fd, target);
}

__attribute__((constructor)) static void note_fds(void)
{
	read_fds(was_open);
}

__attribute__((destructor)) static void verify_fds(void)
{
	char is_open[FDS_MAX] = { 0 };
	int n = 0;

	read_fds(is_open);
	for (int fd = 0; fd < FDS_MAX; fd++)
		if (is_open[fd] && !was_open[fd]) {
			name_fd(fd);
			n++;
		}
	if (!n)
		return;
	fflush(NULL);
	_exit(VIO_LEAKS_STATUS);
}
