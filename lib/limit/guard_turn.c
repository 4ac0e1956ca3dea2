/* SPDX-License-Identifier: MIT */
/*
 * Turns. The member with the least virtual time is next, of those that are marked and
 * need not wait. A member that was idle starts where the others are, neither with
 * credit for the time in which it wanted nothing, nor free of what it overdrew. What
 * cannot be stopped in the middle, such as one large request, makes a turn longer
 * than its budget: the member pays by having its next turn later.
 */
#include <errno.h>

#include "core/bits.h"
#include "core/params.h"
#include "limit/guard.h"

/* Virtual time of a nanosecond at weight 1. */
#define VTIME_SHIFT 10
/* A turn of 18 minutes: keeps the products of times and weights in 64 bits. */
#define SERVICE_MAX (UINT64_C(1) << 40)
/* So does this for counts, which a peer that overflows an eventfd could make large. */
#define COUNT_MAX      (UINT64_C(1) << 40)

#define BUDGET_DIVISOR 4u

static bool is_before(uint64_t a, uint64_t b)
{
	return (int64_t)(a - b) < 0;
}

/* Those whose kicks are not listened to have a turn all the same. */
static bool wants_turn(const struct vio_guard_member *member)
{
	if (member->actions & VIO_GUARD_PAUSE)
		return false;
	return member->is_marked || member->actions & VIO_GUARD_MASK;
}

/*
 * One that may complain of having to wait: with nothing against it, nor half of what
 * would be, and with less than its share. Otherwise two that want all there is would
 * each find the other waiting, and a flood its victim.
 */
static bool may_complain(const struct vio_guard_member *member)
{
	return !member->step &&
	       vio_guard_excess_kicks_k(member) <
		       member->guard->params.kicks_max * 500 &&
	       vio_guard_is_below_share(member);
}

/* In the latest turn somebody waited for @waited_ns; what counts is the longest. */
static void impose(struct vio_guard *guard, uint64_t waited_ns)
{
	if (!guard->latest || waited_ns <= guard->imposed_ns)
		return;
	guard->latest->window.imposed_ns += waited_ns - guard->imposed_ns;
	guard->imposed_ns = waited_ns;
}

/*
 * Whoever is marked right after a turn of somebody else's, with no sleep between, has
 * come during it, for the thread hears nobody meanwhile: in its middle, on average.
 */
static void mark_late(struct vio_guard_member *member)
{
	struct vio_guard *guard = member->guard;

	if (guard->turn || guard->latest == member || !may_complain(member))
		return;
	impose(guard, guard->turn_ns / 2);
}

static void mark(struct vio_guard_member *member, uint64_t now_ns)
{
	if (member->is_marked)
		return;
	member->is_marked = true;
	member->marked_ns = now_ns;
	if (is_before(member->vtime, member->guard->vnow))
		member->vtime = member->guard->vnow;
}

void vio_guard_mark(struct vio_guard_member *member, uint64_t now_ns)
{
	vio_guard_advance(member->guard, now_ns);
	if (!member->is_marked)
		mark_late(member);
	mark(member, member->guard->now_ns);
}

static bool
is_next(const struct vio_guard_member *a, const struct vio_guard_member *best)
{
	if (!best || a->vtime != best->vtime)
		return !best || is_before(a->vtime, best->vtime);
	/* The one that has just come: the others have had turns meanwhile. */
	return a->marked_ns > best->marked_ns;
}

/* Bounded by VIO_GUARD_MEMBERS_MAX. */
static struct vio_guard_member *
find_next(struct vio_guard *guard, uint64_t *out_retry_at_ns)
{
	struct vio_guard_member *best = NULL;
	uint64_t retry_at_ns = UINT64_MAX;

	for (struct vio_list *node = guard->members.next; node != &guard->members;
	     node = node->next) {
		struct vio_guard_member *member = vio_guard_member_at(node);

		retry_at_ns = vio_min_u64(retry_at_ns, vio_guard_look_at_ns(member));
		if (!wants_turn(member))
			continue;
		if (member->not_before_ns > guard->now_ns)
			retry_at_ns = vio_min_u64(retry_at_ns, member->not_before_ns);
		else if (is_next(member, best))
			best = member;
	}
	*out_retry_at_ns = retry_at_ns;
	return best;
}

static void fill_slot(const struct vio_guard_member *member, struct vio_guard_slot *out)
{
	const struct vio_guard_params *params = &member->guard->params;
	uint64_t divisor = member->actions & VIO_GUARD_BUDGET ? BUDGET_DIVISOR : 1;

	out->member = (struct vio_guard_member *)member;
	out->opaque = member->opaque;
	out->service_ns = params->slot_ns / divisor;
	out->descs = vio_max_u64(params->slot_descs / divisor, 1);
	out->bytes = vio_max_u64(params->slot_bytes / divisor, 1);
}

static void begin(struct vio_guard_member *member)
{
	struct vio_guard *guard = member->guard;

	mark(member, guard->now_ns);
	/* A mark from here on is of work that this turn may not find. */
	member->is_marked = false;
	if (is_before(guard->vnow, member->vtime))
		guard->vnow = member->vtime;
	guard->turn = member;
	guard->turn_began_ns = guard->now_ns;
}

int vio_guard_begin(struct vio_guard *guard, uint64_t now_ns,
		    struct vio_guard_slot *slot)
{
	struct vio_guard_slot now = { 0 };
	struct vio_guard_member *member;

	if (!slot || slot->size < VIO_PARAMS_END(now, retry_at_ns))
		return -EINVAL;
	if (guard->turn)
		return -EBUSY;
	vio_guard_advance(guard, now_ns);
	member = find_next(guard, &now.retry_at_ns);
	if (!member) {
		guard->latest = NULL;
		slot->retry_at_ns = now.retry_at_ns;
		return -EAGAIN;
	}
	begin(member);
	fill_slot(member, &now);
	return vio_params_fill(slot, VIO_PARAMS_END(now, retry_at_ns), &now,
			       sizeof(now));
}

/* The pause after which a member has had no more than its weight's share. */
static uint64_t
find_pause_ns(const struct vio_guard_member *member, uint64_t service_ns)
{
	const struct vio_guard *guard = member->guard;
	uint64_t others = guard->weights - member->weight;
	uint64_t pause_ns = 0;

	if (member->actions & VIO_GUARD_DELAY)
		pause_ns = vio_max_u64(guard->params.delay_ns,
				       service_ns * others / member->weight);
	if (member->actions & VIO_GUARD_MASK)
		pause_ns = vio_max_u64(pause_ns, guard->params.mask_ns);
	return pause_ns;
}

static void charge(struct vio_guard_member *member,
		   const struct vio_guard_sample *sample, uint64_t service_ns)
{
	const uint64_t kicks = vio_min_u64(sample->kicks, COUNT_MAX);
	const uint64_t ops = vio_min_u64(sample->ops, COUNT_MAX);
	/* More of them than kicks is a mistake of the caller's. */
	const uint64_t unwanted = vio_min_u64(sample->unwanted_kicks, kicks);

	member->vtime += (service_ns << VTIME_SHIFT) / member->weight;
	member->window.kicks = vio_min_u64(member->window.kicks + kicks, COUNT_MAX);
	member->window.unwanted =
		vio_min_u64(member->window.unwanted + unwanted, COUNT_MAX);
	member->window.ops = vio_min_u64(member->window.ops + ops, COUNT_MAX);
	member->window.service_ns =
		vio_min_u64(member->window.service_ns + service_ns, SERVICE_MAX);
	member->total.kicks += kicks;
	member->total.ops += ops;
	member->total.service_ns += service_ns;
	member->bytes += sample->bytes;
}

/*
 * Those that were marked before the turn was over; for the others see mark_late(). When
 * in the turn @lost_ns was lost is not known: the benefit of the doubt.
 */
static void count_waiting(struct vio_guard *guard, uint64_t lost_ns)
{
	for (struct vio_list *node = guard->members.next; node != &guard->members;
	     node = node->next) {
		const struct vio_guard_member *other = vio_guard_member_at(node);
		uint64_t since_ns = vio_max_u64(other->marked_ns, guard->turn_began_ns);

		if (other != guard->latest && other->is_marked && may_complain(other))
			impose(guard,
			       vio_saturated_sub(guard->now_ns - since_ns, lost_ns));
	}
}

/* Of the turn under way, what it took of the thread's time. */
static uint64_t find_turn_ns(const struct vio_guard *guard, uint64_t lost_ns)
{
	return vio_saturated_sub(guard->now_ns - guard->turn_began_ns, lost_ns);
}

/* Before the window is closed, which this turn belongs to. */
static void end_turn(struct vio_guard_member *member, uint64_t service_ns,
		     const struct vio_guard_sample *sample)
{
	struct vio_guard *guard = member->guard;
	uint64_t lost_ns = vio_min_u64(sample->lost_ns, SERVICE_MAX);
	uint64_t pause_ns = find_pause_ns(member, service_ns);

	guard->latest = member;
	guard->imposed_ns = 0;
	guard->turn_ns = find_turn_ns(guard, lost_ns);
	guard->longest_ns = vio_max_u64(guard->longest_ns, guard->turn_ns);
	guard->lost_ns = vio_min_u64(guard->lost_ns + lost_ns, SERVICE_MAX);
	count_waiting(guard, lost_ns);
	if (sample->flags & VIO_GUARD_MORE)
		mark(member, guard->now_ns);
	if (!vio_add_u64(guard->now_ns, pause_ns, &member->not_before_ns))
		member->not_before_ns = UINT64_MAX;
	guard->turn = NULL;
}

int vio_guard_record(struct vio_guard_member *member, uint64_t now_ns,
		     const struct vio_guard_sample *sample)
{
	struct vio_guard *guard = member->guard;
	const bool is_turn = guard->turn == member;
	struct vio_guard_sample s;
	uint64_t service_ns;
	int ret = vio_params_copy(&s, sizeof(s), VIO_PARAMS_END(s, lost_ns), sample);

	if (ret)
		return ret;
	if (s.flags & ~VIO_GUARD_MORE)
		return -EINVAL;
	guard->now_ns = vio_max_u64(guard->now_ns, now_ns);
	service_ns = s.service_ns;
	if (!service_ns && is_turn)
		service_ns = find_turn_ns(guard, s.lost_ns);
	service_ns = vio_min_u64(service_ns, SERVICE_MAX);
	charge(member, &s, service_ns);
	if (is_turn)
		end_turn(member, service_ns, &s);
	else if (s.flags & VIO_GUARD_MORE)
		mark(member, guard->now_ns);
	vio_guard_advance(guard, guard->now_ns);
	return 0;
}
