/* SPDX-License-Identifier: MIT */
/*
 * Messages. Errors go to stderr, and with --json to stdout as an object too, so that
 * a script has one place to read.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "out.h"
#include "say.h"
#include "vioctl.h"

#define WIPE_LINE  "\r\033[K"
#define DIM        "\033[2m"
#define PLAIN      "\033[0m"
#define LINE_BYTES 512

static int json_is_wanted;
static int progress_is_shown;

static int is_colour_wanted(int fd)
{
	const char *no_colour = getenv("NO_COLOR");

	return isatty(fd) && !(no_colour && *no_colour);
}

const char *dim_begin(void)
{
	return is_colour_wanted(STDOUT_FILENO) ? DIM : "";
}

const char *dim_end(void)
{
	return is_colour_wanted(STDOUT_FILENO) ? PLAIN : "";
}

void say_json(void)
{
	json_is_wanted = 1;
}

void progress_show(const char *text)
{
	const int is_dim = *text && is_colour_wanted(STDERR_FILENO);

	if (!isatty(STDERR_FILENO) || (!*text && !progress_is_shown))
		return;
	progress_is_shown = !!*text;
	fprintf(stderr, WIPE_LINE "%s%s%s", is_dim ? DIM : "", text,
		is_dim ? PLAIN : "");
}

static void complain_text(const char *text)
{
	progress_show("");
	fprintf(stderr, "vioctl: %s\n", text);
}

static void complain_json(int code, const char *text)
{
	struct out out;

	if (!json_is_wanted)
		return;
	out_begin(&out, 1);
	out_object(&out, "error");
	if (code)
		out_text(&out, "errno", strerrorname_np(-code));
	out_number(&out, "exit_code", code ? (uint64_t)exit_code_of(code) : EXIT_USAGE);
	out_text(&out, "text", text);
	out_end(&out);
	out_finish(&out);
}

int complain(const char *format, ...)
{
	char text[LINE_BYTES];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	complain_text(text);
	complain_json(0, text);
	return -1;
}

int exit_code_of(int code)
{
	static const struct {
		int code, exit_code;
	} known[] = {
		{ -ENODEV, EXIT_ABSENT },
		{ -ENOENT, EXIT_ABSENT },
		{ -EBUSY, EXIT_BUSY },
		{ -ENOSPC, EXIT_BUSY },
		{ -EXDEV, EXIT_BUSY },
		{ -ESTALE, EXIT_BUSY },
		{ -EACCES, EXIT_DENIED },
		{ -EPERM, EXIT_DENIED },
		{ -EOPNOTSUPP, EXIT_UNSUPPORTED },
		{ -ETIMEDOUT, EXIT_TIMEOUT },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (known[i].code == code)
			return known[i].exit_code;
	return EXIT_FAILED;
}

int fail(int code, const char *text)
{
	if (!text || !*text)
		text = strerror(-code);
	complain_text(text);
	complain_json(code, text);
	return exit_code_of(code);
}
