/* SPDX-License-Identifier: MIT */
/*
 * The account itself: a run against a client proves nothing if a frame that was
 * altered, lost or late would not be noticed.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "packet.h"

#define N_SENT 10

static struct tally sent_ten(void)
{
	return (struct tally){ .sent = N_SENT };
}

static void take_number(struct tally *tally, uint64_t number)
{
	uint8_t frame[FRAME_BYTES_MIN];

	packet_build(frame, sizeof(frame), 1, number);
	packet_take(tally, frame, sizeof(frame), 1);
}

static void the_crc_is_that_of_ethernet(void **state)
{
	/* The check value of CRC-32/ISO-HDLC. */
	(void)state;
	assert_int_equal(packet_crc32((const uint8_t *)"123456789", 9), 0xcbf43926);
}

static void frames_that_come_back_in_order_are_returned(void **state)
{
	struct tally tally = sent_ten();

	(void)state;
	for (uint64_t i = 0; i < N_SENT; i++)
		take_number(&tally, i);
	assert_int_equal(tally.returned, N_SENT);
	assert_int_equal(tally.next, N_SENT);
	assert_int_equal(tally.reordered, 0);
}

static void a_change_of_any_byte_but_those_of_the_type_is_noticed(void **state)
{
	uint8_t frame[FRAME_BYTES_MIN];

	(void)state;
	for (size_t i = 0; i < sizeof(frame); i++) {
		struct tally tally = sent_ten();

		packet_build(frame, sizeof(frame), 1, 7);
		frame[i] ^= 0x10;
		packet_take(&tally, frame, sizeof(frame), 1);
		assert_int_equal(tally.returned, 0);
		assert_int_equal(tally.altered + tally.foreign, 1);
	}
}

static void a_shorter_frame_is_altered(void **state)
{
	struct tally tally = sent_ten();
	uint8_t frame[FRAME_BYTES_MIN + 1];

	(void)state;
	packet_build(frame, sizeof(frame), 1, 7);
	packet_take(&tally, frame, sizeof(frame) - 1, 1);
	assert_int_equal(tally.altered, 1);
}

static void a_frame_of_another_stream_is_a_stray(void **state)
{
	struct tally tally = sent_ten();
	uint8_t frame[FRAME_BYTES_MIN];

	(void)state;
	packet_build(frame, sizeof(frame), 0, 7);
	packet_take(&tally, frame, sizeof(frame), 1);
	assert_int_equal(tally.strays, 1);
	assert_int_equal(tally.returned, 0);
}

static void a_number_that_was_never_sent_is_altered(void **state)
{
	struct tally tally = sent_ten();

	(void)state;
	take_number(&tally, N_SENT);
	assert_int_equal(tally.altered, 1);
}

static void a_late_frame_is_reordered(void **state)
{
	struct tally tally = sent_ten();

	(void)state;
	take_number(&tally, 1);
	take_number(&tally, 0);
	assert_int_equal(tally.reordered, 1);
}

static void a_second_copy_is_reordered(void **state)
{
	struct tally tally = sent_ten();

	(void)state;
	take_number(&tally, 3);
	take_number(&tally, 3);
	assert_int_equal(tally.reordered, 1);
}

static void a_gap_is_missing_from_those_returned(void **state)
{
	struct tally tally = sent_ten();

	(void)state;
	take_number(&tally, 0);
	take_number(&tally, N_SENT - 1);
	assert_int_equal(tally.next, N_SENT);
	assert_int_equal(tally.returned, 2);
}

/* A DHCP message of type @type, its option after one that is to be passed over. */
static void build_dhcp(uint8_t frame[300], uint8_t type)
{
	static const uint8_t options[] = { 0x63, 0x82, 0x53, 0x63, 0, 57, 2, 5, 192 };

	memset(frame, 0, 300);
	frame[12] = 0x08;
	frame[14] = 0x45;
	frame[23] = 17;
	frame[37] = 67;
	memcpy(frame + 278, options, sizeof(options));
	memcpy(frame + 287, (uint8_t[]){ 53, 1, type, 255 }, 4);
}

static void a_dhcp_discover_is_found(void **state)
{
	struct tally tally = sent_ten();
	uint8_t frame[300];

	(void)state;
	build_dhcp(frame, 1);
	packet_take(&tally, frame, sizeof(frame), 1);
	assert_int_equal(tally.discovers, 1);
}

static void a_dhcp_request_is_no_discover(void **state)
{
	struct tally tally = sent_ten();
	uint8_t frame[300];

	(void)state;
	build_dhcp(frame, 3);
	packet_take(&tally, frame, sizeof(frame), 1);
	assert_int_equal(tally.discovers, 0);
	assert_int_equal(tally.foreign, 1);
}

static void a_discover_that_is_cut_off_is_none(void **state)
{
	struct tally tally = sent_ten();
	uint8_t frame[300];

	(void)state;
	build_dhcp(frame, 1);
	packet_take(&tally, frame, 288, 1);
	assert_int_equal(tally.discovers, 0);
}

static void another_port_is_no_discover(void **state)
{
	struct tally tally = sent_ten();
	uint8_t frame[300];

	(void)state;
	build_dhcp(frame, 1);
	frame[37] = 68;
	packet_take(&tally, frame, sizeof(frame), 1);
	assert_int_equal(tally.discovers, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_crc_is_that_of_ethernet),
		cmocka_unit_test(frames_that_come_back_in_order_are_returned),
		cmocka_unit_test(a_change_of_any_byte_but_those_of_the_type_is_noticed),
		cmocka_unit_test(a_shorter_frame_is_altered),
		cmocka_unit_test(a_frame_of_another_stream_is_a_stray),
		cmocka_unit_test(a_number_that_was_never_sent_is_altered),
		cmocka_unit_test(a_late_frame_is_reordered),
		cmocka_unit_test(a_second_copy_is_reordered),
		cmocka_unit_test(a_gap_is_missing_from_those_returned),
		cmocka_unit_test(a_dhcp_discover_is_found),
		cmocka_unit_test(a_dhcp_request_is_no_discover),
		cmocka_unit_test(a_discover_that_is_cut_off_is_none),
		cmocka_unit_test(another_port_is_no_discover),
	};

	packet_setup();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
