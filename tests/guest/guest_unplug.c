/* SPDX-License-Identifier: MIT */
/*
 * A physical function goes while one of its VFs is open: its driver is unbound, it
 * is removed in sysfs, it is unplugged, it vanishes. The holder is asked, lets go,
 * and the removal ends; what is left of the claim says so, and nothing else in the
 * process notices.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "holder.h"

#define SECOND_NS UINT64_C(1000000000)
#define MS        UINT64_C(1000000)

static struct holder holder;

/* A PF that goes, and how it comes back. */
struct pf {
	uint32_t bus;
	uint32_t bystander_bus;
	const char *name;
	const char *driver;
};

static const struct pf igb = { BUS_IGB, BUS_NVME, "0000:01:00.0", "igb" };
static __attribute__((unused)) const struct pf nvme = { BUS_NVME, BUS_IGB, "0000:02:00.0", "nvme" };

static int is_alone(void *opaque, const struct vio_vf_info *info)
{
	uint32_t *n = opaque;

	assert_int_equal(info->is_alive, 1);
	++*n;
	return 0;
}

/* The bystander's lease is the only one, and nothing is left to recover. */
static void assert_journals_are_clean(void)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct end end = { .err = VIO_ERROR_INIT };
	uint32_t n = 0;

	assert_int_equal(vio_host_foreach_lease(holder.host, is_alone, &n, NULL), 0);
	assert_int_equal(n, 1);
	assert_int_equal(holder_wait(&holder, &end,
				     vio_host_recover(holder.host, &recovery, end_note,
						      &end, &end.err)),
			 0);
	assert_int_equal(recovery.n_alive, 1);
	assert_int_equal(recovery.n_undone + recovery.n_failed + recovery.n_unknown, 0);
}

/* The first call that needs the function finds it gone, the others know. */
static void assert_lost(struct held *held)
{
	struct vio_vf_config config = VIO_VF_CONFIG_INIT;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfio = NULL;
	struct end end = { .err = VIO_ERROR_INIT };

	assert_int_equal(holder_wait(&holder, &end,
				     vio_vf_reset(held->vf, end_note, &end, &end.err)),
			 -ENODEV);
	assert_int_equal(held_get_state(held), VIO_VF_LOST);
	config.fields = VIO_VF_VLAN;
	assert_int_equal(vio_vf_configure(held->vf, &config, NULL, end_note, &end, NULL),
			 -ENODEV);
	params.iommu = held->iommu;
	assert_int_equal(vio_vfio_open(held->vf, &params, &vfio, end_note, &end, NULL),
			 -ENODEV);
	assert_int_equal(holder_release(&holder, held), -ENODEV);
	assert_journals_are_clean();
}

static void print_times(const char *what, const struct held *held,
			const struct writer *writer, uint64_t closed_ns)
{
	print_message("%s: asked after %llu ms, over %llu ms after the close\n", what,
		      (unsigned long long)((held->told_ns - writer->began_ns) / MS),
		      (unsigned long long)((now_ns() - closed_ns) / MS));
}

/* As long as the function is open it works; then the removal ends. */
static void let_go(const char *what, struct held *held, struct writer *writer)
{
	uint64_t closed_ns;
	uint32_t value = 0;

	holder_run(&holder, &held->n_requested);
	assert_true(held->told_ns - writer->began_ns < SECOND_NS);
	assert_int_equal(held_read(held, 0, &value), 0);
	if (writer->path)
		assert_int_equal(__atomic_load_n(&writer->is_over, __ATOMIC_ACQUIRE), 0);
	holder_close_function(&holder, held);
	closed_ns = now_ns();
	assert_int_equal(writer_join(writer, &holder), 0);
	holder_await(&holder, 0, VIO_HOST_REMOVED, held->name);
	print_times(what, held, writer, closed_ns);
}

static void unbinding_the_pf_waits_for_the_holder_of_a_vf(void **state)
{
	const struct pf *pf = *state;
	struct writer writer;
	struct held held;
	char path[64];

	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/unbind", pf->driver);
	holder_take(&holder, &held, pf->bus);
	holder_measure(&holder);
	writer_start(&writer, path, pf->name);
	let_go(path, &held, &writer);
	holder_judge(&holder);
	assert_lost(&held);
	snprintf(path, sizeof(path), "/sys/bus/pci/drivers/%s/bind", pf->driver);
	assert_int_equal(write_text(path, pf->name), 0);
}

static void one(const char *what, const char *path, const char *text)
{
	struct writer writer;
	struct held held;

	holder_take(&holder, &held, BUS_IGB);
	holder_measure(&holder);
	writer_start(&writer, path, text);
	let_go(what, &held, &writer);
	holder_judge(&holder);
	assert_lost(&held);
	for (uint32_t i = 0; i < holder.n_events; i++) {
		char name[32];
		vio_pci_addr_print(&holder.events[i].addr, name);
		print_message("event %u %s\n", holder.events[i].type, name);
	}
}

static void remove_sysfs(void **state)
{
	(void)state;
	one("remove", "/sys/bus/pci/devices/0000:01:00.0/remove", "1");
	assert_int_equal(write_text("/sys/bus/pci/rescan", "1"), 0);
}

static void unplug(void **state)
{
	(void)state;
	one("unplug", NULL, "monitor device_del card");
	holder_await(&holder, 0, VIO_HOST_REMOVED, igb.name);
	uint32_t n = holder.n_events;
	host_ask("monitor device_add igb,bus=port0,netdev=net0,id=card");
	holder_await(&holder, n, VIO_HOST_BOUND, igb.name);
	command_run("/bin/ip link set eth0 up");
}

static int set_up(void **state)
{
	const struct pf *pf = *state;

	if (machine_make_vfs())
		return -1;
	holder_open(&holder, pf->bystander_bus);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	holder_close(&holder);
	return machine_destroy_vfs();
}

static int set_up_all(void **state)
{
	(void)state;
	return machine_prepare();
}

#define TEST(name, pf)                                                                 \
	{                                                                              \
#name " (" #pf ")", name, set_up, tear_down, (void *)(uintptr_t) & pf          \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unbinding_the_pf_waits_for_the_holder_of_a_vf, igb),
		TEST(remove_sysfs, igb),
		TEST(unplug, igb),
	};

	return cmocka_run_group_tests(tests, set_up_all, NULL);
}
