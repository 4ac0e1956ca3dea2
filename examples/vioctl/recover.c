/* SPDX-License-Identifier: MIT */
/* vioctl recover: undoes what dead holders left behind. */
#include <stdio.h>

#include "out.h"
#include "say.h"
#include "vioctl.h"

static const char help[] =
	"Usage: vioctl recover [--json]\n"
	"Undoes the leases of holders that ended without a release: settings, driver and\n"
	"driver_override as they were, newest change first. Leases of the living are left\n"
	"alone. A journal that is corrupt or of another version is kept, and its VF with\n"
	"it, until a person removes the file in the vf folder of --run.\n"
	"\n"
	"Exits with 1 if some were kept. JSON: undone, alive, unknown, failed.\n";

static void print(const struct vioctl *vioctl, const struct vio_vf_recovery *recovery)
{
	struct out out;

	out_begin(&out, vioctl->common.is_json);
	out_number(&out, "undone", recovery->n_undone);
	out_number(&out, "alive", recovery->n_alive);
	out_number(&out, "unknown", recovery->n_unknown);
	out_number(&out, "failed", recovery->n_failed);
	out_finish(&out);
}

static int recover(struct vioctl *vioctl)
{
	struct vio_vf_recovery recovery = VIO_VF_RECOVERY_INIT;
	struct pending pending = PENDING_INIT;
	int ret = vio_host_recover(vioctl->host, &recovery, pending_end, &pending,
				   &pending.err);

	ret = pending_wait(vioctl, &pending, ret, "recovering");
	if (ret != EXIT_DONE)
		return ret;
	print(vioctl, &recovery);
	return recovery.n_unknown || recovery.n_failed ? EXIT_FAILED : EXIT_DONE;
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	int code;

	if (argc) {
		complain("recover: %s: it takes nothing, see --help", argv[0]);
		return EXIT_USAGE;
	}
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = recover(vioctl);
	return session_close(vioctl, code);
}

const struct command command_recover = { "recover", help, NULL, run, NULL, NULL };
