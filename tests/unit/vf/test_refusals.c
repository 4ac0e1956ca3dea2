/* SPDX-License-Identifier: MIT */
/*
 * What claims, settings and leases are refused for that is seldom met: machines that
 * lack something, folders that others write to, and more of everything than usual.
 */
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "scene.h"
#include "vf/vf.h"

#define DEVICES VIO_FAKE_PCI_ROOT "/bus/pci/devices/"
#define N_FILES 130u /* twice what recovery has room for at first */

struct stage {
	struct scene scene;
	struct process p;
	struct vio_vf_request request;
	struct vio_vf *vf[16];
	struct vio_error err;
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->p, &s->scene);
	s->request = (struct vio_vf_request)VIO_VF_REQUEST_INIT;
	s->err = (struct vio_error)VIO_ERROR_INIT;
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	scene_verify_before(&s->scene);
	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
	return 0;
}

static int claim(struct stage *s)
{
	return process_wait(&s->p, vio_vf_claim(s->p.host, &s->request, s->vf,
						process_done, &s->p, &s->err));
}

static void release(struct stage *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(
			process_wait(&s->p, vio_vf_release(s->vf[i], process_done,
							   &s->p, &s->err)),
			0);
}

static void remove_attr(struct stage *s, const char *attr)
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
	struct stage *s = *state;

	s->request.vendor_id = 0x1234;
	assert_int_equal(claim(s), -ENOSPC);
	s->request.vendor_id = 0;
	s->request.device_id = 0x1234;
	assert_int_equal(claim(s), -ENOSPC);
}

static void a_reset_that_is_asked_for_and_missing_is_enospc(void **state)
{
	struct stage *s = *state;

	remove_attr(s, "reset_method");
	s->request.flags = VIO_VF_NEED_FLR;
	assert_int_equal(claim(s), -ENOSPC);
}

static void what_cannot_be_reset_is_released_all_the_same(void **state)
{
	struct stage *s = *state;

	remove_attr(s, "reset");
	assert_int_equal(claim(s), 0);
	assert_int_equal(process_wait(&s->p, vio_vf_reset(s->vf[0], process_done, &s->p,
							  &s->err)),
			 -EOPNOTSUPP);
	release(s, 1);
}

static void settings_of_another_size_are_refused(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct stage *s = *state;

	assert_int_equal(claim(s), 0);
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
	release(s, 1);
}

static void a_setting_that_cannot_be_read_is_not_set(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_report report = VIO_VF_REPORT_INIT;
	struct stage *s = *state;

	config.fields = VIO_VF_LINK;
	assert_int_equal(claim(s), 0);
	assert_int_equal(
		process_wait(&s->p, vio_vf_configure(s->vf[0], &config, &report,
						     process_done, &s->p, &s->err)),
		-EOPNOTSUPP);
	assert_int_equal(report.unsupported, VIO_VF_LINK);
	assert_int_equal(report.applied, 0);
	release(s, 1);
}

static void an_open_function_is_not_handed_over(void **state)
{
	struct stage *s = *state;

	assert_int_equal(claim(s), 0);
	s->vf[0]->vfio = (struct vio_vfio *)(void *)s;
	assert_int_equal(vio_vf_detach(s->vf[0], -1, &s->err), -EBUSY);
	s->vf[0]->vfio = NULL;
	release(s, 1);
}

static void a_recovery_needs_a_place_for_its_counts(void **state)
{
	struct stage *s = *state;

	assert_int_equal(
		vio_host_recover(s->p.host, NULL, process_done, &s->p, &s->err),
		-EINVAL);
}

static void a_recovery_needs_a_way_around_blocking(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct stage *s = *state;

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
	struct stage *s = *state;
	char last[16] = "", now[VIO_PCI_ADDR_TEXT_BYTES];

	for (size_t i = 0; i < 5; i++)
		vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0], more[i], "igbvf",
				    -1);
	vio_fake_pci_print(&s->scene.pci, s->scene.before);
	s->request.score = prefer_later;
	s->request.n = SCENE_VFS + 5;
	assert_int_equal(claim(s), 0);
	for (uint32_t i = 0; i < s->request.n; i++) {
		vio_pci_addr_print(&s->vf[i]->info.addr, now);
		assert_true(strcmp(last, now) < 0);
		strcpy(last, now);
	}
	release(s, s->request.n);
}

static void an_override_that_is_no_name_is_left_alone(void **state)
{
	struct stage *s = *state;

	strcpy(s->scene.vf[0]->override, "../x");
	vio_fake_pci_print(&s->scene.pci, s->scene.before);
	assert_int_equal(claim(s), -EBADMSG);
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
	struct stage *s = *state;

	vio_fake_add_attr(s->scene.fake,
			  VIO_FAKE_PCI_ROOT "/bus/pci/drivers/igbvf/unbind", &unbind);
	assert_int_equal(claim(s), -EIO);
	assert_non_null(strstr(s->p.why, "not let go"));
}

/* A file of a lease that somebody else made. */
static void make_file(struct stage *s, const char *name, const char *text)
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
	struct stage *s = *state;
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
	struct stage *s = *state;
	char path[128];
	uint32_t n = 0;

	assert_int_equal(claim(s), 0);
	release(s, 1);
	make_file(s, "0000:05:00.0", "no journal");
	snprintf(path, sizeof(path), "%s/vf/0000:06:00.0", s->scene.run_dir);
	assert_int_equal(symlink("/dev/null", path), 0);
	assert_int_equal(vio_host_foreach_lease(s->p.host, count, &n, &s->err), 0);
	assert_int_equal(n, 0);
	assert_non_null(strstr(s->err.text, "0000:0"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
