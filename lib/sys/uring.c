/* SPDX-License-Identifier: MIT */
/*
 * Calls by io_uring. IOSQE_ASYNC has the kernel's own workers make the call, so
 * that submitting never waits for it. No more calls are under way than the ring
 * has entries; hence the completion ring, twice as long, cannot overflow. The
 * ring's descriptor is readable while a completion is there.
 */
#include <errno.h>

#include "sys/uring.h"

#if VIO_HAVE_LIBURING

#include <fcntl.h>
#include <liburing.h>
#include <stdbool.h>

#include "core/list.h"
#include "sys/loop.h"
#include "sys/sys.h"

#define RING_ENTRIES 64u /* cold calls: more than any tenant's open devices */

struct vio_uring {
	const struct vio_env *env;
	struct io_uring ring;
	struct vio_event event;
	uint32_t n_pending;
};

/* The first completion, removed from the ring; or NULL. */
static struct vio_async_call *take_completion(struct vio_uring *uring)
{
	struct vio_async_call *call = NULL;
	struct io_uring_cqe *cqe;
	unsigned int head;

	io_uring_for_each_cqe(&uring->ring, head, cqe)
	{
		call = io_uring_cqe_get_data(cqe);
		call->result = cqe->res;
		io_uring_cq_advance(&uring->ring, 1);
		break;
	}
	return call;
}

/* One at a time, so that dispatch counts each; the descriptor stays readable. */
static void ring_ready(struct vio_event *event, uint32_t events)
{
	struct vio_uring *uring = VIO_CONTAINER_OF(event, struct vio_uring, event);
	struct vio_async_call *call = take_completion(uring);

	(void)events;
	if (!call)
		return;
	uring->n_pending--;
	call->done(call, call->result);
}

/* Is it a call for io_uring? Then all of the entry is filled in. */
static bool fill_entry(struct io_uring_sqe *sqe, struct vio_async_call *call)
{
	*sqe = (struct io_uring_sqe){ 0 };
	switch (call->op) {
	case VIO_ASYNC_OPEN:
		io_uring_prep_openat(sqe, AT_FDCWD, call->path,
				     call->open_flags | O_CLOEXEC, 0600);
		break;
	case VIO_ASYNC_CLOSE:
		io_uring_prep_close(sqe, call->fd);
		break;
	case VIO_ASYNC_READ:
		io_uring_prep_read(sqe, call->fd, call->buf, call->n,
				   (uint64_t)call->offset);
		break;
	case VIO_ASYNC_WRITE:
		io_uring_prep_write(sqe, call->fd, call->buf, call->n,
				    (uint64_t)call->offset);
		break;
	case VIO_ASYNC_FSYNC:
		io_uring_prep_fsync(sqe, call->fd, 0);
		break;
	case VIO_ASYNC_IOCTL:
	case VIO_ASYNC_RUN:
		return false;
	}
	io_uring_sqe_set_data(sqe, call);
	sqe->flags |= IOSQE_ASYNC;
	return true;
}

/* Did the kernel take all entries? */
static bool flush_entries(struct vio_uring *uring)
{
	const struct vio_sys *sys = uring->env->sys;

	return sys->uring_submit(sys->opaque, &uring->ring) >= 0 &&
	       !io_uring_sq_ready(&uring->ring);
}

/* NULL: as many are under way as may be, or the kernel takes none now. */
static struct io_uring_sqe *take_entry(struct vio_uring *uring)
{
	struct io_uring_sqe *sqe;

	if (uring->n_pending == RING_ENTRIES)
		return NULL;
	sqe = io_uring_get_sqe(&uring->ring);
	/* It is full of withdrawn entries: once they are gone there is room. */
	if (!sqe && flush_entries(uring))
		sqe = io_uring_get_sqe(&uring->ring);
	return sqe;
}

int vio_uring_submit(struct vio_uring *uring, struct vio_async_call *call)
{
	struct io_uring_sqe entry, *sqe;

	if (!uring || !fill_entry(&entry, call))
		return -EOPNOTSUPP;
	sqe = take_entry(uring);
	if (!sqe)
		return -EAGAIN;
	*sqe = entry;
	if (flush_entries(uring)) {
		uring->n_pending++;
		return 0;
	}
	/* It was the last, so it is still there: it goes with the next, unseen. */
	io_uring_prep_nop(sqe);
	sqe->flags = IOSQE_CQE_SKIP_SUCCESS;
	return -EAGAIN;
}

uint32_t vio_uring_get_pending(const struct vio_uring *uring)
{
	return uring ? uring->n_pending : 0;
}

int vio_uring_create(const struct vio_env *env, struct vio_uring **out)
{
	struct vio_uring *uring = VIO_NEW(env, struct vio_uring);

	if (!uring)
		return -ENOMEM;
	uring->env = env;
	if (env->sys->uring_create(env->sys->opaque, &uring->ring, RING_ENTRIES))
		goto free_uring;
	uring->event.fd = uring->ring.ring_fd;
	uring->event.ready = ring_ready;
	if (vio_loop_add(env->loop, &uring->event, EPOLLIN))
		goto destroy_ring;
	*out = uring;
	return 0;

destroy_ring:
	env->sys->uring_destroy(env->sys->opaque, &uring->ring);
free_uring:
	VIO_DELETE(env, uring);
	*out = NULL;
	return 0;
}

void vio_uring_destroy(struct vio_uring *uring)
{
	const struct vio_env *env;

	if (!uring)
		return;
	env = uring->env;
	vio_loop_remove(env->loop, &uring->event);
	if (!vio_env_is_child(env))
		env->sys->uring_destroy(env->sys->opaque, &uring->ring);
	VIO_DELETE(env, uring);
}

#else

int vio_uring_create(const struct vio_env *env, struct vio_uring **out)
{
	(void)env;
	*out = NULL;
	return 0;
}

void vio_uring_destroy(struct vio_uring *uring)
{
	(void)uring;
}

int vio_uring_submit(struct vio_uring *uring, struct vio_async_call *call)
{
	(void)uring;
	(void)call;
	return -EOPNOTSUPP;
}

uint32_t vio_uring_get_pending(const struct vio_uring *uring)
{
	(void)uring;
	return 0;
}

#endif
