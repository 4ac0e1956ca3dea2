/* SPDX-License-Identifier: MIT */
/*
 * The back end with a front end that keeps to the rules: the handshake as QEMU
 * does it, chains both ways, configuration, status, logging.
 */
#include <sys/mman.h>
#include <unistd.h>

#include "unit/device/vhost_peer.h"

static void the_handshake_of_qemu_starts_a_queue(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	assert_int_equal(stage->n_starts, 1);
	assert_int_equal(stage->features, VIO_F_VERSION_1 | VIO_F_INDIRECT_DESC);
}

static void all_that_is_promised_is_offered(void **state)
{
	struct vhost_stage *stage = *state;

	assert_int_equal(peer_ask(stage, VHOST_USER_GET_FEATURES),
			 VIO_F_VERSION_1 | VIO_F_INDIRECT_DESC | VIO_F_EVENT_IDX |
				 VHOST_F_LOG_ALL | VHOST_USER_F_PROTOCOL_FEATURES |
				 UINT64_C(1) << 5);
	assert_int_equal(peer_ask(stage, VHOST_USER_GET_PROTOCOL_FEATURES),
			 PEER_PROTOCOL);
}

static void serve_one_echo(struct vhost_stage *stage, uint32_t index, const char *text)
{
	struct vio_driver_used used;

	peer_push_echo(stage, index, text);
	assert_int_equal(stage_serve(stage->queue[index]), 1);
	assert_int_equal(vio_driver_pop(stage->driver[index], &used, 1), 1);
	assert_int_equal(used.written_bytes, 16);
	assert_string_equal(
		(char *)stage->ram + PEER_HALF_BYTES + index * 0x1000 + 0x800, text);
}

static void chains_go_both_ways(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	serve_one_echo(stage, 0, "there and back");
}

static void four_queues_run_at_once(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_all(stage, PEER_QUEUES);
	assert_int_equal(stage->n_starts, PEER_QUEUES);
	for (uint32_t i = 0; i < PEER_QUEUES; i++)
		serve_one_echo(stage, i, "queue by queue");
}

static void the_device_notifies_through_the_call_descriptor(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_take_event(stage->call[0]);
	serve_one_echo(stage, 0, "ring");
	assert_int_equal(peer_take_event(stage->call[0]), 1);
}

static void the_owner_gets_the_kick_descriptor(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t one = 1;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	assert_int_equal(write(stage->kick[0], &one, sizeof(one)), sizeof(one));
	assert_int_equal(vio_queue_read_kicks(stage->queue[0]), 1);
}

static void a_ring_without_a_kick_descriptor_is_polled(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_describe_ring(stage, 0);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 0, -1);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_sync(stage);
	assert_int_equal(vio_queue_get_kick_fd(stage->queue[0]), -1);
}

static void a_ring_that_is_not_enabled_does_not_run(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_describe_ring(stage, 0);
	peer_sync(stage);
	assert_int_equal(stage->n_starts, 0);
}

static void a_ring_without_a_kick_does_not_run(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, PEER_DESCS);
	peer_send_addr(stage, 0, 0);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_sync(stage);
	assert_int_equal(stage->n_starts, 0);
}

static void without_protocol_features_a_kick_starts_the_ring(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin_with(stage, VIO_F_VERSION_1, PEER_PROTOCOL);
	peer_describe_ring(stage, 0);
	peer_sync(stage);
	assert_int_equal(stage->n_starts, 1);
}

static void a_queue_starts_at_the_base_it_was_given(void **state)
{
	struct vhost_stage *stage = *state;
	struct vio_queue_state at = VIO_QUEUE_STATE_INIT;
	uint16_t *used = (uint16_t *)(void *)(stage->ram + USED_OFFSET);

	peer_begin(stage);
	used[1] = 300;
	peer_describe_ring(stage, 0);
	peer_send_state(stage, VHOST_USER_SET_VRING_BASE, 0, 300);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	peer_sync(stage);
	assert_int_equal(vio_queue_read_state(stage->queue[0], &at), 0);
	assert_int_equal(at.avail_index, 300);
	assert_int_equal(at.used_index, 300);
}

/* QEMU does so for each pair of queues. */
static void features_said_again_do_not_disturb_a_running_queue(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_send_u64(stage, VHOST_USER_SET_PROTOCOL_FEATURES, PEER_PROTOCOL);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES);
	peer_start_ring(stage, 1);
	assert_int_equal(stage->n_stops, 0);
	assert_int_equal(stage->n_starts, 2);
}

/* REPLY_ACK. */

static void a_message_that_wants_a_reply_gets_zero(void **state)
{
	struct vhost_stage *stage = *state;
	const uint64_t features = PEER_FEATURES;
	uint64_t reply = 1;

	peer_begin(stage);
	peer_send(stage, VHOST_USER_SET_FEATURES, VHOST_USER_NEED_REPLY, &features, 8,
		  NULL, 0);
	assert_int_equal(peer_receive(stage, VHOST_USER_SET_FEATURES, &reply), 8);
	assert_int_equal(reply, 0);
}

static void a_reply_is_not_doubled_by_asking_for_one(void **state)
{
	struct vhost_stage *stage = *state;
	uint64_t reply;

	peer_begin(stage);
	peer_send(stage, VHOST_USER_GET_STATUS, VHOST_USER_NEED_REPLY, NULL, 0, NULL,
		  0);
	assert_int_equal(peer_receive(stage, VHOST_USER_GET_STATUS, &reply), 8);
	assert_false(peer_has_reply(stage));
}

static void without_reply_ack_nobody_is_answered(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin_with(stage, PEER_FEATURES,
			PEER_PROTOCOL & ~VHOST_USER_PROTOCOL_F_REPLY_ACK);
	peer_send(stage, VHOST_USER_SET_OWNER, VHOST_USER_NEED_REPLY, NULL, 0, NULL, 0);
	assert_false(peer_has_reply(stage));
}

static void an_unknown_request_that_wants_a_reply_is_refused(void **state)
{
	struct vhost_stage *stage = *state;
	uint64_t reply = 0;

	peer_begin(stage);
	peer_send(stage, 99, VHOST_USER_NEED_REPLY, NULL, 0, NULL, 0);
	assert_int_equal(peer_receive(stage, 99, &reply), 8);
	assert_int_equal(reply, 1);
	peer_sync(stage);
}

static void a_deprecated_reset_of_the_owner_is_ignored(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_send(stage, VHOST_USER_RESET_OWNER, 0, NULL, 0, NULL, 0);
	peer_sync(stage);
	assert_int_equal(stage->n_stops, 0);
}

/* Configuration space. */

static uint32_t ask_config(struct vhost_stage *stage, uint32_t offset, uint32_t size,
			   struct vhost_config *out)
{
	const struct vhost_config config = { .offset = offset, .size = size };

	peer_send(stage, VHOST_USER_GET_CONFIG, 0, &config, 12 + size, NULL, 0);
	return peer_receive(stage, VHOST_USER_GET_CONFIG, out);
}

static void configuration_is_read(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_config config;

	memcpy(stage->config + 8, "sectors", 8);
	peer_begin(stage);
	assert_int_equal(ask_config(stage, 8, 8, &config), 20);
	assert_string_equal((char *)config.data, "sectors");
	assert_int_equal(config.offset, 8);
}

static void refused_configuration_is_an_empty_reply(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_config config;

	peer_begin(stage);
	stage->config_error = -EIO;
	assert_int_equal(ask_config(stage, 0, 8, &config), 0);
}

static uint64_t set_config(struct vhost_stage *stage)
{
	struct vhost_config config = { .offset = 4, .size = 3, .data = "wb" };
	uint64_t reply;

	peer_send(stage, VHOST_USER_SET_CONFIG, VHOST_USER_NEED_REPLY, &config, 15,
		  NULL, 0);
	assert_int_equal(peer_receive(stage, VHOST_USER_SET_CONFIG, &reply), 8);
	return reply;
}

static void configuration_is_written(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	assert_int_equal(set_config(stage), 0);
	assert_string_equal((char *)stage->config + 4, "wb");
}

static void a_refused_write_is_said_and_the_connection_goes_on(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	stage->config_error = -EPERM;
	assert_int_equal(set_config(stage), 1);
	peer_sync(stage);
}

/* Status. */

static void status_is_told_and_read_back(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_send_u64(stage, VHOST_USER_SET_STATUS, 0x0f);
	assert_int_equal(peer_ask(stage, VHOST_USER_GET_STATUS), 0x0f);
	assert_int_equal(stage->status, 0x0f);
}

static void a_latched_queue_writes_the_error_descriptor(void **state)
{
	struct vhost_stage *stage = *state;
	uint16_t *avail = (uint16_t *)(void *)(stage->ram + AVAIL_OFFSET);

	peer_begin(stage);
	peer_start_ring(stage, 0);
	avail[1] = PEER_DESCS + 1; /* more than there can be */
	assert_int_equal(stage_serve(stage->queue[0]), -EBADMSG);
	assert_int_equal(peer_ask(stage, VHOST_USER_GET_STATUS), 0x40);
	assert_int_equal(peer_take_event(stage->err[0]), 1);
}

/* The dirty log. */

#define LOG_BYTES UINT64_C(0x30000) /* 4 GiB and the high half */

static uint8_t *start_log(struct vhost_stage *stage, int *out_fd)
{
	const struct vhost_log_area area = { .size_bytes = LOG_BYTES };
	uint8_t *log;
	uint64_t reply;

	*out_fd = peer_create_memfd(LOG_BYTES, true);
	log = mmap(NULL, LOG_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, *out_fd, 0);
	assert_ptr_not_equal(log, MAP_FAILED);
	peer_send(stage, VHOST_USER_SET_LOG_BASE, 0, &area, sizeof(area), out_fd, 1);
	assert_int_equal(peer_receive(stage, VHOST_USER_SET_LOG_BASE, &reply), 8);
	return log;
}

static bool is_marked(const uint8_t *log, uint64_t gpa)
{
	return log[gpa >> 15] >> (gpa >> 12 & 7) & 1;
}

static void what_a_running_queue_writes_is_logged(void **state)
{
	struct vhost_stage *stage = *state;
	uint8_t *log;
	int fd;

	peer_begin(stage);
	peer_start_ring(stage, 1);
	log = start_log(stage, &fd);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES | VHOST_F_LOG_ALL);
	peer_send_addr(stage, 1, VHOST_VRING_F_LOG);
	peer_sync(stage);
	serve_one_echo(stage, 1, "dirty");

	assert_true(is_marked(log, PEER_HIGH_GPA + 0x1800));
	assert_true(is_marked(log, RING_OFFSET(1) + USED_OFFSET));
	assert_false(is_marked(log, RING_OFFSET(1)));
	assert_int_equal(stage->n_stops, 0);
	munmap(log, LOG_BYTES);
	close(fd);
}

static void nothing_is_logged_once_the_feature_is_cleared(void **state)
{
	struct vhost_stage *stage = *state;
	uint8_t *log;
	int fd;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	log = start_log(stage, &fd);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES | VHOST_F_LOG_ALL);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES);
	peer_sync(stage);
	serve_one_echo(stage, 0, "clean");
	assert_false(is_marked(log, PEER_HIGH_GPA));
	munmap(log, LOG_BYTES);
	close(fd);
}

static void a_log_can_be_replaced_while_it_is_in_use(void **state)
{
	struct vhost_stage *stage = *state;
	uint8_t *log[2];
	int fd[2];

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_send_u64(stage, VHOST_USER_SET_FEATURES, PEER_FEATURES | VHOST_F_LOG_ALL);
	log[0] = start_log(stage, &fd[0]);
	log[1] = start_log(stage, &fd[1]);
	serve_one_echo(stage, 0, "second");
	assert_false(is_marked(log[0], PEER_HIGH_GPA));
	assert_true(is_marked(log[1], PEER_HIGH_GPA));
	for (int i = 0; i < 2; i++) {
		munmap(log[i], LOG_BYTES);
		close(fd[i]);
	}
}

static void the_descriptor_that_tells_of_the_log_is_closed(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_send(stage, VHOST_USER_SET_LOG_FD, 0, NULL, 0, &stage->err[0], 1);
	peer_sync(stage);
}

#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(the_handshake_of_qemu_starts_a_queue),
		STAGED(all_that_is_promised_is_offered),
		STAGED(chains_go_both_ways),
		STAGED(four_queues_run_at_once),
		STAGED(the_device_notifies_through_the_call_descriptor),
		STAGED(the_owner_gets_the_kick_descriptor),
		STAGED(a_ring_without_a_kick_descriptor_is_polled),
		STAGED(a_ring_that_is_not_enabled_does_not_run),
		STAGED(a_ring_without_a_kick_does_not_run),
		STAGED(without_protocol_features_a_kick_starts_the_ring),
		STAGED(a_queue_starts_at_the_base_it_was_given),
		STAGED(features_said_again_do_not_disturb_a_running_queue),
		STAGED(a_message_that_wants_a_reply_gets_zero),
		STAGED(a_reply_is_not_doubled_by_asking_for_one),
		STAGED(without_reply_ack_nobody_is_answered),
		STAGED(an_unknown_request_that_wants_a_reply_is_refused),
		STAGED(a_deprecated_reset_of_the_owner_is_ignored),
		STAGED(configuration_is_read),
		STAGED(refused_configuration_is_an_empty_reply),
		STAGED(configuration_is_written),
		STAGED(a_refused_write_is_said_and_the_connection_goes_on),
		STAGED(status_is_told_and_read_back),
		STAGED(a_latched_queue_writes_the_error_descriptor),
		STAGED(what_a_running_queue_writes_is_logged),
		STAGED(nothing_is_logged_once_the_feature_is_cleared),
		STAGED(a_log_can_be_replaced_while_it_is_in_use),
		STAGED(the_descriptor_that_tells_of_the_log_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
