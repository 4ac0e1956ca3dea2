/* SPDX-License-Identifier: MIT */
/*
 * A front end that means harm, one abuse a test. Each ends the connection with
 * -EBADMSG; that nothing leaked is checked when the stage is cleared.
 */
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "ctx.h"
#include "unit/device/vhost_peer.h"

static void verify_broken(struct vhost_stage *stage)
{
	peer_verify_end(stage, -EBADMSG);
}

/* Headers. */

static void a_header_of_another_version_ends_the_connection(void **state)
{
	const struct vhost_header header = { VHOST_USER_GET_FEATURES, 2, 0 };

	peer_send_raw(*state, &header, sizeof(header), NULL, 0);
	verify_broken(*state);
}

static void a_reply_nobody_asked_for_ends_the_connection(void **state)
{
	peer_send(*state, VHOST_USER_GET_FEATURES, VHOST_USER_REPLY, NULL, 0, NULL, 0);
	verify_broken(*state);
}

static void an_oversized_header_ends_the_connection(void **state)
{
	const struct vhost_header header = { VHOST_USER_SET_CONFIG, 1, UINT32_MAX };

	peer_send_raw(*state, &header, sizeof(header), NULL, 0);
	verify_broken(*state);
}

static void a_payload_one_byte_beyond_the_largest_ends_the_connection(void **state)
{
	const struct vhost_header header = {
		VHOST_USER_SET_CONFIG, 1,
		sizeof(((struct vhost_message *)0)->payload) + 1
	};

	peer_send_raw(*state, &header, sizeof(header), NULL, 0);
	verify_broken(*state);
}

static void a_payload_too_short_for_its_request_ends_the_connection(void **state)
{
	const uint32_t half = 0;

	peer_send(*state, VHOST_USER_SET_FEATURES, 0, &half, sizeof(half), NULL, 0);
	verify_broken(*state);
}

static void a_payload_too_long_for_its_request_ends_the_connection(void **state)
{
	peer_send_u64(*state, VHOST_USER_GET_FEATURES, 0);
	verify_broken(*state);
}

static void leave_after(struct vhost_stage *stage, const void *bytes, size_t n)
{
	peer_send_raw(stage, bytes, n, &stage->memfd, 1);
	close(stage->fd);
	stage->fd = -1;
	verify_broken(stage);
}

static void a_disconnect_within_a_header_ends_the_connection(void **state)
{
	const struct vhost_header header = { VHOST_USER_SET_MEM_TABLE, 1, 40 };

	leave_after(*state, &header, 7);
}

static void a_disconnect_within_a_payload_ends_the_connection(void **state)
{
	const struct vhost_header header = { VHOST_USER_SET_MEM_TABLE, 1, 40 };

	leave_after(*state, &header, sizeof(header));
}

static void a_message_byte_by_byte_is_a_message(void **state)
{
	const struct vhost_header header = { VHOST_USER_GET_FEATURES, 1, 0 };
	uint64_t reply;

	for (size_t i = 0; i < sizeof(header); i++) {
		assert_false(peer_has_reply(*state));
		peer_send_raw(*state, (const char *)&header + i, 1, NULL, 0);
	}
	assert_int_equal(peer_receive(*state, VHOST_USER_GET_FEATURES, &reply), 8);
}

/* What is logged. */

struct journal {
	uint32_t n_warnings;
	char last[256];
};

static void
keep_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	struct journal *journal = opaque;

	(void)subsystem;
	if (level != VIO_LOG_WARNING)
		return;
	journal->n_warnings++;
	strncpy(journal->last, text, sizeof(journal->last) - 1);
}

static void a_violation_is_logged_once_and_named(void **state)
{
	struct vhost_stage *stage = *state;
	struct journal journal = { 0 };

	stage->ctx->env.log = keep_line;
	stage->ctx->env.log_opaque = &journal;
	stage->ctx->env.log_level = VIO_LOG_DEBUG;
	peer_begin(stage);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, 63);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, 65);
	verify_broken(stage);
	assert_int_equal(journal.n_warnings, 1);
	assert_non_null(strstr(journal.last, "ring 0 of size 63"));
	stage->ctx->env.log = NULL;
}

/* Requests. */

static void an_unknown_request_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send(*state, 19, 0, NULL, 0, NULL, 0);
	verify_broken(*state);
}

static void request_zero_ends_the_connection(void **state)
{
	peer_send(*state, 0, 0, NULL, 0, NULL, 0);
	verify_broken(*state);
}

static void the_largest_request_ends_the_connection(void **state)
{
	peer_send(*state, UINT32_MAX, 0, NULL, 0, NULL, 0);
	verify_broken(*state);
}

static void device_state_requests_end_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t direction = 0;

	peer_begin(stage);
	peer_send(stage, 42, 0, &direction, 8, &stage->memfd, 1);
	verify_broken(stage);
}

static void requests_of_chains_in_flight_end_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t area[3] = { UINT64_MAX, UINT64_MAX, UINT64_MAX };

	peer_begin(stage);
	peer_send(stage, 32, 0, area, sizeof(area), &stage->memfd, 1);
	verify_broken(stage);
}

static void a_request_whose_feature_was_not_negotiated_ends_the_connection(void **state)
{
	peer_begin_with(*state, PEER_FEATURES,
			PEER_PROTOCOL & ~VHOST_USER_PROTOCOL_F_STATUS);
	peer_send_u64(*state, VHOST_USER_SET_STATUS, 1);
	verify_broken(*state);
}

static void features_that_were_not_offered_end_the_connection(void **state)
{
	peer_send_u64(*state, VHOST_USER_SET_FEATURES, UINT64_C(1) << 34);
	verify_broken(*state);
}

static void protocol_features_that_were_not_offered_end_the_connection(void **state)
{
	peer_send_u64(*state, VHOST_USER_SET_PROTOCOL_FEATURES, UINT64_C(1) << 5);
	verify_broken(*state);
}

static void features_that_change_under_a_queue_end_the_connection(void **state)
{
	peer_begin(*state);
	peer_start_ring(*state, 0);
	peer_send_u64(*state, VHOST_USER_SET_FEATURES,
		      VIO_F_VERSION_1 | VHOST_USER_F_PROTOCOL_FEATURES);
	verify_broken(*state);
}

static void a_status_over_eight_bits_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send_u64(*state, VHOST_USER_SET_STATUS, 0x100);
	verify_broken(*state);
}

static void
send_config(struct vhost_stage *stage, uint32_t offset, uint32_t size, uint32_t n_sent)
{
	const struct vhost_config config = { .offset = offset, .size = size };

	peer_begin(stage);
	peer_send(stage, VHOST_USER_GET_CONFIG, 0, &config, n_sent, NULL, 0);
	verify_broken(stage);
}

static void configuration_beyond_its_end_ends_the_connection(void **state)
{
	send_config(*state, 250, 8, 20);
}

static void configuration_whose_offset_wraps_ends_the_connection(void **state)
{
	send_config(*state, UINT32_MAX, 8, 20);
}

static void configuration_longer_than_its_message_ends_the_connection(void **state)
{
	send_config(*state, 0, 100, 20);
}

static void configuration_of_a_huge_size_ends_the_connection(void **state)
{
	send_config(*state, 0, UINT32_MAX - 11, 12);
}

/* Descriptors. */

static void nine_descriptors_end_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	int fds[9];

	for (int i = 0; i < 9; i++)
		fds[i] = stage->memfd;
	peer_send(stage, VHOST_USER_GET_FEATURES, 0, NULL, 0, fds, 9);
	verify_broken(stage);
}

static void descriptors_that_come_in_pieces_are_counted_together(void **state)
{
	struct vhost_stage *stage = *state;
	const struct vhost_header header = { VHOST_USER_GET_FEATURES, 1, 0 };
	int fds[5];

	for (int i = 0; i < 5; i++)
		fds[i] = stage->memfd;
	peer_send_raw(stage, &header, 4, fds, 5);
	assert_false(peer_has_reply(stage));
	peer_send_raw(stage, (const char *)&header + 4, 4, fds, 5);
	verify_broken(stage);
}

static void a_descriptor_on_a_message_without_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;

	peer_send(stage, VHOST_USER_GET_FEATURES, 0, NULL, 0, &stage->memfd, 1);
	verify_broken(stage);
}

static void a_kick_without_its_descriptor_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send_u64(*state, VHOST_USER_SET_VRING_KICK, 0);
	verify_broken(*state);
}

static void a_descriptor_where_none_was_announced_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t value = VHOST_USER_VRING_NOFD;

	peer_begin(stage);
	peer_send(stage, VHOST_USER_SET_VRING_CALL, 0, &value, 8, &stage->call[0], 1);
	verify_broken(stage);
}

static void offer_as_call(struct vhost_stage *stage, int fd)
{
	peer_begin(stage);
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, fd);
	verify_broken(stage);
}

static void a_pipe_as_call_descriptor_ends_the_connection(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	close(fds[0]);
	offer_as_call(*state, fds[1]);
	close(fds[1]);
}

static void a_socket_as_call_descriptor_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;

	offer_as_call(stage, stage->fd);
}

static void a_file_as_call_descriptor_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;

	offer_as_call(stage, stage->memfd);
}

static void an_eventfd_that_is_full_does_not_stall_anybody(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_CLOEXEC);

	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	peer_begin(stage);
	peer_send_fd(stage, VHOST_USER_SET_VRING_CALL, 0, fd);
	peer_start_ring(stage, 0);
	peer_push_echo(stage, 0, "stall");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
	close(fd);
}

/* Rings. */

static void set_num(struct vhost_stage *stage, uint32_t num)
{
	peer_begin(stage);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, num);
	verify_broken(stage);
}

static void a_ring_of_size_zero_ends_the_connection(void **state)
{
	set_num(*state, 0);
}

static void a_ring_of_a_huge_size_ends_the_connection(void **state)
{
	set_num(*state, UINT32_C(1) << 31);
}

static void a_ring_larger_than_agreed_ends_the_connection(void **state)
{
	set_num(*state, 2048);
}

static void a_ring_size_that_is_no_power_of_two_ends_the_connection(void **state)
{
	set_num(*state, 63);
}

static void start_and_send(struct vhost_stage *stage, uint32_t request, uint32_t num)
{
	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_send_state(stage, request, 0, num);
	verify_broken(stage);
}

static void a_size_for_a_running_ring_ends_the_connection(void **state)
{
	start_and_send(*state, VHOST_USER_SET_VRING_NUM, 32);
}

static void a_base_for_a_running_ring_ends_the_connection(void **state)
{
	start_and_send(*state, VHOST_USER_SET_VRING_BASE, 1);
}

static void another_place_for_a_running_ring_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_vring_addr addr = {
		.desc = PEER_LOW_UVA + RING_OFFSET(1),
		.avail = PEER_LOW_UVA + RING_OFFSET(1) + AVAIL_OFFSET,
		.used = PEER_LOW_UVA + RING_OFFSET(1) + USED_OFFSET,
	};

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_send(stage, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
	verify_broken(stage);
}

static void a_base_over_sixteen_bits_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send_state(*state, VHOST_USER_SET_VRING_BASE, 0, 0x10000);
	verify_broken(*state);
}

static void a_ring_enabled_by_two_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send_state(*state, VHOST_USER_SET_VRING_ENABLE, 0, 2);
	verify_broken(*state);
}

static void a_ring_index_out_of_bounds_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send_state(*state, VHOST_USER_SET_VRING_NUM, PEER_QUEUES, 64);
	verify_broken(*state);
}

static void a_ring_index_is_not_cut_to_fewer_bits(void **state)
{
	peer_begin(*state);
	peer_send_state(*state, VHOST_USER_SET_VRING_NUM, 0x10000, 64);
	verify_broken(*state);
}

static void an_index_of_a_base_out_of_bounds_ends_the_connection(void **state)
{
	peer_begin(*state);
	peer_send_state(*state, VHOST_USER_GET_VRING_BASE, UINT32_MAX, 0);
	verify_broken(*state);
}

static void a_kick_for_a_ring_out_of_bounds_ends_the_connection(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 255, stage->kick[0]);
	verify_broken(stage);
}

static void unknown_bits_beside_a_ring_index_end_the_connection(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t value = UINT64_C(1) << 32;

	peer_begin(stage);
	peer_send(stage, VHOST_USER_SET_VRING_KICK, 0, &value, 8, &stage->kick[0], 1);
	verify_broken(stage);
}

/* Floods. */

static void a_flood_without_reading_replies_takes_no_memory(void **state)
{
	struct vhost_stage *stage = *state;
	const struct vhost_header header = { VHOST_USER_GET_FEATURES, 1, 0 };
	uint64_t n_live;

	peer_begin(stage);
	peer_sync(stage);
	n_live = stage->fault.n_live;
	fcntl(stage->fd, F_SETFL, O_NONBLOCK);
	for (int i = 0; i < 100000; i++) {
		if (send(stage->fd, &header, sizeof(header), MSG_NOSIGNAL) < 0)
			assert_int_equal(errno, EAGAIN);
		assert_true(vio_ctx_dispatch(stage->ctx, 1) >= 0);
	}
	assert_int_equal(stage->fault.n_live, n_live);
	/* Replies are full to the brim: the back end reads no more and idles. */
	assert_int_equal(vio_ctx_dispatch(stage->ctx, 1), 0);
	assert_int_equal(send(stage->fd, &header, sizeof(header), MSG_NOSIGNAL), -1);
}

static void replies_after_a_flood_are_whole(void **state)
{
	struct vhost_stage *stage = *state;
	const struct vhost_header header = { VHOST_USER_GET_FEATURES, 1, 0 };
	uint32_t n_sent = 0;
	uint64_t reply;

	fcntl(stage->fd, F_SETFL, O_NONBLOCK);
	while (send(stage->fd, &header, sizeof(header), MSG_NOSIGNAL) > 0 ||
	       vio_ctx_dispatch(stage->ctx, 1) > 0)
		n_sent++;
	assert_true(n_sent > 100);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(peer_receive(stage, VHOST_USER_GET_FEATURES, &reply),
				 8);
}

#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_header_of_another_version_ends_the_connection),
		STAGED(a_reply_nobody_asked_for_ends_the_connection),
		STAGED(an_oversized_header_ends_the_connection),
		STAGED(a_payload_one_byte_beyond_the_largest_ends_the_connection),
		STAGED(a_payload_too_short_for_its_request_ends_the_connection),
		STAGED(a_payload_too_long_for_its_request_ends_the_connection),
		STAGED(a_disconnect_within_a_header_ends_the_connection),
		STAGED(a_disconnect_within_a_payload_ends_the_connection),
		STAGED(a_message_byte_by_byte_is_a_message),
		STAGED(a_violation_is_logged_once_and_named),
		STAGED(an_unknown_request_ends_the_connection),
		STAGED(request_zero_ends_the_connection),
		STAGED(the_largest_request_ends_the_connection),
		STAGED(device_state_requests_end_the_connection),
		STAGED(requests_of_chains_in_flight_end_the_connection),
		STAGED(a_request_whose_feature_was_not_negotiated_ends_the_connection),
		STAGED(features_that_were_not_offered_end_the_connection),
		STAGED(protocol_features_that_were_not_offered_end_the_connection),
		STAGED(features_that_change_under_a_queue_end_the_connection),
		STAGED(a_status_over_eight_bits_ends_the_connection),
		STAGED(configuration_beyond_its_end_ends_the_connection),
		STAGED(configuration_whose_offset_wraps_ends_the_connection),
		STAGED(configuration_longer_than_its_message_ends_the_connection),
		STAGED(configuration_of_a_huge_size_ends_the_connection),
		STAGED(nine_descriptors_end_the_connection),
		STAGED(descriptors_that_come_in_pieces_are_counted_together),
		STAGED(a_descriptor_on_a_message_without_ends_the_connection),
		STAGED(a_kick_without_its_descriptor_ends_the_connection),
		STAGED(a_descriptor_where_none_was_announced_ends_the_connection),
		STAGED(a_pipe_as_call_descriptor_ends_the_connection),
		STAGED(a_socket_as_call_descriptor_ends_the_connection),
		STAGED(a_file_as_call_descriptor_ends_the_connection),
		STAGED(an_eventfd_that_is_full_does_not_stall_anybody),
		STAGED(a_ring_of_size_zero_ends_the_connection),
		STAGED(a_ring_of_a_huge_size_ends_the_connection),
		STAGED(a_ring_larger_than_agreed_ends_the_connection),
		STAGED(a_ring_size_that_is_no_power_of_two_ends_the_connection),
		STAGED(a_size_for_a_running_ring_ends_the_connection),
		STAGED(a_base_for_a_running_ring_ends_the_connection),
		STAGED(another_place_for_a_running_ring_ends_the_connection),
		STAGED(a_base_over_sixteen_bits_ends_the_connection),
		STAGED(a_ring_enabled_by_two_ends_the_connection),
		STAGED(a_ring_index_out_of_bounds_ends_the_connection),
		STAGED(a_ring_index_is_not_cut_to_fewer_bits),
		STAGED(an_index_of_a_base_out_of_bounds_ends_the_connection),
		STAGED(a_kick_for_a_ring_out_of_bounds_ends_the_connection),
		STAGED(unknown_bits_beside_a_ring_index_end_the_connection),
		STAGED(a_flood_without_reading_replies_takes_no_memory),
		STAGED(replies_after_a_flood_are_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
