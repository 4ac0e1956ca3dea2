/* SPDX-License-Identifier: MIT */
/*
 * vioctl claim: VFs for a command's life. The command finds their addresses in
 * VIO_VFS; without a command they are printed and held until a signal.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "holder.h"
#include "inventory.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl claim [options] [-- COMMAND [ARGUMENT...]]\n"
	"Holds VFs while COMMAND runs, their addresses in its environment as VIO_VFS;\n"
	"without it prints them, and holds them until SIGINT or SIGTERM. Exits as COMMAND\n"
	"does; 125: claim or release failed; 126, 127: COMMAND not run, not found.\n"
	"\n"
	"  --pf ADDRESS        of this PF and no other\n"
	"  -n N                how many, all or none (1)\n"
	"  --policy pack|spread|load   which PF is preferred; load: the one with the most\n"
	"                      bandwidth left; --load MBPS: what each is promised\n"
	"  --numa NODE         preferred; --strict: required\n"
	"  --need LIST         of isolated,acs,flr,link,apart\n"
	"  --driver NAME       bound to it (vfio-pci); \"\": none\n"
	"  --tag TEXT          for others to read\n" CONFIG_HELP;

enum {
	GIVEN_PF = 1,
};

static struct values {
	uint32_t given;
	int is_strict;
	uint32_t need;
	struct vio_vf_request request;
} values = { .request = VIO_VF_REQUEST_INIT };

static struct vio_vf_config config = VIO_VF_CONFIG_INIT;

#define REQUEST(option, what, member)                                                  \
	.name = option, .kind = what, .offset = offsetof(struct values, request.member)

static const struct option_spec options[] = {
	{ REQUEST("pf", OPTION_ADDRESS, pf), .mark = GIVEN_PF,
	  .mark_at = offsetof(struct values, given) },
	{ REQUEST("n", OPTION_NUMBER, n), .letter = 'n', .min = 1,
	  .max = VIO_VF_CLAIM_MAX },
	{ REQUEST("policy", OPTION_CHOICE, policy), .choices = "pack,spread,load" },
	{ REQUEST("load", OPTION_NUMBER, load_mbps), .max = UINT32_MAX },
	{ REQUEST("numa", OPTION_SIGNED, numa_node), .max = INT32_MAX },
	{ REQUEST("driver", OPTION_TEXT, driver) },
	{ REQUEST("tag", OPTION_TEXT, tag) },
	{ .name = "strict",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct values, is_strict) },
	{ .name = "need",
	  .kind = OPTION_SET,
	  .offset = offsetof(struct values, need),
	  .choices = "isolated,acs,flr,link,apart" },
	{ .name = NULL },
};

/* In the order of the choices. */
static const uint32_t needs[] = { VIO_VF_NEED_ISOLATED, VIO_VF_NEED_ACS,
				  VIO_VF_NEED_FLR, VIO_VF_NEED_LINK, VIO_VF_APART };

static void finish_request(struct vio_vf_request *request)
{
	if (values.given & GIVEN_PF)
		request->flags |= VIO_VF_FROM_PF;
	if (values.is_strict)
		request->flags |= VIO_VF_NUMA_STRICT;
	for (uint32_t i = 0; i < sizeof(needs) / sizeof(*needs); i++)
		if (values.need & UINT32_C(1) << i)
			request->flags |= needs[i];
	config_finish(&config);
	if (config.fields)
		request->config = &config;
}

static int claim(struct holder *holder)
{
	struct vio_vf_request *request = &values.request;
	struct pending pending = PENDING_INIT;
	int ret;

	finish_request(request);
	ret = vio_vf_claim(holder->vioctl->host, request, holder->vfs, pending_end,
			   &pending, &pending.err);
	ret = pending_wait(holder->vioctl, &pending, ret, "claiming");
	if (ret == EXIT_DONE)
		holder->n_vfs = request->n;
	return ret;
}

/* "0000:01:10.0 0000:01:10.2" */
static int set_environment(const struct holder *holder)
{
	char names[VIO_VF_CLAIM_MAX * VIO_PCI_ADDR_TEXT_BYTES + 1] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < holder->n_vfs; i++) {
		struct vio_vf_info info = VIO_VF_INFO_INIT;

		vio_vf_read_info(holder->vfs[i], &info);
		if (n)
			names[n++] = ' ';
		vio_pci_addr_print(&info.addr, names + n);
		n += strlen(names + n);
	}
	return setenv("VIO_VFS", names, 1) ? complain("no memory") : 0;
}

static void print_json(const struct holder *holder)
{
	struct out out;

	out_begin(&out, 1);
	out_number(&out, "pid", (uint64_t)getpid());
	out_list(&out, "claimed");
	for (uint32_t i = 0; i < holder->n_vfs; i++) {
		struct vio_vf_info info = VIO_VF_INFO_INIT;

		vio_vf_read_info(holder->vfs[i], &info);
		out_object(&out, NULL);
		address_print(&out, "address", &info.addr);
		address_print(&out, "pf", &info.pf);
		out_number(&out, "vf_index", info.vf_index);
		out_number(&out, "generation", info.generation);
		out_end(&out);
	}
	out_end(&out);
	out_finish(&out);
}

static void print(const struct holder *holder)
{
	if (holder->vioctl->common.is_json)
		print_json(holder);
	for (uint32_t i = 0; !holder->vioctl->common.is_json && i < holder->n_vfs;
	     i++) {
		struct vio_vf_info info = VIO_VF_INFO_INIT;
		char address[VIO_PCI_ADDR_TEXT_BYTES] = "";

		vio_vf_read_info(holder->vfs[i], &info);
		vio_pci_addr_print(&info.addr, address);
		puts(address);
	}
	fflush(stdout);
	progress_show("holding, until interrupted");
}

static int hold(struct holder *holder, char **argv)
{
	int code;

	if (set_environment(holder) < 0 || holder_listen(holder) != EXIT_DONE)
		return EXIT_FAILED;
	if (!argv)
		print(holder);
	code = holder_run(holder, argv);
	progress_show("");
	return code;
}

/* With a command, its codes are taken: all of vioctl's own are one. */
static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct holder holder = { .vioctl = vioctl, .signal_fd = -1 };
	int code = holder_open_signals(&holder), own, is_run = 0;

	if (code == EXIT_DONE)
		code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = claim(&holder);
	if (code == EXIT_DONE) {
		code = hold(&holder, argc ? argv : NULL);
		is_run = 1;
	}
	own = holder_release(&holder, is_run ? EXIT_DONE : code);
	own = session_close(vioctl, own);
	if (own != EXIT_DONE)
		return argc ? EXIT_CLAIM : own;
	return code;
}

const struct command command_claim = { "claim", help, options, run, &values, &config };
