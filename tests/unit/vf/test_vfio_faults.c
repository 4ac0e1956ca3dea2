/* SPDX-License-Identifier: MIT */
/*
 * The Nth allocation and the Nth system call fail, from an address space opened to
 * one closed, by both ways: what was taken is given back, and outputs are untouched.
 */
#include <stdlib.h>

#include "unit/vf/vfio_scene.h"

static int use_function(struct scene *s, struct vio_vfio *vfio)
{
	const int32_t fds[2] = { -1, -1 };
	void *ptr = VIO_FAULT_UNTOUCHED;
	uint64_t iova = 0x77;
	uint32_t word = 0x77;
	int ret;

	ret = vio_iommu_map(s->iommu, s->memory, SCENE_BYTES, VIO_IOMMU_READ, &iova,
			    NULL);
	if (ret) {
		assert_int_equal(iova, 0x77);
		return ret;
	}
	ret = vio_vfio_read(vfio, 0, 0, &word, sizeof(word));
	if (ret) {
		assert_int_equal(word, 0x77);
		return ret;
	}
	ret = vio_vfio_map_bar(vfio, 0, 0, SCENE_PAGE, &ptr, NULL);
	if (ret) {
		assert_ptr_equal(ptr, VIO_FAULT_UNTOUCHED);
		return ret;
	}
	return vio_vfio_set_interrupts(vfio, VIO_VFIO_MSIX, fds, 2, NULL);
}

/* What is closed afterwards is closed whatever fails: no call of it may refuse. */
static int use_iommu(struct scene *s)
{
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;
	int ret = scene_open(s, 0, &vfio), closed;

	if (ret) {
		assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
		assert_null(s->vfs[0].vfio);
		assert_int_equal(s->vfs[0].info.state, VIO_VF_HELD);
		return ret;
	}
	ret = use_function(s, vfio);
	closed = scene_close(s, vfio);
	assert_int_equal(closed, 0);
	return ret;
}

/* The fault's counts become the scene's, and go back for the runner to look at. */
static int scenario(struct vio_fault *fault, void *opaque)
{
	const uint32_t flags = *(const uint32_t *)opaque;
	struct scene *s = scene_create_machine(flags);
	int ret;

	s->fault.fail_alloc_at = fault->fail_alloc_at;
	s->fault.fail_call_at = fault->fail_call_at;
	s->fault.fail_errno = fault->fail_errno;
	ret = scene_open_ctx(s, flags);
	if (!ret) {
		s->iommu = VIO_FAULT_UNTOUCHED;
		ret = scene_open_iommu(s, 0, NULL);
		if (ret) {
			assert_ptr_equal(s->iommu, VIO_FAULT_UNTOUCHED);
		} else {
			ret = use_iommu(s);
			assert_int_equal(vio_iommu_close(s->iommu, NULL), 0);
		}
		scene_close_ctx(s);
	}
	fault->n_injected = s->fault.n_injected;
	scene_destroy_machine(s);
	/* A device file that cannot be looked at is one that is not there. */
	return fault->fail_call_at && ret == -ENODEV ? -fault->fail_errno : ret;
}

static void every_allocation_may_fail(void **state)
{
	uint32_t ways[] = { SCENE_GROUPS, SCENE_IOMMUFD };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_true(vio_fault_run_allocs(scenario, &ways[i]) > 5);
}

static void every_call_may_fail(void **state)
{
	uint32_t ways[] = { SCENE_GROUPS, SCENE_IOMMUFD };

	(void)state;
	for (size_t i = 0; i < 2; i++)
		assert_true(vio_fault_run_calls(scenario, &ways[i], EIO) > 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail),
		cmocka_unit_test(every_call_may_fail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
