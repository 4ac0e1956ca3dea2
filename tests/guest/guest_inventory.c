/* SPDX-License-Identifier: MIT */
/*
 * Every function of the machine, as the library reads it and as lspci does: the
 * bytes of configuration space, and each field that is decoded from them. What is
 * expected comes from lspci's text alone; a capability that it does not name must
 * not be found by the library either.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <vio/ctx.h>
#include <vio/host.h>
#include <vio/pci.h>

#include "guest.h"

#define DEVICES_MAX 32
#define TEXT_BYTES  65536
#define FLAGS_MAX   8

static struct vio_ctx *ctx;
static struct vio_host *host;
static char names[DEVICES_MAX][VIO_PCI_ADDR_TEXT_BYTES];
static uint32_t n_names;
static char text[TEXT_BYTES];

static void read_output(const char *command, char *out)
{
	FILE *file = popen(command, "re");
	size_t n;

	assert_non_null(file);
	n = fread(out, 1, TEXT_BYTES - 1, file);
	out[n] = '\0';
	assert_true(n < TEXT_BYTES - 1);
	assert_int_equal(pclose(file), 0);
}

static void run_lspci(const char *options, const char *name)
{
	char command[128];

	snprintf(command, sizeof(command), "/bin/lspci -n %s -s %s", options, name);
	read_output(command, text);
}

static uint32_t read_config(const char *name, uint8_t *out)
{
	struct vio_pci_addr addr;
	int n;

	assert_int_equal(vio_pci_addr_parse(name, &addr), 0);
	n = vio_host_read_config(host, &addr, out, VIO_PCI_CONFIG_BYTES, NULL);
	assert_true(n == 256 || n == VIO_PCI_CONFIG_BYTES);
	return (uint32_t)n;
}

/* One capability of lspci's text: where it is, and what it says up to the next. */
struct cap {
	uint32_t offset; /* 0: there is none */
	char body[4096];
};

static void find_cap(const char *title, struct cap *out)
{
	static const char head[] = "Capabilities: [";
	const char *at = text, *end;

	memset(out, 0, sizeof(*out));
	while ((at = strstr(at, head))) {
		const uint32_t offset = (uint32_t)strtoul(at += strlen(head), NULL, 16);

		at = strstr(at, "] ") + 2;
		if (strncmp(at, title, strlen(title)) != 0)
			continue;
		end = strstr(at, head);
		out->offset = offset;
		snprintf(out->body, sizeof(out->body), "%.*s",
			 end ? (int)(end - at) : (int)strlen(at), at);
		return;
	}
}

static uint32_t find_offset(const char *title)
{
	struct cap cap;

	find_cap(title, &cap);
	return cap.offset;
}

/* What follows @key, on the line of @label or below it. */
static const char *find_text(const struct cap *cap, const char *label, const char *key)
{
	const char *at = strstr(cap->body, label);

	at = at ? strstr(at, key) : NULL;
	if (!at) {
		fail_msg("lspci has no %s %s in: %s", label, key, cap->body);
		abort(); /* which compilers do not know of it */
	}
	return at + strlen(key);
}

static uint32_t
read_number(const struct cap *cap, const char *label, const char *key, int base)
{
	return (uint32_t)strtoul(find_text(cap, label, key), NULL, base);
}

/* A bit for each name that has a + behind it, the first is bit 0; "": no name. */
static uint32_t
read_flags(const struct cap *cap, const char *label, const char *const *flags)
{
	uint32_t bits = 0;

	for (uint32_t i = 0; i < FLAGS_MAX && flags[i]; i++)
		if (flags[i][0] && *find_text(cap, label, flags[i]) == '+')
			bits |= 1u << i;
	return bits;
}

static uint32_t read_speed(const struct cap *cap, const char *label)
{
	static const char *const speeds[] = { "2.5GT/s", "5GT/s",  "8GT/s",
					      "16GT/s",  "32GT/s", "64GT/s" };
	const char *at = find_text(cap, label, "Speed ");

	for (uint32_t i = 0; i < sizeof(speeds) / sizeof(speeds[0]); i++)
		if (!strncmp(at, speeds[i], strlen(speeds[i])))
			return i + 1;
	fail_msg("an unknown speed: %.16s", at);
	return 0;
}

static uint32_t read_type(const struct cap *cap)
{
	static const char *const types[] = {
		"Endpoint",
		"Legacy Endpoint",
		NULL,
		NULL,
		"Root Port",
		"Upstream Port",
		"Downstream Port",
		"PCI-Express to PCI/PCI-X Bridge",
		"PCI/PCI-X to PCI-Express Bridge",
		"Root Complex Integrated Endpoint",
		"Root Complex Event Collector",
	};
	const char *at = find_text(cap, "Express (v", ") ");

	for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (types[i] && !strncmp(at, types[i], strlen(types[i])))
			return i;
	fail_msg("an unknown type: %.32s", at);
	return 0;
}

static void expect_express(struct vio_pci_caps *caps)
{
	struct cap cap;

	find_cap("Express", &cap);
	caps->pcie_offset = cap.offset;
	if (!cap.offset)
		return;
	caps->pcie_type = read_type(&cap);
	caps->has_flr = strstr(cap.body, "FLReset+ SlotPowerLimit") != NULL;
	caps->max_payload_bytes = read_number(&cap, "DevCtl:", "MaxPayload ", 10);
	if (!strstr(cap.body, "LnkCap:"))
		return;
	caps->link_speed_max = read_speed(&cap, "LnkCap:");
	caps->link_width_max = read_number(&cap, "LnkCap:", "Width x", 10);
	caps->link_speed = read_speed(&cap, "LnkSta:");
	caps->link_width = read_number(&cap, "LnkSta:", "Width x", 10);
}

static void expect_interrupts(struct vio_pci_caps *caps)
{
	struct cap cap;

	find_cap("MSI-X:", &cap);
	caps->msix_offset = cap.offset;
	if (cap.offset) {
		caps->n_msix = read_number(&cap, "MSI-X:", "Count=", 10);
		caps->msix_table_bar = read_number(&cap, "Vector table:", "BAR=", 10);
		caps->msix_table_offset =
			read_number(&cap, "Vector table:", "offset=", 16);
		caps->msix_pba_bar = read_number(&cap, "PBA:", "BAR=", 10);
		caps->msix_pba_offset = read_number(&cap, "PBA:", "offset=", 16);
	}
	find_cap("MSI:", &cap);
	caps->msi_offset = cap.offset;
	/* Enabled and possible. */
	if (cap.offset)
		caps->n_msi = read_number(&cap, "Count=", "/", 10);
}

static void expect_isolation(struct vio_pci_caps *caps)
{
	static const char *const flags[FLAGS_MAX] = { "SrcValid",    "TransBlk",
						      "ReqRedir",    "CmpltRedir",
						      "UpstreamFwd", "EgressCtrl",
						      "DirectTrans" };
	struct cap cap;

	find_cap("Access Control Services", &cap);
	caps->acs_offset = cap.offset;
	if (cap.offset) {
		caps->acs_capabilities = read_flags(&cap, "ACSCap:", flags);
		caps->acs_control = read_flags(&cap, "ACSCtl:", flags);
	}
	find_cap("Alternative Routing-ID Interpretation", &cap);
	caps->ari_offset = cap.offset;
	if (cap.offset)
		caps->ari_next_function =
			read_number(&cap, "ARICap:", "Next Function: ", 10);
}

static struct vio_pci_caps expect_caps(void)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	struct cap cap;

	expect_express(&caps);
	expect_interrupts(&caps);
	expect_isolation(&caps);
	find_cap("PCI Advanced Features", &cap);
	if (cap.offset && strstr(cap.body, "FLR+"))
		caps.has_flr = 1;
	caps.ats_offset = find_offset("Address Translation Service");
	caps.aer_offset = find_offset("Advanced Error Reporting");
	caps.sriov_offset = find_offset("Single Root I/O Virtualization");
	caps.pm_offset = find_offset("Power Management");
	return caps;
}

/* "Region 0: Memory at 00000000fea00000 (64-bit, prefetchable)". */
static void expect_bars(const struct cap *cap, struct vio_sriov *sriov)
{
	const char *at = cap->body;

	while ((at = strstr(at, "Region "))) {
		struct vio_pci_bar *bar;
		char width[16], fetch[32];
		unsigned long long address;
		uint32_t i;

		assert_int_equal(sscanf(at,
					"Region %u: Memory at %llx (%15[^,], %31[^)])",
					&i, &address, width, fetch),
				 4);
		assert_true(i < 6);
		bar = &sriov->vf_bars[i];
		bar->is_present = 1;
		bar->address = address;
		bar->is_64bit = !strcmp(width, "64-bit");
		bar->is_prefetchable = !strcmp(fetch, "prefetchable");
		at++;
	}
}

static void expect_sriov(const struct cap *cap, struct vio_sriov *sriov)
{
	static const char *const capabilities[FLAGS_MAX] = { "Migration", "",
							     "10BitTagReq" };
	static const char *const control[FLAGS_MAX] = { "Enable",       "Migration",
							"Interrupt",    "MSE",
							"ARIHierarchy", "10BitTagReq" };
	static const char *const status[FLAGS_MAX] = { "Migration" };

	sriov->offset = cap->offset;
	sriov->capabilities = read_flags(cap, "IOVCap:", capabilities) |
			      read_number(cap, "IOVCap:", "Message Number: ", 16) << 21;
	sriov->control = read_flags(cap, "IOVCtl:", control);
	sriov->is_ari = sriov->control >> 4 & 1;
	sriov->status = read_flags(cap, "IOVSta:", status);
	sriov->initial_vfs = read_number(cap, "Initial VFs", ": ", 10);
	sriov->total_vfs = read_number(cap, "Total VFs", ": ", 10);
	sriov->n_vfs = read_number(cap, "Number of VFs", ": ", 10);
	sriov->dependency_link = read_number(cap, "Dependency Link", ": ", 16);
	sriov->first_vf_offset = read_number(cap, "VF offset", ": ", 10);
	sriov->vf_stride = read_number(cap, "VF offset", "stride: ", 10);
	sriov->vf_device_id = read_number(cap, "VF offset", "Device ID: ", 16);
	sriov->supported_page_sizes = read_number(cap, "Supported Page Size", ": ", 16);
	sriov->system_page_size = read_number(cap, "System Page Size", ": ", 16);
	sriov->migration_offset = read_number(cap, "VF Migration", "offset: ", 16) |
				  read_number(cap, "VF Migration", "BIR: ", 16);
	expect_bars(cap, sriov);
}

/* Each field is 32 bits wide, so that the position names it. */
static void
compare_fields(const char *name, const void *found, const void *expected, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += sizeof(uint32_t)) {
		uint32_t a, b;

		memcpy(&a, (const char *)found + i, sizeof(a));
		memcpy(&b, (const char *)expected + i, sizeof(b));
		if (a != b)
			fail_msg("%s: field at byte %zu is 0x%x, lspci says 0x%x", name,
				 i, a, b);
	}
}

static void compare_caps(const char *name)
{
	struct vio_pci_caps caps = VIO_PCI_CAPS_INIT;
	const struct vio_pci_caps expected = expect_caps();
	uint8_t config[VIO_PCI_CONFIG_BYTES];
	const uint32_t n = read_config(name, config);

	assert_int_equal(vio_pci_caps_parse(config, n, &caps), 0);
	/* The size of the egress vector is not in the text. */
	caps.acs_capabilities &= 0x7f;
	compare_fields(name, &caps, &expected, sizeof(caps));
}

/* Whether it has the capability. */
static int compare_sriov(const char *name)
{
	struct vio_sriov sriov = VIO_SRIOV_INIT, expected = VIO_SRIOV_INIT;
	uint8_t config[VIO_PCI_CONFIG_BYTES];
	const uint32_t n = read_config(name, config);
	struct cap cap;

	find_cap("Single Root I/O Virtualization", &cap);
	if (!cap.offset) {
		assert_int_equal(vio_sriov_parse(config, n, &sriov), -ENOENT);
		return 0;
	}
	expect_sriov(&cap, &expected);
	assert_int_equal(vio_sriov_parse(config, n, &sriov), 0);
	compare_fields(name, &sriov, &expected, sizeof(sriov));
	return 1;
}

/* "10: 00 00 ...": the bytes that a line of the dump has. */
static uint32_t parse_dump(uint8_t *out)
{
	uint32_t n = 0;

	for (char *line = strchr(text, '\n'); line && line[1];
	     line = strchr(line, '\n')) {
		char *at = line + 1;

		if (strtoul(at, &at, 16) != n || *at++ != ':')
			break;
		for (uint32_t i = 0; i < 16; i++)
			out[n++] = (uint8_t)strtoul(at, &at, 16);
		line = at;
		if (n == VIO_PCI_CONFIG_BYTES)
			break;
	}
	return n;
}

static void every_byte_is_the_one_that_lspci_dumps(void **state)
{
	uint8_t config[VIO_PCI_CONFIG_BYTES], dump[VIO_PCI_CONFIG_BYTES];

	(void)state;
	for (uint32_t i = 0; i < n_names; i++) {
		const uint32_t n = read_config(names[i], config);

		run_lspci("-xxxx", names[i]);
		assert_int_equal(parse_dump(dump), n);
		for (uint32_t at = 0; at < n; at++)
			if (config[at] != dump[at])
				fail_msg("%s: byte 0x%x is 0x%x, not 0x%x", names[i],
					 at, config[at], dump[at]);
	}
}

static void every_capability_says_what_lspci_says(void **state)
{
	(void)state;
	for (uint32_t i = 0; i < n_names; i++) {
		run_lspci("-vvv", names[i]);
		compare_caps(names[i]);
	}
	print_message("%u functions\n", n_names);
}

static void every_sriov_capability_says_what_lspci_says(void **state)
{
	uint32_t n = 0;

	(void)state;
	for (uint32_t i = 0; i < n_names; i++) {
		run_lspci("-vvv", names[i]);
		n += (uint32_t)compare_sriov(names[i]);
	}
	assert_int_equal(n, 2);
}

static int list_devices(void)
{
	read_output("/bin/lspci -n -D", text);
	for (char *line = text; *line && n_names < DEVICES_MAX;
	     line = strchr(line, '\n') + 1)
		snprintf(names[n_names++], sizeof(names[0]), "%.12s", line);
	/* Two PFs, their VFs, their ports and what the machine has of itself. */
	return n_names >= 2 + 4 + 2 ? 0 : -1;
}

static int set_up(void **state)
{
	struct vio_ctx_params params = VIO_CTX_PARAMS_INIT;

	(void)state;
	if (command_run("cd /sys/bus/pci/devices/0000:01:00.0 &&"
			"echo 0 >sriov_drivers_autoprobe && echo 2 >sriov_numvfs &&"
			"cd /sys/bus/pci/devices/0000:02:00.0 &&"
			"echo 0 >sriov_drivers_autoprobe && echo 2 >sriov_numvfs") ||
	    list_devices() || vio_ctx_create(&params, &ctx, NULL))
		return -1;
	return vio_host_open(ctx, NULL, &host, NULL);
}

static int tear_down(void **state)
{
	(void)state;
	if (vio_host_close(host, NULL) || vio_ctx_destroy(ctx, NULL))
		return -1;
	return command_run("echo 0 >/sys/bus/pci/devices/0000:01:00.0/sriov_numvfs &&"
			   "echo 0 >/sys/bus/pci/devices/0000:02:00.0/sriov_numvfs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_byte_is_the_one_that_lspci_dumps),
		cmocka_unit_test(every_capability_says_what_lspci_says),
		cmocka_unit_test(every_sriov_capability_says_what_lspci_says),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
