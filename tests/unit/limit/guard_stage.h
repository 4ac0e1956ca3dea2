/* SPDX-License-Identifier: MIT */
/*
 * A guard on virtual time for the suites of this folder. A tenant of the stage takes
 * turns as a device would serve it: so many operations of so many nanoseconds each,
 * within the budget. The clock is the stage's and goes on by what was served.
 */
#ifndef VIO_TESTS_UNIT_LIMIT_GUARD_STAGE_H
#define VIO_TESTS_UNIT_LIMIT_GUARD_STAGE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/bits.h"
#include "limit/guard.h"

#define US          UINT64_C(1000)
#define MS          UINT64_C(1000000)
#define SEC         UINT64_C(1000000000)

#define TENANTS_MAX 8

struct tenant {
	struct vio_guard_member *member;
	uint64_t next_ns; /* when it next has work; UINT64_MAX: never */
	uint64_t every_ns;
	uint64_t op_ns; /* what an operation costs */
	uint64_t n_open;
	uint64_t n_open_max; /* arrivals beyond it are lost; 0: it always has work */
	uint64_t kicks;      /* not read yet */
	uint64_t kicks_each; /* for each arrival */
	uint64_t served_ns;
	uint64_t n_served;
	uint64_t n_lost;
	uint32_t n_acts;
	struct vio_guard_verdict last; /* as act was told */
	struct vio_guard_verdict worst;
};

struct stage {
	struct vio_guard *guard;
	uint64_t now_ns;
	/* The processor goes to something else: when, and each time for how long. */
	uint64_t loses_at_ns;
	uint64_t loses_ns;    /* 0: never */
	uint64_t keeps_ns;    /* runs for so long between */
	bool is_loss_unknown; /* to the device */
	uint32_t n_tenants;
	struct tenant tenants[TENANTS_MAX];
};

static inline void stage_told(void *opaque, const struct vio_guard_verdict *verdict)
{
	struct tenant *tenant = opaque;

	tenant->n_acts++;
	tenant->last = *verdict;
	if (verdict->verdict > tenant->worst.verdict)
		tenant->worst = *verdict;
}

static inline void
stage_open(struct stage *stage, const struct vio_guard_params *params)
{
	struct vio_error err = VIO_ERROR_INIT;

	*stage = (struct stage){ .now_ns = SEC };
	if (vio_guard_create(NULL, params, stage->now_ns, &stage->guard, &err) < 0)
		fail_msg("%s", err.text);
}

static inline void stage_open_default(struct stage *stage)
{
	struct vio_guard_params params = VIO_GUARD_PARAMS_INIT;

	stage_open(stage, &params);
}

static inline struct tenant *stage_add(struct stage *stage, uint64_t weight)
{
	struct vio_guard_member_params params = VIO_GUARD_MEMBER_PARAMS_INIT;
	struct tenant *tenant = &stage->tenants[stage->n_tenants++];
	struct vio_error err = VIO_ERROR_INIT;

	*tenant = (struct tenant){ .next_ns = UINT64_MAX };
	params.name = "tenant";
	params.weight = weight;
	params.act = stage_told;
	params.opaque = tenant;
	if (vio_guard_add(stage->guard, &params, &tenant->member, &err) < 0)
		fail_msg("%s", err.text);
	return tenant;
}

static inline void stage_close(struct stage *stage)
{
	for (uint32_t i = 0; i < stage->n_tenants; i++)
		assert_int_equal(vio_guard_remove(stage->tenants[i].member), 0);
	assert_int_equal(vio_guard_destroy(stage->guard), 0);
}

static inline struct vio_guard_verdict stage_read(const struct tenant *tenant)
{
	struct vio_guard_verdict verdict = VIO_GUARD_VERDICT_INIT;

	assert_int_equal(vio_guard_read_verdict(tenant->member, &verdict), 0);
	return verdict;
}

/* The only tenant of a guard by default. */
static inline struct tenant *stage_open_alone(struct stage *stage)
{
	stage_open_default(stage);
	return stage_add(stage, 0);
}

/* 0 if there is a turn now. */
static inline int stage_begin(struct stage *stage)
{
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;

	return vio_guard_begin(stage->guard, stage->now_ns, &slot);
}

/* Has work, and its turn. */
static inline void tenant_begin(struct stage *stage, struct tenant *tenant)
{
	vio_guard_mark(tenant->member, stage->now_ns);
	assert_int_equal(stage_begin(stage), 0);
}

/* Nothing was done. */
static inline void tenant_end(struct stage *stage, struct tenant *tenant)
{
	const struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;

	assert_int_equal(vio_guard_record(tenant->member, stage->now_ns, &sample), 0);
}

/* Always has work, each operation of @op_ns, without a kick. */
static inline void
tenant_flood(struct stage *stage, struct tenant *tenant, uint64_t op_ns)
{
	tenant->op_ns = op_ns;
	tenant->n_open_max = 0;
	tenant->n_open = 1;
	vio_guard_mark(tenant->member, stage->now_ns);
}

/* An operation of @op_ns each @every_ns, with a kick; 256 can be open. */
static inline void tenant_arrive(struct stage *stage, struct tenant *tenant,
				 uint64_t every_ns, uint64_t op_ns)
{
	tenant->op_ns = op_ns;
	tenant->every_ns = every_ns;
	tenant->next_ns = stage->now_ns;
	tenant->n_open_max = 256;
	tenant->kicks_each = 1;
}

static inline void tenant_stop(struct tenant *tenant)
{
	tenant->next_ns = UINT64_MAX;
	tenant->n_open = 0;
	tenant->n_open_max = 1;
	tenant->kicks = 0;
}

/* Whoever is masked is not heard. Nobody kicks for what there was no room for. */
static inline void stage_hear(struct stage *stage, struct tenant *tenant)
{
	bool is_kicked = false;

	while (tenant->next_ns <= stage->now_ns) {
		tenant->next_ns += tenant->every_ns;
		if (tenant->op_ns && tenant->n_open >= tenant->n_open_max) {
			tenant->n_lost++;
			continue;
		}
		tenant->n_open += tenant->op_ns > 0;
		tenant->kicks += tenant->kicks_each;
		is_kicked = tenant->kicks_each > 0;
	}
	if (is_kicked && !(stage_read(tenant).actions & VIO_GUARD_MASK))
		vio_guard_mark(tenant->member, stage->now_ns);
}

/* How long the thread was kept from running in a turn of @used_ns. */
static inline uint64_t stage_lose(struct stage *stage, uint64_t used_ns)
{
	if (!stage->loses_ns || stage->now_ns + used_ns < stage->loses_at_ns)
		return 0;
	stage->loses_at_ns =
		stage->now_ns + used_ns + stage->loses_ns + stage->keeps_ns;
	return stage->loses_ns;
}

/* A turn costs a microsecond even if there is nothing to do. */
static inline void stage_serve(struct stage *stage, const struct vio_guard_slot *slot)
{
	struct vio_guard_sample sample = VIO_GUARD_SAMPLE_INIT;
	struct tenant *tenant = slot->opaque;
	uint64_t used_ns = US, lost_ns;

	while (tenant->n_open && used_ns < slot->service_ns &&
	       sample.ops < slot->descs) {
		used_ns += tenant->op_ns;
		sample.ops++;
		tenant->n_open -= tenant->n_open_max > 0;
	}
	lost_ns = stage_lose(stage, used_ns);
	stage->now_ns += used_ns + lost_ns;
	sample.lost_ns = stage->is_loss_unknown ? 0 : lost_ns;
	sample.kicks = tenant->kicks;
	sample.flags = tenant->n_open ? VIO_GUARD_MORE : 0;
	tenant->kicks = 0;
	tenant->served_ns += used_ns;
	tenant->n_served += sample.ops;
	assert_int_equal(vio_guard_record(slot->member, stage->now_ns, &sample), 0);
}

/* The thread that serves: hears, gives a turn, or sleeps until something is due. */
static inline void stage_step(struct stage *stage, uint64_t end_ns)
{
	struct vio_guard_slot slot = VIO_GUARD_SLOT_INIT;
	uint64_t wake_ns = end_ns;

	for (uint32_t i = 0; i < stage->n_tenants; i++) {
		stage_hear(stage, &stage->tenants[i]);
		wake_ns = vio_min_u64(wake_ns, stage->tenants[i].next_ns);
	}
	if (vio_guard_begin(stage->guard, stage->now_ns, &slot) == 0)
		stage_serve(stage, &slot);
	else {
		assert_true(slot.retry_at_ns > stage->now_ns);
		stage->now_ns = vio_min_u64(wake_ns, slot.retry_at_ns);
	}
}

static inline void stage_run(struct stage *stage, uint64_t span_ns)
{
	uint64_t end_ns = stage->now_ns + span_ns;

	while (stage->now_ns < end_ns)
		stage_step(stage, end_ns);
}

/* Time until @tenant's verdict is at least @verdict; @most_ns if it does not come. */
static inline uint64_t stage_run_until(struct stage *stage, const struct tenant *tenant,
				       uint32_t verdict, uint64_t most_ns)
{
	uint64_t began_ns = stage->now_ns;

	while (stage_read(tenant).verdict < verdict &&
	       stage->now_ns < began_ns + most_ns)
		stage_step(stage, began_ns + most_ns);
	return stage->now_ns - began_ns;
}

/* Random numbers, the same in each run. */
static inline uint64_t stage_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

#endif /* VIO_TESTS_UNIT_LIMIT_GUARD_STAGE_H */
