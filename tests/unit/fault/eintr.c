/* SPDX-License-Identifier: MIT */
/*
 * A signal of the host program that interrupts a system call is not seen by the
 * library. The linker puts this file's calls in the place of libc's for the
 * table of system calls; each is interrupted a few times before it is made.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#if VIO_HAVE_LIBURING
#include <liburing.h>
#endif

#include "fake/support.h"
#include "sys/sys.h"

#define N_INTERRUPTS 3

static int n_interrupts; /* still to come */

static int is_interrupted(void)
{
	if (!n_interrupts)
		return 0;
	n_interrupts--;
	errno = EINTR;
	return 1;
}

/* Names that the linker gives, for --wrap. */
#define WRAP(type, name, params, args)                                                 \
	type __real_##name params;                                                     \
	type __wrap_##name params;                                                     \
	type __wrap_##name params                                                      \
	{                                                                              \
		return is_interrupted() ? -1 : __real_##name args;                     \
	}

WRAP(int, openat64, (int dir, const char *path, int flags, mode_t mode),
     (dir, path, flags, mode))
WRAP(ssize_t, read, (int fd, void *buf, size_t n), (fd, buf, n))
WRAP(ssize_t, write, (int fd, const void *buf, size_t n), (fd, buf, n))
WRAP(ssize_t, preadv64v2, (int fd, const struct iovec *iov, int n, off_t at, int flags),
     (fd, iov, n, at, flags))
WRAP(ssize_t, pread64, (int fd, void *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(ssize_t, pwrite64, (int fd, const void *buf, size_t n, off_t at), (fd, buf, n, at))
WRAP(int, fcntl64, (int fd, int command, long argument), (fd, command, argument))
WRAP(int, fsync, (int fd), (fd))
WRAP(int, ioctl, (int fd, unsigned long request, void *argument),
     (fd, request, argument))
WRAP(int, epoll_wait, (int fd, struct epoll_event *events, int n, int timeout_ms),
     (fd, events, n, timeout_ms))
WRAP(ssize_t, recvmsg, (int fd, struct msghdr *message, int flags),
     (fd, message, flags))
WRAP(ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))

/* The descriptor is closed all the same: so it is on Linux. */
int __real_close(int fd);
int __wrap_close(int fd);
int __wrap_close(int fd)
{
	int ret = __real_close(fd);

	return is_interrupted() ? -1 : ret;
}

#if VIO_HAVE_LIBURING
int __real_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring);
int __wrap_io_uring_submit(struct io_uring *ring)
{
	return is_interrupted() ? -EINTR : __real_io_uring_submit(ring);
}
#endif

static const struct vio_sys *const sys = &vio_sys_linux;

static void interrupt(void)
{
	n_interrupts = N_INTERRUPTS;
}

/* All interrupts came to pass. */
static void verify_interrupted(void)
{
	assert_int_equal(n_interrupts, 0);
}

static int open_file(void)
{
	int fd = memfd_create("file", MFD_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void an_interrupted_open_is_made_again(void **state)
{
	int fd;

	(void)state;
	interrupt();
	fd = sys->openat(sys->opaque, AT_FDCWD, "/dev/null", O_RDONLY, 0);
	verify_interrupted();
	assert_true(fd >= 0);
	assert_int_equal(sys->close(sys->opaque, fd), 0);
}

/* Made again it could close what another thread has opened meanwhile. */
static void an_interrupted_close_is_not_made_again(void **state)
{
	int fd = open_file();

	(void)state;
	interrupt();
	assert_int_equal(sys->close(sys->opaque, fd), 0);
	assert_int_equal(n_interrupts, N_INTERRUPTS - 1);
	n_interrupts = 0;
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static void interrupted_writes_and_reads_are_made_again(void **state)
{
	int fd = open_file();
	char byte = 'x';

	(void)state;
	interrupt();
	assert_int_equal(sys->write(sys->opaque, fd, &byte, 1), 1);
	verify_interrupted();
	interrupt();
	assert_int_equal(sys->pwrite(sys->opaque, fd, "y", 1, 1), 1);
	verify_interrupted();
	interrupt();
	assert_int_equal(sys->read(sys->opaque, fd, &byte, 1), 1);
	verify_interrupted();
	assert_int_equal(byte, 'y');
	interrupt();
	assert_int_equal(sys->pread(sys->opaque, fd, &byte, 1, 0), 1);
	verify_interrupted();
	assert_int_equal(byte, 'x');
	close(fd);
}

static void interrupted_controls_are_made_again(void **state)
{
	int fd = open_file(), n = -1, sockets[2];

	(void)state;
	interrupt();
	assert_int_equal(sys->fcntl(sys->opaque, fd, F_GETFD, 0), FD_CLOEXEC);
	verify_interrupted();
	interrupt();
	assert_int_equal(sys->fsync(sys->opaque, fd), 0);
	verify_interrupted();
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets),
			 0);
	interrupt();
	assert_int_equal(sys->ioctl(sys->opaque, sockets[0], FIONREAD, &n), 0);
	verify_interrupted();
	assert_int_equal(n, 0);
	close(sockets[0]);
	close(sockets[1]);
	close(fd);
}

static void an_interrupted_read_of_an_event_is_made_again(void **state)
{
	int fd = eventfd(3, EFD_CLOEXEC);
	uint64_t n;

	(void)state;
	interrupt();
	assert_int_equal(sys->read_nowait(sys->opaque, fd, &n, sizeof(n)), sizeof(n));
	verify_interrupted();
	assert_int_equal(n, 3);
	close(fd);
}

static void an_interrupted_wait_is_made_again(void **state)
{
	struct epoll_event event;
	int fd = epoll_create1(EPOLL_CLOEXEC);

	(void)state;
	interrupt();
	assert_int_equal(sys->epoll_wait(sys->opaque, fd, &event, 1, 0), 0);
	verify_interrupted();
	close(fd);
}

static void interrupted_messages_are_sent_and_received_once(void **state)
{
	char bytes[4] = "abc";
	struct iovec iov = { bytes, 3 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	interrupt();
	assert_int_equal(sys->sendmsg(sys->opaque, fds[0], &message, 0), 3);
	verify_interrupted();
	interrupt();
	assert_int_equal(sys->recvmsg(sys->opaque, fds[1], &message, MSG_DONTWAIT), 3);
	verify_interrupted();
	assert_int_equal(sys->recvmsg(sys->opaque, fds[1], &message, MSG_DONTWAIT),
			 -EAGAIN);
	close(fds[0]);
	close(fds[1]);
}

#if VIO_HAVE_LIBURING
static void an_interrupted_submission_is_made_again(void **state)
{
	struct io_uring ring;
	int ret = sys->uring_create(sys->opaque, &ring, 4);

	(void)state;
	if (ret == -ENOSYS || ret == -EPERM)
		skip(); /* the kernel offers no io_uring here */
	assert_int_equal(ret, 0);
	io_uring_prep_nop(io_uring_get_sqe(&ring));
	interrupt();
	assert_int_equal(sys->uring_submit(sys->opaque, &ring), 1);
	verify_interrupted();
	sys->uring_destroy(sys->opaque, &ring);
}
#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_interrupted_open_is_made_again),
		cmocka_unit_test(an_interrupted_close_is_not_made_again),
		cmocka_unit_test(interrupted_writes_and_reads_are_made_again),
		cmocka_unit_test(interrupted_controls_are_made_again),
		cmocka_unit_test(an_interrupted_read_of_an_event_is_made_again),
		cmocka_unit_test(an_interrupted_wait_is_made_again),
		cmocka_unit_test(interrupted_messages_are_sent_and_received_once),
#if VIO_HAVE_LIBURING
		cmocka_unit_test(an_interrupted_submission_is_made_again),
#endif
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
