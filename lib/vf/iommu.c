/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces as the caller sees them. Whatever a range can be refused for
 * is found out here, before the kernel is asked: the kernel's answers do not say
 * which of several reasons it had, and between two of its checks it pins memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/log.h"
#include "core/params.h"
#include "sys/sys.h"
#include "vf/iommu.h"
#include "vf/vfio.h"

#define ACCESS     (VIO_IOMMU_READ | VIO_IOMMU_WRITE)
#define PAGE_BYTES 4096u /* below any kernel's; its own is in the limits */
#define BIG_PAGE   (UINT64_C(2) << 20) /* IOMMUs of all makers map it as one */

/* The paths below dev_root that tell which ways there are. */
static int has_file(const struct vio_host *host, const char *name)
{
	const struct vio_sys *sys = host->env->sys;
	char path[VIO_VFIO_PATH_BYTES];
	int fd;

	if (vio_vfio_path(path, host, name))
		return 0;
	/* O_PATH: opening it for real would load modules, and wait for them. */
	fd = sys->openat(sys->opaque, AT_FDCWD, path, O_PATH, 0);
	if (fd < 0)
		return 0;
	sys->close(sys->opaque, fd);
	return 1;
}

static int read_params(const struct vio_iommu_params *params,
		       struct vio_iommu_params *p, struct vio_error *err)
{
	static const struct vio_iommu_params defaults = VIO_IOMMU_PARAMS_INIT;
	int ret = vio_params_copy(p, sizeof(*p), VIO_PARAMS_END(*p, mem),
				  params ? params : &defaults);

	if (ret)
		return vio_fail(err, ret,
				"iommu: the parameters' size is wrong, or a field "
				"that this libvio does not know is set");
	if (p->flags & ~(VIO_IOMMU_TYPE1 | VIO_IOMMU_IOMMUFD))
		return vio_fail(err, -EINVAL, "iommu: unknown flag in 0x%x", p->flags);
	if (p->flags == (VIO_IOMMU_TYPE1 | VIO_IOMMU_IOMMUFD))
		return vio_fail(err, -EINVAL,
				"iommu: type 1 or iommufd, not both; 0 takes what "
				"there is");
	return 0;
}

static int
check_ways(const struct vio_host *host, uint32_t flags, struct vio_error *err)
{
	const int wants_type1 = !(flags & VIO_IOMMU_IOMMUFD);
	const int wants_iommufd = !(flags & VIO_IOMMU_TYPE1);

	if (wants_type1 && has_file(host, "vfio/vfio"))
		return 0;
	if (wants_iommufd && has_file(host, "iommu"))
		return 0;
	return vio_fail(err, -ENODEV, "iommu: %s has neither of%s%s, load vfio-pci",
			host->dev_root, wants_type1 ? " vfio/vfio" : "",
			wants_iommufd ? " iommu" : "");
}

int vio_iommu_open(struct vio_host *host, const struct vio_iommu_params *params,
		   struct vio_iommu **out, struct vio_error *err)
{
	struct vio_iommu_params p;
	struct vio_iommu *iommu;
	int ret = read_params(params, &p, err);

	if (ret)
		return ret;
	if (vio_env_is_child(host->env))
		return vio_fail(err, -ECHILD, "iommu: not in a forked child");
	ret = check_ways(host, p.flags, err);
	if (ret)
		return ret;
	iommu = VIO_NEW(host->env, struct vio_iommu);
	if (!iommu)
		return vio_fail(err, -ENOMEM, "iommu: no memory");
	iommu->env = host->env;
	iommu->host = host;
	iommu->flags = p.flags;
	iommu->mem = p.mem;
	iommu->dma.fd = -1;
	iommu->iova.env = host->env;
	vio_list_init(&iommu->groups);
	vio_list_init(&iommu->functions);
	vio_list_init(&iommu->waiting);
	ret = vio_iommu_follow(iommu);
	if (ret) {
		vio_iova_clear(&iommu->iova);
		VIO_DELETE(host->env, iommu);
		return vio_fail(err, ret,
				"iommu: the memory table cannot be followed: "
				"%s",
				strerror(-ret));
	}
	vio_list_append(&host->iommus, &iommu->node);
	vio_env_hold(host->env);
	*out = iommu;
	return 0;
}

static int fail_range(const struct vio_dma_map *map, int code, const char *why,
		      struct vio_error *err)
{
	return vio_fail(err, code, "iommu: 0x%llx bytes at I/O address 0x%llx: %s",
			(unsigned long long)map->length_bytes,
			(unsigned long long)map->iova, why);
}

int vio_iommu_verify(const struct vio_dma_limits *limits, const struct vio_dma_map *map,
		     struct vio_error *err)
{
	const uint64_t page = limits->page_bytes;
	uint64_t last, ignored;

	if (!vio_range_last(map->iova, map->length_bytes, &last))
		return fail_range(map, -EINVAL, "empty, or past the end", err);
	if (!vio_range_last((uintptr_t)map->ptr, map->length_bytes, &ignored))
		return fail_range(map, -EINVAL, "the memory wraps", err);
	if (!vio_is_aligned(map->iova | map->length_bytes | (uintptr_t)map->ptr, page))
		return fail_range(map, -EINVAL, "not of whole pages", err);
	if (!vio_iova_is_usable(limits, map->iova, last))
		return fail_range(map, -EINVAL,
				  "reserved, or out of the IOMMU's reach: see "
				  "vio_iommu_foreach()",
				  err);
	return 0;
}

int vio_iommu_fail_map(const struct vio_iommu *iommu, const struct vio_dma_map *map,
		       int code, struct vio_error *err)
{
	const uint64_t bytes = iommu->iova.mapped_bytes + map->length_bytes;

	if (code == -ENOMEM || code == -EPERM)
		return vio_fail(
			err, code,
			"iommu: the kernel does not pin 0x%llx bytes at 0x%llx: "
			"no memory, or RLIMIT_MEMLOCK is below %llu KiB",
			(unsigned long long)map->length_bytes,
			(unsigned long long)map->iova,
			(unsigned long long)(bytes >> 10));
	return fail_range(map, code, strerror(-code), err);
}

/* Not known before a function is open: whole pages, and nothing reserved. */
static const struct vio_dma_limits no_limits = {
	.page_bytes = PAGE_BYTES,
	.n_maps = UINT32_MAX,
	.n_ranges = 1,
	.ranges = { { 0, UINT64_MAX } },
};

static int
check_map(struct vio_iommu *iommu, const struct vio_dma_map *map, struct vio_error *err)
{
	const struct vio_dma_limits *limits =
		iommu->dma.fd >= 0 ? &iommu->limits : &no_limits;
	int ret = vio_iommu_verify(limits, map, err);

	if (ret)
		return ret;
	if (vio_iova_find_overlap(&iommu->iova, map->iova,
				  map->iova + (map->length_bytes - 1)))
		return fail_range(map, -EEXIST, "overlaps what is mapped", err);
	if (iommu->iova.n >= limits->n_maps)
		return vio_fail(err, -ENOSPC,
				"iommu: the kernel has room for %u mappings: raise "
				"dma_entry_limit of vfio_iommu_type1",
				limits->n_maps);
	ret = vio_iova_prepare(&iommu->iova);
	return ret ? vio_fail(err, ret, "iommu: no memory") : 0;
}

/* A child with pinned memory would have all of it copied at fork(). */
static int map_now(struct vio_iommu *iommu, const struct vio_dma_map *map)
{
	const struct vio_sys *sys = iommu->env->sys;
	int ret = sys->madvise(sys->opaque, map->ptr, map->length_bytes, MADV_DONTFORK);

	if (!ret && iommu->dma.fd >= 0)
		ret = vio_dma_map(sys, &iommu->dma, map);
	return ret;
}

int vio_iommu_add(struct vio_iommu *iommu, const struct vio_iova_map *map,
		  struct vio_error *err)
{
	int ret = check_map(iommu, &map->map, err);

	if (ret)
		return ret;
	ret = map_now(iommu, &map->map);
	if (ret)
		return vio_iommu_fail_map(iommu, &map->map, ret, err);
	vio_iova_add(&iommu->iova, map);
	return 0;
}

/* A child shares the kernel's object with its parent, which goes on with it. */
static int unmap_now(const struct vio_iommu *iommu, const struct vio_dma_map *map)
{
	if (iommu->dma.fd < 0 || vio_env_is_child(iommu->env))
		return 0;
	return vio_dma_unmap(iommu->env->sys, &iommu->dma, map->iova,
			     map->length_bytes);
}

void vio_iommu_remove(struct vio_iommu *iommu, const struct vio_iova_map *map)
{
	const int ret = unmap_now(iommu, &map->map);

	if (ret)
		vio_log(iommu->env, VIO_LOG_ERROR, "vf",
			"iommu: the kernel does not unmap I/O address 0x%llx: %s",
			(unsigned long long)map->map.iova, strerror(-ret));
	vio_iova_remove(&iommu->iova, map);
}

static int check_state(const struct vio_iommu *iommu, struct vio_error *err)
{
	if (vio_env_is_child(iommu->env))
		return vio_fail(err, -ECHILD, "iommu: not in a forked child");
	if (iommu->is_frozen)
		return vio_fail(err, -EBUSY,
				"iommu: its first function is being opened, or its "
				"last one closed");
	if (iommu->dma.fd < 0)
		return vio_fail(err, -ENODEV, "iommu: no function is open on it");
	return 0;
}

/* Large pages where the memory allows them: one entry of the IOMMU in place of 512. */
static int find_place(const struct vio_iommu *iommu, struct vio_dma_map *map,
		      struct vio_error *err)
{
	const uint64_t page = iommu->limits.page_bytes;
	int ret = -ENOSPC;

	if (!map->length_bytes || !vio_is_aligned(map->length_bytes, page))
		return fail_range(map, -EINVAL, "not of whole pages", err);
	if (map->length_bytes >= BIG_PAGE && page < BIG_PAGE)
		ret = vio_iova_find_place(&iommu->iova, &iommu->limits,
					  map->length_bytes, BIG_PAGE, &map->iova);
	if (ret)
		ret = vio_iova_find_place(&iommu->iova, &iommu->limits,
					  map->length_bytes, page, &map->iova);
	return ret ? vio_fail(err, ret, "iommu: no place for 0x%llx bytes",
			      (unsigned long long)map->length_bytes)
		   : 0;
}

int vio_iommu_map(struct vio_iommu *iommu, void *ptr, uint64_t length_bytes,
		  uint32_t flags, uint64_t *iova, struct vio_error *err)
{
	struct vio_iova_map map = {
		.map = { *iova, length_bytes, ptr, flags & ACCESS },
	};
	int ret = check_state(iommu, err);

	if (ret)
		return ret;
	if (flags & ~(ACCESS | VIO_IOMMU_FIXED) || !(flags & ACCESS))
		return vio_fail(err, -EINVAL,
				"iommu: flags 0x%x: READ, WRITE or both are needed",
				flags);
	if (!(flags & VIO_IOMMU_FIXED))
		ret = find_place(iommu, &map.map, err);
	if (!ret)
		ret = vio_iommu_add(iommu, &map, err);
	if (!ret)
		*iova = map.map.iova;
	return ret;
}

int vio_iommu_unmap(struct vio_iommu *iommu, uint64_t iova)
{
	const struct vio_iova_map *map = vio_iova_find(&iommu->iova, iova);
	int ret;

	if (iommu->is_frozen)
		return -EBUSY;
	if (!map || map->is_followed)
		return -ENOENT;
	/* Forgotten while devices still reach it, the memory would be used again. */
	ret = unmap_now(iommu, &map->map);
	if (!ret)
		vio_iova_remove(&iommu->iova, map);
	return ret;
}

int vio_iommu_foreach(struct vio_iommu *iommu,
		      int (*fn)(void *opaque, uint64_t first, uint64_t last),
		      void *opaque)
{
	const struct vio_dma_limits limits = iommu->limits;
	int ret = 0;

	if (iommu->dma.fd < 0)
		return -ENODEV;
	for (uint32_t i = 0; !ret && i < limits.n_ranges; i++)
		ret = fn(opaque, limits.ranges[i].first, limits.ranges[i].last);
	return ret;
}

#define NAMES_BYTES (VIO_ERROR_TEXT_BYTES - 64u) /* the sentence around them */

static size_t add_name(char names[NAMES_BYTES], size_t used, const char *name)
{
	const size_t room = NAMES_BYTES - used;
	const int n = snprintf(names + used, room, " %s", name);

	return used + ((size_t)n < room ? (size_t)n : room - 1);
}

/* Those that keep it, as far as there is room: open, or about to be. */
static int fail_busy(struct vio_iommu *iommu, struct vio_error *err)
{
	char names[NAMES_BYTES] = "";
	size_t used = 0;

	for (struct vio_list *n = iommu->functions.next; n != &iommu->functions;
	     n = n->next)
		used = add_name(names, used,
				VIO_CONTAINER_OF(n, struct vio_vfio, node)->name);
	for (struct vio_list *n = iommu->waiting.next; n != &iommu->waiting;
	     n = n->next) {
		const struct vio_vfio *vfio =
			VIO_CONTAINER_OF(n, struct vio_vfio, waiting);

		if (!vfio->is_closing)
			used = add_name(names, used, vfio->name);
	}
	return vio_fail(err, -EBUSY, "iommu: functions are open on it, close%s", names);
}

int vio_iommu_close(struct vio_iommu *iommu, struct vio_error *err)
{
	const struct vio_env *env;
	int ret;

	if (!iommu)
		return 0;
	env = iommu->env;
	if (!vio_list_is_empty(&iommu->functions) ||
	    !vio_list_is_empty(&iommu->waiting) || iommu->is_frozen)
		return fail_busy(iommu, err);
	ret = vio_iommu_unfollow(iommu);
	if (ret)
		return vio_fail(err, ret,
				"iommu: the memory table has an open batch, "
				"or there is no memory");
	vio_list_remove(&iommu->node);
	vio_iova_clear(&iommu->iova);
	VIO_DELETE(env, iommu);
	vio_env_drop(env);
	return 0;
}
