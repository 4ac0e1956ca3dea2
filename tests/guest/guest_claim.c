/* SPDX-License-Identifier: MIT */
/*
 * Claims for real, through the public interface: what a claim sets is read back from
 * the kernel by other means, and what a release or a recovery leaves is compared
 * with what was there before. Other holders are processes that are forked before
 * this one has a host, so that they share no descriptor.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "vfs.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */
#define LEASE   "/run/libvio/vf/0000:01:10.0"

static struct owner owner;

static const struct vio_vf_config config = {
	.size = sizeof(struct vio_vf_config),
	.fields = VIO_VF_MAC | VIO_VF_VLAN,
	.mac = { 2, 0, 0, 0, 0, 0xb1 },
	.vlan = 101,
};
#define MAC_TEXT  "\"address\":\"02:00:00:00:00:b1\""
#define VLAN_TEXT "\"vlan\":101"

static struct vio_vf_request request_of(uint8_t bus, uint32_t n)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;

	request.flags = bus ? VIO_VF_FROM_PF : 0;
	request.pf.bus = bus;
	request.n = n;
	return request;
}

static struct vio_vf_info info_of(const struct vio_vf *vf)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	return info;
}

static void claim(const struct vio_vf_request *request, struct vio_vf **out)
{
	if (owner_claim(&owner, request, out))
		fail_msg("claim: %s", owner.err.text);
}

static void release(struct vio_vf *vf)
{
	if (owner_release(&owner, vf))
		fail_msg("release: %s", owner.err.text);
}

static void assert_driver(uint32_t vf, const char *driver)
{
	struct function_state now;

	function_read_state(vfs_names[vf], &now);
	assert_string_equal(now.driver, driver);
	assert_string_equal(now.driver_override, driver);
}

static int open_owner(void **state)
{
	(void)state;
	return owner_open(&owner, "guest_claim");
}

static int close_owner(void **state)
{
	(void)state;
	return owner_close(&owner);
}

static void a_claim_binds_and_configures_and_a_release_puts_back(void **state)
{
	struct vio_vf_request request = request_of(1, 1);
	struct vio_vf *vf;

	(void)state;
	request.config = &config;
	claim(&request, &vf);
	assert_int_equal(info_of(vf).state, VIO_VF_HELD);
	assert_driver(info_of(vf).vf_index, "vfio-pci");
	assert_true(vfs_has_link(info_of(vf).vf_index, MAC_TEXT));
	assert_true(vfs_has_link(info_of(vf).vf_index, VLAN_TEXT));
	release(vf);
	vfs_assert_as_before();
}

static void a_claim_without_a_driver_leaves_it_unbound(void **state)
{
	struct vio_vf_request request = request_of(1, 1);
	struct function_state now;
	struct vio_vf *vf;

	(void)state;
	request.driver = "";
	claim(&request, &vf);
	function_read_state(vfs_names[info_of(vf).vf_index], &now);
	assert_string_equal(now.driver, "");
	release(vf);
	vfs_assert_as_before();
}

/* It gives way to the reset that a release makes, and comes back after it. */
static void a_driver_that_was_bound_already_stays_and_comes_back(void **state)
{
	struct vio_vf_request request = request_of(1, 1);
	struct function_state now;
	struct vio_vf *vf;

	(void)state;
	request.driver = "igbvf";
	claim(&request, &vf);
	assert_int_equal(info_of(vf).vf_index, 0);
	function_read_state(vfs_names[0], &now);
	assert_string_equal(now.driver, "igbvf");
	release(vf);
	vfs_assert_as_before();
}

static void all_are_claimed_at_once_and_one_more_is_refused(void **state)
{
	struct vio_vf_request request = request_of(0, VFS + 1);
	struct vio_vf *vfs[VFS + 1];

	(void)state;
	assert_int_equal(owner_claim(&owner, &request, vfs), -ENOSPC);
	vfs_assert_as_before();
	request.n = VFS;
	claim(&request, vfs);
	for (uint32_t i = 0; i < VFS; i++)
		assert_driver(i, "vfio-pci");
	for (uint32_t i = 0; i < VFS; i++)
		release(vfs[i]);
	vfs_assert_as_before();
}

/* The NVMe controller has no VLAN: what was done on the network VFs is undone. */
static void one_that_cannot_be_configured_undoes_the_others(void **state)
{
	struct vio_vf_request request = request_of(0, VFS);
	struct vio_vf *vfs[VFS];

	(void)state;
	request.config = &config;
	assert_int_equal(owner_claim(&owner, &request, vfs), -EOPNOTSUPP);
	vfs_assert_as_before();
}

static void count_by_pf(struct vio_vf *const *vfs, uint32_t n, uint32_t *out)
{
	out[0] = out[1] = 0;
	for (uint32_t i = 0; i < n; i++)
		out[info_of(vfs[i]).pf.bus - 1]++;
}

static void policies_choose_among_the_pfs(void **state)
{
	struct vio_vf_request request = request_of(0, 2);
	struct vio_vf *vfs[4];
	uint32_t n[2];

	(void)state;
	request.policy = VIO_VF_SPREAD;
	request.flags = VIO_VF_APART | VIO_VF_NEED_ISOLATED | VIO_VF_NEED_FLR;
	claim(&request, vfs);
	count_by_pf(vfs, 2, n);
	assert_int_equal(n[0], 1);
	assert_int_equal(n[1], 1);
	release(vfs[1]);
	/* One PF has two left and the other three. */
	request.flags = 0;
	request.policy = VIO_VF_PACK;
	claim(&request, vfs + 1);
	count_by_pf(vfs, 3, n);
	assert_true(n[0] == 3 || n[1] == 3);
	for (uint32_t i = 0; i < 3; i++)
		release(vfs[i]);
	vfs_assert_as_before();
}

static int64_t
prefer_last(void *opaque, const struct vio_pci_info *vf, const struct vio_pci_info *pf)
{
	(void)opaque;
	return pf->addr.bus == 2 ? (int64_t)vf->vf_index : -1;
}

static void a_score_overrides_the_policy(void **state)
{
	struct vio_vf_request request = request_of(0, 1);
	struct vio_vf *vf;

	(void)state;
	request.score = prefer_last;
	claim(&request, &vf);
	assert_int_equal(info_of(vf).addr.bus, 2);
	assert_int_equal(info_of(vf).vf_index, 2);
	release(vf);
}

static void a_generation_is_never_used_twice(void **state)
{
	const struct vio_vf_request request = request_of(1, VFS_NETWORK);
	uint64_t generations[VFS_NETWORK];
	struct vio_vf *vfs[VFS_NETWORK];

	(void)state;
	for (int round = 0; round < 2; round++) {
		claim(&request, vfs);
		for (uint32_t i = 0; i < VFS_NETWORK; i++) {
			const uint64_t now = info_of(vfs[i]).generation;

			assert_true(!round || now == generations[i] + 1);
			generations[i] = now;
			release(vfs[i]);
		}
	}
}

/* The file of the lease is taken away and the function claimed anew behind it. */
static void a_late_release_does_nothing_to_the_next_owner(void **state)
{
	struct vio_vf_request request = request_of(1, VFS_NETWORK);
	struct vio_vf *vfs[VFS_NETWORK], *next;

	(void)state;
	claim(&request, vfs);
	assert_int_equal(info_of(vfs[0]).vf_index, 0);
	assert_int_equal(unlink(LEASE), 0);
	request.n = 1;
	request.config = &config;
	claim(&request, &next);
	assert_int_equal(info_of(next).vf_index, 0);
	assert_int_equal(owner_release(&owner, vfs[0]), -ESTALE);
	assert_driver(0, "vfio-pci");
	assert_true(vfs_has_link(0, MAC_TEXT));
	release(next);
	release(vfs[1]);
	release(vfs[2]);
	/* The next owner found vfio-pci, and it is there again. */
	assert_driver(0, "vfio-pci");
	assert_int_equal(command_run("cd /sys/bus/pci/devices/0000:01:10.0 &&"
				     "echo 0000:01:10.0 >driver/unbind &&"
				     "echo igbvf >driver_override &&"
				     "echo 0000:01:10.0 >/sys/bus/pci/drivers_probe &&"
				     "echo >driver_override"),
			 0);
	vfs_assert_as_before();
}

/* Claims what there is of the network card, and holds it for as long as it lives. */
static int claim_and_wait(struct owner *mine, int fd)
{
	struct vio_vf_request request = request_of(1, 1);
	struct vio_vf *vfs[VFS_NETWORK];
	char byte = 0;

	request.config = &config;
	request.tag = "held";
	for (uint32_t i = 0; i < VFS_NETWORK; i++)
		if (owner_claim(mine, &request, &vfs[i]))
			return 1;
	return write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1;
}

struct leases {
	uint32_t n_alive, n_dead;
	pid_t pid;
};

static int count_lease(void *opaque, const struct vio_vf_info *info)
{
	struct leases *leases = opaque;

	if (info->is_alive)
		leases->n_alive++;
	else
		leases->n_dead++;
	leases->pid = info->pid;
	return 0;
}

static struct leases count_leases(void)
{
	struct leases leases = { 0 };

	assert_int_equal(vio_host_foreach_lease(owner.host, count_lease, &leases, NULL),
			 0);
	return leases;
}

static void a_killed_holder_is_recovered_by_another_process(void **state)
{
	struct vio_vf_request request = request_of(1, 1);
	struct helper helper = helper_create(claim_and_wait);
	struct vio_vf_recovery recovery;
	struct vio_vf *vf;

	(void)state;
	assert_true(helper_is_ready(&helper));
	assert_int_equal(open_owner(NULL), 0);
	assert_int_equal(count_leases().n_alive, VFS_NETWORK);
	assert_int_equal(count_leases().pid, helper.pid);
	assert_int_equal(owner_claim(&owner, &request, &vf), -EBUSY);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_alive, VFS_NETWORK);
	assert_int_equal(recovery.n_undone, 0);
	assert_driver(0, "vfio-pci");
	helper_kill(&helper);
	assert_int_equal(count_leases().n_dead, VFS_NETWORK);
	assert_int_equal(owner_claim(&owner, &request, &vf), -ESTALE);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_undone, VFS_NETWORK);
	assert_int_equal(recovery.n_failed + recovery.n_unknown, 0);
	vfs_assert_as_before();
	assert_int_equal(close_owner(NULL), 0);
}

static int claim_and_detach(struct owner *mine, int fd)
{
	struct vio_vf_request request = request_of(1, 1);
	struct vio_vf *vf;
	char byte = 0;

	request.config = &config;
	if (owner_claim(mine, &request, &vf) || vio_vf_detach(vf, fd, NULL) ||
	    owner_close(mine))
		return 1;
	return write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1;
}

static void a_lease_outlives_its_claimant_with_who_attached_it(void **state)
{
	struct helper helper = helper_create(claim_and_detach);
	struct pollfd fd = { .fd = helper.fd, .events = POLLIN };
	struct vio_vf_recovery recovery;
	struct vio_vf *vf;

	(void)state;
	assert_int_equal(open_owner(NULL), 0);
	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	assert_int_equal(vio_vf_attach(owner.host, helper.fd, &vf, &owner.err), 0);
	assert_true(helper_is_ready(&helper));
	helper_kill(&helper);
	assert_int_equal(count_leases().n_alive, 1);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_undone, 0);
	assert_int_equal(info_of(vf).state, VIO_VF_HELD);
	assert_driver(info_of(vf).vf_index, "vfio-pci");
	assert_true(vfs_has_link(info_of(vf).vf_index, MAC_TEXT));
	assert_int_equal(owner_use(&owner, vf), 0);
	release(vf);
	vfs_assert_as_before();
	assert_int_equal(close_owner(NULL), 0);
}

/* A message that nobody took ends with its socket, its lease is then a dead one's. */
static void a_lease_that_nobody_attaches_is_recovered(void **state)
{
	struct helper helper = helper_create(claim_and_detach);
	struct pollfd fd = { .fd = helper.fd, .events = POLLIN };
	struct vio_vf_recovery recovery;

	(void)state;
	assert_int_equal(open_owner(NULL), 0);
	assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_alive, 1);
	helper_kill(&helper);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_undone, 1);
	vfs_assert_as_before();
	assert_int_equal(close_owner(NULL), 0);
}

#define WITH_OWNER(test) cmocka_unit_test_setup_teardown(test, open_owner, close_owner)

static int set_up(void **state)
{
	(void)state;
	return vfs_create();
}

static int tear_down(void **state)
{
	(void)state;
	return vfs_destroy();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OWNER(a_claim_binds_and_configures_and_a_release_puts_back),
		WITH_OWNER(a_claim_without_a_driver_leaves_it_unbound),
		WITH_OWNER(a_driver_that_was_bound_already_stays_and_comes_back),
		WITH_OWNER(all_are_claimed_at_once_and_one_more_is_refused),
		WITH_OWNER(one_that_cannot_be_configured_undoes_the_others),
		WITH_OWNER(policies_choose_among_the_pfs),
		WITH_OWNER(a_score_overrides_the_policy),
		WITH_OWNER(a_generation_is_never_used_twice),
		WITH_OWNER(a_late_release_does_nothing_to_the_next_owner),
		cmocka_unit_test(a_killed_holder_is_recovered_by_another_process),
		cmocka_unit_test(a_lease_outlives_its_claimant_with_who_attached_it),
		cmocka_unit_test(a_lease_that_nobody_attaches_is_recovered),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
