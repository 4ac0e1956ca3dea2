/* SPDX-License-Identifier: MIT */
/*
 * Listeners: what they are told, in which order, and what a refusal does.
 */
#include <errno.h>

#include "unit/mem/fixture.h"

#define EVENTS_MAX 16u

#define test_with_stage(name)                                                          \
	cmocka_unit_test_setup_teardown(name, setup_stage, teardown)

/* One callback, as it was seen. */
struct seen {
	char what; /* p: prepare, c: commit, u: undone */
	int id;
	uint32_t n;
	struct vio_mem_change first;
	struct vio_mem_change last;
};

struct log {
	struct seen seen[EVENTS_MAX];
	uint32_t n;
};

struct follower {
	struct log *log;
	int id;
	int answer;
};

/* In *state, since a table that is destroyed calls those that still listen. */
struct stage {
	struct fixture f;
	struct log log;
	struct follower followers[5]; /* by id */
};

static int setup_stage(void **state)
{
	struct stage *stage = calloc(1, sizeof(*stage));

	*state = stage;
	return stage ? setup_fixture(&stage->f) : -1;
}

static struct follower *follow(struct stage *stage, int id, int answer)
{
	stage->followers[id] = (struct follower){
		.log = &stage->log,
		.id = id,
		.answer = answer,
	};
	return &stage->followers[id];
}

static void note(const struct follower *who, char what,
		 const struct vio_mem_change *changes, uint32_t n)
{
	struct log *log = who->log;

	assert_true(log->n < EVENTS_MAX);
	assert_true(n > 0);
	log->seen[log->n++] = (struct seen){
		.what = what,
		.id = who->id,
		.n = n,
		.first = changes[0],
		.last = changes[n - 1],
	};
}

static int on_prepare(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	struct follower *who = opaque;

	note(who, 'p', changes, n);
	return who->answer;
}

static void on_commit(void *opaque, const struct vio_mem_change *changes, uint32_t n,
		      int is_committed)
{
	note(opaque, is_committed ? 'c' : 'u', changes, n);
}

static struct vio_mem_listener listener_of(struct follower *who)
{
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	listener.prepare = on_prepare;
	listener.commit = on_commit;
	listener.opaque = who;
	return listener;
}

static int attach(const struct fixture *f, struct follower *who)
{
	struct vio_mem_listener listener = listener_of(who);

	return vio_mem_attach_listener(f->mem, &listener);
}

/* "p1 p2 c1 c2" and the like. */
static void assert_seen(const struct log *log, const char *expected)
{
	char text[4 * EVENTS_MAX + 1] = "";

	for (uint32_t i = 0; i < log->n; i++) {
		char word[4] = { log->seen[i].what, (char)('0' + log->seen[i].id),
				 ' ' };

		strcat(text, word);
	}
	if (log->n)
		text[strlen(text) - 1] = '\0';
	assert_string_equal(text, expected);
}

static void a_listener_agrees_before_and_hears_after(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(add(f, 0x10000, 2, 3), 0);
	assert_seen(&stage->log, "p1 c1");
	assert_int_equal(stage->log.seen[0].n, 1);
	assert_int_equal(stage->log.seen[0].first.gpa, 0x10000);
	assert_int_equal(stage->log.seen[0].first.length_bytes, 2 * PAGE);
	assert_ptr_equal(stage->log.seen[0].first.hva, f->host + 3 * PAGE);
	assert_int_equal(stage->log.seen[0].first.is_added, 1);
}

static void a_commit_is_told_whole_with_removals_first(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(add(f, 0x20000, 1, 0), 0);
	assert_int_equal(attach(f, one), 0);
	stage->log.n = 0;
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add(f, 0x10000, 1, 1), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x20000), 0);
	assert_int_equal(add(f, 0x30000, 1, 2), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_seen(&stage->log, "p1 c1");
	assert_int_equal(stage->log.seen[1].n, 3);
	assert_int_equal(stage->log.seen[1].first.gpa, 0x20000);
	assert_int_equal(stage->log.seen[1].first.is_added, 0);
	assert_int_equal(stage->log.seen[1].last.gpa, 0x30000);
}

static void a_batch_that_changes_nothing_is_not_told(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add(f, 0x10000, 1, 1), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_seen(&stage->log, "");
}

static void an_aborted_batch_is_not_told(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add(f, 0x10000, 1, 1), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_seen(&stage->log, "");
}

static void a_removal_that_was_aborted_is_not_told_later(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(add(f, 0x20000, 1, 0), 0);
	assert_int_equal(attach(f, one), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x20000), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	stage->log.n = 0;
	assert_int_equal(add(f, 0x30000, 1, 0), 0);
	assert_seen(&stage->log, "p1 c1");
	assert_int_equal(stage->log.seen[0].n, 1);
	assert_int_equal(stage->log.seen[0].first.gpa, 0x30000);
}

static void listeners_are_told_in_the_order_they_came(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);
	struct follower *two = follow(stage, 2, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(attach(f, two), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_seen(&stage->log, "p1 p2 c1 c2");
}

static void a_refusal_undoes_those_that_had_agreed_in_reverse(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);
	struct follower *two = follow(stage, 2, 0);
	struct follower *three = follow(stage, 3, -EPERM);
	struct follower *four = follow(stage, 4, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(attach(f, two), 0);
	assert_int_equal(attach(f, three), 0);
	assert_int_equal(attach(f, four), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), -EPERM);
	assert_seen(&stage->log, "p1 p2 p3 u2 u1");
	assert_null(find_byte(f->mem, 0x10000));
}

static void a_refused_batch_leaves_the_table_and_is_closed(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);
	struct count count = { 0 };

	assert_int_equal(add(f, 0x10000, 1, 7), 0);
	assert_int_equal(attach(f, one), 0);
	one->answer = -EXDEV;
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(add_counted(f, 0x20000, 0, &count), 0);
	assert_int_equal(vio_mem_commit(f->mem), -EXDEV);
	assert_ptr_equal(find_byte(f->mem, 0x10000), f->host + 7 * PAGE);
	assert_null(find_byte(f->mem, 0x20000));
	assert_int_equal(vio_mem_commit(f->mem), -EINVAL);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(count.n, 1);
}

static void a_region_refused_at_once_is_not_released(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, -EPERM);
	struct count count = { 0 };

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(add_counted(f, 0x10000, 0, &count), -EPERM);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	assert_int_equal(count.n, 0);
}

static void a_refused_add_says_so(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, -EPERM);
	struct vio_mem_region region = region_at(f, 0x10000, 1, 0);
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(vio_mem_add(f->mem, &region, &err), -EPERM);
	assert_int_equal(err.code, -EPERM);
}

static void a_removal_can_be_refused(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(attach(f, one), 0);
	one->answer = -EADDRINUSE;
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), -EADDRINUSE);
	assert_non_null(find_byte(f->mem, 0x10000));
	one->answer = 0;
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
}

static void an_answer_that_is_no_errno_refuses_as_invalid(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 1);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), -EINVAL);
	assert_null(find_byte(f->mem, 0x10000));
}

static void a_listener_without_callbacks_agrees(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	assert_int_equal(vio_mem_attach_listener(f->mem, &listener), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), 0);
}

static void a_new_listener_is_told_of_all_regions_in_one_call(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x20000, 1, 0), 0);
	assert_int_equal(attach(f, one), 0);
	assert_seen(&stage->log, "p1 c1");
	assert_int_equal(stage->log.seen[1].n, 2);
	assert_int_equal(stage->log.seen[1].first.is_added, 1);
	assert_int_equal(stage->log.seen[1].last.gpa, 0x20000);
}

static void a_listener_that_refuses_the_table_is_not_attached(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, -EPERM);

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(attach(f, one), -EPERM);
	assert_seen(&stage->log, "p1");
	assert_int_equal(vio_mem_detach_listener(f->mem, one), -ENOENT);
}

static void a_listener_that_goes_sees_every_region_go(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x20000, 1, 0), 0);
	assert_int_equal(attach(f, one), 0);
	stage->log.n = 0;
	one->answer = -EPERM;
	assert_int_equal(vio_mem_detach_listener(f->mem, one), 0);
	assert_seen(&stage->log, "p1 c1");
	assert_int_equal(stage->log.seen[1].n, 2);
	assert_int_equal(stage->log.seen[1].first.is_added, 0);
	assert_non_null(find_byte(f->mem, 0x10000));
}

static void a_listener_that_has_gone_hears_nothing(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(vio_mem_detach_listener(f->mem, one), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_seen(&stage->log, "");
}

static void a_destroyed_table_goes_region_by_region(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x20000, 1, 0), 0);
	assert_int_equal(attach(f, one), 0);
	stage->log.n = 0;
	assert_int_equal(vio_mem_destroy(f->mem, NULL), 0);
	f->mem = NULL;
	assert_seen(&stage->log, "p1 c1 p1 c1");
	assert_int_equal(stage->log.seen[3].first.gpa, 0x20000);
	assert_int_equal(stage->log.seen[3].first.is_added, 0);
}

static void an_opaque_attached_already_is_refused(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(attach(f, one), -EEXIST);
}

static void an_unknown_listener_flag_is_refused(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	listener.flags = 1;
	assert_int_equal(vio_mem_attach_listener(f->mem, &listener), -EINVAL);
}

static void no_listener_at_all_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_attach_listener(f->mem, NULL), -EINVAL);
}

static void a_listener_that_asks_for_more_is_refused(void **state)
{
	struct fixture *f = *state;
	struct {
		struct vio_mem_listener listener;
		uint64_t more;
	} newer = { VIO_MEM_LISTENER_INIT, 1 };

	newer.listener.size = sizeof(newer);
	assert_int_equal(vio_mem_attach_listener(f->mem, &newer.listener), -E2BIG);
}

static void listeners_cannot_come_or_go_during_a_batch(void **state)
{
	struct fixture *f = *state;
	struct stage *stage = *state;
	struct follower *one = follow(stage, 1, 0);
	struct follower *two = follow(stage, 2, 0);

	assert_int_equal(attach(f, one), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(attach(f, two), -EBUSY);
	assert_int_equal(vio_mem_detach_listener(f->mem, one), -EBUSY);
}

static void detaching_a_stranger_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_detach_listener(f->mem, f), -ENOENT);
}

/* Whatever a listener tries from inside, the change under way stays whole. */
static int
try_everything(void *opaque, const struct vio_mem_change *changes, uint32_t n)
{
	struct fixture *f = opaque;
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;
	struct vio_mem_bitmap bitmap = VIO_MEM_BITMAP_INIT;
	uint8_t bits[1] = { 0 };

	(void)changes;
	(void)n;
	bitmap.bits = bits;
	bitmap.length_bytes = PAGE;
	assert_int_equal(vio_mem_begin(f->mem), -EBUSY);
	assert_int_equal(add(f, 0x90000, 1, 0), -EBUSY);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), -EBUSY);
	assert_int_equal(vio_mem_commit(f->mem), -EBUSY);
	assert_int_equal(vio_mem_abort(f->mem), -EBUSY);
	assert_int_equal(vio_mem_attach_listener(f->mem, &listener), -EBUSY);
	assert_int_equal(vio_mem_detach_listener(f->mem, f), -EBUSY);
	assert_int_equal(vio_mem_attach_bitmap(f->mem, &bitmap), -EBUSY);
	assert_int_equal(vio_mem_detach_bitmap(f->mem, bits), -EBUSY);
	assert_int_equal(vio_mem_destroy(f->mem, NULL), -EBUSY);
	vio_mem_mark(f->mem, 0, PAGE);
	vio_mem_notify(f->mem);
	return 0;
}

static void try_everything_after(void *opaque, const struct vio_mem_change *changes,
				 uint32_t n, int is_committed)
{
	assert_int_equal(is_committed, 1);
	assert_int_equal(try_everything(opaque, changes, n), 0);
}

static void a_listener_cannot_change_the_table_from_inside(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;

	listener.prepare = try_everything;
	listener.commit = try_everything_after;
	listener.opaque = f;
	assert_int_equal(vio_mem_attach_listener(f->mem, &listener), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_non_null(find_byte(f->mem, 0x10000));
	assert_int_equal(vio_mem_detach_listener(f->mem, f), 0);
}

/* Dispatch may run elsewhere at the same time; here it runs inside. */
static void dispatch_inside(void *opaque, const struct vio_mem_change *changes,
			    uint32_t n, int is_committed)
{
	struct fixture *f = opaque;

	(void)is_committed;
	assert_int_equal(n, 1);
	if (!changes[0].is_added)
		assert_int_equal(vio_mem_dispatch(f->mem), 0);
}

static void nothing_is_released_before_the_listeners_have_heard(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_listener listener = VIO_MEM_LISTENER_INIT;
	struct count count = { 0 };

	listener.commit = dispatch_inside;
	listener.opaque = f;
	assert_int_equal(vio_mem_attach_listener(f->mem, &listener), 0);
	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(count.n, 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(vio_mem_detach_listener(f->mem, f), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_stage(a_listener_agrees_before_and_hears_after),
		test_with_stage(a_commit_is_told_whole_with_removals_first),
		test_with_stage(a_batch_that_changes_nothing_is_not_told),
		test_with_stage(an_aborted_batch_is_not_told),
		test_with_stage(a_removal_that_was_aborted_is_not_told_later),
		test_with_stage(listeners_are_told_in_the_order_they_came),
		test_with_stage(a_refusal_undoes_those_that_had_agreed_in_reverse),
		test_with_stage(a_refused_batch_leaves_the_table_and_is_closed),
		test_with_stage(a_region_refused_at_once_is_not_released),
		test_with_stage(a_refused_add_says_so),
		test_with_stage(a_removal_can_be_refused),
		test_with_stage(an_answer_that_is_no_errno_refuses_as_invalid),
		test_with_stage(a_listener_without_callbacks_agrees),
		test_with_stage(a_new_listener_is_told_of_all_regions_in_one_call),
		test_with_stage(a_listener_that_refuses_the_table_is_not_attached),
		test_with_stage(a_listener_that_goes_sees_every_region_go),
		test_with_stage(a_listener_that_has_gone_hears_nothing),
		test_with_stage(a_destroyed_table_goes_region_by_region),
		test_with_stage(an_opaque_attached_already_is_refused),
		test_with_stage(an_unknown_listener_flag_is_refused),
		test_with_stage(no_listener_at_all_is_refused),
		test_with_stage(a_listener_that_asks_for_more_is_refused),
		test_with_stage(listeners_cannot_come_or_go_during_a_batch),
		test_with_stage(detaching_a_stranger_is_refused),
		test_with_stage(a_listener_cannot_change_the_table_from_inside),
		test_with_stage(nothing_is_released_before_the_listeners_have_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
