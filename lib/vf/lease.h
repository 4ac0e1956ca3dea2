/* SPDX-License-Identifier: MIT */
/*
 * The file of a lease, run_dir/vf/<address>: its lock says that the holder lives,
 * its contents are the journal. The lock is of the open file description, so that
 * two hosts in one process exclude each other too, and that it can be handed to
 * another process. The file is never removed: it keeps the generation.
 */
#ifndef VIO_VF_LEASE_H
#define VIO_VF_LEASE_H

#include "vf/host.h"
#include "vf/journal.h"

struct vio_lease_file {
	struct vio_host *host;
	int fd;
	/* As it is, or is being saved; state 0: there never was a lease. */
	struct vio_journal_record record;
	uint64_t saved_generation; /* of what is in the file, for the fence */
	int saved_free;
	uint8_t bytes[VIO_JOURNAL_RECORD_BYTES]; /* being saved */
};

/*
 * Opens, locks and reads; made if missing. -EBUSY: another holds the lock;
 * -EBADMSG: the journal is not one to go by; or what the kernel answered. A lease
 * whose record is not free was left by the dead.
 */
int vio_lease_open(struct vio_host *host, const struct vio_pci_addr *addr,
		   struct vio_lease_file **out);

/*
 * The lock and the journal of who changes the number of VFs of @pf, next to the
 * leases. Who claims takes a VF's lock and then looks at this one; who changes takes
 * this one and then looks at the VFs': one of the two sees the other.
 */
int vio_lease_open_pf(struct vio_host *host, const struct vio_pci_addr *pf,
		      struct vio_lease_file **out);

/* Likewise of a descriptor, which is the lease's then. */
int vio_lease_open_fd(struct vio_host *host, int fd, struct vio_lease_file **out);

/* A descriptor of the file to look at, or -errno. */
int vio_lease_open_path(struct vio_host *host, const struct vio_pci_addr *addr);

/* Drops the lock, unless the descriptor went to another process. */
void vio_lease_close(struct vio_lease_file *lease);

/* What is in the record is in the file now: later saves are fenced by it. */
void vio_lease_mark_saved(struct vio_lease_file *lease);

/*
 * -ESTALE: the file was replaced or written by somebody else since, so that this is
 * not the present lease.
 */
int vio_lease_verify(const struct vio_lease_file *lease);

enum vio_lease_standing {
	VIO_LEASE_FREE,
	VIO_LEASE_HELD,
	VIO_LEASE_DEAD,    /* to be recovered */
	VIO_LEASE_UNKNOWN, /* a journal that says nothing to this version */
};

/*
 * Looks without a lock. @record is filled with HELD and DEAD where it is readable;
 * else its state is 0.
 */
int vio_lease_read(struct vio_host *host, const struct vio_pci_addr *addr,
		   enum vio_lease_standing *out, struct vio_journal_record *record);

int vio_lease_read_pf(struct vio_host *host, const struct vio_pci_addr *pf,
		      enum vio_lease_standing *out, struct vio_journal_record *record);

/* Every address that has a file; non-zero from @fn ends the walk. No run_dir: 0. */
int vio_lease_foreach(struct vio_host *host,
		      int (*fn)(void *opaque, const struct vio_pci_addr *addr),
		      void *opaque);

/* Makes run_dir and its folder of leases. */
int vio_lease_prepare(struct vio_host *host);

/* This process: pid, start_time, boot_id and owner of a record. */
int vio_lease_read_self(struct vio_host *host, struct vio_journal_record *record);

/* The record as the public sees it; state as of a lease that is at rest. */
void vio_lease_print(const struct vio_journal_record *record, struct vio_vf_info *out);

#endif /* VIO_VF_LEASE_H */
