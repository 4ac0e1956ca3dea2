/* SPDX-License-Identifier: MIT */
/*
 * A back end from inside. What it holds is a set of values that one question reads and
 * one sets; all else, trying, rounding, putting back, is the same for every kind. One
 * operation at a time, which is a list of steps: plan.c leads through it.
 */
#ifndef VIO_LIMIT_HW_LIMIT_HW_H
#define VIO_LIMIT_HW_LIMIT_HW_H

#ifndef VIO_ENABLE_UNSTABLE
#define VIO_ENABLE_UNSTABLE 1
#endif

#include <vio/unstable/limit.h>
#include <vio/unstable/limit_hw.h>

#include "limit_hw/cgroup.h"
#include "sys/devlink.h"
#include "sys/netlink.h"
#include "vf/host.h"

#define VIO_HW_NAME_BYTES 128u
/* Fits into a line of vio_error beside what went wrong. */
#define VIO_HW_REMEDY_BYTES 88u
#define VIO_HW_NODE_BYTES   VIO_DEVLINK_NAME_BYTES
#define VIO_HW_MBPS         UINT64_C(125000) /* bytes a second of 1 Mbit/s */

/* What is there of each ceiling; what sends has the first alone. */
enum { VIO_HW_READS, VIO_HW_WRITES, VIO_HW_N_WAYS };

/* What a back end holds. 0 and "" are none. */
struct vio_hw_values {
	uint64_t bytes[VIO_HW_N_WAYS];
	uint64_t ops[VIO_HW_N_WAYS];
	uint64_t assured_bytes;
	uint32_t weight;
	char parent[VIO_HW_NODE_BYTES];
};

struct vio_hw_kind {
	/* Its part of an opening that neither waits nor sets anything. */
	int (*prepare)(struct vio_limit_hw *hw,
		       const struct vio_limit_hw_params *params, struct vio_error *err);
	/* The memory that prepare took. */
	void (*release)(struct vio_limit_hw *hw);
	/*
	 * 0: vio_hw_resume() will be called, in dispatch; or why nothing was begun.
	 * A read fills now and known, and one that fails leaves both.
	 */
	int (*read)(struct vio_limit_hw *hw);
	int (*set)(struct vio_limit_hw *hw, uint32_t fields,
		   const struct vio_hw_values *values);
	int (*add)(struct vio_limit_hw *hw);    /* its node; NULL: has none */
	int (*remove)(struct vio_limit_hw *hw); /* likewise */
};

extern const struct vio_hw_kind vio_hw_vf, vio_hw_devlink, vio_hw_cgroup;

struct vio_hw_step {
	char what[24]; /* for a person, where it fails */
	/* 0: vio_hw_resume() will be called; VIO_HW_SKIP; or -errno. */
	int (*begin)(struct vio_limit_hw *hw);
	/* What became of it, also where begin failed: 0, VIO_HW_AGAIN or -errno. */
	int (*end)(struct vio_limit_hw *hw, int result);
};

#define VIO_HW_SKIP  1 /* there is nothing to do, nor to end */
#define VIO_HW_AGAIN 2 /* the same step once more */

/* Where a step fails, those of undo follow, each whatever became of the others. */
struct vio_hw_list {
	const struct vio_hw_step *steps;
	size_t n;
	const struct vio_hw_list *undo; /* NULL: this list is one, or needs none */
	void (*end)(struct vio_limit_hw *hw, int result); /* before done; or NULL */
	uint32_t ends_it; /* 1: the back end goes; 2: it goes if a step failed */
};

#define VIO_HW_GOES          1u
#define VIO_HW_GOES_IF_FAILS 2u

extern const struct vio_hw_list vio_hw_opening, vio_hw_closing;
extern const struct vio_hw_list vio_hw_attaching, vio_hw_detaching;

/* The operation under way. */
struct vio_hw_plan {
	const struct vio_hw_list *list; /* NULL: none */
	const struct vio_hw_list *now;  /* it, or its undo */
	size_t at;
	int32_t result;
	uint32_t is_undoing;
	struct vio_error err;
	struct vio_task task;
	vio_limit_hw_done_fn done;
	void *opaque;
};

struct vio_limit_hw {
	const struct vio_env *env;
	struct vio_async *async;
	const struct vio_hw_kind *kind;
	char name[VIO_HW_NAME_BYTES]; /* for a person */
	uint32_t flags;               /* VIO_LIMIT_HW_NO_TRIALS and so on */
	uint32_t ways;                /* mask of those that are limited */
	char parent[VIO_HW_NODE_BYTES];
	struct vio_limit_hw_caps caps;
	struct vio_hw_plan plan;

	uint32_t known; /* fields of the latest read; 0: now is of before it */
	struct vio_hw_values now;
	uint32_t is_certain; /* 1: they show that what is known can be set */

	/* Of the opening. */
	uint32_t to_try;
	uint32_t trying;                  /* the field under way */
	uint32_t is_tried;                /* a trial may have changed what is there */
	uint32_t is_restoring;            /* which is put back next */
	uint32_t is_made;                 /* its node */
	char remedy[VIO_HW_REMEDY_BYTES]; /* what a trial may leave, and a way back */

	/* Of the limit that is attached, or being so. */
	struct vio_limit *limit;
	uint64_t generation; /* of its parameters that were chosen from */
	uint32_t is_attached;
	uint32_t set_fields;         /* of what is not as before */
	struct vio_hw_values before; /* each field was set first, by trials too */

	/* Of an attaching under way. */
	struct vio_limit *next_limit;
	uint32_t wanted_fields;
	uint32_t previous_fields;
	uint32_t is_changing; /* something may have been set */
	struct vio_hw_values wanted, previous;
	struct vio_limit_hw_report report;
	struct vio_limit_hw_report *caller_report;

	union {
		struct vio_netlink_call netlink;
		struct vio_devlink_call devlink;
		struct vio_hw_cgroup cgroup;
	};
};

/* plan.c. Begins a list; all that becomes of it is told by done, in dispatch. */
void vio_hw_start(struct vio_limit_hw *hw, const struct vio_hw_list *list,
		  vio_limit_hw_done_fn done, void *opaque);
void vio_hw_resume(struct vio_limit_hw *hw, int result);
/* Its memory; limit_hw.c. */
void vio_hw_destroy(struct vio_limit_hw *hw);

/*
 * choose.c. What of a limit's parameters the back end shall hold, in hw's wanted and
 * report; 0, or as vio_limit_hw_attach() with nothing changed.
 */
int vio_hw_choose(struct vio_limit_hw *hw, const struct vio_limit_params *params,
		  uint32_t needed, struct vio_error *err);

/* Copies @fields of @from, but for the parent: that is set each time, or never. */
void vio_hw_copy(struct vio_hw_values *to, const struct vio_hw_values *from,
		 uint32_t fields);
/* Those of @fields, and the ways that count, that differ. */
uint32_t vio_hw_compare(const struct vio_limit_hw *hw, const struct vio_hw_values *a,
			const struct vio_hw_values *b, uint32_t fields);
/* Those of @fields that are not none. */
uint32_t vio_hw_find_set(const struct vio_hw_values *values, uint32_t fields);

#endif /* VIO_LIMIT_HW_LIMIT_HW_H */
