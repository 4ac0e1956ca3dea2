/* SPDX-License-Identifier: MIT */
/*
 * Collected first and printed then: a walk's callback is no place to walk again.
 * Leases that cannot be read are no reason not to list functions: an ordinary user
 * may not look into the folder, and none have been made on most machines.
 */
#include <errno.h>
#include <stdlib.h>

#include "inventory.h"
#include "say.h"

/* Room for one more in an array that has @n elements of @bytes, or NULL. */
static void *grow(void *array, uint32_t n, size_t bytes)
{
	/* 64, 128, 256, ...: whenever the number is such a one. */
	if (n & (n - 1) || (n && n < 64))
		return array;
	return reallocarray(array, n ? 2 * (size_t)n : 64, bytes);
}

static int add_function(void *opaque, const struct vio_pci_info *info)
{
	struct inventory *inventory = opaque;
	void *functions = grow(inventory->functions, inventory->n_functions,
			       sizeof(*inventory->functions));

	inventory->is_short = !functions;
	if (!functions)
		return -ENOMEM;
	inventory->functions = functions;
	inventory->functions[inventory->n_functions++] = *info;
	return 0;
}

static int add_lease(void *opaque, const struct vio_vf_info *info)
{
	struct inventory *inventory = opaque;
	void *leases = grow(inventory->leases, inventory->n_leases,
			    sizeof(*inventory->leases));

	inventory->is_short = !leases;
	if (!leases)
		return -ENOMEM;
	inventory->leases = leases;
	inventory->leases[inventory->n_leases++] = *info;
	return 0;
}

/* A PF that goes meanwhile has no VFs any more. */
static int read_vfs(struct inventory *inventory, struct vio_host *host,
		    const struct vio_pci_info *pf, struct vio_error *err)
{
	const int ret = add_function(inventory, pf);

	if (ret)
		return ret;
	if (!(pf->flags & VIO_PCI_IS_PF))
		return 0;
	return vio_host_foreach_vf(host, &pf->addr, add_function, inventory, err);
}

static int
read_all(struct inventory *inventory, struct vio_host *host, struct vio_error *err)
{
	struct inventory pfs = { 0 };
	int ret = vio_host_foreach_pf(host, add_function, &pfs, err);

	for (uint32_t i = 0; !ret && i < pfs.n_functions; i++) {
		ret = read_vfs(inventory, host, &pfs.functions[i], err);
		if (ret == -ENODEV)
			ret = 0;
	}
	inventory_destroy(&pfs);
	return ret;
}

static int read_one(struct inventory *inventory, struct vio_host *host,
		    const struct vio_pci_addr *pf, struct vio_error *err)
{
	struct vio_pci_info info = VIO_PCI_INFO_INIT;
	const int ret = vio_host_read_function(host, pf, &info, err);

	return ret ? ret : read_vfs(inventory, host, &info, err);
}

int leases_create(struct inventory *inventory, struct vioctl *vioctl)
{
	struct vio_error err = VIO_ERROR_INIT;
	const int ret =
		vio_host_foreach_lease(vioctl->host, add_lease, inventory, &err);

	if (ret == -EACCES || ret == -EPERM)
		return EXIT_DONE;
	return ret ? fail(ret, err.text) : EXIT_DONE;
}

int inventory_create(struct inventory *inventory, struct vioctl *vioctl,
		     const struct vio_pci_addr *pf)
{
	struct vio_error err = VIO_ERROR_INIT;
	int ret;

	*inventory = (struct inventory){ 0 };
	ret = pf ? read_one(inventory, vioctl->host, pf, &err)
		 : read_all(inventory, vioctl->host, &err);
	if (ret)
		return fail(ret, inventory->is_short ? "no memory" : err.text);
	return leases_create(inventory, vioctl);
}

void inventory_destroy(struct inventory *inventory)
{
	free(inventory->functions);
	free(inventory->leases);
	*inventory = (struct inventory){ 0 };
}

int is_same(const struct vio_pci_addr *a, const struct vio_pci_addr *b)
{
	return a->domain == b->domain && a->bus == b->bus && a->device == b->device &&
	       a->function == b->function;
}

const struct vio_vf_info *
lease_find(const struct inventory *inventory, const struct vio_pci_addr *addr)
{
	for (uint32_t i = 0; i < inventory->n_leases; i++)
		if (is_same(&inventory->leases[i].addr, addr))
			return &inventory->leases[i];
	return NULL;
}
