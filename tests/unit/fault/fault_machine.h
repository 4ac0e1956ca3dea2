/* SPDX-License-Identifier: MIT */
/*
 * A machine for the cases about functions: on the fake kernel a PF with two VFs that
 * have MSI-X vectors to be set, and a function that VFIO can open. Its calls
 * and its memory are what fails; a lent thread makes those that may block.
 */
#ifndef TESTS_UNIT_FAULT_MACHINE_H
#define TESTS_UNIT_FAULT_MACHINE_H

#include <pthread.h>

#include "fake/fake_pci.h"
#include "fake/fake_vfio.h"
#include "unit/fault/fault_case.h"
#include "vf/vf.h"

#define MACHINE_PF "0000:01:00.0"
#define MACHINE_VF "0000:01:10.0"

struct fault_machine {
	struct vio_fake *fake;
	struct vio_sys sys; /* the fake's, but for the kernel's events */
	struct vio_fake_pci pci;
	struct vio_fake_function *pf;
	struct vio_fake_function *vfs[2];
	uint8_t config[256]; /* configuration space of the first VF */
	struct fake_vfio *vfio_machine;
	struct vio_fault fault;
	struct vio_ctx *ctx;
	pthread_t thread;
	char run_dir[64];
	struct vio_host *host;
	struct vio_vf *vf;
	struct vio_vf opened; /* as if claimed, for VFIO */
	struct vio_iommu *iommu;
	struct vio_vfio *vfio;
	struct vio_view *view;
	uint64_t iova;
	int result;     /* of the latest operation */
	int sockets[2]; /* of a handover */
};

/* The machine and an inventory of it. finish closes what is there of the above. */
void machine_setup(struct fault_scene *scene);
void machine_finish(struct fault_scene *scene);

/* Without the inventory. */
void machine_setup_closed(struct fault_scene *scene);
int machine_open_host(struct fault_scene *scene, struct vio_host **out);

/* For operations: @ret is what the call returned, the answer what became of it. */
void machine_done(void *opaque, int result, const struct vio_error *err);
int machine_wait(struct fault_scene *scene, int ret);

/* fault_vf.c */
int machine_claim(struct fault_scene *scene, struct vio_vf **out);

/* fault_vfio.c: functions that VFIO can open, an address space, a function on it. */
void machine_setup_functions(struct fault_scene *scene);
void machine_setup_iommu(struct fault_scene *scene);
void machine_setup_vfio(struct fault_scene *scene);
void machine_setup_vfio_iommufd(struct fault_scene *scene);

struct vio_pci_addr machine_addr(const char *name);

#endif /* TESTS_UNIT_FAULT_MACHINE_H */
