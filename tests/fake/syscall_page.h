/* SPDX-License-Identifier: MIT */
/*
 * The tables of doc/syscalls.md, as tests/lint/syscalls.py writes them for tests:
 * what the page says is what is compared, and what a filter is built from. Each table
 * ends with a row of zeros.
 */
#ifndef TESTS_FAKE_SYSCALL_PAGE_H
#define TESTS_FAKE_SYSCALL_PAGE_H

#include <stdint.h>

/* A system call of a group. */
struct page_row {
	const char *group;
	const char *call;
	long number;
	uint32_t request; /* of an ioctl or fcntl */
	int has_request;
	int is_jail; /* the group is one that a jail needs */
};

struct page_pair {
	const char *name; /* of a function, or of an entry of struct vio_sys */
	const char *of;   /* its group, or one of the calls it makes */
};

extern const struct page_row page_rows[];
extern const struct page_pair page_functions[];
extern const struct page_pair page_entries[];

#endif /* TESTS_FAKE_SYSCALL_PAGE_H */
