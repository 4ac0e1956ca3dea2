/* SPDX-License-Identifier: MIT */
/* vioctl configure: has the vioctl that holds a VF set what it may do. */
#include <stdio.h>

#include "ask.h"
#include "config.h"
#include "inventory.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl configure ADDRESS SETTING... [--json]\n"
	"Sets what a claimed VF may do, all or nothing: each is read back, and all are\n"
	"put back if one fails. A vioctl must hold the VF; its release restores what was.\n"
	"\n" CONFIG_HELP "\n"
	"Most network drivers take a MAC and a VLAN; which take the rest, they tell when\n"
	"asked. JSON: {\"address\": ..., \"applied\": [fields]}.\n";

static struct vio_vf_config config = VIO_VF_CONFIG_INIT;

static void
print(const struct vioctl *vioctl, const struct ask *ask, const struct answer *answer)
{
	struct out out;

	if (!vioctl->common.is_json)
		return;
	out_begin(&out, 1);
	address_print(&out, "address", &ask->addr);
	fields_print(&out, "applied", answer->report.applied);
	out_finish(&out);
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct ask ask = { .kind = ASK_CONFIGURE };
	struct answer answer;
	int code;

	if (argc != 1 || vio_pci_addr_parse(argv[0], &ask.addr) || !config.fields) {
		complain(
			"configure: give the address of a VF and a setting, see --help");
		return EXIT_USAGE;
	}
	config_finish(&config);
	ask.config = config;
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = ask_holder(vioctl, &ask, &answer, "configuring");
	if (code == EXIT_DONE)
		print(vioctl, &ask, &answer);
	return session_close(vioctl, code);
}

const struct command command_configure = {
	"configure", help, NULL, run, NULL, &config
};
