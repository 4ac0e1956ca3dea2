/* SPDX-License-Identifier: MIT */
/*
 * The text of io.max (Control Group v2, "IO Interface Files"):
 *	8:16 rbps=2097152 wbps=max riops=max wiops=120
 * Keys may be more one day; those that are not known are passed over.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "limit_hw/limit_hw.h"

struct word {
	const char *at;
	size_t n;
};

static const struct {
	char key[8];
	uint32_t offset; /* in struct vio_hw_values */
} keys[] = {
	{ "rbps=", offsetof(struct vio_hw_values, bytes[VIO_HW_READS]) },
	{ "wbps=", offsetof(struct vio_hw_values, bytes[VIO_HW_WRITES]) },
	{ "riops=", offsetof(struct vio_hw_values, ops[VIO_HW_READS]) },
	{ "wiops=", offsetof(struct vio_hw_values, ops[VIO_HW_WRITES]) },
};

/* Takes what is before the next @end, or the rest, off. */
static struct word take(struct word *rest, char end)
{
	const char *at = memchr(rest->at, end, rest->n);
	const struct word word = { rest->at, at ? (size_t)(at - rest->at) : rest->n };
	const size_t n = at ? word.n + 1 : word.n;

	rest->at += n;
	rest->n -= n;
	return word;
}

static bool begins_with(struct word word, const char *text)
{
	const size_t n = strlen(text);

	return word.n >= n && !memcmp(word.at, text, n);
}

/* Digits of at most UINT64_MAX, or "max", which is 0 here. */
static int parse_value(struct word word, uint64_t *out)
{
	uint64_t value = 0;

	if (word.n == 3 && begins_with(word, "max")) {
		*out = 0;
		return 0;
	}
	for (size_t i = 0; i < word.n; i++) {
		const uint64_t digit = (uint64_t)(word.at[i] - '0');

		if (digit > 9 || __builtin_mul_overflow(value, 10, &value) ||
		    !vio_add_u64(value, digit, &value))
			return -EBADMSG;
	}
	*out = value;
	return word.n ? 0 : -EBADMSG;
}

static int parse_word(struct word word, struct vio_hw_values *out)
{
	for (size_t i = 0; i < VIO_ARRAY_SIZE(keys); i++) {
		const size_t n = strlen(keys[i].key);
		uint64_t value;
		int ret;

		if (!begins_with(word, keys[i].key))
			continue;
		ret = parse_value((struct word){ word.at + n, word.n - n }, &value);
		if (ret)
			return ret;
		memcpy((char *)out + keys[i].offset, &value, sizeof(value));
	}
	return 0;
}

int vio_cgroup_parse(const char *text, size_t n, uint32_t major, uint32_t minor,
		     struct vio_hw_values *out)
{
	struct word rest = { text, n }, line = { NULL, 0 };
	struct vio_hw_values values = { 0 };
	char device[32];
	int is_found = 0, ret = 0;

	snprintf(device, sizeof(device), "%u:%u ", major, minor);
	while (rest.n && !is_found) {
		line = take(&rest, '\n');
		is_found = begins_with(line, device);
	}
	while (is_found && !ret && line.n)
		ret = parse_word(take(&line, ' '), &values);
	if (ret)
		return ret;
	*out = values;
	return is_found;
}
