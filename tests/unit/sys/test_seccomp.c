/* SPDX-License-Identifier: MIT */
/*
 * The real system calls in a process whose filter refuses one of them, as filters of
 * containers and of hypervisors do: what was opened before it is closed again. A
 * filter is for good, so each is a child's.
 */
#include <linux/filter.h>
#include <linux/netlink.h>
#include <linux/seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#if VIO_HAVE_LIBURING
#include <liburing.h>
#endif

#include "core/bits.h"
#include "fake/support.h"
#include "sys/sys.h"

#define ARGUMENTS offsetof(struct seccomp_data, args)
#define LOW_HALF  (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4u : 0u)
#define LOAD(at)  BPF_STMT(BPF_LD | BPF_W | BPF_ABS, (uint32_t)(at))
/* If it is not @value, so many instructions are left out. */
#define UNLESS(value, n) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(value), 0, n)
#define RETURN(what)     BPF_STMT(BPF_RET | BPF_K, what)

/* From now on call @number is -EACCES if its @argument is @value. */
static int refuse_call(long number, uint32_t argument, uint32_t value)
{
	struct sock_filter filter[] = {
		LOAD(offsetof(struct seccomp_data, nr)),   UNLESS(number, 3),
		LOAD(ARGUMENTS + argument * 8 + LOW_HALF), UNLESS(value, 1),
		RETURN(SECCOMP_RET_ERRNO | EACCES),        RETURN(SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = {
		.len = VIO_ARRAY_SIZE(filter),
		.filter = filter,
	};

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))
		return -errno;
	return prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) ? -errno : 0;
}

static int open_netlink(void)
{
	return vio_sys_linux.netlink(NULL, NETLINK_ROUTE, 0);
}

static int refuse_socket(void *opaque)
{
	(void)opaque;
	if (refuse_call(SYS_socket, 0, AF_NETLINK))
		return 1;
	return open_netlink() == -EACCES ? 0 : 2;
}

static void a_netlink_socket_may_be_refused(void **state)
{
	(void)state;
	assert_int_equal(vio_test_fork(refuse_socket, NULL), 0);
}

static int refuse_bind(void *opaque)
{
	const unsigned int n_before = vio_test_count_fds();

	(void)opaque;
	if (refuse_call(SYS_bind, 2, sizeof(struct sockaddr_nl)))
		return 1;
	if (open_netlink() != -EACCES)
		return 2;
	return vio_test_count_fds() == n_before ? 0 : 3;
}

static void a_socket_whose_address_is_refused_is_closed(void **state)
{
	(void)state;
	assert_int_equal(vio_test_fork(refuse_bind, NULL), 0);
}

#if VIO_HAVE_LIBURING
/* Without that advice a child's late exit would keep the parent's pages. */
static int refuse_advice(void *opaque)
{
	const unsigned int n_before = vio_test_count_fds();
	struct io_uring ring;

	(void)opaque;
	if (refuse_call(SYS_madvise, 2, MADV_DONTFORK))
		return 1;
	if (vio_sys_linux.uring_create(NULL, &ring, 8) != -EACCES)
		return 2;
	return vio_test_count_fds() == n_before ? 0 : 3;
}

static void a_ring_that_a_child_would_inherit_is_none(void **state)
{
	struct io_uring ring;

	(void)state;
	if (vio_sys_linux.uring_create(NULL, &ring, 8)) {
		print_message("the kernel has no io_uring\n");
		skip();
	}
	vio_sys_linux.uring_destroy(NULL, &ring);
	assert_int_equal(vio_test_fork(refuse_advice, NULL), 0);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_netlink_socket_may_be_refused),
		cmocka_unit_test(a_socket_whose_address_is_refused_is_closed),
#if VIO_HAVE_LIBURING
		cmocka_unit_test(a_ring_that_a_child_would_inherit_is_none),
#endif
	};

	return cmocka_run_group_tests_name("seccomp", tests, NULL, NULL);
}
