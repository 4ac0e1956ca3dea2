/* SPDX-License-Identifier: MIT */
/*
 * Binding as drivers/base/bus.c and drivers/pci/pci-driver.c do it. Functions live
 * in a table that is never compacted, so that attributes can point into it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fake/fake_pci.h"
#include "fake/support.h"

#define PATH_BYTES 160

__attribute__((format(printf, 2, 3))) static void
print_path(char *buf, const char *format, ...)
{
	int n = snprintf(buf, PATH_BYTES, "%s/", VIO_FAKE_PCI_ROOT);
	va_list args;

	va_start(args, format);
	n += vsnprintf(buf + n, PATH_BYTES - (size_t)n, format, args);
	va_end(args);
	assert_true(n < PATH_BYTES);
}

/* What was written, up to its newline, as a string. */
static int take_word(const char *buf, size_t n, char *out, size_t room)
{
	const char *end = memchr(buf, '\n', n);

	n = end ? (size_t)(end - buf) : n;
	if (n >= room)
		return -EINVAL;
	memcpy(out, buf, n);
	out[n] = '\0';
	return 0;
}

struct vio_fake_function *vio_fake_pci_find(struct vio_fake_pci *pci, const char *name)
{
	for (uint32_t i = 0; i < pci->n_functions; i++)
		if (!strcmp(pci->functions[i].name, name))
			return &pci->functions[i];
	return NULL;
}

static int
matches(const struct vio_fake_function *function, const struct vio_fake_driver *driver)
{
	const char *wanted =
		function->override[0] ? function->override : function->kind;

	return !strcmp(driver->name, wanted);
}

static int probe(struct vio_fake_function *function, struct vio_fake_driver *driver)
{
	char path[PATH_BYTES], target[PATH_BYTES];

	if (driver->refuses)
		return -EIO;
	strcpy(function->driver, driver->name);
	print_path(path, "bus/pci/devices/%s/driver", function->name);
	snprintf(target, sizeof(target), "%s/bus/pci/drivers/%s", VIO_FAKE_PCI_ROOT,
		 driver->name);
	vio_fake_add_link(function->pci->fake, path, target);
	return 0;
}

static int store_unbind(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_driver *driver = opaque;
	struct vio_fake_function *function;
	char name[32], path[PATH_BYTES];

	if (take_word(buf, n, name, sizeof(name)))
		return -EINVAL;
	function = vio_fake_pci_find(driver->pci, name);
	if (!function || strcmp(function->driver, driver->name))
		return -ENODEV;
	if (driver->keeps)
		return -driver->keeps;
	function->driver[0] = '\0';
	print_path(path, "bus/pci/devices/%s/driver", function->name);
	vio_fake_remove(function->pci->fake, path);
	return 0;
}

static int store_bind(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_driver *driver = opaque;
	struct vio_fake_function *function;
	char name[32];

	if (take_word(buf, n, name, sizeof(name)))
		return -EINVAL;
	function = vio_fake_pci_find(driver->pci, name);
	if (!function || function->driver[0] || !matches(function, driver))
		return -ENODEV;
	return probe(function, driver);
}

/* No driver that matches, or one that refuses, is no error of the bus. */
static int store_probe(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_pci *pci = opaque;
	struct vio_fake_function *function;
	char name[32];

	if (take_word(buf, n, name, sizeof(name)))
		return -EINVAL;
	function = vio_fake_pci_find(pci, name);
	if (!function)
		return -ENODEV;
	for (uint32_t i = 0; !function->driver[0] && i < pci->n_drivers; i++)
		if (matches(function, &pci->drivers[i]))
			probe(function, &pci->drivers[i]);
	return 0;
}

static int show_override(void *opaque, char *buf, size_t n)
{
	const struct vio_fake_function *function = opaque;

	return snprintf(buf, n, "%s\n",
			function->override[0] ? function->override : "(null)");
}

/* A line without a name takes it back; so does the kernel. */
static int store_override(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_function *function = opaque;

	return take_word(buf, n, function->override, sizeof(function->override));
}

static int store_reset(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_function *function = opaque;

	if (n < 1 || buf[0] != '1')
		return -EINVAL;
	if (function->fails_reset)
		return -ENOTTY;
	function->n_resets++;
	function->n_resets_in_use += !strcmp(function->driver, function->kind);
	return 0;
}

void vio_fake_pci_prepare(struct vio_fake_pci *pci, struct vio_fake *fake)
{
	memset(pci, 0, sizeof(*pci));
	pci->fake = fake;
	vio_fake_add_dir(fake, VIO_FAKE_PCI_ROOT "/bus/pci/devices");
	vio_fake_add_dir(fake, VIO_FAKE_PCI_ROOT "/bus/pci/drivers");
	vio_fake_add_attr(
		fake, VIO_FAKE_PCI_ROOT "/bus/pci/drivers_probe",
		&(struct vio_fake_attr){ .store = store_probe, .opaque = pci });
}

struct vio_fake_driver *
vio_fake_pci_add_driver(struct vio_fake_pci *pci, const char *name)
{
	struct vio_fake_driver *driver = &pci->drivers[pci->n_drivers++];
	char path[PATH_BYTES];

	assert_true(pci->n_drivers <= VIO_FAKE_PCI_DRIVERS);
	driver->pci = pci;
	strcpy(driver->name, name);
	print_path(path, "bus/pci/drivers/%s/unbind", name);
	vio_fake_add_attr(
		pci->fake, path,
		&(struct vio_fake_attr){ .store = store_unbind, .opaque = driver });
	print_path(path, "bus/pci/drivers/%s/bind", name);
	vio_fake_add_attr(
		pci->fake, path,
		&(struct vio_fake_attr){ .store = store_bind, .opaque = driver });
	return driver;
}

static void
add_text(struct vio_fake_function *function, const char *attr, const char *text)
{
	char path[PATH_BYTES];

	print_path(path, "bus/pci/devices/%s/%s", function->name, attr);
	vio_fake_add_text(function->pci->fake, path, text);
}

static void add_node(struct vio_fake_function *function, int numa_node)
{
	char text[16];

	snprintf(text, sizeof(text), "%d\n", numa_node);
	add_text(function, "numa_node", text);
}

static void add_attrs(struct vio_fake_function *function)
{
	struct vio_fake *fake = function->pci->fake;
	char path[PATH_BYTES];

	print_path(path, "bus/pci/devices/%s/driver_override", function->name);
	vio_fake_add_attr(fake, path,
			  &(struct vio_fake_attr){ .show = show_override,
						   .store = store_override,
						   .opaque = function });
	print_path(path, "bus/pci/devices/%s/reset", function->name);
	vio_fake_add_attr(
		fake, path,
		&(struct vio_fake_attr){ .store = store_reset, .opaque = function });
	add_text(function, "vendor", "0x8086\n");
	add_text(function, "class", "0x020000\n");
	add_text(function, "reset_method", "flr\n");
}

static void add_group(struct vio_fake_function *function, int group)
{
	char path[PATH_BYTES], target[PATH_BYTES];

	if (group < 0)
		group = 100 + function->pci->next_group++;
	print_path(path, "bus/pci/devices/%s/iommu_group", function->name);
	print_path(target, "kernel/iommu_groups/%d", group);
	vio_fake_add_link(function->pci->fake, path, target);
	print_path(path, "kernel/iommu_groups/%d/devices/%s", group, function->name);
	print_path(target, "bus/pci/devices/%s", function->name);
	vio_fake_add_link(function->pci->fake, path, target);
}

static struct vio_fake_function *
add_function(struct vio_fake_pci *pci, const char *name, const char *kind)
{
	struct vio_fake_function *function = vio_fake_pci_find(pci, "");

	/* The place of one that has gone. */
	if (!function)
		function = &pci->functions[pci->n_functions++];
	assert_true(pci->n_functions <= VIO_FAKE_PCI_MAX);
	memset(function, 0, sizeof(*function));
	function->pci = pci;
	strcpy(function->name, name);
	strcpy(function->kind, kind);
	function->config = (struct vio_vf_config)VIO_VF_CONFIG_INIT;
	add_attrs(function);
	return function;
}

static int show_autoprobe(void *opaque, char *buf, size_t n)
{
	const struct vio_fake_function *pf = opaque;

	return snprintf(buf, n, "%u\n", pf->autoprobe);
}

static int store_autoprobe(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_function *pf = opaque;

	if (n < 1 || (buf[0] != '0' && buf[0] != '1'))
		return -EINVAL;
	pf->autoprobe = buf[0] == '1';
	return 0;
}

static struct vio_fake_function *
find_vf(const struct vio_fake_function *pf, uint32_t index)
{
	for (uint32_t i = 0; i < pf->pci->n_functions; i++) {
		struct vio_fake_function *f = &pf->pci->functions[i];

		if (f->name[0] && f->pf == pf && f->index == index)
			return f;
	}
	return NULL;
}

static void make_vfs(struct vio_fake_function *pf, uint32_t n)
{
	const uint32_t bus = (uint32_t)strtoul(pf->name + 5, NULL, 16);
	char name[16];

	for (uint32_t i = 0; i < n; i++) {
		const uint32_t place = pf->vf_offset + 2 * i;
		struct vio_fake_function *vf;

		snprintf(name, sizeof(name), "0000:%02x:%02x.%u", bus & 0xff,
			 place / 8 & 0x1f, place % 8);
		vf = vio_fake_pci_add_vf(pf->pci, pf, name, "igbvf", -1);
		vf->config.spoofchk = 1;
		vf->config.n_msix = pf->vf_msix;
	}
}

/* Whoever holds one would make the kernel wait, for ever if need be. */
static void remove_vfs(struct vio_fake_function *pf)
{
	struct vio_fake_function *vf;

	for (uint32_t i = VIO_FAKE_PCI_MAX; i > 0; i--) {
		vf = find_vf(pf, i - 1);
		if (!vf)
			continue;
		assert_false(vf->is_held);
		vio_fake_pci_remove(vf);
	}
}

static int store_numvfs(void *opaque, const char *buf, size_t n)
{
	struct vio_fake_function *pf = opaque;
	char text[16];
	uint32_t wanted;

	if (take_word(buf, n, text, sizeof(text)))
		return -EINVAL;
	wanted = (uint32_t)strtoul(text, NULL, 10);
	pf->n_writes++;
	if (wanted > 7)
		return -ERANGE;
	if (!pf->driver[0])
		return -ENOENT;
	if (wanted && find_vf(pf, 0))
		return -EBUSY;
	if (wanted && wanted == pf->refused_vfs)
		return -ENOMEM;
	if (wanted)
		make_vfs(pf, wanted - (wanted == pf->scanty_vfs));
	else
		remove_vfs(pf);
	return 0;
}

static void add_sriov(struct vio_fake_function *pf)
{
	char path[PATH_BYTES];

	pf->autoprobe = 1;
	pf->vf_offset = 128;
	print_path(path, "bus/pci/devices/%s/sriov_drivers_autoprobe", pf->name);
	vio_fake_add_attr(pf->pci->fake, path,
			  &(struct vio_fake_attr){ .show = show_autoprobe,
						   .store = store_autoprobe,
						   .opaque = pf });
	print_path(path, "bus/pci/devices/%s/sriov_numvfs", pf->name);
	vio_fake_add_attr(
		pf->pci->fake, path,
		&(struct vio_fake_attr){ .store = store_numvfs, .opaque = pf });
}

struct vio_fake_function *vio_fake_pci_add_pf(struct vio_fake_pci *pci,
					      const char *name, int numa_node,
					      uint32_t link_mbps)
{
	struct vio_fake_function *pf = add_function(pci, name, "igb");
	char text[16];

	add_text(pf, "device", "0x10c9\n");
	add_text(pf, "sriov_totalvfs", "7\n");
	add_sriov(pf);
	pf->numa_node = numa_node;
	add_node(pf, numa_node);
	add_group(pf, -1);
	if (!link_mbps)
		return pf;
	snprintf(text, sizeof(text), "%u\n", link_mbps);
	add_text(pf, "net/eth0/speed", text);
	add_text(pf, "net/eth0/carrier", "1\n");
	add_text(pf, "net/eth0/ifindex", "2\n");
	return pf;
}

/* The lowest index that no VF has. */
static uint32_t find_index(const struct vio_fake_function *pf)
{
	uint32_t index = 0;

	while (find_vf(pf, index))
		index++;
	return index;
}

struct vio_fake_function *
vio_fake_pci_add_vf(struct vio_fake_pci *pci, struct vio_fake_function *pf,
		    const char *name, const char *kind, int group)
{
	const uint32_t index = find_index(pf);
	struct vio_fake_function *vf = add_function(pci, name, kind);
	char path[PATH_BYTES], target[PATH_BYTES];

	vf->pf = pf;
	vf->index = index;
	add_text(vf, "device", "0x10ca\n");
	add_node(vf, pf->numa_node);
	add_group(vf, group);
	print_path(path, "bus/pci/devices/%s/physfn", name);
	print_path(target, "bus/pci/devices/%s", pf->name);
	vio_fake_add_link(pci->fake, path, target);
	print_path(path, "bus/pci/devices/%s/virtfn%u", pf->name, index);
	print_path(target, "bus/pci/devices/%s", name);
	vio_fake_add_link(pci->fake, path, target);
	if (pf->autoprobe)
		vio_fake_pci_probe(vf);
	return vf;
}

void vio_fake_pci_probe(struct vio_fake_function *function)
{
	store_probe(function->pci, function->name, strlen(function->name));
}

void vio_fake_pci_remove(struct vio_fake_function *function)
{
	struct vio_fake *fake = function->pci->fake;
	char path[PATH_BYTES];

	if (function->pf) {
		print_path(path, "bus/pci/devices/%s/virtfn%u", function->pf->name,
			   function->index);
		vio_fake_remove(fake, path);
	}
	print_path(path, "bus/pci/devices/%s", function->name);
	vio_fake_remove(fake, path);
	function->driver[0] = '\0';
	function->override[0] = '\0';
	function->name[0] = '\0';
}

void vio_fake_pci_print(const struct vio_fake_pci *pci, char *buf)
{
	size_t n = 0;

	buf[0] = '\0';
	for (uint32_t i = 0; i < pci->n_functions; i++) {
		const struct vio_fake_function *f = &pci->functions[i];
		const struct vio_vf_config *c = &f->config;

		n += (size_t)snprintf(
			buf + n, VIO_FAKE_PCI_SNAPSHOT - n,
			"%s driver=%s override=%s mac=%02x%02x vlan=%u/%u/%x "
			"rate=%u-%u spoofchk=%u trust=%u link=%u msix=%u\n",
			f->name, f->driver, f->override, c->mac[0], c->mac[5], c->vlan,
			c->qos, c->vlan_protocol, c->min_tx_mbps, c->max_tx_mbps,
			c->spoofchk, c->trust, c->link_state, c->n_msix);
		assert_true(n < VIO_FAKE_PCI_SNAPSHOT);
	}
}
