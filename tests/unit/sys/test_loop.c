/* SPDX-License-Identifier: MIT */
/* The loop: descriptors, tasks from other threads, removal at any moment. */
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "core/list.h"
#include "ctx.h"
#include "fake/fault.h"
#include "fake/support.h"

#define N_POSTERS 4
#define N_TASKS   500 /* of one poster */

struct fixture {
	struct vio_fault fault;
	struct vio_ctx *ctx;
	struct vio_loop *loop;
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	vio_fault_prepare(&f->fault, NULL);
	assert_int_equal(vio_fault_create_ctx(&f->fault, 0, &f->ctx), 0);
	f->loop = f->ctx->env.loop;
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_ctx_destroy(f->ctx, NULL), 0);
	vio_fault_verify(&f->fault);
	free(f);
	return 0;
}

/* An eventfd on the loop that counts how often it was called. */
struct counted {
	struct vio_event event;
	struct vio_loop *loop;
	struct counted *victim; /* removed by the callback, or NULL */
	uint32_t n;
	uint32_t events;
};

static void count_event(struct vio_event *event, uint32_t events)
{
	struct counted *counted = VIO_CONTAINER_OF(event, struct counted, event);

	counted->n++;
	counted->events = events;
	if (counted->victim)
		vio_loop_remove(counted->loop, &counted->victim->event);
}

static void add_counted(struct fixture *f, struct counted *counted, int is_ready)
{
	*counted = (struct counted){ .loop = f->loop };
	counted->event.ready = count_event;
	counted->event.fd = eventfd((unsigned int)is_ready, EFD_CLOEXEC);
	assert_true(counted->event.fd >= 0);
	assert_int_equal(vio_loop_add(f->loop, &counted->event, EPOLLIN), 0);
}

static void remove_counted(struct fixture *f, struct counted *counted)
{
	vio_loop_remove(f->loop, &counted->event);
	close(counted->event.fd);
}

static void nothing_due_means_nothing_runs(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
}

static void a_ready_descriptor_is_reported_with_its_events(void **state)
{
	struct fixture *f = *state;
	struct counted idle, ready;

	add_counted(f, &idle, 0);
	add_counted(f, &ready, 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	assert_int_equal(idle.n, 0);
	assert_int_equal(ready.n, 1);
	assert_int_equal(ready.events, EPOLLIN);
	remove_counted(f, &idle);
	remove_counted(f, &ready);
}

static void a_descriptor_that_stays_ready_is_reported_again(void **state)
{
	struct fixture *f = *state;
	struct counted ready;

	add_counted(f, &ready, 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	assert_int_equal(ready.n, 2);
	remove_counted(f, &ready);
}

static void a_descriptor_that_is_always_ready_does_not_keep_the_caller(void **state)
{
	struct fixture *f = *state;
	struct counted ready;

	add_counted(f, &ready, 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, UINT32_MAX), 1);
	remove_counted(f, &ready);
}

static void a_descriptor_that_cannot_be_watched_is_not_added(void **state)
{
	struct fixture *f = *state;
	struct vio_event event = { .ready = count_event, .fd = -1 };

	assert_int_equal(vio_loop_add(f->loop, &event, EPOLLIN), -EBADF);
	assert_int_equal(event.is_added, 0);
	vio_loop_remove(f->loop, &event);
}

static void removing_an_event_twice_is_harmless(void **state)
{
	struct fixture *f = *state;
	struct counted ready;

	add_counted(f, &ready, 1);
	vio_loop_remove(f->loop, &ready.event);
	remove_counted(f, &ready);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
}

/* Both are ready; whichever comes first removes the other. */
static void an_event_removed_by_a_callback_is_not_called(void **state)
{
	struct fixture *f = *state;
	struct counted a, b;

	add_counted(f, &a, 1);
	add_counted(f, &b, 1);
	a.victim = &b;
	b.victim = &a;
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	assert_int_equal(a.n + b.n, 1);
	remove_counted(f, &a);
	remove_counted(f, &b);
}

static void remove_and_free(struct vio_event *event, uint32_t events)
{
	struct counted *counted = VIO_CONTAINER_OF(event, struct counted, event);

	(void)events;
	vio_loop_remove(counted->loop, event);
	close(event->fd);
	free(counted);
}

static void an_event_may_be_freed_by_its_own_callback(void **state)
{
	struct fixture *f = *state;
	struct counted *counted = malloc(sizeof(*counted));

	assert_non_null(counted);
	add_counted(f, counted, 1);
	counted->event.ready = remove_and_free;
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
}

static void no_more_callbacks_run_than_asked_for(void **state)
{
	struct fixture *f = *state;
	struct counted events[100];
	uint32_t n = 0;

	for (int i = 0; i < 100; i++)
		add_counted(f, &events[i], 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 70), 70);
	for (int i = 0; i < 100; i++)
		n += events[i].n;
	assert_int_equal(n, 71);
	for (int i = 0; i < 100; i++)
		remove_counted(f, &events[i]);
}

/* In rounds of one callback each of three events is served every third time. */
static void ready_descriptors_take_turns(void **state)
{
	struct fixture *f = *state;
	struct counted events[3];

	for (int i = 0; i < 3; i++)
		add_counted(f, &events[i], 1);
	for (int i = 0; i < 30; i++)
		assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(events[i].n, 10);
		remove_counted(f, &events[i]);
	}
}

/* A task that counts, keeps the order of runs, and may do more. */
struct counted_task {
	struct vio_task task;
	struct fixture *f;
	uint32_t n;
	uint32_t order;
	int posts_itself;
	struct counted_task *victim; /* cancelled by run(), or NULL */
};

static uint32_t last_order;

static void count_task(struct vio_task *task)
{
	struct counted_task *counted =
		VIO_CONTAINER_OF(task, struct counted_task, task);

	counted->n++;
	counted->order = ++last_order;
	if (counted->posts_itself)
		vio_loop_post(counted->f->loop, task);
	if (counted->victim)
		vio_loop_cancel(counted->f->loop, &counted->victim->task);
}

static struct counted_task make_task(struct fixture *f)
{
	return (struct counted_task){ .f = f, .task.run = count_task };
}

static void a_posted_task_runs_once_in_dispatch(void **state)
{
	struct fixture *f = *state;
	struct counted_task t = make_task(f);

	vio_loop_post(f->loop, &t.task);
	assert_int_equal(t.n, 0);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(t.n, 1);
}

static void a_task_posted_twice_before_it_runs_runs_once(void **state)
{
	struct fixture *f = *state;
	struct counted_task t = make_task(f);

	vio_loop_post(f->loop, &t.task);
	vio_loop_post(f->loop, &t.task);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	vio_loop_post(f->loop, &t.task);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	assert_int_equal(t.n, 2);
}

static void tasks_run_in_the_order_they_were_posted(void **state)
{
	struct fixture *f = *state;
	struct counted_task t[5];

	for (int i = 0; i < 5; i++) {
		t[i] = make_task(f);
		vio_loop_post(f->loop, &t[i].task);
	}
	assert_int_equal(vio_ctx_dispatch(f->ctx, 2), 2);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 3);
	for (int i = 1; i < 5; i++)
		assert_int_equal(t[i].order, t[0].order + (uint32_t)i);
}

static void tasks_that_were_left_keep_the_descriptor_readable(void **state)
{
	struct fixture *f = *state;
	struct counted_task a = make_task(f), b = make_task(f);

	vio_loop_post(f->loop, &a.task);
	vio_loop_post(f->loop, &b.task);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	vio_test_wait_fd(vio_ctx_get_fd(f->ctx));
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	assert_int_equal(a.n + b.n, 2);
}

static void a_task_that_posts_itself_does_not_keep_the_caller(void **state)
{
	struct fixture *f = *state;
	struct counted_task t = make_task(f);

	t.posts_itself = 1;
	vio_loop_post(f->loop, &t.task);
	assert_true(vio_ctx_dispatch(f->ctx, 1000) < 1000);
	t.posts_itself = 0;
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1000), 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 1000), 0);
}

static void tasks_and_descriptors_take_turns(void **state)
{
	struct fixture *f = *state;
	struct counted_task t = make_task(f);
	struct counted ready;

	add_counted(f, &ready, 1);
	t.posts_itself = 1;
	vio_loop_post(f->loop, &t.task);
	for (int i = 0; i < 20; i++)
		assert_int_equal(vio_ctx_dispatch(f->ctx, 1), 1);
	assert_true(t.n >= 9 && ready.n >= 9);
	vio_loop_cancel(f->loop, &t.task);
	remove_counted(f, &ready);
}

/* What is put off to the next round may not be ready any more by then. */
static void tasks_leave_room_for_the_events_behind_them(void **state)
{
	struct fixture *f = *state;
	struct counted_task a = make_task(f), b = make_task(f);
	struct counted ready;

	vio_loop_post(f->loop, &a.task);
	vio_loop_post(f->loop, &b.task);
	add_counted(f, &ready, 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 2), 2);
	assert_int_equal(a.n + b.n, 1);
	assert_int_equal(ready.n, 1);
	remove_counted(f, &ready);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 2), 1);
}

static void a_cancelled_task_does_not_run(void **state)
{
	struct fixture *f = *state;
	struct counted_task t[3];

	for (int cancelled = 0; cancelled < 3; cancelled++) {
		for (int i = 0; i < 3; i++) {
			t[i] = make_task(f);
			vio_loop_post(f->loop, &t[i].task);
		}
		vio_loop_cancel(f->loop, &t[cancelled].task);
		assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 2);
		assert_int_equal(t[cancelled].n, 0);
	}
}

static void a_cancelled_task_can_be_posted_again(void **state)
{
	struct fixture *f = *state;
	struct counted_task a = make_task(f), b = make_task(f);

	vio_loop_post(f->loop, &a.task);
	vio_loop_cancel(f->loop, &a.task);
	vio_loop_cancel(f->loop, &a.task);
	vio_loop_post(f->loop, &b.task);
	vio_loop_post(f->loop, &a.task);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 2);
	assert_int_equal(a.n, 1);
	assert_int_equal(a.order, b.order + 1);
}

static void a_task_may_cancel_one_that_is_due(void **state)
{
	struct fixture *f = *state;
	struct counted_task a = make_task(f), b = make_task(f);

	a.victim = &b;
	vio_loop_post(f->loop, &a.task);
	vio_loop_post(f->loop, &b.task);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 1);
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	assert_int_equal(b.n, 0);
}

static void dispatch_again(struct vio_task *task)
{
	struct counted_task *counted =
		VIO_CONTAINER_OF(task, struct counted_task, task);

	counted->n++;
	assert_true(vio_ctx_dispatch(counted->f->ctx, 10) >= 0);
}

/* Whatever runs inside runs once in all, and outer limits hold again after. */
static void a_callback_may_dispatch(void **state)
{
	struct fixture *f = *state;
	struct counted_task a = make_task(f), b = make_task(f);
	struct counted ready;

	a.task.run = dispatch_again;
	add_counted(f, &ready, 1);
	vio_loop_post(f->loop, &a.task);
	vio_loop_post(f->loop, &b.task);
	assert_true(vio_ctx_dispatch(f->ctx, 10) >= 1);
	assert_true(vio_ctx_dispatch(f->ctx, 10) >= 1);
	assert_int_equal(a.n, 1);
	assert_int_equal(b.n, 1);
	assert_true(ready.n >= 1);
	remove_counted(f, &ready);
}

/* What one thread posts: a task each for N_TASKS numbers, written plainly. */
struct poster {
	pthread_t thread;
	struct vio_loop *loop;
	struct numbered {
		struct vio_task task;
		struct poster *poster;
		uint32_t number; /* written before the post, read in run() */
	} tasks[N_TASKS];
	uint32_t n_run;
	uint32_t n_wrong;
};

static void check_number(struct vio_task *task)
{
	struct numbered *numbered = VIO_CONTAINER_OF(task, struct numbered, task);
	struct poster *poster = numbered->poster;

	poster->n_wrong += numbered->number != poster->n_run;
	poster->n_run++;
}

static void *post_numbers(void *opaque)
{
	struct poster *poster = opaque;

	for (uint32_t i = 0; i < N_TASKS; i++) {
		struct numbered *numbered = &poster->tasks[i];

		numbered->poster = poster;
		numbered->number = i;
		numbered->task.run = check_number;
		vio_loop_post(poster->loop, &numbered->task);
	}
	return NULL;
}

static void every_task_of_every_thread_runs_in_its_threads_order(void **state)
{
	struct fixture *f = *state;
	struct poster *posters = calloc(N_POSTERS, sizeof(*posters));

	assert_non_null(posters);
	for (int i = 0; i < N_POSTERS; i++) {
		posters[i].loop = f->loop;
		assert_int_equal(pthread_create(&posters[i].thread, NULL, post_numbers,
						&posters[i]),
				 0);
	}
	for (int i = 0; i < N_POSTERS; i++)
		vio_test_dispatch_until(f->ctx, &posters[i].n_run, N_TASKS);
	for (int i = 0; i < N_POSTERS; i++) {
		pthread_join(posters[i].thread, NULL);
		assert_int_equal(posters[i].n_run, N_TASKS);
		assert_int_equal(posters[i].n_wrong, 0);
	}
	assert_int_equal(vio_ctx_dispatch(f->ctx, 10), 0);
	free(posters);
}

/* One task posted from two threads: the last value each wrote is seen. */
struct shared_task {
	struct vio_task task;
	uint32_t written[2]; /* atomic */
	uint32_t seen[2];
	struct vio_loop *loop;
};

static void see_values(struct vio_task *task)
{
	struct shared_task *shared = VIO_CONTAINER_OF(task, struct shared_task, task);

	for (int i = 0; i < 2; i++)
		shared->seen[i] =
			__atomic_load_n(&shared->written[i], __ATOMIC_RELAXED);
}

static void write_and_post(struct shared_task *shared, int which)
{
	for (uint32_t i = 1; i <= 1000; i++) {
		__atomic_store_n(&shared->written[which], i, __ATOMIC_RELAXED);
		vio_loop_post(shared->loop, &shared->task);
	}
}

static void *write_first(void *opaque)
{
	write_and_post(opaque, 0);
	return NULL;
}

static void *write_second(void *opaque)
{
	write_and_post(opaque, 1);
	return NULL;
}

static void no_post_of_a_shared_task_is_lost(void **state)
{
	struct fixture *f = *state;
	struct shared_task shared = { .task.run = see_values, .loop = f->loop };
	pthread_t a, b;

	assert_int_equal(pthread_create(&a, NULL, write_first, &shared), 0);
	assert_int_equal(pthread_create(&b, NULL, write_second, &shared), 0);
	vio_test_dispatch_until(f->ctx, &shared.seen[0], 1000);
	vio_test_dispatch_until(f->ctx, &shared.seen[1], 1000);
	pthread_join(a, NULL);
	pthread_join(b, NULL);
	vio_loop_cancel(f->loop, &shared.task);
}

#define LOOP_TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		LOOP_TEST(nothing_due_means_nothing_runs),
		LOOP_TEST(a_ready_descriptor_is_reported_with_its_events),
		LOOP_TEST(a_descriptor_that_stays_ready_is_reported_again),
		LOOP_TEST(a_descriptor_that_is_always_ready_does_not_keep_the_caller),
		LOOP_TEST(a_descriptor_that_cannot_be_watched_is_not_added),
		LOOP_TEST(removing_an_event_twice_is_harmless),
		LOOP_TEST(an_event_removed_by_a_callback_is_not_called),
		LOOP_TEST(an_event_may_be_freed_by_its_own_callback),
		LOOP_TEST(no_more_callbacks_run_than_asked_for),
		LOOP_TEST(ready_descriptors_take_turns),
		LOOP_TEST(a_posted_task_runs_once_in_dispatch),
		LOOP_TEST(a_task_posted_twice_before_it_runs_runs_once),
		LOOP_TEST(tasks_run_in_the_order_they_were_posted),
		LOOP_TEST(tasks_that_were_left_keep_the_descriptor_readable),
		LOOP_TEST(a_task_that_posts_itself_does_not_keep_the_caller),
		LOOP_TEST(tasks_and_descriptors_take_turns),
		LOOP_TEST(tasks_leave_room_for_the_events_behind_them),
		LOOP_TEST(a_cancelled_task_does_not_run),
		LOOP_TEST(a_cancelled_task_can_be_posted_again),
		LOOP_TEST(a_task_may_cancel_one_that_is_due),
		LOOP_TEST(a_callback_may_dispatch),
		LOOP_TEST(every_task_of_every_thread_runs_in_its_threads_order),
		LOOP_TEST(no_post_of_a_shared_task_is_lost),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
