/* SPDX-License-Identifier: MIT */
/*
 * Waiting without sleeping: always for a descriptor, with a timeout that fails
 * the test rather than lets it go on.
 */
#include <dirent.h>
#include <poll.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "fake/support.h"

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Completions of io_uring interrupt whoever waits, hence the loop. */
static int wait_until(int fd, int64_t deadline_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };
	int ret;

	do {
		int64_t left_ms = deadline_ms - now_ms();

		ret = poll(&pfd, 1, left_ms > 0 ? (int)left_ms : 0);
	} while (ret < 0 && errno == EINTR);
	return ret;
}

void vio_test_wait_fd(int fd)
{
	assert_int_equal(wait_until(fd, now_ms() + VIO_TEST_TIMEOUT_MS), 1);
}

int vio_test_is_readable(int fd)
{
	return wait_until(fd, now_ms()) == 1;
}

void vio_test_dispatch_until(struct vio_ctx *ctx, const uint32_t *value, uint32_t want)
{
	const int64_t deadline_ms = now_ms() + VIO_TEST_TIMEOUT_MS;

	while (*value < want) {
		assert_int_equal(wait_until(vio_ctx_get_fd(ctx), deadline_ms), 1);
		assert_true(vio_ctx_dispatch(ctx, 64) >= 0);
	}
}

unsigned int vio_test_count_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned int n = 0;

	assert_non_null(dir);
	while (readdir(dir))
		n++;
	closedir(dir);
	return n - 3; /* ".", "..", and the directory's own */
}

/* There in builds that measure coverage: _exit() would lose a child's. */
void __gcov_dump(void) __attribute__((weak));

int vio_test_fork(int (*body)(void *opaque), void *opaque)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (!pid) {
		alarm(VIO_TEST_TIMEOUT_MS / 1000);
		status = body(opaque);
		if (__gcov_dump)
			__gcov_dump();
		_exit(status);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}
