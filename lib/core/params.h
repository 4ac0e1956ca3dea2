/* SPDX-License-Identifier: MIT */
/*
 * Size-prefixed structs that cross the ABI: reading a caller's into ours, and
 * writing ours into a caller's, either of them older or newer than the other.
 * The rules are those of openat2(2).
 */
#ifndef VIO_CORE_PARAMS_H
#define VIO_CORE_PARAMS_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#define VIO_PARAMS_MAX 4096 /* as openat2(2): no sane struct outgrows a page */

/* First byte after @member: the size of the first release that ended there. */
#define VIO_PARAMS_END(p, member)                                                      \
	((size_t)((const char *)(&(p).member + 1) - (const char *)&(p)))

/*
 * @min_size is the size of the struct in the first release that had it. A
 * shorter caller is an error; a field the caller lacks reads as 0; a field
 * we lack must be 0 in the caller, since we cannot honour what it asks for.
 */
static inline int
vio_params_copy(void *dst, size_t dst_size, size_t min_size, const void *src)
{
	uint32_t src_size;

	if (!src)
		return -EINVAL;
	memcpy(&src_size, src, sizeof(src_size));
	if (src_size < min_size)
		return -EINVAL;
	if (src_size > VIO_PARAMS_MAX)
		return -E2BIG;

	for (size_t i = dst_size; i < src_size; i++)
		if (((const unsigned char *)src)[i])
			return -E2BIG;

	memset(dst, 0, dst_size);
	memcpy(dst, src, src_size < dst_size ? src_size : dst_size);
	return 0;
}

/*
 * Fills a caller's output struct as far as it reaches. Its size is left at what
 * was filled, so that a caller newer than us sees which fields we lack.
 */
static inline int
vio_params_fill(void *dst, size_t min_size, void *src, size_t src_size)
{
	uint32_t size;

	if (!dst)
		return -EINVAL;
	memcpy(&size, dst, sizeof(size));
	if (size < min_size)
		return -EINVAL;
	if (size > src_size)
		size = (uint32_t)src_size;
	memcpy(src, &size, sizeof(size));
	memcpy(dst, src, size);
	return 0;
}

#endif /* VIO_CORE_PARAMS_H */
