/* SPDX-License-Identifier: MIT */
/*
 * The control pipe: a named pipe, so that a shell's echo is all it takes to change
 * a limit. It is held open for writing too, so that it does not end when a writer
 * does. A line that is wrong is complained about and otherwise ignored.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "blk.h"
#include "say.h"

#define COMMAND "limit "

/* One that a killed process left behind will do, if it is private. */
static int check_pipe(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return complain("%s: %s", path, strerror(errno));
	if (!S_ISFIFO(st.st_mode) || st.st_uid != geteuid() || st.st_mode & 077)
		return complain("%s: exists and is no private pipe, choose another",
				path);
	return 0;
}

int control_open(struct control *control, const char *path)
{
	if (mkfifo(path, 0600) < 0 && errno != EEXIST)
		return complain("%s: cannot make a pipe: %s", path, strerror(errno));
	if (check_pipe(path) < 0)
		return -1;
	control->fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC | O_NOFOLLOW);
	if (control->fd < 0)
		return complain("%s: %s", path, strerror(errno));
	control->path = path;
	return 0;
}

void control_close(struct control *control)
{
	if (!control->path)
		return;
	close(control->fd);
	unlink(control->path);
}

static void set_limit(struct blk *blk, const char *text)
{
	uint64_t bytes = blk->throttle.bytes_per_sec;
	uint64_t ops = blk->throttle.ops_per_sec;
	const char *why;

	if (throttle_parse(text, &bytes, &ops, &why) < 0) {
		complain("%s: \"%s\": %s", blk->control.path, text, why);
		return;
	}
	if (throttle_configure(&blk->throttle, bytes, ops) < 0)
		return;
	for (uint32_t i = 0; i < blk->n_tenants; i++)
		for (uint32_t k = 0; k < blk->tenants[i].n_workers; k++)
			worker_wake(&blk->tenants[i].workers[k]);
}

static void carry_out(struct blk *blk, const char *line)
{
	if (!strncmp(line, COMMAND, strlen(COMMAND)))
		set_limit(blk, line + strlen(COMMAND));
	else if (!strcmp(line, "guard") && blk->options.is_guarded)
		shared_report(&blk->shared);
	else if (*line)
		complain("%s: \"%s\": write limit bytes=RATE,ops=RATE%s",
			 blk->control.path, line,
			 blk->options.is_guarded ? ", or guard" : "");
}

static void take_byte(struct blk *blk, char byte)
{
	struct control *control = &blk->control;

	if (byte != '\n' && control->n < CONTROL_LINE_BYTES - 1) {
		control->line[control->n++] = byte;
		return;
	}
	if (byte != '\n') {
		control->is_too_long = 1;
		return;
	}
	control->line[control->n] = '\0';
	if (control->is_too_long)
		complain("%s: a line over %d bytes is ignored", control->path,
			 CONTROL_LINE_BYTES - 1);
	else
		carry_out(blk, control->line);
	control->n = 0;
	control->is_too_long = 0;
}

/* One read at a time: what is left makes the pipe readable again. */
void control_read(struct blk *blk)
{
	char buffer[CONTROL_LINE_BYTES];
	ssize_t n = read(blk->control.fd, buffer, sizeof(buffer));

	for (ssize_t i = 0; i < n; i++)
		take_byte(blk, buffer[i]);
}
