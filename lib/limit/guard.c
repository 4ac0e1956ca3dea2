/* SPDX-License-Identifier: MIT */
/*
 * A guard as its owner sees it: made, filled with members, looked at, destroyed. The
 * numbers of its parameters obey one rule, a range and a default, and are a table.
 */
#include <errno.h>
#include <string.h>

#include "core/bits.h"
#include "core/error.h"
#include "core/params.h"
#include "limit/guard.h"

#define MS          UINT64_C(1000000)
#define SEC         UINT64_C(1000000000)
#define COUNT_MAX   (UINT64_C(1) << 32)
#define WEIGHT      100u
#define ALL_ACTIONS ((1u << VIO_GUARD_N_ACTIONS) - 1)
#define NEED_ACT    (VIO_GUARD_REVOKE | VIO_GUARD_PAUSE)

/* The names are arrays because pointers would need relocation. */
struct number {
	char name[24];
	size_t offset;
	uint64_t least, most;
	uint64_t by_default;
};

#define NUMBER(field, least, most, by_default)                                         \
	{                                                                              \
#field, offsetof(struct vio_guard_params, field), least, most,         \
			by_default                                                     \
	}

static const struct number numbers[] = {
	NUMBER(slot_ns, 1000, 10 * SEC, MS / 10),
	NUMBER(slot_descs, 1, COUNT_MAX, 64),
	NUMBER(slot_bytes, 1, COUNT_MAX, UINT64_C(1) << 20),
	NUMBER(window_ns, 10000, 10 * SEC, MS),
	NUMBER(kicks_max, 1, COUNT_MAX, 1024),
	NUMBER(idle_kicks_per_sec, 1, SEC, 1000),
	NUMBER(waiting_max_ns, 1, 10 * SEC, 4 * MS),
	NUMBER(escalate_ns, 1, 10 * SEC, 20 * MS),
	NUMBER(calm_ns, 1, 3600 * SEC, SEC),
	NUMBER(delay_ns, 1, 10 * SEC, MS / 10),
	NUMBER(mask_ns, 1, 10 * SEC, 2 * MS),
};

static int parse_number(const struct number *number, struct vio_guard_params *params,
			struct vio_error *err)
{
	uint64_t value;

	memcpy(&value, (char *)params + number->offset, sizeof(value));
	if (!value)
		value = number->by_default;
	if (value < number->least || value > number->most)
		return vio_fail(err, -EINVAL, "%s: %llu is not within %llu and %llu",
				number->name, (unsigned long long)value,
				(unsigned long long)number->least,
				(unsigned long long)number->most);
	memcpy((char *)params + number->offset, &value, sizeof(value));
	return 0;
}

static int parse_params(const struct vio_guard_params *params,
			struct vio_guard_params *out, struct vio_error *err)
{
	int ret = vio_params_copy(out, sizeof(*out), VIO_PARAMS_END(*out, mask_ns),
				  params);

	if (ret)
		return vio_fail(err, ret, "size: not one this library knows");
	if (out->flags)
		return vio_fail(err, -EINVAL, "flags: 0x%x is unknown", out->flags);
	if (out->actions & ~ALL_ACTIONS)
		return vio_fail(err, -EINVAL, "actions: 0x%x is unknown",
				out->actions & ~ALL_ACTIONS);
	if (!out->actions)
		out->actions = VIO_GUARD_DELAY | VIO_GUARD_MASK | VIO_GUARD_BUDGET;
	if (out->waiting_permille > 1000)
		return vio_fail(err, -EINVAL, "waiting_permille: %u is more than 1000",
				out->waiting_permille);
	if (!out->waiting_permille)
		out->waiting_permille = 100;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(numbers) && !ret; i++)
		ret = parse_number(&numbers[i], out, err);
	return ret;
}

/* Two at least: a verdict has two steps, even where there is one action. */
static uint32_t count_steps(uint32_t actions)
{
	uint32_t n = (uint32_t)__builtin_popcount(actions);

	return n > VIO_GUARD_ATTACK ? n : VIO_GUARD_ATTACK;
}

int vio_guard_create(struct vio_ctx *ctx, const struct vio_guard_params *params,
		     uint64_t now_ns, struct vio_guard **out, struct vio_error *err)
{
	const struct vio_env *env = vio_env_of(ctx);
	struct vio_guard_params parsed;
	struct vio_guard *guard;
	int ret = parse_params(params, &parsed, err);

	if (ret)
		return ret;
	guard = VIO_NEW(env, struct vio_guard);
	if (!guard)
		return vio_fail(err, -ENOMEM, "no memory for a guard");
	guard->env = env;
	guard->params = parsed;
	guard->n_steps = count_steps(parsed.actions);
	guard->now_ns = guard->window_ns = now_ns;
	vio_list_init(&guard->members);
	vio_env_hold(env);
	*out = guard;
	return 0;
}

static int parse_member(const struct vio_guard *guard,
			const struct vio_guard_member_params *params,
			struct vio_guard_member_params *out, struct vio_error *err)
{
	size_t n;
	int ret = vio_params_copy(out, sizeof(*out), VIO_PARAMS_END(*out, opaque),
				  params);

	if (ret)
		return vio_fail(err, ret, "size: not one this library knows");
	if (out->flags)
		return vio_fail(err, -EINVAL, "flags: 0x%x is unknown", out->flags);
	n = out->name ? strnlen(out->name, VIO_GUARD_NAME_BYTES) : 0;
	if (!n || n == VIO_GUARD_NAME_BYTES)
		return vio_fail(err, -EINVAL, "name: give 1 to %d bytes",
				VIO_GUARD_NAME_BYTES - 1);
	if (!out->weight)
		out->weight = WEIGHT;
	if (out->weight > VIO_GUARD_WEIGHT_MAX)
		return vio_fail(err, -EINVAL, "%s: weight: %llu is more than %u",
				out->name, (unsigned long long)out->weight,
				VIO_GUARD_WEIGHT_MAX);
	if (!out->act && guard->params.actions & NEED_ACT)
		return vio_fail(err, -EINVAL,
				"%s: act: needed to revoke a mapping or to pause",
				out->name);
	return 0;
}

/* Whoever may add members is bounded, since each turn looks at all that wait. */
static int check_room(const struct vio_guard *guard, struct vio_error *err)
{
	if (guard->turn)
		return vio_fail(err, -EBUSY, "guard: %s has its turn",
				guard->turn->name);
	if (guard->n_members == VIO_GUARD_MEMBERS_MAX)
		return vio_fail(err, -ENOSPC, "guard: it has %u members already",
				VIO_GUARD_MEMBERS_MAX);
	return 0;
}

int vio_guard_add(struct vio_guard *guard, const struct vio_guard_member_params *params,
		  struct vio_guard_member **out, struct vio_error *err)
{
	struct vio_guard_member_params p;
	struct vio_guard_member *member;
	int ret = parse_member(guard, params, &p, err);

	if (!ret)
		ret = check_room(guard, err);
	if (ret)
		return ret;
	member = VIO_NEW(guard->env, struct vio_guard_member);
	if (!member)
		return vio_fail(err, -ENOMEM, "%s: no memory for a member", p.name);
	member->guard = guard;
	member->act = p.act;
	member->opaque = p.opaque;
	member->weight = p.weight;
	member->vtime = guard->vnow;
	memcpy(member->name, p.name, strlen(p.name));
	vio_list_append(&guard->members, &member->node);
	guard->weights += p.weight;
	guard->n_members++;
	*out = member;
	return 0;
}

static uint32_t verdict_of(const struct vio_guard_member *member)
{
	return member->step < VIO_GUARD_ATTACK ? member->step : VIO_GUARD_ATTACK;
}

void vio_guard_fill_verdict(const struct vio_guard_member *member,
			    struct vio_guard_verdict *out)
{
	*out = (struct vio_guard_verdict){
		.size = sizeof(*out),
		.verdict = verdict_of(member),
		.actions = member->actions,
		.evidence = member->evidence,
		.share_permille = (uint32_t)vio_guard_share_permille(member),
		.n_alarms = member->n_alarms,
		.since_ns = member->changed_ns,
		.kicks = member->total.kicks,
		.ops = member->total.ops,
		.bytes = member->bytes,
		.service_ns = member->total.service_ns,
		.excess_kicks = vio_guard_excess_kicks_k(member) / 1000,
		.excess_waiting_ns = member->excess_waiting_ns,
		.base_kicks_permille = member->base_kicks_k / 1000,
		.base_share_permille = member->base_share_k / 1000,
	};
	memcpy(out->name, member->name, sizeof(out->name));
}

int vio_guard_read_verdict(const struct vio_guard_member *member,
			   struct vio_guard_verdict *verdict)
{
	struct vio_guard_verdict now;

	vio_guard_fill_verdict(member, &now);
	return vio_params_fill(verdict, VIO_PARAMS_END(now, name), &now, sizeof(now));
}

int vio_guard_remove(struct vio_guard_member *member)
{
	struct vio_guard *guard;

	if (!member)
		return 0;
	guard = member->guard;
	if (guard->turn == member)
		return -EBUSY;
	if (guard->latest == member)
		guard->latest = NULL;
	vio_list_remove(&member->node);
	guard->weights -= member->weight;
	guard->n_members--;
	VIO_DELETE(guard->env, member);
	return 0;
}

int vio_guard_destroy(struct vio_guard *guard)
{
	const struct vio_env *env;

	if (!guard)
		return 0;
	if (guard->n_members)
		return -EBUSY;
	env = guard->env;
	VIO_DELETE(env, guard);
	vio_env_drop(env);
	return 0;
}
