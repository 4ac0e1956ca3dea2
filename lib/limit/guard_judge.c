/* SPDX-License-Identifier: MIT */
/*
 * Judging. Once a window each member's sums move by what was counted less what is
 * allowed, and never below 0 (Page's CUSUM, one-sided): a level that is exceeded for
 * long adds up, one that is exceeded for a moment does not. The sums end at twice
 * their bound, so that how long somebody misbehaved does not decide how long it is
 * remembered: that is what the time to be calm is for. What is normal is learned
 * while nothing is wrong, and within limits, for a tenant could teach it slowly.
 */
#include <errno.h>

#include "core/bits.h"
#include "limit/guard.h"

#define SEC UINT64_C(1000000000)

/*
 * A driver kicks after it has made something available, so that one kick for each
 * operation is the most that it has reason for. One that makes more by habit is
 * learned, up to four; a quarter more than that is allowed.
 */
#define KICKS_LEAST_PERMILLE 1000u
#define KICKS_MOST_PERMILLE  4000u

#define UNWANTED_FACTOR      4u

/* Windows in which a habit is learned: a quarter of a second, an eighth. */
#define LEARN_KICKS_SHIFT 8
#define LEARN_SHARE_SHIFT 7

/* After so many windows without service nothing is left of an average. */
#define DECAY_MAX    256u

#define RELAPSES_MAX 6u

/* Turns by which service may be ahead of a share without meaning anything. */
#define SLACK_TURNS 8u

/* Windows in which the longest turn is forgotten. */
#define LONGEST_WINDOWS 64u

static const uint32_t actions_in_order[VIO_GUARD_N_ACTIONS] = {
	VIO_GUARD_DELAY,  VIO_GUARD_MASK,  VIO_GUARD_BUDGET,
	VIO_GUARD_REVOKE, VIO_GUARD_PAUSE,
};

uint64_t vio_guard_share_permille(const struct vio_guard_member *member)
{
	const struct vio_guard *guard = member->guard;

	return guard->service_ns ? member->service_ns * 1000 / guard->service_ns : 0;
}

/* Averages of 2^40 ns, at most 2^10 members and weights of 2^10: 60 bits. */
bool vio_guard_is_below_share(const struct vio_guard_member *member)
{
	const struct vio_guard *guard = member->guard;

	return !guard->service_ns ||
	       member->service_ns * guard->weights < member->weight * guard->service_ns;
}

/* A step of a sum; it ends at twice the bound. */
static uint64_t add_up(uint64_t sum, uint64_t counted, uint64_t allowed, uint64_t bound)
{
	return vio_min_u64(vio_saturated_sub(sum + counted, allowed), 2 * bound);
}

static uint64_t kicks_allowed_permille(const struct vio_guard_member *member)
{
	uint64_t learned = member->base_kicks_k / 1000;

	learned = vio_max_u64(learned, KICKS_LEAST_PERMILLE);
	learned = vio_min_u64(learned, KICKS_MOST_PERMILLE);
	return learned + learned / 4;
}

/*
 * Kicks are set against the work that they were for, which may be done later: then it
 * takes back what they added. Those that were unwanted have no such excuse. They count
 * more, and in a sum of their own, which no work makes up for.
 */
static void judge_kicks(struct vio_guard_member *member, uint64_t span_ns)
{
	const struct vio_guard_params *params = &member->guard->params;
	const struct vio_guard_window *window = &member->window;
	const uint64_t bound_k = params->kicks_max * 1000;
	/* An hour's span is in 64 bits so. */
	const uint64_t idle =
		params->idle_kicks_per_sec * (span_ns / 1000) + member->idle_fraction;
	const uint64_t idle_k = idle / 1000; /* thousandths of a kick */
	const uint64_t for_ops_k = window->ops * kicks_allowed_permille(member);

	member->excess_kicks_k = add_up(member->excess_kicks_k, window->kicks * 1000,
					for_ops_k + idle_k, bound_k);
	member->idle_fraction = idle % 1000;
	member->excess_unwanted_k =
		add_up(member->excess_unwanted_k,
		       window->unwanted * 1000 * UNWANTED_FACTOR, idle_k, bound_k);
}

uint64_t vio_guard_excess_kicks_k(const struct vio_guard_member *member)
{
	return vio_max_u64(member->excess_kicks_k, member->excess_unwanted_k);
}

/*
 * What is served beyond its share adds up as well, so that turns of different lengths
 * cancel out; what is left is as much as the longest turn of anybody, which the others
 * catch up with, and some more. A sixteenth is allowed, and a quarter more than what is
 * a habit, up to half of the share.
 */
static bool is_over_share(struct vio_guard_member *member, uint64_t span_ns)
{
	/* In millionths, for a thousand members have a thousandth each. */
	const uint64_t fair = member->weight * 1000000 / member->guard->weights;
	const uint64_t learned = member->base_share_k;
	const uint64_t habit = vio_min_u64(learned + learned / 4, fair + fair / 2);
	const uint64_t allowed = vio_max_u64(fair + fair / 16, habit);
	const uint64_t slack_ns =
		SLACK_TURNS * member->guard->params.slot_ns + member->guard->longest_ns;
	const uint64_t sum_ns =
		vio_saturated_sub(member->excess_service_ns + member->window.service_ns,
				  span_ns / 1000 * allowed / 1000);

	member->excess_service_ns = vio_min_u64(sum_ns, slack_ns + slack_ns / 4);
	return sum_ns > slack_ns;
}

/*
 * Waiting is nobody's fault who has its share, and is soon forgotten then. @span_ns is
 * of the thread's time: what it lost was there for nobody.
 */
static void judge_waiting(struct vio_guard_member *member, uint64_t span_ns)
{
	const struct vio_guard_params *params = &member->guard->params;
	uint64_t allowed_ns = span_ns / 1000 * params->waiting_permille;

	if (is_over_share(member, span_ns))
		member->excess_waiting_ns =
			add_up(member->excess_waiting_ns, member->window.imposed_ns,
			       allowed_ns, params->waiting_max_ns);
	else
		member->excess_waiting_ns = vio_saturated_sub(
			member->excess_waiting_ns - member->excess_waiting_ns / 4,
			allowed_ns);
}

/* A bound that was exceeded stays so until the sum has fallen to its half. */
static uint32_t find_evidence(const struct vio_guard_member *member)
{
	const struct vio_guard_params *params = &member->guard->params;
	const bool had_kicks = member->evidence & VIO_GUARD_KICKS;
	const bool had_waiting = member->evidence & VIO_GUARD_WAITING;
	uint32_t evidence = 0;

	if (vio_guard_excess_kicks_k(member) >
	    params->kicks_max * (had_kicks ? 500 : 1000))
		evidence |= VIO_GUARD_KICKS;
	if (member->excess_waiting_ns > params->waiting_max_ns / (had_waiting ? 2 : 1))
		evidence |= VIO_GUARD_WAITING;
	return evidence;
}

static uint64_t move_towards(uint64_t learned_k, uint64_t seen, int shift)
{
	uint64_t seen_k = seen * 1000;

	if (seen_k > learned_k)
		return learned_k + ((seen_k - learned_k) >> shift);
	return learned_k - ((learned_k - seen_k) >> shift);
}

static void learn(struct vio_guard_member *member)
{
	uint64_t ratio;

	if (member->step || member->evidence)
		return;
	member->base_share_k = move_towards(member->base_share_k,
					    member->service_ns * 1000 /
						    member->guard->params.window_ns,
					    LEARN_SHARE_SHIFT);
	if (!member->window.ops)
		return;
	ratio = vio_min_u64(member->window.kicks * 1000 / member->window.ops,
			    2 * KICKS_MOST_PERMILLE);
	member->base_kicks_k =
		move_towards(member->base_kicks_k, ratio, LEARN_KICKS_SHIFT);
}

static uint32_t actions_of_step(const struct vio_guard *guard, uint32_t step)
{
	uint32_t actions = 0;

	for (uint32_t i = 0; i < VIO_GUARD_N_ACTIONS && step; i++) {
		uint32_t action = guard->params.actions & actions_in_order[i];

		actions |= action;
		step -= action ? 1 : 0;
	}
	return actions;
}

/* Who was masked or paused has a turn after it, since its kicks went unheard. */
static void change_step(struct vio_guard_member *member, uint32_t step)
{
	const struct vio_guard *guard = member->guard;
	const uint32_t unheard = VIO_GUARD_MASK | VIO_GUARD_PAUSE;
	const uint32_t before = member->actions;
	struct vio_guard_verdict verdict;

	member->step = step;
	member->changed_ns = member->calm_ns = guard->now_ns;
	member->actions = actions_of_step(guard, step);
	if (before & ~member->actions & unheard && !member->is_marked) {
		member->is_marked = true;
		member->marked_ns = guard->now_ns;
	}
	if (!step)
		member->not_before_ns = 0;
	if (!member->act)
		return;
	vio_guard_fill_verdict(member, &verdict);
	member->act(member->opaque, &verdict);
}

static uint64_t hold_ns(const struct vio_guard_member *member)
{
	return member->guard->params.calm_ns << member->n_relapses;
}

/* Within twice the time that it had to be calm for, it is the same tenant again. */
static void raise_alarm(struct vio_guard_member *member)
{
	uint64_t calm_for_ns = member->guard->now_ns - member->changed_ns;

	if (member->n_alarms && calm_for_ns < 2 * hold_ns(member))
		member->n_relapses += member->n_relapses < RELAPSES_MAX;
	else
		member->n_relapses = 0;
	member->n_alarms++;
	change_step(member, 1);
}

static void escalate(struct vio_guard_member *member)
{
	const struct vio_guard *guard = member->guard;

	member->calm_ns = guard->now_ns;
	if (!member->step)
		raise_alarm(member);
	else if (member->step < guard->n_steps &&
		 guard->now_ns - member->changed_ns >= guard->params.escalate_ns)
		change_step(member, member->step + 1);
}

static uint64_t calm_at_ns(const struct vio_guard_member *member)
{
	uint64_t at_ns;

	if (!member->step || !vio_add_u64(member->calm_ns, hold_ns(member), &at_ns))
		return UINT64_MAX;
	return at_ns;
}

/* More kicks than are needed for an alarm may have come at once, and no more follow. */
static bool has_news(const struct vio_guard_member *member)
{
	return member->window.kicks &&
	       vio_guard_excess_kicks_k(member) +
			       member->window.kicks * 1000 * UNWANTED_FACTOR >
		       member->guard->params.kicks_max * 1000;
}

/* Not before the window ends, for it is then that anything is looked at. */
uint64_t vio_guard_look_at_ns(const struct vio_guard_member *member)
{
	const struct vio_guard *guard = member->guard;
	uint64_t window_ends_ns;

	if (!vio_add_u64(guard->window_ns, guard->params.window_ns, &window_ends_ns))
		return UINT64_MAX;
	if (has_news(member))
		return window_ends_ns;
	return vio_max_u64(calm_at_ns(member), window_ends_ns);
}

static void judge(struct vio_guard_member *member, uint64_t span_ns)
{
	judge_kicks(member, span_ns);
	judge_waiting(member, vio_saturated_sub(span_ns, member->guard->lost_ns));
	member->evidence = find_evidence(member);
	learn(member);
	member->window = (struct vio_guard_window){ 0 };
	if (member->evidence)
		escalate(member);
	else if (member->step && calm_at_ns(member) <= member->guard->now_ns)
		change_step(member, member->step - 1);
}

static uint64_t decay(uint64_t average_ns, uint64_t n_windows)
{
	for (; n_windows && average_ns; n_windows--)
		average_ns -= (average_ns + (1u << VIO_GUARD_SHARE_SHIFT) - 1) >>
			      VIO_GUARD_SHARE_SHIFT;
	return average_ns;
}

/*
 * An average over windows. What was counted over several of them is the one before
 * the others: a turn that lasts longer counts whole.
 */
static void average_service(struct vio_guard *guard, uint64_t n_windows)
{
	uint64_t n = vio_min_u64(n_windows - 1, DECAY_MAX);

	guard->service_ns = 0;
	for (struct vio_list *node = guard->members.next; node != &guard->members;
	     node = node->next) {
		struct vio_guard_member *member = vio_guard_member_at(node);
		uint64_t part_ns = member->window.service_ns >> VIO_GUARD_SHARE_SHIFT;

		member->service_ns = decay(decay(member->service_ns, 1) + part_ns, n);
		guard->service_ns += member->service_ns;
	}
}

/* So that the times of those who want nothing never fall behind by half the range. */
static void catch_up(struct vio_guard_member *member)
{
	if ((int64_t)(member->vtime - member->guard->vnow) < 0 && !member->is_marked)
		member->vtime = member->guard->vnow;
}

static void close_windows(struct vio_guard *guard, uint64_t n_windows)
{
	uint64_t span_ns = n_windows * guard->params.window_ns;

	average_service(guard, n_windows);
	guard->window_ns += span_ns;
	guard->longest_ns -= guard->longest_ns / LONGEST_WINDOWS;
	for (struct vio_list *node = guard->members.next; node != &guard->members;
	     node = node->next) {
		struct vio_guard_member *member = vio_guard_member_at(node);

		catch_up(member);
		judge(member, vio_min_u64(span_ns, 3600 * SEC));
	}
	guard->lost_ns = 0;
}

void vio_guard_advance(struct vio_guard *guard, uint64_t now_ns)
{
	uint64_t n_windows;

	guard->now_ns = vio_max_u64(guard->now_ns, now_ns);
	n_windows = (guard->now_ns - guard->window_ns) / guard->params.window_ns;
	/* A turn counts whole: the window stays open while one goes on. */
	if (n_windows && !guard->turn)
		close_windows(guard, n_windows);
}
