/* SPDX-License-Identifier: MIT */
/*
 * Registers. A function that has gone still answers: reads give all ones, writes
 * vanish, and VFIO itself makes up the part of configuration space that it emulates.
 * The Status register is the one that comes from the function whatever its kind, and
 * its reserved bits keep it from ever being all ones; it tells what an answer is
 * worth.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "vf/vfio.h"

#define ACCESS_MAX    4096u /* configuration space, whole */
#define STATUS_OFFSET 0x06u /* PCI Local Bus, 6.1 */
#define GONE_STATUS   0xffffu
#define PAGE_BYTES    4096u

int vio_vfio_is_gone(const struct vio_vfio *vfio)
{
	const struct vio_part *config = &vfio->parts.all[VIO_PART_CONFIG];
	const struct vio_sys *sys = vfio->env->sys;
	uint16_t status = 0;
	ssize_t ret;

	if (config->length_bytes < STATUS_OFFSET + sizeof(status))
		return 0;
	ret = sys->pread(sys->opaque, vfio->fd, &status, sizeof(status),
			 (off_t)(config->fd_offset + STATUS_OFFSET));
	return ret != sizeof(status) || status == GONE_STATUS;
}

/* 0, and where in the file; or what the access is refused with. */
static int find_registers(const struct vio_vfio *vfio, uint32_t index, uint64_t offset,
			  uint32_t n, uint32_t access, off_t *out)
{
	const struct vio_part *part = &vfio->parts.all[index];
	uint64_t end;

	if (vio_env_is_child(vfio->env))
		return -ECHILD;
	if (index >= VIO_PARTS || !n || n > ACCESS_MAX || !(part->flags & access) ||
	    !vio_add_u64(offset, n, &end) || end > part->length_bytes)
		return -ENXIO;
	*out = (off_t)(part->fd_offset + offset);
	return 0;
}

/* What the call returned, as 0 or -errno. Partly done is not done. */
static int answer(const struct vio_vfio *vfio, ssize_t ret, uint32_t n, int is_doubtful)
{
	if ((ret != (ssize_t)n || is_doubtful) && vio_vfio_is_gone(vfio))
		return -ENODEV;
	if (ret < 0)
		return (int)ret;
	return ret == (ssize_t)n ? 0 : -EIO;
}

/*
 * Into a buffer of ours, so that the caller's stays as it was. A function that goes
 * in the middle of a read leaves ones at its end: the last byte tells.
 */
int vio_vfio_read(struct vio_vfio *vfio, uint32_t index, uint64_t offset, void *out,
		  uint32_t n)
{
	const struct vio_sys *sys = vfio->env->sys;
	uint8_t bytes[ACCESS_MAX];
	off_t at = 0;
	ssize_t done;
	int ret = find_registers(vfio, index, offset, n, VIO_IOMMU_READ, &at);

	if (ret)
		return ret;
	done = sys->pread(sys->opaque, vfio->fd, bytes, n, at);
	ret = answer(vfio, done, n,
		     index == VIO_VFIO_CONFIG_REGION || bytes[n - 1] == 0xff);
	if (!ret)
		memcpy(out, bytes, n);
	return ret;
}

int vio_vfio_write(struct vio_vfio *vfio, uint32_t index, uint64_t offset,
		   const void *data, uint32_t n)
{
	const struct vio_sys *sys = vfio->env->sys;
	off_t at = 0;
	int ret = find_registers(vfio, index, offset, n, VIO_IOMMU_WRITE, &at);

	if (ret)
		return ret;
	return answer(vfio, sys->pwrite(sys->opaque, vfio->fd, data, n, at), n, 1);
}

int vio_vfio_read_region(struct vio_vfio *vfio, uint32_t index,
			 struct vio_vfio_region *region)
{
	struct vio_vfio_region own = VIO_VFIO_REGION_INIT;
	const struct vio_part *part;

	if (index > VIO_VFIO_CONFIG_REGION)
		return -EINVAL;
	part = &vfio->parts.all[index];
	own.length_bytes = part->length_bytes;
	own.flags = part->length_bytes ? part->flags : 0;
	own.can_map = index < 6 && part->n_areas;
	own.n_vectors = index < VIO_IRQS ? vfio->parts.n_vectors[index] : 0;
	return vio_params_fill(region, VIO_PARAMS_END(own, n_vectors), &own,
			       sizeof(own));
}

/* Within one area, since what lies between two may not be mapped. */
static int can_map(const struct vio_part *part, uint64_t offset, uint64_t length_bytes)
{
	for (uint32_t i = 0; i < part->n_areas; i++) {
		const struct vio_part_area *area = &part->areas[i];

		if (offset >= area->offset && length_bytes <= area->length_bytes &&
		    offset - area->offset <= area->length_bytes - length_bytes)
			return 1;
	}
	return 0;
}

static int check_bar(const struct vio_vfio *vfio, uint32_t bar, uint64_t offset,
		     uint64_t length_bytes, struct vio_error *err)
{
	const struct vio_part *part = &vfio->parts.all[bar < 6 ? bar : 0];
	uint64_t end;

	if (vio_env_is_child(vfio->env))
		return vio_fail(err, -ECHILD, "%s: not in a forked child", vfio->name);
	if (bar > 5 || !part->length_bytes)
		return vio_fail(err, -ENXIO, "%s: it has no BAR %u", vfio->name, bar);
	if (!vio_add_u64(offset, length_bytes, &end) || end > part->length_bytes)
		return vio_fail(err, -ENXIO, "%s: BAR %u has 0x%llx bytes", vfio->name,
				bar, (unsigned long long)part->length_bytes);
	if (!length_bytes || !vio_is_aligned(offset | length_bytes, PAGE_BYTES))
		return vio_fail(err, -EINVAL, "%s: BAR %u: not of whole pages",
				vfio->name, bar);
	if (!can_map(part, offset, length_bytes))
		return vio_fail(err, -EINVAL,
				"%s: BAR %u: the kernel does not let this part be "
				"mapped",
				vfio->name, bar);
	return 0;
}

static int map_now(const struct vio_vfio *vfio, const struct vio_part *part,
		   uint64_t offset, struct vio_vfio_bar *bar)
{
	const struct vio_sys *sys = vfio->env->sys;
	int ret = 0;

	bar->ptr = sys->mmap(sys->opaque, bar->length_bytes,
			     (part->flags & VIO_IOMMU_READ ? PROT_READ : 0) |
				     (part->flags & VIO_IOMMU_WRITE ? PROT_WRITE : 0),
			     MAP_SHARED, vfio->fd, (off_t)(part->fd_offset + offset),
			     &ret);
	if (!bar->ptr)
		return ret;
	ret = sys->madvise(sys->opaque, bar->ptr, bar->length_bytes, MADV_DONTFORK);
	if (ret)
		sys->munmap(sys->opaque, bar->ptr, bar->length_bytes);
	return ret;
}

int vio_vfio_map_bar(struct vio_vfio *vfio, uint32_t bar, uint64_t offset,
		     uint64_t length_bytes, void **out, struct vio_error *err)
{
	struct vio_vfio_bar *mapped;
	int ret = check_bar(vfio, bar, offset, length_bytes, err);

	if (ret)
		return ret;
	mapped = VIO_NEW(vfio->env, struct vio_vfio_bar);
	if (!mapped)
		return vio_fail(err, -ENOMEM, "%s: no memory", vfio->name);
	mapped->length_bytes = length_bytes;
	ret = map_now(vfio, &vfio->parts.all[bar], offset, mapped);
	if (ret) {
		VIO_DELETE(vfio->env, mapped);
		return vio_fail(err, ret, "%s: BAR %u: %s", vfio->name, bar,
				strerror(-ret));
	}
	vio_list_append(&vfio->bars, &mapped->node);
	*out = mapped->ptr;
	return 0;
}

int vio_vfio_unmap_bar(struct vio_vfio *vfio, void *ptr)
{
	const struct vio_sys *sys = vfio->env->sys;

	for (struct vio_list *n = vfio->bars.next; n != &vfio->bars; n = n->next) {
		struct vio_vfio_bar *bar =
			VIO_CONTAINER_OF(n, struct vio_vfio_bar, node);

		if (bar->ptr != ptr)
			continue;
		/* In a child it is not mapped, and something else may be. */
		if (!vio_env_is_child(vfio->env))
			sys->munmap(sys->opaque, bar->ptr, bar->length_bytes);
		vio_list_remove(&bar->node);
		VIO_DELETE(vfio->env, bar);
		return 0;
	}
	return -ENOENT;
}
