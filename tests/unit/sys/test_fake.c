/* SPDX-License-Identifier: MIT */
/*
 * The fake kernel behaves as the real one where tests rely on it, and so does
 * the table that fails on purpose: equipment that is wrong proves nothing.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "fake/fake.h"
#include "fake/fault.h"
#include "fake/support.h"

#define SECOND_NS UINT64_C(1000000000)

struct numvfs {
	int n;
	int n_stores;
};

static int show_number(void *opaque, char *buf, size_t n)
{
	(void)n;
	buf[0] = (char)('0' + ((struct numvfs *)opaque)->n);
	buf[1] = '\n';
	return 2;
}

static int store_number(void *opaque, const char *buf, size_t n)
{
	struct numvfs *numvfs = opaque;

	numvfs->n_stores++;
	if (n < 1 || buf[0] < '0' || buf[0] > '7')
		return -ERANGE;
	numvfs->n = buf[0] - '0';
	return 0;
}

/* A PF with one attribute of each sort, and a link to it. */
struct fixture {
	struct vio_fake *fake;
	const struct vio_sys *sys;
	struct numvfs numvfs;
};

#define PF "/sys/devices/pci0000:00/0000:00:01.0"

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct vio_fake_attr attr = { show_number, store_number, &f->numvfs };

	assert_non_null(f);
	f->fake = vio_fake_create();
	f->sys = vio_fake_get_sys(f->fake);
	vio_fake_add_text(f->fake, PF "/vendor", "0x8086\n");
	vio_fake_add_attr(f->fake, PF "/sriov_numvfs", &attr);
	attr.show = NULL;
	vio_fake_add_attr(f->fake, PF "/reset", &attr);
	vio_fake_add_link(f->fake, "/sys/bus/pci/devices/0000:00:01.0",
			  "../../../devices/pci0000:00/0000:00:01.0");
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	vio_fake_destroy(f->fake);
	free(f);
	return 0;
}

static int open_file(struct fixture *f, const char *path, int flags)
{
	return f->sys->openat(f->sys->opaque, AT_FDCWD, path, flags, 0);
}

static void close_file(struct fixture *f, int fd)
{
	assert_int_equal(f->sys->close(f->sys->opaque, fd), 0);
}

static void a_text_is_read_piece_by_piece(void **state)
{
	struct fixture *f = *state;
	int fd = open_file(f, PF "/vendor", O_RDONLY);
	char buf[8] = "";

	assert_true(fd >= 0);
	assert_int_equal(f->sys->read(f->sys->opaque, fd, buf, 4), 4);
	assert_int_equal(f->sys->read(f->sys->opaque, fd, buf + 4, 4), 3);
	assert_int_equal(f->sys->read(f->sys->opaque, fd, buf, 4), 0);
	assert_string_equal(buf, "0x8086\n");
	assert_int_equal(f->sys->pread(f->sys->opaque, fd, buf, 2, 2), 2);
	assert_memory_equal(buf, "80", 2);
	close_file(f, fd);
}

static void a_link_leads_to_the_same_file(void **state)
{
	struct fixture *f = *state;
	char target[64] = "";
	int dir = open_file(f, "/sys/bus/pci/devices", O_RDONLY | O_DIRECTORY);
	int fd;

	assert_true(dir >= 0);
	fd = f->sys->openat(f->sys->opaque, dir, "0000:00:01.0/../0000:00:01.0/vendor",
			    O_RDONLY, 0);
	assert_true(fd >= 0);
	assert_int_equal(f->sys->readlinkat(f->sys->opaque, dir, "0000:00:01.0", target,
					    sizeof(target)),
			 strlen("../../../devices/pci0000:00/0000:00:01.0"));
	assert_string_equal(target, "../../../devices/pci0000:00/0000:00:01.0");
	close_file(f, fd);
	close_file(f, dir);
}

static void a_stored_value_is_shown(void **state)
{
	struct fixture *f = *state;
	int fd = open_file(f, PF "/sriov_numvfs", O_RDWR);
	char buf[2];

	assert_int_equal(f->sys->write(f->sys->opaque, fd, "3", 1), 1);
	assert_int_equal(f->sys->pread(f->sys->opaque, fd, buf, 2, 0), 2);
	assert_int_equal(buf[0], '3');
	assert_int_equal(f->sys->pwrite(f->sys->opaque, fd, "9", 1, 0), -ERANGE);
	assert_int_equal(f->numvfs.n, 3);
	assert_int_equal(f->numvfs.n_stores, 2);
	close_file(f, fd);
}

static void opening_fails_as_in_sysfs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(open_file(f, PF "/missing", O_RDONLY), -ENOENT);
	assert_int_equal(open_file(f, PF "/vendor/x", O_RDONLY), -ENOTDIR);
	assert_int_equal(open_file(f, PF "/vendor", O_WRONLY), -EACCES);
	assert_int_equal(open_file(f, PF "/reset", O_RDONLY), -EACCES);
	assert_int_equal(open_file(f, PF "/new", O_WRONLY | O_CREAT), -EACCES);
	assert_int_equal(open_file(f, PF, O_WRONLY), -EISDIR);
	assert_int_equal(open_file(f, PF "/vendor", O_RDONLY | O_DIRECTORY), -ENOTDIR);
	assert_int_equal(open_file(f, "/sys/bus/pci/devices/0000:00:01.0",
				   O_RDONLY | O_NOFOLLOW),
			 -ELOOP);
	vio_fake_add_link(f->fake, "/sys/a", "b");
	vio_fake_add_link(f->fake, "/sys/b", "a");
	assert_int_equal(open_file(f, "/sys/a", O_RDONLY), -ELOOP);
}

static void a_descriptor_is_close_on_exec_and_nobody_elses(void **state)
{
	struct fixture *f = *state;
	int fd = open_file(f, PF "/vendor", O_RDONLY);

	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(f->sys->ioctl(f->sys->opaque, fd, 0, NULL), -ENOTTY);
	close_file(f, fd);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

static unsigned int count_entries(struct fixture *f, int dir, size_t buf_bytes)
{
	_Alignas(struct dirent64) char buf[512];
	unsigned int n = 0;
	ssize_t length;

	while ((length = f->sys->getdents(f->sys->opaque, dir, buf, buf_bytes)) > 0)
		for (ssize_t at = 0; at < length; n++) {
			struct dirent64 *entry = (void *)(buf + at);

			assert_true(strlen(entry->d_name) > 0);
			at += entry->d_reclen;
		}
	assert_int_equal(length, 0);
	return n;
}

static void a_directory_lists_each_entry_once(void **state)
{
	struct fixture *f = *state;
	int dir;

	for (size_t buf_bytes = 40; buf_bytes <= 512; buf_bytes *= 2) {
		dir = open_file(f, PF, O_RDONLY | O_DIRECTORY);
		assert_int_equal(count_entries(f, dir, buf_bytes), 5);
		close_file(f, dir);
	}
}

static void a_removed_device_answers_enodev(void **state)
{
	struct fixture *f = *state;
	int fd = open_file(f, PF "/sriov_numvfs", O_RDWR);
	char buf[2];

	vio_fake_remove(f->fake, PF);
	assert_int_equal(f->sys->pread(f->sys->opaque, fd, buf, 2, 0), -ENODEV);
	assert_int_equal(f->sys->write(f->sys->opaque, fd, "1", 1), -ENODEV);
	assert_int_equal(open_file(f, PF "/vendor", O_RDONLY), -ENOENT);
	close_file(f, fd);
}

static void fstat_tells_files_from_directories(void **state)
{
	struct fixture *f = *state;
	int fd = open_file(f, PF "/vendor", O_RDONLY), dir = open_file(f, PF, O_RDONLY);
	struct stat st;

	assert_int_equal(f->sys->fstat(f->sys->opaque, fd, &st), 0);
	assert_true(S_ISREG(st.st_mode));
	assert_int_equal(f->sys->fstat(f->sys->opaque, dir, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	close_file(f, fd);
	close_file(f, dir);
}

static void other_paths_are_the_real_kernels(void **state)
{
	struct fixture *f = *state;
	int fd = open_file(f, "/dev/zero", O_RDONLY);
	char byte = 'x';

	assert_true(fd >= 0);
	assert_int_equal(f->sys->read(f->sys->opaque, fd, &byte, 1), 1);
	assert_int_equal(byte, 0);
	close_file(f, fd);
}

static uint64_t read_expirations(struct fixture *f, int fd)
{
	uint64_t n = 0;
	ssize_t ret = f->sys->read(f->sys->opaque, fd, &n, sizeof(n));

	assert_true(ret == sizeof(n) || ret == -EAGAIN);
	return n;
}

static void time_moves_when_told_and_timers_with_it(void **state)
{
	struct fixture *f = *state;
	const struct itimerspec periodic = { { 2, 0 }, { 1, 0 } };
	const struct itimerspec at_5 = { { 0, 0 }, { 5, 0 } };
	int fd = f->sys->timerfd_create(f->sys->opaque, CLOCK_MONOTONIC);
	struct timespec now;

	assert_int_equal(f->sys->timerfd_settime(f->sys->opaque, fd, 0, &periodic), 0);
	vio_fake_set_time(f->fake, SECOND_NS - 1);
	assert_int_equal(read_expirations(f, fd), 0);
	vio_fake_set_time(f->fake, SECOND_NS);
	assert_int_equal(read_expirations(f, fd), 1);
	vio_fake_set_time(f->fake, 7 * SECOND_NS);
	assert_int_equal(read_expirations(f, fd), 3);
	assert_int_equal(f->sys->clock_gettime(f->sys->opaque, CLOCK_MONOTONIC, &now),
			 0);
	assert_int_equal(now.tv_sec, 7);

	assert_int_equal(
		f->sys->timerfd_settime(f->sys->opaque, fd, TFD_TIMER_ABSTIME, &at_5),
		0);
	assert_int_equal(read_expirations(f, fd), 1);
	vio_fake_set_time(f->fake, 20 * SECOND_NS);
	assert_int_equal(read_expirations(f, fd), 0);
	close_file(f, fd);
}

static void the_chosen_call_fails_without_being_made(void **state)
{
	struct fixture *f = *state;
	struct vio_fault fault;

	vio_fault_prepare(&fault, f->sys);
	fault.fail_call_at = 2;
	fault.fail_errno = EIO;
	for (int i = 1; i <= 3; i++) {
		int fd = fault.sys.openat(&fault, AT_FDCWD, PF "/vendor", O_RDONLY, 0);

		assert_int_equal(fd < 0, i == 2);
		assert_int_equal(vio_fault_count_fds(&fault), i != 2);
		if (fd >= 0)
			assert_int_equal(fault.sys.close(&fault, fd), 0);
		else
			assert_int_equal(fd, -EIO);
	}
	vio_fault_verify(&fault);
}

static void what_is_not_given_back_is_counted(void **state)
{
	struct vio_fault fault;
	void *block, *map;
	int fd, error;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	block = fault.alloc.alloc(&fault, 10, 8);
	map = fault.sys.mmap(&fault, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			     0, &error);
	fd = fault.sys.eventfd(&fault, 0, EFD_NONBLOCK);
	assert_int_equal(fault.n_live, 1);
	assert_int_equal(fault.live_bytes, 10);
	assert_int_equal(fault.n_maps, 1);
	assert_int_equal(vio_fault_count_fds(&fault), 1);
	fault.alloc.free(&fault, block, 10, 8);
	assert_int_equal(fault.sys.munmap(&fault, map, 4096), 0);
	assert_int_equal(fault.sys.close(&fault, fd), 0);
	vio_fault_verify(&fault);
}

#define FAKE_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		FAKE_TEST(a_text_is_read_piece_by_piece),
		FAKE_TEST(a_link_leads_to_the_same_file),
		FAKE_TEST(a_stored_value_is_shown),
		FAKE_TEST(opening_fails_as_in_sysfs),
		FAKE_TEST(a_descriptor_is_close_on_exec_and_nobody_elses),
		FAKE_TEST(a_directory_lists_each_entry_once),
		FAKE_TEST(a_removed_device_answers_enodev),
		FAKE_TEST(fstat_tells_files_from_directories),
		FAKE_TEST(other_paths_are_the_real_kernels),
		FAKE_TEST(time_moves_when_told_and_timers_with_it),
		FAKE_TEST(the_chosen_call_fails_without_being_made),
		FAKE_TEST(what_is_not_given_back_is_counted),
	};

	return cmocka_run_group_tests_name("fake", tests, NULL, NULL);
}
