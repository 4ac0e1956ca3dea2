/* SPDX-License-Identifier: MIT */
/*
 * Claims: what is asked for and what is refused, and who gets what by which policy.
 */
#include "scene.h"

static void expect_refusal(struct solo *s, int code)
{
	s->vf[0] = (void *)(uintptr_t)0x5a;
	assert_int_equal(vio_vf_claim(s->p.host, &s->request, s->vf, process_done,
				      &s->p, &s->err),
			 code);
	assert_ptr_equal(s->vf[0], (void *)(uintptr_t)0x5a);
	assert_int_equal(s->err.code, code);
	assert_int_not_equal(s->err.text[0], 0);
}

static const char *name_of(struct vio_vf *vf, char *buf)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	vio_pci_addr_print(&info.addr, buf);
	return buf;
}

static void a_claim_binds_the_driver_that_was_asked_for(void **state)
{
	struct solo *s = *state;
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	s->request.tag = "guest 7";
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_string_equal(s->scene.vf[0]->override, "vfio-pci");
	assert_int_equal(vio_vf_read_info(s->vf[0], &info), 0);
	assert_int_equal(info.state, VIO_VF_HELD);
	assert_int_equal(info.generation, 1);
	assert_int_equal(info.is_alive, 1);
	assert_string_equal(info.tag, "guest 7");
	assert_string_equal(info.owner, "test");
	solo_release(s, 1);
}

static void no_driver_leaves_the_function_without_one(void **state)
{
	struct solo *s = *state;

	s->request.driver = "";
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(s->scene.vf[0]->driver, "");
	assert_string_equal(s->scene.vf[0]->override, "");
	solo_release(s, 1);
}

static void the_driver_that_is_bound_already_stays_bound(void **state)
{
	struct solo *s = *state;

	s->request.driver = "igbvf";
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(s->scene.vf[0]->driver, "igbvf");
	solo_release(s, 1);
	assert_int_equal(s->scene.vf[0]->n_resets, 1);
}

static void a_driver_that_is_not_loaded_is_refused_before_anything(void **state)
{
	struct solo *s = *state;

	s->request.driver = "uio_pci_generic";
	expect_refusal(s, -ENOENT);
}

static void a_path_in_a_name_is_refused(void **state)
{
	static const char *const names[] = { "../igbvf", "a/b", "igbvf\n", "a b",
					     "a_name_of_thirty_two_characters_" };
	struct solo *s = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s->request.driver = names[i];
		expect_refusal(s, -EINVAL);
	}
}

static void a_tag_that_would_forge_a_line_is_refused(void **state)
{
	struct solo *s = *state;

	s->request.tag = "a\nb";
	expect_refusal(s, -EINVAL);
}

static void a_tag_of_64_bytes_is_refused(void **state)
{
	struct solo *s = *state;
	char tag[65];

	memset(tag, 'x', 64);
	tag[64] = '\0';
	s->request.tag = tag;
	expect_refusal(s, -EINVAL);
}

static void numbers_out_of_range_are_refused(void **state)
{
	struct solo *s = *state;

	s->request.n = 0;
	expect_refusal(s, -EINVAL);
	s->request.n = VIO_VF_CLAIM_MAX + 1;
	expect_refusal(s, -EINVAL);
	s->request.n = 1;
	s->request.numa_node = -2;
	expect_refusal(s, -EINVAL);
	s->request.numa_node = -1;
	s->request.policy = 3;
	expect_refusal(s, -EINVAL);
	s->request.policy = 0;
	s->request.flags = 1u << 31;
	expect_refusal(s, -EINVAL);
	s->request.flags = 0;
	s->request.size = 4;
	expect_refusal(s, -EINVAL);
}

static void a_vlan_of_4095_is_refused(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct solo *s = *state;

	config.fields = VIO_VF_VLAN;
	config.vlan = 4095;
	s->request.config = &config;
	expect_refusal(s, -EINVAL);
}

static void a_rate_over_the_link_of_the_chosen_pf_is_refused(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct solo *s = *state;

	config.fields = VIO_VF_MAX_RATE;
	config.max_tx_mbps = 2000;
	s->request.config = &config;
	s->request.flags = VIO_VF_FROM_PF;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &s->request.pf), 0);
	expect_refusal(s, -EINVAL);
}

static void a_function_that_is_not_there_is_enodev(void **state)
{
	struct solo *s = *state;

	s->request.flags = VIO_VF_FROM_PF;
	assert_int_equal(vio_pci_addr_parse("0000:77:00.0", &s->request.pf), 0);
	expect_refusal(s, -ENODEV);
}

static void a_function_that_is_no_pf_is_eopnotsupp(void **state)
{
	struct solo *s = *state;

	s->request.flags = VIO_VF_FROM_PF;
	assert_int_equal(vio_pci_addr_parse("0000:01:10.0", &s->request.pf), 0);
	expect_refusal(s, -EOPNOTSUPP);
}

static void more_than_there_are_is_enospc_and_none_is_taken(void **state)
{
	struct solo *s = *state;

	s->request.n = SCENE_VFS + 1;
	expect_refusal(s, -ENOSPC);
}

static void all_claimed_is_enospc(void **state)
{
	struct solo *s = *state;

	s->request.n = SCENE_VFS;
	assert_int_equal(solo_claim(s), 0);
	s->request.n = 1;
	assert_int_equal(vio_vf_claim(s->p.host, &s->request, s->vf + 4, process_done,
				      &s->p, &s->err),
			 -ENOSPC);
	assert_non_null(strstr(s->err.text, "4 of 4 claimed"));
	solo_release(s, SCENE_VFS);
}

static void a_pf_whose_vfs_are_claimed_is_ebusy_and_names_the_holder(void **state)
{
	struct solo *s = *state;

	s->request.flags = VIO_VF_FROM_PF;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &s->request.pf), 0);
	s->request.n = 2;
	assert_int_equal(solo_claim(s), 0);
	s->request.n = 1;
	assert_int_equal(vio_vf_claim(s->p.host, &s->request, s->vf + 4, process_done,
				      &s->p, &s->err),
			 -EBUSY);
	assert_non_null(strstr(s->err.text, "claimed by test"));
	solo_release(s, 2);
}

static void a_driver_that_does_not_bind_is_undone_for_all_vfs(void **state)
{
	struct solo *s = *state;

	s->request.n = 2;
	s->scene.pci.drivers[1].refuses = 1;
	assert_int_equal(solo_claim(s), -EIO);
	assert_non_null(strstr(s->p.why, "vfio-pci has not taken it"));
}

static void a_setting_the_driver_lacks_is_undone_for_all_vfs(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct solo *s = *state;

	config.fields = VIO_VF_MAC | VIO_VF_TRUST;
	config.mac[0] = 2;
	config.trust = 1;
	s->request.config = &config;
	s->request.n = 2;
	scene_settings.lacks = VIO_VF_TRUST;
	assert_int_equal(solo_claim(s), -EOPNOTSUPP);
}

static void spread_takes_from_the_pf_with_the_most_free(void **state)
{
	struct solo *s = *state;
	char a[16], b[16];

	s->request.policy = VIO_VF_SPREAD;
	s->request.n = 2;
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(name_of(s->vf[0], a), "0000:01:10.0");
	assert_string_equal(name_of(s->vf[1], b), "0000:02:10.0");
	solo_release(s, 2);
}

static void pack_takes_from_the_pf_with_the_fewest_free(void **state)
{
	struct solo *s = *state;
	char a[16], b[16];

	s->request.n = 2;
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(name_of(s->vf[0], a), "0000:01:10.0");
	assert_string_equal(name_of(s->vf[1], b), "0000:01:10.2");
	solo_release(s, 2);
}

static void load_takes_from_the_pf_with_the_most_left(void **state)
{
	struct solo *s = *state;
	char a[16];

	s->request.policy = VIO_VF_LOAD;
	s->request.load_mbps = 600;
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(name_of(s->vf[0], a), "0000:02:10.0");
	solo_release(s, 1);
}

static void no_link_is_promised_twice(void **state)
{
	struct solo *s = *state;

	s->request.policy = VIO_VF_LOAD;
	s->request.flags = VIO_VF_FROM_PF;
	assert_int_equal(vio_pci_addr_parse("0000:01:00.0", &s->request.pf), 0);
	s->request.load_mbps = 600;
	assert_int_equal(solo_claim(s), 0);
	s->request.n = 1;
	assert_int_equal(vio_vf_claim(s->p.host, &s->request, s->vf + 4, process_done,
				      &s->p, &s->err),
			 -ENOSPC);
	solo_release(s, 1);
}

static void apart_takes_no_two_of_one_pf(void **state)
{
	struct solo *s = *state;
	char a[16], b[16];

	s->request.flags = VIO_VF_APART;
	s->request.n = 2;
	assert_int_equal(solo_claim(s), 0);
	name_of(s->vf[0], a);
	name_of(s->vf[1], b);
	assert_memory_not_equal(a, b, 7);
	solo_release(s, 2);
	s->request.n = 3;
	expect_refusal(s, -ENOSPC);
}

static void a_node_is_preferred(void **state)
{
	struct solo *s = *state;
	char a[16];

	s->request.numa_node = 1;
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(name_of(s->vf[0], a), "0000:02:10.0");
	solo_release(s, 1);
}

static void a_strict_node_without_enough_is_enospc(void **state)
{
	struct solo *s = *state;

	s->request.numa_node = 1;
	s->request.flags = VIO_VF_NUMA_STRICT;
	s->request.n = 3;
	expect_refusal(s, -ENOSPC);
	s->request.numa_node = 9;
	s->request.n = 1;
	expect_refusal(s, -ENOSPC);
}

static void a_shared_group_is_exdev_and_names_the_other(void **state)
{
	struct solo *s = *state;

	for (uint32_t i = 0; i < SCENE_VFS; i++)
		vio_fake_pci_remove(s->scene.vf[i]);
	vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0], "0000:01:11.0", "igbvf", 7);
	vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0], "0000:01:11.2", "igbvf", 7);
	vio_fake_pci_print(&s->scene.pci, s->scene.before);
	s->request.flags = VIO_VF_NEED_ISOLATED;
	expect_refusal(s, -EXDEV);
	assert_non_null(strstr(s->err.text, "0000:01:11"));
}

static void a_path_without_acs_is_exdev(void **state)
{
	struct solo *s = *state;

	s->request.flags = VIO_VF_NEED_ACS;
	expect_refusal(s, -EXDEV);
}

static int64_t
prefer_last(void *opaque, const struct vio_pci_info *vf, const struct vio_pci_info *pf)
{
	(void)opaque;
	return pf->numa_node == 1 && vf->vf_index == 1 ? 5 : -1;
}

static void a_score_decides_and_a_negative_one_rules_out(void **state)
{
	struct solo *s = *state;
	char a[16];

	s->request.score = prefer_last;
	assert_int_equal(solo_claim(s), 0);
	assert_string_equal(name_of(s->vf[0], a), "0000:02:10.2");
	assert_int_equal(vio_vf_claim(s->p.host, &s->request, s->vf + 4, process_done,
				      &s->p, &s->err),
			 -ENOSPC);
	solo_release(s, 1);
}

static void without_a_way_around_blocking_nothing_is_touched(void **state)
{
	struct solo *s = *state;

	assert_int_equal(vio_ctx_abort_work(s->p.ctx), 0);
	expect_refusal(s, -EOPNOTSUPP);
	assert_int_equal(s->p.n_effects, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_claim_binds_the_driver_that_was_asked_for),
		TEST(no_driver_leaves_the_function_without_one),
		TEST(the_driver_that_is_bound_already_stays_bound),
		TEST(a_driver_that_is_not_loaded_is_refused_before_anything),
		TEST(a_path_in_a_name_is_refused),
		TEST(a_tag_that_would_forge_a_line_is_refused),
		TEST(a_tag_of_64_bytes_is_refused),
		TEST(numbers_out_of_range_are_refused),
		TEST(a_vlan_of_4095_is_refused),
		TEST(a_rate_over_the_link_of_the_chosen_pf_is_refused),
		TEST(a_function_that_is_not_there_is_enodev),
		TEST(a_function_that_is_no_pf_is_eopnotsupp),
		TEST(more_than_there_are_is_enospc_and_none_is_taken),
		TEST(all_claimed_is_enospc),
		TEST(a_pf_whose_vfs_are_claimed_is_ebusy_and_names_the_holder),
		TEST(a_driver_that_does_not_bind_is_undone_for_all_vfs),
		TEST(a_setting_the_driver_lacks_is_undone_for_all_vfs),
		TEST(spread_takes_from_the_pf_with_the_most_free),
		TEST(pack_takes_from_the_pf_with_the_fewest_free),
		TEST(load_takes_from_the_pf_with_the_most_left),
		TEST(no_link_is_promised_twice),
		TEST(apart_takes_no_two_of_one_pf),
		TEST(a_node_is_preferred),
		TEST(a_strict_node_without_enough_is_enospc),
		TEST(a_shared_group_is_exdev_and_names_the_other),
		TEST(a_path_without_acs_is_exdev),
		TEST(a_score_decides_and_a_negative_one_rules_out),
		TEST(without_a_way_around_blocking_nothing_is_touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
