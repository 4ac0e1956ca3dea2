/* SPDX-License-Identifier: MIT */
/*
 * One attack, from a fresh connection to its end: what the device made of it, and
 * whether anything else suffered. A latch is heard by the error descriptor; a back
 * end that has none is latched if it does not serve a good request any more.
 */
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "hostile/hostile.h"

/* Kicks that go on after a latch: a thousand a second. */
#define KICK_MS 1

/* Of the time of one processor. */
#define CPU_PERCENT_MAX 1

static bool is_in_process(const struct hostile *h)
{
	return h->options.is_inside;
}

bool attack_applies(const struct hostile *h, const struct attack *attack,
		    const char **out_why)
{
	const uint32_t wants =
		is_in_process(h) ? attack->wants_inside : attack->wants_socket;

	*out_why = attack->why ? attack->why : "it is an abuse of messages";
	if (!wants)
		return false;
	*out_why = "the back end does not offer the feature";
	return !(attack->features & ~h->features);
}

static bool is_gone(const struct hostile *h)
{
	return !is_in_process(h) && kill(h->front.pid, 0) < 0;
}

static void start_rings(struct hostile *h)
{
	h->target->start(h, &h->rings[ATTACKED]);
	if (h->has_bystander)
		h->target->start(h, &h->rings[BYSTANDER]);
}

/* What attacks that do not go as far as the device's queues leave out. */
static void go_on(struct hostile *h, const struct attack *attack)
{
	if (attack->stage < AT_DESCRIBED)
		h->target->describe(h, VIO_F_VERSION_1);
	if (!h->rings[ATTACKED].is_started)
		start_rings(h);
}

static bool has_latched(struct hostile *h, bool was_served)
{
	struct pollfd pfd = { .fd = h->rings[ATTACKED].err, .events = POLLIN };

	/* Where it is served by right, there is nothing to wait for. */
	return poll(&pfd, 1, was_served ? 0 : h->options.timeout_ms) == 1;
}

static uint32_t find_verdict(struct hostile *h, const struct attack *attack)
{
	struct ring *ring = &h->rings[ATTACKED];
	bool is_used;

	if (!h->target->sync(h))
		return REFUSED;
	if (h->front.is_open_ended)
		return SERVED;
	go_on(h, attack);
	is_used = wait_used(h, ring) && serve_good(h, ring);
	if (has_latched(h, is_used))
		return LATCHED;
	if (is_used)
		return SERVED;
	if (!h->target->sync(h))
		return REFUSED;
	if (h->options.is_pinned)
		fail(h, "the queue stands still and nobody was told");
	return LATCHED;
}

/* Not a pause: the kicks go on for as long as is measured. */
static void measure_cpu(struct hostile *h)
{
	const uint64_t window_ns = (uint64_t)h->options.window_ms * 1000000;
	const uint64_t end = now_ms() + (uint64_t)h->options.window_ms;
	const uint64_t begun_ns = h->target->read_cpu_ns(h);
	uint64_t spent_ns;

	while (now_ms() < end) {
		kick(&h->rings[ATTACKED]);
		poll(NULL, 0, KICK_MS);
	}
	spent_ns = h->target->read_cpu_ns(h);
	if (spent_ns < begun_ns) { /* of a process that is gone it is 0 */
		fail(h, "the back end's process is gone");
		return;
	}
	spent_ns -= begun_ns;
	if (spent_ns * 10000 / window_ns > h->cpu_permyriad)
		h->cpu_permyriad = spent_ns * 10000 / window_ns;
	if (spent_ns > window_ns / 100 * CPU_PERCENT_MAX)
		fail(h, "%llu us of processor time in %d ms after the latch",
		     (unsigned long long)spent_ns / 1000, h->options.window_ms);
}

static void verify_latched(struct hostile *h, uint32_t turn)
{
	if (!turn)
		measure_cpu(h);
	/* Elsewhere, to end it late is a way to refuse. */
	if (!h->target->sync(h) && h->options.is_pinned)
		fail(h, "the connection ended after the latch");
}

static void verify_others(struct hostile *h)
{
	struct ring *ring = &h->rings[BYSTANDER];

	if (h->has_bystander && ring->is_started && !serve_good(h, ring))
		fail(h, "the other queue is not served any more");
}

/*
 * Memory last: a back end that answers has ended the connection before, and until
 * then it may write what that one asked for.
 */
static int open_anew(struct hostile *h)
{
	const int ret = h->target->open(h);

	guest_reset(h);
	return ret;
}

/* After a connection that was ended, or that the attack left: is the next served? */
static void verify_reopened(struct hostile *h)
{
	h->target->close(h);
	if (open_anew(h))
		return;
	h->target->describe(h, VIO_F_VERSION_1);
	start_rings(h);
	if (!serve_good(h, &h->rings[ATTACKED]))
		fail(h, "the next connection is not served");
	verify_others(h);
}

static void prepare(struct hostile *h, const struct attack *attack)
{
	if (attack->stage >= AT_DESCRIBED)
		h->target->describe(h, VIO_F_VERSION_1 | attack->features);
	if (attack->stage >= AT_RUNNING)
		start_rings(h);
}

static void verify_rest(struct hostile *h, uint32_t verdict, uint32_t turn)
{
	if (verdict == REFUSED || h->front.is_open_ended) {
		verify_reopened(h);
		return;
	}
	if (verdict == LATCHED)
		verify_latched(h, turn);
	verify_others(h);
}

uint32_t attack_judge(struct hostile *h, const struct attack *attack, uint32_t turn)
{
	uint32_t verdict = 0;

	if (open_anew(h) == 0) {
		prepare(h, attack);
		attack->run(h);
		kick(&h->rings[ATTACKED]);
		verdict = find_verdict(h, attack);
		verify_rest(h, verdict, turn);
	}
	if (is_gone(h))
		fail(h, "the back end's process is gone");
	h->target->close(h);
	return h->failure[0] ? 0 : verdict;
}
