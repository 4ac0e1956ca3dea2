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
	*out_block_bytes = st.st_blksize > 0 ? (uint64_t)st.st_blksize : 1;
	return 0;
}

int vio_mem_map(const struct vio_env *env, const struct vio_mem_region *params,
		struct mem_region *region, struct vio_error *err)
{
	const struct vio_sys *sys = env->sys;
	int protection = PROT_READ;
	uint64_t block_bytes = 1;
	void *hva;
	int ret;

	if (vio_env_is_child(env))
		return vio_fail(err, -ECHILD, "a forked child maps no guest memory");
	ret = check_seals(sys, params, err);
	if (ret)
		return ret;
	ret = check_size(sys, params, &block_bytes, err);
	if (ret)
		return ret;
	if (!(params->flags & VIO_MEM_READONLY))
		protection |= PROT_WRITE;
	/* The offset fits: the file, whose size is an off_t, reaches beyond it. */
	hva = sys->mmap(sys->opaque, params->length_bytes, protection, MAP_SHARED,
			params->fd, (off_t)params->fd_offset_bytes, &ret);
	if (!hva)
		return vio_fail(err, ret, "fd %d: cannot be mapped", params->fd);
	region->hva = hva;
	region->is_mapped = 1;
	region->block_bytes = block_bytes;
	return 0;
}

/*
 * mmap() rounds a length up to the huge pages of hugetlbfs, munmap() refuses one
 * that is not rounded, and does nothing then.
 */
void vio_mem_unmap(const struct vio_env *env, struct mem_region *region)
{
	const struct vio_sys *sys = env->sys;
	uint64_t rest = region->length_bytes % region->block_bytes;
	int ret = sys->munmap(sys->opaque, region->hva, region->length_bytes);

	if (ret == -EINVAL && rest)
		sys->munmap(sys->opaque, region->hva,
			    region->length_bytes - rest + region->block_bytes);
}
