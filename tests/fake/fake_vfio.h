/* SPDX-License-Identifier: MIT */
/*
 * VFIO of the fake kernel: functions in IOMMU groups, reached by group and container
 * or by a file of their own and an iommufd. It keeps the rules that the real one
 * keeps (order of calls, exclusive opens, what overlaps and what is reserved), and
 * counts what a test wants to know. The fields may be changed between calls.
 */
#ifndef TESTS_FAKE_FAKE_VFIO_H
#define TESTS_FAKE_FAKE_VFIO_H

#include <pthread.h>

#include "fake/fake_migration.h"

#define FAKE_VFIO_SYSFS     "/fake-sys"
#define FAKE_VFIO_DEV       "/fake-dev"
#define FAKE_VFIO_FUNCTIONS 4
#define FAKE_VFIO_MAPS      32
#define FAKE_VFIO_RANGES    4
#define FAKE_VFIO_VECTORS   8 /* MSI-X; the functions have one of the others */
#define FAKE_VFIO_BAR_BYTES 0x4000
#define FAKE_VFIO_MSIX_PAGE 0x1000 /* of BAR 0: not to be mapped */

struct fake_vfio;

/* Connected eventfds of one kind, as duplicates. */
struct fake_vfio_irqs {
	uint32_t n;
	int fds[FAKE_VFIO_VECTORS];
};

/* All atomic or under the machine's lock; tests look while nothing is under way. */
struct fake_vfio_function {
	struct fake_vfio *machine;
	char name[40];
	uint32_t group;
	uint8_t config[256];
	uint32_t config_bytes; /* of it, that there are */
	uint32_t device_flags; /* VFIO_DEVICE_FLAGS_ bits */
	int bar_fd;            /* FAKE_VFIO_BAR_BYTES of memory behind each BAR */
	uint32_t is_open;
	uint32_t is_bound;
	uint32_t is_gone; /* answers all ones from now on */
	uint32_t raises;  /* bits of the indexes that are raised once connected */
	uint32_t n_resets;
	uint32_t n_irq_calls;     /* that set them */
	uint32_t n_ready_vectors; /* fewer than asked for: refused so */
	struct fake_vfio_irqs irqs[5];
	struct fake_migration migration;
	struct vio_fake_device file; /* of its own */
	struct vio_fake_device node; /* what its group opens */
};

struct fake_vfio_group {
	struct fake_vfio *machine;
	uint32_t number;
	int fd;           /* -1: not open */
	int container_fd; /* -1: it has not joined */
	uint32_t is_viable;
	uint32_t is_held; /* by some other process */
	struct vio_fake_device file;
};

struct fake_vfio_map {
	uint64_t iova;
	uint64_t length_bytes;
	uint64_t address;
	uint32_t is_writable;
};

/* What is mapped for devices; one at a time is enough for the tests. */
struct fake_vfio_space {
	int fd; /* -1: none */
	uint32_t is_iommufd;
	uint32_t is_set;
	uint32_t n_attached;
	uint32_t n_maps;
	struct fake_vfio_map maps[FAKE_VFIO_MAPS];
};

struct fake_vfio {
	struct vio_fake *fake;
	pthread_mutex_t lock;
	uint32_t n_functions;
	struct fake_vfio_function functions[FAKE_VFIO_FUNCTIONS];
	uint32_t n_groups;
	struct fake_vfio_group groups[FAKE_VFIO_FUNCTIONS];
	struct fake_vfio_space space;
	uint64_t ranges[FAKE_VFIO_RANGES][2]; /* first and last */
	uint32_t n_ranges;
	uint32_t n_maps_max;
	uint64_t locked_bytes_max;
	uint32_t is_chain_looping; /* capabilities lead back to themselves */
	uint32_t is_old;           /* as Linux 5.5: a container tells of pages alone */
	uint32_t api_version;
	unsigned long fail_request; /* answered with fail_code; 0: none */
	int fail_code;
	unsigned long gone_request; /* the first function goes before it; 0: never */
	uint32_t n_map_calls;
	struct vio_fake_device container;
	struct vio_fake_device iommufd;
};

/* @has_iommufd 0: as a kernel without it. */
struct fake_vfio *fake_vfio_create(struct vio_fake *fake, int has_iommufd);
void fake_vfio_destroy(struct fake_vfio *machine);

/* Bound to vfio-pci; @name as "0000:01:00.1". */
struct fake_vfio_function *
fake_vfio_add_function(struct fake_vfio *machine, const char *name, uint32_t group);

/* A mediated device; @uuid as "83b8f4f2-509f-382f-3c1e-e6bfe0fa1001". */
struct fake_vfio_function *
fake_vfio_add_mdev(struct fake_vfio *machine, const char *uuid, uint32_t group);

/* A function of @group bound to @driver: the group is not viable. */
void fake_vfio_add_foreign(struct fake_vfio *machine, const char *name, uint32_t group,
			   const char *driver);

/* Raises a vector; asserts that it is connected. */
void fake_vfio_fire(struct fake_vfio_function *function, uint32_t index,
		    uint32_t vector);

/* fake_vfio_dma.c: the calls on the container and on /dev/iommu. */
void fake_vfio_fill_dma(struct fake_vfio *machine);
void fake_vfio_leave(struct fake_vfio *machine);

#endif /* TESTS_FAKE_FAKE_VFIO_H */
