/* SPDX-License-Identifier: MIT */
/*
 * A filter of system calls made from doc/syscalls.md, and nothing else: what its groups
 * for a jail list, with the requests they list, and what the program says it makes
 * itself. Anything else kills the process.
 */
#ifndef TESTS_FAKE_JAIL_H
#define TESTS_FAKE_JAIL_H

#include "fake/syscall_page.h"

/*
 * For all threads of the process, for good. @own: numbers of the program's own calls,
 * -1 at the end. @left_out: a row whose call, or request, is not let through; or NULL.
 * 0 or -errno.
 */
int jail_enter(const long *own, const struct page_row *left_out);

/* The row of one of the page's groups for a jail; NULL: none has it. */
const struct page_row *jail_find(const char *call, uint32_t request);

#endif /* TESTS_FAKE_JAIL_H */
