/* SPDX-License-Identifier: MIT */
/*
 * What the suites of VFIO share: a fake machine with three functions, two of them in
 * one group; a context with a lent thread; claimed VFs made by hand.
 */
#ifndef TESTS_UNIT_VF_VFIO_SCENE_H
#define TESTS_UNIT_VF_VFIO_SCENE_H

#include <pthread.h>

#include <vio/vfio.h>

#include "ctx.h"
#include "fake/fake_vfio.h"
#include "fake/fault.h"
#include "fake/support.h"
#include "vf/host.h"
#include "vf/vf.h"
#include "vf/vfio.h"

#define SCENE_PAGE  UINT64_C(4096)
#define SCENE_BYTES (16 * SCENE_PAGE)
#define SCENE_IOVA  UINT64_C(0x40000000)

/* How an operation ended. */
struct scene_end {
	uint32_t n;
	int result;
	struct vio_error err;
};

struct scene {
	struct vio_fake *fake;
	struct fake_vfio *machine;
	struct vio_fault fault; /* over the fake kernel */
	struct vio_ctx *ctx;
	struct vio_host host;
	struct vio_vf vfs[3];
	struct vio_iommu *iommu;
	char *memory; /* SCENE_BYTES */
	pthread_t thread;
	uint32_t has_thread;
	struct scene_end end; /* of the latest operation */
	uint32_t n_requested;
	uint32_t n_failed;
};

#define SCENE_GROUPS    0u
#define SCENE_IOMMUFD   (1u << 0)
#define SCENE_NO_THREAD (1u << 1)
#define SCENE_IDLE      (1u << 2) /* a thread is promised and does not come */

struct scene *scene_create(uint32_t flags);
/* Closes what is open, and checks that nothing is left. */
void scene_destroy(struct scene *scene);

/* The parts of both, for attempts that fail on the way: 0 or what failed. */
struct scene *scene_create_machine(uint32_t flags);
int scene_open_ctx(struct scene *scene, uint32_t flags);
void scene_close_ctx(struct scene *scene);
void scene_destroy_machine(struct scene *scene);

/* Tells the lent thread to return, and sees what that ends. */
void scene_abort(struct scene *scene);

/* cmocka's: *state is the scene. */
int scene_set_up_groups(void **state);
int scene_set_up_iommufd(void **state);
int scene_tear_down(void **state);

void scene_done(void *opaque, int result, const struct vio_error *err);

/* Waits for the operation under way; what it ended with. */
int scene_wait(struct scene *scene);

int scene_open_iommu(struct scene *scene, uint32_t flags, struct vio_mem *mem);
/* Begins it only: scene_wait() has the end. */
int scene_begin_open(struct scene *scene, uint32_t vf, struct vio_vfio **out);
int scene_open(struct scene *scene, uint32_t vf, struct vio_vfio **out);
int scene_close(struct scene *scene, struct vio_vfio *vfio);

#endif /* TESTS_UNIT_VF_VFIO_SCENE_H */
