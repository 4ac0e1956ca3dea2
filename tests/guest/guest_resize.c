/* SPDX-License-Identifier: MIT */
/*
 * Pausing, resuming and resizing for real: VFs of the emulated igb and NVMe that are
 * at work are taken away from below their users and given back. What they are is
 * read from the kernel by other means, and what they wrote from the disk.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "helper.h"
#include "holder.h"
#include "vfs.h"

#define NS_PER_MS UINT64_C(1000000)
#define VFS_FEW   3u

static const struct vio_pci_addr igb = { .bus = 1 };
static const struct vio_pci_addr nvme = { .bus = 2 };
static struct owner owner;
static struct holder holders[HOLDERS_MAX];

static struct vio_vf_info info_of(const struct vio_vf *vf)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	return info;
}

static struct vio_resize_params params_of(uint32_t flags, uint32_t n_vfs)
{
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;

	params.flags = flags;
	params.n_vfs = n_vfs;
	return params;
}

static void open_holders(uint8_t bus, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		holder_open(&holders[i], &owner, bus, i, 100 + i);
}

static void close_holders(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		holder_close(&holders[i]);
}

static void wait_holders(uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		holder_wait(&holders[i]);
}

/* All that PF has, with its holders at work again. */
static struct vio_resize_times
resize(const struct vio_pci_addr *pf, uint32_t n_vfs, uint32_t n_holders)
{
	const struct vio_resize_params params = params_of(VIO_RESIZE_PAUSE_HELD, n_vfs);
	struct vio_resize_times times = VIO_RESIZE_TIMES_INIT;

	if (owner_resize(&owner, pf, &params, &times))
		fail_msg("resize: %s", owner.err.text);
	wait_holders(n_holders);
	assert_int_equal(vfs_count(pf->bus == 1 ? VFS_IGB : VFS_NVME), n_vfs);
	return times;
}

static uint32_t count_vectors(const struct holder *holder)
{
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;

	assert_int_equal(vio_vfio_read_region(holder->vfio, VIO_VFIO_MSIX, &region), 0);
	return region.n_vectors;
}

static int open_owner(void **state)
{
	(void)state;
	memset(holders, 0, sizeof(holders));
	return owner_open(&owner, "guest_resize");
}

static int close_owner(void **state)
{
	const int ret = owner_close(&owner);

	(void)state;
	if (!ret)
		owner.ctx = NULL;
	return ret;
}

static void a_paused_vf_comes_back_as_it_was(void **state)
{
	char before[VFS_LINK_BYTES], after[VFS_LINK_BYTES];
	struct holder *holder = &holders[0];
	uint32_t n_vectors;

	(void)state;
	holder_open(holder, &owner, 1, 0, 100);
	n_vectors = count_vectors(holder);
	vfs_read_link(0, before);
	assert_non_null(strstr(before, "02:00:00:00:02:00"));
	assert_int_equal(owner_pause(&owner, holder->vf, 0), 0);
	assert_int_equal(info_of(holder->vf).state, VIO_VF_PAUSED);
	assert_null(holder->vfio);
	assert_int_equal(owner_resume(&owner, holder->vf, NULL), 0);
	holder_wait(holder);
	assert_int_equal(holder->n_lost, 1);
	vfs_read_link(0, after);
	assert_string_equal(after, before);
	assert_int_equal(count_vectors(holder), n_vectors);
	holder_close(holder);
}

/* The driver's number behind it: the rest of ip's text is its identity. */
static const char *identity_of(const char *link)
{
	return strchr(link, ',');
}

static void a_paused_vf_comes_back_as_another(void **state)
{
	char unclaimed[VFS_LINK_BYTES], before[VFS_LINK_BYTES], after[VFS_LINK_BYTES];
	struct holder *holder = &holders[0];
	struct vio_pci_addr to;

	(void)state;
	vfs_read_link(0, unclaimed);
	holder_open(holder, &owner, 1, 0, 100);
	vfs_read_link(0, before);
	assert_int_equal(vio_pci_addr_parse(vfs_names[2], &to), 0);
	assert_int_equal(owner_pause(&owner, holder->vf, 0), 0);
	assert_int_equal(owner_resume(&owner, holder->vf, &to), 0);
	holder_wait(holder);
	assert_int_equal(holder->n_lost, 1);
	assert_int_equal(info_of(holder->vf).vf_index, 2);
	vfs_read_link(2, after);
	assert_string_equal(identity_of(after), identity_of(before));
	/* The place that it left is free, and as it was before the claim. */
	vfs_read_link(0, after);
	assert_string_equal(after, unclaimed);
	holder_open(&holders[1], &owner, 1, 1, 100);
	assert_int_equal(info_of(holders[1].vf).vf_index, 0);
	close_holders(2);
}

static void a_vf_that_somebody_has_is_no_place_to_come_back_to(void **state)
{
	struct vio_pci_addr to;

	(void)state;
	open_holders(1, 2);
	to = info_of(holders[1].vf).addr;
	assert_int_equal(owner_pause(&owner, holders[0].vf, 0), 0);
	assert_int_equal(owner_resume(&owner, holders[0].vf, &to), -EBUSY);
	to = nvme;
	to.function = 1;
	assert_int_equal(owner_resume(&owner, holders[0].vf, &to), -EXDEV);
	assert_int_equal(owner_resume(&owner, holders[0].vf, NULL), 0);
	wait_holders(2);
	assert_int_equal(holders[1].n_paused, 0);
	close_holders(2);
}

static void a_resize_that_may_not_disturb_names_the_holder(void **state)
{
	const struct vio_resize_params params = params_of(VIO_RESIZE_FAIL_IF_HELD, 4);
	char name[64];

	(void)state;
	open_holders(1, 1);
	assert_int_equal(owner_resize(&owner, &igb, &params, NULL), -EBUSY);
	snprintf(name, sizeof(name), "%s: claimed by guest_resize (pid %d)",
		 vfs_names[0], (int)getpid());
	assert_string_equal(owner.err.text, name);
	assert_int_equal(vfs_count(VFS_IGB), VFS_FEW);
	assert_int_equal(holders[0].n_paused, 0);
	holder_work(&holders[0]);
	close_holders(1);
}

static void more_than_the_pf_makes_is_refused(void **state)
{
	const struct vio_resize_params params = params_of(VIO_RESIZE_PAUSE_HELD, 8);

	(void)state;
	open_holders(1, 1);
	assert_int_equal(owner_resize(&owner, &igb, &params, NULL), -ERANGE);
	assert_int_equal(vfs_count(VFS_IGB), VFS_FEW);
	assert_int_equal(holders[0].n_paused, 0);
	close_holders(1);
}

static void the_number_does_not_fall_below_a_holder(void **state)
{
	const struct vio_resize_params params = params_of(VIO_RESIZE_PAUSE_HELD, 1);

	(void)state;
	open_holders(1, 2);
	assert_int_equal(owner_resize(&owner, &igb, &params, NULL), -EBUSY);
	assert_non_null(strstr(owner.err.text, vfs_names[1]));
	assert_int_equal(vfs_count(VFS_IGB), VFS_FEW);
	assert_int_equal(holders[0].n_paused + holders[1].n_paused, 0);
	close_holders(2);
}

/* Holds one VF of the network card for as long as it lives. */
static int claim_and_wait(struct owner *mine, int fd)
{
	struct vio_vf_request request = VIO_VF_REQUEST_INIT;
	struct vio_vf *vf;
	char byte = 0;

	request.flags = VIO_VF_FROM_PF;
	request.pf = igb;
	if (owner_claim(mine, &request, &vf))
		return 1;
	return write(fd, &byte, 1) != 1 || read(fd, &byte, 1) != 1;
}

static void a_claim_of_another_process_is_respected_and_named(void **state)
{
	const struct vio_resize_params params = params_of(VIO_RESIZE_PAUSE_HELD, 4);
	struct helper helper = helper_create(claim_and_wait);
	struct vio_vf_recovery recovery;
	char name[64];

	assert_true(helper_is_ready(&helper));
	assert_int_equal(open_owner(state), 0);
	open_holders(1, 1);
	assert_int_equal(owner_resize(&owner, &igb, &params, NULL), -EBUSY);
	snprintf(name, sizeof(name), "%s: claimed by helper (pid %d)", vfs_names[0],
		 (int)helper.pid);
	assert_string_equal(owner.err.text, name);
	helper_kill(&helper);
	assert_int_equal(owner_resize(&owner, &igb, &params, NULL), -ESTALE);
	assert_int_equal(vfs_count(VFS_IGB), VFS_FEW);
	assert_int_equal(holders[0].n_paused, 0);
	assert_int_equal(owner_recover(&owner, &recovery), 0);
	assert_int_equal(recovery.n_undone, 1);
	close_holders(1);
	assert_int_equal(close_owner(state), 0);
}

static void a_holder_that_does_not_let_go_ends_the_resize(void **state)
{
	struct vio_resize_params params = params_of(VIO_RESIZE_PAUSE_HELD, 4);
	struct vio_resize_times times = VIO_RESIZE_TIMES_INIT;
	uint64_t begun_ns;

	(void)state;
	open_holders(1, 2);
	holders[1].is_stubborn = 1;
	params.timeout_ns = 1500 * NS_PER_MS;
	begun_ns = now_ns();
	assert_int_equal(owner_resize(&owner, &igb, &params, &times), -ETIMEDOUT);
	print_message("deadline of %u ms: ended after %u ms\n",
		      (unsigned int)(params.timeout_ns / NS_PER_MS),
		      (unsigned int)((now_ns() - begun_ns) / NS_PER_MS));
	assert_true(now_ns() - begun_ns >= params.timeout_ns);
	assert_true(now_ns() - begun_ns < 2 * params.timeout_ns);
	assert_non_null(strstr(owner.err.text, vfs_names[1]));
	assert_non_null(strstr(owner.err.text, "guest_resize"));
	wait_holders(2);
	assert_int_equal(vfs_count(VFS_IGB), VFS_FEW);
	/* One was closed, the other never. */
	assert_int_equal(holders[0].n_lost, 1);
	assert_int_equal(holders[1].n_resumed, 1);
	assert_int_equal(holders[1].n_lost, 0);
	holder_work(&holders[1]);
	close_holders(2);
}

static void check_gap(const char *what, uint64_t gap_ns, uint64_t bound_ns)
{
	print_message("%s: longest gap %u ms, bound %u ms\n", what,
		      (unsigned int)(gap_ns / NS_PER_MS),
		      (unsigned int)(bound_ns / NS_PER_MS));
	assert_true(gap_ns < bound_ns);
}

/* By its own account; what is neither the users' nor the kernel's is the library's. */
static void check_share(const struct vio_resize_times *times)
{
	const uint64_t own_ns = times->total_ns - times->pause_ns - times->kernel_ns;

	print_message("%u paused: %u ms, of it %u ms until they let go, %u ms in the "
		      "kernel\n",
		      times->n_paused, (unsigned int)(times->total_ns / NS_PER_MS),
		      (unsigned int)(times->pause_ns / NS_PER_MS),
		      (unsigned int)(times->kernel_ns / NS_PER_MS));
	assert_true(own_ns < times->kernel_ns / 20);
}

/* A queue of the other PF is at work all the while, from the same loop. */
static void network_vfs_are_paused_while_a_queue_of_another_pf_works(void **state)
{
	char before[2][VFS_LINK_BYTES], after[VFS_LINK_BYTES];
	struct holder *other = &holders[2];
	struct vio_resize_times times;
	struct ticker ticker;

	(void)state;
	open_holders(1, 2);
	holder_open(other, &owner, 2, 2, 100);
	vfs_read_link(0, before[0]);
	vfs_read_link(1, before[1]);
	ticker_open(&ticker, &owner, other);
	times = resize(&igb, 5, 2);
	ticker_close(&ticker, &owner);
	assert_int_equal(times.n_paused, 2);
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(holders[i].n_lost, 1);
		vfs_read_link(i, after);
		assert_string_equal(after, before[i]);
	}
	check_share(&times);
	check_gap("the loop", ticker.gap_ns, times.kernel_ns / 2);
	check_gap("the other PF's queue", other->gap_ns, times.kernel_ns / 2);
	assert_int_equal(other->n_paused, 0);
	holder_verify_disk(other);
	resize(&igb, VFS_FEW, 2);
	close_holders(3);
}

static void no_operation_of_a_queue_is_lost_over_resizes(void **state)
{
	struct vio_resize_times times;
	struct ticker ticker;
	uint64_t n_again = 0;
	uint32_t n_vectors;

	(void)state;
	open_holders(2, 3);
	n_vectors = count_vectors(&holders[0]);
	holder_open(&holders[3], &owner, 1, 3, 100);
	for (uint32_t n = 4; n >= VFS_FEW; n--) {
		for (uint32_t i = 0; i < 3; i++)
			holder_work(&holders[i]);
		ticker_open(&ticker, &owner, &holders[3]);
		times = resize(&nvme, n, 3);
		ticker_close(&ticker, &owner);
		check_share(&times);
		check_gap("the loop", ticker.gap_ns, times.kernel_ns / 2);
		check_gap("the other PF's register", holders[3].gap_ns,
			  times.kernel_ns / 2);
	}
	for (uint32_t i = 0; i < 3; i++) {
		holder_work(&holders[i]);
		assert_int_equal(holders[i].n_lost, 2);
		assert_int_equal(count_vectors(&holders[i]), n_vectors);
		holder_verify_disk(&holders[i]);
		n_again += holders[i].n_again;
		print_message("holder %u: %u operations, %u of them again, outage %u "
			      "ms\n",
			      i, (unsigned int)holders[i].n_operations,
			      (unsigned int)holders[i].n_again,
			      (unsigned int)(holders[i].outage_ns / NS_PER_MS));
	}
	/* Otherwise all was complete, and nothing could have been lost. */
	assert_true(n_again > 0);
	assert_int_equal(holders[3].n_paused, 0);
	close_holders(4);
}

#define WITH_OWNER(test) cmocka_unit_test_setup_teardown(test, open_owner, close_owner)

/*
 * Without igbvf: nobody takes the VFs that nobody holds. A rate is refused for as long
 * as there is no link.
 */
static int set_up(void **state)
{
	(void)state;
	return nvme_pool_free() ||
	       command_run("modprobe -a vfio-pci vfio_iommu_type1 && mkdir -p /run &&"
			   "/bin/ip link set eth0 up &&"
			   "echo 3 >" VFS_IGB "/sriov_numvfs &&"
			   "echo 0 >" VFS_NVME "/sriov_drivers_autoprobe &&"
			   "echo 3 >" VFS_NVME "/sriov_numvfs &&"
			   "until grep -q 1 /sys/class/net/eth0/carrier; do "
			   "sleep 0.1; done");
}

static int tear_down(void **state)
{
	(void)state;
	/* What a failed test still has open would keep the kernel waiting for us. */
	return owner.ctx ? -1 : vfs_destroy();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_OWNER(a_paused_vf_comes_back_as_it_was),
		WITH_OWNER(a_paused_vf_comes_back_as_another),
		WITH_OWNER(a_vf_that_somebody_has_is_no_place_to_come_back_to),
		WITH_OWNER(a_resize_that_may_not_disturb_names_the_holder),
		WITH_OWNER(more_than_the_pf_makes_is_refused),
		WITH_OWNER(the_number_does_not_fall_below_a_holder),
		cmocka_unit_test(a_claim_of_another_process_is_respected_and_named),
		WITH_OWNER(a_holder_that_does_not_let_go_ends_the_resize),
		WITH_OWNER(network_vfs_are_paused_while_a_queue_of_another_pf_works),
		WITH_OWNER(no_operation_of_a_queue_is_lost_over_resizes),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
