/* SPDX-License-Identifier: MIT */
/*
 * What this library uses of /dev/iommu, and of a VFIO device's own file, as Linux
 * has had it since 6.2 and 6.6; headers of older kernels lack both. The names are
 * ours, so that a newer header beside it does no harm. Numbers, sizes and the order
 * of fields are the kernel's.
 */
#ifndef VIO_SYS_UAPI_IOMMUFD_H
#define VIO_SYS_UAPI_IOMMUFD_H

#include <stdint.h>
#include <sys/ioctl.h>

/* Both interfaces are of one type, and neither tells direction or size. */
#define VIO_UAPI_TYPE ';'

/* On the device's file, before anything else; resets the function. */
#define VIO_UAPI_BIND_IOMMUFD _IO(VIO_UAPI_TYPE, 118)
struct vio_uapi_bind_iommufd {
	uint32_t argsz;
	uint32_t flags;
	int32_t iommufd;
	uint32_t out_devid;
};

/* On the device's file, once it is bound: from now on it sees @pt_id's addresses. */
#define VIO_UAPI_ATTACH_IOMMUFD_PT _IO(VIO_UAPI_TYPE, 119)
struct vio_uapi_attach_iommufd_pt {
	uint32_t argsz;
	uint32_t flags;
	uint32_t pt_id;
};

/* On /dev/iommu: an I/O address space. */
#define VIO_UAPI_IOAS_ALLOC _IO(VIO_UAPI_TYPE, 0x81)
struct vio_uapi_ioas_alloc {
	uint32_t size;
	uint32_t flags;
	uint32_t out_ioas_id;
};

struct vio_uapi_iova_range {
	uint64_t start;
	uint64_t last;
};

/*
 * What can be mapped with the devices now attached. -EMSGSIZE: there are more than
 * @num_iovas ranges, which is set to how many; those that fit are filled.
 */
#define VIO_UAPI_IOAS_IOVA_RANGES _IO(VIO_UAPI_TYPE, 0x84)
struct vio_uapi_ioas_iova_ranges {
	uint32_t size;
	uint32_t ioas_id;
	uint32_t num_iovas;
	uint32_t reserved;
	uint64_t allowed_iovas; /* address of an array of ranges */
	uint64_t out_iova_alignment;
};

#define VIO_UAPI_IOAS_MAP            _IO(VIO_UAPI_TYPE, 0x85)
#define VIO_UAPI_IOAS_MAP_FIXED_IOVA (1u << 0)
#define VIO_UAPI_IOAS_MAP_WRITEABLE  (1u << 1)
#define VIO_UAPI_IOAS_MAP_READABLE   (1u << 2)
struct vio_uapi_ioas_map {
	uint32_t size;
	uint32_t flags;
	uint32_t ioas_id;
	uint32_t reserved;
	uint64_t user_va;
	uint64_t length;
	uint64_t iova;
};

/* @length comes back as what was unmapped. */
#define VIO_UAPI_IOAS_UNMAP _IO(VIO_UAPI_TYPE, 0x86)
struct vio_uapi_ioas_unmap {
	uint32_t size;
	uint32_t ioas_id;
	uint64_t iova;
	uint64_t length;
};

#endif /* VIO_SYS_UAPI_IOMMUFD_H */
