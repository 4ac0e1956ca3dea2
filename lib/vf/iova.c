/* SPDX-License-Identifier: MIT */
/*
 * The array grows by doubling and never shrinks before it is cleared: regions that
 * come and go with a guest's reboots need no memory the second time.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "vf/iova.h"

#define FIRST_ROOM 16u

static uint64_t last_of(const struct vio_iova_map *map)
{
	return map->map.iova + (map->map.length_bytes - 1);
}

/* How many mappings begin below @at. */
static uint32_t count_below(const struct vio_iova *iova, uint64_t at)
{
	uint32_t low = 0, high = iova->n;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (iova->maps[middle].map.iova < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Room for more than 32 bits count wraps to 0, and of nothing there is no array. */
int vio_iova_prepare(struct vio_iova *iova)
{
	const uint32_t n_room = iova->n_room ? iova->n_room * 2 : FIRST_ROOM;
	struct vio_iova_map *maps;

	if (iova->n < iova->n_room)
		return 0;
	maps = vio_alloc_array(iova->env, n_room, sizeof(*maps),
			       _Alignof(struct vio_iova_map));
	if (!maps)
		return -ENOMEM;
	if (iova->n)
		memcpy(maps, iova->maps, iova->n * sizeof(*maps));
	vio_free(iova->env, iova->maps, iova->n_room * sizeof(*maps),
		 _Alignof(struct vio_iova_map));
	iova->maps = maps;
	iova->n_room = n_room;
	return 0;
}

void vio_iova_add(struct vio_iova *iova, const struct vio_iova_map *map)
{
	const uint32_t at = count_below(iova, map->map.iova);

	memmove(&iova->maps[at + 1], &iova->maps[at], (iova->n - at) * sizeof(*map));
	iova->maps[at] = *map;
	iova->n++;
	iova->mapped_bytes += map->map.length_bytes;
}

void vio_iova_remove(struct vio_iova *iova, const struct vio_iova_map *map)
{
	const uint32_t at = (uint32_t)(map - iova->maps);

	iova->mapped_bytes -= map->map.length_bytes;
	iova->n--;
	memmove(&iova->maps[at], &iova->maps[at + 1], (iova->n - at) * sizeof(*map));
}

void vio_iova_clear(struct vio_iova *iova)
{
	vio_free(iova->env, iova->maps, iova->n_room * sizeof(*iova->maps),
		 _Alignof(struct vio_iova_map));
	*iova = (struct vio_iova){ .env = iova->env };
}

struct vio_iova_map *vio_iova_find(const struct vio_iova *iova, uint64_t first)
{
	const uint32_t at = count_below(iova, first);

	if (at == iova->n || iova->maps[at].map.iova != first)
		return NULL;
	return &iova->maps[at];
}

/* No two overlap, so that only the one before the range can reach into it. */
struct vio_iova_map *
vio_iova_find_overlap(const struct vio_iova *iova, uint64_t first, uint64_t last)
{
	const uint32_t at = count_below(iova, first);

	if (at < iova->n && iova->maps[at].map.iova <= last)
		return &iova->maps[at];
	if (at && last_of(&iova->maps[at - 1]) >= first)
		return &iova->maps[at - 1];
	return NULL;
}

int vio_iova_is_usable(const struct vio_dma_limits *limits, uint64_t first,
		       uint64_t last)
{
	for (uint32_t i = 0; i < limits->n_ranges; i++)
		if (first >= limits->ranges[i].first && last <= limits->ranges[i].last)
			return 1;
	return 0;
}

/* The highest place within @low to @high, both usable and free. */
static int
find_in_gap(uint64_t low, uint64_t high, uint64_t length, uint64_t align, uint64_t *out)
{
	uint64_t first;

	if (low > high || high - low < length - 1)
		return -ENOSPC;
	first = (high - (length - 1)) & ~(align - 1);
	if (first < low)
		return -ENOSPC;
	*out = first;
	return 0;
}

/*
 * From the range's end down, gap by gap. Places and mappings are whole pages: one that
 * begins with the range's last byte is in no place's way.
 */
static int find_in_range(const struct vio_iova *iova, uint64_t low, uint64_t high,
			 uint64_t length, uint64_t align, uint64_t *out)
{
	uint32_t i = count_below(iova, high);

	while (i && low <= high) {
		const struct vio_iova_map *map = &iova->maps[--i];
		const uint64_t last = last_of(map);

		if (last < low)
			break;
		if (last < high && !find_in_gap(last + 1, high, length, align, out))
			return 0;
		if (map->map.iova <= low)
			return -ENOSPC;
		high = map->map.iova - 1;
	}
	return find_in_gap(low, high, length, align, out);
}

int vio_iova_find_place(const struct vio_iova *iova,
			const struct vio_dma_limits *limits, uint64_t length_bytes,
			uint64_t align, uint64_t *out)
{
	for (uint32_t i = limits->n_ranges; i-- > 0;) {
		const struct vio_iova_range *range = &limits->ranges[i];

		if (!find_in_range(iova, vio_max_u64(range->first, align), range->last,
				   length_bytes, align, out))
			return 0;
	}
	return -ENOSPC;
}
