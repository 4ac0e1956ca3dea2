/* SPDX-License-Identifier: MIT */
/*
 * Messages. Each goes out in one write, so that those of several threads do not
 * mix; the status line is wiped by what is printed over it and comes back with the
 * next tick.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "say.h"

#define WIPE_LINE  "\r\033[K"
#define DIM        "\033[2m"
#define PLAIN      "\033[0m"
#define LINE_BYTES 512

int status_is_wanted(void)
{
	return isatty(STDERR_FILENO);
}

/* There is nobody left to tell that stderr cannot be written to. */
static void emit(const char *text)
{
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));

	(void)ignored;
}

int complain(const char *format, ...)
{
	char text[LINE_BYTES], line[LINE_BYTES + 32];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "%svio-blk: %s\n",
		 status_is_wanted() ? WIPE_LINE : "", text);
	emit(line);
	return -1;
}

void status_show(const char *text)
{
	const char *no_colour = getenv("NO_COLOR");
	int is_plain = !*text || (no_colour && *no_colour);
	char line[LINE_BYTES];

	snprintf(line, sizeof(line), WIPE_LINE "%s%s%s", is_plain ? "" : DIM, text,
		 is_plain ? "" : PLAIN);
	emit(line);
}
