/* SPDX-License-Identifier: MIT */
/*
 * What a guest's view of a function is made of. The layout says of every byte of
 * configuration space what the guest may do with it; it is made once from the
 * capabilities of the device, whose word is checked, and never changes under the
 * guest. BARs and MSI-X follow from the bytes that the guest wrote.
 *
 * The function is reached through a table, so that a view can stand on another one
 * than VFIO's: tests give it a device that lies.
 */
#ifndef VIO_VF_VIEW_H
#define VIO_VF_VIEW_H

#include <stdbool.h>

#include <vio/pci.h>
#include <vio/view.h>

#include "core/env.h"
#include "core/log.h"

#define VIEW_BARS     6u
#define VIEW_SPANS    5u    /* two trapped parts at most, and what is around them */
#define VIEW_VECTORS  2048u /* PCI Express Base, 7.7.2.2: Table Size has 11 bits */
#define VIEW_PAGE     4096u /* what can be mapped for a guest, at the least */
#define VIEW_ENTRY    16u   /* bytes of an entry of the MSI-X table */
#define VIEW_NO_PLACE UINT64_MAX

/* The calls of vio/vfio.h that a view makes. */
struct vio_view_device {
	int (*read_region)(struct vio_vfio *vfio, uint32_t index,
			   struct vio_vfio_region *region);
	int (*read)(struct vio_vfio *vfio, uint32_t index, uint64_t offset, void *out,
		    uint32_t n);
	int (*write)(struct vio_vfio *vfio, uint32_t index, uint64_t offset,
		     const void *data, uint32_t n);
	int (*map_bar)(struct vio_vfio *vfio, uint32_t bar, uint64_t offset,
		       uint64_t length_bytes, void **out, struct vio_error *err);
	int (*unmap_bar)(struct vio_vfio *vfio, void *ptr);
	int (*set_interrupts)(struct vio_vfio *vfio, uint32_t kind,
			      const int32_t *eventfds, uint32_t n,
			      struct vio_error *err);
};

struct view_bar_layout {
	uint64_t length_bytes; /* 0: the guest has no such BAR */
	bool is_64bit;
	bool can_map;
};

struct view_layout {
	uint8_t device[VIO_PCI_CONFIG_BYTES];   /* as the device says it */
	uint8_t initial[VIO_PCI_CONFIG_BYTES];  /* what the guest sees after a reset */
	uint8_t writable[VIO_PCI_CONFIG_BYTES]; /* bits that the guest may change */
	uint8_t live[VIO_PCI_CONFIG_BYTES];     /* bits to be read from the device */
	struct view_bar_layout bars[VIEW_BARS];
	/* Where the capabilities are; 0: not there. */
	uint32_t pm;
	uint32_t express;
	uint32_t af;
	uint32_t msix;
	uint32_t n_vectors;   /* of the table */
	uint32_t n_connected; /* of them, how many the kernel can connect */
	uint32_t table_bar;
	uint32_t table_offset;
	uint32_t pba_bar;
	uint32_t pba_offset;
};

/* Pages of a BAR that are all mapped or all trapped. */
struct view_span {
	uint64_t offset;
	uint64_t length_bytes;
	void *hva;      /* NULL: trapped */
	bool can_map;   /* holds nothing that is kept here */
	bool is_mapped; /* shown to the guest at this moment */
};

struct view_bar {
	uint64_t gpa; /* where it is, or VIEW_NO_PLACE */
	uint32_t n_spans;
	struct view_span spans[VIEW_SPANS];
};

/* What the monitor was told last of a vector. */
struct view_route {
	uint64_t address;
	uint32_t data;
	bool is_routed;
	bool is_masked;
	bool is_pending; /* its event was taken while it was masked */
};

struct vio_view {
	const struct vio_env *env;
	const struct vio_view_device *device;
	struct vio_vfio *vfio; /* NULL: detached */
	struct vio_view_ops ops;
	struct vio_log_brake brake;
	bool is_lost;        /* the function under it answers no more */
	bool is_connected;   /* eventfds are with the kernel */
	uint32_t pushed;     /* Command as the device has it */
	uint32_t msix_state; /* MSI-X control bits that the routes follow */
	struct view_layout *layout;
	uint8_t shown[VIO_PCI_CONFIG_BYTES];
	struct view_bar bars[VIEW_BARS];
	uint8_t *table; /* VIEW_ENTRY bytes for each vector, or NULL */
	struct view_route *routes;
	int32_t *eventfds;
};

/* Little-endian numbers of 1, 2, 4 or 8 bytes. */
uint64_t vio_view_get_bytes(const uint8_t *bytes, uint32_t n);
void vio_view_set_bytes(uint8_t *bytes, uint64_t value, uint32_t n);

/* All ones of @n bytes: what the bus answers where nobody does. */
static inline uint64_t vio_view_get_ones(uint32_t n)
{
	return UINT64_MAX >> (64 - 8 * n);
}

/* 1 to @n_max bytes, aligned to themselves, below @length_bytes. */
bool vio_view_is_access(uint64_t offset, uint32_t n, uint32_t n_max,
			uint64_t length_bytes);

/* Takes note if @ret says that the function has gone; returns @ret. */
int vio_view_verify(struct vio_view *view, int ret, const char *what);

/* May the function be asked? */
static inline bool vio_view_has_device(const struct vio_view *view)
{
	return view->vfio && !view->is_lost;
}

/* view_layout.c: -EBADMSG: makes no sense, -ENODEV, or what the device answered. */
int vio_view_layout_read(const struct vio_view_device *device, struct vio_vfio *vfio,
			 struct view_layout *layout, struct vio_error *err);

/* view_layout.c: 0, or -EXDEV with the difference in @err. */
int vio_view_layout_verify(const struct view_layout *layout,
			   const struct view_layout *other, struct vio_error *err);

/* view_caps.c: what of the lists of capabilities is the guest's. */
int vio_view_layout_read_caps(struct view_layout *layout, uint32_t n_bytes,
			      struct vio_error *err);

/* view_config.c: does the function decode memory accesses? */
bool vio_view_has_memory(const struct vio_view *view);

/* view_config.c: makes Command of the device what the guest's says; 0 or -errno. */
int vio_view_push_command(struct vio_view *view);

/* view_config.c: neither memory accesses nor DMA from here on. */
void vio_view_stop(struct vio_view *view);

/* view_bar.c: cuts BARs into spans, for good. */
void vio_view_bars_prepare(struct vio_view *view);
/* The registers of a new function appear in this process, or leave it. */
void vio_view_bars_map(struct vio_view *view);
void vio_view_bars_unmap(struct vio_view *view);
/* Takes away BARs that are not, or no longer, where the guest wants them. */
void vio_view_bars_lift(struct vio_view *view);
/* Puts BARs where the guest wants them. */
void vio_view_bars_place(struct vio_view *view);
/* Takes away all of them. */
void vio_view_bars_remove(struct vio_view *view);

/* view_msix.c: table, routes and eventfds; -ENOMEM, -EMFILE or the like. */
int vio_view_msix_create(struct vio_view *view);
void vio_view_msix_destroy(struct vio_view *view);
/* The table as after a reset: all masked. */
void vio_view_msix_reset(struct vio_view *view);
/* Connects and routes as MSI-X control and the table say. */
void vio_view_msix_configure(struct vio_view *view);
/* Routes off and eventfds back from the kernel. */
void vio_view_msix_detach(struct vio_view *view);
/* Is the access to the table or to the pending bits? Then it is answered here. */
bool vio_view_msix_read(struct vio_view *view, uint32_t bar, uint64_t offset,
			uint32_t n, uint64_t *out);
bool vio_view_msix_write(struct vio_view *view, uint32_t bar, uint64_t offset,
			 uint64_t value, uint32_t n);

/* vio_view_create() on another table of calls. */
int vio_view_create_on(struct vio_ctx *ctx, const struct vio_view_device *device,
		       struct vio_vfio *vfio, const struct vio_view_ops *ops,
		       struct vio_view **out, struct vio_error *err);

/* Registers of the header, type 0 (PCI Express Base, 7.5.1). */
#define VIEW_COMMAND        0x04u
#define VIEW_COMMAND_MEMORY 0x0002u
#define VIEW_COMMAND_MASTER 0x0004u
#define VIEW_COMMAND_INTX   0x0400u /* Interrupt Disable */
#define VIEW_BAR0           0x10u

/* Registers of capabilities, from their beginning. */
#define VIEW_PM_CONTROL        0x04u
#define VIEW_PM_STATE          0x3u
#define VIEW_PM_NO_SOFT_RESET  0x8u
#define VIEW_EXPRESS_CAP       0x04u
#define VIEW_EXPRESS_CONTROL   0x08u
#define VIEW_EXPRESS_FLR       (1u << 28)
#define VIEW_EXPRESS_START_FLR 0x8000u
#define VIEW_AF_CAP            0x03u
#define VIEW_AF_FLR            0x02u
#define VIEW_AF_CONTROL        0x04u
#define VIEW_AF_START_FLR      0x01u
#define VIEW_MSIX_CONTROL      0x02u
#define VIEW_MSIX_ENABLE       0x8000u
#define VIEW_MSIX_MASK_ALL     0x4000u

#endif /* VIO_VF_VIEW_H */
