/* SPDX-License-Identifier: MIT */
/*
 * The real system calls. Everything that the library's contract asks of all of
 * them is done here once: close-on-exec, no SIGPIPE, and no EINTR, which is the
 * host program's signals showing through.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#if VIO_HAVE_LIBURING
#include <liburing.h>
#endif

#include "sys/sys.h"

static long answer(long ret)
{
	return ret < 0 ? -errno : ret;
}

static int linux_openat(void *opaque, int dir, const char *path, int flags, mode_t mode)
{
	(void)opaque;
	return (int)answer(
		TEMP_FAILURE_RETRY(openat(dir, path, flags | O_CLOEXEC, mode)));
}

/* Interrupted, the descriptor is closed all the same: a retry could hit another. */
static int linux_close(void *opaque, int fd)
{
	long ret = answer(close(fd));

	(void)opaque;
	return ret == -EINTR ? 0 : (int)ret;
}

static ssize_t linux_read(void *opaque, int fd, void *buf, size_t n)
{
	(void)opaque;
	return answer(TEMP_FAILURE_RETRY(read(fd, buf, n)));
}

static ssize_t linux_read_nowait(void *opaque, int fd, void *buf, size_t n)
{
	const struct iovec iov = { buf, n };

	(void)opaque;
	/* Offset -1: as read(2). */
	return answer(TEMP_FAILURE_RETRY(preadv2(fd, &iov, 1, -1, RWF_NOWAIT)));
}

static ssize_t linux_write(void *opaque, int fd, const void *buf, size_t n)
{
	(void)opaque;
	return answer(TEMP_FAILURE_RETRY(write(fd, buf, n)));
}

static ssize_t linux_pread(void *opaque, int fd, void *buf, size_t n, off_t offset)
{
	(void)opaque;
	return answer(TEMP_FAILURE_RETRY(pread(fd, buf, n, offset)));
}

static ssize_t
linux_pwrite(void *opaque, int fd, const void *buf, size_t n, off_t offset)
{
	(void)opaque;
	return answer(TEMP_FAILURE_RETRY(pwrite(fd, buf, n, offset)));
}

static int linux_fstat(void *opaque, int fd, struct stat *out)
{
	(void)opaque;
	return (int)answer(fstat(fd, out));
}

static int linux_fcntl(void *opaque, int fd, int command, long argument)
{
	(void)opaque;
	return (int)answer(TEMP_FAILURE_RETRY(fcntl(fd, command, argument)));
}

static int linux_fsync(void *opaque, int fd)
{
	(void)opaque;
	return (int)answer(TEMP_FAILURE_RETRY(fsync(fd)));
}

static int linux_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	(void)opaque;
	return (int)answer(TEMP_FAILURE_RETRY(ioctl(fd, request, argument)));
}

static ssize_t
linux_readlinkat(void *opaque, int dir, const char *path, char *buf, size_t n)
{
	(void)opaque;
	return answer(readlinkat(dir, path, buf, n));
}

static int linux_mkdirat(void *opaque, int dir, const char *path, mode_t mode)
{
	(void)opaque;
	return (int)answer(mkdirat(dir, path, mode));
}

/* glibc's getdents64() is the same call; this one also builds with others. */
static ssize_t linux_getdents(void *opaque, int fd, void *buf, size_t n)
{
	(void)opaque;
	return answer(syscall(SYS_getdents64, fd, buf, n));
}

static void *linux_mmap(void *opaque, size_t n, int protection, int flags, int fd,
			off_t offset, int *out_error)
{
	void *ptr = mmap(NULL, n, protection, flags, fd, offset);

	(void)opaque;
	if (ptr != MAP_FAILED)
		return ptr;
	*out_error = -errno;
	return NULL;
}

static int linux_munmap(void *opaque, void *ptr, size_t n)
{
	(void)opaque;
	return (int)answer(munmap(ptr, n));
}

static int linux_madvise(void *opaque, void *ptr, size_t n, int advice)
{
	(void)opaque;
	return (int)answer(madvise(ptr, n, advice));
}

static int linux_eventfd(void *opaque, unsigned int count, int flags)
{
	(void)opaque;
	return (int)answer(eventfd(count, flags | EFD_CLOEXEC));
}

static int linux_epoll_create(void *opaque)
{
	(void)opaque;
	return (int)answer(epoll_create1(EPOLL_CLOEXEC));
}

static int
linux_epoll_ctl(void *opaque, int epoll_fd, int op, int fd, struct epoll_event *event)
{
	(void)opaque;
	return (int)answer(epoll_ctl(epoll_fd, op, fd, event));
}

static int linux_epoll_wait(void *opaque, int epoll_fd, struct epoll_event *events,
			    int n, int timeout_ms)
{
	(void)opaque;
	return (int)answer(
		TEMP_FAILURE_RETRY(epoll_wait(epoll_fd, events, n, timeout_ms)));
}

/* Not blocking: a timer set anew after it was seen ready has nothing to read. */
static int linux_timerfd_create(void *opaque, int clock_id)
{
	(void)opaque;
	return (int)answer(timerfd_create(clock_id, TFD_CLOEXEC | TFD_NONBLOCK));
}

static int
linux_timerfd_settime(void *opaque, int fd, int flags, const struct itimerspec *value)
{
	(void)opaque;
	return (int)answer(timerfd_settime(fd, flags, value, NULL));
}

static int linux_clock_gettime(void *opaque, int clock_id, struct timespec *out)
{
	(void)opaque;
	return (int)answer(clock_gettime(clock_id, out));
}

static ssize_t linux_recvmsg(void *opaque, int fd, struct msghdr *message, int flags)
{
	(void)opaque;
	return answer(
		TEMP_FAILURE_RETRY(recvmsg(fd, message, flags | MSG_CMSG_CLOEXEC)));
}

static ssize_t
linux_sendmsg(void *opaque, int fd, const struct msghdr *message, int flags)
{
	(void)opaque;
	return answer(TEMP_FAILURE_RETRY(sendmsg(fd, message, flags | MSG_NOSIGNAL)));
}

static int linux_netlink(void *opaque, int protocol, uint32_t groups)
{
	const struct sockaddr_nl address = { .nl_family = AF_NETLINK,
					     .nl_groups = groups };
	const int fd =
		(int)answer(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol));
	int ret;

	if (fd < 0)
		return fd;
	ret = (int)answer(bind(fd, (const struct sockaddr *)(const void *)&address,
			       sizeof(address)));
	if (!ret)
		return fd;
	(void)linux_close(opaque, fd);
	return ret;
}

#if VIO_HAVE_LIBURING
/*
 * COOP_TASKRUN: completions wait for the thread to enter the kernel by itself
 * rather than interrupt it. The ring is of no use to a forked child, and what
 * the child unmapped late would keep the parent's pages.
 */
static int linux_uring_create(void *opaque, struct io_uring *ring, unsigned int n)
{
	int ret = io_uring_queue_init(n, ring, IORING_SETUP_COOP_TASKRUN);

	(void)opaque;
	if (ret)
		return ret;
	ret = io_uring_ring_dontfork(ring);
	if (ret)
		io_uring_queue_exit(ring);
	return ret;
}

static int linux_uring_submit(void *opaque, struct io_uring *ring)
{
	int ret;

	(void)opaque;
	do
		ret = io_uring_submit(ring);
	while (ret == -EINTR);
	return ret;
}

static void linux_uring_destroy(void *opaque, struct io_uring *ring)
{
	(void)opaque;
	io_uring_queue_exit(ring);
}
#else
static int linux_uring_create(void *opaque, struct io_uring *ring, unsigned int n)
{
	(void)opaque;
	(void)ring;
	(void)n;
	return -ENOSYS;
}
#endif

const struct vio_sys vio_sys_linux = {
	.openat = linux_openat,
	.close = linux_close,
	.read = linux_read,
	.read_nowait = linux_read_nowait,
	.write = linux_write,
	.pread = linux_pread,
	.pwrite = linux_pwrite,
	.fstat = linux_fstat,
	.fcntl = linux_fcntl,
	.fsync = linux_fsync,
	.ioctl = linux_ioctl,
	.readlinkat = linux_readlinkat,
	.mkdirat = linux_mkdirat,
	.getdents = linux_getdents,
	.mmap = linux_mmap,
	.munmap = linux_munmap,
	.madvise = linux_madvise,
	.eventfd = linux_eventfd,
	.epoll_create = linux_epoll_create,
	.epoll_ctl = linux_epoll_ctl,
	.epoll_wait = linux_epoll_wait,
	.timerfd_create = linux_timerfd_create,
	.timerfd_settime = linux_timerfd_settime,
	.clock_gettime = linux_clock_gettime,
	.recvmsg = linux_recvmsg,
	.sendmsg = linux_sendmsg,
	.netlink = linux_netlink,
	.uring_create = linux_uring_create,
#if VIO_HAVE_LIBURING
	.uring_submit = linux_uring_submit,
	.uring_destroy = linux_uring_destroy,
#endif
};
