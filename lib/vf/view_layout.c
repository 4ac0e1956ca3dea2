/* SPDX-License-Identifier: MIT */
/*
 * Header and BARs of the layout (PCI Express Base, 7.5.1). All starts as absent:
 * what is not named here or among the capabilities reads as 0 and swallows writes,
 * so that a register nobody thought of is nobody's. Absent on purpose: I/O BARs and
 * the ROM, INTx (a VF has none), BIST, and the bits of Status that tell of errors,
 * which are the host's to handle. The function number is the monitor's to give, so
 * the header does not say that there are others.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "vf/view.h"

#define HEADER_BYTES     64u
#define VENDOR           0x00u
#define STATUS           0x06u
#define STATUS_CAPS      0x10u
#define REVISION         0x08u
#define CACHE_LINE       0x0cu
#define HEADER_TYPE      0x0eu
#define HEADER_TYPE_MASK 0x7fu
#define SUBSYSTEM        0x2cu
#define INTERRUPT_LINE   0x3cu
#define BAR_IO           0x1u
#define BAR_TYPE         0x6u
#define BAR_TYPE_64      0x4u
#define BAR_FLAGS        0xfu
#define BAR_MIN          16u /* the flags take the four lowest bits */
#define BAR_MAX_32       (UINT64_C(1) << 31)
#define BAR_MAX_64       (UINT64_C(1) << 62) /* no machine has more room */

uint64_t vio_view_get_bytes(const uint8_t *bytes, uint32_t n)
{
	uint64_t value = 0;

	for (uint32_t i = 0; i < n; i++)
		value |= (uint64_t)bytes[i] << (8 * i);
	return value;
}

void vio_view_set_bytes(uint8_t *bytes, uint64_t value, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		bytes[i] = (uint8_t)(value >> (8 * i));
}

static void keep(struct view_layout *layout, uint32_t at, uint32_t n)
{
	memcpy(layout->initial + at, layout->device + at, n);
}

static void read_header(struct view_layout *layout)
{
	keep(layout, VENDOR, 4);
	keep(layout, REVISION, 4);
	keep(layout, SUBSYSTEM, 4);
	layout->initial[STATUS] = layout->device[STATUS] & STATUS_CAPS;
	layout->writable[CACHE_LINE] = 0xff;
	layout->writable[INTERRUPT_LINE] = 0xff;
	vio_view_set_bytes(
		layout->writable + VIEW_COMMAND,
		VIEW_COMMAND_MEMORY | VIEW_COMMAND_MASTER | VIEW_COMMAND_INTX, 2);
}

/* Its bytes in the tables: flags are fixed, the bits above the size the guest's. */
static void show_bar(struct view_layout *layout, uint32_t i)
{
	const struct view_bar_layout *bar = &layout->bars[i];
	const uint32_t at = VIEW_BAR0 + 4 * i;

	layout->initial[at] = layout->device[at] & BAR_FLAGS;
	vio_view_set_bytes(layout->writable + at, ~(bar->length_bytes - 1),
			   bar->is_64bit ? 8 : 4);
}

/* The device chose both: a size that the register cannot say would wrap later. */
static bool is_size_valid(const struct view_bar_layout *bar, uint32_t i)
{
	if (bar->is_64bit && i == VIEW_BARS - 1)
		return false;
	return vio_is_power_of_two(bar->length_bytes) && bar->length_bytes >= BAR_MIN &&
	       bar->length_bytes <= (bar->is_64bit ? BAR_MAX_64 : BAR_MAX_32);
}

static int read_bar(struct view_layout *layout, uint32_t i,
		    const struct vio_vfio_region *region, struct vio_error *err)
{
	struct view_bar_layout *bar = &layout->bars[i];
	const uint32_t flags = layout->device[VIEW_BAR0 + 4 * i];

	if (!region->length_bytes || (flags & BAR_IO))
		return 0;
	*bar = (struct view_bar_layout){
		.length_bytes = region->length_bytes,
		.is_64bit = (flags & BAR_TYPE) == BAR_TYPE_64,
		.can_map = region->can_map,
	};
	if (!is_size_valid(bar, i))
		return vio_fail(err, -EBADMSG, "BAR %u cannot have 0x%llx bytes", i,
				(unsigned long long)bar->length_bytes);
	show_bar(layout, i);
	return 0;
}

static int read_bars(const struct vio_view_device *device, struct vio_vfio *vfio,
		     struct view_layout *layout, struct vio_error *err)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++) {
		struct vio_vfio_region region = VIO_VFIO_REGION_INIT;
		int ret = device->read_region(vfio, i, &region);

		if (ret)
			return vio_fail(err, ret, "BAR %u cannot be asked for", i);
		ret = read_bar(layout, i, &region, err);
		if (ret)
			return ret;
		if (layout->bars[i].is_64bit)
			i++;
	}
	return 0;
}

/* Index 2 as an interrupt; as a BAR it may be the upper half of another. */
static int read_n_vectors(const struct vio_view_device *device, struct vio_vfio *vfio,
			  struct view_layout *layout, struct vio_error *err)
{
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;
	int ret = device->read_region(vfio, VIO_VFIO_MSIX, &region);

	if (ret)
		return vio_fail(err, ret, "the vectors cannot be asked for");
	layout->n_connected = region.n_vectors;
	return 0;
}

static int read_bytes(const struct vio_view_device *device, struct vio_vfio *vfio,
		      struct view_layout *layout, uint32_t *out_n,
		      struct vio_error *err)
{
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;
	int ret = device->read_region(vfio, VIO_VFIO_CONFIG_REGION, &region);

	if (ret)
		return vio_fail(err, ret, "configuration space cannot be asked for");
	*out_n = (uint32_t)vio_min_u64(region.length_bytes, VIO_PCI_CONFIG_BYTES);
	if (*out_n < HEADER_BYTES)
		return vio_fail(err, -EBADMSG, "configuration space has %u bytes",
				*out_n);
	ret = device->read(vfio, VIO_VFIO_CONFIG_REGION, 0, layout->device, *out_n);
	if (ret)
		return vio_fail(err, ret, "configuration space cannot be read");
	if (vio_view_get_bytes(layout->device + VENDOR, 2) == 0xffff)
		return vio_fail(err, -ENODEV, "the function does not answer");
	if (layout->device[HEADER_TYPE] & HEADER_TYPE_MASK)
		return vio_fail(err, -EBADMSG, "its header is of type %u",
				layout->device[HEADER_TYPE] & HEADER_TYPE_MASK);
	return 0;
}

int vio_view_layout_read(const struct vio_view_device *device, struct vio_vfio *vfio,
			 struct view_layout *layout, struct vio_error *err)
{
	uint32_t n_bytes = 0;
	int ret = read_bytes(device, vfio, layout, &n_bytes, err);

	if (!ret)
		ret = read_n_vectors(device, vfio, layout, err);
	if (!ret)
		ret = read_bars(device, vfio, layout, err);
	if (ret)
		return ret;
	read_header(layout);
	return vio_view_layout_read_caps(layout, n_bytes, err);
}

static bool is_same_bars(const struct view_layout *a, const struct view_layout *b)
{
	for (uint32_t i = 0; i < VIEW_BARS; i++)
		if (a->bars[i].length_bytes != b->bars[i].length_bytes ||
		    a->bars[i].is_64bit != b->bars[i].is_64bit)
			return false;
	return true;
}

static bool is_same_msix(const struct view_layout *a, const struct view_layout *b)
{
	return a->msix == b->msix && a->n_vectors == b->n_vectors &&
	       a->n_connected == b->n_connected && a->table_bar == b->table_bar &&
	       a->table_offset == b->table_offset && a->pba_bar == b->pba_bar &&
	       a->pba_offset == b->pba_offset;
}

/* The tables hold all offsets: a capability elsewhere is another live or writable. */
static bool is_same_caps(const struct view_layout *a, const struct view_layout *b)
{
	return a->pm == b->pm && a->express == b->express && a->af == b->af &&
	       !memcmp(a->writable, b->writable, sizeof(a->writable)) &&
	       !memcmp(a->live, b->live, sizeof(a->live));
}

int vio_view_layout_verify(const struct view_layout *layout,
			   const struct view_layout *other, struct vio_error *err)
{
	const char *what = NULL;

	if (memcmp(layout->device, other->device, 4))
		what = "vendor or device";
	else if (memcmp(layout->device + REVISION, other->device + REVISION, 4))
		what = "revision or class";
	else if (!is_same_bars(layout, other))
		what = "size of a BAR";
	else if (!is_same_msix(layout, other))
		what = "MSI-X table";
	else if (!is_same_caps(layout, other))
		what = "place of a capability";
	if (!what)
		return 0;
	return vio_fail(err, -EXDEV,
			"not a function like the one before: its %s differs", what);
}
