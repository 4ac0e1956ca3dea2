/* SPDX-License-Identifier: MIT */
/*
 * What claims, settings and leases are refused for that is seldom met: machines that
 * lack something, folders that others write to, and more of everything than usual.
 */
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scene.h"
#include "vf/vf.h"

#define DEVICES VIO_FAKE_PCI_ROOT "/bus/pci/devices/"
#define N_FILES 130u /* twice what recovery has room for at first */

static void remove_attr(struct solo *s, const char *attr)
{
	char path[160];

	for (uint32_t i = 0; i < SCENE_VFS; i++) {
		snprintf(path, sizeof(path), DEVICES "%s/%s", s->scene.vf[i]->name,
			 attr);
		vio_fake_remove(s->scene.fake, path);
	}
}

static void another_vendor_or_device_is_enospc(void **state)
{
	struct solo *s = *state;

	s->request.vendor_id = 0x1234;
	assert_int_equal(solo_claim(s), -ENOSPC);
	s->request.vendor_id = 0;
	s->request.device_id = 0x1234;
	assert_int_equal(solo_claim(s), -ENOSPC);
}

static void a_reset_that_is_asked_for_and_missing_is_enospc(void **state)
{
	struct solo *s = *state;

	remove_attr(s, "reset_method");
	s->request.flags = VIO_VF_NEED_FLR;
	assert_int_equal(solo_claim(s), -ENOSPC);
}

static void what_cannot_be_reset_is_released_all_the_same(void **state)
{
	struct solo *s = *state;

	remove_attr(s, "reset");
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(process_wait(&s->p, vio_vf_reset(s->vf[0], process_done, &s->p,
							  &s->err)),
			 -EOPNOTSUPP);
	solo_release(s, 1);
}

static void settings_of_another_size_are_refused(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct solo *s = *state;

	assert_int_equal(solo_claim(s), 0);
	report.size = 4;
	assert_int_equal(vio_vf_configure(s->vf[0], &config, &report, process_done,
					  &s->p, &s->err),
			 -EINVAL);
	config.size = 2;
	assert_int_equal(
		vio_vf_configure(s->vf[0], &config, NULL, process_done, &s->p, &s->err),
		-EINVAL);
	s->request.config = &config;
	assert_int_equal(vio_vf_claim(s->p.host, &s->request, s->vf + 1, process_done,
				      &s->p, &s->err),
			 -EINVAL);
	solo_release(s, 1);
}

static void a_setting_that_cannot_be_read_is_not_set(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct solo *s = *state;

	config.fields = VIO_VF_LINK;
	assert_int_equal(solo_claim(s), 0);
	assert_int_equal(
		process_wait(&s->p, vio_vf_configure(s->vf[0], &config, &report,
						     process_done, &s->p, &s->err)),
		-EOPNOTSUPP);
	assert_int_equal(report.unsupported, VIO_VF_LINK);
	assert_int_equal(report.applied, 0);
	solo_release(s, 1);
}

static void an_open_function_is_not_handed_over(void **state)
{
	struct solo *s = *state;

	assert_int_equal(solo_claim(s), 0);
	s->vf[0]->vfio = (struct vio_vfio *)(void *)s;
	assert_int_equal(vio_vf_detach(s->vf[0], -1, &s->err), -EBUSY);
	s->vf[0]->vfio = NULL;
	solo_release(s, 1);
}

static void a_recovery_needs_a_place_for_its_counts(void **state)
{
	struct solo *s = *state;

	assert_int_equal(
		vio_host_recover(s->p.host, NULL, process_done, &s->p, &s->err),
		-EINVAL);
}

static void a_recovery_needs_a_way_around_blocking(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct solo *s = *state;

	assert_int_equal(vio_ctx_abort_work(s->p.ctx), 0);
	assert_int_equal(
		vio_host_recover(s->p.host, &recovery, process_done, &s->p, &s->err),
		-EOPNOTSUPP);
}

static int64_t
prefer_later(void *opaque, const struct vio_pci_info *vf, const struct vio_pci_info *pf)
{
	(void)opaque;
	(void)pf;
	return vf->addr.domain * 4096 + vf->addr.bus * 256 + vf->addr.device * 8 +
	       vf->addr.function;
}

static void many_are_handed_out_by_address(void **state)
{
	static const char *const more[] = { "0000:01:11.0", "0001:01:10.0",
					    "0000:01:12.0", "0000:01:13.0",
					    "0000:01:14.0" };
	struct solo *s = *state;
	char last[16] = "", now[VIO_PCI_ADDR_TEXT_BYTES];

	for (size_t i = 0; i < 5; i++)
		vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0], more[i], "igbvf",
				    -1);
	vio_fake_pci_print(&s->scene.pci, s->scene.before);
	s->request.score = prefer_later;
	s->request.n = SCENE_VFS + 5;
	assert_int_equal(solo_claim(s), 0);
	for (uint32_t i = 0; i < s->request.n; i++) {
		vio_pci_addr_print(&s->vf[i]->info.addr, now);
		assert_true(strcmp(last, now) < 0);
		strcpy(last, now);
	}
	solo_release(s, s->request.n);
}

static void an_override_that_is_no_name_is_left_alone(void **state)
{
	struct solo *s = *state;

	strcpy(s->scene.vf[0]->override, "../x");
	vio_fake_pci_print(&s->scene.pci, s->scene.before);
	assert_int_equal(solo_claim(s), -EBADMSG);
}

static int ignore_write(void *opaque, const char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	return 0;
}

static void a_driver_that_does_not_let_go_is_eio(void **state)
{
	const struct vio_fake_attr unbind = { .store = ignore_write };
	struct solo *s = *state;

	vio_fake_add_attr(s->scene.fake,
			  VIO_FAKE_PCI_ROOT "/bus/pci/drivers/igbvf/unbind", &unbind);
	assert_int_equal(solo_claim(s), -EIO);
	assert_non_null(strstr(s->p.why, "not let go"));
}

/* A file of a lease that somebody else made. */
static void make_file(struct solo *s, const char *name, const char *text)
{
	char path[128];
	FILE *file;

	snprintf(path, sizeof(path), "%s/vf", s->scene.run_dir);
	mkdir(path, 0700);
	snprintf(path, sizeof(path), "%s/vf/%s", s->scene.run_dir, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
}

static void recovery_looks_at_as_many_leases_as_there_are(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct solo *s = *state;
	char name[32];

	for (uint32_t i = 0; i < N_FILES; i++) {
		snprintf(name, sizeof(name), "0000:%02x:00.0", i);
		make_file(s, name, i ? "" : "no journal");
	}
	assert_int_equal(
		process_wait(&s->p, vio_host_recover(s->p.host, &recovery, process_done,
						     &s->p, &s->err)),
		0);
	assert_int_equal(recovery.n_unknown, 1);
	assert_int_equal(recovery.n_undone, 0);
}

static int count(void *opaque, const struct vio_vf_info *info)
{
	(void)info;
	++*(uint32_t *)opaque;
	return 0;
}

static void what_is_no_lease_is_named_and_not_shown(void **state)
{
	struct solo *s = *state;
	char path[128];
	uint32_t n = 0;

	assert_int_equal(solo_claim(s), 0);
	solo_release(s, 1);
	make_file(s, "0000:05:00.0", "no journal");
	snprintf(path, sizeof(path), "%s/vf/0000:06:00.0", s->scene.run_dir);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(vio_host_foreach_lease(s->p.host, count, &n, &s->err), 0);
	assert_int_equal(n, 0);
	assert_non_null(strstr(s->err.text, "0000:0"));
}

static int attach_in_child(void *opaque)
{
	struct solo *s = opaque;

	return vio_vf_attach(s->p.host, -1, s->vf, &s->err) == -ECHILD ? 0 : 1;
}

static void a_forked_child_takes_no_lease(void **state)
{
	assert_int_equal(vio_test_fork(attach_in_child, *state), 0);
}

static void configuration_space_needs_an_address_in_range(void **state)
{
	const struct vio_pci_addr addr = { .device = 32 };
	struct solo *s = *state;
	char byte;

	assert_int_equal(vio_host_read_config(s->p.host, &addr, &byte, 1, &s->err),
			 -EINVAL);
}

static void what_is_not_known_of_a_function_is_not_made_up(void **state)
{
	struct vio_pci_info info = VIO_PCI_INFO_INIT;
	struct solo *s = *state;
	struct vio_pci_addr addr;

	remove_attr(s, "numa_node");
	vio_fake_add_text(s->scene.fake, DEVICES "0000:01:10.0/numa_node", "-1\n");
	vio_fake_add_dir(s->scene.fake, DEVICES "0000:01:10.0/net");
	assert_int_equal(vio_pci_addr_parse("0000:01:10.0", &addr), 0);
	assert_int_equal(vio_host_read_function(s->p.host, &addr, &info, &s->err), 0);
	assert_int_equal(info.numa_node, -1);
	assert_int_equal(info.ifindex, 0);
}

/* Others read who holds a lease, each on a line of its own. */
static void a_command_that_is_not_printable_is_shown_as_if_it_were(void **state)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct vio_host *host;
	struct solo *s = *state;
	char before[16];

	params.sysfs_root = VIO_FAKE_PCI_ROOT;
	assert_int_equal(prctl(PR_GET_NAME, before), 0);
	assert_int_equal(prctl(PR_SET_NAME, "a\tb"), 0);
	assert_int_equal(vio_host_open(s->p.ctx, &params, &host, &s->err), 0);
	assert_string_equal(host->owner, "a?b");
	assert_int_equal(vio_host_close(host, &s->err), 0);
	assert_int_equal(prctl(PR_SET_NAME, before), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_vendor_or_device_is_enospc),
		TEST(a_reset_that_is_asked_for_and_missing_is_enospc),
		TEST(what_cannot_be_reset_is_released_all_the_same),
		TEST(settings_of_another_size_are_refused),
		TEST(a_setting_that_cannot_be_read_is_not_set),
		TEST(an_open_function_is_not_handed_over),
		TEST(a_recovery_needs_a_place_for_its_counts),
		TEST(a_recovery_needs_a_way_around_blocking),
		TEST(many_are_handed_out_by_address),
		TEST(an_override_that_is_no_name_is_left_alone),
		TEST(a_driver_that_does_not_let_go_is_eio),
		TEST(recovery_looks_at_as_many_leases_as_there_are),
		TEST(what_is_no_lease_is_named_and_not_shown),
		TEST(a_forked_child_takes_no_lease),
		TEST(configuration_space_needs_an_address_in_range),
		TEST(what_is_not_known_of_a_function_is_not_made_up),
		TEST(a_command_that_is_not_printable_is_shown_as_if_it_were),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
