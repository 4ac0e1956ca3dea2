/* SPDX-License-Identifier: MIT */
/*
 * Threads that share a limit on a virtual clock which every refill moves on. The
 * limit is drained first and its burst never fills again, so that not a byte may
 * be lost or gained: what all took is exactly what the time earned.
 */
#include <errno.h>
#include <pthread.h>

#include "unit/limit/support.h"

#define N_THREADS 2
#define N_TURNS   400000
#define N_CHANGES 20000
#define TICK_NS   100
#define RATE      UINT64_C(1000000007) /* prime: every turn has a remainder */
#define BURST     (UINT64_C(1) << 32)  /* more than all turns earn */
#define OPS_RATE  UINT64_C(3000017)

struct shared {
	struct vio_limit *limit;
	uint64_t now_ns;   /* atomic */
	uint64_t spent[2]; /* atomic */
};

/* Relaxed: the clock orders nothing, and a limit takes times in any order. */
static uint64_t tick(struct shared *shared)
{
	return __atomic_add_fetch(&shared->now_ns, TICK_NS, __ATOMIC_RELAXED);
}

static void *spend_much(void *opaque)
{
	struct shared *shared = opaque;
	struct vio_lease lease = { 0 };
	uint64_t bytes = 0;
	uint64_t ops = 0;
	uint64_t retry_at_ns;

	if (vio_lease_attach(&lease, shared->limit) < 0)
		return NULL;
	for (int i = 0; i < N_TURNS; i++) {
		if (vio_lease_take(&lease, 50, 1) == 0) {
			bytes += 50;
			ops++;
			continue;
		}
		(void)!vio_lease_refill(&lease, tick(shared), 50, 1, &retry_at_ns);
		if (i % 1000 == 0) {
			vio_lease_detach(&lease);
			if (vio_lease_attach(&lease, shared->limit) < 0)
				return NULL;
		}
	}
	vio_lease_detach(&lease);
	__atomic_fetch_add(&shared->spent[0], bytes, __ATOMIC_RELAXED);
	__atomic_fetch_add(&shared->spent[1], ops, __ATOMIC_RELAXED);
	return opaque;
}

static void run_threads(struct shared *shared, void *(*body)(void *opaque))
{
	pthread_t threads[N_THREADS];
	void *ret;

	for (int i = 0; i < N_THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, body, shared), 0);
	for (int i = 0; i < N_THREADS; i++) {
		assert_int_equal(pthread_join(threads[i], &ret), 0);
		assert_ptr_equal(ret, shared);
	}
}

/* All that there is, in large pieces and then in small ones. */
static void drain(struct shared *shared)
{
	struct vio_lease lease;
	uint64_t retry;

	lease_attach(&lease, shared->limit);
	for (uint64_t piece = UINT64_C(1) << 31; piece; piece /= 2)
		while (!lease_spend(&lease, shared->now_ns, piece, 0, &retry))
			shared->spent[0] += piece;
	for (uint64_t piece = UINT64_C(1) << 31; piece; piece /= 2)
		while (!lease_spend(&lease, shared->now_ns, 0, piece, &retry))
			shared->spent[1] += piece;
	vio_lease_detach(&lease);
}

static struct vio_limit_params shared_params(uint64_t rate)
{
	struct vio_limit_params params = bytes_params(rate, BURST);

	params.ops_per_sec = OPS_RATE;
	params.burst_ops = BURST;
	params.quantum_bytes = 800;
	params.quantum_ops = 16;
	return params;
}

static struct shared shared_create(void)
{
	struct vio_limit_params params = shared_params(RATE);
	struct shared shared = { .limit = limit_create(&params, 0) };

	drain(&shared);
	assert_int_equal(shared.spent[0], BURST);
	assert_int_equal(shared.spent[1], BURST);
	shared.spent[0] = shared.spent[1] = 0;
	/* Otherwise the full burst counts as spent somewhat later, see sweep.c. */
	limit_configure(shared.limit, params, 0);
	return shared;
}

static void threads_share_without_loss_or_gain(void **state)
{
	struct shared shared = shared_create();
	struct vio_limit_stats stats;

	(void)state;
	run_threads(&shared, spend_much);
	assert_true(shared.now_ns > 0);
	drain(&shared);
	assert_int_equal(shared.spent[0], shared.now_ns * RATE / SEC);
	assert_int_equal(shared.spent[1], shared.now_ns * OPS_RATE / SEC);

	stats = limit_read(shared.limit);
	assert_int_equal(stats.bytes, BURST + shared.spent[0]);
	assert_int_equal(stats.ops, BURST + shared.spent[1]);
	assert_true(stats.refused > 0);
	assert_int_equal(stats.n_leases, 0);
	limit_destroy(shared.limit);
}

static void *change_often(void *opaque)
{
	struct shared *shared = opaque;

	/* Few enough that the burst never fills, however slow the others are. */
	for (int i = 0; i < N_CHANGES; i++) {
		struct vio_limit_params params = shared_params(RATE);
		struct vio_limit_stats stats = VIO_LIMIT_STATS_INIT;

		if (vio_limit_configure(shared->limit, &params, tick(shared), NULL) < 0)
			return NULL;
		(void)vio_limit_read_stats(shared->limit, &stats);
	}
	return opaque;
}

/* The same rate each time: a change by itself must not lose or give a byte. */
static void changes_beside_refills_lose_and_give_nothing(void **state)
{
	struct shared shared = shared_create();
	pthread_t changers[2];

	(void)state;
	for (int i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&changers[i], NULL, change_often, &shared), 0);
	run_threads(&shared, spend_much);
	for (int i = 0; i < 2; i++) {
		void *ret;

		assert_int_equal(pthread_join(changers[i], &ret), 0);
		assert_ptr_equal(ret, &shared);
	}
	drain(&shared);
	assert_int_equal(shared.spent[0], shared.now_ns * RATE / SEC);
	assert_int_equal(shared.spent[1], shared.now_ns * OPS_RATE / SEC);
	limit_destroy(shared.limit);
}

#define N_LEAPS 1000
#define LEAP_NS (100 * 86400 * SEC) /* earns more than 2^63 at the highest rate */

static void *spend_after_leaps(void *opaque)
{
	struct shared *shared = opaque;
	struct vio_lease lease = { 0 };
	uint64_t bytes = 0;
	uint64_t retry_at_ns;

	if (vio_lease_attach(&lease, shared->limit) < 0)
		return NULL;
	for (int i = 0; i < N_LEAPS; i++) {
		uint64_t now_ns =
			__atomic_add_fetch(&shared->now_ns, LEAP_NS, __ATOMIC_RELAXED);

		while (vio_lease_refill(&lease, now_ns, 100, 0, &retry_at_ns) == 0) {
			bytes += lease.bytes;
			lease.bytes = 0;
		}
	}
	vio_lease_detach(&lease);
	__atomic_fetch_add(&shared->spent[0], bytes, __ATOMIC_RELAXED);
	return opaque;
}

static void threads_that_leap_get_one_burst_a_leap(void **state)
{
	struct vio_limit_params params = bytes_params(VIO_LIMIT_RATE_MAX, 1000);
	struct shared shared = { .limit = limit_create(&params, 0) };
	const uint64_t n_leaps = N_THREADS * N_LEAPS;

	(void)state;
	run_threads(&shared, spend_after_leaps);
	assert_in_range(shared.spent[0], N_LEAPS * 900, (n_leaps + 1) * 1000);
	limit_destroy(shared.limit);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(threads_share_without_loss_or_gain),
		cmocka_unit_test(changes_beside_refills_lose_and_give_nothing),
		cmocka_unit_test(threads_that_leap_get_one_burst_a_leap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
