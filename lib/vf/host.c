/* SPDX-License-Identifier: MIT */
/*
 * An inventory's life. It holds no descriptors but those that bring events: each
 * question is asked of sysfs anew, since the machine changes without asking us.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/params.h"
#include "sys/sys.h"
#include "vf/events.h"
#include "vf/sysfs.h"
#include "vf/vf.h"

#define COMMAND "/proc/self/comm"

static int
copy_path(const struct vio_env *env, const char *path, const char *usual, char **out)
{
	const size_t n = strlen(path ? path : usual) + 1;

	/* What is put behind it must fit as well. */
	if (n + VIO_SYSFS_PATH_BYTES > PATH_MAX)
		return -ENAMETOOLONG;
	*out = vio_alloc(env, n, 1);
	if (!*out)
		return -ENOMEM;
	memcpy(*out, path ? path : usual, n);
	return 0;
}

static void free_path(const struct vio_env *env, char *path)
{
	if (path)
		vio_free(env, path, strlen(path) + 1, 1);
}

static void free_host(struct vio_host *host)
{
	const struct vio_env *env = host->env;

	if (host->watch)
		vio_watch_close(host->watch);
	free_path(env, host->sysfs_root);
	free_path(env, host->dev_root);
	free_path(env, host->run_dir);
	VIO_DELETE(env, host);
}

/* The name of this process's command; what cannot be read needs no name. */
static void read_command(const struct vio_sys *sys, char *buf, size_t n)
{
	const int fd = sys->openat(sys->opaque, AT_FDCWD, COMMAND, O_RDONLY, 0);
	ssize_t length = 0;

	if (fd >= 0) {
		length = sys->read(sys->opaque, fd, buf, n - 1);
		sys->close(sys->opaque, fd);
	}
	buf[length > 0 ? length : 0] = '\0';
	buf[strcspn(buf, "\n")] = '\0';
	for (char *at = buf; *at; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	if (!*buf)
		snprintf(buf, n, "unknown");
}

/* It is shown to others: a newline in it would forge a line of theirs. */
static int copy_owner(struct vio_host *host, const char *owner)
{
	const size_t n = owner ? strnlen(owner, sizeof(host->owner)) : 0;

	if (!owner) {
		read_command(host->env->sys, host->owner, sizeof(host->owner));
		return 0;
	}
	if (!n || n == sizeof(host->owner))
		return -EINVAL;
	for (size_t i = 0; i < n; i++)
		if (owner[i] < ' ' || owner[i] > '~')
			return -EINVAL;
	memcpy(host->owner, owner, n + 1);
	return 0;
}

static int
fill_host(struct vio_host *host, const struct vio_host_params *p, struct vio_error *err)
{
	const struct vio_env *env = host->env;
	int ret;

	ret = copy_path(env, p->sysfs_root, "/sys", &host->sysfs_root);
	if (!ret)
		ret = copy_path(env, p->dev_root, "/dev", &host->dev_root);
	if (!ret)
		ret = copy_path(env, p->run_dir, "/run/libvio", &host->run_dir);
	if (ret)
		return vio_fail(err, ret,
				"host: no memory, or the name of a folder is too long");
	ret = copy_owner(host, p->owner);
	if (ret)
		return vio_fail(err, ret,
				"host: the owner takes 1 to %zu bytes of "
				"printable ASCII",
				sizeof(host->owner) - 1);
	host->flags = p->flags;
	host->event = p->event;
	host->opaque = p->opaque;
	return 0;
}

static int check_sysfs(struct vio_host *host, struct vio_error *err)
{
	const struct vio_sys *sys = host->env->sys;
	const int fd = vio_sysfs_open(host, "bus/pci/devices", O_RDONLY | O_DIRECTORY);

	if (fd < 0)
		return vio_fail(err, fd == -ENOTDIR ? -ENOENT : fd,
				"%s: no bus/pci/devices there", host->sysfs_root);
	sys->close(sys->opaque, fd);
	return 0;
}

static int open_parts(struct vio_host *host, const struct vio_host_params *p,
		      struct vio_error *err)
{
	int ret;

	ret = fill_host(host, p, err);
	if (!ret)
		ret = check_sysfs(host, err);
	if (ret || !p->event)
		return ret;
	ret = vio_watch_open(host, &host->watch);
	if (ret)
		return vio_fail(err, ret, "host: the kernel's events cannot be heard");
	return 0;
}

static int read_params(const struct vio_host_params *params, struct vio_host_params *p,
		       struct vio_error *err)
{
	static const struct vio_host_params defaults = VIO_HOST_PARAMS_INIT;
	const int ret =
		vio_params_copy(p, sizeof(*p), sizeof(*p), params ? params : &defaults);

	if (ret)
		return vio_fail(err, ret,
				"host: the parameters' size is wrong, or a field "
				"that this libvio does not know is set");
	if (p->flags & ~VIO_HOST_OVERRIDE)
		return vio_fail(err, -EINVAL, "host: unknown flag in 0x%x", p->flags);
	return 0;
}

int vio_host_open(struct vio_ctx *ctx, const struct vio_host_params *params,
		  struct vio_host **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_host_params p;
	struct vio_host *host;
	int ret;

	if (!ctx || !out)
		return vio_fail(err, -EINVAL, "host: it needs a context");
	if (vio_env_is_child(env))
		return vio_fail(err, -ECHILD, "host: this is a forked child");
	ret = read_params(params, &p, err);
	if (ret)
		return ret;
	host = VIO_NEW(env, struct vio_host);
	if (!host)
		return vio_fail(err, -ENOMEM, "host: no memory");

	host->env = env;
	host->ctx = ctx;
	host->async = vio_ctx_get_async(ctx);
	vio_list_init(&host->vfs);
	vio_list_init(&host->iommus);
	ret = open_parts(host, &p, err);
	if (ret) {
		free_host(host);
		return ret;
	}
	vio_env_hold(env);
	*out = host;
	return 0;
}

/* The addresses of the VFs that are claimed, as far as there is room. */
static void name_vfs(const struct vio_host *host, char *buf, size_t n)
{
	const struct vio_list *at = host->vfs.next;
	size_t done = 0;

	buf[0] = '\0';
	for (; at != &host->vfs; at = at->next) {
		const struct vio_vf *vf = VIO_CONTAINER_OF(at, struct vio_vf, node);

		if (n - done <= VIO_PCI_ADDR_TEXT_BYTES)
			break;
		buf[done++] = ' ';
		vio_pci_addr_print(&vf->info.addr, buf + done);
		done += strlen(buf + done);
	}
}

int vio_host_close(struct vio_host *host, struct vio_error *err)
{
	const struct vio_env *env;
	char names[160];

	if (!host)
		return 0;
	if (!vio_list_is_empty(&host->vfs)) {
		name_vfs(host, names, sizeof(names));
		return vio_fail(err, -EBUSY, "host: release what is claimed:%s", names);
	}
	if (!vio_list_is_empty(&host->iommus) || host->recovery || host->n_resizes)
		return vio_fail(err, -EBUSY,
				"host: an I/O address space is open, or "
				"a recovery or a resize is under way");
	env = host->env;
	free_host(host);
	vio_env_drop(env);
	return 0;
}
