/* SPDX-License-Identifier: MIT */
/*
 * I/O address spaces: mappings of the caller's, and those that follow a memory
 * table. What is refused never reaches the kernel: its calls are counted.
 */
#include <linux/vfio.h>
#include <sys/mman.h>

#include "sys/uapi/iommufd.h"
#include "unit/vf/table.h"

#define READ_WRITE (VIO_IOMMU_READ | VIO_IOMMU_WRITE)

static struct vio_vfio *open_one(struct scene *s, struct vio_mem *mem)
{
	struct vio_vfio *vfio = NULL;

	assert_int_equal(scene_open_iommu(s, 0, mem), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	return vfio;
}

static int map_at(struct scene *s, uint64_t iova, uint64_t length_bytes)
{
	return vio_iommu_map(s->iommu, s->memory, length_bytes,
			     READ_WRITE | VIO_IOMMU_FIXED, &iova, &s->end.err);
}

static void a_mapping_is_the_kernels(void **state)
{
	struct scene *s = *state;
	uint64_t iova = SCENE_IOVA;

	open_one(s, NULL);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, SCENE_BYTES,
				       VIO_IOMMU_READ | VIO_IOMMU_FIXED, &iova, NULL),
			 0);
	assert_non_null(find_map(s, SCENE_IOVA));
	assert_int_equal(find_map(s, SCENE_IOVA)->length_bytes, SCENE_BYTES);
	assert_int_equal(find_map(s, SCENE_IOVA)->address, (uintptr_t)s->memory);
	assert_int_equal(find_map(s, SCENE_IOVA)->is_writable, 0);
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA), 0);
	assert_null(find_map(s, SCENE_IOVA));
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA), -ENOENT);
}

static void a_place_is_found_where_none_is_given(void **state)
{
	struct scene *s = *state;
	uint64_t iova = 1, other = 1;

	open_one(s, NULL);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, SCENE_BYTES, READ_WRITE,
				       &iova, NULL),
			 0);
	assert_int_equal(iova, UINT64_C(0x1000000000000) - SCENE_BYTES);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, SCENE_PAGE, READ_WRITE,
				       &other, NULL),
			 0);
	assert_int_equal(other, iova - SCENE_PAGE);
}

static void bad_ranges_never_reach_the_kernel(void **state)
{
	struct scene *s = *state;
	uint64_t iova = 0x5000;

	open_one(s, NULL);
	assert_int_equal(map_at(s, SCENE_IOVA + 1, SCENE_PAGE), -EINVAL);
	assert_int_equal(map_at(s, SCENE_IOVA, SCENE_PAGE + 8), -EINVAL);
	assert_int_equal(map_at(s, SCENE_IOVA, 0), -EINVAL);
	assert_int_equal(map_at(s, 0 - SCENE_PAGE, 2 * SCENE_PAGE), -EINVAL);
	assert_int_equal(map_at(s, 0xfee00000, SCENE_PAGE), -EINVAL);
	assert_int_equal(map_at(s, 0xfedff000, 2 * SCENE_PAGE), -EINVAL);
	assert_int_equal(map_at(s, UINT64_C(1) << 48, SCENE_PAGE), -EINVAL);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory + 8, SCENE_PAGE,
				       READ_WRITE | VIO_IOMMU_FIXED, &iova, NULL),
			 -EINVAL);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, 0 - SCENE_PAGE,
				       READ_WRITE | VIO_IOMMU_FIXED, &iova, NULL),
			 -EINVAL);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, SCENE_PAGE, VIO_IOMMU_FIXED,
				       &iova, NULL),
			 -EINVAL);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, SCENE_PAGE,
				       READ_WRITE | 1u << 9, &iova, NULL),
			 -EINVAL);
	assert_int_equal(
		vio_iommu_map(s->iommu, s->memory, 100, READ_WRITE, &iova, NULL),
		-EINVAL);
	assert_int_equal(iova, 0x5000);
	assert_int_equal(s->machine->n_map_calls, 0);
}

static void overlaps_never_reach_the_kernel(void **state)
{
	struct scene *s = *state;

	open_one(s, NULL);
	assert_int_equal(map_at(s, SCENE_IOVA, 4 * SCENE_PAGE), 0);
	assert_int_equal(map_at(s, SCENE_IOVA, 4 * SCENE_PAGE), -EEXIST);
	assert_int_equal(map_at(s, SCENE_IOVA - SCENE_PAGE, 2 * SCENE_PAGE), -EEXIST);
	assert_int_equal(map_at(s, SCENE_IOVA + 3 * SCENE_PAGE, SCENE_PAGE), -EEXIST);
	assert_int_equal(map_at(s, SCENE_IOVA + 4 * SCENE_PAGE, SCENE_PAGE), 0);
	assert_int_equal(s->machine->n_map_calls, 2);
	/* In the middle of a mapping nothing begins. */
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA + SCENE_PAGE), -ENOENT);
}

static void what_the_kernel_refuses_is_not_written_down(void **state)
{
	struct scene *s = *state;

	open_one(s, NULL);
	s->machine->locked_bytes_max = SCENE_PAGE;
	assert_int_equal(map_at(s, SCENE_IOVA, 4 * SCENE_PAGE), -ENOMEM);
	assert_non_null(strstr(s->end.err.text, "RLIMIT_MEMLOCK is below 16 KiB"));
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA), -ENOENT);
	assert_int_equal(map_at(s, SCENE_IOVA, SCENE_PAGE), 0);
}

/* Of a container only: iommufd has no such bound. */
static void the_bound_on_mappings_is_kept_without_the_kernel(void **state)
{
	struct scene *s = *state;

	s->machine->n_maps_max = 2;
	open_one(s, NULL);
	assert_int_equal(map_at(s, 0x10000, SCENE_PAGE), 0);
	assert_int_equal(map_at(s, 0x20000, SCENE_PAGE), 0);
	assert_int_equal(map_at(s, 0x30000, SCENE_PAGE), -ENOSPC);
	assert_int_equal(s->machine->n_map_calls, 2);
}

static void without_a_function_nothing_is_mapped(void **state)
{
	struct scene *s = *state;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(map_at(s, SCENE_IOVA, SCENE_PAGE), -ENODEV);
	assert_int_equal(vio_iommu_foreach(s->iommu, NULL, NULL), -ENODEV);
}

static int note_range(void *opaque, uint64_t first, uint64_t last)
{
	uint64_t *seen = opaque;

	if (!seen[0]++)
		seen[1] = last;
	else
		seen[2] = first;
	return seen[0] == seen[3] ? 42 : 0;
}

static void the_ranges_are_what_the_kernel_says(void **state)
{
	struct scene *s = *state;
	uint64_t seen[4] = { 0 };

	open_one(s, NULL);
	assert_int_equal(vio_iommu_foreach(s->iommu, note_range, seen), 0);
	assert_int_equal(seen[0], 2);
	assert_int_equal(seen[1], 0xfedfffff);
	assert_int_equal(seen[2], 0xfef00000);
	seen[0] = 0;
	seen[3] = 1;
	assert_int_equal(vio_iommu_foreach(s->iommu, note_range, seen), 42);
	assert_int_equal(seen[0], 1);
}

static void mappings_come_back_with_the_next_function(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s, NULL);

	assert_int_equal(map_at(s, SCENE_IOVA, SCENE_PAGE), 0);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(scene_open(s, 1, &vfio), 0);
	assert_non_null(find_map(s, SCENE_IOVA));
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(vio_iommu_unmap(s->iommu, SCENE_IOVA), 0);
	assert_int_equal(scene_open(s, 1, &vfio), 0);
	assert_null(find_map(s, SCENE_IOVA));
}

static void bad_parameters_are_refused(void **state)
{
	struct scene *s = *state;
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;

	assert_int_equal(scene_open_iommu(s, 4, NULL), -EINVAL);
	assert_int_equal(scene_open_iommu(s, VIO_IOMMU_TYPE1 | VIO_IOMMU_IOMMUFD, NULL),
			 -EINVAL);
	params.size = 4;
	assert_int_equal(vio_iommu_open(&s->host, &params, &s->iommu, NULL), -EINVAL);
	params.size = 1u << 20;
	assert_int_equal(vio_iommu_open(&s->host, &params, &s->iommu, NULL), -E2BIG);
	assert_int_equal(vio_iommu_open(&s->host, NULL, &s->iommu, NULL), 0);
}

static void a_table_is_mapped_when_the_first_function_opens(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(table_add(s, &t, 0x100000, 4, 2, VIO_MEM_READONLY), 0);
	open_one(s, t.mem);
	assert_int_equal(s->machine->space.n_maps, 2);
	assert_int_equal(find_map(s, 0)->is_writable, 1);
	assert_int_equal(find_map(s, 0x100000)->is_writable, 0);
	table_close(s, &t);
}

static void regions_come_and_go_with_the_table(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_non_null(find_map(s, 0));
	/* Those of the table are not the caller's to unmap. */
	assert_int_equal(vio_iommu_unmap(s->iommu, 0), -ENOENT);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_null(find_map(s, 0));
	vio_mem_dispatch(t.mem);
	assert_int_equal(t.n_released, 1);
	table_close(s, &t);
}

static void a_region_that_the_kernel_refuses_refuses_the_batch(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	assert_int_equal(table_add(s, &t, 0, 0, 1, 0), 0);
	s->machine->locked_bytes_max = 3 * SCENE_PAGE;
	assert_int_equal(vio_mem_begin(t.mem), 0);
	assert_int_equal(table_add(s, &t, 0x100000, 1, 1, 0), 0);
	assert_int_equal(table_add(s, &t, 0x200000, 2, 4, 0), 0);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(vio_mem_commit(t.mem), -ENOMEM);
	assert_int_equal(s->machine->space.n_maps, 1);
	assert_non_null(find_map(s, 0));
	table_close(s, &t);
}

static void a_region_at_a_reserved_address_is_refused(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	assert_int_equal(table_add(s, &t, 0xfee00000, 0, 1, 0), -EINVAL);
	assert_int_equal(s->machine->n_map_calls, 0);
	table_close(s, &t);
}

static void a_reserved_address_is_found_when_a_function_opens(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	assert_int_equal(table_add(s, &t, 0xfee00000, 0, 1, 0), 0);
	assert_int_equal(scene_open_iommu(s, 0, t.mem), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -EINVAL);
	assert_non_null(strstr(s->end.err.text, "0xfee00000"));
	assert_int_equal(s->machine->space.fd, -1);
	table_close(s, &t);
}

static void a_region_may_take_the_place_of_another(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(vio_mem_begin(t.mem), 0);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(table_add(s, &t, 0x1000, 8, 4, 0), 0);
	assert_int_equal(vio_mem_commit(t.mem), 0);
	assert_int_equal(s->machine->space.n_maps, 1);
	assert_int_equal(find_map(s, 0x1000)->address,
			 (uintptr_t)s->memory + 8 * SCENE_PAGE);
	table_close(s, &t);
}

static void the_same_region_again_stays_mapped(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(vio_mem_begin(t.mem), 0);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(vio_mem_commit(t.mem), 0);
	assert_non_null(find_map(s, 0));
	table_close(s, &t);
}

static int refuse(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	(void)opaque;
	(void)changes;
	return n ? -EPERM : 0;
}

/* Another listener, asked after this one, refuses. */
static void what_another_refuses_is_as_before(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };
	struct vio_mem_listener other = VIO_MEM_LISTENER_INIT;

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	other.opaque = &t;
	assert_int_equal(vio_mem_attach_listener(t.mem, &other), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	assert_int_equal(vio_mem_detach_listener(t.mem, &t), 0);
	other.prepare = refuse;
	/* It may see what is there, and refuses what comes. */
	assert_int_equal(vio_mem_attach_listener(t.mem, &other), -EPERM);
	assert_int_equal(vio_mem_remove(t.mem, 0), 0);
	assert_int_equal(vio_mem_attach_listener(t.mem, &other), 0);
	assert_int_equal(table_add(s, &t, 0x10000, 4, 4, 0), -EPERM);
	assert_int_equal(s->machine->space.n_maps, 0);
	table_close(s, &t);
}

static void a_region_over_a_mapping_of_the_callers_is_refused(void **state)
{
	struct scene *s = *state;
	struct table t = { 0 };

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	open_one(s, t.mem);
	assert_int_equal(map_at(s, 0x10000, SCENE_PAGE), 0);
	assert_int_equal(table_add(s, &t, 0x10000, 0, 4, 0), -EEXIST);
	assert_non_null(find_map(s, 0x10000));
	table_close(s, &t);
}

/* While a lent thread maps the table it stays as it is. */
static void a_table_does_not_change_under_an_opening_function(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfio;
	struct table t = { 0 };
	uint64_t iova = 0;

	assert_int_equal(vio_mem_create(NULL, &t.mem), 0);
	assert_int_equal(scene_open_iommu(s, 0, t.mem), 0);
	params.iommu = s->iommu;
	assert_int_equal(vio_vfio_open(&s->vfs[0], &params, &vfio, scene_done, s, NULL),
			 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), -EBUSY);
	assert_int_equal(
		vio_iommu_map(s->iommu, s->memory, SCENE_PAGE, READ_WRITE, &iova, NULL),
		-EBUSY);
	assert_int_equal(vio_iommu_unmap(s->iommu, 0), -EBUSY);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(table_add(s, &t, 0, 0, 4, 0), 0);
	table_close(s, &t);
}

static int find_memory(void *opaque)
{
	unsigned char resident;

	return mincore(opaque, SCENE_PAGE, &resident) == -1 && errno == ENOMEM ? 0 : 1;
}

static void a_child_does_not_inherit_mapped_memory(void **state)
{
	struct scene *s = *state;

	open_one(s, NULL);
	assert_int_equal(map_at(s, SCENE_IOVA, SCENE_BYTES), 0);
	assert_int_equal(vio_test_fork(find_memory, s->memory), 0);
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(a_mapping_is_the_kernels),
		test_both(a_place_is_found_where_none_is_given),
		test_both(bad_ranges_never_reach_the_kernel),
		test_both(overlaps_never_reach_the_kernel),
		test_both(what_the_kernel_refuses_is_not_written_down),
		cmocka_unit_test_setup_teardown(
			the_bound_on_mappings_is_kept_without_the_kernel,
			scene_set_up_groups, scene_tear_down),
		test_both(without_a_function_nothing_is_mapped),
		test_both(the_ranges_are_what_the_kernel_says),
		test_both(mappings_come_back_with_the_next_function),
		test_both(bad_parameters_are_refused),
		test_both(a_table_is_mapped_when_the_first_function_opens),
		test_both(regions_come_and_go_with_the_table),
		test_both(a_region_that_the_kernel_refuses_refuses_the_batch),
		test_both(a_region_at_a_reserved_address_is_refused),
		test_both(a_reserved_address_is_found_when_a_function_opens),
		test_both(a_region_may_take_the_place_of_another),
		test_both(the_same_region_again_stays_mapped),
		test_both(what_another_refuses_is_as_before),
		test_both(a_region_over_a_mapping_of_the_callers_is_refused),
		test_both(a_table_does_not_change_under_an_opening_function),
		test_both(a_child_does_not_inherit_mapped_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
