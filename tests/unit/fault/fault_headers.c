/* SPDX-License-Identifier: MIT */
/*
 * The public functions as the headers declare them: a name is what follows
 * VIO_API up to its parenthesis, its manual is the comment before it. Read at
 * run time, so that a function that is added without a case fails the suite. What
 * vio.h leaves out is another library's, with other sources of memory.
 */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "unit/fault/fault_case.h"

#define FUNCTIONS_MAX 512u
#define HEADER_BYTES  (1u << 18)

struct reading {
	struct fault_function *functions;
	size_t n;
	char *text;
};

static void read_text(struct reading *r, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t n;

	if (!file)
		fail_msg("%s cannot be read", path);
	n = fread(r->text, 1, HEADER_BYTES - 1, file);
	assert_true(feof(file));
	fclose(file);
	r->text[n] = '\0';
}

/* The name that the declaration at @at gives, or 0. */
static int find_name(const char *at, char *out, size_t n_out)
{
	const char *end = strpbrk(at, "(;");

	while (end && *end == '(') {
		const char *name = end;

		while (name > at &&
		       (isalnum((unsigned char)name[-1]) || name[-1] == '_'))
			name--;
		if (!strncmp(name, "vio_", 4) && (size_t)(end - name) < n_out) {
			memcpy(out, name, (size_t)(end - name));
			out[end - name] = '\0';
			return 1;
		}
		end = strpbrk(end + 1, "(;");
	}
	return 0;
}

/* As one line, so that what is looked for is found wherever lines end. */
static void copy_doc(const char *text, const char *at, struct fault_function *function)
{
	const char *doc = at;
	size_t n = 0;

	while (doc > text && strncmp(doc, "/**", 3))
		doc--;
	for (; doc < at; doc++) {
		assert_true(n < sizeof(function->doc) - 1);
		if (!strncmp(doc, "\n * ", 4))
			doc += 3;
		function->doc[n++] = *doc == '\n' ? ' ' : *doc;
	}
	function->doc[n] = '\0';
}

static void read_header(struct reading *r, const char *path)
{
	const char *at;

	read_text(r, path);
	at = r->text;
	while ((at = strstr(at, "VIO_API "))) {
		struct fault_function *function = &r->functions[r->n];

		assert_true(r->n < FUNCTIONS_MAX);
		if (find_name(at, function->name, sizeof(function->name))) {
			copy_doc(r->text, at, function);
			r->n++;
		}
		at++;
	}
}

/* As vio.h names it, from its folder on; what is generated has a longer name. */
static int is_included(const char *vio, const char *file)
{
	const char *end = strstr(file, ".h");
	char line[300];

	if (!end)
		return 0;
	snprintf(line, sizeof(line), "<vio/%.*s.h>", (int)(end - file), file);
	return !strcmp(file, "vio.h") || strstr(vio, line);
}

static void read_directory(struct reading *r, const char *path, const char *vio)
{
	DIR *dir = opendir(path);
	struct dirent *entry;
	char name[4096];

	if (!dir)
		fail_msg("%s cannot be read", path);
	while ((entry = readdir(dir))) {
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		if (vio ? is_included(vio, entry->d_name)
			: !!strstr(entry->d_name, ".h"))
			read_header(r, name);
		else if (!strcmp(entry->d_name, "unstable"))
			read_directory(r, name, NULL);
	}
	closedir(dir);
}

size_t fault_read_headers(struct fault_function **out)
{
	struct reading r = {
		.functions = calloc(FUNCTIONS_MAX, sizeof(*r.functions)),
		.text = malloc(HEADER_BYTES),
	};
	char *vio;

	assert_non_null(r.functions);
	assert_non_null(r.text);
	read_text(&r, VIO_TEST_HEADERS "/vio.h");
	vio = strdup(r.text);
	assert_non_null(vio);
	read_directory(&r, VIO_TEST_HEADERS, vio);
	free(vio);
	free(r.text);
	*out = r.functions;
	return r.n;
}
