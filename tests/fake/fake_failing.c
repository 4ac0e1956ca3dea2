/* SPDX-License-Identifier: MIT */
/*
 * The Nth request fails, without being passed on. Left out are calls that cannot
 * fail for a caller without bugs: closing, unmapping, the clock, epoll's wait
 * and removal, and an eventfd's counter. To fail them would test nothing that a
 * kernel does, and a close that was not made would count as a leak.
 */
#include <fcntl.h>
#include <stdlib.h>

#if VIO_HAVE_LIBURING
#include <liburing.h>
#endif

#include "ctx.h"
#include "fake/fault.h"
#include "fake/support.h"
#include "heap/heap.h"

#define ATTEMPTS_MAX 10000u /* a scenario that never succeeds ends */

/* Relaxed: read when the scenario's threads are joined. */
static uint64_t count(uint64_t *counter, uint64_t n)
{
	return __atomic_add_fetch(counter, n, __ATOMIC_RELAXED);
}

static void *fault_alloc(void *opaque, size_t n, size_t align)
{
	struct vio_fault *fault = opaque;
	void *ptr;

	if (count(&fault->n_allocs, 1) == fault->fail_alloc_at) {
		count(&fault->n_injected, 1);
		return NULL;
	}
	ptr = vio_heap_malloc(NULL, n, align);
	assert_non_null(ptr);
	memset(ptr, 0xa5, n);
	count(&fault->n_live, 1);
	count(&fault->live_bytes, n);
	return ptr;
}

static void fault_free(void *opaque, void *ptr, size_t n, size_t align)
{
	struct vio_fault *fault = opaque;

	memset(ptr, 0x5a, n);
	vio_heap_free(NULL, ptr, n, align);
	count(&fault->n_live, (uint64_t)-1);
	count(&fault->live_bytes, (uint64_t)0 - n);
}

static void tell(struct vio_fault *fault, const char *entry, unsigned long request)
{
	if (fault->told)
		fault->told(fault->told_opaque, entry, request);
}

/* 0, or the error to answer with. */
static int inject(struct vio_fault *fault, const char *entry, unsigned long request)
{
	tell(fault, entry, request);
	if (count(&fault->n_calls, 1) != fault->fail_call_at)
		return 0;
	count(&fault->n_injected, 1);
	return -fault->fail_errno;
}

static int record_fd(struct vio_fault *fault, int fd)
{
	if (fd < 0)
		return fd;
	assert_true(fd < VIO_FAULT_FDS_MAX);
	__atomic_store_n(&fault->is_open[fd], 1, __ATOMIC_RELAXED);
	return fd;
}

static int is_event(const struct vio_fault *fault, int fd)
{
	return fd >= 0 && fd < VIO_FAULT_FDS_MAX &&
	       __atomic_load_n(&fault->is_event[fd], __ATOMIC_RELAXED);
}

static void forget_fd(struct vio_fault *fault, int fd)
{
	if (fd < 0 || fd >= VIO_FAULT_FDS_MAX)
		return;
	__atomic_store_n(&fault->is_open[fd], 0, __ATOMIC_RELAXED);
	__atomic_store_n(&fault->is_event[fd], 0, __ATOMIC_RELAXED);
}

static int fault_openat(void *opaque, int dir, const char *path, int flags, mode_t mode)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "openat", 0);

	if (ret)
		return ret;
	return record_fd(f, f->base->openat(f->base->opaque, dir, path, flags, mode));
}

/* Forgotten first: another thread may get the number as soon as it is free. */
static int fault_close(void *opaque, int fd)
{
	struct vio_fault *f = opaque;

	tell(f, "close", 0);
	forget_fd(f, fd);
	return f->base->close(f->base->opaque, fd);
}

static ssize_t fault_read(void *opaque, int fd, void *buf, size_t n)
{
	struct vio_fault *f = opaque;
	int ret = 0;

	if (is_event(f, fd))
		tell(f, "read", 0);
	else
		ret = inject(f, "read", 0);
	return ret ? ret : f->base->read(f->base->opaque, fd, buf, n);
}

static ssize_t fault_read_nowait(void *opaque, int fd, void *buf, size_t n)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "read_nowait", 0);

	return ret ? ret : f->base->read_nowait(f->base->opaque, fd, buf, n);
}

static ssize_t fault_write(void *opaque, int fd, const void *buf, size_t n)
{
	struct vio_fault *f = opaque;
	int ret = 0;

	if (is_event(f, fd))
		tell(f, "write", 0);
	else
		ret = inject(f, "write", 0);
	return ret ? ret : f->base->write(f->base->opaque, fd, buf, n);
}

static ssize_t fault_pread(void *opaque, int fd, void *buf, size_t n, off_t offset)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "pread", 0);

	return ret ? ret : f->base->pread(f->base->opaque, fd, buf, n, offset);
}

static ssize_t
fault_pwrite(void *opaque, int fd, const void *buf, size_t n, off_t offset)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "pwrite", 0);

	return ret ? ret : f->base->pwrite(f->base->opaque, fd, buf, n, offset);
}

static int fault_fstat(void *opaque, int fd, struct stat *out)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "fstat", 0);

	return ret ? ret : f->base->fstat(f->base->opaque, fd, out);
}

static int fault_fcntl(void *opaque, int fd, int command, long argument)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "fcntl", (unsigned long)command);

	if (ret)
		return ret;
	ret = f->base->fcntl(f->base->opaque, fd, command, argument);
	return command == F_DUPFD_CLOEXEC ? record_fd(f, ret) : ret;
}

static int fault_fsync(void *opaque, int fd)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "fsync", 0);

	return ret ? ret : f->base->fsync(f->base->opaque, fd);
}

static int fault_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "ioctl", request);

	return ret ? ret : f->base->ioctl(f->base->opaque, fd, request, argument);
}

static ssize_t
fault_readlinkat(void *opaque, int dir, const char *path, char *buf, size_t n)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "readlinkat", 0);

	return ret ? ret : f->base->readlinkat(f->base->opaque, dir, path, buf, n);
}

static int fault_mkdirat(void *opaque, int dir, const char *path, mode_t mode)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "mkdirat", 0);

	return ret ? ret : f->base->mkdirat(f->base->opaque, dir, path, mode);
}

static ssize_t fault_getdents(void *opaque, int fd, void *buf, size_t n)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "getdents", 0);

	return ret ? ret : f->base->getdents(f->base->opaque, fd, buf, n);
}

static void *fault_mmap(void *opaque, size_t n, int protection, int flags, int fd,
			off_t offset, int *out_error)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "mmap", 0);
	void *ptr;

	if (ret) {
		*out_error = ret;
		return NULL;
	}
	ptr = f->base->mmap(f->base->opaque, n, protection, flags, fd, offset,
			    out_error);
	if (ptr)
		count(&f->n_maps, 1);
	return ptr;
}

static int fault_munmap(void *opaque, void *ptr, size_t n)
{
	struct vio_fault *f = opaque;

	tell(f, "munmap", 0);
	count(&f->n_maps, (uint64_t)-1);
	return f->base->munmap(f->base->opaque, ptr, n);
}

static int fault_madvise(void *opaque, void *ptr, size_t n, int advice)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "madvise", 0);

	return ret ? ret : f->base->madvise(f->base->opaque, ptr, n, advice);
}

static int fault_eventfd(void *opaque, unsigned int n, int flags)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "eventfd", 0);

	if (ret)
		return ret;
	ret = record_fd(f, f->base->eventfd(f->base->opaque, n, flags));
	if (ret >= 0)
		__atomic_store_n(&f->is_event[ret], 1, __ATOMIC_RELAXED);
	return ret;
}

static int fault_epoll_create(void *opaque)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "epoll_create", 0);

	return ret ? ret : record_fd(f, f->base->epoll_create(f->base->opaque));
}

static int
fault_epoll_ctl(void *opaque, int epoll_fd, int op, int fd, struct epoll_event *event)
{
	struct vio_fault *f = opaque;
	int ret = 0;

	if (op == EPOLL_CTL_DEL)
		tell(f, "epoll_ctl", 0);
	else
		ret = inject(f, "epoll_ctl", 0);
	return ret ? ret : f->base->epoll_ctl(f->base->opaque, epoll_fd, op, fd, event);
}

static int fault_epoll_wait(void *opaque, int epoll_fd, struct epoll_event *events,
			    int n, int timeout_ms)
{
	struct vio_fault *f = opaque;

	tell(f, "epoll_wait", 0);
	return f->base->epoll_wait(f->base->opaque, epoll_fd, events, n, timeout_ms);
}

static int fault_timerfd_create(void *opaque, int clock_id)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "timerfd_create", 0);

	if (ret)
		return ret;
	return record_fd(f, f->base->timerfd_create(f->base->opaque, clock_id));
}

static int
fault_timerfd_settime(void *opaque, int fd, int flags, const struct itimerspec *value)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "timerfd_settime", 0);

	return ret ? ret : f->base->timerfd_settime(f->base->opaque, fd, flags, value);
}

static int fault_clock_gettime(void *opaque, int clock_id, struct timespec *out)
{
	struct vio_fault *f = opaque;

	tell(f, "clock_gettime", 0);
	return f->base->clock_gettime(f->base->opaque, clock_id, out);
}

static void record_passed_fds(struct vio_fault *f, struct msghdr *message)
{
	struct cmsghdr *c;

	for (c = CMSG_FIRSTHDR(message); c; c = CMSG_NXTHDR(message, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		int fds[253]; /* SCM_MAX_FD */

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		memcpy(fds, CMSG_DATA(c), n * sizeof(int));
		for (size_t i = 0; i < n; i++)
			record_fd(f, fds[i]);
	}
}

static ssize_t fault_recvmsg(void *opaque, int fd, struct msghdr *message, int flags)
{
	struct vio_fault *f = opaque;
	ssize_t ret = inject(f, "recvmsg", 0);

	if (ret)
		return ret;
	ret = f->base->recvmsg(f->base->opaque, fd, message, flags);
	if (ret >= 0)
		record_passed_fds(f, message);
	return ret;
}

static ssize_t
fault_sendmsg(void *opaque, int fd, const struct msghdr *message, int flags)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "sendmsg", 0);

	return ret ? ret : f->base->sendmsg(f->base->opaque, fd, message, flags);
}

static int fault_netlink(void *opaque, int protocol, uint32_t groups)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "netlink", 0);

	if (ret)
		return ret;
	return record_fd(f, f->base->netlink(f->base->opaque, protocol, groups));
}

#if VIO_HAVE_LIBURING
static int ring_fd(const struct io_uring *ring)
{
	return ring->ring_fd;
}
#else
static int ring_fd(const struct io_uring *ring)
{
	(void)ring;
	return -1;
}
#endif

static int fault_uring_create(void *opaque, struct io_uring *ring, unsigned int n)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "uring_create", 0);

	if (!ret)
		ret = f->base->uring_create(f->base->opaque, ring, n);
	if (!ret)
		record_fd(f, ring_fd(ring));
	return ret;
}

static int fault_uring_submit(void *opaque, struct io_uring *ring)
{
	struct vio_fault *f = opaque;
	int ret = inject(f, "uring_submit", 0);

	return ret ? ret : f->base->uring_submit(f->base->opaque, ring);
}

static void fault_uring_destroy(void *opaque, struct io_uring *ring)
{
	struct vio_fault *f = opaque;

	tell(f, "uring_destroy", 0);
	forget_fd(f, ring_fd(ring));
	f->base->uring_destroy(f->base->opaque, ring);
}

static const struct vio_sys fault_sys = {
	.openat = fault_openat,
	.close = fault_close,
	.read = fault_read,
	.read_nowait = fault_read_nowait,
	.write = fault_write,
	.pread = fault_pread,
	.pwrite = fault_pwrite,
	.fstat = fault_fstat,
	.fcntl = fault_fcntl,
	.fsync = fault_fsync,
	.ioctl = fault_ioctl,
	.readlinkat = fault_readlinkat,
	.mkdirat = fault_mkdirat,
	.getdents = fault_getdents,
	.mmap = fault_mmap,
	.munmap = fault_munmap,
	.madvise = fault_madvise,
	.eventfd = fault_eventfd,
	.epoll_create = fault_epoll_create,
	.epoll_ctl = fault_epoll_ctl,
	.epoll_wait = fault_epoll_wait,
	.timerfd_create = fault_timerfd_create,
	.timerfd_settime = fault_timerfd_settime,
	.clock_gettime = fault_clock_gettime,
	.recvmsg = fault_recvmsg,
	.sendmsg = fault_sendmsg,
	.netlink = fault_netlink,
	.uring_create = fault_uring_create,
	.uring_submit = fault_uring_submit,
	.uring_destroy = fault_uring_destroy,
};

void vio_fault_prepare(struct vio_fault *fault, const struct vio_sys *base)
{
	*fault = (struct vio_fault){ 0 };
	fault->base = base ? base : &vio_sys_linux;
	fault->sys = fault_sys;
	fault->sys.opaque = fault;
	fault->alloc = (struct vio_alloc_ops){
		.size = sizeof(fault->alloc),
		.alloc = fault_alloc,
		.free = fault_free,
		.opaque = fault,
	};
}

int vio_fault_create_ctx(struct vio_fault *fault, uint32_t flags, struct vio_ctx **out)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;

	params.flags = flags;
	params.alloc = &fault->alloc;
	return vio_ctx_create_on(&params, &fault->sys, out, NULL);
}

unsigned int vio_fault_count_fds(const struct vio_fault *fault)
{
	unsigned int n = 0;

	for (int fd = 0; fd < VIO_FAULT_FDS_MAX; fd++)
		n += fault->is_open[fd];
	return n;
}

void vio_fault_verify(const struct vio_fault *fault)
{
	assert_int_equal(fault->n_live, 0);
	assert_int_equal(fault->live_bytes, 0);
	assert_int_equal(fault->n_maps, 0);
	assert_int_equal(vio_fault_count_fds(fault), 0);
}

/* One attempt; returns whether it failed. *@out_done: nothing was injected. */
static unsigned int run_once(struct vio_fault *fault, vio_fault_scenario_fn scenario,
			     void *opaque, int code, int *out_done)
{
	int ret = scenario(fault, opaque);

	vio_fault_verify(fault);
	*out_done = !fault->n_injected;
	if (*out_done)
		assert_int_equal(ret, 0);
	else if (ret)
		assert_int_equal(ret, -code);
	return ret != 0;
}

static unsigned int
run_all(vio_fault_scenario_fn scenario, void *opaque, int is_alloc, int code)
{
	struct vio_fault *fault = malloc(sizeof(*fault));
	unsigned int n_failed = 0;
	int is_done = 0;

	assert_non_null(fault);
	for (unsigned int at = 1; !is_done; at++) {
		assert_true(at < ATTEMPTS_MAX);
		vio_fault_prepare(fault, NULL);
		fault->fail_errno = code;
		*(is_alloc ? &fault->fail_alloc_at : &fault->fail_call_at) = at;
		n_failed += run_once(fault, scenario, opaque, code, &is_done);
	}
	free(fault);
	return n_failed;
}

unsigned int vio_fault_run_allocs(vio_fault_scenario_fn scenario, void *opaque)
{
	return run_all(scenario, opaque, 1, ENOMEM);
}

unsigned int vio_fault_run_calls(vio_fault_scenario_fn scenario, void *opaque, int code)
{
	return run_all(scenario, opaque, 0, code);
}
