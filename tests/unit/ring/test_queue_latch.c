/* SPDX-License-Identifier: MIT */
/*
 * What a latched queue still does and what it does no more, and a guest that
 * rewrites its ring while the device reads it. Pages of the ring are taken away
 * to show that nobody looks at them.
 */
#include <pthread.h>
#include <sched.h>

#include "unit/ring/guest.h"

static void latch(struct guest *g)
{
	set_desc(g, 7, VIO_DESC_NEXT, N_DESCS);
	offer(g, 7);
	expect_latch(g, VIO_FAULT_INDEX);
}

static void protect_ring(struct guest *g, int protection)
{
	assert_int_equal(mprotect(g->ram, TABLE_GPA - RAM_GPA, protection), 0);
}

static void a_latched_queue_reads_its_ring_no_more(void **state)
{
	struct guest *g = *state;

	latch(g);
	protect_ring(g, PROT_NONE);
	for (uint32_t i = 0; i < 100; i++)
		assert_int_equal(pop(g, N_CHAINS), -EBADMSG);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), -EBADMSG);
	assert_int_equal(vio_queue_set_kicks(g->queue, 0), -EBADMSG);
	protect_ring(g, PROT_READ | PROT_WRITE);
	assert_int_equal(g->n_faults, 1);
}

static void a_ring_mended_after_the_latch_changes_nothing(void **state)
{
	struct guest *g = *state;

	latch(g);
	set_desc(g, 7, 0, 0);
	offer_page(g, 0);
	assert_int_equal(pop(g, 1), -EBADMSG);
	assert_int_equal(g->n_faults, 1);
}

static void chains_before_the_malformed_one_are_popped_first(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	offer_page(g, 1);
	offer(g, N_DESCS);
	offer_page(g, 2);
	assert_int_equal(pop(g, N_CHAINS), 2);
	assert_int_equal(g->chains[1].head, 1);
	expect_latch(g, VIO_FAULT_INDEX);
}

static void chains_open_at_the_latch_are_completed(void **state)
{
	struct guest *g = *state;

	offer_room(g, 3);
	offer_room(g, 4);
	assert_int_equal(pop(g, 2), 2);
	latch(g);
	assert_int_equal(push(g, 4, 8), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(push(g, 3, 9), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 2);
	assert_int_equal(used_id(g, 0), 4);
	assert_int_equal(used_length(g, 1), 9);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
}

static void a_latched_queue_leaves_others_alone(void **state)
{
	struct guest *g = *state;
	struct vio_queue *bad = g->queue;

	latch(g);
	g->params.desc_addr = DESC_GPA + PAGE;
	g->params.driver_addr = AVAIL_GPA + PAGE;
	g->params.device_addr = USED_GPA + PAGE;
	start_queue(g);
	write_desc(desc_at(g, PAGE / 16), data_gpa(0), PAGE, 0, 0);
	((uint16_t *)guest_at(g, AVAIL_GPA + PAGE))[1] = htole16(1);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(((uint16_t *)guest_at(g, USED_GPA + PAGE))[1], htole16(1));
	vio_queue_destroy(bad);
}

static void a_reset_clears_the_latch(void **state)
{
	struct guest *g = *state;
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;

	latch(g);
	vio_queue_reset(g->queue);
	assert_int_equal(vio_queue_read_fault(g->queue, &fault), 0);
	assert_int_equal(fault.code, VIO_FAULT_NONE);
	g->avail_index = 0;
	offer_page(g, 2);
	serve(g, 2);
	assert_int_equal(used_index(g), 1);
}

static void a_queue_reset_and_abused_again_reports_again(void **state)
{
	struct guest *g = *state;

	for (uint32_t i = 0; i < 3; i++) {
		g->n_faults = 0;
		g->avail_index = 0;
		latch(g);
		vio_queue_reset(g->queue);
	}
}

static void the_fault_of_a_healthy_queue_is_none(void **state)
{
	struct guest *g = *state;
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;

	assert_int_equal(vio_queue_read_fault(g->queue, &fault), 0);
	assert_int_equal(fault.code, VIO_FAULT_NONE);
	assert_int_equal(fault.size, sizeof(fault));
}

static void a_fault_read_into_nothing_or_too_little_is_refused(void **state)
{
	struct guest *g = *state;
	struct vio_queue_fault fault = VIO_QUEUE_FAULT_INIT;

	assert_int_equal(vio_queue_read_fault(g->queue, NULL), -EINVAL);
	fault.size = sizeof(fault) - 1;
	assert_int_equal(vio_queue_read_fault(g->queue, &fault), -EINVAL);
}

static void a_queue_without_a_callback_latches_silently(void **state)
{
	struct guest *g = *state;

	g->params.fault = NULL;
	start_queue(g);
	offer(g, N_DESCS);
	assert_int_equal(pop(g, 1), -EBADMSG);
	assert_int_equal(g->n_faults, 0);
}

/* A ring that is no longer guest memory. */

static void expect_ring_gone(struct guest *g)
{
	assert_int_equal(vio_mem_remove(g->mem, RAM_GPA), 0);
	expect_latch(g, VIO_FAULT_RING);
}

static void a_ring_that_leaves_guest_memory_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer_page(g, 0);
	expect_ring_gone(g);
}

static void asking_for_kicks_of_a_ring_that_is_gone_latches_the_queue(void **state)
{
	struct guest *g = *state;

	assert_int_equal(vio_mem_remove(g->mem, RAM_GPA), 0);
	assert_int_equal(vio_queue_set_kicks(g->queue, 1), -EBADMSG);
	expect_fault(g, VIO_FAULT_RING);
}

static void chains_of_a_ring_that_is_gone_are_let_go(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	expect_ring_gone(g);
	assert_int_equal(push(g, 0, 1), 1);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
	assert_true(publish(g) <= 0);
	assert_int_equal(used_index(g), 0);
}

static void a_ring_that_goes_before_it_is_published_says_so(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, 1), 1);
	assert_int_equal(vio_mem_remove(g->mem, RAM_GPA), 0);
	assert_int_equal(publish(g), -EBADMSG);
	expect_fault(g, VIO_FAULT_RING);
	assert_int_equal(used_index(g), 0);
	assert_int_equal(publish(g), 0);
}

static void in_order_chains_of_a_ring_that_is_gone_are_let_go(void **state)
{
	struct guest *g = *state;

	offer_room(g, 0);
	offer_room(g, 1);
	assert_int_equal(pop(g, 2), 2);
	expect_ring_gone(g);
	assert_int_equal(push(g, 1, 1), 1);
	assert_int_equal(push(g, 0, 1), 1);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
	vio_queue_reset(g->queue);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
}

/* A guest that rewrites its ring while it is read. */

#define N_ROUNDS 20000u

struct flipper {
	struct guest *g;
	uint32_t is_done; /* atomic */
};

static void flip(void *at, uint64_t value)
{
	__atomic_store_n((uint64_t *)at, value, __ATOMIC_RELAXED);
}

/* Descriptors of the ring and of a table change from right to wrong and back. */
static void *flip_ring(void *opaque)
{
	static const uint64_t addrs[] = { DATA_GPA, 0, RAM_END - 8, UINT64_MAX,
					  TABLE_GPA };
	static const struct {
		uint32_t length;
		uint16_t flags, next;
	} rests[] = {
		{ 16, 0, 0 },
		{ 16, VIO_DESC_NEXT, 1 },
		{ 64, VIO_DESC_INDIRECT, 0 },
		{ UINT32_MAX, VIO_DESC_WRITE, 0 },
		{ PAGE, VIO_DESC_WRITE | VIO_DESC_NEXT, 2 },
		{ 0, VIO_DESC_NEXT, UINT16_MAX },
	};
	struct flipper *flipper = opaque;
	struct guest *g = flipper->g;

	/* Relaxed: a flag to stop at, it orders nothing. */
	for (uint32_t i = 0; !__atomic_load_n(&flipper->is_done, __ATOMIC_RELAXED);
	     i = i * 1664525 + 1013904223) {
		char *at = i & 1 ? guest_at(g, TABLE_GPA) : guest_at(g, DESC_GPA);

		const size_t k = (i >> 20) % VIO_ARRAY_SIZE(rests);

		at += 16 * (i >> 8 & 3);
		flip(at, htole64(addrs[(i >> 16) % VIO_ARRAY_SIZE(addrs)]));
		flip(at + 8, htole64(rests[k].length | (uint64_t)rests[k].flags << 32 |
				     (uint64_t)rests[k].next << 48));
	}
	return NULL;
}

static uint64_t
expect_inside(const struct guest *g, const struct iovec *iov, uint32_t n)
{
	uint64_t bytes = 0;

	for (uint32_t i = 0; i < n; i++) {
		const char *at = iov[i].iov_base;

		assert_true(at >= g->ram && iov[i].iov_len > 0);
		assert_true(iov[i].iov_len <= (size_t)(g->ram + RAM_BYTES - at));
		bytes += iov[i].iov_len;
	}
	return bytes;
}

static void expect_chain_inside(const struct guest *g, const struct vio_chain *chain)
{
	assert_true(chain->n_out + chain->n_in >= 1);
	assert_true(chain->n_out + chain->n_in <= N_DESCS);
	assert_true(chain->out_bytes == expect_inside(g, chain->iov, chain->n_out));
	assert_true(chain->in_bytes ==
		    expect_inside(g, chain->iov + chain->n_out, chain->n_in));
}

static void a_ring_rewritten_while_it_is_read_hands_out_guest_memory_alone(void **state)
{
	struct guest *g = *state;
	struct flipper flipper = { .g = g };
	uint32_t n_popped = 0, n_latched = 0;
	pthread_t thread;

	offer(g, 0);
	assert_int_equal(pthread_create(&thread, NULL, flip_ring, &flipper), 0);
	/* Until both have been seen: on a busy machine the flipper starts late. */
	for (uint32_t i = 0; i < N_ROUNDS || !n_popped || !n_latched; i++) {
		int ret = pop(g, 1);

		if (i % 1024 == 0)
			sched_yield();
		if (ret == 1) {
			expect_chain_inside(g, g->chains);
			n_popped++;
		} else {
			assert_int_equal(ret, -EBADMSG);
			n_latched++;
		}
		vio_queue_reset(g->queue);
	}
	__atomic_store_n(&flipper.is_done, 1, __ATOMIC_RELAXED);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(g->n_faults, n_latched);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(open_plain, a_latched_queue_reads_its_ring_no_more),
		ON(open_plain, a_ring_mended_after_the_latch_changes_nothing),
		ON(open_plain, chains_before_the_malformed_one_are_popped_first),
		ON(open_plain, chains_open_at_the_latch_are_completed),
		ON(open_plain, a_latched_queue_leaves_others_alone),
		ON(open_plain, a_reset_clears_the_latch),
		ON(open_plain, a_queue_reset_and_abused_again_reports_again),
		ON(open_plain, the_fault_of_a_healthy_queue_is_none),
		ON(open_plain, a_fault_read_into_nothing_or_too_little_is_refused),
		ON(open_memory, a_queue_without_a_callback_latches_silently),
		ON(open_plain, a_ring_that_leaves_guest_memory_latches_the_queue),
		ON(open_plain,
		   asking_for_kicks_of_a_ring_that_is_gone_latches_the_queue),
		ON(open_plain, chains_of_a_ring_that_is_gone_are_let_go),
		ON(open_plain, a_ring_that_goes_before_it_is_published_says_so),
		ON(open_in_order, in_order_chains_of_a_ring_that_is_gone_are_let_go),
		ON(open_indirect,
		   a_ring_rewritten_while_it_is_read_hands_out_guest_memory_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
