/* SPDX-License-Identifier: MIT */
/* The ring of I/O records, one thread: what is kept, what is lost, what is refused. */
#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/record.h>

#include <vio/dom.h>

#include "fake/support.h"

#define N_SLOTS 8u

static struct vio_recorder *create(uint32_t n_records, struct vio_dom *dom)
{
	struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;
	struct vio_recorder *recorder;

	params.n_records = n_records;
	params.dom = dom;
	params.index = 3;
	assert_int_equal(vio_recorder_create(NULL, &params, &recorder, NULL), 0);
	return recorder;
}

static struct vio_recorder *create_active(void)
{
	struct vio_recorder *recorder = create(N_SLOTS, NULL);

	vio_recorder_set_active(recorder, 1);
	return recorder;
}

static struct vio_io_record record_of(uint64_t tag)
{
	return (struct vio_io_record){
		.arrival_ns = tag,
		.start_ns = tag + 1,
		.end_ns = tag + 2,
		.bytes = tag * 512,
		.tag = tag,
		.op = VIO_IO_WRITE,
		.status = -EIO,
		.queue = 7,
	};
}

/* Pushes @n records, tagged from @tag on, at once; expects that @n_kept fit. */
static void push(struct vio_recorder *recorder, uint64_t tag, uint32_t n, int n_kept)
{
	struct vio_io_record records[2 * N_SLOTS];

	assert_true(n <= 2 * N_SLOTS);
	for (uint32_t i = 0; i < n; i++)
		records[i] = record_of(tag + i);
	assert_int_equal(vio_recorder_push(recorder, records, n), n_kept);
}

/* The next record, which has @tag and says that @lost are missing before it. */
static void pop(struct vio_recorder *recorder, uint64_t tag, uint32_t lost)
{
	struct vio_io_record want = record_of(tag);
	struct vio_io_record record;

	want.lost = lost;
	assert_int_equal(vio_recorder_pop(recorder, &record, 1), 1);
	assert_memory_equal(&record, &want, sizeof(want));
}

static void expect_empty(struct vio_recorder *recorder)
{
	struct vio_io_record record;

	assert_int_equal(vio_recorder_pop(recorder, &record, 1), 0);
}

static void expect_stats(const struct vio_recorder *recorder, uint64_t pushed,
			 uint64_t lost, uint64_t popped)
{
	struct vio_recorder_stats stats = VIO_RECORDER_STATS_INIT;

	assert_int_equal(vio_recorder_read_stats(recorder, &stats), 0);
	assert_int_equal(stats.size, sizeof(stats));
	assert_int_equal(stats.pushed, pushed);
	assert_int_equal(stats.lost, lost);
	assert_int_equal(stats.popped, popped);
}

static void a_recorder_is_off_until_it_is_switched_on(void **state)
{
	struct vio_recorder *recorder = create(N_SLOTS, NULL);

	(void)state;
	assert_int_equal(vio_recorder_get_active(recorder), 0);
	push(recorder, 0, 1, 0);
	vio_recorder_set_active(recorder, 2);
	assert_int_equal(vio_recorder_get_active(recorder), 1);
	push(recorder, 1, 1, 1);
	pop(recorder, 1, 0);
	vio_recorder_destroy(recorder);
}

static void no_recorder_is_one_that_is_off(void **state)
{
	const struct vio_io_record record = record_of(1);

	(void)state;
	assert_int_equal(vio_recorder_get_active(NULL), 0);
	assert_int_equal(vio_recorder_push(NULL, &record, 1), 0);
	vio_recorder_destroy(NULL);
}

static void what_comes_while_it_is_off_is_not_lost_but_ignored(void **state)
{
	struct vio_recorder *recorder = create_active();

	(void)state;
	push(recorder, 0, 1, 1);
	vio_recorder_set_active(recorder, 0);
	push(recorder, 1, 3, 0);
	vio_recorder_set_active(recorder, 1);
	push(recorder, 4, 1, 1);
	pop(recorder, 0, 0);
	pop(recorder, 4, 0);
	expect_stats(recorder, 2, 0, 2);
	vio_recorder_destroy(recorder);
}

static void records_are_read_after_it_was_switched_off(void **state)
{
	struct vio_recorder *recorder = create_active();

	(void)state;
	push(recorder, 5, 1, 1);
	vio_recorder_set_active(recorder, 0);
	pop(recorder, 5, 0);
	expect_empty(recorder);
	vio_recorder_destroy(recorder);
}

static void records_come_out_whole_and_in_order_over_many_rounds(void **state)
{
	struct vio_recorder *recorder = create_active();

	(void)state;
	for (uint64_t tag = 0; tag < 1000; tag += 3) {
		push(recorder, tag, 3, 3);
		pop(recorder, tag, 0);
		pop(recorder, tag + 1, 0);
		pop(recorder, tag + 2, 0);
	}
	expect_empty(recorder);
	vio_recorder_destroy(recorder);
}

static void a_burst_over_the_end_of_the_ring_is_kept_whole(void **state)
{
	struct vio_recorder *recorder = create_active();
	struct vio_io_record records[N_SLOTS];

	(void)state;
	push(recorder, 0, N_SLOTS - 2, (int)N_SLOTS - 2);
	assert_int_equal(vio_recorder_pop(recorder, records, N_SLOTS), N_SLOTS - 2);
	push(recorder, 100, N_SLOTS, N_SLOTS);
	assert_int_equal(vio_recorder_pop(recorder, records, N_SLOTS), N_SLOTS);
	for (uint32_t i = 0; i < N_SLOTS; i++)
		assert_int_equal(records[i].tag, 100 + i);
	vio_recorder_destroy(recorder);
}

static void a_full_ring_keeps_the_oldest_and_tells_the_gap(void **state)
{
	struct vio_recorder *recorder = create_active();

	(void)state;
	push(recorder, 0, N_SLOTS - 1, (int)N_SLOTS - 1);
	push(recorder, N_SLOTS - 1, 3, 1);
	push(recorder, 90, 2, 0);
	expect_stats(recorder, N_SLOTS, 4, 0);
	for (uint32_t i = 0; i < N_SLOTS; i++)
		pop(recorder, i, 0);
	push(recorder, 50, 2, 2);
	pop(recorder, 50, 4);
	pop(recorder, 51, 0);
	expect_stats(recorder, N_SLOTS + 2, 4, N_SLOTS + 2);
	vio_recorder_destroy(recorder);
}

static void pushing_and_popping_nothing_is_no_error(void **state)
{
	struct vio_recorder *recorder = create_active();

	(void)state;
	assert_int_equal(vio_recorder_push(recorder, NULL, 0), 0);
	assert_int_equal(vio_recorder_pop(recorder, NULL, 0), 0);
	expect_stats(recorder, 0, 0, 0);
	vio_recorder_destroy(recorder);
}

static void counts_out_of_range_and_no_records_are_refused(void **state)
{
	struct vio_recorder *recorder = create_active();
	struct vio_io_record record = record_of(1);

	(void)state;
	assert_int_equal(vio_recorder_push(recorder, NULL, 1), -EINVAL);
	assert_int_equal(vio_recorder_push(recorder, &record, UINT32_MAX), -EINVAL);
	assert_int_equal(vio_recorder_pop(recorder, NULL, 1), -EINVAL);
	assert_int_equal(vio_recorder_pop(recorder, &record, UINT32_MAX), -EINVAL);
	expect_stats(recorder, 0, 0, 0);
	vio_recorder_destroy(recorder);
}

/* With one good record before it. */
static void expect_refused(const struct vio_io_record *bad)
{
	const struct vio_io_record records[] = { record_of(1), *bad };
	struct vio_recorder *recorder = create_active();

	assert_int_equal(vio_recorder_push(recorder, records, 2), -EINVAL);
	expect_stats(recorder, 0, 0, 0);
	expect_empty(recorder);
	vio_recorder_destroy(recorder);
}

static void an_unknown_op_is_refused(void **state)
{
	struct vio_io_record record = record_of(10);

	(void)state;
	record.op = VIO_IO_FLUSH + 1;
	expect_refused(&record);
}

static void a_start_before_the_arrival_is_refused(void **state)
{
	struct vio_io_record record = record_of(10);

	(void)state;
	record.start_ns = record.arrival_ns - 1;
	expect_refused(&record);
}

static void an_end_before_the_start_is_refused(void **state)
{
	struct vio_io_record record = record_of(10);

	(void)state;
	record.end_ns = record.start_ns - 1;
	expect_refused(&record);
}

static void a_status_that_is_no_errno_is_refused(void **state)
{
	struct vio_io_record record = record_of(10);

	(void)state;
	record.status = 1;
	expect_refused(&record);
}

static void a_gap_that_the_writer_claims_is_refused(void **state)
{
	struct vio_io_record record = record_of(10);

	(void)state;
	record.lost = 1;
	expect_refused(&record);
}

static void expect_no_recorder(const struct vio_recorder_params *params, int ret)
{
	struct vio_recorder *recorder = (void *)&recorder;
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_recorder_create(NULL, params, &recorder, &err), ret);
	assert_ptr_equal(recorder, (void *)&recorder);
	assert_true(err.text[0]);
}

static void a_number_of_records_out_of_range_is_refused(void **state)
{
	static const uint32_t bad[] = { 1, 3, 4095, VIO_RECORDS_MAX * 2, UINT32_MAX };
	struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		params.n_records = bad[i];
		expect_no_recorder(&params, -EINVAL);
	}
}

static void parameters_of_another_kind_are_refused(void **state)
{
	struct {
		struct vio_recorder_params params;
		uint64_t later;
	} newer = { VIO_RECORDER_PARAMS_INIT, 1 };
	struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;

	(void)state;
	expect_no_recorder(NULL, -EINVAL);
	newer.params.size = sizeof(newer);
	expect_no_recorder(&newer.params, -E2BIG);
	params.flags = 1;
	expect_no_recorder(&params, -EINVAL);
	params.flags = 0;
	params.size = 8;
	expect_no_recorder(&params, -EINVAL);
}

/* The caller's number of records is one of the defaults that 0 stands for. */
static void a_recorder_of_no_size_has_the_usual_one(void **state)
{
	struct vio_recorder *recorder = create(0, NULL);

	(void)state;
	vio_recorder_set_active(recorder, 1);
	for (uint64_t tag = 0; tag < 4096; tag++)
		push(recorder, tag, 1, 1);
	push(recorder, 4096, 1, 0);
	vio_recorder_destroy(recorder);
}

static void stats_without_room_are_refused(void **state)
{
	struct vio_recorder_stats stats = { .size = 8, .lost = 77 };
	struct vio_recorder *recorder = create(N_SLOTS, NULL);

	(void)state;
	assert_int_equal(vio_recorder_read_stats(recorder, NULL), -EINVAL);
	assert_int_equal(vio_recorder_read_stats(recorder, &stats), -EINVAL);
	assert_int_equal(stats.lost, 77);
	vio_recorder_destroy(recorder);
}

static void a_tenant_names_a_recorder_that_is_left(void **state)
{
	struct vio_error err = VIO_ERROR_INIT;
	struct vio_recorder *recorder;
	struct vio_dom *dom;

	(void)state;
	assert_int_equal(vio_dom_create(NULL, "tenant", &dom), 0);
	recorder = create(N_SLOTS, dom);
	assert_int_equal(vio_dom_destroy(dom, &err), -EBUSY);
	assert_non_null(strstr(err.text, "recorder 3"));
	vio_recorder_destroy(recorder);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

static void a_reboot_of_the_guest_leaves_records_to_be_read(void **state)
{
	struct vio_recorder *recorder;
	struct vio_dom *dom;

	(void)state;
	assert_int_equal(vio_dom_create(NULL, "tenant", &dom), 0);
	recorder = create(N_SLOTS, dom);
	vio_recorder_set_active(recorder, 1);
	push(recorder, 1, 1, 1);
	assert_int_equal(vio_dom_reset(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	assert_int_equal(vio_dom_close(dom), 0);
	assert_int_equal(vio_dom_step(dom, NULL), 0);
	pop(recorder, 1, 0);
	vio_recorder_destroy(recorder);
	assert_int_equal(vio_dom_destroy(dom, NULL), 0);
}

/* A child has a copy of the ring, which is its own. */
static int use_in_child(void *opaque)
{
	const struct vio_io_record record = record_of(2);
	struct vio_io_record got[2];

	if (vio_recorder_push(opaque, &record, 1) != 1)
		return 1;
	if (vio_recorder_pop(opaque, got, 2) != 2 || got[1].tag != 2)
		return 2;
	vio_recorder_destroy(opaque);
	return 0;
}

static void a_recorder_works_in_a_forked_child(void **state)
{
	struct vio_recorder *recorder = create_active();

	(void)state;
	push(recorder, 1, 1, 1);
	assert_int_equal(vio_test_fork(use_in_child, recorder), 0);
	pop(recorder, 1, 0);
	expect_empty(recorder);
	vio_recorder_destroy(recorder);
}

static void a_context_is_not_destroyed_under_a_recorder(void **state)
{
	struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	struct vio_recorder *recorder;
	struct vio_ctx *ctx;

	(void)state;
	assert_int_equal(vio_ctx_create(&ctx_params, &ctx, NULL), 0);
	assert_int_equal(vio_recorder_create(ctx, &params, &recorder, NULL), 0);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), -EBUSY);
	vio_recorder_destroy(recorder);
	assert_int_equal(vio_ctx_destroy(ctx, NULL), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_recorder_is_off_until_it_is_switched_on),
		cmocka_unit_test(no_recorder_is_one_that_is_off),
		cmocka_unit_test(what_comes_while_it_is_off_is_not_lost_but_ignored),
		cmocka_unit_test(records_are_read_after_it_was_switched_off),
		cmocka_unit_test(records_come_out_whole_and_in_order_over_many_rounds),
		cmocka_unit_test(a_burst_over_the_end_of_the_ring_is_kept_whole),
		cmocka_unit_test(a_full_ring_keeps_the_oldest_and_tells_the_gap),
		cmocka_unit_test(pushing_and_popping_nothing_is_no_error),
		cmocka_unit_test(counts_out_of_range_and_no_records_are_refused),
		cmocka_unit_test(an_unknown_op_is_refused),
		cmocka_unit_test(a_start_before_the_arrival_is_refused),
		cmocka_unit_test(an_end_before_the_start_is_refused),
		cmocka_unit_test(a_status_that_is_no_errno_is_refused),
		cmocka_unit_test(a_gap_that_the_writer_claims_is_refused),
		cmocka_unit_test(a_number_of_records_out_of_range_is_refused),
		cmocka_unit_test(parameters_of_another_kind_are_refused),
		cmocka_unit_test(a_recorder_of_no_size_has_the_usual_one),
		cmocka_unit_test(stats_without_room_are_refused),
		cmocka_unit_test(a_tenant_names_a_recorder_that_is_left),
		cmocka_unit_test(a_reboot_of_the_guest_leaves_records_to_be_read),
		cmocka_unit_test(a_recorder_works_in_a_forked_child),
		cmocka_unit_test(a_context_is_not_destroyed_under_a_recorder),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
