/* SPDX-License-Identifier: MIT */
/*
 * Asking the vioctl that holds a VF. A lease lives with its process, so whoever
 * wants something done to a claimed VF asks that process: over a socket beside the
 * leases, one packet there and one back. Only who may claim may reach it: the folder
 * is private, and the kernel tells whether it is the holder that answers.
 */
#ifndef VIOCTL_ASK_H
#define VIOCTL_ASK_H

#include <vio/resize.h>

#include "vioctl.h"

/* Both ends are this program, maybe of another version: the number changes then. */
#define ASK_MAGIC UINT32_C(0x76696f02)

enum ask_kind {
	ASK_RELEASE = 1,
	ASK_CONFIGURE,
	ASK_PAUSE,
	ASK_RESUME,
	ASK_RESIZE,
	ASK_KINDS,
};

struct ask {
	uint32_t magic;
	uint32_t kind;
	struct vio_pci_addr addr; /* of a VF that it holds */
	struct vio_vf_config config;
	struct vio_pci_addr to; /* where it goes on, if has_to; the PF to be resized */
	uint32_t has_to;
	uint32_t n_vfs;
	uint32_t timeout_s;
};

struct answer {
	uint32_t magic;
	int32_t code;
	struct vio_vf_report report;
	struct vio_resize_times times;
	struct vio_pci_addr addr; /* of the VF, now */
	char text[VIO_ERROR_TEXT_BYTES];
};

/* "<run_dir>/vioctl.<pid>" by way of a descriptor, so that it fits any folder. */
int ask_listen(const struct vioctl *vioctl);
void ask_unlisten(const struct vioctl *vioctl, int fd);

/*
 * Asks the holder of ask->addr. An exit code, after a complaint if it is none or
 * will not.
 */
int ask_holder(struct vioctl *vioctl, struct ask *ask, struct answer *answer,
	       const char *what);

#endif /* VIOCTL_ASK_H */
