/* SPDX-License-Identifier: MIT */
/*
 * What an owner does with a VF and how it ends: reset, settings, giving back, and
 * leases that are not the present ones any more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scene.h"

struct stage {
	struct scene scene;
	struct process p;
	struct vio_vf *vf;
	struct vio_error err;
	char path[128]; /* of the lease */
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->p, &s->scene);
	s->err = (struct vio_error)VIO_ERROR_INIT;
	snprintf(s->path, sizeof(s->path), "%s/vf/0000:01:10.0", s->scene.run_dir);
	assert_int_equal(process_claim(&s->p, &s->vf), 0);
	*state = s;
	return 0;
}

static int release(struct stage *s)
{
	const int ret = vio_vf_release(s->vf, process_done, &s->p, &s->err);

	s->vf = NULL;
	return process_wait(&s->p, ret);
}

static int teardown(void **state)
{
	struct stage *s = *state;

	if (s->vf)
		assert_int_equal(release(s), 0);
	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
	return 0;
}

static int configure(struct stage *s, const struct vio_vf_config *config,
		     struct vio_vf_report *report)
{
	return process_wait(&s->p, vio_vf_configure(s->vf, config, report, process_done,
						    &s->p, &s->err));
}

static void a_release_resets_and_puts_everything_back(void **state)
{
	struct stage *s = *state;

	assert_int_equal(release(s), 0);
	assert_int_equal(s->scene.vf[0]->n_resets, 1);
	scene_verify_before(&s->scene);
}

static void an_override_that_was_not_what_is_bound_is_put_back(void **state)
{
	struct stage *s = *state;
	struct vio_vf *vf;

	assert_int_equal(process_claim(&s->p, &vf), 0);
	assert_string_equal(s->scene.vf[1]->driver, "vfio-pci");
	assert_int_equal(
		process_wait(&s->p, vio_vf_release(vf, process_done, &s->p, &s->err)),
		0);
	assert_string_equal(s->scene.vf[1]->driver, "igbvf");
	assert_string_equal(s->scene.vf[1]->override, "vfio-pci");
}

static void a_generation_is_never_used_twice(void **state)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	struct stage *s = *state;

	for (uint64_t generation = 1; generation < 5; generation++) {
		assert_int_equal(vio_vf_read_info(s->vf, &info), 0);
		assert_int_equal(info.generation, generation);
		assert_int_equal(release(s), 0);
		assert_int_equal(process_claim(&s->p, &s->vf), 0);
	}
}

static void a_failed_reset_keeps_the_vf_for_a_recovery(void **state)
{
	struct stage *s = *state;
	struct vio_vf *vf;

	s->scene.vf[0]->fails_reset = 1;
	assert_int_equal(release(s), -ENOTTY);
	assert_int_equal(process_claim(&s->p, &vf), 0);
	assert_string_equal(s->scene.vf[1]->driver, "vfio-pci");
	assert_int_equal(
		process_wait(&s->p, vio_vf_release(vf, process_done, &s->p, &s->err)),
		0);
}

static void recover(struct stage *s, uint32_t n_undone)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;

	assert_int_equal(
		process_wait(&s->p, vio_host_recover(s->p.host, &recovery, process_done,
						     &s->p, &s->err)),
		0);
	assert_int_equal(recovery.n_undone, n_undone);
	assert_int_equal(recovery.n_failed, 0);
}

static void set_keeps(struct stage *s, int keeps)
{
	struct vio_fake_pci *pci = &s->scene.pci;

	for (uint32_t i = 0; i < pci->n_drivers; i++)
		if (!strcmp(pci->drivers[i].name, "vfio-pci"))
			pci->drivers[i].keeps = keeps;
}

/* Whatever keeps the driver may be using the function. */
static void a_function_is_not_reset_under_a_driver_that_does_not_let_go(void **state)
{
	struct stage *s = *state;

	set_keeps(s, EIO);
	assert_int_equal(release(s), -EIO);
	assert_string_equal(s->p.why, "0000:01:10.0: its driver does not let go of it");
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
	assert_string_equal(s->scene.vf[0]->override, "vfio-pci");
	set_keeps(s, 0);
	recover(s, 1);
	assert_int_equal(s->scene.vf[0]->n_resets, 1);
	scene_verify_before(&s->scene);
}

/* Not the answer that ends a lease: the function is there. */
static void
a_driver_that_has_let_go_by_itself_is_no_function_that_has_gone(void **state)
{
	struct stage *s = *state;

	set_keeps(s, ENODEV);
	assert_int_equal(release(s), -EBUSY);
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
	set_keeps(s, 0);
	recover(s, 1);
	scene_verify_before(&s->scene);
}

/* Fails at each effect in turn: 1 if a VF was left then, which the line names. */
static int claim_two_and_fail(struct stage *s, uint32_t at, int *result)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vfs[2];
	int is_left;

	request.n = 2;
	s->p.fail_at = s->p.n_effects + at;
	set_keeps(s, EIO);
	*result = process_wait(&s->p, vio_vf_claim(s->p.host, &request, vfs,
						   process_done, &s->p, &s->err));
	set_keeps(s, 0);
	s->p.fail_at = 0;
	for (uint32_t i = 0; !*result && i < 2; i++)
		assert_int_equal(
			process_wait(&s->p, vio_vf_release(vfs[i], process_done, &s->p,
							   &s->err)),
			0);
	is_left = *result && strstr(s->p.why, "01:10.0 is left to a recovery");
	if (is_left)
		assert_int_equal(s->scene.vf[0]->n_resets, 0);
	return is_left;
}

static void a_claim_names_what_it_could_not_put_back(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct stage *s = *state;
	int result = -EIO, n_left = 0;

	assert_int_equal(release(s), 0);
	for (uint32_t at = 1; result; at++) {
		s->scene.vf[0]->n_resets = 0;
		n_left += claim_two_and_fail(s, at, &result);
		assert_int_equal(
			process_wait(&s->p,
				     vio_host_recover(s->p.host, &recovery,
						      process_done, &s->p, &s->err)),
			0);
		scene_verify_before(&s->scene);
	}
	assert_true(n_left > 5);
}

static void a_function_that_has_gone_ends_its_lease(void **state)
{
	struct stage *s = *state;

	vio_fake_pci_remove(s->scene.vf[0]);
	assert_int_equal(release(s), -ENODEV);
	assert_int_equal(process_claim(&s->p, &s->vf), 0);
}

static void a_function_that_has_gone_can_only_be_released(void **state)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	struct stage *s = *state;

	vio_fake_pci_remove(s->scene.vf[0]);
	assert_int_equal(
		process_wait(&s->p, vio_vf_reset(s->vf, process_done, &s->p, &s->err)),
		-ENODEV);
	assert_int_equal(vio_vf_read_info(s->vf, &info), 0);
	assert_int_equal(info.state, VIO_VF_LOST);
	assert_int_equal(vio_vf_reset(s->vf, process_done, &s->p, &s->err), -ENODEV);
	assert_int_equal(release(s), -ENODEV);
}

static void a_lease_whose_file_was_removed_is_stale(void **state)
{
	struct stage *s = *state;
	struct vio_vf *other;

	assert_int_equal(unlink(s->path), 0);
	assert_int_equal(process_claim(&s->p, &other), 0);
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_int_equal(release(s), -ESTALE);
	/* The one that holds it now has not lost anything. */
	assert_string_equal(s->scene.vf[0]->driver, "vfio-pci");
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
	s->vf = other;
}

static void a_lease_whose_file_was_overwritten_is_stale(void **state)
{
	struct stage *s = *state;
	FILE *file = fopen(s->path, "r+");

	assert_non_null(file);
	fputs("somebody else's", file);
	fclose(file);
	assert_int_equal(release(s), -ESTALE);
	assert_int_equal(s->scene.vf[0]->n_resets, 0);
}

static void a_second_operation_is_refused_while_one_is_under_way(void **state)
{
	struct stage *s = *state;
	int ret = vio_vf_reset(s->vf, process_done, &s->p, &s->err);

	assert_int_equal(ret, 0);
	assert_int_equal(vio_vf_reset(s->vf, process_done, &s->p, &s->err), -EBUSY);
	assert_int_equal(vio_vf_release(s->vf, process_done, &s->p, &s->err), -EBUSY);
	assert_int_equal(process_wait(&s->p, ret), 0);
	assert_int_equal(s->scene.vf[0]->n_resets, 1);
}

static void a_host_with_a_claimed_vf_stays_open_and_names_it(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_host_close(s->p.host, &s->err), -EBUSY);
	assert_non_null(strstr(s->err.text, "0000:01:10.0"));
}

static void settings_are_set_and_restored_by_the_release(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct stage *s = *state;

	config.fields = VIO_VF_MAC | VIO_VF_TRUST;
	memcpy(config.mac, "\x02\xaa\xbb\xcc\xdd\xee", 6);
	config.trust = 1;
	assert_int_equal(configure(s, &config, &report), 0);
	assert_int_equal(report.applied, config.fields);
	assert_memory_equal(s->scene.vf[0]->config.mac, config.mac, 6);
	config.mac[5] = 0x11;
	assert_int_equal(configure(s, &config, &report), 0);
	assert_int_equal(release(s), 0);
	scene_verify_before(&s->scene);
}

static void a_field_the_driver_lacks_is_named_and_nothing_is_applied(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct stage *s = *state;

	scene_settings.lacks = VIO_VF_TRUST;
	config.fields = VIO_VF_VLAN | VIO_VF_TRUST;
	config.vlan = 5;
	config.trust = 1;
	assert_int_equal(configure(s, &config, &report), -EOPNOTSUPP);
	assert_int_equal(report.unsupported, VIO_VF_TRUST);
	assert_int_equal(report.applied, 0);
	assert_int_equal(s->scene.vf[0]->config.vlan, 0);
}

static void a_setting_that_reads_back_otherwise_is_put_back(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct stage *s = *state;

	scene_settings.ignores = VIO_VF_TRUST;
	config.fields = VIO_VF_VLAN | VIO_VF_TRUST;
	config.vlan = 5;
	config.trust = 1;
	assert_int_equal(configure(s, &config, &report), -EIO);
	assert_int_equal(report.applied, 0);
	assert_int_equal(s->scene.vf[0]->config.vlan, 0);
}

static void settings_out_of_range_are_refused_and_named(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct stage *s = *state;

	config.fields = VIO_VF_MAC;
	config.mac[0] = 1;
	assert_int_equal(
		vio_vf_configure(s->vf, &config, &report, process_done, &s->p, &s->err),
		-EINVAL);
	assert_int_equal(report.refused, VIO_VF_MAC);
	config.fields = VIO_VF_MAX_RATE;
	config.max_tx_mbps = 1001;
	assert_int_equal(
		vio_vf_configure(s->vf, &config, &report, process_done, &s->p, &s->err),
		-EINVAL);
	assert_int_equal(report.refused, VIO_VF_MAX_RATE);
}

static void settings_are_read_as_the_kernel_has_them(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct stage *s = *state;

	assert_int_equal(
		process_wait(&s->p, vio_vf_read_config(s->vf, &config, process_done,
						       &s->p, &s->err)),
		0);
	assert_true(config.fields & VIO_VF_SPOOFCHK);
	assert_int_equal(config.spoofchk, 1);
	config.size = 3;
	assert_int_equal(
		vio_vf_read_config(s->vf, &config, process_done, &s->p, &s->err),
		-EINVAL);
}

static int use_in_child(void *opaque)
{
	struct stage *s = opaque;
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct vio_vf *vf;

	if (vio_vf_release(s->vf, process_done, &s->p, NULL) != -ECHILD)
		return 1;
	if (vio_vf_reset(s->vf, process_done, &s->p, NULL) != -ECHILD)
		return 2;
	if (vio_vf_claim(s->p.host, &request, &vf, process_done, &s->p, NULL) !=
	    -ECHILD)
		return 3;
	if (vio_host_recover(s->p.host, &recovery, process_done, &s->p, NULL) !=
	    -ECHILD)
		return 4;
	return vio_vf_detach(s->vf, 0, NULL) == -ECHILD ? 0 : 5;
}

static void a_forked_child_can_do_nothing_with_a_lease(void **state)
{
	assert_int_equal(vio_test_fork(use_in_child, *state), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_release_resets_and_puts_everything_back),
		TEST(an_override_that_was_not_what_is_bound_is_put_back),
		TEST(a_generation_is_never_used_twice),
		TEST(a_failed_reset_keeps_the_vf_for_a_recovery),
		TEST(a_function_is_not_reset_under_a_driver_that_does_not_let_go),
		TEST(a_driver_that_has_let_go_by_itself_is_no_function_that_has_gone),
		TEST(a_claim_names_what_it_could_not_put_back),
		TEST(a_function_that_has_gone_ends_its_lease),
		TEST(a_function_that_has_gone_can_only_be_released),
		TEST(a_lease_whose_file_was_removed_is_stale),
		TEST(a_lease_whose_file_was_overwritten_is_stale),
		TEST(a_second_operation_is_refused_while_one_is_under_way),
		TEST(a_host_with_a_claimed_vf_stays_open_and_names_it),
		TEST(settings_are_set_and_restored_by_the_release),
		TEST(a_field_the_driver_lacks_is_named_and_nothing_is_applied),
		TEST(a_setting_that_reads_back_otherwise_is_put_back),
		TEST(settings_out_of_range_are_refused_and_named),
		TEST(settings_are_read_as_the_kernel_has_them),
		TEST(a_forked_child_can_do_nothing_with_a_lease),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
