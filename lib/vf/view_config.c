/* SPDX-License-Identifier: MIT */
/*
 * Accesses to configuration space. A write changes the copy, as far as the layout
 * lets it, and then whatever follows from the copy is made so: BARs, interrupts,
 * Command. Command is the only register of the real function that a guest's write
 * reaches; all else that it may change means something here alone.
 *
 * Order matters around Command: BARs are taken away from the guest before the device
 * stops to decode memory, and shown after it began, or the guest's access faults.
 */
#include <errno.h>

#include "core/bits.h"
#include "vf/view.h"

#define COMMAND_PASSED (VIEW_COMMAND_MEMORY | VIEW_COMMAND_MASTER | VIEW_COMMAND_INTX)
#define PM_CAP_D1      0x0200u
#define PM_CAP_D2      0x0400u

bool vio_view_is_access(uint64_t offset, uint32_t n, uint32_t n_max,
			uint64_t length_bytes)
{
	return vio_is_power_of_two(n) && n <= n_max && vio_is_aligned(offset, n) &&
	       n <= length_bytes && offset <= length_bytes - n;
}

int vio_view_verify(struct vio_view *view, int ret, const char *what)
{
	if (!ret)
		return 0;
	if (ret == -ENODEV)
		view->is_lost = true;
	if (vio_log_allows(view->env, &view->brake, "vf"))
		vio_log(view->env, VIO_LOG_WARNING, "vf", "view: %s: error %d", what,
			-ret);
	return ret;
}

static uint32_t get_power(const struct vio_view *view)
{
	const uint32_t pm = view->layout->pm;

	return pm ? view->shown[pm + VIEW_PM_CONTROL] & VIEW_PM_STATE : 0;
}

static uint32_t get_command(const struct vio_view *view)
{
	return (uint32_t)vio_view_get_bytes(view->shown + VIEW_COMMAND, 2);
}

bool vio_view_has_memory(const struct vio_view *view)
{
	return (get_command(view) & VIEW_COMMAND_MEMORY) && !get_power(view);
}

/* A function that sleeps neither decodes memory nor reads it. */
static uint32_t find_passed(const struct vio_view *view)
{
	uint32_t passed = get_command(view) & COMMAND_PASSED;

	if (get_power(view))
		passed &= ~(VIEW_COMMAND_MEMORY | VIEW_COMMAND_MASTER);
	return passed;
}

/* The other bits stay as the host has set them. */
static int write_command(struct vio_view *view, uint32_t passed)
{
	uint8_t bytes[2];
	uint64_t value;
	int ret = view->device->read(view->vfio, VIO_VFIO_CONFIG_REGION, VIEW_COMMAND,
				     bytes, sizeof(bytes));

	if (ret)
		return ret;
	value = (vio_view_get_bytes(bytes, 2) & ~(uint64_t)COMMAND_PASSED) | passed;
	vio_view_set_bytes(bytes, value, 2);
	return view->device->write(view->vfio, VIO_VFIO_CONFIG_REGION, VIEW_COMMAND,
				   bytes, sizeof(bytes));
}

int vio_view_push_command(struct vio_view *view)
{
	const uint32_t passed = find_passed(view);
	int ret;

	if (!vio_view_has_device(view) || passed == view->pushed)
		return 0;
	ret = write_command(view, passed);
	if (!ret)
		view->pushed = passed;
	return vio_view_verify(view, ret, "Command cannot be written");
}

void vio_view_stop(struct vio_view *view)
{
	/* Closing it does the same, if it cannot be told now. */
	if (vio_view_has_device(view))
		(void)write_command(view, 0);
}

static uint64_t
read_live(struct vio_view *view, uint32_t offset, uint32_t n, uint64_t copy)
{
	const uint64_t live = vio_view_get_bytes(view->layout->live + offset, n);
	uint8_t bytes[4];
	int ret;

	if (!live || !vio_view_has_device(view))
		return copy;
	ret = view->device->read(view->vfio, VIO_VFIO_CONFIG_REGION, offset, bytes, n);
	if (vio_view_verify(view, ret, "configuration space cannot be read"))
		return copy;
	return (copy & ~live) | (vio_view_get_bytes(bytes, n) & live);
}

uint32_t vio_view_read(struct vio_view *view, uint32_t offset, uint32_t n)
{
	if (!vio_view_is_access(offset, n, 4, VIO_PCI_CONFIG_BYTES))
		return UINT32_MAX;
	return (uint32_t)read_live(view, offset, n,
				   vio_view_get_bytes(view->shown + offset, n));
}

static void merge(struct vio_view *view, uint32_t offset, uint32_t value, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		const uint8_t mask = view->layout->writable[offset + i];
		uint8_t *byte = &view->shown[offset + i];

		*byte = (uint8_t)((*byte & ~mask) | (value >> (8 * i) & mask));
	}
}

/* Does the write put a one into a bit of the byte at @at? */
static bool
is_set_by(uint32_t at, uint32_t mask, uint32_t offset, uint32_t value, uint32_t n)
{
	return at >= offset && at - offset < n && (value >> (8 * (at - offset)) & mask);
}

static bool
is_flr(const struct vio_view *view, uint32_t offset, uint32_t value, uint32_t n)
{
	const struct view_layout *layout = view->layout;
	const uint32_t express = layout->express, af = layout->af;
	const uint8_t *bytes = layout->initial;

	if (express &&
	    (vio_view_get_bytes(bytes + express + VIEW_EXPRESS_CAP, 4) &
	     VIEW_EXPRESS_FLR) &&
	    is_set_by(express + VIEW_EXPRESS_CONTROL + 1, VIEW_EXPRESS_START_FLR >> 8,
		      offset, value, n))
		return true;
	return af && (bytes[af + VIEW_AF_CAP] & VIEW_AF_FLR) &&
	       is_set_by(af + VIEW_AF_CONTROL, VIEW_AF_START_FLR, offset, value, n);
}

/*
 * A state that the function has not is not entered. True: it came back from D3 and
 * has forgotten all, as functions without No_Soft_Reset do (7.5.2.2).
 */
static bool switch_power(struct vio_view *view, uint32_t before)
{
	const uint32_t pm = view->layout->pm;
	const uint32_t now = get_power(view);
	uint32_t caps;

	if (now == before)
		return false;
	caps = (uint32_t)vio_view_get_bytes(view->shown + pm + 2, 2);
	if ((now == 1 && !(caps & PM_CAP_D1)) || (now == 2 && !(caps & PM_CAP_D2))) {
		view->shown[pm + VIEW_PM_CONTROL] ^= (uint8_t)(now ^ before);
		return false;
	}
	return before == 3 && !now &&
	       !(view->shown[pm + VIEW_PM_CONTROL] & VIEW_PM_NO_SOFT_RESET);
}

static void reset_registers(struct vio_view *view)
{
	for (uint32_t i = 0; i < VIO_PCI_CONFIG_BYTES; i++) {
		const uint8_t mask = view->layout->writable[i];

		view->shown[i] = (uint8_t)((view->shown[i] & ~mask) |
					   (view->layout->initial[i] & mask));
	}
	vio_view_msix_reset(view);
}

void vio_view_write(struct vio_view *view, uint32_t offset, uint32_t value, uint32_t n)
{
	uint32_t power;
	bool is_reset;

	if (!vio_view_is_access(offset, n, 4, VIO_PCI_CONFIG_BYTES))
		return;
	power = get_power(view);
	merge(view, offset, value, n);
	is_reset = switch_power(view, power);
	is_reset |= is_flr(view, offset, value, n);
	if (is_reset)
		reset_registers(view);
	vio_view_bars_lift(view);
	(void)vio_view_push_command(view); /* it is told; the BARs trap then */
	vio_view_bars_place(view);
	vio_view_msix_configure(view);
	/* Last: it may take the function away. */
	if (is_reset && view->ops.reset)
		view->ops.reset(view->ops.opaque);
}
