/* SPDX-License-Identifier: MIT */
/*
 * Interrupts. Those of the function go to the caller's eventfds: the kernel has one
 * kind connected at a time, and cannot add to it, so that a change of kind or number
 * takes the old ones away first. Two signals about the function itself, that it is
 * wanted back and that it has failed, come through the context's loop.
 */
#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include "core/error.h"
#include "vf/vfio.h"

#define SIGNAL_ROOM 64u /* of one eventfd, see vio_irq_room() */

static void tell(struct vio_vfio_signal *signal)
{
	if (!signal->vfio->is_closing)
		signal->fn(signal->vfio->opaque, signal->vfio);
}

static void signal_run(struct vio_task *task)
{
	tell(VIO_CONTAINER_OF(task, struct vio_vfio_signal, task));
}

/*
 * Read before the callback, which may close the function, and all this with it. What
 * comes before the caller has a handle is kept for it: the kernel says it again, but
 * not soon.
 */
static void signal_ready(struct vio_event *event, uint32_t events)
{
	struct vio_vfio_signal *signal =
		VIO_CONTAINER_OF(event, struct vio_vfio_signal, event);
	struct vio_vfio *vfio = signal->vfio;
	const struct vio_sys *sys = vfio->env->sys;
	uint64_t count;

	(void)events;
	(void)sys->read(sys->opaque, event->fd, &count, sizeof(count));
	if (vfio->vf->vfio == vfio)
		tell(signal);
	else
		signal->is_early = 1;
}

static void tell_early(struct vio_vfio_signal *signal)
{
	if (signal->is_early)
		vio_loop_post(signal->vfio->env->loop, &signal->task);
}

void vio_vfio_tell_early(struct vio_vfio *vfio)
{
	tell_early(&vfio->requested);
	tell_early(&vfio->failed);
}

static int open_signal(struct vio_vfio *vfio, struct vio_vfio_signal *signal,
		       void (*fn)(void *opaque, struct vio_vfio *vfio))
{
	const struct vio_sys *sys = vfio->env->sys;

	signal->vfio = vfio;
	signal->fn = fn;
	signal->task.run = signal_run;
	if (!fn)
		return 0;
	signal->event.ready = signal_ready;
	signal->event.fd = sys->eventfd(sys->opaque, 0, EFD_NONBLOCK);
	if (signal->event.fd < 0)
		return signal->event.fd;
	return vio_loop_add(vfio->env->loop, &signal->event, EPOLLIN);
}

static void close_signal(struct vio_vfio *vfio, struct vio_vfio_signal *signal)
{
	const struct vio_sys *sys = vfio->env->sys;

	vio_loop_remove(vfio->env->loop, &signal->event);
	vio_loop_cancel(vfio->env->loop, &signal->task);
	if (signal->event.fd >= 0)
		sys->close(sys->opaque, signal->event.fd);
	signal->event.fd = -1;
}

int vio_vfio_open_signals(struct vio_vfio *vfio, const struct vio_vfio_params *params)
{
	int ret = open_signal(vfio, &vfio->requested, params->requested);

	return ret ? ret : open_signal(vfio, &vfio->failed, params->failed);
}

void vio_vfio_close_signals(struct vio_vfio *vfio)
{
	close_signal(vfio, &vfio->requested);
	close_signal(vfio, &vfio->failed);
}

/* A function without PCI Express has no error interrupt: then it is not told. */
static int connect_signal(const struct vio_vfio *vfio, int fd, uint32_t index,
			  const struct vio_vfio_signal *signal)
{
	_Alignas(8) char room[SIGNAL_ROOM];
	const int32_t eventfd = signal->event.fd;

	if (eventfd < 0 || !vfio->parts.n_vectors[index])
		return 0;
	return vio_function_set_irqs(vfio->env->sys, fd, index, &eventfd, 1, room);
}

int vio_vfio_connect_signals(const struct vio_vfio *vfio, int fd)
{
	int ret = connect_signal(vfio, fd, VIO_IRQ_REQUEST, &vfio->requested);

	return ret ? ret : connect_signal(vfio, fd, VIO_IRQ_ERROR, &vfio->failed);
}

static int check_eventfds(const struct vio_vfio *vfio, uint32_t kind,
			  const int32_t *eventfds, uint32_t n, struct vio_error *err)
{
	if (vio_env_is_child(vfio->env))
		return vio_fail(err, -ECHILD, "%s: not in a forked child", vfio->name);
	if (kind > VIO_VFIO_MSIX)
		return vio_fail(err, -EINVAL, "%s: no kind %u of interrupt", vfio->name,
				kind);
	if (n > vfio->parts.n_vectors[kind])
		return vio_fail(err, -EINVAL, "%s: %u vectors, it has %u", vfio->name,
				n, vfio->parts.n_vectors[kind]);
	for (uint32_t i = 0; i < n; i++)
		if (eventfds[i] < -1)
			return vio_fail(err, -EBADF, "%s: vector %u: no descriptor",
					vfio->name, i);
	return 0;
}

static int turn_off(struct vio_vfio *vfio)
{
	_Alignas(8) char room[SIGNAL_ROOM];
	int ret = 0;

	if (vfio->n_irqs)
		ret = vio_function_set_irqs(vfio->env->sys, vfio->fd, vfio->irq_kind,
					    NULL, 0, room);
	if (!ret)
		vfio->n_irqs = 0;
	return ret;
}

static int
turn_on(struct vio_vfio *vfio, uint32_t kind, const int32_t *eventfds, uint32_t n)
{
	const size_t bytes = vio_irq_room(n);
	void *room = vio_alloc(vfio->env, bytes, 8);
	int ret = 0;

	if (!room)
		return -ENOMEM;
	if (kind != vfio->irq_kind || n != vfio->n_irqs)
		ret = turn_off(vfio);
	if (!ret)
		ret = vio_function_set_irqs(vfio->env->sys, vfio->fd, kind, eventfds, n,
					    room);
	vio_free(vfio->env, room, bytes, 8);
	if (ret)
		return ret;
	vfio->irq_kind = kind;
	vfio->n_irqs = n;
	return 0;
}

int vio_vfio_set_interrupts(struct vio_vfio *vfio, uint32_t kind,
			    const int32_t *eventfds, uint32_t n, struct vio_error *err)
{
	int ret = check_eventfds(vfio, kind, eventfds, n, err);

	if (ret)
		return ret;
	if (n)
		ret = turn_on(vfio, kind, eventfds, n);
	else if (kind == vfio->irq_kind)
		ret = turn_off(vfio);
	if (!ret)
		return 0;
	if (vio_vfio_is_gone(vfio))
		ret = -ENODEV;
	return vio_fail(err, ret, "%s: %u vectors of kind %u: %s", vfio->name, n, kind,
			strerror(-ret));
}
