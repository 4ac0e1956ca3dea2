/* SPDX-License-Identifier: MIT */
/*
 * The journal of one lease, or of a PF whose number of VFs is changed: two records of
 * fixed size, each the whole state, that are written in turn. A crash tears at most the
 * one being written, and the other is the state before it. The generation stays in the
 * file from lease to lease.
 *
 * Little-endian, so that a file means the same everywhere. Pure: bytes and structs.
 */
#ifndef VIO_VF_JOURNAL_H
#define VIO_VF_JOURNAL_H

#include <stddef.h>
#include <stdint.h>

#include <vio/vf.h>

#define VIO_JOURNAL_RECORD_BYTES 512u /* a sector: what a disk tears least */
#define VIO_JOURNAL_FILE_BYTES   (2u * VIO_JOURNAL_RECORD_BYTES)
#define VIO_JOURNAL_VERSION      1u
#define VIO_JOURNAL_BOOT_BYTES   40u /* a UUID as text */

enum vio_journal_state {
	VIO_JOURNAL_FREE = 1, /* nothing to undo; keeps the generation */
	VIO_JOURNAL_CLAIMING,
	VIO_JOURNAL_HELD,
	VIO_JOURNAL_CONFIGURING,
	VIO_JOURNAL_PAUSED,
	VIO_JOURNAL_UNDOING,
	VIO_JOURNAL_RESIZING, /* of a PF: its number of VFs is being changed */
};

/* What was begun, and is undone from the last to the first. */
#define VIO_JOURNAL_DRIVER  (1u << 0) /* driver and driver_override */
#define VIO_JOURNAL_SETTING (1u << 1) /* what @before and @set say */
#define VIO_JOURNAL_USE     (1u << 2) /* given out: reset before it is again */

struct vio_journal_record {
	uint64_t sequence; /* of the record in its file, from 1 */
	uint64_t generation;
	uint64_t start_time; /* of the holder, as the kernel counts it */
	uint32_t state;      /* enum vio_journal_state */
	uint32_t begun;      /* VIO_JOURNAL_ bits, journalled before the deed */
	uint32_t done;       /* likewise, some of begun */
	int32_t pid;
	struct vio_pci_addr addr;
	struct vio_pci_addr pf;
	uint32_t vf_index;
	uint32_t load_mbps;
	char boot_id[VIO_JOURNAL_BOOT_BYTES];
	char owner[64];
	char tag[64];
	char driver_before[VIO_HOST_DRIVER_BYTES];
	char override_before[VIO_HOST_DRIVER_BYTES];
	char driver[VIO_HOST_DRIVER_BYTES]; /* empty: none wanted */
	struct vio_vf_config before;        /* of what was set, as it was */
	struct vio_vf_config set;           /* what was set, as it should be */
	/* Of a PF; where both are the same there is no way but back. */
	uint32_t n_vfs_before;
	uint32_t n_vfs_after;
	uint32_t autoprobe; /* sriov_drivers_autoprobe as it was */
};

/* @buf has room for VIO_JOURNAL_RECORD_BYTES. */
void vio_journal_print(const struct vio_journal_record *record, uint8_t *buf);

/* One record. 0; -EBADMSG: none, or none that this version knows. */
int vio_journal_parse_record(const uint8_t *buf, struct vio_journal_record *out);

/*
 * The present record of a file of @n bytes. 0; -ENOENT: the file is empty, or its
 * first record was torn, so that nothing was done yet; -EBADMSG: anything else that
 * a crash does not leave.
 */
int vio_journal_parse(const uint8_t *file, size_t n, struct vio_journal_record *out);

/* Ends within @n bytes, and has nothing that would break a line. */
int vio_journal_is_text(const char *text, size_t n);

/* Where the record with @sequence goes. */
static inline uint32_t vio_journal_get_offset(uint64_t sequence)
{
	return (uint32_t)(sequence & 1) ? 0 : VIO_JOURNAL_RECORD_BYTES;
}

#endif /* VIO_VF_JOURNAL_H */
