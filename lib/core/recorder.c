/* SPDX-License-Identifier: MIT */
/*
 * A ring of records with one writer and one reader. Each side owns one index, which
 * it publishes with a release after it has touched slots, and keeps a copy of the
 * other's, which it loads anew with an acquire only when the copy says that there is
 * nothing to do: while both run, their lines are seldom exchanged. The indexes are
 * 64 bits wide and never wrap, so that they are the counters as well.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/record.h>

#include "core/bits.h"
#include "core/env.h"
#include "core/error.h"
#include "core/member.h"
#include "core/params.h"

#define N_RECORDS_DEFAULT 4096u /* 10 ms at 400,000 requests a second */
#define LINE              64    /* bytes of a cache line */

struct vio_recorder {
	/* Constant, but for the switch. */
	const struct vio_env *env;
	struct vio_io_record *slots;
	uint32_t n_slots;
	uint32_t is_active; /* atomic */
	struct vio_member member;

	/* The writer's; others read head and lost. */
	_Alignas(LINE) uint64_t head; /* atomic, next to fill */
	uint64_t tail_seen;
	uint64_t lost;    /* atomic, in all */
	uint64_t missing; /* since the last one that was kept */

	/* The reader's; others read tail. */
	_Alignas(LINE) uint64_t tail; /* atomic, next to read */
	uint64_t head_seen;
};

static void describe(const struct vio_member *member, char *buf, size_t n)
{
	snprintf(buf, n, "recorder %u", member->number);
}

static const struct vio_member_ops recorder_member_ops = {
	.describe = describe,
};

static int copy_params(struct vio_recorder_params *ours,
		       const struct vio_recorder_params *params, struct vio_error *err)
{
	int ret = vio_params_copy(ours, sizeof(*ours), VIO_PARAMS_END(*ours, index),
				  params);

	if (ret)
		return vio_fail(err, ret, "recorder: parameters of an unknown size");
	if (ours->flags)
		return vio_fail(err, -EINVAL, "recorder %u: unknown flag", ours->index);
	if (!ours->n_records)
		ours->n_records = N_RECORDS_DEFAULT;
	if (ours->n_records < 2 || ours->n_records > VIO_RECORDS_MAX ||
	    !vio_is_power_of_two(ours->n_records))
		return vio_fail(err, -EINVAL,
				"recorder %u: %u records are not a power of two, 2 "
				"to %u",
				ours->index, ours->n_records, VIO_RECORDS_MAX);
	return 0;
}

int vio_recorder_create(struct vio_ctx *ctx, const struct vio_recorder_params *params,
			struct vio_recorder **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_recorder_params ours;
	struct vio_recorder *recorder;
	int ret = copy_params(&ours, params, err);

	if (ret)
		return ret;
	recorder = VIO_NEW(env, struct vio_recorder);
	if (!recorder)
		goto no_memory;
	recorder->slots = vio_alloc_array(env, ours.n_records, sizeof(*recorder->slots),
					  _Alignof(struct vio_io_record));
	if (!recorder->slots)
		goto no_memory;

	recorder->env = env;
	recorder->n_slots = ours.n_records;
	recorder->member.ops = &recorder_member_ops;
	recorder->member.number = ours.index;
	vio_member_join(&recorder->member, ours.dom);
	vio_env_hold(env);
	*out = recorder;
	return 0;
no_memory:
	VIO_DELETE(env, recorder);
	return vio_fail(err, -ENOMEM, "recorder %u: no memory for %u records",
			ours.index, ours.n_records);
}

/* Relaxed: the switch orders nothing, whoever sees it late does so for a burst. */
void vio_recorder_set_active(struct vio_recorder *recorder, int enable)
{
	__atomic_store_n(&recorder->is_active, !!enable, __ATOMIC_RELAXED);
}

/* Relaxed: as above. */
int vio_recorder_get_active(const struct vio_recorder *recorder)
{
	return recorder ? (int)__atomic_load_n(&recorder->is_active, __ATOMIC_RELAXED)
			: 0;
}

static bool is_valid(const struct vio_io_record *record)
{
	return record->op <= VIO_IO_FLUSH && record->status <= 0 && !record->lost &&
	       record->arrival_ns <= record->start_ns &&
	       record->start_ns <= record->end_ns;
}

static struct vio_io_record *slot_at(struct vio_recorder *recorder, uint64_t index)
{
	return &recorder->slots[index & (recorder->n_slots - 1)];
}

/* Slots that are free, at least @n if there are so many. */
static uint64_t find_room(struct vio_recorder *recorder, uint64_t n)
{
	uint64_t used = recorder->head - recorder->tail_seen;

	if (recorder->n_slots - used < n) {
		/* Acquire: pairs with pop's release; its reads of slots are over. */
		recorder->tail_seen =
			__atomic_load_n(&recorder->tail, __ATOMIC_ACQUIRE);
		used = recorder->head - recorder->tail_seen;
	}
	return recorder->n_slots - used;
}

/* The first of a push tells what is missing before it. */
static void
keep(struct vio_recorder *recorder, const struct vio_io_record *records, uint32_t n)
{
	const uint64_t told = vio_min_u64(recorder->missing, UINT32_MAX);

	if (!n)
		return;
	for (uint32_t i = 0; i < n; i++)
		*slot_at(recorder, recorder->head + i) = records[i];
	slot_at(recorder, recorder->head)->lost = (uint32_t)told;
	recorder->missing -= told;
	/* Release: pairs with pop's acquire; the slots are filled before. */
	__atomic_store_n(&recorder->head, recorder->head + n, __ATOMIC_RELEASE);
}

int vio_recorder_push(struct vio_recorder *recorder,
		      const struct vio_io_record *records, uint32_t n)
{
	uint32_t n_kept;

	if (!vio_recorder_get_active(recorder))
		return 0;
	if (n > INT_MAX || (n && !records))
		return -EINVAL;
	for (uint32_t i = 0; i < n; i++)
		if (!is_valid(&records[i]))
			return -EINVAL;

	n_kept = (uint32_t)vio_min_u64(find_room(recorder, n), n);
	keep(recorder, records, n_kept);
	recorder->missing += n - n_kept;
	vio_meter_add(&recorder->lost, n - n_kept);
	return (int)n_kept;
}

int vio_recorder_pop(struct vio_recorder *recorder, struct vio_io_record *records,
		     uint32_t n)
{
	const uint64_t tail = recorder->tail;
	uint32_t n_read;

	if (n > INT_MAX || (n && !records))
		return -EINVAL;
	/* Acquire: pairs with push's release; what it filled is there. */
	if (recorder->head_seen - tail < n)
		recorder->head_seen =
			__atomic_load_n(&recorder->head, __ATOMIC_ACQUIRE);

	n_read = (uint32_t)vio_min_u64(recorder->head_seen - tail, n);
	for (uint32_t i = 0; i < n_read; i++)
		records[i] = *slot_at(recorder, tail + i);
	/* Release: pairs with push's acquire; the slots may be filled again. */
	__atomic_store_n(&recorder->tail, tail + n_read, __ATOMIC_RELEASE);
	return (int)n_read;
}

int vio_recorder_read_stats(const struct vio_recorder *recorder,
			    struct vio_recorder_stats *stats)
{
	struct vio_recorder_stats now = { 0 };

	/*
	 * Acquire, and in this order: pairs with pop's release. What was popped was
	 * pushed before, so the head loaded after it is at least as far.
	 */
	now.popped = __atomic_load_n(&recorder->tail, __ATOMIC_ACQUIRE);
	/* Relaxed: a number by itself. */
	now.pushed = __atomic_load_n(&recorder->head, __ATOMIC_RELAXED);
	now.lost = vio_meter_get(&recorder->lost);
	return vio_params_fill(stats, VIO_PARAMS_END(now, popped), &now, sizeof(now));
}

void vio_recorder_destroy(struct vio_recorder *recorder)
{
	const struct vio_env *env;

	if (!recorder)
		return;
	env = recorder->env;
	vio_member_leave(&recorder->member);
	vio_free(env, recorder->slots, recorder->n_slots * sizeof(*recorder->slots),
		 _Alignof(struct vio_io_record));
	VIO_DELETE(env, recorder);
	vio_env_drop(env);
}
