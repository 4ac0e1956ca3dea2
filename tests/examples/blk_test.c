/* SPDX-License-Identifier: MIT */
/*
 * vio-blk as a whole: the program is started on an image of its own and driven over
 * its socket, as a virtual machine monitor would.
 */
#include <endian.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
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

	program_remove(&f->program);
	test_free(f);
	return 0;
}

static void start(struct fixture *f)
{
	program_start(&f->program, "--queues", "2", "--serial", "disk-7", NULL);
	front_open(&f->front, &f->program, 0);
}

static void stop(struct fixture *f)
{
	front_close(&f->front);
	assert_int_equal(program_stop(&f->program), 0);
}

static void read_image(const struct fixture *f, void *out, size_t n, off_t at)
{
	int fd = open(f->program.image, O_RDONLY | O_CLOEXEC);

	assert_int_equal(pread(fd, out, n, at), n);
	close(fd);
}

static void write_image(const struct fixture *f, const void *data, size_t n, off_t at)
{
	int fd = open(f->program.image, O_WRONLY | O_CLOEXEC);

	assert_int_equal(pwrite(fd, data, n, at), n);
	close(fd);
}

static void configuration_space_tells_the_image(void **state)
{
	struct fixture *f = *state;
	struct virtio_blk_config config;

	start(f);
	front_read_config(&f->front, &config);
	assert_int_equal(le64toh(config.capacity), IMAGE_BYTES / 512);
	assert_int_equal(le32toh(config.seg_max), 126);
	assert_int_equal(le16toh(config.num_queues), 2);
	assert_int_equal(le32toh(config.blk_size), 512);
	stop(f);
}

static void a_read_brings_what_the_image_has(void **state)
{
	struct fixture *f = *state;

	write_image(f, "written before", 15, 1024);
	start(f);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 2, 512, 1), 0);
	assert_string_equal(front_data(&f->front, 0, 0), "written before");
	stop(f);
}

static void a_write_reaches_the_image_before_the_flush_is_done(void **state)
{
	struct fixture *f = *state;
	char sector[512];

	start(f);
	strcpy(front_data(&f->front, 1, 0), "from the guest");
	assert_int_equal(front_do(&f->front, 1, VIRTIO_BLK_T_OUT, 7, 512, 0), 0);
	assert_int_equal(front_do(&f->front, 1, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	read_image(f, sector, sizeof(sector), 7 * 512);
	assert_string_equal(sector, "from the guest");
	stop(f);
}

static void a_driver_that_cannot_flush_can_write(void **state)
{
	struct fixture *f = *state;
	char sector[512];

	program_start(&f->program, "--queues", "2", NULL);
	front_open(&f->front, &f->program, UINT64_C(1) << VIRTIO_BLK_F_FLUSH);
	strcpy(front_data(&f->front, 0, 0), "durable");
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_OUT, 0, 512, 0), 0);
	read_image(f, sector, sizeof(sector), 0);
	assert_string_equal(sector, "durable");
	stop(f);
}

static void assert_zeroed_by(struct fixture *f, uint32_t type, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = { .sector = htole64(8),
							 .num_sectors = htole32(8),
							 .flags = htole32(flags) };
	char block[4096];

	memset(block, 0x55, sizeof(block));
	write_image(f, block, sizeof(block), 4096);
	write_image(f, block, 1, 8192);
	memcpy(front_data(&f->front, 0, 0), &range, sizeof(range));
	assert_int_equal(front_do(&f->front, 0, type, 0, sizeof(range), 0), 0);
	read_image(f, block, sizeof(block), 4096);
	for (size_t i = 0; i < sizeof(block); i++)
		assert_int_equal(block[i], 0);
	read_image(f, block, 1, 8192);
	assert_int_equal(block[0], 0x55);
}

static void ranges_are_zeroed_in_every_way(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_zeroed_by(f, VIRTIO_BLK_T_WRITE_ZEROES, 0);
	assert_zeroed_by(f, VIRTIO_BLK_T_WRITE_ZEROES,
			 VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	assert_zeroed_by(f, VIRTIO_BLK_T_DISCARD, 0);
	stop(f);
}

static void the_serial_is_that_of_the_command_line(void **state)
{
	struct fixture *f = *state;

	start(f);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_GET_ID, 0, 20, 1), 0);
	assert_string_equal(front_data(&f->front, 0, 0), "disk-7");
	stop(f);
}

static void a_read_only_disk_says_so_and_refuses_writes(void **state)
{
	struct fixture *f = *state;

	program_start(&f->program, "--queues", "2", "--read-only", NULL);
	front_open(&f->front, &f->program, 0);
	assert_true(f->front.features & UINT64_C(1) << VIRTIO_BLK_F_RO);
	assert_false(f->front.features & UINT64_C(1) << VIRTIO_BLK_F_DISCARD);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_OUT, 0, 512, 0),
			 VIRTIO_BLK_S_IOERR);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	stop(f);
}

static void full_queues_are_served_whole(void **state)
{
	struct fixture *f = *state;

	start(f);
	for (int round = 0; round < 20; round++) {
		front_fill(&f->front, 65536);
		front_drain(&f->front);
	}
	stop(f);
}

static void a_stopped_queue_has_finished_what_it_took(void **state)
{
	struct fixture *f = *state;
	uint32_t n, taken;

	start(f);
	n = front_fill(&f->front, 65536);
	taken = front_stop_queue(&f->front, 0);
	assert_true(taken <= n);
	for (uint32_t i = 0; i < taken; i++) {
		struct vio_driver_used used;

		assert_int_equal(vio_driver_pop(f->front.queues[0].driver, &used, 1),
				 1);
	}
	stop(f);
}

static void set_limit(const struct fixture *f, const char *line)
{
	int fd = open(f->program.control, O_WRONLY | O_CLOEXEC);

	assert_int_equal(write(fd, line, strlen(line)), strlen(line));
	close(fd);
}

/* At this rate the requests would take more than a minute. */
static void start_slowly(struct fixture *f)
{
	program_start(&f->program, "--queues", "2", "--limit", "ops=1,bytes=1M",
		      "--control", f->program.control, NULL);
	front_open(&f->front, &f->program, 0);
}

static void a_limit_lifted_wakes_those_that_wait(void **state)
{
	struct fixture *f = *state;

	start_slowly(f);
	front_fill(&f->front, 131072 - 4096);
	set_limit(f, "limit ops=0,bytes=0\n");
	front_drain(&f->front);
	stop(f);
}

/* The burst of a slow limit is 4 operations: the fifth has to wait. */
static void a_limit_makes_the_fifth_operation_wait(void **state)
{
	struct fixture *f = *state;
	struct vio_driver_used used;
	uint32_t written;
	uint8_t status;

	start_slowly(f);
	for (uint32_t slot = 0; slot < 5; slot++)
		front_submit(&f->front, 0, slot, VIRTIO_BLK_T_IN, 0, 512, 1);
	/* A flush is free, and behind them in the ring. */
	front_submit(&f->front, 0, 5, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	for (uint32_t i = 0; i < 5; i++)
		assert_int_not_equal(front_wait(&f->front, 0, &status, &written), 4);
	assert_int_equal(vio_driver_pop(f->front.queues[0].driver, &used, 1), 0);
	set_limit(f, "limit ops=0\n");
	assert_int_equal(front_wait(&f->front, 0, &status, &written), 4);
	stop(f);
}

static void a_limit_does_not_hold_up_the_stop_of_a_queue(void **state)
{
	struct fixture *f = *state;
	struct vio_driver_used used;
	uint32_t n, taken;

	start_slowly(f);
	n = front_fill(&f->front, 512);
	taken = front_stop_queue(&f->front, 0);
	assert_true(taken <= n);
	for (uint32_t i = 0; i < taken; i++)
		assert_int_equal(vio_driver_pop(f->front.queues[0].driver, &used, 1),
				 1);
	front_close(&f->front);
	assert_int_equal(program_stop(&f->program), 0);
}

/* The fifth waits, which tells that the device has taken it: see above. */
static void what_a_stop_let_through_is_paid_for_before_anything_new(void **state)
{
	struct fixture *f = *state;
	struct vio_driver_used used;
	uint32_t written;
	uint8_t status;

	start_slowly(f);
	for (uint32_t slot = 0; slot < QUEUE_SIZE / 3; slot++)
		front_submit(&f->front, 0, slot, VIRTIO_BLK_T_IN, 0, 512, 1);
	for (uint32_t i = 0; i < 4; i++)
		front_wait(&f->front, 0, &status, &written);
	assert_true(front_stop_queue(&f->front, 0) > 10);
	front_close(&f->front);
	front_open(&f->front, &f->program, 0);
	front_submit(&f->front, 0, 0, VIRTIO_BLK_T_FLUSH, 0, 0, 0);
	assert_int_equal(front_do(&f->front, 1, VIRTIO_BLK_T_FLUSH, 0, 0, 0), 0);
	assert_int_equal(vio_driver_pop(f->front.queues[0].driver, &used, 1), 0);
	set_limit(f, "limit ops=0,bytes=0\n");
	front_wait(&f->front, 0, &status, &written);
	assert_int_equal(status, VIRTIO_BLK_S_OK);
	stop(f);
}

static void a_limit_does_not_hold_up_the_end_of_the_program(void **state)
{
	struct fixture *f = *state;

	start_slowly(f);
	front_fill(&f->front, 512);
	assert_int_equal(program_stop(&f->program), 0);
	front_close(&f->front);
}

static void a_guest_that_leaves_while_it_waits_is_let_go(void **state)
{
	struct fixture *f = *state;

	start_slowly(f);
	front_fill(&f->front, 512);
	front_close(&f->front);
	set_limit(f, "limit ops=0\n");
	front_open(&f->front, &f->program, 0);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	stop(f);
}

static void a_bad_line_is_told_and_changes_nothing(void **state)
{
	struct fixture *f = *state;
	char said[512];

	start_slowly(f);
	set_limit(f, "limit bytes=fast\n");
	program_hear(&f->program, said, sizeof(said));
	assert_non_null(strstr(said, "bytes=fast"));
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	stop(f);
}

static void the_control_pipe_is_private_and_goes_with_the_program(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	start_slowly(f);
	assert_int_equal(lstat(f->program.control, &st), 0);
	assert_true(S_ISFIFO(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	stop(f);
	assert_int_equal(lstat(f->program.control, &st), -1);
}

static void the_socket_is_private_and_goes_with_the_program(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	start(f);
	assert_int_equal(lstat(f->program.socket, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	stop(f);
	assert_int_equal(lstat(f->program.socket, &st), -1);
}

static void a_stale_socket_is_replaced(void **state)
{
	struct fixture *f = *state;
	struct stat st;

	program_start(&f->program, NULL);
	kill(f->program.pid, SIGKILL);
	assert_int_equal(waitpid(f->program.pid, NULL, 0), f->program.pid);
	assert_int_equal(lstat(f->program.socket, &st), 0);
	start(f);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	stop(f);
}

static void a_socket_in_use_is_left_alone(void **state)
{
	struct fixture *f = *state;
	struct program other = f->program;
	char said[512];

	program_start(&f->program, "--read-only", "--queues", "2", NULL);
	other.out_fd = -1;
	assert_int_equal(program_fail(&other, said, sizeof(said), "--read-only", NULL),
			 1);
	assert_non_null(strstr(said, "another process listens"));
	close(other.out_fd);
	front_open(&f->front, &f->program, 0);
	stop(f);
}

static void what_is_no_socket_is_left_alone(void **state)
{
	struct fixture *f = *state;
	char said[512];
	struct stat st;
	int fd = open(f->program.socket, O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	close(fd);
	assert_int_equal(program_fail(&f->program, said, sizeof(said), NULL), 1);
	assert_non_null(strstr(said, "no socket"));
	assert_int_equal(lstat(f->program.socket, &st), 0);
}

static void an_image_has_one_writer(void **state)
{
	struct fixture *f = *state;
	struct program other = f->program;
	char said[512];

	program_start(&f->program, NULL);
	other.out_fd = -1;
	snprintf(other.socket, sizeof(other.socket), "%s/other", other.dir);
	assert_int_equal(program_fail(&other, said, sizeof(said), NULL), 1);
	assert_non_null(strstr(said, "in use by another program"));
	close(other.out_fd);
	assert_int_equal(program_stop(&f->program), 0);
}

static void it_stops_cleanly_while_a_guest_is_connected(void **state)
{
	struct fixture *f = *state;

	start(f);
	front_fill(&f->front, 65536);
	assert_int_equal(program_stop(&f->program), 0);
	front_close(&f->front);
}

static void with_once_it_ends_with_its_guest(void **state)
{
	struct fixture *f = *state;
	int status;

	program_start(&f->program, "--queues", "2", "--once", NULL);
	front_open(&f->front, &f->program, 0);
	front_close(&f->front);
	assert_int_equal(waitpid(f->program.pid, &status, 0), f->program.pid);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
	f->program.pid = -1;
}

static void unsealed_memory_is_refused_and_the_program_goes_on(void **state)
{
	struct fixture *f = *state;
	char said[512];

	program_start(&f->program, "--queues", "2", NULL);
	assert_int_equal(front_offer_unsealed(&f->front, &f->program), -1);
	program_hear(&f->program, said, sizeof(said));
	assert_non_null(strstr(said, "F_SEAL_SHRINK"));
	front_open(&f->front, &f->program, 0);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	front_close(&f->front);
}

static void unsealed_memory_is_taken_if_the_command_line_says_so(void **state)
{
	struct fixture *f = *state;

	program_start(&f->program, "--accept-unsealed", NULL);
	assert_int_equal(front_offer_unsealed(&f->front, &f->program), 0);
	assert_int_equal(program_stop(&f->program), 0);
}

/* One read takes one from it, which would leave a million million to go. */
static void a_kick_descriptor_that_stays_readable_keeps_no_thread_busy(void **state)
{
	struct fixture *f = *state;
	int fd = eventfd(0, EFD_CLOEXEC | EFD_SEMAPHORE);
	uint64_t before;

	start(f);
	front_replace_kick(&f->front, 0, fd);
	assert_int_equal(eventfd_write(fd, UINT64_C(1000000000000)), 0);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	before = program_cpu_ns(&f->program);
	/* Not for anything to happen: this is the time in which nothing may. */
	poll(NULL, 0, 200);
	assert_true(program_cpu_ns(&f->program) - before < 50000000);
	assert_int_equal(front_do(&f->front, 0, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	stop(f);
}

static void a_second_guest_comes_after_the_first(void **state)
{
	struct fixture *f = *state;

	start(f);
	front_close(&f->front);
	front_open(&f->front, &f->program, 0);
	assert_int_equal(front_do(&f->front, 1, VIRTIO_BLK_T_IN, 0, 512, 1), 0);
	stop(f);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(configuration_space_tells_the_image),
		TEST(a_read_brings_what_the_image_has),
		TEST(a_write_reaches_the_image_before_the_flush_is_done),
		TEST(a_driver_that_cannot_flush_can_write),
		TEST(ranges_are_zeroed_in_every_way),
		TEST(the_serial_is_that_of_the_command_line),
		TEST(a_read_only_disk_says_so_and_refuses_writes),
		TEST(full_queues_are_served_whole),
		TEST(a_stopped_queue_has_finished_what_it_took),
		TEST(a_limit_lifted_wakes_those_that_wait),
		TEST(a_limit_makes_the_fifth_operation_wait),
		TEST(a_limit_does_not_hold_up_the_stop_of_a_queue),
		TEST(what_a_stop_let_through_is_paid_for_before_anything_new),
		TEST(a_limit_does_not_hold_up_the_end_of_the_program),
		TEST(a_guest_that_leaves_while_it_waits_is_let_go),
		TEST(a_bad_line_is_told_and_changes_nothing),
		TEST(the_control_pipe_is_private_and_goes_with_the_program),
		TEST(the_socket_is_private_and_goes_with_the_program),
		TEST(a_stale_socket_is_replaced),
		TEST(a_socket_in_use_is_left_alone),
		TEST(what_is_no_socket_is_left_alone),
		TEST(an_image_has_one_writer),
		TEST(it_stops_cleanly_while_a_guest_is_connected),
		TEST(with_once_it_ends_with_its_guest),
		TEST(unsealed_memory_is_refused_and_the_program_goes_on),
		TEST(unsealed_memory_is_taken_if_the_command_line_says_so),
		TEST(a_kick_descriptor_that_stays_readable_keeps_no_thread_busy),
		TEST(a_second_guest_comes_after_the_first),
	};

	return cmocka_run_group_tests_name("vio-blk", tests, NULL, NULL);
}
