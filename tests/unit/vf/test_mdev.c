/* SPDX-License-Identifier: MIT */
/*
 * Mediated devices: opened by a UUID, used like a function, gone when closed. There is
 * no VF to look at: what is left behind shows in the fake kernel and in the memory.
 */
#include <vio/vfio_migration.h>

#include "unit/vf/vfio_scene.h"

#define UUID "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001"

static struct fake_vfio_function *add_mdev(struct scene *s)
{
	if (!s->iommu)
		assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	return fake_vfio_add_mdev(s->machine, UUID, 17);
}

static int open_mdev(struct scene *s, const char *uuid, struct vio_vfio **out)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	int ret;

	params.iommu = s->iommu;
	ret = vio_vfio_open_mdev(&s->host, uuid, &params, out, scene_done, s,
				 &s->end.err);
	return ret ? ret : scene_wait(s);
}

static void a_device_is_opened_by_its_uuid_and_closed(void **state)
{
	struct scene *s = *state;
	struct fake_vfio_function *f = add_mdev(s);
	struct vio_vfio *vfio = NULL;
	uint32_t word = 0;

	assert_int_equal(open_mdev(s, UUID, &vfio), 0);
	assert_int_equal(f->is_open, 1);
	assert_int_equal(vio_vfio_read(vfio, VIO_VFIO_CONFIG_REGION, 0, &word, 4), 0);
	assert_int_equal(word, 0x10ca8086);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(f->is_open, 0);
	assert_int_equal(open_mdev(s, UUID, &vfio), 0);
	assert_int_equal(scene_close(s, vfio), 0);
}

static void it_shares_an_address_space_with_functions(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = NULL, *other = NULL;

	add_mdev(s);
	assert_int_equal(scene_open(s, 0, &other), 0);
	assert_int_equal(open_mdev(s, UUID, &vfio), 0);
	assert_int_equal(s->machine->space.n_attached, 2);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->machine->space.n_attached, 1);
}

static void it_is_reset_and_migrated_like_a_function(void **state)
{
	struct scene *s = *state;
	struct fake_vfio_function *f = add_mdev(s);
	struct vio_vfio *vfio = NULL;
	int32_t fd = 0;

	f->migration.features = VIO_VFIO_CAN_STOP_COPY;
	assert_int_equal(open_mdev(s, UUID, &vfio), 0);
	assert_int_equal(vio_vfio_set_migration(vfio, VIO_VFIO_STATE_STOP, &fd,
						scene_done, s, NULL),
			 0);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(f->migration.state, VIO_VFIO_STATE_STOP);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(f->migration.state, VIO_VFIO_STATE_RUNNING);
	assert_int_equal(scene_close(s, vfio), 0);
}

static void a_refusal_names_its_uuid(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = NULL;

	add_mdev(s);
	assert_int_equal(open_mdev(s, UUID, &vfio), 0);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, &s->end.err), -EBUSY);
	assert_non_null(strstr(s->end.err.text, UUID));
	assert_int_equal(vio_iommu_close(s->iommu, &s->end.err), -EBUSY);
	assert_non_null(strstr(s->end.err.text, UUID));
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(scene_close(s, vfio), 0);
}

static void what_is_no_uuid_reaches_no_path(void **state)
{
	static const char *const texts[] = {
		"",
		"83b8f4f2-509f-382f-3c1e-e6bfe0fa100",
		"83b8f4f2-509f-382f-3c1e-e6bfe0fa10011",
		"83B8F4F2-509F-382F-3C1E-E6BFE0FA1001",
		"83b8f4f2/509f-382f-3c1e-e6bfe0fa1001",
		"../../../../../../../../../../../etc",
		"83b8f4f2-509f-382f-3c1e-e6bfe0fa100\n",
	};
	struct scene *s = *state;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;
	uint64_t n_calls;

	add_mdev(s);
	n_calls = s->fault.n_calls;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		assert_int_equal(open_mdev(s, texts[i], &vfio), -EINVAL);
	assert_int_equal(open_mdev(s, NULL, &vfio), -EINVAL);
	assert_int_equal(s->fault.n_calls, n_calls);
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
}

static void one_that_is_not_there_is_enodev(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(open_mdev(s, UUID, &vfio), -ENODEV);
	assert_non_null(strstr(s->end.err.text, UUID));
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
}

static void one_that_another_process_has_is_busy(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;

	add_mdev(s);
	s->machine->groups[s->machine->n_groups - 1].is_held = 1;
	assert_int_equal(open_mdev(s, UUID, &vfio), -EBUSY);
	assert_non_null(strstr(s->end.err.text, "another process"));
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
}

static struct vio_vfio *opened;

static int close_in_child(void *opaque)
{
	return vio_vfio_close(opened, scene_done, opaque, NULL) != -ECHILD;
}

static void a_child_lets_go_of_it(void **state)
{
	struct scene *s = *state;

	add_mdev(s);
	assert_int_equal(open_mdev(s, UUID, &opened), 0);
	assert_int_equal(vio_test_fork(close_in_child, s), 0);
	assert_int_equal(scene_close(s, opened), 0);
}

/* While it waits for its turn it is no less in the way than when it is open. */
static void an_address_space_names_who_is_about_to_open(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfio = NULL;

	add_mdev(s);
	params.iommu = s->iommu;
	assert_int_equal(
		vio_vfio_open_mdev(&s->host, UUID, &params, &vfio, scene_done, s, NULL),
		0);
	assert_int_equal(vio_iommu_close(s->iommu, &s->end.err), -EBUSY);
	assert_non_null(strstr(s->end.err.text, UUID));
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(scene_close(s, vfio), 0);
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(a_device_is_opened_by_its_uuid_and_closed),
		test_both(it_shares_an_address_space_with_functions),
		test_both(it_is_reset_and_migrated_like_a_function),
		test_both(a_refusal_names_its_uuid),
		test_both(what_is_no_uuid_reaches_no_path),
		test_both(one_that_is_not_there_is_enodev),
		test_both(one_that_another_process_has_is_busy),
		test_both(a_child_lets_go_of_it),
		test_both(an_address_space_names_who_is_about_to_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
