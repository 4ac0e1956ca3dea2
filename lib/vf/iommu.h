/* SPDX-License-Identifier: MIT */
/*
 * An I/O address space, for the files of this folder. What is mapped is written
 * down here first; the kernel's object exists while functions are open, and is
 * given the same mappings whenever it is made anew.
 */
#ifndef VIO_VF_IOMMU_H
#define VIO_VF_IOMMU_H

#include <vio/vfio.h>

#include "core/list.h"
#include "sys/vfio.h"
#include "vf/host.h"
#include "vf/iova.h"

/* A group with functions of ours; the kernel lets it be opened once. */
struct vio_vfio_group {
	struct vio_list node;
	uint32_t number;
	uint32_t n_functions;
	int fd;
};

struct vio_iommu {
	struct vio_list node; /* in host->iommus */
	const struct vio_env *env;
	struct vio_host *host;
	uint32_t flags;
	struct vio_mem *mem; /* NULL: follows none */
	struct vio_dma dma;  /* fd -1: no function is open */
	struct vio_dma_limits limits;
	struct vio_iova iova;
	struct vio_list groups;
	struct vio_list functions; /* struct vio_vfio, open */
	struct vio_list waiting;   /* to be opened; the first may be under way */
	/* A lent thread makes or closes the kernel's object and reads the maps. */
	uint32_t is_frozen;
};

/* Checks a range against what the kernel takes. Fills @err. */
int vio_iommu_verify(const struct vio_dma_limits *limits, const struct vio_dma_map *map,
		     struct vio_error *err);

/* The line for a mapping that the kernel refused with @code; returns @code. */
int vio_iommu_fail_map(const struct vio_iommu *iommu, const struct vio_dma_map *map,
		       int code, struct vio_error *err);

/* Checked, written down and, if a function is open, given to the kernel. */
int vio_iommu_add(struct vio_iommu *iommu, const struct vio_iova_map *map,
		  struct vio_error *err);
void vio_iommu_remove(struct vio_iommu *iommu, const struct vio_iova_map *map);

/* iommu_mem.c */
int vio_iommu_follow(struct vio_iommu *iommu);
int vio_iommu_unfollow(struct vio_iommu *iommu);

#endif /* VIO_VF_IOMMU_H */
