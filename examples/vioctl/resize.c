/* SPDX-License-Identifier: MIT */
/*
 * vioctl resize: another number of VFs. The library pauses what is claimed through
 * one host, which is that of a process; so whoever holds VFs of the PF is asked to do
 * it, and where nobody does it is done here.
 */
#include <errno.h>
#include <stdio.h>

#include "ask.h"
#include "inventory.h"
#include "say.h"
#include "users.h"

static const char help[] =
	"Usage: vioctl resize PF N [--pause-held] [--timeout S] [--json]\n"
	"Makes N VFs of a PF: all of them are taken away, and N are made anew. If it\n"
	"fails, the old number is put back. VFs that nobody holds lose their settings.\n"
	"\n"
	"  --pause-held  also if VFs are claimed: they are paused, and resumed with what\n"
	"                they had. One vioctl claim must hold all of them, none beyond N\n" TIMEOUT_HELP
	"\n"
	"Programs that have a VF open are waited for, vioctl tells none to close it.\n"
	"Interrupted, it is ended by vioctl recover, with the old number or the new.\n"
	"\n"
	"Prints pf, n_vfs, paused (a count), pause_ns, kernel_ns (of the kernel's own\n"
	"work), total_ns.\n";

static struct values {
	int is_pausing;
	uint32_t timeout_s;
} values = { .timeout_s = 10 };

static const struct option_spec options[] = {
	{ .name = "pause-held",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct values, is_pausing) },
	{ .name = "timeout",
	  .kind = OPTION_NUMBER,
	  .offset = offsetof(struct values, timeout_s),
	  .min = 1,
	  .max = TIMEOUT_S_MAX },
	{ .name = NULL },
};

static void print(const struct vioctl *vioctl, const struct ask *ask,
		  const struct vio_resize_times *times)
{
	struct out out;

	out_begin(&out, vioctl->common.is_json);
	address_print(&out, "pf", &ask->to);
	out_number(&out, "n_vfs", ask->n_vfs);
	out_number(&out, "paused", times->n_paused);
	out_number(&out, "pause_ns", times->pause_ns);
	out_number(&out, "kernel_ns", times->kernel_ns);
	out_number(&out, "total_ns", times->total_ns);
	out_finish(&out);
}

static int
resize_here(struct vioctl *vioctl, const struct ask *ask, struct answer *answer)
{
	struct vio_resize_params params = VIO_RESIZE_PARAMS_INIT;
	struct pending pending = PENDING_INIT;
	int ret;

	answer->times = (struct vio_resize_times)VIO_RESIZE_TIMES_INIT;
	params.n_vfs = ask->n_vfs;
	ret = vio_host_resize(vioctl->host, &ask->to, &params, &answer->times,
			      pending_end, &pending, &pending.err);
	return pending_wait(vioctl, &pending, ret, "changing the number of VFs");
}

static int fail_held(const struct vio_vf_info *lease)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES] = "", text[160];

	vio_pci_addr_print(&lease->addr, address);
	snprintf(text, sizeof(text),
		 "%s: %.64s[%d] holds it: vioctl release, or with --pause-held it is "
		 "paused",
		 address, lease->owner, lease->pid);
	return fail(-EBUSY, text);
}

static int fail_shared(const struct vio_vf_info *a, const struct vio_vf_info *b)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES] = "", text[240];

	vio_pci_addr_print(&b->addr, address);
	snprintf(
		text, sizeof(text),
		"%s: %.64s[%d] holds it, and %.64s[%d] others of the PF: only those of "
		"one holder can be paused, release the rest",
		address, b->owner, b->pid, a->owner, a->pid);
	return fail(-EBUSY, text);
}

/* Whose VFs are to be paused, if anybody's, in *@out. An exit code. */
static int find_holder(const struct inventory *all, const struct vio_vf_info **out)
{
	*out = NULL;
	for (uint32_t i = 1; i < all->n_functions; i++) {
		const struct vio_vf_info *lease =
			lease_find(all, &all->functions[i].addr);

		/* What the dead have left is refused by the library, which says so. */
		if (!lease || !lease->is_alive)
			continue;
		if (!values.is_pausing)
			return fail_held(lease);
		if (*out && (*out)->pid != lease->pid)
			return fail_shared(*out, lease);
		*out = lease;
	}
	return EXIT_DONE;
}

static int change(struct vioctl *vioctl, struct ask *ask, const struct inventory *all,
		  struct answer *answer)
{
	const struct vio_vf_info *holder;
	int code = find_holder(all, &holder);

	/* The first is the PF. What is there already takes nothing away. */
	if (code == EXIT_DONE && all->n_functions - 1 != ask->n_vfs)
		code = users_wait(vioctl, all->functions + 1, all->n_functions - 1,
				  values.timeout_s);
	if (code != EXIT_DONE)
		return code;
	if (!holder)
		return resize_here(vioctl, ask, answer);
	ask->addr = holder->addr;
	return ask_holder(vioctl, ask, answer, "changing the number of VFs");
}

static int resize(struct vioctl *vioctl, struct ask *ask)
{
	struct inventory all;
	struct answer answer;
	int code = inventory_create(&all, vioctl, &ask->to);

	if (code == EXIT_DONE)
		code = change(vioctl, ask, &all, &answer);
	if (code == EXIT_DONE)
		print(vioctl, ask, &answer.times);
	inventory_destroy(&all);
	return code;
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct ask ask = { .kind = ASK_RESIZE, .has_to = 1 };
	int code;

	if (argc != 2 || vio_pci_addr_parse(argv[0], &ask.to) ||
	    number_parse(argv[1], 0, UINT16_MAX, &ask.n_vfs) < 0) {
		complain("resize: give a PF and a number of VFs, such as 0000:3b:00.0 "
			 "4");
		return EXIT_USAGE;
	}
	ask.timeout_s = values.timeout_s;
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = resize(vioctl, &ask);
	return session_close(vioctl, code);
}

const struct command command_resize = { "resize", help, options, run, &values, NULL };
