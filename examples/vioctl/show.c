/* SPDX-License-Identifier: MIT */
/*
 * vioctl show: a function with its capabilities, or the bytes they were read from.
 * The bytes are laid out as lspci -xxxx does, so that either can be compared with
 * the other or fed to lspci -F.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "caps.h"
#include "inventory.h"
#include "names.h"
#include "say.h"

static const char help[] =
	"Usage: vioctl show ADDRESS [--raw] [--json]\n"
	"Shows all about one function: what it is, who drives and who holds it, its\n"
	"capabilities. Any PCI function will do.\n"
	"\n"
	"  --raw  its configuration space in hexadecimal, as lspci -xxxx prints it\n"
	"\n"
	"The kernel shows an ordinary user the first 64 bytes of configuration space,\n"
	"where no capability is. JSON: keys as printed; \"config\" with --raw. A capability\n"
	"that is not there is null; what is not known is null too.\n";

static struct values {
	int is_raw;
} values;

static const struct option_spec options[] = {
	{ .name = "raw",
	  .kind = OPTION_FLAG,
	  .offset = offsetof(struct values, is_raw) },
	{ .name = NULL },
};

/* What is shown of one function. */
struct view {
	struct vio_pci_info info;
	struct inventory leases;
	uint8_t config[VIO_PCI_CONFIG_BYTES];
	uint32_t n_config;
};

static void print_rows(const struct view *view)
{
	char address[VIO_PCI_ADDR_TEXT_BYTES];

	if (vio_pci_addr_print(&view->info.addr, address) > 0)
		printf("%s\n", address);
	for (uint32_t i = 0; i < view->n_config; i++) {
		if (i % 16 == 0)
			printf("%02x:", i);
		printf(" %02x%s", view->config[i],
		       i % 16 == 15 || i + 1 == view->n_config ? "\n" : "");
	}
}

static void print_config(struct out *out, const struct view *view)
{
	char text[2 * VIO_PCI_CONFIG_BYTES + 1] = "";

	for (uint32_t i = 0; i < view->n_config; i++)
		snprintf(text + 2 * i, 3, "%02x", view->config[i]);
	out_text(out, "config", text);
}

static int print(struct vioctl *vioctl, const struct view *view)
{
	struct out out;
	int ret;

	if (values.is_raw && !vioctl->common.is_json) {
		print_rows(view);
		return 0;
	}
	out_begin(&out, vioctl->common.is_json);
	name_print(&out, &view->info);
	function_print(&out, &view->info, lease_find(&view->leases, &view->info.addr));
	ret = caps_print(&out, view->config, view->n_config);
	if (values.is_raw)
		print_config(&out, view);
	out_finish(&out);
	return ret;
}

static int
read_view(struct vioctl *vioctl, const struct vio_pci_addr *addr, struct view *view)
{
	struct vio_error err = VIO_ERROR_INIT;
	int ret = vio_host_read_function(vioctl->host, addr, &view->info, &err);

	if (ret < 0)
		return fail(ret, err.text);
	ret = vio_host_read_config(vioctl->host, addr, view->config,
				   sizeof(view->config), &err);
	if (ret < 0)
		return fail(ret, err.text);
	view->n_config = (uint32_t)ret;
	return leases_create(&view->leases, vioctl);
}

static int show(struct vioctl *vioctl, const struct vio_pci_addr *addr)
{
	static struct view view = { .info = VIO_PCI_INFO_INIT };
	char address[VIO_PCI_ADDR_TEXT_BYTES] = "";
	int code = read_view(vioctl, addr, &view);

	/* The function is shown all the same; only its capabilities are not. */
	if (code == EXIT_DONE && print(vioctl, &view) < 0) {
		vio_pci_addr_print(addr, address);
		complain("%s: its list of capabilities loops or leads outside",
			 address);
		code = EXIT_FAILED;
	}
	inventory_destroy(&view.leases);
	return code;
}

static int run(struct vioctl *vioctl, int argc, char **argv)
{
	struct vio_pci_addr addr;
	int code;

	if (argc != 1 || vio_pci_addr_parse(argv[0], &addr)) {
		complain("show: give one address such as 0000:3b:00.1");
		return EXIT_USAGE;
	}
	/* Who looks at a function may wait for it. */
	vioctl->host_flags = VIO_HOST_OVERRIDE;
	code = session_open(vioctl, NULL, NULL);
	if (code == EXIT_DONE)
		code = show(vioctl, &addr);
	return session_close(vioctl, code);
}

const struct command command_show = { "show", help, options, run, &values, NULL };
