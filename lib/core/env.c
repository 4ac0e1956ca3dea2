/* SPDX-License-Identifier: MIT */
/*
 * Memory from the context's allocator, zeroed. Zeroing is not left to callers:
 * an object that is torn down half built must find its pointers NULL.
 */
#include <string.h>

#include "core/bits.h"
#include "core/env.h"

void *vio_alloc_zeroed(const struct vio_env *env, size_t size, size_t align)
{
	void *ptr = vio_alloc(env, size, align);

	if (ptr)
		memset(ptr, 0, size);
	return ptr;
}

void *vio_alloc_array(const struct vio_env *env, size_t n, size_t size, size_t align)
{
	size_t total;

	if (!n || !vio_mul_size(n, size, &total))
		return NULL;
	return vio_alloc_zeroed(env, total, align);
}
