/* SPDX-License-Identifier: MIT */
/*
 * Capabilities of the layout. Only those listed here are shown; the lists are linked
 * anew around the rest. Hidden, since a guest must not control them:
 * - SR-IOV, ARI, resizable BARs, Enhanced Allocation: what the host has laid out;
 * - ATS, PRI, PASID, ACS, TPH, multicast: what the IOMMU and the fabric believe;
 * - AER, DPC: errors go to the host, which recovers the function or takes it away;
 * - LTR, L1 substates, PTM, VC, DOE, CXL: the link and what is behind it;
 * - MSI, of which interrupts would be routed twice; VPD, whose accesses may hang;
 * - all that is not known here.
 * Vendor-specific capabilities can be read, not written: nobody here knows what
 * their registers do. A device that overlaps or loops its capabilities is refused.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "vf/pci_config.h"
#include "vf/view.h"

#define CAPS_POINTER     0x34u
#define CONVENTIONAL_END 256u
#define DWORDS           (VIO_PCI_CONFIG_BYTES / 4)
#define HEADER_DWORDS    16u
#define PBA_VECTORS      64u /* of one quadword */

struct builder {
	struct view_layout *layout;
	uint32_t end;  /* of the list that is walked */
	uint32_t link; /* the byte, or the header, that points to the next one */
	uint8_t is_claimed[DWORDS];
	const char *complaint;
};

struct cap_rule {
	uint32_t id;
	/* How long it is, from its own registers. */
	uint32_t (*measure)(const struct view_layout *layout, uint32_t at);
	/* What is shown of it; -EBADMSG. The header is. */
	int (*mark)(struct view_layout *layout, uint32_t at);
};

/* Shows @n bytes as the device has them now, but for bits outside @mask. */
static void keep(struct view_layout *layout, uint32_t at, uint32_t mask, uint32_t n)
{
	const uint64_t value = vio_view_get_bytes(layout->device + at, n);

	vio_view_set_bytes(layout->initial + at, value & mask, n);
}

/* Shows @n bytes as the device has them at each read. */
static void watch(struct view_layout *layout, uint32_t at, uint32_t mask, uint32_t n)
{
	keep(layout, at, mask, n);
	vio_view_set_bytes(layout->live + at, mask, n);
}

static uint32_t measure_pm(const struct view_layout *layout, uint32_t at)
{
	(void)layout;
	(void)at;
	return 8;
}

/*
 * The power of the real function is the host's: the state is kept here, and what
 * it means to the guest is done here. No PME: it would wake the host.
 */
static int mark_pm(struct view_layout *layout, uint32_t at)
{
	if (layout->pm)
		return -EEXIST;
	layout->pm = at;
	keep(layout, at + 2, 0x0627, 2); /* version, initialization, D1, D2 */
	keep(layout, at + VIEW_PM_CONTROL, VIEW_PM_NO_SOFT_RESET, 2);
	layout->writable[at + VIEW_PM_CONTROL] = VIEW_PM_STATE;
	return 0;
}

static uint32_t measure_vendor(const struct view_layout *layout, uint32_t at)
{
	return layout->device[at + 2];
}

static int mark_vendor(struct view_layout *layout, uint32_t at)
{
	const uint32_t n = layout->device[at + 2];

	layout->initial[at + 2] = (uint8_t)n;
	for (uint32_t i = 3; i < n; i++)
		watch(layout, at + i, 0xff, 1);
	return 0;
}

#define EXPRESS_INTEGRATED 9u

/* 7.5.3: version 1 ends where the registers that it has end. */
static uint32_t measure_express(const struct view_layout *layout, uint32_t at)
{
	const uint64_t flags = vio_view_get_bytes(layout->device + at + 2, 2);

	if ((flags & 0xf) > 1)
		return 0x3c;
	return (flags >> 4 & 0xf) == EXPRESS_INTEGRATED ? 0x0c : 0x14;
}

static void mark_link(struct view_layout *layout, uint32_t at)
{
	keep(layout, at + 0x0c, 0xff0003ff, 4);  /* speed, width, port: no ASPM */
	watch(layout, at + 0x12, 0x000003ff, 2); /* speed and width */
}

/*
 * Device Control is kept here: its bits on the real function are the host's, or
 * reserved in a VF. Device Capabilities 2 says that nothing optional is there.
 */
static int mark_express(struct view_layout *layout, uint32_t at)
{
	const uint32_t n = measure_express(layout, at);

	if (layout->express)
		return -EEXIST;
	layout->express = at;
	keep(layout, at + 2, 0x00ff, 2);                        /* version, type */
	keep(layout, at + VIEW_EXPRESS_CAP, 0x10008fe7, 4);     /* FLR among them */
	keep(layout, at + VIEW_EXPRESS_CONTROL, 0x000079ff, 2); /* no FLR, no AUX */
	vio_view_set_bytes(layout->writable + at + VIEW_EXPRESS_CONTROL, 0x79ff, 2);
	watch(layout, at + 0x0a, 0x20, 2); /* Transactions Pending */
	if (n >= 0x14)
		mark_link(layout, at);
	if (n >= 0x3c)
		keep(layout, at + 0x2c, 0x000000fe,
		     4); /* Link Capabilities 2: speeds */
	return 0;
}

static uint32_t measure_af(const struct view_layout *layout, uint32_t at)
{
	(void)layout;
	(void)at;
	return 6;
}

static int mark_af(struct view_layout *layout, uint32_t at)
{
	if (layout->af)
		return -EEXIST;
	layout->af = at;
	keep(layout, at + 2, 0xff, 1);
	keep(layout, at + VIEW_AF_CAP, 0x03, 1); /* transactions pending, FLR */
	watch(layout, at + 5, 0x01, 1);
	return 0;
}

static uint32_t measure_msix(const struct view_layout *layout, uint32_t at)
{
	(void)layout;
	(void)at;
	return 12;
}

/* Is the part inside a BAR that the guest has? */
static bool
is_in_bar(const struct view_layout *layout, uint32_t bar, uint32_t offset, uint64_t n)
{
	return bar < VIEW_BARS && layout->bars[bar].length_bytes >= n &&
	       offset <= layout->bars[bar].length_bytes - n;
}

/* Table and pending bits must be where they are said to be, and apart. */
static bool is_msix_valid(const struct view_layout *layout)
{
	const uint64_t table = (uint64_t)layout->n_vectors * VIEW_ENTRY;
	const uint64_t n_words = (layout->n_vectors + PBA_VECTORS - 1) / PBA_VECTORS;

	if (!is_in_bar(layout, layout->table_bar, layout->table_offset, table) ||
	    !is_in_bar(layout, layout->pba_bar, layout->pba_offset, n_words * 8))
		return false;
	return layout->table_bar != layout->pba_bar ||
	       layout->table_offset + table <= layout->pba_offset ||
	       layout->pba_offset + n_words * 8 <= layout->table_offset;
}

static int mark_msix(struct view_layout *layout, uint32_t at)
{
	const uint64_t table = vio_view_get_bytes(layout->device + at + 4, 4);
	const uint64_t pba = vio_view_get_bytes(layout->device + at + 8, 4);

	/* A second one; or a kernel that can connect none. */
	if (layout->msix || !layout->n_connected)
		return -EEXIST;
	layout->msix = at;
	layout->n_vectors =
		(layout->device[at + 2] | (layout->device[at + 3] & 7u) << 8) + 1;
	layout->n_connected =
		(uint32_t)vio_min_u64(layout->n_connected, layout->n_vectors);
	layout->table_bar = table & 7;
	layout->table_offset = (uint32_t)table & ~7u;
	layout->pba_bar = pba & 7;
	layout->pba_offset = (uint32_t)pba & ~7u;
	keep(layout, at + VIEW_MSIX_CONTROL, 0x07ff, 2);
	keep(layout, at + 4, UINT32_MAX, 4);
	keep(layout, at + 8, UINT32_MAX, 4);
	vio_view_set_bytes(layout->writable + at + VIEW_MSIX_CONTROL,
			   VIEW_MSIX_ENABLE | VIEW_MSIX_MASK_ALL, 2);
	return is_msix_valid(layout) ? 0 : -EBADMSG;
}

static uint32_t measure_serial(const struct view_layout *layout, uint32_t at)
{
	(void)layout;
	(void)at;
	return 12;
}

static int mark_serial(struct view_layout *layout, uint32_t at)
{
	keep(layout, at + 4, UINT32_MAX, 4);
	keep(layout, at + 8, UINT32_MAX, 4);
	return 0;
}

static uint32_t measure_vsec(const struct view_layout *layout, uint32_t at)
{
	return (uint32_t)vio_view_get_bytes(layout->device + at + 4, 4) >> 20;
}

static int mark_vsec(struct view_layout *layout, uint32_t at)
{
	const uint32_t n = measure_vsec(layout, at);

	keep(layout, at + 4, UINT32_MAX, 4);
	for (uint32_t i = 8; i < n; i++)
		watch(layout, at + i, 0xff, 1);
	return 0;
}

static const struct cap_rule conventional_rules[] = {
	{ 0x01, measure_pm, mark_pm },           /* power management */
	{ 0x09, measure_vendor, mark_vendor },   /* vendor-specific */
	{ 0x10, measure_express, mark_express }, /* PCI Express */
	{ 0x11, measure_msix, mark_msix },       /* MSI-X */
	{ 0x13, measure_af, mark_af },           /* Advanced Features */
};

static const struct cap_rule extended_rules[] = {
	{ 0x03, measure_serial, mark_serial }, /* Device Serial Number */
	{ 0x0b, measure_vsec, mark_vsec },     /* vendor-specific */
};

static const struct cap_rule *
find_rule(const struct cap_rule *rules, size_t n_rules, uint32_t id)
{
	for (size_t i = 0; i < n_rules; i++)
		if (rules[i].id == id)
			return &rules[i];
	return NULL;
}

/* @at and the header after it are inside the list's part, as the walk has seen. */
static int claim(struct builder *b, uint32_t at, uint32_t n)
{
	if (n > b->end - at) {
		b->complaint = "leads outside";
		return -EBADMSG;
	}
	for (uint32_t i = at / 4; i < (at + n + 3) / 4; i++) {
		if (b->is_claimed[i]) {
			b->complaint = "overlaps another one";
			return -EBADMSG;
		}
		b->is_claimed[i] = 1;
	}
	return 0;
}

/* 1: it is shown; 0: it is not; -EBADMSG. @header_bytes and 4 more can be read. */
static int show_cap(struct builder *b, const struct cap_rule *rule, uint32_t at,
		    uint32_t header_bytes)
{
	uint32_t n;
	int ret;

	if (!rule)
		return 0;
	/* Every rule reads its length from the first 8 bytes. */
	if (b->end - at < header_bytes + 4) {
		b->complaint = "leads outside";
		return -EBADMSG;
	}
	n = rule->measure(b->layout, at);
	ret = n <= header_bytes ? -EBADMSG : claim(b, at, n);
	if (!ret)
		ret = rule->mark(b->layout, at);
	if (ret == -EEXIST)
		return 0;
	return ret ? ret : 1;
}

static int on_conventional(void *opaque, const struct vio_pci_config *config,
			   uint32_t id, uint32_t at)
{
	struct builder *b = opaque;
	const size_t n_rules = VIO_ARRAY_SIZE(conventional_rules);
	int ret = show_cap(b, find_rule(conventional_rules, n_rules, id), at, 2);

	(void)config;
	if (ret <= 0)
		return ret;
	b->layout->initial[at] = (uint8_t)id;
	b->layout->initial[b->link] = (uint8_t)at;
	b->link = at + 1;
	return 0;
}

/* Bits 31:20 of the header before it. */
static void link_extended(struct builder *b, uint32_t at)
{
	uint8_t *header = b->layout->initial + b->link;

	if (b->link != at)
		vio_view_set_bytes(
			header, vio_view_get_bytes(header, 4) | (uint64_t)at << 20, 4);
	b->link = at;
}

/*
 * The list begins at 256 whatever is there: if that one is hidden, the null
 * capability stands there and leads on (7.9.28).
 */
static int
on_extended(void *opaque, const struct vio_pci_config *config, uint32_t id, uint32_t at)
{
	struct builder *b = opaque;
	const size_t n_rules = VIO_ARRAY_SIZE(extended_rules);
	int ret = show_cap(b, find_rule(extended_rules, n_rules, id), at, 4);

	(void)config;
	if (ret <= 0)
		return ret;
	link_extended(b, at);
	keep(b->layout, at, 0x000fffff, 4);
	return 0;
}

static int walk(struct builder *b, const struct vio_pci_config *config)
{
	int ret;

	b->link = CAPS_POINTER;
	b->end = (uint32_t)vio_min_u64(config->n, CONVENTIONAL_END);
	memset(b->is_claimed, 1, HEADER_DWORDS);
	ret = vio_pci_foreach_cap(config, on_conventional, b);
	if (ret)
		return ret;
	b->link = CONVENTIONAL_END;
	b->end = config->n;
	return vio_pci_foreach_extended_cap(config, on_extended, b);
}

int vio_view_layout_read_caps(struct view_layout *layout, uint32_t n_bytes,
			      struct vio_error *err)
{
	struct builder b = { .layout = layout, .complaint = "makes no sense" };
	struct vio_pci_config config;
	int ret = vio_pci_config_prepare(layout->device, n_bytes, &config);

	if (!ret)
		ret = walk(&b, &config);
	if (ret)
		return vio_fail(err, -EBADMSG, "a capability of the function %s",
				b.complaint);
	if (!layout->initial[CAPS_POINTER])
		layout->initial[0x06] &= (uint8_t)~0x10u;
	return 0;
}
