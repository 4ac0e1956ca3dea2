/* SPDX-License-Identifier: MIT */
/* Attributes, links and folders, as they should be and as they should not. */
#include <dirent.h>
#include <fcntl.h>
#include <limits.h>

#include "fake/fault.h"
#include "machine.h"
#include "vf/host.h"
#include "vf/sysfs.h"

static void the_last_newline_is_cut_off(void **state)
{
	struct machine *m = *state;
	char text[16];

	vio_fake_add_text(m->fake, SYSFS "/a", "two\nlines\n");
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), 9);
	assert_string_equal(text, "two\nlines");
}

static void an_attribute_without_a_newline_is_read(void **state)
{
	struct machine *m = *state;
	char text[16];

	vio_fake_add_text(m->fake, SYSFS "/a", "text");
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), 4);
	assert_string_equal(text, "text");
}

static void an_empty_attribute_is_read(void **state)
{
	struct machine *m = *state;
	char text[16];

	vio_fake_add_text(m->fake, SYSFS "/a", "");
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), 0);
	assert_string_equal(text, "");
}

static void an_attribute_may_fill_its_room(void **state)
{
	struct machine *m = *state;
	char text[5];

	vio_fake_add_text(m->fake, SYSFS "/a", "text\n");
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), 4);
	assert_string_equal(text, "text");
}

static void an_attribute_longer_than_its_room_is_refused(void **state)
{
	struct machine *m = *state;
	char text[5];

	vio_fake_add_text(m->fake, SYSFS "/a", "texts");
	vio_fake_add_text(m->fake, SYSFS "/b", "text\n\n");
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), -EBADMSG);
	assert_int_equal(vio_sysfs_read(m->host, "b", text, sizeof(text)), -EBADMSG);
}

static int show_nul(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	(void)n;
	memcpy(buf, "a\0b\n", 4);
	return 4;
}

static int show_nothing(void *opaque, char *buf, size_t n)
{
	(void)opaque;
	(void)buf;
	(void)n;
	return -EIO;
}

static void an_attribute_with_a_nul_is_refused(void **state)
{
	const struct vio_fake_attr attr = { .show = show_nul };
	struct machine *m = *state;
	char text[16];

	vio_fake_add_attr(m->fake, SYSFS "/a", &attr);
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), -EBADMSG);
}

static void an_attribute_that_cannot_be_read_says_why(void **state)
{
	const struct vio_fake_attr attr = { .show = show_nothing };
	struct machine *m = *state;
	char text[16];

	vio_fake_add_attr(m->fake, SYSFS "/a", &attr);
	assert_int_equal(vio_sysfs_read(m->host, "a", text, sizeof(text)), -EIO);
	assert_int_equal(vio_sysfs_read(m->host, "b", text, sizeof(text)), -ENOENT);
}

static void numbers_are_decimal_or_hexadecimal(void **state)
{
	uint64_t value = 1;

	(void)state;
	assert_int_equal(vio_sysfs_parse_u64("0", &value), 0);
	assert_true(value == 0);
	assert_int_equal(vio_sysfs_parse_u64("0x8086", &value), 0);
	assert_true(value == 0x8086);
	assert_int_equal(vio_sysfs_parse_u64("18446744073709551615", &value), 0);
	assert_true(value == UINT64_MAX);
	assert_int_equal(vio_sysfs_parse_u64("0xFFFFFFFFFFFFFFFF", &value), 0);
	assert_true(value == UINT64_MAX);
}

static void what_is_no_number_is_refused(void **state)
{
	static const char *const bad[] = {
		"",      "0x",
		"-1",    "+1",
		" 1",    "1 ",
		"1\n",   "0xg",
		"8086h", "18446744073709551616",
		"a",     "0x10000000000000000",
	};
	uint64_t value = 7;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(vio_sysfs_parse_u64(bad[i], &value), -EBADMSG);
		assert_true(value == 7);
	}
}

static void a_number_longer_than_any_is_refused(void **state)
{
	struct machine *m = *state;
	uint64_t value;

	vio_fake_add_text(m->fake, SYSFS "/a", "0000000000000000000000000000000001\n");
	assert_int_equal(vio_sysfs_read_u64(m->host, "a", &value), -EBADMSG);
}

static void of_a_link_the_last_part_is_given(void **state)
{
	struct machine *m = *state;
	char name[16];

	vio_fake_add_link(m->fake, SYSFS "/a", "../../drivers/igb");
	vio_fake_add_link(m->fake, SYSFS "/b", "igb");
	assert_int_equal(vio_sysfs_read_link(m->host, "a", name, sizeof(name)), 0);
	assert_string_equal(name, "igb");
	assert_int_equal(vio_sysfs_read_link(m->host, "b", name, sizeof(name)), 0);
	assert_string_equal(name, "igb");
}

static void a_link_that_does_not_fit_or_ends_in_nothing_is_refused(void **state)
{
	struct machine *m = *state;
	char name[4];

	vio_fake_add_link(m->fake, SYSFS "/a", "../long");
	vio_fake_add_link(m->fake, SYSFS "/b", "../");
	vio_fake_add_text(m->fake, SYSFS "/c", "no link");
	assert_int_equal(vio_sysfs_read_link(m->host, "a", name, 4), -EBADMSG);
	assert_int_equal(vio_sysfs_read_link(m->host, "b", name, 4), -EBADMSG);
	assert_int_equal(vio_sysfs_read_link(m->host, "c", name, 4), -EBADMSG);
	assert_int_equal(vio_sysfs_read_link(m->host, "d", name, 4), -ENOENT);
}

struct names {
	uint32_t n;
	uint32_t n_wanted;
};

static int count_name(void *opaque, const char *name)
{
	struct names *names = opaque;

	assert_true(strcmp(name, ".") && strcmp(name, ".."));
	return ++names->n == names->n_wanted ? 5 : 0;
}

static void every_name_in_a_folder_is_visited(void **state)
{
	struct machine *m = *state;
	struct names names = { 0, 0 };
	char path[64];

	for (int i = 0; i < 300; i++) {
		snprintf(path, sizeof(path), SYSFS "/many/a-rather-long-name-%d", i);
		vio_fake_add_text(m->fake, path, "");
	}
	assert_int_equal(vio_sysfs_foreach(m->host, "many", count_name, &names), 0);
	assert_int_equal(names.n, 300);
}

static void a_walk_over_a_folder_can_be_ended(void **state)
{
	struct machine *m = *state;
	struct names names = { 0, 1 };

	vio_fake_add_text(m->fake, SYSFS "/two/a", "");
	vio_fake_add_text(m->fake, SYSFS "/two/b", "");
	assert_int_equal(vio_sysfs_foreach(m->host, "two", count_name, &names), 5);
	assert_int_equal(names.n, 1);
	assert_int_equal(vio_sysfs_foreach(m->host, "none", count_name, &names),
			 -ENOENT);
}

/* A folder whose list is made up, byte by byte. */
struct listing {
	struct vio_fault fault; /* for its calls that pass on */
	struct dirent64 entry;
	size_t n;
};

static ssize_t give_listing(void *opaque, int fd, void *buf, size_t n)
{
	const struct listing *l = VIO_CONTAINER_OF(opaque, struct listing, fault);

	(void)fd;
	assert_true(l->n <= n);
	memcpy(buf, &l->entry, l->n);
	return (ssize_t)l->n;
}

/* @n bytes of a list whose first entry says that it has @reclen, and is "name". */
static int visit_listing(struct machine *m, size_t reclen, size_t n)
{
	struct listing l = { .entry = { .d_reclen = (uint16_t)reclen }, .n = n };
	struct vio_env env = *m->host->env;
	struct vio_host host = *m->host;
	struct names names = { 0, 1 };

	vio_fault_prepare(&l.fault, env.sys);
	l.fault.sys.getdents = give_listing;
	memcpy(l.entry.d_name, "name", 5);
	env.sys = &l.fault.sys;
	host.env = &env;
	vio_fake_add_dir(m->fake, SYSFS "/listed");
	return vio_sysfs_foreach(&host, "listed", count_name, &names);
}

#define HEAD offsetof(struct dirent64, d_name)

static void a_list_of_names_is_not_read_past_its_end(void **state)
{
	struct machine *m = *state;

	assert_int_equal(visit_listing(m, HEAD + 5, HEAD + 5), 5);
	/* Without a name, longer than the list, without the end of its name. */
	assert_int_equal(visit_listing(m, HEAD + 5, HEAD), -EBADMSG);
	assert_int_equal(visit_listing(m, HEAD, HEAD + 5), -EBADMSG);
	assert_int_equal(visit_listing(m, 0, HEAD + 5), -EBADMSG);
	assert_int_equal(visit_listing(m, HEAD + 6, HEAD + 5), -EBADMSG);
	assert_int_equal(visit_listing(m, HEAD + 4, HEAD + 4), -EBADMSG);
}

static void a_root_that_fills_a_path_has_nothing_in_it(void **state)
{
	struct machine *m = *state;
	struct vio_host host = *m->host;
	char root[PATH_MAX], target[16];

	memset(root, 'a', sizeof(root) - 1);
	root[sizeof(root) - 1] = '\0';
	host.sysfs_root = root;
	assert_int_equal(vio_sysfs_open(&host, "a", O_RDONLY), -ENAMETOOLONG);
	assert_int_equal(vio_sysfs_read_target(&host, "a", target, sizeof(target)),
			 -ENAMETOOLONG);
}

static void a_target_that_does_not_fit_is_not_cut(void **state)
{
	struct machine *m = *state;
	char target[8];

	vio_fake_add_link(m->fake, SYSFS "/a", "../seven");
	vio_fake_add_link(m->fake, SYSFS "/b", "../four");
	assert_int_equal(vio_sysfs_read_target(m->host, "a", target, sizeof(target)),
			 -EBADMSG);
	assert_int_equal(vio_sysfs_read_target(m->host, "b", target, sizeof(target)),
			 0);
	assert_string_equal(target, "../four");
}

static void paths_of_functions_stay_in_their_folder(void **state)
{
	static const char *const bad[] = { "",   "..",   "../x", "a/../b",
					   "/a", "a/",   "a//b", "a/..",
					   ".",  "a\nb", "a\x7f" };
	const struct vio_pci_addr addr = addr_of("0000:3b:00.1");
	char buf[VIO_SYSFS_PATH_BYTES];

	(void)state;
	assert_int_equal(vio_sysfs_path(&addr, "net/eth0/speed", buf), 0);
	assert_string_equal(buf, "bus/pci/devices/0000:3b:00.1/net/eth0/speed");
	assert_int_equal(vio_sysfs_path(&addr, NULL, buf), 0);
	assert_string_equal(buf, "bus/pci/devices/0000:3b:00.1");
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(vio_sysfs_path(&addr, bad[i], buf), -EINVAL);
}

static void an_address_out_of_range_has_no_path(void **state)
{
	const struct vio_pci_addr addr = { .device = 32 };
	char buf[VIO_SYSFS_PATH_BYTES];

	(void)state;
	assert_int_equal(vio_sysfs_path(&addr, "vendor", buf), -EINVAL);
}

static void a_path_that_is_too_long_is_refused(void **state)
{
	const struct vio_pci_addr addr = addr_of("0000:3b:00.1");
	char buf[VIO_SYSFS_PATH_BYTES], attr[VIO_SYSFS_PATH_BYTES];

	(void)state;
	memset(attr, 'a', sizeof(attr) - 1);
	attr[sizeof(attr) - 1] = '\0';
	assert_int_equal(vio_sysfs_path(&addr, attr, buf), -EINVAL);
}

static void names_of_drivers_are_checked(void **state)
{
	(void)state;
	assert_true(vio_sysfs_is_name("vfio-pci"));
	assert_true(vio_sysfs_is_name("8139too_X"));
	assert_true(vio_sysfs_is_name("a234567890123456789012345678901"));
	assert_false(vio_sysfs_is_name("a2345678901234567890123456789012"));
	assert_false(vio_sysfs_is_name(""));
	assert_false(vio_sysfs_is_name("../igb"));
	assert_false(vio_sysfs_is_name("igb\n"));
	assert_false(vio_sysfs_is_name("a b"));
}

static void descriptors_of_attributes_are_close_on_exec(void **state)
{
	struct machine *m = *state;
	const struct vio_sys *sys = vio_fake_get_sys(m->fake);
	int fd;

	vio_fake_add_text(m->fake, SYSFS "/a", "");
	fd = vio_sysfs_open(m->host, "a", O_RDONLY);
	assert_true(fd >= 0);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	sys->close(sys->opaque, fd);
}

#define ON_MACHINE(test)                                                               \
	cmocka_unit_test_setup_teardown(test, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_MACHINE(the_last_newline_is_cut_off),
		ON_MACHINE(an_attribute_without_a_newline_is_read),
		ON_MACHINE(an_empty_attribute_is_read),
		ON_MACHINE(an_attribute_may_fill_its_room),
		ON_MACHINE(an_attribute_longer_than_its_room_is_refused),
		ON_MACHINE(an_attribute_with_a_nul_is_refused),
		ON_MACHINE(an_attribute_that_cannot_be_read_says_why),
		cmocka_unit_test(numbers_are_decimal_or_hexadecimal),
		cmocka_unit_test(what_is_no_number_is_refused),
		ON_MACHINE(a_number_longer_than_any_is_refused),
		ON_MACHINE(of_a_link_the_last_part_is_given),
		ON_MACHINE(a_link_that_does_not_fit_or_ends_in_nothing_is_refused),
		ON_MACHINE(every_name_in_a_folder_is_visited),
		ON_MACHINE(a_walk_over_a_folder_can_be_ended),
		ON_MACHINE(a_list_of_names_is_not_read_past_its_end),
		ON_MACHINE(a_root_that_fills_a_path_has_nothing_in_it),
		ON_MACHINE(a_target_that_does_not_fit_is_not_cut),
		cmocka_unit_test(paths_of_functions_stay_in_their_folder),
		cmocka_unit_test(an_address_out_of_range_has_no_path),
		cmocka_unit_test(a_path_that_is_too_long_is_refused),
		cmocka_unit_test(names_of_drivers_are_checked),
		ON_MACHINE(descriptors_of_attributes_are_close_on_exec),
	};

	return cmocka_run_group_tests_name("sysfs", tests, NULL, NULL);
}
