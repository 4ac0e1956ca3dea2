/* SPDX-License-Identifier: MIT */
/*
 * The program under test as a child: it is killed with its test, and what it says
 * comes through a pipe. Waiting for its socket is waiting for a file to appear,
 * which nothing else announces: it is looked for until a deadline.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "front.h"

#define ARGS_MAX   24
#define TIMEOUT_MS 20000

void program_prepare(struct program *program, uint64_t n_bytes)
{
	const char *base = getenv("TMPDIR");
	int fd;

	*program = (struct program){ .pid = -1, .out_fd = -1 };
	snprintf(program->dir, sizeof(program->dir), "%s/vio-blk-XXXXXX",
		 base ? base : "/tmp");
	assert_non_null(mkdtemp(program->dir));
	snprintf(program->socket, PATH_BYTES, "%s/socket", program->dir);
	snprintf(program->image, PATH_BYTES, "%s/image", program->dir);
	snprintf(program->control, PATH_BYTES, "%s/control", program->dir);
	fd = open(program->image, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)n_bytes), 0);
	close(fd);
}

static void run_child(int out_fd, char **args)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(out_fd, STDOUT_FILENO);
	dup2(out_fd, STDERR_FILENO);
	execv(args[0], args);
	_exit(127);
}

static void start(struct program *program, va_list options)
{
	char *args[ARGS_MAX] = { getenv("VIO_BLK"), "--socket", program->socket };
	int n = 3, pipe_fds[2];

	assert_non_null(args[0]);
	while ((args[n] = va_arg(options, char *)))
		assert_true(++n < ARGS_MAX - 1);
	args[n] = program->image;
	assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
	if (program->out_fd >= 0)
		close(program->out_fd);
	program->out_fd = pipe_fds[0];
	program->pid = fork();
	assert_true(program->pid >= 0);
	if (!program->pid)
		run_child(pipe_fds[1], args);
	close(pipe_fds[1]);
}

/* The fourth field of a socket that listens, and not only has its name. */
#define ACCEPTS " 00010000 "

/* The socket of one that was killed may be there: what counts is that it accepts. */
static int is_listening(const struct program *program)
{
	char wanted[PATH_BYTES + 2], line[512];
	FILE *file = fopen("/proc/net/unix", "re");
	int found = 0;

	assert_non_null(file);
	snprintf(wanted, sizeof(wanted), " %s\n", program->socket);
	while (!found && fgets(line, sizeof(line), file))
		found = strstr(line, wanted) && strstr(line, ACCEPTS);
	fclose(file);
	return found;
}

void program_start(struct program *program, ...)
{
	va_list options;
	int status;

	va_start(options, program);
	start(program, options);
	va_end(options);
	for (int ms = 0; !is_listening(program); ms++) {
		assert_true(ms < TIMEOUT_MS);
		assert_int_equal(waitpid(program->pid, &status, WNOHANG), 0);
		poll(NULL, 0, 1);
	}
}

uint64_t program_cpu_ns(const struct program *program)
{
	struct timespec time;
	clockid_t clock;

	assert_int_equal(clock_getcpuclockid(program->pid, &clock), 0);
	assert_int_equal(clock_gettime(clock, &time), 0);
	return (uint64_t)time.tv_sec * UINT64_C(1000000000) + (uint64_t)time.tv_nsec;
}

static int reap(struct program *program)
{
	int status;

	assert_int_equal(waitpid(program->pid, &status, 0), program->pid);
	program->pid = -1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

void program_hear(struct program *program, char *out, size_t out_bytes)
{
	struct pollfd wait = { .fd = program->out_fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&wait, 1, TIMEOUT_MS), 1);
	n = read(program->out_fd, out, out_bytes - 1);
	assert_true(n >= 0);
	out[n] = '\0';
}

int program_fail(struct program *program, char *out, size_t out_bytes, ...)
{
	va_list options;

	va_start(options, out_bytes);
	start(program, options);
	va_end(options);
	program_hear(program, out, out_bytes);
	return reap(program);
}

/* A program that works is silent; what a sanitizer has to say is no exception. */
static void assert_silent(const struct program *program)
{
	char said[1024];
	ssize_t n = read(program->out_fd, said, sizeof(said) - 1);

	assert_true(n >= 0);
	said[n] = '\0';
	assert_string_equal(said, "");
}

int program_stop(struct program *program)
{
	int code;

	assert_int_equal(kill(program->pid, SIGTERM), 0);
	code = reap(program);
	assert_silent(program);
	return code;
}

void program_remove(struct program *program)
{
	if (program->pid > 0) {
		kill(program->pid, SIGKILL);
		reap(program);
	}
	close(program->out_fd);
	unlink(program->socket);
	unlink(program->control);
	unlink(program->image);
	rmdir(program->dir);
}
