/* SPDX-License-Identifier: MIT */
/* vioctl pause: has the vioctl that holds a VF let go of it, and keep the claim. */
#include <stdio.h>

#include "ask.h"
#include "inventory.h"
#include "say.h"
#include "users.h"

static const char help[] =
	"Usage: vioctl pause ADDRESS [--timeout S] [--json]\n"
	"Has the holder of a VF let go of it and keep the claim: what its settings are is\n"
	"noted, to be set again by vioctl resume, and vioctl resize may take the VF away\n"
	"meanwhile. Nobody else gets it. The holder must be a vioctl claim.\n"
	"\n"
	"No program may have the VF open; vioctl tells none, it only waits until it has\n"
	"been closed. What is inside of the device does not survive.\n"
	"\n" TIMEOUT_HELP "\n"
	"JSON: {\"address\": ..., \"state\": \"paused\"}.\n";

static struct values {
	uint32_t timeout_s;
} values = { .timeout_s = 10 };

static const struct option_spec options[] = {
	{ .name = "timeout",
	  .kind = OPTION_NUMBER,
	  .offset = offsetof(struct values, timeout_s),
	  .min = 1,
	  .max = TIMEOUT_S_MAX },
	{ .name = NULL },
};

static void print(const struct vioctl *vioctl, const struct answer *answer)
{
	struct out out;

	if (!vioctl->common.is_json)
		return;
	out_begin(&out, 1);
	address_print(&out, "address", &answer->addr);
	out_text(&out, "state", lease_state_name(VIO_VF_PAUSED));
	out_finish(&out);
}

static int pause_vf(struct vioctl *vioctl, struct ask *ask)
{
	struct vio_pci_info vf = VIO_PCI_INFO_INIT;
	struct vio_error err = VIO_ERROR_INIT;
	struct answer answer;
	int code = vio_host_read_function(vioctl->host, &ask->addr, &vf, &err);

	if (code < 0)
		return fail(code, err.text);
	code = users_wait(vioctl, &vf, 1, values.timeout_s);
	if (code == EXIT_DONE)
		code = ask_holder(vioctl, ask, &answer, "pausing");
	if (code == EXIT_DONE)
		print(vioctl, &answer);
	return code;
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct ask ask = { .kind = ASK_PAUSE };
	int code;

	if (argc != 1 || vio_pci_addr_parse(argv[0], &ask.addr)) {
		complain("pause: give the address of a VF, see vioctl list");
		return EXIT_USAGE;
	}
	ask.timeout_s = values.timeout_s;
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = pause_vf(vioctl, &ask);
	return session_close(vioctl, code);
}

const struct command command_pause = { "pause", help, options, run, &values, NULL };
