/* SPDX-License-Identifier: MIT */
/*
 * Guest memory as the front end tells it, honestly and not, and the dirty log,
 * which is memory of the front end's too.
 */
#include <sys/eventfd.h>
#include <unistd.h>

#include "unit/device/vhost_peer.h"

static void verify_broken(struct vhost_stage *stage)
{
	peer_verify_end(stage, -EBADMSG);
}

/* The usual table with its first region changed. */
static void send_region(struct vhost_stage *stage, const struct vhost_region *region)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_fill_table(stage, &memory, fds);
	memory.regions[0] = *region;
	peer_send_table(stage, &memory, fds);
}

static void refuse_region(struct vhost_stage *stage, struct vhost_region region)
{
	send_region(stage, &region);
	verify_broken(stage);
}

static void a_region_beyond_the_end_of_its_file_is_refused(void **state)
{
	refuse_region(*state,
		      (struct vhost_region){ 0, 3 * PEER_HALF_BYTES, PEER_LOW_UVA, 0 });
}

static void a_region_whose_offset_wraps_is_refused(void **state)
{
	refuse_region(*state, (struct vhost_region){ 0, PEER_HALF_BYTES, PEER_LOW_UVA,
						     UINT64_MAX - 0xfff });
}

static void a_region_that_wraps_in_the_guest_is_refused(void **state)
{
	refuse_region(*state,
		      (struct vhost_region){ UINT64_MAX - 0xfff, PEER_HALF_BYTES,
					     PEER_LOW_UVA, 0 });
}

static void a_region_that_wraps_in_the_front_end_is_refused(void **state)
{
	refuse_region(*state, (struct vhost_region){ 0, PEER_HALF_BYTES,
						     UINT64_MAX - 0xfff, 0 });
}

static void an_empty_region_is_refused(void **state)
{
	refuse_region(*state, (struct vhost_region){ 0, 0, PEER_LOW_UVA, 0 });
}

static void a_region_that_is_not_whole_pages_is_refused(void **state)
{
	refuse_region(*state, (struct vhost_region){ 0, 100, PEER_LOW_UVA, 0 });
}

static void regions_that_overlap_in_the_guest_are_refused(void **state)
{
	refuse_region(*state, (struct vhost_region){ PEER_HIGH_GPA + 0x1000, 0x1000,
						     PEER_LOW_UVA, 0 });
}

static void regions_that_overlap_in_the_front_end_are_refused(void **state)
{
	refuse_region(*state,
		      (struct vhost_region){ 0, 0x1000, PEER_HIGH_UVA + 0x1000, 0 });
}

static void a_region_of_no_file_is_refused(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_fill_table(stage, &memory, fds);
	fds[0] = stage->kick[0];
	peer_send_table(stage, &memory, fds);
	verify_broken(stage);
}

static void
send_other_memfd(struct vhost_stage *stage, uint64_t n_bytes, bool is_sealed)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_fill_table(stage, &memory, fds);
	fds[0] = peer_create_memfd(n_bytes, is_sealed);
	peer_send_table(stage, &memory, fds);
	close(fds[0]);
}

static void an_unsealed_memfd_is_refused(void **state)
{
	send_other_memfd(*state, PEER_HALF_BYTES, false);
	verify_broken(*state);
}

static void a_truncated_memfd_is_refused(void **state)
{
	send_other_memfd(*state, PEER_HALF_BYTES - 0x1000, true);
	verify_broken(*state);
}

static void an_unsealed_memfd_is_taken_where_the_peer_is_trusted(void **state)
{
	struct vhost_stage stage;
	struct vio_backend_params params;
	int fds[2];

	(void)state;
	vhost_stage_prepare(&stage);
	vhost_stage_params(&stage, &params, fds);
	params.flags = VIO_BACKEND_ACCEPT_UNSEALED;
	stage.fd = fds[0];
	assert_int_equal(vhost_stage_open(&stage, &params, NULL), 0);
	send_other_memfd(&stage, PEER_HALF_BYTES, false);
	peer_sync(&stage);
	vhost_stage_clear(&stage);
}

static void more_regions_than_a_message_holds_are_refused(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory memory = { .n_regions = 9 };

	peer_send(stage, VHOST_USER_SET_MEM_TABLE, 0, &memory, sizeof(memory), NULL, 0);
	verify_broken(stage);
}

static void a_table_shorter_than_its_count_is_refused(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory memory = { .n_regions = 2 };
	const int fds[2] = { stage->memfd, stage->memfd };

	peer_send(stage, VHOST_USER_SET_MEM_TABLE, 0, &memory, 40, fds, 2);
	verify_broken(stage);
}

static void a_table_with_fewer_descriptors_than_regions_is_refused(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_fill_table(stage, &memory, fds);
	peer_send(stage, VHOST_USER_SET_MEM_TABLE, 0, &memory, 72, fds, 1);
	verify_broken(stage);
}

/* Tables that change. */

static void a_table_that_is_sent_again_changes_nothing_for_a_queue(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_fill_table(stage, &memory, fds);
	peer_send_table(stage, &memory, fds);
	peer_sync(stage);
	assert_int_equal(stage->n_stops, 0);
	peer_push_echo(stage, 0, "still here");
	assert_int_equal(stage_serve(stage->queue[0]), 1);
}

static void take_ring_away(struct vhost_stage *stage)
{
	struct vhost_memory memory;
	int fds[VHOST_USER_TABLE_MAX];

	peer_fill_table(stage, &memory, fds);
	memory.n_regions = 1;
	memory.regions[0] = memory.regions[1];
	peer_send_table(stage, &memory, fds);
	peer_sync(stage);
}

static void a_table_without_its_ring_latches_a_running_queue(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_push_echo(stage, 0, "gone");
	take_ring_away(stage);
	assert_int_equal(stage_serve(stage->queue[0]), -EBADMSG);
	peer_sync(stage);
	assert_int_equal(peer_take_event(stage->err[0]), 1);
}

static void a_drain_ends_although_the_ring_is_gone(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_vring_state reply;
	struct vio_chain chain;
	struct iovec iov[1024];

	peer_begin(stage);
	peer_start_ring(stage, 0);
	peer_push_echo(stage, 0, "in between");
	assert_int_equal(vio_queue_pop(stage->queue[0], &chain, 1, iov, 1024), 1);
	chain.written_bytes = 0;
	assert_int_equal(vio_queue_push(stage->queue[0], &chain, 1), 1);
	take_ring_away(stage);
	assert_int_equal(vio_queue_publish(stage->queue[0]), -EBADMSG);
	peer_send_state(stage, VHOST_USER_GET_VRING_BASE, 0, 0);
	assert_int_equal(peer_receive(stage, VHOST_USER_GET_VRING_BASE, &reply), 8);
}

static void a_ring_without_a_table_cannot_start(void **state)
{
	peer_send_u64(*state, VHOST_USER_SET_FEATURES, VIO_F_VERSION_1);
	peer_describe_ring(*state, 0);
	verify_broken(*state);
}

static void start_at(struct vhost_stage *stage, struct vhost_vring_addr addr)
{
	peer_begin(stage);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, PEER_DESCS);
	peer_send(stage, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 0, stage->kick[0]);
	peer_send_state(stage, VHOST_USER_SET_VRING_ENABLE, 0, 1);
	verify_broken(stage);
}

static struct vhost_vring_addr good_addr(void)
{
	return (struct vhost_vring_addr){
		.desc = PEER_LOW_UVA,
		.avail = PEER_LOW_UVA + AVAIL_OFFSET,
		.used = PEER_LOW_UVA + USED_OFFSET,
	};
}

static void a_ring_that_begins_in_a_region_and_ends_beyond_cannot_start(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.desc = PEER_LOW_UVA + PEER_HALF_BYTES - 16;
	start_at(*state, addr);
}

static void a_ring_that_wraps_cannot_start(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.used = UINT64_MAX - 15;
	start_at(*state, addr);
}

static void a_ring_at_a_guest_address_cannot_start(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.avail = PEER_LOW_GPA + AVAIL_OFFSET;
	start_at(*state, addr);
}

static void a_ring_that_is_not_aligned_cannot_start(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.desc += 8;
	start_at(*state, addr);
}

static void a_ring_whose_parts_overlap_cannot_start(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.used = addr.desc;
	start_at(*state, addr);
}

static void a_ring_to_be_logged_elsewhere_cannot_start(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.flags = VHOST_VRING_F_LOG;
	addr.log_gpa = 0x123000;
	start_at(*state, addr);
}

static void unknown_flags_of_a_ring_are_refused(void **state)
{
	struct vhost_vring_addr addr = good_addr();

	addr.flags = 2;
	start_at(*state, addr);
}

/* Slots. */

static const struct vhost_memory_slot slot = {
	.region = { UINT64_C(0x200000000), 0x10000, UINT64_C(0x7f2000000000), 0 },
};

static void send_slot(struct vhost_stage *stage, uint32_t request,
		      const struct vhost_memory_slot *payload, uint32_t n_fds)
{
	peer_send(stage, request, 0, payload, sizeof(*payload), &stage->memfd, n_fds);
}

static void slots_come_and_go(void **state)
{
	struct vhost_stage *stage = *state;
	struct vio_mem *mem = vio_backend_get_mem(stage->backend);
	struct iovec iov;

	peer_begin(stage);
	assert_true(peer_ask(stage, VHOST_USER_GET_MAX_MEM_SLOTS) >= 32);
	send_slot(stage, VHOST_USER_ADD_MEM_REG, &slot, 1);
	peer_sync(stage);
	assert_int_equal(
		vio_mem_translate(mem, slot.region.gpa, 1, VIO_MEM_READ, &iov, 1), 1);
	send_slot(stage, VHOST_USER_REM_MEM_REG, &slot, 0);
	peer_sync(stage);
	assert_int_equal(
		vio_mem_translate(mem, slot.region.gpa, 1, VIO_MEM_READ, &iov, 1),
		-EFAULT);
}

static void a_descriptor_with_a_removal_is_closed(void **state)
{
	struct vhost_stage *stage = *state;

	peer_begin(stage);
	send_slot(stage, VHOST_USER_ADD_MEM_REG, &slot, 1);
	send_slot(stage, VHOST_USER_REM_MEM_REG, &slot, 1);
	peer_sync(stage);
}

static void a_slot_that_overlaps_is_refused(void **state)
{
	peer_begin(*state);
	send_slot(*state, VHOST_USER_ADD_MEM_REG, &slot, 1);
	send_slot(*state, VHOST_USER_ADD_MEM_REG, &slot, 1);
	verify_broken(*state);
}

static void a_slot_that_is_not_there_cannot_be_removed(void **state)
{
	peer_begin(*state);
	send_slot(*state, VHOST_USER_REM_MEM_REG, &slot, 0);
	verify_broken(*state);
}

static void a_slot_without_a_descriptor_is_refused(void **state)
{
	peer_begin(*state);
	send_slot(*state, VHOST_USER_ADD_MEM_REG, &slot, 0);
	verify_broken(*state);
}

static void more_slots_than_told_are_refused(void **state)
{
	struct vhost_stage *stage = *state;
	struct vhost_memory_slot next = slot;
	uint64_t n;

	peer_begin(stage);
	n = peer_ask(stage, VHOST_USER_GET_MAX_MEM_SLOTS);
	for (uint64_t i = 2; i <= n; i++) {
		send_slot(stage, VHOST_USER_ADD_MEM_REG, &next, 1);
		next.region.gpa += next.region.length_bytes;
		next.region.uva += next.region.length_bytes;
		if (i < n)
			peer_sync(stage);
	}
	verify_broken(stage);
}

/* I/O virtual addresses. */

#define IOVA_SHIFT UINT64_C(0x5000000000)

/* Knows its addresses for so many calls, then no longer. */
static int64_t translate(void *opaque, uint64_t iova, uint64_t length_bytes,
			 uint32_t access, uint64_t *out_gpa)
{
	uint32_t *n_left = opaque;

	(void)access;
	if (!*n_left)
		return -EAGAIN;
	--*n_left;
	*out_gpa = iova - IOVA_SHIFT;
	return (int64_t)length_bytes;
}

/* A ring by I/O virtual addresses, of which @n_known can be translated. */
static void start_by_iova(struct vhost_stage *stage, uint32_t *n_known)
{
	struct vio_backend_params params;
	int fds[2];
	const struct vhost_vring_addr addr = {
		.desc = IOVA_SHIFT,
		.avail = IOVA_SHIFT + AVAIL_OFFSET,
		.used = IOVA_SHIFT + USED_OFFSET,
	};

	vhost_stage_prepare(stage);
	vhost_stage_params(stage, &params, fds);
	params.queue_features = VIO_F_VERSION_1 | VIO_F_ACCESS_PLATFORM;
	stage->fd = fds[0];
	assert_int_equal(vhost_stage_open(stage, &params, NULL), 0);
	vio_mem_set_translate(vio_backend_get_mem(stage->backend), translate, n_known);
	peer_begin_with(stage, VIO_F_VERSION_1 | VIO_F_ACCESS_PLATFORM, PEER_PROTOCOL);
	peer_send_state(stage, VHOST_USER_SET_VRING_NUM, 0, PEER_DESCS);
	peer_send(stage, VHOST_USER_SET_VRING_ADDR, 0, &addr, sizeof(addr), NULL, 0);
	peer_send_fd(stage, VHOST_USER_SET_VRING_KICK, 0, stage->kick[0]);
}

static void io_virtual_addresses_pass_the_translate_hook(void **state)
{
	struct vhost_stage stage;
	uint32_t n_known = 100;

	(void)state;
	start_by_iova(&stage, &n_known);
	peer_sync(&stage);
	assert_int_equal(stage.n_starts, 1);
	vhost_stage_clear(&stage);
}

static void a_ring_that_the_hook_does_not_know_cannot_start(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 4; n++) {
		struct vhost_stage stage;
		uint32_t n_known = n;

		start_by_iova(&stage, &n_known);
		peer_verify_end(&stage, -EAGAIN);
		vhost_stage_clear(&stage);
	}
}

/* The log. */

static void
refuse_log(struct vhost_stage *stage, uint64_t size, uint64_t offset, bool is_sealed)
{
	const struct vhost_log_area area = { size, offset };
	int fd = peer_create_memfd(0x1000, is_sealed);

	peer_begin(stage);
	peer_send(stage, VHOST_USER_SET_LOG_BASE, 0, &area, sizeof(area), &fd, 1);
	close(fd);
	verify_broken(stage);
}

static void a_log_whose_offset_and_size_overflow_is_refused(void **state)
{
	refuse_log(*state, 0x1000, UINT64_MAX - 0xfff, true);
}

static void a_log_beyond_the_end_of_its_file_is_refused(void **state)
{
	refuse_log(*state, 0x2000, 0, true);
}

static void a_log_for_more_than_all_memory_is_refused(void **state)
{
	refuse_log(*state, UINT64_C(1) << 50, 0, true);
}

static void an_empty_log_is_refused(void **state)
{
	refuse_log(*state, 0, 0, true);
}

static void an_unsealed_log_is_refused(void **state)
{
	refuse_log(*state, 0x1000, 0, false);
}

static void a_log_at_an_odd_offset_is_refused(void **state)
{
	refuse_log(*state, 0x100, 0x10, true);
}

#define STAGED(f)                                                                      \
	cmocka_unit_test_setup_teardown(f, vhost_stage_setup, vhost_stage_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		STAGED(a_region_beyond_the_end_of_its_file_is_refused),
		STAGED(a_region_whose_offset_wraps_is_refused),
		STAGED(a_region_that_wraps_in_the_guest_is_refused),
		STAGED(a_region_that_wraps_in_the_front_end_is_refused),
		STAGED(an_empty_region_is_refused),
		STAGED(a_region_that_is_not_whole_pages_is_refused),
		STAGED(regions_that_overlap_in_the_guest_are_refused),
		STAGED(regions_that_overlap_in_the_front_end_are_refused),
		STAGED(a_region_of_no_file_is_refused),
		STAGED(an_unsealed_memfd_is_refused),
		STAGED(a_truncated_memfd_is_refused),
		cmocka_unit_test(an_unsealed_memfd_is_taken_where_the_peer_is_trusted),
		STAGED(more_regions_than_a_message_holds_are_refused),
		STAGED(a_table_shorter_than_its_count_is_refused),
		STAGED(a_table_with_fewer_descriptors_than_regions_is_refused),
		STAGED(a_table_that_is_sent_again_changes_nothing_for_a_queue),
		STAGED(a_table_without_its_ring_latches_a_running_queue),
		STAGED(a_drain_ends_although_the_ring_is_gone),
		STAGED(a_ring_without_a_table_cannot_start),
		STAGED(a_ring_that_begins_in_a_region_and_ends_beyond_cannot_start),
		STAGED(a_ring_that_wraps_cannot_start),
		STAGED(a_ring_at_a_guest_address_cannot_start),
		STAGED(a_ring_that_is_not_aligned_cannot_start),
		STAGED(a_ring_whose_parts_overlap_cannot_start),
		STAGED(a_ring_to_be_logged_elsewhere_cannot_start),
		STAGED(unknown_flags_of_a_ring_are_refused),
		STAGED(slots_come_and_go),
		STAGED(a_descriptor_with_a_removal_is_closed),
		STAGED(a_slot_that_overlaps_is_refused),
		STAGED(a_slot_that_is_not_there_cannot_be_removed),
		STAGED(a_slot_without_a_descriptor_is_refused),
		STAGED(more_slots_than_told_are_refused),
		cmocka_unit_test(io_virtual_addresses_pass_the_translate_hook),
		cmocka_unit_test(a_ring_that_the_hook_does_not_know_cannot_start),
		STAGED(a_log_whose_offset_and_size_overflow_is_refused),
		STAGED(a_log_beyond_the_end_of_its_file_is_refused),
		STAGED(a_log_for_more_than_all_memory_is_refused),
		STAGED(an_empty_log_is_refused),
		STAGED(an_unsealed_log_is_refused),
		STAGED(a_log_at_an_odd_offset_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
