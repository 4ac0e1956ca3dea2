/* SPDX-License-Identifier: MIT */
/*
 * Attributes of sysfs, read and written through the table of system calls below
 * the host's root. Names from outside never become part of a path unchecked, and
 * no attribute is longer than its bound.
 */
#ifndef VIO_VF_SYSFS_H
#define VIO_VF_SYSFS_H

#include <stddef.h>
#include <stdint.h>

#include <vio/pci.h>

struct vio_host;

/* "bus/pci/devices/0000:3b:00.1/driver_override" and the like, NUL included. */
#define VIO_SYSFS_PATH_BYTES 256u

/* The path of @attr of a function below the root; @attr NULL: its folder. */
int vio_sysfs_path(const struct vio_pci_addr *addr, const char *attr, char *buf);

/*
 * The attribute at @path, relative to the root, without its last newline and with
 * a NUL. Returns its length; -EBADMSG: longer than @n - 1, or it holds a NUL.
 */
int vio_sysfs_read(struct vio_host *host, const char *path, char *buf, size_t n);

/* A number, decimal or 0x, and nothing else; -EBADMSG: something else. */
int vio_sysfs_parse_u64(const char *text, uint64_t *out);

/* The number at @path; likewise. */
int vio_sysfs_read_u64(struct vio_host *host, const char *path, uint64_t *out);

/* What a link points to, as it says; -EBADMSG: no link, or longer than @n - 1. */
int vio_sysfs_read_target(struct vio_host *host, const char *path, char *buf, size_t n);

/* The last part of what a link points to; -ENOENT: there is none. */
int vio_sysfs_read_link(struct vio_host *host, const char *path, char *buf, size_t n);

/* Every name in a folder but . and ..; non-zero from @fn ends the walk. */
int vio_sysfs_foreach(struct vio_host *host, const char *path,
		      int (*fn)(void *opaque, const char *name), void *opaque);

/* A descriptor of the attribute, CLOEXEC, or -errno. */
int vio_sysfs_open(struct vio_host *host, const char *path, int flags);

/* Fit to be written into sysfs as a driver's name: [A-Za-z0-9_-], 1 to 31 bytes. */
int vio_sysfs_is_name(const char *name);

#endif /* VIO_VF_SYSFS_H */
