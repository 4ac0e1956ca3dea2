/* SPDX-License-Identifier: MIT */
/*
 * A session of a front end, cut short in every way: after each message, and by
 * each allocation and each system call that it takes. Whatever happens, the
 * connection ends or goes on, and nothing is left of it.
 */
#include <unistd.h>

#include "unit/device/vhost_peer.h"

#define ATTEMPTS_MAX 1000u /* more than a session takes of anything */

/* The session. Nobody waits for a reply, so that it goes on whatever happens. */

static void ask_features(struct vhost_stage *stage)
{
	peer_send(stage, VHOST_USER_GET_FEATURES, 0, NULL, 0, NULL, 0);
}

static void set_protocol(struct vhost_stage *stage)
{
	peer_send_u64(stage, VHOST_USER_SET_PROTOCOL_FEATURES, PEER_PROTOCOL);
}

static void set_call(struct vhost_stage *stage)
{
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, stage->call[0]);
}

static void set_err(struct vhost_stage *stage)
{
	peer_send_fd(stage, VHOST_USER_SET_VRING_ERR, 0, stage->err[0]);
}

static void set_features(struct vhost_stage *stage)
{
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES);
}

static void set_log(struct vhost_stage *stage)
{
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES | VHOST_F_LOG_ALL);
}

static void set_table(struct vhost_stage *stage)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_fill_table(stage, &memory, fds);
	peer_send_table(stage, &memory, fds);
}

static void set_log_base(struct vhost_stage *stage)
{
	const struct vhost_log_area area = { .size_bytes = 0x10000 };

	peer_send(stage, VHOST_USER_SET_LOG_BASE, 0, &area, sizeof(area), &stage->memfd,
		  1);
}

static void set_num(struct vhost_stage *stage)
{
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, PEER_DESCS);
}

static void set_addr(struct vhost_stage *stage)
{
	peer_send_addr(stage, 0, 0);
}

static void set_kick(struct vhost_stage *stage)
{
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 0, stage->kick[0]);
}

static void enable(struct vhost_stage *stage)
{
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
}

static void disable(struct vhost_stage *stage)
{
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 0);
}

static void get_base(struct vhost_stage *stage)
{
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
}

static const struct vhost_memory_slot slot = {
	.region = { UINT64_C(0x200000000), 0x10000, UINT64_C(0x7f2000000000), 0 },
};

static void add_slot(struct vhost_stage *stage)
{
	peer_send(stage, VHOST_USER_ADD_MEM_REG, 0, &slot, sizeof(slot), &stage->memfd,
		  1);
}

static void remove_slot(struct vhost_stage *stage)
{
	peer_send(stage, VHOST_USER_REM_MEM_REG, 0, &slot, sizeof(slot), NULL, 0);
}

static void reset(struct vhost_stage *stage)
{
	peer_send(stage, VHOST_USER_RESET_DEVICE, VHOST_USER_NEED_REPLY, NULL, 0, NULL,
		  0);
}

static void (*const steps[])(struct vhost_stage *stage) = {
	ask_features, set_protocol, set_call, set_err,     set_features, set_table,
	set_num,      set_addr,     set_kick, enable,      set_call,     set_log_base,
	set_log,      set_log_base, add_slot, set_table,   disable,      enable,
	set_features, get_base,     set_kick, reset,       set_num,      set_addr,
	set_kick,     enable,       add_slot, remove_slot, ask_features,
};

#define N_STEPS (sizeof(steps) / sizeof(steps[0]))

static void settle(struct vhost_stage *stage)
{
	while (vio_ctx_dispatch(stage->ctx, 64) > 0)
		;
}

static void play(struct vhost_stage *stage, size_t n_steps)
{
	for (size_t i = 0; i < n_steps; i++) {
		steps[i](stage);
		settle(stage);
	}
}

static void a_session_that_is_not_disturbed_succeeds(void **state)
{
	struct vhost_stage *stage = *state;

	play(stage, N_STEPS);
	assert_int_equal(stage->n_closed, 0);
	assert_int_equal(stage->n_starts, 5);
	assert_int_equal(stage->n_stops, 4);
}

static void a_front_end_can_leave_after_every_message(void **state)
{
	(void)state;
	for (size_t n = 0; n <= N_STEPS; n++) {
		struct vhost_stage *stage;
		void *fixture;

		vhost_stage_setup(&fixture);
		stage = fixture;
		play(stage, n);
		close(stage->fd);
		stage->fd = -1;
		peer_verify_end(stage, 0);
		vhost_stage_teardown(&fixture);
	}
}

static void a_front_end_can_leave_before_it_is_heard(void **state)
{
	(void)state;
	for (size_t n = 1; n <= N_STEPS; n++) {
		struct vhost_stage *stage;
		void *fixture;

		vhost_stage_setup(&fixture);
		stage = fixture;
		for (size_t i = 0; i < n; i++)
			steps[i](stage);
		close(stage->fd);
		stage->fd = -1;
		peer_verify_end(stage, 0);
		vhost_stage_teardown(&fixture);
	}
}

/* Failures. */

/* 1: something was left to fail. */
static int play_disturbed(uint64_t fail_alloc_at, uint64_t fail_call_at, int code)
{
	struct vhost_stage stage;
	struct vio_backend_params params;
	int fds[2];
	int ret, was_injected;

	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	stage.fd = fds[0];
	stage.fault.fail_alloc_at = fail_alloc_at;
	stage.fault.fail_call_at = fail_call_at;
	stage.fault.fail_errno = code;
	ret = vhost_stage_open(&stage, &params, NULL);
	if (ret) {
		assert_true(ret == -code || ret == -ENOTSOCK);
		close(fds[1]);
	} else {
		play(&stage, N_STEPS);
		if (stage.n_closed)
			assert_true(stage.reason == -code || stage.reason == -EBADMSG);
		else
			assert_int_equal(stage.n_starts, 5);
	}
	was_injected = stage.fault.n_injected != 0;
	vhost_stage_clear(&stage);
	return was_injected;
}

static void every_allocation_can_fail(void **state)
{
	uint64_t at = 1;

	(void)state;
	while (play_disturbed(at, 0, ENOMEM))
		assert_true(++at < ATTEMPTS_MAX);
	assert_true(at > 10);
}

static void fail_calls(int code)
{
	uint64_t at = 1;

	while (play_disturbed(0, at, code))
		assert_true(++at < ATTEMPTS_MAX);
	assert_true(at > 100);
}

static void every_system_call_can_fail_for_lack_of_memory(void **state)
{
	(void)state;
	fail_calls(ENOMEM);
}

static void every_system_call_can_fail_by_an_error_of_the_device(void **state)
{
	(void)state;
	fail_calls(EIO);
}

#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_session_that_is_not_disturbed_succeeds),
		cmocka_unit_test(a_front_end_can_leave_after_every_message),
		cmocka_unit_test(a_front_end_can_leave_before_it_is_heard),
		cmocka_unit_test(every_allocation_can_fail),
		cmocka_unit_test(every_system_call_can_fail_for_lack_of_memory),
		cmocka_unit_test(every_system_call_can_fail_by_an_error_of_the_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
