/* SPDX-License-Identifier: MIT */
/* CMocka with the headers it wants before it, and what most suites need. */
#ifndef TESTS_FAKE_SUPPORT_H
#define TESTS_FAKE_SUPPORT_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <vio/ctx.h>

/* Long enough for a loaded machine; a test that waits for it has failed. */
#define VIO_TEST_TIMEOUT_MS 20000

/* The descriptor becomes readable within the timeout, or the test fails. */
void vio_test_wait_fd(int fd);

/* Is it readable now? */
int vio_test_is_readable(int fd);

/*
 * Waits and dispatches until *@value, written in callbacks, is at least @want.
 * Fails the test after the timeout.
 */
void vio_test_dispatch_until(struct vio_ctx *ctx, const uint32_t *value, uint32_t want);

/* How many descriptors this process has open. */
unsigned int vio_test_count_fds(void);

/*
 * Runs @body in a forked child and returns its exit status; the child must
 * return from it within the timeout. Assertions do not work in the child: it
 * answers with the number of the check that failed, or 0.
 */
int vio_test_fork(int (*body)(void *opaque), void *opaque);

#endif /* TESTS_FAKE_SUPPORT_H */
