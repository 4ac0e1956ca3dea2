/* SPDX-License-Identifier: MIT */
/* vioctl list: a line per function, each PF before its VFs. */
#include <stdio.h>
#include <string.h>

#include "inventory.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl list [--pf ADDRESS] [--free] [--json]\n"
	"Lists the functions that can make VFs, and under each its VFs.\n"
	"\n"
	"  --pf ADDRESS  of this one alone\n"
	"  --free        only VFs that nobody holds\n"
	"\n"
	"VFS is the number there are, of how many there can be. TRAITS: isolated (alone\n"
	"in its IOMMU group), acs (on the whole path), flr (can be reset alone), up (its\n"
	"network link). HOLDER is owner[pid] and the tag; dead: see vioctl recover.\n"
	"JSON: {\"functions\": [...]}, each as vioctl show has it.\n";

enum {
	GIVEN_PF = 1,
};

static struct values {
	uint32_t given;
	int is_free;
	struct vio_pci_addr pf;
} values;

static const struct option_spec options[] = {
	{ .name = "pf",
	  .kind = OPTION_ADDRESS,
	  .offset = offsetof(struct values, pf),
	  .mark = GIVEN_PF,
	  .mark_at = offsetof(struct values, given) },
	{ .name = "free",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct values, is_free) },
	{ .name = NULL },
};

static void print_id(char *buf, size_t n, int64_t id)
{
	if (id < 0)
		snprintf(buf, n, "-");
	else
		snprintf(buf, n, "%lld", (long long)id);
}

static void print_traits(char *buf, size_t n, const struct vio_pci_info *info)
{
	snprintf(buf, n, "%s%s%s%s", info->flags & VIO_PCI_ISOLATED ? " isolated" : "",
		 info->flags & VIO_PCI_ACS_PATH ? " acs" : "",
		 info->reset_methods & VIO_PCI_RESET_FLR ? " flr" : "",
		 info->flags & VIO_PCI_LINK_UP ? " up" : "");
}

static void print_holder(char *buf, size_t n, const struct vio_vf_info *lease)
{
	if (!lease)
		snprintf(buf, n, "-");
	else
		snprintf(buf, n, "%s[%d]%s%s%s%s", lease->owner, lease->pid,
			 *lease->tag ? " " : "", lease->tag,
			 lease->state == VIO_VF_PAUSED ? " paused" : "",
			 lease->is_alive ? "" : " dead");
	for (; *buf; buf++)
		if (*buf < ' ' || *buf > '~')
			*buf = '?';
}

static void print_line(const struct vio_pci_info *info, const struct vio_vf_info *lease)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES], numa[16], group[16], traits[40];
	char vfs[24] = "-", holder[180] = "";
	const int is_vf = !!(info->flags & VIO_PCI_IS_VF);

	if (vio_pci_addr_print(&info->addr, address) < 0)
		return;
	print_id(numa, sizeof(numa), info->numa_node);
	print_id(group, sizeof(group), info->iommu_group);
	print_traits(traits, sizeof(traits), info);
	if (info->flags & VIO_PCI_IS_PF)
		snprintf(vfs, sizeof(vfs), "%u/%u", info->n_vfs, info->total_vfs);
	if (is_vf)
		print_holder(holder, sizeof(holder), lease);
	printf("%s%-*s %-10s %4s %5s %6s  %-20s %s\n", is_vf ? "  " : "",
	       is_vf ? 13 : 15, address, *info->driver ? info->driver : "-", numa,
	       group, vfs, *traits ? traits + 1 : "-", holder);
}

static int is_wanted(const struct inventory *inventory, const struct vio_pci_info *info)
{
	if (!values.is_free)
		return 1;
	return info->flags & VIO_PCI_IS_VF && !lease_find(inventory, &info->addr);
}

static void print_table(const struct inventory *inventory)
{
	printf("%s%-15s %-10s %4s %5s %6s  %-20s %s%s\n", dim_begin(), "FUNCTION",
	       "DRIVER", "NUMA", "GROUP", "VFS", "TRAITS", "HOLDER", dim_end());
	for (uint32_t i = 0; i < inventory->n_functions; i++) {
		const struct vio_pci_info *info = &inventory->functions[i];

		if (is_wanted(inventory, info))
			print_line(info, lease_find(inventory, &info->addr));
	}
}

static void print_json(const struct inventory *inventory)
{
	struct out out;

	out_begin(&out, 1);
	out_list(&out, "functions");
	for (uint32_t i = 0; i < inventory->n_functions; i++) {
		const struct vio_pci_info *info = &inventory->functions[i];

		if (!is_wanted(inventory, info))
			continue;
		out_object(&out, NULL);
		function_print(&out, info, lease_find(inventory, &info->addr));
		out_end(&out);
	}
	out_end(&out);
	out_finish(&out);
}

static int list(struct vioctl *vioctl)
{
	struct inventory inventory;
	const int code = inventory_create(&inventory, vioctl,
					  values.given & GIVEN_PF ? &values.pf : NULL);

	if (code == EXIT_DONE && vioctl->common.is_json)
		print_json(&inventory);
	else if (code == EXIT_DONE)
		print_table(&inventory);
	inventory_destroy(&inventory);
	return code;
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	int code;

	if (argc) {
		complain("list: %s: it takes options alone, see --help", argv[0]);
		return EXIT_USAGE;
	}
	/* Who looks at a function may wait for it. */
	vioctl->host_flags = VIO_HOST_OVERRIDE;
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = list(vioctl);
	return session_close(vioctl, code);
}

const struct command command_list = { "list", help, options, run, &values, NULL };
