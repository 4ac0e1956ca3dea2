/* SPDX-License-Identifier: MIT */
/* What can be seen of a process from outside: its time, files and mappings. */
#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "hostile/hostile.h"

static uint64_t read_clock(clockid_t clock)
{
	struct timespec time = { 0, 0 };

	clock_gettime(clock, &time);
	return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

uint64_t now_ms(void)
{
	return read_clock(CLOCK_MONOTONIC) / 1000000;
}

int count_fds(pid_t pid)
{
	char path[64];
	DIR *dir;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/fd", (int)pid);
	dir = opendir(path);
	if (!dir)
		return -1;
	while (readdir(dir))
		n++;
	closedir(dir);
	return n;
}

/* Memory of the guest is a memfd's; the allocator's mappings come and go. */
int count_maps(pid_t pid, bool of_guest_only)
{
	char path[64], line[1024];
	FILE *file;
	int n = 0;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	file = fopen(path, "re");
	if (!file)
		return -1;
	while (fgets(line, sizeof(line), file))
		n += !of_guest_only || strstr(line, "/memfd:vio-hostile");
	fclose(file);
	return n;
}

/* utime and stime of all threads, finer than the ticks of /proc/PID/stat. */
uint64_t read_process_cpu_ns(pid_t pid)
{
	clockid_t clock;

	return clock_getcpuclockid(pid, &clock) ? 0 : read_clock(clock);
}
