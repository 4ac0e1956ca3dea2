/* SPDX-License-Identifier: MIT */
/*
 * Someone who uses a claimed VF and can be asked to let go of it. That the function
 * is open is only said: the suites of VFIO open it.
 */
#ifndef TESTS_UNIT_VF_USER_H
#define TESTS_UNIT_VF_USER_H

#include <vio/resize.h>

#include "scene.h"
#include "vf/vf.h"

struct user {
	struct vio_vf *vf;
	int is_stubborn; /* does not close */
	uint32_t n_paused;
	uint32_t n_resumed;
	int is_state_lost;        /* as the last resume said */
	struct vio_fake_pci *pci; /* that is told what is held, or NULL */
};

static inline void user_closed(void *opaque, int result, const struct vio_error *err)
{
	(void)opaque;
	(void)err;
	assert_int_equal(result, 0);
}

static inline void user_hold(struct user *user, int is_held)
{
	char name[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_fake_function *function = NULL;

	vio_pci_addr_print(&user->vf->info.addr, name);
	if (user->pci)
		function = vio_fake_pci_find(user->pci, name);
	if (function)
		function->is_held = is_held;
	user->vf->vfio = is_held ? (struct vio_vfio *)(void *)user : NULL;
}

/* As vio_vfio_close() begins and ends. */
static inline void user_close(struct user *user)
{
	struct vio_error err = VIO_ERROR_INIT;

	assert_int_equal(vio_vf_begin(user->vf, 0, user_closed, user, &err), 0);
	user_hold(user, 0);
	vio_vf_end(user->vf, VIO_VF_HELD, 0, NULL);
}

static inline void user_pause(void *opaque, struct vio_vf *vf)
{
	struct user *user = opaque;

	assert_ptr_equal(vf, user->vf);
	user->n_paused++;
	if (!user->is_stubborn && vf->vfio)
		user_close(user);
}

static inline void user_resume(void *opaque, struct vio_vf *vf, int is_state_lost)
{
	struct user *user = opaque;
	struct vio_vf_info info = VIO_VF_INFO_INIT;

	assert_ptr_equal(vf, user->vf);
	assert_int_equal(vio_vf_read_info(vf, &info), 0);
	assert_int_equal(info.state, VIO_VF_HELD);
	user->n_resumed++;
	user->is_state_lost = is_state_lost;
	user_hold(user, 1);
}

/* Takes up a VF that was claimed. */
static inline void
user_start(struct user *user, struct vio_vf *vf, struct vio_fake_pci *pci)
{
	struct vio_pause_ops ops = VIO_PAUSE_OPS_INIT;

	memset(user, 0, sizeof(*user));
	user->vf = vf;
	user->pci = pci;
	ops.pause = user_pause;
	ops.resume = user_resume;
	ops.opaque = user;
	assert_int_equal(vio_vf_set_pause(vf, &ops), 0);
	user_hold(user, 1);
}

static inline int user_release(struct user *user, struct process *p)
{
	struct vio_error err = VIO_ERROR_INIT;

	user_hold(user, 0);
	return process_wait(p, vio_vf_release(user->vf, process_done, p, &err));
}

#endif /* TESTS_UNIT_VF_USER_H */
