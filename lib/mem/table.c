/* SPDX-License-Identifier: MIT */
/*
 * The memory table and its batches. A batch is drafted as an array of the
 * regions to be, taken from the current view at the first change; committing
 * builds a view of it and publishes that, dropping it throws the array away.
 * The table itself is touched by publishing alone, so that whatever fails
 * before leaves it as it was.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "mem/mem.h"

/* The smallest page of any host; where pages are larger, mmap(2) checks. */
#define PAGE_BYTES 4096u
/* Regions a new draft has room for beyond the table's, before it grows. */
#define DRAFT_ROOM   8u

#define REGION_FLAGS (VIO_MEM_READONLY | VIO_MEM_ACCEPT_UNSEALED)

struct vio_mem_span vio_mem_span_of(struct mem_region *region)
{
	return (struct vio_mem_span){
		.gpa = region->part.gpa,
		.last = region->last,
		.hva = region->hva,
		.flags = region->flags,
		.region = region,
	};
}

void vio_mem_change_fill(struct vio_mem_change *change, const struct mem_region *region,
			 bool is_added)
{
	*change = (struct vio_mem_change){
		.gpa = region->part.gpa,
		.length_bytes = region->length_bytes,
		.hva = region->hva,
		.flags = region->flags,
		.is_added = is_added,
	};
}

static void run_task(struct vio_task *task)
{
	vio_mem_dispatch(VIO_CONTAINER_OF(task, struct vio_mem, task));
}

int vio_mem_create(struct vio_ctx *ctx, struct vio_mem **out)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_mem *mem = VIO_NEW(env, struct vio_mem);

	if (!mem)
		return -ENOMEM;
	if (pthread_mutex_init(&mem->lock, NULL)) {
		VIO_DELETE(env, mem);
		return -ENOMEM;
	}
	mem->env = env;
	mem->task.run = run_task;
	vio_list_init(&mem->listeners);
	vio_list_init(&mem->readers);
	vio_list_init(&mem->retired);
	vio_list_init(&mem->due);
	vio_list_init(&mem->none.node);
	/* Not NULL: readers compute the address of a span before they check. */
	mem->none.spans = (struct vio_mem_span *)(void *)(&mem->none + 1);
	mem->none.generation = ++mem->generation;
	mem->current.view = &mem->none;
	vio_env_hold(env);
	*out = mem;
	return 0;
}

static void region_destroy(struct vio_mem *mem, struct mem_part *part)
{
	struct mem_region *region = VIO_CONTAINER_OF(part, struct mem_region, part);

	if (region->map)
		vio_mem_unmap(mem->env, region);
	VIO_DELETE(mem->env, region);
}

static int read_params(const struct vio_mem_region *region,
		       struct vio_mem_region *params, struct vio_error *err)
{
	uint64_t last;
	int ret = vio_params_copy(params, sizeof(*params),
				  VIO_PARAMS_END(*params, opaque), region);

	if (ret)
		return vio_fail(err, ret,
				"the region's struct does not fit this libvio");
	if ((params->flags & ~REGION_FLAGS) || params->reserved)
		return vio_fail(err, -EINVAL, "an unknown flag, or reserved is not 0");
	if (!vio_is_aligned(params->gpa | params->length_bytes |
				    params->fd_offset_bytes | (uintptr_t)params->hva,
			    PAGE_BYTES))
		return vio_fail(err, -EINVAL, "gpa 0x%llx: not whole pages",
				(unsigned long long)params->gpa);
	if (!vio_range_last(params->gpa, params->length_bytes, &last))
		return vio_fail(err, -EINVAL, "gpa 0x%llx: empty or past 2^64",
				(unsigned long long)params->gpa);
	if (params->fd < -1 || !params->hva == (params->fd < 0))
		return vio_fail(err, -EINVAL, "gpa 0x%llx: needs either hva or fd",
				(unsigned long long)params->gpa);
	if (!vio_range_last((uintptr_t)params->hva, params->length_bytes, &last))
		return vio_fail(err, -EINVAL, "hva %p: past 2^64", params->hva);
	return 0;
}

static int region_create(struct vio_mem *mem, const struct vio_mem_region *params,
			 struct mem_region **out, struct vio_error *err)
{
	struct mem_region *region = VIO_NEW(mem->env, struct mem_region);
	int ret;

	if (!region)
		return vio_fail(err, -ENOMEM, "no memory for a region");
	vio_list_init(&region->part.node);
	region->part.gpa = params->gpa;
	region->part.released = params->released;
	region->part.opaque = params->opaque;
	region->part.destroy = region_destroy;
	region->last = params->gpa + (params->length_bytes - 1);
	region->length_bytes = params->length_bytes;
	region->hva = params->hva;
	region->flags = params->flags;
	if (params->fd >= 0) {
		ret = vio_mem_map(mem->env, params, region, err);
		if (ret) {
			VIO_DELETE(mem->env, region);
			return ret;
		}
	}
	region->is_added = 1;
	*out = region;
	return 0;
}

static void regions_free(struct vio_mem *mem)
{
	vio_free(mem->env, mem->draft.regions,
		 mem->draft.n_room * sizeof(*mem->draft.regions),
		 _Alignof(struct mem_region *));
}

/* What the draft holds so far: the table itself before the first change. */
static struct mem_region *draft_get(const struct vio_mem *mem, uint32_t i)
{
	return mem->draft.regions ? mem->draft.regions[i]
				  : mem->current.view->spans[i].region;
}

static uint32_t draft_count(const struct vio_mem *mem)
{
	return mem->draft.regions ? mem->draft.n_regions : mem->current.view->n_spans;
}

/* Index of the first region that ends at @gpa or above. */
static uint32_t draft_find(const struct vio_mem *mem, uint64_t gpa)
{
	uint32_t low = 0;
	uint32_t high = draft_count(mem);

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (draft_get(mem, middle)->last < gpa)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Makes the array, with room for one more. It doubles, to VIO_MEM_REGIONS_MAX. */
static int draft_reserve(struct vio_mem *mem)
{
	struct mem_draft *draft = &mem->draft;
	uint32_t n = draft_count(mem);
	uint32_t n_room = draft->regions ? 2 * n : n + DRAFT_ROOM;
	struct mem_region **regions;

	if (draft->regions && n < draft->n_room)
		return 0;
	regions = vio_alloc_array(mem->env, n_room, sizeof(struct mem_region *),
				  _Alignof(struct mem_region *));
	if (!regions)
		return -ENOMEM;
	for (uint32_t i = 0; i < n; i++)
		regions[i] = draft_get(mem, i);
	regions_free(mem);
	draft->regions = regions;
	draft->n_regions = n;
	draft->n_room = n_room;
	return 0;
}

static void draft_insert(struct mem_draft *draft, uint32_t i, struct mem_region *region)
{
	memmove(&draft->regions[i + 1], &draft->regions[i],
		(draft->n_regions - i) * sizeof(*draft->regions));
	draft->regions[i] = region;
	draft->n_regions++;
	draft->n_added++;
}

static void draft_take_out(struct mem_draft *draft, uint32_t i)
{
	draft->n_regions--;
	memmove(&draft->regions[i], &draft->regions[i + 1],
		(draft->n_regions - i) * sizeof(*draft->regions));
}

/*
 * Ends the batch. After a commit no region is marked any more; otherwise the
 * ones added in vain go: by dispatch with their released call, or, if it was
 * the add itself that failed, here and without.
 */
static void draft_close(struct vio_mem *mem, bool is_told)
{
	const struct vio_mem_view *now = mem->current.view;
	struct mem_draft *draft = &mem->draft;

	for (uint32_t i = 0; i < draft->n_regions; i++) {
		struct mem_region *region = draft->regions[i];

		if (region->is_added && is_told)
			vio_mem_part_retire(mem, &region->part);
		else if (region->is_added)
			region_destroy(mem, &region->part);
	}
	for (uint32_t i = 0; i < now->n_spans; i++)
		now->spans[i].region->is_removed = 0;
	regions_free(mem);
	*draft = (struct mem_draft){ 0 };
}

static int draft_add(struct vio_mem *mem, const struct vio_mem_region *params,
		     struct vio_error *err)
{
	uint64_t last = params->gpa + (params->length_bytes - 1);
	uint32_t n = draft_count(mem);
	uint32_t i = draft_find(mem, params->gpa);
	struct mem_region *region = NULL;
	int ret;

	if (i < n && draft_get(mem, i)->part.gpa <= last)
		return vio_fail(err, -EEXIST,
				"gpa 0x%llx: overlaps the region at 0x%llx",
				(unsigned long long)params->gpa,
				(unsigned long long)draft_get(mem, i)->part.gpa);
	if (n >= VIO_MEM_REGIONS_MAX)
		return vio_fail(err, -ENOSPC, "the table has %u regions already", n);
	if (draft_reserve(mem))
		return vio_fail(err, -ENOMEM, "no memory for a batch");
	ret = region_create(mem, params, &region, err);
	if (ret)
		return ret;
	draft_insert(&mem->draft, i, region);
	return 0;
}

static int draft_remove(struct vio_mem *mem, uint64_t gpa)
{
	uint32_t i = draft_find(mem, gpa);
	struct mem_region *region;

	if (i == draft_count(mem) || draft_get(mem, i)->part.gpa != gpa)
		return -ENOENT;
	if (draft_reserve(mem))
		return -ENOMEM;
	region = draft_get(mem, i);
	draft_take_out(&mem->draft, i);
	if (region->is_added) {
		mem->draft.n_added--;
		vio_mem_part_retire(mem, &region->part);
	} else {
		mem->draft.n_removed++;
		region->is_removed = 1;
	}
	return 0;
}

/* Memory for what listeners are told; nothing if there are none. */
static int changes_create(struct vio_mem *mem, struct mem_changes *out)
{
	const struct vio_mem_view *now = mem->current.view;
	const struct mem_draft *draft = &mem->draft;
	uint32_t n = 0;

	*out = (struct mem_changes){ .n = draft->n_removed + draft->n_added };
	if (vio_list_is_empty(&mem->listeners))
		return 0;
	out->all = vio_alloc_array(mem->env, out->n, sizeof(*out->all),
				   _Alignof(struct vio_mem_change));
	if (!out->all)
		return -ENOMEM;
	for (uint32_t i = 0; i < now->n_spans; i++)
		if (now->spans[i].region->is_removed)
			vio_mem_change_fill(&out->all[n++], now->spans[i].region,
					    false);
	for (uint32_t i = 0; i < draft->n_regions; i++)
		if (draft->regions[i]->is_added)
			vio_mem_change_fill(&out->all[n++], draft->regions[i], true);
	return 0;
}

static struct vio_mem_view *draft_to_view(struct vio_mem *mem)
{
	const struct vio_mem_view *now = mem->current.view;
	const struct mem_draft *draft = &mem->draft;
	struct vio_mem_view *view =
		vio_mem_view_create(mem, draft->n_regions, now->n_bitmaps);

	if (!view)
		return NULL;
	for (uint32_t i = 0; i < draft->n_regions; i++)
		view->spans[i] = vio_mem_span_of(draft->regions[i]);
	for (uint32_t i = 0; i < now->n_bitmaps; i++)
		view->bitmaps[i] = now->bitmaps[i];
	return view;
}

static void draft_publish(struct vio_mem *mem, struct vio_mem_view *view,
			  const struct mem_changes *changes)
{
	const struct vio_mem_view *old = vio_mem_publish(mem, view);

	for (uint32_t i = 0; i < view->n_spans; i++)
		view->spans[i].region->is_added = 0;
	vio_mem_listeners_commit(mem, changes);
	vio_mem_view_drop(mem, old);
}

static int draft_commit(struct vio_mem *mem)
{
	struct vio_mem_view *view;
	struct mem_changes changes;
	int ret;

	if (!mem->draft.n_added && !mem->draft.n_removed)
		return 0;
	view = draft_to_view(mem);
	if (!view)
		return -ENOMEM;
	ret = changes_create(mem, &changes);
	if (ret)
		goto destroy_view;
	ret = vio_mem_listeners_prepare(mem, &changes);
	if (!ret)
		draft_publish(mem, view, &changes);
	vio_free(mem->env, changes.all, changes.n * sizeof(*changes.all),
		 _Alignof(struct vio_mem_change));

destroy_view:
	if (ret)
		vio_mem_view_destroy(mem, view);
	return ret;
}

int vio_mem_begin(struct vio_mem *mem)
{
	if (mem->draft.is_open || mem->is_busy)
		return -EBUSY;
	mem->draft.is_open = 1;
	return 0;
}

int vio_mem_add(struct vio_mem *mem, const struct vio_mem_region *region,
		struct vio_error *err)
{
	struct vio_mem_region params;
	int ret = read_params(region, &params, err);

	if (ret)
		return ret;
	if (mem->is_busy)
		return vio_fail(err, -EBUSY, "a change is being made");
	ret = draft_add(mem, &params, err);
	if (mem->draft.is_open)
		return ret;
	if (!ret) {
		ret = draft_commit(mem);
		if (ret)
			vio_fail(err, ret, "gpa 0x%llx: the table cannot change",
				 (unsigned long long)params.gpa);
	}
	draft_close(mem, false);
	return ret;
}

int vio_mem_remove(struct vio_mem *mem, uint64_t gpa)
{
	int ret;

	if (mem->is_busy)
		return -EBUSY;
	ret = draft_remove(mem, gpa);
	if (mem->draft.is_open)
		return ret;
	if (!ret)
		ret = draft_commit(mem);
	draft_close(mem, false);
	return ret;
}

int vio_mem_commit(struct vio_mem *mem)
{
	int ret;

	if (mem->is_busy)
		return -EBUSY;
	if (!mem->draft.is_open)
		return -EINVAL;
	ret = draft_commit(mem);
	draft_close(mem, true);
	return ret;
}

int vio_mem_abort(struct vio_mem *mem)
{
	if (mem->is_busy)
		return -EBUSY;
	if (!mem->draft.is_open)
		return -EINVAL;
	draft_close(mem, true);
	return 0;
}

static uint32_t count_readers(struct vio_mem *mem)
{
	uint32_t n = 0;

	pthread_mutex_lock(&mem->lock);
	for (struct vio_list *i = mem->readers.next; i != &mem->readers; i = i->next)
		n++;
	pthread_mutex_unlock(&mem->lock);
	return n;
}

/*
 * Busy from the first callback on: none of them can put a region back. The
 * empty view stays current, so that they can still translate.
 */
int vio_mem_destroy(struct vio_mem *mem, struct vio_error *err)
{
	const struct vio_env *env;
	uint32_t n;

	if (!mem)
		return 0;
	if (mem->is_busy)
		return vio_fail(err, -EBUSY, "a callback of the memory table runs");
	n = count_readers(mem);
	if (n)
		return vio_fail(err, -EBUSY, "%u queues use the memory table", n);
	env = mem->env;
	draft_close(mem, true);
	mem->is_busy++;
	vio_mem_listeners_destroy(mem);
	if (mem->current.view != &mem->none)
		vio_mem_view_drop(mem, vio_mem_publish(mem, &mem->none));
	vio_mem_dispatch(mem);
	if (env->loop)
		vio_loop_cancel(env->loop, &mem->task);
	pthread_mutex_destroy(&mem->lock);
	VIO_DELETE(env, mem);
	vio_env_drop(env);
	return 0;
}
