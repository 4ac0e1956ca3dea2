/* SPDX-License-Identifier: MIT */
/*
 * A process that holds VFs while the machine takes them away, for the programs
 * inside the guest: one loop for the context, a timer of 10 ms and a bystander, a VF
 * of another PF that is used at each tick. What lies between two ticks is measured,
 * and beside it the same of a thread that has nothing to do with the library: the
 * emulated machine has one processor, and its kernel keeps it for itself at times.
 * All of it fails the running test rather than return an error.
 */
#ifndef VIO_TESTS_GUEST_KEEPER_H
#define VIO_TESTS_GUEST_KEEPER_H

#include <pthread.h>

#include <vio/ctx.h>
#include <vio/vf.h>
#include <vio/vfio.h>

#include "guest.h"
#include "nvme_user.h"

#define BUS_IGB       1u /* of the PFs */
#define BUS_NVME      2u
#define KEEPER_EVENTS 128u

/* Time between two of the same. */
struct gap {
	uint64_t last_ns;
	uint64_t longest_ns;
	uint32_t n;
};

/* A function, claimed and open. */
struct held {
	struct vio_vf *vf;
	struct vio_iommu *iommu;
	struct vio_vfio *vfio;
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	uint32_t n_requested;
	uint32_t n_failed;
	uint64_t told_ns; /* when, the first of either */
};

struct keeper {
	struct vio_ctx *ctx;
	struct vio_host *host;
	pthread_t worker;
	int timer_fd;
	struct held bystander;
	struct nvme_user *nvme; /* of the bystander; NULL: its registers are read */
	struct gap ticks;       /* of the timer on the loop */
	struct gap control;     /* of the thread beside it */
	pthread_t control_thread;
	uint32_t is_measured; /* atomic */
	struct vio_host_event events[KEEPER_EVENTS];
	uint32_t n_events;
};

/* How an operation ended. */
struct end {
	uint32_t n;
	int result;
	struct vio_error err;
};

/* The drivers and what NVMe VFs can be given: once a boot. 0 or -1. */
int machine_prepare(void);
/* Two VFs of the NVMe controller and @n of the network card, which have a driver. */
int machine_make_vfs(const char *n);
int machine_destroy_vfs(void);

/* With a bystander of the PF on that bus. */
void keeper_open(struct keeper *keeper, uint32_t bystander_bus);
void keeper_close(struct keeper *keeper);

void keeper_take(struct keeper *keeper, struct held *held, uint32_t bus);
void keeper_open_function(struct keeper *keeper, struct held *held);
void keeper_close_function(struct keeper *keeper, struct held *held);
/* Gives a claim back whose function is closed; what that answered. */
int keeper_release(struct keeper *keeper, struct held *held);

/* From here on nothing but calls of the library and of the loop. */
void keeper_measure(struct keeper *keeper);
/* Prints the gaps, and fails if the loop's were longer than the machine's. */
void keeper_judge(struct keeper *keeper);

/* Goes round the loop until *value, read atomically, is not 0. */
void keeper_run(struct keeper *keeper, const uint32_t *value);
/* Until that event of that function has come after the first @from of them. */
void keeper_await(struct keeper *keeper, uint32_t from, uint32_t type,
		  const char *name);
/* Where it is; n_events: it has not come. */
uint32_t keeper_find(const struct keeper *keeper, uint32_t from, uint32_t type,
		     const char *name);

/* For the done of an operation; and its end, if it began with @ret 0. */
void end_note(void *opaque, int result, const struct vio_error *err);
int keeper_wait(struct keeper *keeper, struct end *end, int ret);

uint32_t held_get_state(const struct held *held);
/* What a read of the part's first register says, and the register. */
int held_read(const struct held *held, uint32_t index, uint32_t *out);

/* A write that the kernel blocks, by a thread of its own. */
struct writer {
	pthread_t thread;
	const char *path; /* NULL: a question to the host */
	const char *text;
	uint64_t began_ns;
	uint64_t ended_ns;
	int result;       /* 0 or -1 */
	uint32_t is_over; /* atomic */
};

void writer_start(struct writer *writer, const char *path, const char *text);
/* Goes round the loop until the write has returned; what it did. */
int writer_join(struct writer *writer, struct keeper *keeper);

int write_text(const char *path, const char *text);

#endif
