/* SPDX-License-Identifier: MIT */
/*
 * What leases need to know of the world: which there are, and who this process is.
 * A process is its number and the time it started, since numbers are used again,
 * and a boot is its id, since both are.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/sys.h"
#include "vf/lease.h"

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define STAT_PATH    "/proc/self/stat"
/* proc_pid_stat(5): field 22; after the name in brackets comes field 3. */
#define START_TIME_FIELD 22
#define FIRST_AFTER_NAME 3
/* A folder that somebody else fills must not keep the walk going. */
#define FILES_MAX 65536u

/* A small file of the kernel's, as a string. */
static int read_proc(struct vio_host *host, const char *path, char *buf, size_t n)
{
	const struct vio_sys *sys = host->env->sys;
	const int fd =
		sys->openat(sys->opaque, AT_FDCWD, path, O_RDONLY | O_CLOEXEC, 0);
	ssize_t length;

	if (fd < 0)
		return fd;
	length = sys->read(sys->opaque, fd, buf, n - 1);
	sys->close(sys->opaque, fd);
	if (length < 0)
		return (int)length;
	buf[length] = '\0';
	return 0;
}

static int parse_stat(const char *text, struct vio_journal_record *record)
{
	const char *at = strrchr(text, ')'); /* the name may hold anything */
	int field = FIRST_AFTER_NAME - 1;

	for (; at && field < START_TIME_FIELD; field++) {
		at = strchr(at, ' ');
		at = at ? at + 1 : NULL;
	}
	if (!at)
		return -EBADMSG;
	record->pid = (int32_t)strtol(text, NULL, 10);
	record->start_time = strtoull(at, NULL, 10);
	return 0;
}

/* A command may be called anything; in a journal it is one line. */
static void copy_owner(const struct vio_host *host, struct vio_journal_record *record)
{
	size_t i;

	memset(record->owner, 0, sizeof(record->owner));
	for (i = 0; i < sizeof(record->owner) - 1 && host->owner[i]; i++) {
		const unsigned char c = (unsigned char)host->owner[i];

		record->owner[i] = c < ' ' || c == 0x7f ? '?' : host->owner[i];
	}
}

int vio_lease_read_self(struct vio_host *host, struct vio_journal_record *record)
{
	char text[1024];
	int ret;

	ret = read_proc(host, STAT_PATH, text, sizeof(text));
	if (!ret)
		ret = parse_stat(text, record);
	if (!ret)
		ret = read_proc(host, BOOT_ID_PATH, text, sizeof(text));
	if (ret)
		return ret;
	text[strcspn(text, "\n")] = '\0';
	if (strlen(text) >= sizeof(record->boot_id))
		return -EBADMSG;
	memset(record->boot_id, 0, sizeof(record->boot_id));
	memcpy(record->boot_id, text, strlen(text));
	copy_owner(host, record);
	return 0;
}

struct walk {
	int (*fn)(void *opaque, const struct vio_pci_addr *addr);
	void *opaque;
	uint32_t n;
};

/* What is not named as we name files is not ours. */
static int visit(struct walk *walk, const char *name)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_pci_addr addr;

	if (vio_pci_addr_parse(name, &addr) || vio_pci_addr_print(&addr, text) < 0 ||
	    strcmp(text, name))
		return 0;
	if (++walk->n > FILES_MAX)
		return -E2BIG;
	return walk->fn(walk->opaque, &addr);
}

static int visit_all(struct walk *walk, const char *entries, size_t n)
{
	struct dirent64 entry;
	int ret = 0;

	for (size_t at = 0; !ret && at < n; at += entry.d_reclen) {
		memcpy(&entry, entries + at, offsetof(struct dirent64, d_name));
		ret = visit(walk, entries + at + offsetof(struct dirent64, d_name));
	}
	return ret;
}

int vio_lease_foreach(struct vio_host *host,
		      int (*fn)(void *opaque, const struct vio_pci_addr *addr),
		      void *opaque)
{
	const struct vio_sys *sys = host->env->sys;
	struct walk walk = { .fn = fn, .opaque = opaque };
	char path[PATH_MAX], entries[4096];
	ssize_t n = 1;
	int fd, ret = 0;

	if (snprintf(path, sizeof(path), "%s/vf", host->run_dir) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	fd = sys->openat(sys->opaque, AT_FDCWD, path,
			 O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	while (!ret && n > 0) {
		n = sys->getdents(sys->opaque, fd, entries, sizeof(entries));
		ret = n < 0 ? (int)n : visit_all(&walk, entries, (size_t)n);
	}
	sys->close(sys->opaque, fd);
	return ret;
}
