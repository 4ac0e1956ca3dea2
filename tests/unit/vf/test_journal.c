/* SPDX-License-Identifier: MIT */
/*
 * Records as bytes: what is written is what is read, what a crash leaves of a file
 * is the state before, and whatever else is wrong says nothing.
 */
#include "fake/support.h"
#include "core/wire.h"
#include "vf/journal.h"

/* Up to the end of the last field: what is behind it is the compiler's. */
#define RECORD_USED (offsetof(struct vio_journal_record, autoprobe) + sizeof(uint32_t))

static struct vio_journal_record a_record(uint64_t sequence)
{
	struct vio_journal_record r = {
		.sequence = sequence,
		.generation = 7,
		.start_time = 0x1122334455667788,
		.state = VIO_JOURNAL_HELD,
		.begun = VIO_JOURNAL_DRIVER | VIO_JOURNAL_SETTING,
		.done = VIO_JOURNAL_DRIVER,
		.pid = 4242,
		.addr = { .domain = 0x10000, .bus = 0x3b, .device = 2, .function = 1 },
		.pf = { .domain = 0x10000, .bus = 0x3b },
		.vf_index = 3,
		.load_mbps = 100,
		.boot_id = "0d9e8f9c-0000-4000-8000-1234567890ab",
		.owner = "broker",
		.tag = "guest 1",
		.driver_before = "igbvf",
		.override_before = "",
		.driver = "vfio-pci",
		.before = VIO_VF_CONFIG_INIT,
		.set = VIO_VF_CONFIG_INIT,
	};

	r.before.fields = VIO_VF_MAC | VIO_VF_VLAN;
	memcpy(r.before.mac, "\x02\x01\x02\x03\x04\x05", 6);
	r.set.fields = VIO_VF_VLAN;
	r.set.vlan = 4094;
	r.set.qos = 7;
	r.set.vlan_protocol = 0x88a8;
	return r;
}

static void put_record(uint8_t *file, uint64_t sequence)
{
	const struct vio_journal_record r = a_record(sequence);

	vio_journal_print(&r, file + vio_journal_get_offset(sequence));
}

/* A record with one thing wrong and its CRC right. */
static void
put_forged(uint8_t *file, uint64_t sequence, uint32_t at, const void *bytes, size_t n)
{
	uint8_t *record = file + vio_journal_get_offset(sequence);
	uint32_t crc;

	put_record(file, sequence);
	memcpy(record + at, bytes, n);
	memset(record + 12, 0, 4);
	crc = vio_crc32c(record, VIO_JOURNAL_RECORD_BYTES);
	for (int i = 0; i < 4; i++)
		record[12 + i] = (uint8_t)(crc >> 8 * i);
}

static void expect_forged(uint32_t at, const void *bytes, size_t n)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES] = { 0 };
	struct vio_journal_record r;

	put_forged(file, 1, at, bytes, n);
	assert_int_equal(vio_journal_parse(file, VIO_JOURNAL_RECORD_BYTES, &r),
			 -EBADMSG);
}

static void the_crc_is_that_of_rfc_3720(void **state)
{
	uint8_t bytes[32];

	(void)state;
	memset(bytes, 0, sizeof(bytes));
	assert_int_equal(vio_crc32c(bytes, 32), 0x8a9136aa);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(vio_crc32c(bytes, 32), 0x62a8ab43);
}

static void a_record_reads_back_as_it_was_written(void **state)
{
	const struct vio_journal_record in = a_record(1);
	uint8_t bytes[VIO_JOURNAL_RECORD_BYTES];
	struct vio_journal_record out;

	(void)state;
	vio_journal_print(&in, bytes);
	assert_int_equal(vio_journal_parse_record(bytes, &out), 0);
	assert_memory_equal(&in, &out, RECORD_USED);
}

static void a_record_of_a_resize_reads_back_as_it_was_written(void **state)
{
	struct vio_journal_record in = a_record(1);
	uint8_t bytes[VIO_JOURNAL_RECORD_BYTES];
	struct vio_journal_record out;

	(void)state;
	in.state = VIO_JOURNAL_RESIZING;
	in.addr = in.pf;
	in.n_vfs_before = 3;
	in.n_vfs_after = 7;
	in.autoprobe = 1;
	vio_journal_print(&in, bytes);
	assert_int_equal(vio_journal_parse_record(bytes, &out), 0);
	assert_memory_equal(&in, &out, RECORD_USED);
}

/* The first bytes of version 1, kept for good. */
static void a_record_of_version_1_is_little_endian(void **state)
{
	static const uint8_t head[] = "VIOLEASE\x01\0\0\0";
	static const uint8_t start[] = {
		0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11
	};
	const struct vio_journal_record in = a_record(1);
	uint8_t bytes[VIO_JOURNAL_RECORD_BYTES];

	(void)state;
	vio_journal_print(&in, bytes);
	assert_memory_equal(bytes, head, 12);
	assert_memory_equal(bytes + 32, start, 8);
	assert_string_equal((const char *)bytes + 80, in.boot_id);
	assert_string_equal((const char *)bytes + 312, "vfio-pci");
	assert_int_equal(vio_crc32c(bytes + 16, VIO_JOURNAL_RECORD_BYTES - 16),
			 0xc4756dc3);
}

static void an_empty_file_is_no_lease_yet(void **state)
{
	struct vio_journal_record r;

	(void)state;
	assert_int_equal(vio_journal_parse((const uint8_t *)"", 0, &r), -ENOENT);
}

static void a_first_record_torn_anywhere_is_no_lease_yet(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES] = { 0 };
	struct vio_journal_record r;

	(void)state;
	put_record(file, 1);
	for (size_t n = 0; n < VIO_JOURNAL_RECORD_BYTES; n++)
		assert_int_equal(vio_journal_parse(file, n, &r), -ENOENT);
	assert_int_equal(vio_journal_parse(file, VIO_JOURNAL_RECORD_BYTES, &r), 0);
}

static void a_second_record_torn_anywhere_leaves_the_first(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES] = { 0 };
	struct vio_journal_record r;

	(void)state;
	put_record(file, 1);
	put_record(file, 2);
	for (size_t n = VIO_JOURNAL_RECORD_BYTES; n < sizeof(file); n++) {
		assert_int_equal(vio_journal_parse(file, n, &r), 0);
		assert_int_equal(r.sequence, 1);
	}
	assert_int_equal(vio_journal_parse(file, sizeof(file), &r), 0);
	assert_int_equal(r.sequence, 2);
}

static void a_record_torn_over_an_older_one_leaves_the_one_between(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES], newer[VIO_JOURNAL_FILE_BYTES];
	struct vio_journal_record r;

	(void)state;
	/* What differs between 1 and 3 is the CRC and the sequence. */
	for (size_t n = 13; n < 17; n++) {
		put_record(file, 1);
		put_record(file, 2);
		put_record(newer, 3);
		memcpy(file, newer, n);
		assert_int_equal(vio_journal_parse(file, sizeof(file), &r), 0);
		assert_int_equal(r.sequence, 2);
	}
}

static void no_flipped_bit_gives_another_state(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	struct vio_journal_record r;

	(void)state;
	for (size_t bit = 0; bit < 8 * sizeof(file); bit++) {
		int ret;

		put_record(file, 1);
		put_record(file, 2);
		file[bit / 8] ^= (uint8_t)(1u << bit % 8);
		ret = vio_journal_parse(file, sizeof(file), &r);
		assert_true(ret == -EBADMSG || (!ret && r.generation == 7));
	}
}

static void a_record_of_another_version_is_unknown(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES];
	struct vio_journal_record r;

	(void)state;
	expect_forged(8, "\2\0\0\0", 4);
	/* Also beside one that is known: it may be the newer. */
	put_record(file, 1);
	put_forged(file, 2, 8, "\2\0\0\0", 4);
	assert_int_equal(vio_journal_parse(file, sizeof(file), &r), -EBADMSG);
}

static void a_file_of_somebody_else_is_unknown(void **state)
{
	static const char text[] = "12345\n";
	struct vio_journal_record r;

	(void)state;
	assert_int_equal(vio_journal_parse((const uint8_t *)text, 6, &r), -EBADMSG);
}

static void a_file_that_is_too_long_is_unknown(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES + 1] = { 0 };
	struct vio_journal_record r;

	(void)state;
	put_record(file, 1);
	put_record(file, 2);
	assert_int_equal(vio_journal_parse(file, sizeof(file), &r), -EBADMSG);
}

static void a_file_that_was_cut_is_unknown(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES] = { 0 };
	struct vio_journal_record r;

	(void)state;
	put_record(file, 3);
	assert_int_equal(vio_journal_parse(file, VIO_JOURNAL_RECORD_BYTES, &r),
			 -EBADMSG);
}

static void records_that_do_not_follow_each_other_are_unknown(void **state)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES] = { 0 };
	struct vio_journal_record r;

	(void)state;
	put_record(file, 1);
	put_record(file, 4);
	assert_int_equal(vio_journal_parse(file, sizeof(file), &r), -EBADMSG);
}

static void a_name_that_would_leave_sysfs_is_unknown(void **state)
{
	(void)state;
	expect_forged(248, "../../x", 8);
	expect_forged(280, "a/b", 4);
	expect_forged(312, "a\nb", 4);
}

static void a_text_without_an_end_is_unknown(void **state)
{
	char full[64];

	(void)state;
	memset(full, 'x', sizeof(full));
	expect_forged(80, full, 40);
	expect_forged(120, full, 64);
	expect_forged(184, full, 64);
	expect_forged(248, full, 32);
}

static void numbers_that_cannot_be_are_unknown(void **state)
{
	(void)state;
	expect_forged(24, "\0\0\0\0\0\0\0\0", 8); /* generation */
	expect_forged(40, "\0\0\0\0", 4);         /* state */
	expect_forged(40, "\10\0\0\0", 4);
	expect_forged(40, "\7\0\0\0", 4);   /* a resize, of a VF */
	expect_forged(44, "\xff\0\0\0", 4); /* begun */
	expect_forged(48, "\4\0\0\0", 4);   /* done, and not begun */
	expect_forged(61, "\x20", 1);       /* device */
	expect_forged(62, "\x8", 1);        /* function */
	expect_forged(344, "\0\0\1\0", 4);  /* fields */
	expect_forged(400, "\4\0\0\0", 4);  /* set, and not known as it was */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_crc_is_that_of_rfc_3720),
		cmocka_unit_test(a_record_reads_back_as_it_was_written),
		cmocka_unit_test(a_record_of_a_resize_reads_back_as_it_was_written),
		cmocka_unit_test(a_record_of_version_1_is_little_endian),
		cmocka_unit_test(an_empty_file_is_no_lease_yet),
		cmocka_unit_test(a_first_record_torn_anywhere_is_no_lease_yet),
		cmocka_unit_test(a_second_record_torn_anywhere_leaves_the_first),
		cmocka_unit_test(
			a_record_torn_over_an_older_one_leaves_the_one_between),
		cmocka_unit_test(no_flipped_bit_gives_another_state),
		cmocka_unit_test(a_record_of_another_version_is_unknown),
		cmocka_unit_test(a_file_of_somebody_else_is_unknown),
		cmocka_unit_test(a_file_that_is_too_long_is_unknown),
		cmocka_unit_test(a_file_that_was_cut_is_unknown),
		cmocka_unit_test(records_that_do_not_follow_each_other_are_unknown),
		cmocka_unit_test(a_name_that_would_leave_sysfs_is_unknown),
		cmocka_unit_test(a_text_without_an_end_is_unknown),
		cmocka_unit_test(numbers_that_cannot_be_are_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
