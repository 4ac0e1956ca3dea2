/* SPDX-License-Identifier: MIT */
/*
 * Strings come from sysfs, drivers and other users' tags: all that is not printable
 * ASCII leaves as an escape, in both forms, so that it cannot drive a terminal or
 * end a string.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "out.h"

static void say_string(const char *text, char quote)
{
	if (quote)
		putchar(quote);
	for (; *text; text++) {
		if (*text < ' ' || *text > '~')
			printf("\\u%04x", (unsigned char)*text);
		else if (quote && (*text == '"' || *text == '\\'))
			printf("\\%c", *text);
		else
			putchar(*text);
	}
	if (quote)
		putchar(quote);
}

/* The comma, the indentation and the key of the next member. */
static void say_key(struct out *out, const char *key)
{
	const int is_first = !out->n_members[out->depth]++;

	if (!out->is_json) {
		printf("%*s", 2 * (int)(out->depth - 1), "");
		printf("%s%s", key ? key : "-", key ? ":" : "");
		return;
	}
	if (!is_first)
		putchar(',');
	if (key)
		printf("\"%s\":", key);
}

static void push(struct out *out, char closer)
{
	/* More would be a mistake in this program; the outermost is never closed. */
	if (out->depth + 1 < OUT_DEPTH)
		out->depth++;
	out->n_members[out->depth] = 0;
	out->closers[out->depth] = closer;
}

void out_begin(struct out *out, int is_json)
{
	*out = (struct out){ .is_json = is_json };
	if (is_json)
		putchar('{');
	push(out, '}');
}

void out_finish(struct out *out)
{
	if (out->is_json)
		puts("}");
}

void out_object(struct out *out, const char *key)
{
	say_key(out, key);
	putchar(out->is_json ? '{' : '\n');
	push(out, '}');
}

void out_list(struct out *out, const char *key)
{
	say_key(out, key);
	putchar(out->is_json ? '[' : '\n');
	push(out, ']');
}

void out_end(struct out *out)
{
	if (out->is_json)
		putchar(out->closers[out->depth]);
	out->depth--;
}

/* Of what stands on one line. */
static void say_value_key(struct out *out, const char *key)
{
	say_key(out, key);
	if (!out->is_json)
		putchar(' ');
}

static void end_line(const struct out *out)
{
	if (!out->is_json)
		putchar('\n');
}

void out_null(struct out *out, const char *key)
{
	say_value_key(out, key);
	printf(out->is_json ? "null" : "-");
	end_line(out);
}

void out_text(struct out *out, const char *key, const char *text)
{
	if (!text || !*text) {
		out_null(out, key);
		return;
	}
	say_value_key(out, key);
	say_string(text, out->is_json ? '"' : '\0');
	end_line(out);
}

void out_number(struct out *out, const char *key, uint64_t number)
{
	say_value_key(out, key);
	printf("%" PRIu64, number);
	end_line(out);
}

void out_id(struct out *out, const char *key, int64_t number)
{
	if (number < 0)
		out_null(out, key);
	else
		out_number(out, key, (uint64_t)number);
}

void out_bool(struct out *out, const char *key, int is_true)
{
	say_value_key(out, key);
	if (out->is_json)
		printf(is_true ? "true" : "false");
	else
		printf(is_true ? "yes" : "no");
	end_line(out);
}

void out_hex(struct out *out, const char *key, uint64_t value, int digits)
{
	char text[24];

	snprintf(text, sizeof(text), "0x%0*" PRIx64, digits, value);
	out_text(out, key, text);
}
