/* SPDX-License-Identifier: MIT */
/*
 * vio-blk with several guests on one thread: each has its own disk, and with a guard
 * a flood of one is told and the other served.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "front.h"

#define IMAGE_BYTES (4u << 20)

struct fixture {
	struct program program;
	struct front front;
};

static int create(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	program_prepare(&f->program, IMAGE_BYTES);
	*state = f;
	return 0;
}

static int destroy(void **state)
{
	struct fixture *f = *state;
	char path[PATH_BYTES];

	snprintf(path, sizeof(path), "%s/other", f->program.dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/second", f->program.dir);
	unlink(path);
	program_remove(&f->program);
	test_free(f);
	return 0;
}

static void stop(struct fixture *f)
{
	front_close(&f->front);
	assert_int_equal(program_stop(&f->program), 0);
}

static void write_control(const struct fixture *f, const char *line)
{
	int fd = open(f->program.control, O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	close(fd);
}

/* A second guest of the same program, with an image of its own. */
static void start_shared(struct fixture *f, struct front *second, const char *option)
{
	struct program other = f->program;
	char image[PATH_BYTES];
	int fd;

	snprintf(other.socket, PATH_BYTES, "%s/other", other.dir);
	snprintf(image, PATH_BYTES, "%s/second", other.dir);
	fd = open(image, O_CREAT | O_RDWR | O_CLOEXEC, 0600);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	program_start(&f->program, "--queues", "2", "--shared", "--control",
		      f->program.control, "--socket", other.socket, image, option,
		      NULL);
	front_open(&f->front, &f->program, 0);
	front_open(second, &other, 0);
}

static void assert_guests_are_apart(struct fixture *f, const char *option)
{
	struct front second;

	start_shared(f, &second, option);
	memset(front_data(&second, 1, 0), 0x77, 512);
	assert_int_equal(front_do(&second, 1, VIRTIO_BLK_T_OUT, 0, 512, 0), 0);
	assert_int_equal(front_do(&second, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	assert_int_equal(front_data(&second, 0, 0)[0], 0x77);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	assert_int_not_equal(front_data(&f->front, 0, 0)[0], 0x77);
	for (int round = 0; round < 20; round++) {
		front_fill(&f->front, 65536);
		front_drain(&f->front);
	}
	front_close(&second);
	stop(f);
}

static void guests_that_share_a_thread_have_their_own_disks(void **state)
{
	assert_guests_are_apart(*state, NULL);
}

static void so_they_have_with_a_guard_between_them(void **state)
{
	assert_guests_are_apart(*state, "--guard");
}

/* Far more kicks than the guard lets pass, all in one number. */
static void a_guard_tells_of_a_flood_and_where_each_guest_stands(void **state)
{
	struct fixture *f = *state;
	struct front second;
	char said[1024];

	start_shared(f, &second, "--guard");
	assert_int_equal(eventfd_write(second.queues[0].kick_fd, 1000000), 0);
	program_hear(&f->program, said, sizeof(said));
	assert_non_null(strstr(said, "other: suspect"));
	assert_int_equal(front_do(&second, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	write_control(f, "guard\n");
	for (int n = 0; n < 2 && !strstr(said, "socket: ok"); n++)
		program_hear(&f->program, said, sizeof(said));
	assert_non_null(strstr(said, "socket: ok"));
	front_close(&second);
	front_close(&f->front);
	kill(f->program.pid, SIGKILL);
	waitpid(f->program.pid, NULL, 0);
	f->program.pid = -1;
}

static void assert_refused(struct fixture *f, const char *why, const char *a,
			   const char *b, const char *c)
{
	char said[512];

	assert_int_equal(program_fail(&f->program, said, sizeof(said), a, b, c, NULL),
			 1);
	assert_non_null(strstr(said, why));
}

static void options_that_do_not_fit_together_are_refused(void **state)
{
	struct fixture *f = *state;

	assert_refused(f, "need --shared", "--socket", "other", "image");
	assert_refused(f, "--guard needs --shared", "--guard", NULL, NULL);
	assert_refused(f, "an IMAGE for each", "--shared", "--socket", "other");
	assert_refused(f, "one IMAGE", "image", NULL, NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(guests_that_share_a_thread_have_their_own_disks),
		TEST(so_they_have_with_a_guard_between_them),
		TEST(a_guard_tells_of_a_flood_and_where_each_guest_stands),
		TEST(options_that_do_not_fit_together_are_refused),
	};

	return cmocka_run_group_tests_name("vio-blk shared", tests, NULL, NULL);
}
