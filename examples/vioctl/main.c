/* SPDX-License-Identifier: MIT */
/*
 * vioctl: the machine's virtual functions from a shell. Each command is a file of
 * its own; what they share is vioctl.h. Options that all take may stand before or
 * after the command.
 */
#include <stdio.h>
#include <string.h>

#include "config.h"
#include "say.h"
#include "vioctl.h"

static const char help[] =
	"Usage: vioctl [options] COMMAND [...]\n"
	"Lists, claims and configures the virtual functions (VFs) of this machine.\n"
	"\n"
	"  list       functions that can make VFs, their VFs, and who holds them\n"
	"  show       all about one function\n"
	"  claim      hold VFs while a command runs, or until a signal\n"
	"  release    have their holder give VFs back\n"
	"  configure  set what a claimed VF may do: MAC, VLAN, rate, ...\n"
	"  pause      have a holder let go of a VF and keep the claim\n"
	"  resume     have it go on, here or as another VF\n"
	"  resize     change the number of VFs, also under those that are claimed\n"
	"  recover    undo what dead holders left behind\n"
	"  watch      print what happens to functions\n"
	"\n"
	"  --json       results as JSON\n"
	"  --run DIR    where leases are kept (/run/libvio)\n"
	"  --sysfs DIR  instead of /sys\n"
	"  --dev DIR    instead of /dev\n"
	"  --help       print this, or with a COMMAND what it takes\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 2 usage, 3 not there, 4 busy or none left,\n"
	"5 not permitted, 6 not supported, 7 too late.\n";

static const struct command *const commands[] = {
	&command_list,      &command_show,  &command_claim,  &command_release,
	&command_configure, &command_pause, &command_resume, &command_resize,
	&command_recover,   &command_watch,
};

static const struct option_spec common_options[] = {
	{ .name = "json",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct common, is_json) },
	{ .name = "help",
	  .letter = 'h',
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct common, is_help) },
	{ .name = "run", .kind = OPTION_TEXT, .offset = offsetof(struct common, run) },
	{ .name = "sysfs",
	  .kind = OPTION_TEXT,
	  .offset = offsetof(struct common, sysfs) },
	{ .name = "dev", .kind = OPTION_TEXT, .offset = offsetof(struct common, dev) },
	{ .name = NULL },
};

static const struct command *command_find(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		if (!strcmp(commands[i]->name, name))
			return commands[i];
	return NULL;
}

static int
run(struct vioctl *vioctl, const struct command *command, int argc, char **argv)
{
	const struct option_table tables[] = {
		{ common_options, &vioctl->common },
		{ command->options, command->values },
		{ command->config ? config_options : NULL, command->config },
	};
	/* What follows the words of claim is another program's. */
	const int n = options_parse(tables, 3, command == &command_claim, argc, argv);
	int code;

	if (n < 0)
		return EXIT_USAGE;
	if (vioctl->common.is_help) {
		fputs(command->help, stdout);
		return EXIT_DONE;
	}
	if (vioctl->common.is_json)
		say_json();
	code = command->run(vioctl, n, argv);
	if (fflush(stdout) && code == EXIT_DONE) {
		complain("the output cannot be written");
		code = EXIT_FAILED;
	}
	return code;
}

int main(int argc, char **argv)
{
	struct vioctl vioctl = { 0 };
	const struct option_table table = { common_options, &vioctl.common };
	const int n = options_parse(&table, 1, 1, argc - 1, argv + 1);
	const struct command *command;

	if (n < 0)
		return EXIT_USAGE;
	if (!n) {
		fputs(help, vioctl.common.is_help ? stdout : stderr);
		return vioctl.common.is_help ? EXIT_DONE : EXIT_USAGE;
	}
	command = command_find(argv[1]);
	if (!command) {
		complain("%s: no such command, see --help", argv[1]);
		return EXIT_USAGE;
	}
	return run(&vioctl, command, n - 1, argv + 2);
}
