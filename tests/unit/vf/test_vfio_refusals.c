/* SPDX-License-Identifier: MIT */
/*
 * What VFIO and address spaces are refused for that is seldom met. A function is
 * open where one is needed.
 */
#include <linux/vfio.h>
#include <stdio.h>

#include "unit/vf/vfio_scene.h"

static struct vio_vfio *open_function(struct scene *s)
{
	struct vio_vfio *vfio = NULL;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	return vfio;
}

static void more_than_there_are_addresses_is_enospc(void **state)
{
	struct scene *s = *state;
	uint64_t iova = 0x77;

	open_function(s);
	assert_int_equal(vio_iommu_map(s->iommu, s->memory, UINT64_C(1) << 62,
				       VIO_IOMMU_READ, &iova, &s->end.err),
			 -ENOSPC);
	assert_int_equal(iova, 0x77);
}

static void memory_that_wraps_is_refused(void **state)
{
	struct scene *s = *state;
	uint64_t iova = SCENE_IOVA;

	open_function(s);
	assert_int_equal(vio_iommu_map(s->iommu, (void *)(UINTPTR_MAX - 4095),
				       2 * SCENE_PAGE, VIO_IOMMU_READ | VIO_IOMMU_FIXED,
				       &iova, &s->end.err),
			 -EINVAL);
	assert_non_null(strstr(s->end.err.text, "wraps"));
}

static void of_two_mappings_the_one_that_is_named_goes(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_function(s);
	void *first, *second;

	assert_int_equal(vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &first, NULL), 0);
	assert_int_equal(
		vio_vfio_map_bar(vfio, 0, 2 * SCENE_PAGE, SCENE_PAGE, &second, NULL),
		0);
	assert_int_equal(vio_vfio_unmap_bar(vfio, second), 0);
	assert_int_equal(vio_vfio_unmap_bar(vfio, second), -ENOENT);
	assert_int_equal(vio_vfio_unmap_bar(vfio, first), 0);
}

static void a_mapping_that_cannot_be_made_again_is_named(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_function(s);
	uint64_t iova = 0;

	assert_int_equal(vio_iommu_map(s->iommu, s->memory, SCENE_BYTES, VIO_IOMMU_READ,
				       &iova, NULL),
			 0);
	assert_int_equal(scene_close(s, vfio), 0);
	s->machine->locked_bytes_max = 0;
	assert_int_equal(scene_open(s, 0, &vfio), -ENOMEM);
	assert_non_null(strstr(s->end.err.text, "MEMLOCK"));
}

static void a_group_that_is_not_viable_is_exdev(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = NULL;

	s->machine->groups[0].is_viable = 0;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -EXDEV);
	assert_non_null(strstr(s->end.err.text, "not viable"));
	assert_null(vfio);
}

static void what_else_a_folder_has_is_no_device(void **state)
{
	static const char folder[] =
		FAKE_VFIO_SYSFS "/bus/pci/devices/0000:01:10.0/vfio-dev";
	struct scene *s = *state;
	char path[160];

	vio_fake_remove(s->fake, folder);
	snprintf(path, sizeof(path), "%s/uevent", folder);
	vio_fake_add_dir(s->fake, path);
	snprintf(path, sizeof(path), "%s/vfio0", folder);
	vio_fake_add_dir(s->fake, path);
	open_function(s);
}

/* Its regions would mean something else. */
static void a_function_that_is_not_of_pci_is_no_device(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;

	s->machine->functions[0].device_flags = VFIO_DEVICE_FLAGS_PLATFORM;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -ENODEV);
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
	assert_int_equal(s->machine->functions[0].is_open, 0);
	assert_int_equal(s->machine->space.fd, -1);
}

static void a_dev_root_longer_than_its_paths_may_be_is_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;
	char *const dev_root = s->host.dev_root;
	char root[300];

	memset(root, 'x', sizeof(root) - 1);
	root[0] = '/';
	root[sizeof(root) - 1] = '\0';
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	s->host.dev_root = root;
	assert_int_equal(scene_open(s, 0, &vfio), -ENAMETOOLONG);
	assert_non_null(strstr(s->end.err.text, "dev_root"));
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
	s->host.dev_root = dev_root;
}

#define GROUPS(test)                                                                   \
	cmocka_unit_test_setup_teardown(test, scene_set_up_groups, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUPS(more_than_there_are_addresses_is_enospc),
		GROUPS(memory_that_wraps_is_refused),
		GROUPS(of_two_mappings_the_one_that_is_named_goes),
		GROUPS(a_mapping_that_cannot_be_made_again_is_named),
		GROUPS(a_group_that_is_not_viable_is_exdev),
		GROUPS(what_else_a_folder_has_is_no_device),
		GROUPS(a_function_that_is_not_of_pci_is_no_device),
		GROUPS(a_dev_root_longer_than_its_paths_may_be_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
