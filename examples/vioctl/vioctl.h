/* SPDX-License-Identifier: MIT */
/*
 * What the commands share: the session with the library, the way a command is told
 * and ends, and the words of errors. A command returns an exit code; whoever returns
 * another than EXIT_DONE has complained.
 */
#ifndef VIOCTL_VIOCTL_H
#define VIOCTL_VIOCTL_H

#include <pthread.h>
#include <stdint.h>

#include <vio/vio.h>
#include <vio/vf.h>

#include "options.h"

/* As doc/vioctl.md promises them. */
enum {
	EXIT_DONE = 0,
	EXIT_FAILED = 1,      /* none of the following */
	EXIT_USAGE = 2,       /* the command line */
	EXIT_ABSENT = 3,      /* no such function, driver or folder */
	EXIT_BUSY = 4,        /* claimed, under way, or none left */
	EXIT_DENIED = 5,      /* not permitted */
	EXIT_UNSUPPORTED = 6, /* the device, its driver or the kernel cannot */
	EXIT_TIMEOUT = 7,     /* not let go in time */
	EXIT_CLAIM = 125,     /* claim -- COMMAND: of vioctl's own */
	EXIT_NOT_RUN = 126,   /* claim -- COMMAND: found, and not to be run */
	EXIT_NOT_FOUND = 127, /* claim -- COMMAND: not found */
};

/* What every command takes. */
struct common {
	const char *sysfs; /* NULL: the machine's */
	const char *dev;   /* likewise */
	const char *run;   /* NULL: the library's own */
	int is_json;
	int is_help;
};

struct vioctl {
	struct common common;
	struct vio_ctx *ctx;
	struct vio_host *host;
	uint32_t host_flags; /* for session_open(): VIO_HOST_ */
	pthread_t worker;
	int has_worker;
};

struct command {
	const char *name;
	const char *help;
	const struct option_spec *options; /* of its own */
	/* Takes what follows the options. */
	int (*run)(struct vioctl *vioctl, int argc, char **argv);
	void *values;                 /* where its own options go */
	struct vio_vf_config *config; /* takes those of a VF's settings; or NULL */
};

extern const struct command command_list;
extern const struct command command_show;
extern const struct command command_claim;
extern const struct command command_release;
extern const struct command command_configure;
extern const struct command command_pause;
extern const struct command command_resume;
extern const struct command command_resize;
extern const struct command command_recover;
extern const struct command command_watch;

/* Where leases are: that of --run, or the library's own. */
const char *run_dir(const struct vioctl *vioctl);

/*
 * Opens the context and the inventory; @event may be NULL. A thread is lent to the
 * library, so that everything that could block has a way.
 */
int session_open(struct vioctl *vioctl,
		 void (*event)(void *opaque, const struct vio_host_event *event),
		 void *opaque);

/* After a failed session_open() too. Answers @code, or what went wrong here. */
int session_close(struct vioctl *vioctl, int code);

/* An operation of the library and how it ended. */
struct pending {
	int is_done;
	int result;
	struct vio_error err;
};
#define PENDING_INIT                                                                   \
	{                                                                              \
		0, 0, VIO_ERROR_INIT                                                   \
	}

/* A vio_vf_done_fn; @opaque is a struct pending. */
void pending_end(void *opaque, int result, const struct vio_error *err);

/*
 * @ret is what the call that began it returned. Dispatches until it has ended, and
 * shows @what meanwhile on a terminal. Answers an exit code, and has complained.
 */
int pending_wait(struct vioctl *vioctl, struct pending *pending, int ret,
		 const char *what);

#endif /* VIOCTL_VIOCTL_H */
