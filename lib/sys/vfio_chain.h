/* SPDX-License-Identifier: MIT */
/*
 * Chains of capabilities as VFIO appends them to its answers. Each has an offset in
 * the answer; a chain that does not lead forward is cut there, so that a walk ends
 * whatever the bytes say.
 */
#ifndef VIO_SYS_VFIO_CHAIN_H
#define VIO_SYS_VFIO_CHAIN_H

#include <linux/vfio.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/*
 * The capability @id in @answer, or NULL. @first is where the chain begins, @n how
 * many bytes there are; *@out_bytes is how many of them follow from there on.
 */
static inline const void *vio_chain_find(const void *answer, size_t n, uint32_t first,
					 uint16_t id, size_t *out_bytes)
{
	uint32_t at = first, before = 0;

	while (at > before && at <= n &&
	       n - at >= sizeof(struct vfio_info_cap_header)) {
		struct vfio_info_cap_header header;
		const char *found = (const char *)answer + at;

		memcpy(&header, found, sizeof(header));
		if (header.id == id) {
			*out_bytes = n - at;
			return found;
		}
		before = at;
		at = header.next;
	}
	return NULL;
}

#endif /* VIO_SYS_VFIO_CHAIN_H */
