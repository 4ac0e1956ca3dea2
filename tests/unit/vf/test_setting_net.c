/* SPDX-License-Identifier: MIT */
/* Settings that the network driver holds: what is asked, and what becomes of it. */
#include <endian.h>

#include "unit/vf/setting_fixture.h"

static void add_interface(const char *ifindex)
{
	vio_fake_add_text(fake, PF "/net/eth0/ifindex", ifindex);
}

static void begin_set(struct waited_call *waited, struct vio_vf_config config)
{
	*waited = call_of(config);
	assert_int_equal(vio_setting_set(&waited->call), 0);
}

static void send_error(int32_t code)
{
	struct message m;

	make_error(&m, code);
	peer_send(&m);
}

static void send_link(void)
{
	struct message m;

	make_link(&m);
	peer_send(&m);
}

/* The attribute of the one VF that a request has, which is the last. */
static void
check_attr(const struct message *m, uint16_t type, const void *data, size_t n)
{
	const size_t whole = (n + 3) & ~(size_t)3;
	struct nlattr attr;

	assert_true(m->n > whole + sizeof(attr));
	memcpy(&attr, m->bytes + m->n - whole - sizeof(attr), sizeof(attr));
	assert_int_equal(attr.nla_type, type);
	assert_int_equal(attr.nla_len, sizeof(attr) + n);
	assert_memory_equal(m->bytes + m->n - whole, data, n);
}

/* Sets one field, sees that the request ends as it should, and acknowledges it. */
static void
check_request(struct vio_vf_config config, uint16_t type, const void *data, size_t n)
{
	struct waited_call waited;
	struct message m;
	int32_t ifindex;

	begin_set(&waited, config);
	(void)peer_receive(&m);
	memcpy(&ifindex, m.bytes + NLMSG_HDRLEN + offsetof(struct ifinfomsg, ifi_index),
	       sizeof(ifindex));
	assert_int_equal(ifindex, PEER_IFINDEX);
	check_attr(&m, type, data, n);
	send_error(0);
	assert_int_equal(wait_for(&waited), 0);
}

static void a_mac_goes_out_as_the_kernel_wants_it(void **state)
{
	const struct ifla_vf_mac mac = { .vf = PEER_VF, .mac = { 2, 1, 2, 3, 4, 5 } };

	(void)state;
	add_interface("7\n");
	check_request((struct vio_vf_config){ .fields = VIO_VF_MAC,
					      .mac = { 2, 1, 2, 3, 4, 5 } },
		      IFLA_VF_MAC, &mac, sizeof(mac));
}

static void a_vlan_goes_out_with_priority_and_protocol(void **state)
{
	struct ifla_vf_vlan_info vlan;

	(void)state;
	memset(&vlan, 0, sizeof(vlan)); /* its padding as well */
	vlan.vf = PEER_VF;
	vlan.vlan = 100;
	vlan.qos = 3;
	vlan.vlan_proto = htobe16(0x88a8);
	add_interface("7\n");
	check_request((struct vio_vf_config){ .fields = VIO_VF_VLAN,
					      .vlan = 100,
					      .qos = 3,
					      .vlan_protocol = 0x88a8 },
		      IFLA_VF_VLAN_INFO, &vlan, sizeof(vlan));
}

static void a_maximum_alone_leaves_the_minimum(void **state)
{
	const struct ifla_vf_tx_rate rate = { .vf = PEER_VF, .rate = 100 };

	(void)state;
	add_interface("7\n");
	check_request((struct vio_vf_config){ .fields = VIO_VF_MAX_RATE,
					      .max_tx_mbps = 100,
					      .min_tx_mbps = 77 },
		      IFLA_VF_TX_RATE, &rate, sizeof(rate));
}

static void both_rates_go_out_as_one(void **state)
{
	const struct ifla_vf_rate rate = { .vf = PEER_VF,
					   .min_tx_rate = 50,
					   .max_tx_rate = 100 };

	(void)state;
	add_interface("7\n");
	check_request(
		(struct vio_vf_config){ .fields = VIO_VF_MIN_RATE | VIO_VF_MAX_RATE,
					.max_tx_mbps = 100,
					.min_tx_mbps = 50 },
		IFLA_VF_RATE, &rate, sizeof(rate));
}

static void spoof_checking_trust_and_link_go_out_alone(void **state)
{
	const struct ifla_vf_spoofchk spoofchk = { .vf = PEER_VF, .setting = 1 };
	const struct ifla_vf_trust trust = { .vf = PEER_VF, .setting = 1 };
	const struct ifla_vf_link_state link = { .vf = PEER_VF, .link_state = 2 };

	(void)state;
	add_interface("7\n");
	check_request(
		(struct vio_vf_config){ .fields = VIO_VF_SPOOFCHK, .spoofchk = 1 },
		IFLA_VF_SPOOFCHK, &spoofchk, sizeof(spoofchk));
	check_request((struct vio_vf_config){ .fields = VIO_VF_TRUST, .trust = 1 },
		      IFLA_VF_TRUST, &trust, sizeof(trust));
	check_request((struct vio_vf_config){ .fields = VIO_VF_LINK, .link_state = 2 },
		      IFLA_VF_LINK_STATE, &link, sizeof(link));
}

/* The kernel takes both: the maximum is read, and sent back as it was. */
static void a_minimum_alone_keeps_the_maximum(void **state)
{
	const struct ifla_vf_rate rate = { .vf = PEER_VF,
					   .min_tx_rate = 50,
					   .max_tx_rate = 200 };
	struct waited_call waited;
	struct message m;
	int first;

	(void)state;
	add_interface("7\n");
	begin_set(&waited, (struct vio_vf_config){ .fields = VIO_VF_MIN_RATE,
						   .min_tx_mbps = 50 });
	assert_int_equal(peer_receive(&m).nlmsg_type, RTM_GETLINK);
	first = peer.fd;
	send_link();
	while (peer.fd == first && !waited.n_done) {
		vio_test_wait_fd(vio_ctx_get_fd(peer.ctx));
		assert_true(vio_ctx_dispatch(peer.ctx, 1) >= 0);
	}
	assert_int_equal(peer_receive(&m).nlmsg_type, RTM_SETLINK);
	check_attr(&m, IFLA_VF_RATE, &rate, sizeof(rate));
	send_error(0);
	assert_int_equal(wait_for(&waited), 0);
}

static void a_minimum_is_not_set_where_rates_cannot_be_read(void **state)
{
	struct waited_call waited;

	(void)state;
	add_interface("7\n");
	begin_set(&waited, (struct vio_vf_config){ .fields = VIO_VF_MIN_RATE,
						   .min_tx_mbps = 50 });
	send_error(-ENODEV);
	assert_int_equal(wait_for(&waited), -ENODEV);
}

/* The kernel would be told a maximum that nobody knows. */
static void a_minimum_is_not_set_where_the_driver_tells_no_maximum(void **state)
{
	const struct ifla_vf_trust trust = { .vf = PEER_VF, .setting = 1 };
	struct waited_call waited;
	struct message m;
	uint32_t list, vf;

	(void)state;
	add_interface("7\n");
	begin_set(&waited, (struct vio_vf_config){ .fields = VIO_VF_MIN_RATE,
						   .min_tx_mbps = 50 });
	begin_link(&m, ARPHRD_ETHER, PEER_VF + 1);
	list = begin_nest(&m, IFLA_VFINFO_LIST);
	vf = begin_nest(&m, IFLA_VF_INFO);
	put_attr(&m, IFLA_VF_TRUST, &trust, sizeof(trust));
	end_nest(&m, vf);
	end_nest(&m, list);
	end_message(&m);
	peer_send(&m);
	assert_int_equal(wait_for(&waited), -EOPNOTSUPP);
}

static void a_refusal_names_the_function_and_the_field(void **state)
{
	struct waited_call waited;

	(void)state;
	add_interface("7\n");
	begin_set(&waited, (struct vio_vf_config){ .fields = VIO_VF_TRUST });
	send_error(-EPERM);
	assert_int_equal(wait_for(&waited), -EPERM);
	assert_int_equal(waited.call.err.code, -EPERM);
	assert_non_null(strstr(waited.call.err.text, "0000:01:10.0: trust"));
}

static void a_protocol_that_the_driver_lacks_is_not_supported(void **state)
{
	struct waited_call waited;

	(void)state;
	add_interface("7\n");
	begin_set(&waited, (struct vio_vf_config){ .fields = VIO_VF_VLAN, .vlan = 1 });
	send_error(-EPROTONOSUPPORT);
	assert_int_equal(wait_for(&waited), -EOPNOTSUPP);
}

static void a_read_gives_what_the_kernel_knows(void **state)
{
	struct waited_call waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);
	const struct vio_vf_config *config = &waited.call.config;
	const uint8_t mac[6] = { 2, 0, 0, 0, 0, 9 };

	(void)state;
	add_interface("7\n");
	assert_int_equal(vio_setting_read(&waited.call), 0);
	send_link();
	assert_int_equal(wait_for(&waited), 0);
	assert_int_equal(config->size, sizeof(*config));
	assert_int_equal(config->fields, 0x7f);
	assert_memory_equal(config->mac, mac, sizeof(mac));
	assert_int_equal(config->vlan, 100);
	assert_int_equal(config->qos, 5);
	assert_int_equal(config->vlan_protocol, 0x88a8);
	assert_int_equal(config->min_tx_mbps, 10);
	assert_int_equal(config->max_tx_mbps, 200);
	assert_int_equal(config->spoofchk, 1);
	assert_int_equal(config->trust, 1);
	assert_int_equal(config->link_state, VIO_VF_LINK_DISABLE);
}

/* One capability, of 32 vectors. */
static int show_config(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	assert_true(n >= 256);
	memset(buf, 0, 256);
	buf[0x06] = 0x10; /* Status: there is a list */
	buf[0x34] = 0x60;
	buf[0x60] = 0x11;
	buf[0x62] = 31;
	return 256;
}

static void a_read_is_the_sum_of_what_each_kind_knows(void **state)
{
	const struct vio_fake_attr attr = { .show = show_config };
	struct waited_call waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);
	const struct vio_vf_config *config = &waited.call.config;

	(void)state;
	add_interface("7\n");
	vio_fake_add_attr(fake, VF "/config", &attr);
	assert_int_equal(vio_setting_read(&waited.call), 0);
	send_link();
	assert_int_equal(wait_for(&waited), 0);
	assert_int_equal(config->fields, 0x7f | VIO_VF_MSIX);
	assert_int_equal(config->vlan, 100);
	assert_int_equal(config->n_msix, 32);
}

static int refuse_config(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	return -EIO;
}

/* Half of the settings would pass for all that there are. */
static void a_read_of_which_a_later_part_fails_has_failed(void **state)
{
	const struct vio_fake_attr attr = { .show = refuse_config };
	struct waited_call waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);

	(void)state;
	add_interface("7\n");
	vio_fake_add_attr(fake, VF "/config", &attr);
	assert_int_equal(vio_setting_read(&waited.call), 0);
	send_link();
	assert_int_equal(wait_for(&waited), -EIO);
}

static void a_read_that_the_kernel_refuses_fails(void **state)
{
	struct waited_call waited = call_of((struct vio_vf_config)VIO_VF_CONFIG_INIT);

	(void)state;
	add_interface("7\n");
	assert_int_equal(vio_setting_read(&waited.call), 0);
	send_error(-EPERM);
	assert_int_equal(wait_for(&waited), -EPERM);
}

static void a_pf_without_an_interface_has_no_such_settings(void **state)
{
	(void)state;
	assert_int_equal(set_config((struct vio_vf_config){ .fields = VIO_VF_TRUST }),
			 -EOPNOTSUPP);
	vio_fake_add_dir(fake, PF "/net");
	assert_int_equal(set_config((struct vio_vf_config){ .fields = VIO_VF_TRUST }),
			 -EOPNOTSUPP);
}

static void a_pf_that_has_gone_is_told(void **state)
{
	(void)state;
	vio_fake_remove(fake, PF);
	assert_int_equal(set_config((struct vio_vf_config){ .fields = VIO_VF_TRUST }),
			 -ENODEV);
}

static void an_interface_number_that_cannot_be_is_not_used(void **state)
{
	const char *const texts[] = { "0", "-1", "2147483648", "7 8", "" };

	(void)state;
	for (size_t i = 0; i < 5; i++) {
		add_interface(texts[i]);
		assert_int_equal(
			set_config((struct vio_vf_config){ .fields = VIO_VF_TRUST }),
			-EBADMSG);
		vio_fake_remove(fake, PF "/net");
	}
}

static void several_fields_at_once_are_a_mistake(void **state)
{
	const uint32_t fields[] = { 0, VIO_VF_MAC | VIO_VF_TRUST, 1u << 9,
				    VIO_VF_MAX_RATE | VIO_VF_MSIX };

	(void)state;
	add_interface("7\n");
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(
			set_config((struct vio_vf_config){ .fields = fields[i] }),
			-EINVAL);
}

static void without_a_way_to_wait_nothing_is_asked(void **state)
{
	(void)state;
	add_interface("7\n");
	assert_int_equal(vio_ctx_abort_work(peer.ctx), 0);
	assert_int_equal(set_config((struct vio_vf_config){ .fields = VIO_VF_TRUST }),
			 -EOPNOTSUPP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mac_goes_out_as_the_kernel_wants_it),
		cmocka_unit_test(a_vlan_goes_out_with_priority_and_protocol),
		cmocka_unit_test(a_maximum_alone_leaves_the_minimum),
		cmocka_unit_test(both_rates_go_out_as_one),
		cmocka_unit_test(spoof_checking_trust_and_link_go_out_alone),
		cmocka_unit_test(a_minimum_alone_keeps_the_maximum),
		cmocka_unit_test(a_minimum_is_not_set_where_rates_cannot_be_read),
		cmocka_unit_test(
			a_minimum_is_not_set_where_the_driver_tells_no_maximum),
		cmocka_unit_test(a_refusal_names_the_function_and_the_field),
		cmocka_unit_test(a_protocol_that_the_driver_lacks_is_not_supported),
		cmocka_unit_test(a_read_gives_what_the_kernel_knows),
		cmocka_unit_test(a_read_is_the_sum_of_what_each_kind_knows),
		cmocka_unit_test(a_read_of_which_a_later_part_fails_has_failed),
		cmocka_unit_test(a_read_that_the_kernel_refuses_fails),
		cmocka_unit_test(a_pf_without_an_interface_has_no_such_settings),
		cmocka_unit_test(a_pf_that_has_gone_is_told),
		cmocka_unit_test(an_interface_number_that_cannot_be_is_not_used),
		cmocka_unit_test(several_fields_at_once_are_a_mistake),
		cmocka_unit_test(without_a_way_to_wait_nothing_is_asked),
	};

	return run_host_tests(tests, sizeof(tests) / sizeof(tests[0]));
}
