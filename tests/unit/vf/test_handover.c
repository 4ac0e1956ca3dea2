/* SPDX-License-Identifier: MIT */
/*
 * Leases from one process to another: never without an owner on the way, and never
 * taken from somebody who has none to give.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "scene.h"
#include "vf/journal.h"

#define MESSAGE_BYTES (8 + VIO_JOURNAL_RECORD_BYTES)

struct stage {
	struct scene scene;
	struct process broker;
	struct process jailed;
	struct vio_vf *vf;
	struct vio_error err;
	int sockets[2];
	char path[128];
	uint8_t message[MESSAGE_BYTES + 1];
};

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->broker, &s->scene);
	process_start(&s->jailed, &s->scene);
	s->err = (struct vio_error)VIO_ERROR_INIT;
	assert_int_equal(process_claim(&s->broker, &s->vf), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->sockets), 0);
	snprintf(s->path, sizeof(s->path), "%s/vf/0000:01:10.0", s->scene.run_dir);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct stage *s = *state;

	close(s->sockets[0]);
	close(s->sockets[1]);
	process_end(&s->broker);
	process_end(&s->jailed);
	scene_verify_before(&s->scene);
	scene_destroy(&s->scene);
	free(s);
	return 0;
}

static int release(struct stage *s, struct process *p)
{
	return process_wait(p, vio_vf_release(s->vf, process_done, p, &s->err));
}

/* The message that a detach makes, taken from the socket, and its descriptor. */
static int intercept(struct stage *s)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { s->message, sizeof(s->message) };
	struct msghdr message = { .msg_iov = &iov,
				  .msg_iovlen = 1,
				  .msg_control = control.bytes,
				  .msg_controllen = sizeof(control.bytes) };
	int fd;

	assert_int_equal(vio_vf_detach(s->vf, s->sockets[0], &s->err), 0);
	assert_int_equal(recvmsg(s->sockets[1], &message, 0), MESSAGE_BYTES);
	memcpy(&fd, CMSG_DATA(&control.head), sizeof(fd));
	return fd;
}

static void send_it(struct stage *s, size_t n, const int *fds, size_t n_fds)
{
	char control[CMSG_SPACE(32 * sizeof(int))] __attribute__((aligned(8))) = { 0 };
	struct iovec iov = { s->message, n };
	struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *head = (struct cmsghdr *)(void *)control;

	if (n_fds) {
		message.msg_control = control;
		message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
		head->cmsg_level = SOL_SOCKET;
		head->cmsg_type = SCM_RIGHTS;
		head->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
		memcpy(CMSG_DATA(head), fds, n_fds * sizeof(int));
	}
	assert_int_equal(sendmsg(s->sockets[0], &message, 0), (ssize_t)n);
}

static int attach(struct stage *s)
{
	return vio_vf_attach(s->jailed.host, s->sockets[1], &s->vf, &s->err);
}

/* Refused, and no descriptor of the message is left. */
static void expect_refusal(struct stage *s)
{
	const unsigned int n = vio_test_count_fds();

	s->vf = (void *)(uintptr_t)0x5a;
	assert_int_equal(attach(s), -EBADMSG);
	assert_ptr_equal(s->vf, (void *)(uintptr_t)0x5a);
	assert_int_equal(vio_test_count_fds(), n);
}

/* What was claimed goes back: with the true message, then a release. */
static void end_well(struct stage *s, int fd)
{
	send_it(s, MESSAGE_BYTES, &fd, 1);
	close(fd);
	assert_int_equal(attach(s), 0);
	assert_int_equal(release(s, &s->jailed), 0);
}

static void a_lease_goes_to_another_process_and_is_released_there(void **state)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	struct stage *s = *state;

	assert_int_equal(vio_vf_detach(s->vf, s->sockets[0], &s->err), 0);
	assert_int_equal(attach(s), 0);
	assert_int_equal(vio_vf_read_info(s->vf, &info), 0);
	assert_int_equal(info.state, VIO_VF_HELD);
	assert_int_equal(info.generation, 1);
	assert_string_equal(info.owner, "test");
	assert_int_equal(release(s, &s->jailed), 0);
}

static void a_lease_on_its_way_is_nobody_elses(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct stage *s = *state;

	assert_int_equal(vio_vf_detach(s->vf, s->sockets[0], &s->err), 0);
	assert_int_equal(
		process_wait(&s->broker,
			     vio_host_recover(s->broker.host, &recovery, process_done,
					      &s->broker, &s->err)),
		0);
	assert_int_equal(recovery.n_alive, 1);
	assert_int_equal(attach(s), 0);
	assert_int_equal(release(s, &s->jailed), 0);
}

static void a_lease_lost_on_its_way_is_recovered(void **state)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct stage *s = *state;

	assert_int_equal(vio_vf_detach(s->vf, s->sockets[0], &s->err), 0);
	close(s->sockets[1]);
	close(s->sockets[0]);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, s->sockets), 0);
	assert_int_equal(
		process_wait(&s->jailed,
			     vio_host_recover(s->jailed.host, &recovery, process_done,
					      &s->jailed, &s->err)),
		0);
	assert_int_equal(recovery.n_undone, 1);
}

static void a_lease_that_cannot_be_sent_stays(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_vf_detach(s->vf, -1, &s->err), -EBADF);
	assert_int_equal(release(s, &s->broker), 0);
}

static void a_lease_in_use_is_not_sent(void **state)
{
	struct stage *s = *state;
	const int ret = vio_vf_reset(s->vf, process_done, &s->broker, &s->err);

	assert_int_equal(vio_vf_detach(s->vf, s->sockets[0], &s->err), -EBUSY);
	assert_int_equal(process_wait(&s->broker, ret), 0);
	assert_int_equal(release(s, &s->broker), 0);
}

static void a_message_without_a_descriptor_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);

	send_it(s, MESSAGE_BYTES, NULL, 0);
	expect_refusal(s);
	end_well(s, fd);
}

static void a_message_with_too_many_descriptors_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);
	int fds[32];

	for (size_t i = 0; i < 32; i++)
		fds[i] = fd;
	send_it(s, MESSAGE_BYTES, fds, 2);
	expect_refusal(s);
	send_it(s, MESSAGE_BYTES, fds, 32);
	expect_refusal(s);
	end_well(s, fd);
}

static void a_short_message_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);

	send_it(s, MESSAGE_BYTES - 1, &fd, 1);
	expect_refusal(s);
	end_well(s, fd);
}

static void a_long_message_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);

	send_it(s, MESSAGE_BYTES + 1, &fd, 1);
	expect_refusal(s);
	end_well(s, fd);
}

static void a_changed_message_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);

	for (size_t at = 0; at < MESSAGE_BYTES; at += 7) {
		s->message[at] ^= 1;
		send_it(s, MESSAGE_BYTES, &fd, 1);
		expect_refusal(s);
		s->message[at] ^= 1;
	}
	end_well(s, fd);
}

static void a_descriptor_of_something_else_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);
	const int null = open("/dev/null", O_RDWR);

	send_it(s, MESSAGE_BYTES, &null, 1);
	expect_refusal(s);
	send_it(s, MESSAGE_BYTES, &s->sockets[0], 1);
	expect_refusal(s);
	close(null);
	end_well(s, fd);
}

/* Sound in itself, but it is not the file that everybody else locks. */
static void a_copy_of_a_lease_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);
	const int copy = memfd_create("lease", MFD_CLOEXEC);
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	const ssize_t n = pread(fd, file, sizeof(file), 0);

	assert_true(n > 0);
	assert_int_equal(pwrite(copy, file, (size_t)n, 0), n);
	send_it(s, MESSAGE_BYTES, &copy, 1);
	expect_refusal(s);
	close(copy);
	end_well(s, fd);
}

/* Opened anew: it does not have the lock, its holder does. */
static void a_lease_without_its_lock_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);
	const int other = open(s->path, O_RDWR | O_CLOEXEC);

	assert_true(other >= 0);
	send_it(s, MESSAGE_BYTES, &other, 1);
	expect_refusal(s);
	close(other);
	end_well(s, fd);
}

static void a_lease_that_can_only_be_read_is_refused(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);
	const int other = open(s->path, O_RDONLY | O_CLOEXEC);

	assert_true(other >= 0);
	send_it(s, MESSAGE_BYTES, &other, 1);
	expect_refusal(s);
	close(other);
	end_well(s, fd);
}

/* The file and the message agree, and both say that its holder is not done. */
static void a_lease_in_the_middle_of_an_operation_is_refused(void **state)
{
	struct vio_journal_record record;
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	uint8_t right[MESSAGE_BYTES];
	struct stage *s = *state;
	const int fd = intercept(s);
	const ssize_t n = pread(fd, file, sizeof(file), 0);
	uint8_t *bytes = s->message + 8;

	memcpy(right, s->message, sizeof(right));
	assert_int_equal(n, sizeof(file));
	assert_int_equal(vio_journal_parse_record(bytes, &record), 0);
	record.state = VIO_JOURNAL_CONFIGURING;
	record.sequence++;
	vio_journal_print(&record, bytes);
	assert_int_equal(pwrite(fd, bytes, VIO_JOURNAL_RECORD_BYTES,
				vio_journal_get_offset(record.sequence)),
			 VIO_JOURNAL_RECORD_BYTES);
	send_it(s, MESSAGE_BYTES, &fd, 1);
	expect_refusal(s);
	assert_int_equal(pwrite(fd, file, (size_t)n, 0), n);
	memcpy(s->message, right, sizeof(right));
	end_well(s, fd);
}

/* A socket may be set to say who sends: that is no descriptor. */
static void credentials_beside_the_lease_are_passed_by(void **state)
{
	struct stage *s = *state;
	const int fd = intercept(s);
	const int on = 1;

	assert_int_equal(
		setsockopt(s->sockets[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)), 0);
	send_it(s, MESSAGE_BYTES, NULL, 0);
	expect_refusal(s);
	end_well(s, fd);
}

static void an_old_message_is_refused(void **state)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	uint8_t old[MESSAGE_BYTES];
	struct stage *s = *state;
	int fd = intercept(s);

	memcpy(old, s->message, sizeof(old));
	send_it(s, MESSAGE_BYTES, &fd, 1);
	close(fd);
	assert_int_equal(attach(s), 0);
	config.fields = VIO_VF_TRUST;
	config.trust = 1;
	assert_int_equal(
		process_wait(&s->jailed,
			     vio_vf_configure(s->vf, &config, NULL, process_done,
					      &s->jailed, &s->err)),
		0);
	fd = intercept(s);
	memcpy(s->message, old, sizeof(old));
	send_it(s, MESSAGE_BYTES, &fd, 1);
	expect_refusal(s);
	/* The rest of what was intercepted is gone: who holds it has died. */
	close(fd);
	assert_int_equal(
		process_wait(
			&s->jailed,
			vio_host_recover(s->jailed.host,
					 &(struct vio_vf_recovery)VIO_VF_RECOVERY_INIT,
					 process_done, &s->jailed, &s->err)),
		0);
}

static void a_function_that_has_gone_is_not_taken_over(void **state)
{
	struct stage *s = *state;
	const unsigned int n = vio_test_count_fds();

	assert_int_equal(vio_vf_detach(s->vf, s->sockets[0], &s->err), 0);
	vio_fake_pci_remove(s->scene.vf[0]);
	vio_fake_pci_print(&s->scene.pci, s->scene.before);
	assert_int_equal(attach(s), -ENODEV);
	assert_int_equal(vio_test_count_fds(), n - 1);
}

static void a_closed_socket_is_refused(void **state)
{
	struct stage *s = *state;

	assert_int_equal(release(s, &s->broker), 0);
	assert_int_equal(shutdown(s->sockets[0], SHUT_RDWR), 0);
	expect_refusal(s);
	assert_int_equal(vio_vf_attach(s->jailed.host, -1, &s->vf, &s->err), -EBADF);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_goes_to_another_process_and_is_released_there),
		TEST(a_lease_on_its_way_is_nobody_elses),
		TEST(a_lease_lost_on_its_way_is_recovered),
		TEST(a_lease_that_cannot_be_sent_stays),
		TEST(a_lease_in_use_is_not_sent),
		TEST(a_message_without_a_descriptor_is_refused),
		TEST(a_message_with_too_many_descriptors_is_refused),
		TEST(a_short_message_is_refused),
		TEST(a_long_message_is_refused),
		TEST(a_changed_message_is_refused),
		TEST(a_descriptor_of_something_else_is_refused),
		TEST(a_copy_of_a_lease_is_refused),
		TEST(a_lease_without_its_lock_is_refused),
		TEST(a_lease_that_can_only_be_read_is_refused),
		TEST(a_lease_in_the_middle_of_an_operation_is_refused),
		TEST(credentials_beside_the_lease_are_passed_by),
		TEST(an_old_message_is_refused),
		TEST(a_function_that_has_gone_is_not_taken_over),
		TEST(a_closed_socket_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
