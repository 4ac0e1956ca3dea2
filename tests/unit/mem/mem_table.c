/* SPDX-License-Identifier: MIT */
/*
 * The control side of the memory table: what a batch does, and when a region is
 * released.
 */
#include <errno.h>
#include <poll.h>

#include "unit/mem/fixture.h"

static void a_new_table_has_no_memory(void **state)
{
	struct fixture *f = *state;

	assert_null(find_byte(f->mem, 0));
}

static void an_added_region_is_there_at_once(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 3), 0);
	assert_ptr_equal(find_byte(f->mem, 0x10fff), f->host + 3 * PAGE + 0xfff);
}

static void a_region_ends_where_it_says(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_null(find_byte(f->mem, 0xffff));
	assert_null(find_byte(f->mem, 0x11000));
}

static void address_zero_is_an_address(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0, 1, 5), 0);
	assert_ptr_equal(find_byte(f->mem, 0), f->host + 5 * PAGE);
}

/* Aliases of one page: the table does not mind, and the test stays small. */
static void the_region_beyond_the_most_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_begin(f->mem), 0);
	for (uint64_t i = 0; i < VIO_MEM_REGIONS_MAX; i++)
		assert_int_equal(add(f, i * PAGE, 1, 0), 0);
	assert_int_equal(add(f, (uint64_t)VIO_MEM_REGIONS_MAX * PAGE, 1, 0), -ENOSPC);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_int_equal(add(f, (uint64_t)VIO_MEM_REGIONS_MAX * PAGE, 1, 0), -ENOSPC);
	assert_non_null(find_byte(f->mem, (uint64_t)VIO_MEM_REGIONS_MAX * PAGE - 1));
}

static void a_batch_shows_nothing_before_its_commit(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(add(f, 0x20000, 1, 1), 0);
	assert_non_null(find_byte(f->mem, 0x10000));
	assert_null(find_byte(f->mem, 0x20000));
}

static void a_committed_batch_is_there_whole(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(add(f, 0x30000, 1, 2), 0);
	assert_int_equal(add(f, 0x20000, 1, 1), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_null(find_byte(f->mem, 0x10000));
	assert_ptr_equal(find_byte(f->mem, 0x20000), f->host + PAGE);
	assert_ptr_equal(find_byte(f->mem, 0x30000), f->host + 2 * PAGE);
}

static void an_aborted_batch_changes_nothing(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(add(f, 0x20000, 1, 1), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_non_null(find_byte(f->mem, 0x10000));
	assert_null(find_byte(f->mem, 0x20000));
}

static void a_region_kept_by_an_abort_can_be_removed_later(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_null(find_byte(f->mem, 0x10000));
}

static void a_failed_add_leaves_the_batch_open(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(add(f, 0x10000, 1, 1), -EEXIST);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_ptr_equal(find_byte(f->mem, 0x10000), f->host);
}

static void a_region_can_be_replaced_within_a_batch(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 4, 0), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add(f, 0x11000, 1, 8), -EEXIST);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(add(f, 0x11000, 1, 8), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_null(find_byte(f->mem, 0x10000));
	assert_ptr_equal(find_byte(f->mem, 0x11000), f->host + 8 * PAGE);
}

static void a_region_added_and_removed_in_one_batch_is_released(void **state)
{
	struct fixture *f = *state;
	struct count count = { 0 };

	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(count.n, 1);
	assert_null(find_byte(f->mem, 0x10000));
}

static void regions_added_in_any_order_are_found(void **state)
{
	static const uint64_t order[] = { 7,  0, 12, 3,  15, 1,  9, 4,
					  14, 2, 8,  11, 5,  13, 6, 10 };
	struct fixture *f = *state;

	assert_int_equal(vio_mem_begin(f->mem), 0);
	for (size_t i = 0; i < 16; i++)
		assert_int_equal(add(f, order[i] * 0x10000, 1, (uint32_t)order[i]), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	for (uint64_t i = 0; i < 16; i++)
		assert_ptr_equal(find_byte(f->mem, i * 0x10000), f->host + i * PAGE);
}

static void a_second_begin_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_begin(f->mem), -EBUSY);
}

static void a_batch_can_follow_a_batch(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_commit(f->mem), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
}

static void a_commit_without_a_batch_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_commit(f->mem), -EINVAL);
}

static void an_abort_without_a_batch_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_abort(f->mem), -EINVAL);
}

static void removing_what_is_not_there_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(vio_mem_remove(f->mem, 0x10000), -ENOENT);
}

static void removing_from_the_middle_of_a_region_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 2, 0), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x11000), -ENOENT);
}

static void removing_twice_in_a_batch_is_refused(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), -ENOENT);
}

static void a_removed_region_is_released_once_by_dispatch(void **state)
{
	struct fixture *f = *state;
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(count.n, 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	assert_int_equal(count.n, 1);
	assert_int_equal(count.gpa, 0x10000);
}

static void a_region_without_a_callback_goes_uncounted(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(add(f, 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
}

static void a_region_that_stays_is_not_released_by_other_commits(void **state)
{
	struct fixture *f = *state;
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	for (uint64_t i = 2; i < 10; i++)
		assert_int_equal(add(f, i * 0x10000, 1, 0), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
	assert_int_equal(count.n, 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
}

static void regions_added_in_vain_are_released_after_an_abort(void **state)
{
	struct fixture *f = *state;
	struct count count = { 0 };

	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	assert_int_equal(add_counted(f, 0x20000, 0, &count), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 2);
	assert_int_equal(count.n, 2);
}

static void add_again(void *opaque, uint64_t gpa)
{
	struct fixture *f = opaque;

	assert_int_equal(add(f, gpa + 0x10000, 1, 1), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(vio_mem_abort(f->mem), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 0);
}

static void a_released_callback_may_change_the_table(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0x10000, 1, 0);

	region.released = add_again;
	region.opaque = f;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
	assert_ptr_equal(find_byte(f->mem, 0x20000), f->host + PAGE);
}

static void destroying_nothing_is_no_error(void **state)
{
	(void)state;
	assert_int_equal(vio_mem_destroy(NULL, NULL), 0);
}

static void destroying_releases_what_is_left(void **state)
{
	struct fixture *f = *state;
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	assert_int_equal(vio_mem_begin(f->mem), 0);
	assert_int_equal(add_counted(f, 0x20000, 0, &count), 0);
	assert_int_equal(vio_mem_destroy(f->mem, NULL), 0);
	f->mem = NULL;
	assert_int_equal(count.n, 2);
}

static void put_back(void *opaque, uint64_t gpa)
{
	struct fixture *f = opaque;

	assert_int_equal(add(f, gpa, 1, 1), -EBUSY);
	assert_null(find_byte(f->mem, gpa));
}

static void a_table_being_destroyed_takes_no_region(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_region region = region_at(f, 0x10000, 1, 0);

	region.released = put_back;
	region.opaque = f;
	assert_int_equal(vio_mem_add(f->mem, &region, NULL), 0);
	assert_int_equal(vio_mem_destroy(f->mem, NULL), 0);
	f->mem = NULL;
}

static void a_table_with_a_queue_is_not_destroyed(void **state)
{
	struct fixture *f = *state;
	struct vio_mem_reader reader = { 0 };
	struct vio_error err = VIO_ERROR_INIT;
	struct count count = { 0 };

	assert_int_equal(add_counted(f, 0x10000, 0, &count), 0);
	vio_mem_reader_attach(&reader, f->mem);
	assert_int_equal(vio_mem_destroy(f->mem, &err), -EBUSY);
	assert_int_equal(err.code, -EBUSY);
	assert_int_equal(count.n, 0);
	assert_non_null(find_byte(f->mem, 0x10000));
	vio_mem_reader_detach(&reader);
	assert_int_equal(vio_mem_remove(f->mem, 0x10000), 0);
	assert_int_equal(vio_mem_dispatch(f->mem), 1);
}

static void dispatch_of_the_context_releases(void **state)
{
	struct fixture *f = *state;
	struct fixture own = { .host = f->host };
	struct vio_ctx *ctx;
	struct pollfd poller = { .events = POLLIN };
	struct count count = { 0 };

	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_mem_create(ctx, &own.mem), 0);
	poller.fd = vio_ctx_get_fd(ctx);
	assert_int_equal(add_counted(&own, 0x10000, 0, &count), 0);
	assert_int_equal(poll(&poller, 1, 0), 0);
	assert_int_equal(vio_mem_remove(own.mem, 0x10000), 0);
	assert_int_equal(poll(&poller, 1, 0), 1);
	assert_int_equal(vio_ctx_dispatch(ctx, 8), 1);
	assert_int_equal(count.n, 1);
	assert_int_equal(vio_mem_destroy(own.mem, NULL), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
	assert_int_equal(count.n, 1);
}

static void a_table_destroyed_before_dispatch_leaves_nothing_to_run(void **state)
{
	struct fixture *f = *state;
	struct fixture own = { .host = f->host };
	struct vio_ctx *ctx;
	struct count count = { 0 };

	assert_int_equal(vio_ctx_create(NULL, &ctx, NULL), 0);
	assert_int_equal(vio_mem_create(ctx, &own.mem), 0);
	assert_int_equal(add_counted(&own, 0x10000, 0, &count), 0);
	assert_int_equal(vio_mem_remove(own.mem, 0x10000), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), -EBUSY);
	assert_int_equal(vio_mem_destroy(own.mem, NULL), 0);
	assert_int_equal(count.n, 1);
	assert_int_equal(vio_ctx_dispatch(ctx, 8), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		test_with_table(a_new_table_has_no_memory),
		test_with_table(an_added_region_is_there_at_once),
		test_with_table(a_region_ends_where_it_says),
		test_with_table(address_zero_is_an_address),
		test_with_table(the_region_beyond_the_most_is_refused),
		test_with_table(a_batch_shows_nothing_before_its_commit),
		test_with_table(a_committed_batch_is_there_whole),
		test_with_table(an_aborted_batch_changes_nothing),
		test_with_table(a_region_kept_by_an_abort_can_be_removed_later),
		test_with_table(a_failed_add_leaves_the_batch_open),
		test_with_table(a_region_can_be_replaced_within_a_batch),
		test_with_table(a_region_added_and_removed_in_one_batch_is_released),
		test_with_table(regions_added_in_any_order_are_found),
		test_with_table(a_second_begin_is_refused),
		test_with_table(a_batch_can_follow_a_batch),
		test_with_table(a_commit_without_a_batch_is_refused),
		test_with_table(an_abort_without_a_batch_is_refused),
		test_with_table(removing_what_is_not_there_is_refused),
		test_with_table(removing_from_the_middle_of_a_region_is_refused),
		test_with_table(removing_twice_in_a_batch_is_refused),
		test_with_table(a_removed_region_is_released_once_by_dispatch),
		test_with_table(a_region_without_a_callback_goes_uncounted),
		test_with_table(a_region_that_stays_is_not_released_by_other_commits),
		test_with_table(regions_added_in_vain_are_released_after_an_abort),
		test_with_table(a_released_callback_may_change_the_table),
		test_with_table(destroying_nothing_is_no_error),
		test_with_table(destroying_releases_what_is_left),
		test_with_table(a_table_being_destroyed_takes_no_region),
		test_with_table(a_table_with_a_queue_is_not_destroyed),
		test_with_table(dispatch_of_the_context_releases),
		test_with_table(
			a_table_destroyed_before_dispatch_leaves_nothing_to_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
