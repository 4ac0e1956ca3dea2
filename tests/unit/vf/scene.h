/* SPDX-License-Identifier: MIT */
/*
 * A machine of two PFs on the fake kernel, and processes on it that claim. Each
 * process has a context of its own, a lent thread, and system calls that count what
 * changes the world: it can be made to die at any of them, after which none of its
 * calls has any effect. What such a process still does in memory is nobody's
 * business, and its descriptors are closed, as the kernel closes them.
 */
#ifndef TESTS_UNIT_VF_SCENE_H
#define TESTS_UNIT_VF_SCENE_H

#include <pthread.h>

#include <vio/vf.h>

#include "fake/fake_pci.h"
#include "fake/support.h"
#include "sys/sys.h"

#define SCENE_VFS 4u

struct scene {
	struct vio_fake *fake;
	struct vio_fake_pci pci;
	struct vio_fake_function *pf[2];
	struct vio_fake_function *vf[SCENE_VFS]; /* two of each PF */
	char run_dir[64];
	char before[VIO_FAKE_PCI_SNAPSHOT];
};

enum death { DEATH_CLEAN, DEATH_TORN }; /* the write is not made, or half of it */

struct process {
	struct scene *scene;
	struct vio_sys sys;
	struct vio_ctx *ctx;
	struct vio_host *host;
	pthread_t thread;
	/* Atomic: counted by both of its threads. */
	uint32_t n_effects;
	uint32_t die_at;    /* the effect that it does not live to see; 0: lives */
	uint32_t fail_at;   /* the effect that fails once, with EIO; 0: none */
	uint32_t abort_at;  /* the last effect before its thread returns; 0: it stays */
	uint32_t vanish_at; /* the effect before which the first PF goes; 0: none */
	enum death death;
	uint32_t is_dead;
	/* What others do just before a file is opened by its path; NULL: nothing. */
	void (*on_open)(void *opaque, const char *path);
	void *on_open_opaque;
	/* The last operation. */
	uint32_t n_done;
	int result;
	char why[VIO_ERROR_TEXT_BYTES];
};

/* Of the fake settings: what set does instead of what it should; 0: as it should. */
struct scene_settings {
	uint32_t lacks;   /* fields the driver does not have */
	uint32_t ignores; /* fields it says yes to and does not set */
	uint32_t loses;   /* fields of which its answer does not arrive */
	uint32_t n_sets;  /* counted: how often it was asked to set */
	int are_missing;  /* nobody has any for a VF */
	uint32_t n_nvme;  /* times that NVMe's were set */
};
extern struct scene_settings scene_settings;

void scene_create(struct scene *scene);
void scene_destroy(struct scene *scene);

/* The machine is as it was when the scene was made. */
void scene_verify_before(struct scene *scene);

void process_start(struct process *process, struct scene *scene);
void process_end(struct process *process);

/* For the done of an operation; opaque is the process. */
void process_done(void *opaque, int result, const struct vio_error *err);

/* @ret is what the call returned: waits for done, and returns its result. */
int process_wait(struct process *process, int ret);

/*
 * Waits until the call under way, if any, has been made: nobody else's runs beside
 * it then, and what comes next is the test's choice alone.
 */
void process_settle(struct process *process);

/* Settles, then runs one callback. 0: there was nothing to run. */
int process_step(struct process *process);

/* The first PF goes, and its VFs before it. */
void scene_remove_pf(struct scene *scene);

/* An effect is about to be made: 0, or the error it has instead. */
int process_reach(struct process *process);

/* One VF, on vfio-pci. */
int process_claim(struct process *process, struct vio_vf **out);

/* One process alone on a machine, with what it asks for and what it holds. */
struct solo {
	struct scene scene;
	struct process p;
	struct vio_vf_request request;
	struct vio_vf *vf[16];
	struct vio_error err;
};

/* Around a test whose state it is; the machine is to be left as it was. */
int solo_setup(void **state);
int solo_teardown(void **state);

/* What the request says, into vf. */
int solo_claim(struct solo *solo);

/* The first @n of vf. */
void solo_release(struct solo *solo, uint32_t n);

#endif /* TESTS_UNIT_VF_SCENE_H */
