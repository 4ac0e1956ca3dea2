/* SPDX-License-Identifier: MIT */
/*
 * A PCI bus in the fake kernel's tree that binds drivers by Linux's rules: a
 * function with a driver_override takes that driver and no other; without one it
 * takes the driver that knows its kind; an unknown one stays without. Writing does
 * what it does in sysfs, with the same errors. The number of VFs is changed from or
 * to none only, and VFs come back with neither driver_override nor settings. It
 * cannot be read: the kernel would make the reader wait.
 */
#ifndef TESTS_FAKE_FAKE_PCI_H
#define TESTS_FAKE_FAKE_PCI_H

#include <vio/vf.h>

#include "fake/fake.h"

#define VIO_FAKE_PCI_ROOT     "/fake-sys"
#define VIO_FAKE_PCI_MAX      32u
#define VIO_FAKE_PCI_DRIVERS  8u
#define VIO_FAKE_PCI_SNAPSHOT 8192u

struct vio_fake_pci;

struct vio_fake_function {
	struct vio_fake_pci *pci;
	struct vio_fake_function *pf; /* of a VF; NULL: it is a PF */
	char name[16];
	char kind[32];     /* the driver that knows it */
	char driver[32];   /* bound; empty: none */
	char override[64]; /* empty: none */
	uint32_t index;
	int numa_node;
	uint32_t n_resets;
	uint32_t n_resets_in_use; /* of them, with the driver that knows it bound */
	int fails_reset;
	int is_held; /* by somebody who has it open: the kernel would wait for that */
	/* Of a PF. */
	uint32_t autoprobe;
	uint32_t refused_vfs; /* the number that its driver does not make; 0: none */
	uint32_t scanty_vfs;  /* the number instead of which it makes one less */
	uint32_t vf_offset;   /* from function to function, 0 at first: 128, as igb */
	uint32_t vf_msix;     /* vectors of a VF that was just made; 0: not to be had */
	uint32_t n_writes;    /* of sriov_numvfs */
	struct vio_vf_config config; /* what the PF holds for it */
};

struct vio_fake_pci {
	struct vio_fake *fake;
	struct vio_fake_function functions[VIO_FAKE_PCI_MAX];
	uint32_t n_functions;
	struct vio_fake_driver {
		struct vio_fake_pci *pci;
		char name[32];
		int refuses; /* its probe fails */
		int keeps;   /* what it is bound to: an unbind fails with this errno */
	} drivers[VIO_FAKE_PCI_DRIVERS];
	uint32_t n_drivers;
	int32_t next_group;
};

/* Below VIO_FAKE_PCI_ROOT. The bus is the caller's memory, until the fake goes. */
void vio_fake_pci_prepare(struct vio_fake_pci *pci, struct vio_fake *fake);

struct vio_fake_driver *
vio_fake_pci_add_driver(struct vio_fake_pci *pci, const char *name);

/* @link_mbps 0: no network interface. */
struct vio_fake_function *vio_fake_pci_add_pf(struct vio_fake_pci *pci,
					      const char *name, int numa_node,
					      uint32_t link_mbps);

/* Bound to @kind, if that is loaded; in @group, or in one of its own if negative. */
struct vio_fake_function *
vio_fake_pci_add_vf(struct vio_fake_pci *pci, struct vio_fake_function *pf,
		    const char *name, const char *kind, int group);

/* Offers it to the drivers, as a write to drivers_probe does. */
void vio_fake_pci_probe(struct vio_fake_function *function);

/* With its folder and links. */
void vio_fake_pci_remove(struct vio_fake_function *function);

struct vio_fake_function *vio_fake_pci_find(struct vio_fake_pci *pci, const char *name);

/* Every driver, override and setting as text of VIO_FAKE_PCI_SNAPSHOT bytes. */
void vio_fake_pci_print(const struct vio_fake_pci *pci, char *buf);

#endif /* TESTS_FAKE_FAKE_PCI_H */
