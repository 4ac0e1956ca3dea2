/* SPDX-License-Identifier: MIT */
/*
 * Requests of vio-blk in every layout, and what a hostile driver makes of them.
 * Chains are made by hand here: what a queue would have checked is as it would be.
 */
#include <endian.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>
#include <linux/virtio_blk.h>

#include "disk.h"
#include "request.h"

#define N_SECTORS 100u
#define OUT_MAX   8192u
#define IN_MAX    8192u

struct fixture {
	struct disk disk;
	struct request request;
	struct virtio_blk_outhdr header;
	uint8_t out[OUT_MAX];
	uint8_t in[IN_MAX];
};

static int create(void **state)
{
	struct fixture *f = test_calloc(1, sizeof(*f));

	f->disk.n_sectors = N_SECTORS;
	memcpy(f->disk.serial, "serial", 6);
	memset(f->in, 0xee, sizeof(f->in));
	*state = f;
	return 0;
}

static int destroy(void **state)
{
	test_free(*state);
	return 0;
}

/* @bytes as iovecs of @piece bytes each; 0: one. */
static uint32_t split(uint8_t *bytes, size_t n, size_t piece, struct iovec *out)
{
	uint32_t n_out = 0;

	if (!piece)
		piece = n;
	for (size_t at = 0; at < n; at += piece) {
		out[n_out].iov_base = bytes + at;
		out[n_out++].iov_len = n - at < piece ? n - at : piece;
	}
	return n_out;
}

static void parse_pieces(struct fixture *f, size_t n_out, size_t n_in, size_t piece)
{
	struct vio_chain *chain = &f->request.chain;

	memcpy(f->out, &f->header, sizeof(f->header));
	chain->iov = f->request.iov;
	chain->out_bytes = n_out;
	chain->in_bytes = n_in;
	chain->n_out = split(f->out, n_out, piece, chain->iov);
	chain->n_in = split(f->in, n_in, piece, chain->iov + chain->n_out);
	request_parse(&f->request, &f->disk);
}

static void parse(struct fixture *f, uint32_t type, uint64_t sector, size_t n_out_data,
		  size_t n_in_data)
{
	f->header.type = htole32(type);
	f->header.sector = htole64(sector);
	parse_pieces(f, sizeof(f->header) + n_out_data, n_in_data + 1, 0);
}

static void assert_answered(const struct fixture *f, uint8_t status)
{
	assert_int_equal(f->request.kind, REQUEST_ANSWERED);
	assert_int_equal(f->request.status, status);
}

static void set_range(struct fixture *f, uint64_t sector, uint32_t n, uint32_t flags)
{
	struct virtio_blk_discard_write_zeroes range = {
		.sector = htole64(sector),
		.num_sectors = htole32(n),
		.flags = htole32(flags),
	};

	memcpy(f->out + sizeof(f->header), &range, sizeof(range));
}

#define RANGE_BYTES sizeof(struct virtio_blk_discard_write_zeroes)

static void a_read_is_its_data_without_the_status(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, 3, 0, 1024);
	assert_int_equal(f->request.kind, REQUEST_READ);
	assert_int_equal(f->request.offset_bytes, 3 * 512);
	assert_int_equal(f->request.n_data, 1);
	assert_ptr_equal(f->request.data[0].iov_base, f->in);
	assert_int_equal(f->request.data[0].iov_len, 1024);
}

static void a_write_is_its_data_without_the_header(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_OUT, 1, 512, 0);
	assert_int_equal(f->request.kind, REQUEST_WRITE);
	assert_int_equal(f->request.n_data, 1);
	assert_ptr_equal(f->request.data[0].iov_base, f->out + sizeof(f->header));
	assert_int_equal(f->request.data[0].iov_len, 512);
}

/* 17 bytes: no boundary of header, data or status is one of a buffer. */
static void any_layout_of_buffers_is_the_same_request(void **state)
{
	static const size_t pieces[] = { 1, 7, 16, 17, 100, 513 };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		/* Byte by byte only what fits a chain. */
		size_t n_bytes = pieces[i] < 17 ? 0 : 1024;

		f->header.type = htole32(VIRTIO_BLK_T_OUT);
		f->header.sector = htole64(2);
		parse_pieces(f, sizeof(f->header) + n_bytes, 1, pieces[i]);
		assert_int_equal(f->request.left_bytes, n_bytes);
		if (!n_bytes) {
			assert_answered(f, VIRTIO_BLK_S_OK);
			continue;
		}
		assert_int_equal(f->request.kind, REQUEST_WRITE);
		assert_ptr_equal(f->request.data[0].iov_base,
				 f->out + sizeof(f->header));
	}
}

static void the_chain_keeps_its_own_iovecs(void **state)
{
	struct fixture *f = *state;
	struct iovec before[CHAIN_IOV];

	f->header.type = htole32(VIRTIO_BLK_T_OUT);
	parse_pieces(f, sizeof(f->header) + 1024, 1, 100);
	memcpy(before, f->request.iov, sizeof(before));
	request_advance(&f->request, 333);
	request_finish(&f->request);
	assert_memory_equal(before, f->request.iov, sizeof(before));
}

static void a_request_moved_in_part_goes_on_where_it_was(void **state)
{
	struct fixture *f = *state;

	f->header.type = htole32(VIRTIO_BLK_T_IN);
	f->header.sector = 0;
	parse_pieces(f, sizeof(f->header), 1025, 100);
	request_advance(&f->request, 250);
	assert_int_equal(f->request.left_bytes, 774);
	assert_int_equal(f->request.offset_bytes, 250);
	assert_ptr_equal(f->request.data[0].iov_base, f->in + 250);
	assert_int_equal(f->request.data[0].iov_len, 50);
}

static void without_room_for_a_status_nothing_is_done(void **state)
{
	struct fixture *f = *state;

	f->header.type = htole32(VIRTIO_BLK_T_OUT);
	parse_pieces(f, sizeof(f->header) + 512, 0, 0);
	assert_int_equal(f->request.kind, REQUEST_ANSWERED);
	request_finish(&f->request);
	assert_int_equal(f->request.chain.written_bytes, 0);
}

static void a_header_too_short_is_an_error(void **state)
{
	struct fixture *f = *state;

	parse_pieces(f, sizeof(f->header) - 1, 1, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
	request_finish(&f->request);
	assert_int_equal(f->in[0], VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->request.chain.written_bytes, 1);
}

static void the_last_sector_can_be_read(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, N_SECTORS - 1, 0, 512);
	assert_int_equal(f->request.kind, REQUEST_READ);
}

static void a_sector_past_the_end_is_an_error(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, N_SECTORS, 0, 512);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
}

static void a_range_over_the_end_is_an_error(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_OUT, N_SECTORS - 1, 1024, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
}

/* In bytes it would be sector 0 again. */
static void a_sector_whose_offset_wraps_is_an_error(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_OUT, UINT64_C(1) << 55, 512, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
	parse(f, VIRTIO_BLK_T_OUT, UINT64_MAX, 512, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
}

static void part_of_a_sector_is_an_error(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, 0, 0, 511);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
}

static void an_unknown_type_is_unsupported(void **state)
{
	struct fixture *f = *state;

	parse(f, 0x77, 0, 0, 0);
	assert_answered(f, VIRTIO_BLK_S_UNSUPP);
}

static void a_read_only_disk_refuses_what_changes_it(void **state)
{
	static const uint32_t types[] = { VIRTIO_BLK_T_OUT, VIRTIO_BLK_T_DISCARD,
					  VIRTIO_BLK_T_WRITE_ZEROES };
	struct fixture *f = *state;

	f->disk.is_read_only = 1;
	set_range(f, 0, 1, 0);
	for (int i = 0; i < 3; i++) {
		parse(f, types[i], 0, i ? RANGE_BYTES : 512, 0);
		assert_answered(f, VIRTIO_BLK_S_IOERR);
	}
}

static void zeroed_ranges_cost_an_operation_and_no_bytes(void **state)
{
	struct fixture *f = *state;

	set_range(f, 4, 2, 0);
	parse(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, RANGE_BYTES, 0);
	assert_int_equal(f->request.kind, REQUEST_ZERO);
	assert_int_equal(f->request.offset_bytes, 4 * 512);
	assert_int_equal(f->request.left_bytes, 2 * 512);
	assert_int_equal(f->request.bill.owed_bytes, 0);
	assert_int_equal(f->request.bill.owed_ops, 1);
}

static void the_unmap_flag_is_for_write_zeroes_alone(void **state)
{
	struct fixture *f = *state;

	set_range(f, 0, 1, VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP);
	parse(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, RANGE_BYTES, 0);
	assert_int_equal(f->request.kind, REQUEST_ZERO_UNMAP);
	parse(f, VIRTIO_BLK_T_DISCARD, 0, RANGE_BYTES, 0);
	assert_answered(f, VIRTIO_BLK_S_UNSUPP);
}

static void an_unknown_flag_is_unsupported(void **state)
{
	struct fixture *f = *state;

	set_range(f, 0, 1, 2);
	parse(f, VIRTIO_BLK_T_WRITE_ZEROES, 0, RANGE_BYTES, 0);
	assert_answered(f, VIRTIO_BLK_S_UNSUPP);
}

static void ranges_are_bounded_in_number_size_and_place(void **state)
{
	struct fixture *f = *state;

	set_range(f, 0, 1, 0);
	parse(f, VIRTIO_BLK_T_DISCARD, 0, 2 * RANGE_BYTES, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
	set_range(f, N_SECTORS - 1, 2, 0);
	parse(f, VIRTIO_BLK_T_DISCARD, 0, RANGE_BYTES, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
	f->disk.n_sectors = UINT64_C(1) << 40;
	set_range(f, 0, ZERO_SECTORS_MAX + 1, 0);
	parse(f, VIRTIO_BLK_T_DISCARD, 0, RANGE_BYTES, 0);
	assert_answered(f, VIRTIO_BLK_S_IOERR);
}

static void the_serial_is_padded_to_twenty_bytes(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_GET_ID, 0, 0, 20);
	assert_answered(f, VIRTIO_BLK_S_OK);
	request_finish(&f->request);
	assert_memory_equal(f->in, "serial\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 21);
	assert_int_equal(f->request.chain.written_bytes, 21);
}

static void a_serial_goes_into_whatever_room_there_is(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_GET_ID, 0, 0, 6);
	request_finish(&f->request);
	assert_memory_equal(f->in, "serial\0\xee", 8);
}

/* Whatever is claimed as written was written. */
static void a_read_that_failed_leaves_zeros(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, 0, 0, 512);
	request_advance(&f->request, 100);
	assert_int_equal(disk_complete(&f->request, -EIO), 0);
	request_finish(&f->request);
	assert_int_equal(f->request.chain.written_bytes, 513);
	assert_int_equal(f->in[99], 0xee);
	assert_int_equal(f->in[100], 0);
	assert_int_equal(f->in[511], 0);
	assert_int_equal(f->in[512], VIRTIO_BLK_S_IOERR);
	assert_int_equal(f->in[513], 0xee);
}

static void a_short_read_goes_on(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, 0, 0, 512);
	assert_int_equal(disk_complete(&f->request, 500), 1);
	assert_int_equal(disk_complete(&f->request, 12), 0);
	assert_int_equal(f->request.status, VIRTIO_BLK_S_OK);
}

static void the_end_of_a_shortened_image_is_an_error(void **state)
{
	struct fixture *f = *state;

	parse(f, VIRTIO_BLK_T_IN, 0, 0, 512);
	assert_int_equal(disk_complete(&f->request, 0), 0);
	assert_int_equal(f->request.status, VIRTIO_BLK_S_IOERR);
}

static void what_a_file_system_cannot_do_is_written_and_paid_for(void **state)
{
	struct fixture *f = *state;

	set_range(f, 0, 8, 0);
	parse(f, VIRTIO_BLK_T_DISCARD, 0, RANGE_BYTES, 0);
	assert_int_equal(disk_complete(&f->request, -EOPNOTSUPP), 1);
	assert_int_equal(f->request.kind, REQUEST_ZERO);
	assert_int_equal(disk_complete(&f->request, -EOPNOTSUPP), 1);
	assert_int_equal(f->request.kind, REQUEST_WRITE_ZEROS);
	assert_int_equal(f->request.bill.owed_bytes, 8 * 512);
	assert_int_equal(disk_complete(&f->request, 8 * 512), 0);
	assert_int_equal(f->request.status, VIRTIO_BLK_S_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, create, destroy)

/* 2 MiB in a few pages, for nothing: what is not written is not claimed. */
static void what_is_refused_is_not_zeroed_without_end(void **state)
{
	struct fixture *f = *state;
	struct vio_chain *chain = &f->request.chain;

	f->header.type = htole32(99);
	parse_pieces(f, sizeof(f->header), IN_MAX, 0);
	for (chain->n_in = 0; chain->n_in < 255; chain->n_in++)
		chain->iov[1 + chain->n_in] = (struct iovec){ f->in, IN_MAX };
	chain->in_bytes = UINT64_C(255) * IN_MAX;
	assert_int_equal(request_finish(&f->request), 0);
	assert_int_equal(chain->written_bytes, 0);
	assert_int_equal(f->in[0], 0xee);
	assert_int_equal(f->in[IN_MAX - 1], VIRTIO_BLK_S_UNSUPP);
	/* A few are zeroed, and it is told how many. */
	chain->n_in = 2;
	chain->in_bytes = UINT64_C(2) * IN_MAX;
	assert_int_equal(request_finish(&f->request), 2 * IN_MAX - 1);
	assert_int_equal(chain->written_bytes, 2 * IN_MAX);
	assert_int_equal(f->in[0], 0);
}

#define LARGE_BYTES ((uint64_t)(2 * PART_BYTES + 512))

/* Returns how many operations it took. */
static int carry_out(struct fixture *f, struct io_uring *ring)
{
	struct io_uring_cqe *cqe;
	int n = 0, more = 1;

	for (; more; n++) {
		assert_int_equal(disk_prepare(&f->disk, ring, &f->request), 0);
		assert_int_equal(io_uring_submit_and_wait(ring, 1), 1);
		assert_int_equal(io_uring_peek_cqe(ring, &cqe), 0);
		assert_true(cqe->res > 0 && (uint64_t)cqe->res <= PART_BYTES);
		more = disk_complete(&f->request, cqe->res);
		io_uring_cqe_seen(ring, cqe);
	}
	assert_int_equal(f->request.status, VIRTIO_BLK_S_OK);
	return n;
}

static void
make_large(struct fixture *f, enum request_kind kind, uint8_t *bytes, size_t piece)
{
	struct request *request = &f->request;

	request->kind = kind;
	request->offset_bytes = 512;
	request->left_bytes = LARGE_BYTES;
	request->data = request->own_iov;
	request->n_data = split(bytes, LARGE_BYTES, piece, request->own_iov);
}

static void large_requests_are_moved_in_parts(void **state)
{
	static const size_t pieces[] = { 0, 65536, 3 * PART_BYTES / 4 };
	uint8_t *bytes = test_malloc(LARGE_BYTES), *back = test_malloc(LARGE_BYTES);
	struct fixture *f = *state;
	struct io_uring ring;

	assert_int_equal(io_uring_queue_init(2, &ring, 0), 0);
	f->disk.fd = memfd_create("image", MFD_CLOEXEC);
	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		for (size_t at = 0; at < LARGE_BYTES; at++)
			bytes[at] = (uint8_t)(at * 31 + at / 4096 + i);
		make_large(f, REQUEST_WRITE, bytes, pieces[i]);
		assert_int_equal(carry_out(f, &ring), 3);
		make_large(f, REQUEST_READ, back, pieces[i]);
		assert_int_equal(carry_out(f, &ring), 3);
		assert_memory_equal(back, bytes, LARGE_BYTES);
	}
	close(f->disk.fd);
	io_uring_queue_exit(&ring);
	test_free(bytes);
	test_free(back);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_read_is_its_data_without_the_status),
		TEST(a_write_is_its_data_without_the_header),
		TEST(any_layout_of_buffers_is_the_same_request),
		TEST(the_chain_keeps_its_own_iovecs),
		TEST(a_request_moved_in_part_goes_on_where_it_was),
		TEST(without_room_for_a_status_nothing_is_done),
		TEST(a_header_too_short_is_an_error),
		TEST(the_last_sector_can_be_read),
		TEST(a_sector_past_the_end_is_an_error),
		TEST(a_range_over_the_end_is_an_error),
		TEST(a_sector_whose_offset_wraps_is_an_error),
		TEST(part_of_a_sector_is_an_error),
		TEST(an_unknown_type_is_unsupported),
		TEST(a_read_only_disk_refuses_what_changes_it),
		TEST(zeroed_ranges_cost_an_operation_and_no_bytes),
		TEST(the_unmap_flag_is_for_write_zeroes_alone),
		TEST(an_unknown_flag_is_unsupported),
		TEST(ranges_are_bounded_in_number_size_and_place),
		TEST(the_serial_is_padded_to_twenty_bytes),
		TEST(a_serial_goes_into_whatever_room_there_is),
		TEST(a_read_that_failed_leaves_zeros),
		TEST(a_short_read_goes_on),
		TEST(the_end_of_a_shortened_image_is_an_error),
		TEST(what_a_file_system_cannot_do_is_written_and_paid_for),
		TEST(what_is_refused_is_not_zeroed_without_end),
		TEST(large_requests_are_moved_in_parts),
	};

	return cmocka_run_group_tests_name("request", tests, NULL, NULL);
}
