/* SPDX-License-Identifier: MIT */
/*
 * A broker and a jailed monitor. The broker has all rights: it claims an NVMe VF and
 * sends it over. The monitor has none: it is no superuser, and a filter made from
 * doc/syscalls.md kills it for any call that is not on the page. There the VF lives its
 * whole life: DMA and interrupts, a reset, being asked for and closed, going back.
 *
 * That the filter is one, and that nothing on the page is idle, is shown by monitors
 * that have a call less, each another: they die of it.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake/jail.h"
#include "guest.h"
#include "nvme_user.h"
#include "owner.h"
#include "vfs.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */
#define NOBODY  65534u
#define READY   'r' /* the monitor has used the VF, and waits to be asked for it */
#define BLOCKS  16u

/* What the monitor makes besides the library: its loop, its threads, its end. */
static const long own_calls[] = {
	__NR_poll,
	__NR_exit,
	__NR_exit_group,
	-1,
};

/* The monitor's side: in a program of its own, without the broker's memory. */

static void drop_rights(void)
{
	assert_int_equal(setgroups(0, NULL), 0);
	assert_int_equal(setresgid(NOBODY, NOBODY, NOBODY), 0);
	assert_int_equal(setresuid(NOBODY, NOBODY, NOBODY), 0);
	assert_int_equal(access("/sys/bus/pci/drivers_probe", W_OK), -1);
}

static void use_controller(struct vio_vfio *vfio, struct vio_iommu *iommu)
{
	struct nvme_user *nvme = nvme_user_open(vfio, iommu);
	struct nvme_identity identity;
	uint8_t *data = nvme_user_get_data(nvme);

	assert_int_equal(nvme_user_identify(nvme, &identity), 0);
	assert_string_equal(identity.serial, "vio");
	assert_int_equal(nvme_user_create_io(nvme), 0);
	memset(data, 0xaa, BLOCKS * NVME_BLOCK_BYTES);
	assert_int_equal(nvme_user_read(nvme, 0, BLOCKS), 0);
	for (uint32_t i = 0; i < BLOCKS * NVME_BLOCK_BYTES; i++)
		assert_int_equal(data[i], 0);
	/* Identify, two queues, the read. */
	assert_int_equal(nvme_user_get_interrupts(nvme), 4);
	nvme_user_close(nvme);
}

static void note_request(void *opaque, struct vio_vfio *vfio)
{
	(void)vfio;
	++*(uint32_t *)opaque;
}

static void use_function(struct owner *owner, struct vio_vf *vf, int fd)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;
	const char ready = READY;
	struct vio_iommu *iommu = NULL;
	struct vio_vfio *vfio = NULL;
	uint32_t n_requested = 0;

	assert_int_equal(vio_iommu_open(owner->host, &params, &iommu, &owner->err), 0);
	assert_int_equal(owner_open_function(owner, vf, iommu, note_request,
					     &n_requested, &vfio),
			 0);
	use_controller(vfio, iommu);
	assert_int_equal(owner_reset_function(owner, vfio), 0);
	use_controller(vfio, iommu);
	assert_int_equal(write(fd, &ready, 1), 1);
	assert_int_equal(owner_wait(owner, &n_requested), 0);
	assert_int_equal(owner_close_function(owner, vfio), 0);
	assert_int_equal(vio_iommu_close(iommu, NULL), 0);
}

/* An assertion that fails here ends the process: there is no runner. */
static int run_monitor(int fd, const struct page_row *left_out)
{
	struct owner owner;
	struct vio_vf *vf = NULL;

	drop_rights();
	assert_int_equal(owner_open_flags(&owner, "monitor", VIO_CTX_NO_URING), 0);
	assert_int_equal(jail_enter(own_calls, left_out), 0);
	assert_int_equal(vio_vf_attach(owner.host, fd, &vf, &owner.err), 0);
	use_function(&owner, vf, fd);
	assert_int_equal(vio_vf_detach(vf, fd, &owner.err), 0);
	assert_int_equal(owner_close(&owner), 0);
	return 0;
}

/* The broker's side. */

struct monitor {
	pid_t pid;
	int fd;
};

/* Begun before the broker has a context, so that it inherits none of it. */
static struct monitor start_monitor(const struct page_row *left_out)
{
	char fd[16], row[24] = "-1";
	struct monitor monitor;
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), 0);
	if (left_out)
		snprintf(row, sizeof(row), "%td", left_out - page_rows);
	snprintf(fd, sizeof(fd), "%d", fds[1]);
	monitor.fd = fds[0];
	monitor.pid = fork();
	assert_true(monitor.pid >= 0);
	if (!monitor.pid) {
		fcntl(fds[1], F_SETFD, 0);
		execl("/proc/self/exe", "guest_jail", "monitor", fd, row, NULL);
		_exit(127);
	}
	close(fds[1]);
	return monitor;
}

static struct vio_vf *claim(struct owner *owner)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vf = NULL;

	config.fields = VIO_VF_NVME;
	config.nvme_vq = 3;
	config.nvme_vi = 2;
	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = 2;
	request.config = &config;
	if (owner_claim(owner, &request, &vf))
		fail_msg("%s", owner->err.text);
	return vf;
}

/* 1: the monitor is ready; 0: it has ended. */
static int hear(const struct monitor *monitor)
{
	struct pollfd fd = { .fd = monitor->fd, .events = POLLIN };
	char word = 0;

	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	return read(monitor->fd, &word, 1) == 1 && word == READY;
}

/* Taking its driver away is what has the kernel ask for it; the writer waits. */
static pid_t start_unbinding(const char *name)
{
	const pid_t pid = fork();
	char command[128];

	assert_true(pid >= 0);
	if (pid)
		return pid;
	snprintf(command, sizeof(command),
		 "echo %s >/sys/bus/pci/drivers/vfio-pci/unbind", name);
	execl("/bin/sh", "sh", "-c", command, NULL);
	_exit(127);
}

static int wait_process(pid_t pid)
{
	int status = -1;

	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

/* There and, if the monitor lives to send it, back; how the monitor ended. */
static int send_and_wait(struct owner *owner, const struct monitor *monitor,
			 const char *name, struct vio_vf **out)
{
	const int ret = vio_vf_detach(*out, monitor->fd, &owner->err);
	pid_t unbinding;
	int status;

	/* One that may not hear has ended already: the VF has not left. */
	assert_true(!ret || ret == -EPIPE);
	if (ret)
		return wait_process(monitor->pid);
	*out = NULL;
	if (!hear(monitor))
		return wait_process(monitor->pid);
	unbinding = start_unbinding(name);
	if (vio_vf_attach(owner->host, monitor->fd, out, &owner->err))
		*out = NULL;
	status = wait_process(monitor->pid);
	assert_int_equal(wait_process(unbinding), 0);
	return status;
}

static void give_up_vf(struct owner *owner, struct vio_vf *vf)
{
	struct vio_vf_recovery recovery;

	if (vf) {
		assert_int_equal(owner_release(owner, vf), 0);
		return;
	}
	/* The monitor took the lease along; so it is a dead one's. */
	assert_int_equal(owner_recover(owner, &recovery), 0);
	assert_int_equal(recovery.n_undone, 1);
}

/* A whole life; how the monitor ended. *@came_back: the VF is the broker's again. */
static int live(const struct page_row *left_out, int *came_back)
{
	struct monitor monitor = start_monitor(left_out);
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_vf_info info = VIO_VF_INFO_INIT;
	struct function_state before, after;
	struct owner owner;
	struct vio_vf *vf;
	int status;

	function_read_state("0000:02:00.1", &before);
	assert_int_equal(owner_open(&owner, "broker"), 0);
	vf = claim(&owner);
	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	vio_pci_addr_print(&info.addr, name);
	assert_string_equal(name, "0000:02:00.1");
	assert_int_equal(command_run("chown 65534 /dev/vfio/[0-9]*"), 0);
	status = send_and_wait(&owner, &monitor, name, &vf);
	*came_back = !!vf;
	close(monitor.fd);
	give_up_vf(&owner, vf);
	assert_int_equal(owner_close(&owner), 0);
	function_read_state(name, &after);
	assert_string_equal(after.driver, before.driver);
	assert_string_equal(after.driver_override, before.driver_override);
	return status;
}

static void a_vf_lives_its_whole_life_within_the_filter(void **state)
{
	int came_back;

	(void)state;
	assert_int_equal(live(NULL, &came_back), 0);
	assert_int_equal(came_back, 1);
}

static void verify_needed(const struct page_row *row)
{
	int came_back;
	const int status = live(row, &came_back);

	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
		fail_msg("without %s (0x%x): status 0x%x, not killed", row->call,
			 row->request, status);
}

/*
 * Not those of iommufd, which this kernel lacks, nor of migration, which this function
 * has not, nor the time, which needs no call.
 */
static int is_needed_here(const struct page_row *row)
{
	return row->is_jail && strcmp(row->group, "libc") != 0 &&
	       strcmp(row->group, "migration") != 0 &&
	       strcmp(row->call, "clock_gettime") != 0 &&
	       !(row->has_request && row->request >= 0x3b76);
}

static void a_monitor_without_one_of_the_calls_is_killed(void **state)
{
	int n = 0;

	(void)state;
	for (const struct page_row *row = page_rows; row->call; row++)
		if (is_needed_here(row) && jail_find(row->call, row->request) == row) {
			verify_needed(row);
			n++;
		}
	print_message("%d calls, each needed\n", n);
	assert_true(n > 20);
}

static int set_up(void **state)
{
	(void)state;
	return command_run("modprobe -a vfio_iommu_type1 vfio-pci && mkdir -p /run") ||
	       nvme_pool_free() ||
	       command_run("cd " VFS_NVME " && echo 0 >sriov_drivers_autoprobe &&"
			   "echo 2 >sriov_numvfs");
}

static int tear_down(void **state)
{
	(void)state;
	return command_run("echo 0 >" VFS_NVME "/sriov_numvfs");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_vf_lives_its_whole_life_within_the_filter),
		cmocka_unit_test(a_monitor_without_one_of_the_calls_is_killed),
	};

	if (argc == 4 && !strcmp(argv[1], "monitor")) {
		const long row = strtol(argv[3], NULL, 10);

		_exit(run_monitor((int)strtol(argv[2], NULL, 10),
				  row < 0 ? NULL : &page_rows[row]));
	}
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
