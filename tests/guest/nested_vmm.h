/* SPDX-License-Identifier: MIT */
/*
 * A monitor as small as can be: one processor, a piece of memory, the kernel's
 * interrupt controllers, and on the PCI bus one function that a view shows. What the
 * view asks for becomes memory slots and interrupt routes of KVM; what KVM cannot do
 * by itself comes back as an exit and goes to the view.
 *
 * All of it fails the running test rather than return an error, unless it says so.
 */
#ifndef VIO_TESTS_GUEST_NESTED_VMM_H
#define VIO_TESTS_GUEST_NESTED_VMM_H

#include <stddef.h>

#include <linux/kvm.h>

#include <vio/view.h>

#include "nested.h"

#define VMM_SLOTS  16u /* of memory; slot 0 is the guest's own */
#define VMM_DEVICE 3u  /* where the function is on the bus */

struct vmm_slot {
	uint64_t gpa;
	uint64_t length_bytes; /* 0: it is free */
};

struct vmm {
	int kvm_fd;
	int vm_fd;
	int cpu_fd;
	int vfio_fd; /* KVM's list of groups */
	struct kvm_run *run;
	size_t run_bytes;
	uint8_t *ram;
	struct nested_talk *talk; /* the page in ram */
	struct vio_view *view;    /* the caller's; NULL: the bus is empty */
	uint32_t config_address;
	struct vmm_slot slots[VMM_SLOTS];
	int32_t eventfds[NESTED_MSIX]; /* that KVM listens to, or -1 */
	struct kvm_irq_routing_entry routes[NESTED_MSIX];
	uint32_t n_traps;   /* accesses to memory that came here */
	uint32_t n_refused; /* places that the guest asked for and did not get */
	uint32_t n_resets;  /* that the guest asked for */
	void (*reset)(void *opaque); /* does one */
	void *opaque;                /* first argument of reset */
};

/* A guest with the flat program @path, before its first instruction. */
void vmm_open(struct vmm *vmm, const char *path);
void vmm_close(struct vmm *vmm);

/* The callbacks of a view that this monitor shows. */
struct vio_view_ops vmm_get_ops(struct vmm *vmm);

/* Runs the guest until it has done @step. */
void vmm_run(struct vmm *vmm, uint32_t step);

/* Steps with an argument, and the one with a result. */
void vmm_run_at(struct vmm *vmm, uint32_t step, uint32_t at);
void vmm_set(struct vmm *vmm, uint32_t step, uint32_t at, uint32_t value);
uint32_t vmm_get(struct vmm *vmm, uint32_t step, uint32_t at);

/* The kernel's group of an open function belongs to the guest, or no more. */
void vmm_add_group(struct vmm *vmm, int group_fd);
void vmm_remove_group(struct vmm *vmm, int group_fd);

#endif
