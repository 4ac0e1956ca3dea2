/* SPDX-License-Identifier: MIT */
/*
 * Opening, resetting and closing functions, by groups and by iommufd: what either
 * must do is tested twice.
 */
#include <linux/vfio.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/uapi/iommufd.h"
#include "unit/vf/vfio_scene.h"

static struct vio_vfio *open_one(struct scene *s)
{
	struct vio_vfio *vfio = NULL;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	return vfio;
}

static void a_function_is_open_after_done_and_reset_once(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_ptr_equal(s->vfs[0].vfio, vfio);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
	assert_int_equal(s->machine->functions[0].is_open, 1);
	assert_int_equal(s->machine->functions[0].n_resets, 1);
}

static void iommufd_is_taken_where_it_is(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_int_equal(s->machine->space.is_iommufd, s->machine->iommufd.opaque != 0);
	assert_int_equal(vio_vfio_get_group_fd(vfio) < 0, s->machine->space.is_iommufd);
	assert_true(vio_vfio_get_fd(vfio) >= 0);
}

static void a_closed_function_is_let_go_with_its_address_space(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->machine->functions[0].is_open, 0);
	assert_int_equal(s->machine->space.fd, -1);
	assert_null(s->vfs[0].vfio);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
}

static void a_closed_function_opens_again(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
}

static void functions_of_one_group_share_its_descriptor(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *a, *b;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 1, &a), 0);
	assert_int_equal(scene_open(s, 2, &b), 0);
	assert_int_equal(vio_vfio_get_group_fd(a), vio_vfio_get_group_fd(b));
	/* The first to leave does not take the group along. */
	assert_int_equal(scene_close(s, a), 0);
	assert_int_equal(s->machine->space.n_attached, 1);
}

static void functions_opened_at_once_take_turns(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfios[3];

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	params.iommu = s->iommu;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(vio_vfio_open(&s->vfs[i], &params, &vfios[i],
					       scene_done, s, NULL),
				 0);
	vio_test_dispatch_until(s->ctx, &s->end.n, 3);
	s->end.n = 0;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(vio_vfio_close(vfios[i], scene_done, s, NULL), 0);
	vio_test_dispatch_until(s->ctx, &s->end.n, 3);
	s->end.n = 0;
	assert_int_equal(s->machine->space.fd, -1);
}

static void an_open_function_is_not_opened_again(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *other = VIO_FAULT_UNTOUCHED;

	open_one(s);
	assert_int_equal(scene_open(s, 0, &other), -EBUSY);
	assert_ptr_equal(other, VIO_FAULT_UNTOUCHED);
}

static void one_operation_at_a_time(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), -EBUSY);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, NULL), -EBUSY);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(s->machine->functions[0].n_resets, 2);
}

static void an_address_space_with_functions_stays_open(void **state)
{
	struct scene *s = *state;
	struct vio_error err = VIO_ERROR_INIT;

	open_one(s);
	assert_int_equal(vio_iommu_close(s->iommu, &err), -EBUSY);
	assert_non_null(strstr(err.text, "0000:01:10.0"));
}

static void a_function_that_another_process_has_is_busy(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;

	s->machine->groups[0].is_held = 1;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -EBUSY);
	assert_non_null(strstr(s->end.err.text, "another process"));
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
}

static void a_group_with_a_foreign_driver_names_who_is_in_it(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	fake_vfio_add_foreign(s->machine, "0000:01:10.6", 8, "igbvf");
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -EXDEV);
	assert_non_null(strstr(s->end.err.text, "0000:01:10.6"));
	assert_non_null(strstr(s->end.err.text, "igbvf"));
}

static void a_vf_bound_elsewhere_is_refused_by_name(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	fake_vfio_add_foreign(s->machine, "0000:01:10.6", 10, "igbvf");
	s->vfs[0].info.addr.function = 6;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -ENODEV);
	assert_non_null(strstr(s->end.err.text, "igbvf"));
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
}

static void a_vf_that_has_gone_is_not_opened(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	vio_fake_remove(s->fake, FAKE_VFIO_SYSFS "/bus/pci/devices/0000:01:10.0");
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -ENODEV);
}

static void what_the_kernel_answers_is_what_done_brings(void **state)
{
	static const unsigned long requests[] = {
		VFIO_GROUP_GET_STATUS,
		VFIO_GROUP_SET_CONTAINER,
		VFIO_SET_IOMMU,
		VFIO_GROUP_GET_DEVICE_FD,
		VFIO_IOMMU_GET_INFO,
		VFIO_DEVICE_GET_INFO,
		VFIO_DEVICE_GET_REGION_INFO,
		VFIO_DEVICE_GET_IRQ_INFO,
		VFIO_DEVICE_SET_IRQS,
		VIO_UAPI_IOAS_ALLOC,
		VIO_UAPI_BIND_IOMMUFD,
		VIO_UAPI_ATTACH_IOMMUFD_PT,
		VIO_UAPI_IOAS_IOVA_RANGES,
	};
	struct scene *s = *state;
	uint32_t n_failed = 0;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;
		int ret;

		s->machine->fail_request = requests[i];
		s->machine->fail_code = -EIO;
		ret = scene_open(s, 0, &vfio);
		s->machine->fail_request = 0;
		if (!ret) {
			assert_int_equal(scene_close(s, vfio), 0);
			continue;
		}
		assert_int_equal(ret, -EIO);
		assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
		assert_int_equal(s->machine->space.fd, -1);
		assert_int_equal(s->machine->functions[0].is_open, 0);
		n_failed++;
	}
	/* Those of its own way, and the four that both have. */
	assert_int_equal(n_failed, s->machine->iommufd.opaque ? 8 : 9);
}

static void a_function_that_was_lost_can_be_closed(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	s->vfs[0].info.state = VIO_VF_LOST;
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), -ENODEV);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_LOST);
}

static void a_request_of_the_kernel_is_told_in_dispatch(void **state)
{
	struct scene *s = *state;

	open_one(s);
	fake_vfio_fire(&s->machine->functions[0], VFIO_PCI_REQ_IRQ_INDEX, 0);
	vio_test_dispatch_until(s->ctx, &s->n_requested, 1);
	fake_vfio_fire(&s->machine->functions[0], VFIO_PCI_ERR_IRQ_INDEX, 0);
	vio_test_dispatch_until(s->ctx, &s->n_failed, 1);
	assert_int_equal(s->n_requested, 1);
	/* Told once, not for ever. */
	assert_int_equal(vio_ctx_dispatch(s->ctx, 8), 0);
}

static void bad_parameters_are_refused(void **state)
{
	struct scene *s = *state;
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfio;

	assert_int_equal(vio_vfio_open(&s->vfs[0], NULL, &vfio, scene_done, s, NULL),
			 -EINVAL);
	assert_int_equal(vio_vfio_open(&s->vfs[0], &params, &vfio, scene_done, s, NULL),
			 -EINVAL);
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	params.iommu = s->iommu;
	params.flags = 1;
	assert_int_equal(vio_vfio_open(&s->vfs[0], &params, &vfio, scene_done, s, NULL),
			 -EINVAL);
	params.flags = 0;
	params.size = 1;
	assert_int_equal(vio_vfio_open(&s->vfs[0], &params, &vfio, scene_done, s, NULL),
			 -EINVAL);
	params.size = 1u << 20;
	assert_int_equal(vio_vfio_open(&s->vfs[0], &params, &vfio, scene_done, s, NULL),
			 -E2BIG);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
}

static void without_a_thread_nothing_is_touched(void **state)
{
	struct scene *s = scene_create(SCENE_NO_THREAD);
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;

	(void)state;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -EOPNOTSUPP);
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
	assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
	assert_null(s->vfs[0].done);
	scene_destroy(s);
}

static void one_way_can_be_asked_for(void **state)
{
	struct scene *s = scene_create(SCENE_IOMMUFD);
	struct vio_vfio *vfio;

	(void)state;
	assert_int_equal(scene_open_iommu(s, VIO_IOMMU_TYPE1, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	assert_true(vio_vfio_get_group_fd(vfio) >= 0);
	scene_destroy(s);
}

static void a_kernel_without_iommufd_is_no_device(void **state)
{
	struct scene *s = scene_create(SCENE_GROUPS);

	(void)state;
	assert_int_equal(scene_open_iommu(s, VIO_IOMMU_IOMMUFD, NULL), -ENODEV);
	scene_destroy(s);
}

static void an_iommufd_without_the_functions_file_leaves_groups(void **state)
{
	struct scene *s = scene_create(SCENE_IOMMUFD);
	struct vio_vfio *vfio;

	(void)state;
	vio_fake_remove(s->fake, FAKE_VFIO_DEV "/vfio/devices/vfio0");
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	assert_true(vio_vfio_get_group_fd(vfio) >= 0);
	scene_destroy(s);
}

static void a_container_of_another_version_is_none(void **state)
{
	struct scene *s = scene_create(SCENE_GROUPS);
	struct vio_vfio *vfio;

	(void)state;
	s->machine->api_version = 1;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), -ENODEV);
	scene_destroy(s);
}

static int use_in_child(void *opaque)
{
	struct scene *s = opaque;
	struct vio_vfio *vfio = s->vfs[0].vfio, *other;
	struct vio_iommu *iommu;
	const int fd = vfio->fd;
	uint64_t iova = 0;
	uint32_t word;
	void *ptr;

	if (scene_open(s, 1, &other) != -ECHILD)
		return 1;
	if (vio_iommu_open(&s->host, NULL, &iommu, NULL) != -ECHILD)
		return 2;
	if (vio_iommu_map(s->iommu, s->memory, SCENE_PAGE, VIO_IOMMU_READ, &iova,
			  NULL) != -ECHILD)
		return 3;
	if (vio_vfio_read(vfio, 0, 0, &word, 4) != -ECHILD)
		return 4;
	if (vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &ptr, NULL) != -ECHILD)
		return 5;
	if (vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, NULL, 0, NULL) != -ECHILD)
		return 6;
	if (vio_vfio_reset(vfio, scene_done, s, NULL) != -ECHILD)
		return 7;
	if (vio_vfio_close(vfio, scene_done, s, NULL) != -ECHILD)
		return 8;
	if (fcntl(fd, F_GETFD) >= 0)
		return 9;
	return vio_iommu_close(s->iommu, NULL) ? 10 : 0;
}

static void a_child_uses_nothing_and_lets_go_of_all(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_int_equal(vio_test_fork(use_in_child, s), 0);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(scene_wait(s), 0);
}

/* Where its parent has registers the child has memory of its own. */
struct with_bar {
	struct scene *scene;
	void *bar;
};

static int close_in_child(void *opaque)
{
	const struct with_bar *with = opaque;
	struct scene *s = with->scene;
	struct fake_vfio_function *function = &s->machine->functions[0];
	const uint32_t n_irq_calls = function->n_irq_calls;

	if (mmap(with->bar, SCENE_PAGE, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != with->bar)
		return 1;
	if (vio_vfio_close(s->vfs[0].vfio, scene_done, s, NULL) != -ECHILD)
		return 2;
	if (s->vfs[0].vfio || s->end.n || function->is_open)
		return 3;
	if (madvise(with->bar, SCENE_PAGE, MADV_NORMAL))
		return 4;
	/* Interrupts are the function's, not the descriptor's. */
	if (function->n_irq_calls != n_irq_calls)
		return 5;
	return vio_iommu_close(s->iommu, NULL) ? 6 : 0;
}

static void a_child_lets_go_of_registers_that_its_parent_mapped(void **state)
{
	const int32_t fds[2] = { -1, -1 };
	struct with_bar with = { .scene = *state };
	struct scene *s = with.scene;
	struct vio_vfio *vfio = open_one(s);
	uint32_t word = 0x12345678;

	assert_int_equal(vio_vfio_map_bar(vfio, 2, 0, SCENE_PAGE, &with.bar, NULL), 0);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 2, NULL), 0);
	assert_int_equal(vio_test_fork(close_in_child, &with), 0);
	memcpy(with.bar, &word, sizeof(word));
	word = 0;
	assert_int_equal(vio_vfio_read(vfio, 2, 0, &word, sizeof(word)), 0);
	assert_int_equal(word, 0x12345678);
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}
#define test_groups(name)                                                              \
	cmocka_unit_test_setup_teardown(name, scene_set_up_groups, scene_tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(a_function_is_open_after_done_and_reset_once),
		test_both(iommufd_is_taken_where_it_is),
		test_both(a_closed_function_is_let_go_with_its_address_space),
		test_both(a_closed_function_opens_again),
		test_groups(functions_of_one_group_share_its_descriptor),
		test_both(functions_opened_at_once_take_turns),
		test_both(an_open_function_is_not_opened_again),
		test_both(one_operation_at_a_time),
		test_both(an_address_space_with_functions_stays_open),
		test_both(a_function_that_another_process_has_is_busy),
		test_both(a_group_with_a_foreign_driver_names_who_is_in_it),
		test_both(a_vf_bound_elsewhere_is_refused_by_name),
		test_both(a_vf_that_has_gone_is_not_opened),
		test_both(what_the_kernel_answers_is_what_done_brings),
		test_both(a_function_that_was_lost_can_be_closed),
		test_both(a_request_of_the_kernel_is_told_in_dispatch),
		test_groups(bad_parameters_are_refused),
		cmocka_unit_test(without_a_thread_nothing_is_touched),
		cmocka_unit_test(one_way_can_be_asked_for),
		cmocka_unit_test(a_kernel_without_iommufd_is_no_device),
		cmocka_unit_test(an_iommufd_without_the_functions_file_leaves_groups),
		cmocka_unit_test(a_container_of_another_version_is_none),
		test_both(a_child_uses_nothing_and_lets_go_of_all),
		test_both(a_child_lets_go_of_registers_that_its_parent_mapped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
