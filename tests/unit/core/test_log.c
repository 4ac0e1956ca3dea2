/* SPDX-License-Identifier: MIT */
/* Log levels, and the brake on lines that a guest can cause. */
#include <stdio.h>

#include "core/log.h"
#include "fake/support.h"

#define SECOND_NS UINT64_C(1000000000)

/* An env whose log counts and keeps the last line, with a clock set by hand. */
struct logged {
	struct vio_env env;
	uint64_t now_ns;
	unsigned int n_lines;
	uint32_t level;
	char subsystem[16];
	char text[512];
};

static void
keep_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	struct logged *logged = opaque;

	logged->n_lines++;
	logged->level = level;
	snprintf(logged->subsystem, sizeof(logged->subsystem), "%s", subsystem);
	snprintf(logged->text, sizeof(logged->text), "%s", text);
}

static uint64_t read_now(void *opaque)
{
	return ((struct logged *)opaque)->now_ns;
}

static void prepare(struct logged *logged, uint32_t level)
{
	*logged = (struct logged){ .env = vio_env_default };
	logged->env.log = keep_line;
	logged->env.log_opaque = logged;
	logged->env.log_level = level;
	logged->env.clock = read_now;
	logged->env.clock_opaque = logged;
}

static void a_line_arrives_with_its_level_and_layer(void **state)
{
	struct logged logged;

	(void)state;
	prepare(&logged, VIO_LOG_WARNING);
	vio_log(&logged.env, VIO_LOG_WARNING, "ring", "queue %d latched", 3);
	assert_int_equal(logged.n_lines, 1);
	assert_int_equal(logged.level, VIO_LOG_WARNING);
	assert_string_equal(logged.subsystem, "ring");
	assert_string_equal(logged.text, "queue 3 latched");
}

static void a_line_over_the_level_is_not_made(void **state)
{
	struct logged logged;

	(void)state;
	prepare(&logged, VIO_LOG_WARNING);
	vio_log(&logged.env, VIO_LOG_INFO, "ring", "started");
	assert_int_equal(logged.n_lines, 0);
}

static void without_a_log_nothing_happens(void **state)
{
	struct vio_log_brake brake = { 0 };

	(void)state;
	vio_log(&vio_env_default, VIO_LOG_ERROR, "ring", "unheard");
	assert_int_equal(vio_log_allows(&vio_env_default, &brake, "ring"), 0);
}

static void a_line_longer_than_the_buffer_is_cut(void **state)
{
	struct logged logged;
	char text[400];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	prepare(&logged, VIO_LOG_DEBUG);
	vio_log(&logged.env, VIO_LOG_DEBUG, "ring", "%s", text);
	assert_int_equal(strlen(logged.text), 255);
}

static unsigned int
count_allowed(struct logged *logged, struct vio_log_brake *brake, unsigned int n)
{
	unsigned int n_allowed = 0;

	while (n--)
		n_allowed += (unsigned int)vio_log_allows(&logged->env, brake, "ring");
	return n_allowed;
}

static void a_guest_cannot_cause_more_than_ten_lines_in_ten_seconds(void **state)
{
	struct vio_log_brake brake = { 0 };
	struct logged logged;

	(void)state;
	prepare(&logged, VIO_LOG_WARNING);
	assert_int_equal(count_allowed(&logged, &brake, 1000), 10);
	logged.now_ns += 10 * SECOND_NS - 1;
	assert_int_equal(count_allowed(&logged, &brake, 1000), 0);
}

static void after_the_pause_the_log_says_how_many_were_dropped(void **state)
{
	struct vio_log_brake brake = { 0 };
	struct logged logged;

	(void)state;
	prepare(&logged, VIO_LOG_WARNING);
	count_allowed(&logged, &brake, 25);
	logged.now_ns += 10 * SECOND_NS;
	assert_int_equal(count_allowed(&logged, &brake, 1), 1);
	assert_string_equal(logged.text, "15 similar lines were not logged");
	assert_int_equal(logged.n_lines, 1);
}

static void a_pause_without_drops_says_nothing(void **state)
{
	struct vio_log_brake brake = { 0 };
	struct logged logged;

	(void)state;
	prepare(&logged, VIO_LOG_WARNING);
	count_allowed(&logged, &brake, 10);
	logged.now_ns += 10 * SECOND_NS;
	assert_int_equal(count_allowed(&logged, &brake, 10), 10);
	assert_int_equal(logged.n_lines, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_arrives_with_its_level_and_layer),
		cmocka_unit_test(a_line_over_the_level_is_not_made),
		cmocka_unit_test(without_a_log_nothing_happens),
		cmocka_unit_test(a_line_longer_than_the_buffer_is_cut),
		cmocka_unit_test(
			a_guest_cannot_cause_more_than_ten_lines_in_ten_seconds),
		cmocka_unit_test(after_the_pause_the_log_says_how_many_were_dropped),
		cmocka_unit_test(a_pause_without_drops_says_nothing),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
