/* SPDX-License-Identifier: MIT */
/*
 * The table of well-formed sequences of RFC 3629, section 4, as it stands there: what
 * is in none of its rows is not UTF-8. The second byte alone has ranges of its own,
 * which keep out surrogates, overlong forms and what is beyond U+10FFFF.
 */
#include <stdint.h>

#include "core/utf8.h"

static const struct sequence {
	uint8_t first_least, first_most;
	uint8_t second_least, second_most;
	uint8_t length;
} sequences[] = {
	{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};
#define N_SEQUENCES (sizeof(sequences) / sizeof(sequences[0]))

static bool matches(const struct sequence *row, const uint8_t *at, size_t n)
{
	if (at[0] < row->first_least || at[0] > row->first_most || n < row->length)
		return false;
	if (row->length > 1 && (at[1] < row->second_least || at[1] > row->second_most))
		return false;
	for (size_t i = 2; i < row->length; i++)
		if (at[i] < 0x80 || at[i] > 0xbf)
			return false;
	return true;
}

/* Length of the sequence that begins at @at, 0: none does. */
static size_t find_length(const uint8_t *at, size_t n)
{
	for (size_t i = 0; i < N_SEQUENCES; i++)
		if (matches(&sequences[i], at, n))
			return sequences[i].length;
	return 0;
}

bool vio_is_utf8(const char *text, size_t n)
{
	const uint8_t *at = (const uint8_t *)text;
	size_t length;

	for (; n; at += length, n -= length) {
		length = find_length(at, n);
		if (!length)
			return false;
	}
	return true;
}
