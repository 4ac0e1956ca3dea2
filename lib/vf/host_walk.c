/* SPDX-License-Identifier: MIT */
/*
 * Walks over functions. The names are collected and sorted before the first one is
 * told of, so that what the caller does meanwhile, to the machine or to us, does not
 * change the walk; what has gone by its turn is left out.
 */
#include <errno.h>
#include <string.h>

#include "core/error.h"
#include "vf/host_read.h"
#include "vf/sysfs.h"

#define FIRST_ROOM 64u
#define LINK       "virtfn"

struct entry {
	uint64_t key; /* what they are sorted by */
	struct vio_pci_addr addr;
	uint32_t index; /* of a VF, or VIO_VF_INDEX_ANY */
};

struct walk {
	struct vio_host *host;
	struct entry *entries;
	size_t n;
	size_t room;
	int is_pf_only;
	int is_caller; /* who was told ended the walk: the result is its own */
};

static uint64_t key_of(const struct vio_pci_addr *addr)
{
	return (uint64_t)addr->domain << 16 | (uint64_t)addr->bus << 8 |
	       (uint64_t)addr->device << 3 | addr->function;
}

static void free_entries(struct walk *walk)
{
	vio_free(walk->host->env, walk->entries, walk->room * sizeof(*walk->entries),
		 _Alignof(struct entry));
}

static int grow(struct walk *walk)
{
	const size_t room = walk->room ? 2 * walk->room : FIRST_ROOM;
	struct entry *entries = vio_alloc_array(walk->host->env, room, sizeof(*entries),
						_Alignof(struct entry));

	if (!entries)
		return -ENOMEM;
	if (walk->n)
		memcpy(entries, walk->entries, walk->n * sizeof(*entries));
	free_entries(walk);
	walk->entries = entries;
	walk->room = room;
	return 0;
}

static int
add(struct walk *walk, uint64_t key, const struct vio_pci_addr *addr, uint32_t index)
{
	int ret = 0;

	if (walk->n == walk->room)
		ret = grow(walk);
	if (!ret)
		walk->entries[walk->n++] = (struct entry){ key, *addr, index };
	return ret;
}

static void sift(struct entry *entries, size_t at, size_t n)
{
	const struct entry moved = entries[at];
	size_t child;

	for (; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && entries[child].key < entries[child + 1].key)
			child++;
		if (entries[child].key <= moved.key)
			break;
		entries[at] = entries[child];
	}
	entries[at] = moved;
}

/* A heap sort: qsort() takes memory that is not the context's. */
static void sort(struct entry *entries, size_t n)
{
	for (size_t at = n / 2; at--;)
		sift(entries, at, n);
	while (n > 1) {
		const struct entry last = entries[--n];

		entries[n] = entries[0];
		entries[0] = last;
		sift(entries, 0, n);
	}
}

static int add_function(void *opaque, const char *name)
{
	struct walk *walk = opaque;
	struct vio_pci_addr addr;
	int ret = 1;

	/* What is named otherwise is no function. */
	if (vio_pci_addr_parse(name, &addr))
		return 0;
	if (walk->is_pf_only)
		ret = vio_host_has_attr(walk->host, &addr, "sriov_totalvfs");
	if (ret <= 0)
		return ret;
	return add(walk, key_of(&addr), &addr, VIO_VF_INDEX_ANY);
}

static int add_vf(void *opaque, uint32_t index, const struct vio_pci_addr *vf)
{
	return add(opaque, index, vf, index);
}

struct links {
	struct vio_host *host;
	const struct vio_pci_addr *pf;
	vio_host_vf_fn fn;
	void *opaque;
};

static int follow_link(void *opaque, const char *name)
{
	struct links *links = opaque;
	char path[VIO_SYSFS_PATH_BYTES], target[VIO_PCI_ADDR_TEXT_BYTES];
	struct vio_pci_addr vf;
	const char *digits;
	uint64_t index;
	int ret;

	if (strncmp(name, LINK, strlen(LINK)))
		return 0;
	digits = name + strlen(LINK);
	if (strspn(digits, "0123456789") != strlen(digits) ||
	    vio_sysfs_parse_u64(digits, &index) || index > UINT16_MAX)
		return 0;
	ret = vio_sysfs_path(links->pf, name, path);
	if (!ret)
		ret = vio_sysfs_read_link(links->host, path, target, sizeof(target));
	if (ret == -ENOENT)
		return 0;
	if (ret || vio_pci_addr_parse(target, &vf))
		return ret ? ret : -EBADMSG;
	return links->fn(links->opaque, (uint32_t)index, &vf);
}

int vio_host_foreach_link(struct vio_host *host, const struct vio_pci_addr *pf,
			  vio_host_vf_fn fn, void *opaque)
{
	struct links links = { host, pf, fn, opaque };
	char path[VIO_SYSFS_PATH_BYTES];
	int ret;

	ret = vio_sysfs_path(pf, NULL, path);
	return ret ? ret : vio_sysfs_foreach(host, path, follow_link, &links);
}

/* What a walk asks of each function; @pf NULL: that it can make VFs, or nothing. */
struct visit {
	const struct vio_pci_addr *pf;
	uint32_t flags;
	uint32_t parts; /* VIO_READ_ */
	vio_pci_fn fn;
	void *opaque;
};

static int visit(struct walk *walk, const struct visit *v, const struct entry *entry)
{
	struct vio_pci_info info;
	int ret;

	ret = vio_host_read_info(walk->host, &entry->addr, entry->index, v->parts,
				 &info);
	if (ret)
		return ret == -ENODEV ? 0 : ret;
	if (v->flags && !(info.flags & v->flags))
		return 0;
	if (v->pf && key_of(v->pf) != key_of(&info.physfn))
		return -EBADMSG;
	ret = v->fn(v->opaque, &info);
	walk->is_caller = !!ret;
	return ret;
}

/* Ends the walk that @ret, of the collection, began. */
static int
visit_all(struct walk *walk, const struct visit *v, int ret, struct vio_error *err)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES] = "the functions";

	if (!ret)
		sort(walk->entries, walk->n);
	for (size_t i = 0; !ret && i < walk->n; i++) {
		ret = visit(walk, v, &walk->entries[i]);
		vio_pci_addr_print(&walk->entries[i].addr, text);
	}
	free_entries(walk);
	if (!ret || walk->is_caller)
		return ret;
	return vio_fail(err, ret, "%s: %s", text,
			ret == -ENOMEM
				? "no memory for the walk"
				: "sysfs cannot be read, or says what cannot be");
}

int vio_host_foreach_pf_parts(struct vio_host *host, uint32_t parts, vio_pci_fn fn,
			      void *opaque, struct vio_error *err)
{
	const struct visit v = { NULL, VIO_PCI_IS_PF, parts, fn, opaque };
	struct walk walk = { .host = host, .is_pf_only = 1 };
	int ret;

	if (!fn)
		return vio_fail(err, -EINVAL, "functions: nobody to be told of them");
	ret = vio_sysfs_foreach(host, "bus/pci/devices", add_function, &walk);
	return visit_all(&walk, &v, ret, err);
}

int vio_host_foreach_pf(struct vio_host *host, vio_pci_fn fn, void *opaque,
			struct vio_error *err)
{
	return vio_host_foreach_pf_parts(host, vio_host_get_parts(host), fn, opaque,
					 err);
}

/* Is it there, and does it have @attr? */
static int check_has(struct vio_host *host, const struct vio_pci_addr *addr,
		     const char *attr, const char *lacks, struct vio_error *err)
{
	char text[VIO_PCI_ADDR_TEXT_BYTES];
	int ret;

	if (vio_pci_addr_print(addr, text) < 0)
		return vio_fail(err, -EINVAL, "function: the address is out of range");
	ret = vio_host_has_attr(host, addr, attr);
	if (ret > 0)
		return 0;
	if (!ret)
		ret = vio_host_has_attr(host, addr, "vendor");
	if (ret > 0)
		return vio_fail(err, -EOPNOTSUPP, "%s: %s", text, lacks);
	if (ret < 0)
		return vio_fail(err, ret, "%s: sysfs cannot be read", text);
	return vio_fail(err, -ENODEV, "%s: no such function", text);
}

int vio_host_foreach_vf_parts(struct vio_host *host, const struct vio_pci_addr *pf,
			      uint32_t parts, vio_pci_fn fn, void *opaque,
			      struct vio_error *err)
{
	const struct visit v = { pf, VIO_PCI_IS_VF, parts, fn, opaque };
	struct walk walk = { .host = host };
	int ret;

	if (!fn)
		return vio_fail(err, -EINVAL, "VFs: nobody to be told of them");
	ret = check_has(host, pf, "sriov_totalvfs", "it cannot make VFs", err);
	if (ret)
		return ret;
	ret = vio_host_foreach_link(host, pf, add_vf, &walk);
	return visit_all(&walk, &v, ret == -ENOENT ? -ENODEV : ret, err);
}

int vio_host_foreach_vf(struct vio_host *host, const struct vio_pci_addr *pf,
			vio_pci_fn fn, void *opaque, struct vio_error *err)
{
	return vio_host_foreach_vf_parts(host, pf, vio_host_get_parts(host), fn, opaque,
					 err);
}

int vio_host_foreach_peer(struct vio_host *host, const struct vio_pci_addr *addr,
			  vio_pci_fn fn, void *opaque, struct vio_error *err)
{
	const struct visit v = { NULL, 0, vio_host_get_parts(host), fn, opaque };
	struct walk walk = { .host = host };
	char path[VIO_SYSFS_PATH_BYTES];
	int ret;

	if (!fn)
		return vio_fail(err, -EINVAL, "peers: nobody to be told of them");
	ret = check_has(host, addr, "iommu_group", "it is in no IOMMU group", err);
	if (!ret)
		ret = vio_sysfs_path(addr, "iommu_group/devices", path);
	if (ret)
		return ret;
	ret = vio_sysfs_foreach(host, path, add_function, &walk);
	return visit_all(&walk, &v, ret == -ENOENT ? -ENODEV : ret, err);
}
