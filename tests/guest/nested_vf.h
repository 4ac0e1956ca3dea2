/* SPDX-License-Identifier: MIT */
/*
 * The nested guest with a VF of the emulated igb: claimed, opened, shown to it by a
 * view, and taken away and given back by the callbacks of a pause. One of it is a
 * test's whole machine.
 */
#ifndef VIO_TESTS_GUEST_NESTED_VF_H
#define VIO_TESTS_GUEST_NESTED_VF_H

#include <vio/mem.h>

#include "nested_vmm.h"
#include "owner.h"

/* The MAC that the VF is claimed with. */
#define NESTED_MAC_LOW  0x00000002u /* 02:00:00:00:4e:01, as registers have it */
#define NESTED_MAC_HIGH 0x0000014eu

struct nested_vf {
	struct vmm vmm;
	struct owner *owner;
	struct vio_vf *vf;
	struct vio_mem *mem;
	struct vio_iommu *iommu;
	struct vio_vfio *vfio;
	struct vio_view *view;
	char path[64];    /* of the VF, in sysfs */
	uint32_t is_away; /* paused, or not yet back */
	uint32_t n_paused;
	uint32_t n_resumed;
	int is_state_lost; /* as the last resume said */
	int result;        /* of what the callbacks began */
};

/* The guest has not run yet, or has started its function. */
void nested_vf_open(struct nested_vf *nested, struct owner *owner);
void nested_vf_start(struct nested_vf *nested, struct owner *owner);
void nested_vf_close(struct nested_vf *nested);

void nested_vf_pause(struct nested_vf *nested);
/* Returns when the guest has a function again: the same, or the one at @to. */
void nested_vf_resume(struct nested_vf *nested, const struct vio_pci_addr *to);

#endif
