/* SPDX-License-Identifier: MIT */
/*
 * MSI-X (PCI Express Base, 7.7.2) as the guest programs it. The table of the real
 * function belongs to the kernel, which raises an eventfd for each vector; which
 * message the guest gets for it is in the table here, and the monitor is told with
 * every change. All vectors are connected at once when the guest enables MSI-X,
 * since devices note which are in use when queues are made; masking happens here.
 *
 * While a vector is masked nobody takes events from its eventfd, so that it holds
 * the pending bit. To look means to take the event: it is noted, and put back when
 * the vector is unmasked.
 */
#include <errno.h>
#include <sys/eventfd.h>

#include "core/bits.h"
#include "sys/sys.h"
#include "vf/view.h"

#define ENTRY_ADDRESS 0u
#define ENTRY_DATA    8u
#define ENTRY_CONTROL 12u
#define ENTRY_MASKED  0x1u

/* By dword of an entry: what of it can be written. */
static const uint32_t entry_masks[4] = { ~3u, ~0u, ~0u, ENTRY_MASKED };

static int create_eventfds(struct vio_view *view, uint32_t n)
{
	const struct vio_sys *sys = view->env->sys;

	for (uint32_t i = 0; i < n; i++) {
		const int fd = sys->eventfd(sys->opaque, 0, EFD_CLOEXEC | EFD_NONBLOCK);

		if (fd < 0)
			return fd;
		view->eventfds[i] = fd;
	}
	return 0;
}

int vio_view_msix_create(struct vio_view *view)
{
	const uint32_t n = view->layout->n_vectors;
	const uint32_t n_fds = view->layout->n_connected;

	if (!view->layout->msix)
		return 0;
	view->table = vio_alloc_array(view->env, n, VIEW_ENTRY, 8);
	view->routes = vio_alloc_array(view->env, n, sizeof(*view->routes),
				       _Alignof(struct view_route));
	view->eventfds = vio_alloc_array(view->env, n_fds, sizeof(*view->eventfds),
					 _Alignof(int32_t));
	for (uint32_t i = 0; view->eventfds && i < n_fds; i++)
		view->eventfds[i] = -1;
	if (!view->table || !view->routes || !view->eventfds)
		return -ENOMEM;
	vio_view_msix_reset(view);
	return create_eventfds(view, n_fds);
}

void vio_view_msix_destroy(struct vio_view *view)
{
	const struct vio_sys *sys = view->env->sys;
	const size_t n = view->layout->n_vectors;
	const size_t n_fds = view->layout->n_connected;

	for (uint32_t i = 0; view->eventfds && i < n_fds; i++)
		if (view->eventfds[i] >= 0)
			sys->close(sys->opaque, view->eventfds[i]);
	vio_free(view->env, view->eventfds, n_fds * sizeof(*view->eventfds),
		 _Alignof(int32_t));
	vio_free(view->env, view->routes, n * sizeof(*view->routes),
		 _Alignof(struct view_route));
	vio_free(view->env, view->table, n * VIEW_ENTRY, 8);
}

void vio_view_msix_reset(struct vio_view *view)
{
	if (!view->layout->msix)
		return;
	for (uint32_t i = 0; i < view->layout->n_vectors; i++) {
		uint8_t *entry = view->table + (size_t)i * VIEW_ENTRY;

		vio_view_set_bytes(entry, 0, 8);
		vio_view_set_bytes(entry + ENTRY_DATA, (uint64_t)ENTRY_MASKED << 32, 8);
		view->routes[i].is_pending = false;
	}
}

static bool is_masked(const struct vio_view *view, uint32_t vector)
{
	const uint8_t *entry = view->table + (size_t)vector * VIEW_ENTRY;

	return (entry[ENTRY_CONTROL] & ENTRY_MASKED) ||
	       (view->msix_state & VIEW_MSIX_MASK_ALL);
}

static void unroute(struct vio_view *view, uint32_t vector)
{
	struct view_route *route = &view->routes[vector];

	if (route->is_routed)
		view->ops.route(view->ops.opaque, vector, -1, 0, 0, 1);
	route->is_routed = false;
}

/* Puts the event back that a look at the pending bit took. */
static void return_event(struct vio_view *view, uint32_t vector)
{
	const struct vio_sys *sys = view->env->sys;
	struct view_route *route = &view->routes[vector];
	const uint64_t one = 1;

	if (!route->is_pending)
		return;
	route->is_pending = false;
	/* It can only fail full, and then there is an event. */
	(void)sys->write(sys->opaque, view->eventfds[vector], &one, sizeof(one));
}

/* A vector that was never unmasked is none of the monitor's business. */
static void route_vector(struct vio_view *view, uint32_t vector)
{
	const uint8_t *entry = view->table + (size_t)vector * VIEW_ENTRY;
	struct view_route *route = &view->routes[vector];
	const uint64_t address = vio_view_get_bytes(entry + ENTRY_ADDRESS, 8);
	const uint32_t data = (uint32_t)vio_view_get_bytes(entry + ENTRY_DATA, 4);
	const bool masked = is_masked(view, vector);

	if (!route->is_routed && masked)
		return;
	if (route->is_routed && route->is_masked == masked &&
	    route->address == address && route->data == data)
		return;
	if (!masked)
		return_event(view, vector);
	route->is_routed = true;
	route->is_masked = masked;
	route->address = address;
	route->data = data;
	view->ops.route(view->ops.opaque, vector, view->eventfds[vector], address, data,
			masked);
}

static void configure_vector(struct vio_view *view, uint32_t vector)
{
	if (view->is_connected && vector < view->layout->n_connected)
		route_vector(view, vector);
	else
		unroute(view, vector);
}

static void connect_all(struct vio_view *view)
{
	struct vio_error err = VIO_ERROR_INIT;
	int ret =
		view->device->set_interrupts(view->vfio, VIO_VFIO_MSIX, view->eventfds,
					     view->layout->n_connected, &err);

	view->is_connected = !vio_view_verify(view, ret, "MSI-X cannot be enabled");
}

static void disconnect_all(struct vio_view *view)
{
	struct vio_error err = VIO_ERROR_INIT;

	/* Of a function that has gone there is nothing to turn off. */
	if (view->is_connected && view->vfio)
		(void)view->device->set_interrupts(view->vfio, VIO_VFIO_MSIX, NULL, 0,
						   &err);
	view->is_connected = false;
}

static uint32_t get_control(const struct vio_view *view)
{
	const uint8_t *bytes = view->shown + view->layout->msix + VIEW_MSIX_CONTROL;

	return (uint32_t)vio_view_get_bytes(bytes, 2) &
	       (VIEW_MSIX_ENABLE | VIEW_MSIX_MASK_ALL);
}

/* Once a change, each vector at most told once: VIEW_VECTORS bounds a guest's write. */
static void follow(struct vio_view *view, uint32_t control)
{
	const uint32_t changed = control ^ view->msix_state;

	if (!changed)
		return;
	view->msix_state = control;
	if (changed & control & VIEW_MSIX_ENABLE)
		connect_all(view);
	/* Routes end before the eventfds are the kernel's no more. */
	if (!(control & VIEW_MSIX_ENABLE))
		for (uint32_t i = 0; i < view->layout->n_vectors; i++)
			unroute(view, i);
	if (changed & ~control & VIEW_MSIX_ENABLE)
		disconnect_all(view);
	for (uint32_t i = 0; i < view->layout->n_vectors; i++)
		configure_vector(view, i);
}

void vio_view_msix_configure(struct vio_view *view)
{
	if (view->layout->msix)
		follow(view, vio_view_has_device(view) ? get_control(view) : 0);
}

void vio_view_msix_detach(struct vio_view *view)
{
	if (view->layout->msix)
		follow(view, 0);
}

static bool is_in_table(const struct vio_view *view, uint32_t bar, uint64_t offset)
{
	const struct view_layout *layout = view->layout;

	return layout->msix && bar == layout->table_bar &&
	       offset >= layout->table_offset &&
	       offset - layout->table_offset < (uint64_t)layout->n_vectors * VIEW_ENTRY;
}

static bool is_in_pba(const struct vio_view *view, uint32_t bar, uint64_t offset)
{
	const struct view_layout *layout = view->layout;
	const uint64_t n_words = (layout->n_vectors + 63) / 64;

	return layout->msix && bar == layout->pba_bar && offset >= layout->pba_offset &&
	       offset - layout->pba_offset < n_words * 8;
}

/* A masked vector's eventfd is ours; the monitor reads the others. */
static bool is_pending(struct vio_view *view, uint32_t vector)
{
	const struct vio_sys *sys = view->env->sys;
	uint64_t count;

	if (vector >= view->layout->n_connected || !view->is_connected ||
	    !is_masked(view, vector))
		return false;
	if (!view->routes[vector].is_pending &&
	    sys->read(sys->opaque, view->eventfds[vector], &count, sizeof(count)) ==
		    (ssize_t)sizeof(count))
		view->routes[vector].is_pending = true;
	return view->routes[vector].is_pending;
}

static uint64_t read_pba(struct vio_view *view, uint64_t offset, uint32_t n)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < 8 * n; i++)
		if (is_pending(view, (uint32_t)offset * 8 + i))
			value |= UINT64_C(1) << i;
	return value;
}

/* Both begin and end at multiples of 8: an aligned access is in or out as a whole. */
bool vio_view_msix_read(struct vio_view *view, uint32_t bar, uint64_t offset,
			uint32_t n, uint64_t *out)
{
	if (is_in_table(view, bar, offset)) {
		offset -= view->layout->table_offset;
		*out = vio_view_get_bytes(view->table + offset, n);
		return true;
	}
	if (is_in_pba(view, bar, offset)) {
		*out = read_pba(view, offset - view->layout->pba_offset, n);
		return true;
	}
	return false;
}

static void
write_table(struct vio_view *view, uint64_t offset, uint64_t value, uint32_t n)
{
	/* Dwords or quadwords only (7.7.2): less is dropped, as its effect is open. */
	if (n < 4)
		return;
	for (uint32_t i = 0; i < n; i += 4) {
		const uint32_t mask = entry_masks[(offset + i) % VIEW_ENTRY / 4];

		vio_view_set_bytes(view->table + offset + i, value >> (8 * i) & mask,
				   4);
	}
	configure_vector(view, (uint32_t)(offset / VIEW_ENTRY));
}

bool vio_view_msix_write(struct vio_view *view, uint32_t bar, uint64_t offset,
			 uint64_t value, uint32_t n)
{
	if (is_in_table(view, bar, offset)) {
		write_table(view, offset - view->layout->table_offset, value, n);
		return true;
	}
	return is_in_pba(view, bar, offset); /* the guest cannot write those */
}
