/* SPDX-License-Identifier: MIT */
/* What a limit may be written as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "throttle.h"

static void assert_limit(const char *text, uint64_t bytes, uint64_t ops)
{
	uint64_t got_bytes = 7, got_ops = 8;
	const char *why;

	assert_int_equal(throttle_parse(text, &got_bytes, &got_ops, &why), 0);
	assert_int_equal(got_bytes, bytes);
	assert_int_equal(got_ops, ops);
}

static void assert_refused(const char *text)
{
	uint64_t bytes = 7, ops = 8;
	const char *why = NULL;

	assert_int_equal(throttle_parse(text, &bytes, &ops, &why), -1);
	assert_non_null(why);
	assert_int_equal(bytes, 7);
	assert_int_equal(ops, 8);
}

static void letters_are_powers_of_a_thousand(void **state)
{
	(void)state;
	assert_limit("bytes=50M,ops=2K", 50000000, 2000);
	assert_limit("bytes=1000G", UINT64_C(1000000000000), 8);
}

static void what_is_not_named_stays(void **state)
{
	(void)state;
	assert_limit("ops=10", 7, 10);
	assert_limit("bytes=0", 0, 8);
}

static void the_last_word_counts(void **state)
{
	(void)state;
	assert_limit("ops=1,ops=2,bytes=3", 3, 2);
}

static void what_is_no_limit_is_refused_whole(void **state)
{
	static const char *const texts[] = {
		"",
		"bytes",
		"bytes=",
		"bytes=-1",
		"bytes= 1",
		"bytes=1m",
		"bytes=1KK",
		"speed=1",
		"ops=1,",
		"ops=1 ",
		"ops=1;",
		"bytes=1001G",
		"ops=1,bytes=x",
		"bytes=99999999999999999999",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_refused(texts[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(letters_are_powers_of_a_thousand),
		cmocka_unit_test(what_is_not_named_stays),
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(what_is_no_limit_is_refused_whole),
	};

	return cmocka_run_group_tests_name("throttle", tests, NULL, NULL);
}
