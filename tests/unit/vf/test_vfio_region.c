/* SPDX-License-Identifier: MIT */
/* Registers and interrupts of an open function. */
#include <linux/vfio.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "unit/vf/vfio_scene.h"

static struct vio_vfio *open_one(struct scene *s)
{
	struct vio_vfio *vfio = NULL;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	return vfio;
}

static void regions_are_what_the_kernel_says(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;

	assert_int_equal(vio_vfio_read_region(vfio, 0, &region), 0);
	assert_int_equal(region.length_bytes, FAKE_VFIO_BAR_BYTES);
	assert_int_equal(region.flags, VIO_IOMMU_READ | VIO_IOMMU_WRITE);
	assert_int_equal(region.can_map, 1);
	assert_int_equal(region.n_vectors, 1);
	assert_int_equal(vio_vfio_read_region(vfio, 1, &region), 0);
	assert_int_equal(region.length_bytes, 0);
	assert_int_equal(vio_vfio_read_region(vfio, VIO_VFIO_MSIX, &region), 0);
	assert_int_equal(region.n_vectors, FAKE_VFIO_VECTORS);
	assert_int_equal(vio_vfio_read_region(vfio, 4, &region), 0);
	assert_int_equal(region.can_map, 0);
	assert_int_equal(vio_vfio_read_region(vfio, VIO_VFIO_CONFIG_REGION, &region),
			 0);
	assert_int_equal(region.length_bytes, 256);
	assert_int_equal(region.can_map, 0);
}

static void a_region_out_of_range_is_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;

	assert_int_equal(vio_vfio_read_region(vfio, 8, &region), -EINVAL);
	assert_int_equal(vio_vfio_read_region(vfio, 0, NULL), -EINVAL);
	region.size = 8;
	assert_int_equal(vio_vfio_read_region(vfio, 0, &region), -EINVAL);
}

static void what_is_written_is_read_back(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	uint32_t word = 0x12345678, back = 0;
	uint16_t vendor = 0;

	assert_int_equal(vio_vfio_write(vfio, 0, 0x20, &word, 4), 0);
	assert_int_equal(vio_vfio_read(vfio, 0, 0x20, &back, 4), 0);
	assert_int_equal(back, word);
	assert_int_equal(vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 0, &vendor, 2), 0);
	assert_int_equal(vendor, 0x8086);
}

static void a_register_may_be_all_ones(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	uint32_t word = 0xffffffff, back = 0;

	assert_int_equal(vio_vfio_write(vfio, 0, 0x20, &word, 4), 0);
	assert_int_equal(vio_vfio_read(vfio, 0, 0x20, &back, 4), 0);
	assert_int_equal(back, word);
}

/* Then nothing tells whether it has gone: what is read is what is answered. */
static void without_a_status_register_ones_are_believed(void **state)
{
	struct scene *s = *state;
	uint32_t word = 0xffffffff, back = 0;
	struct vio_vfio *vfio;

	s->machine->functions[0].config_bytes = 4;
	vfio = open_one(s);
	assert_int_equal(vio_vfio_write(vfio, 0, 0x20, &word, 4), 0);
	assert_int_equal(vio_vfio_read(vfio, 0, 0x20, &back, 4), 0);
	assert_int_equal(back, word);
	assert_int_equal(vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 4, &back, 2),
			 -ENXIO);
}

static void accesses_beyond_a_region_are_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	uint8_t bytes[8];

	assert_int_equal(vio_vfio_read(vfio, 0, FAKE_VFIO_BAR_BYTES - 4, bytes, 8),
			 -ENXIO);
	assert_int_equal(vio_vfio_read(vfio, 0, UINT64_MAX - 3, bytes, 8), -ENXIO);
	assert_int_equal(vio_vfio_read(vfio, 1, 0, bytes, 1), -ENXIO);
	assert_int_equal(vio_vfio_read(vfio, 8, 0, bytes, 1), -ENXIO);
	assert_int_equal(vio_vfio_read(vfio, UINT32_MAX, 0, bytes, 1), -ENXIO);
	assert_int_equal(vio_vfio_read(vfio, 0, 0, bytes, 0), -ENXIO);
	assert_int_equal(vio_vfio_read(vfio, 0, 0, bytes, 4097), -ENXIO);
	assert_int_equal(vio_vfio_write(vfio, 0, FAKE_VFIO_BAR_BYTES, bytes, 1),
			 -ENXIO);
}

static void bytes_of_a_function_that_has_gone_are_never_made_up(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	uint32_t word = 0x5a5a5a5a;

	s->machine->functions[0].is_gone = 1;
	assert_int_equal(vio_vfio_read(vfio, 0, 0, &word, 4), -ENODEV);
	assert_int_equal(vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 4, &word, 4),
			 -ENODEV);
	/* What VFIO itself would answer for the function is as made up. */
	assert_int_equal(vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 0, &word, 4),
			 -ENODEV);
	assert_int_equal(vio_vfio_write(vfio, 0, 0, &word, 4), -ENODEV);
	assert_int_equal(word, 0x5a5a5a5a);
}

static void calls_on_a_function_that_has_gone_say_so(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	int32_t fd = -1;

	s->machine->functions[0].is_gone = 1;
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, &fd, 1, NULL),
			 -ENODEV);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(scene_wait(s), -ENODEV);
}

static void a_bar_is_mapped_and_unmapped(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	uint32_t word = 0;
	void *ptr = NULL;

	assert_int_equal(vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &ptr, NULL), 0);
	*(volatile uint32_t *)ptr = 0xcafe;
	assert_int_equal(vio_vfio_read(vfio, 0, 0, &word, 4), 0);
	assert_int_equal(word, 0xcafe);
	assert_int_equal(vio_vfio_unmap_bar(vfio, ptr), 0);
	assert_int_equal(vio_vfio_unmap_bar(vfio, ptr), -ENOENT);
}

static void the_page_of_the_vectors_is_not_mapped(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	void *ptr = VIO_FAULT_UNTOUCHED;

	assert_int_equal(
		vio_vfio_map_bar(vfio, 0, FAKE_VFIO_MSIX_PAGE, SCENE_PAGE, &ptr, NULL),
		-EINVAL);
	assert_int_equal(vio_vfio_map_bar(vfio, 0, 0, FAKE_VFIO_BAR_BYTES, &ptr, NULL),
			 -EINVAL);
	assert_ptr_equal(ptr, VIO_FAULT_UNTOUCHED);
	assert_int_equal(
		vio_vfio_map_bar(vfio, 0, 2 * SCENE_PAGE, 2 * SCENE_PAGE, &ptr, NULL),
		0);
}

static void bad_ranges_of_a_bar_are_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	void *ptr;

	assert_int_equal(vio_vfio_map_bar(vfio, 6, 0, SCENE_PAGE, &ptr, NULL), -ENXIO);
	assert_int_equal(vio_vfio_map_bar(vfio, 1, 0, SCENE_PAGE, &ptr, NULL), -ENXIO);
	assert_int_equal(
		vio_vfio_map_bar(vfio, 2, 0, 2 * FAKE_VFIO_BAR_BYTES, &ptr, NULL),
		-ENXIO);
	assert_int_equal(vio_vfio_map_bar(vfio, 2, UINT64_MAX - 4095, 8192, &ptr, NULL),
			 -ENXIO);
	assert_int_equal(vio_vfio_map_bar(vfio, 2, 8, SCENE_PAGE, &ptr, NULL), -EINVAL);
	assert_int_equal(vio_vfio_map_bar(vfio, 2, 0, 0, &ptr, NULL), -EINVAL);
	assert_int_equal(vio_vfio_map_bar(vfio, 4, 0, SCENE_PAGE, &ptr, NULL), -EINVAL);
}

static void a_chain_that_loops_ends(void **state)
{
	struct scene *s = scene_create(SCENE_GROUPS);
	struct vio_vfio_region region = VIO_VFIO_REGION_INIT;

	(void)state;
	s->machine->is_chain_looping = 1;
	assert_int_equal(vio_vfio_read_region(open_one(s), 0, &region), 0);
	assert_int_equal(region.can_map, 1);
	scene_destroy(s);
}

static int touch(void *ptr)
{
	unsigned char resident;

	return mincore(ptr, SCENE_PAGE, &resident) == -1 && errno == ENOMEM ? 0 : 1;
}

static void a_child_does_not_inherit_a_mapped_bar(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	void *ptr;

	assert_int_equal(vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &ptr, NULL), 0);
	assert_int_equal(vio_test_fork(touch, ptr), 0);
}

static void vectors_arrive_at_their_eventfds(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	int32_t fds[3] = { eventfd(0, EFD_CLOEXEC), -1, eventfd(0, EFD_CLOEXEC) };

	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 3, NULL), 0);
	fake_vfio_fire(&s->machine->functions[0], VFIO_PCI_MSIX_IRQ_INDEX, 2);
	vio_test_wait_fd(fds[2]);
	assert_int_equal(vio_test_is_readable(fds[0]), 0);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, NULL, 0, NULL),
			 0);
	assert_int_equal(s->machine->functions[0].irqs[2].n, 0);
	close(fds[0]);
	close(fds[2]);
}

static void more_vectors_or_another_kind_take_the_place_of_the_old(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	const int32_t fds[4] = { -1, -1, -1, -1 };

	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 1, NULL), 0);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 4, NULL), 0);
	assert_int_equal(s->machine->functions[0].irqs[2].n, 4);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_INTX, fds, 1, NULL), 0);
	assert_int_equal(s->machine->functions[0].irqs[2].n, 0);
	assert_int_equal(s->machine->functions[0].irqs[0].n, 1);
	/* Off for a kind that is not on changes nothing. */
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSI, NULL, 0, NULL), 0);
	assert_int_equal(s->machine->functions[0].irqs[0].n, 1);
}

static void bad_vectors_are_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	struct vio_error err = VIO_ERROR_INIT;
	int32_t fds[99];

	memset(fds, 0xff, sizeof(fds));
	assert_int_equal(vio_vfio_set_interrupts(vfio, 3, fds, 1, NULL), -EINVAL);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 99, &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "99"));
	fds[1] = -2;
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 2, NULL),
			 -EBADF);
	fds[1] = 1 << 20; /* not open */
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 2, NULL),
			 -EBADF);
}

static void fewer_vectors_than_asked_for_are_none(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	const int32_t fds[4] = { -1, -1, -1, -1 };

	s->machine->functions[0].n_ready_vectors = 2;
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 4, NULL),
			 -ENOSPC);
	assert_int_equal(s->machine->functions[0].irqs[2].n, 0);
}

#define TURNS 200

struct vcpu {
	pthread_t thread;
	struct vio_vfio *vfio;
	int result;
};

/* What a guest does that turns its interrupts on and off and looks at registers. */
static void *run_vcpu(void *opaque)
{
	const int32_t fds[4] = { -1, -1, -1, -1 };
	struct vcpu *vcpu = opaque;
	uint32_t id;

	for (uint32_t i = 0; i < TURNS && !vcpu->result; i++) {
		vcpu->result = vio_vfio_set_interrupts(vcpu->vfio, VIO_VFIO_MSIX, fds,
						       i % 5, NULL);
		if (!vcpu->result)
			vcpu->result = vio_vfio_read(vcpu->vfio, VIO_VFIO_CONFIG_REGION,
						     0, &id, sizeof(id));
	}
	return NULL;
}

/* Meanwhile the context's thread does what is its own, of the same function too. */
static void virtual_processors_connect_interrupts_beside_the_dispatcher(void **state)
{
	struct scene *s = *state;
	struct vcpu vcpus[2] = { { .vfio = open_one(s) } };

	assert_int_equal(scene_open(s, 1, &vcpus[1].vfio), 0);
	for (uint32_t i = 0; i < 2; i++)
		assert_int_equal(
			pthread_create(&vcpus[i].thread, NULL, run_vcpu, &vcpus[i]), 0);
	for (uint32_t i = 0; i < 8; i++) {
		assert_int_equal(vio_vfio_reset(vcpus[0].vfio, scene_done, s, NULL), 0);
		assert_int_equal(scene_wait(s), 0);
	}
	for (uint32_t i = 0; i < 2; i++) {
		assert_int_equal(pthread_join(vcpus[i].thread, NULL), 0);
		assert_int_equal(vcpus[i].result, 0);
		assert_int_equal(s->machine->functions[i].irqs[2].n, (TURNS - 1) % 5);
	}
}

static void closing_takes_interrupts_and_mappings_away(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	const int32_t fd = -1;
	void *ptr;

	assert_int_equal(vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &ptr, NULL), 0);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, &fd, 1, NULL), 0);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(touch(ptr), 0);
}

#define test_open(name)                                                                \
	cmocka_unit_test_setup_teardown(name, scene_set_up_groups, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_open(regions_are_what_the_kernel_says),
		test_open(a_region_out_of_range_is_refused),
		test_open(what_is_written_is_read_back),
		test_open(a_register_may_be_all_ones),
		test_open(without_a_status_register_ones_are_believed),
		test_open(accesses_beyond_a_region_are_refused),
		test_open(bytes_of_a_function_that_has_gone_are_never_made_up),
		test_open(calls_on_a_function_that_has_gone_say_so),
		test_open(a_bar_is_mapped_and_unmapped),
		test_open(the_page_of_the_vectors_is_not_mapped),
		test_open(bad_ranges_of_a_bar_are_refused),
		cmocka_unit_test(a_chain_that_loops_ends),
		test_open(a_child_does_not_inherit_a_mapped_bar),
		test_open(vectors_arrive_at_their_eventfds),
		test_open(more_vectors_or_another_kind_take_the_place_of_the_old),
		test_open(bad_vectors_are_refused),
		test_open(fewer_vectors_than_asked_for_are_none),
		test_open(virtual_processors_connect_interrupts_beside_the_dispatcher),
		test_open(closing_takes_interrupts_and_mappings_away),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
