/* SPDX-License-Identifier: MIT */
/*
 * A file's kind is known from its path when it is opened. What has none is the
 * library's own: its journal, and all that the dispatching thread does. A device's
 * file of VFIO's comes from an ioctl, so that a call on a file of no kind is VFIO's.
 */
#include <pthread.h>
#include <string.h>

#include "guest.h"
#include "kernel_times.h"
#include "owner.h"

#define FDS_MAX 1024

enum kind { KIND_NONE, KIND_NUMVFS, KIND_DRIVER, KIND_RESET, KIND_SETTING, KINDS };

static const struct {
	const char *text; /* in the path */
	enum kind kind;
} paths[] = {
	{ "sriov_numvfs", KIND_NUMVFS }, { "sriov_drivers_autoprobe", KIND_DRIVER },
	{ "driver", KIND_DRIVER },       { "reset", KIND_RESET },
	{ "dev/nvme", KIND_SETTING },
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint8_t kinds[FDS_MAX];
static uint64_t sums[KINDS];
static uint64_t all_ns, since_ns;
static uint32_t n_under_way; /* but settings */

static enum kind get_kind(int fd)
{
	return fd >= 0 && fd < FDS_MAX ? kinds[fd] : KIND_NONE;
}

static void set_kind(int fd, enum kind kind)
{
	if (fd >= 0 && fd < FDS_MAX)
		kinds[fd] = (uint8_t)kind;
}

static uint64_t begin(enum kind kind)
{
	const uint64_t now = now_ns();

	if (kind == KIND_NONE || kind == KIND_SETTING)
		return now;
	pthread_mutex_lock(&lock);
	if (!n_under_way++)
		since_ns = now;
	pthread_mutex_unlock(&lock);
	return now;
}

static void end(enum kind kind, uint64_t begun_ns)
{
	const uint64_t now = now_ns();

	if (kind == KIND_NONE)
		return;
	pthread_mutex_lock(&lock);
	sums[kind] += now - begun_ns;
	if (kind != KIND_SETTING && !--n_under_way)
		all_ns += now - since_ns;
	pthread_mutex_unlock(&lock);
}

static enum kind find_kind(int fd)
{
	return owner_is_worker() ? get_kind(fd) : KIND_NONE;
}

static enum kind find_vfio_kind(int fd)
{
	const enum kind kind = get_kind(fd);

	return !owner_is_worker() ? KIND_NONE : kind ? kind : KIND_RESET;
}

static int open_file(void *opaque, int dir, const char *path, int flags, mode_t mode)
{
	const int fd = vio_sys_linux.openat(opaque, dir, path, flags, mode);
	size_t i;

	for (i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		if (strstr(path, paths[i].text))
			break;
	set_kind(fd, i < sizeof(paths) / sizeof(*paths) ? paths[i].kind : KIND_NONE);
	return fd;
}

static int open_netlink(void *opaque, int protocol, uint32_t groups)
{
	const int fd = vio_sys_linux.netlink(opaque, protocol, groups);

	set_kind(fd, KIND_SETTING);
	return fd;
}

static int close_file(void *opaque, int fd)
{
	const enum kind kind = find_vfio_kind(fd);
	const uint64_t begun_ns = begin(kind);
	int ret;

	set_kind(fd, KIND_NONE);
	ret = vio_sys_linux.close(opaque, fd);
	end(kind, begun_ns);
	return ret;
}

static int control(void *opaque, int fd, unsigned long request, void *argument)
{
	const enum kind kind = find_vfio_kind(fd);
	const uint64_t begun_ns = begin(kind);
	const int ret = vio_sys_linux.ioctl(opaque, fd, request, argument);

	end(kind, begun_ns);
	return ret;
}

static ssize_t read_file(void *opaque, int fd, void *buf, size_t n)
{
	const enum kind kind = find_kind(fd);
	const uint64_t begun_ns = begin(kind);
	const ssize_t ret = vio_sys_linux.read(opaque, fd, buf, n);

	end(kind, begun_ns);
	return ret;
}

static ssize_t read_file_at(void *opaque, int fd, void *buf, size_t n, off_t offset)
{
	const enum kind kind = find_kind(fd);
	const uint64_t begun_ns = begin(kind);
	const ssize_t ret = vio_sys_linux.pread(opaque, fd, buf, n, offset);

	end(kind, begun_ns);
	return ret;
}

static ssize_t write_file(void *opaque, int fd, const void *buf, size_t n)
{
	const enum kind kind = find_kind(fd);
	const uint64_t begun_ns = begin(kind);
	const ssize_t ret = vio_sys_linux.write(opaque, fd, buf, n);

	end(kind, begun_ns);
	return ret;
}

static ssize_t
write_file_at(void *opaque, int fd, const void *buf, size_t n, off_t offset)
{
	const enum kind kind = find_kind(fd);
	const uint64_t begun_ns = begin(kind);
	const ssize_t ret = vio_sys_linux.pwrite(opaque, fd, buf, n, offset);

	end(kind, begun_ns);
	return ret;
}

const struct vio_sys *kernel_times_open(void)
{
	static struct vio_sys sys;

	sys = vio_sys_linux;
	sys.openat = open_file;
	sys.close = close_file;
	sys.ioctl = control;
	sys.read = read_file;
	sys.pread = read_file_at;
	sys.write = write_file;
	sys.pwrite = write_file_at;
	sys.netlink = open_netlink;
	return &sys;
}

void kernel_times_restart(void)
{
	pthread_mutex_lock(&lock);
	memset(sums, 0, sizeof(sums));
	all_ns = 0;
	pthread_mutex_unlock(&lock);
}

struct kernel_times kernel_times_get(void)
{
	struct kernel_times times;

	pthread_mutex_lock(&lock);
	times = (struct kernel_times){
		.all_ns = all_ns,
		.numvfs_ns = sums[KIND_NUMVFS],
		.driver_ns = sums[KIND_DRIVER],
		.reset_ns = sums[KIND_RESET],
		.setting_ns = sums[KIND_SETTING],
	};
	pthread_mutex_unlock(&lock);
	return times;
}
