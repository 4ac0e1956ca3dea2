/* SPDX-License-Identifier: MIT */
/*
 * What the program tells a person, all on stderr: complaints of one line that name
 * an object and a remedy, and on a terminal what is under way.
 */
#ifndef VIOCTL_SAY_H
#define VIOCTL_SAY_H

/* Prints "vioctl: ..." and returns -1, so that a caller can return it. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Complaints are shown as JSON on stdout as well from now on. */
void say_json(void);

/*
 * Complains about what a call of the library returned, with the words it gave, and
 * answers the exit code for it. NULL or "" for @text: those of the number.
 */
int fail(int code, const char *text);

/* The exit code for a negative errno. */
int exit_code_of(int code);

/* Replaces the line of what is under way; "" removes it. Nothing off a terminal. */
void progress_show(const char *text);

/* Words for the terminal's switches, or "" where there is none or none is wanted. */
const char *dim_begin(void);
const char *dim_end(void);

#endif /* VIOCTL_SAY_H */
