/* SPDX-License-Identifier: MIT */
/*
 * Stopping: what waits for a queue's owner waits for as long as the owner takes,
 * and nothing overtakes it.
 */
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include <vio/dom.h>

#include "unit/device/vhost_peer.h"

static void set_stage(struct vhost_stage *stage)
{
	peer_begin(stage);
	peer_start_ring(stage, 0);
	stage->holds_stops = true;
}

static void *answer_from_aside(void *token)
{
	return (void *)(intptr_t)vio_queue_stopped(token);
}

/* The owner, another thread, answers; -errno of the answer. */
static int answer(struct vhost_stage *stage, uint32_t index)
{
	pthread_t thread;
	void *ret;

	assert_non_null(stage->token[index]);
	assert_int_equal(
		pthread_create(&thread, NULL, answer_from_aside, stage->token[index]),
		0);
	assert_int_equal(pthread_join(thread, &ret), 0);
	if (!ret)
		stage->token[index] = NULL;
	return (int)(intptr_t)ret;
}

static uint32_t receive_base(struct vhost_stage *stage)
{
	struct vhost_vring_state reply;

	assert_int_equal(peer_receive(stage, VHOST_USER_GET_VRING_BASE, &reply), 8);
	assert_int_equal(reply.index, 0);
	return reply.num;
}

static void the_base_is_told_only_after_the_owner_has_answered(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	peer_push_echo(stage, 0, "one");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_false(peer_has_reply(stage));
	assert_int_equal(stage->stop_flags[0], VIO_STOP_DRAIN);
	assert_int_equal(answer(stage, 0), 0);
	assert_int_equal(receive_base(stage), 1);
}

static void a_message_behind_one_that_waits_waits_too(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	peer_send_u64(stage, VHOST_USER_SET_STATUS, 7);
	assert_false(peer_has_reply(stage));
	assert_int_equal(stage->status, 0);
	assert_int_equal(answer(stage, 0), 0);
	receive_base(stage);
	peer_sync(stage);
	assert_int_equal(stage->status, 7);
}

static void an_owner_with_open_chains_cannot_answer_a_drain(void **state)
{
	struct vhost_stage *stage = *state;
	struct vio_queue *queue;
	struct vio_chain chain;
	struct iovec iov[1024];

	set_stage(stage);
	queue = stage->queue[0];
	peer_push_echo(stage, 0, "open");
	assert_int_equal(vio_queue_pop(queue, &chain, 1, iov, 1024), 1);
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_false(peer_has_reply(stage));
	assert_int_equal(answer(stage, 0), -EBUSY);

	chain.written_bytes = 0;
	assert_int_equal(vio_queue_push(queue, &chain, 1), 1);
	assert_true(vio_queue_publish(queue) >= 0);
	assert_int_equal(answer(stage, 0), 0);
	assert_int_equal(receive_base(stage), 1);
}

static void a_ring_that_was_read_out_starts_again_with_a_kick(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	stage->holds_stops = false;
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	receive_base(stage);
	peer_sync(stage);
	assert_int_equal(stage->n_starts, 1);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 0, stage->kick[0]);
	peer_sync(stage);
	assert_int_equal(stage->n_starts, 2);
}

static void a_stopped_ring_tells_the_base_it_was_given(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_send_state(stage, VHOST_USER_SET_VRING_BASE, 0, 77);
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(receive_base(stage), 77);
}

static void a_disabled_ring_goes_on_where_it_stood(void **state)
{
	struct vhost_stage *stage = *state;
	struct vio_queue_state at = VIO_QUEUE_STATE_INIT;

	set_stage(stage);
	stage->holds_stops = false;
	peer_push_echo(stage, 0, "one");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 0);
	peer_sync(stage);
	assert_null(stage->queue[0]);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_sync(stage);
	assert_int_equal(vio_queue_read_state(stage->queue[0], &at), 0);
	assert_int_equal(at.avail_index, 1);
	assert_int_equal(at.used_index, 1);
}

static void a_new_call_descriptor_is_used_and_notified_once(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	stage->holds_stops = false;
	peer_take_event(stage->call[1]);
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, stage->call[1]);
	peer_sync(stage);
	assert_int_equal(peer_take_event(stage->call[1]), 1);
	assert_int_equal(stage->n_starts, 2);
	peer_push_echo(stage, 0, "told anew");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
	assert_int_equal(peer_take_event(stage->call[1]), 1);
}

static void a_call_descriptor_is_not_exchanged_under_the_owner(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	peer_take_event(stage->call[1]);
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, stage->call[1]);
	assert_false(peer_has_reply(stage));
	assert_int_equal(peer_take_event(stage->call[1]), 0);
	assert_int_equal(answer(stage, 0), 0);
	peer_sync(stage);
	assert_int_equal(peer_take_event(stage->call[1]), 1);
}

static void a_latched_ring_stays_latched_until_it_is_described_anew(void **state)
{
	struct vhost_stage *stage = *state;
	uint16_t *avail = (uint16_t *)(void *)(stage->ram + AVAIL_OFFSET);

	set_stage(stage);
	stage->holds_stops = false;
	avail[1] = PEER_DESCS + 1;
	assert_int_equal(stage_serve(stage->queue[0]), -EBADMSG);
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, stage->call[0]);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_sync(stage);
	assert_null(stage->queue[0]);

	peer_send(stage, VHOST_USER_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	peer_start_ring(stage, 0);
	assert_non_null(stage->queue[0]);
}

/* Reset. */

static void a_reset_waits_for_every_owner(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_all(stage, 2);
	stage->holds_stops = true;
	peer_send(stage, VHOST_USER_RESET_DEVICE, VHOST_USER_NEED_REPLY, NULL, 0, NULL,
		  0);
	assert_false(peer_has_reply(stage));
	assert_int_equal(answer(stage, 1), 0);
	assert_false(peer_has_reply(stage));
	assert_int_equal(stage->n_resets, 0);
	assert_int_equal(answer(stage, 0), 0);
	assert_true(peer_has_reply(stage));
	assert_int_equal(stage->n_resets, 1);
}

static void status_zero_is_a_reset(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	stage->holds_stops = false;
	peer_send_u64(stage, VHOST_USER_SET_STATUS, 4);
	peer_send_u64(stage, VHOST_USER_SET_STATUS, 0);
	assert_int_equal(peer_ask(stage, VHOST_USER_GET_STATUS), 0);
	assert_int_equal(stage->n_resets, 1);
	assert_int_equal(stage->stop_flags[0], VIO_STOP_DRAIN);
}

static void after_a_reset_rings_are_described_anew(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	stage->holds_stops = false;
	peer_send(stage, VHOST_USER_RESET_DEVICE, 0, NULL, 0, NULL, 0);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_sync(stage);
	assert_int_equal(stage->n_starts, 1);
	peer_start_ring(stage, 0);
	assert_int_equal(stage->n_starts, 2);
}

/* Ending. */

static void a_peer_that_leaves_has_its_owners_abandon(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	close(stage->fd);
	stage->fd = -1;
	vio_test_dispatch_until(stage->ctx, &stage->n_stops, 1);
	assert_int_equal(stage->stop_flags[0], 0);
	assert_int_equal(stage->n_closed, 0);
	assert_int_equal(answer(stage, 0), 0);
	peer_verify_end(stage, 0);
}

static void a_peer_that_leaves_while_owners_are_asked_is_noticed(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_all(stage, 2);
	stage->holds_stops = true;
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_false(peer_has_reply(stage));
	close(stage->fd);
	stage->fd = -1;
	vio_test_dispatch_until(stage->ctx, &stage->n_stops, 2);
	assert_int_equal(answer(stage, 1), 0);
	assert_int_equal(answer(stage, 0), 0);
	peer_verify_end(stage, 0);
}

static void closing_with_drain_has_owners_finish(void **state)
{
	struct vhost_stage *stage = *state;

	set_stage(stage);
	vio_backend_close(stage->backend, 1);
	assert_int_equal(stage->n_closed, 0);
	vio_test_dispatch_until(stage->ctx, &stage->n_stops, 1);
	assert_int_equal(stage->stop_flags[0], VIO_STOP_DRAIN);
	assert_int_equal(answer(stage, 0), 0);
	peer_verify_end(stage, -ECANCELED);
}

static void a_back_end_that_is_not_closed_is_not_destroyed(void **state)
{
	struct vhost_stage *stage = *state;
	struct vio_error err = VIO_ERROR_INIT;

	set_stage(stage);
	stage->holds_stops = false;
	assert_int_equal(vio_backend_destroy(stage->backend, &err), -EBUSY);
	assert_non_null(strstr(err.text, "1 of 4 queues"));
}

static void a_back_end_that_ends_gives_its_memory_back(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t n_before = stage->fault.n_maps;

	set_stage(stage);
	stage->holds_stops = false;
	assert_int_equal(stage->fault.n_maps, n_before + 2);
	vio_backend_close(stage->backend, 0);
	peer_verify_end(stage, -ECANCELED);
	while (vio_ctx_dispatch(stage->ctx, 64) > 0)
		;
	assert_int_equal(stage->fault.n_maps, n_before);
}

/* A tenant's wishes. */

struct tenancy {
	struct vhost_stage stage;
	struct vio_dom *dom;
};

static int setup_tenancy(void **state)
{
	struct tenancy *tenancy = malloc(sizeof(*tenancy));
	struct vhost_stage *stage = &tenancy->stage;
	struct vio_backend_params params;
	int fds[2];

	assert_non_null(tenancy);
	vhost_stage_prepare(stage);
	vhost_stage_params(stage, &params, fds);
	stage->fd = fds[0];
	assert_int_equal(vio_dom_create(NULL, "guest", &tenancy->dom), 0);
	params.dom = tenancy->dom;
	assert_int_equal(vhost_stage_open(stage, &params, NULL), 0);
	set_stage(stage);
	*state = tenancy;
	return 0;
}

static int teardown_tenancy(void **state)
{
	struct tenancy *tenancy = *state;

	vhost_stage_clear(&tenancy->stage);
	assert_int_equal(vio_dom_destroy(tenancy->dom, NULL), 0);
	free(tenancy);
	return 0;
}

static void a_reset_of_the_tenant_resets_the_device(void **state)
{
	struct tenancy *tenancy = *state;
	struct vhost_stage *stage = &tenancy->stage;

	assert_int_equal(vio_dom_reset(tenancy->dom), 0);
	vio_test_dispatch_until(stage->ctx, &stage->n_stops, 1);
	assert_int_equal(vio_dom_step(tenancy->dom, NULL), 1);
	assert_int_equal(stage->n_resets, 0);
	assert_int_equal(answer(stage, 0), 0);
	vio_test_dispatch_until(stage->ctx, &stage->n_resets, 1);
	assert_int_equal(vio_dom_step(tenancy->dom, NULL), 0);
	peer_sync(stage);
}

static void a_reset_of_the_tenant_waits_for_a_message_under_way(void **state)
{
	struct tenancy *tenancy = *state;
	struct vhost_stage *stage = &tenancy->stage;

	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_false(peer_has_reply(stage));
	assert_int_equal(vio_dom_reset(tenancy->dom), 0);
	assert_false(peer_has_reply(stage));
	assert_int_equal(stage->n_stops, 1);
	assert_int_equal(answer(stage, 0), 0);
	receive_base(stage);
	vio_test_dispatch_until(stage->ctx, &stage->n_resets, 1);
	assert_int_equal(vio_dom_step(tenancy->dom, NULL), 0);
}

static void a_tenant_is_done_although_the_front_end_begins_anew(void **state)
{
	struct tenancy *tenancy = *state;
	struct vhost_stage *stage = &tenancy->stage;

	stage->holds_stops = false;
	assert_int_equal(vio_dom_reset(tenancy->dom), 0);
	vio_test_dispatch_until(stage->ctx, &stage->n_resets, 1);
	peer_start_ring(stage, 0);
	assert_int_equal(vio_dom_step(tenancy->dom, NULL), 0);
	assert_int_equal(stage->n_starts, 2);
}

static void a_tenant_names_the_queue_that_keeps_it(void **state)
{
	struct tenancy *tenancy = *state;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_dom_destroy(tenancy->dom, &err), -EBUSY);
	assert_non_null(strstr(err.text, "back end of 4 queues, queue 0"));
}

static void a_tenant_that_closes_ends_the_connection(void **state)
{
	struct tenancy *tenancy = *state;
	struct vhost_stage *stage = &tenancy->stage;

	assert_int_equal(vio_dom_close(tenancy->dom), 0);
	vio_test_dispatch_until(stage->ctx, &stage->n_stops, 1);
	assert_int_equal(stage->stop_flags[0], VIO_STOP_DRAIN);
	assert_int_equal(answer(stage, 0), 0);
	peer_verify_end(stage, -ECANCELED);
	assert_int_equal(vio_dom_step(tenancy->dom, NULL), 0);
}

static void what_queues_do_is_charged_to_the_tenant(void **state)
{
	struct tenancy *tenancy = *state;
	struct vhost_stage *stage = &tenancy->stage;
	struct vio_meters meters = VIO_METERS_INIT;

	peer_push_echo(stage, 0, "charged");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
	assert_int_equal(vio_dom_read_meters(tenancy->dom, &meters), 0);
	assert_int_equal(meters.ops, 1);
}

#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)
#define TENANT(f) cmocka_unit_test_setup_teardown(f, setup_tenancy, teardown_tenancy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(the_base_is_told_only_after_the_owner_has_answered),
		STAGED(a_message_behind_one_that_waits_waits_too),
		STAGED(an_owner_with_open_chains_cannot_answer_a_drain),
		STAGED(a_ring_that_was_read_out_starts_again_with_a_kick),
		STAGED(a_stopped_ring_tells_the_base_it_was_given),
		STAGED(a_disabled_ring_goes_on_where_it_stood),
		STAGED(a_new_call_descriptor_is_used_and_notified_once),
		STAGED(a_call_descriptor_is_not_exchanged_under_the_owner),
		STAGED(a_latched_ring_stays_latched_until_it_is_described_anew),
		STAGED(a_reset_waits_for_every_owner),
		STAGED(status_zero_is_a_reset),
		STAGED(after_a_reset_rings_are_described_anew),
		STAGED(a_peer_that_leaves_has_its_owners_abandon),
		STAGED(a_peer_that_leaves_while_owners_are_asked_is_noticed),
		STAGED(closing_with_drain_has_owners_finish),
		STAGED(a_back_end_that_is_not_closed_is_not_destroyed),
		STAGED(a_back_end_that_ends_gives_its_memory_back),
		TENANT(a_reset_of_the_tenant_resets_the_device),
		TENANT(a_reset_of_the_tenant_waits_for_a_message_under_way),
		TENANT(a_tenant_is_done_although_the_front_end_begins_anew),
		TENANT(a_tenant_names_the_queue_that_keeps_it),
		TENANT(a_tenant_that_closes_ends_the_connection),
		TENANT(what_queues_do_is_charged_to_the_tenant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
