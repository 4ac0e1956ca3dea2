/* SPDX-License-Identifier: MIT */
/*
 * A lease in a jail, on the real kernel: a program of its own takes a lease over and
 * sends it back, under a filter made from doc/syscalls.md. Its inventory is a copy of
 * sysfs in a folder. For each call of the page's group there is a program that may not
 * make that one: it dies of it.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <vio/vf.h>

#include "fake/jail.h"
#include "fake/support.h"
#include "vf/lease.h"
#include "vf/op.h"

#define PF "0000:01:00.0"
#define VF "0000:01:10.0"

/* Of this program: /proc/self/exe would be a checker's that it may run under. */
static const char *own_path;

struct stage {
	char root[64];
	struct vio_ctx *ctx;
	struct vio_host *host;
	struct vio_vf *vf;
	int fds[2]; /* the other's is the second */
};

static void make_dir(const struct stage *s, const char *name)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/%s", s->root, name);
	assert_int_equal(mkdir(path, 0700), 0);
}

static void write_attr(const struct stage *s, const char *name, const char *text)
{
	char path[256];
	FILE *file;

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", s->root, name);
	file = fopen(path, "we");
	assert_non_null(file);
	fputs(text, file);
	assert_int_equal(fclose(file), 0);
}

static void make_link(const struct stage *s, const char *name, const char *target)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/bus/pci/devices/%s", s->root, name);
	assert_int_equal(symlink(target, path), 0);
}

static void make_tree(const struct stage *s)
{
	make_dir(s, "bus");
	make_dir(s, "bus/pci");
	make_dir(s, "bus/pci/devices");
	make_dir(s, "bus/pci/devices/" PF);
	make_dir(s, "bus/pci/devices/" VF);
	make_link(s, VF "/physfn", "../" PF);
	make_link(s, PF "/virtfn0", "../" VF);
	write_attr(s, VF "/class", "0x020000\n");
	write_attr(s, VF "/device", "0x10ca\n");
	write_attr(s, VF "/vendor", "0x8086\n");
}

static int open_host(const char *root, struct vio_ctx **ctx, struct vio_host **host)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_host_params host_params = VIO_HOST_PARAMS_INIT;
	int ret;

	params.flags = VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD;
	host_params.sysfs_root = root;
	host_params.run_dir = root;
	host_params.owner = "test";
	ret = vio_ctx_create(&params, ctx, NULL);
	return ret ? ret : vio_host_open(*ctx, &host_params, host, NULL);
}

/* As a claim leaves it. */
static void make_lease(struct stage *s)
{
	struct vio_journal_record record = {
		.sequence = 1,
		.generation = 1,
		.state = VIO_JOURNAL_HELD,
		.boot_id = "0d9e8f9c-0000-4000-8000-1234567890ab",
		.owner = "test",
		.before = VIO_VF_CONFIG_INIT,
		.set = VIO_VF_CONFIG_INIT,
	};
	struct vio_lease_file *lease;

	assert_int_equal(vio_pci_addr_parse(VF, &record.addr), 0);
	assert_int_equal(vio_pci_addr_parse(PF, &record.pf), 0);
	assert_int_equal(vio_lease_prepare(s->host), 0);
	assert_int_equal(vio_lease_open(s->host, &record.addr, &lease), 0);
	lease->record = record;
	vio_journal_print(&record, lease->bytes);
	assert_int_equal(pwrite(lease->fd, lease->bytes, VIO_JOURNAL_RECORD_BYTES,
				vio_journal_get_offset(1)),
			 VIO_JOURNAL_RECORD_BYTES);
	vio_lease_mark_saved(lease);
	assert_int_equal(vio_vf_create(s->host, lease, VIO_VF_HELD, &s->vf), 0);
}

static int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	strcpy(s->root, "/tmp/vio-jail-XXXXXX");
	assert_non_null(mkdtemp(s->root));
	make_tree(s);
	assert_int_equal(open_host(s->root, &s->ctx, &s->host), 0);
	*state = s;
	return 0;
}

static void remove_tree(const struct stage *s)
{
	static const char *const names[] = {
		"vf/" VF,
		"vf",
		"bus/pci/devices/" VF "/physfn",
		"bus/pci/devices/" PF "/virtfn0",
		"bus/pci/devices/" VF "/class",
		"bus/pci/devices/" VF "/device",
		"bus/pci/devices/" VF "/vendor",
		"bus/pci/devices/" VF,
		"bus/pci/devices/" PF,
		"bus/pci/devices",
		"bus/pci",
		"bus",
		"",
	};
	char path[256];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", s->root, names[i]);
		assert_int_equal(remove(path), 0);
	}
}

static int teardown(void **state)
{
	struct stage *s = *state;

	assert_int_equal(vio_host_close(s->host, NULL), 0);
	assert_int_equal(vio_ctx_destroy(s->ctx, NULL), 0);
	remove_tree(s);
	free(s);
	return 0;
}

/* In the jailed program: which of its steps failed; 0: none. */
static int run_jailed(const char *root, int fd, const struct page_row *left_out)
{
	static const long own[] = { __NR_exit_group, -1 };
	struct vio_host *host;
	struct vio_ctx *ctx;
	struct vio_vf *vf;

	if (open_host(root, &ctx, &host))
		return 1;
	if (jail_enter(own, left_out))
		return 2;
	if (vio_vf_attach(host, fd, &vf, NULL))
		return 3;
	if (vio_vf_detach(vf, fd, NULL))
		return 4;
	if (vio_host_close(host, NULL))
		return 5;
	return vio_ctx_destroy(ctx, NULL) ? 6 : 0;
}

static pid_t start_jailed(const struct stage *s, const struct page_row *left_out)
{
	char fd[16], row[24] = "-1";
	const pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid)
		return pid;
	if (left_out)
		snprintf(row, sizeof(row), "%td", left_out - page_rows);
	snprintf(fd, sizeof(fd), "%d", s->fds[1]);
	fcntl(s->fds[1], F_SETFD, 0);
	execl(own_path, own_path, s->root, fd, row, NULL);
	_exit(127);
}

/* There and, if the jailed program lives, back; how that ended. */
static int send_and_wait(struct stage *s, const struct page_row *left_out)
{
	int status = -1;
	pid_t pid;

	make_lease(s);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s->fds),
			 0);
	pid = start_jailed(s, left_out);
	assert_int_equal(vio_vf_detach(s->vf, s->fds[0], NULL), 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	close(s->fds[1]);
	return status;
}

static void a_lease_goes_into_the_jail_and_comes_back(void **state)
{
	struct stage *s = *state;

	assert_int_equal(send_and_wait(s, NULL), 0);
	assert_int_equal(vio_vf_attach(s->host, s->fds[0], &s->vf, NULL), 0);
	vio_vf_destroy(s->vf);
	close(s->fds[0]);
}

static void whoever_may_not_make_one_of_the_calls_is_killed(void **state)
{
	struct stage *s = *state;
	int n = 0;

	for (const struct page_row *row = page_rows; row->call; row++) {
		int status;

		if (strcmp(row->group, "handover") != 0)
			continue;
		status = send_and_wait(s, row);
		close(s->fds[0]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("without %s: status 0x%x, not killed", row->call,
				 status);
		n++;
	}
	assert_true(n > 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lease_goes_into_the_jail_and_comes_back),
		TEST(whoever_may_not_make_one_of_the_calls_is_killed),
	};

	if (argc == 4) {
		const long row = strtol(argv[3], NULL, 10);

		_exit(run_jailed(argv[1], (int)strtol(argv[2], NULL, 10),
				 row < 0 ? NULL : &page_rows[row]));
	}
	own_path = argv[0];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
