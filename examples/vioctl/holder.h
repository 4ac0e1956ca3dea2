/* SPDX-License-Identifier: MIT */
/*
 * A process that holds VFs: for the life of a command, or until a signal or until
 * none is left. It does what other vioctls ask of it, one request at a time.
 */
#ifndef VIOCTL_HOLDER_H
#define VIOCTL_HOLDER_H

#include <sys/types.h>

#include "ask.h"

struct holder {
	struct vioctl *vioctl;
	struct vio_vf *vfs[VIO_VF_CLAIM_MAX];
	uint32_t n_vfs;
	int signal_fd; /* from before the claim, so that none ends it half-way */
	int listen_fd;
	pid_t child; /* 0: none, or it has ended */
	int child_status;
	int is_stopping;
	/* The request under way. */
	int asked_fd;      /* -1: none */
	uint32_t asked_at; /* place of its VF in vfs */
	struct ask ask;
	struct answer answer;
	struct pending pending;
};

/* Blocks the signals that end a holder, and opens them as a descriptor. */
int holder_open_signals(struct holder *holder);

/* Before anybody is told what is held: who is told may ask at once. */
int holder_listen(struct holder *holder);

/*
 * Holds: starts @argv if there is one, serves requests, ends. The VFs that are left
 * are not released yet. An exit code.
 */
int holder_run(struct holder *holder, char **argv);

/* Releases what is left. Answers @code, or what went wrong here. */
int holder_release(struct holder *holder, int code);

#endif /* VIOCTL_HOLDER_H */
