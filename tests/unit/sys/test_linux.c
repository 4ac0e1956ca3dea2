/* SPDX-License-Identifier: MIT */
/*
 * What the table of real system calls adds to them: close-on-exec everywhere, no
 * SIGPIPE, errors as numbers, and no EINTR however often a signal comes.
 */
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fake/support.h"
#include "sys/sys.h"

#define N_SIGNALS 3 /* interruptions before what is waited for happens */

static const struct vio_sys *const sys = &vio_sys_linux;

static int signalled_fd;
static volatile sig_atomic_t n_signals;

static void write_at_last(int number)
{
	(void)number;
	if (++n_signals == N_SIGNALS && write(signalled_fd, "x", 1) != 1)
		_exit(1);
}

/* From now on a signal comes every millisecond; after some, @fd gets a byte. */
static void start_signals(int fd)
{
	const struct sigaction action = { .sa_handler = write_at_last };
	const struct itimerval every = { { 0, 1000 }, { 0, 1000 } };

	signalled_fd = fd;
	n_signals = 0;
	assert_int_equal(sigaction(SIGALRM, &action, NULL), 0);
	assert_int_equal(setitimer(ITIMER_REAL, &every, NULL), 0);
}

static void stop_signals(void)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };

	assert_int_equal(setitimer(ITIMER_REAL, &never, NULL), 0);
	assert_true(n_signals >= N_SIGNALS);
}

static void a_read_goes_on_after_signals(void **state)
{
	int fds[2];
	char byte;

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	start_signals(fds[1]);
	assert_int_equal(sys->read(NULL, fds[0], &byte, 1), 1);
	stop_signals();
	close(fds[0]);
	close(fds[1]);
}

static void waiting_for_events_goes_on_after_signals(void **state)
{
	struct epoll_event event = { .events = EPOLLIN };
	int epoll_fd = sys->epoll_create(NULL);
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(sys->epoll_ctl(NULL, epoll_fd, EPOLL_CTL_ADD, fds[0], &event),
			 0);
	start_signals(fds[1]);
	assert_int_equal(sys->epoll_wait(NULL, epoll_fd, &event, 1, -1), 1);
	stop_signals();
	sys->close(NULL, epoll_fd);
	close(fds[0]);
	close(fds[1]);
}

static void receiving_goes_on_after_signals(void **state)
{
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	start_signals(fds[1]);
	assert_int_equal(sys->recvmsg(NULL, fds[0], &message, 0), 1);
	stop_signals();
	close(fds[0]);
	close(fds[1]);
}

static void check_cloexec(int fd)
{
	assert_true(fd >= 0);
	assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
	assert_int_equal(sys->close(NULL, fd), 0);
}

static void every_new_descriptor_is_close_on_exec(void **state)
{
	(void)state;
	check_cloexec(sys->openat(NULL, AT_FDCWD, "/dev/null", O_RDONLY, 0));
	check_cloexec(sys->eventfd(NULL, 0, 0));
	check_cloexec(sys->epoll_create(NULL));
	check_cloexec(sys->timerfd_create(NULL, CLOCK_MONOTONIC));
	check_cloexec(sys->fcntl(NULL, STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
}

/* One byte with one descriptor. */
struct passed {
	char byte;
	struct iovec iov;
	_Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
	struct msghdr message;
};

static void prepare_passed(struct passed *passed)
{
	*passed = (struct passed){ 0 };
	passed->iov = (struct iovec){ &passed->byte, 1 };
	passed->message = (struct msghdr){
		.msg_iov = &passed->iov,
		.msg_iovlen = 1,
		.msg_control = passed->control,
		.msg_controllen = sizeof(passed->control),
	};
}

static void a_descriptor_that_was_passed_is_close_on_exec(void **state)
{
	struct passed out, in;
	struct cmsghdr *c;
	int fds[2], fd;

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	prepare_passed(&out);
	c = CMSG_FIRSTHDR(&out.message);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fds[0], sizeof(int));
	assert_int_equal(sys->sendmsg(NULL, fds[0], &out.message, 0), 1);

	prepare_passed(&in);
	assert_int_equal(sys->recvmsg(NULL, fds[1], &in.message, 0), 1);
	c = CMSG_FIRSTHDR(&in.message);
	assert_non_null(c);
	memcpy(&fd, CMSG_DATA(c), sizeof(int));
	check_cloexec(fd);
	close(fds[0]);
	close(fds[1]);
}

/* The signal's default action would end this test. */
static void sending_to_a_peer_that_is_gone_raises_no_signal(void **state)
{
	struct passed out;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	prepare_passed(&out);
	out.message.msg_controllen = 0;
	assert_int_equal(sys->sendmsg(NULL, fds[0], &out.message, 0), -EPIPE);
	close(fds[0]);
}

static void errors_come_as_negative_numbers(void **state)
{
	struct timespec now;
	struct stat st;
	char buf[16] = "";
	int error = 0;

	(void)state;
	assert_int_equal(sys->openat(NULL, AT_FDCWD, "/nowhere/at/all", O_RDONLY, 0),
			 -ENOENT);
	assert_int_equal(sys->close(NULL, -1), -EBADF);
	assert_int_equal(sys->read(NULL, -1, buf, 1), -EBADF);
	assert_int_equal(sys->read_nowait(NULL, -1, buf, 1), -EBADF);
	assert_int_equal(sys->write(NULL, -1, buf, 1), -EBADF);
	assert_int_equal(sys->pread(NULL, -1, buf, 1, 0), -EBADF);
	assert_int_equal(sys->pwrite(NULL, -1, buf, 1, 0), -EBADF);
	assert_int_equal(sys->fstat(NULL, -1, &st), -EBADF);
	assert_int_equal(sys->fcntl(NULL, -1, F_GETFD, 0), -EBADF);
	assert_int_equal(sys->fsync(NULL, -1), -EBADF);
	assert_int_equal(sys->ioctl(NULL, -1, 0, NULL), -EBADF);
	assert_int_equal(sys->readlinkat(NULL, AT_FDCWD, "/dev/null", buf, 16),
			 -EINVAL);
	assert_int_equal(sys->getdents(NULL, -1, buf, 16), -EBADF);
	assert_null(sys->mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0,
			      &error));
	assert_int_equal(error, -EINVAL);
	assert_int_equal(sys->munmap(NULL, NULL, 0), -EINVAL);
	assert_int_equal(sys->madvise(NULL, buf, 1, -1), -EINVAL);
	assert_int_equal(sys->clock_gettime(NULL, 9999, &now), -EINVAL);
	assert_int_equal(sys->timerfd_create(NULL, 9999), -EINVAL);
	assert_int_equal(sys->timerfd_settime(NULL, -1, 0, &(struct itimerspec){ 0 }),
			 -EBADF);
}

static void a_file_is_written_measured_and_read_back(void **state)
{
	int fd = memfd_create("file", MFD_CLOEXEC);
	char buf[4] = "";
	struct stat st;

	(void)state;
	assert_int_equal(sys->write(NULL, fd, "ab", 2), 2);
	assert_int_equal(sys->pwrite(NULL, fd, "cd", 2, 2), 2);
	assert_int_equal(sys->fsync(NULL, fd), 0);
	assert_int_equal(sys->fstat(NULL, fd, &st), 0);
	assert_int_equal(st.st_size, 4);
	assert_int_equal(sys->pread(NULL, fd, buf, 3, 1), 3);
	assert_string_equal(buf, "bcd");
	assert_int_equal(sys->close(NULL, fd), 0);
}

static void a_timer_that_has_not_expired_does_not_block(void **state)
{
	const struct itimerspec soon = { { 0, 0 }, { 0, 1 } };
	int fd = sys->timerfd_create(NULL, CLOCK_MONOTONIC);
	uint64_t n;

	(void)state;
	assert_int_equal(sys->read(NULL, fd, &n, sizeof(n)), -EAGAIN);
	assert_int_equal(sys->timerfd_settime(NULL, fd, 0, &soon), 0);
	vio_test_wait_fd(fd);
	assert_int_equal(sys->read(NULL, fd, &n, sizeof(n)), sizeof(n));
	assert_true(n == 1);
	sys->close(NULL, fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_read_goes_on_after_signals),
		cmocka_unit_test(waiting_for_events_goes_on_after_signals),
		cmocka_unit_test(receiving_goes_on_after_signals),
		cmocka_unit_test(every_new_descriptor_is_close_on_exec),
		cmocka_unit_test(a_descriptor_that_was_passed_is_close_on_exec),
		cmocka_unit_test(sending_to_a_peer_that_is_gone_raises_no_signal),
		cmocka_unit_test(errors_come_as_negative_numbers),
		cmocka_unit_test(a_file_is_written_measured_and_read_back),
		cmocka_unit_test(a_timer_that_has_not_expired_does_not_block),
	};

	return cmocka_run_group_tests_name("linux", tests, NULL, NULL);
}
