/* SPDX-License-Identifier: MIT */
/*
 * Files of the fake kernel. Each open one holds a real descriptor, an eventfd,
 * so that its number is nobody else's; calls on other descriptors and on other
 * paths go to the real kernel.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>

#include "fake/fake_tree.h"
#include "fake/support.h"

static struct fake_file *file_of(struct vio_fake *fake, int fd)
{
	struct fake_file *file = NULL;

	pthread_mutex_lock(&fake->lock);
	if (fd >= 0 && fd < FAKE_FDS_MAX)
		file = fake->files[fd];
	pthread_mutex_unlock(&fake->lock);
	return file;
}

static int check_open(const struct fake_node *node, int flags)
{
	const bool writes = (flags & O_ACCMODE) != O_RDONLY;
	const bool reads = (flags & O_ACCMODE) != O_WRONLY;

	if (flags & O_CREAT && flags & O_EXCL)
		return -EEXIST;
	if (node->kind == FAKE_LINK)
		return flags & O_PATH ? 0 : -ELOOP;
	if (node->kind == FAKE_DIR)
		return writes ? -EISDIR : 0;
	if (flags & O_DIRECTORY)
		return -ENOTDIR;
	if (node->device)
		return 0;
	if ((writes && !node->attr.store) || (reads && !node->attr.show))
		return flags & O_PATH ? 0 : -EACCES;
	return 0;
}

static int open_device(const struct fake_node *node, int fd, int flags)
{
	const struct vio_fake_device *device = node->device;

	if (!device || !device->open || flags & O_PATH)
		return 0;
	return device->open(device->opaque, fd);
}

static int open_node(struct vio_fake *fake, struct fake_node *node, int flags)
{
	struct fake_file *file;
	int fd = vio_sys_linux.eventfd(NULL, 0, EFD_NONBLOCK);
	int ret;

	if (fd < 0)
		return fd;
	assert_true(fd < FAKE_FDS_MAX);
	ret = open_device(node, fd, flags);
	if (ret) {
		vio_sys_linux.close(NULL, fd);
		return ret;
	}
	file = calloc(1, sizeof(*file));
	assert_non_null(file);
	file->node = node;
	file->flags = flags;
	fake->files[fd] = file;
	return fd;
}

/* Where a path begins: the node, or NULL if the path is the real kernel's. */
static struct fake_node *start_of(struct vio_fake *fake, int dir, const char *path)
{
	if (*path == '/')
		return fake_tree_owns(fake, path) ? &fake->root : NULL;
	if (dir < 0 || dir >= FAKE_FDS_MAX || !fake->files[dir])
		return NULL;
	return fake->files[dir]->node;
}

static int fake_openat(void *opaque, int dir, const char *path, int flags, mode_t mode)
{
	struct vio_fake *fake = opaque;
	struct fake_node *start, *node;
	int ret;

	pthread_mutex_lock(&fake->lock);
	start = start_of(fake, dir, path);
	if (!start) {
		pthread_mutex_unlock(&fake->lock);
		return vio_sys_linux.openat(NULL, dir, path, flags, mode);
	}
	ret = fake_tree_find(fake, start, path, !(flags & O_NOFOLLOW), &node);
	/* sysfs lets nobody create files. */
	if (ret == -ENOENT && flags & O_CREAT)
		ret = -EACCES;
	if (!ret)
		ret = check_open(node, flags);
	if (!ret)
		ret = open_node(fake, node, flags);
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

/* The device of an open file, or NULL. */
static const struct vio_fake_device *device_of(struct vio_fake *fake, int fd)
{
	struct fake_file *file = file_of(fake, fd);

	return file && !(file->flags & O_PATH) ? file->node->device : NULL;
}

/* Forgotten first: the number may be another's as soon as it is closed. */
static int fake_close(void *opaque, int fd)
{
	struct vio_fake *fake = opaque;
	const struct vio_fake_device *device = device_of(fake, fd);

	if (device && device->close)
		device->close(device->opaque, fd);
	pthread_mutex_lock(&fake->lock);
	if (fd >= 0 && fd < FAKE_FDS_MAX) {
		free(fake->files[fd]);
		fake->files[fd] = NULL;
		fake->timers[fd] = (struct fake_timer){ 0 };
	}
	pthread_mutex_unlock(&fake->lock);
	return vio_sys_linux.close(NULL, fd);
}

/* Relaxed: see remove_node(). */
static bool is_gone(const struct fake_file *file)
{
	return __atomic_load_n(&file->node->is_gone, __ATOMIC_RELAXED);
}

/* As sysfs: what show() gives at the beginning is what is read further on. */
static ssize_t read_file(struct fake_file *file, void *buf, size_t n, size_t offset)
{
	struct fake_node *node = file->node;
	int ret;

	if (is_gone(file))
		return -ENODEV;
	if (node->kind == FAKE_DIR)
		return -EISDIR;
	if (file->flags & O_PATH || (file->flags & O_ACCMODE) == O_WRONLY)
		return -EBADF;
	if (!offset) {
		ret = node->attr.show(node->attr.opaque, file->buf, sizeof(file->buf));
		if (ret < 0)
			return ret;
		file->n = (size_t)ret;
	}
	if (offset >= file->n)
		return 0;
	if (n > file->n - offset)
		n = file->n - offset;
	memcpy(buf, file->buf + offset, n);
	return (ssize_t)n;
}

static ssize_t write_file(struct fake_file *file, const void *buf, size_t n)
{
	struct fake_node *node = file->node;
	int ret;

	if (is_gone(file))
		return -ENODEV;
	if (file->flags & O_PATH || (file->flags & O_ACCMODE) == O_RDONLY)
		return -EBADF;
	if (n > FAKE_ATTR_BYTES)
		n = FAKE_ATTR_BYTES;
	ret = node->attr.store(node->attr.opaque, buf, n);
	return ret ? ret : (ssize_t)n;
}

static ssize_t fake_read(void *opaque, int fd, void *buf, size_t n)
{
	struct fake_file *file = file_of(opaque, fd);
	ssize_t ret;

	if (!file)
		return vio_sys_linux.read(NULL, fd, buf, n);
	ret = read_file(file, buf, n, file->offset);
	if (ret > 0)
		file->offset += (size_t)ret;
	return ret;
}

static ssize_t fake_pread(void *opaque, int fd, void *buf, size_t n, off_t offset)
{
	const struct vio_fake_device *device = device_of(opaque, fd);
	struct fake_file *file = file_of(opaque, fd);

	if (!file)
		return vio_sys_linux.pread(NULL, fd, buf, n, offset);
	if (device)
		return device->access
			       ? device->access(device->opaque, buf, n, offset, 0)
			       : -EINVAL;
	return read_file(file, buf, n, (size_t)offset);
}

static ssize_t fake_write(void *opaque, int fd, const void *buf, size_t n)
{
	struct fake_file *file = file_of(opaque, fd);

	if (!file)
		return vio_sys_linux.write(NULL, fd, buf, n);
	return write_file(file, buf, n);
}

static ssize_t
fake_pwrite(void *opaque, int fd, const void *buf, size_t n, off_t offset)
{
	const struct vio_fake_device *device = device_of(opaque, fd);
	struct fake_file *file = file_of(opaque, fd);

	if (!file)
		return vio_sys_linux.pwrite(NULL, fd, buf, n, offset);
	/* The cast: it only reads when told to write. */
	if (device)
		return device->access
			       ? device->access(device->opaque, (void *)(uintptr_t)buf,
						n, offset, 1)
			       : -EINVAL;
	return write_file(file, buf, n);
}

static int fake_fstat(void *opaque, int fd, struct stat *out)
{
	static const mode_t modes[] = {
		[FAKE_DIR] = S_IFDIR | 0755,
		[FAKE_ATTR] = S_IFREG | 0644,
		[FAKE_LINK] = S_IFLNK | 0777,
	};
	struct fake_file *file = file_of(opaque, fd);

	if (!file)
		return vio_sys_linux.fstat(NULL, fd, out);
	*out = (struct stat){
		.st_ino = file->node->number,
		.st_mode = modes[file->node->kind],
		.st_nlink = 1,
		.st_size = file->node->kind == FAKE_ATTR ? FAKE_ATTR_BYTES : 0,
	};
	return 0;
}

/* Locks and the like are for real files. */
static int fake_fcntl(void *opaque, int fd, int command, long argument)
{
	struct vio_fake *fake = opaque;
	struct fake_file *file = file_of(fake, fd);
	int ret;

	if (!file || command == F_GETFD || command == F_SETFD)
		return vio_sys_linux.fcntl(NULL, fd, command, argument);
	if (command != F_DUPFD_CLOEXEC)
		return -EINVAL;
	pthread_mutex_lock(&fake->lock);
	ret = open_node(fake, file->node, file->flags);
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static int fake_fsync(void *opaque, int fd)
{
	return file_of(opaque, fd) ? -EINVAL : vio_sys_linux.fsync(NULL, fd);
}

static int fake_ioctl(void *opaque, int fd, unsigned long request, void *argument)
{
	const struct vio_fake_device *device = device_of(opaque, fd);

	if (device && device->ioctl)
		return device->ioctl(device->opaque, fd, request, argument);
	if (file_of(opaque, fd))
		return -ENOTTY;
	return vio_sys_linux.ioctl(NULL, fd, request, argument);
}

static ssize_t
fake_readlinkat(void *opaque, int dir, const char *path, char *buf, size_t n)
{
	struct vio_fake *fake = opaque;
	struct fake_node *start, *node;
	ssize_t ret;

	pthread_mutex_lock(&fake->lock);
	start = start_of(fake, dir, path);
	if (!start) {
		pthread_mutex_unlock(&fake->lock);
		return vio_sys_linux.readlinkat(NULL, dir, path, buf, n);
	}
	ret = fake_tree_find(fake, start, path, false, &node);
	if (!ret && node->kind != FAKE_LINK)
		ret = -EINVAL;
	if (!ret) {
		size_t length = strlen(node->text);

		ret = (ssize_t)(length < n ? length : n);
		memcpy(buf, node->text, (size_t)ret);
	}
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

/* 0: it does not fit. */
static size_t put_entry(char *buf, size_t n, const char *name,
			const struct fake_node *node, int64_t next)
{
	static const unsigned char types[] = {
		[FAKE_DIR] = DT_DIR,
		[FAKE_ATTR] = DT_REG,
		[FAKE_LINK] = DT_LNK,
	};
	struct dirent64 entry = { .d_ino = node->number, .d_off = next };
	size_t whole = offsetof(struct dirent64, d_name) + strlen(name) + 1;

	whole = (whole + 7) & ~(size_t)7;
	if (whole > n)
		return 0;
	entry.d_reclen = (unsigned short)whole;
	entry.d_type = types[node->kind];
	memset(buf, 0, whole);
	memcpy(buf, &entry, offsetof(struct dirent64, d_name));
	memcpy(buf + offsetof(struct dirent64, d_name), name, strlen(name));
	return whole;
}

/* The entry at @index, or NULL: ".", "..", then the children. */
static const char *
name_at(struct fake_node *dir, size_t index, struct fake_node **out_node)
{
	struct vio_list *at = dir->children.next;

	*out_node = index ? dir->parent : dir;
	if (index < 2)
		return index ? ".." : ".";
	for (; at != &dir->children && index > 2; at = at->next)
		index--;
	if (at == &dir->children)
		return NULL;
	*out_node = VIO_CONTAINER_OF(at, struct fake_node, sibling);
	return (*out_node)->name;
}

static ssize_t read_entries(struct fake_file *file, char *buf, size_t n)
{
	struct fake_node *node;
	const char *name;
	size_t used = 0;

	if (is_gone(file))
		return -ENOENT;
	if (file->node->kind != FAKE_DIR)
		return -ENOTDIR;
	while ((name = name_at(file->node, file->offset, &node))) {
		size_t length = put_entry(buf + used, n - used, name, node,
					  (int64_t)file->offset + 1);

		if (!length)
			return used ? (ssize_t)used : -EINVAL;
		used += length;
		file->offset++;
	}
	return (ssize_t)used;
}

static ssize_t fake_getdents(void *opaque, int fd, void *buf, size_t n)
{
	struct vio_fake *fake = opaque;
	struct fake_file *file = file_of(fake, fd);
	ssize_t ret;

	if (!file)
		return vio_sys_linux.getdents(NULL, fd, buf, n);
	pthread_mutex_lock(&fake->lock);
	ret = read_entries(file, buf, n);
	pthread_mutex_unlock(&fake->lock);
	return ret;
}

static void *fake_mmap(void *opaque, size_t n, int protection, int flags, int fd,
		       off_t offset, int *out_error)
{
	const struct vio_fake_device *device = device_of(opaque, fd);

	if (device && device->map) {
		fd = device->map(device->opaque, &offset);
		*out_error = fd;
		return fd < 0 ? NULL
			      : vio_sys_linux.mmap(NULL, n, protection, flags, fd,
						   offset, out_error);
	}
	if (file_of(opaque, fd)) {
		*out_error = -ENODEV;
		return NULL;
	}
	return vio_sys_linux.mmap(NULL, n, protection, flags, fd, offset, out_error);
}

void fake_files_fill(struct vio_sys *sys)
{
	sys->openat = fake_openat;
	sys->close = fake_close;
	sys->read = fake_read;
	sys->write = fake_write;
	sys->pread = fake_pread;
	sys->pwrite = fake_pwrite;
	sys->fstat = fake_fstat;
	sys->fcntl = fake_fcntl;
	sys->fsync = fake_fsync;
	sys->ioctl = fake_ioctl;
	sys->readlinkat = fake_readlinkat;
	sys->getdents = fake_getdents;
	sys->mmap = fake_mmap;
}
