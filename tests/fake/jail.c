/* SPDX-License-Identifier: MIT */
/*
 * Each call let through is a few instructions of their own: is it that number, and if
 * it has requests, that one? Then it is allowed; else the next is looked at.
 */
#include <errno.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fake/jail.h"

#define INSTRUCTIONS_MAX 1024u
#define PER_CALL         6u /* and one that ends it */
/* The second argument, as far as the kernel looks at it in these calls. */
#define SECOND (offsetof(struct seccomp_data, args[1]))

struct filter {
	struct sock_filter code[INSTRUCTIONS_MAX];
	unsigned short n;
};

static void add(struct filter *filter, struct sock_filter instruction)
{
	filter->code[filter->n++] = instruction;
}

static void load(struct filter *filter, size_t offset)
{
	add(filter,
	    (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)offset));
}

/* Goes on if it is equal, else passes over @n instructions. */
static void expect(struct filter *filter, uint32_t value, uint8_t n)
{
	add(filter,
	    (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, value, 0, n));
}

static void answer(struct filter *filter, uint32_t action)
{
	add(filter, (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, action));
}

static void allow(struct filter *filter, long number)
{
	load(filter, offsetof(struct seccomp_data, nr));
	expect(filter, (uint32_t)number, 1);
	answer(filter, SECCOMP_RET_ALLOW);
}

static void allow_request(struct filter *filter, long number, uint32_t request)
{
	load(filter, offsetof(struct seccomp_data, nr));
	expect(filter, (uint32_t)number, 3);
	load(filter, SECOND);
	expect(filter, request, 1);
	answer(filter, SECCOMP_RET_ALLOW);
}

static int is_same(const struct page_row *a, const struct page_row *b)
{
	return b && a->number == b->number && a->request == b->request;
}

static int
build(struct filter *filter, const long *own, const struct page_row *left_out)
{
	load(filter, offsetof(struct seccomp_data, arch));
	expect(filter, AUDIT_ARCH_X86_64, 1);
	add(filter, (struct sock_filter)BPF_STMT(BPF_JMP | BPF_JA, 1));
	answer(filter, SECCOMP_RET_KILL_PROCESS);
	for (const struct page_row *row = page_rows; row->call; row++) {
		if (filter->n > INSTRUCTIONS_MAX - PER_CALL)
			return -E2BIG;
		if (!row->is_jail || is_same(row, left_out))
			continue;
		if (row->has_request)
			allow_request(filter, row->number, row->request);
		else
			allow(filter, row->number);
	}
	for (; *own >= 0; own++) {
		if (filter->n > INSTRUCTIONS_MAX - PER_CALL)
			return -E2BIG;
		allow(filter, *own);
	}
	answer(filter, SECCOMP_RET_KILL_PROCESS);
	return 0;
}

int jail_enter(const long *own, const struct page_row *left_out)
{
	struct filter filter = { .n = 0 };
	struct sock_fprog program = { .filter = filter.code };
	const int ret = build(&filter, own, left_out);

	if (ret)
		return ret;
	program.len = filter.n;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	    syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_TSYNC,
		    &program))
		return -errno;
	return 0;
}

const struct page_row *jail_find(const char *call, uint32_t request)
{
	for (const struct page_row *row = page_rows; row->call; row++)
		if (row->is_jail && !strcmp(row->call, call) && row->request == request)
			return row;
	return NULL;
}
