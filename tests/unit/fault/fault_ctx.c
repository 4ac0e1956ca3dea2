/* SPDX-License-Identifier: MIT */
/*
 * Contexts. Where io_uring cannot be set up, a context does without it; what it
 * cannot do without fails its creation.
 */
#include "ctx.h"
#include "unit/fault/fault_case.h"

static int create(struct fault_scene *scene)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_ctx *ctx = scene->out;
	int ret;

	params.flags = VIO_CTX_LENDS_THREAD;
	params.alloc = &scene->fault.alloc;
	ret = vio_ctx_create_on(&params, &scene->fault.sys, &ctx, &scene->err);
	scene->out = ctx;
	return ret;
}

static void destroy_created(struct fault_scene *scene)
{
	assert_true(vio_ctx_get_fd(scene->out) >= 0);
	assert_int_equal(vio_ctx_destroy(scene->out, NULL), 0);
}

static void create_lent(struct fault_scene *scene)
{
	assert_int_equal(
		vio_fault_create_ctx(&scene->fault, VIO_CTX_LENDS_THREAD, &scene->lent),
		0);
}

static int use_and_destroy(struct fault_scene *scene)
{
	assert_true(vio_ctx_get_fd(scene->lent) >= 0);
	assert_int_equal(vio_ctx_dispatch(scene->lent, 1), 0);
	assert_int_equal(vio_ctx_abort_work(scene->lent), 0);
	assert_int_equal(vio_ctx_work(scene->lent), 0);
	assert_int_equal(vio_ctx_dispatch(scene->lent, 1), 0);
	return vio_ctx_destroy(scene->lent, &scene->err);
}

static int ask_version(struct fault_scene *scene)
{
	(void)scene;
	assert_true(vio_version() > 0);
	return vio_has(VIO_HAS_URING);
}

static const struct fault_case cases[] = {
	{ "vio_ctx_create",
	  FAULT_TAKES_MEMORY | FAULT_MAKES_CALLS | FAULT_MAKES_DO | FAULT_HAS_ERROR,
	  NULL, NULL, create, NULL, destroy_created },
	{ "vio_ctx_destroy vio_ctx_get_fd vio_ctx_work vio_ctx_abort_work",
	  FAULT_TAKES_NOTHING, NULL, create_lent, use_and_destroy, NULL, NULL },
	{ "vio_version vio_has", FAULT_TAKES_NOTHING, NULL, NULL, ask_version, NULL,
	  NULL },
};

const struct fault_family fault_ctx = { cases, sizeof(cases) / sizeof(cases[0]) };
