/* SPDX-License-Identifier: MIT */
/*
 * Failures on purpose. A struct vio_fault is an allocator and a table of system
 * calls that pass on to real ones, fail the Nth request, and count what was
 * taken and not given back. The runners repeat a scenario with N = 1, 2, ...
 * until nothing was left to fail, and check after each that nothing leaked.
 */
#ifndef TESTS_FAKE_FAULT_H
#define TESTS_FAKE_FAULT_H

#include <stdint.h>

#include <vio/ctx.h>

#include "sys/sys.h"

#define VIO_FAULT_FDS_MAX 4096

struct vio_fault {
	struct vio_alloc_ops alloc; /* for struct vio_ctx_params */
	struct vio_sys sys;         /* for vio_ctx_create_on() */
	const struct vio_sys *base; /* where calls are passed on to */
	uint64_t fail_alloc_at;     /* counted from 1; 0: none */
	uint64_t fail_call_at;      /* likewise */
	int fail_errno;             /* of the call that fails, positive */

	/* Told of every call by its entry, and what an ioctl or fcntl asks; or NULL. */
	void (*told)(void *opaque, const char *entry, unsigned long request);
	void *told_opaque;

	/* Counted, all atomic: scenarios may have threads. */
	uint64_t n_allocs;
	uint64_t n_calls;
	uint64_t n_injected; /* failures so far: 0 or 1 */
	uint64_t n_live;     /* blocks not freed */
	uint64_t live_bytes;
	uint64_t n_maps;
	uint8_t is_open[VIO_FAULT_FDS_MAX]; /* by descriptor */
	uint8_t is_event[VIO_FAULT_FDS_MAX];
};

/* Nothing fails until one of the fail_ fields is set. @base NULL: the kernel. */
void vio_fault_prepare(struct vio_fault *fault, const struct vio_sys *base);

/* A context on the fault's allocator and calls; as vio_ctx_create_on(). */
int vio_fault_create_ctx(struct vio_fault *fault, uint32_t flags, struct vio_ctx **out);

/* Descriptors opened through the table and not closed. */
unsigned int vio_fault_count_fds(const struct vio_fault *fault);

/* CMocka assertions: no block, descriptor or mapping is left. */
void vio_fault_verify(const struct vio_fault *fault);

/*
 * An attempt from nothing to nothing: creates, uses, destroys. 0, or the error
 * of the call that failed, after giving back all that came before it. Whether
 * outputs were touched is the scenario's to check: see VIO_FAULT_UNTOUCHED.
 */
typedef int (*vio_fault_scenario_fn)(struct vio_fault *fault, void *opaque);

/* What outputs are set to before a call that may fail. */
#define VIO_FAULT_UNTOUCHED ((void *)(uintptr_t)0x5a5a5a5a)

/*
 * Every attempt either succeeds or returns -ENOMEM (allocations) or -@code
 * (calls). Both return how many attempts failed.
 */
unsigned int vio_fault_run_allocs(vio_fault_scenario_fn scenario, void *opaque);
unsigned int
vio_fault_run_calls(vio_fault_scenario_fn scenario, void *opaque, int code);

#endif /* TESTS_FAKE_FAULT_H */
