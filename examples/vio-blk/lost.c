/* SPDX-License-Identifier: MIT */
/* The second number of schedstat, as proc(5) has it: nanoseconds in a run queue. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "lost.h"

static int read_total(const struct lost *lost, uint64_t *out_ns)
{
	char text[128];
	ssize_t n = lost->fd < 0 ? -1 : pread(lost->fd, text, sizeof(text) - 1, 0);

	if (n <= 0)
		return 0;
	text[n] = '\0';
	return sscanf(text, "%*u %" SCNu64, out_ns) == 1;
}

void lost_open(struct lost *lost)
{
	lost->fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	lost->seen_ns = 0;
	lost_take(lost);
}

uint64_t lost_take(struct lost *lost)
{
	uint64_t before_ns = lost->seen_ns;

	if (!read_total(lost, &lost->seen_ns))
		return 0;
	return lost->seen_ns - before_ns;
}

void lost_close(struct lost *lost)
{
	if (lost->fd >= 0)
		close(lost->fd);
}
