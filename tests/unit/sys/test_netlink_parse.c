/* SPDX-License-Identifier: MIT */
/*
 * Answers of rtnetlink that are right, and such as no kernel sends. Each is parsed
 * from memory of its exact size, so that a sanitizer sees a read past the end.
 */
#include <endian.h>
#include <stdlib.h>

#include "unit/sys/netlink_peer.h"

static struct vio_netlink_vf asked(void)
{
	return (struct vio_netlink_vf){ .index = PEER_VF };
}

/* What becomes of it: 0 or an error; 1: it does not answer. */
static int parse_bytes(const char *bytes, size_t n, struct vio_netlink_vf *vf)
{
	char *exact = malloc(n ? n : 1);
	int result = 1, is_answer;

	assert_non_null(exact);
	memcpy(exact, bytes, n);
	is_answer = vio_netlink_parse(exact, n, PEER_IFINDEX, vf, &result);
	free(exact);
	return is_answer ? result : 1;
}

static int parse(const struct message *m, struct vio_netlink_vf *vf)
{
	return parse_bytes(m->bytes, m->n, vf);
}

static int read_link(const struct message *m)
{
	struct vio_netlink_vf vf = asked();

	return parse(m, &vf);
}

static void a_link_tells_every_setting_of_its_vf(void **state)
{
	const struct vio_netlink_vf want = {
		.index = PEER_VF,
		.fields = VIO_NETLINK_MAC | VIO_NETLINK_VLAN | VIO_NETLINK_MIN_RATE |
			  VIO_NETLINK_MAX_RATE | VIO_NETLINK_SPOOFCHK |
			  VIO_NETLINK_TRUST | VIO_NETLINK_LINK,
		.mac = { 2, 0, 0, 0, 0, 9 },
		.vlan_protocol = 0x88a8,
		.vlan = 100,
		.qos = 5,
		.min_tx_mbps = 10,
		.max_tx_mbps = 200,
		.spoofchk = 1,
		.trust = 1,
		.link_state = 2,
	};
	struct vio_netlink_vf vf = asked();
	struct message m;

	(void)state;
	make_link(&m);
	assert_int_equal(parse(&m, &vf), 0);
	assert_memory_equal(&vf, &want, sizeof(vf));
}

static void an_acknowledgement_answers_a_setting(void **state)
{
	struct message m;

	(void)state;
	make_error(&m, 0);
	assert_int_equal(parse(&m, NULL), 0);
	make_error(&m, -EINVAL);
	assert_int_equal(parse(&m, NULL), -EINVAL);
}

static void an_acknowledgement_does_not_answer_a_read(void **state)
{
	struct message m;

	(void)state;
	make_error(&m, 0);
	assert_int_equal(read_link(&m), -EBADMSG);
	make_error(&m, -ENODEV);
	assert_int_equal(read_link(&m), -ENODEV);
}

static void a_link_does_not_answer_a_setting(void **state)
{
	struct message m;

	(void)state;
	make_link(&m);
	assert_int_equal(parse(&m, NULL), -EBADMSG);
}

static void an_error_that_is_no_errno_is_not_believed(void **state)
{
	const int32_t codes[] = { 1, INT32_MAX, -4096, INT32_MIN };
	struct message m;

	(void)state;
	for (size_t i = 0; i < 4; i++) {
		make_error(&m, codes[i]);
		assert_int_equal(parse(&m, NULL), -EBADMSG);
	}
}

static void an_error_that_is_cut_short_is_not_believed(void **state)
{
	struct message m;

	(void)state;
	begin_message(&m, NLMSG_ERROR);
	end_message(&m);
	assert_int_equal(parse(&m, NULL), -EBADMSG);
	assert_int_equal(read_link(&m), -EBADMSG);
}

static void a_message_of_another_sequence_is_passed_over(void **state)
{
	struct message m, second;
	uint32_t other = 5;

	(void)state;
	make_error(&m, -EPERM);
	memcpy(m.bytes + offsetof(struct nlmsghdr, nlmsg_seq), &other, sizeof(other));
	assert_int_equal(parse(&m, NULL), 1);

	make_error(&second, -EINVAL);
	put(&m, second.bytes, second.n);
	assert_int_equal(parse(&m, NULL), -EINVAL);
}

static void an_overrun_says_that_answers_were_lost(void **state)
{
	struct message m;

	(void)state;
	begin_message(&m, NLMSG_OVERRUN);
	end_message(&m);
	assert_int_equal(parse(&m, NULL), -ENOBUFS);
}

static void a_link_cut_at_any_byte_is_no_answer(void **state)
{
	struct message m;

	(void)state;
	make_link(&m);
	for (size_t n = 1; n < m.n; n++) {
		struct vio_netlink_vf vf = asked();
		uint32_t length = (uint32_t)n;

		assert_int_equal(parse_bytes(m.bytes, n, &vf), -EBADMSG);
		/* As cut, but with a length that agrees. */
		memcpy(m.bytes, &length, sizeof(length));
		assert_true(parse_bytes(m.bytes, n, &vf) < 0);
		assert_int_equal(vf.fields, 0);
		memcpy(m.bytes, &m.n, sizeof(m.n));
	}
}

/* Whatever a byte becomes, what is believed stays in its range. */
static void any_byte_of_a_link_may_be_anything(void **state)
{
	struct message m;

	(void)state;
	make_link(&m);
	for (uint32_t at = 0; at < m.n; at++) {
		const char was = m.bytes[at];

		for (int value = 0; value < 256; value += 5) {
			struct vio_netlink_vf vf = asked();

			m.bytes[at] = (char)value;
			if (!parse(&m, &vf)) {
				assert_int_equal(vf.index, PEER_VF);
				assert_true(vf.spoofchk <= 1 && vf.trust <= 1);
				assert_true(vf.link_state <= 2);
			}
		}
		m.bytes[at] = was;
	}
}

static void a_link_of_another_interface_is_no_answer(void **state)
{
	struct message m;

	(void)state;
	make_link(&m);
	m.bytes[sizeof(struct nlmsghdr) + offsetof(struct ifinfomsg, ifi_index)]++;
	assert_int_equal(read_link(&m), -EBADMSG);
}

static void a_vf_that_is_not_in_the_list_has_gone(void **state)
{
	struct vio_netlink_vf vf = { .index = PEER_VF + 1 };
	struct message m;

	(void)state;
	make_link(&m);
	assert_int_equal(parse(&m, &vf), -ENODEV);
}

static void a_driver_that_tells_nothing_of_its_vfs_has_no_settings(void **state)
{
	struct message m;

	(void)state;
	begin_link(&m, ARPHRD_ETHER, PEER_VF + 1);
	end_message(&m);
	assert_int_equal(read_link(&m), -EOPNOTSUPP);
	begin_link(&m, ARPHRD_ETHER, PEER_VF);
	end_message(&m);
	assert_int_equal(read_link(&m), -ENODEV);
}

static void an_address_that_is_not_ethernet_is_no_mac(void **state)
{
	struct vio_netlink_vf vf = asked();
	struct message m;
	uint32_t list;

	(void)state;
	begin_link(&m, ARPHRD_INFINIBAND, PEER_VF + 1);
	list = begin_nest(&m, IFLA_VFINFO_LIST);
	put_vf(&m, PEER_VF);
	end_nest(&m, list);
	end_message(&m);
	assert_int_equal(parse(&m, &vf), 0);
	assert_false(vf.fields & VIO_NETLINK_MAC);
	assert_true(vf.fields & VIO_NETLINK_TRUST);
}

/* One attribute of one VF. */
static int read_attr(uint16_t type, const void *data, size_t n, uint32_t *out_fields)
{
	struct vio_netlink_vf vf = asked();
	uint32_t list, entry;
	struct message m;
	int ret;

	begin_link(&m, ARPHRD_ETHER, PEER_VF + 1);
	list = begin_nest(&m, IFLA_VFINFO_LIST);
	entry = begin_nest(&m, IFLA_VF_INFO);
	put_attr(&m, type, data, n);
	end_nest(&m, entry);
	end_nest(&m, list);
	end_message(&m);
	ret = parse(&m, &vf);
	*out_fields = vf.fields;
	return ret;
}

static void what_the_driver_does_not_tell_is_not_a_setting(void **state)
{
	const uint32_t untold[] = { PEER_VF, UINT32_MAX };
	const uint16_t types[] = { IFLA_VF_SPOOFCHK, IFLA_VF_TRUST,
				   IFLA_VF_LINK_STATE };
	uint32_t fields;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(read_attr(types[i], untold, sizeof(untold), &fields),
				 0);
		assert_int_equal(fields, 0);
	}
}

static void a_setting_that_is_too_short_is_not_believed(void **state)
{
	const uint32_t index = PEER_VF;
	const uint16_t types[] = { IFLA_VF_MAC, IFLA_VF_RATE, IFLA_VF_SPOOFCHK,
				   IFLA_VF_TRUST, IFLA_VF_LINK_STATE };
	uint32_t fields;

	(void)state;
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(read_attr(types[i], &index, sizeof(index), &fields),
				 -EBADMSG);
}

static void a_vf_of_two_numbers_is_not_believed(void **state)
{
	const struct ifla_vf_trust trust[2] = { { .vf = 0 }, { .vf = PEER_VF } };
	uint32_t list, entry;
	struct message m;

	(void)state;
	begin_link(&m, ARPHRD_ETHER, PEER_VF + 1);
	list = begin_nest(&m, IFLA_VFINFO_LIST);
	entry = begin_nest(&m, IFLA_VF_INFO);
	for (size_t i = 0; i < 2; i++)
		put_attr(&m, IFLA_VF_TRUST, &trust[i], sizeof(trust[i]));
	end_nest(&m, entry);
	end_nest(&m, list);
	end_message(&m);
	assert_int_equal(read_link(&m), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_tells_every_setting_of_its_vf),
		cmocka_unit_test(an_acknowledgement_answers_a_setting),
		cmocka_unit_test(an_acknowledgement_does_not_answer_a_read),
		cmocka_unit_test(a_link_does_not_answer_a_setting),
		cmocka_unit_test(an_error_that_is_no_errno_is_not_believed),
		cmocka_unit_test(an_error_that_is_cut_short_is_not_believed),
		cmocka_unit_test(a_message_of_another_sequence_is_passed_over),
		cmocka_unit_test(an_overrun_says_that_answers_were_lost),
		cmocka_unit_test(a_link_cut_at_any_byte_is_no_answer),
		cmocka_unit_test(any_byte_of_a_link_may_be_anything),
		cmocka_unit_test(a_link_of_another_interface_is_no_answer),
		cmocka_unit_test(a_vf_that_is_not_in_the_list_has_gone),
		cmocka_unit_test(
			a_driver_that_tells_nothing_of_its_vfs_has_no_settings),
		cmocka_unit_test(an_address_that_is_not_ethernet_is_no_mac),
		cmocka_unit_test(what_the_driver_does_not_tell_is_not_a_setting),
		cmocka_unit_test(a_setting_that_is_too_short_is_not_believed),
		cmocka_unit_test(a_vf_of_two_numbers_is_not_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
