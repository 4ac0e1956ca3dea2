/* SPDX-License-Identifier: MIT */
/* What is UTF-8, held against a decoder that goes by the definition. */
#include "core/utf8.h"
#include "fake/support.h"

static void expect(const char *text, bool is_utf8)
{
	assert_int_equal(vio_is_utf8(text, strlen(text)), is_utf8);
}

static void text_of_every_length_of_sequence_is_utf8(void **state)
{
	(void)state;
	assert_true(vio_is_utf8("", 0));
	expect("tenant-1", true);
	expect("\xc3\xa9t\xc3\xa9", true);
	expect("\xe2\x82\xac", true);
	expect("\xf0\x9f\x98\x80", true);
	expect("\xf4\x8f\xbf\xbf", true);
}

static void what_is_cut_off_is_not_utf8(void **state)
{
	(void)state;
	expect("a\xc3", false);
	expect("a\xe2\x82", false);
	expect("a\xf0\x9f\x98", false);
	expect("\xe2\x82x", false);
}

static void surrogates_and_long_forms_are_not_utf8(void **state)
{
	(void)state;
	expect("\xed\xa0\x80", false);
	expect("\xc0\x80", false);
	expect("\xc1\xbf", false);
	expect("\xe0\x9f\xbf", false);
	expect("\xf0\x8f\xbf\xbf", false);
	expect("\xf4\x90\x80\x80", false);
	expect("\xff", false);
	expect("\x80", false);
}

/* How many bytes the code point at @at takes, by the shape of the first; 0: none. */
static size_t find_length(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if ((first & 0xe0) == 0xc0)
		return 2;
	if ((first & 0xf0) == 0xe0)
		return 3;
	return (first & 0xf8) == 0xf0 ? 4 : 0;
}

/* Decodes, then judges the code point. */
static size_t decode(const uint8_t *at, size_t n)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	const size_t length = find_length(at[0]);
	uint32_t point = length == 1 ? at[0] : at[0] & (0x7fu >> length);

	if (!length || length > n)
		return 0;
	for (size_t i = 1; i < length; i++) {
		if ((at[i] & 0xc0) != 0x80)
			return 0;
		point = point << 6 | (at[i] & 0x3f);
	}
	if (point < least[length] || point > 0x10ffff || point >> 11 == 0x1b)
		return 0;
	return length;
}

static bool is_utf8_by_definition(const uint8_t *at, size_t n)
{
	size_t length;

	for (; n; at += length, n -= length) {
		length = decode(at, n);
		if (!length)
			return false;
	}
	return true;
}

/* All first and second bytes, with the ends of ranges behind them. */
static void up_to_four_bytes_are_judged_as_the_definition_says(void **state)
{
	static const uint8_t tails[] = { 0x00, 0x7f, 0x80, 0xbf, 0xc0 };

	(void)state;
	for (uint32_t i = 0; i < 0x10000 * sizeof(tails); i++) {
		const uint8_t tail = tails[i >> 16];
		const uint8_t at[] = { (uint8_t)i, (uint8_t)(i >> 8), tail, tail };

		for (size_t n = 1; n <= sizeof(at); n++)
			assert_int_equal(vio_is_utf8((const char *)at, n),
					 is_utf8_by_definition(at, n));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(text_of_every_length_of_sequence_is_utf8),
		cmocka_unit_test(what_is_cut_off_is_not_utf8),
		cmocka_unit_test(surrogates_and_long_forms_are_not_utf8),
		cmocka_unit_test(up_to_four_bytes_are_judged_as_the_definition_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
