/* SPDX-License-Identifier: MIT */
/*
 * Migration of the fake VFIO's functions: the states of linux/vfio.h with all their
 * arcs. What is inside a device is 32 bytes; its stream is a head of four and them. A
 * session's descriptor is read and written at offsets, and its head is what pre-copy
 * has to read first.
 */
#ifndef TESTS_FAKE_FAKE_MIGRATION_H
#define TESTS_FAKE_FAKE_MIGRATION_H

#include "fake/fake.h"

#define FAKE_MIGRATION_SESSIONS 4u /* with descriptors open at a time */
#define FAKE_MIGRATION_HEAD     4u
#define FAKE_MIGRATION_INSIDE   32u
#define FAKE_MIGRATION_STREAM   (FAKE_MIGRATION_HEAD + FAKE_MIGRATION_INSIDE)

struct fake_migration;

struct fake_session {
	struct fake_migration *migration;
	char path[96];
	struct vio_fake_device file;
	uint32_t is_open; /* its descriptor */
	uint32_t is_over;
	uint32_t is_writable;
	size_t n;    /* bytes there */
	size_t seen; /* of them read */
	uint8_t bytes[FAKE_MIGRATION_STREAM];
};

/* Under the machine's lock; tests look and change while nothing is under way. */
struct fake_migration {
	struct vio_fake *fake;
	uint64_t features; /* the kernel's bits; 0: none, as most devices */
	uint32_t state;
	uint32_t n_sets; /* states asked for, refusals included */
	uint64_t dirty_bytes;
	/* An arc that fails: into this state, with that; 0: none does. */
	uint32_t fail_at;
	int fail_code;
	uint32_t fails_to_error; /* or stays where it was */
	uint8_t inside[FAKE_MIGRATION_INSIDE];
	struct fake_session *session; /* not over, or NULL */
	struct fake_session sessions[FAKE_MIGRATION_SESSIONS];
};

/* @name: of the device, for the paths of its descriptors. */
void fake_migration_prepare(struct fake_migration *migration, struct vio_fake *fake,
			    const char *name);

/* A reset: it runs, and its session is over. */
void fake_migration_reset(struct fake_migration *migration);

/* VFIO_DEVICE_FEATURE. */
int fake_migration_call(struct fake_migration *migration, void *argument);

/* The arc to take on the way from @from to @to; 0: there is no way. */
uint32_t fake_migration_step(uint64_t features, uint32_t from, uint32_t to);

#endif /* TESTS_FAKE_FAKE_MIGRATION_H */
