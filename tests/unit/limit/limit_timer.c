/* SPDX-License-Identifier: MIT */
/*
 * The timer of a tree: when it is set to what, on a context whose clock is the test's.
 * What the kernel is told is caught on its way, so that no time passes; only the clocks
 * that run beside the kernel's are tried for real.
 */
#include <poll.h>
#include <time.h>

#include <vio/ctx.h>

#include "ctx.h"
#include "unit/limit/support.h"

#define MS UINT64_C(1000000)
#define MB UINT64_C(1000000)
#define GB UINT64_C(1000000000)

static int n_calls;

static void count_only(struct vio_limit_waiter *waiter)
{
	(void)waiter;
	n_calls++;
}

/* What the timer was told last. */
static struct {
	int flags;
	struct itimerspec when;
} told;

static int tell(void *opaque, int fd, int flags, const struct itimerspec *value)
{
	(void)opaque;
	(void)fd;
	told.flags = flags;
	told.when = *value;
	return 0;
}

static uint64_t told_ns(void)
{
	const struct timespec *at = &told.when.it_value;

	assert_int_equal(told.flags, 0);
	assert_int_equal(told.when.it_interval.tv_sec, 0);
	assert_int_equal(told.when.it_interval.tv_nsec, 0);
	return (uint64_t)at->tv_sec * SEC + (uint64_t)at->tv_nsec;
}

static uint64_t read_clock(void *opaque)
{
	return *(uint64_t *)opaque;
}

/* A tree with a timer on a clock that the test moves. */
struct stage {
	uint64_t now_ns;
	struct vio_sys sys;
	struct vio_ctx *ctx;
	struct vio_limit *limit;
	struct vio_limit_timer *timer;
	struct vio_lease lease;
	struct vio_lease hoard; /* has the credit that the limit began with */
};

static void
stage_open(struct stage *stage, uint64_t now_ns, const struct vio_limit_params *params)
{
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	uint64_t retry;

	*stage = (struct stage){ .now_ns = now_ns, .sys = vio_sys_linux };
	stage->sys.timerfd_settime = tell;
	ctx_params.clock = read_clock;
	ctx_params.clock_opaque = &stage->now_ns;
	assert_int_equal(vio_ctx_create_on(&ctx_params, &stage->sys, &stage->ctx, NULL),
			 0);
	stage->limit = limit_create(params, now_ns);
	lease_attach(&stage->lease, stage->limit);
	lease_attach(&stage->hoard, stage->limit);
	assert_int_equal(
		vio_lease_refill(&stage->hoard, now_ns, params->burst_bytes, 0, &retry),
		0);
	/* Otherwise the full burst counts as spent somewhat later, see sweep.c. */
	limit_configure(stage->limit, *params, now_ns);
	assert_int_equal(
		vio_limit_timer_open(stage->ctx, stage->limit, &stage->timer, NULL), 0);
	n_calls = 0;
}

static void stage_close(struct stage *stage)
{
	vio_lease_detach(&stage->hoard);
	vio_lease_detach(&stage->lease);
	vio_limit_timer_close(stage->timer);
	limit_destroy(stage->limit);
	assert_int_equal(vio_ctx_destroy(stage->ctx, NULL), 0);
}

static void stage_wait(struct stage *stage, struct vio_limit_waiter *waiter)
{
	assert_int_equal(vio_waiter_attach(waiter, &stage->lease, stage->now_ns), 0);
}

/* What is posted by now. */
static void stage_dispatch(struct stage *stage)
{
	assert_true(vio_ctx_dispatch(stage->ctx, 64) >= 0);
}

static void the_timer_is_told_the_time_that_is_left_on_any_clock(void **state)
{
	static const uint64_t starts[] = { 0, 1, UINT64_C(1) << 62,
					   UINT64_MAX - 100 * SEC };
	const struct vio_limit_params params = bytes_params(MB, MB);

	(void)state;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(starts); i++) {
		struct vio_limit_waiter waiter = { .ready = count_only, .bytes = MB };
		struct stage stage;

		stage_open(&stage, starts[i], &params);
		stage_wait(&stage, &waiter);
		stage_dispatch(&stage);
		assert_int_equal(told_ns(), SEC);
		stage.now_ns += SEC;
		assert_int_equal(vio_waiter_detach(&waiter), 0);
		stage_wait(&stage, &waiter);
		stage_dispatch(&stage);
		assert_int_equal(n_calls, 1);
		/* Nobody waits: it stops. */
		assert_int_equal(told_ns(), 0);
		assert_int_equal(vio_waiter_take(&waiter), 0);
		stage_close(&stage);
	}
}

static void a_timer_that_is_late_already_comes_at_once(void **state)
{
	const struct vio_limit_params params = bytes_params(MB, MB);
	struct vio_limit_waiter waiters[65];
	struct stage stage;

	(void)state;
	stage_open(&stage, 5 * SEC, &params);
	stage.now_ns += SEC;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(waiters); i++) {
		waiters[i] =
			(struct vio_limit_waiter){ .ready = count_only, .bytes = 1 };
		stage_wait(&stage, &waiters[i]);
	}
	/* One dispatch calls 64 of them, and the clock stands still. */
	stage_dispatch(&stage);
	assert_int_equal(n_calls, 64);
	assert_int_equal(told_ns(), 1);
	for (size_t i = 0; i < VIO_ARRAY_SIZE(waiters); i++)
		assert_int_equal(vio_waiter_detach(&waiters[i]), 0);
	stage_close(&stage);
}

/* The second of two in line, who would be served within 10 ms; the first never. */
struct line {
	struct stage stage;
	struct vio_limit_waiter first;
	struct vio_limit_waiter second;
};

static void line_open(struct line *line, uint64_t first_bytes)
{
	const struct vio_limit_params params = bytes_params(MB, GB);

	stage_open(&line->stage, 5 * SEC, &params);
	line->first =
		(struct vio_limit_waiter){ .ready = count_only, .bytes = first_bytes };
	line->second = (struct vio_limit_waiter){ .ready = count_only, .bytes = 4096 };
	stage_wait(&line->stage, &line->first);
	stage_wait(&line->stage, &line->second);
	stage_dispatch(&line->stage);
	assert_int_equal(n_calls, 0);
	assert_int_equal(told_ns(), first_bytes * 1000);
}

static void line_close(struct line *line)
{
	assert_int_equal(vio_waiter_detach(&line->first), 0);
	assert_int_equal(vio_waiter_detach(&line->second), 0);
	stage_close(&line->stage);
}

static void the_timer_hears_that_the_first_in_line_leaves(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, GB);
	assert_int_equal(vio_waiter_detach(&line.first), 0);
	stage_dispatch(&line.stage);
	assert_int_equal(told_ns(), 4096 * 1000);
	line_close(&line);
}

static void the_timer_hears_of_a_higher_rate(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, GB);
	limit_configure(line.stage.limit, bytes_params(GB, GB), 5 * SEC);
	stage_dispatch(&line.stage);
	assert_int_equal(told_ns(), SEC);
	line_close(&line);
}

static void the_timer_hears_of_credit_that_is_loaded(void **state)
{
	struct vio_limit *full = limit_of_bytes(MB, GB);
	uint8_t saved[256];
	struct line line;
	size_t n;

	(void)state;
	assert_int_equal(vio_limit_save(full, 0, saved, sizeof(saved), &n, NULL), 0);
	limit_destroy(full);
	line_open(&line, GB);
	assert_int_equal(vio_limit_load(line.stage.limit, 5 * SEC, saved, n, NULL), 0);
	stage_dispatch(&line.stage);
	assert_int_equal(n_calls, 1);
	line_close(&line);
}

static void the_timer_hears_of_credit_that_a_lease_gives_back(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, GB - 4096);
	vio_lease_detach(&line.stage.hoard);
	stage_dispatch(&line.stage);
	assert_int_equal(n_calls, 2);
	line_close(&line);
}

static void the_timer_hears_of_credit_that_a_waiter_gives_back(void **state)
{
	struct vio_limit_waiter third = { .ready = count_only, .bytes = GB };
	struct line line;

	(void)state;
	line_open(&line, GB / 2);
	line.stage.now_ns += 501 * SEC;
	assert_int_equal(vio_waiter_detach(&line.second), 0);
	stage_wait(&line.stage, &third);
	stage_dispatch(&line.stage);
	assert_int_equal(n_calls, 1);
	assert_int_equal(told_ns(), 999 * SEC);
	/* It was called and took nothing. */
	assert_int_equal(vio_waiter_detach(&line.first), 0);
	stage_dispatch(&line.stage);
	assert_int_equal(told_ns(), 499 * SEC);
	assert_int_equal(vio_waiter_detach(&third), 0);
	line_close(&line);
}

static void the_timer_hears_of_a_ceiling_left_to_hardware(void **state)
{
	struct line line;

	(void)state;
	line_open(&line, GB);
	assert_int_equal(
		vio_limit_set_offload(line.stage.limit, 1u << VIO_NODE_BYTES,
				      vio_limit_get_generation(line.stage.limit), NULL),
		0);
	stage_dispatch(&line.stage);
	assert_int_equal(n_calls, 2);
	line_close(&line);
}

static int n_wakes;

static void count_wakes(void *opaque)
{
	(void)opaque;
	n_wakes++;
}

static void nobody_is_woken_for_a_line_that_is_empty(void **state)
{
	struct vio_limit *limit = limit_of_bytes(1000, 1000);
	struct vio_limit_waiter waiter = { .ready = count_only, .bytes = 1 };
	struct vio_lease lease;

	(void)state;
	n_wakes = 0;
	limit->tree->wake = count_wakes;
	limit_configure(limit, bytes_params(2000, 1000), 0);
	limit_drain(limit, 0);
	lease_attach(&lease, limit);
	assert_int_equal(n_wakes, 0);
	assert_int_equal(vio_waiter_attach(&waiter, &lease, 0), 0);
	assert_int_equal(n_wakes, 1);
	assert_int_equal(vio_waiter_detach(&waiter), 0);
	vio_lease_detach(&lease);
	assert_int_equal(n_wakes, 1);
	limit->tree->wake = NULL;
	limit_destroy(limit);
}

static uint64_t read_monotonic(void)
{
	struct timespec now;

	assert_int_equal(clock_gettime(CLOCK_MONOTONIC, &now), 0);
	return (uint64_t)now.tv_sec * SEC + (uint64_t)now.tv_nsec;
}

/* Beside the kernel's clock by what the opaque pointer points to. */
static uint64_t read_beside(void *opaque)
{
	return read_monotonic() + *(const uint64_t *)opaque;
}

/* Wakeups until a waiter of 20 ms was called. */
static int count_wakeups(uint64_t offset_ns)
{
	struct vio_limit_waiter waiter = { .ready = count_only, .bytes = 1020000 };
	const struct vio_limit_params params = bytes_params(MB, 1020000);
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	struct vio_limit_timer *timer;
	struct vio_lease hoard, lease;
	struct vio_limit *limit;
	struct vio_ctx *ctx;
	uint64_t now_ns, retry;
	int n_wakeups = 0;

	ctx_params.clock = read_beside;
	ctx_params.clock_opaque = &offset_ns;
	assert_int_equal(vio_ctx_create(&ctx_params, &ctx, NULL), 0);
	now_ns = read_beside(&offset_ns);
	limit = limit_create(&params, now_ns);
	lease_attach(&hoard, limit);
	lease_attach(&lease, limit);
	assert_int_equal(vio_lease_refill(&hoard, now_ns, 20000, 0, &retry), 0);
	assert_int_equal(vio_limit_timer_open(ctx, limit, &timer, NULL), 0);
	assert_int_equal(vio_waiter_attach(&waiter, &lease, now_ns), 0);
	for (n_calls = 0; !n_calls; n_wakeups++) {
		struct pollfd fd = { vio_ctx_get_fd(ctx), POLLIN, 0 };

		/* A timer that never comes fails here. */
		assert_int_equal(poll(&fd, 1, 10000), 1);
		assert_true(vio_ctx_dispatch(ctx, 64) >= 0);
	}
	assert_int_equal(vio_waiter_take(&waiter), 0);
	vio_lease_detach(&hoard);
	vio_lease_detach(&lease);
	vio_limit_timer_close(timer);
	limit_destroy(limit);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return n_wakeups;
}

static void a_clock_beside_the_kernels_wakes_no_oftener(void **state)
{
	(void)state;
	/* When it opens, when somebody waits, when he is served; each may be two. */
	assert_in_range(count_wakeups(0), 1, 6);
	assert_in_range(count_wakeups(0 - (read_monotonic() - SEC)), 1, 6);
	assert_in_range(count_wakeups(1000 * SEC), 1, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_timer_is_told_the_time_that_is_left_on_any_clock),
		cmocka_unit_test(a_timer_that_is_late_already_comes_at_once),
		cmocka_unit_test(the_timer_hears_that_the_first_in_line_leaves),
		cmocka_unit_test(the_timer_hears_of_a_higher_rate),
		cmocka_unit_test(the_timer_hears_of_credit_that_is_loaded),
		cmocka_unit_test(the_timer_hears_of_credit_that_a_lease_gives_back),
		cmocka_unit_test(the_timer_hears_of_credit_that_a_waiter_gives_back),
		cmocka_unit_test(the_timer_hears_of_a_ceiling_left_to_hardware),
		cmocka_unit_test(nobody_is_woken_for_a_line_that_is_empty),
		cmocka_unit_test(a_clock_beside_the_kernels_wakes_no_oftener),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
