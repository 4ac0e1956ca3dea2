/* SPDX-License-Identifier: MIT */
/*
 * The command line. Words are matched whole: no abbreviations, so that a script goes
 * on to mean the same when an option is added.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vio/pci.h>

#include "options.h"
#include "say.h"

int number_parse(const char *text, uint32_t min, uint32_t max, uint32_t *out)
{
	char *end;
	unsigned long long n;

	if (*text < '0' || *text > '9')
		return -1;
	n = strtoull(text, &end, 10);
	/* 10 digits fit; what does not is the largest number there is. */
	if (*end || n < min || n > max)
		return -1;
	*out = (uint32_t)n;
	return 0;
}

static int mac_parse(const char *text, uint8_t *out)
{
	unsigned int bytes[6];
	int n = 0;

	if (strlen(text) != 17 || text[strspn(text, "0123456789abcdefABCDEF:")])
		return -1;
	if (sscanf(text, "%2x:%2x:%2x:%2x:%2x:%2x%n", &bytes[0], &bytes[1], &bytes[2],
		   &bytes[3], &bytes[4], &bytes[5], &n) != 6 ||
	    n != 17)
		return -1;
	for (int i = 0; i < 6; i++)
		out[i] = (uint8_t)bytes[i];
	return 0;
}

/* The place of a word of @n bytes in a list that is divided by commas, or -1. */
static int choice_find(const char *choices, const char *word, size_t n)
{
	for (int i = 0;; i++) {
		const size_t length = strcspn(choices, ",");

		if (length == n && !strncmp(choices, word, n))
			return i;
		choices += length;
		if (!*choices++)
			return -1;
	}
}

static int choice_parse(const struct option_spec *spec, const char *text, uint32_t *out)
{
	const int i = choice_find(spec->choices, text, strlen(text));

	if (i < 0)
		return -1;
	*out = (uint32_t)i;
	return 0;
}

static int set_parse(const struct option_spec *spec, const char *text, uint32_t *out)
{
	uint32_t set = 0;

	for (;;) {
		const size_t n = strcspn(text, ",");
		const int i = choice_find(spec->choices, text, n);

		if (i < 0)
			return -1;
		set |= UINT32_C(1) << i;
		text += n;
		if (!*text++)
			break;
	}
	*out = set;
	return 0;
}

static int signed_parse(const struct option_spec *spec, const char *text, int32_t *out)
{
	uint32_t n;

	if (number_parse(text, 0, spec->max, &n) < 0)
		return -1;
	*out = (int32_t)n;
	return 0;
}

static int value_parse(const struct option_spec *spec, const char *text, void *out)
{
	switch (spec->kind) {
	case OPTION_TEXT:
		*(const char **)out = text;
		return 0;
	case OPTION_NUMBER:
		return number_parse(text, spec->min, spec->max, out);
	case OPTION_SIGNED:
		return signed_parse(spec, text, out);
	case OPTION_ADDRESS:
		return vio_pci_addr_parse(text, out);
	case OPTION_MAC:
		return mac_parse(text, out);
	case OPTION_CHOICE:
		return choice_parse(spec, text, out);
	case OPTION_SET:
		return set_parse(spec, text, out);
	default:
		return -1;
	}
}

static int complain_value(const struct option_spec *spec, const char *text)
{
	switch (spec->kind) {
	case OPTION_NUMBER:
	case OPTION_SIGNED:
		return complain("--%s %s: give a number from %u to %u", spec->name,
				text, spec->min, spec->max);
	case OPTION_ADDRESS:
		return complain("--%s %s: give an address such as 0000:3b:00.1",
				spec->name, text);
	case OPTION_MAC:
		return complain("--%s %s: give six bytes such as 02:00:00:00:00:01",
				spec->name, text);
	default:
		return complain("--%s %s: give %s %s", spec->name, text,
				spec->kind == OPTION_SET ? "some of" : "one of",
				spec->choices);
	}
}

static const struct option_spec *
spec_find(const struct option_table *table, const char *word, size_t n)
{
	const struct option_spec *spec = table->specs;

	for (; spec && spec->name; spec++) {
		if (word[1] == '-' && strlen(spec->name) == n - 2 &&
		    !strncmp(spec->name, word + 2, n - 2))
			return spec;
		if (n == 2 && spec->letter && word[1] == spec->letter)
			return spec;
	}
	return NULL;
}

/* How many words it took: 1 or 2; -1 after a complaint. */
static int option_take(const struct option_table *tables, size_t n_tables, char **argv)
{
	const size_t n = strcspn(argv[0], "=");
	const struct option_spec *spec = NULL;
	const char *text = argv[0][n] ? argv[0] + n + 1 : argv[1];
	char *values = NULL;

	for (size_t i = 0; !spec && i < n_tables; i++) {
		spec = spec_find(&tables[i], argv[0], n);
		values = tables[i].values;
	}
	if (!spec)
		return complain("%.*s: no such option, see --help", (int)n, argv[0]);
	if (spec->kind == OPTION_FLAG && argv[0][n])
		return complain("--%s takes no value", spec->name);
	if (spec->kind != OPTION_FLAG && !text)
		return complain("--%s: a value is missing, see --help", spec->name);
	if (spec->kind == OPTION_FLAG)
		*(int *)(void *)(values + spec->offset) = 1;
	else if (value_parse(spec, text, values + spec->offset) < 0)
		return complain_value(spec, text);
	if (spec->mark)
		*(uint32_t *)(void *)(values + spec->mark_at) |= spec->mark;
	return spec->kind == OPTION_FLAG || argv[0][n] ? 1 : 2;
}

int options_parse(const struct option_table *tables, size_t n_tables, int is_strict,
		  int argc, char **argv)
{
	int n_words = 0, i = 0, n;

	while (i < argc) {
		if (!strcmp(argv[i], "--")) {
			i++;
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			if (is_strict)
				break;
			argv[n_words++] = argv[i++];
			continue;
		}
		n = option_take(tables, n_tables, argv + i);
		if (n < 0)
			return -1;
		i += n;
	}
	while (i < argc)
		argv[n_words++] = argv[i++];
	argv[n_words] = NULL;
	return n_words;
}
