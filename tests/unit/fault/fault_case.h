/* SPDX-License-Identifier: MIT */
/*
 * Every public function against every failure. A case is one call with a scene
 * around it: the runner repeats it with the Nth allocation failing, then with
 * the Nth system call failing by each errno, until nothing is left to fail. The
 * call before that must answer as the header says, leave its outputs alone,
 * fill its error, and succeed when it is made again on the same objects.
 */
#ifndef TESTS_UNIT_FAULT_CASE_H
#define TESTS_UNIT_FAULT_CASE_H

#include <vio/vio.h>
#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/guard.h>
#include <vio/unstable/limit.h>

#include "fake/fault.h"
#include "fake/support.h"

/* What a call takes. One that takes neither cannot fail for lack of anything. */
#define FAULT_TAKES_NOTHING 0u
#define FAULT_TAKES_MEMORY  (1u << 0)
#define FAULT_MAKES_CALLS   (1u << 1)
/* A failed call may be made up for: the function then succeeds all the same. */
#define FAULT_MAKES_DO (1u << 2)
/* The function has a struct vio_error, which the case passes. */
#define FAULT_HAS_ERROR (1u << 3)
/* A failure ends the object, which the case tells by its answer: no second try. */
#define FAULT_ENDS_IT  (1u << 4)

#define FAULT_PAGE     4096u
#define FAULT_RING_GPA UINT64_C(0x10000) /* a ring, in the scene's pages */
#define FAULT_PAGES    16u
#define FAULT_DESCS    8u

struct fault_machine;
struct vhost_stage;

struct fault_scene {
	struct vio_fault fault;
	struct vio_fault *armed; /* which one fails: that above, or a stage's own */
	struct vio_ctx *ctx;
	struct vio_error err;
	/* Pattern before the call; the case destroys what a success puts here. */
	void *out;

	/* What cases need beside it; zeroed, theirs to give back. */
	struct vio_mem *mem;
	struct vio_dom *dom;
	struct vio_queue *queue;
	struct vio_limit *limit;
	struct vio_guard *guard;
	struct vio_guard_member *member;
	struct vio_lease lease;
	struct vio_recorder *recorder;
	struct vio_heap *heap;
	struct vio_driver *driver;
	struct vio_backend *backend;
	struct vio_stop *token;
	struct vio_ctx *lent; /* a context that takes threads */
	struct vhost_stage *stage;
	struct fault_machine *machine; /* fault_machine.h */
	char *pages;                   /* FAULT_PAGES of them */
	int fd;
	int other_fd;
	uint32_t n_told; /* calls of callbacks */
	uint32_t n_expected;
	uint8_t bits[16];
};

struct fault_case {
	const char *functions; /* names apart by spaces; errors are of the first */
	uint32_t flags;
	/* Errnos that a failed call is reported as, besides its own: by spaces. */
	const char *reported_as;
	void (*setup)(struct fault_scene *scene);
	int (*call)(struct fault_scene *scene);
	/* After a failure: all that was there before is there and works. Or NULL. */
	void (*verify)(struct fault_scene *scene);
	/* After a success: gives everything back. */
	void (*finish)(struct fault_scene *scene);
};

struct fault_family {
	const struct fault_case *cases;
	size_t n;
};

extern const struct fault_family fault_ctx, fault_dom, fault_heap, fault_limit;
extern const struct fault_family fault_mem, fault_queue, fault_backend, fault_host;
extern const struct fault_family fault_vf, fault_vfio, fault_iommu, fault_view;
extern const struct fault_family fault_resize, fault_migration, fault_record;
extern const struct fault_family fault_limit_hw, fault_guard;

/* fault_families.c: all of them. */
#define FAULT_N_FAMILIES 17u
extern const struct fault_family *const fault_families[FAULT_N_FAMILIES];

/* fault_headers.c: the names of all public functions, and what each answers. */
struct fault_function {
	char name[64];
	char doc[4096];
};

/* Reads the public headers; the caller frees *@out. */
size_t fault_read_headers(struct fault_function **out);

/* fault_scenes.c: pieces of scenes. */
void fault_map_pages(struct fault_scene *scene);
void fault_unmap_pages(struct fault_scene *scene);
void fault_create_mem(struct fault_scene *scene); /* with the pages in it */
void fault_destroy_mem(struct fault_scene *scene);
void fault_create_queue(struct fault_scene *scene); /* on that table */
void fault_destroy_queue(struct fault_scene *scene);
struct vio_queue_params fault_queue_params(const struct fault_scene *scene);
void fault_count_released(void *opaque, uint64_t gpa);
/* The page that @gpa lies in is the scene's @page-th, or not in the table (-1). */
void fault_verify_page(struct fault_scene *scene, uint64_t gpa, int page);

#endif /* TESTS_UNIT_FAULT_CASE_H */
