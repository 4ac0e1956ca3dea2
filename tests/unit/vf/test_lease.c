/* SPDX-License-Identifier: MIT */
/*
 * The files of leases and what is read to make them: folders that others write to,
 * files of the kernel that are not as they should be, names out of every range.
 */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "scene.h"
#include "vf/lease.h"

#define FILES_MAX 65536u /* that a walk over leases looks at */
#define STAT      "/proc/self/stat"
#define BOOT_ID   "/proc/sys/kernel/random/boot_id"

static int count_lease(void *opaque, const struct vio_vf_info *info)
{
	(void)info;
	++*(uint32_t *)opaque;
	return 0;
}

/* Nobody holds the copy: its lock is free, and its journal is another's. */
static void a_journal_under_another_functions_name_is_named_and_not_shown(void **state)
{
	char from[128], to[128], bytes[VIO_JOURNAL_FILE_BYTES];
	struct solo *s = *state;
	uint32_t n = 0;
	FILE *file;
	size_t n_bytes;

	assert_int_equal(solo_claim(s), 0);
	snprintf(from, sizeof(from), "%s/vf/0000:01:10.0", s->scene.run_dir);
	snprintf(to, sizeof(to), "%s/vf/0000:05:00.0", s->scene.run_dir);
	file = fopen(from, "re");
	assert_non_null(file);
	n_bytes = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	file = fopen(to, "we");
	assert_non_null(file);
	assert_int_equal(fwrite(bytes, 1, n_bytes, file), n_bytes);
	fclose(file);
	assert_int_equal(vio_host_foreach_lease(s->p.host, count_lease, &n, &s->err),
			 0);
	assert_int_equal(n, 1);
	assert_non_null(strstr(s->err.text, "0000:05:00.0"));
	solo_release(s, 1);
}

/* One more name of a lease with every call, without end. */
static ssize_t getdents_endless(void *opaque, int fd, void *buf, size_t n)
{
	struct process *p = opaque;
	struct dirent64 entry = { .d_reclen = sizeof(entry) };

	(void)fd;
	(void)n;
	p->n_done++;
	snprintf(entry.d_name, sizeof(entry.d_name), "%04x:%02x:00.0", p->n_done >> 8,
		 p->n_done & 0xff);
	memcpy(buf, &entry, sizeof(entry));
	return sizeof(entry);
}

static int count_addr(void *opaque, const struct vio_pci_addr *addr)
{
	(void)addr;
	++*(uint32_t *)opaque;
	return 0;
}

static void a_folder_without_end_does_not_keep_a_walk_going(void **state)
{
	struct solo *s = *state;
	uint32_t n = 0;

	assert_int_equal(vio_lease_prepare(s->p.host), 0);
	s->p.sys.getdents = getdents_endless;
	assert_int_equal(vio_lease_foreach(s->p.host, count_addr, &n), -E2BIG);
	assert_int_equal(n, FILES_MAX);
}

/* A process that does not know itself leaves no lease that others could judge. */
static void a_process_that_the_kernel_does_not_describe_claims_nothing(void **state)
{
	static const char *const texts[] = {
		"", "7 no name", "7 (x) S 1 1",
		"7 (x) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0"
	};
	struct solo *s = *state;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		vio_fake_add_text(s->scene.fake, STAT, texts[i]);
		assert_int_equal(solo_claim(s), -EBADMSG);
		vio_fake_remove(s->scene.fake, "/proc");
	}
	assert_int_equal(s->p.n_effects, 0);
}

/* The field after the 21st; a name with brackets and spaces is not a field. */
#define STAT_TEXT "7 (a) b (c) S 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0\n"

static void the_time_a_process_started_is_found_behind_any_name(void **state)
{
	struct vio_journal_record self = { .state = 0 };
	struct solo *s = *state;

	vio_fake_add_text(s->scene.fake, STAT, STAT_TEXT);
	vio_fake_add_text(s->scene.fake, BOOT_ID, "one boot\n");
	assert_int_equal(vio_lease_read_self(s->p.host, &self), 0);
	assert_int_equal(self.pid, 7);
	assert_int_equal(self.start_time, 4711);
	assert_string_equal(self.boot_id, "one boot");
}

static void an_id_of_a_boot_that_does_not_fit_is_not_cut(void **state)
{
	struct vio_journal_record self = { .state = 0 };
	struct solo *s = *state;

	vio_fake_add_text(s->scene.fake, STAT, STAT_TEXT);
	vio_fake_add_text(s->scene.fake, BOOT_ID,
			  "0123456789012345678901234567890123456789\n");
	assert_int_equal(vio_lease_read_self(s->p.host, &self), -EBADMSG);
}

static void an_address_out_of_range_has_no_lease(void **state)
{
	const struct vio_pci_addr addr = { .device = 32 };
	struct vio_journal_record record;
	enum vio_lease_standing standing;
	struct vio_lease_file *lease;
	struct solo *s = *state;

	assert_int_equal(vio_lease_open(s->p.host, &addr, &lease), -EINVAL);
	assert_int_equal(vio_lease_read(s->p.host, &addr, &standing, &record), -EINVAL);
	assert_int_equal(vio_lease_open_path(s->p.host, &addr), -EINVAL);
}

static void a_folder_that_fills_a_path_has_no_leases(void **state)
{
	const struct vio_pci_addr addr = { .bus = 1 };
	struct vio_lease_file *lease;
	struct solo *s = *state;
	struct vio_host host = *s->p.host;
	char run_dir[PATH_MAX];
	uint32_t n = 0;

	memset(run_dir, 'a', sizeof(run_dir) - 1);
	run_dir[sizeof(run_dir) - 1] = '\0';
	host.run_dir = run_dir;
	assert_int_equal(vio_lease_prepare(&host), -ENAMETOOLONG);
	assert_int_equal(vio_lease_foreach(&host, count_addr, &n), -ENAMETOOLONG);
	assert_int_equal(vio_lease_open(&host, &addr, &lease), -ENAMETOOLONG);
	assert_int_equal(n, 0);
}

static void to_close_no_lease_is_nothing(void **state)
{
	const unsigned int n = vio_test_count_fds();

	(void)state;
	vio_lease_close(NULL);
	assert_int_equal(vio_test_count_fds(), n);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, solo_setup, solo_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_journal_under_another_functions_name_is_named_and_not_shown),
		TEST(a_folder_without_end_does_not_keep_a_walk_going),
		TEST(a_process_that_the_kernel_does_not_describe_claims_nothing),
		TEST(the_time_a_process_started_is_found_behind_any_name),
		TEST(an_id_of_a_boot_that_does_not_fit_is_not_cut),
		TEST(an_address_out_of_range_has_no_lease),
		TEST(a_folder_that_fills_a_path_has_no_leases),
		cmocka_unit_test(to_close_no_lease_is_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
