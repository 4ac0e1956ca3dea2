/* SPDX-License-Identifier: MIT */
/* vioctl release: has the vioctl that holds VFs give them back. */
#include <stdio.h>

#include "ask.h"
#include "inventory.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl release ADDRESS... [--json]\n"
	"Has the holder of each VF give it back, and waits until it has. The holder must\n"
	"be a vioctl claim without a command: one with a command ends with that. Any\n"
	"other program releases by its own means; after its death see vioctl recover.\n"
	"\n"
	"The first that fails ends it. JSON: {\"released\": [addresses]}.\n";

/* How many were released; the exit code of the last in @code. */
static int release_all(struct vioctl *vioctl, int argc, char **argv, int *code)
{
	int n = 0;

	*code = EXIT_DONE;
	for (; n < argc; n++) {
		struct ask ask = { .kind = ASK_RELEASE };
		struct answer answer;

		if (vio_pci_addr_parse(argv[n], &ask.addr)) {
			complain("release: %s: give an address such as 0000:3b:00.1",
				 argv[n]);
			*code = EXIT_USAGE;
			break;
		}
		*code = ask_holder(vioctl, &ask, &answer, "releasing");
		if (*code != EXIT_DONE)
			break;
	}
	return n;
}

static void print(const struct vioctl *vioctl, char **argv, int n)
{
	struct out out;

	if (!vioctl->common.is_json || !n)
		return;
	out_begin(&out, 1);
	out_list(&out, "released");
	for (int i = 0; i < n; i++)
		out_text(&out, NULL, argv[i]);
	out_end(&out);
	out_finish(&out);
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	int code;

	if (!argc) {
		complain("release: give the addresses of VFs, see vioctl list");
		return EXIT_USAGE;
	}
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		print(vioctl, argv, release_all(vioctl, argc, argv, &code));
	return session_close(vioctl, code);
}

const struct command command_release = { "release", help, NULL, run, NULL, NULL };
