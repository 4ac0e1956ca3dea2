/* SPDX-License-Identifier: MIT */
/*
 * Attributes of sysfs. The tree may be somebody's copy, or one that a test made:
 * an attribute that is too long or not text is an error, and a link is believed
 * only for the name it ends with.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/bits.h"
#include "sys/sys.h"
#include "vf/digit.h"
#include "vf/host.h"
#include "vf/sysfs.h"

#define ENTRIES_BYTES 2048u /* of a folder at a time */

/* Not out of the folder, and nothing that would end a line written or logged. */
static int is_attr(const char *attr)
{
	const char *at = attr;

	for (; *at; at += strcspn(at, "/"), at += *at == '/') {
		const size_t n = strcspn(at, "/");

		if (!n || (n == 1 && !memcmp(at, ".", 1)) ||
		    (n == 2 && !memcmp(at, "..", 2)))
			return 0;
	}
	for (at = attr; *at; at++)
		if (*at < ' ' || *at > '~')
			return 0;
	return at != attr && at[-1] != '/';
}

int vio_sysfs_path(const struct vio_pci_addr *addr, const char *attr, char *buf)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES];
	int n;

	n = vio_pci_addr_print(addr, text);
	if (n < 0)
		return n;
	if (attr && !is_attr(attr))
		return -EINVAL;
	n = snprintf(buf, VIO_SYSFS_PATH_BYTES, "bus/pci/devices/%s%s%s", text,
		     attr ? "/" : "", attr ? attr : "");
	return n < (int)VIO_SYSFS_PATH_BYTES ? 0 : -EINVAL;
}

/* @buf has room for PATH_MAX. */
static int join(const struct vio_host *host, const char *path, char *buf)
{
	const int n = snprintf(buf, PATH_MAX, "%s/%s", host->sysfs_root, path);

	return n >= 0 && n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

int vio_sysfs_open(struct vio_host *host, const char *path, int flags)
{
	const struct vio_sys *sys = host->env->sys;
	char whole[PATH_MAX];
	const int ret = join(host, path, whole);

	if (ret)
		return ret;
	return sys->openat(sys->opaque, AT_FDCWD, whole, flags | O_CLOEXEC, 0);
}

/* Until the end or until @n bytes, whichever is first. */
static ssize_t read_up_to(const struct vio_sys *sys, int fd, char *buf, size_t n)
{
	size_t done = 0;

	while (done < n) {
		const ssize_t ret = sys->read(sys->opaque, fd, buf + done, n - done);

		if (ret < 0)
			return ret;
		if (!ret)
			break;
		done += (size_t)ret;
	}
	return (ssize_t)done;
}

static ssize_t read_text(const struct vio_sys *sys, int fd, char *buf, size_t n)
{
	ssize_t length = read_up_to(sys, fd, buf, n);
	char more;

	if (length < 0)
		return length;
	/* All of the buffer: it fits only if what ends it is the last newline. */
	if ((size_t)length == n) {
		const ssize_t ret = sys->read(sys->opaque, fd, &more, 1);

		if (ret)
			return ret < 0 ? ret : -EBADMSG;
		if (!n || buf[n - 1] != '\n')
			return -EBADMSG;
	}
	if (length && buf[length - 1] == '\n')
		length--;
	/* Whoever read it as a string would believe another, shorter one. */
	if (memchr(buf, '\0', (size_t)length))
		return -EBADMSG;
	buf[length] = '\0';
	return length;
}

int vio_sysfs_read(struct vio_host *host, const char *path, char *buf, size_t n)
{
	const struct vio_sys *sys = host->env->sys;
	const int fd = vio_sysfs_open(host, path, O_RDONLY);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = read_text(sys, fd, buf, n);
	sys->close(sys->opaque, fd);
	return (int)length;
}

int vio_sysfs_parse_u64(const char *text, uint64_t *out)
{
	const int is_hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const unsigned int base = is_hex ? 16 : 10;
	uint64_t value = 0;

	text += is_hex ? 2 : 0;
	if (!*text)
		return -EBADMSG;
	for (; *text; text++) {
		const unsigned int digit = vio_digit_of(*text);

		if (digit >= base || __builtin_mul_overflow(value, base, &value) ||
		    !vio_add_u64(value, digit, &value))
			return -EBADMSG;
	}
	*out = value;
	return 0;
}

int vio_sysfs_read_u64(struct vio_host *host, const char *path, uint64_t *out)
{
	char text[32]; /* 20 digits at most */
	const int n = vio_sysfs_read(host, path, text, sizeof(text));

	return n < 0 ? n : vio_sysfs_parse_u64(text, out);
}

int vio_sysfs_read_target(struct vio_host *host, const char *path, char *buf, size_t n)
{
	const struct vio_sys *sys = host->env->sys;
	char whole[PATH_MAX];
	ssize_t length;
	int ret;

	ret = join(host, path, whole);
	if (ret)
		return ret;
	length = sys->readlinkat(sys->opaque, AT_FDCWD, whole, buf, n);
	if (length < 0)
		return length == -EINVAL ? -EBADMSG : (int)length;
	if ((size_t)length >= n)
		return -EBADMSG;
	buf[length] = '\0';
	return 0;
}

int vio_sysfs_read_link(struct vio_host *host, const char *path, char *buf, size_t n)
{
	char target[PATH_MAX];
	const char *name;
	int ret;

	ret = vio_sysfs_read_target(host, path, target, sizeof(target));
	if (ret)
		return ret;
	name = strrchr(target, '/');
	name = name ? name + 1 : target;
	if (!*name || strlen(name) >= n)
		return -EBADMSG;
	memcpy(buf, name, strlen(name) + 1);
	return 0;
}

static int is_dots(const char *name)
{
	return !strcmp(name, ".") || !strcmp(name, "..");
}

/* The names in @n bytes that getdents gave. */
static int visit(const char *entries, size_t n, int (*fn)(void *opaque, const char *),
		 void *opaque)
{
	const size_t head = offsetof(struct dirent64, d_name);
	uint16_t reclen;
	int ret = 0;

	for (size_t at = 0; !ret && at < n; at += reclen) {
		if (n - at <= head)
			return -EBADMSG;
		memcpy(&reclen, entries + at + offsetof(struct dirent64, d_reclen),
		       sizeof(reclen));
		if (reclen <= head || reclen > n - at ||
		    !memchr(entries + at + head, '\0', reclen - head))
			return -EBADMSG;
		if (!is_dots(entries + at + head))
			ret = fn(opaque, entries + at + head);
	}
	return ret;
}

int vio_sysfs_foreach(struct vio_host *host, const char *path,
		      int (*fn)(void *opaque, const char *name), void *opaque)
{
	const struct vio_sys *sys = host->env->sys;
	char entries[ENTRIES_BYTES];
	ssize_t n;
	int fd, ret = 0;

	fd = vio_sysfs_open(host, path, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		return fd;
	while (!ret) {
		n = sys->getdents(sys->opaque, fd, entries, sizeof(entries));
		if (n <= 0) {
			ret = (int)n;
			break;
		}
		ret = visit(entries, (size_t)n, fn, opaque);
	}
	sys->close(sys->opaque, fd);
	return ret;
}

int vio_sysfs_is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789_-";
	const size_t n = strnlen(name, VIO_HOST_DRIVER_BYTES);

	return n && n < VIO_HOST_DRIVER_BYTES && strspn(name, allowed) == n;
}
