/* SPDX-License-Identifier: MIT */
/* Building the scene in two steps, so that what needs a context can be repeated. */
#include <stdlib.h>
#include <sys/mman.h>

#include "unit/vf/vfio_scene.h"

static const char *const names[] = { "0000:01:10.0", "0000:01:10.2", "0000:01:10.4" };
static const uint32_t groups[] = { 8, 9, 9 };

struct scene *scene_create_machine(uint32_t flags)
{
	struct scene *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	s->end.err = (struct vio_error)VIO_ERROR_INIT;
	s->fake = vio_fake_create();
	s->machine = fake_vfio_create(s->fake, flags & SCENE_IOMMUFD);
	for (size_t i = 0; i < 3; i++)
		fake_vfio_add_function(s->machine, names[i], groups[i]);
	s->memory = mmap(NULL, SCENE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(s->memory != MAP_FAILED);
	vio_fault_prepare(&s->fault, vio_fake_get_sys(s->fake));
	return s;
}

static void *lend(void *ctx)
{
	vio_ctx_work(ctx);
	return NULL;
}

static void fill_vfs(struct scene *s)
{
	for (size_t i = 0; i < 3; i++) {
		struct vio_vf *vf = &s->vfs[i];

		*vf = (struct vio_vf){ .host = &s->host };
		vf->info.state = VIO_VF_HELD;
		assert_int_equal(vio_pci_addr_parse(names[i], &vf->info.addr), 0);
	}
}

int scene_open_ctx(struct scene *s, uint32_t flags)
{
	const uint32_t lends = flags & SCENE_NO_THREAD ? 0 : VIO_CTX_LENDS_THREAD;
	int ret = vio_fault_create_ctx(&s->fault, VIO_CTX_NO_URING | lends, &s->ctx);

	if (ret)
		return ret;
	if (lends && !(flags & SCENE_IDLE)) {
		assert_int_equal(pthread_create(&s->thread, NULL, lend, s->ctx), 0);
		s->has_thread = 1;
	}
	s->host = (struct vio_host){
		.env = &s->ctx->env,
		.ctx = s->ctx,
		.async = vio_ctx_get_async(s->ctx),
		.sysfs_root = (char *)(uintptr_t)FAKE_VFIO_SYSFS,
		.dev_root = (char *)(uintptr_t)FAKE_VFIO_DEV,
	};
	vio_list_init(&s->host.vfs);
	vio_list_init(&s->host.iommus);
	fill_vfs(s);
	return 0;
}

void scene_abort(struct scene *s)
{
	assert_int_equal(vio_ctx_abort_work(s->ctx), 0);
	if (s->has_thread)
		pthread_join(s->thread, NULL);
	s->has_thread = 0;
	while (vio_ctx_dispatch(s->ctx, 16) > 0)
		;
}

void scene_close_ctx(struct scene *s)
{
	if (s->has_thread)
		scene_abort(s);
	assert_int_equal(vio_ctx_destroy(s->ctx, NULL), 0);
	vio_fault_verify(&s->fault);
}

void scene_destroy_machine(struct scene *s)
{
	fake_vfio_destroy(s->machine);
	vio_fake_destroy(s->fake);
	munmap(s->memory, SCENE_BYTES);
	free(s);
}

struct scene *scene_create(uint32_t flags)
{
	struct scene *s = scene_create_machine(flags);

	assert_int_equal(scene_open_ctx(s, flags), 0);
	return s;
}

void scene_destroy(struct scene *s)
{
	for (size_t i = 0; i < 3; i++)
		if (s->vfs[i].vfio)
			assert_int_equal(scene_close(s, s->vfs[i].vfio), 0);
	assert_int_equal(vio_iommu_close(s->iommu, NULL), 0);
	scene_close_ctx(s);
	scene_destroy_machine(s);
}

int scene_set_up_groups(void **state)
{
	*state = scene_create(SCENE_GROUPS);
	return 0;
}

int scene_set_up_iommufd(void **state)
{
	*state = scene_create(SCENE_IOMMUFD);
	return 0;
}

int scene_tear_down(void **state)
{
	scene_destroy(*state);
	return 0;
}

void scene_done(void *opaque, int result, const struct vio_error *err)
{
	struct scene *s = opaque;

	s->end.n++;
	s->end.result = result;
	if (err)
		s->end.err = *err;
}

int scene_wait(struct scene *s)
{
	vio_test_dispatch_until(s->ctx, &s->end.n, 1);
	assert_int_equal(s->end.n, 1);
	s->end.n = 0;
	return s->end.result;
}

int scene_open_iommu(struct scene *s, uint32_t flags, struct vio_mem *mem)
{
	struct vio_iommu_params params = VIO_IOMMU_PARAMS_INIT;

	params.flags = flags;
	params.mem = mem;
	return vio_iommu_open(&s->host, &params, &s->iommu, &s->end.err);
}

static void requested(void *opaque, struct vio_vfio *vfio)
{
	struct scene *s = opaque;

	assert_non_null(vfio);
	s->n_requested++;
}

static void failed(void *opaque, struct vio_vfio *vfio)
{
	struct scene *s = opaque;

	assert_non_null(vfio);
	s->n_failed++;
}

int scene_begin_open(struct scene *s, uint32_t vf, struct vio_vfio **out)
{
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;

	params.iommu = s->iommu;
	params.requested = requested;
	params.failed = failed;
	params.opaque = s;
	return vio_vfio_open(&s->vfs[vf], &params, out, scene_done, s, &s->end.err);
}

int scene_open(struct scene *s, uint32_t vf, struct vio_vfio **out)
{
	const int ret = scene_begin_open(s, vf, out);

	return ret ? ret : scene_wait(s);
}

int scene_close(struct scene *s, struct vio_vfio *vfio)
{
	int ret = vio_vfio_close(vfio, scene_done, s, &s->end.err);

	return ret ? ret : scene_wait(s);
}
