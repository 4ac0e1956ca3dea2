/* SPDX-License-Identifier: MIT */
/*
 * A writer, a reader and a third who looks and switches, all at once. Every field of
 * a record follows from its tag, so that a record made of two is seen, and every tag
 * is either read or told to be lost.
 */
#define VIO_ENABLE_UNSTABLE
#include <vio/unstable/record.h>

#include <pthread.h>

#include "fake/support.h"

#define N_RECORDS UINT64_C(1000000)
#define N_SLOTS   64u
#define BURST_MAX 16u

struct shared {
	struct vio_recorder *recorder;
	uint64_t n_kept;    /* the writer's, read when it has ended */
	uint32_t is_over;   /* atomic: the writer has ended */
	uint64_t n_torn;    /* records that do not follow from their tag */
	uint64_t n_strange; /* records that do not follow the one before */
	uint64_t n_read;    /* the reader's, from n_torn on */
	uint64_t n_missing; /* as records tell */
	uint64_t next;      /* tag after the last one read */
};

static struct vio_io_record record_of(uint64_t tag)
{
	return (struct vio_io_record){
		.arrival_ns = tag,
		.start_ns = tag * 3,
		.end_ns = tag * 5,
		.bytes = ~tag,
		.tag = tag,
		.op = (uint32_t)tag & 3,
		.status = -(int32_t)(tag & 0xffff),
		.queue = (uint32_t)tag,
	};
}

static void *write_all(void *opaque)
{
	struct shared *shared = opaque;
	struct vio_io_record records[BURST_MAX];
	uint64_t tag = 0;

	while (tag < N_RECORDS) {
		uint32_t n = (uint32_t)(tag % BURST_MAX) + 1;

		if (n > N_RECORDS - tag)
			n = (uint32_t)(N_RECORDS - tag);
		for (uint32_t i = 0; i < n; i++)
			records[i] = record_of(tag + i);
		shared->n_kept +=
			(uint64_t)vio_recorder_push(shared->recorder, records, n);
		tag += n;
	}
	/* Release: pairs with the reader's acquire; the last record is in. */
	__atomic_store_n(&shared->is_over, 1, __ATOMIC_RELEASE);
	return NULL;
}

static void look_at(struct shared *shared, const struct vio_io_record *record)
{
	struct vio_io_record want = record_of(record->tag);

	want.lost = record->lost;
	if (memcmp(record, &want, sizeof(want)))
		shared->n_torn++;
	if (record->tag != shared->next + record->lost)
		shared->n_strange++;
	shared->next = record->tag + 1;
	shared->n_missing += record->lost;
}

static void *read_all(void *opaque)
{
	struct shared *shared = opaque;
	struct vio_io_record records[BURST_MAX * 2];
	uint32_t is_over;
	int n;

	do {
		is_over = __atomic_load_n(&shared->is_over, __ATOMIC_ACQUIRE);
		n = vio_recorder_pop(shared->recorder, records,
				     (uint32_t)(shared->n_read % (BURST_MAX * 2)) + 1);
		for (int i = 0; i < n; i++)
			look_at(shared, &records[i]);
		shared->n_read += (uint64_t)n;
	} while (n || !is_over);
	return NULL;
}

/* Never more popped than pushed, and no counter goes back. */
static void *watch(void *opaque)
{
	struct vio_recorder_stats last = VIO_RECORDER_STATS_INIT;
	struct shared *shared = opaque;

	while (!__atomic_load_n(&shared->is_over, __ATOMIC_RELAXED)) {
		struct vio_recorder_stats now = VIO_RECORDER_STATS_INIT;

		if (vio_recorder_read_stats(shared->recorder, &now) ||
		    now.popped > now.pushed || now.pushed < last.pushed ||
		    now.lost < last.lost || now.popped < last.popped)
			return "a counter is wrong";
		last = now;
	}
	return NULL;
}

static struct vio_recorder *create(uint32_t n_records)
{
	struct vio_recorder_params params = VIO_RECORDER_PARAMS_INIT;
	struct vio_recorder *recorder;

	params.n_records = n_records;
	assert_int_equal(vio_recorder_create(NULL, &params, &recorder, NULL), 0);
	vio_recorder_set_active(recorder, 1);
	return recorder;
}

static void run(struct shared *shared, void *(*third)(void *opaque), void **out)
{
	pthread_t writer, reader, other;

	assert_int_equal(pthread_create(&reader, NULL, read_all, shared), 0);
	assert_int_equal(pthread_create(&other, NULL, third, shared), 0);
	assert_int_equal(pthread_create(&writer, NULL, write_all, shared), 0);
	assert_int_equal(pthread_join(writer, NULL), 0);
	assert_int_equal(pthread_join(other, out), 0);
	assert_int_equal(pthread_join(reader, NULL), 0);
}

static void every_record_is_read_whole_or_counted_as_lost(void **state)
{
	struct vio_recorder_stats stats = VIO_RECORDER_STATS_INIT;
	struct shared shared = { .recorder = create(N_SLOTS) };
	void *complaint;

	(void)state;
	run(&shared, watch, &complaint);
	assert_null(complaint);
	assert_int_equal(vio_recorder_read_stats(shared.recorder, &stats), 0);
	assert_int_equal(shared.n_torn, 0);
	assert_int_equal(shared.n_strange, 0);
	assert_int_equal(shared.n_read, shared.n_kept);
	assert_int_equal(stats.pushed, shared.n_kept);
	assert_int_equal(stats.popped, shared.n_read);
	assert_int_equal(stats.pushed + stats.lost, N_RECORDS);
	/* What was dropped last has no record after it to tell. */
	assert_int_equal(shared.n_missing + (N_RECORDS - shared.next), stats.lost);
	vio_recorder_destroy(shared.recorder);
}

static void nothing_is_lost_where_there_is_room(void **state)
{
	struct shared shared = { .recorder = create(VIO_RECORDS_MAX) };
	void *complaint;

	(void)state;
	run(&shared, watch, &complaint);
	assert_null(complaint);
	assert_int_equal(shared.n_torn, 0);
	assert_int_equal(shared.n_strange, 0);
	assert_int_equal(shared.n_read, N_RECORDS);
	assert_int_equal(shared.n_missing, 0);
	vio_recorder_destroy(shared.recorder);
}

static void *switch_often(void *opaque)
{
	struct shared *shared = opaque;

	for (int i = 0; !__atomic_load_n(&shared->is_over, __ATOMIC_RELAXED); i++)
		vio_recorder_set_active(shared->recorder, i & 1);
	return NULL;
}

/* Tags are then missing that nobody lost; records must still be whole. */
static void a_switch_beside_the_writer_tears_no_record(void **state)
{
	struct vio_recorder_stats stats = VIO_RECORDER_STATS_INIT;
	struct shared shared = { .recorder = create(N_SLOTS) };
	void *complaint;

	(void)state;
	run(&shared, switch_often, &complaint);
	assert_int_equal(shared.n_torn, 0);
	assert_int_equal(vio_recorder_read_stats(shared.recorder, &stats), 0);
	assert_int_equal(stats.pushed, shared.n_kept);
	assert_int_equal(shared.n_read, shared.n_kept);
	assert_true(stats.pushed + stats.lost <= N_RECORDS);
	assert_true(shared.n_missing <= stats.lost);
	vio_recorder_destroy(shared.recorder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_record_is_read_whole_or_counted_as_lost),
		cmocka_unit_test(nothing_is_lost_where_there_is_room),
		cmocka_unit_test(a_switch_beside_the_writer_tears_no_record),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
