/* SPDX-License-Identifier: MIT */
/*
 * Back ends on the kernel of fake_rates.h, and calls that are waited for. A thread is
 * lent for what may block.
 */
#ifndef TESTS_UNIT_LIMIT_HW_RATES_SCENE_H
#define TESTS_UNIT_LIMIT_HW_RATES_SCENE_H

#include "fake/fake_pci.h"
#include "fake/fake_rates.h"
#include "fake/fault.h"
#include "fake/support.h"
#include "limit_hw/limit_hw.h"

#define PF      "0000:01:00.0"
#define MBPS    UINT64_C(125000)

#define CEILING VIO_LIMIT_HW_CEILING_BYTES
#define ASSURED VIO_LIMIT_HW_ASSURED_BYTES
#define OPS     VIO_LIMIT_HW_CEILING_OPS
#define WEIGHT  VIO_LIMIT_HW_WEIGHT
#define PARENT  VIO_LIMIT_HW_PARENT

struct rates_scene {
	struct vio_fake *fake;
	struct vio_sys sys;
	struct vio_fault fault;
	struct vio_ctx *ctx;
	struct vio_host *host;
	struct vio_error err; /* of the latest call that failed */
	struct vio_limit_hw_report report;
	struct vio_limit_hw_caps caps; /* of the latest that was opened */
	int is_lent;                   /* a thread */
	uint32_t n_told;
	int result;
};

extern struct rates_scene scene;

int scene_begin(void **state);
int scene_end(void **state);

/* From here on nothing that may block can be asked for. */
void scene_stop_lending(void);

struct vio_limit_hw_params vf_params(void); /* VF 1 */
struct vio_limit_hw_params port_params(void);
struct vio_limit_hw_params cgroup_params(void); /* of reads */

/* The answer to a call that returned @ret. */
int scene_wait(int ret);
void scene_told(void *opaque, int result, const struct vio_error *err);

int open_hw(const struct vio_limit_hw_params *params, struct vio_limit_hw **out);
/* Opened, or the test fails; its abilities are in the scene. */
struct vio_limit_hw *create_hw(struct vio_limit_hw_params params);
int attach_hw(struct vio_limit_hw *hw, struct vio_limit *limit, uint32_t needed);
int detach_hw(struct vio_limit_hw *hw);
int close_hw(struct vio_limit_hw *hw);

struct vio_limit *create_limit(uint64_t bytes, uint64_t ops, uint64_t assured_bytes);

#endif /* TESTS_UNIT_LIMIT_HW_RATES_SCENE_H */
