/* SPDX-License-Identifier: MIT */
/* Contexts: creation and refusal, isolation, fork, failures on the way. */
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <vio/dom.h>

#include "core/list.h"
#include "core/log.h"
#include "ctx.h"
#include "fake/fault.h"
#include "fake/support.h"

static void a_context_needs_no_parameters(void **state)
{
	struct vio_ctx *ctx;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_ctx_dispatch(ctx, 1), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

static void destroying_no_context_is_harmless(void **state)
{
	(void)state;
	assert_int_equal(vio_ctx_destroy(NULL, NULL), 0);
}

static void the_descriptor_is_constant_and_close_on_exec(void **state)
{
	struct vio_ctx *ctx;
	int fd;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	fd = vio_ctx_get_fd(ctx);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(vio_ctx_dispatch(ctx, 10), 0);
	assert_int_equal(vio_ctx_get_fd(ctx), fd);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

static void dispatching_nothing_at_most_is_refused(void **state)
{
	struct vio_ctx *ctx;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_ctx_dispatch(ctx, 0), -EINVAL);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

static void check_refused(const struct vio_ctx_params *params, int code)
{
	struct vio_ctx *ctx = VIO_FAULT_UNTOUCHED;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_ctx_create(params, &ctx, &err), code);
	assert_ptr_equal(ctx, VIO_FAULT_UNTOUCHED);
	assert_int_equal(err.code, code);
	assert_true(strlen(err.text) > 0);
}

static void parameters_out_of_range_are_refused_with_words(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;

	(void)state;
	params.flags = 1u << 31;
	check_refused(&params, -EINVAL);
	params.flags = 0;
	params.reserved = 1;
	check_refused(&params, -EINVAL);
	params.reserved = 0;
	params.size = 8;
	check_refused(&params, -EINVAL);
}

static void a_field_from_the_future_is_refused(void **state)
{
	struct {
		struct vio_ctx_params known;
		uint64_t unknown;
	} params = { VIO_CTX_PARAMS_INIT, 1 };

	(void)state;
	params.known.size = sizeof(params);
	check_refused(&params.known, -E2BIG);
}

static void half_an_allocator_is_refused(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_alloc_ops alloc = VIO_ALLOC_OPS_INIT;
	struct vio_fault fault;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	params.alloc = &alloc;
	check_refused(&params, -EINVAL);
	alloc.alloc = fault.alloc.alloc;
	check_refused(&params, -EINVAL);
	alloc = fault.alloc;
	alloc.flags = 1;
	check_refused(&params, -EINVAL);
	alloc = fault.alloc;
	alloc.size = 8;
	check_refused(&params, -EINVAL);
}

static void
count_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	(void)level;
	(void)subsystem;
	(void)text;
	(*(unsigned int *)opaque)++;
}

static unsigned int count_lines_at(uint32_t log_level)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	unsigned int n = 0;
	struct vio_ctx *ctx;

	params.log = count_line;
	params.log_opaque = &n;
	params.log_level = log_level;
	assert_int_equal(vio_ctx_create(&params, &ctx, NULL), 0);
	vio_log(&ctx->env, VIO_LOG_ERROR, "ctx", "1");
	vio_log(&ctx->env, VIO_LOG_WARNING, "ctx", "2");
	vio_log(&ctx->env, VIO_LOG_INFO, "ctx", "3");
	vio_log(&ctx->env, VIO_LOG_DEBUG, "ctx", "4");
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return n;
}

static void the_log_level_chooses_the_lines(void **state)
{
	(void)state;
	assert_int_equal(count_lines_at(VIO_LOG_ERROR), 1);
	assert_int_equal(count_lines_at(VIO_LOG_DEBUG), 4);
}

static void the_default_level_is_warning(void **state)
{
	(void)state;
	assert_int_equal(count_lines_at(0), 2);
}

/* What a program sees on its standard output and error: nothing. */
static int is_silent(void *opaque)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_ctx_params bad = VIO_CTX_PARAMS_INIT;
	struct vio_ctx *ctx;
	int out = memfd_create("out", 0);
	int failed;

	(void)opaque;
	bad.flags = 1u << 31;
	if (dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0)
		return 1;
	failed = vio_ctx_create(&bad, &ctx, &err);
	if (failed != -EINVAL || vio_ctx_create(NULL, &ctx, NULL))
		return 2;
	vio_log(&ctx->env, VIO_LOG_ERROR, "ctx", "unheard");
	if (vio_ctx_destroy(ctx, NULL))
		return 3;
	return lseek(out, 0, SEEK_END) == 0 ? 0 : 4;
}

static void without_a_log_callback_nothing_is_printed(void **state)
{
	(void)state;
	assert_int_equal(vio_test_fork(is_silent, NULL), 0);
}

static uint64_t read_42(void *opaque)
{
	(void)opaque;
	return 42;
}

static void the_callers_clock_is_used(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;
	struct vio_ctx *ctx;

	(void)state;
	params.clock = read_42;
	assert_int_equal(vio_ctx_create(&params, &ctx, NULL), 0);
	assert_true(vio_now(&ctx->env) == 42);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

static void a_context_with_objects_is_not_destroyed_and_says_how_many(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_dom *a, *b;
	struct vio_ctx *ctx;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_dom_create(ctx, "a", &a), 0);
	assert_int_equal(vio_dom_create(ctx, "b", &b), 0);
	assert_int_equal(vio_ctx_destroy(ctx, &err), -EBUSY);
	assert_non_null(strstr(err.text, "2 objects"));
	assert_int_equal(vio_dom_destroy(a, NULL), 0);
	assert_int_equal(vio_dom_destroy(b, NULL), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

static void run_nothing(struct vio_task *task)
{
	(void)task;
}

static void two_contexts_do_not_see_each_other(void **state)
{
	struct vio_task task = { .run = run_nothing };
	struct vio_ctx *a, *b;
	struct vio_dom *dom;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &a, NULL), 0);
	assert_int_equal(vio_ctx_create(NULL, &b, NULL), 0);
	assert_int_not_equal(vio_ctx_get_fd(a), vio_ctx_get_fd(b));
	vio_loop_post(a->env.loop, &task);
	assert_int_equal(vio_ctx_dispatch(b, 10), 0);
	assert_int_equal(vio_ctx_dispatch(a, 10), 1);

	assert_int_equal(vio_dom_create(a, "a", &dom), 0);
	assert_int_equal(vio_ctx_destroy(b, NULL), 0);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
	assert_int_equal(vio_ctx_destroy(a, NULL), 0);
}

static void nothing_stays_open_after_destruction(void **state)
{
	unsigned int n_before = vio_test_count_fds();
	struct vio_ctx *ctx;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_true(vio_test_count_fds() > n_before);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	assert_int_equal(vio_test_count_fds(), n_before);
}

/* What the child and its parent share in the tests of fork(). */
struct forked {
	struct vio_fault fault;
	struct vio_ctx *ctx;
	struct vio_event event;
	struct vio_task task;
	uint32_t n_ready;
};

static void count_ready(struct vio_event *event, uint32_t events)
{
	struct forked *forked = VIO_CONTAINER_OF(event, struct forked, event);

	(void)events;
	forked->n_ready++;
}

static int calls_answer_echild(void *opaque)
{
	struct forked *forked = opaque;
	struct vio_ctx *ctx = forked->ctx;
	struct vio_event event = { .ready = count_ready, .fd = 0 };
	struct vio_async_call call = { .op = VIO_ASYNC_FSYNC };

	if (vio_ctx_get_fd(ctx) != -ECHILD)
		return 1;
	if (vio_ctx_dispatch(ctx, 1) != -ECHILD)
		return 2;
	if (vio_ctx_work(ctx) != -ECHILD)
		return 3;
	if (vio_ctx_abort_work(ctx) != -ECHILD)
		return 4;
	if (vio_loop_add(ctx->env.loop, &event, EPOLLIN) != -ECHILD)
		return 5;
	if (vio_async_submit(ctx->async, &call) != -ECHILD)
		return 6;
	return 0;
}

static void in_a_forked_child_calls_answer_echild(void **state)
{
	struct forked forked;

	(void)state;
	assert_int_equal(vio_ctx_create(NULL, &forked.ctx, NULL), 0);
	assert_int_equal(vio_test_fork(calls_answer_echild, &forked), 0);
	assert_int_equal(vio_ctx_dispatch(forked.ctx, 1), 0);
	assert_int_equal(vio_ctx_destroy(forked.ctx, NULL), 0);
}

/* Every way in which a child could reach into its parent's loop. */
static int reach_into_parent(void *opaque)
{
	struct forked *forked = opaque;

	vio_loop_post(forked->ctx->env.loop, &forked->task);
	vio_loop_remove(forked->ctx->env.loop, &forked->event);
	return vio_ctx_destroy(forked->ctx, NULL) ? 1 : 0;
}

static void a_forked_child_does_not_disturb_its_parents_events(void **state)
{
	struct forked forked = { .event.ready = count_ready, .task.run = run_nothing };
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
	assert_int_equal(vio_ctx_create(NULL, &forked.ctx, NULL), 0);
	forked.event.fd = fds[0];
	assert_int_equal(vio_loop_add(forked.ctx->env.loop, &forked.event, EPOLLIN), 0);
	assert_int_equal(vio_test_fork(reach_into_parent, &forked), 0);

	assert_false(vio_test_is_readable(vio_ctx_get_fd(forked.ctx)));
	assert_int_equal(vio_ctx_dispatch(forked.ctx, 10), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	assert_int_equal(vio_ctx_dispatch(forked.ctx, 10), 1);
	assert_int_equal(forked.n_ready, 1);
	vio_loop_remove(forked.ctx->env.loop, &forked.event);
	assert_int_equal(vio_ctx_destroy(forked.ctx, NULL), 0);
	close(fds[0]);
	close(fds[1]);
}

static int destroy_frees_memory_only(void *opaque)
{
	struct forked *forked = opaque;
	unsigned int n_before = vio_fault_count_fds(&forked->fault);

	if (vio_ctx_destroy(forked->ctx, NULL))
		return 1;
	if (forked->fault.n_live || forked->fault.n_maps)
		return 2;
	return vio_fault_count_fds(&forked->fault) == n_before ? 0 : 3;
}

static void *lend(void *ctx)
{
	vio_ctx_work(ctx);
	return NULL;
}

/* Also while a thread of the parent is in work and a call under way. */
static void in_a_forked_child_destroy_frees_memory_only(void **state)
{
	static struct forked forked;
	pthread_t thread;

	(void)state;
	vio_fault_prepare(&forked.fault, NULL);
	assert_int_equal(
		vio_fault_create_ctx(&forked.fault, VIO_CTX_LENDS_THREAD, &forked.ctx),
		0);
	assert_int_equal(pthread_create(&thread, NULL, lend, forked.ctx), 0);
	assert_int_equal(vio_test_fork(destroy_frees_memory_only, &forked), 0);
	assert_int_equal(vio_ctx_abort_work(forked.ctx), 0);
	pthread_join(thread, NULL);
	assert_int_equal(vio_ctx_destroy(forked.ctx, NULL), 0);
	vio_fault_verify(&forked.fault);
}

static int ctx_scenario(struct vio_fault *fault, void *opaque)
{
	struct vio_ctx *ctx = VIO_FAULT_UNTOUCHED;
	struct vio_dom *dom = VIO_FAULT_UNTOUCHED;
	int ret = vio_fault_create_ctx(fault, *(uint32_t *)opaque, &ctx);

	if (ret) {
		assert_ptr_equal(ctx, VIO_FAULT_UNTOUCHED);
		return ret;
	}
	ret = vio_dom_create(ctx, "guest", &dom);
	if (ret)
		assert_ptr_equal(dom, VIO_FAULT_UNTOUCHED);
	else
		assert_int_equal(vio_dom_destroy(dom, NULL), 0);
	assert_int_equal(vio_ctx_dispatch(ctx, 1), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	return ret;
}

static uint32_t every_flag[] = { 0, VIO_CTX_NO_URING, VIO_CTX_LENDS_THREAD,
				 VIO_CTX_NO_URING | VIO_CTX_LENDS_THREAD };

static void any_failed_allocation_leaves_nothing_behind(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(vio_fault_run_allocs(ctx_scenario, &every_flag[i]) >= 4);
}

static void any_failed_system_call_leaves_nothing_behind(void **state)
{
	(void)state;
	for (size_t i = 0; i < 4; i++)
		assert_true(vio_fault_run_calls(ctx_scenario, &every_flag[i], EMFILE) >=
			    5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_context_needs_no_parameters),
		cmocka_unit_test(destroying_no_context_is_harmless),
		cmocka_unit_test(the_descriptor_is_constant_and_close_on_exec),
		cmocka_unit_test(dispatching_nothing_at_most_is_refused),
		cmocka_unit_test(parameters_out_of_range_are_refused_with_words),
		cmocka_unit_test(a_field_from_the_future_is_refused),
		cmocka_unit_test(half_an_allocator_is_refused),
		cmocka_unit_test(the_log_level_chooses_the_lines),
		cmocka_unit_test(the_default_level_is_warning),
		cmocka_unit_test(without_a_log_callback_nothing_is_printed),
		cmocka_unit_test(the_callers_clock_is_used),
		cmocka_unit_test(
			a_context_with_objects_is_not_destroyed_and_says_how_many),
		cmocka_unit_test(two_contexts_do_not_see_each_other),
		cmocka_unit_test(nothing_stays_open_after_destruction),
		cmocka_unit_test(in_a_forked_child_calls_answer_echild),
		cmocka_unit_test(a_forked_child_does_not_disturb_its_parents_events),
		cmocka_unit_test(in_a_forked_child_destroy_frees_memory_only),
		cmocka_unit_test(any_failed_allocation_leaves_nothing_behind),
		cmocka_unit_test(any_failed_system_call_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("ctx", tests, NULL, NULL);
}
