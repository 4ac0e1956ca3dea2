/* SPDX-License-Identifier: MIT */
/*
 * The translate hook: what it is asked, and that no answer of it leads outside
 * of the table or keeps the asker for ever.
 */
#include <errno.h>

#include "unit/mem/fixture.h"

/* A hook that answers every question alike. */
struct hook {
	int64_t answer;
	uint64_t to_gpa; /* iova 0 is there */
	uint64_t eagain_from;
	uint64_t n_asked;
	uint64_t last_iova;
	uint64_t last_length_bytes;
	uint32_t last_access;
};

static int64_t answer(void *opaque, uint64_t iova, uint64_t length_bytes,
		      uint32_t access, uint64_t *out_gpa)
{
	struct hook *hook = opaque;

	hook->n_asked++;
	hook->last_iova = iova;
	hook->last_length_bytes = length_bytes;
	hook->last_access = access;
	if (hook->eagain_from && iova >= hook->eagain_from)
		return -EAGAIN;
	*out_gpa = hook->to_gpa + iova;
	return hook->answer;
}

static struct hook hook_of(struct fixture *f, int64_t n, uint64_t to_gpa)
{
	assert_int_equal(add(f, 0x10000, 4, 0), 0);
	return (struct hook){ .answer = n, .to_gpa = to_gpa };
}

static int ask(struct fixture *f, struct hook *hook, uint64_t iova, uint64_t n,
	       struct iovec *iov, uint32_t n_iov)
{
	vio_mem_set_translate(f->mem, answer, hook);
	return vio_mem_translate(f->mem, iova, n, READ | VIO_MEM_IOVA, iov, n_iov);
}

static void without_a_hook_an_iova_is_guest_physical(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[1];

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(
		vio_mem_translate(f->mem, 0x10000, 1, READ | VIO_MEM_IOVA, iov, 1), 1);
}

static void a_guest_physical_address_does_not_pass_the_hook(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, -EFAULT, 0);
	struct iovec iov[1];

	vio_mem_set_translate(f->mem, answer, &hook);
	assert_int_equal(vio_mem_translate(f->mem, 0x10000, 1, READ, iov, 1), 1);
	assert_int_equal(hook.n_asked, 0);
}

static void a_hook_taken_away_is_not_asked(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, -EFAULT, 0);
	struct iovec iov[1];

	vio_mem_set_translate(f->mem, answer, &hook);
	vio_mem_set_translate(f->mem, NULL, NULL);
	assert_int_equal(
		vio_mem_translate(f->mem, 0x10000, 1, READ | VIO_MEM_IOVA, iov, 1), 1);
	assert_int_equal(hook.n_asked, 0);
}

static void the_hook_is_asked_for_the_range_and_the_access(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, 0x100, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0x20, 0x100, iov, 1), 1);
	assert_int_equal(hook.n_asked, 1);
	assert_int_equal(hook.last_iova, 0x20);
	assert_int_equal(hook.last_length_bytes, 0x100);
	assert_int_equal(hook.last_access, READ);
	assert_ptr_equal(iov[0].iov_base, f->host + 0x20);
}

static void an_answer_for_more_counts_as_asked(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, INT64_MAX, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 0x100, iov, 1), 1);
	assert_int_equal(iov[0].iov_len, 0x100);
}

static void short_answers_that_are_contiguous_share_an_entry(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, 100, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 2 * PAGE, iov, 1), 1);
	assert_int_equal(iov[0].iov_len, 2 * PAGE);
	assert_int_equal(hook.n_asked, 82);
}

/* Each byte of a page on a page of its own. */
static int64_t scatter(void *opaque, uint64_t iova, uint64_t length_bytes,
		       uint32_t access, uint64_t *out_gpa)
{
	(void)opaque;
	(void)length_bytes;
	(void)access;
	*out_gpa = 0x10000 + (iova & 1) * PAGE + iova;
	return 1;
}

static void answers_apart_take_an_entry_each(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[8];

	assert_int_equal(add(f, 0x10000, 4, 0), 0);
	vio_mem_set_translate(f->mem, scatter, NULL);
	assert_int_equal(vio_mem_translate(f->mem, 0, 8, READ | VIO_MEM_IOVA, iov, 8),
			 8);
	assert_ptr_equal(iov[7].iov_base, f->host + PAGE + 7);
}

static void more_answers_than_entries_are_an_error(void **state)
{
	struct fixture *f = *state;
	struct iovec iov[4];

	assert_int_equal(add(f, 0x10000, 4, 0), 0);
	vio_mem_set_translate(f->mem, scatter, NULL);
	assert_int_equal(vio_mem_translate(f->mem, 0, 5, READ | VIO_MEM_IOVA, iov, 4),
			 -ENOBUFS);
}

static void a_hook_that_does_not_know_yet_is_passed_on(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, -EAGAIN, 0);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 1, iov, 1), -EAGAIN);
}

static void a_hook_that_knows_half_of_the_range_is_passed_on(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, PAGE, 0x10000);
	struct iovec iov[4];

	hook.eagain_from = PAGE;
	assert_int_equal(ask(f, &hook, 0, 2 * PAGE, iov, 4), -EAGAIN);
}

static void a_refusal_of_the_hook_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, -EFAULT, 0);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 1, iov, 1), -EFAULT);
}

static void an_answer_of_nothing_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, 0, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 1, iov, 1), -EFAULT);
	assert_int_equal(hook.n_asked, 1);
}

static void an_answer_that_is_no_errno_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, INT64_MIN, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 1, iov, 1), -EFAULT);
	hook.answer = INT64_MIN + UINT32_MAX;
	assert_int_equal(ask(f, &hook, 0, 1, iov, 1), -EFAULT);
}

static void an_answer_outside_of_memory_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, PAGE, 0x14000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 1, iov, 1), -EFAULT);
}

static void an_answer_that_wraps_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, INT64_MAX, UINT64_MAX);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 0x100, iov, 1), -EFAULT);
}

static void an_iova_range_that_wraps_is_a_fault(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, INT64_MAX, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, UINT64_MAX, 2, iov, 1), -EFAULT);
	assert_int_equal(hook.n_asked, 0);
}

static void a_hook_cannot_write_to_readonly_memory(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0x10000, 1, 0);
	struct hook hook = { .answer = 1, .to_gpa = 0x10000 };
	struct iovec iov[1];

	region.flags = VIO_MEM_READONLY;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	vio_mem_set_translate(f->mem, answer, &hook);
	assert_int_equal(vio_mem_translate(f->mem, 0, 1, WRITE | VIO_MEM_IOVA, iov, 1),
			 -EFAULT);
	assert_int_equal(hook.last_access, WRITE);
}

static void bad_questions_do_not_reach_the_hook(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, 1, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 0, iov, 1), -EINVAL);
	assert_int_equal(ask(f, &hook, 0, 1, iov, 0), -EINVAL);
	assert_int_equal(vio_mem_translate(f->mem, 0, 1, VIO_MEM_IOVA, iov, 1),
			 -EINVAL);
	assert_int_equal(hook.n_asked, 0);
}

/* The abuse: a huge descriptor, and a hook that takes it byte by byte. */
static void a_hook_of_single_bytes_is_not_asked_for_ever(void **state)
{
	struct fixture *f = *state;
	struct hook hook = hook_of(f, 1, 0x10000);
	struct iovec iov[1];

	assert_int_equal(ask(f, &hook, 0, 4 * PAGE, iov, 1), -EFAULT);
	assert_true(hook.n_asked <= 4097);
}

static void a_notification_is_counted(void **state)
{
	struct fixture *f = *state;
	const struct vio_mem_current *current = vio_mem_current_of(f->mem);
	uint64_t before = current->translations;

	vio_mem_notify(f->mem);
	assert_int_equal(current->translations, before + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(without_a_hook_an_iova_is_guest_physical),
		test_with_table(a_guest_physical_address_does_not_pass_the_hook),
		test_with_table(a_hook_taken_away_is_not_asked),
		test_with_table(the_hook_is_asked_for_the_range_and_the_access),
		test_with_table(an_answer_for_more_counts_as_asked),
		test_with_table(short_answers_that_are_contiguous_share_an_entry),
		test_with_table(answers_apart_take_an_entry_each),
		test_with_table(more_answers_than_entries_are_an_error),
		test_with_table(a_hook_that_does_not_know_yet_is_passed_on),
		test_with_table(a_hook_that_knows_half_of_the_range_is_passed_on),
		test_with_table(a_refusal_of_the_hook_is_a_fault),
		test_with_table(an_answer_of_nothing_is_a_fault),
		test_with_table(an_answer_that_is_no_errno_is_a_fault),
		test_with_table(an_answer_outside_of_memory_is_a_fault),
		test_with_table(an_answer_that_wraps_is_a_fault),
		test_with_table(an_iova_range_that_wraps_is_a_fault),
		test_with_table(a_hook_cannot_write_to_readonly_memory),
		test_with_table(bad_questions_do_not_reach_the_hook),
		test_with_table(a_hook_of_single_bytes_is_not_asked_for_ever),
		test_with_table(a_notification_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
