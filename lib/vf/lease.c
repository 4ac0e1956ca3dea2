/* SPDX-License-Identifier: MIT */
/*
 * Leases as files. Locks are taken without waiting, so that no order of claimants
 * can lock each other up. Who only looks takes no lock either: it would make the
 * VF busy for others, and a lock that is tested tells as much.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/params.h"
#include "sys/sys.h"
#include "vf/lease.h"

/* A reader without the lock may see a record half written; the next look is right. */
#define LOOKS_MAX 4

/* Not an address: who walks the leases passes it by. */
#define PF_PREFIX "pf-"

static int find_path(const struct vio_host *host, const char *name, char *buf)
{
	const int n = snprintf(buf, PATH_MAX, "%s/vf%s%s", host->run_dir,
			       *name ? "/" : "", name);

	return n >= 0 && n < PATH_MAX ? 0 : -ENAMETOOLONG;
}

/* @prefix is empty or PF_PREFIX. */
static int open_file(struct vio_host *host, const char *prefix,
		     const struct vio_pci_addr *addr, int flags)
{
	const struct vio_sys *sys = host->env->sys;
	char name[sizeof(PF_PREFIX) + VIO_PCI_ADDR_TEXT_BYTES];
	const size_t n = strlen(prefix);
	char path[PATH_MAX];
	int ret;

	memcpy(name, prefix, n);
	ret = vio_pci_addr_print(addr, name + n);
	if (ret >= 0)
		ret = find_path(host, name, path);
	if (ret < 0)
		return ret;
	/* NOFOLLOW, NONBLOCK: a link or a pipe in its place is not a lease. */
	flags |= O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
	return sys->openat(sys->opaque, AT_FDCWD, path, flags, 0600);
}

int vio_lease_open_path(struct vio_host *host, const struct vio_pci_addr *addr)
{
	return open_file(host, "", addr, O_RDONLY);
}

/* 0; -EBUSY: another open file has it. */
static int take_lock(const struct vio_sys *sys, int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const int ret = sys->fcntl(sys->opaque, fd, F_OFD_SETLK, (long)(intptr_t)&lock);

	return ret == -EAGAIN || ret == -EACCES ? -EBUSY : ret;
}

static int is_locked(const struct vio_sys *sys, int fd)
{
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET };
	const int ret = sys->fcntl(sys->opaque, fd, F_OFD_GETLK, (long)(intptr_t)&lock);

	return ret ? ret : lock.l_type != F_UNLCK;
}

static int
read_record(const struct vio_sys *sys, int fd, struct vio_journal_record *record)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES + 1]; /* one more tells a longer one */
	struct stat status;
	ssize_t n;
	int ret;

	ret = sys->fstat(sys->opaque, fd, &status);
	if (ret)
		return ret;
	if (!S_ISREG(status.st_mode))
		return -EBADMSG;
	n = sys->pread(sys->opaque, fd, file, sizeof(file), 0);
	if (n < 0)
		return (int)n;
	ret = vio_journal_parse(file, (size_t)n, record);
	if (ret != -ENOENT)
		return ret;
	*record = (struct vio_journal_record){ .state = 0 };
	return 0;
}

/* Nothing to undo: free, or never a lease. */
static int is_free(const struct vio_journal_record *record)
{
	return !record->state || record->state == VIO_JOURNAL_FREE;
}

void vio_lease_mark_saved(struct vio_lease_file *lease)
{
	lease->saved_generation = lease->record.generation;
	lease->saved_free = is_free(&lease->record);
}

int vio_lease_open_fd(struct vio_host *host, int fd, struct vio_lease_file **out)
{
	struct vio_lease_file *lease = VIO_NEW(host->env, struct vio_lease_file);
	int ret;

	if (!lease)
		return -ENOMEM;
	ret = take_lock(host->env->sys, fd);
	if (!ret)
		ret = read_record(host->env->sys, fd, &lease->record);
	if (ret) {
		VIO_DELETE(host->env, lease);
		return ret;
	}
	lease->host = host;
	lease->fd = fd;
	vio_lease_mark_saved(lease);
	*out = lease;
	return 0;
}

static int is_same(const struct vio_pci_addr *a, const struct vio_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->device == b->device &&
	       a->function == b->function;
}

static int open_lease(struct vio_host *host, const char *prefix,
		      const struct vio_pci_addr *addr, struct vio_lease_file **out)
{
	const struct vio_sys *sys = host->env->sys;
	const int fd = open_file(host, prefix, addr, O_RDWR | O_CREAT);
	struct vio_lease_file *lease;
	int ret;

	if (fd < 0)
		return fd == -ELOOP ? -EBADMSG : fd;
	ret = vio_lease_open_fd(host, fd, &lease);
	if (ret) {
		sys->close(sys->opaque, fd);
		return ret;
	}
	/* Another function's journal, under this one's name. */
	if (lease->record.state && !is_same(&lease->record.addr, addr)) {
		vio_lease_close(lease);
		return -EBADMSG;
	}
	*out = lease;
	return 0;
}

int vio_lease_open(struct vio_host *host, const struct vio_pci_addr *addr,
		   struct vio_lease_file **out)
{
	return open_lease(host, "", addr, out);
}

int vio_lease_open_pf(struct vio_host *host, const struct vio_pci_addr *pf,
		      struct vio_lease_file **out)
{
	return open_lease(host, PF_PREFIX, pf, out);
}

void vio_lease_close(struct vio_lease_file *lease)
{
	const struct vio_env *env;

	if (!lease)
		return;
	env = lease->host->env;
	env->sys->close(env->sys->opaque, lease->fd);
	VIO_DELETE(env, lease);
}

int vio_lease_verify(const struct vio_lease_file *lease)
{
	const struct vio_sys *sys = lease->host->env->sys;
	struct vio_journal_record now;
	struct stat status;
	int ret;

	ret = sys->fstat(sys->opaque, lease->fd, &status);
	if (ret)
		return ret;
	if (!status.st_nlink)
		return -ESTALE;
	ret = read_record(sys, lease->fd, &now);
	if (ret)
		return ret == -EBADMSG ? -ESTALE : ret;
	if (now.generation != lease->saved_generation ||
	    is_free(&now) != lease->saved_free)
		return -ESTALE;
	return 0;
}

static int look(const struct vio_sys *sys, int fd, const struct vio_pci_addr *addr,
		enum vio_lease_standing *out, struct vio_journal_record *record)
{
	int ret, held = 0;

	for (int i = 0; i < LOOKS_MAX; i++) {
		ret = read_record(sys, fd, record);
		held = is_locked(sys, fd);
		if (ret != -EBADMSG || held < 0)
			break;
	}
	if (held < 0 || (ret && ret != -EBADMSG))
		return held < 0 ? held : ret;
	if (!ret && record->state && !is_same(&record->addr, addr))
		ret = -EBADMSG;
	if (ret)
		record->state = 0;
	if (held)
		*out = VIO_LEASE_HELD;
	else if (ret)
		*out = VIO_LEASE_UNKNOWN;
	else if (is_free(record))
		*out = VIO_LEASE_FREE;
	else
		*out = VIO_LEASE_DEAD;
	return 0;
}

static int read_lease(struct vio_host *host, const char *prefix,
		      const struct vio_pci_addr *addr, enum vio_lease_standing *out,
		      struct vio_journal_record *record)
{
	const struct vio_sys *sys = host->env->sys;
	const int fd = open_file(host, prefix, addr, O_RDONLY);
	int ret;

	record->state = 0;
	*out = VIO_LEASE_UNKNOWN;
	if (fd == -ELOOP)
		return 0;
	if (fd == -ENOENT)
		*out = VIO_LEASE_FREE;
	if (fd < 0)
		return fd == -ENOENT ? 0 : fd;
	ret = look(sys, fd, addr, out, record);
	sys->close(sys->opaque, fd);
	return ret;
}

int vio_lease_read(struct vio_host *host, const struct vio_pci_addr *addr,
		   enum vio_lease_standing *out, struct vio_journal_record *record)
{
	return read_lease(host, "", addr, out, record);
}

int vio_lease_read_pf(struct vio_host *host, const struct vio_pci_addr *pf,
		      enum vio_lease_standing *out, struct vio_journal_record *record)
{
	return read_lease(host, PF_PREFIX, pf, out, record);
}

static int prepare_dir(const struct vio_host *host, const char *path)
{
	const struct vio_sys *sys = host->env->sys;
	const int ret = sys->mkdirat(sys->opaque, AT_FDCWD, path, 0700);

	return ret == -EEXIST ? 0 : ret;
}

int vio_lease_prepare(struct vio_host *host)
{
	char path[PATH_MAX];
	int ret;

	ret = find_path(host, "", path);
	if (!ret)
		ret = prepare_dir(host, host->run_dir);
	return ret ? ret : prepare_dir(host, path);
}

void vio_lease_print(const struct vio_journal_record *record, struct vio_vf_info *out)
{
	*out = (struct vio_vf_info)VIO_VF_INFO_INIT;
	out->state = VIO_VF_BUSY;
	if (record->state == VIO_JOURNAL_HELD)
		out->state = VIO_VF_HELD;
	if (record->state == VIO_JOURNAL_PAUSED)
		out->state = VIO_VF_PAUSED;
	out->addr = record->addr;
	out->pf = record->pf;
	out->generation = record->generation;
	out->vf_index = record->vf_index;
	out->pid = record->pid;
	out->load_mbps = record->load_mbps;
	memcpy(out->owner, record->owner, sizeof(out->owner));
	memcpy(out->tag, record->tag, sizeof(out->tag));
}
