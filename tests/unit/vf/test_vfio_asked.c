/* SPDX-License-Identifier: MIT */
/*
 * The kernel wants a function back, or says that it failed, at moments that a real
 * one cannot be made to choose: while it is being opened, reset, configured, closed.
 * And it goes in the middle of each of these.
 */
#include <linux/vfio.h>

#include "sys/uapi/iommufd.h"
#include "unit/vf/vfio_scene.h"

static struct vio_vfio *open_one(struct scene *s)
{
	struct vio_vfio *vfio = NULL;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	return vfio;
}

static void fire(struct scene *s, uint32_t index)
{
	fake_vfio_fire(&s->machine->functions[0], index, 0);
}

/* One callback at a time, until the operation has ended. */
static void step_to_end(struct scene *s)
{
	while (!s->end.n) {
		vio_test_wait_fd(vio_ctx_get_fd(s->ctx));
		(void)vio_ctx_dispatch(s->ctx, 1);
	}
}

static void what_comes_while_it_opens_is_told_once_it_is_open(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	s->machine->functions[0].raises =
		1u << VFIO_PCI_REQ_IRQ_INDEX | 1u << VFIO_PCI_ERR_IRQ_INDEX;
	vfio = open_one(s);
	assert_non_null(vfio);
	vio_test_dispatch_until(s->ctx, &s->n_requested, 1);
	vio_test_dispatch_until(s->ctx, &s->n_failed, 1);
	assert_int_equal(vio_ctx_dispatch(s->ctx, 8), 0);
	assert_int_equal(s->n_requested + s->n_failed, 2);
}

/* Both are ready when the function is entered: done comes first, whatever does. */
static void no_request_comes_before_done(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	s->machine->functions[0].raises = 1u << VFIO_PCI_REQ_IRQ_INDEX;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_begin_open(s, 0, &vfio), 0);
	step_to_end(s);
	assert_int_equal(s->n_requested, 0);
	assert_int_equal(scene_wait(s), 0);
	vio_test_dispatch_until(s->ctx, &s->n_requested, 1);
}

/* The memory of the one that asked is not looked at any more. */
static void a_function_that_is_closed_by_its_done_asks_nobody(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio;

	s->machine->functions[0].raises = 1u << VFIO_PCI_REQ_IRQ_INDEX;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_begin_open(s, 0, &vfio), 0);
	step_to_end(s);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->n_requested, 0);
	assert_int_equal(s->machine->functions[0].is_open, 0);
}

static void a_request_is_told_while_it_is_reset_and_answered_after(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	fire(s, VFIO_PCI_REQ_IRQ_INDEX);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, NULL), -EBUSY);
	assert_int_equal(scene_wait(s), 0);
	vio_test_dispatch_until(s->ctx, &s->n_requested, 1);
	assert_int_equal(scene_close(s, vfio), 0);
}

static void a_request_is_told_while_its_vf_is_configured(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	/* As vio_vf_configure() begins, and ends. */
	assert_int_equal(vio_vf_begin(&s->vfs[0], 0, scene_done, s, NULL), 0);
	fire(s, VFIO_PCI_REQ_IRQ_INDEX);
	vio_test_dispatch_until(s->ctx, &s->n_requested, 1);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, NULL), -EBUSY);
	vio_vf_end(&s->vfs[0], VIO_VF_HELD, 0, NULL);
	assert_int_equal(scene_wait(s), 0);
	assert_int_equal(scene_close(s, vfio), 0);
}

static void who_closes_is_not_asked_any_more(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	fire(s, VFIO_PCI_REQ_IRQ_INDEX);
	fire(s, VFIO_PCI_ERR_IRQ_INDEX);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->n_requested + s->n_failed, 0);
}

static void it_is_told_as_often_as_the_kernel_asks(void **state)
{
	struct scene *s = *state;

	open_one(s);
	for (uint32_t i = 1; i < 4; i++) {
		fire(s, VFIO_PCI_REQ_IRQ_INDEX);
		vio_test_dispatch_until(s->ctx, &s->n_requested, i);
		assert_int_equal(s->n_requested, i);
	}
}

static void a_function_that_goes_while_it_opens_is_enodev(void **state)
{
	static const unsigned long requests[] = {
		VFIO_GROUP_GET_STATUS,       VFIO_GROUP_SET_CONTAINER,
		VFIO_GROUP_GET_DEVICE_FD,    VFIO_DEVICE_GET_INFO,
		VFIO_DEVICE_GET_REGION_INFO, VFIO_DEVICE_GET_IRQ_INFO,
		VFIO_DEVICE_SET_IRQS,        VIO_UAPI_BIND_IOMMUFD,
		VIO_UAPI_ATTACH_IOMMUFD_PT,
	};
	struct scene *s = *state;
	uint32_t n_gone = 0;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	for (size_t i = 0; i < sizeof(requests) / sizeof(*requests); i++) {
		struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;
		int ret;

		s->machine->gone_request = requests[i];
		ret = scene_open(s, 0, &vfio);
		s->machine->gone_request = 0;
		s->machine->functions[0].is_gone = 0;
		if (!ret) {
			assert_int_equal(scene_close(s, vfio), 0);
			continue;
		}
		assert_int_equal(ret, -ENODEV);
		assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
		assert_int_equal(s->machine->space.fd, -1);
		assert_int_equal(s->machine->functions[0].is_open, 0);
		n_gone++;
	}
	/* Those of its own way, and the four that both have. */
	assert_int_equal(n_gone, s->machine->iommufd.opaque ? 6 : 7);
}

static void a_function_that_goes_while_it_is_reset_is_enodev_and_closes(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	uint32_t word = 0x77;

	s->machine->gone_request = VFIO_DEVICE_RESET;
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, NULL), 0);
	assert_int_equal(scene_wait(s), -ENODEV);
	assert_int_equal(vio_vfio_read(vfio, 0, 0, &word, sizeof(word)), -ENODEV);
	assert_int_equal(word, 0x77);
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->machine->functions[0].is_open, 0);
}

static void a_function_that_goes_while_it_closes_is_closed(void **state)
{
	const int32_t fds[1] = { -1 };
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);
	void *ptr;

	assert_int_equal(vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &ptr, NULL), 0);
	assert_int_equal(vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 1, NULL), 0);
	s->machine->gone_request = VFIO_DEVICE_SET_IRQS;
	assert_int_equal(scene_close(s, vfio), 0);
	assert_int_equal(s->machine->functions[0].is_gone, 1);
	assert_int_equal(s->machine->functions[0].is_open, 0);
	assert_int_equal(s->machine->space.fd, -1);
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(what_comes_while_it_opens_is_told_once_it_is_open),
		test_both(no_request_comes_before_done),
		test_both(a_function_that_is_closed_by_its_done_asks_nobody),
		test_both(a_request_is_told_while_it_is_reset_and_answered_after),
		test_both(a_request_is_told_while_its_vf_is_configured),
		test_both(who_closes_is_not_asked_any_more),
		test_both(it_is_told_as_often_as_the_kernel_asks),
		test_both(a_function_that_goes_while_it_opens_is_enodev),
		test_both(a_function_that_goes_while_it_is_reset_is_enodev_and_closes),
		test_both(a_function_that_goes_while_it_closes_is_closed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
