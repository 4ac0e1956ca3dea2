/* SPDX-License-Identifier: MIT */
/*
 * Texts of io.max, such as the kernel writes and such as it does not. Each is parsed
 * from memory of its exact size, so that a sanitizer sees a read past the end.
 */
#include <stdlib.h>

#include "fake/support.h"
#include "limit_hw/limit_hw.h"

static struct vio_hw_values found;

static int parse(const char *text)
{
	const size_t n = strlen(text);
	char *exact = malloc(n ? n : 1);
	int ret;

	assert_non_null(exact);
	memcpy(exact, text, n);
	ret = vio_cgroup_parse(exact, n, 8, 16, &found);
	free(exact);
	return ret;
}

static void the_line_of_the_device_counts(void **state)
{
	(void)state;
	assert_int_equal(
		parse("8:160 rbps=1\n8:1 rbps=2\n18:16 rbps=3\n"
		      "8:16 rbps=20 wbps=max riops=40 wiops=50\n8:17 rbps=4\n"),
		1);
	assert_int_equal(found.bytes[VIO_HW_READS], 20);
	assert_int_equal(found.bytes[VIO_HW_WRITES], 0);
	assert_int_equal(found.ops[VIO_HW_READS], 40);
	assert_int_equal(found.ops[VIO_HW_WRITES], 50);
}

static void no_line_is_no_limit(void **state)
{
	static const char *const texts[] = { "",     "\n",     "\n\n8:1 rbps=1",
					     "8:16", "8:16\n", "9:16 rbps=7\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		found.bytes[VIO_HW_READS] = 1;
		assert_int_equal(parse(texts[i]), 0);
		assert_int_equal(found.bytes[VIO_HW_READS], 0);
	}
}

static void a_line_without_rates_is_a_line(void **state)
{
	(void)state;
	assert_int_equal(parse("8:17 rbps=4\n8:16 rbps=max"), 1);
	assert_int_equal(found.bytes[VIO_HW_READS], 0);
	assert_int_equal(parse("8:16 \n8:17 rbps=4\n"), 1);
	assert_int_equal(found.bytes[VIO_HW_READS], 0);
}

static void keys_of_later_kernels_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(parse("8:16 idle=3 rbps=5 latency=x  x"), 1);
	assert_int_equal(found.bytes[VIO_HW_READS], 5);
}

static void the_largest_number_is_read_and_no_larger_one(void **state)
{
	(void)state;
	assert_int_equal(parse("8:16 wiops=18446744073709551615"), 1);
	assert_true(found.ops[VIO_HW_WRITES] == UINT64_MAX);
	assert_int_equal(parse("8:16 wiops=18446744073709551616"), -EBADMSG);
	assert_int_equal(parse("8:16 wiops=99999999999999999999"), -EBADMSG);
}

static void what_is_no_number_is_refused_and_changes_nothing(void **state)
{
	static const char *const texts[] = { "8:16 rbps=",           "8:16 rbps=-1",
					     "8:16 wbps=1 rbps=0x1", "8:16 rbps=maxi",
					     "8:16 rbps=ma",         "8:16 riops=1/" };

	(void)state;
	found.bytes[VIO_HW_WRITES] = 9;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(parse(texts[i]), -EBADMSG);
	assert_int_equal(found.bytes[VIO_HW_WRITES], 9);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_line_of_the_device_counts),
		cmocka_unit_test(no_line_is_no_limit),
		cmocka_unit_test(a_line_without_rates_is_a_line),
		cmocka_unit_test(keys_of_later_kernels_are_passed_over),
		cmocka_unit_test(the_largest_number_is_read_and_no_larger_one),
		cmocka_unit_test(what_is_no_number_is_refused_and_changes_nothing),
	};

	return cmocka_run_group_tests_name("cgroup_parse", tests, NULL, NULL);
}
