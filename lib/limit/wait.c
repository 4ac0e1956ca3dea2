/* SPDX-License-Identifier: MIT */
/*
 * Requests that wait in line. Each limit has a line of its own, served by deficit round
 * robin: who comes to its head may spend as much as the largest request of the line,
 * and who has not spent all of that when it waits again goes on with its turn. Credit
 * that a waiter gets stays with the waiter until its owner takes it, as the lease it
 * is for is another thread's.
 */
#include <errno.h>

#include "core/bits.h"
#include "limit/node.h"

enum {
	WAITER_IDLE,
	WAITER_IN_LINE,
	WAITER_GRANTED, /* on the tree's list, its ready not called yet */
	WAITER_READY,
};

/* The words of a waiter. */
struct waiter {
	struct vio_list link;
	struct vio_lease *lease;
	struct vio_limit *limit;
	uint64_t state;     /* under the lock */
	uint64_t deficit;   /* units it may still spend in its turn */
	uint64_t served_ns; /* the last time */
	int64_t answer;     /* of the take; below 0: it got no credit */
};

/* A waiter that is being called; a ready that dispatches is around another's. */
struct call {
	struct vio_list link;
	const struct vio_limit_waiter *waiter;
	pthread_t caller;
};

_Static_assert(sizeof(struct waiter) == sizeof(((struct vio_limit_waiter *)0)->words),
	       "a waiter's words");

static struct waiter *words_of(struct vio_limit_waiter *waiter)
{
	return (struct waiter *)(void *)waiter->words;
}

static struct vio_limit_waiter *waiter_at(struct vio_list *link)
{
	struct waiter *words = VIO_CONTAINER_OF(link, struct waiter, link);

	return VIO_CONTAINER_OF((uint64_t(*)[8])(void *)words, struct vio_limit_waiter,
				words);
}

static struct vio_units need_of(const struct vio_limit_waiter *waiter)
{
	return (struct vio_units){ { waiter->bytes, waiter->ops } };
}

/* In bytes, or in operations where bytes have no ceiling. */
static uint64_t
find_cost(const struct vio_limit *limit, const struct vio_limit_waiter *waiter)
{
	uint64_t cost = vio_share_is_open(&limit->share[VIO_NODE_BYTES])
				? waiter->ops
				: waiter->bytes;

	return cost ? cost : 1;
}

static void mark_waiting(struct vio_limit *limit)
{
	/* Relaxed: a refill that misses it overtakes once. */
	__atomic_store_n(&limit->is_closed,
			 vio_list_is_empty(&limit->waiters) ? 0 : VIO_LIMIT_WAITING,
			 __ATOMIC_RELAXED);
}

static void leave_line(struct vio_limit *limit, struct waiter *words)
{
	vio_list_remove(&words->link);
	limit->tree->n_waiters--;
	mark_waiting(limit);
}

/* No turn is smaller than a request that waits: it is served in one. */
static void note_cost(struct vio_limit *limit, uint64_t cost)
{
	limit->turn = vio_max_u64(limit->turn, cost);
	limit->next_turn = vio_max_u64(limit->next_turn, cost);
}

static uint64_t count_line(const struct vio_limit *limit)
{
	const struct vio_list *at;
	uint64_t n = 0;

	for (at = limit->waiters.next; at != &limit->waiters; at = at->next)
		n++;
	return n;
}

/* In a round each has one. One for a large request that was served is not the next. */
static void give_turn(struct vio_limit *limit, struct vio_limit_waiter *waiter)
{
	if (!limit->n_turns) {
		limit->turn = limit->next_turn;
		limit->next_turn = 0;
		limit->n_turns = count_line(limit);
	}
	limit->n_turns--;
	note_cost(limit, find_cost(limit, waiter));
	words_of(waiter)->deficit += limit->turn;
}

void vio_limit_reset_turns(struct vio_limit *limit)
{
	struct vio_list *at;

	limit->turn = 0;
	limit->next_turn = 0;
	limit->n_turns = 0;
	for (at = limit->waiters.next; at != &limit->waiters; at = at->next)
		note_cost(limit, find_cost(limit, waiter_at(at)));
	for (at = limit->waiters.next; at != &limit->waiters; at = at->next) {
		struct waiter *words = words_of(waiter_at(at));

		words->deficit = vio_min_u64(words->deficit, limit->turn);
	}
}

/*
 * A turn that is not spent goes on, but nobody who comes seldom saves them up, or
 * brings more of them from another limit or another unit than there are.
 */
static void
join_line(struct vio_limit *limit, struct vio_limit_waiter *waiter, uint64_t now_ns)
{
	struct waiter *words = words_of(waiter);

	if (now_ns > words->served_ns &&
	    now_ns - words->served_ns > VIO_LIMIT_EPOCH_NS) {
		words->deficit = 0;
		/* Nor are there turns of those who are long gone. */
		if (vio_list_is_empty(&limit->waiters))
			vio_limit_reset_turns(limit);
	}
	note_cost(limit, find_cost(limit, waiter));
	words->deficit = vio_min_u64(words->deficit, limit->turn);
	if (words->deficit >= find_cost(limit, waiter))
		vio_list_append(limit->waiters.next, &words->link);
	else
		vio_list_append(&limit->waiters, &words->link);
	limit->tree->n_waiters++;
	mark_waiting(limit);
}

static int
check_request(const struct vio_limit *limit, const struct vio_limit_waiter *waiter)
{
	const struct vio_units need = need_of(waiter);

	if (vio_limit_is_gone(limit))
		return -ESTALE;
	for (int i = 0; i < VIO_NODE_N_CURVES; i++)
		if (!vio_share_is_open(&limit->share[i]) &&
		    need.n[i] > limit->share[i].config.burst)
			return -EMSGSIZE;
	return 0;
}

/* Those who are called already need none. */
void vio_tree_notify(struct vio_tree *tree)
{
	if (tree->n_waiters && tree->wake)
		tree->wake(tree->wake_opaque);
}

int vio_waiter_attach(struct vio_limit_waiter *waiter, struct vio_lease *lease,
		      uint64_t now_ns)
{
	struct waiter *words = words_of(waiter);
	struct vio_limit *limit = lease->limit;
	struct vio_tree *tree;
	int ret;

	if (words->state != WAITER_IDLE)
		return -EBUSY;
	if (lease->layout != VIO_LEASE_LAYOUT || !waiter->ready)
		return -EINVAL;
	tree = limit->tree;
	pthread_mutex_lock(&tree->lock);
	ret = check_request(limit, waiter);
	if (!ret) {
		words->lease = lease;
		words->limit = limit;
		words->state = WAITER_IN_LINE;
		words->answer = 0;
		limit->n_leases++;
		join_line(limit, waiter, now_ns);
		vio_tree_notify(tree);
	}
	pthread_mutex_unlock(&tree->lock);
	return ret;
}

static void let_go(struct vio_limit *limit, struct waiter *words)
{
	leave_line(limit, words);
	words->state = WAITER_GRANTED;
	vio_list_append(&limit->tree->granted, &words->link);
}

static void grant(struct vio_limit *limit, struct vio_limit_waiter *waiter)
{
	struct waiter *words = words_of(waiter);

	words->deficit -= vio_min_u64(words->deficit, find_cost(limit, waiter));
	words->served_ns = limit->tree->last_ns;
	let_go(limit, words);
}

/* It is larger than a burst that was configured since: those behind would starve. */
static bool refuse(struct vio_limit *limit, struct vio_limit_waiter *waiter)
{
	struct waiter *words = words_of(waiter);

	words->answer = check_request(limit, waiter);
	if (words->answer)
		let_go(limit, words);
	return words->answer != 0;
}

/* Returns when the first in line can be served; UINT64_MAX: nobody is. */
static uint64_t serve_line(struct vio_limit *limit, uint64_t now_ns)
{
	while (!vio_list_is_empty(&limit->waiters)) {
		struct vio_limit_waiter *first = waiter_at(limit->waiters.next);
		const struct vio_units need = need_of(first);

		if (refuse(limit, first))
			continue;
		if (words_of(first)->deficit < find_cost(limit, first))
			give_turn(limit, first);
		if (!vio_node_take_exactly(limit, now_ns, &need))
			return vio_node_ask(limit, &need);
		grant(limit, first);
		/* Its turn goes on: it is called first, and may come again. */
		if (words_of(first)->deficit >= find_cost(limit, first))
			return UINT64_MAX;
	}
	return UINT64_MAX;
}

static uint64_t serve_all(struct vio_tree *tree, uint64_t now_ns)
{
	uint64_t next_ns = UINT64_MAX;
	struct vio_list *at;

	for (at = tree->nodes.next; tree->n_waiters && at != &tree->nodes;
	     at = at->next)
		next_ns = vio_min_u64(
			next_ns,
			serve_line(VIO_CONTAINER_OF(at, struct vio_limit, node),
				   now_ns));
	return next_ns;
}

bool vio_limit_has_waiters(const struct vio_limit *limit)
{
	struct vio_list *granted = &limit->tree->granted;
	struct vio_list *at = granted->next;

	while (at != granted && words_of(waiter_at(at))->limit != limit)
		at = at->next;
	return at != granted || !vio_list_is_empty(&limit->waiters);
}

/* Under the lock, which is let go meanwhile. */
static void call_first(struct vio_tree *tree)
{
	struct vio_limit_waiter *waiter = waiter_at(tree->granted.next);
	void (*ready)(struct vio_limit_waiter *) = waiter->ready;
	struct call call = { .waiter = waiter, .caller = pthread_self() };

	vio_list_remove(&words_of(waiter)->link);
	words_of(waiter)->state = WAITER_READY;
	vio_list_append(&tree->calls, &call.link);
	pthread_mutex_unlock(&tree->lock);
	ready(waiter);
	pthread_mutex_lock(&tree->lock);
	vio_list_remove(&call.link);
}

/* Under the lock. Returns how many were called, @max at the most. */
static uint32_t call_granted(struct vio_tree *tree, uint32_t max)
{
	uint32_t n = 0;

	for (; n < max && !vio_list_is_empty(&tree->granted); n++)
		call_first(tree);
	return n;
}

int vio_limit_dispatch(struct vio_limit *root, uint64_t now_ns, uint32_t max,
		       uint64_t *out_next_ns)
{
	struct vio_tree *tree = root->tree;
	uint32_t n = 0, n_called;
	uint64_t next_ns;

	if (!max || root->parent)
		return -EINVAL;
	/* A callback may destroy the root. */
	vio_tree_hold(tree);
	pthread_mutex_lock(&tree->lock);
	if (tree->n_waiters)
		vio_node_sweep(tree, now_ns);
	do {
		next_ns = serve_all(tree, now_ns);
		n_called = call_granted(tree, max - n);
		n += n_called;
	} while (n_called && n < max);
	*out_next_ns = n < max ? next_ns : now_ns;
	pthread_mutex_unlock(&tree->lock);
	vio_tree_drop(tree);
	return (int)n;
}

/* Of a waiter in @state; the lock is let go. */
static void end_waiting(struct vio_limit_waiter *waiter)
{
	struct waiter *words = words_of(waiter);
	struct vio_limit *limit = words->limit;

	words->state = WAITER_IDLE;
	words->lease = NULL;
	words->limit = NULL;
	limit->n_leases--;
	vio_limit_unlock(limit);
}

int vio_waiter_take(struct vio_limit_waiter *waiter)
{
	struct waiter *words = words_of(waiter);
	struct vio_lease *lease = words->lease;
	int ret;

	if (!words->limit)
		return -EINVAL;
	pthread_mutex_lock(&words->limit->tree->lock);
	if (words->state != WAITER_READY) {
		pthread_mutex_unlock(&words->limit->tree->lock);
		return -EAGAIN;
	}
	ret = (int)words->answer;
	end_waiting(waiter);
	if (!ret)
		vio_lease_refund(lease, waiter->bytes, waiter->ops);
	return ret;
}

/* It is being called, and not by this very thread. */
static bool
is_called(const struct vio_limit_waiter *waiter, const struct vio_tree *tree)
{
	const struct vio_list *at;

	for (at = tree->calls.next; at != &tree->calls; at = at->next) {
		const struct call *call = VIO_CONTAINER_OF(at, const struct call, link);

		if (call->waiter == waiter &&
		    !pthread_equal(call->caller, pthread_self()))
			return true;
	}
	return false;
}

int vio_waiter_detach(struct vio_limit_waiter *waiter)
{
	struct waiter *words = words_of(waiter);
	struct vio_limit *limit = words->limit;

	if (!limit)
		return 0;
	pthread_mutex_lock(&limit->tree->lock);
	if (is_called(waiter, limit->tree)) {
		pthread_mutex_unlock(&limit->tree->lock);
		return -EBUSY;
	}
	if (words->state == WAITER_IN_LINE)
		leave_line(limit, words);
	else if (!words->answer)
		vio_node_refund(limit,
				&(struct vio_units){ { waiter->bytes, waiter->ops } });
	if (words->state == WAITER_GRANTED)
		vio_list_remove(&words->link);
	vio_tree_notify(limit->tree);
	end_waiting(waiter);
	return 0;
}
