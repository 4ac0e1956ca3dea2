/* SPDX-License-Identifier: MIT */
/*
 * What the programs that run inside the guest share. A line that begins with @ on
 * the output is a question to the host: run.sh does what it says, a limit set or a
 * look at the image, and answers with one line on the input. Disks are named by
 * their serial, because the order of /dev/vd* is the kernel's affair.
 */
#ifndef VIO_TESTS_GUEST_H
#define VIO_TESTS_GUEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#define DISK_PATH_BYTES 288

/* The host's answer, without its newline, valid until the next question. */
const char *host_ask(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The path of the disk with that serial, /dev/vdX; the test fails without one. */
void disk_find(const char *serial, char path[DISK_PATH_BYTES]);

/* One line of /sys/block/vdX/<name>, without its newline. */
void disk_attribute_read(const char *disk, const char *name, char *out, size_t bytes);

/* Opens a disk past the page cache, so that each read and write is a request. */
int disk_open(const char *serial, int flags);

/* Memory for such reads and writes; the caller frees it. */
void *disk_buffer_create(size_t bytes);

/* The first line of a file, without its newline; the test fails without one. */
void line_read(const char *path, char *out, size_t bytes);

uint64_t now_ns(void);

/* Runs a shell command and returns its exit code. */
int command_run(const char *command);

#endif
