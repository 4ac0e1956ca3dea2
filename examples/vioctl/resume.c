/* SPDX-License-Identifier: MIT */
/* vioctl resume: has the vioctl that holds a paused VF go on with it. */
#include <stdio.h>

#include "ask.h"
#include "inventory.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl resume ADDRESS [--to ADDRESS] [--json]\n"
	"Has the holder of a paused VF go on: its driver is bound and its settings are\n"
	"what they were. Whoever uses the VF opens it anew, and starts its device anew.\n"
	"\n"
	"  --to ADDRESS  as another VF, which must be free and alike: vendor, device,\n"
	"                class and sizes of BARs; what it was is given back\n"
	"\n"
	"Without it, its number among the VFs of its PF counts: the address may be\n"
	"another, see vioctl list. JSON: {\"address\": ..., \"state\": \"held\"}.\n";

enum {
	GIVEN_TO = 1,
};

static struct values {
	uint32_t given;
	struct vio_pci_addr to;
} values;

static const struct option_spec options[] = {
	{ .name = "to",
	  .kind = OPTION_ADDRESS,
	  .offset = offsetof(struct values, to),
	  .mark = GIVEN_TO,
	  .mark_at = offsetof(struct values, given) },
	{ .name = NULL },
};

static void print(const struct vioctl *vioctl, const struct answer *answer)
{
	struct out out;

	if (!vioctl->common.is_json)
		return;
	out_begin(&out, 1);
	address_print(&out, "address", &answer->addr);
	out_text(&out, "state", lease_state_name(VIO_VF_HELD));
	out_finish(&out);
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct ask ask = { .kind = ASK_RESUME };
	struct answer answer;
	int code;

	if (argc != 1 || vio_pci_addr_parse(argv[0], &ask.addr)) {
		complain("resume: give the address of a paused VF, see vioctl list");
		return EXIT_USAGE;
	}
	ask.has_to = values.given & GIVEN_TO;
	ask.to = values.to;
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = ask_holder(vioctl, &ask, &answer, "resuming");
	if (code == EXIT_DONE)
		print(vioctl, &answer);
	return session_close(vioctl, code);
}

const struct command command_resume = { "resume", help, options, run, &values, NULL };
