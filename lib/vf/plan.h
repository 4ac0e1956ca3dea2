/* SPDX-License-Identifier: MIT */
/*
 * Something done to a VF in steps, each journalled before it is begun. If one fails,
 * a list of steps that undo follows; each of those looks at what is there, so that
 * it may be done again, by this process or by the next. A release and a recovery
 * are the undoing alone.
 *
 * Between steps nothing is kept but the journal: to stop anywhere, as a crash does,
 * leaves what a recovery can undo.
 */
#ifndef VIO_VF_PLAN_H
#define VIO_VF_PLAN_H

#include "sys/loop.h"
#include "vf/lease.h"
#include "vf/setting.h"
#include "vf/sysfs.h"

struct vio_plan;

#define VIO_PLAN_WAITS      1 /* vio_plan_resume() will be called */
#define VIO_PLAN_ATTR_BYTES 64u

struct vio_plan_step {
	uint32_t bit; /* VIO_JOURNAL_, saved as begun before begin(); 0: none */
	/* Is there anything to do? NULL: yes. */
	int (*is_due)(const struct vio_plan *plan);
	/* 0: done; VIO_PLAN_WAITS; or -errno. */
	int (*begin)(struct vio_plan *plan);
	/* What was waited for went well: is it as it should be? NULL: yes. */
	int (*end)(struct vio_plan *plan);
	/* Of an undoing: nothing follows if this fails; the words for it. NULL: no. */
	const char *gate;
};

struct vio_plan_list {
	const struct vio_plan_step *steps;
	uint32_t n;
};

enum vio_plan_phase { VIO_PLAN_NEXT, VIO_PLAN_SAVING, VIO_PLAN_BEGUN };

struct vio_plan {
	/* Filled by who starts it. */
	struct vio_host *host;
	struct vio_lease_file *lease;
	const struct vio_plan_list *list; /* NULL: the undoing alone */
	const struct vio_plan_list *undo; /* NULL: nothing to undo */
	struct vio_vf_config wanted;      /* settings; fields 0: none */
	struct vio_vf_report *report;     /* or NULL */
	/* Called once, from dispatch; @plan->err says why if result is negative. */
	void (*done)(struct vio_plan *plan, int result);
	void *opaque;

	/* The engine's. */
	const struct vio_plan_list *now;
	uint32_t at;
	enum vio_plan_phase phase;
	int result;
	int undo_result;
	int is_undoing;
	int is_gone; /* the function is no more: only the journal is left */
	struct vio_error err;
	struct vio_task task;
	/* The steps'. */
	struct vio_async_call call;
	int fd;
	char name[VIO_PCI_ADDR_TEXT_BYTES]; /* of the function */
	char attr[VIO_PLAN_ATTR_BYTES];     /* written or read */
	struct vio_setting_call setting;
	struct vio_vf_config previous; /* what settings were when the plan began */
	uint32_t todo;                 /* settings still to be set */
	int setting_result;
	uint32_t vf_at;         /* of a PF: the next VF to be looked at */
	struct vio_event timer; /* until the next look at the link */
	uint32_t n_looks;
	uint64_t begun_ns;  /* of the call under way */
	uint64_t kernel_ns; /* spent in attributes of the kernel so far */
};

/* The context has a way for it, see vio_async_is_able(). */
void vio_plan_start(struct vio_plan *plan);

/* What a step waited for has ended. */
void vio_plan_resume(struct vio_plan *plan, int result);

/* Says why a step fails, for the first that does; returns @code. */
__attribute__((format(printf, 3, 4))) int
vio_plan_fail(struct vio_plan *plan, int code, const char *format, ...);

/* Steps. Each is a begin() or an end() of the lists in claim.c, release.c, ... */

/* Writes the record and syncs it; -ESTALE: fenced. */
int vio_plan_save(struct vio_plan *plan);

/* Bytes to, or from, an attribute below the root; then resumed. */
int vio_plan_write(struct vio_plan *plan, const char *path, const char *text);
int vio_plan_read(struct vio_plan *plan, const char *path);

/* plan_driver.c: to the driver of the record, and back. */
int vio_plan_driver_is_due(const struct vio_plan *plan);
int vio_plan_driver_was_begun(const struct vio_plan *plan);
int vio_plan_read_override(struct vio_plan *plan);
int vio_plan_keep_override(struct vio_plan *plan);
int vio_plan_verify_override(struct vio_plan *plan);
int vio_plan_driver_is_in_the_way(const struct vio_plan *plan);
int vio_plan_verify_idle(struct vio_plan *plan);
int vio_plan_unbind(struct vio_plan *plan);
int vio_plan_verify_unbound(struct vio_plan *plan);
int vio_plan_set_override(struct vio_plan *plan);
int vio_plan_probe(struct vio_plan *plan);
int vio_plan_verify_bound(struct vio_plan *plan);
int vio_plan_restore_override(struct vio_plan *plan);
int vio_plan_verify_restored(struct vio_plan *plan);
int vio_plan_is_there(struct vio_plan *plan);
int vio_plan_verify_exists(struct vio_plan *plan);
int vio_plan_reset(struct vio_plan *plan);

/* plan_setting.c: to what is wanted, and back. */
int vio_plan_setting_is_due(const struct vio_plan *plan);
int vio_plan_setting_was_begun(const struct vio_plan *plan);
int vio_plan_read_settings(struct vio_plan *plan);
int vio_plan_keep_settings(struct vio_plan *plan);
int vio_plan_set_settings(struct vio_plan *plan);
int vio_plan_verify_settings(struct vio_plan *plan);
int vio_plan_restore_settings(struct vio_plan *plan);
int vio_plan_verify_before(struct vio_plan *plan);
int vio_plan_settings_were_kept(const struct vio_plan *plan);
int vio_plan_put_back_settings(struct vio_plan *plan);

/* What is there becomes what is to be there again after a pause; journalled later. */
int vio_plan_read_identity(struct vio_plan *plan);
/* Of what is wanted only what is otherwise; then as vio_plan_keep_settings(). */
int vio_plan_keep_due(struct vio_plan *plan);

/* plan_link.c: before a rate is set. */
int vio_plan_link_is_due(const struct vio_plan *plan);
int vio_plan_wait_link(struct vio_plan *plan);

/* recover.c: what has gone, or is not ours to undo, is over. */
extern const struct vio_plan_list vio_plan_forget;

/* release.c: everything that was begun, from the last to the first. */
extern const struct vio_plan_list vio_plan_undo_all;

#endif /* VIO_VF_PLAN_H */
