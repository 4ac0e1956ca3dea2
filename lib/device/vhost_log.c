/* SPDX-License-Identifier: MIT */
/*
 * The dirty log: shared memory in which a bit stands for each page of the guest.
 * It becomes one more bitmap of the memory table, which marks all that queues
 * write, used rings included. A log that is replaced is unmapped when no queue
 * marks it any more.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "device/vhost_backend.h"
#include "sys/sys.h"

static void destroy_log(struct vio_vhost_log *log)
{
	const struct vio_env *env = log->env;

	env->sys->munmap(env->sys->opaque, log->bits, log->n_bytes);
	VIO_DELETE(env, log);
}

static void on_released(void *opaque, uint64_t gpa)
{
	(void)gpa;
	destroy_log(opaque);
}

static int attach(struct vio_backend *backend)
{
	const struct vio_vhost_log *log = backend->log;
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;

	bitmap.page_shift = VHOST_LOG_PAGE_SHIFT;
	bitmap.length_bytes = (uint64_t)log->n_bytes << (VHOST_LOG_PAGE_SHIFT + 3);
	bitmap.bits = log->bits;
	bitmap.released = on_released;
	bitmap.opaque = backend->log;
	return vio_mem_attach_bitmap(backend->mem, &bitmap);
}

/*
 * Detaching can fail for lack of memory; the log then goes with the table. In
 * either case the table calls on_released().
 */
static void
drop(struct vio_backend *backend, struct vio_vhost_log *log, bool is_attached)
{
	if (!log)
		return;
	if (is_attached)
		vio_mem_detach_bitmap(backend->mem, log->bits);
	else
		destroy_log(log);
}

void vio_vhost_log_drop(struct vio_backend *backend)
{
	drop(backend, backend->log, backend->is_logging);
	backend->log = NULL;
	backend->is_logging = false;
}

int vio_vhost_log_update(struct vio_backend *backend)
{
	int ret;

	if (!(backend->features & VHOST_F_LOG_ALL)) {
		if (backend->is_logging)
			vio_vhost_log_drop(backend);
		return VIO_VHOST_DONE;
	}
	if (!backend->log || backend->is_logging)
		return VIO_VHOST_DONE;
	ret = attach(backend);
	backend->is_logging = !ret;
	return ret;
}

/* A log that shrinks, or is shorter than it says, would kill us by SIGBUS. */
static int
verify_log(struct vio_backend *backend, const struct vhost_log_area *area, int fd)
{
	const struct vio_sys *sys = backend->env->sys;
	struct stat stat = { 0 };
	uint64_t end;
	int seals;

	/* The bits must stand for less than 2^64 bytes of guest memory. */
	if (!area->size_bytes || area->size_bytes >> (64 - VHOST_LOG_PAGE_SHIFT - 3) ||
	    !vio_add_u64(area->offset, area->size_bytes, &end))
		return vio_vhost_refuse(backend, -EBADMSG,
					"log of 0x%llx bytes at 0x%llx",
					(unsigned long long)area->size_bytes,
					(unsigned long long)area->offset);
	seals = sys->fcntl(sys->opaque, fd, F_GET_SEALS, 0);
	if (!(backend->params.flags & VIO_BACKEND_ACCEPT_UNSEALED) &&
	    (seals < 0 || !(seals & F_SEAL_SHRINK)))
		return vio_vhost_refuse(backend, -EBADMSG, "log lacks F_SEAL_SHRINK");
	if (sys->fstat(sys->opaque, fd, &stat) < 0 || stat.st_size < 0 ||
	    (uint64_t)stat.st_size < end)
		return vio_vhost_refuse(backend, -EBADMSG, "log ends beyond its file");
	return 0;
}

static int map_log(struct vio_backend *backend, const struct vhost_log_area *area,
		   int fd, struct vio_vhost_log *log)
{
	const struct vio_sys *sys = backend->env->sys;
	int error = 0;

	log->env = backend->env;
	log->n_bytes = (size_t)area->size_bytes;
	log->bits = sys->mmap(sys->opaque, log->n_bytes, PROT_READ | PROT_WRITE,
			      MAP_SHARED, fd, (off_t)area->offset, &error);
	if (log->bits)
		return 0;
	if (error == -ENOMEM || error == -EAGAIN)
		return error;
	return vio_vhost_refuse(backend, -EBADMSG, "log cannot be mapped: error %d",
				-error);
}

static int create_log(struct vio_backend *backend, const struct vhost_log_area *area,
		      int fd, struct vio_vhost_log **out)
{
	struct vio_vhost_log *log;
	int ret = verify_log(backend, area, fd);

	if (ret)
		return ret;
	log = VIO_NEW(backend->env, struct vio_vhost_log);
	if (!log)
		return -ENOMEM;
	ret = map_log(backend, area, fd, log);
	if (ret) {
		VIO_DELETE(backend->env, log);
		return ret;
	}
	*out = log;
	return 0;
}

/* The new log is attached before the old one goes, so that no write is missed. */
int vio_vhost_set_log_base(struct vio_backend *backend)
{
	const struct vhost_log_area *area = &backend->socket.in.payload.log;
	struct vio_vhost_log *old = backend->log;
	const bool was_logging = backend->is_logging;
	int ret = create_log(backend, area, backend->socket.fds[0], &backend->log);

	if (ret)
		return ret;
	backend->is_logging = false;
	ret = vio_vhost_log_update(backend);
	drop(backend, old, was_logging);
	if (ret)
		return ret;
	backend->socket.out.payload.u64 = 0;
	vio_vhost_reply(&backend->socket, sizeof(uint64_t));
	return VIO_VHOST_DONE;
}

/* An eventfd to tell that the log was written, which nobody needs: unused. */
int vio_vhost_set_log_fd(struct vio_backend *backend)
{
	(void)backend;
	return VIO_VHOST_DONE;
}
