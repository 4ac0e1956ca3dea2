/* SPDX-License-Identifier: MIT */
/*
 * Both sides of a ring by turns, in an order that the seed decides. A side that
 * sleeps takes no turn until it is notified, so a notification that is lost shows
 * at once and every time: both sleep, and requests are left.
 */
#include "traffic.h"

static void note(struct traffic *traffic, enum actor whom)
{
	traffic->is_notified[whom] = 1;
}

int simulate(struct traffic *traffic)
{
	struct chance chance = { traffic->seed * 3 };
	enum step state[2] = { STEP_BUSY, STEP_BUSY };

	traffic->is_exact = 1;
	if (!traffic->notify)
		traffic->notify = note;
	while (state[DRIVER] != STEP_DONE || state[DEVICE] != STEP_DONE) {
		enum actor turn = chance_one_in(&chance, 2) ? DRIVER : DEVICE;

		for (int i = 0; i < 2; i++) {
			if (state[i] != STEP_IDLE || !traffic->is_notified[i])
				continue;
			traffic_wake(traffic, (enum actor)i);
			state[i] = STEP_BUSY;
		}
		if (state[turn] != STEP_BUSY)
			turn = turn == DRIVER ? DEVICE : DRIVER;
		if (state[turn] != STEP_BUSY)
			return traffic_fail(traffic, "both sides sleep"), -1;
		traffic->is_notified[turn] = 0;
		state[turn] = traffic_step(traffic, turn);
		if (traffic->error)
			return -1;
	}
	return 0;
}
