/* SPDX-License-Identifier: MIT */
/* Checked arithmetic, lists, zeroed memory, errors, version. */
#include <vio/error.h>
#include <vio/version.h>

#include "core/bits.h"
#include "core/env.h"
#include "core/error.h"
#include "core/list.h"
#include "core/meter.h"
#include "core/pair.h"
#include "fake/fault.h"
#include "fake/support.h"

static void a_sum_that_wraps_is_reported(void **state)
{
	uint64_t sum;

	(void)state;
	assert_true(vio_add_u64(UINT64_MAX - 1, 1, &sum));
	assert_true(sum == UINT64_MAX);
	assert_false(vio_add_u64(UINT64_MAX, 1, &sum));
}

static void a_product_that_wraps_is_reported(void **state)
{
	size_t product;

	(void)state;
	assert_true(vio_mul_size(SIZE_MAX / 2, 2, &product));
	assert_false(vio_mul_size(SIZE_MAX / 2 + 1, 2, &product));
}

static void the_last_byte_of_the_address_space_is_in_range(void **state)
{
	uint64_t last;

	(void)state;
	assert_true(vio_range_last(UINT64_MAX - 4095, 4096, &last));
	assert_true(last == UINT64_MAX);
	assert_false(vio_range_last(UINT64_MAX - 4095, 4097, &last));
}

static void an_empty_range_has_no_last_byte(void **state)
{
	uint64_t last;

	(void)state;
	assert_false(vio_range_last(0, 0, &last));
}

static void zero_is_no_power_of_two(void **state)
{
	(void)state;
	assert_false(vio_is_power_of_two(0));
	assert_true(vio_is_power_of_two(1));
	assert_true(vio_is_power_of_two(UINT64_C(1) << 63));
	assert_false(vio_is_power_of_two(3));
}

/* Every processor this is tested on can, so the other case is a failure here. */
static void a_pair_is_swapped_if_both_words_are_as_seen(void **state)
{
	_Alignas(16) uint64_t words[2] = { 1, UINT64_MAX };
	const uint64_t desired[2] = { 3, 4 };
	uint64_t seen[2] = { 1, UINT64_MAX };

	(void)state;
#ifdef __x86_64__
	assert_true(vio_pair_is_supported());
	assert_true(vio_pair_swap(words, seen, desired));
	assert_true(words[0] == 3 && words[1] == 4);
#else
	assert_false(vio_pair_is_supported());
	assert_false(vio_pair_swap(words, seen, desired));
#endif
}

static void a_pair_with_one_other_word_stays_and_is_seen(void **state)
{
	_Alignas(16) uint64_t words[2] = { 1, 2 };
	const uint64_t desired[2] = { 3, 4 };
	uint64_t first_wrong[2] = { 0, 2 };
	uint64_t second_wrong[2] = { 1, 0 };

	(void)state;
	assert_false(vio_pair_swap(words, first_wrong, desired));
	assert_false(vio_pair_swap(words, second_wrong, desired));
	assert_true(words[0] == 1 && words[1] == 2);
#ifdef __x86_64__
	assert_true(first_wrong[0] == 1 && first_wrong[1] == 2);
	assert_true(second_wrong[0] == 1 && second_wrong[1] == 2);
#endif
}

static void alignment_is_to_the_byte(void **state)
{
	(void)state;
	assert_true(vio_is_aligned(4096, 4096));
	assert_false(vio_is_aligned(4097, 4096));
	assert_true(vio_is_aligned(0, 4096));
	assert_true(vio_is_aligned(7, 1));
}

static void smaller_and_larger_hold_over_all_64_bits(void **state)
{
	(void)state;
	assert_true(vio_min_u64(1, UINT64_MAX) == 1);
	assert_true(vio_max_u64(1, UINT64_MAX) == UINT64_MAX);
}

static void a_list_keeps_the_order_of_appending(void **state)
{
	struct vio_list list, a, b;

	(void)state;
	vio_list_init(&list);
	assert_true(vio_list_is_empty(&list));
	vio_list_append(&list, &a);
	vio_list_append(&list, &b);
	assert_ptr_equal(list.next, &a);
	assert_ptr_equal(a.next, &b);
	assert_ptr_equal(b.next, &list);
	assert_ptr_equal(list.prev, &b);
}

static void removing_a_node_twice_is_harmless(void **state)
{
	struct vio_list list, a, b;

	(void)state;
	vio_list_init(&list);
	vio_list_append(&list, &a);
	vio_list_append(&list, &b);
	vio_list_remove(&a);
	vio_list_remove(&a);
	assert_ptr_equal(list.next, &b);
	assert_ptr_equal(list.prev, &b);
	vio_list_remove(&b);
	assert_true(vio_list_is_empty(&list));
}

static void a_node_leads_back_to_its_struct(void **state)
{
	struct {
		uint64_t before;
		struct vio_list node;
	} object;

	(void)state;
	assert_ptr_equal(VIO_CONTAINER_OF(&object.node, __typeof__(object), node),
			 &object);
}

static void new_objects_are_zeroed(void **state)
{
	struct vio_fault fault;
	struct vio_env env = vio_env_default;
	uint64_t *numbers;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	env.alloc = fault.alloc; /* fills with 0xa5 */
	numbers = vio_alloc_array(&env, 3, sizeof(*numbers), 8);
	assert_non_null(numbers);
	for (int i = 0; i < 3; i++)
		assert_true(numbers[i] == 0);
	vio_free(&env, numbers, 3 * sizeof(*numbers), 8);
	vio_fault_verify(&fault);
}

static void an_array_whose_size_wraps_is_not_allocated(void **state)
{
	(void)state;
	assert_null(vio_alloc_array(&vio_env_default, SIZE_MAX / 8 + 2, 8, 8));
	assert_null(vio_alloc_array(&vio_env_default, 0, 8, 8));
}

static void freeing_nothing_is_not_passed_on(void **state)
{
	struct vio_fault fault;
	struct vio_env env = vio_env_default;

	(void)state;
	vio_fault_prepare(&fault, NULL);
	env.alloc = fault.alloc;
	vio_free(&env, NULL, 8, 8);
	vio_fault_verify(&fault);
}

static void the_default_clock_does_not_go_back(void **state)
{
	uint64_t before_ns = vio_now(&vio_env_default);

	(void)state;
	assert_true(before_ns > 0);
	assert_true(vio_now(&vio_env_default) >= before_ns);
}

static void meters_add_up(void **state)
{
	uint64_t counter = 40;

	(void)state;
	vio_meter_add(&counter, 2);
	assert_true(vio_meter_get(&counter) == 42);
}

static void an_error_says_what_the_call_returned(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;

	(void)state;
	assert_int_equal(vio_fail(&err, -EBUSY, "queue %u: %s", 3u, "running"), -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	assert_string_equal(err.text, "queue 3: running");
	assert_int_equal(err.size, sizeof(err));
}

static void an_error_nobody_wants_is_only_returned(void **state)
{
	(void)state;
	assert_int_equal(vio_fail(NULL, -EBUSY, "lost"), -EBUSY);
}

static void an_error_is_cut_to_an_older_callers_struct(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;

	(void)state;
	memset(err.text, 'x', sizeof(err.text));
	err.size = offsetof(struct vio_error, text) + 8;
	assert_int_equal(vio_fail(&err, -EINVAL, "0123456789"), -EINVAL);
	assert_string_equal(err.text, "0123456");
	assert_int_equal(err.text[8], 'x');
}

static void an_error_without_room_for_text_is_left_alone(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;

	(void)state;
	err.size = offsetof(struct vio_error, text);
	err.code = 77;
	assert_int_equal(vio_fail(&err, -EINVAL, "0123456789"), -EINVAL);
	assert_int_equal(err.code, 77);
	assert_int_equal(err.text[0], 0);
}

static void a_claimed_size_over_ours_does_not_widen_the_text(void **state)
{
	struct {
		struct vio_error err;
		char after[64];
	} caller = { .err = VIO_ERROR_INIT };
	static char text[400];

	(void)state;
	memset(text, 'a', sizeof(text) - 1);
	memset(caller.after, 'x', sizeof(caller.after));
	caller.err.size = sizeof(caller);
	vio_fail(&caller.err, -EINVAL, "%s", text);
	assert_int_equal(strlen(caller.err.text), VIO_ERROR_TEXT_BYTES - 1);
	assert_int_equal(caller.after[0], 'x');
}

static void the_library_is_as_old_as_its_headers(void **state)
{
	(void)state;
	assert_int_equal(vio_version(), VIO_VERSION);
}

static void features_answer_yes_or_no(void **state)
{
	(void)state;
	assert_int_equal(vio_has(VIO_HAS_URING), VIO_HAVE_LIBURING);
	assert_int_equal(vio_has(0), 0);
	assert_int_equal(vio_has(UINT32_MAX), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sum_that_wraps_is_reported),
		cmocka_unit_test(a_product_that_wraps_is_reported),
		cmocka_unit_test(the_last_byte_of_the_address_space_is_in_range),
		cmocka_unit_test(an_empty_range_has_no_last_byte),
		cmocka_unit_test(zero_is_no_power_of_two),
		cmocka_unit_test(a_pair_is_swapped_if_both_words_are_as_seen),
		cmocka_unit_test(a_pair_with_one_other_word_stays_and_is_seen),
		cmocka_unit_test(alignment_is_to_the_byte),
		cmocka_unit_test(smaller_and_larger_hold_over_all_64_bits),
		cmocka_unit_test(a_list_keeps_the_order_of_appending),
		cmocka_unit_test(removing_a_node_twice_is_harmless),
		cmocka_unit_test(a_node_leads_back_to_its_struct),
		cmocka_unit_test(new_objects_are_zeroed),
		cmocka_unit_test(an_array_whose_size_wraps_is_not_allocated),
		cmocka_unit_test(freeing_nothing_is_not_passed_on),
		cmocka_unit_test(the_default_clock_does_not_go_back),
		cmocka_unit_test(meters_add_up),
		cmocka_unit_test(an_error_says_what_the_call_returned),
		cmocka_unit_test(an_error_nobody_wants_is_only_returned),
		cmocka_unit_test(an_error_is_cut_to_an_older_callers_struct),
		cmocka_unit_test(an_error_without_room_for_text_is_left_alone),
		cmocka_unit_test(a_claimed_size_over_ours_does_not_widen_the_text),
		cmocka_unit_test(the_library_is_as_old_as_its_headers),
		cmocka_unit_test(features_answer_yes_or_no),
	};

	return cmocka_run_group_tests_name("core", tests, NULL, NULL);
}
