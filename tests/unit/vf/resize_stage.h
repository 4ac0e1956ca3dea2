/* SPDX-License-Identifier: MIT */
/*
 * A machine whose first PF has a driver and two VFs, and a process that claims and
 * uses some of them.
 */
#ifndef TESTS_UNIT_VF_RESIZE_STAGE_H
#define TESTS_UNIT_VF_RESIZE_STAGE_H

#include <stdio.h>
#include <stdlib.h>

#include "user.h"
#include "vf/numvfs.h"

#define STAGE_PF "0000:01:00.0"

struct stage {
	struct scene scene;
	struct process p;
	struct user users[2];
	uint32_t n_users;
	struct vio_pci_addr pf;
	struct vio_resize_params params;
	struct vio_resize_times times;
	struct vio_error err;
};

static inline struct stage *stage_create(uint32_t n_users)
{
	struct stage *s = calloc(1, sizeof(*s));
	struct vio_vf *vf;

	assert_non_null(s);
	scene_create(&s->scene);
	vio_fake_pci_add_driver(&s->scene.pci, "igb");
	vio_fake_pci_probe(s->scene.pf[0]);
	process_start(&s->p, &s->scene);
	assert_int_equal(vio_pci_addr_parse(STAGE_PF, &s->pf), 0);
	s->params = (struct vio_resize_params)VIO_RESIZE_PARAMS_INIT;
	s->params.flags = VIO_RESIZE_PAUSE_HELD;
	s->times = (struct vio_resize_times)VIO_RESIZE_TIMES_INIT;
	s->err = (struct vio_error)VIO_ERROR_INIT;
	for (; s->n_users < n_users; s->n_users++) {
		assert_int_equal(process_claim(&s->p, &vf), 0);
		user_start(&s->users[s->n_users], vf, &s->scene.pci);
	}
	return s;
}

/* Gives back what is claimed; whether that goes well is the test's business. */
static inline void stage_release(struct stage *s)
{
	while (s->n_users)
		user_release(&s->users[--s->n_users], &s->p);
}

static inline void stage_destroy(struct stage *s)
{
	stage_release(s);
	process_end(&s->p);
	scene_destroy(&s->scene);
	free(s);
}

static inline int stage_begin(struct stage *s, uint32_t n)
{
	s->params.n_vfs = n;
	return vio_host_resize(s->p.host, &s->pf, &s->params, &s->times, process_done,
			       &s->p, &s->err);
}

static inline int stage_resize(struct stage *s, uint32_t n)
{
	return process_wait(&s->p, stage_begin(s, n));
}

static inline uint32_t stage_count(const struct stage *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < s->scene.pci.n_functions; i++) {
		const struct vio_fake_function *f = &s->scene.pci.functions[i];

		n += f->name[0] && f->pf == s->scene.pf[0];
	}
	return n;
}

/* Every VF of the PF that nobody holds has its own driver. */
static inline void stage_verify_free(const struct stage *s)
{
	for (uint32_t i = 0; i < s->scene.pci.n_functions; i++) {
		const struct vio_fake_function *f = &s->scene.pci.functions[i];

		if (f->name[0] && f->pf == s->scene.pf[0] && f->index >= s->n_users)
			assert_string_equal(f->driver, "igbvf");
	}
	assert_int_equal(s->scene.pf[0]->autoprobe, 1);
}

/* The users have what they had: driver, MAC, and the lease. */
static inline void stage_verify_users(const struct stage *s)
{
	for (uint32_t i = 0; i < s->n_users; i++) {
		const struct vio_vf *vf = s->users[i].vf;
		char name[VIO_PCI_ADDR_TEXT_BYTES];
		struct vio_fake_function *f;

		vio_pci_addr_print(&vf->info.addr, name);
		f = vio_fake_pci_find((struct vio_fake_pci *)&s->scene.pci, name);
		assert_non_null(f);
		assert_int_equal(vf->info.state, VIO_VF_HELD);
		assert_int_equal(f->index, vf->info.vf_index);
		assert_string_equal(f->driver, "vfio-pci");
		assert_int_equal(f->config.mac[0], 2);
		assert_int_equal(f->config.mac[5], i);
		assert_int_equal(f->config.spoofchk, 1);
	}
}

#endif /* TESTS_UNIT_VF_RESIZE_STAGE_H */
