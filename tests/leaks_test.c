/* SPDX-License-Identifier: MIT */
/*
 * The check around every suite finds what is left. Each leak happens in a child
 * that ends as a suite does, through exit(), all of its tests passed.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/support.h"
#include "leaks.h"

#if defined(__has_feature)
#define HAS_FEATURE(x) __has_feature(x)
#else
#define HAS_FEATURE(x) 0
#endif

/* How a child ends that does @body and then exits with 0. */
static int end_of(void (*body)(void))
{
	int status;
	pid_t pid;

	fflush(NULL);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		alarm(VIO_TEST_TIMEOUT_MS / 1000);
		/* What it says is no failure of this suite. */
		if (!freopen("/dev/null", "w", stderr))
			_exit(1);
		body();
		exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static void leave_nothing(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	close(fd);
}

static void leave_fd(void)
{
	(void)!open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void leave_high_fd(void)
{
	(void)fcntl(0, F_DUPFD_CLOEXEC, 900);
}

static void a_suite_that_leaves_nothing_passes(void **state)
{
	(void)state;
	assert_int_equal(end_of(leave_nothing), 0);
}

static void a_descriptor_left_open_fails_the_suite(void **state)
{
	(void)state;
	assert_int_equal(end_of(leave_fd), VIO_LEAKS_STATUS);
}

static void a_descriptor_of_a_high_number_is_found_as_well(void **state)
{
	(void)state;
	assert_int_equal(end_of(leave_high_fd), VIO_LEAKS_STATUS);
}

#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
static void *volatile kept;

static void leave_memory(void)
{
	kept = malloc(100);
	kept = NULL;
}

static void memory_left_behind_fails_the_suite(void **state)
{
	(void)state;
	assert_int_not_equal(end_of(leave_memory), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_suite_that_leaves_nothing_passes),
		cmocka_unit_test(a_descriptor_left_open_fails_the_suite),
		cmocka_unit_test(a_descriptor_of_a_high_number_is_found_as_well),
#if defined(__SANITIZE_ADDRESS__) || HAS_FEATURE(address_sanitizer)
		cmocka_unit_test(memory_left_behind_fails_the_suite),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
