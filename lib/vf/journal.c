/* SPDX-License-Identifier: MIT */
/*
 * Records of a lease as bytes. A table says where each field is, for both ways, so
 * that what is written is what is read. What a record claims is checked as if a
 * stranger had written it: names go into sysfs, and undoing the wrong thing is worse
 * than undoing nothing.
 *
 * The CRC has no table: a record is half a kilobyte and written next to a sync.
 */
#include <errno.h>
#include <string.h>

#include "core/wire.h"
#include "core/bits.h"
#include "vf/journal.h"
#include "vf/sysfs.h"

static const char magic[8] = { 'V', 'I', 'O', 'L', 'E', 'A', 'S', 'E' };

enum kind { KIND_U32, KIND_U64, KIND_BYTES };

struct field {
	uint16_t at; /* in the bytes */
	uint16_t kind;
	uint16_t offset; /* in the struct */
	uint16_t n;      /* of KIND_BYTES */
};

#define VERSION_AT 8u
#define CRC_AT     12u

#define U32(at, field)                                                                 \
	{                                                                              \
		(at), KIND_U32, offsetof(struct vio_journal_record, field), 4          \
	}
#define U64(at, field)                                                                 \
	{                                                                              \
		(at), KIND_U64, offsetof(struct vio_journal_record, field), 8          \
	}
#define BYTES(at, field)                                                               \
	{                                                                              \
		(at), KIND_BYTES, offsetof(struct vio_journal_record, field),          \
			sizeof(((struct vio_journal_record *)0)->field)                \
	}
#define CONFIG(at, c)                                                                  \
	U32((at), c.fields), BYTES((at) + 4, c.mac), U32((at) + 12, c.vlan),           \
		U32((at) + 16, c.qos), U32((at) + 20, c.vlan_protocol),                \
		U32((at) + 24, c.min_tx_mbps), U32((at) + 28, c.max_tx_mbps),          \
		U32((at) + 32, c.spoofchk), U32((at) + 36, c.trust),                   \
		U32((at) + 40, c.link_state), U32((at) + 44, c.nvme_vq),               \
		U32((at) + 48, c.nvme_vi), U32((at) + 52, c.n_msix)
#define ADDR(at, a)                                                                    \
	U32((at), a.domain), BYTES((at) + 4, a.bus), BYTES((at) + 5, a.device),        \
		BYTES((at) + 6, a.function)

static const struct field fields[] = {
	U64(16, sequence),
	U64(24, generation),
	U64(32, start_time),
	U32(40, state),
	U32(44, begun),
	U32(48, done),
	U32(52, pid),
	ADDR(56, addr),
	ADDR(64, pf),
	U32(72, vf_index),
	U32(76, load_mbps),
	BYTES(80, boot_id),
	BYTES(120, owner),
	BYTES(184, tag),
	BYTES(248, driver_before),
	BYTES(280, override_before),
	BYTES(312, driver),
	CONFIG(344, before),
	CONFIG(400, set),
	U32(456, n_vfs_before),
	U32(460, n_vfs_after),
	U32(464, autoprobe),
};

static void print_field(const struct field *field, const void *in, uint8_t *buf)
{
	uint32_t u32;
	uint64_t u64;

	switch (field->kind) {
	case KIND_U32:
		memcpy(&u32, in, sizeof(u32));
		vio_put_number(buf, u32, 4);
		break;
	case KIND_U64:
		memcpy(&u64, in, sizeof(u64));
		vio_put_number(buf, u64, 8);
		break;
	default:
		memcpy(buf, in, field->n);
	}
}

static void parse_field(const struct field *field, const uint8_t *buf, void *out)
{
	const uint32_t u32 = (uint32_t)vio_get_number(buf, 4);
	uint64_t u64;

	switch (field->kind) {
	case KIND_U32:
		memcpy(out, &u32, sizeof(u32));
		break;
	case KIND_U64:
		u64 = vio_get_number(buf, 8);
		memcpy(out, &u64, sizeof(u64));
		break;
	default:
		memcpy(out, buf, field->n);
	}
}

/* Of the whole record but its own place. */
static uint32_t find_crc(const uint8_t *buf)
{
	uint8_t copy[VIO_JOURNAL_RECORD_BYTES];

	memcpy(copy, buf, sizeof(copy));
	memset(copy + CRC_AT, 0, 4);
	return vio_crc32c(copy, sizeof(copy));
}

void vio_journal_print(const struct vio_journal_record *record, uint8_t *buf)
{
	memset(buf, 0, VIO_JOURNAL_RECORD_BYTES);
	memcpy(buf, magic, sizeof(magic));
	vio_put_number(buf + VERSION_AT, VIO_JOURNAL_VERSION, 4);
	for (size_t i = 0; i < VIO_ARRAY_SIZE(fields); i++)
		print_field(&fields[i], (const char *)record + fields[i].offset,
			    buf + fields[i].at);
	vio_put_number(buf + CRC_AT, find_crc(buf), 4);
}

int vio_journal_is_text(const char *text, size_t n)
{
	const size_t length = strnlen(text, n);

	for (size_t i = 0; i < length; i++)
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			return 0;
	return length < n;
}

static int is_driver(const char *name)
{
	return !name[0] || vio_sysfs_is_name(name);
}

static int is_place(const struct vio_pci_addr *addr)
{
	return addr->device < 32 && addr->function < 8;
}

/* What is set is known as it was: else it could not be undone. */
static int are_settings(const struct vio_journal_record *r)
{
	const uint32_t known = (VIO_VF_MSIX << 1) - 1;

	return !(r->before.fields & ~known) && !(r->set.fields & ~r->before.fields);
}

/* Only of a PF, whose record is about itself. */
static int is_place_for_state(const struct vio_journal_record *r)
{
	return r->state != VIO_JOURNAL_RESIZING ||
	       (r->addr.domain == r->pf.domain && r->addr.bus == r->pf.bus &&
		r->addr.device == r->pf.device && r->addr.function == r->pf.function);
}

static int is_sane(const struct vio_journal_record *r)
{
	const uint32_t known =
		VIO_JOURNAL_DRIVER | VIO_JOURNAL_SETTING | VIO_JOURNAL_USE;

	return r->sequence && r->generation && r->state >= VIO_JOURNAL_FREE &&
	       r->state <= VIO_JOURNAL_RESIZING && !(r->begun & ~known) &&
	       !(r->done & ~r->begun) && is_place(&r->addr) && is_place(&r->pf) &&
	       is_place_for_state(r) &&
	       vio_journal_is_text(r->boot_id, sizeof(r->boot_id)) &&
	       vio_journal_is_text(r->owner, sizeof(r->owner)) &&
	       vio_journal_is_text(r->tag, sizeof(r->tag)) &&
	       is_driver(r->driver_before) && is_driver(r->override_before) &&
	       is_driver(r->driver) && are_settings(r);
}

int vio_journal_parse_record(const uint8_t *buf, struct vio_journal_record *out)
{
	struct vio_journal_record record = { .sequence = 0 };

	if (memcmp(buf, magic, sizeof(magic)) ||
	    vio_get_number(buf + VERSION_AT, 4) != VIO_JOURNAL_VERSION ||
	    vio_get_number(buf + CRC_AT, 4) != find_crc(buf))
		return -EBADMSG;
	for (size_t i = 0; i < VIO_ARRAY_SIZE(fields); i++)
		parse_field(&fields[i], buf + fields[i].at,
			    (char *)&record + fields[i].offset);
	record.before.size = sizeof(record.before);
	record.set.size = sizeof(record.set);
	if (!is_sane(&record))
		return -EBADMSG;
	*out = record;
	return 0;
}

/* A slot as it was found. */
struct slot {
	const uint8_t *bytes;
	size_t n; /* less than a record: the file ends there */
	int is_good;
	int is_torn; /* may be what a crash left of writing it */
	struct vio_journal_record record;
};

/* Room that a file system made and never filled. */
static int is_blank(const struct slot *slot)
{
	for (size_t i = 0; i < slot->n; i++)
		if (slot->bytes[i])
			return 0;
	return 1;
}

/*
 * A torn record begins as one of ours does, or not at all: what a crash leaves is
 * older bytes of the same slot, or none. Another version's record is not torn, and
 * a good one in the wrong slot was put there by somebody else.
 */
static int is_tearable(const struct slot *slot)
{
	uint8_t head[CRC_AT];

	memcpy(head, magic, sizeof(magic));
	vio_put_number(head + VERSION_AT, VIO_JOURNAL_VERSION, 4);
	return !memcmp(slot->bytes, head, vio_min_u64(slot->n, sizeof(head))) ||
	       is_blank(slot);
}

static void read_slot(const uint8_t *file, size_t n, uint32_t offset, struct slot *slot)
{
	*slot = (struct slot){ .bytes = file + vio_min_u64(n, offset) };
	slot->n = vio_min_u64(n - vio_min_u64(n, offset), VIO_JOURNAL_RECORD_BYTES);
	if (slot->n == VIO_JOURNAL_RECORD_BYTES)
		slot->is_good = !vio_journal_parse_record(slot->bytes, &slot->record) &&
				vio_journal_get_offset(slot->record.sequence) == offset;
	/* Sound, and yet not what we write: not torn. */
	slot->is_torn =
		!slot->is_good && is_tearable(slot) &&
		(slot->n < VIO_JOURNAL_RECORD_BYTES ||
		 vio_get_number(slot->bytes + CRC_AT, 4) != find_crc(slot->bytes));
}

/* Two good ones follow each other, and are about the same function. */
static const struct slot *find_newer(const struct slot *a, const struct slot *b)
{
	const struct slot *newer = a->record.sequence > b->record.sequence ? a : b;
	const struct slot *older = newer == a ? b : a;

	if (newer->record.sequence - older->record.sequence != 1 ||
	    newer->record.generation < older->record.generation ||
	    memcmp(&a->record.addr, &b->record.addr, sizeof(a->record.addr)))
		return NULL;
	return newer;
}

static const struct slot *find_present(const struct slot *a, const struct slot *b)
{
	if (a->is_good && b->is_good)
		return find_newer(a, b);
	if (a->is_good && b->is_torn)
		return a;
	if (b->is_good && a->is_torn)
		return b;
	return NULL;
}

int vio_journal_parse(const uint8_t *file, size_t n, struct vio_journal_record *out)
{
	const struct slot *present;
	struct slot a, b;

	/* Longer than we ever write: somebody else's. */
	if (n > VIO_JOURNAL_FILE_BYTES)
		return -EBADMSG;
	read_slot(file, n, 0, &a);
	read_slot(file, n, VIO_JOURNAL_RECORD_BYTES, &b);
	if (a.is_torn && !b.n)
		return -ENOENT;
	/* Nothing makes a file shorter: the second record was never whole. */
	if (b.n < VIO_JOURNAL_RECORD_BYTES && a.is_good && a.record.sequence != 1)
		return -EBADMSG;
	present = find_present(&a, &b);
	if (!present)
		return -EBADMSG;
	*out = present->record;
	return 0;
}
