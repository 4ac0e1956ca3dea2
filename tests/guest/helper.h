/* SPDX-License-Identifier: MIT */
/*
 * Another process that owns VFs: it does one thing and tells how it went by one byte.
 * Forked before the one that tests has a context, so that they share no descriptor.
 */
#ifndef VIO_TESTS_GUEST_HELPER_H
#define VIO_TESTS_GUEST_HELPER_H

#include <sys/types.h>

#include "owner.h"

struct helper {
	pid_t pid;
	int fd; /* connected to it */
};

/* @run in the new process, whose owner is called "helper"; it ends with @run. */
struct helper helper_create(int (*run)(struct owner *mine, int fd));

/* It is as far as it tells; 0: it has ended instead. */
int helper_is_ready(const struct helper *helper);

/* Ends once the kernel has let go of it. */
void helper_kill(const struct helper *helper);

#endif
