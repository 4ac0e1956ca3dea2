/* SPDX-License-Identifier: MIT */
/*
 * A context and an inventory for one command. The one thread beside the main one
 * does what can block in the kernel; the main thread only ever waits in poll().
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "say.h"
#include "vioctl.h"

#define DISPATCH_MAX 64
#define TICK_MS      200
/* A worker that the kernel does not let go is left behind after this. */
#define JOIN_S 2

const char *run_dir(const struct vioctl *vioctl)
{
	return vioctl->common.run ? vioctl->common.run : "/run/libvio";
}

static void
log_line(void *opaque, uint32_t level, const char *subsystem, const char *text)
{
	(void)opaque;
	(void)level;
	progress_show("");
	fprintf(stderr, "vioctl: %s: %s\n", subsystem, text);
}

static void *lend_thread(void *opaque)
{
	vio_ctx_work(opaque);
	return NULL;
}

/* Signals are the main thread's. */
static int start_worker(struct vioctl *vioctl)
{
	sigset_t all, before;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	ret = pthread_create(&vioctl->worker, NULL, lend_thread, vioctl->ctx);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (ret)
		return fail(-ret, "no thread to lend to the library");
	vioctl->has_worker = 1;
	return EXIT_DONE;
}

int session_open(struct vioctl *vioctl,
		 void (*event)(void *opaque, const struct vio_host_event *event),
		 void *opaque)
{
	struct vio_ctx_params ctx_params = VIO_CTX_PARAMS_INIT;
	struct vio_host_params params = VIO_HOST_PARAMS_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	ctx_params.flags = VIO_CTX_LENDS_THREAD;
	ctx_params.log = log_line;
	ret = vio_ctx_create(&ctx_params, &vioctl->ctx, &err);
	if (ret < 0)
		return fail(ret, err.text);
	params.flags = vioctl->host_flags;
	params.sysfs_root = vioctl->common.sysfs;
	params.dev_root = vioctl->common.dev;
	params.run_dir = run_dir(vioctl);
	params.owner = "vioctl";
	params.event = event;
	params.opaque = opaque;
	ret = vio_host_open(vioctl->ctx, &params, &vioctl->host, &err);
	if (ret < 0)
		return fail(ret, err.text);
	return start_worker(vioctl);
}

static int stop_worker(struct vioctl *vioctl)
{
	struct timespec until;

	if (!vioctl->has_worker)
		return 0;
	vio_ctx_abort_work(vioctl->ctx);
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += JOIN_S;
	return pthread_timedjoin_np(vioctl->worker, NULL, &until);
}

int session_close(struct vioctl *vioctl, int code)
{
	struct vio_error err = VIO_ERROR_INIT;
	const int ret = vio_host_close(vioctl->host, &err);

	if (ret < 0 && code == EXIT_DONE)
		code = fail(ret, err.text);
	/* What is stuck in the kernel goes with the process, the journal covers it. */
	if (ret < 0 || stop_worker(vioctl))
		return code;
	vio_ctx_destroy(vioctl->ctx, NULL);
	return code;
}

void pending_end(void *opaque, int result, const struct vio_error *err)
{
	struct pending *pending = opaque;

	pending->is_done = 1;
	pending->result = result;
	if (err)
		pending->err = *err;
}

static void show_seconds(const char *what, uint32_t n_ticks)
{
	char line[128];

	/* What is quick is not worth a line that flickers. */
	if (n_ticks < 2)
		return;
	snprintf(line, sizeof(line), "%s ... %u s", what, n_ticks * TICK_MS / 1000);
	progress_show(line);
}

int pending_wait(struct vioctl *vioctl, struct pending *pending, int ret,
		 const char *what)
{
	struct pollfd fd = { .fd = vio_ctx_get_fd(vioctl->ctx), .events = POLLIN };
	uint32_t n_ticks = 0;

	if (ret < 0)
		return fail(ret, pending->err.text);
	while (!pending->is_done) {
		if (!poll(&fd, 1, TICK_MS))
			show_seconds(what, ++n_ticks);
		vio_ctx_dispatch(vioctl->ctx, DISPATCH_MAX);
	}
	progress_show("");
	return pending->result < 0 ? fail(pending->result, pending->err.text)
				   : EXIT_DONE;
}
