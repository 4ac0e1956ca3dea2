/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory as the front end tells it. Mapping and the guest-physical
 * side are the memory table's; this file keeps where the front end itself has
 * each region, because the addresses of rings come in those terms.
 *
 * Running queues are not stopped for a change: they see it whole, and latch if
 * it took their ring away.
 */
#include <errno.h>

#include "core/bits.h"
#include "device/vhost_backend.h"

/* Lack of something here is not the peer's fault; all else is. */
static int blame(int error)
{
	switch (error) {
	case -ENOMEM:
	case -ENFILE:
	case -EMFILE:
	case -EAGAIN:
		return error;
	default:
		return -EBADMSG;
	}
}

int vio_vhost_translate(const struct vio_backend *backend, uint64_t uva,
			uint64_t length_bytes, uint64_t *out_gpa)
{
	uint64_t last;

	if (!vio_range_last(uva, length_bytes, &last))
		return -EBADMSG;
	/* I/O virtual addresses are for the table's translate hook. */
	if (backend->features & VIO_F_ACCESS_PLATFORM) {
		*out_gpa = uva;
		return 0;
	}
	for (uint32_t i = 0; i < backend->n_regions; i++) {
		const struct vhost_region *region = &backend->regions[i];

		/* The whole range, not its first byte alone: CVE-2018-1059. */
		if (uva >= region->uva &&
		    last - region->uva <= region->length_bytes - 1) {
			*out_gpa = region->gpa + (uva - region->uva);
			return 0;
		}
	}
	return -EBADMSG;
}

/* Two regions at one address of the front end's would make rings ambiguous. */
static bool overlaps(const struct vhost_region *a, const struct vhost_region *b)
{
	return a->uva <= b->uva + (b->length_bytes - 1) &&
	       b->uva <= a->uva + (a->length_bytes - 1);
}

static int verify_region(struct vio_backend *backend, const struct vhost_region *new,
			 const struct vhost_region *others, uint32_t n_others)
{
	uint64_t last;

	if (!vio_range_last(new->uva, new->length_bytes, &last))
		return vio_vhost_refuse(backend, -EBADMSG,
					"region at 0x%llx is empty or wraps",
					(unsigned long long)new->gpa);
	for (uint32_t i = 0; i < n_others; i++)
		if (overlaps(new, &others[i]))
			return vio_vhost_refuse(backend, -EBADMSG,
						"region at 0x%llx overlaps another",
						(unsigned long long)new->gpa);
	return 0;
}

/* The descriptor stays the message's; the mapping outlives it. */
static int
add_region(struct vio_backend *backend, const struct vhost_region *region, int fd)
{
	const uint32_t accept = backend->params.flags & VIO_BACKEND_ACCEPT_UNSEALED;
	struct vio_mem_region new = VIO_MEM_REGION_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	new.flags = accept ? VIO_MEM_ACCEPT_UNSEALED : 0;
	new.gpa = region->gpa;
	new.length_bytes = region->length_bytes;
	new.fd = fd;
	new.fd_offset_bytes = region->offset;
	ret = vio_mem_add(backend->mem, &new, &err);
	return ret ? vio_vhost_refuse(backend, blame(ret), "%s", err.text) : 0;
}

static int remove_all(struct vio_backend *backend)
{
	int ret = 0;

	for (uint32_t i = 0; i < backend->n_regions && !ret; i++)
		ret = vio_mem_remove(backend->mem, backend->regions[i].gpa);
	return ret;
}

/* In a batch: the old table goes, the new one comes. */
static int replace_all(struct vio_backend *backend, const struct vhost_memory *memory)
{
	int ret = remove_all(backend);

	for (uint32_t i = 0; i < memory->n_regions && !ret; i++) {
		ret = verify_region(backend, &memory->regions[i], memory->regions, i);
		if (!ret)
			ret = add_region(backend, &memory->regions[i],
					 backend->socket.fds[i]);
	}
	return ret;
}

static int verify_table(struct vio_backend *backend, const struct vhost_memory *memory)
{
	const uint32_t n = memory->n_regions;
	const size_t size = offsetof(struct vhost_memory, regions);

	if (n > VHOST_USER_TABLE_MAX)
		return vio_vhost_refuse(backend, -EBADMSG, "%u regions in a table", n);
	if (backend->socket.in.header.size != size + n * sizeof(struct vhost_region))
		return vio_vhost_refuse(backend, -EBADMSG,
					"SET_MEM_TABLE of %u bytes for %u regions",
					backend->socket.in.header.size, n);
	if (backend->socket.n_fds != n)
		return vio_vhost_refuse(backend, -EBADMSG,
					"%u descriptors for %u regions",
					backend->socket.n_fds, n);
	return 0;
}

int vio_vhost_set_mem_table(struct vio_backend *backend)
{
	const struct vhost_memory *memory = &backend->socket.in.payload.memory;
	int ret = verify_table(backend, memory);

	if (ret)
		return ret;
	ret = vio_mem_begin(backend->mem);
	if (ret)
		return ret;
	ret = replace_all(backend, memory);
	if (ret) {
		vio_mem_abort(backend->mem);
		return ret;
	}
	ret = vio_mem_commit(backend->mem);
	if (ret)
		return ret;
	for (uint32_t i = 0; i < memory->n_regions; i++)
		backend->regions[i] = memory->regions[i];
	backend->n_regions = memory->n_regions;
	return VIO_VHOST_DONE;
}

int vio_vhost_add_mem_reg(struct vio_backend *backend)
{
	const struct vhost_region *region = &backend->socket.in.payload.slot.region;
	int ret;

	if (backend->n_regions == VIO_VHOST_SLOTS_MAX)
		return vio_vhost_refuse(backend, -EBADMSG, "more than %u regions",
					VIO_VHOST_SLOTS_MAX);
	ret = verify_region(backend, region, backend->regions, backend->n_regions);
	if (!ret)
		ret = add_region(backend, region, backend->socket.fds[0]);
	if (ret)
		return ret;
	backend->regions[backend->n_regions++] = *region;
	return VIO_VHOST_DONE;
}

static struct vhost_region *
find_region(struct vio_backend *backend, const struct vhost_region *asked)
{
	for (uint32_t i = 0; i < backend->n_regions; i++) {
		struct vhost_region *region = &backend->regions[i];

		if (region->gpa == asked->gpa && region->uva == asked->uva &&
		    region->length_bytes == asked->length_bytes)
			return region;
	}
	return NULL;
}

int vio_vhost_rem_mem_reg(struct vio_backend *backend)
{
	const struct vhost_region *asked = &backend->socket.in.payload.slot.region;
	struct vhost_region *region = find_region(backend, asked);
	int ret;

	if (!region)
		return vio_vhost_refuse(backend, -EBADMSG,
					"no region of 0x%llx bytes at 0x%llx to remove",
					(unsigned long long)asked->length_bytes,
					(unsigned long long)asked->gpa);
	ret = vio_mem_remove(backend->mem, region->gpa);
	if (ret)
		return ret;
	*region = backend->regions[--backend->n_regions];
	return VIO_VHOST_DONE;
}

/* Without memory for it, the table keeps its regions until it is destroyed. */
void vio_vhost_drop_memory(struct vio_backend *backend)
{
	if (!backend->n_regions || vio_mem_begin(backend->mem))
		return;
	if (remove_all(backend) || vio_mem_commit(backend->mem))
		vio_mem_abort(backend->mem);
	else
		backend->n_regions = 0;
}
