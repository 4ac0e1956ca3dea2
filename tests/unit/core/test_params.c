/* SPDX-License-Identifier: MIT */
/*
 * Structs that cross the ABI, between callers and libraries of different ages.
 * The struct here grew once: its first release ended after `first`.
 */
#include "core/params.h"
#include "fake/support.h"

struct params {
	uint32_t size;
	uint32_t flags;
	uint64_t first;
	uint64_t added;
};

/* As a program of a later release has it. */
struct newer_params {
	struct params known;
	uint64_t unknown;
};

/* Not inlined: a library does not see how large its caller's struct is either. */
__attribute__((noinline)) static int copy(struct params *out, const void *src)
{
	return vio_params_copy(out, sizeof(*out), 16, src);
}

static void a_caller_of_the_same_age_is_copied_whole(void **state)
{
	struct params src = { sizeof(src), 1, 2, 3 }, dst;

	(void)state;
	assert_int_equal(copy(&dst, &src), 0);
	assert_memory_equal(&dst, &src, sizeof(src));
}

static void what_an_older_caller_lacks_reads_as_zero(void **state)
{
	struct params src = { 16, 1, 2, 3 }, dst;

	(void)state;
	memset(&dst, 0xff, sizeof(dst));
	assert_int_equal(copy(&dst, &src), 0);
	assert_int_equal(dst.first, 2);
	assert_int_equal(dst.added, 0);
}

static void a_newer_caller_who_leaves_the_tail_zero_is_served(void **state)
{
	struct newer_params src = { { sizeof(src), 1, 2, 3 }, 0 };
	struct params dst;

	(void)state;
	assert_int_equal(copy(&dst, &src), 0);
	assert_int_equal(dst.added, 3);
}

static void a_newer_caller_who_asks_for_the_unknown_is_refused(void **state)
{
	struct newer_params src = { { sizeof(src), 1, 2, 3 }, UINT64_C(1) << 63 };
	struct params dst = { 0, 0, 77, 0 };

	(void)state;
	assert_int_equal(copy(&dst, &src), -E2BIG);
	assert_int_equal(dst.first, 77);
}

static void one_byte_of_garbage_in_the_tail_is_found_anywhere(void **state)
{
	unsigned char src[64];
	uint32_t size = sizeof(src);
	struct params dst;

	(void)state;
	for (size_t at = sizeof(dst); at < sizeof(src); at++) {
		memset(src, 0, sizeof(src));
		memcpy(src, &size, sizeof(size));
		src[at] = 1;
		assert_int_equal(copy(&dst, src), -E2BIG);
	}
}

static void a_caller_shorter_than_the_first_release_is_refused(void **state)
{
	struct params src = { 15, 0, 0, 0 }, dst = { 0, 0, 77, 0 };

	(void)state;
	assert_int_equal(copy(&dst, &src), -EINVAL);
	assert_int_equal(dst.first, 77);
}

static void a_size_over_a_page_is_refused_even_if_all_is_zero(void **state)
{
	static unsigned char src[VIO_PARAMS_MAX + 1];
	uint32_t size = sizeof(src);
	struct params dst;

	(void)state;
	memcpy(src, &size, sizeof(size));
	assert_int_equal(copy(&dst, src), -E2BIG);
}

static void a_size_of_a_page_is_read(void **state)
{
	static unsigned char src[VIO_PARAMS_MAX];
	uint32_t size = sizeof(src);
	struct params dst;

	(void)state;
	memcpy(src, &size, sizeof(size));
	assert_int_equal(copy(&dst, src), 0);
}

static void no_struct_is_an_argument_error(void **state)
{
	struct params dst;

	(void)state;
	assert_int_equal(copy(&dst, NULL), -EINVAL);
	assert_int_equal(vio_params_fill(NULL, 16, &dst, sizeof(dst)), -EINVAL);
}

static void the_end_of_a_member_is_the_size_up_to_it(void **state)
{
	struct params p = { 0 };

	(void)state;
	assert_int_equal(VIO_PARAMS_END(p, first), 16);
}

static void an_older_caller_is_filled_up_to_his_size(void **state)
{
	struct params src = { 0, 1, 2, 3 }, dst = { 16, 0, 0, 77 };

	(void)state;
	assert_int_equal(vio_params_fill(&dst, 16, &src, sizeof(src)), 0);
	assert_int_equal(dst.size, 16);
	assert_int_equal(dst.first, 2);
	assert_int_equal(dst.added, 77);
}

static void a_newer_caller_learns_how_much_was_filled(void **state)
{
	struct newer_params dst = { { sizeof(dst), 0, 0, 0 }, 77 };
	struct params src = { 0, 1, 2, 3 };

	(void)state;
	assert_int_equal(vio_params_fill(&dst, 16, &src, sizeof(src)), 0);
	assert_int_equal(dst.known.size, sizeof(src));
	assert_int_equal(dst.known.added, 3);
	assert_int_equal(dst.unknown, 77);
}

static void an_output_that_is_too_short_stays_untouched(void **state)
{
	struct params src = { 0, 1, 2, 3 }, dst = { 15, 7, 7, 7 };

	(void)state;
	assert_int_equal(vio_params_fill(&dst, 16, &src, sizeof(src)), -EINVAL);
	assert_int_equal(dst.size, 15);
	assert_int_equal(dst.first, 7);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_caller_of_the_same_age_is_copied_whole),
		cmocka_unit_test(what_an_older_caller_lacks_reads_as_zero),
		cmocka_unit_test(a_newer_caller_who_leaves_the_tail_zero_is_served),
		cmocka_unit_test(a_newer_caller_who_asks_for_the_unknown_is_refused),
		cmocka_unit_test(one_byte_of_garbage_in_the_tail_is_found_anywhere),
		cmocka_unit_test(a_caller_shorter_than_the_first_release_is_refused),
		cmocka_unit_test(a_size_over_a_page_is_refused_even_if_all_is_zero),
		cmocka_unit_test(a_size_of_a_page_is_read),
		cmocka_unit_test(no_struct_is_an_argument_error),
		cmocka_unit_test(the_end_of_a_member_is_the_size_up_to_it),
		cmocka_unit_test(an_older_caller_is_filled_up_to_his_size),
		cmocka_unit_test(a_newer_caller_learns_how_much_was_filled),
		cmocka_unit_test(an_output_that_is_too_short_stays_untouched),
	};

	return cmocka_run_group_tests_name("params", tests, NULL, NULL);
}
