/* SPDX-License-Identifier: MIT */
/*
 * What the program tells a person, all on stderr: complaints of one line that name
 * an object and a remedy, and on a terminal a status line under them.
 */
#ifndef VIO_BLK_SAY_H
#define VIO_BLK_SAY_H

/* Prints "vio-blk: ..." and returns -1, so that a caller can return it. Any thread. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Is there a terminal for the status line? */
int status_is_wanted(void);

/* Replaces the status line; "" removes it. Main thread. */
void status_show(const char *text);

#endif /* VIO_BLK_SAY_H */
