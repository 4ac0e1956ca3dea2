/* SPDX-License-Identifier: MIT */
/*
 * Back ends of limits as the guest's programs use them: each call is made, waited for,
 * and its answer returned. One context for all of a program.
 */
#ifndef VIO_TESTS_GUEST_BOUND_H
#define VIO_TESTS_GUEST_BOUND_H

#define VIO_ENABLE_UNSTABLE
#include <vio/host.h>
#include <vio/unstable/limit.h>
#include <vio/unstable/limit_hw.h>

extern struct vio_ctx *bound_ctx;
extern struct vio_error bound_err; /* of the latest call that failed */

/* For a group of tests, both. */
int bound_begin(void **state);
int bound_end(void **state);

int bound_open(const struct vio_limit_hw_params *params, struct vio_limit_hw **out);
/* Opens it, or the test fails, and tells what it can. */
struct vio_limit_hw *
bound_create(const struct vio_limit_hw_params *params, struct vio_limit_hw_caps *caps);
int bound_attach(struct vio_limit_hw *hw, struct vio_limit *limit, uint32_t needed,
		 struct vio_limit_hw_report *report);
int bound_detach(struct vio_limit_hw *hw);
/* Closed, or the test fails. */
void bound_close(struct vio_limit_hw *hw);

/* A limit of those rates, to be destroyed. */
struct vio_limit *bound_limit(uint64_t bytes, uint64_t ops, uint64_t assured_bytes);

#endif
