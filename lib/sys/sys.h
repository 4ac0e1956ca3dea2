/* SPDX-License-Identifier: MIT */
/*
 * Every system call that the library makes, behind one table. The real table
 * calls libc; tests put a fake kernel in its place, or one that fails at the
 * Nth call. Entries return what the call returns, or -errno; those that can be
 * interrupted are retried here, so that EINTR goes no further.
 */
#ifndef VIO_SYS_SYS_H
#define VIO_SYS_SYS_H

#include <stddef.h>
#include <stdint.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

struct io_uring; /* liburing's */

struct vio_sys {
	void *opaque; /* first argument of every entry */

	/* Files and sysfs. */
	int (*openat)(void *opaque, int dir, const char *path, int flags, mode_t mode);
	int (*close)(void *opaque, int fd);
	ssize_t (*read)(void *opaque, int fd, void *buf, size_t n);
	/* Of a peer's eventfd: it can clear O_NONBLOCK, which counts for both. */
	ssize_t (*read_nowait)(void *opaque, int fd, void *buf, size_t n);
	ssize_t (*write)(void *opaque, int fd, const void *buf, size_t n);
	ssize_t (*pread)(void *opaque, int fd, void *buf, size_t n, off_t offset);
	ssize_t (*pwrite)(void *opaque, int fd, const void *buf, size_t n,
			  off_t offset);
	int (*fstat)(void *opaque, int fd, struct stat *out);
	int (*fcntl)(void *opaque, int fd, int command, long argument);
	int (*fsync)(void *opaque, int fd);
	int (*ioctl)(void *opaque, int fd, unsigned long request, void *argument);
	ssize_t (*readlinkat)(void *opaque, int dir, const char *path, char *buf,
			      size_t n);
	int (*mkdirat)(void *opaque, int dir, const char *path, mode_t mode);
	ssize_t (*getdents)(void *opaque, int fd, void *buf, size_t n);

	/* Memory. mmap returns NULL and sets *out_error to -errno on failure. */
	void *(*mmap)(void *opaque, size_t n, int protection, int flags, int fd,
		      off_t offset, int *out_error);
	int (*munmap)(void *opaque, void *ptr, size_t n);
	int (*madvise)(void *opaque, void *ptr, size_t n, int advice);

	/* Events and timers. All descriptors are CLOEXEC. */
	int (*eventfd)(void *opaque, unsigned int count, int flags);
	int (*epoll_create)(void *opaque);
	int (*epoll_ctl)(void *opaque, int epoll_fd, int op, int fd,
			 struct epoll_event *event);
	int (*epoll_wait)(void *opaque, int epoll_fd, struct epoll_event *events, int n,
			  int timeout_ms);
	int (*timerfd_create)(void *opaque, int clock_id);
	int (*timerfd_settime)(void *opaque, int fd, int flags,
			       const struct itimerspec *value);
	int (*clock_gettime)(void *opaque, int clock_id, struct timespec *out);

	/* Sockets. */
	ssize_t (*recvmsg)(void *opaque, int fd, struct msghdr *message, int flags);
	ssize_t (*sendmsg)(void *opaque, int fd, const struct msghdr *message,
			   int flags);
	/* A netlink socket that hears @groups, a mask; 0: only what answers it. */
	int (*netlink)(void *opaque, int protocol, uint32_t groups);

	/*
	 * io_uring; -ENOSYS also in a build without liburing. Submit returns how
	 * many entries the kernel took. A ring is destroyed with its descriptor.
	 */
	int (*uring_create)(void *opaque, struct io_uring *ring, unsigned int n);
	int (*uring_submit)(void *opaque, struct io_uring *ring);
	void (*uring_destroy)(void *opaque, struct io_uring *ring);
};

/* The real one. */
extern const struct vio_sys vio_sys_linux;

#endif /* VIO_SYS_SYS_H */
