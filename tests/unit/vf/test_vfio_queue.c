/* SPDX-License-Identifier: MIT */
/*
 * The queue of the lent thread as operations on functions meet it: full, or told to
 * return. The thread is kept in a call of the test's own, or does not come at all, so
 * that what is queued stays there.
 */
#include <semaphore.h>
#include <stdlib.h>

#include "unit/vf/vfio_scene.h"

#define CALLS_MAX 64u /* that may be under way */

/* Calls that hold the thread until they are let go. */
struct crowd {
	struct vio_async_call calls[CALLS_MAX];
	sem_t begun;
	sem_t gate;
	uint32_t n_done;
};

static struct crowd crowd;

static int64_t wait_at_gate(struct vio_async_call *call)
{
	(void)call;
	sem_post(&crowd.begun);
	return sem_wait(&crowd.gate);
}

static void count_done(struct vio_async_call *call, int64_t result)
{
	(void)call;
	(void)result;
	crowd.n_done++;
}

/* The thread is in the first of @n calls when it returns. */
static void hold_thread(struct scene *s, uint32_t n)
{
	crowd = (struct crowd){ .n_done = 0 };
	assert_int_equal(sem_init(&crowd.begun, 0, 0), 0);
	assert_int_equal(sem_init(&crowd.gate, 0, 0), 0);
	for (uint32_t i = 0; i < n; i++) {
		crowd.calls[i] = (struct vio_async_call){
			.op = VIO_ASYNC_RUN,
			.run = wait_at_gate,
			.done = count_done,
		};
		assert_int_equal(vio_async_submit(s->host.async, &crowd.calls[i]), 0);
	}
	assert_int_equal(sem_wait(&crowd.begun), 0);
}

static void let_thread_go(struct scene *s, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		assert_int_equal(sem_post(&crowd.gate), 0);
	vio_test_dispatch_until(s->ctx, &crowd.n_done, n);
	sem_destroy(&crowd.begun);
	sem_destroy(&crowd.gate);
}

static struct vio_vfio *open_one(struct scene *s)
{
	struct vio_vfio *vfio = NULL;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	assert_int_equal(scene_open(s, 0, &vfio), 0);
	return vfio;
}

static void check_idle(const struct scene *s, uint32_t vf)
{
	assert_int_equal(s->vfs[vf].info.state, VIO_VF_HELD);
	assert_null(s->vfs[vf].done);
	assert_int_equal(s->end.n, 0);
}

static void a_full_queue_refuses_to_open(void **state)
{
	struct vio_vfio *other = VIO_FAULT_UNTOUCHED;
	struct scene *s = *state;

	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	hold_thread(s, CALLS_MAX);
	assert_int_equal(scene_open(s, 0, &other), -EAGAIN);
	assert_ptr_equal(other, VIO_FAULT_UNTOUCHED);
	check_idle(s, 0);
	assert_false(s->iommu->is_frozen);
	let_thread_go(s, CALLS_MAX);
	assert_int_equal(scene_open(s, 0, &other), 0);
}

static void a_full_queue_refuses_to_close(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	hold_thread(s, CALLS_MAX);
	assert_int_equal(scene_close(s, vfio), -EAGAIN);
	assert_non_null(strstr(s->end.err.text, "too many calls"));
	check_idle(s, 0);
	assert_false(s->iommu->is_frozen);
	let_thread_go(s, CALLS_MAX);
	assert_int_equal(s->machine->functions[0].is_open, 1);
	assert_int_equal(scene_close(s, vfio), 0);
}

static void a_full_queue_refuses_to_reset(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	hold_thread(s, CALLS_MAX);
	assert_int_equal(vio_vfio_reset(vfio, scene_done, s, &s->end.err), -EAGAIN);
	assert_non_null(strstr(s->end.err.text, "too many calls"));
	check_idle(s, 0);
	let_thread_go(s, CALLS_MAX);
	assert_int_equal(s->machine->functions[0].n_resets, 1);
}

/* What the lent thread would have done, to leave nothing behind. */
static void close_by_hand(struct scene *s, struct vio_vfio *vfio)
{
	struct vio_vfio_job *job = &vfio->job;

	s->vfs[0].done = scene_done;
	s->vfs[0].done_opaque = s;
	job->start(vfio);
	job->call.done(&job->call, job->call.run(&job->call));
	assert_int_equal(s->end.result, 0);
	assert_int_equal(s->machine->functions[0].is_open, 0);
}

static void a_close_that_is_aborted_leaves_the_function_open(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	hold_thread(s, 1);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, NULL), 0);
	assert_int_equal(vio_ctx_abort_work(s->ctx), 0);
	assert_int_equal(scene_wait(s), -ECANCELED);
	check_idle(s, 0);
	assert_ptr_equal(s->vfs[0].vfio, vfio);
	assert_int_equal(s->machine->functions[0].is_open, 1);
	assert_false(s->iommu->is_frozen);
	assert_false(vfio->is_closing);
	let_thread_go(s, 1);
	close_by_hand(s, vfio);
}

/* Then there is nobody who could close it, and it is not said to be closed. */
static void a_lost_function_without_a_thread_stays_open(void **state)
{
	struct scene *s = *state;
	struct vio_vfio *vfio = open_one(s);

	s->vfs[0].info.state = VIO_VF_LOST;
	scene_abort(s);
	assert_int_equal(vio_vfio_close(vfio, scene_done, s, &s->end.err), -EOPNOTSUPP);
	assert_non_null(strstr(s->end.err.text, "vio_ctx_work()"));
	assert_int_equal(s->vfs[0].info.state, VIO_VF_LOST);
	assert_null(s->vfs[0].done);
	close_by_hand(s, vfio);
}

static void note_end(void *opaque, int result, const struct vio_error *err)
{
	assert_non_null(err);
	*(int *)opaque = result;
}

/* The second has its turn when the first one ends, and no thread any more. */
static void an_abort_ends_the_first_and_all_that_wait(void **state)
{
	struct scene *s = scene_create(SCENE_IDLE);
	struct vio_vfio_params params = VIO_VFIO_PARAMS_INIT;
	struct vio_vfio *vfio = VIO_FAULT_UNTOUCHED;
	int results[3] = { 0 };

	(void)state;
	assert_int_equal(scene_open_iommu(s, 0, NULL), 0);
	params.iommu = s->iommu;
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(vio_vfio_open(&s->vfs[i], &params, &vfio, note_end,
					       &results[i], NULL),
				 0);
	assert_true(s->iommu->is_frozen);
	scene_abort(s);
	assert_int_equal(results[0], -ECANCELED);
	assert_int_equal(results[1], -EOPNOTSUPP);
	assert_int_equal(results[2], -EOPNOTSUPP);
	assert_ptr_equal(vfio, VIO_FAULT_UNTOUCHED);
	assert_false(s->iommu->is_frozen);
	for (uint32_t i = 0; i < 3; i++)
		check_idle(s, i);
	scene_destroy(s);
}

#define test_both(name)                                                                \
	{ #name " (groups)", name, scene_set_up_groups, scene_tear_down, NULL },       \
	{                                                                              \
#name " (iommufd)", name, scene_set_up_iommufd, scene_tear_down, NULL  \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_both(a_full_queue_refuses_to_open),
		test_both(a_full_queue_refuses_to_close),
		test_both(a_full_queue_refuses_to_reset),
		test_both(a_close_that_is_aborted_leaves_the_function_open),
		test_both(a_lost_function_without_a_thread_stays_open),
		cmocka_unit_test(an_abort_ends_the_first_and_all_that_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
