/* SPDX-License-Identifier: MIT */
/* Walks over functions: which, in which order, and while the machine changes. */
#include <stdlib.h>

#include "fake/fault.h"
#include "machine.h"
#include "vf/host.h"

#define SEEN_MAX 32u

struct seen {
	struct machine *m;
	char names[SEEN_MAX][VIO_PCI_ADDR_TEXT_BYTES];
	uint32_t indexes[SEEN_MAX];
	uint32_t n;
	uint32_t end_at;    /* ends the walk with 42; 0: never */
	const char *doomed; /* a VF's link, removed when the first is seen */
};

static int see(void *opaque, const struct vio_pci_info *info)
{
	struct seen *seen = opaque;

	assert_true(seen->n < SEEN_MAX);
	vio_pci_addr_print(&info->addr, seen->names[seen->n]);
	seen->indexes[seen->n] = info->vf_index;
	if (!seen->n && seen->doomed)
		remove_attr(seen->m, NIC_PORT, NIC, seen->doomed);
	return ++seen->n == seen->end_at ? 42 : 0;
}

static void every_pf_is_visited_by_address(void **state)
{
	struct machine *m = *state;
	struct seen seen = { 0 };

	assert_int_equal(vio_host_foreach_pf(m->host, see, &seen, NULL), 0);
	assert_int_equal(seen.n, 2);
	assert_string_equal(seen.names[0], NIC);
	assert_string_equal(seen.names[1], NVM);
}

static void every_vf_is_visited_by_index(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { 0 };

	/* Made last, and of the index before all others. */
	remove_attr(m, NIC_PORT, NIC, "virtfn0");
	set_link(m, NIC_PORT, NIC, "virtfn0", "../0000:01:10.0");
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, N_NIC_VFS);
	for (uint32_t i = 0; i < N_NIC_VFS; i++) {
		assert_string_equal(seen.names[i], nic_vfs[i]);
		assert_int_equal(seen.indexes[i], i);
	}
}

static void every_member_of_a_group_is_visited(void **state)
{
	const struct vio_pci_addr vf = addr_of(nvm_vfs[1]);
	struct machine *m = *state;
	struct seen seen = { 0 };

	assert_int_equal(vio_host_foreach_peer(m->host, &vf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, 3);
	assert_string_equal(seen.names[0], NVM);
	assert_string_equal(seen.names[1], nvm_vfs[0]);
	assert_string_equal(seen.names[2], nvm_vfs[1]);
}

static void a_function_alone_in_its_group_is_its_only_peer(void **state)
{
	const struct vio_pci_addr vf = addr_of(nic_vfs[1]);
	struct machine *m = *state;
	struct seen seen = { 0 };

	assert_int_equal(vio_host_foreach_peer(m->host, &vf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, 1);
	assert_string_equal(seen.names[0], nic_vfs[1]);
}

static void a_function_in_no_group_has_no_peers(void **state)
{
	const struct vio_pci_addr port = addr_of(NIC_PORT);
	struct machine *m = *state;
	struct seen seen = { 0 };

	assert_int_equal(vio_host_foreach_peer(m->host, &port, see, &seen, NULL),
			 -EOPNOTSUPP);
}

static void what_is_told_ends_the_walk(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct vio_error err = VIO_ERROR_INIT;
	struct machine *m = *state;
	struct seen seen = { .end_at = 2 };

	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, &err), 42);
	assert_int_equal(seen.n, 2);
	assert_int_equal(err.code, 0);
}

static int refuse(void *opaque, const struct vio_pci_info *info)
{
	(void)opaque;
	(void)info;
	return -ENODEV;
}

static void an_error_of_the_callers_is_given_back(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;

	assert_int_equal(vio_host_foreach_vf(m->host, &pf, refuse, NULL, NULL),
			 -ENODEV);
}

static void a_vf_that_goes_during_the_walk_is_left_out(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { .m = m, .doomed = "../0000:01:10.4" };

	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, N_NIC_VFS - 1);
	assert_string_equal(seen.names[2], nic_vfs[3]);
}

/* A VF that goes as soon as somebody looks at its link. */
struct going {
	struct vio_fault fault; /* for its calls that pass on */
	struct machine *m;
	const char *link;
	uint32_t n;
};

static ssize_t
remove_and_read(void *opaque, int dir, const char *path, char *buf, size_t n)
{
	struct going *g = VIO_CONTAINER_OF(opaque, struct going, fault);
	const char *name = strrchr(path, '/');

	if (name && !strcmp(name + 1, g->link) && !g->n++)
		remove_attr(g->m, NIC_PORT, NIC, g->link);
	return g->fault.base->readlinkat(g->fault.base->opaque, dir, path, buf, n);
}

static void a_vf_that_goes_before_its_link_is_read_is_left_out(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct going going = { .m = m, .link = "virtfn2" };
	struct vio_env env = *m->host->env;
	struct vio_host host = *m->host;
	struct seen seen = { 0 };

	vio_fault_prepare(&going.fault, env.sys);
	going.fault.sys.readlinkat = remove_and_read;
	env.sys = &going.fault.sys;
	host.env = &env;
	assert_int_equal(vio_host_foreach_vf(&host, &pf, see, &seen, NULL), 0);
	assert_int_equal(going.n, 1);
	assert_int_equal(seen.n, N_NIC_VFS - 1);
	assert_string_equal(seen.names[2], nic_vfs[3]);
}

static void a_vf_without_its_link_back_is_not_yet_there(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { 0 };

	remove_attr(m, NIC_PORT, nic_vfs[3], "physfn");
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, N_NIC_VFS - 1);
}

static void a_vf_of_another_pf_is_refused(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { 0 };

	set_link(m, NIC_PORT, NIC, "virtfn4", "../../0000:00:02.0/0000:02:00.1");
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), -EBADMSG);
}

static void a_link_to_no_function_is_refused(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { 0 };

	set_link(m, NIC_PORT, NIC, "virtfn4", "../etc");
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), -EBADMSG);
	assert_int_equal(vio_host_foreach_pf(m->host, see, &seen, NULL), -EBADMSG);
}

static void a_link_to_nowhere_is_left_out(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { 0 };

	set_link(m, NIC_PORT, NIC, "virtfn4", "../0000:01:11.0");
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, N_NIC_VFS);
}

static void names_that_only_resemble_a_vfs_are_left_out(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct seen seen = { 0 };

	set_link(m, NIC_PORT, NIC, "virtfn", "../etc");
	set_link(m, NIC_PORT, NIC, "virtfn0x1", "../etc");
	set_link(m, NIC_PORT, NIC, "virtfn65536", "../etc");
	set_link(m, NIC_PORT, NIC, "virtfn-1", "../etc");
	set_link(m, NIC_PORT, NIC, "virtfn99999999999999999999", "../etc");
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, see, &seen, NULL), 0);
	assert_int_equal(seen.n, N_NIC_VFS);
}

static void names_that_are_no_addresses_are_left_out(void **state)
{
	struct machine *m = *state;
	struct seen seen = { 0 };

	vio_fake_add_text(m->fake, SYSFS "/bus/pci/devices/README", "");
	vio_fake_add_text(m->fake, SYSFS "/bus/pci/devices/0000:01:20.0", "");
	assert_int_equal(vio_host_foreach_pf(m->host, see, &seen, NULL), 0);
	assert_int_equal(seen.n, 2);
}

static void a_function_without_sriov_has_no_vfs_to_visit(void **state)
{
	const struct vio_pci_addr port = addr_of(NIC_PORT);
	struct vio_error err = VIO_ERROR_INIT;
	struct machine *m = *state;
	struct seen seen = { 0 };

	assert_int_equal(vio_host_foreach_vf(m->host, &port, see, &seen, &err),
			 -EOPNOTSUPP);
	assert_non_null(strstr(err.text, NIC_PORT));
}

static void walks_from_an_absent_function_answer_enodev(void **state)
{
	const struct vio_pci_addr none = addr_of("0000:7f:00.0");
	struct machine *m = *state;
	struct seen seen = { 0 };

	assert_int_equal(vio_host_foreach_vf(m->host, &none, see, &seen, NULL),
			 -ENODEV);
	assert_int_equal(vio_host_foreach_peer(m->host, &none, see, &seen, NULL),
			 -ENODEV);
}

static void walks_without_a_function_to_call_are_refused(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;

	assert_int_equal(vio_host_foreach_pf(m->host, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, NULL, NULL, NULL), -EINVAL);
	assert_int_equal(vio_host_foreach_peer(m->host, &pf, NULL, NULL, NULL),
			 -EINVAL);
	assert_int_equal(vio_host_foreach_vf(m->host, NULL, see, NULL, NULL), -EINVAL);
}

static int count(void *opaque, const struct vio_pci_info *info)
{
	uint32_t *n = opaque;

	assert_int_equal(info->vf_index, *n);
	++*n;
	return 0;
}

static void as_many_vfs_as_there_can_be_are_visited_in_order(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	char vf[VIO_PCI_ADDR_TEXT_BYTES];
	uint32_t n = 0;

	for (uint32_t i = N_NIC_VFS; i < 256; i++) {
		/* Backwards, and over all functions of a bus. */
		const uint32_t index = 255 + N_NIC_VFS - i;

		snprintf(vf, sizeof(vf), "0000:05:%02x.%x", index >> 3, index & 7);
		add_vf(m, NIC_PORT, NIC, vf, index, "0x10ca\n");
	}
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, count, &n, NULL), 0);
	assert_int_equal(n, 256);
}

/* What a walk does not find for want of memory or calls, it does not leave out. */
static int walk_on(struct vio_fault *fault, void *opaque)
{
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct seen seen = { 0 };
	struct vio_host *host;
	struct vio_ctx *ctx;
	int ret;

	params.sysfs_root = SYSFS;
	params.owner = "test";
	fault->base = vio_fake_get_sys(((struct machine *)opaque)->fake);
	ret = vio_fault_create_ctx(fault, VIO_CTX_NO_URING, &ctx);
	if (ret)
		return ret;
	ret = vio_host_open(ctx, &params, &host, NULL);
	if (!ret) {
		ret = vio_host_foreach_pf(host, see, &seen, NULL);
		assert_int_equal(vio_host_close(host, NULL), 0);
	}
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static void a_failed_allocation_ends_the_walk(void **state)
{
	assert_true(vio_fault_run_allocs(walk_on, *state) >= 6);
}

static void a_failed_system_call_leaks_nothing(void **state)
{
	assert_true(vio_fault_run_calls(walk_on, *state, EMFILE) >= 20);
}

static int count_function(void *opaque, const struct vio_pci_info *info)
{
	assert_string_equal(info->driver_override, "");
	++*(int *)opaque;
	return 0;
}

/* What the kernel shows under a function's lock, and its configuration space. */
static void nothing_that_a_reset_of_a_vf_locks_is_read(void **state)
{
	const struct vio_pci_addr pf = addr_of(NIC);
	struct machine *m = *state;
	struct vio_pci_info info;
	char path[256];
	int n = 0;

	m->host->flags = 0;
	lock_attr(m, NIC_PORT, NIC, "driver_override");
	lock_attr(m, NVM_PORT, NVM, "driver_override");
	for (uint32_t i = 0; i < N_NIC_VFS; i++) {
		const struct vio_fake_attr attr = { .show = must_not_be_read };

		lock_attr(m, NIC_PORT, nic_vfs[i], "driver_override");
		vio_fake_add_attr(m->fake,
				  path_of(path, NIC_PORT, nic_vfs[i], "config"), &attr);
	}
	assert_int_equal(read_of(m, nic_vfs[0], &info), 0);
	assert_true(info.flags & VIO_PCI_ACS_PATH);
	assert_int_equal(vio_host_foreach_vf(m->host, &pf, count_function, &n, NULL),
			 0);
	assert_int_equal(vio_host_foreach_pf(m->host, count_function, &n, NULL), 0);
	assert_int_equal(n, N_NIC_VFS + 2);
}

#define ON_MACHINE(test)                                                               \
	cmocka_unit_test_setup_teardown(test, open_machine, close_machine)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_MACHINE(every_pf_is_visited_by_address),
		ON_MACHINE(every_vf_is_visited_by_index),
		ON_MACHINE(every_member_of_a_group_is_visited),
		ON_MACHINE(a_function_alone_in_its_group_is_its_only_peer),
		ON_MACHINE(a_function_in_no_group_has_no_peers),
		ON_MACHINE(what_is_told_ends_the_walk),
		ON_MACHINE(an_error_of_the_callers_is_given_back),
		ON_MACHINE(a_vf_that_goes_during_the_walk_is_left_out),
		ON_MACHINE(a_vf_that_goes_before_its_link_is_read_is_left_out),
		ON_MACHINE(a_vf_without_its_link_back_is_not_yet_there),
		ON_MACHINE(a_vf_of_another_pf_is_refused),
		ON_MACHINE(a_link_to_no_function_is_refused),
		ON_MACHINE(a_link_to_nowhere_is_left_out),
		ON_MACHINE(names_that_only_resemble_a_vfs_are_left_out),
		ON_MACHINE(names_that_are_no_addresses_are_left_out),
		ON_MACHINE(a_function_without_sriov_has_no_vfs_to_visit),
		ON_MACHINE(walks_from_an_absent_function_answer_enodev),
		ON_MACHINE(walks_without_a_function_to_call_are_refused),
		ON_MACHINE(as_many_vfs_as_there_can_be_are_visited_in_order),
		ON_MACHINE(nothing_that_a_reset_of_a_vf_locks_is_read),
		ON_MACHINE(a_failed_allocation_ends_the_walk),
		ON_MACHINE(a_failed_system_call_leaks_nothing),
	};

	return cmocka_run_group_tests_name("host_walk", tests, NULL, NULL);
}
