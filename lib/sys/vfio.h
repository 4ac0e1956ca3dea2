/* SPDX-License-Identifier: MIT */
/*
 * VFIO's calls with types: the kernel's structs, their sizes and their chains of
 * capabilities stay in here. Opening, binding, resetting and closing a function
 * take 100 ms or more; those calls are for a lent thread.
 */
#ifndef VIO_SYS_VFIO_H
#define VIO_SYS_VFIO_H

#include <stdint.h>

#include "sys/sys.h"

/* An I/O address space of the kernel's: a container, or one of an iommufd. */
struct vio_dma {
	int fd; /* -1: none */
	uint32_t is_iommufd;
	uint32_t ioas_id; /* iommufd's */
	uint32_t is_set;  /* a container's: it has its IOMMU */
};

struct vio_iova_range {
	uint64_t first;
	uint64_t last;
};

/* x86 has two or three: one more for each reserved region of a device. */
#define VIO_DMA_RANGES_MAX 64u

struct vio_dma_limits {
	uint64_t page_bytes; /* the smallest that can be mapped */
	uint32_t n_maps;     /* mappings that can be made; UINT32_MAX: no bound */
	uint32_t n_ranges;
	struct vio_iova_range ranges[VIO_DMA_RANGES_MAX];
};

struct vio_dma_map {
	uint64_t iova;
	uint64_t length_bytes;
	void *ptr;
	uint32_t flags; /* VIO_IOMMU_READ, VIO_IOMMU_WRITE */
};

/* vfio_dma.c. -ENODEV: it is not what was looked for. */
int vio_dma_open(const struct vio_sys *sys, const char *path, uint32_t is_iommufd,
		 struct vio_dma *out);
void vio_dma_close(const struct vio_sys *sys, struct vio_dma *dma);

/* Once a function is attached: before that nothing is known. */
int vio_dma_read_limits(const struct vio_sys *sys, const struct vio_dma *dma,
			struct vio_dma_limits *out);
int vio_dma_map(const struct vio_sys *sys, const struct vio_dma *dma,
		const struct vio_dma_map *map);
int vio_dma_unmap(const struct vio_sys *sys, const struct vio_dma *dma, uint64_t iova,
		  uint64_t length_bytes);

/* Regions and interrupts of a PCI function, by VFIO's indices. */
#define VIO_PART_CONFIG 7u
#define VIO_PARTS       8u
#define VIO_IRQ_ERROR   3u
#define VIO_IRQ_REQUEST 4u
#define VIO_IRQS        5u

/* A BAR with a table in the middle has two areas; no driver of Linux has 16. */
#define VIO_PART_AREAS_MAX 16u

/* What of a region can be mapped, in bytes from its beginning. */
struct vio_part_area {
	uint64_t offset;
	uint64_t length_bytes;
};

struct vio_part {
	uint64_t length_bytes; /* 0: it is not there */
	uint64_t fd_offset;
	uint32_t flags; /* VIO_IOMMU_READ, VIO_IOMMU_WRITE */
	uint32_t n_areas;
	struct vio_part_area areas[VIO_PART_AREAS_MAX];
};

struct vio_parts {
	struct vio_part all[VIO_PARTS];
	uint32_t n_vectors[VIO_IRQS];
};

/*
 * vfio.c. A group joins the container; -EXDEV: it is not viable, some function of
 * it is bound to a driver of the kernel's. Both return a descriptor or -errno.
 */
int vio_group_open(const struct vio_sys *sys, const char *path, struct vio_dma *dma);
int vio_group_open_function(const struct vio_sys *sys, int group_fd, const char *name);

/* The function's own file, bound and attached; -EBUSY also if another has it. */
int vio_cdev_open_function(const struct vio_sys *sys, const char *path,
			   const struct vio_dma *dma);

int vio_function_read_parts(const struct vio_sys *sys, int fd, struct vio_parts *out);
int vio_function_reset(const struct vio_sys *sys, int fd);

/*
 * All vectors of an interrupt at once; @n 0: off. @room is for as many bytes as
 * vio_irq_room() says. -ENOSPC: there are fewer vectors to have.
 */
size_t vio_irq_room(uint32_t n);
int vio_function_set_irqs(const struct vio_sys *sys, int fd, uint32_t index,
			  const int32_t *eventfds, uint32_t n, void *room);

/*
 * vfio_migration.c. -EOPNOTSUPP: the function has no migration. Setting a state may
 * hand out the descriptor of a session, or -1; that and the look at a session wait for
 * the device.
 */
int vio_function_read_migration(const struct vio_sys *sys, int fd,
				uint64_t *out_features, uint32_t *out_state);
int vio_function_set_migration(const struct vio_sys *sys, int fd, uint32_t state,
			       int *out_data_fd);
int vio_session_read_precopy(const struct vio_sys *sys, int data_fd,
			     uint64_t *out_initial_bytes, uint64_t *out_dirty_bytes);

#endif /* VIO_SYS_VFIO_H */
