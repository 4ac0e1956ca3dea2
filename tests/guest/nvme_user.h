/* SPDX-License-Identifier: MIT */
/*
 * An NVMe driver as small as can be (NVM Express Base 1.4), in user space over VFIO:
 * one admin queue, one I/O queue, both with an interrupt each. It proves that
 * registers, interrupts and DMA of an open function are the device's own. All of it
 * fails the running test rather than return an error, except for a command's status.
 */
#ifndef VIO_TESTS_GUEST_NVME_USER_H
#define VIO_TESTS_GUEST_NVME_USER_H

#include <stdint.h>

#include <vio/vfio.h>

#define NVME_DATA_BYTES  0x20000u /* room for what commands move */
#define NVME_BLOCK_BYTES 512u
#define NVME_SLOTS       8u /* blocks that move at a time, see nvme_user_submit() */

struct nvme_user;

/* What IDENTIFY says of the controller. */
struct nvme_identity {
	char serial[21];
	char model[41];
	uint16_t vendor;
};

/* Connects interrupts, then enables the controller: see vio_vfio_set_interrupts(). */
struct nvme_user *nvme_user_open(struct vio_vfio *vfio, struct vio_iommu *iommu);
/* Disables the controller and takes the memory back; the function stays open. */
void nvme_user_close(struct nvme_user *nvme);

/* Each returns the command's status, 0: successful. */
int nvme_user_identify(struct nvme_user *nvme, struct nvme_identity *out);
int nvme_user_identify_at(struct nvme_user *nvme, uint64_t iova);
int nvme_user_create_io(struct nvme_user *nvme);
int nvme_user_read(struct nvme_user *nvme, uint64_t block, uint32_t n_blocks);

/*
 * One block, without waiting: @slot of the data moves, and says which it was when it
 * is taken. Not together with nvme_user_read(), which waits for an interrupt.
 */
void nvme_user_submit(struct nvme_user *nvme, int is_write, uint32_t slot,
		      uint64_t block);
/* Put into the ring, and the device is not told. */
void nvme_user_queue(struct nvme_user *nvme, int is_write, uint32_t slot,
		     uint64_t block);
/* 1: @out_slot has been completed, successfully; 0: nothing has. */
int nvme_user_take(struct nvme_user *nvme, uint32_t *out_slot);
/* No queue moves any more; what it had completed by then can still be taken. */
void nvme_user_stop(struct nvme_user *nvme);

/* NVME_DATA_BYTES that reads fill, and interrupts seen so far. */
uint8_t *nvme_user_get_data(struct nvme_user *nvme);
uint64_t nvme_user_get_interrupts(const struct nvme_user *nvme);

/*
 * The primary controller keeps none of what can be given to VFs; that takes a reset.
 * By the kernel's driver, 0 or not, for a group's set-up.
 */
int nvme_pool_free(void);

#endif /* VIO_TESTS_GUEST_NVME_USER_H */
