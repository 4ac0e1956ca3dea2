/* SPDX-License-Identifier: MIT */
/*
 * Messages of devlink as bytes: questions as the kernel wants them, answers that are
 * right and such as no kernel sends. Each is parsed from memory of its exact size, so
 * that a sanitizer sees a read past the end.
 */
#include <stdlib.h>

#include "sys/devlink_message.h"
#include "sys/uapi/devlink.h"
#include "unit/sys/netlink_peer.h"

#define FAMILY 0x1du

static const struct vio_devlink_target port = { .bus = "pci",
						.device = "0000:01:00.0",
						.port = 5 };
static const struct vio_devlink_target node = { .bus = "pci",
						.device = "0000:01:00.0",
						.node = "gold" };

static void begin_generic(struct message *m, uint16_t type, uint8_t command)
{
	const struct genlmsghdr header = { .cmd = command, .version = 1 };

	begin_message(m, type);
	put(m, &header, sizeof(header));
}

static void put_u32(struct message *m, uint16_t type, uint32_t value)
{
	put_attr(m, type, &value, sizeof(value));
}

static void put_u64(struct message *m, uint16_t type, uint64_t value)
{
	put_attr(m, type, &value, sizeof(value));
}

static void put_text(struct message *m, uint16_t type, const char *text)
{
	put_attr(m, type, text, strlen(text) + 1);
}

/* Of a port, without what names it. */
static void begin_rate(struct message *m)
{
	begin_generic(m, FAMILY, DEVLINK_CMD_RATE_NEW);
	put_text(m, DEVLINK_ATTR_BUS_NAME, "pci");
	put_u64(m, DEVLINK_ATTR_RATE_TX_SHARE, 125000);
	put_u64(m, DEVLINK_ATTR_RATE_TX_MAX, 250000);
	put_u32(m, VIO_UAPI_RATE_TX_WEIGHT, 9);
	put_text(m, DEVLINK_ATTR_RATE_PARENT_NODE_NAME, "above");
}

/* What becomes of it: 0 or an error; 1: it does not answer. */
static int parse(const struct message *m, size_t n,
		 const struct vio_devlink_target *target, struct vio_devlink_rate *rate)
{
	char *exact = malloc(n ? n : 1);
	int result = 1, is_answer;

	assert_non_null(exact);
	memcpy(exact, m->bytes, n);
	is_answer = vio_devlink_parse(exact, n, FAMILY, target, rate, &result);
	free(exact);
	return is_answer ? result : 1;
}

static int parse_family(const struct message *m, size_t n, uint32_t *out)
{
	char *exact = malloc(n ? n : 1);
	int result = 1, is_answer;

	assert_non_null(exact);
	memcpy(exact, m->bytes, n);
	is_answer = vio_devlink_parse_family(exact, n, out, &result);
	free(exact);
	return is_answer ? result : 1;
}

static void a_rate_of_a_port_is_read(void **state)
{
	struct vio_devlink_rate rate = { 0 };
	struct message m;

	(void)state;
	begin_rate(&m);
	put_u32(&m, DEVLINK_ATTR_PORT_INDEX, 5);
	end_message(&m);
	assert_int_equal(parse(&m, m.n, &port, &rate), 0);
	assert_int_equal(rate.fields, VIO_DEVLINK_SHARE | VIO_DEVLINK_MAX |
					      VIO_DEVLINK_WEIGHT | VIO_DEVLINK_PARENT);
	assert_int_equal(rate.share_bytes_per_sec, 125000);
	assert_int_equal(rate.max_bytes_per_sec, 250000);
	assert_int_equal(rate.weight, 9);
	assert_string_equal(rate.parent, "above");
	assert_int_equal(parse(&m, m.n, &node, &rate), -EBADMSG);
}

/* An older kernel has no weight; none is above it. */
static void a_rate_of_a_node_may_have_less(void **state)
{
	struct vio_devlink_rate rate = { .parent = "x" };
	struct message m;

	(void)state;
	begin_generic(&m, FAMILY, DEVLINK_CMD_RATE_NEW);
	put_text(&m, DEVLINK_ATTR_RATE_NODE_NAME, "gold");
	put_u64(&m, DEVLINK_ATTR_RATE_TX_MAX, 1);
	end_message(&m);
	assert_int_equal(parse(&m, m.n, &node, &rate), 0);
	assert_int_equal(rate.fields, VIO_DEVLINK_MAX | VIO_DEVLINK_PARENT);
	assert_string_equal(rate.parent, "");
	assert_int_equal(parse(&m, m.n, &port, &rate), -EBADMSG);
}

static void a_rate_of_another_port_is_not_believed(void **state)
{
	struct vio_devlink_rate rate = { .weight = 77 };
	struct message m;

	(void)state;
	begin_rate(&m);
	put_u32(&m, DEVLINK_ATTR_PORT_INDEX, 6);
	end_message(&m);
	assert_int_equal(parse(&m, m.n, &port, &rate), -EBADMSG);
	begin_rate(&m);
	end_message(&m);
	assert_int_equal(parse(&m, m.n, &port, &rate), -EBADMSG);
	assert_int_equal(rate.weight, 77);
}

static void attributes_of_another_size_are_refused(void **state)
{
	static const struct {
		uint16_t type;
		uint16_t n;
	} wrong[] = {
		{ DEVLINK_ATTR_PORT_INDEX, 2 },
		{ DEVLINK_ATTR_RATE_TX_SHARE, 4 },
		{ DEVLINK_ATTR_RATE_TX_MAX, 16 },
		{ VIO_UAPI_RATE_TX_WEIGHT, 0 },
		{ DEVLINK_ATTR_RATE_NODE_NAME, 0 },
		{ DEVLINK_ATTR_RATE_PARENT_NODE_NAME, 8 },  /* NULs within */
		{ DEVLINK_ATTR_RATE_PARENT_NODE_NAME, 65 }, /* no room */
	};
	static const char zeros[80];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vio_devlink_rate rate;
		struct message m;

		begin_generic(&m, FAMILY, DEVLINK_CMD_RATE_NEW);
		put_u32(&m, DEVLINK_ATTR_PORT_INDEX, 5);
		put_attr(&m, wrong[i].type, zeros, wrong[i].n);
		end_message(&m);
		assert_int_equal(parse(&m, m.n, &port, &rate), -EBADMSG);
	}
}

static void a_text_without_an_end_is_refused(void **state)
{
	struct vio_devlink_rate rate;
	struct message m;

	(void)state;
	begin_generic(&m, FAMILY, DEVLINK_CMD_RATE_NEW);
	put_attr(&m, DEVLINK_ATTR_RATE_NODE_NAME, "gold", 4);
	end_message(&m);
	assert_int_equal(parse(&m, m.n, &node, &rate), -EBADMSG);
}

/* Cut off anywhere, whatever the header says: nothing is read past the end. */
static void an_answer_that_is_cut_off_is_refused(void **state)
{
	struct message whole, m;
	uint32_t family = 0;

	(void)state;
	begin_rate(&whole);
	put_u32(&whole, DEVLINK_ATTR_PORT_INDEX, 5);
	end_message(&whole);
	for (uint32_t n = 1; n < whole.n; n++) {
		struct vio_devlink_rate rate;

		m = whole;
		assert_int_equal(parse(&m, n, &port, &rate), -EBADMSG);
		memcpy(m.bytes, &n, sizeof(n));
		assert_int_equal(parse(&m, n, &port, &rate), -EBADMSG);
	}
	begin_generic(&whole, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
	put_text(&whole, CTRL_ATTR_FAMILY_NAME, "devlink");
	end_message(&whole);
	for (uint32_t n = 1; n < whole.n; n++) {
		m = whole;
		assert_int_equal(parse_family(&m, n, &family), -EBADMSG);
		memcpy(m.bytes, &n, sizeof(n));
		assert_int_equal(parse_family(&m, n, &family), -EBADMSG);
	}
	assert_int_equal(family, 0);
}

static void an_acknowledgement_is_no_rate(void **state)
{
	struct vio_devlink_rate rate;
	struct message m;

	(void)state;
	make_error(&m, 0);
	assert_int_equal(parse(&m, m.n, &port, NULL), 0);
	assert_int_equal(parse(&m, m.n, &port, &rate), -EBADMSG);
	make_error(&m, -EPERM);
	assert_int_equal(parse(&m, m.n, &port, NULL), -EPERM);
	assert_int_equal(parse(&m, m.n, &port, &rate), -EPERM);
	begin_generic(&m, FAMILY, DEVLINK_CMD_RATE_DEL);
	end_message(&m);
	assert_int_equal(parse(&m, m.n, &port, &rate), -EBADMSG);
	assert_int_equal(parse(&m, m.n, &port, NULL), -EBADMSG);
}

static void a_notification_answers_nothing(void **state)
{
	struct vio_devlink_rate rate;
	const uint32_t sequence = 0;
	uint32_t family;
	struct message m;

	(void)state;
	begin_rate(&m);
	end_message(&m);
	memcpy(m.bytes + offsetof(struct nlmsghdr, nlmsg_seq), &sequence,
	       sizeof(sequence));
	assert_int_equal(parse(&m, m.n, &port, &rate), 1);
	assert_int_equal(parse_family(&m, m.n, &family), 1);
}

static void the_family_has_a_number_of_its_own(void **state)
{
	const uint16_t numbers[] = { 0, GENL_ID_CTRL, GENL_ID_CTRL + 1, UINT16_MAX };
	uint32_t family = 0;
	struct message m;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		begin_generic(&m, GENL_ID_CTRL, CTRL_CMD_NEWFAMILY);
		put_attr(&m, CTRL_ATTR_FAMILY_ID, &numbers[i], sizeof(numbers[i]));
		end_message(&m);
		assert_int_equal(parse_family(&m, m.n, &family), i < 2 ? -EBADMSG : 0);
		assert_int_equal(family, i < 2 ? 0 : numbers[i]);
	}
	make_error(&m, -ENOENT);
	assert_int_equal(parse_family(&m, m.n, &family), -EOPNOTSUPP);
	make_error(&m, -EPERM);
	assert_int_equal(parse_family(&m, m.n, &family), -EPERM);
}

static struct nlmsghdr header_of(const char *request)
{
	struct nlmsghdr header;

	memcpy(&header, request, sizeof(header));
	return header;
}

static void the_family_is_asked_for_by_its_name(void **state)
{
	char request[VIO_NETLINK_REQUEST_BYTES];
	const uint32_t n = vio_devlink_build_family(request);

	(void)state;
	assert_int_equal(header_of(request).nlmsg_len, n);
	assert_int_equal(header_of(request).nlmsg_type, GENL_ID_CTRL);
	assert_int_equal(header_of(request).nlmsg_flags, NLM_F_REQUEST);
	assert_int_equal(request[NLMSG_HDRLEN], CTRL_CMD_GETFAMILY);
	assert_memory_equal(request + n - 8, "devlink", 8);
}

/* As long as names can be, it fits; what is set is what fields say. */
static void questions_have_what_fields_say(void **state)
{
	struct vio_devlink_target longest = { .port = 5 };
	struct vio_devlink_rate rate = { .fields = VIO_DEVLINK_MAX };
	char request[VIO_NETLINK_REQUEST_BYTES];
	uint32_t n, short_n;

	(void)state;
	short_n =
		vio_devlink_build(FAMILY, DEVLINK_CMD_RATE_SET, &port, &rate, request);
	assert_int_equal(short_n, NLMSG_HDRLEN + GENL_HDRLEN + 8 + 20 + 8 + 12);
	assert_int_equal(header_of(request).nlmsg_type, FAMILY);
	assert_int_equal(header_of(request).nlmsg_flags, NLM_F_REQUEST | NLM_F_ACK);
	memset(longest.bus, 'b', sizeof(longest.bus) - 1);
	memset(longest.device, 'd', sizeof(longest.device) - 1);
	memset(longest.node, 'n', sizeof(longest.node) - 1);
	memset(rate.parent, 'p', sizeof(rate.parent) - 1);
	rate.fields = UINT32_MAX;
	n = vio_devlink_build(FAMILY, DEVLINK_CMD_RATE_SET, &longest, &rate, request);
	assert_int_equal(n, 292);
	assert_int_equal(header_of(request).nlmsg_len, n);
	rate.fields = 0;
	vio_devlink_build(FAMILY, DEVLINK_CMD_RATE_GET, &port, &rate, request);
	assert_int_equal(header_of(request).nlmsg_flags, NLM_F_REQUEST);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rate_of_a_port_is_read),
		cmocka_unit_test(a_rate_of_a_node_may_have_less),
		cmocka_unit_test(a_rate_of_another_port_is_not_believed),
		cmocka_unit_test(attributes_of_another_size_are_refused),
		cmocka_unit_test(a_text_without_an_end_is_refused),
		cmocka_unit_test(an_answer_that_is_cut_off_is_refused),
		cmocka_unit_test(an_acknowledgement_is_no_rate),
		cmocka_unit_test(a_notification_answers_nothing),
		cmocka_unit_test(the_family_has_a_number_of_its_own),
		cmocka_unit_test(the_family_is_asked_for_by_its_name),
		cmocka_unit_test(questions_have_what_fields_say),
	};

	return cmocka_run_group_tests_name("devlink", tests, NULL, NULL);
}
