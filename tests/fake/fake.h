/* SPDX-License-Identifier: MIT */
/*
 * A kernel of which three things are made up: a tree of files in the manner of
 * sysfs, the time, and timers. All else is the real kernel's, descriptors and
 * epoll included, so that only what a test must control is not what it seems.
 * A struct vio_fault can stand on top of it.
 */
#ifndef TESTS_FAKE_FAKE_H
#define TESTS_FAKE_FAKE_H

#include <stddef.h>
#include <stdint.h>

#include "sys/sys.h"

struct vio_fake;

/*
 * What reading and writing a file does. Either may be NULL: then it cannot be
 * opened that way (-EACCES). Called without a lock, on the calling thread; may
 * block, and may change the tree.
 */
struct vio_fake_attr {
	/* Fills @buf and returns how much of its @n bytes, or -errno. */
	int (*show)(void *opaque, char *buf, size_t n);
	/* Takes all of it and returns 0, or -errno. */
	int (*store)(void *opaque, const char *buf, size_t n);
	void *opaque;
};

/*
 * The file of a device. Called with the descriptor, on the calling thread. A file
 * without access cannot be read, one without map cannot be mapped.
 */
struct vio_fake_device {
	/* 0 or -errno; not told of O_PATH. Must not call the fake kernel. */
	int (*open)(void *opaque, int fd);
	/* Its own tree is there, and its lock is free. */
	void (*close)(void *opaque, int fd);
	int (*ioctl)(void *opaque, int fd, unsigned long request, void *argument);
	ssize_t (*access)(void *opaque, void *buf, size_t n, off_t offset,
			  int is_write);
	/* A real descriptor to be mapped from *@offset, or -errno. */
	int (*map)(void *opaque, off_t *offset);
	void *opaque;
};

struct vio_fake *vio_fake_create(void);

/* Fails the test if a file of the tree is still open. */
void vio_fake_destroy(struct vio_fake *fake);

const struct vio_sys *vio_fake_get_sys(struct vio_fake *fake);

/*
 * The tree. Paths are absolute; directories on the way are created. A path is
 * made up if its first component is in the tree, and real otherwise.
 */
void vio_fake_add_dir(struct vio_fake *fake, const char *path);
void vio_fake_add_text(struct vio_fake *fake, const char *path, const char *text);
void vio_fake_add_attr(struct vio_fake *fake, const char *path,
		       const struct vio_fake_attr *attr);
void vio_fake_add_link(struct vio_fake *fake, const char *path, const char *target);

/* @device stays the caller's, and valid. */
void vio_fake_add_device(struct vio_fake *fake, const char *path,
			 const struct vio_fake_device *device);

/* With all below it. Who has it open gets -ENODEV from now on. */
void vio_fake_remove(struct vio_fake *fake, const char *path);

/* The time of every clock, 0 at first. It never moves by itself, nor back. */
void vio_fake_set_time(struct vio_fake *fake, uint64_t now_ns);

#endif /* TESTS_FAKE_FAKE_H */
