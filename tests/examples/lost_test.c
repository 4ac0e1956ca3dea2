/* SPDX-License-Identifier: MIT */
/* Time that others have had of a processor, against what the clocks tell. */
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "lost.h"

#define MS UINT64_C(1000000)

static uint64_t read_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (uint64_t)now.tv_sec * 1000 * MS + (uint64_t)now.tv_nsec;
}

static void share_one_processor(void)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(sched_getcpu(), &set);
	assert_int_equal(sched_setaffinity(0, sizeof(set), &set), 0);
}

/* Another that wants the processor all the time; it ends with this one. */
static pid_t start_rival(void)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
	}
}

static void stop_rival(pid_t pid)
{
	assert_int_equal(kill(pid, SIGKILL), 0);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void what_a_rival_has_is_lost(void **state)
{
	uint64_t began_ns, ran_ns, took_ns, lost_ns;
	struct lost lost;
	pid_t rival;

	(void)state;
	share_one_processor();
	rival = start_rival();
	lost_open(&lost);
	began_ns = read_clock(CLOCK_MONOTONIC);
	ran_ns = read_clock(CLOCK_THREAD_CPUTIME_ID);
	lost_take(&lost);
	while (read_clock(CLOCK_MONOTONIC) < began_ns + 300 * MS) {
	}
	lost_ns = lost_take(&lost);
	took_ns = read_clock(CLOCK_MONOTONIC) - began_ns;
	ran_ns = read_clock(CLOCK_THREAD_CPUTIME_ID) - ran_ns;
	/* It neither slept nor ran meanwhile; what a hypervisor takes is in neither. */
	if (lost.fd >= 0)
		assert_true(lost_ns >= 20 * MS);
	assert_true(lost_ns + ran_ns <= took_ns + 20 * MS);
	assert_true(lost_take(&lost) <= took_ns);
	lost_close(&lost);
	stop_rival(rival);
}

/* A kernel without it, or a jail without /proc. */
static void where_it_is_not_counted_nothing_is_lost(void **state)
{
	struct lost lost = { .fd = -1, .seen_ns = 4711 };

	(void)state;
	assert_int_equal(lost_take(&lost), 0);
	assert_int_equal(lost.seen_ns, 4711);
	lost_close(&lost);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_a_rival_has_is_lost),
		cmocka_unit_test(where_it_is_not_counted_nothing_is_lost),
	};

	return cmocka_run_group_tests_name("vio-blk lost", tests, NULL, NULL);
}
