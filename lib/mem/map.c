/* SPDX-License-Identifier: MIT */
/*
 * Guest memory mapped from a descriptor. Whoever sent it may still hold it:
 * without F_SEAL_SHRINK it can be truncated at any time, and a mapping beyond
 * the end of its file kills with SIGBUS. So the seal is asked for first, and
 * then the size, which from there on can only grow.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "core/error.h"
#include "mem/mem.h"
#include "sys/sys.h"

#define PAGE_BYTES    4096
#define HUGE_PAGE_MAX (1 << 30) /* a file system may say anything */

static int check_seals(const struct vio_sys *sys, const struct vio_mem_region *params,
		       struct vio_error *err)
{
	int seals;

	if (params->flags & VIO_MEM_ACCEPT_UNSEALED)
		return 0;
	seals = sys->fcntl(sys->opaque, params->fd, F_GET_SEALS, 0);
	if (seals == -EBADF)
		return vio_fail(err, -EBADF, "fd %d: not open", params->fd);
	if (seals < 0 || !(seals & F_SEAL_SHRINK))
		return vio_fail(err, -EPERM,
				"fd %d: its sender could truncate it; seal it with "
				"F_SEAL_SHRINK or pass VIO_MEM_ACCEPT_UNSEALED",
				params->fd);
	return 0;
}

static int check_size(const struct vio_sys *sys, const struct vio_mem_region *params,
		      uint64_t *out_block_bytes, struct vio_error *err)
{
	struct stat st;
	uint64_t end;
	int ret = sys->fstat(sys->opaque, params->fd, &st);

	if (ret < 0)
		return vio_fail(err, ret, "fd %d: cannot be examined", params->fd);
	if (!vio_add_u64(params->fd_offset_bytes, params->length_bytes, &end) ||
	    st.st_size < 0 || end > (uint64_t)st.st_size)
		return vio_fail(err, -ERANGE,
				"fd %d: the file ends at 0x%llx, before the region",
				params->fd, (unsigned long long)st.st_size);
	*out_block_bytes = PAGE_BYTES;
	if (vio_is_power_of_two((uint64_t)st.st_blksize) &&
	    st.st_blksize > PAGE_BYTES && st.st_blksize <= HUGE_PAGE_MAX)
		*out_block_bytes = (uint64_t)st.st_blksize;
	return 0;
}

/*
 * Whole blocks around the region: of hugetlbfs a part of a huge page can be neither
 * mapped nor unmapped, and a guest's low memory ends inside of one. Neither sum
 * wraps: the region lies within a file, whose size is an off_t.
 */
static void choose_map(const struct vio_mem_region *params, uint64_t block_bytes,
		       uint64_t *out_offset, uint64_t *out_bytes)
{
	uint64_t lead = params->fd_offset_bytes & (block_bytes - 1);

	*out_offset = params->fd_offset_bytes - lead;
	*out_bytes =
		(lead + params->length_bytes + block_bytes - 1) & ~(block_bytes - 1);
}

int vio_mem_map(const struct vio_env *env, const struct vio_mem_region *params,
		struct mem_region *region, struct vio_error *err)
{
	const struct vio_sys *sys = env->sys;
	int protection = PROT_READ;
	uint64_t block_bytes = PAGE_BYTES;
	uint64_t offset, n_bytes;
	int ret;

	if (vio_env_is_child(env))
		return vio_fail(err, -ECHILD, "a forked child maps no guest memory");
	ret = check_seals(sys, params, err);
	if (!ret)
		ret = check_size(sys, params, &block_bytes, err);
	if (ret)
		return ret;
	if (!(params->flags & VIO_MEM_READONLY))
		protection |= PROT_WRITE;
	choose_map(params, block_bytes, &offset, &n_bytes);
	region->map = sys->mmap(sys->opaque, n_bytes, protection, MAP_SHARED,
				params->fd, (off_t)offset, &ret);
	if (!region->map)
		return vio_fail(err, ret, "fd %d: cannot be mapped", params->fd);
	region->map_bytes = n_bytes;
	region->hva = region->map + (params->fd_offset_bytes - offset);
	return 0;
}

void vio_mem_unmap(const struct vio_env *env, struct mem_region *region)
{
	env->sys->munmap(env->sys->opaque, region->map, region->map_bytes);
}
