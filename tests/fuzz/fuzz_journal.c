/* SPDX-License-Identifier: MIT */
/*
 * Journals of arbitrary bytes. The first byte says how many records get their CRC
 * put right, so that what lies behind it is reached. What is taken for a record must
 * be one: written again and read again it is the same, and its names are fit for
 * sysfs.
 */
#include <stdlib.h>
#include <string.h>

#include "core/wire.h"
#include "vf/journal.h"
#include "vf/sysfs.h"

#define CRC_AT 12u

static void check(int is_true)
{
	if (!is_true)
		abort();
}

static void mend(uint8_t *record)
{
	uint32_t crc;

	memset(record + CRC_AT, 0, 4);
	crc = vio_crc32c(record, VIO_JOURNAL_RECORD_BYTES);
	for (unsigned int i = 0; i < 4; i++)
		record[CRC_AT + i] = (uint8_t)(crc >> 8 * i);
}

static void check_name(const char *name)
{
	check(!name[0] || vio_sysfs_is_name(name));
}

static void check_record(const struct vio_journal_record *record)
{
	uint8_t bytes[VIO_JOURNAL_RECORD_BYTES], again[VIO_JOURNAL_RECORD_BYTES];
	struct vio_journal_record second;

	check_name(record->driver);
	check_name(record->driver_before);
	check_name(record->override_before);
	check(!(record->set.fields & ~record->before.fields));
	vio_journal_print(record, bytes);
	check(!vio_journal_parse_record(bytes, &second));
	vio_journal_print(&second, again);
	check(!memcmp(bytes, again, sizeof(bytes)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t file[VIO_JOURNAL_FILE_BYTES + 16];
	struct vio_journal_record record;
	size_t n;

	if (!size)
		return 0;
	n = size - 1 < sizeof(file) ? size - 1 : sizeof(file);
	memcpy(file, data + 1, n);
	if (data[0] & 1 && n >= VIO_JOURNAL_RECORD_BYTES)
		mend(file);
	if (data[0] & 2 && n >= VIO_JOURNAL_FILE_BYTES)
		mend(file + VIO_JOURNAL_RECORD_BYTES);
	if (!vio_journal_parse(file, n, &record))
		check_record(&record);
	return 0;
}
