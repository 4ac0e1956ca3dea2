/* SPDX-License-Identifier: MIT */
/*
 * Queues behind an IOMMU: addresses pass a translate hook, which may answer in
 * pieces, refuse a direction, or not know yet, and then the queue parks. The
 * hook here maps I/O virtual pages to guest pages one by one.
 */
#include "unit/ring/guest.h"

#define IOVA  UINT64_C(0x7f0000000000) /* of the first byte of memory */
#define KNOWN (VIO_MEM_READ | VIO_MEM_WRITE)

struct iommu {
	uint8_t access[RAM_BYTES / PAGE]; /* VIO_MEM_ bits of each page; 0: none */
	uint8_t is_unknown[RAM_BYTES / PAGE];
	uint32_t n_asked;
	uint64_t moved_by; /* added to every translation of data */
};

static int64_t ask_iommu(void *opaque, uint64_t iova, uint64_t length_bytes,
			 uint32_t access, uint64_t *out_gpa)
{
	struct iommu *iommu = opaque;
	const uint64_t offset = iova - IOVA, page = offset / PAGE;

	assert_true(length_bytes >= 1);
	iommu->n_asked++;
	if (iova < IOVA || offset >= RAM_BYTES)
		return -EFAULT;
	if (iommu->is_unknown[page])
		return -EAGAIN;
	if (access & ~(uint32_t)iommu->access[page])
		return -EFAULT;
	*out_gpa =
		RAM_GPA + offset + (offset >= DATA_GPA - RAM_GPA ? iommu->moved_by : 0);
	return PAGE - (int64_t)(offset % PAGE);
}

static uint64_t iova_of(uint64_t gpa)
{
	return IOVA + (gpa - RAM_GPA);
}

static uint64_t page_of(uint64_t gpa)
{
	return (gpa - RAM_GPA) / PAGE;
}

static struct iommu iommu;

static int open_iommu(void **state)
{
	struct guest *g =
		prepare_guest(N_DESCS, VIO_F_ACCESS_PLATFORM | VIO_F_INDIRECT_DESC);

	iommu = (struct iommu){ 0 };
	memset(iommu.access, KNOWN, sizeof(iommu.access));
	vio_mem_set_translate(g->mem, ask_iommu, &iommu);
	g->params.desc_addr = iova_of(DESC_GPA);
	g->params.driver_addr = iova_of(AVAIL_GPA);
	g->params.device_addr = iova_of(USED_GPA);
	*state = g;
	return 0;
}

static int start_iommu(void **state)
{
	open_iommu(state);
	start_queue(*state);
	return 0;
}

static void offer_iova(struct guest *g, uint32_t head, uint32_t length, uint32_t flags)
{
	write_desc(desc_at(g, head), iova_of(data_gpa(head)), length, flags, 0);
	offer(g, head);
}

static void buffers_are_found_through_the_hook(void **state)
{
	struct guest *g = *state;

	iommu.moved_by = 16 * PAGE;
	offer_iova(g, 0, 100, 0);
	expect_pop(g, 0);
	assert_ptr_equal(g->iov[0].iov_base, guest_at(g, data_gpa(16)));
	assert_int_equal(g->iov[0].iov_len, 100);
	assert_int_equal(push(g, 0, 0), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 1);
}

static void a_translation_in_pieces_gives_all_bytes(void **state)
{
	struct guest *g = *state;
	uint64_t bytes = 0;

	offer_iova(g, 1, 3 * PAGE, VIO_DESC_WRITE);
	expect_pop(g, 1);
	for (uint32_t i = 0; i < g->chains[0].n_in; i++) {
		assert_ptr_equal(g->iov[i].iov_base, guest_at(g, data_gpa(1) + bytes));
		bytes += g->iov[i].iov_len;
	}
	assert_int_equal(bytes, 3 * PAGE);
}

static void a_table_is_found_through_the_hook(void **state)
{
	struct guest *g = *state;

	write_desc(table_at(g, 0), iova_of(data_gpa(2)), 7, VIO_DESC_NEXT, 1);
	write_desc(table_at(g, 1), iova_of(data_gpa(3)), 9, VIO_DESC_WRITE, 0);
	write_desc(desc_at(g, 0), iova_of(TABLE_GPA), 32, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].out_bytes, 7);
	assert_int_equal(g->chains[0].in_bytes, 9);
}

static void an_address_that_is_not_mapped_latches_the_queue(void **state)
{
	struct guest *g = *state;

	iommu.access[page_of(data_gpa(0))] = 0;
	offer_iova(g, 0, 16, 0);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void a_buffer_whose_end_is_not_mapped_latches_the_queue(void **state)
{
	struct guest *g = *state;

	iommu.access[page_of(data_gpa(1))] = 0;
	offer_iova(g, 0, PAGE + 1, 0);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void a_page_mapped_to_read_is_not_written(void **state)
{
	struct guest *g = *state;

	iommu.access[page_of(data_gpa(0))] = VIO_MEM_READ;
	iommu.access[page_of(data_gpa(1))] = VIO_MEM_READ;
	offer_iova(g, 0, 16, 0);
	expect_pop(g, 0);
	offer_iova(g, 1, 16, VIO_DESC_WRITE);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void a_page_mapped_to_write_is_not_read(void **state)
{
	struct guest *g = *state;

	iommu.access[page_of(data_gpa(0))] = VIO_MEM_WRITE;
	iommu.access[page_of(data_gpa(1))] = VIO_MEM_WRITE;
	offer_iova(g, 0, 16, VIO_DESC_WRITE);
	expect_pop(g, 0);
	offer_iova(g, 1, 16, 0);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void the_last_byte_of_all_latches_the_queue(void **state)
{
	struct guest *g = *state;

	write_desc(desc_at(g, 0), UINT64_MAX, 1, 0, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

/* Were it looked up as it is, the driver could name memory it was not given. */
static void a_physical_address_after_a_mapped_one_latches_the_queue(void **state)
{
	struct guest *g = *state;

	write_desc(desc_at(g, 0), iova_of(data_gpa(0)), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(g, 1), data_gpa(1), 16, 0, 0);
	offer(g, 0);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

static void a_physical_address_in_a_later_burst_latches_the_queue(void **state)
{
	struct guest *g = *state;

	offer_iova(g, 0, 16, 0);
	serve(g, 0);
	write_desc(desc_at(g, 1), data_gpa(1), 16, 0, 0);
	offer(g, 1);
	expect_latch(g, VIO_FAULT_ADDRESS);
}

/* Parking. */

static void an_address_not_known_yet_parks_the_queue_and_consumes_nothing(void **state)
{
	struct vio_queue_state at = VIO_QUEUE_STATE_INIT;
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(0))] = 1;
	offer_iova(g, 0, 16, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	assert_int_equal(vio_queue_get_open(g->queue), 0);
	assert_int_equal(vio_queue_read_state(g->queue, &at), 0);
	assert_int_equal(at.avail_index, 0);
	assert_int_equal(g->n_faults, 0);
}

static void a_parked_queue_does_not_ask_again(void **state)
{
	struct guest *g = *state;
	uint32_t n_asked;

	iommu.is_unknown[page_of(data_gpa(0))] = 1;
	offer_iova(g, 0, 16, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	n_asked = iommu.n_asked;
	for (uint32_t i = 0; i < 10; i++)
		assert_int_equal(pop(g, 1), -EAGAIN);
	assert_int_equal(iommu.n_asked, n_asked);
}

static void a_notification_resumes_a_parked_queue(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(0))] = 1;
	offer_iova(g, 0, 16, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	iommu.is_unknown[page_of(data_gpa(0))] = 0;
	vio_mem_notify(g->mem);
	serve(g, 0);
	assert_int_equal(used_index(g), 1);
}

static void a_notification_that_brings_nothing_parks_again(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(0))] = 1;
	offer_iova(g, 0, 16, 0);
	for (uint32_t i = 0; i < 3; i++) {
		assert_int_equal(pop(g, 1), -EAGAIN);
		vio_mem_notify(g->mem);
	}
	iommu.is_unknown[page_of(data_gpa(0))] = 0;
	serve(g, 0);
}

static void chains_before_the_unknown_one_are_popped_first(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(2))] = 1;
	for (uint32_t i = 0; i < 3; i++)
		offer_iova(g, i, 16, 0);
	assert_int_equal(pop(g, N_CHAINS), 2);
	assert_int_equal(pop(g, N_CHAINS), -EAGAIN);
	assert_int_equal(vio_queue_push(g->queue, g->chains, 2), 2);
	assert_int_equal(publish(g), 1);
	iommu.is_unknown[page_of(data_gpa(2))] = 0;
	vio_mem_notify(g->mem);
	expect_pop(g, 2);
}

static void a_chain_parked_in_its_middle_is_read_again_whole(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(1))] = 1;
	write_desc(desc_at(g, 0), iova_of(data_gpa(0)), 16, VIO_DESC_NEXT, 1);
	write_desc(desc_at(g, 1), iova_of(data_gpa(1)), 32, VIO_DESC_WRITE, 0);
	offer(g, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	iommu.is_unknown[page_of(data_gpa(1))] = 0;
	vio_mem_notify(g->mem);
	expect_pop(g, 0);
	assert_int_equal(g->chains[0].out_bytes, 16);
	assert_int_equal(g->chains[0].in_bytes, 32);
}

static void a_table_not_known_yet_parks_the_queue(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(TABLE_GPA)] = 1;
	write_desc(table_at(g, 0), iova_of(data_gpa(2)), 7, 0, 0);
	write_desc(desc_at(g, 0), iova_of(TABLE_GPA), 16, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	iommu.is_unknown[page_of(TABLE_GPA)] = 0;
	vio_mem_notify(g->mem);
	serve(g, 0);
}

static void a_buffer_in_a_table_not_known_yet_parks_the_queue(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(2))] = 1;
	write_desc(table_at(g, 0), iova_of(data_gpa(2)), 7, 0, 0);
	write_desc(desc_at(g, 0), iova_of(TABLE_GPA), 16, VIO_DESC_INDIRECT, 0);
	offer(g, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	iommu.is_unknown[page_of(data_gpa(2))] = 0;
	vio_mem_notify(g->mem);
	serve(g, 0);
}

static void a_reset_unparks(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(data_gpa(0))] = 1;
	offer_iova(g, 0, 16, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	vio_queue_reset(g->queue);
	g->avail_index = 0;
	offer_iova(g, 1, 16, 0);
	serve(g, 1);
}

/* The ring itself is behind the IOMMU too. */

static void a_ring_not_known_yet_creates_no_queue(void **state)
{
	struct guest *g = *state;
	struct vio_queue *out = NULL;

	iommu.is_unknown[page_of(AVAIL_GPA)] = 1;
	assert_int_equal(vio_queue_create(NULL, &g->params, &out, NULL), -EAGAIN);
	assert_null(out);
	iommu.is_unknown[page_of(AVAIL_GPA)] = 0;
	start_queue(g);
}

static void a_ring_that_the_device_may_not_write_creates_no_queue(void **state)
{
	struct guest *g = *state;
	struct vio_queue *out = NULL;

	iommu.access[page_of(USED_GPA)] = VIO_MEM_READ;
	assert_int_equal(vio_queue_create(NULL, &g->params, &out, NULL), -EFAULT);
	assert_null(out);
}

static void a_ring_unmapped_by_the_iommu_latches_the_queue(void **state)
{
	struct guest *g = *state;

	iommu.access[page_of(DESC_GPA)] = 0;
	vio_mem_notify(g->mem);
	offer_iova(g, 0, 16, 0);
	expect_latch(g, VIO_FAULT_RING);
}

static void a_ring_not_known_for_a_while_parks_the_queue(void **state)
{
	struct guest *g = *state;

	iommu.is_unknown[page_of(AVAIL_GPA)] = 1;
	vio_mem_notify(g->mem);
	offer_iova(g, 0, 16, 0);
	assert_int_equal(pop(g, 1), -EAGAIN);
	assert_int_equal(pop(g, 1), -EAGAIN);
	iommu.is_unknown[page_of(AVAIL_GPA)] = 0;
	vio_mem_notify(g->mem);
	serve(g, 0);
	assert_int_equal(g->n_faults, 0);
}

static void a_push_waits_for_a_ring_not_known_yet(void **state)
{
	struct guest *g = *state;

	offer_iova(g, 0, 16, VIO_DESC_WRITE);
	expect_pop(g, 0);
	iommu.is_unknown[page_of(USED_GPA)] = 1;
	vio_mem_notify(g->mem);
	assert_int_equal(push(g, 0, 4), -EAGAIN);
	assert_int_equal(vio_queue_get_open(g->queue), 1);
	iommu.is_unknown[page_of(USED_GPA)] = 0;
	vio_mem_notify(g->mem);
	assert_int_equal(push(g, 0, 4), 1);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_length(g, 0), 4);
}

static void a_publish_waits_for_a_ring_not_known_yet(void **state)
{
	struct guest *g = *state;

	offer_iova(g, 0, 16, VIO_DESC_WRITE);
	expect_pop(g, 0);
	assert_int_equal(push(g, 0, 4), 1);
	iommu.is_unknown[page_of(USED_GPA)] = 1;
	vio_mem_notify(g->mem);
	assert_int_equal(publish(g), -EAGAIN);
	assert_int_equal(used_index(g), 0);
	iommu.is_unknown[page_of(USED_GPA)] = 0;
	vio_mem_notify(g->mem);
	assert_int_equal(publish(g), 1);
	assert_int_equal(used_index(g), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON(start_iommu, buffers_are_found_through_the_hook),
		ON(start_iommu, a_translation_in_pieces_gives_all_bytes),
		ON(start_iommu, a_table_is_found_through_the_hook),
		ON(start_iommu, an_address_that_is_not_mapped_latches_the_queue),
		ON(start_iommu, a_buffer_whose_end_is_not_mapped_latches_the_queue),
		ON(start_iommu, a_page_mapped_to_read_is_not_written),
		ON(start_iommu, a_page_mapped_to_write_is_not_read),
		ON(start_iommu,
		   a_physical_address_after_a_mapped_one_latches_the_queue),
		ON(start_iommu, the_last_byte_of_all_latches_the_queue),
		ON(start_iommu, a_physical_address_in_a_later_burst_latches_the_queue),
		ON(start_iommu,
		   an_address_not_known_yet_parks_the_queue_and_consumes_nothing),
		ON(start_iommu, a_parked_queue_does_not_ask_again),
		ON(start_iommu, a_notification_resumes_a_parked_queue),
		ON(start_iommu, a_notification_that_brings_nothing_parks_again),
		ON(start_iommu, chains_before_the_unknown_one_are_popped_first),
		ON(start_iommu, a_chain_parked_in_its_middle_is_read_again_whole),
		ON(start_iommu, a_table_not_known_yet_parks_the_queue),
		ON(start_iommu, a_buffer_in_a_table_not_known_yet_parks_the_queue),
		ON(start_iommu, a_reset_unparks),
		ON(open_iommu, a_ring_not_known_yet_creates_no_queue),
		ON(open_iommu, a_ring_that_the_device_may_not_write_creates_no_queue),
		ON(start_iommu, a_ring_unmapped_by_the_iommu_latches_the_queue),
		ON(start_iommu, a_ring_not_known_for_a_while_parks_the_queue),
		ON(start_iommu, a_push_waits_for_a_ring_not_known_yet),
		ON(start_iommu, a_publish_waits_for_a_ring_not_known_yet),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
