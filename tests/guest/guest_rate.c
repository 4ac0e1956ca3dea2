/* SPDX-License-Identifier: MIT */
/*
 * A limit set while the guest reads is kept. The unlimited rate of the same readers
 * is measured first and the limit chosen from it, so that it binds on a slow machine
 * too; the host sets it through the device's control pipe.
 */
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>
#include "guest.h"
#include "reader.h"

/* A full burst is gone long before: the readers are at least twice the limit. */
#define BURST_SECONDS 2
/* Over so long a guest without a processor for a moment still reads what it may. */
#define LIMITED_SECONDS 10

struct rate {
	const char *what; /* the limit's name in the control pipe */
	size_t bytes_per_read;
	double per_read;     /* what one read counts */
	uint64_t most, step; /* the limit is a multiple of step, most at most */
};

static void set_limit(const char *what, uint64_t limit)
{
	assert_string_equal(host_ask("limit %s=%llu,%s=0", what,
				     (unsigned long long)limit,
				     *what == 'b' ? "ops" : "bytes"),
			    "ok");
}

/* A third leaves room for a machine that slows down while it is measured. */
static uint64_t choose_limit(const struct rate *rate, double unlimited)
{
	uint64_t third = (uint64_t)(unlimited / 3);
	uint64_t limit = third < rate->most ? third : rate->most;

	limit -= limit % rate->step;
	assert_true(limit > 0);
	return limit;
}

static void assert_limit_holds(const struct rate *rate)
{
	struct readers readers;
	int fd = disk_open("scratch", O_RDONLY);
	double unlimited, measured;
	uint64_t limit;

	set_limit(rate->what, 0);
	readers_start(&readers, fd, rate->bytes_per_read);
	unlimited = readers_measure(&readers, BURST_SECONDS) * rate->per_read;
	limit = choose_limit(rate, unlimited);
	set_limit(rate->what, limit);
	readers_measure(&readers, BURST_SECONDS);
	measured = readers_measure(&readers, LIMITED_SECONDS) * rate->per_read;
	set_limit(rate->what, 0);
	readers_stop(&readers);
	close(fd);
	printf("rate %s asked %llu measured %.0f unlimited %.0f\n", rate->what,
	       (unsigned long long)limit, measured, unlimited);
	assert_true(unlimited >= 2 * (double)limit);
	assert_true(measured >= 0.99 * (double)limit);
	assert_true(measured <= 1.01 * (double)limit);
}

static void bytes_per_second_are_within_one_per_cent_of_the_limit(void **state)
{
	const struct rate bytes = { "bytes", 65536, 65536, 50000000, 1000000 };

	(void)state;
	assert_limit_holds(&bytes);
}

static void ops_per_second_are_within_one_per_cent_of_the_limit(void **state)
{
	const struct rate ops = { "ops", 4096, 1, 1000, 100 };

	(void)state;
	assert_limit_holds(&ops);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_per_second_are_within_one_per_cent_of_the_limit),
		cmocka_unit_test(ops_per_second_are_within_one_per_cent_of_the_limit),
	};

	return cmocka_run_group_tests_name("guest_rate", tests, NULL, NULL);
}
