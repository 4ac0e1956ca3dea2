/* SPDX-License-Identifier: MIT */
/*
 * Opening, and what a device may do in its callbacks: refuse a queue, close its
 * back end, destroy it.
 */
#include <unistd.h>

#include "unit/device/vhost_peer.h"

/* Opens with what @change did to the parameters; the descriptors are closed. */
static int
open_with(void (*change)(struct vio_backend_params *params), struct vio_backend **out)
{
	struct vhost_stage stage;
	struct vio_backend_params params;
	struct vio_error err = VIO_ERROR_INIT;
	int fds[2];
	int ret;

	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	stage.fd = fds[0];
	change(&params);
	ret = vhost_stage_open(&stage, &params, &err);
	*out = stage.backend;
	if (ret) {
		assert_int_equal(err.code, ret);
		assert_true(err.text[0]);
		close(fds[1]); /* still the caller's */
	}
	vhost_stage_clear(&stage);
	return ret;
}

static void refuse(void (*change)(struct vio_backend_params *params), int error)
{
	struct vio_backend *backend;

	assert_int_equal(open_with(change, &backend), error);
	assert_null(backend);
}

static void set_no_queues(struct vio_backend_params *params)
{
	params->n_queues = 0;
}

static void set_many_queues(struct vio_backend_params *params)
{
	params->n_queues = VIO_BACKEND_QUEUES_MAX + 1;
}

static void the_number_of_queues_has_its_range(void **state)
{
	(void)state;
	refuse(set_no_queues, -EINVAL);
	refuse(set_many_queues, -EINVAL);
}

static void set_flag(struct vio_backend_params *params)
{
	params->flags = 1u << 31;
}

static void an_unknown_flag_is_refused(void **state)
{
	(void)state;
	refuse(set_flag, -EINVAL);
}

static void set_large_queues(struct vio_backend_params *params)
{
	params->max_queue_size = VIO_QUEUE_SIZE_MAX + 1;
}

static void queues_larger_than_any_are_refused(void **state)
{
	(void)state;
	refuse(set_large_queues, -EINVAL);
}

static void set_packed(struct vio_backend_params *params)
{
	params->queue_features = UINT64_C(1) << 34;
}

static void queue_features_that_no_queue_has_are_refused(void **state)
{
	(void)state;
	refuse(set_packed, -EINVAL);
}

static void set_no_ops(struct vio_backend_params *params)
{
	params->ops = NULL;
}

static void set_ops_without_stop(struct vio_backend_params *params)
{
	static const struct vio_backend_ops ops = VIO_BACKEND_OPS_INIT;

	params->ops = &ops;
}

static void required_callbacks_are_required(void **state)
{
	(void)state;
	refuse(set_no_ops, -EINVAL);
	refuse(set_ops_without_stop, -EINVAL);
}

static void set_short(struct vio_backend_params *params)
{
	params->size = 16;
}

static void short_parameters_are_refused(void **state)
{
	(void)state;
	refuse(set_short, -EINVAL);
}

static void parameters_of_a_newer_program_are_refused(void **state)
{
	struct {
		struct vio_backend_params params;
		uint64_t unknown;
	} newer = { .params = VIO_BACKEND_PARAMS_INIT, .unknown = 1 };
	struct vio_backend *backend = VIO_FAULT_UNTOUCHED;
	struct vio_ctx *ctx;

	(void)state;
	newer.params.size = sizeof(newer);
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_backend_open(ctx, &newer.params, &backend, NULL), -E2BIG);
	assert_ptr_equal(backend, VIO_FAULT_UNTOUCHED);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

static void a_pipe_is_not_a_socket(void **state)
{
	struct vhost_stage stage;
	struct vio_backend_params params;
	int fds[2];
	int pipe_fds[2];

	(void)state;
	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	stage.fd = fds[0];
	close(fds[1]);
	assert_int_equal(pipe(pipe_fds), 0);
	params.fd = pipe_fds[0];
	assert_int_equal(vhost_stage_open(&stage, &params, NULL), -ENOTSOCK);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	vhost_stage_clear(&stage);
}

static void a_descriptor_that_is_not_open_is_not_a_socket(void **state)
{
	struct vhost_stage stage;
	struct vio_backend_params params;
	int fds[2];

	(void)state;
	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	stage.fd = fds[0];
	close(fds[1]);
	params.fd = -1;
	assert_int_equal(vhost_stage_open(&stage, &params, NULL), -ENOTSOCK);
	vhost_stage_clear(&stage);
}

static void a_back_end_needs_a_context(void **state)
{
	struct vio_backend_params params = VIO_BACKEND_PARAMS_INIT;
	struct vio_backend *backend = VIO_FAULT_UNTOUCHED;

	(void)state;
	assert_int_equal(vio_backend_open(NULL, &params, &backend, NULL), -EINVAL);
	assert_ptr_equal(backend, VIO_FAULT_UNTOUCHED);
}

static void destroying_none_is_nothing(void **state)
{
	(void)state;
	assert_int_equal(vio_backend_destroy(NULL, NULL), 0);
}

/* After fork(). */

static int use_in_child(void *opaque)
{
	struct vhost_stage *stage = opaque;
	struct vio_backend_params params;
	struct vio_backend *other;
	int fds[2];

	vhost_stage_params(stage, &params, fds);
	if (vio_backend_open(stage->ctx, &params, &other, NULL) != -ECHILD)
		return 1;
	vio_backend_close(stage->backend, 0);
	if (vio_backend_destroy(stage->backend, NULL))
		return 2;
	return vio_ctx_destroy(stage->ctx, NULL) ? 3 : 0;
}

static void a_forked_child_can_only_destroy(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	assert_int_equal(vio_test_fork(use_in_child, stage), 0);
	/* And the parent goes on. */
	peer_push_echo(stage, 0, "parent");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
	peer_sync(stage);
}

/* A device with its own mind. */

static void a_device_that_refuses_a_queue_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	stage->start_error = -ENOSPC;
	peer_describe_ring(stage, 0);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_verify_end(stage, -ENOSPC);
}

static int close_on_start(void *opaque, uint32_t index, struct vio_queue *queue)
{
	struct vhost_stage *stage = opaque;

	vio_backend_close(stage->backend, 0);
	return vhost_stage_ops.queue_start(opaque, index, queue);
}

static void destroy_on_closed(void *opaque, const struct vio_error *why)
{
	struct vhost_stage *stage = opaque;

	vhost_stage_ops.closed(opaque, why);
	assert_int_equal(vio_backend_destroy(stage->backend, NULL), 0);
	stage->backend = NULL;
}

static void open_other(struct vhost_stage *stage, const struct vio_backend_ops *ops)
{
	struct vio_backend_params params;
	int fds[2];

	vhost_stage_prepare(stage);
	vhost_stage_params(stage, &params, fds);
	stage->fd = fds[0];
	params.ops = ops;
	assert_int_equal(vhost_stage_open(stage, &params, NULL), 0);
}

static void a_device_can_close_in_its_callback(void **state)
{
	struct vio_backend_ops ops = vhost_stage_ops;
	struct vhost_stage stage;

	(void)state;
	ops.queue_start = close_on_start;
	open_other(&stage, &ops);
	peer_begin(&stage);
	peer_describe_ring(&stage, 0);
	peer_send_state(&stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_verify_end(&stage, -ECANCELED);
	assert_int_equal(stage.n_stops, 1);
	vhost_stage_clear(&stage);
}

static void a_device_can_destroy_when_told_of_the_end(void **state)
{
	struct vio_backend_ops ops = vhost_stage_ops;
	struct vhost_stage stage;

	(void)state;
	ops.closed = destroy_on_closed;
	open_other(&stage, &ops);
	peer_begin(&stage);
	peer_start_ring(&stage, 0);
	close(stage.fd);
	stage.fd = -1;
	peer_verify_end(&stage, 0);
	assert_null(stage.backend);
	vhost_stage_clear(&stage);
}

static void a_device_of_few_callbacks_is_enough(void **state)
{
	struct vio_backend_ops ops = VIO_BACKEND_OPS_INIT;
	struct vhost_stage stage;

	(void)state;
	ops.queue_start = vhost_stage_ops.queue_start;
	ops.queue_stop = vhost_stage_ops.queue_stop;
	ops.closed = vhost_stage_ops.closed;
	open_other(&stage, &ops);
	peer_begin_with(&stage, PEER_FEATURES,
			PEER_PROTOCOL & ~VHOST_USER_PROTOCOL_F_CONFIG);
	assert_false(peer_ask(&stage, VHOST_USER_GET_PROTOCOL_FEATURES) &
		     VHOST_USER_PROTOCOL_F_CONFIG);
	peer_start_ring(&stage, 0);
	peer_send_u64(&stage, VHOST_USER_SET_STATUS, 4);
	peer_send(&stage, VHOST_USER_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	peer_sync(&stage);
	vhost_stage_clear(&stage);
}

static void configuration_without_a_writer_is_read_only(void **state)
{
	struct vio_backend_ops ops = vhost_stage_ops;
	struct vhost_stage stage;
	const struct vhost_config config = { .size = 1 };
	uint64_t reply;

	(void)state;
	ops.config_write = NULL;
	open_other(&stage, &ops);
	peer_begin(&stage);
	peer_send(&stage, VHOST_USER_SET_CONFIG, VHOST_USER_NEED_REPLY, &config, 13,
		  NULL, 0);
	assert_int_equal(peer_receive(&stage, VHOST_USER_SET_CONFIG, &reply), 8);
	assert_int_equal(reply, 1);
	vhost_stage_clear(&stage);
}

static void closing_twice_ends_once(void **state)
{
	struct vhost_stage *stage = *state;

	vio_backend_close(stage->backend, 0);
	vio_backend_close(stage->backend, 1);
	peer_verify_end(stage, -ECANCELED);
	vio_backend_close(stage->backend, 0);
	while (vio_ctx_dispatch(stage->ctx, 64) > 0)
		;
	assert_int_equal(stage->n_closed, 1);
}

#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_number_of_queues_has_its_range),
		cmocka_unit_test(an_unknown_flag_is_refused),
		cmocka_unit_test(queues_larger_than_any_are_refused),
		cmocka_unit_test(queue_features_that_no_queue_has_are_refused),
		cmocka_unit_test(required_callbacks_are_required),
		cmocka_unit_test(short_parameters_are_refused),
		cmocka_unit_test(parameters_of_a_newer_program_are_refused),
		cmocka_unit_test(a_pipe_is_not_a_socket),
		cmocka_unit_test(a_descriptor_that_is_not_open_is_not_a_socket),
		cmocka_unit_test(a_back_end_needs_a_context),
		cmocka_unit_test(destroying_none_is_nothing),
		STAGED(a_forked_child_can_only_destroy),
		STAGED(a_device_that_refuses_a_queue_ends_the_connection),
		cmocka_unit_test(a_device_can_close_in_its_callback),
		cmocka_unit_test(a_device_can_destroy_when_told_of_the_end),
		cmocka_unit_test(a_device_of_few_callbacks_is_enough),
		cmocka_unit_test(configuration_without_a_writer_is_read_only),
		STAGED(closing_twice_ends_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
