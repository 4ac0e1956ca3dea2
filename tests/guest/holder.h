/* SPDX-License-Identifier: MIT */
/*
 * Somebody who holds a VF, works with it, and closes it when asked to. Of the network
 * card it reads a register; of the NVMe controller it writes blocks by a queue of its
 * own and reads them back. Each block says which operation wrote it, so that the disk
 * itself tells whether one was lost.
 */
#ifndef VIO_TESTS_GUEST_HOLDER_H
#define VIO_TESTS_GUEST_HOLDER_H

#include "nvme_user.h"
#include "owner.h"

#define HOLDERS_MAX   8u
#define HOLDER_BLOCKS 1024u /* of the disk, each holder's own */

struct holder {
	struct owner *owner;
	struct vio_vf *vf;
	struct vio_iommu *iommu;
	struct vio_vfio *vfio;  /* NULL: closed */
	struct nvme_user *nvme; /* NULL: closed, or of the network card */
	uint32_t index;
	uint32_t bus;
	uint32_t mbps;        /* of the network card: its most; 0: not set */
	uint32_t is_stubborn; /* does not close it */
	uint32_t is_away;     /* has closed it, or is about to, and is not back yet */
	uint32_t n_paused;
	uint32_t n_resumed;
	uint32_t n_lost;     /* of these, with the state of the device lost */
	uint64_t worked_ns;  /* when the device last answered */
	uint64_t gap_ns;     /* the longest between two answers, see holder_restart() */
	uint64_t outage_ns;  /* the longest, of a pause */
	uint64_t stopped_ns; /* the last answer before the pause */
	uint64_t asked_ns;   /* in all, within the call that asks it to let go */
	uint64_t n_operations;
	uint64_t n_again;                /* not completed when it was closed */
	uint64_t in_slots[NVME_SLOTS];   /* operations under way, from 1 */
	uint64_t on_disk[HOLDER_BLOCKS]; /* the last operation on each block */
	char text[VIO_ERROR_TEXT_BYTES]; /* why it could not be opened or closed */
};

/* The longest time that a loop did not come to its timer. */
struct ticker {
	int fd;
	uint64_t last_ns;
	uint64_t gap_ns;
	struct holder *holder; /* works at each tick, or NULL */
};

/*
 * A VF of the PF on that bus: claimed with an identity of its own, opened, at work. A
 * rate, @mbps not 0, takes a PF whose link is up.
 */
void holder_open(struct holder *holder, struct owner *owner, uint8_t bus,
		 uint32_t index, uint32_t mbps);

/* Closed and given back. */
void holder_close(struct holder *holder);

/* In two parts, where the claim is to outlive the function, or the other way. */
void holder_claim(struct holder *holder);
void holder_release(struct holder *holder);
void holder_start(struct holder *holder);
void holder_stop(struct holder *holder);

/* Has the device do something, and checks that it did. */
void holder_work(struct holder *holder);

/* Its longest gap counts from now on. */
void holder_restart(struct holder *holder);

/* It was paused and is at work again. */
void holder_wait(struct holder *holder);

/* The kernel's own driver reads from the disk what the last operations wrote. */
void holder_verify_disk(const struct holder *holder);

/* Every 10 ms in the owner's loop, from now on and until it is closed. */
void ticker_open(struct ticker *ticker, struct owner *owner, struct holder *holder);
void ticker_close(struct ticker *ticker, struct owner *owner);

#endif
