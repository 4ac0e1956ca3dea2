/* SPDX-License-Identifier: MIT */
/*
 * The inside of a guard. Turns (guard_turn.c) are start-time fair queuing: each
 * member has a virtual time, which its service moves on by service / weight, and the
 * least is next. Compared with rounds of a deficit, a tenant that wakes up waits for
 * one turn and not for all. Judging (guard_judge.c) looks at all members once a
 * window. Nothing is atomic: a guard is one thread's.
 */
#ifndef VIO_LIMIT_GUARD_H
#define VIO_LIMIT_GUARD_H

#ifndef VIO_ENABLE_UNSTABLE
#define VIO_ENABLE_UNSTABLE 1
#endif

#include <stdbool.h>
#include <stdint.h>

#include <vio/unstable/guard.h>

#include "core/env.h"
#include "core/list.h"

#define VIO_GUARD_N_ACTIONS 5u

/* Shares are averages of some 8 windows: long against a turn, short against 50 ms. */
#define VIO_GUARD_SHARE_SHIFT 3

struct vio_guard {
	const struct vio_env *env;
	struct vio_guard_params params; /* defaults filled in */
	struct vio_list members;
	struct vio_guard_member *turn; /* whose it is, or NULL */
	uint64_t turn_began_ns;
	/* The turn before, until the thread sleeps, and the longest wait in it. */
	struct vio_guard_member *latest;
	uint64_t turn_ns;
	uint64_t imposed_ns;
	uint64_t longest_ns; /* turn, forgotten slowly */
	uint64_t now_ns;     /* the latest time seen */
	uint64_t vnow;       /* virtual time of the latest turn */
	uint64_t window_ns;  /* when the window began */
	uint64_t lost_ns;    /* in the window, by the thread */
	uint64_t service_ns; /* of all members, an average as theirs */
	uint64_t weights;    /* their sum */
	uint32_t n_members;
	uint32_t n_steps; /* highest */
};

/* What was counted since the window began. */
struct vio_guard_window {
	uint64_t kicks;
	uint64_t unwanted; /* of the kicks */
	uint64_t ops;
	uint64_t service_ns;
	uint64_t imposed_ns; /* others waited in its turns */
};

struct vio_guard_member {
	struct vio_list node;
	struct vio_guard *guard;
	vio_guard_act_fn act;
	void *opaque;
	uint64_t weight;
	uint64_t vtime;
	bool is_marked;
	uint64_t marked_ns;
	uint64_t not_before_ns; /* no turn until then */

	struct vio_guard_window window;
	uint64_t service_ns;     /* of a window, averaged */
	uint64_t excess_kicks_k; /* in thousandths, as what is learned */
	uint64_t excess_unwanted_k;
	uint64_t idle_fraction;     /* of a thousandth of a kick, in thousandths */
	uint64_t excess_service_ns; /* beyond its share */
	uint64_t excess_waiting_ns;
	uint64_t base_kicks_k; /* thousandths of thousandths: see learn() */
	uint64_t base_share_k;

	uint32_t step;     /* 0: ok */
	uint32_t evidence; /* VIO_GUARD_KICKS, VIO_GUARD_WAITING */
	uint32_t n_relapses;
	uint32_t actions;
	uint64_t n_alarms;
	uint64_t changed_ns; /* when the step last changed */
	uint64_t calm_ns;    /* since when nothing is exceeded */
	struct vio_guard_window total;
	uint64_t bytes;
	char name[VIO_GUARD_NAME_BYTES];
};

static inline struct vio_guard_member *vio_guard_member_at(struct vio_list *node)
{
	return VIO_CONTAINER_OF(node, struct vio_guard_member, node);
}

/* guard_judge.c: closes the windows that have ended, and acts. */
void vio_guard_advance(struct vio_guard *guard, uint64_t now_ns);

/* Of the service time of all, lately. */
uint64_t vio_guard_share_permille(const struct vio_guard_member *member);

/* Less than what its weight gives it while all want service. */
bool vio_guard_is_below_share(const struct vio_guard_member *member);

/* The larger of the two sums of kicks, in thousandths. */
uint64_t vio_guard_excess_kicks_k(const struct vio_guard_member *member);

/* When it is to be looked at, be it for an alarm or its end; UINT64_MAX: never. */
uint64_t vio_guard_look_at_ns(const struct vio_guard_member *member);

/* guard.c */
void vio_guard_fill_verdict(const struct vio_guard_member *member,
			    struct vio_guard_verdict *out);

#endif /* VIO_LIMIT_GUARD_H */
