/* SPDX-License-Identifier: MIT */
/* One thread is lent for what blocks where there is no io_uring. */
#include <poll.h>
#include <pthread.h>
#include <stdio.h>

#include <vio/ctx.h>

#include "bound.h"
#include "guest.h"

#define WAIT_MS 60000 /* an emulated machine on a loaded host */

struct vio_ctx *bound_ctx;
struct vio_error bound_err = VIO_ERROR_INIT;
static pthread_t worker;

struct answer {
	int is_there;
	int result;
};

static void *lend(void *unused)
{
	(void)unused;
	(void)vio_ctx_work(bound_ctx);
	return NULL;
}

int bound_begin(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;

	(void)state;
	params.flags = VIO_CTX_LENDS_THREAD;
	if (vio_ctx_create(&params, &bound_ctx, NULL))
		return -1;
	return pthread_create(&worker, NULL, lend, NULL) ? -1 : 0;
}

int bound_end(void **state)
{
	(void)state;
	if (vio_ctx_abort_work(bound_ctx))
		return -1;
	pthread_join(worker, NULL);
	return vio_ctx_destroy(bound_ctx, NULL);
}

static void told(void *opaque, int result, const struct vio_error *err)
{
	struct answer *answer = opaque;

	answer->is_there++;
	answer->result = result;
	if (err)
		bound_err = *err;
}

/* @ret is what the call that began returned. */
static int wait_for(struct answer *answer, int ret)
{
	struct pollfd fd = { .fd = vio_ctx_get_fd(bound_ctx), .events = POLLIN };

	while (!ret && !answer->is_there) {
		assert_int_equal(poll(&fd, 1, WAIT_MS), 1);
		assert_true(vio_ctx_dispatch(bound_ctx, 16) >= 0);
	}
	ret = ret ? ret : answer->result;
	if (ret)
		printf("# %s\n", bound_err.text);
	return ret;
}

int bound_open(const struct vio_limit_hw_params *params, struct vio_limit_hw **out)
{
	struct answer answer = { 0 };

	return wait_for(&answer, vio_limit_hw_open(bound_ctx, params, out, told,
						   &answer, &bound_err));
}

struct vio_limit_hw *
bound_create(const struct vio_limit_hw_params *params, struct vio_limit_hw_caps *caps)
{
	struct vio_limit_hw *hw;

	assert_int_equal(bound_open(params, &hw), 0);
	*caps = (struct vio_limit_hw_caps)VIO_LIMIT_HW_CAPS_INIT;
	assert_int_equal(vio_limit_hw_read_caps(hw, caps), 0);
	return hw;
}

int bound_attach(struct vio_limit_hw *hw, struct vio_limit *limit, uint32_t needed,
		 struct vio_limit_hw_report *report)
{
	struct answer answer = { 0 };

	*report = (struct vio_limit_hw_report)VIO_LIMIT_HW_REPORT_INIT;
	return wait_for(&answer, vio_limit_hw_attach(hw, limit, needed, report, told,
						     &answer, &bound_err));
}

int bound_detach(struct vio_limit_hw *hw)
{
	struct answer answer = { 0 };

	return wait_for(&answer, vio_limit_hw_detach(hw, told, &answer, &bound_err));
}

void bound_close(struct vio_limit_hw *hw)
{
	struct answer answer = { 0 };

	assert_int_equal(
		wait_for(&answer, vio_limit_hw_close(hw, told, &answer, &bound_err)),
		0);
}

struct vio_limit *bound_limit(uint64_t bytes, uint64_t ops, uint64_t assured_bytes)
{
	struct vio_limit_params params = VIO_LIMIT_PARAMS_INIT;
	struct vio_limit *limit;

	params.bytes_per_sec = bytes;
	params.ops_per_sec = ops;
	params.assured_bytes_per_sec = assured_bytes;
	assert_int_equal(vio_limit_create(NULL, &params, now_ns(), &limit, NULL), 0);
	return limit;
}
