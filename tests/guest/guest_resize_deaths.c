/* SPDX-License-Identifier: MIT */
/*
 * A process that resizes is killed, at random or as soon as it is seen at the step
 * that was hit least. Another one recovers: the PF has one of the two numbers of VFs,
 * all of them can be claimed, and drivers, autoprobe and settings are those that the
 * kernel makes VFs with.
 *
 *   guest_resize_deaths NVME IGB   how many deaths on each PF
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "nvme_user.h"
#include "vf/journal.h"
#include "vfs.h"

#define HELD      2u
#define FEW       3u /* of VFs: it goes from one to the other and back */
#define MORE      4u
#define MS        1000000u
#define LEASES    "/run/libvio/vf"
#define SPAN_MS   2500 /* of one resize and a bit: what is random is within */
#define IGB_TIMES 3    /* as long takes the network card */

/* What it was at, by the journals and by the links of the VFs. */
enum step {
	STEP_BETWEEN, /* no resize is journalled */
	STEP_BEGUN,   /* journalled, and the VFs are as they were */
	STEP_CHANGING,
	STEP_RESUMING, /* the new number, and somebody is paused */
	STEP_ENDING,   /* nobody is paused any more */
	STEPS,
};

static const char *const step_names[STEPS] = {
	"between resizes", "begun", "changing", "resuming", "ending",
};

struct pf {
	const char *path;
	const char *name;
	const char *driver; /* that the kernel binds to its VFs */
	const char *autoprobe;
	uint8_t bus;
	int times;
};

static const struct pf pfs[] = {
	{ VFS_NVME, "0000:02:00.0", "", "0", 2, 1 },
	{ VFS_IGB, "0000:01:00.0", "igbvf", "1", 1, IGB_TIMES },
};

static const struct pf *pf; /* of this round */
static uint32_t rounds[2], hits[STEPS];
static uint32_t n_before; /* VFs when the present resize began, as far as is seen */
static unsigned int seed = 1;

/* In the process that dies. It fails no test: what it does is seen from outside. */
struct user {
	struct owner *owner;
	struct vio_iommu *iommu;
	struct vio_vf *vf;
	struct vio_vfio *vfio;
	uint32_t is_away;
};

static void closed(void *opaque, int result, const struct vio_error *err)
{
	(void)opaque;
	(void)err;
	if (result)
		_exit(2);
}

static void opened(void *opaque, int result, const struct vio_error *err)
{
	struct user *user = opaque;

	(void)err;
	if (result)
		_exit(3);
	user->is_away = 0;
}

static void pause_user(void *opaque, struct vio_vf *vf)
{
	struct user *user = opaque;

	(void)vf;
	user->is_away = 1;
	if (vio_vfio_close(user->vfio, closed, user, NULL))
		_exit(4);
}

static void resume_user(void *opaque, struct vio_vf *vf, int is_state_lost)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct user *user = opaque;

	(void)is_state_lost;
	params.iommu = user->iommu;
	if (vio_vfio_open(vf, &params, &user->vfio, opened, user, NULL))
		_exit(5);
}

static int open_user(struct user *user, struct owner *owner, struct vio_vf *vf)
{
	struct vio_pause_ops ops = VIO_PAUSE_OPS_INIT;
	int ret;

	user->owner = owner;
	user->vf = vf;
	ops.pause = pause_user;
	ops.resume = resume_user;
	ops.opaque = user;
	ret = vio_vf_set_pause(vf, &ops);
	if (!ret)
		ret = vio_iommu_open(owner->host, NULL, &user->iommu, NULL);
	return ret ? ret
		   : owner_open_function(owner, vf, user->iommu, NULL, NULL,
					 &user->vfio);
}

/* To more and back until it is killed. One VF is open, the other only claimed. */
static int resize_on_and_on(struct owner *mine, int fd)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vf *vfs[HELD];
	struct user user = { 0 };
	char byte = 0;
	int ret;

	config.fields = VIO_VF_MAC;
	memcpy(config.mac, (uint8_t[6]){ 2, 0, 0, 0, 3, 1 }, 6);
	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = pf->bus;
	request.n = HELD;
	request.config = pf->bus == 1 ? &config : NULL;
	params.flags = VIO_RESIZE_PAUSE_HELD;
	ret = owner_claim(mine, &request, vfs);
	if (!ret)
		ret = open_user(&user, mine, vfs[0]);
	if (ret || write(fd, &byte, 1) != 1)
		return 1;
	for (uint32_t i = 0; !ret; i++) {
		params.n_vfs = i & 1 ? FEW : MORE;
		ret = owner_resize(mine, &request.pf, &params, NULL);
		if (!ret)
			ret = owner_wait_zero(mine, &user.is_away);
	}
	return 1;
}

static uint32_t read_state(const char *name)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	struct vio_journal_record record;
	char path[64];
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), LEASES "/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return 0;
	n = pread(fd, file, sizeof(file), 0);
	close(fd);
	if (n < 0 || vio_journal_parse(file, (size_t)n, &record))
		return 0;
	return record.state;
}

static int is_any_paused(void)
{
	char name[32];

	for (uint32_t i = 0; i < HELD; i++) {
		if (pf->bus == 1)
			snprintf(name, sizeof(name), "0000:01:10.%u", 2 * i);
		else
			snprintf(name, sizeof(name), "0000:02:00.%u", 1 + i);
		if (read_state(name) == VIO_JOURNAL_PAUSED)
			return 1;
	}
	return 0;
}

static enum step find_step(void)
{
	const uint32_t n = vfs_count(pf->path);
	char name[32];

	snprintf(name, sizeof(name), "pf-%s", pf->name);
	if (read_state(name) != VIO_JOURNAL_RESIZING)
		return STEP_BETWEEN;
	if (n != FEW && n != MORE)
		return STEP_CHANGING;
	if (n == n_before)
		return STEP_BEGUN;
	return is_any_paused() ? STEP_RESUMING : STEP_ENDING;
}

static enum step find_rarest(void)
{
	enum step rarest = STEP_BEGUN;

	for (enum step step = STEP_BEGUN; step < STEPS; step++)
		if (hits[step] < hits[rarest])
			rarest = step;
	return rarest;
}

static void watch(void)
{
	char name[32];

	snprintf(name, sizeof(name), "pf-%s", pf->name);
	if (read_state(name) != VIO_JOURNAL_RESIZING)
		n_before = vfs_count(pf->path);
}

static void wait_moment(int aims)
{
	const uint64_t span_ns = (uint64_t)SPAN_MS * MS * (uint64_t)pf->times;
	const uint64_t end_ns =
		now_ns() + (aims ? 2 * span_ns : (uint64_t)rand_r(&seed) % span_ns);
	const enum step rarest = find_rarest();

	n_before = FEW;
	while (now_ns() < end_ns) {
		watch();
		if (aims && find_step() == rarest)
			return;
		poll(NULL, 0, aims ? 1 : 5);
	}
}

static void check_drivers(uint32_t n)
{
	struct function_state state;
	char name[32];

	for (uint32_t i = 0; i < n; i++) {
		if (pf->bus == 1)
			snprintf(name, sizeof(name), "0000:01:10.%u", 2 * i);
		else
			snprintf(name, sizeof(name), "0000:02:00.%u", 1 + i);
		function_read_state(name, &state);
		assert_string_equal(state.driver, pf->driver);
		assert_string_equal(state.driver_override, "");
		if (pf->bus == 1)
			assert_false(vfs_has_link(i, "02:00:00:00:03:01"));
	}
}

static void check_autoprobe(void)
{
	char path[128], text[8];

	snprintf(path, sizeof(path), "%s/sriov_drivers_autoprobe", pf->path);
	line_read(path, text, sizeof(text));
	assert_string_equal(text, pf->autoprobe);
}

static void check_claims(struct owner *owner, uint32_t n)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vfs[MORE];

	request.flags = VIO_VF_FROM_PF;
	request.pf.bus = pf->bus;
	request.n = n;
	if (owner_claim(owner, &request, vfs))
		fail_msg("claim: %s", owner->err.text);
	for (uint32_t i = 0; i < n; i++)
		if (owner_release(owner, vfs[i]))
			fail_msg("release: %s", owner->err.text);
}

static void recover(void)
{
	struct vio_vf_recovery recovery;
	struct owner owner;
	uint32_t n;

	assert_int_equal(owner_open(&owner, "guest_resize_deaths"), 0);
	if (owner_recover(&owner, &recovery))
		fail_msg("recover: %s", owner.err.text);
	assert_int_equal(recovery.n_failed + recovery.n_unknown + recovery.n_alive, 0);
	n = vfs_count(pf->path);
	if (n != FEW && n != MORE)
		fail_msg("%s has %u VFs", pf->name, n);
	check_drivers(n);
	check_autoprobe();
	check_claims(&owner, n);
	check_drivers(n);
	assert_int_equal(owner_close(&owner), 0);
}

static void set_number(uint32_t n)
{
	char command[160];

	if (vfs_count(pf->path) == n)
		return;
	snprintf(command, sizeof(command),
		 "cd %s && echo 0 >sriov_numvfs && echo %u >sriov_numvfs", pf->path, n);
	assert_int_equal(command_run(command), 0);
}

static void die_once(int aims)
{
	struct helper helper;

	set_number(FEW);
	helper = helper_create(resize_on_and_on);
	assert_true(helper_is_ready(&helper));
	wait_moment(aims);
	helper_kill(&helper);
	hits[find_step()]++;
	recover();
}

static void a_resize_that_dies_leaves_one_of_two_numbers(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2; i++)
		for (uint32_t round = 0; round < rounds[i]; round++) {
			pf = &pfs[i];
			die_once(round & 1);
		}
	for (uint32_t i = 0; i < STEPS; i++)
		print_message("killed %3u times at: %s\n", hits[i], step_names[i]);
}

static void deaths_reach_resizes_under_way(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (enum step step = STEP_BEGUN; step < STEPS; step++)
		n += hits[step];
	assert_true(n > 0);
}

static int set_up(void **state)
{
	(void)state;
	return nvme_pool_free() ||
	       command_run("modprobe -a igbvf vfio-pci vfio_iommu_type1 &&"
			   "echo 0 >" VFS_IGB "/sriov_numvfs &&"
			   "echo 0 >" VFS_NVME "/sriov_numvfs &&"
			   "mkdir -p /run && /bin/ip link set eth0 up &&"
			   "echo 0 >" VFS_NVME "/sriov_drivers_autoprobe");
}

static int tear_down(void **state)
{
	(void)state;
	return vfs_destroy();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_resize_that_dies_leaves_one_of_two_numbers),
		cmocka_unit_test(deaths_reach_resizes_under_way),
	};

	if (argc != 3)
		return 2;
	rounds[0] = (uint32_t)strtoul(argv[1], NULL, 10);
	rounds[1] = (uint32_t)strtoul(argv[2], NULL, 10);
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
