/* SPDX-License-Identifier: MIT */
/* A process that claims one VF of a machine and uses it, to be paused. */
#ifndef TESTS_UNIT_VF_PAUSE_STAGE_H
#define TESTS_UNIT_VF_PAUSE_STAGE_H

#include <stdio.h>
#include <stdlib.h>

#include "user.h"
#include "vf/lease.h"

struct stage {
	struct scene scene;
	struct process p;
	struct vio_vf *vf;
	struct user user;
	struct vio_error err;
};

static inline int setup(void **state)
{
	struct stage *s = calloc(1, sizeof(*s));

	assert_non_null(s);
	scene_create(&s->scene);
	process_start(&s->p, &s->scene);
	s->err = (struct vio_error)VIO_ERROR_INIT;
	assert_int_equal(process_claim(&s->p, &s->vf), 0);
	user_start(&s->user, s->vf, &s->scene.pci);
	*state = s;
	return 0;
}

static inline int teardown(void **state)
{
	struct stage *s = *state;

	if (s->vf)
		user_release(&s->user, &s->p);
	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
	return 0;
}

static inline uint32_t get_state(const struct stage *s)
{
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_int_equal(vio_vf_read_info(s->vf, &info), 0);
	return info.state;
}

static inline int pause_vf(struct stage *s)
{
	return process_wait(&s->p,
			    vio_vf_pause(s->vf, 0, process_done, &s->p, &s->err));
}

static inline int resume_vf(struct stage *s, const char *to)
{
	struct vio_pci_addr addr;

	if (to)
		assert_int_equal(vio_pci_addr_parse(to, &addr), 0);
	return process_wait(&s->p, vio_vf_resume(s->vf, to ? &addr : NULL, process_done,
						 &s->p, &s->err));
}

static inline enum vio_lease_standing
read_lease(struct stage *s, const char *name, struct vio_journal_record *record)
{
	enum vio_lease_standing standing;
	struct vio_pci_addr addr;

	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	assert_int_equal(vio_lease_read(s->p.host, &addr, &standing, record), 0);
	return standing;
}

/* What the kernel makes instead of the function that was there. */
static inline void make_anew(struct stage *s, const char *name)
{
	vio_fake_pci_remove(s->scene.vf[0]);
	s->scene.vf[0] =
		vio_fake_pci_add_vf(&s->scene.pci, s->scene.pf[0], name, "igbvf", -1);
}

#endif /* TESTS_UNIT_VF_PAUSE_STAGE_H */
